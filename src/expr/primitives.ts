// The scalar language's primitives: one row each, total for every type and input, with its text in every language.
// In a template a, b, c are the arguments; T is the type, U its unsigned twin, W its width in bits.

/** Types that scalars are computed in. Other element types are converted when they are loaded and stored. */
export type ScalarType = 'float32' | 'float64' | 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64' | 'bool';

/** How a type is held: JavaScript numbers with a fraction, integers up to 32 bits, integers of 64 bits as bigint, truth values. */
export type ScalarClass = 'float' | 'int' | 'big' | 'bool';

interface Templates {
  readonly ts: string;
  /** For C++ and CUDA. Helpers are defined beside the generated tables. */
  readonly c: string;
  readonly wgsl: string;
}
type ByClass = { readonly [K in ScalarClass]?: Templates };

export interface PrimitiveRow {
  readonly arity: 1 | 2 | 3;
  /** `same`: the type of the last argument. */
  readonly result: 'same' | 'bool';
  readonly on: ByClass;
}

const t = (ts: string, c = ts, wgsl = c): Templates => ({ ts, c, wgsl });
const unary = (on: ByClass): PrimitiveRow => ({ arity: 1, result: 'same', on });
const binary = (on: ByClass): PrimitiveRow => ({ arity: 2, result: 'same', on });
const test = (arity: 1 | 2, on: ByClass): PrimitiveRow => ({ arity, result: 'bool', on });
/** Functions that native/cpu/float_functions.h has for vectors. */
const ownInC: ReadonlySet<string> = new Set(['exp', 'log', 'tanh', 'erf']);
/** A function of the C library, with JavaScript's name for it where that differs, and WGSL's text for it. */
const math = (name: string, ts = `Math.${name}(a)`, wgsl = `float_${name}(a)`): PrimitiveRow =>
  unary({ float: t(ts, ownInC.has(name) ? `float_${name}(a)` : `std::${name}(a)`, wgsl) });
const wrapping = (sign: string): ByClass => ({
  float: t(`a ${sign} b`),
  int: t(sign === '*' ? 'Math.imul(a, b)' : `a ${sign} b`, `(T)((U)a ${sign} (U)b)`, `a ${sign} b`),
  big: t(`a ${sign} b`, `(T)((U)a ${sign} (U)b)`, `pair_${sign === '*' ? 'mul' : sign === '+' ? 'add' : 'sub'}(a, b)`),
});
const compare = (sign: string, big: string): ByClass => {
  const all = t(`a ${sign}${sign === '==' ? '=' : ''} b ? 1 : 0`, `a ${sign} b`);
  return { float: all, int: all, big: { ...all, wgsl: big }, bool: all };
};
const bits = (sign: string): ByClass => {
  const all = t(`a ${sign} b`, `(T)(a ${sign} b)`, `a ${sign} b`);
  return { int: all, big: all, bool: all };
};

/**
 * Integers wrap. Division truncates; x/0 = 0 and MIN/-1 = MIN. A shift by the width or more, or by less than nothing, gives 0. `min` and `max` give
 * NaN where either argument is NaN; the sign of a zero that they choose between two zeros is not specified. `pow` follows
 * IEEE 754 (pow(1, NaN) = 1). Functions of floats round to within the accuracy of the platform's mathematical library.
 */
