// The way back through nested graphs. An If goes back in an If whose branches compute again what they need. A Loop or Scan keeps what its
// way back reads, one slice a round, and goes back in a Scan over these slices from the last to the first.
import { fail } from '../../errors.ts';
import { sameShape } from '../../ir/dims.ts';
import { type Attributes, Graph, type Node, Value } from '../../ir/graph.ts';
import { formatType, type ValueType } from '../../ir/types.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { bodyInputsOf } from '../../ops/control-types.ts';
import { axisOf, range, rankOf } from '../../ops/shapes.ts';
import { rebuild } from '../../passes/rebuild.ts';
import { zerosLike } from './broadcast.ts';
import { type Environment, isReal, leadingTo, type Recorded, readBy, Tape } from './driver.ts';

/** A node of control flow as it is copied. */
export interface Nested {
  readonly node: Node;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Outside values with a gradient. */
  readonly active: ReadonlySet<Value>;
  /** Whether output `i` leads to what is differentiated. */
  leads(i: number): boolean;
}

export function throughNested(env: Environment, nested: Nested, again: () => readonly (Value | undefined)[], b: Builder): Recorded {
  if (nested.node.op === 'If') return throughIf(env, nested, again());
  return throughRounds(env, nested, b);
}

const graphIn = (attributes: Attributes, name: string): Graph => {
  const a = attributes.get(name);
  if (a?.kind === 'graph') return a.value;
  throw fail('E1303', 'expected a graph attribute');
};

/** The active values from outside that a graph reads, in the order in which it does. */
function capturedBy(graphs: readonly Graph[], active: ReadonlySet<Value>): Value[] {
  const read = graphs.flatMap(graph => [...graph.nodes.flatMap(node => [...readBy(node)]), ...graph.outputs.map(o => o.value)]);
  return [...new Set(read.filter(v => active.has(v)))];
}

/** `v` as a value of a type that says more of it. */
function typedAs(b: Builder, v: Value, type: ValueType | undefined): Value {
  const same = b.Identity(v);
  if (type && !same.tensor) same.type = type;
  return same;
}

const graphOf = (name: string, inputs: Value[], outputs: readonly Value[], b: Builder): Graph =>
  new Graph(name, { inputs, outputs: outputs.map((value, i) => ({ name: `${name}_${i}`, value })), nodes: b.nodes });

function throughIf(env: Environment, { attributes, active, inputs }: Nested, outputs: readonly (Value | undefined)[]): Recorded {
  const branches = ['then_branch', 'else_branch'].map(name => [name, graphIn(attributes, name)] as const);
  const captured = capturedBy(
    branches.map(([, graph]) => graph),
    active,
  );
  const pull: Recorded['pull'] = (gs, b) => {
    const back = branches.map(([name, graph]) => {
      const inner = newBuilder();
      const tape = new Tape(env, captured);
      const now = new Map<Value, Value | undefined>();
      const ends = graph.outputs.map(o => o.value);
      tape.record(graph.nodes, now, inner, leadingTo(graph.nodes, ends));
      const seeds = ends.flatMap((end, i) => {
        const at = now.get(end) ?? end;
        const g = gs[i];
        return g && isReal(at) ? [[at, typedAs(inner, g, at.type)] as const] : [];
      });
      const totals = tape.pull(seeds, inner);
      return [
        name,
        graphOf(
          'back',
          [],
          captured.map(v => owned(inner, totals.get(v) ?? zerosLike(inner, v))),
          inner,
        ),
      ] as const;
    });
    const made = b.emit('If', [inputs[0]], Object.fromEntries(back), { outputs: captured.map(v => `${v.name}_grad`) }) as readonly Value[];
    return captured.map((v, i) => [v, typed(made[i]!, v.type)] as const);
  };
  return { outputs, pull };
}

/** A value that the nodes of the graph make, as files ask of its outputs. */
const owned = (b: Builder, v: Value): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));

function typed(v: Value, type: ValueType | undefined): Value {
  if (!v.tensor) v.type = type;
  return v;
}

/** A Loop or a Scan in one form. */
interface Rounds {
  readonly body: Graph;
  /** Inputs of the node before its states, and those of the body. */
  readonly before: number;
  readonly bodyBefore: number;
  /** Outputs of the body before its next states. */
  readonly nextBefore: number;
  readonly states: number;
  /** Axis and direction of each input that is read in slices, and of each output that is made of slices. */
  readonly reads: readonly Slices[];
  readonly makes: readonly Slices[];
}
interface Slices {
  readonly axis: number;
  readonly reversed: number;
}

