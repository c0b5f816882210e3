// Recurrent layers. What the operators LSTM and RNN of ONNX say is one of them; projections, layer normalisation, clipped cells and other
// activations are a Scan over the cell.
import { Graph, Value } from '../../../ir/graph.ts';
import { tensorType } from '../../../ir/types.ts';
import { type Builder, newBuilder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { reshapeTo } from '../../../ops/sizing.ts';
import type { ActivationFunctionType } from '../schema.gen.ts';
import { activated, type Call, type Row, type Rows, unsupported } from './row.ts';

/** What a gate sees: of the input, of further inputs, of the state, of the cell, and what is added at the end. */
interface Gate {
  readonly input: Value;
  readonly auxiliary: Value | undefined;
  readonly state: Value;
  readonly cell: Value | undefined;
  readonly bias: Value | undefined;
  readonly norm: Value | undefined;
}

interface Cell {
  /** Without an input gate, that is what the forget gate leaves. */
  readonly gates: { readonly i: Gate | undefined; readonly f: Gate; readonly g: Gate; readonly o: Gate };
  readonly projection: { readonly weights: Value; readonly bias: Value | undefined } | undefined;
  readonly activation: ActivationFunctionType;
  readonly cellClip: number;
  readonly projectionClip: number;
}

/** How a direction of a layer runs over the steps of a sequence [steps, batch, features]. */
interface Layer {
  readonly sequence: Value;
  readonly auxiliary: Value | undefined;
  readonly isReverse: boolean;
  /** Initial states [batch, …]. */
  readonly states: readonly Value[];
}

/** Outputs [steps, batch, features], and the last states. */
interface Made {
  readonly outputs: Value;
  readonly states: readonly Value[];
}

type Step = (b: Builder, inputs: readonly Value[], states: readonly Value[]) => readonly Value[];

const times = (b: Builder, x: Value, w: Value): Value => b.MatMul(x, b.Transpose(w, [1, 0]));
const limited = (b: Builder, v: Value, limit: number): Value =>
  limit > 0 ? b.Clip({ input: v, min: b.like(-limit, v), max: b.like(limit, v) }) : v;

/** The mean and the deviation from it along the features are taken out before the coefficients. */
function normalised(b: Builder, v: Value, coefficients: Value): Value {
  const axes = [rankOf(v) - 1];
  const centred = b.Sub(v, b.ReduceMean({ data: v, axes: b.ints(axes) }));
  const variance = b.ReduceMean({ data: b.Mul(centred, centred), axes: b.ints(axes) });
  return b.Mul(b.Div(centred, b.Sqrt(b.Add(variance, b.like(1e-8, v)))), coefficients);
}

function gateSum(b: Builder, gate: Gate, [x, more]: readonly (Value | undefined)[], state: Value, cell: Value): Value {
  let sum = b.Add(times(b, x!, gate.input), times(b, state, gate.state));
  if (gate.auxiliary && more) sum = b.Add(sum, times(b, more, gate.auxiliary));
  if (gate.cell) sum = b.Add(sum, b.Mul(cell, gate.cell));
  if (gate.norm) sum = normalised(b, sum, gate.norm);
  return gate.bias ? b.Add(sum, gate.bias) : sum;
}

const lstmStep =
  ({ gates: { i, f, g, o }, projection, activation, cellClip, projectionClip }: Cell): Step =>
  (b, inputs, [state, cell]) => {
    const sum = (gate: Gate, c: Value): Value => gateSum(b, gate, inputs, state!, c);
    const forget = b.Sigmoid(sum(f, cell!));
    const enter = i ? b.Sigmoid(sum(i, cell!)) : b.Sub(b.like(1, forget), forget);
    const candidate = activated(b, sum(g, cell!), activation);
    const next = limited(b, b.Add(b.Mul(forget, cell!), b.Mul(enter, candidate)), cellClip);
    const out = b.Mul(b.Sigmoid(sum(o, next)), activated(b, next, activation));
    if (!projection) return [out, next];
    const projected = times(b, out, projection.weights);
    return [limited(b, projection.bias ? b.Add(projected, projection.bias) : projected, projectionClip), next];
  };

/** A Scan over the steps; the first state is what each step gives. */
function scanned(b: Builder, step: Step, { sequence, auxiliary, isReverse, states }: Layer): Made {
  const sequences = auxiliary ? [sequence, auxiliary] : [sequence];
  const inner = newBuilder({ meta: b.meta });
  const carried = states.map((v, i) => new Value(`state_${i}`, v.type));
  const slices = sequences.map((v, i) => new Value(`slice_${i}`, tensorType(elementOf(v), shapeOf(v).slice(1))));
  const next = step(inner, slices, carried);
  const outputs = [...next, inner.Identity(next[0]!)].map((value, i) => ({ name: `next_${i}`, value }));
  const body = new Graph('step', { inputs: [...carried, ...slices], outputs, nodes: inner.nodes });
  const directions = sequences.map(() => 1);
  const at = { body, num_scan_inputs: sequences.length };
  const backwards = isReverse ? { scan_input_directions: directions, scan_output_directions: [1] } : {};
  const made = b.emit(
    'Scan',
    [...states, ...sequences],
    { ...at, ...backwards },
    { outputs: outputs.map((_, i) => `scan_${i}`) },
  ) as Value[];
  return { outputs: made.at(-1)!, states: made.slice(0, -1) };
}

/** Whether ONNX's LSTM is the same cell. */
const isPlain = ({ gates, projection, activation, cellClip }: Cell, { auxiliary }: Layer): boolean =>
  !projection && activation === 'TANH' && cellClip === 0 && !auxiliary && !Object.values(gates).some(gate => gate?.norm);

/** Gates in the order i o f c, one direction. Where there is no input gate, sigmoid(-z) is what 1 - sigmoid(z) leaves. */
function plainLstm(b: Builder, { gates: { i, f, g, o } }: Cell, { sequence, isReverse, states }: Layer): Made {
  const hidden = shapeOf(f.state)[0]!;
  if (typeof hidden !== 'number') throw unsupported('a hidden size that only the run knows');
  const negated = (v: Value | undefined): Value | undefined => v && b.Neg(v);
  const enter: Gate = i ?? { ...f, input: b.Neg(f.input), state: b.Neg(f.state), cell: negated(f.cell), bias: negated(f.bias) };
  const order = [enter, o, f, g];
  const zeros = (): Value => b.constant(new Float32Array(hidden), 'float32');
  const stacked = (parts: readonly Value[]): Value => b.Unsqueeze(b.Concat(parts, 0), [0]);
  const biases = order.some(gate => gate.bias) ? stacked([...order.map(gate => gate.bias ?? zeros()), ...order.map(zeros)]) : undefined;
  const peepholes = [enter, o, f].some(gate => gate.cell) ? stacked([enter, o, f].map(gate => gate.cell ?? zeros())) : undefined;
  const made = b.emit(
    'LSTM',
    [
      sequence,
      stacked(order.map(gate => gate.input)),
      stacked(order.map(gate => gate.state)),
      biases,
      undefined,
      ...states.map(v => b.Unsqueeze(v, [0])),
      peepholes,
    ],
    { hidden_size: hidden, direction: isReverse ? 'reverse' : undefined },
    { outputs: ['y', 'y_h', 'y_c'] },
  ) as Value[];
  return { outputs: b.Squeeze(made[0]!, [1]), states: made.slice(1).map(v => b.Squeeze(v, [0])) };
}

const lstmLayer = (b: Builder, cell: Cell, layer: Layer): Made =>
  isPlain(cell, layer) ? plainLstm(b, cell, layer) : scanned(b, lstmStep(cell), layer);

interface Options {
  readonly fused_activation_function: ActivationFunctionType;
  readonly cell_clip: number;
  readonly proj_clip: number;
}

/** A cell from inputs in the usual order: weights of the input from `at` on, then all others. */
function cellAt(
  x: Call,
  at: number,
  { fused_activation_function, cell_clip, proj_clip }: Options,
  norms?: number,
  auxiliary?: number,
): Cell {
  const optional = (i: number | undefined): Value | undefined => (i === undefined ? undefined : x.optional(i));
  const gate = (k: number, peephole: number | undefined): Gate => ({
    input: x.input(at + k),
    auxiliary: optional(auxiliary === undefined ? undefined : auxiliary + k),
    state: x.input(at + 4 + k),
    cell: optional(peephole === undefined ? undefined : at + 8 + peephole),
    bias: optional(at + 11 + k),
    norm: optional(norms === undefined ? undefined : norms + k),
  });
  const weights = x.optional(at + 15);
  return {
    gates: { i: x.has(at) ? gate(0, 0) : undefined, f: gate(1, 1), g: gate(2, undefined), o: gate(3, 2) },
    projection: weights && { weights, bias: x.optional(at + 16) },
    activation: fused_activation_function,
    cellClip: cell_clip,
    projectionClip: proj_clip,
  };
}

const stepsFirst = (b: Builder, v: Value, isTimeMajor: boolean): Value => (isTimeMajor ? v : b.Transpose(v, [1, 0, 2]));

/** What is left in states after a run, where kernels keep them. */
function keep(x: Call, places: readonly number[], states: readonly Value[]): void {
  places.forEach((place, i) => x.reader.update(x.info(place), states[i]!));
}

const unidirectionalLstm: Row = (x, b) => {
  const o = x.options('UnidirectionalSequenceLSTMOptions');
  if (o.diagonal_recurrent_tensors) throw unsupported('recurrent weights that are diagonals');
  const cell = cellAt(x, 1, o, 20);
  const layer = {
    sequence: stepsFirst(b, x.input(0), o.time_major),
    auxiliary: undefined,
    isReverse: false,
    states: [x.input(18), x.input(19)],
  };
  const { outputs, states } = lstmLayer(b, cell, layer);
  keep(x, [18, 19], states);
  return stepsFirst(b, outputs, o.time_major);
};

const bidirectionalLstm: Row = (x, b) => {
  const o = x.options('BidirectionalSequenceLSTMOptions');
  const sequence = stepsFirst(b, x.input(0), o.time_major);
  const auxiliary = x.has(39) ? stepsFirst(b, x.input(39), o.time_major) : undefined;
  // With weights for it, further input joins each step; without, the backward direction reads it in the place of the input.
  const hasWeights = x.has(41);
  const directions = [false, true].map(isReverse => {
    const places = isReverse ? [37, 38] : [35, 36];
    const cell = cellAt(x, isReverse ? 18 : 1, o, undefined, hasWeights ? (isReverse ? 44 : 40) : undefined);
    const states = places.map(place => x.input(place));
    const read = isReverse && auxiliary && !hasWeights ? auxiliary : sequence;
    const made = lstmLayer(b, cell, { sequence: read, auxiliary: hasWeights ? auxiliary : undefined, isReverse, states });
    keep(x, places, made.states);
    return stepsFirst(b, made.outputs, o.time_major);
  });
  return o.merge_outputs ? b.Concat(directions, 2) : directions;
};

/** One step of a layer. */
const lstm: Row = (x, b) => {
  const o = x.options('LSTMOptions');
  if (o.kernel_type === 'BASIC') return basicLstm(x, b);
  const states = lstmStep(cellAt(x, 1, o, x.count > 20 ? 20 : undefined))(b, [x.input(0)], [x.input(18), x.input(19)]);
  keep(x, [18, 19], states);
  return x.outputs.map((_, i) => (i === x.outputs.length - 1 ? states[0] : undefined));
};

/** Inputs: the input, the state before, all weights, biases, the cell before. Gates lie in the order i g f o. */
function basicLstm(x: Call, b: Builder): readonly Value[] {
  const [input, state, weights, biases, cell] = range(5).map(i => x.input(i)) as [Value, Value, Value, Value, Value];
  const joined = b.Concat([input, state], rankOf(input) - 1);
  const sums = b.Add(times(b, joined, weights), biases);
  const size = shapeOf(weights)[0]!;
  if (typeof size !== 'number') throw unsupported('a hidden size that only the run knows');
  const [i, g, f, o] = b.Split(
    sums,
    range(4).map(() => size / 4),
    rankOf(sums) - 1,
  );
  const next = b.Add(b.Mul(b.Sigmoid(i!), b.Tanh(g!)), b.Mul(b.Sigmoid(f!), cell));
  return [b.Mul(b.Sigmoid(o!), b.Tanh(next)), next, joined, sums];
}

interface Simple {
  readonly weights: Value;
  readonly auxiliary: Value | undefined;
  readonly recurrent: Value;
  readonly bias: Value | undefined;
  readonly activation: ActivationFunctionType;
}

const rnnStep =
  ({ weights, auxiliary, recurrent, bias, activation }: Simple): Step =>
  (b, [x, more], [state]) => {
    const gate = { input: weights, auxiliary, state: recurrent, cell: undefined, norm: undefined, bias };
    return [activated(b, gateSum(b, gate, [x, more], state!, state!), activation)];
  };

const rnnActivations: Readonly<Record<string, string>> = { TANH: 'Tanh', RELU: 'Relu' };

function rnnLayer(b: Builder, cell: Simple, layer: Layer): Made {
  const activation = rnnActivations[cell.activation];
  if (!activation || layer.auxiliary) return scanned(b, rnnStep(cell), layer);
  const hidden = shapeOf(cell.weights)[0]!;
  if (typeof hidden !== 'number') throw unsupported('a hidden size that only the run knows');
  const zeros = b.constant(new Float32Array(hidden), 'float32');
  const biases = cell.bias && b.Unsqueeze(b.Concat([cell.bias, zeros], 0), [0]);
  const made = b.emit(
    'RNN',
    [
      layer.sequence,
      b.Unsqueeze(cell.weights, [0]),
      b.Unsqueeze(cell.recurrent, [0]),
      biases,
      undefined,
      b.Unsqueeze(layer.states[0]!, [0]),
    ],
    { hidden_size: hidden, activations: [activation], direction: layer.isReverse ? 'reverse' : undefined },
    { outputs: ['y', 'y_h'] },
  ) as Value[];
  return { outputs: b.Squeeze(made[0]!, [1]), states: [b.Squeeze(made[1]!, [0])] };
}

const simpleAt = (x: Call, at: number, activation: ActivationFunctionType, auxiliary?: number): Simple => ({
  weights: x.input(at),
  auxiliary: auxiliary === undefined ? undefined : x.optional(auxiliary),
  recurrent: x.input(at + 1),
  bias: x.optional(at + 2),
  activation,
});

const rnn: Row = (x, b) => {
  const states = rnnStep(simpleAt(x, 1, x.options('RNNOptions').fused_activation_function))(b, [x.input(0)], [x.input(4)]);
  keep(x, [4], states);
  return states;
};

const unidirectionalRnn: Row = (x, b) => {
  const o = x.options('SequenceRNNOptions');
  const sequence = stepsFirst(b, x.input(0), o.time_major);
  const cell = simpleAt(x, 1, o.fused_activation_function);
  const { outputs, states } = rnnLayer(b, cell, { sequence, auxiliary: undefined, isReverse: false, states: [x.input(4)] });
  keep(x, [4], states);
  return stepsFirst(b, outputs, o.time_major);
};

const bidirectionalRnn: Row = (x, b) => {
  const o = x.options('BidirectionalSequenceRNNOptions');
  const sequence = stepsFirst(b, x.input(0), o.time_major);
  const auxiliary = x.has(9) ? stepsFirst(b, x.input(9), o.time_major) : undefined;
  const hasWeights = x.has(10);
  const directions = [false, true].map(isReverse => {
    const at = isReverse ? 5 : 1;
    const cell = simpleAt(x, at, o.fused_activation_function, hasWeights ? (isReverse ? 11 : 10) : undefined);
    const read = isReverse && auxiliary && !hasWeights ? auxiliary : sequence;
    const layer = { sequence: read, auxiliary: hasWeights ? auxiliary : undefined, isReverse, states: [x.input(at + 3)] };
    const made = rnnLayer(b, cell, layer);
    keep(x, [at + 3], made.states);
    return stepsFirst(b, made.outputs, o.time_major);
  });
  return o.merge_outputs ? b.Concat(directions, 2) : directions;
};

/** A filter of rank one over the last features: each is a product of the input, and its last values are weighed by time. */
const svdf: Row = (x, b) => {
  const { rank, fused_activation_function } = x.options('SVDFOptions');
  const [input, features, time, bias, state] = [x.input(0), x.input(1), x.input(2), x.optional(3), x.input(4)];
  const [filters, memory] = shapeOf(time);
  if (typeof filters !== 'number' || typeof memory !== 'number') throw unsupported('filters of a number that only the run knows');
  const past = b.Slice(reshapeTo(b, state, [-1, filters, memory]), { axes: [2], starts: [1], ends: [memory] });
  const kept = b.Concat([past, b.Unsqueeze(times(b, input, features), [2])], 2);
  x.reader.update(x.info(4), reshapeTo(b, kept, [-1, filters * memory]));
  const weighed = b.ReduceSum(b.Mul(kept, time), { axes: [2], keepdims: 0 });
  const units = b.ReduceSum(reshapeTo(b, weighed, [-1, filters / rank, rank]), { axes: [2], keepdims: 0 });
  return activated(b, bias ? b.Add(units, bias) : units, fused_activation_function);
};

export const recurrent: Rows = {
  LSTM: lstm,
  RNN: rnn,
  SVDF: svdf,
  UNIDIRECTIONAL_SEQUENCE_LSTM: unidirectionalLstm,
  UNIDIRECTIONAL_SEQUENCE_RNN: unidirectionalRnn,
  BIDIRECTIONAL_SEQUENCE_LSTM: bidirectionalLstm,
  BIDIRECTIONAL_SEQUENCE_RNN: bidirectionalRnn,
};
