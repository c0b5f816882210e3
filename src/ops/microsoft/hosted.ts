// Operators that the host evaluates: hashes, repeated values, repeated n-grams, inverses, crops.
import { fail } from '../../errors.ts';
import { tensorOf } from '../../ir/datum.ts';
import { unknownDim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import { bytesOf, numbersOf, Tensor } from '../../ir/tensor.ts';
import { type DataType, tensorType, type ValueType } from '../../ir/types.ts';
import { elementsOf, fromElements, type Memory } from '../../kernels/memory.ts';
import { otherHost } from '../row.ts';
import { elementOf, shapeOf } from '../shapes.ts';

/** A type whose shape is that of a value, where it has one. */
const shapedLike = (v: Value, element: DataType): ValueType => {
  const shape = v.type?.kind === 'tensor' ? v.type.shape : undefined;
  return shape ? tensorType(element, shape) : tensorType(element);
};

export const hosted = {
  /** The different elements in the order in which they come, the place among these of each element, and their counts. */
  Unique: otherHost<{ x: Value }, object>({
    infer({ x }) {
      const found = unknownDim();
      return [tensorType(elementOf(x), [found]), tensorType('int64', shapeOf(x)), tensorType('int64', [found])];
    },
    host({ x }, _at, context) {
      const t = tensorOf(x);
      if (t.dims.length !== 1) throw fail('E3005', `Unique: expected one axis, found ${t.dims.length}`);
      context.reserve(3 * 8 * t.size);
      const elements = elementsOf(t) as Memory & ArrayLike<unknown>;
      const places = new Map<unknown, number>();
      const [unique, counts, index]: [unknown[], bigint[], bigint[]] = [[], [], []];
      for (let i = 0; i < t.size; i++) {
        const element = elements[i];
        const key = Array.isArray(element) ? String(element) : element;
        const place = places.get(key) ?? unique.push(element) - 1;
        places.set(key, place);
        counts[place] = (counts[place] ?? 0n) + 1n;
        index.push(BigInt(place));
      }
      // The cast: what came out of such a memory goes back into one.
      return [
        fromElements(t.type, unique as unknown as Memory, [unique.length]),
        new Tensor('int64', index, [t.size]),
        new Tensor('int64', counts, [unique.length]),
      ];
    },
  }),
  MurmurHash3: otherHost<{ X: Value }, { positive: number; seed: number }>({
    infer: ({ X }, { positive }) => [shapedLike(X, positive ? 'uint32' : 'int32')],
    host({ X }, { positive, seed }, context) {
      const t = tensorOf(X);
      context.reserve(4 * t.size);
      const hashes = Array.from({ length: t.size }, (_, i) => {
        const hash = murmur3(bytesOfElement(t, i), seed);
        return positive ? hash >>> 0 : hash | 0;
      });
      return [new Tensor(positive ? 'uint32' : 'int32', hashes, t.dims)];
    },
  }),
  /** Tokens that would repeat an n-gram of what was written get no chance. */
  NGramRepeatBlock: otherHost<{ input_ids: Value; scores: Value }, { ngram_size: number }>({
    infer: ({ scores }) => [scores.type],
    host({ input_ids, scores }, { ngram_size: n }, context) {
      const [ids, given] = [tensorOf(input_ids), tensorOf(scores)];
      const [batch = 0, length = 0] = ids.dims;
      const vocabulary = given.dims[1] ?? 0;
      if (ids.dims.length !== 2 || given.dims.length !== 2 || given.dims[0] !== batch || n < 1)
        throw fail('E3005', `NGramRepeatBlock: ids [${ids.dims}] and scores [${given.dims}] with n-grams of ${n}`);
      context.reserve(given.byteLength);
      const made = Float32Array.from(given.data as Float32Array);
      const tokens = numbersOf(ids);
      for (let row = 0; row < batch; row++) {
        context.proceed();
        const words = tokens.slice(row * length, (row + 1) * length);
        for (const token of repeats(words, n)) {
          if (token < 0 || token >= vocabulary) throw fail('E3005', `NGramRepeatBlock: token ${token} of ${vocabulary}`);
          made[row * vocabulary + token] = Number.NEGATIVE_INFINITY;
        }
      }
      return [new Tensor('float32', made, given.dims)];
    },
  }),
  Inverse: otherHost<{ X: Value }, object>({
    infer: ({ X }) => [X.type],
    host({ X }, _at, context) {
      const t = tensorOf(X);
      const [rows, n] = t.dims.slice(-2);
      if (rows === undefined || rows !== n) throw fail('E3005', `Inverse: expected square matrices, found [${t.dims}]`);
      if (t.type !== 'float32' && t.type !== 'float64') throw fail('E3004', `Inverse of ${t.type} has no meaning here`);
      context.reserve(t.byteLength + 16 * n * n);
      const given = t.data as Float32Array | Float64Array;
      const made = given.slice();
      for (let at = 0; at < made.length; at += n * n) {
        made.set(
          inverse(given.subarray(at, at + n * n), n, () => context.proceed()),
          at,
        );
      }
      return [new Tensor(t.type, made, t.dims)];
    },
  }),
  CropAndResize: otherHost<
    { X: Value; rois: Value; batch_indices: Value; crop_size: Value },
    { extrapolation_value: number; mode: string }
  >({
    infer: ({ X, rois }) => [tensorType(elementOf(X), [shapeOf(rois)[0]!, shapeOf(X)[1]!, unknownDim(), unknownDim()])],
    host(x, at, context) {
      const [image, rois] = [tensorOf(x.X), tensorOf(x.rois)];
      const [height = 0, width = 0] = numbersOf(tensorOf(x.crop_size));
      const [count = 0] = rois.dims;
      const [batch = 0, channels = 0] = image.dims;
      const entries = numbersOf(tensorOf(x.batch_indices));
      const isFit = image.dims.length === 4 && rois.dims[1] === 4 && entries.length === count && height > 0 && width > 0;
      if (!isFit || image.type !== 'float32')
        throw fail('E3005', `CropAndResize: [${image.dims}] by [${rois.dims}] to [${height},${width}]`);
      context.reserve(4 * count * channels * height * width);
      const made = new Float32Array(count * channels * height * width);
      const boxes = numbersOf(rois);
      for (const [i, entry] of entries.entries()) {
        context.proceed();
        if (entry < 0 || entry >= batch) throw fail('E3005', `CropAndResize: image ${entry} of ${batch}`);
        crop(image, entry, boxes.slice(4 * i, 4 * i + 4), { height, width, ...at }, made.subarray(i * channels * height * width));
      }
      return [new Tensor('float32', made, [count, channels, height, width])];
    },
  }),
};

/** The tokens that follow what the last n - 1 words repeat. */
function repeats(words: readonly number[], n: number): number[] {
  const found: number[] = [];
  const last = words.length - (n - 1);
  for (let i = 0; i + n <= words.length; i++) {
    let k = 0;
    while (k < n - 1 && words[i + k] === words[last + k]) k++;
    if (k === n - 1) found.push(words[i + k]!);
  }
  return found;
}

/** By elimination with row exchanges, in double precision. A singular matrix gives infinities or NaN. */
function inverse(x: Float32Array | Float64Array, n: number, proceed: () => void): Float64Array {
  const [a, y] = [Float64Array.from(x), new Float64Array(n * n)];
  for (let i = 0; i < n; i++) y[i * n + i] = 1;
  for (let c = 0; c < n; c++) {
    proceed();
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(a[r * n + c]!) > Math.abs(a[pivot * n + c]!)) pivot = r;
    if (pivot !== c) for (const m of [a, y]) swapRows(m, n, c, pivot);
    const scale = 1 / a[c * n + c]!;
    for (const m of [a, y]) for (let j = 0; j < n; j++) m[c * n + j]! *= scale;
    for (let r = 0; r < n; r++) {
      const factor = a[r * n + c]!;
      if (r === c || factor === 0) continue;
      for (const m of [a, y]) for (let j = 0; j < n; j++) m[r * n + j]! -= factor * m[c * n + j]!;
    }
  }
  return y;
}

