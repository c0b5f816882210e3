// Fourier transforms over the last axes. The standard's DFT takes and gives both parts of each number along one more axis.
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { range, rankOf } from '../../ops/shapes.ts';
import { sizesIn, unsupported } from './call.ts';
import { type Complex, complex, tensorOf } from './handles.ts';
import type { OperatorStep } from './step.ts';

/** One of the parts of numbers that lie along the last axis. */
const partOf = (b: Builder, v: Value, i: number): Value => b.Gather(v, b.constant(BigInt(i), 'int64'), rankOf(v) - 1);

/** The parts along a last axis: two, or the real one alone. */
function joined(b: Builder, { real, imaginary }: Complex): Value {
  const parts = [real, ...(imaginary ? [imaginary] : [])].map(v => b.Unsqueeze(v, [rankOf(v)]));
  return parts.length === 1 ? parts[0]! : b.Concat(parts, rankOf(real));
}

interface Along {
  readonly axis: number;
  readonly length: Value | undefined;
}
const dft = (
  b: Builder,
  input: Value,
  { axis, length }: Along,
  at: { readonly inverse?: number; readonly onesided?: number } = {},
): Value => b.DFT({ input, dft_length: length, axis: b.constant(BigInt(axis), 'int64') }, at);

/** A vector gets an axis before, which runtimes ask for. */
function withBatch(b: Builder, z: Complex, f: (z: Complex) => Complex): Complex {
  if (rankOf(z.real) > 1) return f(z);
  const mapped = (of: Complex, g: (v: Value) => Value): Complex => complex(g(of.real), of.imaginary && g(of.imaginary));
  return mapped(f(mapped(z, v => b.Unsqueeze(v, [0]))), v => b.Squeeze(v, [0]));
}

/** The axes of a transform of the last `count` axes, the last one first, with the lengths that they are cut or filled to. */
function axesOf({ b, inputs }: OperatorStep, z: Complex, count: number): Along[] {
  const first = rankOf(z.real) - count;
  const lengths = inputs[1] && sizesIn(b, tensorOf(inputs[1]), 'fft_length');
  return range(count)
    .map(i => {
      const length = lengths?.[i];
      return {
        axis: first + i,
        length: typeof length === 'number' ? b.constant(BigInt(length), 'int64') : length && b.Reshape(length, []),
      };
    })
    .reverse();
}

type Transform = (b: Builder, z: Complex, step: OperatorStep) => Complex | Value;

const split = (b: Builder, v: Value): Complex => complex(partOf(b, v, 0), partOf(b, v, 1));

const full =
  (count: number, inverse: number): Transform =>
  (b, given, step) =>
    withBatch(b, given, z =>
      split(
        b,
        axesOf(step, z, count).reduce((v, along) => dft(b, v, along, { inverse }), joined(b, z)),
      ),
    );

/** Of numbers: half of the last axis, of which the other half is the mirror. */
const ofReal =
  (count: number): Transform =>
  (b, given, step) =>
    withBatch(b, given, z => {
      const [last, ...others] = axesOf(step, z, count);
      return split(
        b,
        others.reduce((v, along) => dft(b, v, along), dft(b, joined(b, z), last!, { onesided: 1 })),
      );
    });

/** The way back: the last axis gets its mirrored half first. */
const toReal =
  (count: number): Transform =>
  (b, given, step) =>
    withBatch(b, given, z => {
      const [last, ...others] = axesOf(step, z, count);
      const [length] = sizesIn(b, tensorOf(step.inputs[1]), 'fft_length').slice(-1);
      if (typeof length !== 'number') throw unsupported('fft_length must be known before the run');
      const inner = others.reduce((v, along) => dft(b, v, along, { inverse: 1 }), joined(b, z));
      return complex(partOf(b, dft(b, mirrored(b, inner, last!.axis, length), { axis: last!.axis, length: undefined }, { inverse: 1 }), 0));
    }).real;

/** All `length` numbers of a spectrum whose second half is the first one backwards, with the other sign of the imaginary parts. */
function mirrored(b: Builder, v: Value, axis: number, length: number): Value {
  const half = Math.floor(length / 2) + 1;
  const first = b.Slice(v, { axes: [axis], starts: [0], ends: [half] });
  const back = length - half;
  if (back <= 0) return first;
  const turned = b.Slice(first, { axes: [axis], starts: [back], ends: [0], steps: [-1] });
  const sign = b.Concat(
    [b.like(1, v), b.like(-1, v)].map(s => b.Reshape(s, [1])),
    0,
  );
  return b.Concat([first, b.Mul(turned, sign)], axis);
}

/** By the names of the operators. */
export const transforms: Readonly<Record<string, Transform>> = Object.fromEntries(
  ['', '2D', '3D'].flatMap((suffix, i): [string, Transform][] => [
    [`FFT${suffix}`, full(i + 1, 0)],
    [`IFFT${suffix}`, full(i + 1, 1)],
    [`RFFT${suffix}`, ofReal(i + 1)],
    [`IRFFT${suffix}`, toReal(i + 1)],
  ]),
);
