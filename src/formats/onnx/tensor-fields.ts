// The typed data fields of `TensorProto`: which type uses which, and their entries as stored bytes and back.
import { arrayFor, bytesOf, type Tensor, viewBytes } from '../../ir/tensor.ts';
import { type DataType, elementTypes } from '../../ir/types.ts';
import type { TensorProto } from './proto.gen.ts';

export const dataFields = ['float_data', 'int32_data', 'string_data', 'int64_data', 'double_data', 'uint64_data'] as const;
export type DataField = (typeof dataFields)[number];
type NumberField = Exclude<DataField, 'string_data'>;

const wide: Partial<Record<DataType, DataField>> = {
  float32: 'float_data',
  complex64: 'float_data',
  float64: 'double_data',
  complex128: 'double_data',
  int64: 'int64_data',
  uint32: 'uint64_data',
  uint64: 'uint64_data',
  string: 'string_data',
};

/** The field that holds elements of the type which are not raw; the small types share `int32_data`. */
export const fieldOf = (type: DataType): DataField => wide[type] ?? 'int32_data';

/**
 * Little-endian bytes of the entries of a typed field: shared where the entries are as wide as the elements, otherwise the low
 * bits of each. An entry of `int32_data` is an element, or a byte of packed elements where the type has 4 bits or fewer.
 */
export function bytesOfField(type: DataType, field: NumberField, proto: TensorProto): Uint8Array {
  const entries = proto[field];
  if (entries === undefined) return noBytes;
  if (field === 'uint64_data' && type === 'uint32')
    return bytesOf(Uint32Array.from(entries as BigUint64Array, x => Number(BigInt.asUintN(32, x))));
  if (field !== 'int32_data' || type === 'int32') return bytesOf(entries);
  if (elementTypes[type].bits === 6) return packSixes(entries as Int32Array);
  // Typed arrays keep the low bits of what they are given. The cast: the types here have elements of 8 and 16 bits.
  return bytesOf((arrayFor(type) as typeof Uint8Array).from(entries as Int32Array));
}

/** One for all tensors without data: a typed array of its own costs more than the rest of such a tensor. */
const noBytes = new Uint8Array(0);

/** The typed field of a resident tensor. */
export function fieldOfBytes(tensor: Tensor, field: NumberField): NonNullable<TensorProto[NumberField]> {
  const bytes = tensor.bytes();
  if (field === 'float_data') return new Float32Array(aligned(bytes, 4));
  if (field === 'double_data') return new Float64Array(aligned(bytes, 8));
  if (field === 'int64_data') return new BigInt64Array(aligned(bytes, 8));
  if (field === 'uint64_data' && tensor.type === 'uint32')
    return BigUint64Array.from(viewBytes('uint32', bytes) as Uint32Array, x => BigInt(x));
  if (field === 'uint64_data') return new BigUint64Array(aligned(bytes, 8));
  if (elementTypes[tensor.type].bits === 6) return unpackSixes(bytes, tensor.size);
  return Int32Array.from(viewBytes(tensor.type, bytes) as Int32Array);
}

/** The bytes in a buffer of their own, a whole number of entries long. */
const aligned = (bytes: Uint8Array, width: number): ArrayBuffer =>
  bytes.slice(0, bytes.length - (bytes.length % width)).buffer as ArrayBuffer;

/** Elements of six bits one after the other, the first in the low bits. */
function packSixes(entries: Int32Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((entries.length * 6) / 8));
  entries.forEach((entry, i) => {
    const bit = i * 6;
    const pair = (entry & 63) << (bit & 7);
    bytes[bit >> 3]! |= pair;
    if (pair > 255) bytes[(bit >> 3) + 1]! |= pair >> 8;
  });
  return bytes;
}

const unpackSixes = (bytes: Uint8Array, count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => {
    const bit = i * 6;
    return ((bytes[bit >> 3]! | ((bytes[(bit >> 3) + 1] ?? 0) << 8)) >> (bit & 7)) & 63;
  });

/** Whether two typed arrays hold the same bytes. */
export function sameEntries(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const [x, y] = [bytesOf(a), bytesOf(b)];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}
