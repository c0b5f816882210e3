// ATen overloads of recurrent layers and of their cells. A layer, of one or both directions, is one ONNX operator.
import { Value } from '../../../ir/graph.ts';
import type { AttributeInput } from '../../../ops/attributes.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, shapeOf } from '../../../ops/shapes.ts';
import { floatType } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** A kind of recurrent layer as its ONNX operator has it. */
interface Kind {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  /** PyTorch's place of each gate, in the operator's order. */
  readonly gates: readonly number[];
  /** Beside direction and size, by the number of directions. */
  readonly attributes?: (directions: number) => Readonly<Record<string, AttributeInput>>;
}

/** PyTorch orders i f g o, the operator i o f c. */
const lstm: Kind = { op: 'LSTM', gates: [0, 3, 1, 2] };
/** PyTorch orders r z n, the operator z r h. */
const gru: Kind = { op: 'GRU', gates: [1, 0, 2], attributes: () => ({ linear_before_reset: 1 }) };
const tanh: Kind = { op: 'RNN', gates: [0] };
const relu: Kind = { op: 'RNN', gates: [0], attributes: directions => ({ activations: range(directions).map(() => 'Relu') }) };

/** Input weights, state weights, then the biases of both where a layer has them. */
type Weights = readonly Value[];

interface Layer {
  readonly input: Value;
  /** Of each direction. */
  readonly weights: readonly Weights[];
  readonly direction: 'forward' | 'reverse' | 'bidirectional';
  /** Initial states [directions, batch, hidden]; undefined for zeros. */
  readonly states: readonly (Value | undefined)[];
}

/** What a layer gives: outputs [steps, directions, batch, hidden] and last states [directions, batch, hidden]. */
interface Made {
  readonly outputs: Value;
  readonly states: readonly Value[];
}

function layerOf({ op, gates, attributes }: Kind, { input, weights, direction, states }: Layer, b: Builder): Made {
  const directions = weights.length;
  const hidden = hiddenSize(weights[0]!, gates);
  const stacked = (places: readonly number[]): Value => {
    const gatesFirst = weights.flatMap(w => places.flatMap(i => reordered(w[i]!, gates, hidden, b)));
    const joined = gatesFirst.length === 1 ? gatesFirst[0]! : b.Concat(gatesFirst, 0);
    return b.Reshape(joined, [
      directions,
      directions === 1 ? -1 : gates.length * places.length * hidden,
      ...shapeOf(joined)
        .slice(1)
        .map((_, i) => b.dim(joined, i + 1)),
    ]);
  };
  const bias = weights[0]!.length > 2 ? stacked([2, 3]) : undefined;
  const outputs = range(1 + states.length).map(i => ['y', 'y_h', 'y_c'][i]!);
  const made = b.emit(
    op,
    [input, stacked([0]), stacked([1]), bias, undefined, ...states],
    { hidden_size: hidden, direction: direction === 'forward' ? undefined : direction, ...attributes?.(directions) },
    { outputs },
  ) as readonly Value[];
  return { outputs: made[0]!, states: made.slice(1) };
}

function hiddenSize(weights: Weights, gates: readonly number[]): number {
  const [rows, columns] = shapeOf(weights[1]!);
  if (typeof rows !== 'number') throw unsupported('a dynamic hidden size');
  if (columns !== rows / gates.length) throw unsupported('a projection of the hidden state (proj_size)');
  return columns;
}

/** The rows of a weight or bias, a block of `hidden` rows a gate, as blocks in another order. */
function reordered(weight: Value, gates: readonly number[], hidden: number, b: Builder): readonly Value[] {
  if (gates.length === 1) return [weight];
  const blocks = b.Split(
    weight,
    gates.map(() => hidden),
    0,
  );
  return gates.map(gate => blocks[gate]!);
}

/** Whether a value is zeros for certain, as are the initial states of a module that was given none. */
function isZeros({ tensor, parameter, producer }: Value): boolean {
  if (tensor) return !parameter && tensor.isResident && Array.from(tensor.data as ArrayLike<number | bigint>).every(x => Number(x) === 0);
  if (producer?.op === 'Expand') return isZeros(producer.inputs[0]!);
  const fill = producer?.attributes.get('value');
  return (
    producer?.op === 'ConstantOfShape' && (!fill || (fill.kind === 'tensor' && isZeros(new Value('', undefined, { tensor: fill.value }))))
  );
}

/** The states of each layer, out of those of all layers. */
function statesByLayer(states: readonly Value[], layers: number, directions: number, b: Builder): (Value | undefined)[][] {
  const split = states.map(state => {
    if (isZeros(state)) return range(layers).map(() => undefined);
    return layers === 1
      ? [state]
      : b.Split(
          state,
          range(layers).map(() => directions),
          0,
        );
  });
  return range(layers).map(layer => split.map(list => list[layer]));
}

/** [steps, directions, batch, hidden] as [steps, batch, directions * hidden], or with the batch first. */
function joinDirections(outputs: Value, batchFirst: boolean, b: Builder): Value {
  const [, directions, , hidden] = shapeOf(outputs) as readonly number[];
  if (directions === 1) {
    const y = b.Squeeze(outputs, [1]);
    return batchFirst ? b.Transpose(y, [1, 0, 2]) : y;
  }
  return b.Reshape(b.Transpose(outputs, batchFirst ? [2, 0, 1, 3] : [0, 2, 1, 3]), [0, 0, directions! * hidden!]);
}

