// Broadcasting undone: the gradient of a tensor that was broadcast is the sum over the copies of each of its elements.
import { type Dim, sameDim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { range, rankOf, shapeOf } from '../../ops/shapes.ts';
import { divSizes, expandLike, reshapeTo } from '../../ops/sizing.ts';

/** Whether a size that may be 1 or the other's is open until the run. */
const isOpen = (own: Dim, wide: Dim): boolean => typeof own !== 'number' && !sameDim(own, wide) && wide !== 1;

/** `g`, which has the shape that `x` was broadcast to, summed to the shape of `x`. */
export function unbroadcast(b: Builder, g: Value, x: Value): Value {
  const [own, wide] = [shapeOf(x), shapeOf(g)];
  const lead = wide.length - own.length;
  const axes = range(wide.length).filter(i => i < lead || (own[i - lead] === 1 && wide[i] !== 1));
  const summed = axes.length === 0 ? g : b.ReduceSum(g, { axes });
  const kept = lead === 0 ? summed : b.Squeeze(summed, range(lead));
  const sizes = shapeOf(kept);
  if (!own.some((d, i) => isOpen(d, sizes[i]!))) return kept;
  // An axis of n elements that came from m is n / m copies of m, whether m is 1 or n.
  const pairs = own.flatMap((d, i) => (isOpen(d, sizes[i]!) ? [divSizes(b, b.dim(kept, i), b.dim(x, i)), b.dim(x, i)] : [b.dim(kept, i)]));
  const copies: number[] = [];
  let at = 0;
  own.forEach((d, i) => {
    if (isOpen(d, sizes[i]!)) copies.push(at++);
    at++;
  });
  return b.ReduceSum(b.Reshape(kept, pairs), { axes: copies, keepdims: 0 });
}

/** Zeros of the type and shape of `x`. */
export const zerosLike = (b: Builder, x: Value): Value => expandLike(b, b.like(0, x), x);
/** Ones of the type and shape of `x`. */
export const onesLike = (b: Builder, x: Value): Value => expandLike(b, b.like(1, x), x);
/** A reduced tensor with its axes of size 1 again. */
export const withAxes = (b: Builder, v: Value, axes: readonly number[], keepdims: number): Value =>
  keepdims || axes.length === 0 ? v : b.Unsqueeze(v, axes);
/** A gradient in the shape of `x`, of as many elements. */
export const inShapeOf = (b: Builder, g: Value, x: Value): Value =>
  rankOf(g) === rankOf(x) && shapeOf(g).every((d, i) => sameDim(d, shapeOf(x)[i]!))
    ? g
    : reshapeTo(
        b,
        g,
        range(rankOf(x)).map(i => b.dim(x, i)),
        x,
      );
