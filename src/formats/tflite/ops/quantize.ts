// Operators between numbers and what is stored of them.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import { elementOf } from '../../../ops/shapes.ts';
import type { Row, Rows } from './row.ts';

/** To what the output stores, which the reader does: of numbers, or of other stored ones. */
const quantize: Row = x => x.input(0);

const dequantize: Row = (x, b) => {
  const v: Value = x.input(0);
  return isFloat(elementOf(v)) ? b.Cast(v, x.outputs[0]!.element ?? 'float32') : b.Cast(v, 'float32');
};

/** Rounded to the values that so many bits between two limits have; the limits are moved so that zero is one of them. */
const fakeQuant: Row = (x, b) => {
  const { min, max, num_bits, narrow_range } = x.options('FakeQuantOptions');
  const [least, most] = [narrow_range ? 1 : 0, 2 ** num_bits - 1];
  const scale = (max - min) / (most - least);
  const zero = Math.min(most, Math.max(least, Math.round(least - min / scale)));
  const [low, high] = [(least - zero) * scale, (most - zero) * scale];
  const v = x.input(0);
  const clipped = b.Clip({ input: v, min: b.like(low, v), max: b.like(high, v) });
  const steps = b.Floor(b.Add(b.Mul(b.Sub(clipped, b.like(low, v)), b.like(1 / scale, v)), b.like(0.5, v)));
  return b.Add(b.Mul(steps, b.like(scale, v)), b.like(low, v));
};

export const quantization: Rows = {
  QUANTIZE: quantize,
  DEQUANTIZE: dequantize,
  FAKE_QUANT: fakeQuant,
  /** Sparse constants are dense when they are read. */
  DENSIFY: x => x.raw(0),
};
