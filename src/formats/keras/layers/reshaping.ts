// Layers that move elements: other sizes, other orders, more or fewer at the edges.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { mulSizes, permuted, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { resized } from './resizing.ts';
import { type Build, type LayerCall, type LayerRows, plain, unsupported } from './row.ts';

function flatten(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const rank = rankOf(v);
  // Channels last is the order, wherever they are.
  const last = x.isChannelsFirst && rank > 1 ? b.Transpose(v, [0, ...range(rank - 2, 2), 1]) : v;
  if (rank < 2) return b.Reshape(v, [-1, 1]);
  const [batch, ...others] = sizesOf(b, last);
  const product = others.reduce<Size>((n, s) => mulSizes(b, n, s), 1);
  return reshapeTo(b, last, [batch!, typeof product === 'number' ? product : -1]);
}

const reshape: Build = (x, b) => {
  const v = x.first.value;
  const target = x.config.numbers('target_shape');
  if (target.every(d => d >= 0)) return b.Reshape(v, [-1, ...target]);
  return reshapeTo(b, v, [b.dim(v, 0), ...target]);
};

const permute: Build = (x, b) => permuted(b, x.first.value, [0, ...x.config.numbers('dims')]);

function repeatVector(x: LayerCall, b: Builder): Value {
  const v = b.Unsqueeze(x.first.value, [1]);
  return b.Tile({ input: v, repeats: b.ints([1, x.config.number('n'), 1]) });
}

/** Where the axes are that layers for images change. */
const from = (x: LayerCall): number => (x.isChannelsFirst ? 2 : 1);

const cropping =
  (count: number): Build =>
  (x, b) => {
    const pairs = x.config.pairs('cropping', count, 1);
    const axes = range(count, from(x));
    const end = Number.MAX_SAFE_INTEGER;
    return b.Slice(x.first.value, { axes, starts: pairs.map(p => p[0]), ends: pairs.map(p => (p[1] === 0 ? end : -p[1])) });
  };

const zeroPadding =
  (count: number): Build =>
  (x, b) => {
    const pairs = x.config.pairs('padding', count, 1);
    const v = x.first.value;
    const all = range(rankOf(v)).map(a => pairs[a - from(x)] ?? [0, 0]);
    return b.Pad({ data: v, pads: b.ints([...all.map(p => p[0]!), ...all.map(p => p[1]!)]) });
  };

/** Every element so many times. */
export function repeated(b: Builder, v: Value, axis: number, count: number): Value {
  if (count === 1) return v;
  const sizes = sizesOf(b, v);
  const tiled = b.Tile({ input: b.Unsqueeze(v, [axis + 1]), repeats: b.ints(range(rankOf(v) + 1).map(a => (a === axis + 1 ? count : 1))) });
  return reshapeTo(b, tiled, sizes.with(axis, mulSizes(b, sizes[axis]!, count)));
}

const upSampling =
  (count: number): Build =>
  (x, b) => {
    const factors = x.config.numbers('size', count, 2);
    const v = x.first.value;
    const mode = x.config.text('interpolation', 'nearest');
    if (mode !== 'nearest') {
      if (count !== 2) throw unsupported(`interpolation ${mode} over ${count} axes`);
      const axes = range(count, from(x));
      return resized(
        b,
        x.input,
        axes,
        axes.map((a, i) => mulSizes(b, b.dim(v, a), factors[i]!)),
        mode,
        false,
      );
    }
    return factors.reduce((y, factor, i) => repeated(b, y, i + from(x), factor), v);
  };

export const reshaping: LayerRows = {
  Flatten: plain(flatten),
  Reshape: plain(reshape),
  Permute: plain(permute),
  RepeatVector: plain(repeatVector),
  ...Object.fromEntries(
    [1, 2, 3].flatMap(n => [
      [`Cropping${n}D`, plain(cropping(n))],
      [`ZeroPadding${n}D`, plain(zeroPadding(n))],
      [`UpSampling${n}D`, plain(upSampling(n))],
    ]),
  ),
};
