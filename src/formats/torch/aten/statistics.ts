// ATen overloads of spread: variances, standard deviations, with means.
import { productOf } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, shapeOf } from '../../../ops/shapes.ts';
import { accumulatedAs, type Over, overOf, reduced } from './axes.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

/** How much less than the number of elements a sum of squares is divided by: `unbiased` is a correction of 1, as is None. */
const correctionOf = (x: Args): number => (x.has('unbiased') ? Number(x.boolean('unbiased')) : (x.optionalNumber('correction') ?? 1));

/** A sum over max(n - correction, 0) elements, or over the root of that. */
function perDegree(b: Builder, sum: Value, self: Value, axes: readonly number[], correction: number, root = false): Value {
  const n = productOf(axes.map(a => shapeOf(self)[a]!));
  if (typeof n === 'number') {
    const left = Math.max(n - correction, 0);
    return left === 1 ? sum : b.Div(sum, b.like(root ? Math.sqrt(left) : left, self));
  }
  const count = b.Squeeze(b.count(self, axes), [0]);
  const left = correction === 0 ? count : b.Max(b.Sub(count, b.like(correction, self)), b.like(0, self));
  return b.Div(sum, root ? b.Sqrt(left) : left);
}

/** The variance or its root, from the deviations: a norm of these over the degrees of freedom. */
const spread =
  (root: boolean, withMean = false): AtenRow =>
  (x, b) => {
    const given = x.tensor('self');
    const over = overOf(x, given);
    const own = elementOf(given);
    const self = b.Cast(given, accumulatedAs[own] ?? own);
    const average = reduced(b, 'ReduceMean', self, { ...over, keepdims: 1 });
    const sum = reduced(b, root ? 'ReduceL2' : 'ReduceSumSquare', b.Sub(self, average), over);
    const result = b.Cast(perDegree(b, sum, self, over.axes, correctionOf(x), root), own);
    return withMean ? [result, b.Cast(dropped(b, average, over), own)] : result;
  };

const dropped = (b: Builder, v: Value, { axes, keepdims }: Over): Value => (keepdims || axes.length === 0 ? v : b.Squeeze(v, axes));

/** The three overloads of each, which differ in how they state the correction. */
const spreads = (name: string, row: AtenRow): AtenRows =>
  Object.fromEntries(['default', 'dim', 'correction'].map(overload => [`${name}.${overload}`, row]));

export const statistics: AtenRows = {
  ...spreads('var', spread(false)),
  ...spreads('std', spread(true)),
  ...spreads('var_mean', spread(false, true)),
  ...spreads('std_mean', spread(true, true)),
};
