// Arrays on the command line: read, paired with names, summed up for people, made at random.
import { fail } from '../src/errors.ts';
import type { ValueInfo } from '../src/exec/session.ts';
import { readArrays } from '../src/formats/arrays.ts';
import { type Dim, substitute, symbolsOf } from '../src/ir/dims.ts';
import { resident, Tensor } from '../src/ir/tensor.ts';
import { type DataType, elementTypes, formatType } from '../src/ir/types.ts';
import { bfloat16, float16 } from '../src/kernels/storage.ts';
import { FileSource } from '../src/node/files.ts';
import { matchArrays } from '../src/validate/compare.ts';
import type { Output } from './output.ts';
import { randomNumbers } from './random.ts';
import { shown } from './terminal.ts';

export type Arrays = Readonly<Record<string, Tensor>>;

/** Arrays of an .npz by name, or the one of an .npy as `array`. Errors: E1001, E1002, E2002 and what reading a file throws. */
export const loadArrays = async (path: string): Promise<Arrays> => readArrays(await FileSource.open(path));

/** Arrays under the names wanted; pairing by order is said. Errors: E3001. */
export function paired(given: Arrays, wanted: readonly string[], what: string, out: Output): Arrays {
  const { arrays, byOrder } = matchArrays(given, wanted, what);
  if (byOrder) {
    const pairs = Object.keys(given).map((name, i) => `${shown(name)} as ${shown(wanted[i]!)}`);
    out.note(`no array is named like an ${what}, so they are taken in order: ${pairs.join(', ')}`);
  }
  return arrays;
}

const codecs = { float16, bfloat16 } as const;
const isHalf = (type: DataType): type is keyof typeof codecs => Object.hasOwn(codecs, type);

/** Arrays in the float types of the inputs that they are for: float32 as float16 or bfloat16, and those as float32. */
export function typedAs(inputs: readonly ValueInfo[], given: Arrays): Arrays {
  const types = new Map(inputs.map(({ name, type }) => [name, type?.kind === 'tensor' ? type.element : undefined]));
  const typed = (name: string, t: Tensor): Tensor => {
    const type = types.get(name);
    if (type === undefined || type === t.type) return t;
    // The casts: of these types the typed arrays are known.
    if (t.type === 'float32' && isHalf(type))
      return new Tensor(type, Uint16Array.from(t.data as Float32Array, codecs[type].encode), t.dims);
    if (isHalf(t.type) && type === 'float32')
      return new Tensor(type, Float32Array.from(t.data as Uint16Array, codecs[t.type].decode), t.dims);
    return t;
  };
  return Object.fromEntries(Object.entries(given).map(([name, t]) => [name, typed(name, t)]));
}

/** What people look at first in an array. Minimum, maximum and mean are over elements that are no NaN. */
export interface Statistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly nan: number;
}

/** Undefined for strings, complex numbers and packed types. */
export async function statisticsOf(tensor: Tensor): Promise<Statistics | undefined> {
  const { class: kind, bits } = elementTypes[tensor.type];
  if (kind === 'string' || kind === 'complex' || (kind === 'float' && bits < 16) || bits < 8) return undefined;
  const { data, type } = await resident(tensor);
  const decode = type === 'float16' ? float16.decode : type === 'bfloat16' ? bfloat16.decode : Number;
  let [min, max, total, nan] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < data.length; i++) {
    // The cast: strings were ruled out above, and `Number` takes a bigint.
    const x = (decode as (element: unknown) => number)(data[i]);
    if (Number.isNaN(x)) nan++;
    else [min, max, total] = [Math.min(min, x), Math.max(max, x), total + x];
  }
  const count = data.length - nan;
  return count > 0 ? { min, max, mean: total / count, nan } : { min: Number.NaN, max: Number.NaN, mean: Number.NaN, nan };
}

/** The size that open sizes get. Not 1, which would hide a mistake in broadcasting. */
const openSize = 2;

/**
 * Arrays for the inputs, the same for the same model: floats between -1 and 1, integers and booleans 0 or 1, which are valid as
 * indices nearly everywhere. Errors: E3009 an input whose rank or type is not known or has no such arrays.
 */
export function randomArrays(inputs: readonly ValueInfo[], { seed = 0, size = openSize }: RandomOptions = {}): Arrays {
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
