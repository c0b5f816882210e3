// Convolutions and their transposes. Filters have the channels last, ONNX's have them first.
import { type Dim, mulDims, subDims } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { channelsFirst, channelsLast } from '../../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, dimOf, maxSizes, reshapeTo, shaped, subSizes } from '../../../ops/sizing.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';
import { activated } from './fused.ts';
import { isChannelsFirst, onChannelsFirst, padded, paddingAttributes, padsFor, reach, spatial, type Window } from './windows.ts';

/** Axes of a filter: [...spatial, in, out] to [out, in, ...spatial]. */
function filterFirst(b: Builder, filter: Value): Value {
  const rank = rankOf(filter);
  return b.Transpose(filter, [rank - 1, rank - 2, ...range(rank - 2)]);
}

function fixed(v: Value, axis: number, what: string): number {
  const size = shapeOf(v).at(axis);
  if (typeof size !== 'number') throw unsupported(`${what} must be known before the run`);
  return size;
}

const kernelOf = (filter: Value): number[] => range(rankOf(filter) - 2).map(axis => fixed(filter, axis, 'the size of the filter'));

function windowOf(x: Call, filter: Value): Window {
  const kernel = kernelOf(filter);
  const rank = kernel.length + 2;
  const dilations = x.has('dilations') && x.numbers('dilations').length > 0 ? spatial(x, 'dilations', rank) : kernel.map(() => 1);
  return { kernel, strides: spatial(x, 'strides', rank), dilations };
}

/** `v` has the channels second, `weights` the form that ONNX asks for. */
function convolved(b: Builder, v: Value, weights: Value, x: Call, window: Window, group: number): Value {
  const { strides, dilations } = window;
  const pads = padsFor(b, v, x, window);
  const at = paddingAttributes(pads, window);
  const open = 'open' in pads && !at ? padded(b, v, pads.open) : v;
  return b.emit('Conv', [open, weights], { strides, dilations, group, ...at })[0]!;
}

const convolution =
  (input: string): TfRow =>
  (x, b) => {
    const [v, filter] = [x.tensor(input), x.tensor('filter')];
    const weights = filterFirst(b, filter);
    const made = onChannelsFirst(b, v, x, first => {
      const channels = fixed(first, 1, 'the number of channels');
      return convolved(b, first, weights, x, windowOf(x, filter), channels / fixed(filter, -2, 'the size of the filter'));
    });
    return x.has('fused_ops') ? activated(b, made, x, isChannelsFirst(x)) : made;
  };

/** A filter for each channel: [h, w, in, times] to [in * times, 1, h, w]. */
function depthwiseWeights(b: Builder, filter: Value): Value {
  const [channels, times] = [fixed(filter, -2, 'the number of channels'), fixed(filter, -1, 'the size of the filter')];
  return reshapeTo(b, b.Transpose(filter, [2, 3, 0, 1]), [channels * times, 1, ...kernelOf(filter)]);
}

const depthwise: TfRow = (x, b) => {
  const [v, filter] = [x.tensor('input'), x.tensor('filter')];
  const made = onChannelsFirst(b, v, x, first =>
    convolved(b, first, depthwiseWeights(b, filter), x, windowOf(x, filter), fixed(filter, -2, 'the number of channels')),
  );
  return x.has('fused_ops') ? activated(b, made, x, isChannelsFirst(x)) : made;
};

/** What a convolution with these weights had to be given: a transposed convolution to sizes that are stated. */
const transposed =
  (isDepthwise: boolean): TfRow =>
  (x, b) => {
    const [filter, gradient] = [x.tensor('filter'), x.tensor('out_backprop')];
    const window = windowOf(x, filter);
    const stated = x.sizes('input_sizes', b);
    const isFirst = isChannelsFirst(x);
    const sizes = stated.length === window.kernel.length ? stated : isFirst ? stated.slice(2) : stated.slice(1, -1);
    const v = isFirst ? gradient : channelsFirst(b, gradient);
    const weights = isDepthwise ? depthwiseWeights(b, filter) : filterFirst(b, filter);
    const group = isDepthwise
      ? fixed(filter, -2, 'the number of channels')
      : fixed(v, 1, 'the number of channels') / fixed(filter, -1, 'the size of the filter');
    const made = restored(b, v, weights, x, window, sizes, group);
    return isFirst ? made : channelsLast(b, made);
  };

