// Memory of callers that outputs are written to.
import { fail } from '../errors.ts';
import type { Datum } from '../ir/datum.ts';
import { Tensor } from '../ir/tensor.ts';
import { type DataType, formatShape } from '../ir/types.ts';
import { RoomContent } from './cache.ts';

/**
 * The bytes of a caller's tensor, to be written; of one in a room, those of the room.
 * @throws ModelError E3002 where it has another type or no memory of its own, E3003 where it has other sizes
 */
export function writableBytes(name: string, target: Tensor, type: DataType, dims: readonly number[]): Uint8Array {
  if (target.type !== type) throw fail('E3002', `output ${name}: its tensor is ${target.type}, the output ${type}`);
  if (target.dims.length !== dims.length || dims.some((d, axis) => d !== target.dims[axis]))
    throw fail('E3003', `output ${name}: its tensor has sizes ${formatShape(target.dims)}, the output ${formatShape(dims)}`);
  if (target.content instanceof RoomContent) return target.content.room.bytes;
  // Elements that are a copy of the bytes would not change with them.
  if (type !== 'string' && target.isResident && (target.data as ArrayBufferView).buffer === target.bytes().buffer) return target.bytes();
  throw fail('E3002', `output ${name}: its tensor has no memory that can be written to`);
}

/** The caller's tensor with what a run made. */
export function writeInto(name: string, target: Tensor, made: Datum): Tensor {
  if (made === target) return target;
  if (!(made instanceof Tensor)) throw fail('E3002', `output ${name} is no tensor, and cannot be written into one`);
  writableBytes(name, target, made.type, made.dims).set(made.bytes());
  return target;
}
