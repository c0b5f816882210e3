// ATen overloads of arithmetic on two or three operands of mixed types.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { atan2, log1p, ratio, signbit, truncate } from '../../../ops/formulas.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { isBool, isFloating, isUnsigned, knownNumber, ofFloatPair, ofPair, pair, rows, times } from './elementwise.ts';
import { asTensor, floatType, promoted, resultType } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, isValue, unsupported } from './row.ts';

/** self + alpha * other; of truth values, whether either holds. */
const sum = ofPair((b, self, other, x) => {
  if (!isBool(self)) return b.Add(self, times(b, other, x.scalar('alpha')));
  return knownNumber(x.scalar('alpha')) === 0 ? self : b.Or(self, other);
});
const difference = ofPair((b, self, other, x) => b.Sub(self, times(b, other, x.scalar('alpha'))));
const reversed = ofPair((b, self, other, x) => b.Sub(other, times(b, self, x.scalar('alpha'))));
const product = ofPair((b, self, other) => (isBool(self) ? b.And(self, other) : b.Mul(self, other)));
const quotient = ofFloatPair((b, self, other) => b.Div(self, other));

/** Division rounded as asked: not at all, towards zero, or down. */
const division: AtenRow = (x, b) => {
  const mode = x.has('rounding_mode') ? x.string('rounding_mode') : 'none';
  if (mode === 'none') return quotient(x, b);
  const [self, other] = pair(b, x);
  if (mode === 'floor') return floorDivide(b, self, other, knownNumber(x.operand('other')));
  if (mode !== 'trunc') throw unsupported(`rounding mode ${mode}`);
  return truncate(b, b.Div(self, other));
};

/** ONNX divides integers towards zero. Of floats, the fraction is taken off before dividing, so that the quotient is nearly whole. */
function floorDivide(b: Builder, self: Value, other: Value, divisor: number | undefined): Value {
  if (isUnsigned(self)) return b.Div(self, other);
  if (!isFloating(self)) return b.Div(b.Sub(self, b.Mod({ A: self, B: other })), other);
  const rest = b.Mod({ A: self, B: other }, { fmod: 1 });
  const towardsZero = b.Div(b.Sub(self, rest), other);
  const whole = b.Round(b.Where(opposite(b, rest, other, divisor), b.Sub(towardsZero, b.like(1, self)), towardsZero));
  return divisor ? whole : b.Where(b.Equal(other, b.like(0, other)), b.Div(self, other), whole);
}

/** The rest with the sign of the divisor. */
function remainder(b: Builder, self: Value, other: Value, divisor: number | undefined): Value {
  if (!isFloating(self)) return b.Mod({ A: self, B: other });
  const rest = b.Mod({ A: self, B: other }, { fmod: 1 });
  return b.Where(opposite(b, rest, other, divisor), b.Add(rest, other), rest);
}

/** Whether a rest is not 0 and has the other sign than its divisor. */
function opposite(b: Builder, rest: Value, other: Value, divisor: number | undefined): Value {
  const zero = b.like(0, rest);
  if (divisor) return divisor > 0 ? b.Less(rest, zero) : b.Greater(rest, zero);
  return b.Less(b.Mul(b.Sign(rest), b.Sign(other)), zero);
}

/** self ** exponent. Integer powers are products, which are exact. */
const power: AtenRow = (x, b) => {
  const [base, exponent] = [x.operand('self'), x.operand('exponent')];
  const type = resultType([base, exponent]);
  const [self, by] = [asTensor(b, base, type), isValue(exponent) ? undefined : knownNumber(exponent)];
  const short = by === undefined ? undefined : isFloat(type) ? shortPower(b, self, by) : wholePower(b, self, by);
  return short ?? (isFloat(type) ? b.Pow(self, asTensor(b, exponent, type)) : integerPower(b, self, asTensor(b, exponent, type)));
};

