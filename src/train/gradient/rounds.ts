// The way back through a Loop or a Scan: the node keeps what its way back reads, one slice a round, and a Scan goes over these slices from
// the last to the first.
import { fail } from '../../errors.ts';
import { type Attribute, type Attributes, Graph, type Node, Value } from '../../ir/graph.ts';
import { formatType, type ValueType } from '../../ir/types.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { bodyInputsOf } from '../../ops/control-types.ts';
import { axisOf, range, rankOf } from '../../ops/shapes.ts';
import { reshapeTo, swapped } from '../../ops/sizing.ts';
import { emitAgain, rebuild } from '../../passes/rebuild.ts';
import { removeUnread } from '../../passes/rewrite.ts';
import { zerosLike } from './broadcast.ts';
import { capturedBy, graphIn, graphOf, type Nested, owned, typed } from './control.ts';
import { type Environment, leadingTo, readBy, Tape } from './driver.ts';
import { isReal, type Recorded } from './steps.ts';

/** Along which axis slices lie, and whether the last comes first. */
interface Slices {
  readonly axis: number;
  readonly reversed: number;
}

/** A Loop or a Scan in one form. */
interface Form {
  readonly body: Graph;
  /** What the node reads as states and in slices, and of each of these where they lie. */
  readonly states: readonly Value[];
  readonly sliced: readonly Value[];
  readonly reads: readonly Slices[];
  /** Of each output that is made of slices. */
  readonly makes: readonly Slices[];
  /** Inputs and outputs of the body before its states. */
  readonly inputsBefore: number;
  readonly outputsBefore: number;
}

function formOf({ node, inputs, attributes }: Nested): Form {
  const body = graphIn(attributes, 'body');
  // The cast: neither operator has optional inputs after its first two.
  const given = inputs as readonly Value[];
  if (node.op === 'Loop') {
    const states = given.slice(2);
    const makes = range(body.outputs.length - 1 - states.length).map(() => ({ axis: 0, reversed: 0 }));
    return { body, states, sliced: [], reads: [], makes, inputsBefore: 2, outputsBefore: 1 };
  }
  const numbers = (name: string): readonly number[] => {
    const a = attributes.get(name);
    return a?.kind === 'ints' ? a.value.map(Number) : [];
  };
  const slices = (axes: string, directions: string, n: number): Slices[] =>
    range(n).map(i => ({ axis: numbers(axes)[i] ?? 0, reversed: numbers(directions)[i] ?? 0 }));
  const scanned = attributes.get('num_scan_inputs');
  const count = given.length - (scanned?.kind === 'int' ? Number(scanned.value) : 0);
  const [states, sliced] = [given.slice(0, count), given.slice(count)];
  const reads = slices('scan_input_axes', 'scan_input_directions', sliced.length);
  const makes = slices('scan_output_axes', 'scan_output_directions', body.outputs.length - count);
  const fromFront = reads.map((s, i) => ({ ...s, axis: axisOf(s.axis, rankOf(sliced[i]!)) }));
  return { body, states, sliced, reads: fromFront, makes, inputsBefore: 0, outputsBefore: 0 };
}

/** One round copied for its gradient, and the way back through it. */
interface Round {
  readonly forward: Builder;
  readonly inputs: readonly Value[];
  readonly states: readonly Value[];
  readonly slices: readonly Value[];
  readonly outputs: readonly Value[];
  /** Active values from outside. */
  readonly captured: readonly Value[];
  readonly back: Builder;
  /** Gradients that the way back is given: of the states after the round and of the slices it made. */
  readonly given: readonly (Value | undefined)[];
  /** The gradients it comes to. */
  readonly totals: ReadonlyMap<Value, Value>;
}

function roundOf(env: Environment, nested: Nested, { body, sliced, inputsBefore, outputsBefore, states: initial }: Form): Round {
  const inputs = typedInputs(nested, body);
  const states = inputs.slice(inputsBefore, inputsBefore + initial.length);
  const slices = inputs.slice(inputsBefore + initial.length);
  const captured = capturedBy([body], nested.active);
  // A state has a gradient if any has: what a round adds to one reaches the others in the next.
  const tape = new Tape(env, [...states.filter(isReal), ...slices.filter((_, i) => nested.active.has(sliced[i]!)), ...captured]);
  const now = new Map<Value, Value | undefined>(body.inputs.map((v, i) => [v, inputs[i]]));
  const forward = newBuilder();
  const ends = body.outputs.map(o => o.value);
  tape.record(body.nodes, now, forward, leadingTo(body.nodes, ends));
  const outputs = ends.map(v => now.get(v) ?? v);
  const after = outputs.slice(outputsBefore);
  states.forEach((v, i) => {
    requireSteady(nested.node, v, after[i]!);
  });
  const back = newBuilder();
  const given = after.map((v, i) =>
    isReal(v) && (i < states.length || nested.leads(i)) ? new Value(`g_${i}`, (states[i] ?? v).type) : undefined,
  );
  const seeds = after.flatMap((v, i) => (given[i] ? [[v, given[i]] as const] : []));
  return { forward, inputs, states, slices, outputs, captured, back, given, totals: tape.pull(seeds, back) };
}

