// Loops as Loop: what stays the same is read from outside, counters follow from the number of the round, lists that are stored into in
// order are what the rounds give. Where the condition only bounds counters, the number of rounds is known before the first.
import { type Dim, isUnknownDim, sameDim, unknownDim } from '../../ir/dims.ts';
import { Graph, Value } from '../../ir/graph.ts';
import { type DataType, type TensorType, tensorType } from '../../ir/types.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { contentsOf, elementOf, typeOf } from '../../ops/shapes.ts';
import type { Body } from './body.ts';
import { unsupported } from './call.ts';
import { complexOf, imaginaryOf, isComplexLike } from './complex.ts';
import { complex, type Handle, isList, isValue, type List, list, tensorOf } from './handles.ts';
import { elementsOf, ReadsCarried, zeros } from './lists.ts';
import { functionsIn, produced, runBody, type StructureRow } from './step.ts';

/** Rounds of guesses at types until they hold. */
const mostAttempts = 12;

const whileLoop: StructureRow = step => {
  const [cond, body] = [functionsIn(step, 'cond')[0]!, functionsIn(step, 'body')[0]!];
  return runLoop({
    inputs: step.inputs.slice(0, body.args.length),
    b: step.b,
    nested: run => step.reader.nested(step.b, run),
    cond: (args, b) => runBody(step, cond, args, b),
    body: (args, b) => runBody(step, body, args, b),
    staysSame: place => staysSame(body, place),
  });
};

/** A loop of any format: what it is given, and how its parts are followed. */
export interface LoopParts {
  readonly inputs: readonly Handle[];
  readonly b: Builder;
  /** Run what becomes a graph inside a node, with a builder of its own. */
  readonly nested: <T>(run: (inner: Builder) => T) => T;
  readonly cond: (args: readonly Handle[], b: Builder) => readonly Handle[];
  readonly body: (args: readonly Handle[], b: Builder) => readonly Handle[];
  /** Whether the body gives an argument back as it got it. */
  readonly staysSame: (place: number) => boolean;
}

/** A place of the arguments that goes round. */
type Carried =
  | { readonly kind: 'tensor'; readonly place: number; readonly type: TensorType }
  | { readonly kind: 'complex'; readonly place: number; readonly type: TensorType }
  | { readonly kind: 'list'; readonly place: number; readonly of: List; readonly dense: boolean; readonly type: TensorType | undefined };

/** A number that every round makes one larger. */
interface Counter {
  readonly place: number;
  readonly start: Value;
}

interface Loop {
  readonly parts: LoopParts;
  readonly carried: readonly Carried[];
}

/** A body that was followed. */
interface Round {
  readonly b: Builder;
  readonly round: Value;
  readonly going: Value;
  /** What the body was given, by place. */
  readonly args: readonly Handle[];
  readonly results: readonly Handle[];
}

/** Run the body as long as the condition holds. */
export function runLoop(parts: LoopParts): readonly Handle[] {
  let carried = parts.inputs.flatMap((input, place) => (parts.staysSame(place) ? [] : [carriedAt(input, place)]));
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const loop = { parts, carried };
    try {
      const tried = follow(loop, new Map());
      const wider = carried.map(c => widened(c, tried.results[c.place]));
      if (wider.every((c, i) => c === carried[i])) return finish(loop, tried);
      carried = wider;
    } catch (error) {
      if (!(error instanceof ReadsCarried)) throw error;
      const at = carried.findIndex(c => c.place === error.place);
      const list = carried[at];
      // A list of an outer loop is that loop's to make dense.
      if (list?.kind !== 'list' || list.dense) throw error;
      carried = carried.with(at, denseList(list, parts.b));
    }
  }
  throw unsupported('the shapes in the loop do not settle');
}

