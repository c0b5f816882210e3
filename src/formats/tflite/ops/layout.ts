// Kernels of TensorFlow have channels last, operators of ONNX have them first: the one place where axes change sides.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';

/** Where the axes of [N, …, C] come from in [N, C, …]. */
export const toChannelsFirst = (rank: number): number[] => [0, rank - 1, ...range(rank - 2, 1)];
/** Where the axes of [N, C, …] come from in [N, …, C]. */
export const toChannelsLast = (rank: number): number[] => [0, ...range(rank - 2, 2), 1];

/** `compute` over a tensor with channels first, and back. */
export function channelsFirst(b: Builder, x: Value, compute: (v: Value) => Value): Value {
  const rank = rankOf(x);
  const y = compute(b.Transpose(x, toChannelsFirst(rank)));
  return b.Transpose(y, toChannelsLast(rankOf(y)));
}
