// Recurrent layers: bodies that scan over time. The products with the input are made for all steps at once, outside of the scan.
// Gates lie one after the other in W, R and B: iofc of LSTM, zrh of GRU.
import { fail } from '../errors.ts';
import { Graph, Value } from '../ir/graph.ts';
import { tensorType } from '../ir/types.ts';
import { type Builder, newBuilder, type Size } from './builder.ts';
import { gapTypes } from './gap-types.ts';
import type { At, Family, Inputs } from './row.ts';
import { elementOf, range, shapeOf } from './shapes.ts';

export const recurrent = {
  RNN: {
    infer: gapTypes.RNN,
    lower: (x, at, b) => scanned(x, at, b, { gates: 1, hasCell: false, functions: ['Tanh'], step: rnnStep }),
  },
  GRU: {
    infer: gapTypes.GRU,
    lower: (x, at, b) =>
      scanned(x, at, b, { gates: 3, hasCell: false, functions: ['Sigmoid', 'Tanh'], step: gruStep(at.linear_before_reset !== 0) }),
  },
  LSTM: {
    infer: gapTypes.LSTM,
    lower: (x, at, b) =>
      scanned(x, at, b, { gates: 4, hasCell: true, functions: ['Sigmoid', 'Tanh', 'Tanh'], step: lstmStep(at.input_forget !== 0) }),
  },
} satisfies Family;

type Layer = Inputs<'RNN'> & Partial<Pick<Inputs<'LSTM'>, 'initial_c' | 'P'>>;
type LayerAt = Omit<At<'LSTM'>, 'input_forget'>;

interface Cell {
  readonly gates: number;
  readonly hasCell: boolean;
  /** The activations where none are given. */
  readonly functions: readonly string[];
  /** The next state from what the input gives the gates, [batch, gates · hidden]. */
  step(now: Step, b: Builder): { h: Value; c?: Value };
}

/** What a step of one direction reads. */
interface Step {
  readonly x: Value;
  readonly h: Value;
  readonly c: Value | undefined;
  /** [hidden, gates · hidden]. */
  readonly r: Value;
  /** The recurrent bias where it stays apart from the input's, [gates · hidden]. */
  readonly rb: Value | undefined;
  /** Peepholes iof, [3 · hidden]. */
  readonly p: Value | undefined;
  readonly hidden: number;
  readonly f: readonly Activation[];
}

type Activation = (v: Value) => Value;

/** Columns of one gate. */
const gate = (v: Value, k: number, hidden: number, b: Builder): Value =>
  b.Slice(v, { axes: [-1], starts: [k * hidden], ends: [(k + 1) * hidden] });

const rnnStep: Cell['step'] = ({ x, h, r, f: [f] }, b) => ({ h: f!(b.Add(x, b.MatMul(h, r))) });

const lstmStep =
  (inputForget: boolean): Cell['step'] =>
  ({ x, h, c, r, p, hidden, f: [f, g, out] }, b) => {
    const all = b.Add(x, b.MatMul(h, r));
    const peep = (v: Value, k: number, state: Value): Value => (p ? b.Add(v, b.Mul(gate(p, k, hidden, b), state)) : v);
    const input = f!(peep(gate(all, 0, hidden, b), 0, c!));
    const forget = inputForget ? b.Sub(b.like(1, x), input) : f!(peep(gate(all, 2, hidden, b), 2, c!));
    const next = b.Add(b.Mul(forget, c!), b.Mul(input, g!(gate(all, 3, hidden, b))));
    const output = f!(peep(gate(all, 1, hidden, b), 1, next));
    return { h: b.Mul(output, out!(next)), c: next };
  };

const gruStep =
  (linearBeforeReset: boolean): Cell['step'] =>
  ({ x, h, r, rb, hidden, f: [f, g] }, b) => {
    const part = (k: number, state: Value): Value => b.MatMul(state, gate(r, k, hidden, b));
    const biased = (v: Value, k: number): Value => (rb ? b.Add(v, gate(rb, k, hidden, b)) : v);
    const z = f!(b.Add(gate(x, 0, hidden, b), biased(part(0, h), 0)));
    const reset = f!(b.Add(gate(x, 1, hidden, b), biased(part(1, h), 1)));
    const inner = linearBeforeReset ? b.Mul(reset, biased(part(2, h), 2)) : biased(part(2, b.Mul(reset, h)), 2);
    const candidate = g!(b.Add(gate(x, 2, hidden, b), inner));
    return { h: b.Add(b.Mul(b.Sub(b.like(1, z), z), candidate), b.Mul(z, h)) };
  };

