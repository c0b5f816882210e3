// Reductions and cumulative operators.
import type { Value } from '../../../ir/graph.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { axesOf, knownNumbers, range, rankOf } from '../../../ops/shapes.ts';
import { expandLike } from '../../../ops/sizing.ts';
import { withAxes } from '../broadcast.ts';
import { type GradientFamily, none, type Pulled, type RuleRow, rule } from '../row.ts';

type Reduction = Extract<OpName, `Reduce${string}`>;

function axesIn({ x: { data, axes }, at: { noop_with_empty_axes } }: Pulled<Reduction>): number[] {
  const given = knownNumbers(axes) ?? [];
  if (given.length > 0) return axesOf(given, rankOf(data));
  return noop_with_empty_axes ? [] : range(rankOf(data));
}

/** A rule over the gradient and the result with their reduced axes again; what it makes is expanded where it must be. */
const reduction = (
  build: (c: Pulled<Reduction> & { readonly data: Value; readonly wide: Value; readonly axes: readonly number[] }) => Value,
): RuleRow<Reduction> =>
  rule(c => ({
    data() {
      const axes = axesIn(c);
      const { keepdims } = c.at;
      const again = (v: Value): Value => withAxes(c.b, v, axes, keepdims);
      return expandLike(c.b, build({ ...c, data: c.x.data, axes, g: again(c.g), wide: again(c.y[0]!) }), c.x.data);
    },
  }));

/** Elements that are the extreme share evenly. */
const extreme = reduction(({ data, wide, g, axes, b }) => {
  const hits = b.Cast(b.Equal(data, wide), g.element!);
  return b.Mul(b.Div(g, b.ReduceSum(hits, { axes })), hits);
});

const place = none('its result is a place');

export const reductions = {
  ReduceSum: reduction(({ g }) => g),
  ReduceMean: reduction(({ g, data, axes, b }) => b.Div(g, b.count(data, axes))),
  ReduceMax: extreme,
  ReduceMin: extreme,
  /** The product of the others: without zeros the quotient; beside one zero only that one has a gradient. */
  ReduceProd: reduction(({ g, data, axes, b }) => {
    const [zero, one] = [b.like(0, data), b.like(1, data)];
    const isZero = b.Equal(data, zero);
    const zeros = b.ReduceSum(b.Cast(isZero, g.element!), { axes });
    const filled = b.Where(isZero, one, data);
    const others = b.Div(b.ReduceProd(filled, { axes }), filled);
    const counted = b.Sub(zeros, b.Cast(isZero, g.element!));
    return b.Mul(g, b.Where(b.Less(zero, counted), zero, others));
  }),
  ReduceL1: reduction(({ g, data, b }) => b.Mul(g, b.Sign(data))),
  ReduceL2: reduction(({ g, data, wide, b }) => {
    const zero = b.like(0, data);
    const isZero = b.Equal(wide, zero);
    return b.Mul(data, b.Where(isZero, zero, b.Div(g, b.Where(isZero, b.like(1, data), wide))));
  }),
  ReduceLogSum: reduction(({ g, data, axes, b }) => b.Div(g, b.ReduceSum(data, { axes }))),
  ReduceLogSumExp: reduction(({ g, data, wide, b }) => b.Mul(g, b.Exp(b.Sub(data, wide)))),
  ReduceSumSquare: reduction(({ g, data, b }) => b.Mul(b.Mul(g, b.like(2, g)), data)),
  ArgMax: place,
  ArgMin: place,
} satisfies GradientFamily;
