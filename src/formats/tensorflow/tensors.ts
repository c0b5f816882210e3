// Constants: TensorProto as tensors.
import { fail } from '../../errors.ts';
import { arrayFor, bytesOf, type Stored, Tensor, type TypedArray } from '../../ir/tensor.ts';
import { byteLength, type DataType, elementTypes } from '../../ir/types.ts';
import type { TensorProto } from './proto.gen.ts';
import { elementOf, knownSizes } from './types.ts';

/** The field that holds elements of a type, where they are not in `tensor_content`. */
const fields: Readonly<Partial<Record<DataType, keyof TensorProto>>> = {
  float32: 'float_val',
  float64: 'double_val',
  int32: 'int_val',
  uint8: 'int_val',
  int16: 'int_val',
  int8: 'int_val',
  uint16: 'int_val',
  int4: 'int_val',
  uint4: 'int_val',
  string: 'string_val',
  complex64: 'scomplex_val',
  complex128: 'dcomplex_val',
  int64: 'int64_val',
  bool: 'bool_val',
  float16: 'half_val',
  bfloat16: 'half_val',
  uint32: 'uint32_val',
  uint64: 'uint64_val',
};

/**
 * The tensor that a message holds; large contents stay in the file.
 * @throws ModelError E1201 to E1204 for what contradicts itself
 */
export function readTensor(proto: TensorProto): Tensor {
  const type = elementOf(proto.dtype ?? 0);
  const dims = knownSizes(proto.tensor_shape);
  const count = dims.reduce((n, d) => n * d, 1);
  if (!Number.isSafeInteger(count)) throw fail('E1202', `the size of ${type}[${dims}] overflows`);
  const content = proto.tensor_content;
  if (content && content.length > 0) {
    if (type === 'string') throw fail('E1204', 'a string tensor has its data in tensor_content');
    return new Tensor(type, content, dims);
  }
  if (elementTypes[type].bits === 8 && elementTypes[type].class === 'float') return new Tensor(type, proto.float8_val ?? [], dims);
  const field = fields[type];
  if (!field) throw fail('E2001', `a constant of ${type} has no conversion`);
  const given = (proto[field] ?? []) as ArrayLike<unknown>;
  if (type === 'string') return stringTensor(given as ArrayLike<Uint8Array>, dims, count);
  return new Tensor(type, elements(type, given as ArrayLike<number | bigint | boolean>, count, String(field)), dims);
}

function stringTensor(given: ArrayLike<Uint8Array>, dims: readonly number[], count: number): Tensor {
  if (given.length > count) throw fail('E1203', `string[${dims}] is ${count} strings, the data has ${given.length}`);
  if (given.length < count) requireRepeatable(count, mostRepeatedStrings);
  const last = given[given.length - 1] ?? new Uint8Array(0);
  return new Tensor(
    'string',
    Array.from({ length: count }, (_, i) => given[i] ?? last),
    dims,
  );
}

/** Most elements that one stored element may stand for: more is written by no program, and would let a small file fill the disk. */
const mostRepeated = 1 << 28;
/** Strings are objects in memory, each of them. */
const mostRepeatedStrings = 1 << 18;
/** Up to so many elements are made at once. */
const mostResident = 1 << 16;

function requireRepeatable(count: number, most: number): void {
  if (count > most) throw fail('E1009', `${count} elements repeat one`, { limit: { name: 'tensor.repeated', value: most } });
}

/** The last of a few elements up to the end, made as it is read. */
class Repeated implements Stored {
  readonly length: number;
  readonly #start: Uint8Array;
  readonly #last: Uint8Array;
  constructor(start: Uint8Array, width: number, length: number) {
    this.length = length;
    this.#start = start;
    this.#last = start.subarray(start.length - width);
  }

  async read(offset = 0, length = this.length - offset): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const { length: width } = this.#last;
    if (this.#last.some(byte => byte !== 0))
      for (let i = 0, at = offset % width; i < length; i++, at = (at + 1) % width) bytes[i] = this.#last[at]!;
    bytes.set(this.#start.subarray(offset, offset + length));
    return bytes;
  }
}

/** Elements of which the last repeats; none at all are zeros. */
function elements(type: DataType, given: ArrayLike<number | bigint | boolean>, count: number, field: string): TypedArray | Stored {
  const parts = elementTypes[type].class === 'complex' ? 2 : 1;
  const packed = elementTypes[type].bits < 8;
  const wanted = packed ? byteLength(type, count) : count * parts;
  if (given.length > count * parts || given.length % parts !== 0)
    throw fail('E1203', `${count} elements of ${type}, the data has ${given.length / parts}`);
  if (given.length < count * parts) requireRepeatable(wanted, mostRepeated);
  if (packed) throw fail('E2001', `a constant of ${type} has no conversion`);
  const resident = wanted <= mostResident || given.length === wanted;
  const data = new (arrayFor(type))(resident ? wanted : Math.max(given.length, parts)) as TypedArray;
  const isLong = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let i = 0; i < given.length; i++) {
    const value = given[i]!;
    if (field === 'half_val' && (Number(value) < 0 || Number(value) > 0xffff)) throw fail('E1203', `half_val ${value} is no 16 bits`);
    data[i] = (isLong ? BigInt(value) : Number(value)) as never;
  }
  if (!resident) return new Repeated(bytesOf(data), parts * data.BYTES_PER_ELEMENT, wanted * data.BYTES_PER_ELEMENT);
  for (let i = given.length; i < wanted && given.length > 0; i++) data[i] = data[given.length - parts + (i % parts)]!;
  return data;
}
