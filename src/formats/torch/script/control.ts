// Branches and loops. What is known decides at once; what only the run knows becomes If and Loop, and their results are every variable,
// every tensor written in place and every item of a list that the code in them may have changed.
import { fail, type ModelError } from '../../../errors.ts';
import { type Dim, isUnknownDim, sameDim, unknownDim } from '../../../ir/dims.ts';
import { Graph, Value } from '../../../ir/graph.ts';
import { type TensorType, tensorType } from '../../../ir/types.ts';
import { type Builder, newBuilder } from '../../../ops/builder.ts';
import { type Scalar, Symbolic } from '../aten/row.ts';
import { type Memory, overwrite, Snapshot, TensorRef } from '../memory.ts';
import { numberValue } from '../numbers.ts';
import { type Interpreter, Raised, type Returned } from './interpret.ts';
import type { Block, Expression, Statement } from './parse.ts';
import { scalarValue, settled, symbolicOf } from './scalars.ts';
import {
  Conflict,
  Dict,
  floatHost,
  type Host,
  type Instance,
  isKnownNumber,
  isNumber,
  isSame,
  kindOf,
  List,
  plain,
  Tuple,
} from './values.ts';

/** Most rounds of a loop that is written out. */
const maxRounds = 100_000;

/** Whether code always ends in an error: such branches are left out, as the model has no errors of its own. */
function raises(block: Block): boolean {
  return block.some(s => {
    if (s.kind === 'if') return raises(s.then) && raises(s.else);
    if (s.kind === 'with') return raises(s.body);
    if (s.kind !== 'expression' || s.value.kind !== 'call') return false;
    const { callee } = s.value;
    return callee.kind === 'attribute' && callee.name === 'RaiseException';
  });
}

type Container = List | Dict | Instance;
type Content = readonly (readonly [Host, Host])[];
const contentOf = (c: Container): Content =>
  c instanceof List
    ? [...c.known, ...(c.pending ?? [])].map((item, i) => [i, item] as const)
    : [...(c instanceof Dict ? c.entries : c.attributes)];
function setContent(c: Container, content: Content): void {
  if (c instanceof List) {
    const items = content.map(([, item]) => item);
    if (c.pending) c.pending = items.slice(c.known.length);
    else c.items = items;
  } else if (c instanceof Dict) c.entries = new Map(content);
  else {
    c.attributes.clear();
    for (const [key, item] of content) c.attributes.set(String(key), item);
  }
}
const sameContent = (a: Content, c: Content): boolean =>
  a.length === c.length && a.every(([key, item], i) => key === c[i]![0] && isSame(item, c[i]![1]));

/** Everything that code can change, at one moment. */
class Moment {
  readonly variables: ReadonlyMap<string, Host>;
  readonly memories: Snapshot;
  readonly #e: Interpreter;
  readonly #frames: number;
  readonly #meta: Builder['meta'];
  readonly #contents: ReadonlyMap<Container, Content>;

  constructor(e: Interpreter) {
    const { tensors, containers } = e.reachable();
    e.spend(tensors.size + containers.size);
    this.#e = e;
    this.#frames = e.frames.length;
    this.#meta = e.b.meta;
    this.variables = e.frame.variables;
    this.memories = new Snapshot(tensors, e.b);
    this.#contents = new Map([...containers].map(c => [c, contentOf(c)]));
  }

