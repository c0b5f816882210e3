// Reductions, and what adds up along an axis.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, contentsOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';

type Reduction = 'ReduceSum' | 'ReduceProd' | 'ReduceMax' | 'ReduceMin' | 'ReduceMean' | 'ReduceL2';

/** In which type runtimes reduce others. */
const stand: Readonly<Partial<Record<DataType, DataType>>> = {
  int8: 'int32',
  uint8: 'int32',
  int16: 'int32',
  uint16: 'int32',
  uint32: 'int64',
  uint64: 'int64',
};

/** The axes that the second input names; none keep every element. Names of all axes must be known before the run. */
function axesIn(x: Call, input: Value, name: string): readonly number[] {
  return axesOf([...new Set(x.ints(name))], rankOf(input));
}

const keeps = (x: Call): 0 | 1 => (x.boolean('keep_dims') ? 1 : 0);

function reduced(b: Builder, op: Reduction, input: Value, axes: readonly number[], keepdims: 0 | 1): Value {
  const own = elementOf(input);
  const value = b.Cast(input, stand[own] ?? own);
  // A mean of integers is rounded towards zero; that of none of the axes is the number itself.
  if (axes.length === 0) return op === 'ReduceL2' ? b.Abs(input) : input;
  if (op === 'ReduceMean' && !isFloat(own)) {
    const sum = reduced(b, 'ReduceSum', value, axes, keepdims);
    return b.Cast(b.Div(sum, b.count(value, axes)), own);
  }
  return b.Cast(b.emit(op, [value, b.ints(axes)], { keepdims })[0]!, own);
}

const reduction =
  (op: Reduction): TfRow =>
  (x, b) => {
    const input = x.tensor('input');
    if (contentsOf(x.tensor('reduction_indices'))?.length === undefined) throw unsupported('the axes must be known before the run');
    return reduced(b, op, input, axesIn(x, input, 'reduction_indices'), keeps(x));
  };

const truth =
  (op: 'ReduceMax' | 'ReduceMin'): TfRow =>
  (x, b) => {
    const input = x.tensor('input');
    const axes = axesIn(x, input, 'reduction_indices');
    if (axes.length === 0) return input;
    return b.Cast(b.emit(op, [b.Cast(input, 'int32'), b.ints(axes)], { keepdims: keeps(x) })[0]!, 'bool');
  };

const comparable: Readonly<Partial<Record<DataType, DataType>>> = {
  ...stand,
  int64: 'int64',
  bool: 'int32',
  float16: 'float32',
  bfloat16: 'float32',
};

const place =
  (op: 'ArgMax' | 'ArgMin'): TfRow =>
  (x, b) => {
    const input = x.tensor('input');
    const own = elementOf(input);
    const axis = axisOf(x.int('dimension'), rankOf(input));
    const found = b[op]({ data: b.Cast(input, comparable[own] ?? own) }, { axis, keepdims: 0 });
    return b.Cast(found, x.type('output_type'));
  };

const cumulative =
  (op: 'CumSum' | 'CumProd'): TfRow =>
  (x, b) => {
    const input = x.tensor('x');
    const axis = axisOf(x.int('axis'), rankOf(input));
    const at = { exclusive: x.boolean('exclusive') ? 1 : 0, reverse: x.boolean('reverse') ? 1 : 0 };
    const own = elementOf(input);
    const data = { x: b.Cast(input, stand[own] ?? own), axis: b.constant(axis, 'int64') };
    return b.Cast(op === 'CumSum' ? b.CumSum(data, at) : b.CumProd(data, at), own);
  };

/** log(exp(x0) + … ) as the differences from the largest so far: a triangle of them, so that nothing overflows. */
const cumulativeLogSumExp: TfRow = (x, b) => {
  const input = x.tensor('x');
  const rank = rankOf(input);
  const axis = axisOf(x.int('axis'), rank);
  const size = b.dim(input, axis);
  const places = b.Range({
    start: b.constant(0n, 'int64'),
    limit: typeof size === 'number' ? b.constant(BigInt(size), 'int64') : b.Squeeze(size, [0]),
    delta: b.constant(1n, 'int64'),
  });
  const [rows, columns] = [b.Unsqueeze(places, [1]), b.Unsqueeze(places, [0])];
  const [low, high] = x.boolean('reverse') ? [rows, columns] : [columns, rows];
  const takes = x.boolean('exclusive') ? b.Less(low, high) : b.LessOrEqual({ A: low, B: high });
  const perm = [...range(rank).filter(a => a !== axis), axis];
  const last = perm.every((a, i) => a === i) ? input : b.Transpose(input, perm);
  const spread = b.Where(takes, b.Unsqueeze(last, [rank - 1]), b.like(Number.NEGATIVE_INFINITY, input));
  const top = b.ReduceMax(spread, { axes: [rank], keepdims: 1 });
  const base = b.Where(b.Equal(top, b.like(Number.NEGATIVE_INFINITY, input)), b.like(0, input), top);
  const sum = b.ReduceSum(b.Exp(b.Sub(spread, base)), { axes: [rank], keepdims: 0 });
  const made = b.Add(b.Log(sum), b.Squeeze(base, [rank]));
  return perm.every((a, i) => a === i)
    ? made
    : b.Transpose(
        made,
        range(rank).map(a => perm.indexOf(a)),
      );
};

const l2Loss: TfRow = (x, b) => {
  const v = x.first;
  return b.Mul(b.ReduceSum(b.Mul(v, v), { axes: range(rankOf(v)), keepdims: 0 }), b.like(0.5, v));
};

/** -Σ labels log softmax(features), and the gradient of that. */
const softmaxLoss: TfRow = (x, b) => {
  const [features, labels] = [x.tensor('features'), x.tensor('labels')];
  const loss = b.Neg(b.ReduceSum(b.Mul(labels, b.LogSoftmax({ input: features }, { axis: 1 })), { axes: [1], keepdims: 0 }));
  return [loss, b.Sub(b.Softmax({ input: features }, { axis: 1 }), labels)];
};

const sparseSoftmaxLoss: TfRow = (x, b) => {
  const [features, labels] = [x.tensor('features'), b.Cast(x.tensor('labels'), 'int64')];
  const column = b.Unsqueeze(labels, [1]);
  const loss = b.Neg(b.GatherElements({ data: b.LogSoftmax({ input: features }, { axis: 1 }), indices: column }, { axis: 1 }));
  const probabilities = b.Softmax({ input: features }, { axis: 1 });
  const ones = b.Expand(b.like(1, features), [b.Shape(column)]);
  const hot = b.ScatterElements({ data: b.Mul(probabilities, b.like(0, features)), indices: column, updates: ones }, { axis: 1 });
  return [b.Squeeze(loss, [1]), b.Sub(probabilities, hot)];
};

export const reduce: TfRows = {
  Sum: reduction('ReduceSum'),
  Mean: reduction('ReduceMean'),
  Prod: reduction('ReduceProd'),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  EuclideanNorm: reduction('ReduceL2'),
  Any: truth('ReduceMax'),
  All: truth('ReduceMin'),
  ArgMax: place('ArgMax'),
  ArgMin: place('ArgMin'),
  Cumsum: cumulative('CumSum'),
  Cumprod: cumulative('CumProd'),
  CumulativeLogsumexp: cumulativeLogSumExp,
  L2Loss: l2Loss,
  SoftmaxCrossEntropyWithLogits: softmaxLoss,
  SparseSoftmaxCrossEntropyWithLogits: sparseSoftmaxLoss,
};