function carriedAt(handle: Handle, place: number): Carried {
  if (isList(handle)) return { kind: 'list', place, of: handle, dense: false, type: undefined };
  if (isComplexLike(handle)) return { kind: 'complex', place, type: typeOf(complexOf(handle).real) };
  return { kind: 'tensor', place, type: typeOf(tensorOf(handle)) };
}

function denseList(c: Carried & { readonly kind: 'list' }, b: Builder): Carried {
  const value = elementsOf(c.of, b);
  return { ...c, dense: true, of: list(c.of.element, { is: 'tensor', value }), type: typeOf(value) };
}

const passes: ReadonlySet<string> = new Set(['Identity', 'IdentityN', 'StopGradient', 'Snapshot', '_Both']);

/** Whether a body gives an argument back as it got it. */
function staysSame(body: Body, place: number): boolean {
  let ref = body.outputs[place];
  while (ref && ref.node !== body.args[place]!.name) {
    const node = body.nodes.get(ref.node);
    if (!node || !passes.has(node.op)) return false;
    ref = node.inputs[node.op === '_Both' ? 0 : ref.index];
  }
  return ref !== undefined;
}

/** The type that holds what goes into a round and what comes out of it. */
function widened(c: Carried, result: Handle): Carried {
  if (result === undefined || !c.type) return c;
  const after = typeOf(c.kind === 'complex' ? complexOf(result).real : isList(result) ? denseResult(result) : tensorOf(result));
  const type = commonType(c.type, after);
  return sameType(c.type, type) ? c : ({ ...c, type } as Carried);
}

function denseResult(of: List): Value {
  if (of.content.is === 'tensor') return of.content.value;
  throw unsupported('a round empties a list');
}

function commonType(a: TensorType, c: TensorType): TensorType {
  if (a.element !== c.element) throw unsupported(`a round makes ${c.element} of what was ${a.element}`);
  if (a.shape?.length !== c.shape?.length || !a.shape) return tensorType(a.element);
  const merged = (d: Dim, i: number): Dim => (sameDim(d, c.shape![i]!) || isUnknownDim(d) ? d : unknownDim());
  return tensorType(a.element, a.shape.map(merged));
}

const sameType = (a: TensorType, c: TensorType): boolean =>
  a.shape === c.shape ||
  (a.shape !== undefined &&
    c.shape !== undefined &&
    a.shape.every((d, i) => sameDim(d, c.shape![i]!) || (isUnknownDim(d) && isUnknownDim(c.shape![i]!))));

/** Follow the body once; counters come from the number of the round. */
function follow({ parts, carried }: Loop, counters: ReadonlyMap<number, Counter>): Round {
  return parts.nested(b => {
    const round = new Value('round', tensorType('int64', []));
    const going = new Value('going', tensorType('bool', []));
    const args = [...parts.inputs];
    for (const c of carried) {
      const counter = counters.get(c.place);
      const carry = (part = ''): Value => new Value(`carried_${c.place}${part}`, c.type);
      if (counter) args[c.place] = counted(b, counter.start, round);
      else if (c.kind === 'complex') args[c.place] = complex(carry('_real'), carry('_imag'));
      else if (c.kind === 'tensor') args[c.place] = carry();
      else if (c.dense) args[c.place] = list(c.of.element, { is: 'tensor', value: carry() });
      else args[c.place] = list(c.of.element, { is: 'carried', place: c.place });
    }
    return { b, round, going, args, results: parts.body(args, b) };
  });
}

/** What a counter is in a round, in the type that it starts with. */
function counted(b: Builder, start: Value, round: Value): Value {
  const here = b.Cast(round, elementOf(start));
  return contentsOf(start)?.[0] === 0 ? here : b.Add(here, start);
}

