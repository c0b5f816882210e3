// Complex numbers as tensors of this format have them: pairs of their real and imaginary parts along one more axis.
import type { Value } from '../../ir/graph.ts';
import { Tensor } from '../../ir/tensor.ts';
import type { DataType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { rankOf } from '../../ops/shapes.ts';
import { expandTo, sizesOf } from '../../ops/sizing.ts';
import { type Complex, complex } from '../tensorflow/handles.ts';

/** The type of the parts; undefined for numbers that are not complex. */
export const partType = (element: DataType | undefined): 'float32' | 'float64' | undefined =>
  element === 'complex64' ? 'float32' : element === 'complex128' ? 'float64' : undefined;

/** A constant as pairs, which is how it is stored. */
export function pairsIn(tensor: Tensor): Tensor {
  const type = partType(tensor.type);
  return type && tensor.isResident ? new Tensor(type, tensor.bytes(), [...tensor.dims, 2]) : tensor;
}

/** The parts of pairs. */
export function fromPairs(b: Builder, pairs: Value): Complex {
  const axis = rankOf(pairs) - 1;
  const [real, imaginary] = [0, 1].map(i => b.Squeeze(b.Slice(pairs, { axes: [axis], starts: [i], ends: [i + 1] }), [axis]));
  return complex(real!, imaginary);
}

/** The imaginary part, zeros where there is none. */
export const imaginaryOf = (b: Builder, { real, imaginary }: Complex): Value => imaginary ?? expandTo(b, b.like(0, real), sizesOf(b, real));

export function toPairs(b: Builder, z: Complex): Value {
  const axis = rankOf(z.real);
  const parts = [z.real, imaginaryOf(b, z)];
  return b.Concat(
    parts.map(v => b.Unsqueeze(v, [axis])),
    axis,
  );
}
