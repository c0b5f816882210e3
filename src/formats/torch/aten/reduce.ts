// ATen overloads that reduce; the families of norms, statistics, sorting, scans and counting join them here.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import { axesOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import {
  accumulatedAs,
  axisIn,
  comparedAs,
  computedAs,
  flat,
  indexOf,
  keepOf,
  type Over,
  orderedAs,
  overOf,
  type Reduction,
  reduced,
  summand,
} from './axes.ts';
import { counting } from './counting.ts';
import { norms } from './norms.ts';
import { floatType } from './operands.ts';
import { quantiles } from './quantiles.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';
import { scans } from './scanning.ts';
import { softmaxes } from './softmax.ts';
import { sorting } from './sorting.ts';
import { statistics } from './statistics.ts';

const total =
  (op: Reduction): AtenRow =>
  (x, b) =>
    reduced(b, op, summand(x, b), overOf(x, x.tensor('self')));

const mean: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return reduced(b, 'ReduceMean', b.Cast(self, x.element('dtype') ?? elementOf(self)), overOf(x, self));
};

const nansum: AtenRow = (x, b) => {
  const self = summand(x, b);
  const numbers = isFloat(elementOf(self)) ? b.Where(b.IsNaN(self), b.like(0, self), self) : self;
  return reduced(b, 'ReduceSum', numbers, overOf(x, self));
};

const nanmean: AtenRow = (x, b) => {
  const self = summand(x, b);
  const over = overOf(x, self);
  return computedAs(b, self, accumulatedAs, v => {
    const missing = b.IsNaN(v);
    const sum = reduced(b, 'ReduceSum', b.Where(missing, b.like(0, v), v), over);
    return b.Div(sum, reduced(b, 'ReduceSum', b.Cast(b.Not(missing), elementOf(v)), over));
  });
};

/** Any and all are the largest and smallest truth value; of uint8 they are uint8. */
const truth =
  (op: 'ReduceMax' | 'ReduceMin', over: (x: Args, self: Value) => Over): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const result = reduced(b, op, b.Cast(self, 'bool'), over(x, self));
    return elementOf(self) === 'uint8' ? b.Cast(result, 'uint8') : result;
  };

/** Unlike elsewhere, an empty list of axes reduces none. */
const listed = (x: Args, self: Value): Over =>
  rankOf(self) > 0 && x.has('dim') ? { axes: axesOf(x.numbers('dim'), rankOf(self)), keepdims: keepOf(x) } : overOf(x, self);

const extreme =
  (op: 'ReduceMax' | 'ReduceMin'): AtenRow =>
  (x, b) =>
    reduced(b, op, x.tensor('self'), overOf(x, x.tensor('self')));

const extremes: AtenRow = (x, b) => [extreme('ReduceMin')(x, b) as Value, extreme('ReduceMax')(x, b) as Value];

type Arg = 'ArgMax' | 'ArgMin';

/** The extreme along an axis and the first place of it. */
const extremeAt =
  (op: 'ReduceMax' | 'ReduceMin', arg: Arg): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    if (rankOf(self) === 0) return [self, indexOf(b, 0)];
    const over = overOf(x, self);
    const own = elementOf(self);
    const data = b.Cast(self, comparedAs[own] ?? orderedAs[own] ?? own);
    return [reduced(b, op, self, over), b[arg]({ data }, { axis: over.axes[0]!, keepdims: over.keepdims })];
  };

/** Without an axis, the place among all elements in one axis. */
const place =
  (arg: Arg): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const rank = rankOf(self);
    const keepdims = keepOf(x);
    if (rank === 0) return indexOf(b, 0);
    if (x.has('dim') || rank === 1) return b[arg]({ data: self }, { axis: x.has('dim') ? axisIn(x, self) : 0, keepdims });
    const found = b[arg]({ data: flat(b, self) }, { axis: 0, keepdims });
    return keepdims ? b.Unsqueeze(found, range(rank - 1)) : found;
  };

const logSumExp: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const float = b.Cast(self, floatType(elementOf(self)));
  return reduced(b, 'ReduceLogSumExp', float, overOf(x, self));
};

const sumToSize: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const size = x.sizes('size');
  const shape = shapeOf(self);
  const leading = shape.length - size.length;
  const axes = range(shape.length).filter(a => a < leading || (size[a - leading] === 1 && shape[a] !== 1));
  if (size.some((s, i) => typeof s !== 'number' && shape[i + leading] === 1)) throw unsupported('a sum to a size that only the run knows');
  if (axes.length === 0) return self;
  const inner = axes.some(a => a >= leading);
  const sum = reduced(b, 'ReduceSum', summand(x, b), { axes, keepdims: inner ? 1 : 0 });
  return inner && leading > 0 ? b.Squeeze(sum, range(leading)) : sum;
};

const nonZeros: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return reduced(b, 'ReduceSum', b.Cast(b.Cast(self, 'bool'), 'int64'), overOf(x, self));
};

const reductions: AtenRows = {
  'sum.default': total('ReduceSum'),
  'sum.dim_IntList': total('ReduceSum'),
  'sum_to_size.default': sumToSize,
  'prod.default': total('ReduceProd'),
  'prod.dim_int': total('ReduceProd'),
  'mean.default': mean,
  'mean.dim': mean,
  'nansum.default': nansum,
  'nanmean.default': nanmean,
  'any.default': truth('ReduceMax', overOf),
  'any.dim': truth('ReduceMax', overOf),
  'any.dims': truth('ReduceMax', listed),
  'all.default': truth('ReduceMin', overOf),
  'all.dim': truth('ReduceMin', overOf),
  'all.dims': truth('ReduceMin', listed),
  'amax.default': extreme('ReduceMax'),
  'amin.default': extreme('ReduceMin'),
  'aminmax.default': extremes,
  '_aminmax.default': extremes,
  '_aminmax.dim': extremes,
  'max.default': extreme('ReduceMax'),
  'max.dim': extremeAt('ReduceMax', 'ArgMax'),
  'min.default': extreme('ReduceMin'),
  'min.dim': extremeAt('ReduceMin', 'ArgMin'),
  'argmax.default': place('ArgMax'),
  'argmin.default': place('ArgMin'),
  'logsumexp.default': logSumExp,
  'special_logsumexp.default': logSumExp,
  'count_nonzero.default': nonZeros,
  'count_nonzero.dim_IntList': nonZeros,
};

export const reduce: AtenRows = { ...reductions, ...softmaxes, ...norms, ...statistics, ...sorting, ...quantiles, ...scans, ...counting };
