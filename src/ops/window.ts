// Convolution and pooling.
import { fail } from '../errors.ts';
import { addDims, ceilDivDims, type Dim, floorDivDims, formatDim, maxDims, minDims, mulDims, subDims } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { formatShape, type Shape, tensorType } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import type { At, Family } from './row.ts';
import { elementOf, range, shapeOf } from './shapes.ts';

interface WindowAttributes {
  readonly auto_pad: string;
  readonly kernel_shape?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
  readonly pads?: readonly number[] | undefined;
  readonly ceil_mode?: number;
}

/** Window facts with every default worked out for an input of this shape. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** At the beginning of each spatial axis, then at the end. */
  readonly pads: readonly Dim[];
  /** Sizes of the spatial axes of the output. */
  readonly output: readonly Dim[];
}

export function windowOf(op: string, input: Shape, kernel: readonly Dim[], at: WindowAttributes): Window {
  const spatial = input.slice(2);
  const rank = spatial.length;
  const taps = kernel.map(k => {
    if (typeof k !== 'number') throw fail('E3009', `${op}: the window [${kernel.map(formatDim)}] must be known`);
    return k;
  });
  const strides = at.strides ?? range(rank).map(() => 1);
  const dilations = at.dilations ?? range(rank).map(() => 1);
  for (const [name, list] of Object.entries({ strides, dilations, kernel_shape: taps }))
    if (list.length !== rank || list.some(n => n < 1 || n > endOfAxis))
      throw fail('E1305', `${op}: ${name} [${list}] does not fit ${rank} spatial axes`, { argument: name });
  const extents = taps.map((k, d) => (k - 1) * dilations[d]! + 1);
  const pads = padsOf(op, spatial, extents, strides, at);
  const output = spatial.map((size, d) => {
    const padded = subDims(addDims(size, addDims(pads[d]!, pads[rank + d]!)), extents[d]!);
    return outputSize(size, padded, pads[d]!, strides[d]!, at.ceil_mode ?? 0, op);
  });
  return { kernel: taps, strides, dilations, pads, output };
}

/**
 * The window of a pool. Its padding is narrower than its kernel, as every runtime asks: a window beyond would see nothing of the input.
 * @throws ModelError E1305
 */
export function poolWindow(op: string, x: Shape, at: WindowAttributes & { readonly kernel_shape: readonly number[] }): Window {
  const window = windowOf(op, x, at.kernel_shape, at);
  const rank = window.kernel.length;
  const fits = (pad: number, i: number): boolean => pad >= 0 && pad < window.kernel[i % rank]!;
  if (at.pads && !at.pads.every(fits))
    throw fail('E1305', `${op}: pads [${at.pads}] must be at least 0 and less than kernel_shape [${window.kernel}]`, { argument: 'pads' });
  return window;
}

/** A window that starts in the padding at the end is not counted, as in PyTorch and the standard since opset 22. */
function outputSize(size: Dim, padded: Dim, before: Dim, stride: number, ceil: number, op: string): Dim {
  if (typeof padded === 'number' && padded < 0) throw fail('E1305', `${op}: the window is larger than the padded input`);
  if (!ceil) return addDims(floorDivDims(padded, stride), 1);
  const count = addDims(ceilDivDims(padded, stride), 1);
  const limit = addDims(size, before);
  const slack = subDims(limit, padded);
  // Whatever the size is, no window starts there.
  if (typeof slack === 'number' && stride <= slack) return count;
  return minDims(count, addDims(floorDivDims(subDims(limit, 1), stride), 1));
}