function finish(loop: Loop, tried: Round): readonly Handle[] {
  const { parts, carried } = loop;
  if (tried.results.includes(undefined)) return tried.results.map(() => undefined);
  const counters = countersOf(loop, tried);
  const rounds = knownRounds(loop, counters);
  const last = rounds === undefined ? tried : follow(loop, counters);
  if (last.results.includes(undefined)) return last.results.map(() => undefined);
  const kept = carried.filter(c => rounds === undefined || !counters.has(c.place));
  const state = kept.filter(c => c.type !== undefined);
  const grown = kept.filter(c => c.type === undefined).map(c => growthOf(c, last, counters));
  const { b, inputs } = parts;
  const going = (args: readonly Handle[], builder: Builder): Value => tensorOf(parts.cond(args, builder)[0]);
  const again = rounds === undefined ? going(last.results, last.b) : last.going;
  const results = [again, ...state.flatMap(c => statesOf(c, last.results[c.place], last.b)), ...grown.map(g => g.item)];
  const outputs = results.map((v, i) => ({ name: `next_${i}`, value: produced(v, last.b) }));
  const states = state.flatMap(c => statesOf(c, last.args[c.place], last.b));
  const graph = new Graph('body', { inputs: [last.round, last.going, ...states], outputs, nodes: last.b.nodes });
  const first = rounds === undefined ? going(inputs, b) : undefined;
  const initial = state.flatMap(c => statesOf(c, c.kind === 'list' ? c.of : inputs[c.place], b));
  // Loop has at least two inputs.
  const start = first ?? (initial.length === 0 ? b.constant(true, 'bool') : undefined);
  const made = b.emit(
    'Loop',
    [rounds, start, ...initial],
    { body: graph },
    { outputs: outputs.slice(1).map((_, i) => `loop_${i}`) },
  ) as Value[];
  const all = [...inputs];
  const rest = [...made];
  for (const c of state) {
    const [value, imaginary] = rest.splice(0, c.kind === 'complex' ? 2 : 1) as [Value, Value?];
    for (const part of [value, imaginary]) if (part) part.type = c.type;
    all[c.place] =
      c.kind === 'complex' ? complex(value, imaginary) : c.kind === 'list' ? list(c.of.element, { is: 'tensor', value }) : value;
  }
  const done = rounds ?? (grown.length > 0 ? b.Gather(b.Shape(rest[0]!), b.constant(0, 'int64'), 0) : undefined);
  for (const [i, growth] of grown.entries()) {
    const rows = typedRows(rest[i]!, growth.item, rounds);
    const value = growth.slot === undefined ? wholeList(b, growth, rows, done!) : lastIn(b, growth, growth.slot, rows);
    all[growth.place] = list(growth.of.element, { is: 'tensor', value });
  }
  if (rounds) for (const [place, { start }] of counters) all[place] = b.Add(start, b.Cast(rounds, elementOf(start)));
  return all;
}

/** What goes round for a place, as tensors. */
function statesOf(c: Carried, handle: Handle, b: Builder): readonly Value[] {
  if (c.kind !== 'complex') return [isList(handle) ? denseResult(handle) : tensorOf(handle)];
  const z = complexOf(handle);
  return [z.real, imaginaryOf(z, b)];
}

/** What the rounds gave: one more axis than in a round. */
function typedRows(rows: Value, item: Value, rounds: Value | undefined): Value {
  const { element, shape } = typeOf(item);
  const count = (rounds && contentsOf(rounds)?.[0]) ?? rows.shape?.[0] ?? unknownDim();
  rows.type = shape ? tensorType(element, [count, ...shape]) : tensorType(element);
  return rows;
}

/** Places of whole numbers that every round makes one larger. */
function countersOf({ parts, carried }: Loop, { args, results }: Round): Map<number, Counter> {
  const counters = new Map<number, Counter>();
  for (const { kind, place } of carried) {
    if (kind !== 'tensor') continue;
    const [before, after, start] = [args[place], results[place], parts.inputs[place]];
    if (!isValue(before) || !isValue(after) || !isValue(start) || before.shape?.length !== 0) continue;
    const add = after.producer?.op === 'Add' ? after.producer.inputs : [];
    const one = add[0] === before ? add[1] : add[1] === before ? add[0] : undefined;
    if (one && ['int32', 'int64'].includes(one.element ?? '') && contentsOf(one)?.[0] === 1) counters.set(place, { place, start });
  }
  return counters;
}

