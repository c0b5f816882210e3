// ATen overloads of one tensor, element by element.
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { expm1, log1p, signbit, truncate } from '../../../ops/formulas.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { always, asIs, type Formula, floating, isBool, isFloating, isUnsigned, never, ofFloat, ofSelf, rows } from './elementwise.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** Functions that give floats and are one ONNX operator. */
const floatFunctions: Readonly<Record<string, OpName>> = {
  'acos arccos': 'Acos',
  'acosh arccosh': 'Acosh',
  'asin arcsin': 'Asin',
  'asinh arcsinh': 'Asinh',
  'atan arctan': 'Atan',
  'atanh arctanh': 'Atanh',
  cos: 'Cos',
  cosh: 'Cosh',
  'erf special_erf': 'Erf',
  exp: 'Exp',
  log: 'Log',
  reciprocal: 'Reciprocal',
  'sigmoid special_expit': 'Sigmoid',
  sin: 'Sin',
  sinh: 'Sinh',
  sqrt: 'Sqrt',
  tan: 'Tan',
  tanh: 'Tanh',
};

/** Roundings: integers are whole already. */
const roundings: Readonly<Record<string, OpName>> = { ceil: 'Ceil', floor: 'Floor', round: 'Round' };

/** Rows of the operators of a table by names. */
const table = (operators: Readonly<Record<string, OpName>>, row: (op: OpName) => AtenRow): AtenRows =>
  Object.fromEntries(Object.entries(operators).flatMap(([names, op]) => Object.entries(rows(names, 'default', row(op)))));

const one = (b: Builder, op: OpName, v: Value): Value => b.emit(op, [v])[0]!;

/** Rows of a function that gives floats. */
const floats = (names: string, f: Formula): AtenRows => rows(names, 'default', ofFloat(f));
/** Rows of a function that keeps the element type. */
const same = (names: string, f: Formula): AtenRows => rows(names, 'default', ofSelf(f));

const scaledBy =
  (factor: number) =>
  (b: Builder, self: Value): Value =>
    b.Mul(self, b.like(factor, self));

/** A logarithm to another base: dividing keeps whole powers whole more often than multiplying does. */
const logarithm =
  (base: number) =>
  (b: Builder, self: Value): Value =>
    b.Div(b.Log(self), b.like(base, self));

/** log(x / (1 - x)), of x held inside [eps, 1 - eps] where that is given. */
function logit(b: Builder, self: Value, x: Args): Value {
  const eps = x.optionalNumber('eps') ?? -1;
  const held = eps < 0 ? self : b.Clip({ input: self, min: b.like(eps, self), max: b.like(1 - eps, self) });
  return b.Log(b.Div(held, b.Sub(b.like(1, held), held)));
}

/** sin(πx) / (πx), and 1 at 0. */
function sinc(b: Builder, self: Value): Value {
  const angle = b.Mul(self, b.like(Math.PI, self));
  return b.Where(b.Equal(self, b.like(0, self)), b.like(1, self), b.Div(b.Sin(angle), angle));
}

/** Rounds to decimals as PyTorch: scaled by a power of ten, rounded half to even, scaled back. */
function roundDecimals(b: Builder, self: Value, x: Args): Value {
  const decimals = x.number('decimals');
  if (decimals === 0) return isFloating(self) ? b.Round(self) : self;
  const scale = b.like(10 ** Math.abs(decimals), self);
  return decimals > 0 ? b.Div(b.Round(b.Mul(self, scale)), scale) : b.Mul(b.Round(b.Div(self, scale)), scale);
}

const largest: Partial<Record<DataType, number>> = {
  float64: Number.MAX_VALUE,
  float32: 2 ** 128 - 2 ** 104,
  float16: 65504,
  bfloat16: 2 ** 128 - 2 ** 120,
};