export const primitives = {
  add: binary(wrapping('+')),
  sub: binary(wrapping('-')),
  mul: binary(wrapping('*')),
  div: binary({
    float: t('a / b'),
    int: t('b === 0 ? 0 : Math.trunc(a / b)', 'int_div<T>(a, b)', 'select(a / b, T(0), b == T(0))'),
    big: t('b === 0n ? 0n : a / b', 'int_div<T>(a, b)', 'T_div(a, b)'),
  }),
  /** The remainder with the sign of the divisor. */
  mod: binary({
    float: t('floatMod(a, b)', 'float_mod(a, b)'),
    int: t('b === 0 ? 0 : (a % b + b) % b', 'int_mod<T>(a, b)', 'select(a % b, a % b + b, a % b != T(0) && (a % b < T(0)) != (b < T(0)))'),
    big: t('b === 0n ? 0n : (a % b + b) % b', 'int_mod<T>(a, b)', 'T_mod(a, b)'),
  }),
  /** The remainder with the sign of the dividend. */
  rem: binary({
    float: t('a % b', 'std::fmod(a, b)', 'a % b'),
    int: t('b === 0 ? 0 : a % b', 'int_rem<T>(a, b)', 'select(a % b, T(0), b == T(0))'),
    big: t('b === 0n ? 0n : a % b', 'int_rem<T>(a, b)', 'T_rem(a, b)'),
  }),
  pow: binary({
    float: t('floatPow(a, b)', 'std::pow(a, b)', 'float_pow(a, b)'),
    int: t('Number(BigInt.asIntN(32, intPow(BigInt(a), BigInt(b))))', 'int_pow<T>(a, b)', 'T_pow(a, b)'),
    big: t('intPow(a, b)', 'int_pow<T>(a, b)', 'T_pow(a, b)'),
  }),
  min: binary({
    float: t('Math.min(a, b)', 'float_min(a, b)'),
    int: t('a < b ? a : b', 'a < b ? a : b', 'min(a, b)'),
    big: t('a < b ? a : b', 'a < b ? a : b', 'select(b, a, T_lt(a, b))'),
    bool: t('a & b', '(T)(a & b)', 'a & b'),
  }),
  max: binary({
    float: t('Math.max(a, b)', 'float_max(a, b)'),
    int: t('a > b ? a : b', 'a > b ? a : b', 'max(a, b)'),
    big: t('a > b ? a : b', 'a > b ? a : b', 'select(b, a, T_lt(b, a))'),
    bool: t('a | b', '(T)(a | b)', 'a | b'),
  }),
  neg: unary({ float: t('-a'), int: t('-a', '(T)(0 - (U)a)', 'T(0) - a'), big: t('-a', '(T)(0 - (U)a)', 'pair_neg(a)') }),
  abs: unary({
    float: t('Math.abs(a)', 'std::fabs(a)', 'abs(a)'),
    int: t('Math.abs(a)', 'int_abs<T>(a)', 'abs(a)'),
    big: t('a < 0n ? -a : a', 'int_abs<T>(a)', 'T_abs(a)'),
  }),
  sign: unary({
    float: t('Math.sign(a)', 'float_sign(a)', 'select(sign(a), a, is_nan(a))'),
    int: t('Math.sign(a)', 'int_sign<T>(a)', 'T(a > T(0)) - T(a < T(0))'),
    big: t('a > 0n ? 1n : a < 0n ? -1n : 0n', 'int_sign<T>(a)', 'T_sign(a)'),
  }),
  exp: math('exp'),
  expm1: math('expm1'),
  log: math('log'),
  log1p: math('log1p'),
  sqrt: math('sqrt', 'Math.sqrt(a)', 'sqrt(a)'),
  sin: math('sin'),
  cos: math('cos'),
  tan: math('tan'),
  asin: math('asin'),
  acos: math('acos'),
  atan: math('atan'),
  sinh: math('sinh'),
  cosh: math('cosh'),
  tanh: math('tanh'),
  asinh: math('asinh'),
  acosh: math('acosh'),
  atanh: math('atanh'),
  erf: math('erf', 'erf(a)'),
  floor: math('floor', 'Math.floor(a)', 'floor(a)'),
  ceil: math('ceil', 'Math.ceil(a)', 'ceil(a)'),
  trunc: math('trunc', 'Math.trunc(a)', 'trunc(a)'),
  /** Halves go to the even neighbour. */
  round: math('nearbyint', 'roundEven(a)', 'round(a)'),
  and: binary(bits('&')),
  or: binary(bits('|')),
  xor: binary(bits('^')),
  not: unary({ int: t('~a', '(T)~a', '~a'), big: t('~a', '(T)~a', '~a'), bool: t('1 - a', '(T)(1 - a)', '1 - a') }),
  shl: binary({
    int: t('b >= W || b < 0 ? 0 : a << b', 'shift_left<T>(a, b)', 'select(a << (u32(b) & 31u), T(0), u32(b) >= u32(W))'),
    big: t('b >= W || b < 0n ? 0n : a << b', 'shift_left<T>(a, b)', 'pair_shl(a, b)'),
  }),
  shr: binary({
    int: t('b >= W || b < 0 ? 0 : a >>> b', 'shift_right<T>(a, b)', 'select(a >> (u32(b) & 31u), T(0), u32(b) >= u32(W))'),
    big: t('b >= W || b < 0n ? 0n : a >> b', 'shift_right<T>(a, b)', 'T_shr(a, b)'),
  }),
  eq: test(2, compare('==', 'all(a == b)')),
  lt: test(2, compare('<', 'T_lt(a, b)')),
  le: test(2, compare('<=', '!T_lt(b, a)')),
  isnan: test(1, { float: t('a !== a ? 1 : 0', 'a != a', 'is_nan(a)') }),
  isinf: test(1, { float: t('a === Infinity || a === -Infinity ? 1 : 0', 'std::isinf(a)', 'is_inf(a)') }),
  /** The second argument where the first is true, else the third. */
  select: {
    arity: 3,
    result: 'same',
    on: {
      float: t('a ? b : c', 'a ? b : c', 'select(c, b, a != 0u)'),
      int: t('a ? b : c', 'a ? b : c', 'select(c, b, a != 0u)'),
      big: t('a ? b : c', 'a ? b : c', 'select(c, b, a != 0u)'),
      bool: t('a ? b : c', 'a ? b : c', 'select(c, b, a != 0u)'),
    },
  },
} as const satisfies Record<string, PrimitiveRow>;

