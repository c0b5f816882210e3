// Operations of networks: convolutions, pools, normalisations, attention, losses.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { onChannelsFirst } from '../../../ops/channels.ts';
import { log1p } from '../../../ops/formulas.ts';
import { axesOf, axisOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { iota, mulSizes, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { pooling } from '../layers/pooling.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { convolved, depthwiseKernel, kernelFirst, type Window } from '../windows.ts';
import {
  flagOption,
  floats,
  numberOption,
  numbersOption,
  operand,
  option,
  optionalOperand,
  real,
  requiredNumbers,
  typeOption,
  unary,
} from './arguments.ts';
import { mean, variance } from './reduce.ts';

const windowFor = (x: LayerCall, kernel: readonly number[]): Window => ({
  kernel,
  strides: x.config.numbers('strides', kernel.length, 1),
  dilations: x.config.numbers('dilation_rate', kernel.length, 1),
  padding: x.config.text('padding', 'valid').toLowerCase(),
});
/** The sizes of a kernel, which are known before the run. */
function sizesOfKernel(x: LayerCall, kernel: Value): number[] {
  return range(rankOf(kernel)).map(a => x.size(kernel, a));
}

function convolution(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const kernel = b.Cast(operand(x, b, 'kernel', 1, v), elementOf(v));
  const sizes = sizesOfKernel(x, kernel);
  const group = x.size(v, x.isChannelsFirst ? 1 : -1) / sizes.at(-2)!;
  const window = windowFor(x, sizes.slice(0, -2));
  return onChannelsFirst(b, v, x.isChannelsFirst, y => convolved(b, y, kernelFirst(b, kernel), undefined, window, group));
}
function depthwise(b: Builder, x: LayerCall, kernel: Value, then?: (y: Value) => Value): Value {
  const v = x.first.value;
  const sizes = sizesOfKernel(x, kernel);
  const window = windowFor(x, sizes.slice(0, -2));
  return onChannelsFirst(b, v, x.isChannelsFirst, y => {
    const made = convolved(b, y, depthwiseKernel(b, b.Cast(kernel, elementOf(v))), undefined, window, sizes.at(-2)!);
    return then ? then(made) : made;
  });
}
function separable(x: LayerCall, b: Builder): Value {
  const points = b.Cast(operand(x, b, 'pointwise_kernel', 2), elementOf(x.first.value));
  const ones = range(rankOf(points) - 2).map(() => 1);
  const single: Window = { kernel: ones, strides: ones, dilations: ones, padding: 'valid' };
  return depthwise(b, x, operand(x, b, 'depthwise_kernel', 1), y => convolved(b, y, kernelFirst(b, points), undefined, single));
}
/** A vector along an axis of a tensor. */
const along = (b: Builder, v: Value, rank: number, axis: number): Value =>
  reshapeTo(
    b,
    v,
    range(rank).map(a => (a === axis ? -1 : 1)),
  );

function batchNorm(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const axis = axisOf(numberOption(x, 'axis'), rankOf(v));
  const [center, spread, offset, scale] = ['mean', 'variance', 'offset', 'scale'].map((name, i) => {
    const found = optionalOperand(x, b, name, i + 1, v);
    return found && along(b, b.Cast(found, elementOf(v)), rankOf(v), axis);
  });
  const deviation = b.Sqrt(b.Add(spread!, b.like(numberOption(x, 'epsilon', 1e-3), v)));
  const plainly = b.Div(b.Sub(v, center!), deviation);
  const scaled = scale ? b.Mul(plainly, scale) : plainly;
  return offset ? b.Add(scaled, offset) : scaled;
}

/** Over axes, whose sizes scale and offset have. */
const normed = (parameters: readonly string[], center: (b: Builder, v: Value, axes: number[], x: LayerCall) => [Value, Value]): LayerRow =>
  real((b, v, x) => {
    const axes = axesOf(numbersOption(x, 'axis') ?? [-1], rankOf(v)).sort((p, q) => p - q);
    const [centered, squares] = center(b, v, axes, x);
    const y = b.Div(centered, b.Sqrt(b.Add(squares, b.like(numberOption(x, 'epsilon', 1e-7), v))));
    const [scale, offset] = parameters.map((name, i) => {
      const found = optionalOperand(x, b, name, i + 1, v);
      const sizes = sizesOf(b, v);
      return (
        found &&
        reshapeTo(
          b,
          b.Cast(found, elementOf(v)),
          range(rankOf(v)).map(a => (axes.includes(a) ? sizes[a]! : 1)),
        )
      );
    });
    const scaled = scale ? b.Mul(y, scale) : y;
    return offset && !flagOption(x, 'rms_scaling') ? b.Add(scaled, offset) : scaled;
  });

function normalize(b: Builder, v: Value, x: LayerCall): Value {
  const order = numberOption(x, 'order', 2);
  const epsilon = numberOption(x, 'epsilon', 1e-7);
  const over = { axes: axesOf(numbersOption(x, 'axis') ?? [-1], rankOf(v)), keepdims: 1 };
  if (order === 2) {
    const inverse = b.Reciprocal(b.Sqrt(b.ReduceSum(b.Mul(v, v), over)));
    return b.Mul(v, b.Min(inverse, b.like(1 / epsilon, v)));
  }
  const norm = b.Pow(b.ReduceSum(b.Pow(b.Abs(v), b.like(order, v)), over), b.like(1 / order, v));
  return b.Div(v, b.Max(norm, b.like(epsilon, v)));
}

/** Categories as places that are 1; a number that is none gives zeros. */
function hot(b: Builder, v: Value, x: LayerCall): Value {
  if (flagOption(x, 'sparse')) throw unsupported('a sparse result');
  const count = numberOption(x, 'num_classes');
  const rank = rankOf(v);
  const axis = axisOf(numberOption(x, 'axis', -1), rank + 1);
  const numbers = along(b, b.constant(range(count), 'int64', [count]), rank + 1, axis);
  return b.Cast(b.Equal(b.Unsqueeze(b.Cast(v, 'int64'), [axis]), numbers), typeOption(x, 'float32'));
}
function multiHot(b: Builder, v: Value, x: LayerCall): Value {
  const places = hot(b, v, x);
  const summed = rankOf(v) > 1 ? 1 : 0;
  return b.Cast(b.ReduceMax(b.Cast(places, 'int32'), { axes: [summed], keepdims: 0 }), elementOf(places));
}

const tiny = 1e-7;
const clipped = (b: Builder, v: Value): Value => b.Min(b.Max(v, b.like(tiny, v)), b.like(1 - tiny, v));
const answers = (x: LayerCall, b: Builder): [Value, Value] => {
  const output = floats(b, operand(x, b, 'output', 1));
  return [operand(x, b, 'target', 0, output), output];
};
function binaryCrossentropy(x: LayerCall, b: Builder): Value {
  const [given, output] = answers(x, b);
  const target = b.Cast(given, elementOf(output));
  const one = b.like(1, output);
  if (flagOption(x, 'from_logits')) return b.Add(b.Sub(b.Relu(output), b.Mul(output, target)), log1p(b, b.Exp(b.Neg(b.Abs(output)))));
  const share = clipped(b, output);
  return b.Neg(b.Add(b.Mul(target, b.Log(share)), b.Mul(b.Sub(one, target), b.Log(b.Sub(one, share)))));
}
function categoricalCrossentropy(x: LayerCall, b: Builder): Value {
  const [given, output] = answers(x, b);
  const axis = axisOf(numberOption(x, 'axis', -1), rankOf(output));
  const logs = flagOption(x, 'from_logits')
    ? b.LogSoftmax({ input: output }, { axis })
    : b.Log(clipped(b, b.Div(output, b.ReduceSum(output, { axes: [axis], keepdims: 1 }))));
  return b.Neg(b.ReduceSum(b.Mul(b.Cast(given, elementOf(output)), logs), { axes: [axis], keepdims: 0 }));
}
function sparseCategoricalCrossentropy(x: LayerCall, b: Builder): Value {
  const [given, output] = answers(x, b);
  const axis = axisOf(numberOption(x, 'axis', -1), rankOf(output));
  const logits = flagOption(x, 'from_logits') ? output : b.Log(clipped(b, output));
  const logs = b.LogSoftmax({ input: logits }, { axis });
  const target = rankOf(given) === rankOf(output) ? given : b.Unsqueeze(given, [axis]);
  const own = b.GatherElements({ data: logs, indices: b.Cast(target, 'int64') }, { axis });
  return b.Neg(b.Squeeze(own, [axis]));
}

/** [batch, places, heads, size] each; the heads of keys and values may be shared by several of the query. */
function attention(x: LayerCall, b: Builder): Value {
  const [query, ...others] = ['query', 'key', 'value'].map((name, i) => operand(x, b, name, i)) as [Value, Value, Value];
  const size = x.size(query, 3);
  const heads = x.size(query, 2);
  if (option(x, 'attn_logits_soft_cap') !== undefined) throw unsupported('attn_logits_soft_cap');
  const [key, value] = others.map(v => {
    if (x.size(v, 2) !== heads) throw unsupported('heads of keys that several queries share');
    return b.Transpose(v, [0, 2, 1, 3]);
  }) as [Value, Value];
  const scale = option(x, 'scale');
  const factor = b.like(typeof scale === 'number' ? scale : 1 / Math.sqrt(size), query);
  const scores = b.Mul(b.MatMul(b.Transpose(query, [0, 2, 1, 3]), b.Transpose(key, [0, 1, 3, 2])), factor);
  const bias = optionalOperand(x, b, 'bias', 3, query);
  const biased = bias ? b.Add(scores, bias) : scores;
  const least = b.like(-0.7 * 3.4028234663852886e38, query);
  const mask = optionalOperand(x, b, 'mask', 4);
  const masked = mask ? b.Where(b.Cast(mask, 'bool'), biased, least) : biased;
  const causal = flagOption(x, 'is_causal')
    ? b.Where(b.Not(b.Less(b.Unsqueeze(iota(b, b.dim(query, 1)), [1]), iota(b, b.dim(key, 2)))), masked, least)
    : masked;
  return b.Transpose(b.MatMul(b.Softmax({ input: causal }, { axis: 3 }), value), [0, 2, 1, 3]);
}

const moving = (op: 'DepthToSpace' | 'SpaceToDepth'): LayerRow =>
  unary((b, v, x) => onChannelsFirst(b, v, x.isChannelsFirst, y => b.emit(op, [y], { blocksize: numberOption(x, 'block_size') })[0]!));

/** One or two numbers for rows and columns. */
const both = (x: LayerCall, name: string, otherwise?: number): [number, number] => {
  const given = option(x, name) === undefined && otherwise !== undefined ? [otherwise] : requiredNumbers(x, name);
  return given.length === 1 ? [given[0]!, given[0]!] : [given[0]!, given[1]!];
};

/** Windows of [N, C, H, W] as columns: channels and places in a window, then windows. */
function unfold(b: Builder, v: Value, x: LayerCall): Value {
  const [kernel, dilation, padding, stride] = [both(x, 'kernel_size'), both(x, 'dilation', 1), both(x, 'padding', 0), both(x, 'stride', 1)];
  const wide = b.Pad({ data: v, pads: b.ints([0, 0, ...padding, 0, 0, ...padding]) });
  const counts = [0, 1].map(i => Math.floor((x.size(wide, i + 2) - (kernel[i]! - 1) * dilation[i]! - 1) / stride[i]!) + 1);
  const taps = range(kernel[0]).flatMap(i =>
    range(kernel[1]).map(j => {
      const starts = [i * dilation[0], j * dilation[1]];
      const ends = starts.map((start, a) => start + (counts[a]! - 1) * stride[a]! + 1);
      return b.Unsqueeze(b.Slice(wide, { axes: [2, 3], starts, ends, steps: stride }), [2]);
    }),
  );
  const stacked = b.Concat(taps, 2);
  return reshapeTo(b, stacked, [b.dim(v, 0), mulSizes(b, b.dim(v, 1), taps.length), counts[0]! * counts[1]!]);
}
/** Columns back to where they came from, added up where windows overlap. */
function fold(b: Builder, v: Value, x: LayerCall): Value {
  const padding = both(x, 'padding', 0);
  return b.Col2Im(
    { input: v, image_shape: b.ints(both(x, 'output_size')), block_shape: b.ints(both(x, 'kernel_size')) },
    { dilations: both(x, 'dilation', 1), pads: [...padding, ...padding], strides: both(x, 'stride', 1) },
  );
}

export const networks: Readonly<Record<string, LayerRow>> = {
  Conv: plain(convolution),
  DepthwiseConv: plain((x, b) => depthwise(b, x, operand(x, b, 'kernel', 1))),
  SeparableConv: plain(separable),
  MaxPool: pooling['MaxPooling2D']!,
  AveragePool: pooling['AveragePooling2D']!,
  AdaptiveMaxPool: pooling['AdaptiveMaxPooling2D']!,
  AdaptiveAveragePool: pooling['AdaptiveAveragePooling2D']!,
  BatchNorm: plain(batchNorm),
  LayerNorm: normed(['gamma', 'beta'], (b, v, axes, x) => {
    const spread = variance(b, v, { axes, keepdims: 1 });
    return [flagOption(x, 'rms_scaling') ? v : b.Sub(v, mean(b, v, { axes, keepdims: 1 })), spread];
  }),
  RMSNorm: normed(['scale'], (b, v, axes) => [v, mean(b, b.Mul(v, v), { axes, keepdims: 1 })]),
  Normalize: real(normalize),
  OneHot: unary(hot),
  MultiHot: unary(multiHot),
  BinaryCrossentropy: plain(binaryCrossentropy),
  CategoricalCrossentropy: plain(categoricalCrossentropy),
  SparseCategoricalCrossentropy: plain(sparseCategoricalCrossentropy),
  PSNR: plain((x, b) => {
    const [p, q] = [floats(b, operand(x, b, 'x1', 0)), floats(b, operand(x, b, 'x2', 1))];
    const difference = b.Sub(p, q);
    const error = mean(b, b.Mul(difference, difference), { axes: range(rankOf(p)), keepdims: 0 });
    const scale = b.like(10 / Math.LN10, p);
    return b.Sub(b.like(20 * Math.log10(numberOption(x, 'max_val')), p), b.Mul(scale, b.Log(error)));
  }),
  DotProductAttention: plain(attention),
  DepthToSpace: moving('DepthToSpace'),
  SpaceToDepth: moving('SpaceToDepth'),
  Unfold: unary(unfold),
  Fold: unary(fold),
};
