// ATen overloads that slide windows over the axes after batch and channels: pooling here, the rest spread in by topic.
import { sameDim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat, isInteger } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { dimOf, iota, mulSizes, reshapeTo, sizesOf, sizeValue } from '../../../ops/sizing.ts';
import { perAxis } from './layers.ts';
import { padding } from './padding.ts';
import { patches } from './patches.ts';
import { resample } from './resample.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';
import { batched, maximumOfTaps, type Taps, weighAxis, weighAxisBy } from './taps.ts';

/** What ONNX's pooling operators take, with `pads` at both ends. */
interface Window {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly ceil_mode: 0 | 1;
}

function windowOf(x: Args, rank: number): Window {
  const kernel = perAxis(x.numbers('kernel_size'), rank);
  const stride = x.numbers('stride');
  const pads = perAxis(x.numbers('padding'), rank);
  return {
    kernel_shape: kernel,
    strides: stride.length === 0 ? kernel : perAxis(stride, rank),
    dilations: x.has('dilation') ? perAxis(x.numbers('dilation'), rank) : range(rank).map(() => 1),
    pads: [...pads, ...pads],
    ceil_mode: x.boolean('ceil_mode') ? 1 : 0,
  };
}

/** Sizes of the pooled axes where all are known. */
function staticSizes(x: Value): readonly number[] | undefined {
  const sizes = shapeOf(x).slice(2);
  return sizes.every(d => typeof d === 'number') ? sizes : undefined;
}

const maxPool =
  (rank: number, withIndices = false): AtenRow =>
  (x, b) => {
    const pool = withIndices ? pooledMaximum : plainMaximum;
    return batched(b, x.tensor('self'), rank + 2, v => maximum(b, v, windowOf(x, rank), pool).slice(0, withIndices ? 2 : 1));
  };

type Pool = (b: Builder, x: Value, window: Window) => readonly Value[];

/** `pool` in a type that ONNX's pooling takes; int64 has none that holds it. */
function maximum(b: Builder, x: Value, window: Window, pool: Pool): readonly Value[] {
  const type = elementOf(x);
  if (isFloat(type) || type === 'int8' || type === 'uint8') return pool(b, x, window);
  if (type === 'int16' || type === 'int32') {
    const [y, ...places] = pool(b, b.Cast(x, 'float64'), window);
    return [b.Cast(y!, type), ...places];
  }
  const sizes = staticSizes(x);
  if (!isInteger(type) || !sizes) throw unsupported(`max pooling of ${type}${sizes ? '' : ' over dynamic sizes'}`);
  const taps = sizes.map((size, i) => slidingTaps(size, window, i));
  if (taps.flat().some(t => t.length === 0)) throw unsupported(`max pooling of ${type} with windows inside the padding`);
  return maximumOfTaps(b, x, sizes, taps);
}

const maxAttributes = ({ dilations, ...window }: Window) => (dilations.every(d => d === 1) ? window : { ...window, dilations });

const plainMaximum: Pool = (b, x, window) => [b.MaxPool(x, maxAttributes(window))];

/** The maxima and their places: ONNX counts those through the whole tensor, PyTorch within a plane. */
const pooledMaximum: Pool = (b, x, window) => {
  const [y, places] = b.emit('MaxPool', [x], { ...maxAttributes(window) }, { outputs: ['maxpool', 'indices'] }) as [Value, Value];
  const plane = sizesOf(b, x)
    .slice(2)
    .reduce<Size>((n, size) => mulSizes(b, n, size), 1);
  return [y, b.Mod({ A: places, B: typeof plane === 'number' ? b.constant(plane, 'int64') : plane })];
};

/** How many windows PyTorch puts on an axis: rounded up, but none starts in the padding at the end. */
function windowCount(size: number, { kernel_shape, strides, dilations, pads, ceil_mode }: Window, i: number): number {
  const [stride, pad] = [strides[i]!, pads[i]!];
  const steps = (size + 2 * pad - dilations[i]! * (kernel_shape[i]! - 1) - 1) / stride;
  if (!ceil_mode) return Math.floor(steps) + 1;
  return Math.ceil(steps) * stride >= size + pad ? Math.ceil(steps) : Math.ceil(steps) + 1;
}

