// Tensors as PyTorch stores them: bytes of a storage, seen through sizes, strides and an offset. Knows no file.
import { fail } from '../../errors.ts';
import { arrayFor, resident, type Stored, Tensor, type TypedArray, viewBytes } from '../../ir/tensor.ts';
import { byteLength, type DataType } from '../../ir/types.ts';
import { contiguousStrides, wholeOperand } from '../../kernels/kernel.ts';
import { copy } from '../../kernels/move.ts';

/** Tensors up to this many bytes are read at once; larger ones stay ranges of the archive. */
const residentLimit = 65536;

/** How a tensor lies in its storage; sizes, strides and offset count elements. */
export interface Lie {
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** Where a file says so. */
  readonly path: string;
}

/** The bytes of a storage, in memory or as a range. */
export type Storage = Uint8Array | Stored;

/**
 * The tensor that lies in a storage so.
 * @throws ModelError E1203 where it reaches beyond the storage
 */
export async function tensorInStorage(name: string, { type, dims, strides, offset, path }: Lie, storage: Storage): Promise<Tensor> {
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

const part = (storage: Stored, start: number, length: number): Stored => ({
  length,
  read: (offset = 0, count = length - offset) => storage.read(start + offset, count),
});

/** Row-major elements of a tensor stored in another order. */
function rearranged(type: DataType, dims: readonly number[], strides: readonly number[], bytes: Uint8Array): Tensor {
  const data: TypedArray = new (arrayFor(type))(dims.reduce((n, d) => n * d, 1));
  copy({ type, data: viewBytes(type, bytes), offset: 0, shape: dims, strides }, wholeOperand(type, data, dims));
  return new Tensor(type, data, dims);
}