/** The layer over all of its directions. */
function scanned(layer: Layer, at: LayerAt, b: Builder, cell: Cell): { Y: Value; Y_h: Value; Y_c: Value } {
  const { X, R } = layer;
  const hidden = at.hidden_size ?? shapeOf(R)[2];
  if (typeof hidden !== 'number') throw fail('E3009', 'the hidden size must be known');
  const x = at.layout ? b.Transpose(X, [1, 0, 2]) : X;
  const reverse = at.direction === 'bidirectional' ? [false, true] : [at.direction === 'reverse'];
  const made = reverse.map((reversed, d) => direction(layer, at, b, cell, { x, d, reversed, hidden }));
  const joined = (parts: readonly Value[], axis: number): Value => {
    const wide = parts.map(v => b.Unsqueeze(v, [axis]));
    return wide.length === 1 ? wide[0]! : b.Concat(wide, axis);
  };
  const turn = (v: Value, perm: readonly number[]): Value => (at.layout ? b.Transpose(v, perm) : v);
  const states = (key: 'h' | 'c'): Value =>
    turn(
      joined(
        made.map(m => m[key]),
        0,
      ),
      [1, 0, 2],
    );
  return {
    Y: turn(
      joined(
        made.map(m => m.y),
        1,
      ),
      [2, 0, 1, 3],
    ),
    Y_h: states('h'),
    Y_c: states('c'),
  };
}

interface Direction {
  /** [time, batch, input]. */
  readonly x: Value;
  readonly d: number;
  readonly reversed: boolean;
  readonly hidden: number;
}

function direction(
  layer: Layer,
  at: LayerAt,
  b: Builder,
  cell: Cell,
  { x, d, reversed, hidden }: Direction,
): { y: Value; h: Value; c: Value } {
  const own = (v: Value): Value => b.Squeeze(b.Slice(v, { axes: [0], starts: [d], ends: [d + 1] }), [0]);
  const width = cell.gates * hidden;
  const biases = layer.B && own(layer.B);
  const part = (k: number): Value => b.Slice(biases!, { axes: [0], starts: [k * width], ends: [(k + 1) * width] });
  const [wb, rb] = biases ? [part(0), part(1)] : [];
  const products = b.MatMul(x, b.Transpose(own(layer.W), [1, 0]));
  // The two biases are one sum, except where a gate takes the recurrent one apart.
  const bias = wb && rb && cell.gates !== 3 ? b.Add(wb, rb) : wb;
  const pre = bias ? b.Add(products, bias) : products;
  const batch = b.dim(x, 1);
  const zero = (): Value => b.Expand(b.like(0, x), [batch, hidden]);
  const initial = (v: Value | undefined): Value => (v ? own(at.layout ? b.Transpose(v, [1, 0, 2]) : v) : zero());
  const states = [initial(layer.initial_h), ...(cell.hasCell ? [initial(layer.initial_c)] : [])];
  const lengths = layer.sequence_lens && b.Unsqueeze(b.Cast(layer.sequence_lens, 'int64'), [1]);
  const scope = { lengths, r: b.Transpose(own(layer.R), [1, 0]), rb: cell.gates === 3 ? rb : undefined, p: layer.P && own(layer.P) };
  const body = bodyOf(pre, states, scope, cell, { hidden, f: inner => activationsOf(at, cell.functions, d, inner) });
  const sequences = lengths ? [pre, times(x, b)] : [pre];
  const outputs = [...states.map((_, i) => `state_${i}`), 'steps'];
  const made = b.emit(
    'Scan',
    [...states, ...sequences],
    {
      body,
      num_scan_inputs: sequences.length,
      scan_input_directions: sequences.map(() => (reversed ? 1 : 0)),
      scan_output_directions: [reversed ? 1 : 0],
    },
    { outputs },
  ) as readonly Value[];
  return { y: made.at(-1)!, h: made[0]!, c: made[cell.hasCell ? 1 : 0]! };
}

/** 0, 1, … for each step of [time, …]. */
function times(x: Value, b: Builder): Value {
  const scalar = (n: bigint): Value => b.constant(n, 'int64');
  const count: Size = b.dim(x, 0);
  const limit = typeof count === 'number' ? scalar(BigInt(count)) : b.Squeeze(count, [0]);
  return b.Range({ start: scalar(0n), limit, delta: scalar(1n) });
}