/** The inputs of the body, typed by what the node gives it where it says nothing itself. */
function typedInputs({ node, inputs }: Nested, body: Graph): Value[] {
  const given = bodyInputsOf(node, inputs)?.types ?? [];
  const hasShape = (type: ValueType | undefined): boolean => type?.kind === 'tensor' && type.shape !== undefined;
  return body.inputs.map((v, i) => new Value(v.name, hasShape(v.type) ? v.type : (given[i] ?? v.type)));
}

/** @throws ModelError E6003 where a state has another rank or size after a round: slices of it could not be kept */
function requireSteady(node: Node, before: Value, after: Value): void {
  if (!isReal(before)) return;
  const [a, c] = [before.shape, after.shape];
  const differ = a?.some((d, i) => typeof d === 'number' && typeof c?.[i] === 'number' && d !== c[i]);
  if (a && c && a.length === c.length && !differ) return;
  throw fail(
    'E6003',
    `${node.op}: the state ${before.name} is ${formatType(before.type)} before a round and ${formatType(after.type)} after it`,
  );
}

/** A gradient that is a product in every round, left^T · right: one product of the factors of all rounds says their sum. */
interface Product {
  readonly left: Value;
  readonly right: Value;
}

function productOf(total: Value | undefined): Product | undefined {
  const node = total?.producer;
  if (!node || total.shape?.length !== 2) return undefined;
  const [p, right] = node.inputs as readonly [Value, Value];
  const isTurned = node.op === 'Gemm' && node.inputs.length === 2 && String([...node.attributes.keys()]) === 'transA';
  if (isTurned) return { left: p, right };
  const turn = node.op === 'MatMul' && p.producer?.op === 'Transpose' ? p.producer.inputs[0] : undefined;
  return turn?.shape?.length === 2 && right.shape?.length === 2 ? { left: turn, right } : undefined;
}

export function throughRounds(env: Environment, nested: Nested, b: Builder): Recorded {
  const form = formOf(nested);
  const round = roundOf(env, nested, form);
  const { node, active } = nested;
  const { back, totals, captured, states, slices } = round;
  const products = captured.map(v => productOf(totals.get(v)));
  const sums = captured.map((v, i) => (products[i] ? undefined : new Value(`sum_${i}`, v.type)));
  const read = slices.filter((_, i) => active.has(form.sliced[i]!));
  const total = (v: Value): Value => totals.get(v) ?? zerosLike(back, v);
  const factors = products.flatMap(p => (p ? [p.left, p.right] : []));
  const ends = [
    ...states.filter(isReal).map(total),
    ...captured.flatMap((v, i) => (sums[i] ? [totals.has(v) ? back.Add(sums[i], totals.get(v)!) : sums[i]] : [])),
    ...read.map(total),
    ...factors,
  ].map(v => owned(back, v));
  const whole = graphOf('back', [], ends, back);
  removeUnread(whole);
  const { again, kept, shapes } = keptBy(whole, round);
  const results = emitKeeping(nested, form, round, kept, b);

  const pull: Recorded['pull'] = (gs, at) => {
    const after = round.given;
    const zeros = (i: number): Value => zerosLike(at, results[i]!);
    const initial = [...after.slice(0, states.length).flatMap((v, i) => (v ? [gs[i] ?? zeros(i)] : []))];
    const emptySums = captured.flatMap((v, i) => (sums[i] ? [zerosLike(at, v)] : []));
    const sliced = [
      ...kept.map((inner, i) => ({ v: results[form.states.length + form.makes.length + i]!, inner, axis: 0, reversed: 1 })),
      ...again.map(inner => {
        const i = slices.indexOf(inner);
        return { v: form.sliced[i]!, inner, axis: form.reads[i]!.axis, reversed: 1 - form.reads[i]!.reversed };
      }),
      ...after.flatMap((inner, i) => {
        if (!inner || i < states.length) return [];
        const { axis, reversed } = form.makes[i - states.length]!;
        return [{ v: gs[i] ?? zeros(i), inner, axis, reversed: 1 - reversed }];
      }),
    ];
    const inputs = [...after.slice(0, states.length), ...sums, ...sliced.map(s => s.inner)].filter(v => v !== undefined);
    // A copy, whose inputs are nobody's outputs.
    const body = rebuild(new Graph('back', { inputs, outputs: whole.outputs, nodes: whole.nodes }), new Map(), emitAgain, shapes);
    const readBack = form.reads.filter((_, i) => active.has(form.sliced[i]!));
    const made = at.emit(
      'Scan',
      [...initial, ...emptySums, ...sliced.map(s => s.v)],
      {
        body,
        num_scan_inputs: sliced.length,
        scan_input_axes: sliced.map(s => s.axis),
        scan_input_directions: sliced.map(s => s.reversed),
        scan_output_axes: [...readBack.map(s => s.axis), ...factors.map(() => 0)],
        scan_output_directions: [...readBack.map(s => 1 - s.reversed), ...factors.map(() => 1)],
      },
      { outputs: ends.map((_, i) => `${node.op.toLowerCase()}_back_${i}`) },
    ) as readonly Value[];
    const direct = [
      ...form.states.filter((_, i) => isReal(states[i])),
      ...captured.filter((_, i) => sums[i]),
      ...form.sliced.filter(v => active.has(v)),
    ].map((v, i) => [v, made[i]!] as const);
    const rows = made.slice(direct.length).map(v => reshapeTo(at, v, [-1, at.dim(v, 2)]));
    const late = captured
      .filter((_, i) => products[i])
      .map((v, i) => [v, at.MatMul(swapped(at, rows[2 * i]!, 0, 1), rows[2 * i + 1]!)] as const);
    return [...direct, ...late].filter(([v]) => isReal(v)).map(([v, g]) => [v, typed(g, v.type)] as const);
  };
  return { outputs: results.slice(0, node.outputs.length), pull };
}

