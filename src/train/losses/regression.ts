// Losses of numbers against numbers.
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { number } from '../options.ts';
import { type LossRow, likeOutput, loss, reduce, reduction } from './loss.ts';

/** A row that takes the difference of output and target, element by element. */
const ofDifference = (formula: (b: Builder, difference: Value) => Value): LossRow =>
  loss({
    options: { reduction },
    targets: likeOutput,
    build: (b, [x], [t], at) => reduce(b, formula(b, b.Sub(x!, t!)), at.reduction),
  });

/** Half a square near zero and a line beyond `limit`, as Huber's loss is; `limit` is more than 0. */
function bend(b: Builder, d: Value, limit: number): Value {
  const size = b.Abs(d);
  const square = b.Mul(b.Mul(b.like(0.5, d), size), size);
  const line = b.Mul(b.like(limit, d), b.Sub(size, b.like(limit / 2, d)));
  return b.Where(b.Less(size, b.like(limit, d)), square, line);
}

export const regression = {
  mse: ofDifference((b, d) => b.Mul(d, d)),
  l1: ofDifference((b, d) => b.Abs(d)),
  smooth_l1: loss({
    options: { reduction, beta: number(1, 0) },
    targets: likeOutput,
    build(b, [x], [t], { reduction: how, beta }) {
      const d = b.Sub(x!, t!);
      return reduce(b, beta === 0 ? b.Abs(d) : b.Div(bend(b, d, beta), b.like(beta, d)), how);
    },
  }),
  huber: loss({
    options: { reduction, delta: number(1, Number.MIN_VALUE) },
    targets: likeOutput,
    build: (b, [x], [t], { reduction: how, delta }) => reduce(b, bend(b, b.Sub(x!, t!), delta), how),
  }),
} satisfies Record<string, LossRow>;
