// ATen overloads of quantiles: between which two sorted elements a fraction falls, and where between them.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { axisIn, flat, indexOf, keepOf } from './axes.ts';
import { type Args, type AtenRow, type AtenRows, isValue, unsupported } from './row.ts';
import { numbersFirst, ordered, orNaN } from './sorting.ts';

const rounded: Readonly<Record<string, 'Floor' | 'Ceil' | 'Round' | undefined>> = { lower: 'Floor', higher: 'Ceil', nearest: 'Round' };

/** The elements at fractional places of what `pick` picks from, mixed as the interpolation says. */
function interpolated(b: Builder, ranks: Value, how: string, pick: (places: Value) => Value): Value {
  const at = (whole: Value): Value => pick(b.Cast(whole, 'int64'));
  const op = rounded[how];
  if (op) return at(b[op](ranks));
  if (how !== 'linear' && how !== 'midpoint') throw unsupported(`interpolation ${how}`);
  const floor = b.Floor(ranks);
  const [below, above] = [at(floor), at(b.Ceil(ranks))];
  const weight = how === 'midpoint' ? b.like(0.5, below) : trailing(b, b.Sub(ranks, floor), rankOf(below));
  return b.Add(below, b.Mul(b.Sub(above, below), weight));
}

/** `v` with axes of size 1 behind its own, so that it broadcasts along them. */
const trailing = (b: Builder, v: Value, rank: number): Value =>
  rankOf(v) === 0 || rankOf(v) === rank ? v : b.Unsqueeze(v, range(rank - rankOf(v), rankOf(v)));

/** The tensor with the axis of `dim` in front, or all elements in one axis; and its axes that the result lacks. */
function inFront(x: Args, b: Builder): { data: Value; lost: readonly number[] } {
  const self = x.tensor('self');
  const rank = rankOf(self);
  if (rank === 0 || !x.has('dim')) return { data: flat(b, self), lost: range(rank) };
  const axis = axisIn(x, self);
  const perm = [axis, ...range(rank).filter(a => a !== axis)];
  return { data: axis === 0 ? self : b.Transpose(self, perm), lost: [axis] };
}

/** Fractions in a vector give their results in a new first axis. */
function shaped(x: Args, b: Builder, found: Value, fractions: Value, lost: readonly number[]): Value {
  const axes = lost.map(a => a + rankOf(fractions));
  return keepOf(x) && axes.length > 0 ? b.Unsqueeze(found, axes) : found;
}

/** `q` in the type of the data: it is a tensor or a number. */
const fractionsOf = (x: Args, b: Builder, data: Value): Value =>
  isValue(x.any('q')) ? x.tensor('q') : b.constant(x.number('q'), elementOf(data));

const quantile: AtenRow = (x, b) => {
  const { data, lost } = inFront(x, b);
  const fractions = fractionsOf(x, b, data);
  const last = b.Sub(b.count(data, [0]), b.like(1, data));
  const ranks = b.Mul(fractions, rankOf(last) === 0 ? last : b.Squeeze(last, [0]));
  const [sorted] = ordered(b, data, { axis: 0 });
  const found = interpolated(b, ranks, x.string('interpolation'), places => b.Gather(sorted, places, 0));
  return shaped(x, b, found, fractions, lost);
};

/** As above among the numbers alone, whose count differs from row to row. */
const nanquantile: AtenRow = (x, b) => {
  const { data, lost } = inFront(x, b);
  const fractions = fractionsOf(x, b, data);
  const { sorted, count } = numbersFirst(b, data, 0);
  const last = b.Cast(b.Max(b.Sub(count, indexOf(b, 1)), indexOf(b, 0)), elementOf(data));
  const ranks = b.Mul(trailing(b, fractions, rankOf(data)), last);
  const pick = (indices: Value): Value => b.GatherElements({ data: sorted, indices }, { axis: 0 });
  const found = orNaN(b, count, interpolated(b, ranks, x.string('interpolation'), pick));
  return shaped(x, b, rankOf(fractions) === 0 ? b.Squeeze(found, [0]) : found, fractions, lost);
};

export const quantiles: AtenRows = {
  'quantile.default': quantile,
  'quantile.scalar': quantile,
  'nanquantile.default': nanquantile,
  'nanquantile.scalar': nanquantile,
};
