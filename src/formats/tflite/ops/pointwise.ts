// Operators that work element by element.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat, isInteger } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, rankOf } from '../../../ops/shapes.ts';
import type { ActivationFunctionType } from '../schema.gen.ts';
import { elementNamed } from '../tensors.ts';
import { activated, activations, type Call, type Row, type Rows, unsupported } from './row.ts';

const unary =
  (f: (b: Builder, v: Value) => Value): Row =>
  (x, b) =>
    f(b, x.input(0));

type Fused = { readonly fused_activation_function: ActivationFunctionType };

/** An operator of two inputs, and the activation that is fused into it. */
const binary =
  (f: (b: Builder, a: Value, c: Value) => Value, optionsOf?: (x: Call) => Fused): Row =>
  (x, b) => {
    const y = f(b, x.input(0), x.input(1));
    return optionsOf ? activated(b, y, optionsOf(x).fused_activation_function) : y;
  };

/** A comparison, of what is stored where both sides are quantised alike. */
const comparison =
  (f: (b: Builder, a: Value, c: Value) => Value): Row =>
  (x, b) => {
    const [a, c] = [x.operand(0), x.operand(1)];
    const isAlike = x.info(0).quantization === undefined && x.info(1).quantization === undefined;
    return isAlike ? f(b, a.raw, c.raw) : f(b, a.real(), c.real());
  };

const isLess = (b: Builder, v: Value): Value => b.Less(v, b.like(0, v));

/** The quotient rounded down. */
function floorDiv(b: Builder, a: Value, c: Value): Value {
  return isFloat(elementOf(a)) ? b.Floor(b.Div(a, c)) : b.Div(b.Sub(a, b.Mod({ A: a, B: c })), c);
}

/** The remainder with the sign of the divisor. */
export function floorMod(b: Builder, a: Value, c: Value): Value {
  if (!isFloat(elementOf(a))) return b.Mod({ A: a, B: c });
  const rest = b.Mod({ A: a, B: c }, { fmod: 1 });
  const isOff = b.And(b.Not(b.Equal(rest, b.like(0, rest))), b.Xor(isLess(b, rest), isLess(b, c)));
  return b.Where(isOff, b.Add(rest, c), rest);
}

/** The angle of the point (x, y): that of y/x, turned by half where x is negative; on the axis x is zero the sign of y decides. */
function atan2(b: Builder, y: Value, x: Value): Value {
  const [zero, pi] = [b.like(0, x), b.like(Math.PI, x)];
  // The sign of a zero counts too: that of its reciprocal is known.
  const isBelow = (v: Value): Value => b.Or(b.Less(v, zero), b.And(b.Equal(v, zero), b.Less(b.Reciprocal(v), zero)));
  const half = b.Where(isBelow(y), b.Neg(pi), pi);
  const bothZero = b.And(b.Equal(x, zero), b.Equal(y, zero));
  const bothInfinite = b.And(b.IsInf({ X: x }), b.IsInf({ X: y }));
  const one = b.like(1, x);
  const ratio = b.Div(
    b.Where(bothInfinite, b.Sign(y), y),
    b.Where(bothZero, b.Where(isBelow(x), b.Neg(one), one), b.Where(bothInfinite, b.Sign(x), x)),
  );
  const angle = b.Atan({ input: ratio });
  return b.Where(isBelow(x), b.Add(angle, half), angle);
}

/** Powers of integers are integers; ONNX takes the type of the base. */
const power = (b: Builder, a: Value, c: Value): Value => b.Pow(a, c);

const numberToBool = (b: Builder, v: Value): Value => b.Not(b.Equal(v, b.like(0, v)));

const cast: Row = (x, b) => {
  const v = x.input(0);
  const to = x.outputs[0]!.element ?? elementNamed(x.options('CastOptions').out_data_type);
  if (to === 'bool' && elementOf(v) !== 'bool') return numberToBool(b, v);
  return b.Cast(v, to);
};

/** Shifts of signed integers keep the sign: they divide by a power of two, rounded down. */
const rightShift: Row = (x, b) => {
  const [a, c] = [x.raw(0), x.raw(1)];
  const type = elementOf(a);
  if (!/^int/.test(type)) return b.BitShift({ X: a, Y: c }, { direction: 'RIGHT' });
  const [wide, steps] = [b.Cast(a, 'int64'), b.Cast(c, 'int64')];
  return b.Cast(floorDiv(b, wide, b.Pow(b.constant(2, 'int64'), steps)), type);
};

const prelu: Row = (x, b) => b.PRelu({ X: x.input(0), slope: x.input(1) });

const addN: Row = (x, b) => x.inputs().reduce((a, c) => b.Add(a, c));

/** Types that ONNX does not add or compare in are computed in a wider one. */
const wider: Readonly<Partial<Record<DataType, DataType>>> = { int8: 'int32', int16: 'int32', uint8: 'int32' };
const widened =
  (f: (b: Builder, a: Value, c: Value) => Value) =>
  (b: Builder, a: Value, c: Value): Value => {
    const type = elementOf(a);
    const wide = wider[type] ?? type;
    return b.Cast(f(b, b.Cast(a, wide), b.Cast(c, wide)), type);
  };

