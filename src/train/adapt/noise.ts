// Tensors of numbers by chance, the same on every machine for one seed.
import { fail } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { type DataType, isFloat } from '../../ir/types.ts';
import { tensorOfNumbers } from '../../kernels/memory.ts';

/** Numbers evenly spread between `-bound` and `bound`. */
export function noise(type: DataType, dims: readonly number[], bound: number, seed: number): Tensor {
  const count = dims.reduce((n, d) => n * d, 1);
  const values = Float64Array.from({ length: count }, (_, i) => (2 * mixed(seed, i) - 1) * bound);
  if (!isFloat(type)) throw fail('E6004', `new weights are floats, not ${type}`);
  return tensorOfNumbers(type, values, dims);
}

/** A number in [0, 1) for a seed and a place: the finaliser of MurmurHash3, by Austin Appleby, in the public domain. */
function mixed(seed: number, place: number): number {
  let x = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}
