// Weights of a `.pt2` archive: records of raw storage bytes, described by a configuration beside them.
import type { Zip } from '../../codec/zip.ts';
import { fail } from '../../errors.ts';
import { arrayFor, resident, Tensor, type TypedArray, viewBytes } from '../../ir/tensor.ts';
import { byteLength, type DataType } from '../../ir/types.ts';
import { contiguousStrides, wholeOperand } from '../../kernels/kernel.ts';
import { copy } from '../../kernels/move.ts';
import type { Cursor } from './json.ts';
import { elementOfCode, readSize } from './sizes.ts';

/** Tensors up to this many bytes are read at once; larger ones stay ranges of the archive. */
const residentLimit = 65536;

/**
 * The tensor that a payload entry describes.
 * @param folder of the record, such as `data/weights`
 */
export async function readPayload(zip: Zip, root: string, folder: string, name: string, payload: Cursor): Promise<Tensor> {
  const record = payload.get('path_name').text;
  if (record.includes('/') || record.includes('\\') || record.startsWith('.'))
    throw fail('E1011', `${payload.path}: the record name ${JSON.stringify(record)} leaves its folder`, {
      path: payload.path,
      tensor: name,
    });
  if (payload.find('use_pickle')?.boolean)
    throw fail('E2002', `${name} is stored as a pickle, which is not read here`, { tensor: name, path: payload.path });
  const entry = zip.entries.get(`${root}/${folder}/${record}`);
  if (!entry) throw fail('E1013', `the record ${folder}/${record} of ${name} is missing`, { tensor: name, path: payload.path });
  const facts = readMeta(payload.get('tensor_meta'), name);
  const storage = entry.method === 0 ? await entry.range() : await entry.bytes();
  return facts.dims.includes(0) ? new Tensor(facts.type, new Uint8Array(0), facts.dims) : build(name, facts, storage);
}

interface Meta {
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly path: string;
}

function readMeta(meta: Cursor, name: string): Meta {
  const numbers = (key: string): number[] =>
    meta.get(key).items.map(item => {
      const size = readSize(item);
      if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
      throw fail('E1202', `${item.path}: a stored tensor needs sizes that are numbers, found ${size}`, { path: item.path, tensor: name });
    });
  const [dims, strides] = [numbers('sizes'), numbers('strides')];
  if (strides.length !== dims.length)
    throw fail('E1202', `${meta.path}: ${dims.length} sizes and ${strides.length} strides`, { path: meta.path, tensor: name });
  const offset = readSize(meta.get('storage_offset'));
  if (typeof offset !== 'number' || offset < 0)
    throw fail('E1202', `${meta.path}: storage_offset ${offset}`, { path: meta.path, tensor: name });
  return { type: elementOfCode(meta.get('dtype')), dims, strides, offset, path: meta.path };
}

type Storage = Uint8Array | { readonly length: number; read(offset?: number, length?: number): Promise<Uint8Array> };

async function build(name: string, { type, dims, strides, offset, path }: Meta, storage: Storage): Promise<Tensor> {
  const reach = dims.reduce((n, d, i) => n + (d - 1) * strides[i]!, offset) + 1;
  const needed = byteLength(type, reach);
  if (!Number.isSafeInteger(needed) || needed > storage.length)
    throw fail(
      'E1203',
      `${name}: ${type}[${dims}] with strides [${strides}] needs ${needed} bytes of storage, the record has ${storage.length}`,
      { tensor: name, path },
    );
  const start = byteLength(type, offset);
  const expected = contiguousStrides(dims, (a, b) => a * b, 1);
  const isPlain = dims.every((d, i) => d === 1 || strides[i] === expected[i]);
  const length = isPlain
    ? byteLength(
        type,
        dims.reduce((n, d) => n * d, 1),
      )
    : needed - start;
  const content = storage instanceof Uint8Array ? storage.subarray(start, start + length) : part(storage, start, length);
  if (isPlain) {
    const tensor = new Tensor(type, content, dims);
    return length <= residentLimit ? resident(tensor) : tensor;
  }
  return rearranged(type, dims, strides, content instanceof Uint8Array ? content : await content.read());
}

const part = (storage: Exclude<Storage, Uint8Array>, start: number, length: number): Exclude<Storage, Uint8Array> => ({
  length,
  read: (offset = 0, count = length - offset) => storage.read(start + offset, count),
});

/** Row-major elements of a tensor stored in another order. */
function rearranged(type: DataType, dims: readonly number[], strides: readonly number[], bytes: Uint8Array): Tensor {
  const data: TypedArray = new (arrayFor(type))(dims.reduce((n, d) => n * d, 1));
  copy({ type, data: viewBytes(type, bytes), offset: 0, shape: dims, strides }, wholeOperand(type, data, dims));
  return new Tensor(type, data, dims);
}
