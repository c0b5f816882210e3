// Normalisations, with the statistics of inference.

import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRows, masked, plain } from './row.ts';

const filled = (b: Builder, value: number, dims: readonly number[], type: DataType): Value =>
  b.Expand(b.constant(value, type), dims.length === 0 ? [1] : dims);

/** Types of half precision are computed in float32. */
const wide = (type: DataType): DataType => (type === 'float16' || type === 'bfloat16' ? 'float32' : type);

const mean = (b: Builder, v: Value, axes: readonly number[]): Value => b.ReduceMean({ data: v, axes: b.ints(axes) }, { keepdims: 1 });
const reciprocalRoot = (b: Builder, v: Value, epsilon: number): Value => b.Reciprocal(b.Sqrt(b.Add(v, b.like(epsilon, v))));

function batch(x: LayerCall, b: Builder): Value {
  const { config } = x;
  const type = wide(x.type);
  const input = b.Cast(x.real, type);
  const axis = axisOf(config.numbers('axis', 1, -1)[0]!, rankOf(input));
  const sizes = [x.size(input, axis)];
  const { gamma, beta, moving_mean, moving_variance } = x.variables(
    {
      gamma: config.boolean('scale', true) && sizes,
      beta: config.boolean('center', true) && sizes,
      moving_mean: sizes,
      moving_variance: sizes,
    },
    type,
  );
  const perm = [0, axis, ...range(rankOf(input)).filter(a => a !== 0 && a !== axis)];
  const isMoved = axis > 1;
  const { Y } = b.BatchNormalization(
    {
      X: isMoved ? b.Transpose(input, perm) : input,
      scale: gamma ?? filled(b, 1, sizes, type),
      B: beta ?? filled(b, 0, sizes, type),
      input_mean: moving_mean!,
      input_var: moving_variance!,
    },
    { epsilon: config.number('epsilon', 1e-3) },
  );
  const back = isMoved
    ? b.Transpose(
        Y,
        perm.map((_, a) => perm.indexOf(a)),
      )
    : Y;
  return b.Cast(back, x.type);
}

function layer(x: LayerCall, b: Builder): Value {
  const { config } = x;
  const type = wide(x.type);
  const input = isFloat(x.first.value.element ?? 'float32') ? b.Cast(x.first.value, type) : b.Cast(x.real, type);
  const rank = rankOf(input);
  const axes = axesOf(config.numbers('axis', undefined, -1), rank).sort((p, q) => p - q);
  const sizes = axes.map(a => x.size(input, a));
  const isScaledByVariance = config.boolean('rms_scaling', false);
  const { gamma, beta } = x.variables(
    {
      gamma: (config.boolean('scale', true) || isScaledByVariance) && sizes,
      beta: config.boolean('center', true) && !isScaledByVariance && sizes,
    },
    type,
  );
  const epsilon = config.number('epsilon', 1e-3);
  const isLast = axes.every((a, i) => a === rank - axes.length + i);
  if (isLast && !isScaledByVariance) {
    const { Y } = b.LayerNormalization({ X: input, Scale: gamma ?? filled(b, 1, sizes, type), B: beta }, { axis: axes[0]!, epsilon });
    return b.Cast(Y, x.type);
  }
  const along = (v: Value): Value =>
    b.Reshape(
      v,
      range(rank).map(a => (axes.includes(a) ? sizes[axes.indexOf(a)]! : 1)),
    );
  const centered = b.Sub(input, mean(b, input, axes));
  const factor = reciprocalRoot(b, mean(b, b.Mul(centered, centered), axes), epsilon);
  const y = b.Mul(isScaledByVariance ? input : centered, factor);
  const scaled = gamma ? b.Mul(y, along(gamma)) : y;
  return b.Cast(beta ? b.Add(scaled, along(beta)) : scaled, x.type);
}

/** Channels in groups, each normalised with all places. */
function group(x: LayerCall, b: Builder): Value {
  const { config } = x;
  const type = wide(x.type);
  const input = b.Cast(x.real, type);
  const axis = axisOf(config.number('axis', -1), rankOf(input));
  const channels = x.size(input, axis);
  const given = config.number('groups', 32);
  const groups = given === -1 ? channels : given;
  const { gamma, beta } = x.variables(
    { gamma: config.boolean('scale', true) && [channels], beta: config.boolean('center', true) && [channels] },
    type,
  );
  const sizes = sizesOf(b, input);
  const apart = reshapeTo(b, input, sizes.toSpliced(axis, 1, groups, channels / groups));
  const axes = range(rankOf(apart)).filter(a => a !== 0 && a !== axis);
  const centered = b.Sub(apart, mean(b, apart, axes));
  const y = b.Mul(centered, reciprocalRoot(b, mean(b, b.Mul(centered, centered), axes), config.number('epsilon', 1e-3)));
  const whole = reshapeTo(b, y, sizes, input);
  const along = (v: Value): Value =>
    b.Reshape(
      v,
      range(rankOf(input)).map(a => (a === axis ? channels : 1)),
    );
  const scaled = gamma ? b.Mul(whole, along(gamma)) : whole;
  return b.Cast(beta ? b.Add(scaled, along(beta)) : scaled, x.type);
}

function rms(x: LayerCall, b: Builder): Value {
  const { config } = x;
  const input = x.real;
  const axes = axesOf(config.numbers('axis', undefined, -1), rankOf(input));
  const { scale } = x.variables({ scale: axes.map(a => x.size(input, a)) });
  const v = b.Cast(input, wide(x.type));
  const y = b.Cast(b.Mul(v, reciprocalRoot(b, mean(b, b.Mul(v, v), axes), config.number('epsilon', 1e-6))), x.type);
  return b.Mul(
    y,
    b.Reshape(
      scale!,
      shapeOf(input).map((_, a) => (axes.includes(a) ? x.size(input, a) : 1)),
    ),
  );
}

/** Lengths of 1; those below 1e-6 are taken for that. */
function unit(x: LayerCall, b: Builder): Value {
  const { real } = x;
  const axes = axesOf(x.config.numbers('axis', undefined, -1), rankOf(real));
  const sum = b.ReduceSum(b.Mul(real, real), { axes, keepdims: 1 });
  return b.Div(real, b.Sqrt(b.Max(sum, b.like(1e-12, sum))));
}

export const normalization: LayerRows = {
  BatchNormalization: masked(batch),
  SyncBatchNormalization: masked(batch),
  LayerNormalization: masked(layer),
  GroupNormalization: masked(group),
  RMSNormalization: plain(rms),
  UnitNormalization: masked(unit),
  // The kernel of the layer inside is stored as it was normalised last.
  SpectralNormalization: plain(x => x.call(x.layer('layer'), 'layer', { args: x.args, kwargs: x.kwargs })),
};