const sign = (b: Builder, v: Value): Value => b.Sign(v);

const abs = (b: Builder, v: Value): Value => b.Abs(v);

export const squaredDifference = (b: Builder, a: Value, c: Value): Value => {
  const d = b.Sub(a, c);
  return b.Mul(d, d);
};

const rsqrt = (b: Builder, v: Value): Value => b.Reciprocal(b.Sqrt(v));

/** log(softmax): the options have no axis, it is the last. */
const logSoftmax: Row = (x, b) => b.LogSoftmax({ input: x.input(0) }, { axis: -1 });

const softmax: Row = (x, b) => {
  const { beta } = x.options('SoftmaxOptions');
  const v = x.input(0);
  return b.Softmax({ input: beta === 1 ? v : b.Mul(v, b.like(beta, v)) }, { axis: rankOf(v) - 1 });
};

const zerosLike: Row = (x, b) => {
  const v = x.raw(0);
  if (elementOf(v) === 'bool' || isInteger(elementOf(v)) || isFloat(elementOf(v))) return b.Expand(b.like(0, v), [b.Shape(v)]);
  throw unsupported(`zeros of ${elementOf(v)}`);
};

export const pointwise: Rows = {
  ABS: unary(abs),
  CEIL: unary((b, v) => b.Ceil(v)),
  COS: unary((b, v) => b.Cos(v)),
  ELU: unary((b, v) => b.Elu({ X: v })),
  EXP: unary((b, v) => b.Exp(v)),
  FLOOR: unary((b, v) => b.Floor(v)),
  GELU: (x, b) => b.Gelu({ X: x.input(0) }, { approximate: x.options('GeluOptions').approximate ? 'tanh' : 'none' }),
  HARD_SWISH: unary((b, v) => b.HardSwish({ X: v })),
  LEAKY_RELU: (x, b) => b.LeakyRelu({ X: x.input(0) }, { alpha: x.options('LeakyReluOptions').alpha }),
  LOG: unary((b, v) => b.Log(v)),
  LOGICAL_NOT: (x, b) => b.Not(x.raw(0)),
  LOGISTIC: unary((b, v) => b.Sigmoid(v)),
  LOG_SOFTMAX: logSoftmax,
  NEG: unary((b, v) => b.Neg(v)),
  PRELU: prelu,
  RELU: unary(activations['RELU']!),
  RELU6: unary(activations['RELU6']!),
  RELU_0_TO_1: unary(activations['RELU_0_TO_1']!),
  RELU_N1_TO_1: unary(activations['RELU_N1_TO_1']!),
  ROUND: unary((b, v) => b.Round(v)),
  RSQRT: unary(rsqrt),
  SIGN: unary(sign),
  SIN: unary((b, v) => b.Sin(v)),
  SOFTMAX: softmax,
  SQRT: unary((b, v) => b.Sqrt(v)),
  SQUARE: unary((b, v) => b.Mul(v, v)),
  TANH: unary((b, v) => b.Tanh(v)),
  ZEROS_LIKE: zerosLike,
  CAST: cast,

  ADD: binary(
    widened((b, a, c) => b.Add(a, c)),
    x => x.options('AddOptions'),
  ),
  SUB: binary(
    widened((b, a, c) => b.Sub(a, c)),
    x => x.options('SubOptions'),
  ),
  MUL: binary(
    widened((b, a, c) => b.Mul(a, c)),
    x => x.options('MulOptions'),
  ),
  DIV: binary(
    widened((b, a, c) => b.Div(a, c)),
    x => x.options('DivOptions'),
  ),
  ADD_N: addN,
  ATAN2: binary(atan2),
  FLOOR_DIV: binary(widened(floorDiv)),
  FLOOR_MOD: binary(floorMod),
  MAXIMUM: binary(widened((b, a, c) => b.Max(a, c))),
  MINIMUM: binary(widened((b, a, c) => b.Min(a, c))),
  POW: binary(power),
  SQUARED_DIFFERENCE: binary(widened(squaredDifference)),
  BITWISE_XOR: (x, b) => b.BitwiseXor({ A: x.raw(0), B: x.raw(1) }),
  RIGHT_SHIFT: rightShift,

  LOGICAL_AND: (x, b) => b.And(x.raw(0), x.raw(1)),
  LOGICAL_OR: (x, b) => b.Or(x.raw(0), x.raw(1)),
  EQUAL: comparison((b, a, c) => b.Equal(a, c)),
  NOT_EQUAL: comparison((b, a, c) => b.Not(b.Equal(a, c))),
  LESS: comparison((b, a, c) => b.Less(a, c)),
  LESS_EQUAL: comparison((b, a, c) => b.LessOrEqual({ A: a, B: c })),
  GREATER: comparison((b, a, c) => b.Greater(a, c)),
  GREATER_EQUAL: comparison((b, a, c) => b.GreaterOrEqual({ A: a, B: c })),
};