function padsOf(op: string, spatial: Shape, extents: readonly number[], strides: readonly number[], at: WindowAttributes): readonly Dim[] {
  const rank = spatial.length;
  if (at.auto_pad === 'NOTSET') {
    const pads = at.pads ?? range(2 * rank).map(() => 0);
    if (pads.length !== 2 * rank) throw fail('E1305', `${op}: ${pads.length} pads for ${rank} spatial axes`, { argument: 'pads' });
    return pads;
  }
  if (at.auto_pad === 'VALID') return range(2 * rank).map(() => 0);
  const totals = spatial.map((size, d) => {
    const covered = mulDims(subDims(ceilDivDims(size, strides[d]!), 1), strides[d]!);
    return maxDims(subDims(addDims(covered, extents[d]!), size), 0);
  });
  const less = totals.map(t => floorDivDims(t, 2));
  const more = totals.map((t, d) => subDims(t, less[d]!));
  return at.auto_pad === 'SAME_LOWER' ? [...more, ...less] : [...less, ...more];
}

export function convWindow(op: string, x: Shape, w: Shape, at: WindowAttributes & { readonly group: number }): Window {
  if (x.length !== w.length || x.length < 3)
    throw fail('E1305', `${op}: X ${formatShape(x)} and W ${formatShape(w)} need one rank of at least 3`);
  const [channels, perGroup] = [x[1], w[1]];
  if (typeof channels === 'number' && typeof perGroup === 'number' && channels !== perGroup * at.group)
    throw fail('E1305', `${op}: ${channels} input channels, W ${formatShape(w)} and group ${at.group} expect ${perGroup * at.group}`);
  return windowOf(op, x, at.kernel_shape ?? w.slice(2), at);
}

/** @throws ModelError E1305 for a bias that is not a number for each output channel */
function requireBias(op: string, bias: Shape, channels: Dim): void {
  const differs = typeof bias[0] === 'number' && typeof channels === 'number' && bias[0] !== channels;
  if (bias.length !== 1 || differs)
    throw fail('E1305', `${op}: B ${formatShape(bias)} must have a number for each of ${formatDim(channels)} output channels`);
}

/** A bound beyond every size. */
const endOfAxis = 2 ** 31 - 1;

const pooled = (x: Shape, output: readonly Dim[]): Shape => [...x.slice(0, 2), ...output];

