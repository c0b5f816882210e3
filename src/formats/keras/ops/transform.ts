// Fourier transforms, over pairs of real and imaginary parts, and the frames of signals.
import { isJsonArray, type Json } from '../../../codec/json.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, expandLike, mulSizes, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { numberOption, option, real, unary } from './arguments.ts';

/** Frames of the last axis, each a step further: an axis of frames, and one of their elements. */
export function framed(b: Builder, v: Value, length: number, step: number, size: number): Value {
  const count = Math.floor((size - length) / step) + 1;
  if (count < 1) throw unsupported(`frames of ${length} elements in a row of ${size}`);
  const places = range(count).flatMap(i => range(length).map(j => i * step + j));
  return b.Gather(v, b.constant(places, 'int64', [count, length]), rankOf(v) - 1);
}

export interface Frames {
  readonly length: number;
  readonly step: number;
  /** Elements of a transform; frames are filled up to it. */
  readonly size: number;
  readonly window: readonly number[] | undefined;
  /** Whether half a transform is mirrored before and behind. */
  readonly isCentered: boolean;
}

/** Windows by name, of a period as long as they are. */
export function windowNamed(name: string, length: number): number[] {
  const shares: Readonly<Record<string, number>> = { hann: 0.5, hamming: 0.54 };
  const share = shares[name];
  if (share === undefined) throw unsupported(`the window ${name}`);
  return range(length).map(i => share - (1 - share) * Math.cos((2 * Math.PI * i) / length));
}

/** The transform of each frame, real and imaginary parts in an axis at the end: [..., frames, size / 2 + 1, 2]. */
export function stft(b: Builder, given: Value, { length, step, size, window, isCentered }: Frames, samples: number): Value {
  const half = Math.floor(size / 2);
  const rank = rankOf(given);
  const edge = range(rank).map(a => (a === rank - 1 ? half : 0));
  const v = isCentered ? b.Pad({ data: given, pads: b.ints([...edge, ...edge]) }, { mode: 'reflect' }) : given;
  const frames = framed(b, v, size, step, samples + (isCentered ? 2 * half : 0));
  const before = Math.floor((size - length) / 2);
  const own = window ?? range(length).map(() => 1);
  const weights = range(size).map(i => own[i - before] ?? 0);
  const weighed = b.Mul(frames, b.Cast(b.constant(weights, 'float32', [size]), elementOf(v)));
  return transformed(b, weighed, size, true);
}

/** The last axis as real numbers, or pairs of them behind it, in the frequencies of it. */
function transformed(b: Builder, v: Value, size: number, isOneSided: boolean, isPair = false, isInverse = false): Value {
  const input = isPair ? v : b.Unsqueeze(v, [rankOf(v)]);
  return b.DFT(
    { input, dft_length: b.constant(size, 'int64'), axis: b.constant(rankOf(input) - 2, 'int64') },
    { onesided: Number(isOneSided), inverse: Number(isInverse) },
  );
}
const partsOf = (b: Builder, v: Value): [Value, Value] => {
  const [re, im] = [0, 1].map(i => b.Gather(v, b.constant(i, 'int64'), rankOf(v) - 1));
  return [re!, im!];
};
function pairOf(x: LayerCall, b: Builder): Value {
  const [re, im] = x.tensors.map(t => t.value);
  if (!re || !im) throw unsupported('complex numbers that are no pair');
  return b.Concat(
    [re, im].map(v => b.Unsqueeze(v, [rankOf(v)])),
    rankOf(re),
  );
}
/** Over the last axes of pairs, one after the other. */
const ofPairs = (count: 1 | 2, isInverse: boolean): LayerRow =>
  plain((x, b) => {
    let v = pairOf(x, b);
    const last = rankOf(v) - 2;
    for (let axis = last; axis > last - count; axis--)
      v = b.DFT(
        { input: v, dft_length: b.constant(x.size(v, axis), 'int64'), axis: b.constant(axis, 'int64') },
        { inverse: Number(isInverse) },
      );
    return partsOf(b, v);
  });

function framesOf(x: LayerCall): Frames {
  const length = numberOption(x, 'sequence_length');
  const window = option(x, 'window');
  const given = isJsonArray(window as Json) ? (window as readonly number[]) : undefined;
  return {
    length,
    step: numberOption(x, 'sequence_stride'),
    size: numberOption(x, 'fft_length'),
    window: typeof window === 'string' ? windowNamed(window, length) : given,
    isCentered: option(x, 'center') !== false,
  };
}

