// Tensors as PyTorch stores them: bytes of a storage, seen through sizes, strides and an offset. Knows no file.
import { fail } from '../../errors.ts';
import { arrayFor, bytesOf, resident, type Stored, Tensor, type TypedArray, viewBytes } from '../../ir/tensor.ts';
import { byteLength, type DataType } from '../../ir/types.ts';
import { contiguousStrides, wholeOperand } from '../../kernels/kernel.ts';
import { copy } from '../../kernels/move.ts';

/** Tensors up to this many bytes are read at once; larger ones stay ranges of the archive. */
const residentLimit = 65536;
/** Most bytes of a tensor that shows elements of its storage more than once; others need no more than the file. */
const expandedLimit = 2 ** 30;
const maxRank = 64;

/** How a tensor lies in its storage; sizes, strides and offset count elements. */
export interface Lie {
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** Where a file says so. */
  readonly path: string | undefined;
}

/** The bytes of a storage, in memory or as a range. */
export type Storage = Uint8Array | Stored;

/**
 * The tensor that lies in a storage so.
 * @throws ModelError E1203 where it reaches beyond the storage, E1202 for sizes that are impossible, E1009 where it shows the same elements
 * very often
 */
export async function tensorInStorage(name: string, { type, dims, strides, offset, path }: Lie, storage: Storage): Promise<Tensor> {
  if (dims.length > maxRank)
    throw fail('E1202', `${name}: a tensor of rank ${dims.length}, the limit is ${maxRank}`, { tensor: name, path });
  if (dims.includes(0)) return new Tensor(type, new Uint8Array(0), dims);
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
  const total = byteLength(
    type,
    dims.reduce((n, d) => n * d, 1),
  );
  if (total > expandedLimit && total > 4 * storage.length)
    throw fail('E1009', `${name}: ${type}[${dims}] takes ${total} bytes, its storage has ${storage.length}`, {
      tensor: name,
      path,
      limit: { name: 'tensor.expanded', value: expandedLimit },
    });
  const length = isPlain ? total : needed - start;
  const content = storage instanceof Uint8Array ? storage.subarray(start, start + length) : part(storage, start, length);
  const tensor = new Tensor(type, isPlain ? content : rearranged(type, dims, strides, content, total), dims);
  return total <= residentLimit ? resident(tensor) : tensor;
}

const part = (storage: Stored, start: number, length: number): Stored => ({
  length,
  read: (offset = 0, count = length - offset) => storage.read(start + offset, count),
});

/** Row-major elements of a tensor stored in another order, made when they are first read. */
function rearranged(type: DataType, dims: readonly number[], strides: readonly number[], storage: Storage, length: number): Stored {
  let made: Promise<Uint8Array> | undefined;
  const make = async (): Promise<Uint8Array> => {
    const bytes = storage instanceof Uint8Array ? storage : await storage.read();
    const data: TypedArray = new (arrayFor(type))(dims.reduce((n, d) => n * d, 1));
    copy({ type, data: viewBytes(type, bytes), offset: 0, shape: dims, strides }, wholeOperand(type, data, dims));
    return bytesOf(data);
  };
  return {
    length,
    async read(offset = 0, count = length - offset) {
      made ??= make();
      return (await made).subarray(offset, offset + count);
    },
  };
}
