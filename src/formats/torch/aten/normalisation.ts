// ATen overloads that normalise by mean and variance, or by a norm.
import type { Value } from '../../../ir/graph.ts';
import { arrayFor, type TypedArray } from '../../../ir/tensor.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import { bfloat16, float16 } from '../../../kernels/storage.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** One number in every place, for layers without weights. */
function everywhere(b: Builder, value: number, type: DataType, sizes: readonly Size[]): Value {
  if (!sizes.every(size => typeof size === 'number')) return b.Expand(b.constant(value, type), sizes);
  const count = sizes.reduce((n, size) => n * size, 1);
  const code = type === 'float16' ? float16.encode(value) : type === 'bfloat16' ? bfloat16.encode(value) : value;
  return b.constant((new (arrayFor(type))(count) as Exclude<TypedArray, BigInt64Array | BigUint64Array>).fill(code), type, sizes);
}

const mean = (b: Builder, data: Value, axes: readonly number[], keepdims = 1): Value =>
  b.ReduceMean({ data, axes: b.ints(axes) }, { keepdims });

/** Mean and biased variance along axes. */
function moments(b: Builder, x: Value, axes: readonly number[], keepdims: 0 | 1): { mean: Value; variance: Value } {
  const centre = mean(b, x, axes);
  const difference = b.Sub(x, centre);
  return { mean: keepdims ? centre : b.Squeeze(centre, axes), variance: mean(b, b.Mul(difference, difference), axes, keepdims) };
}

const inverseRoot = (b: Builder, variance: Value, epsilon: number): Value =>
  b.Reciprocal(b.Sqrt(b.Add(variance, b.like(epsilon, variance))));

/** Computes in the type of the weights, which may be wider than that of the input, and returns to that. */
const inTypeOf = (weight: Value | undefined, x: Value, b: Builder, run: (x: Value) => Value): Value =>
  b.Cast(run(weight ? b.Cast(x, elementOf(weight)) : x), elementOf(x));

function floatInput(x: Args): Value {
  const input = x.tensor('input');
  if (!isFloat(elementOf(input))) throw unsupported(`normalisation of ${elementOf(input)}`);
  return input;
}

/** Statistics of a layer that keeps them: (1 - momentum) * running + momentum * new. */
const moved = (b: Builder, running: Value, now: Value, momentum: number): Value =>
  b.Add(b.Mul(running, b.like(1 - momentum, running)), b.Mul(b.Cast(now, elementOf(running)), b.like(momentum, running)));

/** The variance that running statistics keep: over n - 1 where normalisation divides by n. */
function unbiased(b: Builder, variance: Value, x: Value, axes: readonly number[]): Value {
  const n = b.count(x, axes);
  return b.Mul(variance, b.Div(n, b.Sub(n, b.like(1, n))));
}

interface BatchNorm {
  readonly y: Value;
  /** Mean and inverse deviation of the batch; empty where running statistics normalised. */
  readonly saved: readonly [Value, Value];
  /** What the running statistics are afterwards. */
  readonly running: readonly (Value | undefined)[];
}

/**
 * Normalises each channel by the statistics of the batch in training, by the running ones otherwise. Both are BatchNormalization
 * for inference: its training mode updates running statistics by another formula, and runtimes let it overwrite its inputs.
 */
function batchNorm(x: Args, b: Builder, training: boolean): BatchNorm {
  const input = floatInput(x);
  const [weight, bias] = [x.optional('weight'), x.optional('bias')];
  const running = [x.optional('running_mean'), x.optional('running_var')] as const;
  const type = elementOf(weight ?? bias ?? input);
  const channels = (value: number): Value => everywhere(b, value, type, [b.dim(input, 1)]);
  const by = (input_mean: Value, input_var: Value): Value =>
    b.BatchNormalization(
      { X: input, scale: weight ?? channels(1), B: bias ?? channels(0), input_mean, input_var },
      { epsilon: x.number('eps') },
    ).Y;
  if (!training) {
    if (!running[0] || !running[1]) throw unsupported('batch normalisation in eval mode without running statistics');
    const none = everywhere(b, 0, type, [0]);
    return { y: by(running[0], running[1]), saved: [none, none], running };
  }
  const axes = range(rankOf(input)).filter(axis => axis !== 1);
  const wide = b.Cast(input, type);
  const batch = moments(b, wide, axes, 0);
  const now = [batch.mean, unbiased(b, batch.variance, wide, axes)] as const;
  return {
    y: by(batch.mean, batch.variance),
    saved: [batch.mean, inverseRoot(b, batch.variance, x.number('eps'))],
    running: running.map((before, i) => before && moved(b, before, now[i]!, x.number('momentum'))),
  };
}

