// What convolutions and pools share: where channels are, padding, and kernels in the order of ONNX.
import type { Dim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { AttributeInput } from '../../ops/attributes.ts';
import type { Builder } from '../../ops/builder.ts';
import { range, rankOf, shapeOf } from '../../ops/shapes.ts';

/** `compute` over a tensor with the channels second, wherever they are. */
export function onChannelsFirst(b: Builder, x: Value, isFirst: boolean, compute: (v: Value) => Value): Value {
  if (isFirst) return compute(x);
  const rank = rankOf(x);
  const y = compute(b.Transpose(x, [0, rank - 1, ...range(rank - 2, 1)]));
  return b.Transpose(y, [0, ...range(rankOf(y) - 2, 2), 1]);
}

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
  const missing = reach.map((r, i) => missingOf(shapeOf(x)[i + 2]!, r, strides[i]!));
  if (!missing.every(n => n !== undefined)) return { auto_pad: 'SAME_UPPER' };
  const before = missing.map(n => Math.floor(n / 2));
  return missing.every(n => n === 0) ? {} : { pads: [...before, ...missing.map((n, i) => n - before[i]!)] };
}

function missingOf(size: Dim, reach: number, stride: number): number | undefined {
  if (stride === 1) return reach - 1;
  return typeof size === 'number' ? Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size) : undefined;
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
