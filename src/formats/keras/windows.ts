// What convolutions and pools share: padding, and kernels in the order of ONNX.
import type { Value } from '../../ir/graph.ts';
import type { AttributeInput } from '../../ops/attributes.ts';
import type { Builder } from '../../ops/builder.ts';
import { samePadding } from '../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../ops/shapes.ts';

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** `valid`, `same` or `causal`. */
  readonly padding: string;
}

/**
 * Padding for [N, C, …]: `same` gives as many windows as strides fit, with the odd element at the end. Where that depends on a size
 * that only the run knows, the operator finds it.
 */
export function paddingOf(x: Value, { kernel, strides, dilations, padding }: Window): Readonly<Record<string, AttributeInput>> {
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  if (padding === 'causal') return { pads: [...reach.map(r => r - 1), ...reach.map(() => 0)] };
  if (padding !== 'same') return {};
  return samePadding(shapeOf(x).slice(2), reach, strides);
}

/** Kernel, input channels, output channels as ONNX has them: channels first, output before input. */
export const kernelFirst = (b: Builder, kernel: Value): Value => {
  const rank = rankOf(kernel);
  return b.Transpose(kernel, [rank - 1, rank - 2, ...range(rank - 2)]);
};

/** Kernel, channels, multiplier as one group a channel: [C·m, 1, …]. */
export function depthwiseKernel(b: Builder, kernel: Value): Value {
  const dims = shapeOf(kernel) as readonly number[];
  const count = dims.length - 2;
  const moved = b.Transpose(kernel, [count, count + 1, ...range(count)]);
  return b.Reshape(moved, [dims[count]! * dims[count + 1]!, 1, ...dims.slice(0, count)]);
}

/** A convolution of [N, C, …]. */
export const convolved = (b: Builder, x: Value, kernel: Value, bias: Value | undefined, window: Window, group = 1): Value =>
  b.emit('Conv', [x, kernel, bias], {
    kernel_shape: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
    group,
    ...paddingOf(x, window),
  })[0]!;
