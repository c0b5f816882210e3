// Element types and shapes of TensorFlow's messages.
import { fail } from '../../errors.ts';
import type { DataType } from '../../ir/types.ts';
import type { TensorShapeProto } from './proto.gen.ts';

/** `DataType` numbers of what no tensor of numbers is. */
export const resourceType = 20;
export const variantType = 21;

/** By `DataType` number; quantized integers are kept as the integers they are stored in. */
const types: Readonly<Record<number, DataType>> = {
  1: 'float32',
  2: 'float64',
  3: 'int32',
  4: 'uint8',
  5: 'int16',
  6: 'int8',
  7: 'string',
  8: 'complex64',
  9: 'int64',
  10: 'bool',
  11: 'int8',
  12: 'uint8',
  13: 'int32',
  14: 'bfloat16',
  15: 'int16',
  16: 'uint16',
  17: 'uint16',
  18: 'complex128',
  19: 'float16',
  22: 'uint32',
  23: 'uint64',
  24: 'float8e5m2',
  25: 'float8e4m3fn',
  26: 'float8e4m3fnuz',
  28: 'float8e5m2fnuz',
  29: 'int4',
  30: 'uint4',
  31: 'int2',
  32: 'uint2',
  33: 'float4e2m1',
};

/** Numbers of reference types, which old variables have, are those of the values they refer to and 100. */
const firstReference = 100;

/** The element type of a `DataType` number. @throws ModelError E2001 for one that no tensor has here, E1201 for one that does not exist */
export function elementOf(type: number): DataType {
  const found = elementIfAny(type);
  if (found) return found;
  const name = { 20: 'resource', 21: 'variant', 27: 'float8_e4m3b11fnuz' }[type % firstReference];
  throw name ? fail('E2001', `a tensor of ${name} has no conversion`) : fail('E1201', `the element type ${type} does not exist`);
}

export const elementIfAny = (type: number): DataType | undefined => types[type > firstReference ? type - firstReference : type];

const mostSizes = 254;

/**
 * The sizes of a shape, undefined where the rank is not known, -1 for an open one.
 * @throws ModelError E1202
 */
export function sizesOf(shape: TensorShapeProto | undefined): readonly number[] | undefined {
  if (!shape) return [];
  if (shape.unknown_rank) {
    if (shape.dim?.length) throw fail('E1202', 'a shape of unknown rank has sizes');
    return undefined;
  }
  const dims = shape.dim ?? [];
  if (dims.length > mostSizes) throw fail('E1202', `a shape of rank ${dims.length}, the limit is ${mostSizes}`);
  return dims.map(({ size = 0 }) => {
    if (typeof size === 'bigint' || size < -1) throw fail('E1202', `a size is ${size}`);
    return size;
  });
}

/** The sizes of a tensor that is there. @throws ModelError E1202 for open ones */
export function knownSizes(shape: TensorShapeProto | undefined): readonly number[] {
  const sizes = sizesOf(shape);
  if (!sizes || sizes.includes(-1)) throw fail('E1202', 'the shape of a stored tensor is open');
  return sizes;
}