/**
 * What the way back reads of the round: slices that are read again, and what is kept of each round. Shapes are asked for again instead
 * of kept, so that sizes stay known; those are nodes of `whole` then, which stand for the ones of the round.
 */
function keptBy(whole: Graph, { inputs, slices, forward }: Round): { again: Value[]; kept: Value[]; shapes: Map<Value, Value> } {
  const own = new Set([...forward.nodes.flatMap(n => n.outputs), ...inputs]);
  const readIn = (nodes: readonly Node[]): Value[] => [...new Set(nodes.flatMap(n => [...readBy(n)]))].filter(v => own.has(v));
  const asked = newBuilder();
  const shapes = new Map<Value, Value>();
  for (const v of readIn(whole.nodes)) {
    const { producer } = v;
    if (producer?.op === 'Shape') shapes.set(v, asked.emit('Shape', producer.inputs, producer.attributes)[0]!);
  }
  whole.nodes = [...asked.nodes, ...whole.nodes];
  const read = readIn(whole.nodes).filter(v => !shapes.has(v));
  const again = slices.filter(v => read.includes(v));
  const kept = read.filter(v => !slices.includes(v));
  // Without anything to read the number of rounds is kept.
  if (kept.length === 0 && again.length === 0) kept.push(inputs[0]!);
  return { again, kept, shapes };
}

/** The node with a body whose last outputs are what is kept. */
function emitKeeping(
  { node, inputs, attributes }: Nested,
  { makes }: Form,
  round: Round,
  kept: readonly Value[],
  b: Builder,
): readonly Value[] {
  const { forward, outputs } = round;
  const ends = [...outputs.map(v => owned(forward, v)), ...kept.map(v => forward.Identity(v))];
  const body = graphOf('round', [...round.inputs], ends, forward);
  const slices = [...makes, ...kept.map(() => ({ axis: 0, reversed: 0 }))];
  const list = (name: string, value: number[]): [string, Attribute][] => (attributes.has(name) ? [[name, { kind: 'ints', value }]] : []);
  const changed: Attributes = new Map([
    ...attributes,
    ['body', { kind: 'graph', value: body }],
    ...list(
      'scan_output_axes',
      slices.map(s => s.axis),
    ),
    ...list(
      'scan_output_directions',
      slices.map(s => s.reversed),
    ),
  ]);
  const names = [...node.outputs.map((v, i) => v?.name ?? `unused_${i}`), ...kept.map((v, i) => `${v.name || 'kept'}_${i}_rounds`)];
  return b.emit(node.op, inputs, changed, { outputs: names, name: node.name }) as readonly Value[];
}
