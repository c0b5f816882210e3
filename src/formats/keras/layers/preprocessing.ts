// Layers that prepare inputs, as far as numbers say how.
import { isJsonArray } from '../../../codec/json.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { resized } from './resizing.ts';
import { type LayerCall, type LayerRows, masked, nestedNumbers, plain, unsupported } from './row.ts';

/** Numbers of the configuration as a constant. */
function constantOf(x: LayerCall, b: Builder, entry: string, otherwise = 0): Value {
  const { data, dims } = nestedNumbers(x.config.find(entry) ?? otherwise);
  return b.Cast(b.constant(data, 'float32', dims), x.type);
}

const rescaling = masked((x, b) => b.Add(b.Mul(x.real, constantOf(x, b, 'scale', 1)), constantOf(x, b, 'offset')));

/** Differences to the mean in standard deviations, or the way back. */
function normalization(x: LayerCall, b: Builder): Value {
  const { real, config } = x;
  const rank = rankOf(real);
  const axis = config.find('axis');
  const axes = axesOf(isJsonArray(axis) ? config.numbers('axis') : typeof axis === 'number' ? [axis] : [], rank).sort((p, q) => p - q);
  const sizes = axes.map(a => x.size(real, a));
  const hasOwn = config.has('mean');
  const found = hasOwn ? undefined : x.variables({ mean: sizes, variance: sizes });
  const along = (v: Value): Value => {
    if (rankOf(v) === 0) return v;
    // Fewer sizes than axes belong to the last of these.
    const own = shapeOf(v) as readonly number[];
    return b.Reshape(
      v,
      range(rank).map(a => (axes.includes(a) ? (own.at(axes.indexOf(a) - axes.length) ?? 1) : 1)),
    );
  };
  const mean = along(found?.mean ?? constantOf(x, b, 'mean'));
  const variance = along(found?.variance ?? constantOf(x, b, 'variance'));
  const deviation = b.Max(b.Sqrt(variance), b.like(1e-7, real));
  return config.boolean('invert', false) ? b.Add(mean, b.Mul(real, deviation)) : b.Div(b.Sub(real, mean), deviation);
}

const imageAxes = (x: LayerCall, v: Value): [number, number] => {
  const rank = rankOf(v);
  return x.isChannelsFirst ? [rank - 2, rank - 1] : [rank - 3, rank - 2];
};

/** The middle of an image; one that is too small is scaled up first, and then cut. */
function centerCrop(x: LayerCall, b: Builder): Value {
  const { input } = x;
  const axes = imageAxes(x, input);
  const wanted = [x.config.number('height'), x.config.number('width')];
  const sizes = axes.map(a => x.size(input, a));
  if (sizes.some((size, i) => size < wanted[i]!)) {
    const [height, width] = sizes as [number, number];
    const [h, w] = wanted as [number, number];
    const cut = [Math.max(Math.min(height, Math.trunc((width * h) / w)), 1), Math.max(Math.min(width, Math.trunc((height * w) / h)), 1)];
    const starts = [Math.trunc((height - cut[0]!) / 2), Math.trunc((width - cut[1]!) / 2)];
    const part = b.Slice(x.real, { axes, starts, ends: starts.map((s, i) => s + cut[i]!) });
    return resized(b, part, axes, wanted, 'bilinear', false);
  }
  const starts = sizes.map((size, i) => Math.trunc((size - wanted[i]!) / 2));
  return b.Slice(x.real, { axes, starts, ends: starts.map((s, i) => s + wanted[i]!) });
}

function resizing(x: LayerCall, b: Builder): Value {
  for (const entry of ['crop_to_aspect_ratio', 'pad_to_aspect_ratio']) if (x.config.boolean(entry, false)) throw unsupported(entry);
  const { real } = x;
  const sizes = [x.config.number('height'), x.config.number('width')];
  return resized(b, real, imageAxes(x, real), sizes, x.config.text('interpolation', 'bilinear'), x.config.boolean('antialias', false));
}

/** The place of the bin: how many boundaries are not above. */
function discretization(x: LayerCall, b: Builder): Value {
  const { data } = nestedNumbers(x.config.find('bin_boundaries') ?? []);
  const v = b.Unsqueeze(b.Cast(x.first.value, 'float32'), [rankOf(x.first.value)]);
  const isAbove = b.Not(b.Less(v, b.constant(data, 'float32', [data.length])));
  const bins = b.ReduceSum(b.Cast(isAbove, 'int64'), { axes: [rankOf(v) - 1], keepdims: 0 });
  return encoded(x, b, bins, data.length + 1, x.config.text('output_mode', 'int'));
}

const categoryEncoding = (x: LayerCall, b: Builder): Value => {
  const weights = x.tensor('count_weights', 1)?.value;
  return encoded(x, b, b.Cast(x.first.value, 'int64'), x.config.number('num_tokens'), x.config.text('output_mode', 'multi_hot'), weights);
};

/** Numbers of categories as they are, one of as many places for each, or all of an example in one row. */
export function encoded(x: LayerCall, b: Builder, indices: Value, depth: number, mode: string, weights?: Value): Value {
  if (x.config.boolean('sparse', false)) throw unsupported('a sparse result');
  if (mode === 'int') return isFloat(x.type) ? indices : b.Cast(indices, x.type);
  if (!['one_hot', 'multi_hot', 'count'].includes(mode)) throw unsupported(`output_mode ${mode}`);
  const type = isFloat(x.type) ? x.type : 'float32';
  const rank = rankOf(indices);
  const isSingle = mode === 'one_hot' && rank > 0 && shapeOf(indices)[rank - 1] === 1;
  const flat = isSingle ? b.Squeeze(indices, [rank - 1]) : indices;
  const hot = b.OneHot(
    { indices: flat, depth: b.constant(depth, 'int64'), values: b.Cast(b.constant([0, 1], 'float32', [2]), type) },
    { axis: -1 },
  );
  if (mode === 'one_hot') return hot;
  // The last axis lists what is in an example; a single list is one.
  const axis = rankOf(hot) - 2;
  if (axis < 0) return hot;
  if (mode === 'multi_hot') return b.ReduceMax(hot, { axes: [axis], keepdims: 0 });
  const counted = weights ? b.Mul(hot, b.Unsqueeze(b.Cast(weights, type), [rankOf(hot) - 1])) : hot;
  return b.ReduceSum(counted, { axes: [axis], keepdims: 0 });
}

/** From the darkest to the brightest of each channel over the whole range; a channel of one value stays as it is. */
function autoContrast(x: LayerCall, b: Builder): Value {
  const { real: v } = x;
  const [low, high] = x.config.numbers('value_range', 2, [0, 255]) as [number, number];
  const at = { axes: [1, 2], keepdims: 1 };
  const [darkest, brightest] = [b.ReduceMin(v, at), b.ReduceMax(v, at)];
  const span = b.Sub(brightest, darkest);
  const share = b.Div(b.Sub(v, darkest), span);
  const within = b.Min(b.Max(share, b.like(0, v)), b.like(1, v));
  const made = b.Add(b.Mul(within, b.like(high - low, v)), b.like(low, v));
  return b.Where(b.Equal(span, b.like(0, v)), v, made);
}

export const preprocessing: LayerRows = {
  Rescaling: rescaling,
  Normalization: masked(normalization),
  CenterCrop: plain(centerCrop),
  Resizing: plain(resizing),
  AutoContrast: plain(autoContrast),
  Discretization: plain(discretization),
  CategoryEncoding: plain(categoryEncoding),
};
