// Cells: one step of a recurrent layer.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { onChannelsFirst } from '../../../ops/channels.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { activate } from '../activations.ts';
import { type LayerSpec, layerOf, snakeCase } from '../structure.ts';
import { convolved, kernelFirst, type Window } from '../windows.ts';
import { LayerCall, unsupported } from './row.ts';

export interface Step {
  readonly output: Value;
  readonly states: readonly Value[];
}

export interface Cell {
  /** Sizes of each state, without the batch. */
  readonly states: readonly (readonly number[])[];
  /** Sizes of the output, without the batch. */
  readonly output: readonly number[];
  step(b: Builder, input: Value, states: readonly Value[]): Step;
}

/** The variables of a cell of gates: what it does to inputs, to its state, and what it adds. */
export interface Gates {
  readonly kernel: Value;
  readonly recurrent: Value;
  readonly bias: Value | undefined;
}

export function gatesOf(x: LayerCall, inputSize: number, count: number, biasSizes?: (width: number) => readonly number[]): Gates {
  if (x.policy.quantization !== undefined) throw unsupported(`weights quantised as ${x.policy.quantization}`);
  const units = x.config.number('units');
  const width = count * units;
  const { kernel, recurrent_kernel, bias } = x.variables({
    kernel: [inputSize, width],
    recurrent_kernel: [units, width],
    bias: x.config.boolean('use_bias', true) && (biasSizes?.(width) ?? [width]),
  });
  return { kernel: kernel!, recurrent: recurrent_kernel!, bias };
}

const affine = (b: Builder, v: Value, kernel: Value, bias: Value | undefined): Value =>
  bias ? b.Add(b.MatMul(v, kernel), bias) : b.MatMul(v, kernel);
const parts = (b: Builder, v: Value, count: number, size: number, axis = -1): readonly Value[] =>
  b.Split(
    v,
    range(count).map(() => size),
    axis,
  );

/** The activations of a layer by their entries, in Keras's version. */
const activationsOf = (x: LayerCall) => {
  const { version } = x.reader.reading;
  const named = (entry: string, otherwise: string) => (b: Builder, v: Value) => activate(b, v, x.config.find(entry) ?? otherwise, version);
  return { activation: named('activation', 'tanh'), recurrent: named('recurrent_activation', 'sigmoid') };
};

function lstm(x: LayerCall, inputSize: number): Cell {
  const units = x.config.number('units');
  const { kernel, recurrent, bias } = gatesOf(x, inputSize, 4);
  const { activation, recurrent: gate } = activationsOf(x);
  return {
    states: [[units], [units]],
    output: [units],
    step(b, input, [h, c]) {
      const [i, f, g, o] = parts(b, b.Add(affine(b, input, kernel, bias), b.MatMul(h!, recurrent)), 4, units);
      const next = b.Add(b.Mul(gate(b, f!), c!), b.Mul(gate(b, i!), activation(b, g!)));
      const output = b.Mul(gate(b, o!), activation(b, next));
      return { output, states: [output, next] };
    },
  };
}

/** Whether the reset gate comes after the product with the state; Keras 2 stores what it does. */
export const isResetAfter = (x: LayerCall): boolean => x.config.boolean('reset_after', true);
export const gruBias = (x: LayerCall) => (width: number) => (isResetAfter(x) ? [2, width] : [width]);

function gru(x: LayerCall, inputSize: number): Cell {
  const units = x.config.number('units');
  const { kernel, recurrent, bias } = gatesOf(x, inputSize, 3, gruBias(x));
  const { activation, recurrent: gate } = activationsOf(x);
  const after = isResetAfter(x);
  const { b: outer } = x;
  const [own, ofState] = !bias ? [] : after ? parts(outer, bias, 2, 1, 0).map(v => outer.Squeeze(v, [0])) : [bias];
  return {
    states: [[units]],
    output: [units],
    step(b, input, [h]) {
      const [xz, xr, xh] = parts(b, affine(b, input, kernel, own), 3, units);
      const candidateOf = (): { z: Value; candidate: Value } => {
        if (after) {
          const [hz, hr, hh] = parts(b, affine(b, h!, recurrent, ofState), 3, units);
          const r = gate(b, b.Add(xr!, hr!));
          return { z: gate(b, b.Add(xz!, hz!)), candidate: activation(b, b.Add(xh!, b.Mul(r, hh!))) };
        }
        const [rz, rr, rh] = parts(b, recurrent, 3, units);
        const r = gate(b, b.Add(xr!, b.MatMul(h!, rr!)));
        return { z: gate(b, b.Add(xz!, b.MatMul(h!, rz!))), candidate: activation(b, b.Add(xh!, b.MatMul(b.Mul(r, h!), rh!))) };
      };
      const { z, candidate } = candidateOf();
      const output = b.Add(b.Mul(z, h!), b.Mul(b.Sub(b.like(1, z), z), candidate));
      return { output, states: [output] };
    },
  };
}

