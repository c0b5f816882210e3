// Operations of one tensor, element by element.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import { expm1, log1p, signbit, truncate } from '../../../ops/formulas.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { expandLike } from '../../../ops/sizing.ts';
import { erfc, erfinv, scaledI0, unscaled } from '../../../ops/special-functions.ts';
import { type LayerRow, plain } from '../layers/row.ts';
import { numberOption, operand, real, truths, typeOption, unary } from './arguments.ts';

const named = (op: string): LayerRow => real((b, v) => b.emit(op, [v])[0]!);
const same: LayerRow = unary((_b, v) => v);
const cast: LayerRow = unary((b, v, x) => b.Cast(v, typeOption(x, elementOf(v))));
const inverted: LayerRow = unary((b, v) => (elementOf(v) === 'bool' ? b.Not(v) : b.BitwiseNot({ X: v })));
/** The greatest finite numbers. */
const largest: Partial<Record<DataType, number>> = { float16: 65504, float32: (2 - 2 ** -23) * 2 ** 127, float64: Number.MAX_VALUE };

export const elementwise: Readonly<Record<string, LayerRow>> = {
  Absolute: unary((b, v) => b.Abs(v)),
  Abs: unary((b, v) => b.Abs(v)),
  Negative: unary((b, v) => b.Neg(v)),
  Sign: unary((b, v) => b.Sign(v)),
  Square: unary((b, v) => b.Mul(v, v)),
  LogicalNot: unary((b, v) => b.Not(truths(b, v))),
  Identity: unary((_b, v) => v),
  Exp: named('Exp'),
  Log: named('Log'),
  Sqrt: named('Sqrt'),
  Rsqrt: real((b, v) => b.Reciprocal(b.Sqrt(v))),
  Reciprocal: named('Reciprocal'),
  Expm1: real(expm1),
  Log1p: real(log1p),
  Log2: real((b, v) => b.Div(b.Log(v), b.like(Math.LN2, v))),
  Log10: real((b, v) => b.Div(b.Log(v), b.like(Math.LN10, v))),
  Sin: named('Sin'),
  Cos: named('Cos'),
  Tan: named('Tan'),
  Arcsin: named('Asin'),
  Arccos: named('Acos'),
  Arctan: named('Atan'),
  Sinh: named('Sinh'),
  Cosh: named('Cosh'),
  Tanh: named('Tanh'),
  Arcsinh: named('Asinh'),
  Arccosh: named('Acosh'),
  Arctanh: named('Atanh'),
  Erf: named('Erf'),
  Floor: named('Floor'),
  Ceil: named('Ceil'),
  Isnan: named('IsNaN'),
  Isinf: named('IsInf'),
  Clip: plain((x, b) => {
    const v = x.first.value;
    return b.Min(b.Max(v, operand(x, b, 'x_min', 1, v)), operand(x, b, 'x_max', 2, v));
  }),
  Fabs: real((b, v) => b.Abs(v)),
  Angle: real((b, v) => b.Where(b.Less(v, b.like(0, v)), b.like(Math.PI, v), b.Where(b.IsNaN(v), v, b.like(0, v)))),
  Array: cast,
  ConvertToTensor: cast,
  Copy: same,
  Conj: same,
  Conjugate: same,
  Real: same,
  StopGradient: same,
  Imag: unary((b, v) => b.Sub(v, v)),
  Isreal: unary((b, v) => expandLike(b, b.constant(true, 'bool'), v)),
  Cbrt: real((b, v) => b.Mul(b.Sign(v), b.Pow(b.Abs(v), b.like(1 / 3, v)))),
  Deg2rad: real((b, v) => b.Mul(v, b.like(Math.PI / 180, v))),
  Rad2deg: real((b, v) => b.Mul(v, b.like(180 / Math.PI, v))),
  Exp2: real((b, v) => b.Pow(b.like(2, v), v)),
  I0: real(unscaled(scaledI0)),
  Erfc: real(erfc),
  Erfinv: real(erfinv),
  Isfinite: real((b, v) => b.Not(b.Or(b.IsNaN(v), b.IsInf({ X: v })))),
  Isposinf: real((b, v) => b.IsInf({ X: v }, { detect_negative: 0 })),
  Isneginf: real((b, v) => b.IsInf({ X: v }, { detect_positive: 0 })),
  Round: unary((b, v, x) => {
    if (!isFloat(elementOf(v))) return v;
    const factor = b.like(10 ** numberOption(x, 'decimals', 0), v);
    return b.Div(b.Round(b.Mul(v, factor)), factor);
  }),
  Trunc: unary(truncate),
  Signbit: unary(signbit),
  Sinc: real((b, v) => {
    const angle = b.Mul(v, b.like(Math.PI, v));
    const isZero = b.Equal(v, b.like(0, v));
    return b.Where(isZero, b.like(1, v), b.Div(b.Sin(angle), b.Where(isZero, b.like(1, v), angle)));
  }),
  NanToNum: unary((b, v, x) => {
    const type = elementOf(v);
    if (!isFloat(type)) return v;
    const most = largest[type] ?? largest['float32']!;
    const put = (made: Value, isOdd: Value, name: string, otherwise: number): Value =>
      b.Where(isOdd, b.like(numberOption(x, name, otherwise), v), made);
    const above = put(v, b.IsInf({ X: v }, { detect_negative: 0 }), 'posinf', most);
    const below = put(above, b.IsInf({ X: v }, { detect_positive: 0 }), 'neginf', -most);
    return put(below, b.IsNaN(v), 'nan', 0);
  }),
  BitwiseNot: inverted,
  BitwiseInvert: inverted,
  SaturateCast: unary((b, v, x) => {
    const type = typeOption(x, elementOf(v));
    const bounds = boundsOf(type);
    if (!bounds || !isFloat(elementOf(v))) return b.Cast(v, type);
    return b.Cast(b.Min(b.Max(v, b.like(bounds[0], v)), b.like(bounds[1], v)), type);
  }),
};

/** The least and the greatest number of a type of integers. */
function boundsOf(type: DataType): [number, number] | undefined {
  const { class: kind, bits } = elementTypes[type];
  if (kind === 'uint') return [0, 2 ** bits - 1];
  return kind === 'int' ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : undefined;
}