/** The powers that PyTorch computes in another way than by `pow`. */
function shortPower(b: Builder, self: Value, by: number): Value | undefined {
  switch (by) {
    case 1:
      return self;
    case 2:
      return b.Mul(self, self);
    case 0.5:
      return b.Sqrt(self);
    case -1:
      return b.Reciprocal(self);
    case -0.5:
      return b.Reciprocal(b.Sqrt(self));
    case -2:
      return b.Reciprocal(b.Mul(self, self));
    default:
      return undefined;
  }
}

/** A known positive power of integers, by squaring. */
function wholePower(b: Builder, self: Value, by: number): Value | undefined {
  if (!(by > 0)) return undefined;
  const rest = by % 2 === 1 ? self : undefined;
  if (by === 1) return self;
  const half = wholePower(b, self, Math.floor(by / 2))!;
  const even = b.Mul(half, half);
  return rest ? b.Mul(even, rest) : even;
}

/** ONNX has powers of int32 and int64 only. Negative powers are 0 but those of 1 and -1, also for 0. */
function integerPower(b: Builder, self: Value, exponent: Value): Value {
  const type = elementOf(self);
  const { bits, class: kind } = elementTypes[type];
  const wide: DataType = bits < 32 || type === 'int32' ? 'int32' : 'int64';
  const [base, by] = [b.Cast(self, wide), b.Cast(exponent, wide)];
  if (kind === 'uint' || kind === 'bool' || exponent.tensor) return b.Cast(b.Pow(base, by), type);
  const undefinedPower = b.And(b.Less(by, b.like(0, by)), b.Equal(base, b.like(0, base)));
  return b.Cast(b.Pow(b.Where(undefinedPower, b.like(2, base), base), by), type);
}

const floatPower: AtenRow = (x, b) => b.Pow(asTensor(b, x.operand('self'), 'float64'), asTensor(b, x.operand('exponent'), 'float64'));

/** sqrt(a² + b²) without squaring large numbers. */
function hypot(b: Builder, self: Value, other: Value): Value {
  const [x, y] = [b.Abs(self), b.Abs(other)];
  const high = b.Max(x, y);
  const low = ratio(b, b.Min(x, y), high);
  return b.Mul(high, b.Sqrt(b.Add(b.Mul(low, low), b.like(1, low))));
}

/** The size of self with the sign of other. */
function copysign(b: Builder, self: Value, other: Value, x: Args): Value {
  const size = b.Abs(self);
  const known = knownNumber(x.operand('other'));
  if (known !== undefined) return known < 0 || Object.is(known, -0) ? b.Neg(size) : size;
  return b.Where(signbit(b, other), b.Neg(size), size);
}

/** log(base^a + base^b) as the maximum and what the other adds to it; equal infinities differ by 0. */
const logSum =
  (base: number) =>
  (b: Builder, self: Value, other: Value): Value => {
    const scale = Math.log(base);
    const distance = b.Abs(b.Where(b.Equal(self, other), b.like(0, self), b.Sub(self, other)));
    const added = b.Softplus({ X: scale === 1 ? b.Neg(distance) : b.Mul(distance, b.like(-scale, distance)) });
    return b.Add(b.Max(self, other), scale === 1 ? added : b.Mul(added, b.like(1 / scale, added)));
  };

/** self * log(other), and 0 where self is 0 and other is a number. */
const weightedLog =
  (log: (b: Builder, v: Value) => Value) =>
  (b: Builder, self: Value, other: Value, x: Args): Value => {
    const zero = b.like(0, self);
    const isZero = b.Equal(self, zero);
    const never = isValue(x.any('other')) ? b.And(isZero, b.Equal(other, other)) : isZero;
    return b.Where(never, zero, b.Mul(self, log(b, other)));
  };

