// Formulas that several formats need and that take more than one operator.
import type { Value } from '../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../ir/types.ts';
import type { Builder } from './builder.ts';
import { elementOf } from './shapes.ts';

/** What is computed of one tensor, in its element type. */
export type Formula = (b: Builder, v: Value) => Value;

const isNarrow = (type: DataType): boolean => isFloat(type) && elementTypes[type].bits < 32;

/** A formula whose steps 16-bit floats are too coarse for. */
export const inFloat32 = (b: Builder, v: Value, f: (wide: Value) => Value): Value =>
  b.Cast(f(isNarrow(elementOf(v)) ? b.Cast(v, 'float32') : v), elementOf(v));

/** Rounds towards zero. */
export const truncate = (b: Builder, v: Value): Value =>
  isFloat(elementOf(v)) ? b.Where(b.Less(v, b.like(0, v)), b.Ceil(v), b.Floor(v)) : v;

/** log(1 + v) that is accurate near 0: what rounding 1 + v loses is added back. */
export const log1p = (b: Builder, v: Value): Value =>
  inFloat32(b, v, x => {
    const one = b.like(1, x);
    const sum = b.Add(x, one);
    const rounded = b.Sub(sum, one);
    const log = b.Log(sum);
    return b.Where(b.Equal(rounded, x), log, b.Add(log, b.Div(b.Sub(x, rounded), sum)));
  });

/** exp(v) - 1 that is accurate near 0, as tanh(v / 2) (exp(v) + 1). */
export const expm1 = (b: Builder, v: Value): Value => b.Mul(b.Tanh(b.Mul(v, b.like(0.5, v))), b.Add(b.Exp(v), b.like(1, v)));

/** Whether an element is below zero, -0 included: 1 / -0 is -infinity, and 1 / -infinity is no more below zero. */
export function signbit(b: Builder, v: Value): Value {
  const zero = b.like(0, v);
  const negative = b.Less(v, zero);
  return isFloat(elementOf(v)) ? b.Or(negative, b.Less(b.Reciprocal(v), zero)) : negative;
}

/** low / high of non-negative numbers, where 0 / 0 is 0 and infinity / infinity is 1. */
export const ratio = (b: Builder, low: Value, high: Value): Value => b.Where(b.Equal(low, high), b.Sign(low), b.Div(low, high));

/** The angle of the point (x, y), by the ratio of their sizes and then their signs. */
export function atan2(b: Builder, y: Value, x: Value): Value {
  const acute = b.Atan({ input: ratio(b, b.Abs(y), b.Abs(x)) });
  const angle = b.Where(signbit(b, x), b.Sub(b.like(Math.PI, y), acute), acute);
  return b.Where(signbit(b, y), b.Neg(angle), angle);
}