function nanToNum(b: Builder, self: Value, x: Args): Value {
  if (!isFloating(self)) return self;
  const number = b.Where(b.IsNaN(self), b.like(x.optionalNumber('nan') ?? 0, self), self);
  const [posinf, neginf] = [x.optionalNumber('posinf'), x.optionalNumber('neginf')];
  const limit = largest[elementOf(self)];
  if (limit === undefined) throw unsupported(`nan_to_num of ${elementOf(self)}`);
  // Only infinities lie beyond the largest number, so that Clip replaces both.
  if (posinf === undefined && neginf === undefined) return b.Clip({ input: number, min: b.like(-limit, self), max: b.like(limit, self) });
  const infinite = (v: Value, sign: 1 | -1, to: number): Value =>
    b.Where(b.IsInf({ X: self }, sign > 0 ? { detect_negative: 0 } : { detect_positive: 0 }), b.like(to, self), v);
  return infinite(infinite(number, 1, posinf ?? limit), -1, neginf ?? -limit);
}

/** Whether elements are infinite, of either sign or of one. */
const infinity =
  (attributes: { readonly detect_negative?: 0; readonly detect_positive?: 0 }) =>
  (b: Builder, self: Value): Value =>
    isFloating(self) ? b.IsInf({ X: self }, attributes) : never(b, self);

const finite = (b: Builder, self: Value): Value => (isFloating(self) ? b.Less(b.Abs(self), b.like(Infinity, self)) : always(b, self));

/** π below zero, 0 elsewhere, NaN of NaN. */
function angle(b: Builder, self: Value): Value {
  const v = floating(b, self);
  const of = b.Where(b.Less(v, b.like(0, v)), b.like(Math.PI, v), b.like(0, v));
  return isFloating(self) ? b.Where(b.IsNaN(self), self, of) : of;
}

/** Integer squares are whole; those of truth values are int64. */
function square(b: Builder, self: Value): Value {
  const v = isBool(self) ? b.Cast(self, 'int64') : self;
  return b.Mul(v, v);
}

const complement: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return isBool(self) ? b.Not(self) : b.BitwiseNot({ X: self });
};

export const unary: AtenRows = {
  ...table(floatFunctions, op => ofFloat((b, v) => one(b, op, v))),
  ...table(roundings, op => ofSelf((b, v) => (isFloating(v) ? one(b, op, v) : v))),
  ...same('abs absolute', (b, v) => (isUnsigned(v) ? v : b.Abs(v))),
  ...same('neg negative', (b, v) => (isUnsigned(v) ? b.Sub(b.like(0, v), v) : b.Neg(v))),
  // PyTorch's sign of NaN is 0; ONNX says nothing of it, and runtimes give NaN.
  ...same('sign sgn', (b, v) => (isBool(v) ? v : b.Sign(v))),
  ...same('trunc fix', truncate),
  ...same('frac', (b, v) => b.Mod({ A: v, B: b.like(1, v) }, { fmod: 1 })),
  ...same('square', square),
  ...same('signbit', (b, v) => (isBool(v) ? never(b, v) : signbit(b, v))),
  ...same('nan_to_num', nanToNum),
  ...same('isnan', (b, v) => (isFloating(v) ? b.IsNaN(v) : never(b, v))),
  ...same('isinf', infinity({})),
  ...same('isposinf', infinity({ detect_negative: 0 })),
  ...same('isneginf', infinity({ detect_positive: 0 })),
  ...same('isfinite', finite),
  ...same('isreal', always),
  ...same('logical_not', (b, v) => b.Not(b.Cast(v, 'bool'))),
  ...same('angle', angle),
  ...rows('bitwise_not', 'default', complement),
  ...rows('positive real conj conj_physical resolve_conj resolve_neg', 'default', asIs),
  ...rows('round', 'decimals', ofSelf(roundDecimals)),
  ...rows('special_round', 'default', ofSelf(roundDecimals)),
  ...floats('deg2rad', scaledBy(Math.PI / 180)),
  ...floats('rad2deg', scaledBy(180 / Math.PI)),
  ...floats('exp2 special_exp2', (b, v) => b.Pow(b.like(2, v), v)),
  ...floats('expm1 special_expm1', expm1),
  ...floats('log1p special_log1p', log1p),
  ...floats('log2', logarithm(Math.LN2)),
  ...floats('log10', logarithm(Math.LN10)),
  ...floats('logit special_logit', logit),
  ...floats('rsqrt', (b, v) => b.Reciprocal(b.Sqrt(v))),
  ...floats('sinc special_sinc', sinc),
};
