// Elements by their places: read, written, counted, sorted.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, contentsOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { expandTo, iota, reshapeTo, sizesOf, toTheEnd } from '../../../ops/sizing.ts';
import { type TfRow, type TfRows, unsupported } from '../call.ts';
import { constantOf, flat } from './shape.ts';

const gather: TfRow = (x, b) => {
  const [params, indices] = [x.tensor('params'), x.tensor('indices')];
  const axis = x.op === 'Gather' ? 0 : axisOf(x.int('axis'), rankOf(params));
  const given = x.has('batch_dims') ? x.number('batch_dims') : 0;
  const batch = given < 0 ? given + rankOf(indices) : given;
  return batch === 0 ? b.Gather(params, indices, axis) : batchGather(b, params, indices, axis, batch);
};

/** Each of the first axes of both goes together: the gathered axis is brought behind them, and back after. */
function batchGather(b: Builder, params: Value, indices: Value, axis: number, batch: number): Value {
  const rank = rankOf(params);
  const perm = [...range(batch), axis, ...range(rank - batch, batch).filter(a => a !== axis)];
  const front = axis === batch ? params : b.Transpose(params, perm);
  const made = b.GatherND({ data: front, indices: b.Unsqueeze(b.Cast(indices, 'int64'), [rankOf(indices)]) }, { batch_dims: batch });
  if (axis === batch) return made;
  const own = rankOf(indices) - batch;
  const between = axis - batch;
  const back = [...range(batch), ...range(between, batch + own), ...range(own, batch), ...range(rank - axis - 1, batch + own + between)];
  return b.Transpose(made, back);
}

const gatherNd: TfRow = (x, b) => b.GatherND({ data: x.tensor('params'), indices: b.Cast(x.tensor('indices'), 'int64') });

type Reduction = 'none' | 'add' | 'max' | 'min' | 'mul';

/** ONNX Runtime combines no truth values, no short integers and no halves. */
const combinable: Readonly<Partial<Record<DataType, DataType>>> = {
  bool: 'int32',
  int8: 'int32',
  int16: 'int32',
  uint8: 'int32',
  uint16: 'int32',
  float16: 'float32',
  bfloat16: 'float32',
};

export function scatterNd(b: Builder, data: Value, indices: Value, updates: Value, reduction: Reduction): Value {
  const own = elementOf(data);
  const type = reduction === 'none' ? own : (combinable[own] ?? own);
  const made = b.ScatterND({ data: b.Cast(data, type), indices: b.Cast(indices, 'int64'), updates: b.Cast(updates, type) }, { reduction });
  return b.Cast(made, own);
}

const scatter: TfRow = (x, b) => {
  const updates = x.tensor('updates');
  const zeros = expandTo(b, constantOf(b, 0, elementOf(updates)), x.sizes('shape', b));
  return scatterNd(b, zeros, x.tensor('indices'), updates, elementOf(updates) === 'string' ? 'none' : 'add');
};

const scatterInto =
  (reduction: Reduction, change: (b: Builder, v: Value) => Value = (_b, v) => v): TfRow =>
  (x, b) => {
    const [tensor, indices, updates] = x.all as [Value, Value, Value];
    return scatterNd(b, tensor, indices, change(b, updates), reduction);
  };

/** One along an axis where its place is the index; places outside, below zero too, give no one. */
const oneHot: TfRow = (x, b) => {
  const indices = x.tensor('indices');
  const [depth] = x.sizes('depth', b);
  const given = x.number('axis');
  const axis = given === -1 ? rankOf(indices) : given;
  const places = iota(b, depth!);
  const spread = b.Unsqueeze(places, range(rankOf(indices) - axis, 1));
  const isHot = b.Equal(b.Cast(b.Unsqueeze(indices, [axis]), 'int64'), spread);
  return b.Where(isHot, x.tensor('on_value'), x.tensor('off_value'));
};

const searchable: ReadonlySet<DataType> = new Set(['float32', 'int32', 'int64', 'uint8', 'bool']);

/** Places of what is not zero, one a row. */
const where: TfRow = (x, b) => {
  const input = x.first;
  if (rankOf(input) === 0) throw unsupported('places in a scalar');
  return b.Transpose(b.NonZero({ X: searchable.has(elementOf(input)) ? input : b.Cast(input, 'bool') }), [1, 0]);
};

