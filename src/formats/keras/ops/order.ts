// Operations that sort, search and count: what lies where among others.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { permuted, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { along, flagOption, flat, floats, numberOption, numbersOption, operand, option, unary } from './arguments.ts';
import { pairOf, promoted } from './pairs.ts';

/** In ascending order: elements and their places. */
export function sorted(b: Builder, v: Value, axis: number): { readonly values: Value; readonly places: Value } {
  const isSortable = elementOf(v) !== 'bool';
  const size = b.dim(v, axis);
  const count = typeof size === 'number' ? b.ints([size]) : size;
  const { Values, Indices } = b.TopK({ X: isSortable ? v : b.Cast(v, 'int32'), K: count }, { axis, largest: 0 });
  return { values: isSortable ? Values : b.Cast(Values, 'bool'), places: b.Cast(Indices, 'int32') };
}

interface Rows {
  /** The elements that are sorted in an axis at the end. */
  readonly row: Value;
  readonly axis: number;
  /** What was found, with an axis at the end for each quantile that was asked for, as Keras has it: their own axis comes first. */
  readonly ahead: (found: Value) => Value;
}

/** The axes of an operation as one row at the end. */
function rowsOf(x: LayerCall, b: Builder, v: Value, q: Value): Rows {
  const rank = rankOf(v);
  const axes = axesOf(numbersOption(x, 'axis') ?? range(rank), rank);
  const others = range(rank).filter(a => !axes.includes(a));
  const moved = permuted(b, v, [...others, ...axes]);
  const row = reshapeTo(b, moved, [...sizesOf(b, v).filter((_, a) => others.includes(a)), -1]);
  const axis = others.length;
  const first = rankOf(q);
  const ahead = (found: Value): Value => {
    const placed = first === 0 ? found : b.Transpose(found, [axis, ...range(axis)]);
    const kept = axes.map(a => a + first).sort((p, r) => p - r);
    return flagOption(x, 'keepdims') ? b.Unsqueeze(placed, kept) : placed;
  };
  return { row, axis, ahead };
}

/** Between two elements, on the line from one to the other. */
function onLine(b: Builder, place: Value, at: (rounded: Value) => Value): Value {
  const [low, high] = [at(b.Floor(place)), at(b.Ceil(place))];
  return b.Add(low, b.Mul(b.Sub(high, low), b.Sub(place, b.Floor(place))));
}

/** Quantiles of the axes together. */
function quantiles(x: LayerCall, b: Builder, given: Value, q: Value): Value {
  const v = floats(b, given);
  const { row, axis, ahead } = rowsOf(x, b, v, q);
  const { values } = sorted(b, row, axis);
  const size = shapeOf(row)[axis]!;
  if (typeof size !== 'number') throw unsupported('a quantile over sizes that only the run knows');
  const place = b.Mul(b.Cast(q, elementOf(v)), b.like(size - 1, v));
  const found = onLine(b, place, rounded => b.Gather(values, b.Cast(rounded, 'int64'), axis));
  // One NaN makes everything NaN.
  const hasNaN = b.Cast(b.ReduceMax(b.Cast(b.IsNaN(row), 'int32'), { axes: [axis], keepdims: 1 }), 'bool');
  const flags = rankOf(q) === 0 ? b.Squeeze(hasNaN, [axis]) : hasNaN;
  return ahead(b.Where(flags, b.like(Number.NaN, v), found));
}

/** The same of the elements that are numbers: how many those are, each row has for itself. */
function quantilesOfNumbers(x: LayerCall, b: Builder, given: Value, q: Value): Value {
  const v = floats(b, given);
  const { row, axis, ahead } = rowsOf(x, b, v, q);
  const isNone = b.IsNaN(row);
  const { values } = sorted(b, b.Where(isNone, b.like(Number.POSITIVE_INFINITY, v), row), axis);
  const count = b.ReduceSum(b.Cast(b.Not(isNone), elementOf(v)), { axes: [axis], keepdims: 1 });
  const zero = b.like(0, v);
  const place = b.Mul(b.Cast(flat(b, q), elementOf(v)), b.Max(b.Sub(count, b.like(1, v)), zero));
  const found = onLine(b, place, rounded => b.GatherElements({ data: values, indices: b.Cast(rounded, 'int64') }, { axis }));
  const whole = b.Where(b.Equal(count, zero), b.like(Number.NaN, v), found);
  return ahead(rankOf(q) === 0 ? b.Squeeze(whole, [axis]) : whole);
}
const quantile = (scale: number, hasMethod: boolean, of = quantiles): LayerRow =>
  plain((x, b) => {
    const method = option(x, 'method') ?? 'linear';
    if (hasMethod && method !== 'linear') throw unsupported(`the method ${String(method)}`);
    const q = operand(x, b, 'q', 1, floats(b, x.first.value));
    const share = b.Div(floats(b, q), b.like(scale, floats(b, q)));
    return of(x, b, x.first.value, share);
  });

