// npy and npz files as tensors, in NumPy's types.
import { type NpyArray, readNpy, readNpz, writeNpy, writeNpz } from '../codec/npy.ts';
import type { Source } from '../codec/source.ts';
import { unsafeName } from '../codec/zip-directory.ts';
import { fail } from '../errors.ts';
import type { Datum } from '../ir/datum.ts';
import { resident, Tensor } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';

const types: Readonly<Record<string, DataType>> = {
  '|b1': 'bool',
  '|i1': 'int8',
  '|u1': 'uint8',
  '<i2': 'int16',
  '<u2': 'uint16',
  '<i4': 'int32',
  '<u4': 'uint32',
  '<i8': 'int64',
  '<u8': 'uint64',
  '<f2': 'float16',
  '<f4': 'float32',
  '<f8': 'float64',
  '<c8': 'complex64',
  '<c16': 'complex128',
};
const descriptions = new Map(Object.entries(types).map(([descr, type]) => [type, descr]));

/** Arrays of an .npz, in its order, or the one of an .npy under the name `array`. Large ones stay ranges of the file. */
export async function readArrays(source: Source): Promise<Record<string, Tensor>> {
  const head = await source.read(0, Math.min(6, source.size));
  if (source.size === 0) throw fail('E1001', 'the file is empty', { file: source.name });
  const isNpy = head[0] === 0x93;
  if (!isNpy && !(head[0] === 0x50 && head[1] === 0x4b))
    throw fail('E1002', 'neither an .npy nor an .npz file', { file: source.name, offset: 0 });
  const arrays = isNpy ? new Map([['array', await readNpy(source)]]) : await readNpz(source);
  const tensors: [string, Tensor][] = [];
  for (const [name, a] of arrays) tensors.push([name, await toTensor(a, name, source.name)]);
  return Object.assign(Object.create(null), Object.fromEntries(tensors)) as Record<string, Tensor>;
}

async function toTensor({ descr, shape, data }: NpyArray, name: string, file: string): Promise<Tensor> {
  if (descr.startsWith('<U'))
    return new Tensor('string', textOf(data instanceof Uint8Array ? data : await data.read(), descr, `array ${name}`), shape);
  const type = types[descr];
  if (!type) throw fail('E2002', `array ${name} has type ${descr}, which no tensor has`, { file, tensor: name });
  return new Tensor(type, data, shape);
}

async function toArray(tensor: Tensor, name: string): Promise<NpyArray & { readonly data: Uint8Array }> {
  if (tensor.type === 'string') return textArray((await resident(tensor)).data as readonly string[], tensor.dims);
  const descr = descriptions.get(tensor.type);
  if (!descr) throw fail('E2002', `${name}: NumPy files have no type for ${tensor.type}`, { tensor: name });
  return { descr, shape: tensor.dims, data: (await resident(tensor)).bytes() };
}

/** Elements of text: code points of four bytes each, filled up with zeros. */
function textOf(bytes: Uint8Array, descr: string, where: string): string[] {
  const length = Number(descr.slice(2));
  if (length === 0) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / (4 * length) }, (_, i) => {
    const points = Array.from({ length }, (_, k) => view.getUint32(4 * (i * length + k), true));
    const end = points.findLastIndex(point => point !== 0) + 1;
    const odd = points.find(point => point > 0x10ffff);
    if (odd !== undefined) throw fail('E1006', `${where}: text holds the code point ${odd}, which does not exist`);
    return points
      .slice(0, end)
      .map(point => String.fromCodePoint(point))
      .join('');
  });
}

function textArray(strings: readonly string[], shape: readonly number[]): NpyArray & { readonly data: Uint8Array } {
  const points = strings.map(s => Array.from(s, c => c.codePointAt(0)!));
  const length = points.reduce((most, p) => Math.max(most, p.length), 1);
  const data = new Uint8Array(4 * length * strings.length);
  const view = new DataView(data.buffer);
  for (const [i, p] of points.entries()) for (const [k, point] of p.entries()) view.setUint32(4 * (i * length + k), point, true);
  return { descr: `<U${length}`, shape, data };
}

/**
 * What values are called in an .npz, where only arrays have a place: an element of a sequence is `name[0]`, a map `name.keys` and
 * `name.values`; an empty optional has no array.
 */
export function flattened(data: Readonly<Record<string, Datum>>): Record<string, Tensor> {
  const arrays: Record<string, Tensor> = Object.create(null);
  const add = (name: string, datum: Datum): void => {
    if (datum instanceof Tensor) arrays[name] = datum;
    else if (datum instanceof Map) {
      arrays[`${name}.keys`] = vectorOf([...datum.keys()]);
      arrays[`${name}.values`] = vectorOf([...datum.values()]);
    } else if (datum !== null) for (const [i, item] of (datum as readonly Datum[]).entries()) add(`${name}[${i}]`, item);
  };
  for (const [name, datum] of Object.entries(data)) add(name, datum);
  return arrays;
}

const vectorOf = (items: readonly (string | number | bigint)[]): Tensor =>
  items.every(x => typeof x === 'string')
    ? new Tensor('string', items as string[], [items.length])
    : new Tensor(items.every(x => typeof x === 'bigint') ? 'int64' : 'float32', items as number[], [items.length]);

/** The names that arrays have in an .npz: one that could lead out of the folder where somebody unpacks it gives way to its number. */
export function archiveNames(names: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set(names);
  const numbered = (i: number): string => {
    let name = `array_${i}`;
    while (taken.has(name)) name += '_';
    return name;
  };
  return new Map(names.map((name, i) => [name, unsafeName(`${name}.npy`) === undefined ? name : numbered(i)]));
}

/** An .npz of the tensors, in their order, under their `archiveNames`. */
export async function* writeArrays(tensors: Readonly<Record<string, Tensor>>, { compressed = false } = {}): AsyncGenerator<Uint8Array> {
  const arrays: [string, NpyArray][] = [];
  const names = archiveNames(Object.keys(tensors));
  for (const [name, tensor] of Object.entries(tensors)) arrays.push([names.get(name)!, await toArray(tensor, name)]);
  yield* writeNpz(arrays, { compressed });
}

/** An .npy of one tensor. */
export async function* writeArray(tensor: Tensor): AsyncGenerator<Uint8Array> {
  yield* writeNpy(await toArray(tensor, 'array'));
}
