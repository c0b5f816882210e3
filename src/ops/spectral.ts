// Fourier transforms: complex numbers are pairs of floats along the last axis. A transform is a product with a table of cosines and
// one of sines; a length that has factors is two smaller transforms with a rotation between them.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import { dataTypeOfCode } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import { folded, sizeIn } from './folded.ts';
import { gapTypes } from './gap-types.ts';
import { count } from './generate.ts';
import type { Family } from './row.ts';
import { axisOf, elementOf, knownNumbers, range, rankOf, shapeOf } from './shapes.ts';

export const spectral = {
  DFT: {
    known: ['axis'],
    infer: gapTypes.DFT,
    lower({ input, dft_length, axis }, { inverse, onesided }, b) {
      const rank = rankOf(input);
      const on = axis ? axisOf(knownNumbers(axis)![0]!, rank) : rank - 2;
      if (on === rank - 1) throw fail('E1305', 'DFT: the last axis holds the parts of the numbers and cannot be transformed');
      const toReal = inverse !== 0 && onesided !== 0;
      // Sums of many terms that cancel: float64 until the end.
      const { order, signal } = alongLast(b.Cast(input, 'float64'), on, b);
      const size = b.dim(input, on);
      const length = dft_length ? sizeIn(dft_length) : toReal ? times(minus(size, 1, b), 2, b) : size;
      const bins = onesided ? (toReal && !dft_length ? size : minus(halfOf(length, b), -1, b)) : length;
      const wanted = toReal ? bins : length;
      const x = mapped(signal, part => toLength(part, wanted, b));
      const lead = range(rank - 2).map(d => b.dim(x.re, d));
      const rows = mapped(toReal ? wholeSpectrum(x, difference(length, bins, b), b) : x, part => b.Reshape(part, [-1, length]));
      const y = transform(rows, { length, bins: toReal ? length : bins, sign: inverse ? -1 : 1 }, b);
      const scaled = inverse ? mapped(y, part => b.Div(part, numberOf(length, part, b))) : y;
      const parts = toReal ? [scaled.re] : [scaled.re, scaled.im!];
      const whole = parts.map(part => b.Unsqueeze(b.Reshape(part, [...lead, toReal ? length : bins]), [rank - 1]));
      const joined = whole.length === 1 ? whole[0]! : b.Concat(whole, rank - 1);
      return b.Cast(b.Transpose(joined, [...range(rank - 1).map(d => order.indexOf(d)), rank - 1]), elementOf(input));
    },
  },
  STFT: {
    infer: gapTypes.STFT,
    lower({ signal, frame_step, window, frame_length }, { onesided }, b) {
      if (rankOf(signal) !== 3) throw fail('E1305', 'STFT: the signal must be [batch, samples, 1] or [batch, samples, 2]');
      const length = frame_length ? sizeIn(frame_length) : b.dim(window ?? signal, window ? 0 : 1);
      const indices = folded(b, f => {
        const step = sizeIn(frame_step);
        const rest = difference(f.dim(signal, 1), length, f);
        const frames =
          typeof rest === 'number' && typeof step === 'number'
            ? Math.floor(rest / step) + 1
            : minus(f.Div(f.sizes([rest]), f.sizes([step])), -1, f);
        return f.Add(f.Unsqueeze(f.Mul(count(f, frames), f.sizes([step])), [1]), count(f, length));
      });
      const frames = b.Gather(signal, indices, 1);
      const weighted = window ? b.Mul(frames, b.Unsqueeze(window, [1])) : frames;
      return b.DFT({ input: weighted, axis: b.constant(2, 'int64') }, { onesided });
    },
  },
  MelWeightMatrix: {
    infer: gapTypes.MelWeightMatrix,
    lower: ({ num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz }, { output_datatype }, b) =>
      folded(b, f => {
        const number = (n: number): Value => f.constant(n, 'float64');
        const float = (v: Value): Value => f.Cast(v, 'float64');
        const mel = (hertz: Value): Value => f.Mul(f.Log(f.Add(f.Div(float(hertz), number(700)), number(1))), number(2595 / Math.LN10));
        const [low, high] = [mel(lower_edge_hertz), mel(upper_edge_hertz)];
        const filters = sizeIn(num_mel_bins);
        const points = minus(filters, -2, f);
        const step = f.Div(f.Sub(high, low), numberOf(points, low, f));
        const mels = f.Add(f.Mul(float(count(f, points)), step), low);
        const hertz = f.Mul(f.Sub(f.Exp(f.Mul(mels, number(Math.LN10 / 2595))), number(1)), number(700));
        const edges = f.Floor(f.Div(f.Mul(hertz, f.Add(float(dft_length), number(1))), float(sample_rate)));
        const from = (start: number): Value => f.Slice(edges, { axes: [0], starts: [start], ends: [minus(filters, -start, f)] });
        const bins = f.Unsqueeze(float(count(f, minus(halfOf(sizeIn(dft_length), f), -1, f))), [1]);
        return f.Cast(triangles(bins, from(0), from(1), from(2), f), dataTypeOfCode(output_datatype) ?? 'float32');
      }),
  },
} satisfies Family;

