// Pooling over regions of interest.
import { fail } from '../errors.ts';
import { tensorOf } from '../ir/datum.ts';
import type { Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Builder, Size } from './builder.ts';
import { floatsOf, floatTensor } from './floats.ts';
import { gapTypes } from './gap-types.ts';
import { count } from './generate.ts';
import { floatSize, termsAt } from './interpolate.ts';
import type { At, Family, HostContext } from './row.ts';
import { channelsLast } from './sample.ts';
import { elementOf } from './shapes.ts';

export const regions = {
  RoiAlign: {
    infer: gapTypes.RoiAlign,
    lower: ({ X, rois, batch_indices }, at, b) => alignedRegions(X, rois, batch_indices, at, b),
  },
  MaxRoiPool: {
    infer: gapTypes.MaxRoiPool,
    host: ({ X, rois }, at, context) => [pooledRegions(tensorOf(X), tensorOf(rois), at, context)],
  },
} satisfies Family;

/** One axis of all regions: places of the samples [regions, bins, samples], how many a bin has, and which of them count. */
interface Samples {
  readonly places: Value;
  readonly number: Value;
  readonly valid: Value | undefined;
  readonly inside: Value;
}

function samplesOf(start: Value, end: Value, bins: number, size: Size, at: At<'RoiAlign'>, b: Builder): Samples {
  const like = (n: number): Value => b.like(n, start);
  const isHalf = at.coordinate_transformation_mode === 'half_pixel';
  const place = (v: Value): Value => b.Sub(b.Mul(v, like(at.spatial_scale)), like(isHalf ? 0.5 : 0));
  const from = place(start);
  const extent = b.Sub(place(end), from);
  const bin = b.Div(isHalf ? extent : b.Max(extent, like(1)), like(bins));
  const isFixed = at.sampling_ratio > 0;
  const number = isFixed ? like(at.sampling_ratio) : b.Ceil(bin);
  const most = isFixed ? at.sampling_ratio : b.Cast(b.ReduceMax(number, { axes: [0, 1], keepdims: 0 }), 'int64');
  const within = b.Cast(count(b, most), elementOf(start));
  const [wide, each] = [b.Unsqueeze(from, [2]), b.Unsqueeze(bin, [2])];
  const corner = b.Add(wide, b.Mul(b.Unsqueeze(b.Cast(count(b, bins), elementOf(start)), [0, 2]), each));
  const step = isFixed ? number : b.Unsqueeze(number, [2]);
  const raw = b.Add(corner, b.Div(b.Mul(b.Add(within, like(0.5)), each), step));
  const length = floatSize(size, start, b);
  const outside = b.Or(b.Less(raw, like(-1)), b.Less(length, raw));
  return {
    number: isFixed ? number : b.Unsqueeze(number, [2, 3]),
    valid: isFixed ? undefined : b.Less(within, step),
    inside: b.Not(outside),
    places: b.Min(b.Max(raw, like(0)), b.Sub(length, like(1))),
  };
}

/** The mean, or the largest term, of samples in every bin of every region. */
function alignedRegions(X: Value, rois: Value, batch: Value, at: At<'RoiAlign'>, b: Builder): Value {
  if (at.mode !== 'avg' && at.mode !== 'max') throw fail('E1303', `RoiAlign: there is no mode ${at.mode}`);
  const [x1, y1, x2, y2] = b.Split(rois, [1, 1, 1, 1], 1) as [Value, Value, Value, Value];
  const y = samplesOf(y1, y2, at.output_height, b.dim(X, 2), at, b);
  const x = samplesOf(x1, x2, at.output_width, b.dim(X, 3), at, b);
  // [regions, bins, samples, bins, samples, channels]
  const [rows, columns] = [(v: Value): Value => b.Unsqueeze(v, [3, 4]), (v: Value): Value => b.Unsqueeze(v, [1, 2])];
  const both = (p: Value, q: Value): Value => b.Unsqueeze(b.And(rows(p), columns(q)), [5]);
  const lead = b.Unsqueeze(b.Cast(batch, 'int64'), [1, 2, 3, 4]);
  const terms = termsAt(channelsLast(X, b), [lead], [rows(y.places), columns(x.places)], { mode: 'linear', padding: 'border' }, b);
  const isMean = at.mode === 'avg';
  const joined = isMean ? terms.reduce((sum, term) => b.Add(sum, term)) : b.Max(...terms);
  const seen = b.Where(both(y.inside, x.inside), joined, b.like(0, joined));
  const least = b.like(isMean ? 0 : Number.NEGATIVE_INFINITY, joined);
  const counted = y.valid && x.valid ? b.Where(both(y.valid, x.valid), seen, least) : seen;
  const number = b.Mul(y.number, x.number);
  const pooled = isMean
    ? b.Div(b.ReduceSum(counted, { axes: [2, 4], keepdims: 0 }), b.Max(number, b.like(1, number)))
    : b.ReduceMax(counted, { axes: [2, 4], keepdims: 0 });
  const empty = b.Less(number, b.like(1, number));
  return b.Transpose(isMean || at.sampling_ratio > 0 ? pooled : b.Where(empty, b.like(0, pooled), pooled), [0, 3, 1, 2]);
}

/** The largest element of every bin of every region, whose corners are rounded to elements; 0 where a bin has none. */
function pooledRegions(X: Tensor, rois: Tensor, { pooled_shape, spatial_scale }: At<'MaxRoiPool'>, context: HostContext): Tensor {
  const [batches, channels, height, width] = X.dims as readonly [number, number, number, number];
  const [rows, columns] = pooled_shape as readonly [number, number];
  const [x, corners] = [floatsOf(X), floatsOf(rois)];
  const number = rois.dims[0]!;
  const count = number * channels * rows * columns;
  context.reserve(count * 8);
  const y = new Float64Array(count);
  let next = 0;
  for (let r = 0; r < number; r++) {
    context.proceed();
    const [batch, x1, y1, x2, y2] = Array.from(corners.subarray(5 * r, 5 * r + 5)) as [number, number, number, number, number];
    if (!(batch >= 0 && batch < batches)) throw fail('E3006', `region ${r} is of image ${batch}, there are ${batches}`);
    const [lines, places] = [
      bins(y1 * spatial_scale, y2 * spatial_scale, rows, height),
      bins(x1 * spatial_scale, x2 * spatial_scale, columns, width),
    ];
    for (let c = 0; c < channels; c++) {
      const plane = x.subarray((batch * channels + c) * height * width, (batch * channels + c + 1) * height * width);
      for (const [top, bottom] of lines) for (const [left, right] of places) y[next++] = largest(plane, width, top, bottom, left, right);
    }
  }
  return floatTensor(X.type, y, [number, channels, rows, columns]);
}

/** Where each of `count` bins of a region begins and ends along an axis of `size` elements. */
function bins(start: number, end: number, count: number, size: number): [number, number][] {
  const round = (n: number): number => Math.sign(n) * Math.round(Math.abs(n));
  const from = round(start);
  const each = Math.max(round(end) - from + 1, 1) / count;
  const inside = (n: number): number => Math.min(Math.max(n + from, 0), size);
  return Array.from({ length: count }, (_, i) => [inside(Math.floor(i * each)), inside(Math.ceil((i + 1) * each))]);
}

function largest(plane: Float64Array, width: number, top: number, bottom: number, left: number, right: number): number {
  if (bottom <= top || right <= left) return 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let row = top; row < bottom; row++) for (let i = left; i < right; i++) most = Math.max(most, plane[row * width + i]!);
  return most;
}
