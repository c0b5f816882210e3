// ATen overloads of linear algebra: what determinants, products and powers of matrices give. Inverses are of small matrices only.

import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, divSizes, expandTo, iota, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { arrange } from './arrange.ts';
import { diagonalOf } from './diagonal.ts';
import { promoteTypes } from './operands.ts';
import { matmul } from './products.ts';
import { type AtenRow, type AtenRows, Symbolic, unsupported } from './row.ts';

/** Determinants of [..., n, n]. */
const determinants = (x: Value, b: Builder): Value => b.Det({ X: x });

/** The largest n whose inverse is built of minors: n * n determinants. */
const mostMinors = 8;

interface Inverted {
  readonly inverse: Value;
  /** [..., 1, 1] */
  readonly determinant: Value;
}

/** The adjugate over the determinant: each minor is a determinant of a matrix without a row and a column. */
function inverted(x: Value, b: Builder): Inverted {
  const n = shapeOf(x).at(-1)!;
  if (typeof n !== 'number' || n < 1 || n > mostMinors)
    throw unsupported(`the inverse of ${n} x ${n} matrices; it has a conversion up to ${mostMinors}`);
  const determinant = n === 1 ? x : b.Unsqueeze(determinants(x, b), [-2, -1]);
  if (n === 1) return { inverse: b.Reciprocal(x), determinant };
  const flat = reshapeTo(b, x, [...sizesOf(b, x).slice(0, -2), n * n]);
  const without = (gone: number): number[] => range(n).filter(i => i !== gone);
  // The minor of row j and column i, for the element i, j of the inverse.
  const places = range(n).flatMap(i => range(n).flatMap(j => without(j).flatMap(row => without(i).map(column => row * n + column))));
  const minors = b.Gather(flat, b.constant(places, 'int64', [n, n, n - 1, n - 1]), rankOf(flat) - 1);
  const signs = b.Cast(
    b.constant(
      range(n * n).map(place => ((Math.floor(place / n) + (place % n)) % 2 === 0 ? 1 : -1)),
      'float32',
      [n, n],
    ),
    elementOf(x),
  );
  return { inverse: b.Div(b.Mul(determinants(minors, b), signs), determinant), determinant };
}

/** `info` is not 0 where a matrix is singular; which pivot it was is not known. */
const inverseAndInfo: AtenRow = (x, b) => {
  const { inverse, determinant } = inverted(x.tensor('A'), b);
  return [inverse, b.Cast(b.Equal(b.Squeeze(determinant, [-2, -1]), b.like(0, determinant)), 'int32')];
};

const inverse =
  (name: string): AtenRow =>
  (x, b) =>
    inverted(x.tensor(name), b).inverse;

const determinant =
  (name: string, of: (d: Value, b: Builder) => Value = d => d): AtenRow =>
  (x, b) =>
    of(determinants(x.tensor(name), b), b);

/** Ones on the diagonal of matrices like those of `x`. */
function identityLike(x: Value, b: Builder): Value {
  if (rankOf(x) === 2) return b.EyeLike({ input: x });
  const n = b.dim(x, -1);
  const places = iota(b, n);
  return expandTo(b, b.Cast(b.Equal(b.Unsqueeze(places, [1]), places), elementOf(x)), sizesOf(b, x));
}

/** x multiplied `n` times, by squares. */
function power(x: Value, n: number, b: Builder): Value {
  if (n === 0) return identityLike(x, b);
  if (n === 1) return x;
  const half = power(x, Math.floor(n / 2), b);
  const square = matmul(b, half, half);
  return n % 2 === 0 ? square : matmul(b, square, x);
}

const matrixPower: AtenRow = (x, b) => {
  const [self, n] = [x.tensor('self'), x.number('n')];
  return power(n < 0 ? inverted(self, b).inverse : self, Math.abs(n), b);
};

