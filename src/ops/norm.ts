// Softmax and normalisations: bodies over the core, in their stable forms.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import { type DataType, dataTypeOfCode, tensorType } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import type { Family } from './row.ts';
import { axisOf, elementOf, likeAlong, range, rankOf, shapeOf } from './shapes.ts';

const mean = (x: Value, axes: readonly number[], b: Builder): Value => b.Div(b.ReduceSum(x, { axes }), b.count(x, axes));
/** Axes from `axis` to the last. */
const trailing = (x: Value, axis: number): number[] => {
  const rank = rankOf(x);
  const from = axisOf(axis, rank);
  return range(rank - from, from);
};

/** x minus its mean, over the square root of its variance, and the two statistics. */
function standardise(x: Value, axes: readonly number[], epsilon: number, b: Builder): { y: Value; mean: Value; inverse: Value } {
  const m = mean(x, axes, b);
  const d = b.Sub(x, m);
  const inverse = b.Reciprocal(b.Sqrt(b.Add(mean(b.Mul(d, d), axes, b), b.like(epsilon, x))));
  return { y: b.Mul(d, inverse), mean: m, inverse };
}

/** A vector over channels shaped to broadcast along axis 1 of `x`. */
const alongChannels = (v: Value, x: Value, b: Builder): Value =>
  rankOf(x) <= 2 ? v : b.Reshape(v, [-1, ...range(rankOf(x) - 2).map(() => 1)]);

/** The sizes of `x` for a Reshape of what has the same first axis: at most one is left open, or all are asked for at run time. */
function openSizes(x: Value, b: Builder): Size[] {
  const shape = shapeOf(x);
  const open = shape.filter((d, i) => i > 0 && typeof d !== 'number').length;
  return shape.map((d, i) => (i === 0 ? 0 : typeof d === 'number' ? d : open === 1 ? -1 : b.dim(x, i)));
}

/** The type that `stash_type` asks for; computing in float32 what is not float64 already. */
const stash = (code: number, x: Value): DataType => (elementOf(x) === 'float64' ? 'float64' : (dataTypeOfCode(code) ?? 'float32'));

/** The type of `X`, which is taken in parts, as many or as large as an attribute says. */
function likeParted(op: string, { type }: Value, attribute: Readonly<Record<string, number>>): Value['type'] {
  for (const [argument, n] of Object.entries(attribute))
    if (n < 1) throw fail('E1305', `${op}: ${argument} is ${n}, expected 1 or more`, { argument });
  return type;
}