export const windows = {
  Conv: {
    infer({ X, W, B }, at) {
      const [x, w] = [shapeOf(X), shapeOf(W)];
      const { output } = convWindow('Conv', x, w, at);
      if (B?.shape) requireBias('Conv', B.shape, w[0]!);
      return [tensorType(elementOf(X), [x[0]!, w[0]!, ...output])];
    },
    plan({ X, W, B }, at, e) {
      const { strides, dilations, pads, output } = convWindow('Conv', X.shape, W.shape, at);
      e.equal(X.shape[1]!, mulDims(W.shape[1]!, at.group));
      if (B) e.equal(B.shape[0]!, W.shape[0]!);
      const y = e.alloc(X.type, [X.shape[0]!, W.shape[0]!, ...output]);
      e.step({ kind: 'conv', strides, dilations, pads: pads.slice(0, output.length), group: at.group }, [X, W, B], [y]);
      return [y];
    },
  },
  ConvTranspose: {
    infer({ X, W, B }, at) {
      const [x, w] = [shapeOf(X), shapeOf(W)];
      const { output } = transposedWindow(x, w, at);
      if (B?.shape) requireBias('ConvTranspose', B.shape, mulDims(w[1]!, at.group));
      return [tensorType(elementOf(X), [x[0]!, mulDims(w[1]!, at.group), ...output])];
    },
    lower({ X, W, B }, at, b) {
      const { kernel, strides, dilations, extra, ...window } = transposedWindow(shapeOf(X), shapeOf(W), at);
      const pads = window.pads();
      if (at.group === 1 && doNotOverlap(kernel, strides) && [...pads, ...extra].every(n => n === 0))
        return squares(X, W, B, kernel[0]!, b);
      const reach = kernel.map((k, d) => dilations[d]! * (k - 1));
      // A kernel that spreads each element is a kernel over the elements set apart, turned around.
      const margins = [
        ...reach.map((r, d) => r - pads[d]!),
        ...reach.map((r, d) => r - pads[kernel.length + d]! + extra[d]! - (strides[d]! - 1)),
      ];
      const x = cropped(setApart(X, strides, b), margins, b);
      return b.Conv(x, turnedAround(W, at.group, b), B, { dilations, pads: margins.map(m => Math.max(m, 0)), group: at.group });
    },
  },
  MaxPool: {
    infer({ X }, at) {
      const x = shapeOf(X);
      const shape = pooled(x, poolWindow('MaxPool', x, at).output);
      return [tensorType(elementOf(X), shape), tensorType('int64', shape)];
    },
    plan({ X }, at, e, _values, y) {
      const { output, ...window } = poolWindow('MaxPool', X.shape, at);
      const shape = pooled(X.shape, output);
      const outputs = y.map((_, i) => e.alloc(i === 0 ? X.type : 'int64', shape));
      e.step({ kind: 'pool', by: 'max', ...window, countPads: false, p: at.storage_order }, [X], outputs);
      return outputs;
    },
  },
  AveragePool: {
    infer({ X }, at) {
      const x = shapeOf(X);
      return [tensorType(elementOf(X), pooled(x, poolWindow('AveragePool', x, at).output))];
    },
    plan({ X }, at, e) {
      const { output, ...window } = poolWindow('AveragePool', X.shape, at);
      const y = e.alloc(X.type, pooled(X.shape, output));
      e.step({ kind: 'pool', by: 'average', ...window, countPads: at.count_include_pad !== 0, p: 0 }, [X], [y]);
      return [y];
    },
  },
  LpPool: {
    infer({ X }, at) {
      const x = shapeOf(X);
      if (at.p < 1 || at.p > endOfAxis) throw fail('E1305', `LpPool: p is ${at.p}, expected at least 1`, { argument: 'p' });
      return [tensorType(elementOf(X), pooled(x, poolWindow('LpPool', x, at).output))];
    },
    plan({ X }, at, e) {
      const { output, ...window } = poolWindow('LpPool', X.shape, at);
      const y = e.alloc(X.type, pooled(X.shape, output));
      e.step({ kind: 'pool', by: 'lp', ...window, countPads: true, p: at.p }, [X], [y]);
      return [y];
    },
  },
  CausalConvWithState: {
    infer({ input, weight, bias }) {
      const [x, w] = [shapeOf(input), shapeOf(weight)];
      if (x.length !== 3 || w.length !== 3)
        throw fail('E1305', `CausalConvWithState: input ${formatShape(x)} and weight ${formatShape(w)} must have 3 axes`);
      if (bias?.shape && bias.shape.length !== 1)
        throw fail('E1305', `CausalConvWithState: bias ${formatShape(bias.shape)} must have 1 axis`);
      return [input.type, tensorType(elementOf(input), [x[0]!, x[1]!, subDims(w[2]!, 1)])];
    },
    lower({ input, weight, bias, past_state }, { activation }, b) {
      const [channels, , taps] = shapeOf(weight);
      if (typeof channels !== 'number' || typeof taps !== 'number') throw fail('E3009', 'CausalConvWithState: the window must be known');
      const x = past_state ? b.Concat([past_state, input], 2) : b.Pad({ data: input, pads: b.ints([0, 0, taps - 1, 0, 0, 0]) });
      const y = b.Conv(x, weight, bias, { group: channels });
      return {
        output: activation === 'none' ? y : b.Swish({ X: y }),
        present_state: b.Slice(x, { axes: [2], starts: [taps > 1 ? 1 - taps : endOfAxis], ends: [endOfAxis] }),
      };
    },
  },
  GlobalAveragePool: {
    infer: ({ X }) => [
      tensorType(
        elementOf(X),
        shapeOf(X).map((d, i) => (i < 2 ? d : 1)),
      ),
    ],
    lower: ({ X }, _at, b) => b.ReduceMean({ data: X, axes: b.ints(range(shapeOf(X).length - 2, 2)) }),
  },
  GlobalLpPool: {
    infer: ({ X }) => [
      tensorType(
        elementOf(X),
        shapeOf(X).map((d, i) => (i < 2 ? d : 1)),
      ),
    ],
    lower({ X }, { p }, b) {
      const axes = range(shapeOf(X).length - 2, 2);
      if (p === 1) return b.ReduceL1({ data: X, axes: b.ints(axes) });
      if (p === 2) return b.ReduceL2({ data: X, axes: b.ints(axes) });
      return b.Pow(b.ReduceSum(b.Pow(b.Abs(X), b.like(p, X)), { axes }), b.like(1 / p, X));
    },
  },
  GlobalMaxPool: {
    infer: ({ X }) => [
      tensorType(
        elementOf(X),
        shapeOf(X).map((d, i) => (i < 2 ? d : 1)),
      ),
    ],
    lower: ({ X }, _at, b) => b.ReduceMax(X, { axes: range(shapeOf(X).length - 2, 2) }),
  },
} satisfies Family;

