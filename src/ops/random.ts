// Random operators, evaluated on the host. Numbers come from Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy
// as 1, 2, 3, 2011): the key is the seed, the counter the element, so that every element is drawn independently of all others.
import { fail } from '../errors.ts';
import { tensorOf } from '../ir/datum.ts';
import type { Tensor } from '../ir/tensor.ts';
import { byteLength, type DataType, dataTypeOfCode } from '../ir/types.ts';
import { elementsOf, emptyArray, fromElements } from '../kernels/memory.ts';
import { computeType, load, store } from '../kernels/storage.ts';
import { gapTypes } from './gap-types.ts';
import type { Family, HostContext } from './row.ts';

/** Operators that draw: two nodes of the same inputs make different numbers. Dropout is one in training. */
export const randomOperators: ReadonlySet<string> = new Set([
  'RandomUniform',
  'RandomUniformLike',
  'RandomNormal',
  'RandomNormalLike',
  'Bernoulli',
  'Multinomial',
  'Dropout',
]);

export const randoms = {
  RandomUniform: {
    infer: gapTypes.RandomUniform,
    host: (_x, { dtype, shape, low, high, seed }, context) => [drawn(typeOf(dtype), shape, uniform(low, high), seed, context)],
  },
  RandomUniformLike: {
    infer: gapTypes.RandomUniformLike,
    host({ input }, { dtype, low, high, seed }, context) {
      const like = tensorOf(input);
      return [drawn(dtype === undefined ? like.type : typeOf(dtype), like.dims, uniform(low, high), seed, context)];
    },
  },
  RandomNormal: {
    infer: gapTypes.RandomNormal,
    host: (_x, { dtype, shape, mean, scale, seed }, context) => [drawn(typeOf(dtype), shape, normal(mean, scale), seed, context)],
  },
  RandomNormalLike: {
    infer: gapTypes.RandomNormalLike,
    host({ input }, { dtype, mean, scale, seed }, context) {
      const like = tensorOf(input);
      return [drawn(dtype === undefined ? like.type : typeOf(dtype), like.dims, normal(mean, scale), seed, context)];
    },
  },
  Bernoulli: {
    infer: gapTypes.Bernoulli,
    host({ input }, { dtype, seed }, context) {
      const p = tensorOf(input);
      const chances = floatsOf(p);
      return [drawn(dtype === undefined ? p.type : typeOf(dtype), p.dims, (u, i) => (u < chances[i]! ? 1 : 0), seed, context)];
    },
  },
  Multinomial: {
    infer: gapTypes.Multinomial,
    host({ input }, { dtype, sample_size: count, seed }, context) {
      const scores = tensorOf(input);
      const [rows, classes] = scores.dims as [number, number];
      if (classes === 0) throw fail('E3005', 'Multinomial: there are no classes to draw from');
      const sums = cumulative(floatsOf(scores), rows, classes);
      const pick = (u: number, i: number): number => {
        const from = Math.floor(i / count) * classes;
        const target = u * sums[from + classes - 1]!;
        let k = 0;
        while (k < classes - 1 && sums[from + k]! <= target) k++;
        return k;
      };
      return [drawn(typeOf(dtype), [rows, count], pick, seed, context)];
    },
  },
} satisfies Family;

/** An element from a number in [0, 1), its place, and a second such number. */
type Draw = (u: number, i: number, v: number) => number;

const uniform =
  (low: number, high: number): Draw =>
  u =>
    low + u * (high - low);
/** Box and Muller's transform. */
const normal =
  (mean: number, scale: number): Draw =>
  (u, _i, v) =>
    mean + scale * Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);

/** exp(score - largest) summed up along each row: the scores are logarithms that need no norm. */
function cumulative(scores: Float64Array, rows: number, classes: number): Float64Array {
  const sums = new Float64Array(scores.length);
  for (let r = 0; r < rows; r++) {
    const row = scores.subarray(r * classes, (r + 1) * classes);
    const largest = row.reduce((a, c) => Math.max(a, c), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let k = 0; k < classes; k++) {
      sum += Math.exp(row[k]! - largest);
      sums[r * classes + k] = sum;
    }
  }
  return sums;
}

function typeOf(code: number): DataType {
  const type = dataTypeOfCode(code);
  if (type && computeType(type)) return type;
  throw fail('E1304', `no random numbers of element type ${code}`);
}

function floatsOf(t: Tensor): Float64Array {
  const floats = new Float64Array(t.size);
  load(floats, 0, elementsOf(t) as Float32Array, t.type, 0, 1, t.size);
  return floats;
}

/** The seed of the node is the bits of its attribute; without it the run decides. */
function drawn(type: DataType, shape: readonly number[], draw: Draw, seed: number | undefined, context: HostContext): Tensor {
  const count = shape.reduce((n, d) => n * d, 1);
  if (shape.some(d => d < 0) || !Number.isSafeInteger(count)) throw fail('E1202', `a random tensor of shape [${shape}]`);
  context.reserve(byteLength(type, count));
  const key = seed === undefined ? [context.seed >>> 0, 0] : [new Uint32Array(Float32Array.of(seed).buffer)[0]!, 1];
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const [a, b, c, d] = philox(i >>> 0, Math.floor(i / 2 ** 32), key[0]!, key[1]!);
    values[i] = draw(unit(a, b), i, unit(c, d));
  }
  const data = emptyArray(type, count) as Float32Array;
  const wide = computeType(type)!;
  const big = wide === 'int64' || wide === 'uint64';
  store(data, type, 0, 1, (big ? BigInt64Array.from(values, v => BigInt(Math.trunc(v))) : values) as Float64Array, 0, count);
  return fromElements(type, data, shape);
}

/** 53 random bits as a number in [0, 1). */
const unit = (high: number, low: number): number => ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;

/** Ten rounds over the counter [c0, c1, 0, 0] with the key [k0, k1]. */
function philox(c0: number, c1: number, k0: number, k1: number): [number, number, number, number] {
  let [x0, x1, x2, x3] = [c0, c1, 0, 0];
  let [a, b] = [k0, k1];
  for (let round = 0; round < 10; round++) {
    const [h0, l0] = product(0xd2511f53, x0);
    const [h1, l1] = product(0xcd9e8d57, x2);
    [x0, x1, x2, x3] = [(h1 ^ x1 ^ a) >>> 0, l1, (h0 ^ x3 ^ b) >>> 0, l0];
    a = (a + 0x9e3779b9) >>> 0;
    b = (b + 0xbb67ae85) >>> 0;
  }
  return [x0, x1, x2, x3];
}

/** The two halves of a product of 32-bit numbers. */
function product(a: number, b: number): [number, number] {
  const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = ah * bl + Math.floor((al * bl) / 65536);
  const cross = (middle & 0xffff) + al * bh;
  return [(ah * bh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0, Math.imul(a, b) >>> 0];
}
