// ATen overloads of losses: one number an element or a row, then their mean or sum where asked for.
import type { Value } from '../../../ir/graph.ts';
import { isInteger } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { iota } from '../../../ops/sizing.ts';
import { pairwiseDistance } from './distance.ts';
import { floating, isBool, isFloating } from './elementwise.ts';
import { floatType, promoted, resultType, scalarOf } from './operands.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

const reductions = ['none', 'mean', 'sum'] as const;
const reductionOf = (x: Args): (typeof reductions)[number] => reductions[x.number('reduction')]!;

/** A loss by element, reduced as asked. Sums of integers are int64. */
function reduced(x: Args, b: Builder, loss: Value): Value {
  const reduction = reductionOf(x);
  if (reduction === 'none') return loss;
  const wide = isInteger(elementOf(loss)) ? b.Cast(loss, 'int64') : loss;
  if (rankOf(wide) === 0) return wide;
  return b.emit(reduction === 'mean' ? 'ReduceMean' : 'ReduceSum', [wide], { keepdims: 0 })[0]!;
}

/** A loss of two operands in their common type. */
const paired =
  (left: string, right: string, loss: (a: Value, t: Value, x: Args, b: Builder) => Value): AtenRow =>
  (x, b) => {
    const [a, t] = promoted(b, [x.tensor(left), x.tensor(right)]);
    return reduced(x, b, loss(a!, t!, x, b));
  };

/** |d|, and min(|d|, delta) * (|d| - min(|d|, delta) / 2): half a square up to delta, a line beyond. */
function huber(b: Builder, difference: Value, delta: number): Value {
  const size = b.Abs(difference);
  const small = b.Min(size, b.like(delta, size));
  return b.Mul(small, b.Sub(size, b.Mul(small, b.like(0.5, small))));
}

function smoothL1(a: Value, t: Value, x: Args, b: Builder): Value {
  const [difference, beta] = [b.Sub(a, t), x.number('beta')];
  if (beta === 0) return b.Abs(difference);
  const loss = huber(b, difference, beta);
  return beta === 1 ? loss : b.Div(loss, b.like(beta, loss));
}

/** max(x, 0) of any type that has numbers. */
const atLeast0 = (b: Builder, v: Value): Value => (isFloating(v) ? b.Relu(v) : b.Max(v, b.like(0, v)));

/** Whether the elements are this number. */
function equals(b: Builder, v: Value, n: number): Value {
  const numbers = isBool(v) ? b.Cast(v, 'int32') : v;
  return b.Equal(numbers, b.like(n, numbers));
}

const weighted = (x: Args, b: Builder, loss: Value): Value => {
  const weight = x.optional('weight');
  return weight ? b.Mul(loss, weight) : loss;
};

/** -t * log(p) - (1 - t) * log(1 - p), with logarithms no less than -100. */
function binaryCrossEntropy(p: Value, t: Value, x: Args, b: Builder): Value {
  const [one, least] = [b.like(1, p), b.like(-100, p)];
  const log = (v: Value): Value => b.Max(b.Log(v), least);
  return weighted(x, b, b.Sub(b.Mul(b.Sub(t, one), log(b.Sub(one, p))), b.Mul(t, log(p))));
}

/** (1 - t) * x + softplus(-x), the second term times 1 + (pos_weight - 1) * t. */
function binaryCrossEntropyOfLogits(a: Value, t: Value, x: Args, b: Builder): Value {
  const one = b.like(1, a);
  const scale = x.optional('pos_weight');
  const term = b.Softplus({ X: b.Neg(a) });
  const right = scale ? b.Mul(b.Add(b.Mul(b.Sub(scale, one), t), one), term) : term;
  return weighted(x, b, b.Add(b.Mul(b.Sub(one, t), a), right));
}

/** t * log(t), and 0 for 0. */
const timesLog = (b: Builder, t: Value): Value => b.Where(equals(b, t, 0), b.like(0, t), b.Mul(t, b.Log(t)));

function divergence(a: Value, t: Value, x: Args, b: Builder): Value {
  if (x.boolean('log_target')) return b.Mul(b.Exp(t), b.Sub(t, a));
  return b.Sub(timesLog(b, t), b.Mul(t, a));
}

