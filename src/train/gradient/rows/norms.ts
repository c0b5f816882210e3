// Normalisations, softmax and losses: what the chain rule through their bodies would compute in many nodes, in few.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import { dataTypeOfCode } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, range, rankOf } from '../../../ops/shapes.ts';
import { expandLike, swapped } from '../../../ops/sizing.ts';
import { unbroadcast } from '../broadcast.ts';
import { body, type GradientFamily, gap, type RuleRow, rule } from '../row.ts';

const mean = (b: Builder, v: Value, axes: readonly number[]): Value => b.Div(b.ReduceSum(v, { axes }), b.count(v, axes));
const wideType = (code: number | undefined, x: Value) =>
  x.element === 'float64' ? 'float64' : ((code === undefined ? undefined : dataTypeOfCode(code)) ?? 'float32');

/** What `h`, the gradient of x̂ = (x - mean) r, is of x. */
function standardised(b: Builder, h: Value, normal: Value, r: Value, axes: readonly number[]): Value {
  const along = b.Mul(normal, mean(b, b.Mul(h, normal), axes));
  return b.Mul(r, b.Sub(b.Sub(h, mean(b, h, axes)), along));
}

/** A vector over channels along axis 1 of `x`. */
const alongChannels = (b: Builder, v: Value, x: Value): Value => b.Reshape(v, [-1, ...range(rankOf(x) - 2).map(() => 1)]);
const butChannels = (x: Value): number[] => range(rankOf(x)).filter(axis => axis !== 1);

const softmax: RuleRow<'Softmax'> = rule(({ at: { axis }, y, g, call }) => ({
  input: () =>
    call('SoftmaxGrad', [g, y[0]], { axis }, (f, dy, p) => {
      const axes = [axisOf(axis, rankOf(p!))];
      return [f.Mul(p!, f.Sub(dy!, f.ReduceSum(f.Mul(dy!, p!), { axes })))];
    })[0]!,
}));

const logSoftmax: RuleRow<'LogSoftmax'> = rule(({ at: { axis }, y, g, call }) => ({
  input: () =>
    call('LogSoftmaxGrad', [g, y[0]], { axis }, (f, dy, p) => [
      f.Sub(dy!, f.Mul(f.Exp(p!), f.ReduceSum(dy!, { axes: [axisOf(axis, rankOf(p!))] }))),
    ])[0]!,
}));

const layerNormalization: RuleRow<'LayerNormalization'> = rule(
  ({ x: { X, Scale, B }, at, y, g, b, call }) => {
    const axis = axisOf(at.axis, rankOf(X));
    const axes = range(rankOf(X) - axis, axis);
    const made = (): readonly Value[] =>
      call('LayerNormGrad', [g, X, Scale, y[1], y[2]], { axis }, (f, dy, x, scale, m, r) => {
        const wide = wideType(at.stash_type, x!);
        const normal = f.Mul(f.Sub(f.Cast(x!, wide), m!), r!);
        const gradient = f.Cast(dy!, wide);
        const dx = standardised(f, f.Mul(gradient, f.Cast(scale!, wide)), normal, r!, axes);
        return [f.Cast(dx, x!.element!), f.Cast(unbroadcast(f, f.Mul(gradient, normal), scale!), scale!.element!)];
      });
    let both: readonly Value[] | undefined;
    const part = (i: number): Value => (both ??= made())[i]!;
    return { X: () => part(0), Scale: () => part(1), B: () => unbroadcast(b, g, B!) };
  },
  {
    keep: ({ X, Scale, B }, at, b) =>
      b.emit('LayerNormalization', [X, Scale, B], { ...at }, { outputs: ['normalised', 'mean', 'inverse'] }),
  },
);

