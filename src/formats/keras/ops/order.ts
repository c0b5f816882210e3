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

/** Quantiles of the axes together, between two elements on the line from one to the other; their own axes come first. */
function quantiles(x: LayerCall, b: Builder, given: Value, q: Value): Value {
  const v = floats(b, given);
  const rank = rankOf(v);
  const axes = axesOf(numbersOption(x, 'axis') ?? range(rank), rank);
  const others = range(rank).filter(a => !axes.includes(a));
  const moved = permuted(b, v, [...others, ...axes]);
  const row = reshapeTo(b, moved, [...sizesOf(b, v).filter((_, a) => others.includes(a)), -1]);
  const axis = others.length;
  const { values } = sorted(b, row, axis);
  const size = shapeOf(row)[axis]!;
  if (typeof size !== 'number') throw unsupported('a quantile over sizes that only the run knows');
  const place = b.Mul(b.Cast(q, elementOf(v)), b.like(size - 1, v));
  const at = (rounded: Value): Value => b.Gather(values, b.Cast(rounded, 'int64'), axis);
  const [low, high] = [at(b.Floor(place)), at(b.Ceil(place))];
  const found = b.Add(low, b.Mul(b.Sub(high, low), b.Sub(place, b.Floor(place))));
  // One NaN makes everything NaN.
  const hasNaN = b.Cast(b.ReduceMax(b.Cast(b.IsNaN(row), 'int32'), { axes: [axis], keepdims: 1 }), 'bool');
  const flags = rankOf(q) === 0 ? b.Squeeze(hasNaN, [axis]) : hasNaN;
  const whole = b.Where(flags, b.like(Number.NaN, v), found);
  const ahead = rankOf(q) === 0 ? whole : b.Transpose(whole, [axis, ...range(axis)]);
  const first = rankOf(q);
  return flagOption(x, 'keepdims')
    ? b.Unsqueeze(
        ahead,
        axes.map(a => a + first).sort((p, r) => p - r),
      )
    : ahead;
}
const quantile = (scale: number, hasMethod: boolean): LayerRow =>
  plain((x, b) => {
    const method = option(x, 'method') ?? 'linear';
    if (hasMethod && method !== 'linear') throw unsupported(`the method ${String(method)}`);
    const q = operand(x, b, 'q', 1, floats(b, x.first.value));
    const share = b.Div(floats(b, q), b.like(scale, floats(b, q)));
    return quantiles(x, b, x.first.value, share);
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
