// Numbers and arrays by chance that are the same on every machine for one seed.
import { fail } from '../errors.ts';
import type { ValueInfo } from '../exec/session.ts';
import { type Dim, substitute, symbolsOf } from '../ir/dims.ts';
import { Tensor } from '../ir/tensor.ts';
import { elementTypes, formatType } from '../ir/types.ts';
import { bfloat16, float16 } from '../kernels/storage.ts';

/** A generator of numbers in [0, 1): Mulberry32, by Tommy Ettinger, in the public domain. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The size that open sizes get. Not 1, which would hide a mistake in broadcasting. */
const openSize = 2;

/**
 * Arrays for the inputs, the same for the same model: floats between -1 and 1, integers and booleans 0 or 1, which are valid as
 * indices nearly everywhere. Errors: E3009 an input whose rank or type is not known or has no such arrays.
 */
export function randomArrays(inputs: readonly ValueInfo[], { seed = 0, size = openSize }: RandomOptions = {}): Record<string, Tensor> {
  const next = randomNumbers(0x6f6d6e69 + seed);
  return Object.fromEntries(inputs.map(input => [input.name, randomTensor(input, next, size)]));
}

export interface RandomOptions {
  readonly seed?: number;
  /** What open sizes become. */
  readonly size?: number;
}

function randomTensor({ name, type }: ValueInfo, next: () => number, size: number): Tensor {
  const kind = type?.kind === 'tensor' ? elementTypes[type.element].class : 'none';
  if (type?.kind !== 'tensor' || !type.shape || ['none', 'string', 'complex'].includes(kind) || elementTypes[type.element].bits < 8)
    throw fail('E3009', `input ${name} ${formatType(type)} cannot be filled at random`, { hint: 'Give arrays: --verify inputs.npz' });
  const dims = type.shape.map(d => sizeOf(d, size));
  const count = dims.reduce((n, d) => n * d, 1);
  if (count > 2 ** 28) throw fail('E3009', `input ${name} ${formatType(type)} is too large to be filled at random`);
  const values = Array.from({ length: count }, () => (kind === 'float' ? 2 * next() - 1 : Math.floor(2 * next())));
  if (type.element === 'float16') return new Tensor('float16', Uint16Array.from(values, float16.encode), dims);
  if (type.element === 'bfloat16') return new Tensor('bfloat16', Uint16Array.from(values, bfloat16.encode), dims);
  return new Tensor(type.element, values, dims);
}

function sizeOf(dim: Dim, open: number): number {
  if (typeof dim === 'number') return dim;
  const size = substitute(dim, new Map([...symbolsOf(dim)].map(name => [name, open])));
  return typeof size === 'number' && size > 0 ? size : open;
}
