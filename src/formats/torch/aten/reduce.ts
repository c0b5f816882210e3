// ATen overloads that reduce, sort and scan.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, range, rankOf } from '../../../ops/shapes.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

type Reducer = (self: Value, at: { axes: readonly number[]; keepdims: number }, b: Builder) => Value;
const mean: Reducer = (self, { axes, keepdims }, b) => b.ReduceMean({ data: self, axes: b.ints(axes) }, { keepdims });
const sum: Reducer = (self, at, b) => b.ReduceSum(self, at);

const over =
  (reduce: Reducer): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const wanted = x.element('dtype');
    return reduce(wanted ? b.Cast(self, wanted) : self, axesAndKeep(x, self), b);
  };

function axesAndKeep(x: Args, self: Value): { axes: readonly number[]; keepdims: number } {
  const given = x.any('dim') === undefined ? [] : x.numbers('dim');
  const axes = given.length > 0 ? axesOf(given, rankOf(self)) : range(rankOf(self));
  return { axes, keepdims: x.any('keepdim') === true ? 1 : 0 };
}

export const reduce: AtenRows = {
  'mean.default': over(mean),
  'mean.dim': over(mean),
  'sum.default': over(sum),
  'sum.dim_IntList': over(sum),
};
