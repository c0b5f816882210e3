// Convolutions in one to three dimensions, with kernels of their own for channels, and those that go the other way.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { onChannelsFirst } from '../../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { convolved, depthwiseKernel, kernelFirst, type Window } from '../windows.ts';
import { activated, requireFloats } from './core.ts';
import { type Build, type LayerCall, type LayerRow, type LayerRows, plain, unsupported } from './row.ts';

const windowOf = ({ config }: LayerCall, rank: number): Window => ({
  kernel: config.numbers('kernel_size', rank),
  strides: config.numbers('strides', rank, 1),
  dilations: config.numbers('dilation_rate', rank, 1),
  padding: config.text('padding', 'valid').toLowerCase(),
});

/** The channels of an image, which Keras knows when it makes the kernel. */
const channelsOf = (x: LayerCall, input: Value): number => x.size(input, x.isChannelsFirst ? 1 : -1);

function convolution(x: LayerCall, b: Builder): Value {
  requireFloats(x);
  const { config, real: input } = x;
  const rank = rankOf(input) - 2;
  const [window, filters, groups, channels] = [
    windowOf(x, rank),
    config.number('filters'),
    config.number('groups', 1),
    channelsOf(x, input),
  ];
  const { kernel, bias } = x.variables({
    kernel: [...window.kernel, channels / groups, filters],
    bias: config.boolean('use_bias', true) && [filters],
  });
  const y = onChannelsFirst(b, input, x.isChannelsFirst, v => convolved(b, v, kernelFirst(b, kernel!), bias, window, groups));
  return activated(x, y);
}

function depthwise(x: LayerCall, b: Builder): Value {
  requireFloats(x);
  const { config, real: input } = x;
  const [window, channels, multiplier] = [windowOf(x, rankOf(input) - 2), channelsOf(x, input), config.number('depth_multiplier', 1)];
  // Keras 2 names the kernel after the layer.
  const name = x.reader.reading.version < 3 ? 'depthwise_kernel' : 'kernel';
  const made = x.variables({
    [name]: [...window.kernel, channels, multiplier],
    bias: config.boolean('use_bias', true) && [channels * multiplier],
  });
  const kernel = depthwiseKernel(b, made[name]!);
  const y = onChannelsFirst(b, input, x.isChannelsFirst, v => convolved(b, v, kernel, made['bias'], window, channels));
  return activated(x, y);
}

/** A depthwise convolution, then one of single places. */
function separable(x: LayerCall, b: Builder): Value {
  requireFloats(x);
  const { config, real: input } = x;
  const rank = rankOf(input) - 2;
  const [window, channels, multiplier, filters] = [
    windowOf(x, rank),
    channelsOf(x, input),
    config.number('depth_multiplier', 1),
    config.number('filters'),
  ];
  const ones = range(rank).map(() => 1);
  const { depthwise_kernel, pointwise_kernel, bias } = x.variables({
    depthwise_kernel: [...window.kernel, channels, multiplier],
    pointwise_kernel: [...ones, channels * multiplier, filters],
    bias: config.boolean('use_bias', true) && [filters],
  });
  const single: Window = { kernel: ones, strides: ones, dilations: ones, padding: 'valid' };
  const y = onChannelsFirst(b, input, x.isChannelsFirst, v =>
    convolved(
      b,
      convolved(b, v, depthwiseKernel(b, depthwise_kernel!), undefined, window, channels),
      kernelFirst(b, pointwise_kernel!),
      bias,
      single,
    ),
  );
  return activated(x, y);
}

/**
 * Each input spreads to a window of outputs. `same` gives stride times as many, cutting off half of what is more before, rounded down;
 * where the windows do not reach that far, zeros follow.
 */
function transposed(x: LayerCall, b: Builder): Value {
  requireFloats(x);
  const { config, real: input } = x;
  const rank = rankOf(input) - 2;
  const [window, filters, channels] = [windowOf(x, rank), config.number('filters'), channelsOf(x, input)];
  const extra = config.has('output_padding') ? config.numbers('output_padding', rank) : undefined;
  const excess = range(rank).map(i => excessOf(window, i, extra?.[i]));
  const isSame = window.padding === 'same';
  const before = excess.map(n => (isSame ? Math.floor(Math.max(n, 0) / 2) : 0));
  const output_padding = excess.map(n => Math.max(-n, 0));
  const { kernel, bias } = x.variables({
    kernel: [...window.kernel, filters, channels],
    bias: config.boolean('use_bias', true) && [filters],
  });
  const weights = b.Transpose(kernel!, [rank + 1, rank, ...range(rank)]);
  const y = onChannelsFirst(
    b,
    input,
    x.isChannelsFirst,
    v =>
      b.emit('ConvTranspose', [v, weights, bias], {
        kernel_shape: window.kernel,
        strides: window.strides,
        dilations: window.dilations,
        pads: [...before, ...excess.map((n, i) => Math.max(n, 0) - before[i]!)],
        ...(output_padding.some(n => n > 0) && { output_padding }),
      })[0]!,
  );
  return activated(x, y);
}

/** By how much all windows together are longer than the output. */
function excessOf({ kernel, strides, dilations, padding }: Window, i: number, extra: number | undefined): number {
  const reach = (kernel[i]! - 1) * dilations[i]! + 1;
  if (padding !== 'same') return extra === undefined ? Math.min(reach - strides[i]!, 0) : -extra;
  return reach - (reach % 2) - (extra ?? strides[i]! - (reach % 2));
}

const ofRank = (rank: number, build: Build): LayerRow =>
  plain((x, b) => {
    if (rankOf(x.first.value) !== rank + 2) throw unsupported(`an input of ${shapeOf(x.first.value).length} axes, expected ${rank + 2}`);
    return build(x, b);
  });

export const convolutions: LayerRows = {
  Conv1D: ofRank(1, convolution),
  Conv2D: ofRank(2, convolution),
  Conv3D: ofRank(3, convolution),
  Conv1DTranspose: ofRank(1, transposed),
  Conv2DTranspose: ofRank(2, transposed),
  Conv3DTranspose: ofRank(3, transposed),
  DepthwiseConv1D: ofRank(1, depthwise),
  DepthwiseConv2D: ofRank(2, depthwise),
  SeparableConv1D: ofRank(1, separable),
  SeparableConv2D: ofRank(2, separable),
  // Names of the first versions.
  Convolution1D: ofRank(1, convolution),
  Convolution2D: ofRank(2, convolution),
  Convolution3D: ofRank(3, convolution),
  Convolution1DTranspose: ofRank(1, transposed),
  Convolution2DTranspose: ofRank(2, transposed),
  Convolution3DTranspose: ofRank(3, transposed),
  SeparableConvolution1D: ofRank(1, separable),
  SeparableConvolution2D: ofRank(2, separable),
};
