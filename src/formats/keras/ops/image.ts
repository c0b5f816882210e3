// Operations on images, one or a batch of them.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';

import { resized } from '../layers/resizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { paddingOf } from '../windows.ts';
import { flagOption, floats, numberOption, numbersOption, operand, option, real, unary } from './arguments.ts';

const channelOf = (x: LayerCall, v: Value): number => (x.isChannelsFirst ? rankOf(v) - 3 : rankOf(v) - 1);
/** Rows and columns. */
const placesOf = (x: LayerCall, v: Value): [number, number] =>
  x.isChannelsFirst ? [rankOf(v) - 2, rankOf(v) - 1] : [rankOf(v) - 3, rankOf(v) - 2];

/** Red, green and blue apart. */
function colours(b: Builder, v: Value, x: LayerCall): [Value, Value, Value] {
  const axis = channelOf(x, v);
  const [red, green, blue] = b.Split(v, [1, 1, 1], axis);
  return [red!, green!, blue!];
}

const weights = [0.2989, 0.587, 0.114] as const;
function grayscale(b: Builder, v: Value, x: LayerCall): Value {
  const parts = colours(b, floats(b, v), x).map((c, i) => b.Mul(c, b.like(weights[i]!, c)));
  return b.Cast(
    parts.reduce((p, q) => b.Add(p, q)),
    elementOf(v),
  );
}

function toHsv(b: Builder, v: Value, x: LayerCall): Value {
  const [red, green, blue] = colours(b, v, x);
  const value = b.Max(red, green, blue);
  const chroma = b.Sub(value, b.Min(red, green, blue));
  const zero = b.like(0, v);
  const isGray = b.Equal(chroma, zero);
  const one = b.like(1, v);
  const saturation = b.Where(b.Greater(value, zero), b.Div(chroma, b.Where(b.Greater(value, zero), value, one)), zero);
  const unit = b.Div(b.like(1 / 6, v), b.Where(isGray, one, chroma));
  const sector = (p: Value, q: Value, offset: number): Value => b.Add(b.Mul(unit, b.Sub(p, q)), b.like(offset, v));
  const hue = b.Where(
    b.Equal(red, value),
    sector(green, blue, 0),
    b.Where(b.Equal(green, value), sector(blue, red, 2 / 6), sector(red, green, 4 / 6)),
  );
  const around = b.Where(b.Less(hue, zero), b.Add(hue, one), hue);
  return b.Concat([b.Where(isGray, zero, around), saturation, value], channelOf(x, v));
}
function fromHsv(b: Builder, v: Value, x: LayerCall): Value {
  const [hue, saturation, value] = colours(b, v, x);
  const one = b.like(1, v);
  const six = b.Mul(hue, b.like(6, v));
  const within = (w: Value): Value => b.Min(b.Max(w, b.like(0, v)), one);
  const shares = [
    b.Sub(b.Abs(b.Sub(six, b.like(3, v))), one),
    b.Sub(b.like(2, v), b.Abs(b.Sub(six, b.like(2, v)))),
    b.Sub(b.like(2, v), b.Abs(b.Sub(six, b.like(4, v)))),
  ].map(within);
  return b.Concat(
    shares.map(share => b.Mul(b.Add(b.Sub(one, saturation), b.Mul(saturation, share)), value)),
    channelOf(x, v),
  );
}

function resize(b: Builder, v: Value, x: LayerCall): Value {
  for (const name of ['crop_to_aspect_ratio', 'pad_to_aspect_ratio']) if (flagOption(x, name)) throw unsupported(name);
  const sizes = numbersOption(x, 'size') ?? [];
  return resized(b, v, placesOf(x, v), sizes, x.config.text('interpolation', 'bilinear'), flagOption(x, 'antialias'));
}

