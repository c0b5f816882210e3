// Losses of how near things lie to each other.
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { rankOf } from '../../ops/shapes.ts';
import { number } from '../options.ts';
import { eachExample, type LossRow, likeOutput, loss, reduce, reduction } from './loss.ts';

/** Added to squares of lengths, so that zero has an angle. */
const epsilon = 1e-12;

/** The cosine of the angle between vectors, which are the last axis. */
function cosine(b: Builder, x: Value, y: Value): Value {
  const along = (v: Value): Value => b.ReduceSum(v, { axes: [rankOf(x) - 1], keepdims: 0 });
  const square = (v: Value): Value => b.Add(along(b.Mul(v, v)), b.like(epsilon, v));
  return b.Div(along(b.Mul(x, y)), b.Sqrt(b.Mul(square(x), square(y))));
}

/** Where the target is a number. */
const isTarget = (b: Builder, target: Value, n: number): Value => b.Equal(target, b.like(n, target));

export const embedding = {
  /** Targets are 1 for what belongs together and -1 for what does not. */
  cosine_embedding: loss({
    options: { reduction, margin: number(0) },
    outputs: 2,
    targets: eachExample,
    build(b, [x, y], [t], { margin, reduction: how }) {
      const angle = cosine(b, x!, y!);
      const zero = b.like(0, angle);
      const apart = b.Where(isTarget(b, t!, 1), b.Sub(b.like(1, angle), angle), zero);
      const close = b.Where(isTarget(b, t!, -1), b.Relu(b.Sub(angle, b.like(margin, angle))), zero);
      return reduce(b, b.Add(apart, close), how);
    },
  }),
  hinge_embedding: loss({
    options: { reduction, margin: number(1) },
    targets: likeOutput,
    build(b, [x], [t], { margin, reduction: how }) {
      const zero = b.like(0, x!);
      const far = b.Where(isTarget(b, t!, 1), zero, b.Relu(b.Sub(b.like(margin, x!), x!)));
      return reduce(b, b.Add(far, b.Where(isTarget(b, t!, -1), zero, x!)), how);
    },
  }),
} satisfies Record<string, LossRow>;
