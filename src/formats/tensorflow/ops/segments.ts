// Rows added up by the numbers of their segments.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { expandTo, reshapeTo, sizesOf, sizeValue } from '../../../ops/sizing.ts';
import { type TfRow, type TfRows, unsupported } from '../call.ts';
import { scatterNd } from './gather.ts';
import { constantOf, flat } from './shape.ts';

type Kind = 'add' | 'mul' | 'max' | 'min';

/** The lowest and highest numbers of a type, of which a maximum or minimum of nothing is made. */
function extreme(b: Builder, kind: Kind, type: DataType): Value {
  if (kind === 'add' || kind === 'mul') return constantOf(b, kind === 'add' ? 0 : 1, type);
  const sign = kind === 'max' ? -1 : 1;
  const { class: of, bits } = elementTypes[type];
  if (of === 'float')
    return b.constant(sign * (type === 'float64' ? Number.MAX_VALUE : type === 'float16' ? 65504 : 2 ** 128 - 2 ** 104), type);
  const [low, high] = of === 'uint' ? [0n, 2n ** BigInt(bits) - 1n] : [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n];
  const value = kind === 'max' ? low : high;
  return b.constant(bits === 64 ? value : Number(value), type);
}

interface Segments {
  /** One number for each row; those below zero count for none. */
  readonly ids: Value;
  readonly rows: Value;
  readonly count: Size;
  /** Whether there may be numbers below zero. */
  readonly drops: boolean;
}

/** Each segment's rows together; `empty` stands for a segment without rows, where that is another number than nothing adds up to. */
function combined(b: Builder, { ids, rows, count, drops }: Segments, kind: Kind, empty?: number): Value {
  const type = elementOf(rows);
  const tail = sizesOf(b, rows).slice(1);
  // Rows of no segment go to one more at the end, which is cut off.
  const one = b.ints([1]);
  const length = drops ? b.Add(sizeValue(b, count), one) : sizeValue(b, count);
  const spare = b.Squeeze(sizeValue(b, count), [0]);
  const places = drops ? b.Where(b.Less(ids, b.constant(0n, 'int64')), spare, ids) : ids;
  const start = expandTo(b, extreme(b, kind, type), [length, ...tail]);
  const made = scatterNd(b, start, b.Unsqueeze(places, [1]), rows, kind);
  const whole = drops ? b.Slice(made, { axes: [0], starts: [0], ends: [count] }) : made;
  if (empty === undefined) return whole;
  const held = b.Greater(counts(b, { ids, rows, count, drops }), b.constant(0, 'int32'));
  return b.Where(perRow(b, held, rankOf(rows)), whole, constantOf(b, empty, type));
}

const perRow = (b: Builder, v: Value, rank: number): Value => (rank === 1 ? v : b.Unsqueeze(v, range(rank - 1, 1)));

/** How many rows each segment has. */
function counts(b: Builder, segments: Segments): Value {
  const ones = expandTo(b, b.constant(1, 'int32'), [b.dim(segments.ids, 0)]);
  return combined(b, { ...segments, rows: ones }, 'add');
}

/** Sorted numbers: there are as many segments as the last one says. */
function lastCount(b: Builder, ids: Value): Size {
  const last = b.Slice(ids, { axes: [0], starts: [-1], ends: [Number.MAX_SAFE_INTEGER] });
  return b.Add(last, b.ints([1]));
}

const sorted =
  (kind: Kind, empty?: number): TfRow =>
  (x, b) => {
    const ids = b.Cast(x.tensor('segment_ids'), 'int64');
    const count = x.op.endsWith('V2') ? x.sizes('num_segments', b)[0]! : lastCount(b, ids);
    return combined(b, { ids, rows: x.tensor('data'), count, drops: x.op.endsWith('V2') }, kind, x.op.endsWith('V2') ? undefined : empty);
  };

const unsorted =
  (kind: Kind): TfRow =>
  (x, b) => {
    const [data, segments] = [x.tensor('data'), x.tensor('segment_ids')];
    const ids = flat(b, b.Cast(segments, 'int64'));
    const rows = rankOf(segments) === 1 ? data : reshapeTo(b, data, [-1, ...sizesOf(b, data).slice(rankOf(segments))]);
    return combined(b, { ids, rows, count: x.sizes('num_segments', b)[0]!, drops: true }, kind);
  };

/** Sums over the number of rows, or over its root. */
function averaged(b: Builder, segments: Segments, isRoot: boolean): Value {
  const sums = combined(b, segments, 'add');
  const type = elementOf(segments.rows);
  const many = b.Max(counts(b, segments), b.constant(1, 'int32'));
  const divisor = perRow(b, b.Cast(many, type), rankOf(segments.rows));
  return b.Div(sums, isRoot ? b.Sqrt(divisor) : divisor);
}

const mean: TfRow = (x, b) => {
  const ids = b.Cast(x.tensor('segment_ids'), 'int64');
  return averaged(b, { ids, rows: x.tensor('data'), count: lastCount(b, ids), drops: false }, false);
};

/** Rows are picked by their places first. */
const sparse =
  (how: 'sum' | 'mean' | 'root'): TfRow =>
  (x, b) => {
    if (x.has('sparse_gradient') && x.boolean('sparse_gradient')) throw unsupported('sparse gradients');
    const ids = b.Cast(x.tensor('segment_ids'), 'int64');
    const rows = b.Gather(x.tensor('data'), x.tensor('indices'), 0);
    const count = x.op.endsWith('WithNumSegments') ? x.sizes('num_segments', b)[0]! : lastCount(b, ids);
    const segments = { ids, rows, count, drops: false };
    if (how === 'sum') return combined(b, segments, 'add');
    if (!isFloat(elementOf(rows)) || shapeOf(rows).length === 0) throw unsupported('of integers');
    return averaged(b, segments, how === 'root');
  };

export const segmentRows: TfRows = {
  SegmentSum: sorted('add'),
  SegmentProd: sorted('mul'),
  SegmentMax: sorted('max', 0),
  SegmentMin: sorted('min', 0),
  SegmentMean: mean,
  SegmentSumV2: sorted('add'),
  SegmentProdV2: sorted('mul'),
  SegmentMaxV2: sorted('max'),
  SegmentMinV2: sorted('min'),
  UnsortedSegmentSum: unsorted('add'),
  UnsortedSegmentProd: unsorted('mul'),
  UnsortedSegmentMax: unsorted('max'),
  UnsortedSegmentMin: unsorted('min'),
  SparseSegmentSum: sparse('sum'),
  SparseSegmentSumWithNumSegments: sparse('sum'),
  SparseSegmentMean: sparse('mean'),
  SparseSegmentMeanWithNumSegments: sparse('mean'),
  SparseSegmentSqrtN: sparse('root'),
  SparseSegmentSqrtNWithNumSegments: sparse('root'),
};