/** Powers of the elements of `x` along a new last axis. */
function powers(x: Value, exponents: Value, b: Builder): Value {
  const type = promoteTypes(elementOf(x), 'int64');
  return b.Pow(b.Unsqueeze(b.Cast(x, type), [-1]), b.Cast(exponents, type));
}

const vander: AtenRow = (x, b) => {
  const self = x.tensor('x');
  const count = x.optionalNumber('N') ?? b.dim(self, -1);
  const rising = iota(b, count);
  if (x.boolean('increasing')) return powers(self, rising, b);
  const falling = typeof count === 'number' ? b.ints(range(count).reverse()) : b.Sub(b.Sub(count, b.ints([1])), rising);
  return powers(self, falling, b);
};

const trace: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const diagonal = diagonalOf(b, self, 0, 0, 1);
  return b.ReduceSum(isFloat(elementOf(self)) ? diagonal : b.Cast(diagonal, 'int64'), { axes: [0], keepdims: 0 });
};

/** Solutions X of A X = B, or of X A = B; B is a vector a matrix where it has an axis less. */
const solution: AtenRow = (x, b) => {
  const [A, B] = [x.tensor('A'), x.tensor('B')];
  const isVector = rankOf(B) === 1 || (rankOf(A) - 1 === rankOf(B) && shapeOf(B).every((d, axis) => d === shapeOf(A)[axis]));
  const right = isVector ? b.Unsqueeze(B, [-1]) : B;
  const { inverse } = inverted(A, b);
  const solved = x.boolean('left') ? b.MatMul(inverse, right) : b.MatMul(right, inverse);
  return isVector ? b.Squeeze(solved, [-1]) : solved;
};

/** Axes rolled by half their size, rounded down or up. */
const shifted =
  (up: 0 | 1): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const dims = x.optionalNumbers('dim') ?? range(rankOf(self));
    const shifts = dims.map(axis => divSizes(b, addSizes(b, b.dim(self, axis), up), 2));
    return arrange['roll.default']!(x.with({ dims, shifts: shifts.map(s => (typeof s === 'number' ? s : new Symbolic(s))) }), b);
  };

/** Sample frequencies of a transform of `n` samples that are `d` apart: of all, or of those that are not negative. */
const frequencies =
  (onlyPositive: boolean): AtenRow =>
  (x, b) => {
    const [n, d] = [x.number('n'), x.number('d')];
    const positive = onlyPositive ? Math.floor(n / 2) + 1 : Math.ceil(n / 2);
    const places = onlyPositive ? range(positive) : range(n).map(i => (i < positive ? i : i - n));
    const step = Math.fround(1 / (n * d));
    const type = x.element('dtype') ?? 'float32';
    return b.Cast(
      b.constant(
        places.map(i => i * (type === 'float64' ? 1 / (n * d) : step)),
        type === 'float64' ? 'float64' : 'float32',
        [places.length],
      ),
      type,
    );
  };

export const linalg: AtenRows = {
  'det.default': determinant('self'),
  'linalg_det.default': determinant('A'),
  '_linalg_det.default': (x, b) => [determinants(x.tensor('A'), b), undefined, undefined],
  'logdet.default': determinant('self', (d, b) => b.Log(d)),
  'inverse.default': inverse('self'),
  'linalg_inv.default': inverse('A'),
  'linalg_inv_ex.default': inverseAndInfo,
  'linalg_solve.default': solution,
  'matrix_power.default': matrixPower,
  'linalg_matrix_power.default': matrixPower,
  'vander.default': vander,
  'linalg_vander.default': (x, b) => powers(x.tensor('x'), iota(b, x.optionalSize('N') ?? b.dim(x.tensor('x'), -1)), b),
  'trace.default': trace,
  'fft_fftshift.default': shifted(0),
  'fft_ifftshift.default': shifted(1),
  'fft_fftfreq.default': frequencies(false),
  'fft_rfftfreq.default': frequencies(true),
};