const layered =
  (kind: Kind): AtenRow =>
  (x, b) => {
    const layers = x.number('num_layers');
    if (x.boolean('train') && x.number('dropout') > 0 && layers > 1)
      throw unsupported('dropout between layers in training mode; export the model in eval mode');
    const [directions, batchFirst] = [x.boolean('bidirectional') ? 2 : 1, x.boolean('batch_first')];
    const params = x.tensors('params');
    const each = params.length / layers / directions;
    if (each !== (x.boolean('has_biases') ? 4 : 2)) throw unsupported('a projection of the hidden state (proj_size)');
    const initial = statesByLayer(kind === lstm ? x.tensors('hx') : [x.tensor('hx')], layers, directions, b);
    const input = x.tensor('input');

    let sequence = batchFirst ? b.Transpose(input, [1, 0, 2]) : input;
    const last = initial.map((states, layer) => {
      const weights = range(directions, layer * directions).map(i => params.slice(i * each, (i + 1) * each));
      const direction = directions === 2 ? 'bidirectional' : 'forward';
      const made = layerOf(kind, { input: sequence, weights, direction, states }, b);
      sequence = joinDirections(made.outputs, batchFirst && layer === layers - 1, b);
      return made.states;
    });
    const joined = initial[0]!.map((_, i) => {
      const states = last.map(layer => layer[i]!);
      return states.length === 1 ? states[0]! : b.Concat(states, 0);
    });
    return [sequence, ...joined];
  };

/** One layer and direction of an LSTM, as PyTorch's decomposition leaves it on a CPU; the last result is room to work in. */
const mkldnnLayer: AtenRow = (x, b) => {
  if (x.number('mode') !== 2) throw unsupported(`mode ${x.number('mode')}`);
  if (x.number('num_layers') !== 1 || x.boolean('bidirectional') || x.boolean('batch_first') || x.numbers('batch_sizes').length > 0)
    throw unsupported('more than one layer and direction over steps of one batch');
  const names = x.boolean('has_biases') ? range(4) : range(2);
  const layer: Layer = {
    input: x.tensor('input'),
    weights: [names.map(i => x.tensor(`weight${i}`))],
    direction: x.boolean('reverse') ? 'reverse' : 'forward',
    states: [x.tensor('hx_'), x.tensor('cx_')].map(state => (isZeros(state) ? undefined : state)),
  };
  const { outputs, states } = layerOf(lstm, layer, b);
  return [joinDirections(outputs, false, b), ...states, undefined];
};

/** What a cell's gates see of the input and of the state, each [batch, gates * hidden]. */
function gatesOf(x: Args, state: Value, b: Builder): { input: Value; hidden: Value } {
  return {
    input: b.Gemm({ A: x.tensor('input'), B: x.tensor('w_ih'), C: x.optional('b_ih') }, { transB: 1 }),
    hidden: b.Gemm({ A: state, B: x.tensor('w_hh'), C: x.optional('b_hh') }, { transB: 1 }),
  };
}

/** The gates apart, each [batch, hidden]. */
function apart(gates: Value, count: number, b: Builder): readonly Value[] {
  const size = shapeOf(gates).at(-1)!;
  if (typeof size !== 'number') throw unsupported('a dynamic hidden size');
  return b.Split(
    gates,
    range(count).map(() => size / count),
    -1,
  );
}

/** The next hidden and cell state, of gates i f g o before their activations. */
function lstmStep(gates: Value, cell: Value, b: Builder): Value[] {
  const [i, f, g, o] = apart(gates, 4, b);
  const next = b.Add(b.Mul(b.Sigmoid(f!), cell), b.Mul(b.Sigmoid(i!), b.Tanh(g!)));
  return [b.Mul(b.Sigmoid(o!), b.Tanh(next)), next];
}

/** The next state, of gates r z n before their activations. */
function gruStep(input: Value, hidden: Value, state: Value, b: Builder): Value {
  const [inputs, states] = [apart(input, 3, b), apart(hidden, 3, b)];
  const reset = b.Sigmoid(b.Add(inputs[0]!, states[0]!));
  const update = b.Sigmoid(b.Add(inputs[1]!, states[1]!));
  const candidate = b.Tanh(b.Add(inputs[2]!, b.Mul(reset, states[2]!)));
  return b.Add(candidate, b.Mul(update, b.Sub(state, candidate)));
}

const plainCell =
  (activation: 'Tanh' | 'Relu'): AtenRow =>
  (x, b) => {
    const { input, hidden } = gatesOf(x, x.tensor('hx'), b);
    const sum = b.Add(input, hidden);
    return activation === 'Relu' ? b.Relu(sum) : b.Tanh(b.Cast(sum, floatType(elementOf(sum))));
  };

export const recurrent: AtenRows = {
  'lstm.input': layered(lstm),
  'gru.input': layered(gru),
  'rnn_tanh.input': layered(tanh),
  'rnn_relu.input': layered(relu),
  'mkldnn_rnn_layer.default': mkldnnLayer,
  'lstm_cell.default': (x, b) => {
    const [state, cell] = x.tensors('hx');
    const { input, hidden } = gatesOf(x, state!, b);
    return lstmStep(b.Add(input, hidden), cell!, b);
  },
  'gru_cell.default': (x, b) => {
    const state = x.tensor('hx');
    const { input, hidden } = gatesOf(x, state, b);
    return gruStep(input, hidden, state, b);
  },
  'rnn_tanh_cell.default': plainCell('Tanh'),
  'rnn_relu_cell.default': plainCell('Relu'),
};