/** The same for overloads that write the running statistics in place, in training. */
function batchNormInPlace(x: Args, b: Builder, training: boolean): BatchNorm {
  const result = batchNorm(x, b, training);
  if (training) writeRunning(x, result.running);
  return result;
}

function writeRunning(x: Args, running: readonly (Value | undefined)[]): void {
  const [average, variance] = running;
  if (average) x.written.set('running_mean', average);
  if (variance) x.written.set('running_var', variance);
}

const withSaved: AtenRow = (x, b) => {
  const { y, saved } = batchNormInPlace(x, b, x.boolean('training'));
  return [y, ...saved];
};

/** What the backward pass of some devices needs, and the CPU leaves empty. */
const reserve = (b: Builder): Value => b.constant([], 'uint8', [0]);

/** The number of axes that a layer normalises, and its weight. */
function normalisedAxes(x: Args, b: Builder, input: Value): { axis: number; axes: number[]; scale: Value } {
  const sizes = x.sizes('normalized_shape');
  const weight = x.optional('weight');
  const type = elementOf(weight ?? x.optional('bias') ?? input);
  return {
    axis: -sizes.length,
    axes: range(sizes.length, rankOf(input) - sizes.length),
    scale: weight ?? everywhere(b, 1, type, sizes),
  };
}

function layerNorm(x: Args, b: Builder): Value {
  const input = floatInput(x);
  const { axis, scale } = normalisedAxes(x, b, input);
  return inTypeOf(
    scale,
    input,
    b,
    X => b.LayerNormalization({ X, Scale: scale, B: x.optional('bias') }, { axis, epsilon: x.number('eps') }).Y,
  );
}

const nativeLayerNorm: AtenRow = (x, b) => {
  const input = x.tensor('input');
  const { axes, scale } = normalisedAxes(x, b, input);
  const { mean: average, variance } = moments(b, b.Cast(input, elementOf(scale)), axes, 1);
  return [layerNorm(x, b), average, inverseRoot(b, variance, x.number('eps'))];
};

/** The epsilon of rms_norm where none is given: that of the type it computes in. */
const epsilonOf = (x: Args): number => x.optionalNumber('eps') ?? (elementOf(x.tensor('input')) === 'float64' ? Number.EPSILON : 2 ** -23);

function rmsNorm(x: Args, b: Builder): Value {
  const input = floatInput(x);
  const { axis, scale } = normalisedAxes(x, b, input);
  return inTypeOf(scale, input, b, X => b.RMSNormalization({ X, scale }, { axis, epsilon: epsilonOf(x) }));
}

const fusedRmsNorm: AtenRow = (x, b) => {
  const input = x.tensor('input');
  const wide = b.Cast(input, elementOf(input) === 'float64' ? 'float64' : 'float32');
  const { axes } = normalisedAxes(x, b, input);
  return [rmsNorm(x, b), inverseRoot(b, mean(b, b.Mul(wide, wide), axes), epsilonOf(x))];
};

/** [batch, channels, ...] as [batch, groups, the rest]. */
const grouped = (b: Builder, x: Value, groups: number): Value => reshapeTo(b, x, [b.dim(x, 0), groups, -1]);

const instances = (b: Builder, input: Value, scale: Value, B: Value, epsilon: number): Value =>
  b.InstanceNormalization({ input, scale, B }, { epsilon });

/** Normalises groups of channels. One channel a group is an instance normalisation with the weights of the channels. */
function groupNorm(x: Args, b: Builder, groups: number): Value {
  const [input, weight, bias] = [floatInput(x), x.optional('weight'), x.optional('bias')];
  const [epsilon, spatial] = [x.number('eps'), rankOf(input) - 2];
  return inTypeOf(weight ?? bias, input, b, X => {
    const type = elementOf(X);
    const plain = [everywhere(b, 1, type, [groups]), everywhere(b, 0, type, [groups])] as const;
    if (shapeOf(X)[1] === groups && spatial > 0) return instances(b, X, weight ?? plain[0], bias ?? plain[1], epsilon);
    const y = reshapeTo(b, instances(b, grouped(b, X, groups), ...plain, epsilon), sizesOf(b, X));
    const along = (v: Value): Value => (spatial > 0 ? b.Unsqueeze(v, range(spatial, 1)) : v);
    const scaled = weight ? b.Mul(y, along(weight)) : y;
    return bias ? b.Add(scaled, along(bias)) : scaled;
  });
}

