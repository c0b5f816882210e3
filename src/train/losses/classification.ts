// Losses of classes and of probabilities.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import { tensorType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { axisOf, rankOf, shapeOf } from '../../ops/shapes.ts';
import { flag, integer, maybe, number, numbers, oneOf } from '../options.ts';
import { countOf, type LossRow, likeOutput, loss, perClass, type Reduction, reduce, reduction, type TargetFacts, total } from './loss.ts';

/** No log of a probability goes below this, so that one wrong certainty does not make the loss infinite. */
const leastLog = -100;
/** The smallest normal float32. */
const tiny = 1.1754943508222875e-38;

/** The natural logarithm, at least -100, with a slope that is always finite. */
function clampedLog(b: Builder, p: Value): Value {
  const least = b.like(leastLog, p);
  const inside = b.Max(b.Log(b.Max(p, b.like(tiny, p))), least);
  return b.Where(b.Greater(p, b.like(0, p)), inside, least);
}

const weighted = (b: Builder, x: Value, weight: readonly number[] | undefined): Value =>
  weight ? b.Mul(x, perClass(b, weight, x, rankOf(x) - 1)) : x;

const binary = { reduction, weight: maybe(numbers([])) };

/** Along which axis classes lie: the one that the options say, or the only one. */
const classAxis = (x: Value, axis: number): number => (rankOf(x) < 2 ? 0 : axisOf(axis, rankOf(x)));

interface ClassOptions {
  readonly axis: number;
  readonly ignore_index: number;
}

/** Whole numbers of classes, of the sizes of the output without its classes. */
function classTargets([output]: readonly Value[], { axis: given, ignore_index: ignored }: ClassOptions): readonly TargetFacts[] {
  const shape = shapeOf(output!);
  if (shape.length === 0) throw fail('E1305', 'a loss of classes needs an output with an axis of classes, found a single number');
  const axis = classAxis(output!, given);
  return [{ name: 'target', type: tensorType('int64', shape.toSpliced(axis, 1)), classes: { count: shape[axis]!, ignored } }];
}

interface NllOptions extends ClassOptions {
  readonly reduction: Reduction;
  readonly weight: readonly number[] | undefined;
}

/** The classes, with one in the place of what is ignored, and how much each example counts: nothing, or the weight of its class. */
function pick(b: Builder, x: Value, target: Value, { weight, ignore_index }: Omit<NllOptions, 'axis'>): { classes: Value; counts: Value } {
  const ignored = b.Equal(target, b.like(ignore_index, target));
  const classes = b.Where(ignored, b.like(0, target), target);
  const each = weight ? b.Gather(b.Cast(b.constant(weight, 'float64', [weight.length]), x.element!), classes, 0) : b.like(1, x);
  return { classes, counts: b.Where(ignored, b.like(0, x), each) };
}

/** Losses of each example; the mean is over what counts. */
const overExamples = (b: Builder, each: Value, counts: Value, how: Reduction): Value =>
  how === 'mean' ? b.Div(total(b, each), total(b, counts)) : reduce(b, each, how);

/** The negative logarithm of the probability of each class named, and with `smoothing` of all classes in its place by that share. */
function likelihood(b: Builder, logs: Value, target: Value, { smoothing, ...at }: NllOptions & { readonly smoothing: number }): Value {
  const axis = classAxis(logs, at.axis);
  const { classes, counts } = pick(b, logs, target, at);
  const picked = b.GatherElements({ data: logs, indices: b.Unsqueeze(classes, [axis]) }, { axis });
  const sharp = overExamples(b, b.Mul(b.Neg(b.Squeeze(picked, [axis])), counts), counts, at.reduction);
  if (smoothing === 0) return sharp;
  const all = b.Neg(b.ReduceSum(at.weight ? b.Mul(logs, perClass(b, at.weight, logs, axis)) : logs, { axes: [axis], keepdims: 0 }));
  const { counts: present } = pick(b, logs, target, { ...at, weight: undefined });
  const even = overExamples(b, b.Mul(all, present), counts, at.reduction);
  const share = b.Div(b.like(smoothing, logs), countOf(b, logs, [axis]));
  return b.Add(b.Mul(b.like(1 - smoothing, logs), sharp), b.Mul(share, even));
}

