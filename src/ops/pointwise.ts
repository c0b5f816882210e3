// Pointwise operators: each is one scalar formula over broadcast inputs.

import { fail } from '../errors.ts';
import { apply, cast, constant, type Expr } from '../expr/expr.ts';
import { type Primitive, type ScalarType, scalarTypes } from '../expr/primitives.ts';
import { agreed } from '../ir/agree.ts';
import { type Datum, tensorOf } from '../ir/datum.ts';
import type { Value } from '../ir/graph.ts';
import { dataTypeOfCode, elementTypes, formatType } from '../ir/types.ts';
import { computeType } from '../kernels/storage.ts';
import { castTarget, castText, castView } from './cast.ts';
import type { OpName } from './names.gen.ts';
import type { Family, MapRow } from './row.ts';
import { broadcastType, elementOf, typeOf } from './shapes.ts';
import { mapElements } from './tensors.ts';

type AnyMap = MapRow<OpName>;

const unary = (op: Primitive): AnyMap => ({ map: ([x]) => apply(op, x!) });
const binary = (op: Primitive): AnyMap => ({ map: ([a, b]) => apply(op, a!, b!) });
const swapped = (op: Primitive): AnyMap => ({ map: ([a, b]) => apply(op, b!, a!) });
const variadic = (op: Primitive): AnyMap => ({ map: x => x.reduce((a, b) => apply(op, a, b)) });

const add = (a: Expr, b: Expr | number): Expr => apply('add', a, b);
const sub = (a: Expr | number, b: Expr | number): Expr => apply('sub', a, b);
const mul = (a: Expr | number, b: Expr | number): Expr => apply('mul', a, b);
const div = (a: Expr | number, b: Expr | number): Expr => apply('div', a, b);
const max = (a: Expr, b: Expr | number): Expr => apply('max', a, b);
const min = (a: Expr, b: Expr | number): Expr => apply('min', a, b);
const lt = (a: Expr, b: Expr | number): Expr => apply('lt', a, b);
const select = (c: Expr, a: Expr | number, b: Expr | number): Expr => apply('select', c, a, b);
const exp = (a: Expr): Expr => apply('exp', a);
/** Whether x is above a number: the comparison that has only `lt` to say it with. */
const above = (x: Expr, limit: number): Expr => apply('lt', constant(limit, x.type), x);

/** 1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow. */
const sigmoid = (x: Expr): Expr => {
  const e = exp(apply('neg', apply('abs', x)));
  return div(select(lt(x, 0), e, 1), add(e, 1));
};
/** log(1 + exp(x)) without overflow. */
const softplus = (x: Expr): Expr => add(max(x, 0), apply('log1p', exp(apply('neg', apply('abs', x)))));
const isFloat = (x: Expr): boolean => scalarTypes[x.type].class === 'float';
/** A shift of a signed number by its width or more, or by less than nothing, leaves its sign everywhere. */
function shiftRight(x: Expr, by: Expr): Expr {
  const { bits, signed } = scalarTypes[x.type];
  if (!signed) return apply('shr', x, by);
  const isOutside = apply('or', lt(by, 0), apply('le', constant(bits, by.type), by));
  return apply('shr', x, select(isOutside, constant(bits - 1, by.type), by));
}
const isUnsigned = (type: ScalarType): boolean => !scalarTypes[type].signed;