/** Rising from `left` to `centre`, falling from there to `right`; 1 at the centre where one of them is empty. */
function triangles(bins: Value, left: Value, centre: Value, right: Value, f: Builder): Value {
  const [zero, one] = [f.like(0, bins), f.like(1, bins)];
  const ramp = (from: Value, width: Value): Value => f.Where(f.Equal(width, zero), one, f.Div(from, width));
  const rising = ramp(f.Sub(bins, left), f.Sub(centre, left));
  const falling = ramp(f.Sub(right, bins), f.Sub(right, centre));
  const isRising = f.And(f.Not(f.Less(bins, left)), f.Not(f.Less(centre, bins)));
  const isFalling = f.And(f.Not(f.Less(bins, centre)), f.Less(bins, right));
  return f.Where(isFalling, falling, f.Where(isRising, rising, zero));
}

interface Complex {
  readonly re: Value;
  /** Absent for real numbers. */
  readonly im?: Value | undefined;
}
const mapped = ({ re, im }: Complex, change: (part: Value) => Value): Complex => ({ re: change(re), im: im && change(im) });

/** The parts of `input` with the axis `on` last, and the order of its axes that this is. */
function alongLast(input: Value, on: number, b: Builder): { order: number[]; signal: Complex } {
  const rank = rankOf(input);
  const parts = shapeOf(input).at(-1);
  if (parts !== 1 && parts !== 2) throw fail('E1305', 'DFT: the last axis of the input must be 1 or 2');
  const order = [...range(rank - 1).filter(d => d !== on), on];
  const planes = parts === 1 ? [input] : b.Split(input, [1, 1], rank - 1);
  const [re, im] = planes.map(plane => b.Transpose(b.Squeeze(plane, [rank - 1]), order));
  return { order, signal: { re: re!, im } };
}

/** The first `length` elements of the last axis, zeros after its own. */
function toLength(x: Value, length: Size, b: Builder): Value {
  const missing = difference(length, b.dim(x, -1), b);
  return missing === 0 ? x : b.Pad({ data: x, pads: b.sizes([0, missing]), axes: b.ints([-1]) });
}

/** All bins of a real signal of which the first half is given: the `missing` others are conjugates of these, backwards. */
function wholeSpectrum({ re, im }: Complex, missing: Size, b: Builder): Complex {
  const end = -(2 ** 31 - 1);
  const mirrored = (part: Value): Value => {
    const kept = b.Slice(part, { axes: [-1], starts: [1], ends: [minus(missing, -1, b)] });
    return b.Slice(kept, { axes: [-1], starts: [-1], ends: [end], steps: [-1] });
  };
  return { re: b.Concat([re, mirrored(re)], -1), im: im && b.Concat([im, b.Neg(mirrored(im))], -1) };
}

interface Transform {
  readonly length: Size;
  /** How many of the first bins are wanted. */
  readonly bins: Size;
  /** Of the exponent: 1 for -i, -1 for +i. */
  readonly sign: 1 | -1;
}

/** Transforms up to this length are one product. */
const directLength = 64;

