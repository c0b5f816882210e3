// Operators that ONNX Runtime had before the standard did, and small relations of these.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import { count } from '../generate.ts';
import { otherComposite } from '../row.ts';
import { axisOf, knownNumbers, range, rankOf } from '../shapes.ts';
import { scalarOf } from './heads.ts';

export const layout = {
  Trilu: otherComposite<{ X: Value; k?: Value }, { upper: number }>({
    lower: ({ X, k }, { upper }, b) => b.Trilu({ input: X, k }, { upper }),
  }),
  Pad: otherComposite<{ data: Value; pads: Value; value?: Value }, { mode: string }>({
    known: ['pads'],
    lower({ data, pads, value }, { mode }, b) {
      const constant_value = value && rankOf(value) > 0 ? b.Reshape(value, []) : value;
      return b.Pad({ data, pads: b.ints(knownNumbers(pads)!), constant_value }, { mode });
    },
  }),
  ExpandDims: otherComposite<{ X: Value; axis: Value }, object>({
    known: ['axis'],
    lower: ({ X, axis }, _at, b) => b.Unsqueeze(X, [axisOf(knownNumbers(axis)![0]!, rankOf(X) + 1)]),
  }),
  Range: otherComposite<{ start: Value; limit: Value; delta?: Value }, object>({
    lower({ start, limit, delta }, _at, b) {
      const scalar = (v: Value): Value => (rankOf(v) > 0 ? b.Reshape(v, []) : v);
      return b.Range({ start: scalar(start), limit: scalar(limit), delta: delta ? scalar(delta) : b.like(1, start) });
    },
  }),
  GatherND: otherComposite<{ data: Value; indices: Value }, object>({
    lower: ({ data, indices }, _at, b) => b.GatherND({ data, indices: b.Cast(indices, 'int64') }),
  }),
  GridSample: otherComposite<{ X: Value; Grid: Value }, { align_corners: number; mode: string; padding_mode: string }>({
    lower: ({ X, Grid }, { align_corners, mode, padding_mode }, b) =>
      b.GridSample({ X, grid: Grid }, { align_corners, padding_mode, mode: newModes[mode] ?? mode }),
  }),
  SampleOp: otherComposite<{ X: Value }, object>({ lower: ({ X }, _at, b) => b.Identity(X) }),
  TorchEmbedding: otherComposite<{ weight: Value; indices: Value }, object>({
    lower: ({ weight, indices }, _at, b) => b.Gather(weight, indices, 0),
  }),
  /** Slices of an axis, one after the other, along a new last axis. */
  UnfoldTensor: otherComposite<{ input: Value }, { dim: number; size: number; step: number }>({
    lower({ input }, { dim, size, step }, b) {
      const rank = rankOf(input);
      const axis = axisOf(dim, rank);
      if (size < 1 || step < 1) throw fail('E1303', 'UnfoldTensor: size and step must be positive');
      const constant = (n: number): Value => b.constant(n, 'int64');
      const last = b.Sub(scalarOf(b.dim(input, axis), b), constant(size));
      const starts = b.Mul(count(b, b.Unsqueeze(b.Add(b.Div(last, constant(step)), constant(1)), [0])), constant(step));
      const index = b.Add(b.Unsqueeze(starts, [1]), count(b, size));
      return b.Transpose(b.Gather(input, index, axis), [...range(axis + 1), ...range(rank - axis - 1, axis + 2), axis + 1]);
    },
  }),
  CDist: otherComposite<{ A: Value; B: Value }, { metric: string }>({
    lower({ A, B }, { metric }, b) {
      if (!Object.hasOwn(distances, metric)) throw fail('E3004', `CDist: the metric ${metric} has no meaning here`);
      const d = b.Sub(b.Unsqueeze(A, [1]), b.Unsqueeze(B, [0]));
      const squares = b.ReduceSum(b.Mul(d, d), { axes: [2], keepdims: 0 });
      return distances[metric] === 'root' ? b.Sqrt(squares) : squares;
    },
  }),
};

/** The names of modes that the standard has since. */
const newModes: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };
const distances: Readonly<Record<string, 'squares' | 'root'>> = { sqeuclidean: 'squares', euclidean: 'root' };