const rmsNormalization: RuleRow<'RMSNormalization'> = rule(({ x: { X, scale }, at, g, call }) => {
  const axis = axisOf(at.axis, rankOf(X));
  const axes = range(rankOf(X) - axis, axis);
  let both: readonly Value[] | undefined;
  const part = (i: number): Value =>
    (both ??= call('RMSNormGrad', [g, X, scale], { axis, epsilon: { kind: 'float', value: at.epsilon } }, (f, dy, x, factor) => {
      const wide = wideType(at.stash_type, x!);
      const v = f.Cast(x!, wide);
      const r = f.Reciprocal(f.Sqrt(f.Add(mean(f, f.Mul(v, v), axes), f.like(at.epsilon, v))));
      const normal = f.Mul(v, r);
      const gradient = f.Cast(dy!, wide);
      const h = f.Mul(gradient, f.Cast(factor!, wide));
      const dx = f.Mul(r, f.Sub(h, f.Mul(normal, mean(f, f.Mul(h, normal), axes))));
      return [f.Cast(dx, x!.element!), f.Cast(unbroadcast(f, f.Mul(gradient, normal), factor!), factor!.element!)];
    }))[i]!;
  return { X: () => part(0), scale: () => part(1) };
});

const batchNormalization: RuleRow<'BatchNormalization'> = rule(({ x, at: { epsilon, training_mode }, g, call }) => {
  const facts = { epsilon: { kind: 'float', value: epsilon } as const, training_mode };
  let all: readonly Value[] | undefined;
  const part = (i: number): Value =>
    (all ??= call('BatchNormGrad', [g, x.X, x.scale, x.input_mean, x.input_var], facts, (f, dy, v, scale, m, variance) => {
      const axes = butChannels(v!);
      const sum = (w: Value): Value => f.ReduceSum(w, { axes, keepdims: 0 });
      const wide = variance!.element!;
      const [value, gradient] = [f.Cast(v!, wide), f.Cast(dy!, wide)];
      const spread = (w: Value): Value => alongChannels(f, f.Cast(w, wide), v!);
      const centred = f.Sub(value, training_mode ? mean(f, value, axes) : spread(m!));
      const second = training_mode ? mean(f, f.Mul(centred, centred), axes) : spread(variance!);
      const r = f.Reciprocal(f.Sqrt(f.Add(second, f.like(epsilon, second))));
      const normal = f.Mul(centred, r);
      const h = f.Mul(gradient, spread(scale!));
      const dx = training_mode ? standardised(f, h, normal, r, axes) : f.Mul(h, r);
      const own = [f.Cast(dx, v!.element!), f.Cast(sum(f.Mul(gradient, normal)), scale!.element!), f.Cast(sum(gradient), scale!.element!)];
      if (training_mode) return own;
      const dMean = f.Neg(sum(f.Mul(h, r)));
      const dVariance = f.Mul(sum(f.Mul(f.Mul(h, normal), f.Mul(r, r))), f.like(-0.5, r));
      return [...own, dMean, dVariance];
    }))[i]!;
  const statistics = training_mode ? {} : { input_mean: () => part(3), input_var: () => part(4) };
  return { X: () => part(0), scale: () => part(1), B: () => part(2), ...statistics };
});

const instanceNormalization: RuleRow<'InstanceNormalization'> = rule(({ x: { input, scale }, at: { epsilon }, g, call }) => {
  let all: readonly Value[] | undefined;
  const part = (i: number): Value =>
    (all ??= call('InstanceNormGrad', [g, input, scale], { epsilon: { kind: 'float', value: epsilon } }, (f, dy, x, factor) => {
      const axes = range(rankOf(x!) - 2, 2);
      const centred = f.Sub(x!, mean(f, x!, axes));
      const r = f.Reciprocal(f.Sqrt(f.Add(mean(f, f.Mul(centred, centred), axes), f.like(epsilon, x!))));
      const normal = f.Mul(centred, r);
      const dx = standardised(f, f.Mul(dy!, alongChannels(f, factor!, x!)), normal, r, axes);
      const sum = (w: Value): Value => f.ReduceSum(w, { axes: butChannels(x!), keepdims: 0 });
      return [dx, sum(f.Mul(dy!, normal)), sum(dy!)];
    }))[i]!;
  return { input: () => part(0), scale: () => part(1), B: () => part(2) };
});