function restored(b: Builder, v: Value, weights: Value, x: Call, window: Window, sizes: readonly Size[], group: number): Value {
  const { strides, dilations, kernel } = window;
  // What the windows reach in all, beyond the sizes that are asked for: padding, or less than nothing.
  const excess = sizes.map((size, i): Dim => {
    const whole = mulDims(subDims(shapeOf(v)[i + 2]!, 1), strides[i]!);
    return subDims(whole, subDims(dimOf(size), reach(window, i)));
  });
  const before = startsOf(x, excess, kernel.length);
  if (before && excess.every((d): d is number => typeof d === 'number')) {
    const after = excess.map((n, i) => n - before[i]!);
    const pads = [...before, ...after.map(n => Math.max(n, 0))];
    const output_padding = after.map(n => Math.max(-n, 0));
    if (output_padding.every((n, i) => n < Math.max(strides[i]!, dilations[i]!))) {
      const made = b.emit('ConvTranspose', [v, weights], { strides, dilations, group, pads, output_padding })[0]!;
      return shaped(made, [...made.shape!.slice(0, 2), ...sizes.map(dimOf)]);
    }
  }
  return cutOut(b, b.emit('ConvTranspose', [v, weights], { strides, dilations, group })[0]!, x, sizes);
}

/** Where the wanted part begins, where that is known. */
function startsOf(x: Call, excess: readonly Dim[], count: number): number[] | undefined {
  const padding = x.string('padding');
  if (padding === 'VALID') return range(count).map(() => 0);
  if (padding === 'EXPLICIT') {
    const all = x.numbers('explicit_paddings');
    const own = isChannelsFirst(x) ? all.slice(4) : all.slice(2, -2);
    return range(count).map(i => own[2 * i]!);
  }
  return excess.every((d): d is number => typeof d === 'number') ? excess.map(n => Math.floor(Math.max(n, 0) / 2)) : undefined;
}

/** The wanted part of all that the windows reach, with zeros where they do not reach it. */
function cutOut(b: Builder, whole: Value, x: Call, sizes: readonly Size[]): Value {
  const axes = sizes.map((_, i) => i + 2);
  const known = startsOf(x, [], sizes.length);
  const excess = sizes.map((size, i) => subSizes(b, b.dim(whole, i + 2), size));
  const starts = known && x.string('padding') !== 'SAME' ? known : excess.map(e => halfOf(b, maxSizes(b, e, 0)));
  const lacking = sizes.map((size, i) => maxSizes(b, subSizes(b, addSizes(b, starts[i]!, size), b.dim(whole, i + 2)), 0));
  const enough = lacking.every(s => s === 0) ? whole : padded(b, whole, [...sizes.map(() => 0), ...lacking]);
  const made = b.Slice(enough, { axes, starts, ends: sizes.map((size, i) => addSizes(b, starts[i]!, size)) });
  return shaped(made, [...made.shape!.slice(0, 2), ...sizes.map(dimOf)]);
}

const halfOf = (b: Builder, size: Size): Size => (typeof size === 'number' ? Math.floor(size / 2) : b.Div(size, b.ints([2])));

/** Morphological dilation: the largest of each window with the filter added, an element of the filter at a time. */
const dilation: TfRow = (x, b) => {
  const [v, filter] = [x.tensor('input'), x.tensor('filter')];
  const kernel = [fixed(filter, 0, 'the size of the filter'), fixed(filter, 1, 'the size of the filter')];
  const [strides, dilations] = [x.numbers('strides').slice(1, 3), x.numbers('rates').slice(1, 3)];
  const window = { kernel, strides, dilations };
  const first = channelsFirst(b, v);
  const pads = padsFor(b, first, x, window);
  const lowest = b.like(Number.NEGATIVE_INFINITY, v);
  const whole = channelsLast(b, padded(b, first, 'known' in pads ? pads.known : pads.open, lowest));
  const taps = range(kernel[0]!).flatMap(i => range(kernel[1]!).map(j => [i, j] as const));
  const parts = taps.map(([i, j]) => {
    const offsets = [i * dilations[0]!, j * dilations[1]!];
    // Windows end where the last one does, so that every tap has as many.
    const ends = [0, 1].map(k => {
      const left = reach(window, k) - 1 - offsets[k]!;
      return left === 0 ? Number.MAX_SAFE_INTEGER : -left;
    });
    const part = b.Slice(whole, { axes: [1, 2], starts: offsets, ends, steps: strides });
    const weight = b.Gather(b.Gather(filter, b.constant(BigInt(i), 'int64'), 0), b.constant(BigInt(j), 'int64'), 0);
    return b.Add(part, weight);
  });
  return parts.reduce((most, part) => b.Max(most, part));
};

export const convolutions: TfRows = {
  Conv2D: convolution('input'),
  Conv3D: convolution('input'),
  _FusedConv2D: convolution('input'),
  DepthwiseConv2dNative: depthwise,
  _FusedDepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2dNative: depthwise,
  Conv2DBackpropInput: transposed(false),
  Conv3DBackpropInputV2: transposed(false),
  DepthwiseConv2dNativeBackpropInput: transposed(true),
  Dilation2D: dilation,
};