function roundsOf({ node, inputs, attributes }: Nested): Rounds {
  const body = graphIn(attributes, 'body');
  if (node.op === 'Loop') {
    const states = inputs.length - 2;
    const makes = range(body.outputs.length - 1 - states).map(() => ({ axis: 0, reversed: 0 }));
    return { body, before: 2, bodyBefore: 2, nextBefore: 1, states, reads: [], makes };
  }
  const numbers = (name: string): readonly number[] => {
    const a = attributes.get(name);
    return a?.kind === 'ints' ? a.value.map(Number) : [];
  };
  const scanned = attributes.get('num_scan_inputs');
  const count = scanned?.kind === 'int' ? Number(scanned.value) : 0;
  const states = inputs.length - count;
  const slices = (axes: string, directions: string, n: number): Slices[] =>
    range(n).map(i => ({ axis: numbers(axes)[i] ?? 0, reversed: numbers(directions)[i] ?? 0 }));
  return {
    body,
    before: 0,
    bodyBefore: 0,
    nextBefore: 0,
    states,
    reads: slices('scan_input_axes', 'scan_input_directions', count).map((s, i) => ({
      ...s,
      axis: axisOf(s.axis, rankOf(inputs[states + i]!)),
    })),
    makes: slices('scan_output_axes', 'scan_output_directions', body.outputs.length - states),
  };
}

/** A copy of the body that is typed by what the node gives it. */
function typedInputs({ node, inputs }: Nested, body: Graph): Value[] {
  const given = bodyInputsOf(node, inputs)?.types ?? [];
  const hasShape = (type: ValueType | undefined): boolean => type?.kind === 'tensor' && type.shape !== undefined;
  return body.inputs.map((v, i) => new Value(v.name, hasShape(v.type) ? v.type : (given[i] ?? v.type)));
}