export type Primitive = keyof typeof primitives;

/**
 * Facts of each scalar type that templates and conversions need. WGSL holds integers below 32 bits in words, wrapped after every
 * primitive, and those of 64 bits in pairs of words, the low one first; it has no float64.
 */
export const scalarTypes = {
  float32: { class: 'float', bits: 32, signed: true, c: 'float', unsigned: 'float', wgsl: 'f32' },
  float64: { class: 'float', bits: 64, signed: true, c: 'double', unsigned: 'double', wgsl: undefined },
  int8: { class: 'int', bits: 8, signed: true, c: 'int8_t', unsigned: 'uint8_t', wgsl: 'i32' },
  int16: { class: 'int', bits: 16, signed: true, c: 'int16_t', unsigned: 'uint16_t', wgsl: 'i32' },
  int32: { class: 'int', bits: 32, signed: true, c: 'int32_t', unsigned: 'uint32_t', wgsl: 'i32' },
  int64: { class: 'big', bits: 64, signed: true, c: 'int64_t', unsigned: 'uint64_t', wgsl: 'int64' },
  uint8: { class: 'int', bits: 8, signed: false, c: 'uint8_t', unsigned: 'uint8_t', wgsl: 'u32' },
  uint16: { class: 'int', bits: 16, signed: false, c: 'uint16_t', unsigned: 'uint16_t', wgsl: 'u32' },
  uint32: { class: 'int', bits: 32, signed: false, c: 'uint32_t', unsigned: 'uint32_t', wgsl: 'u32' },
  uint64: { class: 'big', bits: 64, signed: false, c: 'uint64_t', unsigned: 'uint64_t', wgsl: 'uint64' },
  bool: { class: 'bool', bits: 8, signed: false, c: 'uint8_t', unsigned: 'uint8_t', wgsl: 'u32' },
} as const satisfies Record<
  ScalarType,
  { class: ScalarClass; bits: number; signed: boolean; c: string; unsigned: string; wgsl: string | undefined }
>;

export const scalarTypeNames = Object.keys(scalarTypes) as readonly ScalarType[];
export const isScalarType = (name: string): name is ScalarType => Object.hasOwn(scalarTypes, name);

/** Whether the primitive is defined on arguments of this type. */
export const isDefined = (op: Primitive, type: ScalarType): boolean =>
  (primitives[op] as PrimitiveRow).on[scalarTypes[type].class] !== undefined;
