// Tensors of one number, and values brought to the shape of another tensor: for rows that create and rows that write.
import { isStatic, sameShape } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import { bfloat16, float16 } from '../../../kernels/storage.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, shapeOf } from '../../../ops/shapes.ts';
import { asTensor } from './operands.ts';
import { type Scalar, Symbolic } from './row.ts';

/** The shape of a tensor as one int64 value. */
export function shapeValue(b: Builder, x: Value): Value {
  const shape = shapeOf(x);
  return isStatic(shape) ? b.ints(shape) : b.Shape(x);
}

export const expanded = (b: Builder, x: Value, sizes: Value): Value => b.emit('Expand', [x, sizes])[0]!;

/** `x` broadcast to the shape of another tensor. */
export const broadcastLike = (b: Builder, x: Value, like: Value): Value =>
  sameShape(shapeOf(x), shapeOf(like)) ? x : expanded(b, x, shapeValue(b, like));

/** A tensor of these sizes with every element the same number. */
export function filled(b: Builder, sizes: Value, value: Scalar, type: DataType): Value {
  const scalar = asTensor(b, value, type);
  if (value instanceof Symbolic || !scalar.tensor) return expanded(b, scalar, sizes);
  return b.ConstantOfShape({ input: sizes }, { value: scalar.tensor.reshape([1]) });
}

export const filledLike = (b: Builder, like: Value, value: Scalar, type = elementOf(like)): Value =>
  filled(b, shapeValue(b, like), value, type);

/** A constant of an element type: a vector unless its sizes are given. */
export function numbers(b: Builder, values: readonly number[], type: DataType, dims: readonly number[] = [values.length]): Value {
  const half = type === 'float16' ? float16 : type === 'bfloat16' ? bfloat16 : undefined;
  return b.constant(half ? Uint16Array.from(values, half.encode) : values, type, dims);
}