/** Places and values change roles. */
const invertPermutation: TfRow = (x, b) => {
  const perm = x.first;
  const known = contentsOf(perm);
  const type = elementOf(perm);
  if (known?.every((d): d is number => typeof d === 'number')) {
    const inverse = known.map((_, i) => known.indexOf(i));
    return b.Cast(b.ints(inverse), type);
  }
  return b.ScatterElements({ data: perm, indices: b.Cast(perm, 'int64'), updates: b.Cast(iota(b, b.dim(perm, 0)), type) });
};

const sortable: Readonly<Partial<Record<DataType, DataType>>> = {
  int8: 'int32',
  int16: 'int32',
  uint8: 'int32',
  uint16: 'int32',
  uint32: 'int64',
  bfloat16: 'float32',
  float16: 'float32',
};

const topK: TfRow = (x, b) => {
  const input = x.tensor('input');
  const own = elementOf(input);
  const k = x.op === 'TopK' ? b.ints([x.number('k')]) : b.Reshape(b.Cast(x.tensor('k'), 'int64'), [1]);
  const { Values, Indices } = b.TopK({ X: b.Cast(input, sortable[own] ?? own), K: k }, { sorted: 1 });
  return [b.Cast(Values, own), b.Cast(Indices, x.has('index_type') ? x.type('index_type') : 'int32')];
};

/** Distinct elements in the order in which they come first, and which of them each one is. */
const unique =
  (counts: boolean): TfRow =>
  (x, b) => {
    const input = x.tensor('x');
    if (x.op.endsWith('V2')) {
      const axes = x.ints('axis');
      if (axes.length > 0 && rankOf(input) > 1) throw unsupported('distinct slices along an axis');
    }
    const type = x.type('out_idx');
    const outputs = ['y', 'first', 'inverse', ...(counts ? ['counts'] : [])];
    const [y, , inverse, count] = b.emit('Unique', [input], { sorted: 0 }, { outputs }) as Value[];
    return [y!, b.Cast(inverse!, type), ...(counts ? [b.Cast(count!, type)] : [])];
  };

/** How many sorted elements lie before each value, an example a row. */
const bound =
  (isUpper: boolean): TfRow =>
  (x, b) => {
    const [sorted, values] = [b.Unsqueeze(x.tensor('sorted_inputs'), [1]), b.Unsqueeze(x.tensor('values'), [2])];
    const before = isUpper ? b.LessOrEqual({ A: sorted, B: values }) : b.Less(sorted, values);
    return b.Cast(b.ReduceSum(b.Cast(before, 'int32'), { axes: [2], keepdims: 0 }), x.type('out_type'));
  };

const bucketize: TfRow = (x, b) => {
  const input = x.first;
  const bounds = x.numbers('boundaries');
  const type = isFloat(elementOf(input)) ? elementOf(input) : 'float64';
  if (bounds.length === 0) return expandTo(b, b.constant(0, 'int32'), sizesOf(b, input));
  const list = b.constant(type === 'float64' ? Float64Array.from(bounds) : Float32Array.from(bounds), type, [bounds.length]);
  const reached = b.GreaterOrEqual({ A: b.Unsqueeze(b.Cast(input, type), [rankOf(input)]), B: list });
  return b.ReduceSum(b.Cast(reached, 'int32'), { axes: [rankOf(input)], keepdims: 0 });
};

/** Whether fewer than k of the other predictions are larger than that of the target. */
const inTopK: TfRow = (x, b) => {
  const predictions = x.tensor('predictions');
  const targets = b.Unsqueeze(b.Cast(x.tensor('targets'), 'int64'), [1]);
  const k = x.op === 'InTopK' ? b.constant(x.number('k'), 'int32') : b.Cast(x.tensor('k'), 'int32');
  const own = b.GatherElements({ data: predictions, indices: targets }, { axis: 1 });
  const larger = b.ReduceSum(b.Cast(b.Greater(predictions, own), 'int32'), { axes: [1], keepdims: 0 });
  const isNumber = b.Less(b.Abs(b.Squeeze(own, [1])), b.like(Number.POSITIVE_INFINITY, own));
  return b.And(b.Less(larger, k), isNumber);
};

/** The element that n others are smaller than. */
const nthElement: TfRow = (x, b) => {
  const input = x.tensor('input');
  const n = b.Reshape(b.Cast(x.tensor('n'), 'int64'), [1]);
  const axis = rankOf(input) - 1;
  const largest = x.boolean('reverse') ? 1 : 0;
  const { Values } = b.TopK({ X: input, K: b.Add(n, b.ints([1])) }, { axis, largest });
  return b.Squeeze(b.Slice(Values, { axes: [axis], starts: [-1], ends: [toTheEnd] }), [axis]);
};