function swapRows(m: Float64Array, n: number, a: number, b: number): void {
  const row = m.slice(a * n, (a + 1) * n);
  m.copyWithin(a * n, b * n, (b + 1) * n);
  m.set(row, b * n);
}

interface Crop {
  readonly height: number;
  readonly width: number;
  readonly mode: string;
  readonly extrapolation_value: number;
}

/** One box of one image, its corners on the corners of the crop. */
function crop(image: Tensor, entry: number, box: readonly number[], at: Crop, made: Float32Array): void {
  const [, channels = 0, rows = 0, columns = 0] = image.dims;
  const data = image.data as Float32Array;
  const [y1, x1, y2, x2] = box as [number, number, number, number];
  const ys = samples(y1, y2, rows, at.height);
  const xs = samples(x1, x2, columns, at.width);
  for (let c = 0; c < channels; c++) {
    const plane = data.subarray((entry * channels + c) * rows * columns, (entry * channels + c + 1) * rows * columns);
    for (const [i, y] of ys.entries())
      for (const [j, x] of xs.entries()) {
        const isInside = y >= 0 && y <= rows - 1 && x >= 0 && x <= columns - 1;
        made[(c * at.height + i) * at.width + j] = isInside ? pixel(plane, columns, y, x, at.mode) : at.extrapolation_value;
      }
  }
}

/** Places along an axis of `size` for `count` samples from a to b, which count in lengths of the axis. */
function samples(a: number, b: number, size: number, count: number): number[] {
  if (count === 1) return [0.5 * (a + b) * (size - 1)];
  return Array.from({ length: count }, (_, i) => a * (size - 1) + (i * (b - a) * (size - 1)) / (count - 1));
}

function pixel(plane: Float32Array, columns: number, y: number, x: number, mode: string): number {
  if (mode === 'nearest') return plane[Math.floor(y + 0.5) * columns + Math.floor(x + 0.5)]!;
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [bottom, right] = [Math.ceil(y), Math.ceil(x)];
  const row = (r: number): number => {
    const [from, to] = [plane[r * columns + left]!, plane[r * columns + right]!];
    return from + (to - from) * (x - left);
  };
  return row(top) + (row(bottom) - row(top)) * (y - top);
}

function bytesOfElement(t: Tensor, i: number): Uint8Array {
  if (t.type === 'string') return new TextEncoder().encode((t.data as readonly string[])[i]!);
  const bytes = bytesOf(t.data as Float32Array);
  const size = bytes.length / t.size;
  return bytes.subarray(i * size, (i + 1) * size);
}

/** MurmurHash3 for 32 bits, by its definition. */
function murmur3(bytes: Uint8Array, seed: number): number {
  const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
  const mix = (k: number): number => Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length & ~3;
  let h = seed | 0;
  for (let i = 0; i < whole; i += 4) h = (Math.imul(rotate(h ^ mix(view.getInt32(i, true)), 13), 5) + 0xe6546b64) | 0;
  let rest = 0;
  for (let i = bytes.length - 1; i >= whole; i--) rest = (rest << 8) | bytes[i]!;
  if (rest !== 0) h ^= mix(rest);
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