/** softmax - 1 at the label, times the weight of each sample in the loss. */
const crossEntropy: RuleRow<'SoftmaxCrossEntropyLoss'> = rule(
  ({ x: { labels, weights }, at: { ignore_index, reduction }, y, g, call }) => ({
    scores() {
      const facts = { reduction, ignore_index };
      return call('SoftmaxCrossEntropyGrad', [g, y[1], labels, weights], facts, (f, dy, log, label, weight) => {
        const ignored = ignore_index === undefined ? undefined : f.Equal(label!, f.like(ignore_index, label!));
        const classes = ignored ? f.Where(ignored, f.like(0, label!), label!) : label!;
        const one = f.like(1, log!);
        const own = weight ? f.Gather(weight, classes, 0) : one;
        const each = ignored ? f.Where(ignored, f.like(0, log!), own) : own;
        const axes = range(rankOf(label!));
        const total = (): Value => (weight || ignored ? f.ReduceSum(each, { axes, keepdims: 0 }) : f.count(label!, axes));
        const scaled = reduction === 'mean' ? f.Div(dy!, f.Cast(total(), log!.element!)) : dy!;
        const factor = f.Unsqueeze(expandLike(f, f.Mul(each, scaled), label!), [1]);
        const softened = f.Mul(f.Exp(log!), factor);
        const indices = f.Unsqueeze(classes, [1]);
        return [f.ScatterElements({ data: softened, indices, updates: f.Neg(factor) }, { axis: 1, reduction: 'add' })];
      })[0]!;
    },
  }),
  {
    keep: ({ scores, labels, weights }, at, b) =>
      b.emit('SoftmaxCrossEntropyLoss', [scores, labels, weights], { ...at }, { outputs: ['loss', 'log_prob'] }),
  },
);

export const norms = {
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: body('an InstanceNormalization of groups'),
  MeanVarianceNormalization: body('means'),
  /** x over its length; nothing where that is 0. */
  LpNormalization: rule(({ x: { input }, at: { axis, p }, y, g, b }) => ({
    input() {
      const axes = [axisOf(axis, rankOf(input))];
      const length = p === 1 ? b.ReduceSum(b.Abs(input), { axes }) : b.Sqrt(b.ReduceSum(b.Mul(input, input), { axes }));
      const zero = b.like(0, length);
      const isZero = b.Equal(length, zero);
      const along = b.Mul(p === 1 ? b.Sign(input) : y[0]!, b.ReduceSum(b.Mul(g, y[0]!), { axes }));
      return b.Where(isZero, zero, b.Div(b.Sub(g, along), b.Where(isZero, b.like(1, length), length)));
    },
  })),
  SoftmaxCrossEntropyLoss: crossEntropy,
  NegativeLogLikelihoodLoss: body('elements picked and weighted'),
  /** The adjugate, by the recurrence of Faddeev and LeVerrier: products and traces only, so that singular matrices have it too. */
  Det: rule(({ x: { X }, g, call }) => ({
    X() {
      const size = X.shape?.at(-1);
      if (typeof size !== 'number' || size > largestDet)
        throw fail('E6003', `Det: the gradient is said for matrices of a known size up to ${largestDet}`);
      return call('DetGrad', [g, X], {}, (f, dy, x) => [f.Mul(f.Unsqueeze(dy!, [-2, -1]), swapped(f, adjugate(f, x!, size), -1, -2))])[0]!;
    },
  })),
  LinearAttention: gap('the host computes it'),
} satisfies GradientFamily;

const largestDet = 16;

function adjugate(b: Builder, x: Value, size: number): Value {
  const wide = b.Cast(x, 'float64');
  const eye = b.constant(
    range(size * size).map(i => (i % (size + 1) === 0 ? 1 : 0)),
    'float64',
    [size, size],
  );
  let m = b.Add(b.Mul(wide, b.like(0, wide)), eye);
  for (let k = 1; k < size; k++) {
    const product = b.MatMul(wide, m);
    const trace = b.ReduceSum(b.Mul(product, eye), { axes: [-2, -1] });
    m = b.Sub(product, b.Mul(eye, b.Div(trace, b.like(k, trace))));
  }
  return b.Cast(size % 2 === 0 ? b.Neg(m) : m, x.element!);
}
