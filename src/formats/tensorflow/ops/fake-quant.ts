// Quantisation that programs pretend in floats: numbers are put onto the steps of an integer type. Where the range is known and has eight
// bits, the two operators of the standard say it, which runtimes turn into integer kernels; elsewhere it is the formula.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import type { Call, TfRow, TfRows } from '../call.ts';

/** Integers of the type: those of a narrow range leave the lowest out. */
const bounds = (x: Call): readonly [low: number, high: number] => [x.boolean('narrow_range') ? 1 : 0, 2 ** x.number('num_bits') - 1];

/** A step, and the integer that stands for 0, in the arithmetic of float32. */
export interface Steps {
  readonly scale: number;
  readonly zero: number;
}

const f = Math.fround;

function stepsOf(least: number, most: number, [low, high]: readonly [number, number]): Steps {
  const scale = f(f(most - least) / f(high - low));
  const from = f(low - f(least / scale));
  return { scale, zero: from < low ? low : from > high ? high : Math.round(from) };
}

/** By the operators of the standard; `low` is the lowest integer, one above that of the type for a narrow range. */
export function byOperators(
  b: Builder,
  v: Value,
  steps: readonly Steps[],
  low: number,
  axis: number | undefined,
  type: 'int8' | 'uint8' = 'uint8',
): Value {
  const sizes = axis === undefined ? [] : [steps.length];
  const floats = (values: readonly number[]): Value => b.constant(Float32Array.from(values), 'float32', sizes);
  const at = axis === undefined ? {} : { axis };
  const y_scale = floats(steps.map(s => s.scale));
  const zeros = steps.map(s => s.zero);
  const zero = type === 'int8' ? b.constant(Int8Array.from(zeros), type, sizes) : b.constant(Uint8Array.from(zeros), type, sizes);
  const isWhole = low === (type === 'int8' ? -128 : 0);
  const least = (): Value => floats(steps.map(s => f(f(low - s.zero) * s.scale)));
  const kept = isWhole ? v : b.Max(v, axis === undefined ? least() : alongAxis(b, least(), rankOf(v), axis));
  return b.DequantizeLinear(
    { x: b.QuantizeLinear({ x: kept, y_scale, y_zero_point: zero }, at), x_scale: y_scale, x_zero_point: zero },
    at,
  );
}

/** A vector of numbers for the places of an axis, to be broadcast. */
export const alongAxis = (b: Builder, vector: Value, rank: number, axis: number): Value =>
  b.Unsqueeze(
    vector,
    range(rank - 1).map(i => (i < axis ? i : i + 1)),
  );

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
  const ends = bounds(x);
  const [least, most] = [x.knownNumbers('min'), x.knownNumbers('max')];
  if (!least || !most || x.number('num_bits') !== 8) return formula(b, v, x.tensor('min'), x.tensor('max'), ends);
  const steps = least.map((l, i) => stepsOf(l, most[i]!, ends));
  return byOperators(b, v, steps, ends[0], axis);
}

const ofArgs: TfRow = (x, b) => {
  const ends = bounds(x);
  const [v, least, most] = [x.tensor('inputs'), x.number('min'), x.number('max')];
  if (x.number('num_bits') === 8) return byOperators(b, v, [stepsOf(f(least), f(most), ends)], ends[0], undefined);
  return formula(b, v, b.like(least, v), b.like(most, v), ends);
};

export const fakeQuants: TfRows = {
  FakeQuantWithMinMaxArgs: ofArgs,
  FakeQuantWithMinMaxVars: (x, b) => quantised(b, x, x.tensor('inputs'), undefined),
  FakeQuantWithMinMaxVarsPerChannel: (x, b) => quantised(b, x, x.tensor('inputs'), rankOf(x.tensor('inputs')) - 1),
};
