// Constant in all of its spellings, and sparse tensors as dense ones.
import { fail } from '../errors.ts';
import { type SparseTensor, Value } from '../ir/graph.ts';
import { numbersOf, Tensor } from '../ir/tensor.ts';
import { tensorType } from '../ir/types.ts';
import { elementsOf, emptyArray, fromElements } from '../kernels/memory.ts';
import type { At, Family } from './row.ts';
import { contentsOf } from './shapes.ts';

export const constants = {
  Constant: {
    infer(_x, at) {
      const { type, dims } = constantTensor(at);
      return [tensorType(type, dims)];
    },
    contents: (_x, at) => [contentsOf(new Value('', undefined, { tensor: constantTensor(at) }))],
    host: (_x, at) => [constantTensor(at)],
  },
} satisfies Family;

/**
 * The tensor of a Constant.
 * @throws ModelError E1303 without any of its attributes
 */
export function constantTensor(at: At<'Constant'>): Tensor {
  if (at.value instanceof Tensor) return at.value;
  if (at.value_float !== undefined) return new Tensor('float32', [at.value_float], []);
  if (at.value_int !== undefined) return new Tensor('int64', [at.value_int], []);
  if (at.value_floats !== undefined) return new Tensor('float32', at.value_floats);
  if (at.value_ints !== undefined) return new Tensor('int64', at.value_ints);
  if (at.value_string !== undefined) return new Tensor('string', [at.value_string], []);
  if (at.value_strings !== undefined) return new Tensor('string', at.value_strings);
  // The cast: attribute tables do not know the class.
  if (at.sparse_value !== undefined) return denseOf(at.sparse_value as SparseTensor);
  throw fail('E1303', 'Constant: expected one of its value attributes, found none');
}

/** Most elements of a dense tensor that is made of a sparse one. */
const maxDense = 2 ** 28;

/**
 * A sparse tensor of resident parts with its zeros. Indices count elements in row-major order, or name each axis.
 * @throws ModelError E1009 for one that is too large, E3006 for an index outside, E1202 where the parts contradict each other
 */
export function denseOf({ values, indices, dims }: SparseTensor): Tensor {
  const count = dims.reduce((n, d) => n * d, 1);
  if (!(count <= maxDense))
    throw fail('E1009', `a sparse tensor of ${count} elements is too large to be made dense`, {
      limit: { name: 'dense', value: maxDense },
    });
  const [entries, rank] = indices.dims;
  if (entries !== values.size || (rank !== undefined && rank !== dims.length))
    throw fail('E1202', `a sparse tensor [${dims}] has values [${values.dims}] and indices [${indices.dims}]`);
  const dense = emptyArray(values.type, count);
  const given = elementsOf(values);
  const at = numbersOf(indices);
  for (let i = 0; i < values.size; i++) {
    const place = rank === undefined ? at[i]! : flatIndex(at.slice(i * rank, (i + 1) * rank), dims);
    if (!(place >= 0 && place < count)) throw fail('E3006', `index ${place} of a sparse tensor lies outside its ${count} elements`);
    dense[place] = given[i]! as never;
  }
  return fromElements(values.type, dense, dims);
}

const flatIndex = (index: readonly number[], dims: readonly number[]): number =>
  index.reduce((n, at, axis) => (at >= 0 && at < dims[axis]! ? n * dims[axis]! + at : Number.NaN), 0);