function poisson(a: Value, t: Value, x: Args, b: Builder): Value {
  const [input, target] = [floating(b, a), floating(b, t)];
  const number = (n: number): Value => b.like(n, input);
  const loss = x.boolean('log_input')
    ? b.Sub(b.Exp(input), b.Mul(target, input))
    : b.Sub(input, b.Mul(target, b.Log(b.Add(input, number(x.number('eps'))))));
  if (!x.boolean('full')) return loss;
  // Stirling's approximation of log(t!).
  const terms = b.Sub(b.Mul(target, b.Log(target)), target);
  const stirling = b.Add(terms, b.Mul(number(0.5), b.Log(b.Mul(target, number(2 * Math.PI)))));
  return b.Add(loss, b.Where(b.Greater(target, number(1)), stirling, number(0)));
}

/** What a target of 1 counts plus what a target of -1 counts; any other target counts both, as in PyTorch. */
const bySign = (b: Builder, target: Value, positive: Value, negative: Value): Value =>
  b.Add(b.Where(equals(b, target, -1), b.like(0, positive), positive), b.Where(equals(b, target, 1), b.like(0, negative), negative));

const hinge: AtenRow = (x, b) => {
  const [self, target] = [x.tensor('self'), x.tensor('target')];
  const margin = scalarOf(b, x.number('margin'), elementOf(self));
  return reduced(x, b, bySign(b, target, self, atLeast0(b, b.Sub(margin, self))));
};

/** Adds a margin, which makes floats of integers. */
const plusMargin = (x: Args, b: Builder, v: Value): Value => {
  const wide = floating(b, v);
  return x.number('margin') === 0 ? wide : b.Add(wide, b.like(x.number('margin'), wide));
};

const marginRanking: AtenRow = (x, b) => {
  const [left, right, target] = promoted(b, [x.tensor('input1'), x.tensor('input2'), x.tensor('target')]);
  return reduced(x, b, b.Relu(plusMargin(x, b, b.Mul(target!, b.Sub(right!, left!)))));
};

const cosineEmbedding: AtenRow = (x, b) => {
  const [given1, given2, target] = [x.tensor('input1'), x.tensor('input2'), x.tensor('target')];
  const type = floatType(resultType([given1, given2]));
  const [left, right] = [b.Cast(given1, type), b.Cast(given2, type)];
  const along = (u: Value, v: Value): Value => b.ReduceSum(b.Mul(u, v), { axes: [rankOf(target)], keepdims: 0 });
  const square = (v: Value): Value => b.Add(along(v, v), b.like(1e-12, v));
  const cosine = b.Div(along(left, right), b.Sqrt(b.Mul(square(left), square(right))));
  const margin = b.like(x.number('margin'), cosine);
  const [zero, one] = [b.like(0, cosine), b.like(1, cosine)];
  const negative = b.Where(equals(b, target, -1), b.Relu(b.Sub(cosine, margin)), zero);
  return reduced(x, b, b.Where(equals(b, target, 1), b.Sub(one, cosine), negative));
};

const tripletMargin: AtenRow = (x, b) => {
  const [anchor, positive, negative] = [x.tensor('anchor'), x.tensor('positive'), x.tensor('negative')];
  const distance = (u: Value, v: Value): Value => pairwiseDistance(b, [u, v], x.number('p'), x.number('eps'));
  const near = distance(anchor, positive);
  const far = x.boolean('swap') ? b.Min(distance(anchor, negative), distance(positive, negative)) : distance(anchor, negative);
  return reduced(x, b, b.Relu(plusMargin(x, b, b.Sub(near, far))));
};

/** Σ max(0, margin - x[target] + x[i])^p over the other classes, by the number of classes. */
const multiMargin: AtenRow = (x, b) => {
  const given = x.tensor('self');
  const self = rankOf(given) === 2 ? given : b.Unsqueeze(given, [0]);
  const target = b.Reshape(x.tensor('target'), [-1]);
  const places = b.Unsqueeze(target, [1]);
  const violation = b.Relu(
    b.Add(b.Sub(self, b.GatherElements({ data: self, indices: places }, { axis: 1 })), b.like(x.number('margin'), self)),
  );
  const power = x.number('p') === 1 ? violation : b.Mul(violation, violation);
  const weight = x.optional('weight');
  const loss = weight ? b.Mul(power, b.Unsqueeze(b.Gather(weight, target, 0), [1])) : power;
  const classes = iota(b, b.dim(self, 1));
  const others = b.Where(b.Equal(classes, places), b.like(0, loss), loss);
  const rows = b.ReduceMean({ data: others, axes: b.ints([1]) }, { keepdims: 0 });
  return reduced(x, b, rows);
};

