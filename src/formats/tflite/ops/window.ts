// Operators that slide windows over the axes between batch and channels, and those that resample these axes.
import type { Dim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { AttributeInput } from '../../../ops/attributes.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { onChannelsFirst, samePadding } from '../../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { settled, sizesOf } from '../../../ops/sizing.ts';
import type { Padding } from '../schema.gen.ts';
import { activated, type Call, type Row, type Rows, unsupported } from './row.ts';

export interface Steps {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: Padding;
}

/**
 * Padding for the sizes of the spatial axes: SAME gives as many windows as strides fit, with the odd element at the end. Where it depends
 * on a size that only the run knows, the operator finds it.
 */
export function padsFor(sizes: readonly Dim[], { kernel, strides, dilations, padding }: Steps): Readonly<Record<string, AttributeInput>> {
  if (padding === 'VALID') return {};
  const reaches = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  return samePadding(sizes, reaches, strides);
}

/** Sizes of the axes between batch and channels, in [N, C, …]. */
const spatial = (v: Value): readonly Dim[] => shapeOf(v).slice(2);

function sizesOfKernel(w: Value, from: number, count: number): number[] {
  return shapeOf(w)
    .slice(from, from + count)
    .map(d => {
      if (typeof d !== 'number') throw unsupported('a kernel of a size that only the run knows');
      return d;
    });
}

/** O H W I and the like as O I H W: output channels, input channels, then the kernel. */
const convolution = (b: Builder, v: Value, w: Value, bias: Value | undefined, steps: Steps, group = 1): Value =>
  onChannelsFirst(b, v, false, image => {
    const { strides, dilations } = steps;
    const attributes = { strides, dilations, group, kernel_shape: steps.kernel, ...padsFor(spatial(image), steps) };
    return b.emit('Conv', [image, w, bias], attributes)[0]!;
  });

/** Groups are said by kernels that take a part of the channels. */
function groupsOf(v: Value, channels: Dim | undefined): number {
  const all = shapeOf(v).at(-1)!;
  return typeof all === 'number' && typeof channels === 'number' && channels > 0 ? all / channels : 1;
}

const conv2d: Row = (x, b) => {
  const o = x.options('Conv2DOptions');
  const [v, w] = [x.input(0), x.permuted(1, [0, 3, 1, 2])];
  const steps: Steps = {
    kernel: sizesOfKernel(w, 2, 2),
    strides: [o.stride_h, o.stride_w],
    dilations: [o.dilation_h_factor, o.dilation_w_factor],
    padding: o.padding,
  };
  const y = convolution(b, v, w, x.optional(2), steps, groupsOf(v, shapeOf(w)[1]));
  return activated(b, y, o.fused_activation_function);
};

/** 1 H W C·m: every input channel has m kernels, beside each other, which is a group of its own. */
const depthwise: Row = (x, b) => {
  const o = x.options('DepthwiseConv2DOptions');
  const [v, w] = [x.input(0), x.permuted(1, [3, 0, 1, 2])];
  const [outputs] = sizesOfKernel(w, 0, 1) as [number];
  const known = shapeOf(v).at(-1)!;
  const channels = typeof known === 'number' ? known : outputs / Math.max(1, o.depth_multiplier);
  const steps: Steps = {
    kernel: sizesOfKernel(w, 2, 2),
    strides: [o.stride_h, o.stride_w],
    dilations: [o.dilation_h_factor, o.dilation_w_factor],
    padding: o.padding,
  };
  return activated(b, convolution(b, v, w, x.optional(2), steps, channels), o.fused_activation_function);
};

const conv3d: Row = (x, b) => {
  const o = x.options('Conv3DOptions');
  const [v, w] = [x.input(0), x.permuted(1, [4, 3, 0, 1, 2])];
  const steps: Steps = {
    kernel: sizesOfKernel(w, 2, 3),
    strides: [o.stride_d, o.stride_h, o.stride_w],
    dilations: [o.dilation_d_factor, o.dilation_h_factor, o.dilation_w_factor],
    padding: o.padding,
  };
  return activated(b, convolution(b, v, w, x.optional(2), steps, groupsOf(v, shapeOf(w)[1])), o.fused_activation_function);
};

/**
 * A transposed convolution to sizes that are given.
 * @param w input channels, output channels, then the kernel
 */
export function transposed(
  b: Builder,
  v: Value,
  w: Value,
  bias: Value | undefined,
  steps: Steps,
  sizes: readonly Size[] | undefined,
): Value {
  return onChannelsFirst(b, v, false, image => {
    const { strides, dilations, kernel } = steps;
    const inputs = spatial(image);
    const known = sizes?.map(size => (typeof size === 'number' ? size : undefined));
    const attributes = { strides, dilations, kernel_shape: kernel };
    // Each input spreads to `full` outputs, of which padding cuts off both ends.
    const full = inputs.map((d, i) => (typeof d === 'number' ? (d - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 : undefined));
    const wanted = inputs.map((d, i) => known?.[i] ?? (steps.padding === 'SAME' && typeof d === 'number' ? d * strides[i]! : full[i]));
    const excess = inputs.map((_, i) => (full[i] === undefined || wanted[i] === undefined ? openExcess(steps, i) : full[i]! - wanted[i]!));
    // What SAME cuts off before is half of it, rounded down; VALID cuts nothing off before.
    const before = excess.map(n => (steps.padding === 'SAME' ? Math.floor(Math.max(0, n) / 2) : 0));
    const pads = [...before, ...excess.map((n, i) => Math.max(0, n - before[i]!))];
    const output_padding = excess.map((n, i) => Math.max(0, before[i]! - n));
    const extra = output_padding.some(n => n > 0) ? { output_padding } : {};
    return b.emit('ConvTranspose', [image, w, bias], { ...attributes, pads, ...extra })[0]!;
  });
}

/** The same for a size that only the run knows, which is taken to be the usual one: the stride times the input, or all of it. */
const openExcess = ({ kernel, strides, dilations, padding }: Steps, i: number): number =>
  padding === 'SAME' ? (kernel[i]! - 1) * dilations[i]! + 1 - strides[i]! : 0;

const transposeConv: Row = (x, b) => {
  const o = x.options('TransposeConvOptions');
  const w = x.permuted(1, [3, 0, 1, 2]);
  const steps: Steps = { kernel: sizesOfKernel(w, 2, 2), strides: [o.stride_h, o.stride_w], dilations: [1, 1], padding: o.padding };
  const sizes = x.sizes(0, b).slice(1, 3).map(settled);
  return activated(b, transposed(b, x.input(2), w, x.optional(3), steps, sizes), o.fused_activation_function);
};

const conv3dTranspose: Row = (x, b) => {
  const o = x.options('Conv3DOptions');
  const w = x.permuted(1, [4, 3, 0, 1, 2]);
  const steps: Steps = {
    kernel: sizesOfKernel(w, 2, 3),
    strides: [o.stride_d, o.stride_h, o.stride_w],
    dilations: [o.dilation_d_factor, o.dilation_h_factor, o.dilation_w_factor],
    padding: o.padding,
  };
  const sizes = x.sizes(0, b).slice(1, 4).map(settled);
  return activated(b, transposed(b, x.input(2), w, x.optional(3), steps, sizes), o.fused_activation_function);
};

const pooled =
  (pool: (b: Builder, v: Value, at: Readonly<Record<string, AttributeInput>>) => Value): Row =>
  (x, b) => {
    const o = x.options('Pool2DOptions');
    const steps: Steps = {
      kernel: [o.filter_height, o.filter_width],
      strides: [o.stride_h, o.stride_w],
      dilations: [1, 1],
      padding: o.padding,
    };
    const y = onChannelsFirst(b, x.input(0), false, v =>
      pool(b, v, { kernel_shape: steps.kernel, strides: steps.strides, ...padsFor(spatial(v), steps) }),
    );
    return activated(b, y, o.fused_activation_function);
  };

/** Padding does not count in averages. */
const average = (b: Builder, v: Value, at: Readonly<Record<string, AttributeInput>>): Value => b.emit('AveragePool', [v], at)[0]!;

const resizeSize = (x: Call, b: Builder, v: Value): Value => {
  const [height, width] = x.sizes(1, b);
  const [n, , , c] = sizesOf(b, v);
  return b.sizes([n!, c!, height!, width!]);
};

type Resizing = { readonly align_corners: boolean; readonly half_pixel_centers: boolean };
const coordinates = ({ align_corners, half_pixel_centers }: Resizing): string =>
  align_corners ? 'align_corners' : half_pixel_centers ? 'half_pixel' : 'asymmetric';

const resizeBilinear: Row = (x, b) => {
  const v = x.input(0);
  const at = { mode: 'linear', coordinate_transformation_mode: coordinates(x.options('ResizeBilinearOptions')) };
  return onChannelsFirst(b, v, false, image => b.Resize({ X: image, sizes: resizeSize(x, b, v) }, at));
};

/** Places are rounded down, but to the nearest one where corners are aligned. */
const resizeNearest: Row = (x, b) => {
  const v = x.input(0);
  const options = x.options('ResizeNearestNeighborOptions');
  const nearest_mode = options.align_corners ? 'round_prefer_ceil' : 'floor';
  // Half-pixel centres here are (i + 0.5) · scale, of which the integer part is the place.
  const coordinate = options.half_pixel_centers && !options.align_corners ? 'tf_half_pixel_for_nn' : coordinates(options);
  const at = {
    mode: 'nearest',
    coordinate_transformation_mode: coordinate === 'tf_half_pixel_for_nn' ? 'half_pixel' : coordinate,
    nearest_mode,
  };
  if (coordinate !== 'tf_half_pixel_for_nn')
    return onChannelsFirst(b, v, false, image => b.Resize({ X: image, sizes: resizeSize(x, b, v) }, at));
  return onChannelsFirst(b, v, false, image =>
    b.Resize({ X: image, sizes: resizeSize(x, b, v) }, { ...at, nearest_mode: 'round_prefer_ceil' }),
  );
};

/** Windows over all axes, with padding by hand. */
const windowReductions: Readonly<
  Record<string, (b: Builder, v: Value, at: Readonly<Record<string, AttributeInput>>, count: number) => Value>
> = {
  MAXIMUM: (b, v, at) => b.emit('MaxPool', [v], at)[0]!,
  MINIMUM: (b, v, at) => b.Neg(b.emit('MaxPool', [b.Neg(v)], at)[0]!),
  ADD: (b, v, at, count) => {
    const y = b.emit('AveragePool', [v], { ...at, count_include_pad: 1 })[0]!;
    return b.Mul(y, b.like(count, y));
  },
};

/** Inputs: the tensor, the start of the reduction, then shape, strides and dilations of the window. */
const reduceWindow: Row = (x, b) => {
  const { reduce_function: kind } = x.options('ReduceWindowOptions');
  const reduce = windowReductions[kind];
  if (!reduce) throw unsupported(`a window reduced by ${kind}`);
  const [kernel_shape, strides, dilations] = [2, 3, 4].map(i => x.numbers(i, 'a window'));
  const v = x.input(0);
  const rank = rankOf(v);
  const at = { kernel_shape, strides, dilations };
  const count = kernel_shape!.reduce((n, k) => n * k, 1);
  const y = reduce(b, b.Unsqueeze(v, [0, 1]), at, count);
  return b.Squeeze(y, range(rank > 0 ? 2 : 0));
};

export const window: Rows = {
  CONV_2D: conv2d,
  DEPTHWISE_CONV_2D: depthwise,
  CONV_3D: conv3d,
  TRANSPOSE_CONV: transposeConv,
  CONV_3D_TRANSPOSE: conv3dTranspose,
  MAX_POOL_2D: pooled((b, v, at) => b.emit('MaxPool', [v], at)[0]!),
  AVERAGE_POOL_2D: pooled(average),
  L2_POOL_2D: pooled((b, v, at) => b.Sqrt(average(b, b.Mul(v, v), at))),
  RESIZE_BILINEAR: resizeBilinear,
  RESIZE_NEAREST_NEIGHBOR: resizeNearest,
  REDUCE_WINDOW: reduceWindow,
};
