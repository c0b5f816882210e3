// ATen overloads that compare vectors: distances, similarities, products along an axis.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { floating } from './elementwise.ts';
import { promoted } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** (Σ |d|^p)^(1/p) along an axis; p = 0 counts what is not 0, p = ±∞ is the largest or smallest |d|. */
function norm(b: Builder, d: Value, p: number, axis: number, keepdims: 0 | 1 = 0): Value {
  const axes = [axis];
  switch (p) {
    case 0:
      return b.ReduceSum(b.Cast(b.Cast(d, 'bool'), elementOf(d)), { axes, keepdims });
    case 1:
      return b.ReduceL1({ data: d, axes: b.ints(axes) }, { keepdims });
    case 2:
      return b.ReduceL2({ data: d, axes: b.ints(axes) }, { keepdims });
    case Number.POSITIVE_INFINITY:
      return b.ReduceMax(b.Abs(d), { axes, keepdims });
    case Number.NEGATIVE_INFINITY:
      return b.ReduceMin(b.Abs(d), { axes, keepdims });
    default:
      return b.Pow(b.ReduceSum(b.Pow(b.Abs(d), b.like(p, d)), { axes, keepdims }), b.like(1 / p, d));
  }
}

/** |x - y + epsilon| along the last axis. */
export function pairwiseDistance(b: Builder, pair: readonly Value[], p: number, epsilon: number, keepdims: 0 | 1 = 0): Value {
  const [x, y] = promoted(b, pair);
  const difference = b.Sub(x!, y!);
  const wide = floating(b, difference);
  return norm(b, epsilon === 0 ? wide : b.Add(wide, b.like(epsilon, wide)), p, -1, keepdims);
}

/** Every row of the one against every row of the other. */
const cdist: AtenRow = (x, b) => {
  const [left, right] = promoted(b, [x.tensor('x1'), x.tensor('x2')]);
  return norm(b, b.Sub(b.Unsqueeze(left!, [-2]), b.Unsqueeze(right!, [-3])), x.number('p'), -1);
};

/** Most pairs of rows that are written down as constants. */
const maxPairs = 4096;

/** Every row against every later row. */
const pdist: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [left, right] = laterRows(b, self).map(rows => b.Gather(self, rows, 0));
  return norm(b, b.Sub(left!, right!), x.number('p'), -1);
};

/** The indices of pairs of rows, the second after the first. */
function laterRows(b: Builder, x: Value): Value[] {
  const n = b.dim(x, 0);
  if (typeof n === 'number' && (n * (n - 1)) / 2 <= maxPairs) {
    const pairs = range(n).flatMap(i => range(n - i - 1, i + 1).map(j => [i, j] as const));
    return [b.ints(pairs.map(pair => pair[0])), b.ints(pairs.map(pair => pair[1]))];
  }
  const upper = b.Trilu({ input: b.Expand(b.constant(1, 'int64'), [n, n]), k: b.constant(1, 'int64') }, { upper: 1 });
  const places = b.NonZero({ X: upper });
  return [0, 1].map(i => b.Gather(places, b.constant(i, 'int64'), 0));
}

const cosineSimilarity: AtenRow = (x, b) => {
  const pair = promoted(b, [x.tensor('x1'), x.tensor('x2')]);
  const rank = Math.max(...pair.map(rankOf));
  const axis = axisOf(x.number('dim'), rank) - rank;
  const units = pair.map((v, i) => {
    const full = alongAxis(b, v, pair[1 - i]!, axis, rank);
    const length = norm(b, full, 2, axis, 1);
    return b.Div(full, b.Max(length, b.like(x.number('eps'), length)));
  });
  return b.ReduceSum(b.Mul(units[0]!, units[1]!), { axes: [axis], keepdims: 0 });
};

/** `v` with an axis repeated as often as in `other`: its norm counts each. */
function alongAxis(b: Builder, v: Value, other: Value, axis: number, rank: number): Value {
  const size = shapeOf(v).at(axis) ?? 1;
  if (rankOf(v) >= -axis && (size !== 1 || shapeOf(other).at(axis) === 1)) return v;
  return b.Expand(
    v,
    range(rank).map(i => (i - rank === axis ? b.dim(other, axis) : 1)),
  );
}

/** The cross product along an axis of size 3. */
function cross(b: Builder, x: Value, y: Value, axis: number): Value {
  const turned = (v: Value, order: readonly number[]): Value => b.Gather(v, b.ints(order), axis);
  const [next, last] = [
    [1, 2, 0],
    [2, 0, 1],
  ];
  return b.Sub(b.Mul(turned(x, next!), turned(y, last!)), b.Mul(turned(x, last!), turned(y, next!)));
}

/** Without an axis it is the first of size 3. */
function crossAxis(x: Args, self: Value): number {
  if (x.has('dim')) return axisOf(x.number('dim'), rankOf(self));
  const found = shapeOf(self).indexOf(3);
  if (found < 0) throw unsupported('a cross product along an axis that is not known to have size 3');
  return found;
}

const crossProduct: AtenRow = (x, b) => {
  const [self, other] = promoted(b, [x.tensor('self'), x.tensor('other')]);
  return cross(b, self!, other!, crossAxis(x, self!));
};

export const distances: AtenRows = {
  'cdist.default': cdist,
  '_cdist_forward.default': cdist,
  'pdist.default': pdist,
  '_pdist_forward.default': pdist,
  'pairwise_distance.default': (x, b) =>
    pairwiseDistance(b, [x.tensor('x1'), x.tensor('x2')], x.number('p'), x.number('eps'), x.boolean('keepdim') ? 1 : 0),
  'cosine_similarity.default': cosineSimilarity,
  'linalg_cross.default': crossProduct,
  'cross.default': crossProduct,
  'linalg_vecdot.default': (x, b) => b.ReduceSum(b.Mul(x.tensor('x'), x.tensor('y')), { axes: [x.number('dim')], keepdims: 0 }),
};