/** One step as a graph: states, then what the step reads; next states, then the output. A batch whose sequence is over keeps its state. */
function bodyOf(
  pre: Value,
  states: readonly Value[],
  scope: { lengths: Value | undefined; r: Value; rb: Value | undefined; p: Value | undefined },
  cell: Cell,
  { hidden, f }: { hidden: number; f: (b: Builder) => readonly Activation[] },
): Graph {
  const b = newBuilder();
  const before = states.map((v, i) => new Value(`before_${i}`, v.type));
  const x = new Value('x', tensorType(elementOf(pre), shapeOf(pre).slice(1)));
  const time = new Value('time', tensorType('int64', []));
  const [h, c] = before;
  const next = cell.step({ x, h: h!, c, r: scope.r, rb: scope.rb, p: scope.p, hidden, f: f(b) }, b);
  const isGoing = scope.lengths && b.Less(time, scope.lengths);
  const kept = (v: Value, old: Value): Value => (isGoing ? b.Where(isGoing, v, old) : b.Identity(v));
  const after = [kept(next.h, h!), ...(cell.hasCell ? [kept(next.c!, c!)] : [])];
  const output = kept(next.h, b.like(0, next.h));
  return new Graph('step', {
    inputs: [...before, x, ...(scope.lengths ? [time] : [])],
    outputs: [...after, output].map((value, i) => ({ name: `after_${i}`, value })),
    nodes: b.nodes,
  });
}

/** Which of LSTM's activations the cell goes through on its way out. */
const cellOutput = 2;

/** Activations by name in lower case; the defaults of alpha and beta are the standard's. */
const functions: Readonly<
  Record<string, { alpha?: number; beta?: number; make(x: Value, alpha: number, beta: number, b: Builder): Value } | undefined>
> = {
  relu: { make: (x, _a, _c, b) => b.Relu(x) },
  tanh: { make: (x, _a, _c, b) => b.Tanh(x) },
  sigmoid: { make: (x, _a, _c, b) => b.Sigmoid(x) },
  softsign: { make: (x, _a, _c, b) => b.Softsign({ input: x }) },
  softplus: { make: (x, _a, _c, b) => b.Softplus({ X: x }) },
  affine: { alpha: 1, beta: 0, make: (x, alpha, beta, b) => b.Add(b.Mul(x, b.like(alpha, x)), b.like(beta, x)) },
  leakyrelu: { alpha: 0.01, make: (x, alpha, _c, b) => b.LeakyRelu({ X: x }, { alpha }) },
  thresholdedrelu: { alpha: 1, make: (x, alpha, _c, b) => b.ThresholdedRelu({ X: x }, { alpha }) },
  scaledtanh: { alpha: 1, beta: 1, make: (x, alpha, beta, b) => b.Mul(b.Tanh(b.Mul(x, b.like(beta, x))), b.like(alpha, x)) },
  hardsigmoid: { alpha: 0.2, beta: 0.5, make: (x, alpha, beta, b) => b.HardSigmoid({ X: x }, { alpha, beta }) },
  elu: { alpha: 1, make: (x, alpha, _c, b) => b.Elu({ X: x }, { alpha }) },
};

/**
 * The activations of direction `d`; alphas and betas are handed out in order to those that take one. What enters the gates is clipped
 * first; a cell on its way out is not, which is how ONNX Runtime reads "the input of activations".
 */
function activationsOf(at: LayerAt, defaults: readonly string[], d: number, b: Builder): readonly Activation[] {
  const given = at.activations?.length ? at.activations : defaults;
  const count = defaults.length;
  const alphas = [...(at.activation_alpha ?? [])];
  const betas = [...(at.activation_beta ?? [])];
  const all = given.map((name, k) => {
    const row = functions[name.toLowerCase()];
    if (!row) throw fail('E1303', `activation ${name} does not exist`);
    const alpha = row.alpha === undefined ? 0 : (alphas.shift() ?? row.alpha);
    const beta = row.beta === undefined ? 0 : (betas.shift() ?? row.beta);
    const { clip } = at;
    const limited = (x: Value): Value =>
      clip === undefined || k % count === cellOutput ? x : b.Max(b.Min(x, b.like(clip, x)), b.like(-clip, x));
    return (x: Value): Value => row.make(limited(x), alpha, beta, b);
  });
  return range(count).map(k => all[(d * count + k) % all.length]!);
}
