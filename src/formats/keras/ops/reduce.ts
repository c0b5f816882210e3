// Operations over axes: sums, extremes, means, and the same without what is no number; running sums.
import type { Value } from '../../../ir/graph.ts';
import { elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { expandLike, reshapeTo, toTheEnd } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import {
  along,
  flagOption,
  floats,
  numberOption,
  numbersOption,
  type Over,
  operand,
  option,
  optionalOperand,
  overOf,
  real,
  truths,
  typeOption,
  unary,
} from './arguments.ts';

type Reduce = (b: Builder, v: Value, over: Over) => Value;

const reduction = (reduce: Reduce): LayerRow => unary((b, v, x) => reduce(b, v, overOf(x, v)));
const realReduction = (reduce: Reduce): LayerRow => real((b, v, x) => reduce(b, v, overOf(x, v)));
/** Truths and short integers are added up in int32. */
const summable = (b: Builder, v: Value): Value => {
  const { class: kind, bits } = elementTypes[elementOf(v)];
  return kind !== 'float' && bits < 32 ? b.Cast(v, 'int32') : v;
};
/** Extremes are not known of truths. */
const ordered = (b: Builder, v: Value): Value => (elementOf(v) === 'bool' ? b.Cast(v, 'int32') : v);

export const mean: Reduce = (b, v, { axes, keepdims }) => b.ReduceMean({ data: floats(b, v), axes: b.ints(axes) }, { keepdims });
export const variance: Reduce = (b, v, over) => {
  const real = floats(b, v);
  const centered = b.Sub(real, mean(b, real, { ...over, keepdims: 1 }));
  return mean(b, b.Mul(centered, centered), over);
};
const sum: Reduce = (b, v, over) => b.ReduceSum(summable(b, v), over);
const max: Reduce = (b, v, over) => b.Cast(b.ReduceMax(ordered(b, v), over), elementOf(v));
const min: Reduce = (b, v, over) => b.Cast(b.ReduceMin(ordered(b, v), over), elementOf(v));
const logSumExp: Reduce = (b, v, { axes, keepdims }) => b.ReduceLogSumExp({ data: v, axes: b.ints(axes) }, { keepdims });

const extreme = (reduce: Reduce, pick: (b: Builder, p: Value, q: Value) => Value): LayerRow =>
  unary((b, v, x) => {
    const made = reduce(b, v, overOf(x, v));
    return option(x, 'initial') === undefined ? made : pick(b, made, b.like(numberOption(x, 'initial'), v));
  });

/** With `instead` in the place of what is no number. */
const filledNaN = (b: Builder, v: Value, instead: number): Value =>
  isFloat(elementOf(v)) ? b.Where(b.IsNaN(v), b.like(instead, v), v) : v;
const isNumber = (b: Builder, v: Value): Value => b.Not(b.IsNaN(v));
const countNumbers: Reduce = (b, v, over) => b.ReduceSum(b.Cast(isNumber(b, v), elementOf(v)), over);

const withoutNaN = (reduce: Reduce, instead: number): LayerRow => reduction((b, v, over) => reduce(b, filledNaN(b, v, instead), over));
/** An extreme of nothing but NaN is NaN. */
const nanExtreme = (reduce: Reduce, instead: number): LayerRow =>
  realReduction((b, v, over) => {
    const made = reduce(b, filledNaN(b, v, instead), over);
    const count = countNumbers(b, v, over);
    return b.Where(b.Equal(count, b.like(0, count)), b.like(Number.NaN, v), made);
  });
const nanMean: Reduce = (b, v, over) => b.Div(b.ReduceSum(filledNaN(b, v, 0), over), countNumbers(b, v, over));
const nanVariance: Reduce = (b, v, over) => {
  const centered = b.Sub(v, nanMean(b, v, { ...over, keepdims: 1 }));
  return nanMean(b, b.Mul(centered, centered), over);
};

const placeOf = (op: 'ArgMax' | 'ArgMin', instead?: number): LayerRow =>
  unary((b, given, x) => {
    const v = instead === undefined ? ordered(b, given) : filledNaN(b, given, instead);
    const rank = rankOf(v);
    const at = along(x, b, v);
    const keepdims = Number(flagOption(x, 'keepdims'));
    const isAll = option(x, 'axis') === undefined;
    const found = b.Cast(b.emit(op, [at.v], { axis: at.axis, keepdims: isAll ? 0 : keepdims })[0]!, 'int32');
    const placed = isAll && keepdims ? b.Unsqueeze(found, range(rank)) : found;
    if (instead === undefined || !isFloat(elementOf(given))) return placed;
    // Among nothing but NaN there is no place.
    const count = countNumbers(b, given, { axes: isAll ? range(rank) : [at.axis], keepdims });
    return b.Where(b.Equal(count, b.like(0, count)), b.like(-1, placed), placed);
  });

const running = (op: 'CumSum' | 'CumProd', instead?: number): LayerRow =>
  unary((b, given, x) => {
    const whole = elementOf(given) === 'bool' ? b.Cast(given, 'int32') : given;
    const typed = b.Cast(whole, typeOption(x, elementOf(whole)));
    const { v, axis } = along(x, b, instead === undefined ? typed : filledNaN(b, typed, instead));
    return b.emit(op, [v, b.constant(axis, 'int64')])[0]!;
  });

/** Weighted, where there are weights: of one axis, or of all elements. */
function average(x: LayerCall, b: Builder): Value {
  const v = floats(b, x.first.value);
  const weights = optionalOperand(x, b, 'weights', 1, v);
  const over = overOf(x, v);
  if (!weights) return mean(b, v, over);
  const own = b.Cast(weights, elementOf(v));
  const isAlong = rankOf(own) === 1 && rankOf(v) > 1;
  const shaped = isAlong
    ? reshapeTo(
        b,
        own,
        range(rankOf(v)).map(a => (a === over.axes[0] ? -1 : 1)),
      )
    : own;
  const total = b.ReduceSum(expandLike(b, shaped, v), over);
  return b.Div(b.ReduceSum(b.Mul(v, shaped), over), total);
}

/** Later elements less earlier ones. */
function differences(b: Builder, v: Value, axis: number): Value {
  const later = b.Slice(v, { axes: [axis], starts: [1], ends: [toTheEnd] });
  const earlier = b.Slice(v, { axes: [axis], starts: [0], ends: [-1] });
  return elementOf(v) === 'bool' ? b.Xor(later, earlier) : b.Sub(later, earlier);
}

function trapezoid(x: LayerCall, b: Builder): Value {
  const v = floats(b, x.first.value);
  const axis = axesOf([numberOption(x, 'axis', -1)], rankOf(v))[0]!;
  const pairs = b.Add(b.Slice(v, { axes: [axis], starts: [1], ends: [toTheEnd] }), b.Slice(v, { axes: [axis], starts: [0], ends: [-1] }));
  const places = optionalOperand(x, b, 'x', 1, v);
  const step = places && differences(b, b.Cast(places, elementOf(v)), rankOf(places) - 1);
  if (step && rankOf(step) > 1) throw unsupported('places of more than one axis');
  const along =
    step &&
    reshapeTo(
      b,
      step,
      range(rankOf(v)).map(a => (a === axis ? -1 : 1)),
    );
  const widths = along ?? b.like(numberOption(x, 'dx', 1), v);
  return b.ReduceSum(b.Mul(b.Mul(pairs, b.like(0.5, v)), widths), { axes: [axis], keepdims: 0 });
}

/** Rows are variables, columns are observations. */
const corrcoef = real((b, v) => {
  const centered = b.Sub(v, mean(b, v, { axes: [rankOf(v) - 1], keepdims: 1 }));
  const products = b.MatMul(centered, b.Transpose(centered, [1, 0]));
  const sizes = b.Sqrt(b.ReduceSum(b.Mul(centered, centered), { axes: [1], keepdims: 1 }));
  return b.Div(products, b.Mul(sizes, b.Transpose(sizes, [1, 0])));
});

/** How often each number from 0 on occurs, or what its weights come to. */
function bincount(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  if (flagOption(x, 'sparse')) throw unsupported('a sparse result');
  const least = b.constant(numberOption(x, 'minlength', 0), 'int64');
  const top = b.ReduceMax(b.Cast(v, 'int64'), { axes: range(rankOf(v)), keepdims: 0 });
  const depth = b.Max(b.Add(top, b.constant(1, 'int64')), least);
  const given = x.config.find('weights') === undefined ? optionalOperand(x, b, 'weights', 1) : operand(x, b, 'weights', 1);
  const type = given ? elementOf(given) : 'int32';
  const numbers = b.Range({ start: b.constant(0, 'int64'), limit: depth, delta: b.constant(1, 'int64') });
  const hot = b.Cast(b.Equal(b.Unsqueeze(b.Cast(v, 'int64'), [rankOf(v)]), numbers), type);
  const counted = given ? b.Mul(hot, b.Unsqueeze(given, [rankOf(given)])) : hot;
  return b.ReduceSum(counted, { axes: [rankOf(v) - 1], keepdims: 0 });
}

export const reductions: Readonly<Record<string, LayerRow>> = {
  Sum: reduction(sum),
  Prod: unary((b, v, x) => b.ReduceProd(b.Cast(summable(b, v), typeOption(x, elementOf(summable(b, v)))), overOf(x, v))),
  Max: extreme(max, (b, p, q) => b.Max(p, q)),
  Min: extreme(min, (b, p, q) => b.Min(p, q)),
  Amax: reduction(max),
  Amin: reduction(min),
  Ptp: reduction((b, v, over) => b.Sub(max(b, v, over), min(b, v, over))),
  Any: reduction((b, v, over) => b.Cast(b.ReduceMax(b.Cast(truths(b, v), 'int32'), over), 'bool')),
  All: reduction((b, v, over) => b.Cast(b.ReduceMin(b.Cast(truths(b, v), 'int32'), over), 'bool')),
  CountNonzero: reduction((b, v, over) => b.ReduceSum(b.Cast(truths(b, v), 'int32'), { ...over, keepdims: 0 })),
  Mean: reduction(mean),
  Var: reduction(variance),
  Std: reduction((b, v, over) => b.Sqrt(variance(b, v, over))),
  Average: plain(average),
  Logsumexp: realReduction(logSumExp),
  Nansum: withoutNaN(sum, 0),
  Nanprod: withoutNaN((b, v, over) => b.ReduceProd(summable(b, v), over), 1),
  Nanmax: nanExtreme(max, -Infinity),
  Nanmin: nanExtreme(min, Infinity),
  Nanmean: realReduction(nanMean),
  Nanvar: realReduction(nanVariance),
  Nanstd: realReduction((b, v, over) => b.Sqrt(nanVariance(b, v, over))),
  Argmax: placeOf('ArgMax'),
  Argmin: placeOf('ArgMin'),
  Nanargmax: placeOf('ArgMax', -Infinity),
  Nanargmin: placeOf('ArgMin', Infinity),
  Cumsum: running('CumSum'),
  Cumprod: running('CumProd'),
  Nancumsum: running('CumSum', 0),
  Nancumprod: running('CumProd', 1),
  Diff: unary((b, v, x) => {
    const axis = axesOf([numberOption(x, 'axis', -1)], rankOf(v))[0]!;
    return range(numberOption(x, 'n', 1)).reduce(made => differences(b, made, axis), v);
  }),
  Trapezoid: plain(trapezoid),
  Corrcoef: corrcoef,
  Bincount: plain(bincount),
  Moments: real((b, v, x) => {
    const over = overOf(x, v, 'axes');
    return [mean(b, v, over), variance(b, v, over)];
  }),
  Norm: real((b, v, x) => norm(b, v, x)),
};

/** Norms of vectors along one axis, of matrices along two; of all elements in a row where nothing else is said. */
function norm(b: Builder, v: Value, x: LayerCall): Value {
  const order = option(x, 'ord');
  const given = numbersOption(x, 'axis');
  const over = overOf(x, v);
  const size = b.Abs(v);
  const isMatrix = given ? given.length === 2 : order !== undefined && rankOf(v) === 2;
  const euclidean = (): Value => b.Sqrt(b.ReduceSum(b.Mul(v, v), over));
  if (order === undefined || (isMatrix ? order === 'fro' : order === 2 || order === 'fro' || order === 'euclidean')) return euclidean();
  const infinite = order === 'inf' || order === Infinity ? 1 : order === '-inf' || order === -Infinity ? -1 : 0;
  if (isMatrix) {
    const [row, column] = over.axes as [number, number];
    if (infinite === 0 && order !== 1 && order !== -1)
      throw unsupported(`the norm ${String(order)} of matrices, which singular values decide`);
    const [summed, left] = infinite === 0 ? [row, column] : [column, row];
    const sums = b.ReduceSum(size, { axes: [summed], keepdims: 1 });
    const made =
      (infinite || order) === 1 ? b.ReduceMax(sums, { axes: [left], keepdims: 1 }) : b.ReduceMin(sums, { axes: [left], keepdims: 1 });
    return over.keepdims ? made : b.Squeeze(made, over.axes);
  }
  if (infinite === 1) return b.ReduceMax(size, over);
  if (infinite === -1) return b.ReduceMin(size, over);
  if (typeof order !== 'number') throw unsupported(`the norm ${String(order)}`);
  if (order === 0) return b.ReduceSum(b.Cast(b.Cast(v, 'bool'), elementOf(v)), over);
  if (order === 1) return b.ReduceSum(size, over);
  return b.Pow(b.ReduceSum(b.Pow(size, b.like(order, v)), over), b.like(1 / order, v));
}