function throughRounds(env: Environment, nested: Nested, b: Builder): Recorded {
  const { node, inputs, attributes, active } = nested;
  const rounds = roundsOf(nested);
  const { body, before, bodyBefore, nextBefore, states } = rounds;
  const own = typedInputs(nested, body);
  const stateIns = own.slice(bodyBefore, bodyBefore + states);
  const sliceIns = own.slice(bodyBefore + states);
  const captured = capturedBy([body], active);
  // A state has a gradient if any has: what a round adds to one reaches the others in the next.
  const isRead = (i: number): boolean => active.has(inputs[before + states + i] as Value);
  const varying = [...stateIns.filter(isReal), ...sliceIns.filter((_, i) => isRead(i)), ...captured];

  const forward = newBuilder();
  const tape = new Tape(env, varying);
  const now = new Map<Value, Value | undefined>(body.inputs.map((v, i) => [v, own[i]]));
  const ends = body.outputs.map(o => o.value);
  tape.record(body.nodes, now, forward, leadingTo(body.nodes, ends));
  const outs = ends.map(v => now.get(v) ?? v);
  const nexts = outs.slice(nextBefore, nextBefore + states);
  const made = outs.slice(nextBefore + states);
  for (const [i, v] of stateIns.entries()) requireSteady(node, v, nexts[i]!);

  // The way back of one round: gradients of the next states and of slices to those of states, slices and what comes from outside.
  const back = newBuilder();
  const placeholder = (v: Value, name: string): Value => new Value(name, v.type);
  const gStates = stateIns.map((v, i) => (isReal(v) ? placeholder(v, `g_state_${i}`) : undefined));
  const gSlices = made.map((v, i) => (isReal(v) && nested.leads(states + i) ? placeholder(v, `g_slice_${i}`) : undefined));
  const seeds = [...nexts, ...made].flatMap((v, i) => {
    const g = [...gStates, ...gSlices][i];
    return g ? [[v, g] as const] : [];
  });
  const totals = tape.pull(seeds, back);
  const total = (v: Value): Value => totals.get(v) ?? zerosLike(back, v);
  const sums = captured.map((v, i) => placeholder(v, `sum_${i}`));
  const backOuts = [
    ...stateIns.filter(isReal).map(total),
    ...captured.map((v, i) => (totals.has(v) ? back.Add(sums[i]!, totals.get(v)!) : sums[i]!)),
    ...sliceIns.filter((_, i) => isRead(i)).map(total),
  ].map(v => owned(back, v));

  // What it reads of the round: slices are read again, the rest is kept.
  const read = new Set([...back.nodes.flatMap(n => [...readBy(n)])]);
  const makes = new Set([...forward.nodes.flatMap(n => n.outputs), ...own]);
  const again = sliceIns.filter(v => read.has(v));
  const kept = [...read].filter(v => makes.has(v) && !sliceIns.includes(v));
  // Without anything kept the number of rounds is.
  if (kept.length === 0 && again.length === 0) kept.push(own[0]!);
  const keptOuts = kept.map(v => forward.Identity(v));
  const whole = graphOf('round', own, [...outs.map(v => owned(forward, v)), ...keptOuts], forward);
  const { makes: outputSlices } = rounds;
  const names = [...node.outputs.map((v, i) => v?.name ?? `unused_${i}`), ...kept.map((v, i) => `${v.name || 'kept'}_${i}_rounds`)];
  const results = b.emit(
    node.op,
    inputs,
    new Map([...attributes, ['body', { kind: 'graph', value: whole }], ...keptAttributes(attributes, outputSlices, kept.length)]),
    { outputs: names, name: node.name },
  ) as readonly Value[];

  const pull: Recorded['pull'] = (gs, at) => {
    const initial = stateIns.flatMap((v, i) => (isReal(v) ? [gs[i] ?? zerosLike(at, results[i]!)] : []));
    const zeros = captured.map(v => zerosLike(at, v));
    const keptRounds = results.slice(states + made.length);
    const sliced = [
      ...keptRounds.map((v, i) => ({ v, inner: kept[i]!, axis: 0, reversed: 1 })),
      ...again.map(inner => {
        const i = sliceIns.indexOf(inner);
        const { axis, reversed } = rounds.reads[i]!;
        return { v: inputs[before + states + i]!, inner, axis, reversed: 1 - reversed };
      }),
      ...gSlices.flatMap((inner, i) => {
        const { axis, reversed } = outputSlices[i]!;
        return inner ? [{ v: gs[states + i] ?? zerosLike(at, results[states + i]!), inner, axis, reversed: 1 - reversed }] : [];
      }),
    ];
    // A copy, whose inputs are nobody's outputs.
    const whole = new Graph('back', {
      inputs: [...gStates.filter(v => v !== undefined), ...sums, ...sliced.map(s => s.inner)],
      outputs: backOuts.map((value, i) => ({ name: `back_${i}`, value })),
      nodes: back.nodes,
    });
    const inner = rebuild(whole);
    const readBack = rounds.reads.filter((_, i) => isRead(i));
    const outputs = [
      ...stateIns.filter(isReal).map(v => `${v.name}_grad`),
      ...captured.map(v => `${v.name}_grad`),
      ...sliceIns.filter((_, i) => isRead(i)).map(v => `${v.name}_grad`),
    ];
    const scan = at.emit(
      'Scan',
      [...initial, ...zeros, ...sliced.map(s => s.v)],
      {
        body: inner,
        num_scan_inputs: sliced.length,
        scan_input_axes: sliced.map(s => s.axis),
        scan_input_directions: sliced.map(s => s.reversed),
        scan_output_axes: readBack.map(s => s.axis),
        scan_output_directions: readBack.map(s => 1 - s.reversed),
      },
      { outputs },
    ) as readonly Value[];
    const targets = [
      ...stateIns.flatMap((v, i) => (isReal(v) ? [inputs[before + i]] : [])),
      ...captured,
      ...sliceIns.flatMap((_, i) => (isRead(i) ? [inputs[before + states + i]] : [])),
    ];
    return targets.flatMap((v, i) => (v && isReal(v) ? [[v, typed(scan[i]!, v.type)] as const] : []));
  };
  return { outputs: results.slice(0, node.outputs.length), pull };
}

/** Axes and directions of a Scan's outputs with those of what is kept. */
function keptAttributes(attributes: Attributes, makes: readonly Slices[], kept: number): Attributes {
  const more = range(kept).map(() => 0);
  const list = (name: string, own: readonly number[]): [string, { kind: 'ints'; value: number[] }][] =>
    attributes.has(name) ? [[name, { kind: 'ints', value: [...own, ...more] }]] : [];
  return new Map([
    ...list(
      'scan_output_axes',
      makes.map(s => s.axis),
    ),
    ...list(
      'scan_output_directions',
      makes.map(s => s.reversed),
    ),
  ]);
}

/** @throws ModelError E6003 where a state has another type after a round: slices of it could not be kept */
function requireSteady(node: Node, before: Value, after: Value): void {
  const [a, c] = [before.type, after.type];
  const isSame = a?.kind === 'tensor' && c?.kind === 'tensor' && a.shape && c.shape && sameShape(a.shape, c.shape);
  if (!isReal(before) || isSame) return;
  if (a?.kind === 'tensor' && c?.kind === 'tensor' && a.shape && c.shape?.length === a.shape.length) {
    const differ = a.shape.some((d, i) => typeof d === 'number' && typeof c.shape![i] === 'number' && d !== c.shape![i]);
    if (!differ) return;
  }
  throw fail('E6003', `${node.op}: the state ${before.name} is ${formatType(a)} before a round and ${formatType(c)} after it`);
}
