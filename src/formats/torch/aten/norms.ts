// ATen overloads of norms and distances between whole tensors.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, range, rankOf } from '../../../ops/shapes.ts';
import { accumulatedAs, axisIn, computedAs, keepOf, type Over, overOf, reduced } from './axes.ts';
import { promoted } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** The vector norm (sum |x|^p)^(1/p) with its limits at 0 and the infinities. */
function vectorNorm(b: Builder, self: Value, p: number, over: Over): Value {
  if (p === 2) return reduced(b, 'ReduceL2', self, over);
  if (p === 1) return reduced(b, 'ReduceL1', self, over);
  if (p === Number.POSITIVE_INFINITY) return reduced(b, 'ReduceMax', b.Abs(self), over);
  if (p === Number.NEGATIVE_INFINITY) return reduced(b, 'ReduceMin', b.Abs(self), over);
  if (p === 0) return reduced(b, 'ReduceSum', b.Cast(b.Cast(self, 'bool'), self.element!), over);
  return computedAs(b, self, accumulatedAs, v => {
    const magnitude = p % 2 === 0 ? v : b.Abs(v);
    return b.Pow(reduced(b, 'ReduceSum', b.Pow(magnitude, b.like(p, v)), over), b.like(1 / p, v));
  });
}

/** `self` in the type that `dtype` asks for. */
function source(x: Args, b: Builder): Value {
  const wanted = x.element('dtype');
  return wanted ? b.Cast(x.tensor('self'), wanted) : x.tensor('self');
}

/** A vector norm of order `name`, 2 where that is None. */
const norm =
  (name: string): AtenRow =>
  (x, b) => {
    const self = source(x, b);
    return vectorNorm(b, self, x.optionalNumber(name) ?? 2, overOf(x, self));
  };

/** Norms of the matrices in two axes: sums of magnitudes along one, the largest or smallest of them along the other. */
function matrixNorm(b: Builder, self: Value, order: number | 'fro', given: readonly number[], keepdims: 0 | 1): Value {
  const [row, column] = axesOf(given, rankOf(self)) as [number, number];
  if (order === 'fro') return reduced(b, 'ReduceL2', self, { axes: [row, column], keepdims });
  const [summed, compared] = Math.abs(order) === 1 ? [row, column] : [column, row];
  if (Math.abs(order) !== 1 && Number.isFinite(order))
    throw unsupported(`a matrix norm of order ${order} is not converted: it needs singular values`);
  const sums = reduced(b, 'ReduceL1', self, { axes: [summed], keepdims });
  const axes = [keepdims === 0 && summed < compared ? compared - 1 : compared];
  return reduced(b, order > 0 ? 'ReduceMax' : 'ReduceMin', sums, { axes, keepdims });
}

function namedOrder(name: string): 'fro' {
  if (name === 'fro') return name;
  throw unsupported(`a matrix norm of order ${name} is not converted: it needs singular values`);
}

/** A vector norm over all axes without an order, and over one axis or a vector; a matrix norm otherwise. */
const linalgNorm: AtenRow = (x, b) => {
  const self = source(x, b);
  const order = x.has('ord') ? (typeof x.any('ord') === 'string' ? namedOrder(x.string('ord')) : x.number('ord')) : undefined;
  const dims = x.optionalNumbers('dim');
  const isVector = order === undefined || (order !== 'fro' && (dims ? dims.length === 1 : rankOf(self) === 1));
  if (isVector) return vectorNorm(b, self, order ?? 2, overOf(x, self));
  return matrixNorm(b, self, order, dims ?? [-2, -1], keepOf(x));
};

const othersThan = (axis: number, rank: number): Over => ({ axes: range(rank).filter(a => a !== axis), keepdims: 1 });

/** Every slice of an axis scaled down to a norm of at most `maxnorm`. */
const renorm: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [most, one] = [b.like(x.number('maxnorm'), self), b.like(1, self)];
  const norms = vectorNorm(b, self, x.number('p'), othersThan(axisIn(x, self), rankOf(self)));
  const scale = b.Div(most, b.Add(norms, b.like(1e-7, self)));
  return b.Mul(self, b.Where(b.Greater(norms, most), scale, one));
};

export const norms: AtenRows = {
  'linalg_vector_norm.default': norm('ord'),
  'norm.Scalar': norm('p'),
  'norm.ScalarOpt_dim': norm('p'),
  'norm.ScalarOpt_dtype': norm('p'),
  'norm.ScalarOpt_dim_dtype': norm('p'),
  'frobenius_norm.dim': norm('p'),
  'norm_except_dim.default': (x, b) => {
    const v = x.tensor('v');
    const dim = x.number('dim');
    const all: Over = { axes: range(rankOf(v)), keepdims: 0 };
    return vectorNorm(b, v, x.number('pow'), dim === -1 ? all : othersThan(axisOf(dim, rankOf(v)), rankOf(v)));
  },
  'linalg_norm.default': linalgNorm,
  'linalg_norm.ord_str': linalgNorm,
  'linalg_matrix_norm.default': (x, b) => matrixNorm(b, source(x, b), x.number('ord'), x.numbers('dim'), keepOf(x)),
  'linalg_matrix_norm.str_ord': (x, b) => matrixNorm(b, source(x, b), namedOrder(x.string('ord')), x.numbers('dim'), keepOf(x)),
  'dist.default': (x, b) => {
    const [self, other] = promoted(b, [x.tensor('self'), x.tensor('other')]) as [Value, Value];
    const difference = b.Sub(self, other);
    return vectorNorm(b, difference, x.number('p'), { axes: range(rankOf(difference)), keepdims: 0 });
  },
  'renorm.default': renorm,
};