/** Of two edges and the wanted size any two say the third. */
function edges(
  x: LayerCall,
  names: readonly [string, string, string],
  rest: (before: number, after: number, wanted: number) => [number, number],
): [number, number] {
  const [before, after, wanted] = names.map(name => option(x, name) as number | undefined);
  if (before !== undefined && after !== undefined) return [before, after];
  if (wanted === undefined) throw unsupported('edges without a size');
  return rest(before ?? Number.NaN, after ?? Number.NaN, wanted);
}
const sides = (x: LayerCall, what: string, size: (axis: number) => number, isCrop: boolean): [number, number][] =>
  (
    [
      ['top', 'bottom', 'height'],
      ['left', 'right', 'width'],
    ] as const
  ).map(([before, after, extent], axis) =>
    edges(x, [`${before}_${what}`, `${after}_${what}`, `target_${extent}`], (first, last, wanted) => {
      const total = isCrop ? size(axis) - wanted : wanted - size(axis);
      if (Number.isNaN(first) && Number.isNaN(last)) throw unsupported('edges that are not said');
      return Number.isNaN(first) ? [total - last, last] : [first, total - first];
    }),
  );

function crop(b: Builder, v: Value, x: LayerCall): Value {
  const axes = placesOf(x, v);
  const cuts = sides(x, 'cropping', i => x.size(v, axes[i]!), true);
  return b.Slice(v, { axes, starts: cuts.map(c => c[0]), ends: cuts.map((c, i) => x.size(v, axes[i]!) - c[1]) });
}
function padded(b: Builder, v: Value, x: LayerCall): Value {
  const axes = placesOf(x, v);
  const pads = sides(x, 'padding', i => x.size(v, axes[i]!), false);
  const at = (side: 0 | 1): number[] => range(rankOf(v)).map(a => pads[axes.indexOf(a)]?.[side] ?? 0);
  return b.Pad({ data: v, pads: b.ints([...at(0), ...at(1)]) });
}

/** [N, C, H, W], whatever the image is. */
function batchOf(b: Builder, v: Value, x: LayerCall): Value {
  const batch = rankOf(v) === 3 ? b.Unsqueeze(v, [0]) : v;
  return x.isChannelsFirst ? batch : b.Transpose(batch, [0, 3, 1, 2]);
}
/** The same, and back. */
function asBatch(b: Builder, v: Value, x: LayerCall, compute: (y: Value) => Value): Value {
  const isOne = rankOf(v) === 3;
  const made = compute(batchOf(b, v, x));
  const rank = rankOf(made);
  const back = x.isChannelsFirst ? made : b.Transpose(made, [0, 2, 3, 1, ...range(rank - 4, 4)]);
  return isOne ? b.Squeeze(back, [0]) : back;
}

/** A kernel over every channel of [N, C, H, W] by itself. */
function filtered(b: Builder, v: Value, kernel: readonly number[], sizes: readonly [number, number], pads: readonly number[]): Value {
  const channels = shapeOf(v)[1]!;
  if (typeof channels !== 'number') throw unsupported('channels that only the run knows');
  const all = range(channels).flatMap(() => kernel);
  const weight = b.Cast(b.constant(all, 'float32', [channels, 1, ...sizes]), elementOf(v));
  return b.Conv(v, weight, undefined, { group: channels, pads });
}

/** A bell of so many numbers, which add up to 1. */
function bellOf(size: number, sigma: number): number[] {
  const values = range(size).map(n => Math.exp(-0.5 * ((n - (size - 1) / 2) / sigma) ** 2));
  const sum = values.reduce((p, q) => p + q, 0);
  return values.map(value => value / sum);
}

function blur(b: Builder, v: Value, x: LayerCall): Value {
  const [sizes, sigmas] = [numbersOption(x, 'kernel_size') ?? [3, 3], numbersOption(x, 'sigma') ?? [1, 1]];
  const [across, down] = [0, 1].map(i => bellOf(sizes[i]!, sigmas[i]!)) as [number[], number[]];
  if (sizes[0] !== sizes[1]) throw unsupported('a kernel that is no square');
  const [height, width] = sizes as [number, number];
  const pads = [Math.floor((height - 1) / 2), Math.floor((width - 1) / 2), Math.ceil((height - 1) / 2), Math.ceil((width - 1) / 2)];
  const kernel = down.flatMap(d => across.map(a => a * d));
  return asBatch(b, v, x, y => filtered(b, y, kernel, [height, width], pads));
}