/** self * 2 ** other, where PyTorch computes the power in floats. */
const ldexp: AtenRow = (x, b) => {
  const other = x.tensor('other');
  const exponent = b.Cast(other, floatType(elementOf(other)));
  const [self, factor] = promoted(b, [x.tensor('self'), b.Pow(b.like(2, exponent), exponent)]);
  return b.Mul(self!, factor!);
};

/** Counted from the nearer end, so that weight 1 gives `end` exactly. */
const lerp: AtenRow = (x, b) => {
  const [self, end] = promoted(b, [x.tensor('self'), x.tensor('end')]) as [Value, Value];
  const weight = x.operand('weight');
  const known = knownNumber(weight);
  const by = asTensor(b, weight, elementOf(self));
  const span = b.Sub(end, self);
  const fromSelf = (): Value => b.Add(self, b.Mul(by, span));
  const fromEnd = (): Value => b.Sub(end, b.Mul(span, b.Sub(b.like(1, by), by)));
  if (known !== undefined) return Math.abs(known) < 0.5 ? fromSelf() : fromEnd();
  return b.Where(b.Less(b.Abs(by), b.like(0.5, by)), fromSelf(), fromEnd());
};

/** self + value * tensor1 op tensor2. */
const fused =
  (op: 'Mul' | 'Div'): AtenRow =>
  (x, b) => {
    const operands = promoted(b, [x.tensor('self'), x.tensor('tensor1'), x.tensor('tensor2')]);
    const [self, first, second] = operands as [Value, Value, Value];
    return b.Add(self, b[op](times(b, first, x.scalar('value')), second));
  };

const withDivisor = (f: (b: Builder, self: Value, other: Value, divisor: number | undefined) => Value): AtenRow =>
  ofPair((b, self, other, x) => f(b, self, other, knownNumber(x.operand('other'))));

export const arithmetic: AtenRows = {
  ...rows('add', 'Tensor Scalar', sum),
  ...rows('sub subtract', 'Tensor Scalar', difference),
  ...rows('rsub', 'Tensor Scalar', reversed),
  ...rows('mul multiply', 'Tensor Scalar', product),
  ...rows('div divide true_divide', 'Tensor Scalar', quotient),
  ...rows('div divide', 'Tensor_mode Scalar_mode', division),
  ...rows('floor_divide', 'default Scalar', withDivisor(floorDivide)),
  ...rows('remainder', 'Tensor Scalar Scalar_Tensor', withDivisor(remainder)),
  ...rows(
    'fmod',
    'Tensor Scalar',
    ofPair((b, A, B) => b.Mod({ A, B }, { fmod: 1 })),
  ),
  ...rows('pow', 'Tensor_Tensor Tensor_Scalar Scalar', power),
  ...rows('pow_', 'Tensor', power),
  ...rows('float_power', 'Tensor_Tensor Tensor_Scalar Scalar', floatPower),
  ...rows('float_power_', 'Tensor', floatPower),
  ...rows('atan2 arctan2', 'default', ofFloatPair(atan2)),
  ...rows('hypot', 'default', ofPair(hypot)),
  ...rows('copysign', 'Tensor Scalar', ofFloatPair(copysign)),
  ...rows('logaddexp', 'default', ofFloatPair(logSum(Math.E))),
  ...rows('logaddexp2', 'default', ofFloatPair(logSum(2))),
  ...rows('xlogy', 'Tensor Scalar_Other Scalar_Self', ofFloatPair(weightedLog((b, v) => b.Log(v)))),
  ...rows('special_xlogy', 'default other_scalar self_scalar', ofFloatPair(weightedLog((b, v) => b.Log(v)))),
  ...rows('special_xlog1py', 'default other_scalar self_scalar', ofFloatPair(weightedLog(log1p))),
  ...rows('ldexp', 'Tensor', ldexp),
  ...rows('lerp', 'Tensor Scalar', lerp),
  ...rows('addcmul', 'default', fused('Mul')),
  ...rows('addcdiv', 'default', fused('Div')),
};