/** The number of rounds, where the condition is that counters lie below what is known before: an int64 scalar. */
function knownRounds(loop: Loop, counters: ReadonlyMap<number, Counter>): Value | undefined {
  const { parts, carried } = loop;
  const b = newBuilder();
  const args: Handle[] = [...parts.inputs];
  for (const c of carried) args[c.place] = c.kind === 'tensor' ? new Value(`carried_${c.place}`, c.type) : undefined;
  const [condition] = parts.cond(args, b);
  if (!isValue(condition)) return undefined;
  const fresh = new Set<Value>(carried.map(c => args[c.place]).filter(isValue));
  const bounds: Value[] = [];
  for (const part of conjuncts(condition)) {
    const bound = boundOf(part, args, counters, fresh, parts.b);
    if (!bound) return undefined;
    bounds.push(bound);
  }
  const least = bounds.reduce((x, y) => (x === y ? x : parts.b.Min(x, y)));
  return parts.b.Max(least, parts.b.constant(0, 'int64'));
}

const conjuncts = (v: Value): readonly Value[] =>
  v.producer?.op === 'And'
    ? v.producer.inputs.flatMap(part => conjuncts(part!))
    : v.producer?.op === 'Identity'
      ? conjuncts(v.producer.inputs[0]!)
      : [v];

/** How many rounds a part of a condition allows: `counter < bound`, or that with equality. */
function boundOf(
  part: Value,
  args: readonly Handle[],
  counters: ReadonlyMap<number, Counter>,
  fresh: ReadonlySet<Value>,
  b: Builder,
): Value | undefined {
  const { producer } = part;
  if (!producer && contentsOf(part)?.[0] === 1) return b.constant(2n ** 62n, 'int64');
  const flips: Readonly<Record<string, string>> = { Greater: 'Less', GreaterOrEqual: 'LessOrEqual' };
  const isFlipped = producer !== undefined && producer.op in flips;
  const op = isFlipped ? flips[producer.op] : producer?.op;
  if (op !== 'Less' && op !== 'LessOrEqual') return undefined;
  const [low, high] = (isFlipped ? [...producer!.inputs].reverse() : producer!.inputs) as [Value, Value];
  const counter = [...counters.values()].find(c => args[c.place] === low);
  // The bound must come from outside of the loop: what the condition computes by itself would be asked again in each round.
  if (!counter || fresh.has(high) || (high.producer && !comesFromOutside(high, args, fresh))) return undefined;
  const span = b.Sub(b.Cast(high, 'int64'), b.Cast(counter.start, 'int64'));
  return op === 'Less' ? span : b.Add(span, b.constant(1, 'int64'));
}

/** Whether a value is an argument that stays the same. */
const comesFromOutside = (v: Value, args: readonly Handle[], fresh: ReadonlySet<Value>): boolean => args.includes(v) && !fresh.has(v);

interface Growth {
  readonly place: number;
  readonly of: List;
  /** Where the first round stores; at the end where that is absent. */
  readonly start?: Value;
  /** The one place where every round stores. */
  readonly slot?: number;
  readonly item: Value;
}

/** What every round stores into a list, one place after the other or always at one. */
function growthOf(c: Carried, { args, results }: Round, counters: ReadonlyMap<number, Counter>): Growth {
  if (c.kind !== 'list') throw unsupported('a list is made of a tensor in a loop');
  const after = results[c.place];
  if (!isList(after) || after.content.is !== 'stored' || after.content.place !== c.place) throw new ReadsCarried(c.place);
  const { index, item } = after.content;
  if (index === undefined) return { place: c.place, of: c.of, item };
  const slot = contentsOf(index)?.[0];
  const count = c.of.content.is === 'empty' ? contentsOf(c.of.content.count)?.[0] : undefined;
  if (typeof slot === 'number' && typeof count === 'number' && slot >= 0 && slot < count) return { place: c.place, of: c.of, slot, item };
  const counter = [...counters.values()].find(({ place }) => args[place] === index);
  if (!counter) throw new ReadsCarried(c.place);
  return { place: c.place, of: c.of, start: counter.start, item };
}

