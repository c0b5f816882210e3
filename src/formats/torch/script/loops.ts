// Loops. Known rounds are written out; where only the run knows their number, they become Loop, which carries every variable and every tensor
// that the body may change.
import { fail, type ModelError } from '../../../errors.ts';
import { type Dim, isUnknownDim, sameDim, unknownDim } from '../../../ir/dims.ts';
import { Graph, Value } from '../../../ir/graph.ts';
import { type TensorType, tensorType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { Symbolic } from '../aten/row.ts';
import { type Memory, overwrite, TensorRef } from '../memory.ts';
import type { Interpreter, Returned } from './interpret.ts';
import { type Container, type Content, Moment, sameContent } from './moment.ts';
import type { Block, Expression, Statement } from './parse.ts';
import { leavesAfter, leavesOf, placeholder, produced, rebuilt, typeOfValue } from './results.ts';
import { scalarValue, symbolicOf } from './scalars.ts';
import { Conflict, Dict, type Host, isKnownNumber, kindOf, List, plain, Tuple } from './values.ts';

/** Most rounds of a loop that is written out. */
const maxRounds = 100_000;

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

const sameType = (a: TensorType, c: TensorType): boolean =>
  a.element === c.element && a.shape!.every((d, i) => sameDim(d, c.shape![i]!) || (isUnknownDim(d) && isUnknownDim(c.shape![i]!)));

function commonType(a: TensorType, c: TensorType): TensorType {
  if (a.element !== c.element || a.shape!.length !== c.shape!.length)
    throw fail('E2001', 'a tensor changes its rank or element type from round to round of a loop', { node: { op: 'loop' } });
  const merged = (d: Dim, i: number): Dim => (sameDim(d, c.shape![i]!) ? d : isUnknownDim(d) ? d : unknownDim());
  return tensorType(a.element, a.shape!.map(merged));
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