const sobelKernels = [
  [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  [-1, 0, 1, -2, 0, 2, -1, 0, 1],
] as const;
/** Differences down and across; the image is mirrored around it. */
function sobel(b: Builder, v: Value, x: LayerCall): Value {
  return asBatch(b, v, x, y => {
    const wide = b.Pad({ data: y, pads: b.ints([0, 0, 1, 1, 0, 0, 1, 1]) }, { mode: 'reflect' });
    return b.Concat(
      sobelKernels.map(kernel => b.Unsqueeze(filtered(b, wide, kernel, [3, 3], [0, 0, 0, 0]), [4])),
      4,
    );
  });
}

/** How alike two images are, by means, variances and the covariance under a bell. */
const similarity: LayerRow = plain((x, b) => {
  const [size, sigma, most] = [numberOption(x, 'filter_size', 11), numberOption(x, 'filter_sigma', 1.5), numberOption(x, 'max_val', 1)];
  const bell = bellOf(size, sigma);
  const kernel = bell.flatMap(d => bell.map(a => a * d));
  const given = [operand(x, b, 'image1', 0), operand(x, b, 'image2', 1)];
  const [p, q] = given.map(v => batchOf(b, floats(b, v), x)) as [Value, Value];
  const mean = (v: Value): Value => filtered(b, v, kernel, [size, size], [0, 0, 0, 0]);
  const [mp, mq] = [mean(p), mean(q)];
  const spread = (v: Value, w: Value, ofMeans: Value): Value => b.Sub(mean(b.Mul(v, w)), ofMeans);
  const [pp, qq, pq] = [b.Mul(mp, mp), b.Mul(mq, mq), b.Mul(mp, mq)];
  const twice = (v: Value): Value => b.Mul(v, b.like(2, v));
  const steady = (v: Value, k: number): Value => b.Add(v, b.like((k * most) ** 2, v));
  const [k1, k2] = [numberOption(x, 'k1', 0.01), numberOption(x, 'k2', 0.03)];
  const above = b.Mul(steady(twice(pq), k1), steady(twice(spread(p, q, pq)), k2));
  const below = b.Mul(steady(b.Add(pp, qq), k1), steady(b.Add(spread(p, p, pp), spread(q, q, qq)), k2));
  const isOne = rankOf(given[0]!) === 3;
  const made = b.ReduceMean({ data: b.Div(above, below), axes: b.ints(isOne ? [0, 1, 2, 3] : [1, 2, 3]) }, { keepdims: 0 });
  return b.Cast(made, elementOf(given[0]!));
});

/** Windows as channels: rows, columns, then channels of each. */
function patches(b: Builder, v: Value, x: LayerCall): Value {
  const size = numbersOption(x, 'size') ?? [];
  if (size.length > 2 || rankOf(v) > 4) throw unsupported('patches of volumes');
  const kernel = size.length === 1 ? [size[0]!, size[0]!] : size;
  const pick = (name: string, otherwise: readonly number[]): readonly number[] => {
    const given = numbersOption(x, name);
    return !given ? otherwise : given.length === 1 ? [given[0]!, given[0]!] : given;
  };
  const [strides, dilations] = [pick('strides', kernel), pick('dilation_rate', [1, 1])];
  return asBatch(b, v, x, y => {
    const { pads = [0, 0, 0, 0] } = paddingOf(y, { kernel, strides, dilations, padding: x.config.text('padding', 'valid').toLowerCase() });
    const [top, left, bottom, right] = pads as readonly [number, number, number, number];
    const wide = b.Pad({ data: y, pads: b.ints([0, 0, top, left, 0, 0, bottom, right]) });
    const counts = [0, 1].map(i => Math.floor((x.size(wide, i + 2) - (kernel[i]! - 1) * dilations[i]! - 1) / strides[i]!) + 1);
    const taps = range(kernel[0]!).flatMap(i =>
      range(kernel[1]!).map(j => {
        const starts = [i * dilations[0]!, j * dilations[1]!];
        const ends = starts.map((start, a) => start + (counts[a]! - 1) * strides[a]! + 1);
        return b.Slice(wide, { axes: [2, 3], starts, ends, steps: strides });
      }),
    );
    return b.Concat(taps, 1);
  });
}

export const images: Readonly<Record<string, LayerRow>> = {
  RGBToGrayscale: unary(grayscale),
  RGBToHSV: real(toHsv),
  HSVToRGB: real(fromHsv),
  Resize: unary(resize),
  CropImages: unary(crop),
  PadImages: unary(padded),
  GaussianBlur: real(blur),
  SobelEdges: real(sobel),
  SSIM: similarity,
  ExtractPatches: unary(patches),
};
