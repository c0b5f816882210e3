// Recurrent layers: one operator where ONNX has it, else a Scan over the steps of the cell, as with masks: where a step is masked, states
// and output stay as they were.
import { fail } from '../../../errors.ts';
import { Graph, Value } from '../../../ir/graph.ts';
import { tensorType } from '../../../ir/types.ts';
import { type Builder, newBuilder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { expandTo, mulSizes, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { activationOf } from '../activations.ts';
import { Config } from '../config.ts';
import type { LayerSpec } from '../structure.ts';
import { type Cell, cellOf, convolutionCell, gatesOf, gruBias, isResetAfter, ownCell } from './cells.ts';
import {
  type Argument,
  KerasTensor,
  type LayerCall,
  type LayerRow,
  type LayerRows,
  type Made,
  type MaskRule,
  plain,
  tensorsIn,
  unsupported,
} from './row.ts';

interface Run {
  readonly input: Value;
  readonly states: readonly Value[] | undefined;
  readonly mask: Value | undefined;
  readonly isBackwards: boolean;
  readonly isSequence: boolean;
}
interface Ran {
  /** All outputs in the order in which they were made, or the last one. */
  readonly output: Value;
  readonly states: readonly Value[];
}

/** What a call of a recurrent layer says. Keras 2 lists initial states behind the input. */
function runOf(x: LayerCall): Run {
  const { config } = x;
  if (config.boolean('stateful', false))
    throw unsupported('a state that stays from call to call (stateful); build the model with stateful=False');
  if (config.boolean('time_major', false)) throw unsupported('time_major');
  const given = x.argument('initial_state', 1);
  const initial = given === undefined ? x.tensors.slice(1) : tensorsIn(given);
  return {
    input: x.input,
    states: initial.length > 0 ? initial.map(t => x.b.Cast(t.value, x.type)) : undefined,
    mask: x.mask,
    isBackwards: config.boolean('go_backwards', false),
    isSequence: config.boolean('return_sequences', false),
  };
}

function madeBy(x: LayerCall, { output, states }: Ran): Made {
  return x.config.boolean('return_state', false) ? [output, ...states] : output;
}
/** All steps have the mask of the input; a last one has none. */
const stepMask: MaskRule = x => (x.config.boolean('return_sequences', false) ? x.mask : undefined);

const reversed = (b: Builder, v: Value, axis: number): Value =>
  b.Slice(v, { axes: [axis], starts: [-1], ends: [Number.MIN_SAFE_INTEGER], steps: [-1] });

/** Zeros for a batch as large as that of the input. */
const zeros = (b: Builder, input: Value, sizes: readonly number[]): Value =>
  expandTo(
    b,
    b.constant(
      [0],
      'float32',
      range(sizes.length + 1).map(() => 1),
    ),
    [b.dim(input, 0), ...sizes],
  );

function scanned(x: LayerCall, cell: Cell, { input, states, mask, isBackwards, isSequence }: Run): Ran {
  const { b } = x;
  const type = elementOf(input);
  const start = states ?? cell.states.map(sizes => b.Cast(zeros(b, input, sizes), type));
  if (start.length !== cell.states.length) throw unsupported(`${start.length} initial states, expected ${cell.states.length}`);
  const isZeroed = x.config.boolean('zero_output_for_mask', false);
  // The last output is carried where it is asked for, or may stay.
  const isCarried = mask !== undefined || !isSequence;
  const carried = [...start, ...(isCarried ? [b.Cast(zeros(b, input, cell.output), type)] : [])];
  const steps = [input, ...(mask ? [mask] : [])];
  const inner = newBuilder({ meta: b.meta });
  const inputs = [
    ...carried.map((v, i) => new Value(`state_${i}`, v.type)),
    ...steps.map((v, i) => new Value(`step_${i}`, tensorType(elementOf(v), shapeOf(v).toSpliced(1, 1)))),
  ];
  const [before, slice] = [inputs.slice(0, start.length), inputs[carried.length]!];
  const made = cell.step(inner, slice, before);
  const kept = (next: Value, previous: Value): Value => {
    if (!mask) return next;
    const flag = inputs[carried.length + 1]!;
    const own = rankOf(flag) < rankOf(next) ? inner.Unsqueeze(flag, range(rankOf(next) - rankOf(flag), rankOf(flag))) : flag;
    return inner.Where(own, next, previous);
  };
  const output = kept(made.output, inputs[start.length]!);
  const outputs = [...made.states.map((v, i) => kept(v, before[i]!)), ...(isCarried ? [output] : []), ...(isSequence ? [output] : [])];
  const graph = new Graph('step', {
    inputs,
    outputs: outputs.map((value, i) => ({ name: `next_${i}`, value: inner.Identity(value) })),
    nodes: inner.nodes,
  });
  const axes = steps.map(() => 1);
  const results = b.emit(
    'Scan',
    [...carried, ...steps],
    {
      body: graph,
      num_scan_inputs: steps.length,
      scan_input_axes: axes,
      ...(isSequence && { scan_output_axes: [1] }),
      ...(isBackwards && { scan_input_directions: axes }),
    },
    { outputs: outputs.map((_, i) => `scan_${i}`) },
  ) as readonly Value[];
  const last = results.at(-1)!;
  const zeroed = (v: Value, flags: Value): Value =>
    b.Where(b.Unsqueeze(flags, range(rankOf(v) - rankOf(flags), rankOf(flags))), v, b.like(0, v));
  const final = !mask || !isZeroed || !isSequence ? last : zeroed(last, isBackwards ? reversed(b, mask, 1) : mask);
  return { output: final, states: results.slice(0, start.length) };
}

/** A layer as ONNX has it: the operator, and which of Keras's gates is where. */
interface Kind {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  readonly cell: string;
  readonly gates: readonly number[];
}
const kinds: Readonly<Record<string, Kind>> = {
  // Keras orders i f c o, the operator i o f c.
  LSTM: { op: 'LSTM', cell: 'LSTMCell', gates: [0, 3, 1, 2] },
  GRU: { op: 'GRU', cell: 'GRUCell', gates: [0, 1, 2] },
  SimpleRNN: { op: 'RNN', cell: 'SimpleRNNCell', gates: [0] },
};

/** Activations that the operators have: name and parameters. */
const known: Readonly<Record<string, string>> = { tanh: 'Tanh', sigmoid: 'Sigmoid', relu: 'Relu', hard_sigmoid: 'HardSigmoid' };

function operatorActivations(
  x: LayerCall,
  { op }: Kind,
): { readonly names: readonly string[]; readonly alpha: readonly number[]; readonly beta: readonly number[] } | undefined {
  const own = activationOf(x.config.find('activation') ?? 'tanh').name;
  const gate = activationOf(x.config.find('recurrent_activation') ?? 'sigmoid').name;
  const wanted = op === 'RNN' ? [own] : op === 'GRU' ? [gate, own] : [gate, own, own];
  const names = wanted.map(name => known[name]);
  if (!names.every(name => name !== undefined)) return undefined;
  const hard = names.filter(name => name === 'HardSigmoid');
  const slope = x.reader.reading.version < 3 ? 0.2 : 1 / 6;
  return { names, alpha: hard.map(() => slope), beta: hard.map(() => 0.5) };
}

function operator(x: LayerCall, kind: Kind, run: Run, activations: NonNullable<ReturnType<typeof operatorActivations>>): Ran {
  const { b, config } = x;
  const { op, gates } = kind;
  const units = config.number('units');
  const size = x.size(run.input, -1);
  const own = x.part('cell', '');
  const { kernel, recurrent, bias } = gatesOf(own, size, gates.length, op === 'GRU' ? gruBias(x) : undefined);
  const arranged = (v: Value, axis: number): Value => {
    if (gates.every((gate, i) => gate === i)) return v;
    const blocks = b.Split(
      v,
      gates.map(() => units),
      axis,
    );
    return b.Concat(
      gates.map(gate => blocks[gate]!),
      axis,
    );
  };
  const stacked = (v: Value): Value => b.Unsqueeze(b.Transpose(arranged(v, 1), [1, 0]), [0]);
  const hasTwo = bias !== undefined && rankOf(bias) === 2;
  const flat =
    bias &&
    (hasTwo
      ? b.Reshape(arranged(bias, 1), [1, -1])
      : b.Concat([b.Unsqueeze(arranged(bias, 0), [0]), b.Expand(b.constant(0, elementOf(bias)), [1, gates.length * units])], 1));
  const states = range(op === 'LSTM' ? 2 : 1).map(i => run.states?.[i] && b.Unsqueeze(run.states[i]!, [0]));
  const results = b.emit(
    op,
    [b.Transpose(run.input, [1, 0, 2]), stacked(kernel), stacked(recurrent), flat, undefined, ...states],
    {
      hidden_size: units,
      activations: activations.names,
      ...(activations.alpha.length > 0 && { activation_alpha: activations.alpha, activation_beta: activations.beta }),
      ...(run.isBackwards && { direction: 'reverse' }),
      ...(op === 'GRU' && { linear_before_reset: Number(isResetAfter(x)) }),
    },
    { outputs: ['y', 'y_h', ...(op === 'LSTM' ? ['y_c'] : [])] },
  ) as readonly Value[];
  const last = results.slice(1).map(v => b.Squeeze(v, [0]));
  if (!run.isSequence) return { output: last[0]!, states: last };
  const sequence = b.Transpose(b.Squeeze(results[0]!, [1]), [1, 0, 2]);
  return { output: run.isBackwards ? reversed(b, sequence, 1) : sequence, states: last };
}

const layered = (name: string): LayerRow => ({
  build(x) {
    const [kind, run] = [kinds[name]!, runOf(x)];
    if (rankOf(run.input) !== 3) throw unsupported(`an input of ${rankOf(run.input)} axes`);
    const activations = run.mask ? undefined : operatorActivations(x, kind);
    return madeBy(x, activations ? operator(x, kind, run, activations) : scanned(x, ownCell(x, kind.cell, x.size(run.input, -1)), run));
  },
  mask: stepMask,
});

const rnn: LayerRow = {
  build(x) {
    const run = runOf(x);
    return madeBy(x, scanned(x, cellOf(x, x.layer('cell'), 'cell', '', x.size(run.input, -1)), run));
  },
  mask: stepMask,
};

const convLstm: LayerRow = {
  build(x) {
    const run = runOf(x);
    const sizes = range(rankOf(run.input) - 2, 2).map(axis => x.size(run.input, axis));
    return madeBy(x, scanned(x, convolutionCell(x, sizes), run));
  },
  mask: stepMask,
};

/** Both ways: the second layer reads from the end, and its outputs are turned round. */
function bidirectional(x: LayerCall, b: Builder): Made {
  const { config } = x;
  const inner = x.layer('layer');
  const back = config.has('backward_layer')
    ? x.layer('backward_layer')
    : withEntry(inner, 'go_backwards', !inner.config.boolean('go_backwards', false));
  const given = x.argument('initial_state', 1);
  const initial = given === undefined ? x.tensors.slice(1) : tensorsIn(given);
  const half = initial.length / 2;
  const mask: Record<string, Argument> = x.mask ? { mask: new KerasTensor(x.mask) } : {};
  const call = (spec: LayerSpec, direction: string, states: readonly KerasTensor[]): readonly KerasTensor[] =>
    x.call(
      spec,
      `${direction}_layer`,
      { args: [new KerasTensor(x.first.value)], kwargs: { ...mask, ...(states.length > 0 && { initial_state: states }) } },
      `${direction}_${spec.name.replace(/^(forward|backward)_/, '')}`,
    );
  const [forward, ...states] = call(inner, 'forward', initial.slice(0, half));
  const [backward, ...backStates] = call(back, 'backward', initial.slice(half));
  const isSequence = inner.config.boolean('return_sequences', false);
  const [y, z] = [forward!.value, isSequence ? reversed(b, backward!.value, 1) : backward!.value];
  const all = [...states, ...backStates];
  const merged = mergedBy(
    b,
    config.find('merge_mode') === undefined && Object.hasOwn(config.object, 'merge_mode') ? undefined : config.text('merge_mode', 'concat'),
    y,
    z,
  );
  return [new KerasTensor(merged[0]!, isSequence ? x.mask : undefined), ...merged.slice(1), ...all];
}

function mergedBy(b: Builder, mode: string | undefined, y: Value, z: Value): readonly Value[] {
  switch (mode) {
    case undefined:
      return [y, z];
    case 'concat':
      return [b.Concat([y, z], rankOf(y) - 1)];
    case 'sum':
      return [b.Add(y, z)];
    case 'ave':
      return [b.Div(b.Add(y, z), b.like(2, y))];
    case 'mul':
      return [b.Mul(y, z)];
    default:
      throw unsupported(`merge_mode ${mode}`);
  }
}

const withEntry = (spec: LayerSpec, entry: string, value: boolean): LayerSpec => ({
  ...spec,
  config: new Config({ ...spec.config.object, [entry]: value }, spec.config.of),
});

/** The layer over every step: steps become examples, and back. */
function timeDistributed(x: LayerCall, b: Builder): Made {
  const { input } = x;
  if (rankOf(input) < 3) throw fail('E1305', `${x.config.of} takes at least 3 axes, it is given ${rankOf(input)}`);
  const [batch, steps, ...others] = sizesOf(b, input);
  const product = mulSizes(b, batch!, steps!);
  const flat = reshapeTo(b, input, [typeof product === 'number' ? product : -1, ...others]);
  const made = x.call(x.layer('layer'), 'layer', { args: [new KerasTensor(flat)], kwargs: {} });
  return made.map(
    ({ value }, i) =>
      new KerasTensor(
        reshapeTo(b, value, [typeof batch === 'number' ? batch : -1, steps!, ...sizesOf(b, value).slice(1)]),
        i === 0 ? x.mask : undefined,
      ),
  );
}

export const recurrent: LayerRows = {
  LSTM: layered('LSTM'),
  GRU: layered('GRU'),
  SimpleRNN: layered('SimpleRNN'),
  RNN: rnn,
  ConvLSTM1D: convLstm,
  ConvLSTM2D: convLstm,
  ConvLSTM3D: convLstm,
  Bidirectional: plain(bidirectional),
  TimeDistributed: plain(timeDistributed),
};
