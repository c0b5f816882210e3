// Images with their channels last, as TensorFlow and Keras have them, and the padding that both call SAME.
import { addDims, ceilDivDims, type Dim, maxDims, mulDims, subDims } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import type { Builder } from './builder.ts';
import { range, rankOf } from './shapes.ts';

/** Where the axes of [N, …, C] come from in [N, C, …]. */
export const toChannelsFirst = (rank: number): number[] => [0, rank - 1, ...range(rank - 2, 1)];
/** Where the axes of [N, C, …] come from in [N, …, C]. */
export const toChannelsLast = (rank: number): number[] => [0, ...range(rank - 2, 2), 1];

export const channelsFirst = (b: Builder, v: Value): Value => b.Transpose(v, toChannelsFirst(rankOf(v)));
export const channelsLast = (b: Builder, v: Value): Value => b.Transpose(v, toChannelsLast(rankOf(v)));

/** `compute` over a tensor with the channels second, wherever they are. */
export const onChannelsFirst = (b: Builder, v: Value, isFirst: boolean, compute: (v: Value) => Value): Value =>
  isFirst ? compute(v) : channelsLast(b, compute(channelsFirst(b, v)));

/** What SAME adds along an axis: as much as is missing to whole windows of which each stride has one. */
export function missingFor(size: Dim, reach: number, stride: number): Dim {
  if (stride === 1) return reach - 1;
  const wanted = addDims(mulDims(subDims(ceilDivDims(size, stride), 1), stride), reach);
  return maxDims(subDims(wanted, size), 0);
}
/** All of it as ONNX lists pads: the smaller half before, the larger one behind. */
export const halved = (missing: readonly number[]): number[] => [
  ...missing.map(n => Math.floor(n / 2)),
  ...missing.map(n => Math.ceil(n / 2)),
];

/** SAME as attributes of an operator: by numbers, or by name where the operator must find them in the run. */
export function samePadding(
  sizes: readonly Dim[],
  reaches: readonly number[],
  strides: readonly number[],
): { readonly pads?: readonly number[]; readonly auto_pad?: string } {
  const missing = reaches.map((reach, i) => missingFor(sizes[i]!, reach, strides[i]!));
  if (!missing.every((n): n is number => typeof n === 'number')) return { auto_pad: 'SAME_UPPER' };
  return missing.every(n => n === 0) ? {} : { pads: halved(missing) };
}
