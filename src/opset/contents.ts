// Contents of small constants, as conversion between opsets asks for them.
import type { Value } from '../ir/graph.ts';
import type { TypedArray } from '../ir/tensor.ts';
import { elementsOf } from '../kernels/memory.ts';
import { computeType, load } from '../kernels/storage.ts';
import { contentsOf } from '../ops/shapes.ts';

/** The integers of a value, where all are known numbers. */
export function contentNumbers(v: Value): readonly number[] | undefined {
  const contents = contentsOf(v);
  return contents?.every((d): d is number => typeof d === 'number') ? contents : undefined;
}

/** The elements of a small resident tensor as numbers. */
export function elementNumbers({ tensor }: Value): readonly number[] | undefined {
  if (!tensor?.isResident || tensor.size > 1024 || !computeType(tensor.type)) return undefined;
  const wide = new Float64Array(tensor.size);
  load(wide, 0, elementsOf(tensor) as TypedArray, tensor.type, 0, 1, tensor.size);
  return Array.from(wide);
}

/** The number that a scalar or a tensor of one element holds. */
export const contentNumber = (v: Value): number | undefined => {
  const elements = elementNumbers(v);
  return elements?.length === 1 ? elements[0] : undefined;
};