function slidingTaps(size: number, window: Window, i: number): Taps {
  const reach = range(window.kernel_shape[i]!).map(k => k * window.dilations[i]! - window.pads[i]!);
  return range(windowCount(size, window, i)).map(o =>
    reach.map(offset => o * window.strides[i]! + offset).filter(place => place >= 0 && place < size),
  );
}

const averagePool =
  (rank: number): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    if (!isFloat(elementOf(self))) throw unsupported(`average pooling of ${elementOf(self)}`);
    const window = windowOf(x, rank);
    const divisor = x.optionalNumber('divisor_override');
    if (divisor !== undefined) return batched(b, self, rank + 2, v => [sumOver(b, v, window, divisor)]);
    return batched(b, self, rank + 2, v => [average(b, v, window, x.boolean('count_include_pad'))]);
  };

function average(b: Builder, x: Value, { dilations: _none, ...window }: Window, countsPads: boolean): Value {
  return b.AveragePool(x, { ...window, count_include_pad: countsPads ? 1 : 0 });
}

/** Sums of windows by another divisor than their number of elements. */
function sumOver(b: Builder, x: Value, window: Window, divisor: number): Value {
  const taps = window.kernel_shape.reduce((n, k) => n * k, 1);
  const y = average(b, window.ceil_mode ? paddedToWindows(b, x, window) : x, { ...window, ceil_mode: 0 }, true);
  return taps === divisor ? y : b.Mul(y, b.like(taps / divisor, y));
}

/** Zeros at the end up to whole windows, for which rounding down gives as many as rounding up gave. */
function paddedToWindows(b: Builder, x: Value, window: Window): Value {
  const sizes = staticSizes(x);
  if (!sizes) throw unsupported('a pooling divisor with ceil_mode over dynamic sizes');
  const missing = sizes.map((size, i) => {
    const end = (windowCount(size, window, i) - 1) * window.strides[i]! + window.kernel_shape[i]!;
    return Math.max(0, end - size - 2 * window.pads[i]!);
  });
  const zeros = range(sizes.length + 4).map(() => 0);
  return missing.every(n => n === 0) ? x : b.Pad({ data: x, pads: b.ints([...zeros, ...missing]) });
}

/** An axis that adaptive pooling brings to a size; undefined keeps it. */
interface Target {
  readonly axis: number;
  readonly size: number | undefined;
  readonly taps: Taps | undefined;
}

function targetsOf(x: Args, v: Value, rank: number): Target[] {
  const wanted = x.sizes('output_size');
  return shapeOf(v)
    .slice(2)
    .map((size, i) => {
      const goal = dimOf(wanted[wanted.length === rank ? i : 0]!);
      const axis = i + 2;
      if (sameDim(goal, size)) return { axis, size: undefined, taps: undefined };
      if (typeof goal !== 'number') throw unsupported('adaptive pooling to a dynamic size');
      return { axis, size: goal, taps: typeof size === 'number' ? adaptiveTaps(size, goal) : undefined };
    });
}

/** Window i of n reads floor(i * size / n) up to ceil((i + 1) * size / n). */
function adaptiveTaps(size: number, count: number): Taps {
  return range(count).map(i => {
    const start = Math.floor((i * size) / count);
    return range(Math.ceil(((i + 1) * size) / count) - start, start);
  });
}

/** The plain window that adaptive pooling comes to, where every axis has windows of one length at one distance. */
function plainWindow(targets: readonly Target[]): Pick<Window, 'kernel_shape' | 'strides'> | undefined {
  const axes = targets.map(({ size, taps }) => {
    if (size === undefined) return { kernel: 1, stride: 1 };
    if (!taps || taps.length === 0) return undefined;
    const kernel = taps[0]!.length;
    const stride = taps.length === 1 ? kernel : taps[1]![0]!;
    const isPlain = stride > 0 && taps.every((t, i) => t.length === kernel && t[0] === i * stride);
    return isPlain ? { kernel, stride } : undefined;
  });
  if (!axes.every(axis => axis !== undefined)) return undefined;
  return { kernel_shape: axes.map(axis => axis.kernel), strides: axes.map(axis => axis.stride) };
}

const isGlobal = (targets: readonly Target[]): boolean => targets.every(({ size, taps }) => size === 1 || taps?.length === 1);
const openAxis = ({ size }: Target) => unsupported(`adaptive pooling of a dynamic axis to ${size}`);