/** Class indices as the types that ONNX has for them. */
const classesOf = (b: Builder, target: Value): Value => (elementOf(target) === 'int32' ? target : b.Cast(target, 'int64'));

/** Runs a loss with a batch axis, which a single example gets for the while. */
function overBatch(x: Args, b: Builder, run: (input: Value, target: Value) => Value): Value {
  const [self, target] = [x.tensor('self'), classesOf(b, x.tensor('target'))];
  if (rankOf(self) > 1) return run(self, target);
  const y = run(b.Unsqueeze(self, [0]), rankOf(target) === 0 ? b.Unsqueeze(target, [0]) : target);
  return reductionOf(x) === 'none' && rankOf(target) === 0 ? b.Squeeze(y, [0]) : y;
}

const lossAttributes = (x: Args) => ({ reduction: reductionOf(x), ignore_index: x.number('ignore_index') });

const negativeLogLikelihood = (x: Args, b: Builder): Value =>
  overBatch(x, b, (input, target) => b.NegativeLogLikelihoodLoss({ input, target, weight: x.optional('weight') }, lossAttributes(x)));

const ignored = (x: Args, b: Builder, target: Value): Value => b.Equal(target, b.like(x.number('ignore_index'), target));

/** The weight of each target: 0 for those that do not count, which may be no class at all. */
function targetWeights(x: Args, b: Builder, target: Value, isIgnored: Value): Value {
  const [self, weight] = [x.tensor('self'), x.optional('weight')];
  const own = weight ? b.Gather(weight, b.Where(isIgnored, b.like(0, target), target), 0) : b.like(1, self);
  return b.Where(isIgnored, b.like(0, self), own);
}

const total = (b: Builder, v: Value): Value => (rankOf(v) === 0 ? v : b.ReduceSum(v, { axes: range(rankOf(v)), keepdims: 0 }));

/** The loss, and the sum of the weights of its targets; without reduction PyTorch leaves that at 0. */
const nllForward: AtenRow = (x, b) => {
  const [self, target] = [x.tensor('self'), classesOf(b, x.tensor('target'))];
  const weight = reductionOf(x) === 'none' ? b.like(0, self) : total(b, targetWeights(x, b, target, ignored(x, b, target)));
  return [negativeLogLikelihood(x, b), weight];
};

/** The axis of the classes: after the batch, or the only one. */
const classAxis = (input: Value): number => (rankOf(input) === 1 ? 0 : 1);

/** A vector over classes beside the logarithms of their probabilities. */
function byClass(x: Args, b: Builder, logs: Value): Value {
  const weight = x.optional('weight');
  if (!weight) return logs;
  const after = rankOf(logs) - classAxis(logs) - 1;
  return b.Mul(logs, after > 0 ? b.Unsqueeze(weight, range(after, 1)) : weight);
}

const crossEntropy: AtenRow = (x, b) => {
  const [self, target] = [x.tensor('self'), x.tensor('target')];
  if (isFloating(target)) return ofProbabilities(x, b, self, target);
  if (x.number('label_smoothing') > 0) return smoothed(x, b, self, classesOf(b, target));
  return overBatch(
    x,
    b,
    (scores, labels) => b.SoftmaxCrossEntropyLoss({ scores, labels, weights: x.optional('weight') }, lossAttributes(x)).output,
  );
};

/** Cross entropy with a probability for each class: -Σ target * log softmax, by example. */
function ofProbabilities(x: Args, b: Builder, self: Value, target: Value): Value {
  const axis = classAxis(self);
  const smoothing = x.number('label_smoothing');
  const classes = b.count(self, [axis]);
  const spread =
    smoothing > 0
      ? b.Add(b.Mul(target, b.like(1 - smoothing, target)), b.Div(b.like(smoothing, target), b.Cast(classes, elementOf(target))))
      : target;
  const logs = byClass(x, b, b.LogSoftmax({ input: self }, { axis }));
  const [left, right] = promoted(b, [logs, spread]);
  return reduced(x, b, b.Neg(b.ReduceSum(b.Mul(left!, right!), { axes: [axis], keepdims: 0 })));
}

