// ATen overloads that multiply and sum: matrix products, their fused forms, contractions named by letters.
import type { Value } from '../../../ir/graph.ts';
import { elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axesOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { mulSizes, permuted, reshapeTo } from '../../../ops/sizing.ts';
import { isBool, isFloating, knownNumber, times } from './elementwise.ts';
import { promoted } from './operands.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

/** MatMul of one type. The standard has none for integers below 32 bits: those wrap after a product in int32, as PyTorch's do. */
export function matmul(b: Builder, x: Value, y: Value): Value {
  const type = elementOf(x);
  if (isFloat(type) || elementTypes[type].bits >= 32) return b.MatMul(x, y);
  return b.Cast(b.MatMul(b.Cast(x, 'int32'), b.Cast(y, 'int32')), type);
}

/** The product of two values of one type; of truth values it is their And. */
const both = (b: Builder, x: Value, y: Value): Value => (isBool(x) ? b.And(x, y) : b.Mul(x, y));

const product =
  (left: string, right: string): AtenRow =>
  (x, b) =>
    matmul(b, x.tensor(left), x.tensor(right));

const linear: AtenRow = (x, b) => {
  const [input, weight, bias] = [x.tensor('input'), x.tensor('weight'), x.optional('bias')];
  const isMatrix = rankOf(weight) === 2;
  if (isMatrix && rankOf(input) === 2 && isFloating(input)) return b.Gemm({ A: input, B: weight, C: bias }, { transB: 1 });
  const y = matmul(b, input, isMatrix ? b.Transpose(weight, [1, 0]) : weight);
  return bias ? b.Add(y, bias) : y;
};

/** beta * self + alpha * y, where a beta of 0 means that self is not looked at. */
function blended(x: Args, b: Builder, self: Value, y: Value): Value {
  const right = times(b, y, x.scalar('alpha'));
  if (knownNumber(x.scalar('beta')) === 0) return right;
  const left = times(b, self, x.scalar('beta'));
  return isBool(right) ? b.Or(left, right) : b.Add(left, right);
}

const addmm: AtenRow = (x, b) => {
  const [self, A, B] = [x.tensor('self'), x.tensor('mat1'), x.tensor('mat2')];
  const [alpha, beta] = [knownNumber(x.scalar('alpha')), knownNumber(x.scalar('beta'))];
  // The attributes of Gemm are float32, and ONNX Runtime has it for floats only.
  const holds = (n: number | undefined): n is number => n !== undefined && (elementOf(A) !== 'float64' || Math.fround(n) === n);
  if (isFloating(A) && holds(alpha) && holds(beta))
    return beta === 0 ? b.Gemm({ A, B }, { alpha }) : b.Gemm({ A, B, C: self }, { alpha, beta });
  return blended(x, b, self, matmul(b, A, B));
};

const addedProduct =
  (left: string, right: string): AtenRow =>
  (x, b) =>
    blended(x, b, x.tensor('self'), matmul(b, x.tensor(left), x.tensor(right)));

const outerOf = (b: Builder, x: Value, y: Value): Value => both(b, b.Unsqueeze(x, [1]), y);

const outer: AtenRow = (x, b) => {
  const [self, other] = promoted(b, [x.tensor('self'), x.tensor('vec2')]);
  return outerOf(b, self!, other!);
};

const addr: AtenRow = (x, b) => {
  const [self, left, right] = promoted(b, [x.tensor('self'), x.tensor('vec1'), x.tensor('vec2')]);
  return blended(x, b, self!, outerOf(b, left!, right!));
};

const chain =
  (name: string): AtenRow =>
  (x, b) =>
    x.tensors(name).reduce((left, right) => matmul(b, left, right));

/** Axes of a factor of kron in the space of both: every second one, the last ones where it has fewer. */
function interleaved(b: Builder, v: Value, rank: number, at: 0 | 1): Value {
  const own = new Set(range(rankOf(v), rank - rankOf(v)).map(axis => 2 * axis + at));
  const missing = range(2 * rank).filter(axis => !own.has(axis));
  return b.Unsqueeze(v, missing);
}

const kron: AtenRow = (x, b) => {
  const [self, other] = promoted(b, [x.tensor('self'), x.tensor('other')]) as [Value, Value];
  const rank = Math.max(rankOf(self), rankOf(other));
  if (rankOf(self) === 0 || rankOf(other) === 0) return both(b, self, other);
  const pairs = both(b, interleaved(b, self, rank, 0), interleaved(b, other, rank, 1));
  const size = (v: Value, axis: number): Size => (axis < rank - rankOf(v) ? 1 : b.dim(v, axis - rank));
  return reshapeTo(
    b,
    pairs,
    range(rank).map(axis => mulSizes(b, size(self, axis), size(other, axis))),
  );
};

const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/** Einsum over terms that hold a letter an axis. */
const contracted = (b: Builder, tensors: readonly Value[], terms: readonly (readonly string[])[], out: readonly string[]): Value =>
  b.Einsum({ Inputs: tensors }, { equation: `${terms.map(term => term.join('')).join(',')}->${out.join('')}` });

/** Whether MatMul sums over axes of one size: PyTorch's contractions also let 1 meet any other size, as Einsum does. */
const fits = (x: Value, y: Value): boolean => (shapeOf(x).at(-1) === 1) === (shapeOf(y).at(rankOf(y) === 1 ? -1 : -2) === 1);

/** The sum of products over pairs of axes; what is left of `x`, then of `y`. */
function tensordot(b: Builder, x: Value, y: Value, axesX: readonly number[], axesY: readonly number[]): Value {
  const isProduct = axesX.length === 1 && axesX[0] === rankOf(x) - 1 && axesY[0] === 0 && rankOf(y) <= 2;
  if (isProduct && fits(x, y)) return matmul(b, x, y);
  const left = letters.slice(0, rankOf(x));
  const right = letters.slice(rankOf(x), rankOf(x) + rankOf(y));
  axesY.forEach((axis, i) => {
    right[axis] = left[axesX[i]!]!;
  });
  const shared = new Set(axesX.map(axis => left[axis]));
  const rest = [...left, ...right].filter(letter => !shared.has(letter));
  return contracted(b, [x, y], [left, right], rest);
}

const inner: AtenRow = (x, b) => {
  const [self, other] = [x.tensor('self'), x.tensor('other')];
  if (rankOf(self) === 0 || rankOf(other) === 0) return both(b, self, other);
  return tensordot(b, self, other, [rankOf(self) - 1], [rankOf(other) - 1]);
};

/** An equation in which every axis has a letter and the result is written down. */
function explicit(equation: string, ranks: readonly number[]): { terms: string[][]; out: string[] } {
  const [left, right] = equation.replaceAll(' ', '').split('->');
  const given = left!.split(',');
  const named = given.map(term => term.replace('...', ''));
  const free = letters.filter(letter => !equation.includes(letter));
  const open = given.map((term, i) => (term.includes('...') ? ranks[i]! - named[i]!.length : 0));
  const most = Math.max(...open);
  const spelled = (term: string, count: number): string[] => [...term.replace('...', free.slice(most - count, most).join(''))];
  const once = [...named.join('')].filter((letter, i, all) => all.indexOf(letter) === i && all.lastIndexOf(letter) === i).sort();
  return { terms: given.map((term, i) => spelled(term, open[i]!)), out: spelled(right ?? `...${once.join('')}`, most) };
}

const einsum: AtenRow = (x, b) => {
  const tensors = x.tensors('tensors');
  const { terms, out } = explicit(x.string('equation'), tensors.map(rankOf));
  const [first, second] = terms;
  if (terms.length === 1 && out.length === first!.length && new Set(first).size === out.length)
    return permuted(
      b,
      tensors[0]!,
      out.map(letter => first!.indexOf(letter)),
    );
  // Letters of a plain product: the same batch, then ik, kj -> ij.
  const plain = /^(\w*)(\w)(\w),\1\3(\w),\1\2\4$/.exec([...terms, out].map(term => term.join('')).join(','));
  if (plain && new Set([...first!, ...second!]).size === first!.length + 1 && fits(tensors[0]!, tensors[1]!))
    return matmul(b, tensors[0]!, tensors[1]!);
  return contracted(b, tensors, terms, out);
};

const bilinear: AtenRow = (x, b) => {
  const [left, right, weight, bias] = [x.tensor('input1'), x.tensor('input2'), x.tensor('weight'), x.optional('bias')];
  const batch = letters.slice(3, rankOf(left) + 2);
  const terms = [
    [...batch, 'a'],
    ['c', 'a', 'b'],
    [...batch, 'b'],
  ];
  const y = contracted(b, [left, weight, right], terms, [...batch, 'c']);
  return bias ? b.Add(y, bias) : y;
};

/** Three tensors, each with some axes of the common space missing, multiplied and summed over some of its axes. */
const trilinear: AtenRow = (x, b) => {
  const tensors = ['i1', 'i2', 'i3'].map(name => x.tensor(name));
  const missing = ['expand1', 'expand2', 'expand3'].map(name => x.numbers(name));
  const rank = rankOf(tensors[0]!) + missing[0]!.length;
  const without = (axes: readonly number[]): string[] => {
    const left = new Set(axesOf(axes, rank));
    return letters.slice(0, rank).filter((_, axis) => !left.has(axis));
  };
  return contracted(b, tensors, missing.map(without), without(x.numbers('sumdim')));
};

export const products: AtenRows = {
  'linear.default': linear,
  'mm.default': product('self', 'mat2'),
  'bmm.default': product('self', 'mat2'),
  'matmul.default': product('self', 'other'),
  'linalg_matmul.default': product('self', 'other'),
  'mv.default': product('self', 'vec'),
  'dot.default': product('self', 'tensor'),
  'vdot.default': product('self', 'other'),
  '_int_mm.default': (x, b) => b.MatMulInteger({ A: x.tensor('self'), B: x.tensor('mat2') }),
  'inner.default': inner,
  'outer.default': outer,
  'ger.default': outer,
  'addmm.default': addmm,
  '_addmm_activation.default': (x, b) => {
    const y = addmm(x, b) as Value;
    return x.boolean('use_gelu') ? b.Gelu({ X: y }) : b.Relu(y);
  },
  'addmv.default': addedProduct('mat', 'vec'),
  'baddbmm.default': addedProduct('batch1', 'batch2'),
  'addbmm.default': (x, b) => {
    const batches = [x.tensor('batch1'), x.tensor('batch2')];
    return blended(x, b, x.tensor('self'), contracted(b, batches, [[...'bij'], [...'bjk']], [...'ik']));
  },
  'addr.default': addr,
  'chain_matmul.default': chain('matrices'),
  'linalg_multi_dot.default': chain('tensors'),
  'tensordot.default': (x, b) => {
    const [self, other] = [x.tensor('self'), x.tensor('other')];
    const axes = (name: string, of: Value): number[] => axesOf(x.numbers(name), rankOf(of));
    return tensordot(b, self, other, axes('dims_self', self), axes('dims_other', other));
  },
  'kron.default': kron,
  'einsum.default': einsum,
  'bilinear.default': bilinear,
  '_trilinear.default': trilinear,
};
