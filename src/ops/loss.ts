// Losses as bodies over the core.
import type { Value } from '../ir/graph.ts';
import type { Builder } from './builder.ts';
import { gapTypes } from './gap-types.ts';
import type { At, Family } from './row.ts';
import { range, rankOf } from './shapes.ts';

export const losses = {
  NegativeLogLikelihoodLoss: {
    infer: gapTypes.NegativeLogLikelihoodLoss,
    lower: ({ input, target, weight }, at, b) => negativeLogLikelihood(input, target, weight, at, b),
  },
  SoftmaxCrossEntropyLoss: {
    infer: gapTypes.SoftmaxCrossEntropyLoss,
    lower({ scores, labels, weights }, at, b) {
      const log_prob = b.LogSoftmax({ input: scores }, { axis: 1 });
      return { output: negativeLogLikelihood(log_prob, labels, weights, at, b), log_prob };
    },
  },
} satisfies Family;

/** -input[n, target[n, …], …] by the weight of its class; what is ignored has neither loss nor weight, whatever class it names. */
function negativeLogLikelihood(
  input: Value,
  target: Value,
  weight: Value | undefined,
  { ignore_index, reduction }: Pick<At<'NegativeLogLikelihoodLoss'>, 'ignore_index' | 'reduction'>,
  b: Builder,
): Value {
  const ignored = ignore_index === undefined ? undefined : b.Equal(target, b.like(ignore_index, target));
  const classes = ignored ? b.Where(ignored, b.like(0, target), target) : target;
  const without = (v: Value): Value => (ignored ? b.Where(ignored, b.like(0, input), v) : v);
  const picked = b.GatherElements({ data: input, indices: b.Unsqueeze(classes, [1]) }, { axis: 1 });
  const loss = without(b.Neg(b.Squeeze(picked, [1])));
  const each = weight ? without(b.Gather(weight, classes, 0)) : ignored && without(b.like(1, input));
  const weighted = weight && each ? b.Mul(loss, each) : loss;
  const axes = range(rankOf(target));
  if (reduction === 'none') return weighted;
  const sum = (v: Value): Value => b.ReduceSum(v, { axes, keepdims: 0 });
  if (reduction === 'sum') return sum(weighted);
  return b.Reshape(b.Div(sum(weighted), each ? sum(each) : b.count(weighted, axes)), []);
}