/** Real numbers of so many from their frequencies: those above half are the others mirrored. */
function backFromReal(b: Builder, pairs: Value, size: number): Value {
  const axis = rankOf(pairs) - 2;
  const count = shapeOf(pairs)[axis];
  if (typeof count !== 'number') throw unsupported('frequencies whose number only the run knows');
  const wanted = Math.floor(size / 2) + 1;
  const missing = Math.max(0, wanted - count);
  const filled = b.Pad({
    data: pairs,
    pads: b.ints([...range(axis + 2).map(() => 0), ...range(axis + 2).map(a => (a === axis ? missing : 0))]),
  });
  const half = b.Slice(filled, { axes: [axis], starts: [0], ends: [wanted] });
  const mirror = b.Slice(half, { axes: [axis], starts: [size - wanted], ends: [0], steps: [-1] });
  const conjugate = b.Mul(mirror, b.constant([1, -1], elementOf(pairs), [2]));
  const whole = size > wanted ? b.Concat([half, conjugate], axis) : half;
  // The imaginary parts of what stands for itself do not count.
  const first = b.Slice(whole, { axes: [axis], starts: [0], ends: [1] });
  const rest = b.Slice(whole, { axes: [axis], starts: [1], ends: [Number.MAX_SAFE_INTEGER] });
  const settled = b.Concat([b.Mul(first, expandLike(b, b.constant([1, 0], elementOf(pairs), [2]), first)), rest], axis);
  return partsOf(b, transformed(b, settled, size, false, true, true))[0];
}

/** The window that undoes one: its share of all windows over a place, squared. */
function undoing(window: readonly number[], step: number): number[] {
  const energy = (place: number): number => {
    let sum = 0;
    for (let i = place % step; i < window.length; i += step) sum += window[i]! ** 2;
    return sum;
  };
  return window.map((w, i) => w / energy(i));
}

/** Signals from the frequencies of their frames: frames are added where they overlap. */
function inverseStft(x: LayerCall, b: Builder): Value {
  const { length, step, size, window, isCentered } = framesOf(x);
  const before = Math.floor((size - length) / 2);
  const frames = backFromReal(b, pairOf(x, b), size);
  const weights =
    window &&
    undoing(
      range(size).map(i => window[i - before] ?? 0),
      step,
    );
  const weighed = weights ? b.Mul(frames, b.Cast(b.constant(weights, 'float32', [size]), elementOf(frames))) : frames;
  const rank = rankOf(frames);
  const others = sizesOf(b, frames).slice(0, -2);
  const count = b.dim(frames, rank - 2);
  const columns = b.Transpose(reshapeTo(b, weighed, [-1, count, size]), [0, 2, 1]);
  const total = addSizes(b, mulSizes(b, addSizes(b, count, -1), step), size);
  const image_shape = b.sizes([1, total]);
  const added = b.Col2Im({ input: columns, image_shape, block_shape: b.ints([1, size]) }, { strides: [1, step] });
  const whole = reshapeTo(b, added, [...others, total]);
  const half = Math.floor(size / 2);
  const start = isCentered ? half : 0;
  const stated = option(x, 'length');
  const end = typeof stated === 'number' ? start + stated : isCentered && half > 0 ? -half : Number.MAX_SAFE_INTEGER;
  return b.Slice(whole, { axes: [others.length], starts: [start], ends: [end] });
}

export const transforms: Readonly<Record<string, LayerRow>> = {
  ExtractSequences: unary((b, v, x) => framed(b, v, numberOption(x, 'sequence_length'), numberOption(x, 'sequence_stride'), x.size(v, -1))),
  FFT: ofPairs(1, false),
  FFT2: ofPairs(2, false),
  IFFT2: ofPairs(2, true),
  RFFT: real((b, v, x) => {
    const size = typeof option(x, 'fft_length') === 'number' ? numberOption(x, 'fft_length') : x.size(v, -1);
    return partsOf(b, transformed(b, v, size, true));
  }),
  IRFFT: plain((x, b) => {
    const pairs = pairOf(x, b);
    const size = typeof option(x, 'fft_length') === 'number' ? numberOption(x, 'fft_length') : 2 * (x.size(pairs, -2) - 1);
    return backFromReal(b, pairs, size);
  }),
  ISTFT: plain(inverseStft),
  STFT: real((b, v, x) => partsOf(b, stft(b, v, framesOf(x), x.size(v, -1)))),
};
