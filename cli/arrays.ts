// Arrays on the command line: read, paired with names, summed up for people, made at random.
import type { ValueInfo } from '../src/exec/session.ts';
import { readArrays } from '../src/formats/arrays.ts';
import { resident, Tensor } from '../src/ir/tensor.ts';
import { type DataType, elementTypes } from '../src/ir/types.ts';
import { bfloat16, float16 } from '../src/kernels/storage.ts';
import { FileSource } from '../src/node/files.ts';
import { matchArrays } from '../src/validate/compare.ts';
import { randomArrays } from '../src/validate/random.ts';
import type { Output } from './output.ts';
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

/** Those of an .npz, in the order of the inputs or by name; without one, arrays at random: open sizes are batches and lengths, and are 1. */
export async function feedsFor(inputs: readonly ValueInfo[], path: string | undefined, out: Output): Promise<Arrays> {
  if (path === undefined) return randomArrays(inputs, { size: 1 });
  const names = inputs.map(v => v.name);
  const entries = Object.entries(paired(await loadArrays(path), names, 'input', out));
  return Object.fromEntries(await Promise.all(entries.map(async ([name, t]) => [name, await resident(t)] as const)));
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