/** Rows of several tensors at the places that go with them. */
const stitch: TfRow = (x, b) => {
  const [indices, data] = [x.tensors('indices'), x.tensors('data')];
  const places = indices.map(v => flat(b, b.Cast(v, 'int64')));
  const rows = data.map((v, i) => reshapeTo(b, v, [-1, ...sizesOf(b, v).slice(rankOf(indices[i]!))]));
  const all = places.length === 1 ? places[0]! : b.Concat(places, 0);
  const updates = rows.length === 1 ? rows[0]! : b.Concat(rows, 0);
  const count = b.Add(b.ReduceMax(all, { axes: [0], keepdims: 1 }), b.ints([1]));
  const zeros = expandTo(b, constantOf(b, 0, elementOf(updates)), [count, ...sizesOf(b, updates).slice(1)]);
  return b.ScatterND({ data: zeros, indices: b.Unsqueeze(all, [1]), updates });
};

const partition: TfRow = (x, b) => {
  const [data, partitions] = [x.tensor('data'), x.tensor('partitions')];
  const rows = reshapeTo(b, data, [-1, ...sizesOf(b, data).slice(rankOf(partitions))]);
  const which = flat(b, partitions);
  return range(x.number('num_partitions')).map(i =>
    b.Compress({ input: rows, condition: b.Equal(which, constantOf(b, i, elementOf(which))) }, { axis: 0 }),
  );
};

/** What is in `x` and not in `y`, and where. */
const listDiff: TfRow = (x, b) => {
  const [left, right] = [x.tensor('x'), x.tensor('y')];
  if (elementOf(left) === 'string') throw unsupported('of strings');
  const same = b.Cast(b.Equal(b.Unsqueeze(left, [1]), b.Unsqueeze(right, [0])), 'int32');
  const isOwn = b.Equal(b.ReduceSum(same, { axes: [1], keepdims: 0 }), b.constant(0, 'int32'));
  const places = b.Compress({ input: iota(b, b.dim(left, 0)), condition: isOwn }, { axis: 0 });
  return [b.Gather(left, places, 0), b.Cast(places, x.type('out_idx'))];
};

/** How often each number below a size occurs, or the sum of its weights. */
const bincount: TfRow = (x, b) => {
  const [values, [size], weights] = [x.first, x.sizes('size', b), x.tensor('weights')];
  if (rankOf(values) > 1) throw unsupported('of more than one axis');
  const isBinary = x.op === 'DenseBincount' && x.boolean('binary_output');
  const hasWeights = shapeOf(weights)[0] !== 0;
  if (hasWeights && typeof shapeOf(weights)[0] !== 'number') throw unsupported('weights of an open number');
  const type = elementOf(weights);
  const ids = flat(b, b.Cast(values, 'int64'));
  const isInside = b.Less(ids, typeof size === 'number' ? b.constant(BigInt(size), 'int64') : b.Squeeze(size!, [0]));
  const kept = b.Compress({ input: ids, condition: isInside }, { axis: 0 });
  const ones = expandTo(b, constantOf(b, 1, type), sizesOf(b, ids));
  const updates = b.Compress({ input: hasWeights && !isBinary ? flat(b, weights) : ones, condition: isInside }, { axis: 0 });
  const zeros = expandTo(b, constantOf(b, 0, type), [size!]);
  return scatterNd(b, zeros, b.Unsqueeze(kept, [1]), updates, isBinary ? 'max' : 'add');
};

const negated = (b: Builder, v: Value): Value => b.Sub(constantOf(b, 0, elementOf(v)), v);

export const gatherRows: TfRows = {
  Gather: gather,
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatter,
  TensorScatterUpdate: scatterInto('none'),
  TensorScatterAdd: scatterInto('add'),
  TensorScatterSub: scatterInto('add', negated),
  TensorScatterMax: scatterInto('max'),
  TensorScatterMin: scatterInto('min'),
  ScatterNdNonAliasingAdd: scatterInto('add'),
  OneHot: oneHot,
  Where: where,
  InvertPermutation: invertPermutation,
  TopK: topK,
  TopKV2: topK,
  Unique: unique(false),
  UniqueV2: unique(false),
  UniqueWithCounts: unique(true),
  UniqueWithCountsV2: unique(true),
  LowerBound: bound(false),
  UpperBound: bound(true),
  Bucketize: bucketize,
  InTopK: inTopK,
  InTopKV2: inTopK,
  NthElement: nthElement,
  DynamicStitch: stitch,
  ParallelDynamicStitch: stitch,
  DynamicPartition: partition,
  ListDiff: listDiff,
  Bincount: bincount,
  DenseBincount: bincount,
};