interface TransposedWindow {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** At the beginning of each spatial axis, then at the end. */
  pads(): readonly number[];
  /** Elements added at the end of each spatial axis of the output. */
  readonly extra: readonly number[];
  readonly output: Shape;
}

export function transposedWindow(x: Shape, w: Shape, at: At<'ConvTranspose'>): TransposedWindow {
  const rank = x.length - 2;
  if (x.length < 3 || w.length !== x.length)
    throw fail('E1305', `ConvTranspose: X ${formatShape(x)} and W ${formatShape(w)} need one rank of at least 3`);
  const kernel = (at.kernel_shape ?? w.slice(2)).map(k => {
    if (typeof k === 'number') return k;
    throw fail('E3009', `ConvTranspose: the window ${formatShape(w.slice(2))} must be known`);
  });
  const strides = at.strides ?? range(rank).map(() => 1);
  const dilations = at.dilations ?? range(rank).map(() => 1);
  const extra = at.output_padding ?? range(rank).map(() => 0);
  const isSame = at.auto_pad === 'SAME_UPPER' || at.auto_pad === 'SAME_LOWER';
  const given = at.auto_pad === 'NOTSET' ? at.pads : undefined;
  const full = spread('ConvTranspose', x, kernel, { strides, dilations }).map((size, d) => addDims(size, extra[d] ?? 0));
  const wanted = at.output_shape ?? (isSame ? x.slice(2).map((size, d) => mulDims(size, strides[d]!)) : undefined);
  const pads = given ?? range(2 * rank).map(() => 0);
  if (extra.length !== rank || pads.length !== 2 * rank || (wanted && wanted.length !== rank))
    throw fail('E1305', `ConvTranspose: output_padding, pads or output_shape do not fit ${rank} spatial axes`);
  const output = wanted ?? full.map((size, d) => subDims(size, pads[d]! + pads[rank + d]!));
  return { kernel, strides, dilations, pads: () => (wanted ? padsToReach(full, wanted, at.auto_pad) : pads), extra, output };
}

/** The pads that cut the whole output down to a wanted one. */
function padsToReach(full: Shape, wanted: Shape, mode: string): number[] {
  const totals = full.map((size, d) => {
    const total = subDims(size, wanted[d] ?? 0);
    if (typeof total === 'number') return total;
    throw fail('E3009', `ConvTranspose: the pads for ${formatShape(wanted)} must be known`);
  });
  const less = totals.map(t => Math.floor(t / 2));
  const more = totals.map((t, d) => t - less[d]!);
  return mode === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less];
}