export const pointwise = {
  Add: binary('add'),
  Sub: binary('sub'),
  Mul: binary('mul'),
  Div: binary('div'),
  Pow: {
    map([x, y]) {
      if (x!.type === y!.type) return apply('pow', x!, y!);
      const both: ScalarType = isFloat(x!) || !isFloat(y!) ? x!.type : y!.type === 'float64' ? 'float64' : 'float32';
      return cast(apply('pow', cast(x!, both), cast(y!, both)), x!.type);
    },
  },
  Mod: { map: ([a, b], { fmod }) => apply(fmod ? 'rem' : 'mod', a!, b!) },
  BitShift: { map: ([a, b], { direction }) => (direction === 'LEFT' ? apply('shl', a!, b!) : shiftRight(a!, b!)) },
  BitwiseAnd: binary('and'),
  BitwiseOr: binary('or'),
  BitwiseXor: binary('xor'),
  BitwiseNot: unary('not'),
  And: binary('and'),
  Or: binary('or'),
  Xor: binary('xor'),
  Not: unary('not'),
  Equal: {
    map: ([a, b]) => apply('eq', a!, b!),
    inferOff: ({ A, B }) => broadcastType('bool', [A, B]),
    offKernels: ({ A, B }) => (isMovedOnly(A) ? [mapElements([A, B], 'bool', (a, b) => Number(a === b))] : undefined),
  },
  Less: binary('lt'),
  LessOrEqual: binary('le'),
  Greater: swapped('lt'),
  GreaterOrEqual: swapped('le'),
  Max: variadic('max'),
  Min: variadic('min'),
  Sum: variadic('add'),
  Mean: {
    map: x =>
      div(
        x.reduce((a, b) => add(a, b)),
        x.length,
      ),
  },
  Where: {
    map: ([c, a, b]) => select(c!, a!, b!),
    inferOff: ({ condition, X, Y }) => broadcastType(elementOf(X), [condition, X, Y]),
    offKernels: ({ condition, X, Y }) =>
      isMovedOnly(X) ? [mapElements([condition, X, Y], tensorOf(X).type, (c, x, y) => (c ? x! : y!))] : undefined,
  },
  Neg: unary('neg'),
  Abs: { map: ([x]) => (isUnsigned(x!.type) ? x! : apply('abs', x!)) },
  Sign: unary('sign'),
  Reciprocal: { map: ([x]) => div(1, x!) },
  Exp: unary('exp'),
  Log: unary('log'),
  Sqrt: unary('sqrt'),
  Sin: unary('sin'),
  Cos: unary('cos'),
  Tan: unary('tan'),
  Asin: unary('asin'),
  Acos: unary('acos'),
  Atan: unary('atan'),
  Sinh: unary('sinh'),
  Cosh: unary('cosh'),
  Tanh: unary('tanh'),
  Asinh: unary('asinh'),
  Acosh: unary('acosh'),
  Atanh: unary('atanh'),
  Erf: { map: ([x]) => (isFloat(x!) ? apply('erf', x!) : cast(apply('erf', cast(x!, 'float32')), x!.type)) },
  Floor: unary('floor'),
  Ceil: unary('ceil'),
  Round: unary('round'),
  IsNaN: unary('isnan'),
  IsInf: {
    map([x], { detect_negative, detect_positive }) {
      const both = apply('isinf', x!);
      if (detect_negative && detect_positive) return both;
      if (!detect_negative && !detect_positive) return apply('and', both, apply('not', both));
      return apply('and', both, detect_positive ? above(x!, 0) : lt(x!, 0));
    },
  },
  Relu: { map: ([x]) => max(x!, 0) },
  LeakyRelu: { map: ([x], { alpha }) => select(lt(x!, 0), mul(x!, alpha), x!) },
  PRelu: { map: ([x, slope]) => select(lt(x!, 0), mul(x!, slope!), x!) },
  ThresholdedRelu: { map: ([x], { alpha }) => select(above(x!, alpha), x!, 0) },
  Elu: { map: ([x], { alpha }) => select(lt(x!, 0), mul(apply('expm1', x!), alpha), x!) },
  Celu: { map: ([x], { alpha }) => add(max(x!, 0), min(mul(apply('expm1', div(x!, alpha)), alpha), 0)) },
  Selu: { map: ([x], { alpha, gamma }) => mul(select(lt(x!, 0), mul(apply('expm1', x!), alpha), x!), gamma) },
  Sigmoid: { map: ([x]) => sigmoid(x!) },
  HardSigmoid: { map: ([x], { alpha, beta }) => max(min(add(mul(x!, alpha), beta), 1), 0) },
  HardSwish: { map: ([x]) => mul(x!, max(min(add(div(x!, 6), 0.5), 1), 0)) },
  Softplus: { map: ([x]) => softplus(x!) },
  Softsign: { map: ([x]) => div(x!, add(apply('abs', x!), 1)) },
  Mish: { map: ([x]) => mul(x!, apply('tanh', softplus(x!))) },
  Swish: {
    map: ([x], { alpha }) => mul(x!, sigmoid(alpha === 1 ? x! : mul(x!, alpha))),
    body: ({ X }, { alpha }, b) => b.Mul(X, b.Sigmoid(alpha === 1 ? X : b.Mul(X, b.like(alpha, X)))),
  },
  SwiGLU: {
    infer({ A, B }) {
      if (agreed(A.type, B.type) === 'contradiction')
        throw fail('E1305', `SwiGLU: A ${formatType(A.type)} and B ${formatType(B.type)} must have one shape`);
      return [A.type];
    },
    lower: ({ A, B }, { alpha }, b) => b.Mul(b.Swish({ X: A }, { alpha }), B),
  },
  Gelu: {
    map([x], { approximate }) {
      if (approximate === 'none') return mul(mul(x!, 0.5), add(apply('erf', mul(x!, Math.SQRT1_2)), 1));
      const inner = mul(add(x!, mul(mul(mul(x!, x!), x!), 0.044715)), Math.sqrt(2 / Math.PI));
      return mul(mul(x!, 0.5), add(apply('tanh', inner), 1));
    },
    // In the order that runtimes look for when they join the nodes again.
    body({ X }, { approximate }, b) {
      const number = (n: number): Value => b.like(n, X);
      const share = (v: Value): Value => b.Mul(b.Mul(X, b.Add(v, number(1))), number(0.5));
      if (approximate === 'none') return share(b.Erf(b.Div(X, number(Math.SQRT2))));
      const cubic = b.Add(X, b.Mul(b.Pow(X, number(3)), number(0.044715)));
      return share(b.Tanh(b.Mul(cubic, number(Math.sqrt(2 / Math.PI)))));
    },
  },
  Shrink: {
    map([x], { bias, lambd }) {
      const inner = select(above(x!, lambd), sub(x!, bias), constant(0, x!.type));
      return select(lt(x!, -lambd), add(x!, bias), inner);
    },
  },
  Identity: {
    infer: ({ input }) => [input.type],
    plan: ({ input }) => [input],
    offKernels: ({ input }) => [input],
  },
  Cast: {
    infer: ({ input }, { to }) => [{ ...typeOf(input), element: castTarget(to) }],
    plan: ({ input }, at, e) => [castView(e, input, castTarget(at.to), at)],
    offKernels: ({ input }, at) => castText(tensorOf(input), castTarget(at.to), at),
  },
  CastLike: {
    infer: ({ input, target_type }) => [{ ...typeOf(input), element: elementOf(target_type) }],
    plan: ({ input, target_type }, at, e) => [castView(e, input, target_type.type, at)],
    offKernels: ({ input, target_type }, at) => castText(tensorOf(input), tensorOf(target_type).type, at),
  },
  BitCast: {
    infer({ input }, { to }) {
      const [from, type] = [elementOf(input), dataTypeOfCode(to)];
      if (!type || type === 'string' || from === 'string' || elementTypes[type].bits !== elementTypes[from].bits)
        throw fail('E1304', `BitCast: ${from} has no bits of ${type ?? `element type ${to}`}`);
      return [{ ...typeOf(input), element: type }];
    },
    plan({ input }, _at, e, _values, [y]) {
      const view = e.alloc(y!.element, y!.shape);
      e.step({ kind: 'copy' }, [input], [view]);
      return [view];
    },
  },
  Clip: {
    infer: ({ input }) => [input.type],
    lower: ({ input, min: low, max: high }, _at, b) => {
      const raised = low ? b.Max(input, low) : input;
      return high ? b.Min(raised, high) : raised === input ? b.Identity(input) : raised;
    },
  },
} satisfies Family;

/** Whether elements can only be moved and compared. */
const isMovedOnly = (datum: Datum): boolean => computeType(tensorOf(datum).type) === undefined;
