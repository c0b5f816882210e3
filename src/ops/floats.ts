// Elements as float64 and back, for operators that the host evaluates.
import type { Tensor, TypedArray } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';
import { elementsOf, emptyArray, fromElements } from '../kernels/memory.ts';
import { load, store } from '../kernels/storage.ts';

/** The elements of a tensor of floats, or of integers below 64 bits, as float64. */
export function floatsOf(t: Tensor): Float64Array {
  const floats = new Float64Array(t.size);
  // The cast of both: what is no number has no arithmetic, which the call says.
  load(floats, 0, elementsOf(t) as TypedArray, t.type, 0, 1, t.size);
  return floats;
}

/** A tensor of such elements, rounded to its type. */
export function floatTensor(type: DataType, floats: Float64Array, dims: readonly number[]): Tensor {
  const data = emptyArray(type, floats.length);
  store(data as TypedArray, type, 0, 1, floats, 0, floats.length);
  return fromElements(type, data, dims);
}
