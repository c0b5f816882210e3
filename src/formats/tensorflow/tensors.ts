// Constants: TensorProto as tensors.
import { fail } from '../../errors.ts';
import { arrayFor, Tensor, type TypedArray } from '../../ir/tensor.ts';
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
  if (given.length > count || (given.length === 0 && count > 0 && count > mostRepeated))
    throw fail('E1203', `string[${dims}] is ${count} strings, the data has ${given.length}`);
  const last = given[given.length - 1] ?? new Uint8Array(0);
  return new Tensor(
    'string',
    Array.from({ length: count }, (_, i) => given[i] ?? last),
    dims,
  );
}

/** Most elements that one stored element may stand for: more is written by no program, and would let a small file fill the memory. */
const mostRepeated = 1 << 28;

/** Elements of which the last repeats; none at all are zeros. */
function elements(type: DataType, given: ArrayLike<number | bigint | boolean>, count: number, field: string): TypedArray {
  const parts = elementTypes[type].class === 'complex' ? 2 : 1;
  const packed = elementTypes[type].bits < 8;
  const wanted = packed ? byteLength(type, count) : count * parts;
  if (given.length > count * parts || given.length % parts !== 0)
    throw fail('E1203', `${count} elements of ${type}, the data has ${given.length / parts}`);
  if (given.length < count * parts && wanted > mostRepeated)
    throw fail('E1009', `${count} elements repeat one`, { limit: { name: 'tensor.repeated', value: mostRepeated } });
  if (packed) throw fail('E2001', `a constant of ${type} has no conversion`);
  const data = new (arrayFor(type))(wanted) as TypedArray;
  const isLong = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let i = 0; i < given.length; i++) {
    const value = given[i]!;
    if (field === 'half_val' && (Number(value) < 0 || Number(value) > 0xffff)) throw fail('E1203', `half_val ${value} is no 16 bits`);
    data[i] = (isLong ? BigInt(value) : Number(value)) as never;
  }
  for (let i = given.length; i < wanted && given.length > 0; i++) data[i] = data[given.length - parts + (i % parts)]!;
  return data;
}
