// Tensors of one number, and values brought to a shape: what rows that create and rows that write share.
import { type Dim, isStatic, sameShape } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Tensor } from '../../../ir/tensor.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { shapeOf } from '../../../ops/shapes.ts';
import { asTensor } from './operands.ts';
import { type Scalar, Symbolic } from './row.ts';

/** The sizes of a tensor as one int64 value. */
export function sizesOf(b: Builder, x: Value): Value {
  const shape = shapeOf(x);
  return isStatic(shape) ? b.ints(shape) : b.Shape(x);
}

/** A tensor of these sizes with every element the same number. */
export function filled(b: Builder, sizes: Value, value: Scalar, type: DataType): Value {
  const scalar = asTensor(b, value, type);
  if (value instanceof Symbolic) return expanded(b, scalar, sizes);
  return b.ConstantOfShape({ input: sizes }, { value: (scalar.tensor as Tensor).reshape([1]) });
}

export const expanded = (b: Builder, x: Value, sizes: Value): Value => b.emit('Expand', [x, sizes])[0]!;

/** `x` broadcast to sizes whose known form is `shape`. */
export const broadcastTo = (b: Builder, x: Value, shape: readonly Dim[], sizes: readonly Size[]): Value =>
  sameShape(shapeOf(x), shape) ? x : b.Expand(x, sizes);

/** `x` broadcast to the shape of another tensor. */
export const broadcastLike = (b: Builder, x: Value, like: Value): Value =>
  sameShape(shapeOf(x), shapeOf(like)) ? x : expanded(b, x, sizesOf(b, like));
