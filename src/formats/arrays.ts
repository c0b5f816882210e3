// npy and npz files as tensors, in NumPy's types.
import { type NpyArray, readNpy, readNpz, writeNpy, writeNpz } from '../codec/npy.ts';
import type { Source } from '../codec/source.ts';
import { unsafeName } from '../codec/zip-directory.ts';
import { fail } from '../errors.ts';
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
  const tensors = [...arrays].map(([name, a]): [string, Tensor] => [name, toTensor(a, name, source.name)]);
  return Object.assign(Object.create(null), Object.fromEntries(tensors)) as Record<string, Tensor>;
}

function toTensor({ descr, shape, data }: NpyArray, name: string, file: string): Tensor {
  const type = types[descr];
  if (!type) throw fail('E2002', `array ${name} has type ${descr}, which no tensor has`, { file, tensor: name });
  return new Tensor(type, data, shape);
}

async function toArray(tensor: Tensor, name: string): Promise<NpyArray & { readonly data: Uint8Array }> {
  const descr = descriptions.get(tensor.type);
  if (!descr) throw fail('E2002', `${name}: NumPy files have no type for ${tensor.type}`, { tensor: name });
  return { descr, shape: tensor.dims, data: (await resident(tensor)).bytes() };
}

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
