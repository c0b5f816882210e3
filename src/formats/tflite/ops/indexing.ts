// Operators that pick, place or order elements by indices.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { iota, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type Call, type Row, type Rows, unsupported } from './row.ts';

const int64 = (b: Builder, v: Value): Value => b.Cast(v, 'int64');

/** Axes before `batch_dims` are those of both sides: every row there is picked from by its own indices. */
const gather: Row = (x, b) => {
  const v = x.stored(0);
  const { axis: given, batch_dims } = x.options('GatherOptions');
  const indices = x.raw(1);
  const batch = axisOf(batch_dims, rankOf(indices) + 1);
  const axis = axisOf(given, rankOf(v));
  return batch === 0 ? b.Gather(v, indices, axis) : batchedGather(b, v, indices, axis, batch);
};

/** Batch axes become one, of which each row is moved to its own part of the axis. */
function batchedGather(b: Builder, v: Value, indices: Value, axis: number, batch: number): Value {
  const [sizes, places] = [sizesOf(b, v), sizesOf(b, indices)];
  const front = [...range(batch), axis, ...range(axis - batch, batch), ...range(rankOf(v) - axis - 1, axis + 1)];
  const moved = b.Transpose(v, front);
  const rest = front.slice(batch + 1).map(i => sizes[i]!);
  const rows = reshapeTo(b, moved, [-1, sizes[axis]!, ...rest]);
  const flat = reshapeTo(b, int64(b, indices), [-1, ...places.slice(batch)]);
  const count = b.dim(rows, 0);
  const column = b.Reshape(iota(b, count), [-1, ...range(rankOf(flat) - 1).map(() => 1)]);
  const size = typeof sizes[axis] === 'number' ? b.constant(sizes[axis], 'int64') : b.Squeeze(sizes[axis] as Value, [0]);
  const absolute = b.Add(flat, b.Mul(column, size));
  const all = reshapeTo(b, rows, [-1, ...rest]);
  const picked = b.Gather(all, absolute, 0);
  const inner = range(rankOf(indices) - batch, batch);
  const joined = reshapeTo(b, picked, [...places, ...rest]);
  const between = range(axis - batch, rankOf(indices));
  const perm = [
    ...range(batch),
    ...between,
    ...inner,
    ...range(rankOf(joined) - rankOf(indices) - between.length, rankOf(indices) + between.length),
  ];
  return b.Transpose(joined, perm);
}

const gatherNd: Row = (x, b) => b.GatherND({ data: x.stored(0), indices: int64(b, x.raw(1)) });

/** Updates of equal places are added. */
const scatterNd: Row = (x, b) => {
  const updates = x.raw(1);
  const zeros = b.emit('Expand', [b.like(0, updates), int64(b, x.raw(2))])[0]!;
  return b.ScatterND({ data: zeros, indices: int64(b, x.raw(0)), updates }, { reduction: 'add' });
};

const oneHot: Row = (x, b) => {
  const [indices, depth, on, off] = [0, 1, 2, 3].map(i => x.raw(i)) as [Value, Value, Value, Value];
  const { axis } = x.options('OneHotOptions');
  // Places below zero are none here; ONNX counts them from the end.
  const places = int64(b, indices);
  const none = b.Where(b.Less(places, b.constant(0, 'int64')), b.Reshape(int64(b, depth), []), places);
  const type = elementOf(on);
  const values = b.Concat([b.Reshape(off, [1]), b.Reshape(on, [1])], 0);
  const made = b.OneHot(
    { indices: none, depth: b.Reshape(int64(b, depth), []), values: type === 'bool' ? b.Cast(values, 'int32') : values },
    { axis },
  );
  return b.Cast(made, type);
};

/** Places of what is not zero, a row each. */
const where: Row = (x, b) => b.Transpose(b.NonZero({ X: x.raw(0) }), [1, 0]);

const selectV2: Row = (x, b) => {
  const [yes, no] = x.allStored(1, 2) as [Value, Value];
  return b.Where(x.raw(0), yes, no);
};

/** A condition of one axis chooses rows. */
const select: Row = (x, b) => {
  const [yes, no] = x.allStored(1, 2) as [Value, Value];
  const condition = x.raw(0);
  const missing = rankOf(yes) - rankOf(condition);
  const rows = rankOf(condition) === 1 && missing > 0 ? b.Unsqueeze(condition, range(missing, 1)) : condition;
  return b.Where(rows, yes, no);
};