/** Cross entropy with classes, of which each gives away a part of its probability to all. */
function smoothed(x: Args, b: Builder, self: Value, target: Value): Value {
  const [axis, smoothing] = [classAxis(self), x.number('label_smoothing')];
  const logs = b.LogSoftmax({ input: self }, { axis });
  const own = negativeLogLikelihood(x.with({ self: logs }), b);
  const every = b.ReduceSum(byClass(x, b, logs), { axes: [axis], keepdims: 0 });
  const isIgnored = ignored(x, b, target);
  const counted = b.Where(isIgnored, b.like(0, every), every);
  const sum = reductionOf(x) === 'none' ? counted : total(b, counted);
  const spread = reductionOf(x) === 'mean' ? b.Div(sum, total(b, targetWeights(x, b, target, isIgnored))) : sum;
  const share = b.Div(b.like(smoothing, self), b.count(self, [axis]));
  return b.Sub(b.Mul(own, b.like(1 - smoothing, self)), b.Mul(spread, share));
}

/** Σ max(0, 1 - x[t] + x[i]) over the targets t of a row and all i that are none, by the number of classes; and which are targets. */
const multilabelMargin: AtenRow = (x, b) => {
  const [given, targets] = [x.tensor('self'), x.tensor('target')];
  const last = rankOf(given) - 1;
  // The targets of a row end at the first -1.
  const isEnd = b.Cast(b.Less(targets, b.like(0, targets)), 'int32');
  const counts = b.Equal(b.CumSum({ x: isEnd, axis: b.constant(last, 'int64') }), b.constant(0, 'int32'));
  const classes = b.Where(counts, targets, b.like(-1, targets));
  const hits = b.Cast(b.Equal(b.Unsqueeze(classes, [last + 1]), iota(b, b.dim(given, last))), elementOf(given));
  const isTarget = b.ReduceMax(hits, { axes: [last], keepdims: 0 });
  const own = b.GatherElements({ data: given, indices: b.Where(counts, targets, b.like(0, targets)) }, { axis: last });
  const violation = b.Relu(b.Add(b.Sub(b.Unsqueeze(given, [last]), b.Unsqueeze(own, [last + 1])), b.like(1, given)));
  const isCounted = b.And(b.Unsqueeze(counts, [last + 1]), b.Unsqueeze(b.Not(b.Cast(isTarget, 'bool')), [last]));
  const sums = b.ReduceSum(b.Where(isCounted, violation, b.like(0, given)), { axes: [last, last + 1], keepdims: 0 });
  return [reduced(x, b, b.Div(sums, b.count(given, [last]))), isTarget];
};

export const losses: AtenRows = {
  'mse_loss.default': paired('self', 'target', (a, t, _x, b) => {
    const difference = b.Sub(a, t);
    return b.Mul(difference, difference);
  }),
  'l1_loss.default': paired('self', 'target', (a, t, _x, b) => b.Abs(b.Sub(a, t))),
  'smooth_l1_loss.default': paired('self', 'target', smoothL1),
  'huber_loss.default': paired('self', 'target', (a, t, x, b) => huber(b, b.Sub(a, t), x.number('delta'))),
  'binary_cross_entropy.default': paired('self', 'target', binaryCrossEntropy),
  'binary_cross_entropy_with_logits.default': paired('self', 'target', binaryCrossEntropyOfLogits),
  'soft_margin_loss.default': paired('self', 'target', (a, t, _x, b) => b.Softplus({ X: b.Neg(b.Mul(a, t)) })),
  'kl_div.default': paired('self', 'target', divergence),
  'poisson_nll_loss.default': paired('input', 'target', poisson),
  'hinge_embedding_loss.default': hinge,
  'margin_ranking_loss.default': marginRanking,
  'cosine_embedding_loss.default': cosineEmbedding,
  'triplet_margin_loss.default': tripletMargin,
  'multi_margin_loss.default': multiMargin,
  'multilabel_margin_loss.default': (x, b) => (multilabelMargin(x, b) as readonly Value[])[0]!,
  'multilabel_margin_loss_forward.default': multilabelMargin,
  'cross_entropy_loss.default': crossEntropy,
  'nll_loss.default': negativeLogLikelihood,
  'nll_loss2d.default': negativeLogLikelihood,
  'nll_loss_nd.default': negativeLogLikelihood,
  'nll_loss_forward.default': nllForward,
  'nll_loss2d_forward.default': nllForward,
};