/** Rows [any, length] to their bins. */
function transform(x: Complex, at: Transform, b: Builder): Complex {
  const { length, bins, sign } = at;
  const factor = typeof length === 'number' && length > directLength ? nearRoot(length) : 1;
  if (typeof length !== 'number' || factor === 1) {
    const { cos, sin } = rotations(length, bins, length, b);
    return rotated(x, cos, sin, sign, b.MatMul, b);
  }
  const other = length / factor;
  const turned = (v: Complex): Complex => mapped(v, part => b.Transpose(part, [0, 2, 1]));
  const rows = (v: Complex, size: number): Complex => mapped(v, part => b.Reshape(part, [-1, size]));
  const grid = (v: Complex, height: number, width: number): Complex => mapped(v, part => b.Reshape(part, [-1, height, width]));
  // Place t is other * t1 + t2, bin k is k1 + factor * k2.
  const columns = rows(turned(grid(x, factor, other)), factor);
  const inner = grid(transform(columns, { length: factor, bins: factor, sign }, b), other, factor);
  const { cos, sin } = rotations(other, factor, length, b);
  const between = turned(rotated(inner, cos, sin, sign, b.Mul, b));
  const outer = transform(rows(between, other), { length: other, bins: other, sign }, b);
  const whole = rows(turned(grid(outer, factor, other)), length);
  return bins === length ? whole : mapped(whole, part => b.Slice(part, { axes: [1], starts: [0], ends: [bins] }));
}

/** The factor of a length that is nearest to its root; 1 for a prime. */
function nearRoot(length: number): number {
  let factor = Math.floor(Math.sqrt(length));
  while (length % factor !== 0) factor--;
  return factor;
}

/** cos and sin of 2 pi j k / period for j below `rows` and k below `columns`, in float64. */
function rotations(rows: Size, columns: Size, period: Size, b: Builder): { cos: Value; sin: Value } {
  return folded(b, f => {
    const product = f.Mul(f.Unsqueeze(count(f, rows), [1]), count(f, columns));
    const turns = f.Cast(f.Mod({ A: product, B: f.sizes([period]) }), 'float64');
    const angle = f.Mul(turns, f.Div(f.like(2 * Math.PI, turns), numberOf(period, turns, f)));
    return { cos: f.Cos(angle), sin: f.Sin(angle) };
  });
}

/** x (cos - i sign sin) by a product of matrices or of elements. */
function rotated({ re, im }: Complex, cos: Value, sin: Value, sign: 1 | -1, by: (p: Value, q: Value) => Value, b: Builder): Complex {
  const times = (p: Value, q: Value): Value => by.call(b, p, q);
  const plus = (p: Value, q: Value): Value => b.Add(p, q);
  const less = (p: Value, q: Value): Value => b.Sub(p, q);
  const [toRe, toIm] = sign === 1 ? [plus, less] : [less, plus];
  if (!im) return { re: times(re, cos), im: sign === 1 ? b.Neg(times(re, sin)) : times(re, sin) };
  return { re: toRe(times(re, cos), times(im, sin)), im: toIm(times(im, cos), times(re, sin)) };
}

/** A size as a float. */
const numberOf = (size: Size, like: Value, b: Builder): Value =>
  typeof size === 'number' ? b.like(size, like) : b.Cast(size, elementOf(like));

const vector = (size: Value, b: Builder): Value => (rankOf(size) === 0 ? b.Unsqueeze(size, [0]) : size);
const difference = (a: Size, c: Size, b: Builder): Size =>
  typeof a === 'number' && typeof c === 'number' ? a - c : b.Sub(vector(asValue(a, b), b), vector(asValue(c, b), b));
const asValue = (size: Size, b: Builder): Value => (typeof size === 'number' ? b.ints([size]) : b.Cast(size, 'int64'));
const minus = (size: Size, n: number, b: Builder): Size => difference(size, n, b);
const times = (size: Size, n: number, b: Builder): Size => (typeof size === 'number' ? size * n : b.Mul(vector(size, b), b.ints([n])));
const halfOf = (size: Size, b: Builder): Size =>
  typeof size === 'number' ? Math.floor(size / 2) : b.Div(vector(asValue(size, b), b), b.ints([2]));
