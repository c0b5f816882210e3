// Quantisation and back in floats, with 0 kept where it is: QuantizeAndDequantize. The wider side of the range decides the step.
// Source: TensorFlow, core/kernels/quantize_and_dequantize_op.h.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';
import { alongAxis, byOperators } from './fake-quant.ts';

/** The lowest and the highest integer. */
type Ends = readonly [low: number, high: number];

const largest = 3.4028234663852886e38;
const f = Math.fround;

function endsOf(x: Call, bits: number): Ends {
  if (!x.boolean('signed_input')) return [0, 2 ** bits - 1];
  const half = 2 ** (bits - 1);
  return [x.boolean('narrow_range') ? 1 - half : -half, half - 1];
}

/** What a step is, where the range is known. */
function stepOf(least: number, most: number, [low, high]: Ends): number {
  const ofLow = low * least > 0 ? f(low / f(least)) : largest;
  const ofHigh = high * most > 0 ? f(high / f(most)) : largest;
  return ofLow < ofHigh ? f(f(least) / low) : f(f(most) / high);
}

/** The formula; `isClamped` where numbers may lie outside of the range. */
function formula(b: Builder, v: Value, [least, most]: readonly Value[], [low, high]: Ends, isClamped: boolean, isHalfUp: boolean): Value {
  const c = (n: number): Value => b.like(n, v);
  const perStep = (end: number, side: Value): Value =>
    b.Where(b.Greater(b.Mul(c(end), side), c(0)), b.Div(c(end), side), c(elementOf(v) === 'float16' ? 65504 : largest));
  const ofHigh = perStep(high, most!);
  const stepOfHigh = b.Div(most!, c(high));
  const ofLow = low === 0 ? undefined : perStep(low, least!);
  const isLow = ofLow && b.Less(ofLow, ofHigh);
  const choose = (yes: () => Value, no: Value): Value => (isLow ? b.Where(isLow, yes(), no) : no);
  const scale = choose(() => ofLow!, ofHigh);
  const step = choose(() => b.Div(least!, c(low)), stepOfHigh);
  const start = choose(() => least!, b.Mul(c(low), step));
  const end = choose(() => b.Mul(c(high), step), most!);
  const kept = isClamped ? b.Max(b.Min(v, end), start) : v;
  const steps = b.Mul(kept, scale);
  return b.Mul(isHalfUp ? b.Floor(b.Add(steps, c(0.5))) : b.Round(steps), step);
}

function converted(x: Call, b: Builder, bits: number, isHalfUp: boolean): Value {
  const v = x.tensor('input');
  const ends = endsOf(x, bits);
  const stated = x.number('axis');
  const axis = stated === -1 ? undefined : stated;
  const rank = rankOf(v);
  if (!x.boolean('range_given')) {
    const axes = range(rank).filter(i => i !== axis);
    return formula(b, v, [b.ReduceMin(v, { axes, keepdims: 1 }), b.ReduceMax(v, { axes, keepdims: 1 })], ends, false, isHalfUp);
  }
  const [least, most] = [x.knownNumbers('input_min'), x.knownNumbers('input_max')];
  const steps = least?.map((l, i) => stepOf(l, most?.[i] ?? 0, ends));
  if (steps && most && bits === 8 && !isHalfUp && elementOf(v) === 'float32' && steps.every(s => s > 0)) {
    const type = x.boolean('signed_input') ? 'int8' : 'uint8';
    const at = steps.map(scale => ({ scale, zero: 0 }));
    return byOperators(b, v, at, ends[0], axis, type);
  }
  const sides = ['input_min', 'input_max'].map(name => (axis === undefined ? x.tensor(name) : alongAxis(b, x.tensor(name), rank, axis)));
  return formula(b, v, sides, ends, true, isHalfUp);
}

const withBits: TfRow = (x, b) => converted(x, b, x.number('num_bits'), x.string('round_mode') === 'HALF_UP');

const ofTensor: TfRow = (x, b) => {
  const [bits] = x.knownNumbers('num_bits') ?? [];
  if (bits === undefined) throw unsupported('a number of bits that only the run knows');
  return converted(x, b, bits, false);
};

export const quantizeAndDequantize: TfRows = {
  QuantizeAndDequantizeV2: withBits,
  QuantizeAndDequantizeV3: ofTensor,
  QuantizeAndDequantizeV4: withBits,
};