export const norms = {
  Softmax: {
    infer: ({ input }, { axis }) => [likeAlong(input, axis)],
    lower({ input: x }, { axis }, b) {
      const axes = [axisOf(axis, rankOf(x))];
      const e = b.Exp(b.Sub(x, b.ReduceMax(x, { axes })));
      return b.Div(e, b.ReduceSum(e, { axes }));
    },
  },
  LogSoftmax: {
    infer: ({ input }, { axis }) => [likeAlong(input, axis)],
    lower({ input: x }, { axis }, b) {
      const axes = [axisOf(axis, rankOf(x))];
      const z = b.Sub(x, b.ReduceMax(x, { axes }));
      return b.Sub(z, b.Log(b.ReduceSum(b.Exp(z), { axes })));
    },
  },
  LayerNormalization: {
    infer({ X }, { axis, stash_type }) {
      const shape = shapeOf(X);
      const from = axisOf(axis, shape.length);
      const statistics = tensorType(
        stash(stash_type, X),
        shape.map((d, i) => (i < from ? d : 1)),
      );
      return [X.type, statistics, statistics];
    },
    lower({ X, Scale, B }, { axis, epsilon, stash_type }, b) {
      const wide = b.Cast(X, stash(stash_type, X));
      const { y, mean: m, inverse } = standardise(wide, trailing(X, axis), epsilon, b);
      const scaled = b.Mul(b.Cast(y, elementOf(X)), Scale);
      return { Y: B ? b.Add(scaled, B) : scaled, Mean: m, InvStdDev: inverse };
    },
  },
  RMSNormalization: {
    infer: ({ X }, { axis }) => [likeAlong(X, axis)],
    lower({ X, scale }, { axis, epsilon, stash_type }, b) {
      const wide = b.Cast(X, stash(stash_type, X));
      const inverse = b.Reciprocal(b.Sqrt(b.Add(mean(b.Mul(wide, wide), trailing(X, axis), b), b.like(epsilon, wide))));
      return b.Mul(b.Cast(b.Mul(wide, inverse), elementOf(X)), scale);
    },
  },
  BatchNormalization: {
    infer({ X, input_mean, input_var }, { training_mode }, outputs) {
      if (!training_mode && outputs > 1) throw fail('E1302', `BatchNormalization: ${outputs} outputs, expected 1 without training_mode`);
      return [X.type, input_mean.type, input_var.type];
    },
    lower({ X, scale, B, input_mean, input_var }, { epsilon, momentum, training_mode }, b) {
      const normalised = (m: Value, variance: Value): Value => {
        const factor = b.Div(scale, b.Sqrt(b.Add(variance, b.like(epsilon, variance))));
        const shift = b.Sub(B, b.Mul(m, factor));
        return b.Add(b.Mul(X, alongChannels(factor, X, b)), alongChannels(shift, X, b));
      };
      if (!training_mode) return { Y: normalised(input_mean, input_var), running_mean: undefined, running_var: undefined };
      // The statistics of the batch, in the type of the running ones.
      const axes = range(rankOf(X)).filter(axis => axis !== 1);
      const wide = b.Cast(X, elementOf(input_mean));
      const m = mean(wide, axes, b);
      const d = b.Sub(wide, m);
      const [now, spread] = [m, mean(b.Mul(d, d), axes, b)].map(v => b.Reshape(v, [-1])) as [Value, Value];
      const running = (before: Value, batch: Value): Value =>
        b.Add(b.Mul(before, b.like(momentum, before)), b.Mul(batch, b.like(1 - momentum, before)));
      return { Y: normalised(now, spread), running_mean: running(input_mean, now), running_var: running(input_var, spread) };
    },
  },
  InstanceNormalization: {
    infer: ({ input }) => [input.type],
    lower({ input, scale, B }, { epsilon }, b) {
      const { y } = standardise(input, range(rankOf(input) - 2, 2), epsilon, b);
      return b.Add(b.Mul(y, alongChannels(scale, input, b)), alongChannels(B, input, b));
    },
  },
  GroupNormalization: {
    infer: ({ X }, { num_groups }) => [likeParted('GroupNormalization', X, { num_groups })],
    lower({ X, scale, bias }, { epsilon, num_groups }, b) {
      const groups = (value: number): Value => b.Cast(b.constant(new Float32Array(num_groups).fill(value), 'float32'), elementOf(X));
      const whole = { input: b.Reshape(X, [0, num_groups, -1]), scale: groups(1), B: groups(0) };
      const y = b.Reshape(b.InstanceNormalization(whole, { epsilon }), openSizes(X, b));
      return b.Add(b.Mul(y, alongChannels(scale, X, b)), alongChannels(bias, X, b));
    },
  },
  LRN: {
    infer: ({ X }, { size }) => [likeParted('LRN', X, { size })],
    lower({ X }, { alpha, beta, bias, size }, b) {
      const before = Math.floor((size - 1) / 2);
      const plane = b.Reshape(b.Mul(X, X), [0, 1, typeof shapeOf(X)[1] === 'number' ? (shapeOf(X)[1] as number) : b.dim(X, 1), -1]);
      const at = { kernel_shape: [size, 1], pads: [before, 0, size - 1 - before, 0], count_include_pad: 1 };
      // The average over `size` channels, outside ones counted as 0, is what alpha / size expects as a sum.
      const mean = b.Reshape(b.AveragePool(plane, at), openSizes(X, b));
      return b.Div(X, b.Pow(b.Add(b.Mul(mean, b.like(alpha, X)), b.like(bias, X)), b.like(beta, X)));
    },
  },
  LpNormalization: {
    infer({ input }, { axis, p }) {
      if (p !== 1 && p !== 2) throw fail('E1303', `LpNormalization: p is ${p}, expected 1 or 2`);
      return [likeAlong(input, axis)];
    },
    lower({ input: x }, { axis, p }, b) {
      const axes = [axisOf(axis, rankOf(x))];
      const length = p === 1 ? b.ReduceSum(b.Abs(x), { axes }) : b.Sqrt(b.ReduceSum(b.Mul(x, x), { axes }));
      return b.Where(b.Equal(length, b.like(0, x)), b.like(0, x), b.Div(x, length));
    },
  },
  MeanVarianceNormalization: {
    infer: ({ X }) => [X.type],
    lower({ X }, { axes }, b) {
      const m = mean(X, axes, b);
      const d = b.Sub(X, m);
      return b.Div(d, b.Add(b.Sqrt(mean(b.Mul(d, d), axes, b)), b.like(1e-9, X)));
    },
  },
} satisfies Family;
