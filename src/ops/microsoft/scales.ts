// Quantised numbers: q stands for (q - zero point) * scale.
import type { Value } from '../../ir/graph.ts';
import type { DataType } from '../../ir/types.ts';
import type { Builder } from '../builder.ts';
import { elementOf } from '../shapes.ts';

/** Whole numbers less their zero point, in float32. */
export function centred(x: Value, zero: Value | undefined, b: Builder): Value {
  const wide = b.Cast(x, 'float32');
  return zero ? b.Sub(wide, b.Cast(zero, 'float32')) : wide;
}

/** float32 numbers of quantised ones. Scale and zero point broadcast. */
export const dequantized = (x: Value, scale: Value, zero: Value | undefined, b: Builder): Value => b.Mul(centred(x, zero, b), scale);

/** Numbers rounded to the nearest quantised ones, halves to even, saturated at the bounds of `type`. */
export function quantized(x: Value, scale: Value, zero: Value | undefined, type: DataType, b: Builder): Value {
  const steps = b.Round(b.Div(x, scale));
  return b.Cast(zero ? b.Add(steps, b.Cast(zero, elementOf(x))) : steps, type);
}

/** Numbers of steps, rounded together with the zero point: halves go to the even quantised number. */
export const nearest = (steps: Value, zero: Value | undefined, type: DataType, b: Builder): Value =>
  b.Cast(b.Round(zero ? b.Add(steps, b.Cast(zero, 'float32')) : steps), type);
