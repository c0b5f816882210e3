// ATen overloads that compare, decide and bound: their results are truth values, or one of their operands.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { floatPair, isBool, isFloating, ofPair, rows } from './elementwise.ts';
import { asTensor, type Operand, promoted, resultType } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, isValue } from './row.ts';

type Pair = (b: Builder, self: Value, other: Value) => Value;

/** ONNX does not order truth values: false is less than true. */
const ordered = (numbers: Pair, truths: Pair): AtenRow =>
  ofPair((b, self, other) => (isBool(self) ? truths(b, self, other) : numbers(b, self, other)));

const equal = ofPair((b, self, other) => b.Equal(self, other));
const notEqual = ordered(
  (b, self, other) => b.Not(b.Equal(self, other)),
  (b, self, other) => b.Xor(self, other),
);
const less = ordered(
  (b, self, other) => b.Less(self, other),
  (b, self, other) => b.And(b.Not(self), other),
);
const lessOrEqual = ordered(
  (b, A, B) => b.LessOrEqual({ A, B }),
  (b, self, other) => b.Or(b.Not(self), other),
);
const greater = ordered(
  (b, self, other) => b.Greater(self, other),
  (b, self, other) => b.And(self, b.Not(other)),
);
const greaterOrEqual = ordered(
  (b, A, B) => b.GreaterOrEqual({ A, B }),
  (b, self, other) => b.Or(self, b.Not(other)),
);

/** A connective of any two numbers, which hold where they are not 0. */
const logical =
  (op: 'And' | 'Or' | 'Xor'): AtenRow =>
  (x, b) =>
    b[op](b.Cast(x.tensor('self'), 'bool'), b.Cast(x.tensor('other'), 'bool'));

const highest: Pair = (b, self, other) => (isBool(self) ? b.Or(self, other) : b.Max(self, other));
const lowest: Pair = (b, self, other) => (isBool(self) ? b.And(self, other) : b.Min(self, other));

/** The same where NaN counts as absent. */
const ofNumbers =
  (choose: Pair): Pair =>
  (b, self, other) =>
    isFloating(self) ? b.Where(b.IsNaN(self), other, b.Where(b.IsNaN(other), self, choose(b, self, other))) : choose(b, self, other);

/** |self - other| <= atol + rtol |other|. Only equal infinities are close. */
const isClose: AtenRow = (x, b) => {
  const [self, other] = promoted(b, [x.tensor('self'), x.tensor('other')]) as [Value, Value];
  const same = b.Equal(self, other);
  const nan = x.boolean('equal_nan') && isFloating(self) ? b.And(b.IsNaN(self), b.IsNaN(other)) : undefined;
  const equalNow = nan ? b.Or(same, nan) : same;
  const [rtol, atol] = [x.number('rtol'), x.number('atol')];
  if (rtol === 0 && atol === 0) return equalNow;
  const [left, right] = floatPair(b, x);
  const distance = b.Abs(b.Sub(left, right));
  const allowed = b.Add(b.Abs(b.Mul(right, b.like(rtol, right))), b.like(atol, right));
  const near = b.LessOrEqual({ A: distance, B: allowed });
  return b.Or(equalNow, isFloating(self) ? b.And(near, b.Less(distance, b.like(Infinity, distance))) : near);
};

/** 0 below zero, 1 above and for NaN 0; `values` at zero. */
const heaviside: AtenRow = (x, b) => {
  const [self, values] = promoted(b, [x.tensor('self'), x.tensor('values')]) as [Value, Value];
  if (isBool(self)) return b.Or(self, values);
  const zero = b.like(0, self);
  return b.Where(b.Equal(self, zero), values, b.Cast(b.Greater(self, zero), elementOf(self)));
};

const where: AtenRow = (x, b) => {
  const [self, other] = promoted(b, [x.operand('self'), x.operand('other')]) as [Value, Value];
  return b.Where(b.Cast(x.tensor('condition'), 'bool'), self, other);
};

const maskedFill: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return b.Where(b.Cast(x.tensor('mask'), 'bool'), asTensor(b, x.operand('value'), elementOf(self)), self);
};

/** Bounds of either kind take part in promotion. Numbers are one Clip; tensors broadcast. */
const clamped =
  (low: string | undefined, high: string | undefined): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const [min, max] = [bound(x, low), bound(x, high)];
    const type = resultType([self, ...[min, max].filter(v => v !== undefined)]);
    const [lower, upper] = [min, max].map(v => (v === undefined ? undefined : asTensor(b, v, type)));
    const v = b.Cast(self, type);
    if ([min, max].some(isTensor)) {
      const above = lower ? highest(b, v, lower) : v;
      return upper ? lowest(b, above, upper) : above;
    }
    return b.Clip({ input: v, min: lower, max: upper });
  };

const isTensor = (operand: Operand | undefined): boolean => operand !== undefined && isValue(operand);

function bound(x: Args, name: string | undefined): Operand | undefined {
  return name !== undefined && x.has(name) ? x.operand(name) : undefined;
}

/** Bounds that take the type of the tensor. */
const hardtanh: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const limit = (name: string): Value => asTensor(b, x.scalar(name), elementOf(self));
  return b.Clip({ input: self, min: limit('min_val'), max: limit('max_val') });
};

/** `value` where self does not exceed the threshold. */
const threshold: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const number = (name: string): Value => asTensor(b, x.scalar(name), elementOf(self));
  return b.Where(b.LessOrEqual({ A: self, B: number('threshold') }), number('value'), self);
};

export const compare: AtenRows = {
  ...rows('eq', 'Tensor Scalar', equal),
  ...rows('ne not_equal', 'Tensor Scalar', notEqual),
  ...rows('lt less', 'Tensor Scalar', less),
  ...rows('le less_equal', 'Tensor Scalar', lessOrEqual),
  ...rows('gt greater', 'Tensor Scalar', greater),
  ...rows('ge greater_equal', 'Tensor Scalar', greaterOrEqual),
  ...rows('logical_and', 'default', logical('And')),
  ...rows('logical_or', 'default', logical('Or')),
  ...rows('logical_xor', 'default', logical('Xor')),
  ...rows('maximum', 'default', ofPair(highest)),
  ...rows('minimum', 'default', ofPair(lowest)),
  ...rows('max', 'other', ofPair(highest)),
  ...rows('min', 'other', ofPair(lowest)),
  ...rows('fmax', 'default', ofPair(ofNumbers(highest))),
  ...rows('fmin', 'default', ofPair(ofNumbers(lowest))),
  ...rows('isclose', 'default', isClose),
  ...rows('heaviside', 'default', heaviside),
  ...rows('where', 'self ScalarSelf ScalarOther Scalar', where),
  ...rows('masked_fill', 'Tensor Scalar', maskedFill),
  ...rows('clamp clip', 'default Tensor', clamped('min', 'max')),
  ...rows('clamp_min', 'default Tensor', clamped('min', undefined)),
  ...rows('clamp_max', 'default Tensor', clamped(undefined, 'max')),
  ...rows('hardtanh', 'default', hardtanh),
  ...rows('threshold', 'default', threshold),
};