const topK: Row = (x, b) => {
  const v = x.stored(0);
  const K = b.Reshape(int64(b, x.raw(1)), [1]);
  const made = b.emit('TopK', [v, K], { axis: rankOf(v) - 1 }, { outputs: ['values', 'indices'] });
  return made;
};

/** Values in the order in which they first occur, and for each element its place among them. */
const unique: Row = (x, b) => {
  const made = b.emit('Unique', [x.raw(0)], { sorted: 0 }, { outputs: ['unique', undefined, 'inverse'] });
  return [made[0], made[2]];
};

const sparseToDense: Row = (x, b) => {
  const [values, fallback] = x.allStored(2, 3) as [Value, Value];
  const dense = b.emit('Expand', [b.Reshape(fallback, []), int64(b, x.raw(1))])[0]!;
  const given = int64(b, x.raw(0));
  const indices = rankOf(given) === 2 ? given : b.Reshape(given, [-1, 1]);
  const updates =
    rankOf(values) === 1 ? values : b.emit('Expand', [values, b.Slice(b.Shape(indices), { axes: [0], starts: [0], ends: [1] })])[0]!;
  return b.ScatterND({ data: dense, indices, updates });
};

const embeddingLookup: Row = (x, b) => {
  const q = x.info(1).quantization;
  if (!q || q.kind === 'tensor') return b.Gather(x.stored(1), x.raw(0), 0);
  // Rows with scales of their own: those that were picked are dequantised.
  return b.Gather(x.input(1), x.raw(0), 0);
};

/** The number of boundaries that are not above the value. */
const bucketize: Row = (x, b) => {
  const { boundaries } = x.options('BucketizeOptions');
  const v = b.Cast(x.input(0), 'float32');
  if (boundaries.length === 0) return b.Cast(b.Mul(v, b.like(0, v)), 'int32');
  const limits = b.constant(Float32Array.from(boundaries), 'float32', [boundaries.length]);
  const above = b.GreaterOrEqual({ A: b.Unsqueeze(v, [rankOf(v)]), B: limits });
  return b.ReduceSum(b.Cast(above, 'int32'), { axes: [rankOf(v)], keepdims: 0 });
};

interface Selection {
  readonly score: Value;
  readonly count: Value;
  /** Places of boxes, as many as are kept. */
  readonly places: Value;
}

/** Boxes that do not overlap a better one, padded with zeros up to the largest number of them. */
const nonMaxSuppression =
  (isSoft: boolean): Row =>
  (x, b) => {
    if (isSoft && x.scalar(5, 'sigma') !== 0) throw unsupported('non-maximum suppression that lowers scores (soft_nms_sigma)');
    const [boxes, scores] = [x.input(0), x.input(1)];
    const most = b.Reshape(int64(b, x.raw(2)), [1]);
    const { places, count, score } = selected(x, b, boxes, scores, most);
    const missing = b.Sub(most, count);
    const pads = b.Concat([b.ints([0]), missing], 0);
    const padded = (v: Value): Value => b.Pad({ data: v, pads });
    const counted = b.Squeeze(count, [0]);
    return isSoft ? [padded(places), padded(score), counted] : [padded(places), counted];
  };

function selected(x: Call, b: Builder, boxes: Value, scores: Value, most: Value): Selection {
  const kept = b.NonMaxSuppression({
    boxes: b.Unsqueeze(boxes, [0]),
    scores: b.Unsqueeze(scores, [0, 1]),
    max_output_boxes_per_class: most,
    iou_threshold: b.Reshape(x.input(3), [1]),
    score_threshold: b.Reshape(x.input(4), [1]),
  });
  const places = b.Squeeze(b.Slice(kept, { axes: [1], starts: [2], ends: [3] }), [1]);
  return { places, count: b.Shape(places), score: b.Gather(scores, places, 0) };
}

/** Keys that a table has, with a value for those that it lacks. */
const hashtableFind: Row = (x, b) => {
  const { variables } = x.reader.reading;
  const { keys, values } = variables.table(variables.named(x.raw(0), 'table'));
  if (!keys.isResident || !values.isResident) throw fail('E2001', 'a table of more than 64 KiB');
  const [from, to] = [keys.type === 'string' ? 'strings' : 'tensor', values.type === 'string' ? 'strings' : 'tensor'] as const;
  const fallback = x.raw(2).tensor;
  if (!fallback) throw unsupported('a value for missing keys that only the run knows');
  const attributes = {
    [`keys_${from}`]: from === 'strings' ? (keys.data as readonly string[]) : keys,
    [`values_${to}`]: to === 'strings' ? (values.data as readonly string[]) : values,
    ...(to === 'strings' ? { default_string: (fallback.data as readonly string[])[0]! } : { default_tensor: fallback.reshape([1]) }),
  };
  return b.emit('LabelEncoder', [x.raw(1)], attributes, { domain: 'ai.onnx.ml' })[0]!;
};