const nativeGroupNorm: AtenRow = (x, b) => {
  const [input, groups] = [x.tensor('input'), x.number('group')];
  const type = elementOf(x.optional('weight') ?? x.optional('bias') ?? input);
  const { mean: average, variance } = moments(b, grouped(b, b.Cast(input, type), groups), [2], 1);
  return [groupNorm(x, b, groups), ...[average, inverseRoot(b, variance, x.number('eps'))].map(v => b.Squeeze(v, [2]))];
};

const instanceNorm: AtenRow = (x, b) => {
  if (!x.boolean('use_input_stats')) return batchNorm(x, b, false).y;
  const [input, weight, bias] = [floatInput(x), x.optional('weight'), x.optional('bias')];
  const channels = (value: number, type: DataType): Value => everywhere(b, value, type, [b.dim(input, 1)]);
  const [average, variance] = [x.optional('running_mean'), x.optional('running_var')];
  if (average && variance) {
    const axes = range(rankOf(input) - 2, 2);
    const now = moments(b, input, axes, 0);
    const overBatch = (v: Value): Value => mean(b, v, [0], 0);
    const momentum = x.number('momentum');
    writeRunning(x, [
      moved(b, average, overBatch(now.mean), momentum),
      moved(b, variance, overBatch(unbiased(b, now.variance, input, axes)), momentum),
    ]);
  }
  return inTypeOf(weight ?? bias, input, b, X =>
    instances(b, X, weight ?? channels(1, elementOf(X)), bias ?? channels(0, elementOf(X)), x.number('eps')),
  );
};

/** v * g / |v|, with the norm over all axes but one; and the norm. */
function weightNorm(x: Args, b: Builder): readonly [Value, Value] {
  const [v, g, dim] = [x.tensor('v'), x.tensor('g'), x.number('dim')];
  // PyTorch takes -1 for no axis at all: one norm of the whole.
  const kept = dim === -1 ? undefined : axisOf(dim, rankOf(v));
  const axes = range(rankOf(v)).filter(axis => axis !== kept);
  const norm = b.ReduceL2({ data: v, axes: b.ints(axes) }, { keepdims: dim === -1 ? 0 : 1 });
  return [b.Mul(v, b.Div(g, norm)), norm];
}

export const normalisations: AtenRows = {
  'batch_norm.default': (x, b) => batchNormInPlace(x, b, x.boolean('training')).y,
  'native_batch_norm.default': withSaved,
  '_native_batch_norm_legit.default': (x, b) => {
    const { y, saved, running } = batchNorm(x, b, x.boolean('training'));
    // Its schema names the running statistics as written even where they stay as they are.
    writeRunning(x, running);
    return [y, ...saved];
  },
  '_native_batch_norm_legit.no_stats': withSaved,
  '_native_batch_norm_legit_no_training.default': (x, b) => {
    const { y, saved } = batchNorm(x, b, false);
    return [y, ...saved];
  },
  '_native_batch_norm_legit_functional.default': (x, b) => {
    const { y, saved, running } = batchNorm(x, b, x.boolean('training'));
    return [y, ...saved, ...running];
  },
  '_batch_norm_with_update.default': (x, b) => {
    const { y, saved } = batchNormInPlace(x, b, true);
    return [y, ...saved, reserve(b)];
  },
  '_batch_norm_with_update_functional.default': (x, b) => {
    const { y, saved, running } = batchNorm(x, b, true);
    return [y, ...saved, reserve(b), ...running];
  },
  '_batch_norm_no_update.default': (x, b) => {
    const { y, saved } = batchNorm(x, b, false);
    return [y, ...saved, reserve(b)];
  },
  'layer_norm.default': layerNorm,
  'native_layer_norm.default': nativeLayerNorm,
  'rms_norm.default': rmsNorm,
  '_fused_rms_norm.default': fusedRmsNorm,
  'group_norm.default': (x, b) => groupNorm(x, b, x.number('num_groups')),
  'native_group_norm.default': nativeGroupNorm,
  'instance_norm.default': instanceNorm,
  '_weight_norm.default': (x, b) => weightNorm(x, b)[0],
  '_weight_norm_interface.default': (x, b) => {
    const [w, norm] = weightNorm(x, b);
    return [w, elementOf(norm) === 'float64' ? norm : b.Cast(norm, 'float32')];
  },
};
