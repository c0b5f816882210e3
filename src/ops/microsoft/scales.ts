// Quantised numbers: q stands for (q - zero point) * scale.
import type { Value } from '../../ir/graph.ts';
import type { DataType } from '../../ir/types.ts';
import type { Builder } from '../builder.ts';
import { elementOf } from '../shapes.ts';

/** float32 numbers of quantised ones. Scale and zero point broadcast. */
export function dequantized(x: Value, scale: Value, zero: Value | undefined, b: Builder): Value {
  const wide = b.Cast(x, 'float32');
  return b.Mul(zero ? b.Sub(wide, b.Cast(zero, 'float32')) : wide, scale);
}

/** Numbers rounded to the nearest quantised ones, halves to even, saturated at the bounds of `type`. */
export function quantized(x: Value, scale: Value, zero: Value | undefined, type: DataType, b: Builder): Value {
  const steps = b.Round(b.Div(x, scale));
  return b.Cast(zero ? b.Add(steps, b.Cast(zero, elementOf(x))) : steps, type);
}
