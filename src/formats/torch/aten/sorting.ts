// ATen overloads that sort, select by rank and find what repeats.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, rankOf } from '../../../ops/shapes.ts';
import { axisIn, flat, indexOf, keepOf, orderedAs, reduced } from './axes.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

/** The `k` largest or smallest along an axis in order, all without `k`; among equals the first place first. */
export function ordered(
  b: Builder,
  self: Value,
  { axis, largest = false, k = b.dim(self, axis) }: { axis: number; largest?: boolean; k?: Size },
): readonly [values: Value, indices: Value] {
  const own = elementOf(self);
  const X = b.Cast(self, orderedAs[own] ?? own);
  const { Values, Indices } = b.TopK({ X, K: b.sizes([k]) }, { axis, largest: largest ? 1 : 0 });
  return [b.Cast(Values, own), Indices];
}

type Selection = (b: Builder, self: Value, axis: number, keepdims: 0 | 1, x: Args) => readonly [values: Value, indices: Value];

/** A row of values and places; a tensor of rank 0 is its own only element. */
const alongAxis =
  (select: Selection): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    return rankOf(self) === 0 ? [self, indexOf(b, 0)] : select(b, self, axisIn(x, self), keepOf(x), x);
  };

const sort = alongAxis((b, self, axis, _keepdims, x) => ordered(b, self, { axis, largest: x.boolean('descending') }));
const argsort: AtenRow = (x, b) => (sort(x, b) as readonly Value[])[1]!;

const topk = alongAxis((b, self, axis, _keepdims, x) => ordered(b, self, { axis, largest: x.boolean('largest'), k: x.size('k') }));

/** The k-th smallest is the last of the k smallest. */
function kthSmallest(b: Builder, self: Value, k: Size, axis: number, keepdims: 0 | 1): readonly [Value, Value] {
  const last = keepdims ? b.ints([-1]) : indexOf(b, -1);
  const [values, indices] = ordered(b, self, { axis, k });
  return [b.Gather(values, last, axis), b.Gather(indices, last, axis)];
}

/** The lower of the two in the middle. */
function median(b: Builder, self: Value, axis: number, keepdims: 0 | 1): readonly [Value, Value] {
  const n = b.dim(self, axis);
  const k = typeof n === 'number' ? Math.floor((n + 1) / 2) : b.Div(b.Add(n, b.ints([1])), b.ints([2]));
  return kthSmallest(b, self, k, axis, keepdims);
}

/** What is NaN put behind all numbers, and how many numbers there are along an axis. */
export function numbersFirst(b: Builder, self: Value, axis: number): { sorted: Value; places: Value; count: Value } {
  const missing = b.IsNaN(self);
  const [sorted, places] = ordered(b, b.Where(missing, b.like(Number.POSITIVE_INFINITY, self), self), { axis });
  const count = reduced(b, 'ReduceSum', b.Cast(b.Not(missing), 'int64'), { axes: [axis], keepdims: 1 });
  return { sorted, places, count };
}

/** `v` where there are numbers at all, else NaN. */
export const orNaN = (b: Builder, count: Value, v: Value): Value => b.Where(b.Equal(count, indexOf(b, 0)), b.like(Number.NaN, v), v);

function nanmedian(b: Builder, self: Value, axis: number, keepdims: 0 | 1): readonly [Value, Value] {
  if (!isFloat(elementOf(self))) return median(b, self, axis, keepdims);
  const { sorted, places, count } = numbersFirst(b, self, axis);
  const middle = b.Div(b.Max(b.Sub(count, indexOf(b, 1)), indexOf(b, 0)), indexOf(b, 2));
  const found = orNaN(b, count, b.GatherElements({ data: sorted, indices: middle }, { axis }));
  const place = b.GatherElements({ data: places, indices: middle }, { axis });
  return keepdims ? [found, place] : [b.Squeeze(found, [axis]), b.Squeeze(place, [axis])];
}

/** The most frequent value, the smallest of such, and its last place. */
function mode(b: Builder, self: Value, axis: number, keepdims: 0 | 1): readonly [Value, Value] {
  const [sorted] = ordered(b, self, { axis });
  const same = b.Cast(b.Equal(b.Unsqueeze(sorted, [axis]), b.Unsqueeze(sorted, [axis + 1])), 'int32');
  const frequency = reduced(b, 'ReduceSum', same, { axes: [axis], keepdims: 0 });
  const first = b.ArgMax({ data: frequency }, { axis });
  const value = b.GatherElements({ data: sorted, indices: first }, { axis });
  const place = b.ArgMax({ data: b.Cast(b.Equal(self, value), 'int32') }, { axis, keepdims, select_last_index: 1 });
  return [keepdims ? value : b.Squeeze(value, [axis]), place];
}

/** A selection among all elements. */
const overall =
  (of: typeof median): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    return rankOf(self) === 0 ? self : of(b, flat(b, self), 0, 0)[0];
  };

export const sorting: AtenRows = {
  'sort.default': sort,
  'sort.stable': sort,
  'argsort.default': argsort,
  'argsort.stable': argsort,
  'msort.default': (x, b) => (rankOf(x.tensor('self')) === 0 ? x.tensor('self') : ordered(b, x.tensor('self'), { axis: 0 })[0]),
  'topk.default': topk,
  'kthvalue.default': alongAxis((b, self, axis, keepdims, x) => kthSmallest(b, self, x.size('k'), axis, keepdims)),
  'median.default': overall(median),
  'median.dim': alongAxis(median),
  'nanmedian.default': overall(nanmedian),
  'nanmedian.dim': alongAxis(nanmedian),
  'mode.default': alongAxis(mode),
};