/** How many of an ascending row are below each number, or not above it. */
function ranksIn(b: Builder, row: Value, numbers: Value, isRight: boolean): Value {
  const [edges, each] = promoted(b, row, b.Unsqueeze(numbers, [rankOf(numbers)]));
  const isBelow = isRight ? b.Not(b.Greater(edges, each)) : b.Less(edges, each);
  return b.ReduceSum(b.Cast(isBelow, 'int32'), { axes: [rankOf(numbers)], keepdims: 0 });
}

function topK(b: Builder, v: Value, x: LayerCall): Value[] {
  const { Values, Indices } = b.TopK({ X: v, K: b.ints([numberOption(x, 'k')]) }, { axis: rankOf(v) - 1 });
  return [Values, b.Cast(Indices, 'int32')];
}

/** Whether fewer than k predictions are above that of the target. */
function inTopK(x: LayerCall, b: Builder): Value {
  const [targets, predictions] = [operand(x, b, 'targets', 0), operand(x, b, 'predictions', 1)];
  const own = b.GatherElements({ data: predictions, indices: b.Unsqueeze(b.Cast(targets, 'int64'), [1]) }, { axis: 1 });
  const above = b.ReduceSum(b.Cast(b.Greater(predictions, own), 'int32'), { axes: [1], keepdims: 0 });
  return b.Less(above, b.constant(numberOption(x, 'k'), 'int32'));
}

export const orders: Readonly<Record<string, LayerRow>> = {
  Sort: unary((b, given, x) => {
    const { v, axis } = along(x, b, given, -1);
    return sorted(b, v, axis).values;
  }),
  Argsort: unary((b, given, x) => {
    const { v, axis } = along(x, b, given);
    return sorted(b, v, axis).places;
  }),
  TopK: unary(topK),
  InTopK: plain(inTopK),
  Median: plain((x, b) => quantiles(x, b, x.first.value, b.constant(0.5, 'float32'))),
  // Recorded with a method too, which Keras does not hand on.
  Quantile: quantile(1, false),
  Percentile: quantile(100, true),
  Nanmedian: plain((x, b) => quantilesOfNumbers(x, b, x.first.value, b.constant(0.5, 'float32'))),
  Nanquantile: quantile(1, true, quantilesOfNumbers),
  Nanpercentile: quantile(100, true, quantilesOfNumbers),
  Digitize: plain((x, b) => ranksIn(b, operand(x, b, 'bins', 1, floats(b, x.first.value)), floats(b, x.first.value), true)),
  SearchSorted: plain((x, b) => {
    const row = operand(x, b, 'sorted_sequence', 0);
    return ranksIn(b, row, operand(x, b, 'values', 1, row), option(x, 'side') === 'right');
  }),
  IsIn: plain((x, b) => {
    const [p, q] = pairOf(x, b);
    const found = b.Equal(b.Unsqueeze(p, [rankOf(p)]), flat(b, q));
    const isIn = b.Cast(b.ReduceMax(b.Cast(found, 'int32'), { axes: [rankOf(p)], keepdims: 0 }), 'bool');
    return flagOption(x, 'invert') ? b.Not(isIn) : isIn;
  }),
  UnravelIndex: unary((b, v, x) => {
    const shape = numbersOption(x, 'shape') ?? [];
    const total = shape.reduce((n, d) => n * d, 1);
    const place = b.Mod({ A: b.Add(v, b.like(total, v)), B: b.like(total, v) });
    return shape.map((size, i) => {
      const rest = shape.slice(i + 1).reduce((n, d) => n * d, 1);
      return b.Mod({ A: b.Div(place, b.like(rest, v)), B: b.like(size, v) });
    });
  }),
};