/** The list after the loop: what the rounds stored, between what was there before and after. */
function wholeList(b: Builder, { of, start }: Growth, rows: Value, rounds: Value): Value {
  if (start === undefined) {
    const isNew = of.content.is === 'empty' && contentsOf(of.content.count)?.[0] === 0;
    return isNew ? rows : b.Concat([elementsOf(of, b), rows], 0);
  }
  const first = b.Cast(start, 'int64');
  const end = b.Add(first, rounds);
  const count = of.content.is === 'empty' ? of.content.count : b.Gather(b.Shape(elementsOf(of, b)), b.constant(0, 'int64'), 0);
  const parts = [before(b, of, rows, first), rows, after(b, of, rows, end, count)].filter(part => part !== undefined);
  return parts.length === 1 ? rows : b.Concat(parts, 0);
}

/** The list after the loop, where every round stored at one place: what the last one stored, zeros elsewhere. */
function lastIn(b: Builder, { of }: Growth, slot: number, rows: Value): Value {
  const count = of.content.is === 'empty' ? Number(contentsOf(of.content.count)![0]) : 0;
  const rounds = rows.shape?.[0];
  const isCertain = typeof rounds === 'number' && rounds > 0;
  const all = isCertain ? rows : b.Concat([blank(b, of.element, rows, b.constant(1n, 'int64')), rows], 0);
  const last = b.Slice(all, { axes: [0], starts: [-1], ends: [Number.MAX_SAFE_INTEGER] });
  const zerosOf = (n: number): Value[] => (n > 0 ? [blank(b, of.element, rows, b.constant(BigInt(n), 'int64'))] : []);
  const parts = [...zerosOf(slot), last, ...zerosOf(count - 1 - slot)];
  return parts.length === 1 ? last : b.Concat(parts, 0);
}

const vector = (b: Builder, v: Value): Value => b.Reshape(v, [1]);

function before(b: Builder, of: List, rows: Value, first: Value): Value | undefined {
  if (contentsOf(first)?.[0] === 0) return undefined;
  if (of.content.is === 'tensor') return b.Slice(of.content.value, { axes: [0], starts: [0], ends: [vector(b, first)] });
  return blank(b, of.element, rows, first);
}

function after(b: Builder, of: List, rows: Value, end: Value, count: Value): Value | undefined {
  const [all, done] = [contentsOf(count)?.[0], contentsOf(end)?.[0]];
  if (all !== undefined && done !== undefined && sameDim(all, done)) return undefined;
  if (of.content.is === 'tensor')
    return b.Slice(of.content.value, { axes: [0], starts: [vector(b, end)], ends: [Number.MAX_SAFE_INTEGER] });
  return blank(b, of.element, rows, b.Max(b.Sub(count, end), b.constant(0, 'int64')));
}

/** Elements that nothing was stored into: zeros of the size of those in `rows`. */
function blank(b: Builder, element: DataType, rows: Value, count: Value): Value {
  const rank = typeOf(rows).shape?.length;
  if (rank === undefined) throw unsupported('elements of an unknown rank');
  const sizes = Array.from({ length: rank - 1 }, (_, i) => b.dim(rows, i + 1));
  return zeros(b, element, [vector(b, count), ...sizes]);
}

export const loops: Readonly<Record<string, StructureRow>> = {
  While: whileLoop,
  StatelessWhile: whileLoop,
  _While: whileLoop,
};
