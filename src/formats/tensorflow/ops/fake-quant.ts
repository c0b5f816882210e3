// Quantisation that programs pretend in floats: numbers are put onto the steps of an integer type. Where the range is known and has eight
// bits, the two operators of the standard say it, which runtimes turn into integer kernels; elsewhere it is the formula.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { rankOf } from '../../../ops/shapes.ts';
import type { Call, TfRow, TfRows } from '../call.ts';

/** Integers of the type: those of a narrow range leave the lowest out. */
const bounds = (x: Call): readonly [low: number, high: number] => [x.boolean('narrow_range') ? 1 : 0, 2 ** x.number('num_bits') - 1];

/** A step, and the integer that stands for 0, in the arithmetic of float32. */
interface Steps {
  readonly scale: number;
  readonly zero: number;
}

const f = Math.fround;

function stepsOf(least: number, most: number, [low, high]: readonly [number, number]): Steps {
  const scale = f(f(most - least) / f(high - low));
  const from = f(low - f(least / scale));
  return { scale, zero: from < low ? low : from > high ? high : Math.round(from) };
}

function known(b: Builder, v: Value, steps: readonly Steps[], [low]: readonly [number, number], axis: number | undefined): Value {
  const sizes = axis === undefined ? [] : [steps.length];
  const floats = (values: readonly number[]): Value => b.constant(Float32Array.from(values), 'float32', sizes);
  const at = axis === undefined ? {} : { axis };
  const y_scale = floats(steps.map(s => s.scale));
  const zero = b.constant(Uint8Array.from(steps.map(s => s.zero)), 'uint8', sizes);
  // The type ends where the range does, but for the lowest integer of a narrow one.
  const kept = low === 0 ? v : b.Max(v, floats(steps.map(s => f(f(low - s.zero) * s.scale))));
  return b.DequantizeLinear(
    { x: b.QuantizeLinear({ x: kept, y_scale, y_zero_point: zero }, at), x_scale: y_scale, x_zero_point: zero },
    at,
  );
}

/** The same where only the run knows the range. */
function formula(b: Builder, v: Value, least: Value, most: Value, [low, high]: readonly [number, number]): Value {
  const c = (n: number): Value => b.like(n, v);
  const span = b.Sub(most, least);
  const [scale, perStep] = [b.Div(span, c(high - low)), b.Div(c(high - low), span)];
  const from = b.Sub(c(low), b.Div(least, scale));
  const zero = b.Min(b.Max(b.Floor(b.Add(from, c(0.5))), c(low)), c(high));
  const above = b.Sub(zero, c(low));
  const start = b.Mul(b.Neg(above), scale);
  const end = b.Mul(b.Sub(c(high), zero), scale);
  const steps = b.Mul(b.Sub(b.Min(b.Max(v, start), end), start), perStep);
  return b.Mul(b.Floor(b.Add(b.Sub(steps, above), c(0.5))), scale);
}

/** A range of numbers for all elements, or for each place of the last axis. */
function quantised(b: Builder, x: Call, v: Value, axis: number | undefined): Value {
  const range = bounds(x);
  const [least, most] = [x.knownNumbers('min'), x.knownNumbers('max')];
  if (!least || !most || x.number('num_bits') !== 8) return formula(b, v, x.tensor('min'), x.tensor('max'), range);
  return known(
    b,
    v,
    least.map((l, i) => stepsOf(l, most[i]!, range)),
    range,
    axis,
  );
}

const ofArgs: TfRow = (x, b) => {
  const range = bounds(x);
  const [v, least, most] = [x.tensor('inputs'), x.number('min'), x.number('max')];
  if (x.number('num_bits') === 8) return known(b, v, [stepsOf(f(least), f(most), range)], range, undefined);
  return formula(b, v, b.like(least, v), b.like(most, v), range);
};

export const fakeQuants: TfRows = {
  FakeQuantWithMinMaxArgs: ofArgs,
  FakeQuantWithMinMaxVars: (x, b) => quantised(b, x, x.tensor('inputs'), undefined),
  FakeQuantWithMinMaxVarsPerChannel: (x, b) => quantised(b, x, x.tensor('inputs'), rankOf(x.tensor('inputs')) - 1),
};