/** Cross entropy with probabilities of the classes in the place of one class. */
function softCrossEntropy(
  b: Builder,
  logs: Value,
  target: Value,
  { smoothing, weight, axis: given, reduction: how }: Omit<NllOptions, 'ignore_index'> & { readonly smoothing: number },
): Value {
  const axis = classAxis(logs, given);
  const even = b.Div(b.like(smoothing, logs), countOf(b, logs, [axis]));
  const wanted = smoothing === 0 ? target : b.Add(b.Mul(b.like(1 - smoothing, target), target), even);
  const product = b.Mul(wanted, weight ? b.Mul(logs, perClass(b, weight, logs, axis)) : logs);
  return reduce(b, b.Neg(b.ReduceSum(product, { axes: [axis], keepdims: 0 })), how);
}

const nllOptions = {
  reduction,
  weight: maybe(numbers([])),
  ignore_index: integer(-100),
  /** Where the classes lie; -1 for language models, whose outputs have them last. */
  axis: integer(1),
};

export const crossEntropyOptions = {
  ...nllOptions,
  label_smoothing: number(0, 0, 1),
  /** Targets are probabilities of all classes, not numbers of classes. */
  soft: flag(false),
};

const klReduction = oneOf<Reduction | 'batchmean'>('mean', 'batchmean', 'sum', 'none');

/** How far probabilities with these logarithms are from others. */
export function divergence(b: Builder, logs: Value, wanted: Value, { log_target }: { readonly log_target: boolean }): Value {
  if (log_target) return b.Mul(b.Exp(wanted), b.Sub(wanted, logs));
  // 0 · log 0 is 0.
  const isPositive = b.Greater(wanted, b.like(0, wanted));
  const entropy = b.Where(isPositive, b.Mul(wanted, b.Log(b.Where(isPositive, wanted, b.like(1, wanted)))), b.like(0, wanted));
  return b.Sub(entropy, b.Mul(wanted, logs));
}

/** The sum over the number of examples, which are the first axis. */
export const perExample = (b: Builder, x: Value): Value => b.Div(total(b, x), countOf(b, x, [0]));

export const classification = {
  bce: loss({
    options: binary,
    targets: likeOutput,
    build(b, [x], [t], at) {
      const one = b.like(1, x!);
      const log = b.Add(b.Mul(t!, clampedLog(b, x!)), b.Mul(b.Sub(one, t!), clampedLog(b, b.Sub(one, x!))));
      return reduce(b, weighted(b, b.Neg(log), at.weight), at.reduction);
    },
  }),
  bce_with_logits: loss({
    options: { ...binary, pos_weight: maybe(numbers([])) },
    targets: likeOutput,
    build(b, [x], [t], { weight, pos_weight, reduction: how }) {
      const one = b.like(1, x!);
      const soft = b.Softplus({ X: b.Neg(x!) });
      const factor = pos_weight && b.Add(one, b.Mul(b.Sub(perClass(b, pos_weight, x!, rankOf(x!) - 1), one), t!));
      const each = b.Add(b.Mul(b.Sub(one, t!), x!), factor ? b.Mul(factor, soft) : soft);
      return reduce(b, weighted(b, each, weight), how);
    },
  }),
  cross_entropy: loss({
    options: crossEntropyOptions,
    targets: (outputs, at) => (at.soft ? likeOutput(outputs) : classTargets(outputs, at)),
    build(b, [x], [t], { soft, label_smoothing: smoothing, ...at }) {
      const logs = b.LogSoftmax({ input: x! }, { axis: classAxis(x!, at.axis) });
      return soft ? softCrossEntropy(b, logs, t!, { ...at, smoothing }) : likelihood(b, logs, t!, { ...at, smoothing });
    },
  }),
  nll: loss({
    options: nllOptions,
    targets: classTargets,
    build: (b, [x], [t], at) => likelihood(b, x!, t!, { ...at, smoothing: 0 }),
  }),
  kl_div: loss({
    options: { reduction: klReduction, log_target: flag(false) },
    targets: likeOutput,
    build(b, [x], [t], at) {
      const each = divergence(b, x!, t!, at);
      return at.reduction === 'batchmean' ? perExample(b, each) : reduce(b, each, at.reduction);
    },
  }),
} satisfies Record<string, LossRow>;
