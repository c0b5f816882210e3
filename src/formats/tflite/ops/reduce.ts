// Operators that reduce axes, and those that normalise or accumulate along one.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { onChannelsFirst } from '../../../ops/channels.ts';
import { axesOf, axisOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { activated, type Call, type Row, type Rows } from './row.ts';

/** The axes of a reduction, each once. */
function axesIn(x: Call, rank: number): number[] {
  const axes = axesOf(x.numbers(1, 'axes'), rank);
  return axes.filter((axis, i) => axes.indexOf(axis) === i);
}

type Reduction = 'ReduceMean' | 'ReduceSum' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd';

/** Types that ONNX does not reduce are reduced in a wider one. */
const wider: Readonly<Partial<Record<DataType, DataType>>> = { int8: 'int32', uint8: 'int32', int16: 'int32', uint16: 'int32' };

const reduction =
  (op: Reduction): Row =>
  (x, b) => {
    const v = x.input(0);
    return reduced(b, op, v, axesIn(x, rankOf(v)), x.options('ReducerOptions').keep_dims);
  };

function reduced(b: Builder, op: Reduction, v: Value, axes: readonly number[], keep: boolean): Value {
  if (axes.length === 0) return v;
  const type = elementOf(v);
  const y = b.emit(op, [b.Cast(v, wider[type] ?? type), b.ints(axes)], { keepdims: keep ? 1 : 0 })[0]!;
  return b.Cast(y, type);
}

/** Any and all of truth values are the largest and smallest of 0 and 1. */
const truth =
  (op: 'ReduceMax' | 'ReduceMin'): Row =>
  (x, b) => {
    const v = x.raw(0);
    const y = reduced(b, op, b.Cast(v, 'int32'), axesIn(x, rankOf(v)), x.options('ReducerOptions').keep_dims);
    return b.Cast(y, 'bool');
  };

/** The place of an extreme, the first of equal ones; what is stored has the order of the numbers. */
const place =
  (op: 'ArgMax' | 'ArgMin'): Row =>
  (x, b) => {
    const v = x.raw(0);
    const axis = axisOf(x.number(1, 'an axis'), rankOf(v));
    const type = elementOf(v);
    const data = type === 'bool' ? b.Cast(v, 'int32') : v;
    return b.emit(op, [data], { axis, keepdims: 0 })[0]!;
  };

const cumsum: Row = (x, b) => {
  const { exclusive, reverse } = x.options('CumsumOptions');
  const axis = x.raw(1);
  return b.CumSum(
    { x: x.input(0), axis: rankOf(axis) === 0 ? axis : b.Reshape(axis, []) },
    { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 },
  );
};

/** By the square root of the sum of squares, which is never below a small number. */
const l2Normalization: Row = (x, b) => {
  const v = x.input(0);
  const sum = b.ReduceSum(b.Mul(v, v), { axes: [rankOf(v) - 1] });
  const norm = b.Max(b.Sqrt(sum), b.like(1e-6, v));
  return activated(b, b.Div(v, norm), x.options('L2NormOptions').fused_activation_function);
};

/** ONNX divides alpha by the size of the window. */
const localResponse: Row = (x, b) => {
  const { radius, bias, alpha, beta } = x.options('LocalResponseNormalizationOptions');
  const size = 2 * radius + 1;
  return onChannelsFirst(b, x.input(0), false, v => b.LRN({ X: v }, { size, alpha: alpha * size, beta, bias }));
};

/** Rows of equal segment ids together; segments that no row has hold the neutral element. */
const segments =
  (reduction: 'add' | 'mul' | 'max' | 'min', countOf: (x: Call, b: Builder) => Value): Row =>
  (x, b) => {
    const [data, ids] = [x.input(0), b.Cast(x.raw(1), 'int64')];
    const rows = rankOf(ids);
    const rest = range(rankOf(data) - rows, rows).map(axis => b.dim(data, axis));
    const count = b.Reshape(b.Cast(countOf(x, b), 'int64'), [1]);
    const shape = rest.length === 0 ? count : b.Concat([count, b.sizes(rest)], 0);
    const start = b.emit('Expand', [neutral(b, data, reduction), shape])[0]!;
    // Negative ids leave a row out: it goes to one more segment, which is dropped.
    const spare = b.emit(
      'Concat',
      [start, b.emit('Expand', [neutral(b, data, reduction), b.Concat([b.ints([1]), b.sizes(rest)], 0)])[0]!],
      { axis: 0 },
    )[0]!;
    const places = b.Where(b.Less(ids, b.constant(0, 'int64')), b.Reshape(count, []), ids);
    const summed = b.ScatterND({ data: spare, indices: b.Unsqueeze(places, [rows]), updates: data }, { reduction });
    return b.emit('Slice', [summed, b.ints([0]), count, b.ints([0])])[0]!;
  };

const extremes: Readonly<Partial<Record<DataType, readonly [min: number | bigint, max: number | bigint]>>> = {
  float32: [-3.4028234663852886e38, 3.4028234663852886e38],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

function neutral(b: Builder, data: Value, reduction: 'add' | 'mul' | 'max' | 'min'): Value {
  if (reduction === 'add' || reduction === 'mul') return b.like(reduction === 'add' ? 0 : 1, data);
  const type = elementOf(data);
  const bounds = extremes[type] ?? extremes[isFloat(type) ? 'float32' : 'int32']!;
  return b.constant(bounds[reduction === 'max' ? 0 : 1], type);
}

/** The third input says how many segments there are. */
const given = (x: Call): Value => x.raw(2);
/** Ids are sorted: the last is the largest. */
const oneMoreThanLast = (x: Call, b: Builder): Value => {
  const ids = b.Cast(x.raw(1), 'int64');
  return b.Add(b.ReduceMax(ids, { axes: [0], keepdims: 0 }), b.constant(1, 'int64'));
};

export const reduce: Rows = {
  MEAN: reduction('ReduceMean'),
  SUM: reduction('ReduceSum'),
  REDUCE_MAX: reduction('ReduceMax'),
  REDUCE_MIN: reduction('ReduceMin'),
  REDUCE_PROD: reduction('ReduceProd'),
  REDUCE_ANY: truth('ReduceMax'),
  REDUCE_ALL: truth('ReduceMin'),
  ARG_MAX: place('ArgMax'),
  ARG_MIN: place('ArgMin'),
  CUMSUM: cumsum,
  L2_NORMALIZATION: l2Normalization,
  LOCAL_RESPONSE_NORMALIZATION: localResponse,
  SEGMENT_SUM: segments('add', oneMoreThanLast),
  UNSORTED_SEGMENT_SUM: segments('add', given),
  UNSORTED_SEGMENT_PROD: segments('mul', given),
  UNSORTED_SEGMENT_MAX: segments('max', given),
  UNSORTED_SEGMENT_MIN: segments('min', given),
};
