// Contrast in parts of an image: each tile has its own histogram, and pixels lie between the four tiles around them.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { iota, reshapeTo } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRows, plain } from './row.ts';

const levels = 256;
const f = Math.fround;

/** Numbers in one range as numbers in another. */
function inRange(b: Builder, v: Value, [from, to]: readonly [number, number], [low, high]: readonly [number, number]): Value {
  if (from === low && to === high) return v;
  return b.Add(b.Mul(b.Div(b.Sub(v, b.like(from, v)), b.like(to - from, v)), b.like(high - low, v)), b.like(low, v));
}

/** Along one axis: places with the image mirrored behind its end, and for each place the two tiles around it. */
interface Grid {
  readonly tiles: number;
  readonly length: number;
  readonly places: readonly number[];
  readonly sides: readonly { readonly tile: readonly number[]; readonly share: readonly number[] }[];
}
function gridOf(size: number, tiles: number): Grid {
  const length = Math.ceil(size / tiles);
  const places = range(length * tiles).map(i => (i < size ? i : 2 * size - 1 - i));
  const at = range(size).map(i => f(f((i - length / 2) / length) + 1));
  const low = at.map(Math.floor);
  const share = at.map((a, i) => f(a - low[i]!));
  // Beyond the first and the last tile their own table goes on.
  const tile = (place: number): number => Math.min(Math.max(place - 1, 0), tiles - 1);
  const sides = [
    { tile: low.map(tile), share: share.map(s => f(1 - s)) },
    { tile: low.map(n => tile(n + 1)), share },
  ];
  return { tiles, length, places, sides };
}

/** What becomes of each level in each tile: [N, tiles down, tiles across, C, levels]. */
function tables(b: Builder, v: Value, [down, across]: readonly [Grid, Grid], channels: number, limit: number): Value {
  const mirrored = [down, across].reduce(
    (image, grid, i) => b.Gather(image, b.constant(grid.places, 'int64', [grid.places.length]), i + 1),
    v,
  );
  const apart = reshapeTo(b, mirrored, [b.dim(v, 0), down.tiles, down.length, across.tiles, across.length, channels]);
  const area = down.length * across.length;
  const rows = reshapeTo(b, b.Transpose(apart, [0, 1, 3, 5, 2, 4]), [b.dim(v, 0), down.tiles, across.tiles, channels, area]);
  const hot = b.OneHot({ indices: levelsIn(b, rows), depth: b.constant(levels, 'int64'), values: b.constant([0, 1], 'float32', [2]) });
  const counts = b.ReduceSum(hot, { axes: [4], keepdims: 0 });
  const most = b.like((limit * area) / levels, counts);
  const kept = b.Min(counts, most);
  const excess = b.ReduceSum(b.Sub(counts, kept), { axes: [4], keepdims: 1 });
  const spread = limit > 0 ? b.Add(kept, b.Div(excess, b.like(levels, counts))) : counts;
  const sums = b.CumSum({ x: spread, axis: b.constant(4, 'int64') });
  const least = b.ReduceMin(sums, { axes: [4], keepdims: 1 });
  const span = b.Sub(b.like(area, sums), least);
  const whole = b.Where(b.Equal(span, b.like(0, span)), b.like(1, span), span);
  const share = b.Div(b.Mul(b.Sub(sums, least), b.like(levels - 1, sums)), whole);
  return b.Min(b.Max(share, b.like(0, share)), b.like(levels - 1, share));
}

const levelsIn = (b: Builder, v: Value): Value => b.Cast(b.Min(b.Max(v, b.like(0, v)), b.like(levels - 1, v)), 'int64');

function equalized(b: Builder, v: Value, x: LayerCall): Value {
  const [height, width, channels] = [1, 2, 3].map(axis => x.size(v, axis)) as [number, number, number];
  const [tall, wide] = x.config.numbers('tile_grid_size', 2, [8, 8]) as [number, number];
  const [down, across] = [gridOf(height, tall), gridOf(width, wide)];
  const table = reshapeTo(b, tables(b, v, [down, across], channels, x.config.number('clip_limit', 4)), [-1]);
  const perChannel = b.constant(
    range(channels).map(c => c * levels),
    'int64',
    [channels],
  );
  const perImage = b.Unsqueeze(b.Mul(iota(b, b.dim(v, 0)), b.constant(tall * wide * channels * levels, 'int64')), [1, 2, 3]);
  const pixel = b.Add(b.Add(levelsIn(b, v), perChannel), perImage);
  const parts = down.sides.flatMap(row =>
    across.sides.map(column => {
      const tile = row.tile.flatMap(i => column.tile.map(j => (i * wide + j) * channels * levels));
      const found = b.Gather(table, b.Add(pixel, b.constant(tile, 'int64', [height, width, 1])), 0);
      const [tallShare, wideShare] = [b.constant(row.share, 'float32', [height, 1, 1]), b.constant(column.share, 'float32', [width, 1])];
      return b.Mul(b.Mul(found, wideShare), tallShare);
    }),
  );
  return parts.reduce((p, q) => b.Add(p, q));
}

function contrast(x: LayerCall, b: Builder): Value {
  const given = x.real;
  const isOne = rankOf(given) === 3;
  const batch = isOne ? b.Unsqueeze(given, [0]) : given;
  const last = x.isChannelsFirst ? b.Transpose(batch, [0, 2, 3, 1]) : batch;
  const bounds = x.config.numbers('value_range', 2, [0, 255]) as [number, number];
  const all = [0, levels - 1] as const;
  const made = inRange(b, equalized(b, inRange(b, b.Cast(last, 'float32'), bounds, all), x), all, bounds);
  const back = x.isChannelsFirst ? b.Transpose(made, [0, 3, 1, 2]) : made;
  return b.Cast(isOne ? b.Squeeze(back, [0]) : back, x.type);
}

export const equalization: LayerRows = { ContrastLimitedAdaptiveHistogramEqualization: plain(contrast) };
