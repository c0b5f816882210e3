// ATen overloads of layers: convolutions here, the rest spread in by topic.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { distances } from './distance.ts';
import { losses } from './loss.ts';
import { normalisations } from './normalisation.ts';
import { products } from './products.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** A list with one entry an axis, from one that may have a single entry for all. */
export const perAxis = (list: readonly number[], rank: number): readonly number[] =>
  list.length === 1 ? range(rank).map(() => list[0]!) : list;

/** Padding at the beginning of each spatial axis, then at the end. */
function padsOf(x: Args, weight: Value, dilations: readonly number[]): readonly number[] {
  const rank = dilations.length;
  const padding = x.any('padding');
  if (typeof padding !== 'string') return range(2).flatMap(() => perAxis(x.numbers('padding'), rank));
  if (padding === 'valid') return range(2 * rank).map(() => 0);
  if (padding !== 'same') throw unsupported(`padding '${padding}'`);
  const totals = shapeOf(weight)
    .slice(2)
    .map((taps, i) => {
      if (typeof taps === 'number') return dilations[i]! * (taps - 1);
      throw unsupported("padding 'same' of a window of unknown size");
    });
  return [...totals.map(total => Math.floor(total / 2)), ...totals.map(total => Math.ceil(total / 2))];
}

/** ONNX convolves floats only. */
function ofFloats(input: Value): Value {
  if (isFloat(elementOf(input))) return input;
  throw unsupported(`a convolution of ${elementOf(input)}`);
}

/** Convolution with the arguments that the overload has; a single example gets a batch axis for the while. */
const conv =
  (isTransposed = false): AtenRow =>
  (x, b) => {
    const input = ofFloats(x.optional('input') ?? x.tensor('self'));
    const [weight, bias] = [x.tensor('weight'), x.optional('bias')];
    const rank = rankOf(weight) - 2;
    const list = (name: string): readonly number[] => perAxis(x.optionalNumbers(name) ?? [1], rank);
    const dilations = list('dilation');
    const at = { strides: list('stride'), dilations, pads: padsOf(x, weight, dilations), group: x.optionalNumber('groups') ?? 1 };
    const run = (X: Value): Value => {
      if (!(x.has('transposed') ? x.boolean('transposed') : isTransposed)) return b.Conv(X, weight, bias, at);
      const extra = perAxis(x.numbers('output_padding'), rank);
      return b.ConvTranspose({ X, W: weight, B: bias }, { ...at, output_padding: extra.some(n => n > 0) ? extra : undefined });
    };
    return rankOf(input) === rank + 1 ? b.Squeeze(run(b.Unsqueeze(input, [0])), [0]) : run(input);
  };

/** Convolution over sequences of time, batch, channel. */
const convOfSequences: AtenRow = (x, b) => {
  const turned = b.Transpose(ofFloats(x.tensor('self')), [1, 2, 0]);
  const pad = x.number('pad');
  return b.Transpose(b.Conv(turned, b.Transpose(x.tensor('weight'), [2, 1, 0]), x.tensor('bias'), { pads: [pad, pad] }), [2, 0, 1]);
};

const convolutions: AtenRows = {
  ...Object.fromEntries(
    [
      ...range(3, 1).flatMap(rank => [`conv${rank}d.default`, `conv${rank}d.padding`]),
      'convolution.default',
      '_convolution.default',
      '_convolution.deprecated',
      '_convolution_mode.default',
      'thnn_conv2d.default',
      '_slow_conv2d_forward.default',
      'slow_conv3d.default',
      'slow_conv3d_forward.default',
      'slow_conv_dilated2d.default',
      'slow_conv_dilated3d.default',
    ].map(name => [name, conv()]),
  ),
  ...Object.fromEntries(
    [
      'conv_transpose1d.default',
      'conv_transpose2d.input',
      'conv_transpose3d.input',
      'slow_conv_transpose2d.default',
      'slow_conv_transpose3d.default',
    ].map(name => [name, conv(true)]),
  ),
  'conv_tbc.default': convOfSequences,
};

export const layers: AtenRows = { ...products, ...convolutions, ...normalisations, ...losses, ...distances };