const hashtable: Row = x => x.reader.reading.variables.handle('table', String(x.options('HashtableOptions').table_id));

const hashtableImport: Row = x => {
  const { variables } = x.reader.reading;
  const [keys, values] = [x.raw(1).tensor, x.raw(2).tensor];
  if (!keys || !values) throw unsupported('a table that is filled by a computation');
  variables.fill(variables.named(x.raw(0), 'table'), { keys, values });
  return [];
};

const hashtableSize: Row = (x, b) => {
  const { variables } = x.reader.reading;
  return b.constant(BigInt64Array.of(BigInt(variables.table(variables.named(x.raw(0), 'table')).keys.size)), 'int64', [1]);
};

/** Rows of a value by sorted keys, zeros for keys that are not there, and which of them are. */
const hashtableLookup: Row = (x, b) => {
  const [lookup, keys, values] = [x.raw(0), x.raw(1), x.stored(2)];
  const hits = b.Equal(b.Unsqueeze(lookup, [1]), b.Unsqueeze(keys, [0]));
  const numbers = b.Cast(hits, 'int32');
  const found = b.ReduceMax(numbers, { axes: [1], keepdims: 0 });
  const rows = b.Gather(values, b.ArgMax({ data: numbers }, { axis: 1, keepdims: 0 }), 0);
  const isFound = b.Cast(found, 'bool');
  const missing = rankOf(rows) - 1;
  const zero = isFloat(elementOf(rows)) || elementOf(rows) !== 'string' ? b.like(0, rows) : b.constant([''], 'string', []);
  return [b.Where(missing > 0 ? b.Unsqueeze(isFound, range(missing, 1)) : isFound, rows, zero), b.Cast(found, 'uint8')];
};

/** Rows of a table summed for each row of a sparse matrix of ids, by weights. */
const embeddingLookupSparse: Row = (x, b) => {
  const [ids, indices, dense, weights, table] = [x.raw(0), x.raw(1), x.raw(2), x.input(3), x.input(4)] as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  const { combiner } = x.options('EmbeddingLookupSparseOptions');
  if (shapeOf(indices)[1] !== 2) throw unsupported('ids of more than two axes');
  const rows = b.Gather(table, ids, 0);
  const column = b.Reshape(weights, [-1, ...range(rankOf(rows) - 1).map(() => 1)]);
  const row = int64(b, b.Slice(indices, { axes: [1], starts: [0], ends: [1] }));
  const count = b.Slice(int64(b, dense), { axes: [0], starts: [0], ends: [1] });
  const sum = (v: Value): Value => {
    const rest = b.Slice(b.Shape(v), { axes: [0], starts: [1], ends: [Number.MAX_SAFE_INTEGER] });
    const zeros = b.emit('Expand', [b.like(0, v), b.Concat([count, rest], 0)])[0]!;
    return b.ScatterND({ data: zeros, indices: row, updates: v }, { reduction: 'add' });
  };
  const total = sum(b.Mul(rows, column));
  if (combiner === 'SUM') return total;
  const by = combiner === 'MEAN' ? sum(column) : b.Sqrt(sum(b.Mul(column, column)));
  return b.Where(b.Equal(by, b.like(0, by)), total, b.Div(total, by));
};

export const indexing: Rows = {
  GATHER: gather,
  GATHER_ND: gatherNd,
  SCATTER_ND: scatterNd,
  ONE_HOT: oneHot,
  WHERE: where,
  SELECT: select,
  SELECT_V2: selectV2,
  TOPK_V2: topK,
  UNIQUE: unique,
  SPARSE_TO_DENSE: sparseToDense,
  EMBEDDING_LOOKUP: embeddingLookup,
  EMBEDDING_LOOKUP_SPARSE: embeddingLookupSparse,
  BUCKETIZE: bucketize,
  NON_MAX_SUPPRESSION_V4: nonMaxSuppression(false),
  NON_MAX_SUPPRESSION_V5: nonMaxSuppression(true),
  HASHTABLE: hashtable,
  HASHTABLE_FIND: hashtableFind,
  HASHTABLE_IMPORT: hashtableImport,
  HASHTABLE_SIZE: hashtableSize,
  HASHTABLE_LOOKUP: hashtableLookup,
};
