// Batch normalisation.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';
import { isChannelsFirst, onChannelsFirst } from './windows.ts';

/** In inference by the moments that are given, in training by those of the batch. */
const fused: TfRow = (x, b) => {
  const v = x.tensor('x');
  const [scale, offset] = [x.tensor('scale'), x.tensor('offset')];
  const epsilon = x.number('epsilon');
  if (x.boolean('is_training')) return ofBatch(b, v, scale, offset, epsilon, x);
  const [mean, variance] = [x.tensor('mean'), x.tensor('variance')];
  const y = onChannelsFirst(b, v, x, first => normalised(b, first, [scale, offset, mean, variance], epsilon));
  return [
    activation(b, y, x),
    mean,
    variance,
    mean,
    variance,
    ...(x.op.includes('V3') || x.op.startsWith('_') ? [b.constant(0, 'float32')] : []),
  ];
};

function normalised(b: Builder, v: Value, [scale, offset, mean, variance]: readonly Value[], epsilon: number): Value {
  return b.emit('BatchNormalization', [v, scale, offset, mean, variance], { epsilon }, { outputs: ['batchnorm'] })[0]!;
}

function ofBatch(b: Builder, v: Value, scale: Value, offset: Value, epsilon: number, x: Call): readonly Value[] {
  const rank = rankOf(v);
  const channel = isChannelsFirst(x) ? 1 : rank - 1;
  const axes = range(rank).filter(a => a !== channel);
  const wide = b.Cast(v, elementOf(scale));
  const mean = b.ReduceMean({ data: wide, axes: b.ints(axes) }, { keepdims: 1 });
  const centred = b.Sub(wide, mean);
  const variance = b.ReduceMean({ data: b.Mul(centred, centred), axes: b.ints(axes) }, { keepdims: 1 });
  const perChannel = (w: Value): Value => (channel === 1 ? b.Unsqueeze(w, range(rank - 2, 1)) : w);
  const factor = b.Div(perChannel(scale), b.Sqrt(b.Add(variance, b.like(epsilon, variance))));
  const y = b.Cast(b.Add(b.Mul(centred, factor), perChannel(offset)), elementOf(v));
  const count = b.count(wide, axes);
  const unbiased = b.Mul(b.Squeeze(variance, axes), b.Div(count, b.Max(b.Sub(count, b.like(1, wide)), b.like(1, wide))));
  const batchMean = b.Squeeze(mean, axes);
  return [activation(b, y, x), batchMean, unbiased, batchMean, b.Squeeze(variance, axes), b.constant(0, 'float32')];
}

/** Fused with another input, and an activation. */
function activation(b: Builder, y: Value, x: Call): Value {
  if (x.op !== '_FusedBatchNormEx') return y;
  const [side] = x.tensors('side_input');
  const sum = side ? b.Add(y, side) : y;
  const mode = x.string('activation_mode');
  if (mode === 'Identity') return sum;
  if (mode === 'Relu') return b.Relu(sum);
  throw unsupported(`the activation ${mode}`);
}

const globally: TfRow = (x, b) => {
  const [t, m, v, beta, gamma] = ['t', 'm', 'v', 'beta', 'gamma'].map(name => x.tensor(name)) as [Value, Value, Value, Value, Value];
  const root = b.Sqrt(b.Add(v, b.like(x.number('variance_epsilon'), v)));
  const factor = x.boolean('scale_after_normalization') ? b.Div(gamma, root) : b.Reciprocal(root);
  return b.Add(b.Mul(b.Sub(t, m), factor), beta);
};

export const norms: TfRows = {
  FusedBatchNorm: fused,
  FusedBatchNormV2: fused,
  FusedBatchNormV3: fused,
  _FusedBatchNormEx: fused,
  BatchNormWithGlobalNormalization: globally,
};