/** The spatial sizes from which a window with these strides and pads gives `x`'s. */
export function spread(
  op: string,
  x: Shape,
  kernel: Shape,
  at: { strides?: readonly number[] | undefined; dilations?: readonly number[] | undefined; pads?: readonly number[] | undefined },
): Shape {
  const rank = x.length - 2;
  const { strides = range(rank).map(() => 1), dilations = range(rank).map(() => 1), pads = range(2 * rank).map(() => 0) } = at;
  if (kernel.length !== rank || strides.length !== rank || dilations.length !== rank || pads.length !== 2 * rank)
    throw fail('E1305', `${op}: the window ${formatShape(kernel)} and its attributes do not fit ${rank} spatial axes`);
  return x.slice(2).map((size, d) => {
    const extent = addDims(mulDims(subDims(kernel[d]!, 1), dilations[d]!), 1);
    return subDims(addDims(mulDims(subDims(size, 1), strides[d]!), extent), pads[d]! + pads[rank + d]!);
  });
}

/** Whether each element becomes a square of its own. */
const doNotOverlap = (kernel: readonly number[], strides: readonly number[]): boolean =>
  kernel.length === 2 && kernel[0]! > 1 && [...kernel, ...strides].every(k => k === kernel[0]);

/** Squares of `by` by `by` elements side by side: all elements of a square as channels, and then in their places. */
function squares(x: Value, w: Value, bias: Value | undefined, by: number, b: Builder): Value {
  const all = b.Unsqueeze(b.Transpose(b.Reshape(w, [0, -1]), [1, 0]), [2, 3]);
  const each = bias && b.Reshape(b.Expand(b.Unsqueeze(bias, [1]), [b.dim(bias, 0), by * by]), [-1]);
  return b.DepthToSpace({ input: b.Conv(x, all, each) }, { blocksize: by, mode: 'CRD' });
}

/** Each element followed by zeros, a stride from one to the next. */
function setApart(x: Value, strides: readonly number[], b: Builder): Value {
  if (strides.every(s => s === 1)) return x;
  const wide = b.Unsqueeze(
    x,
    strides.map((_, d) => 3 + 2 * d),
  );
  const after = [0, 0, ...strides.flatMap(s => [0, s - 1])];
  const padded = b.Pad({ data: wide, pads: b.ints([...after.map(() => 0), ...after]) });
  const isOpen =
    shapeOf(x)
      .slice(2)
      .filter(d => typeof d !== 'number').length === 1;
  const sizes = strides.map((s, d): Size => {
    const size = b.dim(x, 2 + d);
    return typeof size === 'number' ? size * s : isOpen ? -1 : b.Mul(size, b.ints([s]));
  });
  return b.Reshape(padded, [0, 0, ...sizes]);
}

/** Without the elements that negative margins cut off. */
function cropped(x: Value, margins: readonly number[], b: Builder): Value {
  const rank = margins.length / 2;
  const axes = range(rank).filter(d => margins[d]! < 0 || margins[rank + d]! < 0);
  if (axes.length === 0) return x;
  return b.Slice(x, {
    axes: axes.map(d => d + 2),
    starts: axes.map(d => Math.max(-margins[d]!, 0)),
    ends: axes.map(d => (margins[rank + d]! < 0 ? margins[rank + d]! : endOfAxis)),
  });
}

/** Weights [C, M/group, taps] as those of the convolution that does the same: [M, C/group, taps reversed]. */
function turnedAround(w: Value, group: number, b: Builder): Value {
  const [channels, perGroup, ...taps] = shapeOf(w);
  const axes = range(taps.length, 2);
  const isPoint = taps.every(k => k === 1);
  const backwards = { axes, starts: axes.map(() => -1), ends: axes.map(() => -endOfAxis), steps: axes.map(() => -1) };
  const flipped = isPoint ? w : b.Slice(w, backwards);
  if (group === 1) return b.Transpose(flipped, [1, 0, ...axes]);
  if (typeof channels !== 'number' || typeof perGroup !== 'number') throw fail('E3009', 'ConvTranspose: the channels must be known');
  const sizes = taps as readonly number[];
  const groups = b.Transpose(b.Reshape(flipped, [group, channels / group, perGroup, ...sizes]), [0, 2, 1, ...axes.map(a => a + 1)]);
  return b.Reshape(groups, [group * perGroup, channels / group, ...sizes]);
}