function simple(x: LayerCall, inputSize: number): Cell {
  const units = x.config.number('units');
  const { kernel, recurrent, bias } = gatesOf(x, inputSize, 1);
  const { activation } = activationsOf(x);
  return {
    states: [[units]],
    output: [units],
    step(b, input, [h]) {
      const output = activation(b, b.Add(affine(b, input, kernel, bias), b.MatMul(h!, recurrent)));
      return { output, states: [output] };
    },
  };
}

/** Cells of which each takes the output of the one before. */
function stacked(x: LayerCall, inputSize: number): Cell {
  const counts = new Map<string, number>();
  let size = inputSize;
  const cells = x.config.list('cells').map((value, i) => {
    const spec = layerOf(value, `${x.config.of}.cells[${i}]`);
    const base = snakeCase(spec.className);
    const count = counts.get(base) ?? 0;
    counts.set(base, count + 1);
    const cell = cellOf(x, spec, `cells/${count === 0 ? base : `${base}_${count}`}`, spec.name, size);
    size = cell.output.at(-1)!;
    return cell;
  });
  return {
    states: cells.flatMap(cell => cell.states),
    output: cells.at(-1)!.output,
    step(b, input, states) {
      let at = 0;
      let output = input;
      const next = cells.flatMap(cell => {
        const made = cell.step(b, output, states.slice(at, at + cell.states.length));
        at += cell.states.length;
        output = made.output;
        return made.states;
      });
      return { output, states: next };
    },
  };
}

const cells: Readonly<Record<string, (x: LayerCall, inputSize: number) => Cell>> = {
  LSTMCell: lstm,
  GRUCell: gru,
  SimpleRNNCell: simple,
  StackedRNNCells: stacked,
};

/** A cell that a layer holds. @throws ModelError E2001 for cells of users */
export function cellOf(x: LayerCall, spec: LayerSpec, attribute: string, name: string, inputSize: number): Cell {
  const make = Object.hasOwn(cells, spec.className) ? cells[spec.className] : undefined;
  if (!make || spec.registered?.includes('>')) throw unsupported(`the cell ${spec.registered ?? spec.className}`);
  return make(new LayerCall(spec, x.place.part(attribute, name), x.reader, `${x.path}/${spec.name}`, { args: [], kwargs: {} }), inputSize);
}
/** The cell that a layer of the same configuration makes. */
export const ownCell = (x: LayerCall, className: string, inputSize: number): Cell => cells[className]!(x.part('cell', ''), inputSize);

/** A cell whose products are convolutions; the sizes are those of one step, without the batch. */
export function convolutionCell(layer: LayerCall, input: readonly number[]): Cell {
  const x = layer.part('cell', '');
  const { config, isChannelsFirst } = x;
  const rank = input.length - 1;
  const channels = isChannelsFirst ? input[0]! : input.at(-1)!;
  const places = isChannelsFirst ? input.slice(1) : input.slice(0, -1);
  const filters = config.number('filters');
  const ones = range(rank).map(() => 1);
  const window: Window = {
    kernel: config.numbers('kernel_size', rank),
    strides: config.numbers('strides', rank, 1),
    dilations: config.numbers('dilation_rate', rank, 1),
    padding: config.text('padding', 'valid').toLowerCase(),
  };
  const sizes = places.map((n, i) => {
    const reach = (window.kernel[i]! - 1) * window.dilations[i]! + 1;
    return window.padding === 'same' ? Math.ceil(n / window.strides[i]!) : Math.floor((n - reach) / window.strides[i]!) + 1;
  });
  const { kernel, recurrent_kernel, bias } = x.variables({
    kernel: [...window.kernel, channels, 4 * filters],
    recurrent_kernel: [...window.kernel, filters, 4 * filters],
    bias: config.boolean('use_bias', true) && [4 * filters],
  });
  const [own, ofState] = [kernelFirst(x.b, kernel!), kernelFirst(x.b, recurrent_kernel!)];
  const { activation, recurrent: gate } = activationsOf(x);
  const state = isChannelsFirst ? [filters, ...sizes] : [...sizes, filters];
  const again: Window = { kernel: window.kernel, strides: ones, dilations: ones, padding: 'same' };
  return {
    states: [state, state],
    output: state,
    step(b, v, [h, c]) {
      const fromInput = onChannelsFirst(b, v, isChannelsFirst, y => convolved(b, y, own, bias, window));
      const fromState = onChannelsFirst(b, h!, isChannelsFirst, y => convolved(b, y, ofState, undefined, again));
      const [i, f, g, o] = parts(b, b.Add(fromInput, fromState), 4, filters, isChannelsFirst ? 1 : rankOf(v) - 1);
      const next = b.Add(b.Mul(gate(b, f!), c!), b.Mul(gate(b, i!), activation(b, g!)));
      const output = b.Mul(gate(b, o!), activation(b, next));
      return { output, states: [output, next] };
    },
  };
}
