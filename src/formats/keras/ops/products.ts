// Products of vectors and matrices, and what linear algebra ONNX has.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { mulSizes, permuted, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { KerasTensor, type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { flat, floats, numberOption, option, real } from './arguments.ts';
import { pairOf } from './pairs.ts';

const product = (multiply: (b: Builder, p: Value, q: Value, x: LayerCall) => Value): LayerRow =>
  plain((x, b) => multiply(b, ...pairOf(x, b), x));

/** Sums over axes of one with those of the other; the others follow in order. */
function contracted(b: Builder, p: Value, q: Value, first: readonly number[], second: readonly number[]): Value {
  const [left, right] = [range(rankOf(p)).filter(a => !first.includes(a)), range(rankOf(q)).filter(a => !second.includes(a))];
  const [rows, columns] = [left.map(a => b.dim(p, a)), right.map(a => b.dim(q, a))];
  const inner = first.map(a => b.dim(p, a)).reduce((n, size) => mulSizes(b, n, size), 1);
  const matrix = reshapeTo(b, permuted(b, p, [...left, ...first]), [-1, inner]);
  const other = reshapeTo(b, permuted(b, q, [...second, ...right]), [inner, -1]);
  return reshapeTo(b, b.MatMul(matrix, other), [...rows, ...columns]);
}

function tensordot(b: Builder, p: Value, q: Value, x: LayerCall): Value {
  const axes = option(x, 'axes') ?? 2;
  if (typeof axes === 'number') return contracted(b, p, q, range(axes, rankOf(p) - axes), range(axes));
  const [first, second] = (axes as readonly (number | readonly number[])[]).map(own => [own].flat()) as [number[], number[]];
  return contracted(b, p, q, axesOf(first, rankOf(p)), axesOf(second, rankOf(q)));
}

function dot(b: Builder, p: Value, q: Value): Value {
  if (rankOf(p) === 0 || rankOf(q) === 0) return b.Mul(p, q);
  return contracted(b, p, q, [rankOf(p) - 1], [Math.max(0, rankOf(q) - 2)]);
}

/** Every element of one times the whole other, side by side. */
function kron(b: Builder, given: Value, other: Value): Value {
  const rank = Math.max(rankOf(given), rankOf(other));
  const [p, q] = [given, other].map(v => (rankOf(v) < rank ? b.Unsqueeze(v, range(rank - rankOf(v))) : v)) as [Value, Value];
  const spread = b.Mul(
    b.Unsqueeze(
      p,
      range(rank).map(a => 2 * a + 1),
    ),
    b.Unsqueeze(
      q,
      range(rank).map(a => 2 * a),
    ),
  );
  const [first, second] = [sizesOf(b, p), sizesOf(b, q)];
  return reshapeTo(
    b,
    spread,
    first.map((size, a) => mulSizes(b, size, second[a]!)),
  );
}

/** Vectors of three along an axis, or of two, whose product has one number. */
function cross(b: Builder, p: Value, q: Value, x: LayerCall): Value {
  const shared = option(x, 'axis');
  const [first, second, last] = ['axisa', 'axisb', 'axisc'].map(name =>
    typeof shared === 'number' ? shared : numberOption(x, name, -1),
  ) as [number, number, number];
  const partsOf = (v: Value, given: number): Value[] => {
    const axis = axesOf([given], rankOf(v))[0]!;
    const size = shapeOf(v)[axis]!;
    if (size !== 2 && size !== 3) throw unsupported('a cross product of vectors of another size than 2 or 3');
    return range(size).map(i => b.Gather(v, b.constant(i, 'int64'), axis));
  };
  const [a, c] = [partsOf(p, first), partsOf(q, second)];
  const term = (i: number, j: number): Value | undefined => (a[i] && c[j] ? b.Mul(a[i], c[j]) : undefined);
  const minus = (r: Value | undefined, s: Value | undefined): Value => (r && s ? b.Sub(r, s) : r ? r : b.Neg(s!));
  const z = minus(term(0, 1), term(1, 0));
  if (a.length === 2 && c.length === 2) return z;
  const all = [minus(term(1, 2), term(2, 1)), minus(term(2, 0), term(0, 2)), z];
  const axis = axesOf([last], rankOf(z) + 1)[0]!;
  return b.Concat(
    all.map(v => b.Unsqueeze(v, [axis])),
    axis,
  );
}

function cdist(x: LayerCall, b: Builder): Value {
  const [p, q] = pairOf(x, b, ['x', 'y']).map(v => floats(b, v)) as [Value, Value];
  const difference = b.Sub(b.Unsqueeze(p, [rankOf(p) - 1]), b.Unsqueeze(q, [rankOf(q) - 2]));
  return b.Sqrt(b.ReduceSum(b.Mul(difference, difference), { axes: [rankOf(difference) - 1], keepdims: 0 }));
}

function correlate(x: LayerCall, b: Builder): Value {
  const [p, q] = pairOf(x, b).map(v => floats(b, v)) as [Value, Value];
  const mode = String(option(x, 'mode') ?? 'valid');
  const [long, short] = [x.size(p, 0), x.size(q, 0)];
  if (short > long) throw unsupported('a correlation with a longer row');
  const before = mode === 'full' ? short - 1 : mode === 'same' ? Math.floor(short / 2) : 0;
  const after = mode === 'full' ? short - 1 : mode === 'same' ? short - 1 - before : 0;
  const [image, kernel] = [p, q].map(v => b.Unsqueeze(v, [0, 1])) as [Value, Value];
  return b.Squeeze(b.Conv(image, kernel, undefined, { pads: [before, after] }), [0, 1]);
}

export const products: Readonly<Record<string, LayerRow>> = {
  Matmul: product((b, p, q) => b.MatMul(p, q)),
  Dot: product(dot),
  Vdot: product((b, p, q) => b.ReduceSum(b.Mul(flat(b, p), flat(b, q)), { axes: [0], keepdims: 0 })),
  Inner: product((b, p, q) => (rankOf(p) === 0 || rankOf(q) === 0 ? b.Mul(p, q) : contracted(b, p, q, [rankOf(p) - 1], [rankOf(q) - 1]))),
  Outer: product((b, p, q) => b.Mul(b.Unsqueeze(flat(b, p), [1]), flat(b, q))),
  Kron: product(kron),
  Tensordot: product(tensordot),
  Cross: product(cross),
  CDist: plain(cdist),
  Correlate: plain(correlate),
  Einsum: plain((x, b) => {
    const tensors = x.args.flatMap(arg => (arg instanceof KerasTensor ? [arg.value] : []));
    return b.Einsum({ Inputs: tensors }, { equation: x.config.text('subscripts').replace(/\s/g, '') });
  }),
  Det: real((b, v) => b.Det({ X: v })),
  Logdet: real((b, v) => b.Log(b.Det({ X: v }))),
  Slogdet: real((b, v) => {
    const found = b.Det({ X: v });
    return [b.Sign(found), b.Log(b.Abs(found))];
  }),
};