const adaptiveAverage =
  (rank: number): AtenRow =>
  (x, b) =>
    batched(b, x.tensor('self'), rank + 2, v => {
      const targets = targetsOf(x, v, rank);
      const changed = targets.filter(({ size }) => size !== undefined);
      if (changed.length === 0) return [v];
      if (isGlobal(targets)) return [b.GlobalAveragePool({ X: v })];
      const window = plainWindow(targets);
      return [window ? b.AveragePool(v, window) : changed.reduce((y, target) => averageAxis(b, y, target), v)];
    });

function averageAxis(b: Builder, x: Value, target: Target): Value {
  const { axis, taps } = target;
  if (target.size === 1) return b.ReduceMean({ data: x, axes: b.ints([axis]) });
  const size = shapeOf(x)[axis];
  if (!taps || typeof size !== 'number')
    return weighAxisBy(b, x, axis, openWeights(b, b.dim(x, axis), target.size!, elementOf(x)), target.size!);
  const weights = taps.map(t => range(size).map(j => (t.includes(j) ? 1 / t.length : 0)));
  return weighAxis(b, x, axis, weights);
}

/** The weights of adaptive pooling of an axis whose size only the run knows: one over the length of its window where one reads, else 0. */
function openWeights(b: Builder, size: Size, count: number, type: DataType): Value {
  const length = sizeValue(b, size);
  const column = (from: number): Value => b.constant(BigInt64Array.from(range(count, from), BigInt), 'int64', [count, 1]);
  const starts = b.Div(b.Mul(column(0), length), b.ints([count]));
  const ends = b.Div(b.Add(b.Mul(column(1), length), b.ints([count - 1])), b.ints([count]));
  const places = iota(b, size);
  const reads = b.And(b.GreaterOrEqual({ A: places, B: starts }), b.Less(places, ends));
  return b.Div(b.Cast(reads, type), b.Cast(b.Sub(ends, starts), type));
}

const adaptiveMaximum =
  (rank: number): AtenRow =>
  (x, b) =>
    batched(b, x.tensor('self'), rank + 2, v => {
      const targets = targetsOf(x, v, rank);
      if (isGlobal(targets)) return globalMaximum(b, v);
      const plain = plainWindow(targets);
      const ones = range(rank).map(() => 1);
      const zeros = range(2 * rank).map(() => 0);
      if (plain) return pooledMaximum(b, v, { ...plain, dilations: ones, pads: zeros, ceil_mode: 0 });
      const sizes = staticSizes(v);
      if (!sizes) throw openAxis(targets.find(({ size, taps }) => size !== undefined && !taps)!);
      return maximumOfTaps(
        b,
        v,
        sizes,
        targets.map(({ taps }, i) => taps ?? range(sizes[i]!).map(j => [j])),
      );
    });

function globalMaximum(b: Builder, x: Value): [Value, Value] {
  const lead = sizesOf(b, x).slice(0, 2);
  const place = b.ArgMax({ data: reshapeTo(b, x, [...lead, -1]) }, { axis: 2 });
  return [b.ReduceMax(x, { axes: range(rankOf(x) - 2, 2) }), reshapeTo(b, place, [...lead, ...range(rankOf(x) - 2).map(() => 1)])];
}

export const window: AtenRows = {
  'max_pool1d.default': maxPool(1),
  'max_pool2d.default': maxPool(2),
  'max_pool3d.default': maxPool(3),
  'max_pool1d_with_indices.default': maxPool(1, true),
  'max_pool2d_with_indices.default': maxPool(2, true),
  'max_pool3d_with_indices.default': maxPool(3, true),
  'avg_pool1d.default': averagePool(1),
  'avg_pool2d.default': averagePool(2),
  'avg_pool3d.default': averagePool(3),
  'adaptive_avg_pool1d.default': adaptiveAverage(1),
  'adaptive_avg_pool2d.default': adaptiveAverage(2),
  'adaptive_avg_pool3d.default': adaptiveAverage(3),
  '_adaptive_avg_pool2d.default': adaptiveAverage(2),
  '_adaptive_avg_pool3d.default': adaptiveAverage(3),
  'adaptive_max_pool1d.default': adaptiveMaximum(1),
  'adaptive_max_pool2d.default': adaptiveMaximum(2),
  'adaptive_max_pool3d.default': adaptiveMaximum(3),
  ...padding,
  ...resample,
  ...patches,
};