  /** Lists and the like whose content is another now. */
  get changed(): Map<Container, Content> {
    const now = [...this.#contents].map(([c, before]) => ({ c, before, content: contentOf(c) }));
    return new Map(now.filter(({ before, content }) => !sameContent(before, content)).map(({ c, content }) => [c, content]));
  }
  contentOf(c: Container): Content {
    return this.#contents.get(c)!;
  }

  /** Follow code in nodes of its own, and put everything back as it was. */
  aside<T>(run: (b: Builder) => T): T {
    const outer = this.#e.b;
    const inner = newBuilder({ meta: this.#meta });
    this.#e.b = inner;
    this.#e.frame.variables = new Map(this.variables);
    try {
      return run(inner);
    } finally {
      this.#e.b = outer;
      this.#e.frames.length = this.#frames;
      this.#e.frame.variables = this.variables as Map<string, Host>;
      this.memories.restore();
      for (const [c, content] of this.#contents) setContent(c, content);
    }
  }
}

interface Side {
  readonly b: Builder;
  readonly variables: ReadonlyMap<string, Host>;
  readonly memories: ReadonlyMap<Memory, Value>;
  readonly changed: ReadonlyMap<Container, Content>;
}

/** Both branches of a condition that the run decides. */
export function runIf(e: Interpreter, condition: Symbolic, yes: Block, no: Block): Returned | undefined {
  if (raises(yes)) return e.block(no);
  if (raises(no)) return e.block(yes);
  const moment = new Moment(e);
  const follow = (block: Block): Side | undefined => {
    try {
      return moment.aside(b => {
        if (e.block(block))
          throw fail('E2001', 'a return in a branch of which the run decides has no conversion', { node: { op: 'return' } });
        return {
          b,
          variables: e.frame.variables,
          memories: new Map(moment.memories.written.map(memory => [memory, memory.value])),
          changed: moment.changed,
        };
      });
    } catch (error) {
      if (error instanceof Raised) return undefined;
      throw error;
    }
  };
  const [then, other] = [follow(yes), follow(no)];
  if (!then) return e.block(no);
  if (!other) return e.block(yes);
  new Merge(e, moment, then, other).emit(condition);
  return undefined;
}

/** What is left of two branches. */
class Merge {
  readonly #e: Interpreter;
  readonly #moment: Moment;
  readonly #then: Side;
  readonly #else: Side;
  readonly #pairs: (readonly [Value, Value])[] = [];
  #made: readonly Value[] = [];

  constructor(e: Interpreter, moment: Moment, yes: Side, no: Side) {
    this.#e = e;
    this.#moment = moment;
    this.#then = yes;
    this.#else = no;
  }

  emit(condition: Symbolic): void {
    const { b, frame } = this.#e;
    const variables = new Map<string, () => Host>();
    for (const [name, value] of this.#then.variables)
      if (this.#else.variables.has(name)) variables.set(name, this.#host(value, this.#else.variables.get(name)));
    const memories = new Set([...this.#then.memories.keys(), ...this.#else.memories.keys()]);
    const contents = [...memories].map(memory => {
      const [a, c] = [this.#then, this.#else].map(side => side.memories.get(memory) ?? memory.value) as [Value, Value];
      return [memory, this.#pair(a, c)] as const;
    });
    const containers = this.#containers();
    if (this.#pairs.length > 0) {
      const graph = (side: Side, i: 0 | 1): Graph => {
        const name = i === 0 ? 'then' : 'else';
        const outputs = this.#pairs.map((pair, k) => ({ name: `${name}_${k}`, value: produced(pair[i], side.b) }));
        return new Graph(name, { inputs: [], outputs, nodes: side.b.nodes });
      };
      const attributes = { then_branch: graph(this.#then, 0), else_branch: graph(this.#else, 1) };
      const outputs = this.#pairs.map((_, i) => `if_${i}`);
      this.#made = b.emit('If', [b.Reshape(condition.value, [])], attributes, { outputs }) as readonly Value[];
    }
    for (const [name, value] of variables) frame.variables.set(name, value());
    for (const [memory, i] of contents) overwrite(memory, this.#made[i]!);
    for (const [c, content] of containers)
      setContent(
        c,
        content.map(([key, item]) => [key, item()] as const),
      );
  }

  #pair(a: Value, c: Value): number {
    const before = this.#pairs.findIndex(([x, y]) => x === a && y === c);
    return before >= 0 ? before : this.#pairs.push([a, c]) - 1;
  }

  #containers(): [Container, (readonly [Host, () => Host])[]][] {
    return [...new Set([...this.#then.changed.keys(), ...this.#else.changed.keys()])].map(container => {
      const [a, c] = [this.#then, this.#else].map(side => side.changed.get(container) ?? this.#moment.contentOf(container));
      if (a!.length !== c!.length || a!.some(([key], i) => key !== c![i]![0]))
        throw fail('E2001', `a ${kindOf(container)} has other items by a condition that only the run knows`, { node: { op: 'if' } });
      return [container, a!.map(([key, item], i) => [key, this.#host(item, c![i]![1])] as const)];
    });
  }

  /** What a value is after both branches, asked for when the node is made. */
  #host(a: Host, c: Host): () => Host {
    this.#e.spend(1);
    if (isSame(a, c)) return () => a;
    if (a instanceof Conflict && a.isEmpty) return this.#host(placeholder(c, this.#then.b, this.#else.b), c);
    if (c instanceof Conflict && c.isEmpty) return this.#host(a, placeholder(a, this.#else.b, this.#then.b));
    if (a instanceof TensorRef && c instanceof TensorRef) {
      const [x, y] = [a.read(this.#then.b), c.read(this.#else.b)];
      if (x.element !== y.element) return () => new Conflict(`it is ${x.element} or ${y.element} by a condition that only the run knows`);
      const i = this.#pair(x, y);
      const isShared = this.#moment.memories.has(a.memory) || this.#moment.memories.has(c.memory);
      return () => (isShared ? TensorRef.uncertain(this.#made[i]!) : TensorRef.of(this.#made[i]!));
    }
    if (isNumber(a) && isNumber(c)) {
      const [x, y] = [kindOf(a), kindOf(c)];
      const type = x === 'bool' && y === 'bool' ? 'bool' : x === 'float' || y === 'float' ? 'float32' : 'int64';
      const i = this.#pair(numberValue(a as Scalar, this.#then.b, type), numberValue(c as Scalar, this.#else.b, type));
      return () => settled(new Symbolic(this.#made[i]!));
    }
    const [x, y] = [itemsOf(a), itemsOf(c)];
    if (x && y && x.length === y.length && a instanceof Tuple === c instanceof Tuple) {
      const items = x.map((item, i) => this.#host(item, y[i]));
      return () =>
        a instanceof Tuple
          ? new Tuple(
              items.map(item => item()),
              a.fields,
            )
          : new List(items.map(item => item()));
    }
    return () => new Conflict(`it is ${kindOf(a)} or ${kindOf(c)} by a condition that only the run knows`);
  }
}

/** Something of the kind of a value, which is made in `there`, for a branch that gives none: nothing ever reads it. */
function placeholder(v: Host, here: Builder, there: Builder): Host {
  if (v instanceof TensorRef) {
    const { element, shape } = typeOfValue(v.read(there));
    const dims = shape!.map(d => (typeof d === 'number' ? d : 1));
    return TensorRef.of(here.Expand(here.Cast(here.constant(0n, 'int64'), element), dims));
  }
  if (isNumber(v)) return kindOf(v) === 'bool' ? false : kindOf(v) === 'int' ? 0 : floatHost(0);
  if (v instanceof Tuple)
    return new Tuple(
      v.items.map(item => placeholder(item, here, there)),
      v.fields,
    );
  return v instanceof List ? new List(v.items.map(item => placeholder(item, here, there))) : v;
}

const itemsOf = (v: Host): readonly Host[] | undefined => (v instanceof Tuple || v instanceof List ? v.items : undefined);

/** A value that a node of this graph produces; what comes from outside is passed through one. */
const produced = (v: Value, b: Builder): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));

/** `for x in …`: known rounds are written out. */
export function runFor(e: Interpreter, s: Statement & { readonly kind: 'for' }): Returned | undefined {
  const { over } = s;
  const isRange = over.kind === 'call' && over.callee.kind === 'name' && over.callee.name === 'range';
  const bounds = isRange ? over.args.map(arg => e.evaluate(arg)) : [];
  const [first, second, third = 1] = bounds;
  const [start, end, step] = (bounds.length === 1 ? [0, first, 1] : [first, second, third]) as [Host, Host, Host];
  if (isRange && !(isKnownNumber(start) && isKnownNumber(end) && isKnownNumber(step)))
    return runLoop(e, { count: rounds(e, start, end, step), start, step, target: s.target, body: s.body });
  const items = isRange ? numbers(start as number, end as number, step as number) : itemsIn(e.evaluate(over));
  for (const item of items) {
    e.assign(s.target, item);
    const returned = e.block(s.body);
    if (returned) return returned;
  }
  return undefined;
}

function numbers(start: number, end: number, step: number): number[] {
  const count = Math.max(0, Math.ceil((plain(end) - plain(start)) / plain(step)));
  if (!(count <= maxRounds)) throw fail('E1009', `a loop of ${count} rounds`, { limit: { name: 'torchscript.rounds', value: maxRounds } });
  return Array.from({ length: count }, (_, i) => plain(start) + i * plain(step));
}

const rounds = (e: Interpreter, start: Host, end: Host, step: Host): Host => {
  const span = e.operator('aten', 'sub', [end, start]);
  if (step === 1) return span;
  const negative = e.operator('aten', 'neg', [e.operator('aten', 'floordiv', [e.operator('aten', 'neg', [span]), step])]);
  return negative;
};

function itemsIn(v: Host): readonly Host[] {
  if (v instanceof List || v instanceof Tuple) return [...v.items];
  if (v instanceof Dict) return [...v.entries.keys()];
  if (typeof v === 'string') return [...v];
  throw fail('E2001', `a loop over ${kindOf(v)} has no conversion`, { node: { op: 'for' } });
}

/** Rounds are written out as long as the condition is known. */
export function runWhile(e: Interpreter, s: Statement & { readonly kind: 'while' }): Returned | undefined {
  for (let round = 0; round <= maxRounds; round++) {
    const condition = e.holds(s.condition);
    if (condition === false) return undefined;
    if (condition instanceof Symbolic) return runLoop(e, { condition: s.condition, first: condition, body: s.body });
    const returned = e.block(s.body);
    if (returned) return returned;
  }
  throw fail('E1009', `a loop of more than ${maxRounds} rounds`, { limit: { name: 'torchscript.rounds', value: maxRounds } });
}

type LoopParts =
  | { readonly count: Host; readonly start: Host; readonly step: Host; readonly target: Expression; readonly body: Block }
  | { readonly condition: Expression; readonly first: Symbolic; readonly body: Block };

/** What goes from round to round. */
interface Carried {
  readonly names: readonly string[];
  readonly memories: readonly Memory[];
  readonly types: readonly TensorType[];
  /** Lists that every round appends a tensor to. */
  readonly grown: readonly List[];
}

/** A variable without a value gets one in a round: nothing reads it before, but it goes round. */
class Unfilled extends Error {
  readonly variable: string;
  readonly standIn: (here: Builder) => Host;
  constructor(variable: string, standIn: (here: Builder) => Host) {
    super(`${variable} has no value before the loop`);
    this.variable = variable;
    this.standIn = standIn;
  }
}

/** A loop of which the run decides the number of rounds. */
function runLoop(e: Interpreter, parts: LoopParts): undefined {
  const names = [...assigned(parts.body)].filter(name => e.frame.variables.has(name));
  for (let left = names.length; ; left--)
    try {
      return settleLoop(e, parts, names);
    } catch (error) {
      if (!(error instanceof Unfilled) || left === 0) throw error;
      e.frame.variables.set(error.variable, error.standIn(e.b));
    }
}

/** Its body is followed until the types of what it carries stay the same. */
function settleLoop(e: Interpreter, parts: LoopParts, names: readonly string[]): undefined {
  const carried = (): Host[] => {
    const leaves = names.flatMap(name => leavesOf(e.frame.variables.get(name)));
    e.spend(leaves.length);
    return leaves;
  };
  const isOpen = (leaf: Host): boolean => leaf instanceof TensorRef && !leaf.memory.value.type;
  // Inputs get their types where the body first uses them.
  if (carried().some(isOpen))
    new Moment(e).aside(() => {
      if ('count' in parts) e.assign(parts.target, parts.start);
      e.block(parts.body);
    });
  e.settleAll('loop', carried());
  const moment = new Moment(e);
  const variables = new Map(e.frame.variables);
  const initial = (memories: readonly Memory[]): Value[] => [
    ...names.flatMap(name => leavesOf(variables.get(name))).map(leaf => scalarValue(leaf, e.b)),
    ...memories.map(memory => memory.value),
  ];
  let memories: readonly Memory[] = [];
  let grown: readonly List[] = [];
  let types: readonly TensorType[] = initial(memories).map(typeOfValue);
  for (let attempt = 0; attempt < 12; attempt++) {
    const tried = tryBody(e, moment, parts, { names, memories, types, grown });
    if (tried.grown.length > grown.length) grown = tried.grown;
    else if (tried.written.length > memories.length) {
      memories = tried.written;
      types = initial(memories).map(typeOfValue);
    } else if (tried.types.every((type, i) => sameType(type, types[i]!))) {
      finish(e, parts, tried.graph, { names, memories, types, grown }, initial(memories));
      return undefined;
    } else types = tried.types;
  }
  throw fail('E2001', 'the shapes in a loop do not settle', { node: { op: 'loop' } });
}

function finish(
  e: Interpreter,
  parts: LoopParts,
  body: Graph,
  { names, memories, types, grown }: Carried,
  initial: readonly Value[],
): void {
  const { b } = e;
  const count = 'count' in parts ? scalarValue(parts.count, b) : undefined;
  const going = 'count' in parts ? undefined : b.Reshape(parts.first.value, []);
  const outputs = [...initial, ...grown].map((_, i) => `loop_${i}`);
  const made = b.emit('Loop', [count, going, ...initial], { body }, { outputs }) as readonly Value[];
  made.forEach((v, i) => {
    if (i < types.length) v.type = types[i];
  });
  for (const [i, list] of grown.entries()) list.rows = typedRows(made[types.length + i]!, body.outputs[types.length + 1 + i]!.value);
  let at = 0;
  for (const name of names) {
    const before = e.frame.variables.get(name);
    const count = leavesOf(before).length;
    const values = made.slice(at, at + count);
    e.frame.variables.set(name, rebuilt(before, values, b));
    at += count;
  }
  for (const [i, memory] of memories.entries()) overwrite(memory, made[at + i]!);
}

interface Tried {
  readonly graph: Graph;
  /** Types that hold what goes into a round and what comes out of it. */
  readonly types: readonly TensorType[];
  readonly written: readonly Memory[];
  readonly grown: readonly List[];
}

/** What the rounds appended: one more axis than in a round. */
function typedRows(rows: Value, row: Value): Value {
  const { element, shape } = typeOfValue(row);
  rows.type = tensorType(element, [rows.shape?.[0] ?? unknownDim(), ...shape!]);
  return rows;
}

function tryBody(e: Interpreter, moment: Moment, parts: LoopParts, carried: Carried): Tried {
  for (const list of carried.grown) list.pending = [];
  try {
    return moment.aside(b => followBody(e, moment, parts, carried, b));
  } finally {
    for (const list of carried.grown) list.pending = undefined;
  }
}

function followBody(e: Interpreter, moment: Moment, parts: LoopParts, { names, memories, types, grown }: Carried, b: Builder): Tried {
  const round = new Value('round', tensorType('int64', []));
  const going = new Value('going', tensorType('bool', []));
  const inputs = types.map((type, i) => new Value(`carried_${i}`, type));
  const { variables } = e.frame;
  let at = 0;
  const before = names.map(name => {
    const value = variables.get(name);
    const leaves = inputs.slice(at, at + leavesOf(value).length);
    at += leaves.length;
    variables.set(name, rebuilt(value, leaves, b));
    return value;
  });
  for (const [i, memory] of memories.entries()) overwrite(memory, inputs[at + i]!);
  if ('count' in parts) e.assign(parts.target, roundNumber(e, round, parts.start, parts.step));
  if (e.block(parts.body)) throw fail('E2001', 'a return in a loop of which the run decides has no conversion', { node: { op: 'return' } });
  const again = 'count' in parts ? b.Identity(going) : scalarValue(e.holds(parts.condition), b);
  for (const [i, name] of names.entries()) {
    const [was, now] = [before[i], variables.get(name)];
    if (was instanceof Conflict && was.isEmpty && !(now instanceof Conflict)) throw new Unfilled(name, here => placeholder(now, here, b));
  }
  const after = names.flatMap((name, i) => leavesAfter(name, before[i], variables.get(name)));
  const results = [...after.map((leaf, i) => asType(scalarValue(leaf, b), types[i]!, b)), ...memories.map(memory => memory.value)];
  const lists = [...moment.changed].map(([container, content]) => growing(container, content, moment));
  const rows = grown.map(list => (list.pending ?? []).map(item => (item instanceof TensorRef ? item.read(b) : undefined)));
  if (lists.length === grown.length && rows.some(row => row.length !== 1 || !row[0])) throw changes();
  const outputs = [again, ...results, ...rows.flat().filter(row => row !== undefined)].map((v, i) => ({
    name: `next_${i}`,
    value: produced(v, b),
  }));
  const graph = new Graph('body', { inputs: [round, going, ...inputs], outputs, nodes: b.nodes });
  return { graph, types: results.map((v, i) => commonType(types[i]!, typeOfValue(v))), written: moment.memories.written, grown: lists };
}

const changes = (): ModelError =>
  fail('E2001', 'a list or dict changes in a loop of which only the run knows the number of rounds', { node: { op: 'loop' } });

/** A list that only got longer. */
function growing(container: Container, content: Content, moment: Moment): List {
  const before = moment.contentOf(container);
  const isLonger = content.length > before.length && sameContent(before, content.slice(0, before.length));
  if (!(container instanceof List) || container.rows || !isLonger) throw changes();
  return container;
}

function roundNumber(e: Interpreter, round: Value, start: Host, step: Host): Host {
  const number = symbolicOf(round, e.b);
  const scaled = step === 1 ? number : e.operator('aten', 'mul', [number, step]);
  return start === 0 ? scaled : e.operator('aten', 'add', [scaled, start]);
}

/** Numbers that a round makes floats stay what they were. */
const asType = (v: Value, type: TensorType, b: Builder): Value =>
  v.shape?.length === 0 && v.element !== type.element ? b.Cast(v, type.element) : v;

function typeOfValue(v: Value): TensorType {
  if (v.type?.kind === 'tensor' && v.type.shape) return v.type;
  throw fail('E3009', `the type of ${v.name || 'a value'} is not known`);
}
const sameType = (a: TensorType, c: TensorType): boolean =>
  a.element === c.element && a.shape!.every((d, i) => sameDim(d, c.shape![i]!) || (isUnknownDim(d) && isUnknownDim(c.shape![i]!)));

function commonType(a: TensorType, c: TensorType): TensorType {
  if (a.element !== c.element || a.shape!.length !== c.shape!.length)
    throw fail('E2001', 'a tensor changes its rank or element type from round to round of a loop', { node: { op: 'loop' } });
  const merged = (d: Dim, i: number): Dim => (sameDim(d, c.shape![i]!) ? d : isUnknownDim(d) ? d : unknownDim());
  return tensorType(a.element, a.shape!.map(merged));
}

/** The tensors and numbers in a value, in order. */
function leavesOf(v: Host): Host[] {
  if (v instanceof TensorRef || isNumber(v)) return [v];
  return (v instanceof Tuple || v instanceof List ? v.items : []).flatMap(leavesOf);
}

/** A value with other tensors and numbers in it. */
function rebuilt(v: Host, values: readonly Value[], b: Builder): Host {
  let at = 0;
  const build = (x: Host): Host => {
    if (x instanceof TensorRef) return TensorRef.of(values[at++]!);
    if (isNumber(x)) return settled(symbolicOf(values[at++]!, b));
    if (x instanceof Tuple) return new Tuple(x.items.map(build), x.fields);
    return x instanceof List ? new List(x.items.map(build)) : x;
  };
  return build(v);
}

function leavesAfter(name: string, before: Host, after: Host): Host[] {
  const isLeaf = (v: Host): boolean => v instanceof TensorRef || isNumber(v);
  if (isLeaf(before) && isLeaf(after) && before instanceof TensorRef === after instanceof TensorRef) return [after];
  const [x, y] = [itemsOf(before), itemsOf(after)];
  if (x && y && x.length === y.length) return x.flatMap((item, i) => leavesAfter(name, item, y[i]));
  if (isSame(before, after)) return [];
  throw fail('E2001', `${name} goes from ${kindOf(before)} to ${kindOf(after)} in a loop of which the run decides the number of rounds`, {
    node: { op: 'loop' },
  });
}

/** Every variable that code gives a value to. */
function assigned(block: Block, into = new Set<string>()): Set<string> {
  const target = (e: Expression): void => {
    if (e.kind === 'name') into.add(e.name);
    else if (e.kind === 'tuple') e.items.forEach(target);
  };
  for (const s of block) {
    if (s.kind === 'assign') target(s.target);
    else if (s.kind === 'if') {
      assigned(s.then, into);
      assigned(s.else, into);
    } else if (s.kind === 'for') {
      target(s.target);
      assigned(s.body, into);
    } else if (s.kind === 'while' || s.kind === 'with') assigned(s.body, into);
  }
  return into;
}
