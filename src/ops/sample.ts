// Operators that read at computed coordinates: grids and deformed windows.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import type { DataType } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import { folded, sizeIn } from './folded.ts';
import { gapTypes } from './gap-types.ts';
import { count, spreadOver } from './generate.ts';
import { floatSize, placeInside, type Reading, termsAt } from './interpolate.ts';
import type { At, Family, Inputs } from './row.ts';
import { elementOf, range, rankOf, shapeOf } from './shapes.ts';
import { convWindow } from './window.ts';

export const samplings = {
  GridSample: {
    infer: gapTypes.GridSample,
    lower({ X, grid }, at, b) {
      const rank = rankOf(X) - 2;
      if (shapeOf(grid).at(-1) !== rank)
        throw fail('E1305', `GridSample: the last axis of the grid must be ${rank} for ${rank} spatial axes`);
      const reading = readingOf(at);
      const element = elementOf(X);
      const rows = channelsLast(reading.mode === 'nearest' ? X : b.Cast(X, asFloat(element)), b);
      // The grid says the last axis first.
      const parts =
        rank === 1
          ? [grid]
          : b
              .Split(
                grid,
                range(rank).map(() => 1),
                -1,
              )
              .toReversed();
      const places = parts.map((part, d) => {
        const size = b.dim(X, 2 + d);
        const place = denormalised(b.Squeeze(part, [-1]), size, at.align_corners !== 0, b);
        if (reading.mode === 'cubic') return place; // Its taps are brought inside one by one.
        return placeInside(reading.mode === 'nearest' ? b.Round(place) : place, size, reading, b);
      });
      const typed = reading.mode === 'nearest' ? places : places.map(p => b.Cast(p, elementOf(rows)));
      const batch = spreadOver(count(b, b.dim(X, 0)), rank, b);
      const terms = termsAt(rows, [batch], typed, reading, b);
      return b.Cast(channelsSecond(total(terms, b), b), element);
    },
  },
  AffineGrid: {
    known: ['size'],
    infer: gapTypes.AffineGrid,
    lower({ theta, size }, { align_corners }, b) {
      const rank = (shapeOf(theta)[1] ?? 0) as number;
      if (rankOf(theta) !== 3 || (rank !== 2 && rank !== 3)) throw fail('E1305', 'AffineGrid: theta must be [N,2,3] or [N,3,4]');
      const columns = b
        .Split(
          theta,
          range(rank + 1).map(() => 1),
          2,
        )
        .map(part => b.Unsqueeze(b.Squeeze(part, [2]), range(rank, 1)));
      const terms = range(rank).map(d => {
        const line = centres(
          sizeIn(b.Slice(size, { axes: [0], starts: [2 + d], ends: [3 + d] })),
          align_corners !== 0,
          elementOf(theta),
          b,
        );
        return b.Mul(columns[rank - 1 - d]!, spreadOver(line, rank - d, b));
      });
      return total([...terms, columns[rank]!], b);
    },
  },
  DeformConv: {
    infer: gapTypes.DeformConv,
    lower: (x, at, b) => deformed(x, at, b),
  },
} satisfies Family;

const total = (terms: readonly Value[], b: Builder): Value => terms.reduce((sum, term) => b.Add(sum, term));
const asFloat = (element: DataType): DataType => (element === 'float64' ? element : 'float32');

/** [N,C,spatial] as [N,spatial,C]. */
export const channelsLast = (x: Value, b: Builder): Value => b.Transpose(x, [0, ...range(rankOf(x) - 2, 2), 1]);
const channelsSecond = (x: Value, b: Builder): Value => b.Transpose(x, [0, rankOf(x) - 1, ...range(rankOf(x) - 2, 1)]);

const modes: Readonly<Record<string, Reading['mode']>> = {
  nearest: 'nearest',
  linear: 'linear',
  cubic: 'cubic',
  bilinear: 'linear',
  bicubic: 'cubic',
};

function readingOf({ mode, padding_mode: padding, align_corners }: At<'GridSample'>): Reading {
  const known = Object.hasOwn(modes, mode) ? modes[mode] : undefined;
  if (!known || (padding !== 'zeros' && padding !== 'border' && padding !== 'reflection'))
    throw fail('E1303', `GridSample: there is no mode ${mode} with the padding ${padding}`);
  return { mode: known, padding, mirror: align_corners ? 'element' : 'half' };
}

/** From -1 … 1 to places: the ends are the centres of the outermost elements, or their outer edges. */
function denormalised(x: Value, size: Size, isAligned: boolean, b: Builder): Value {
  const length = floatSize(size, x, b);
  const [one, half] = [b.like(1, x), b.like(0.5, x)];
  if (isAligned) return b.Mul(b.Mul(b.Add(x, one), half), b.Sub(length, one));
  return b.Mul(b.Sub(b.Mul(b.Add(x, one), length), one), half);
}

/** The places of an axis's elements from -1 to 1. */
function centres(size: Size, isAligned: boolean, type: DataType, b: Builder): Value {
  const exact = typeof size === 'number' ? 'float64' : type;
  return b.Cast(
    folded(b, f => {
      const number = (n: number): Value => f.constant(n, exact);
      const length = typeof size === 'number' ? number(size) : f.Cast(size, exact);
      const places = f.Cast(count(f, size), exact);
      const one = number(1);
      const twice = f.Mul(places, number(2));
      if (!isAligned) return f.Sub(f.Div(f.Add(twice, one), length), one);
      return f.Sub(f.Div(twice, f.Max(f.Sub(length, one), one)), one);
    }),
    type,
  );
}

/** A convolution whose taps are moved by offsets: the elements between elements that they hit, as columns, times the weights. */
function deformed({ X, W, offset, B, mask }: Inputs<'DeformConv'>, at: At<'DeformConv'>, b: Builder): Value {
  const [x, w] = [shapeOf(X), shapeOf(W)];
  const { kernel, strides, dilations, pads, output } = convWindow('DeformConv', x, w, { ...at, auto_pad: 'NOTSET' });
  const rank = kernel.length;
  const [channels, filters] = [x[1], w[0]];
  const { group, offset_group: parts } = at;
  if (typeof channels !== 'number' || typeof filters !== 'number') throw fail('E3009', 'DeformConv: the channels must be known');
  if (channels % parts !== 0 || channels % group !== 0 || filters % group !== 0)
    throw fail('E1305', `DeformConv: ${channels} channels and ${filters} filters do not divide into ${group} groups, ${parts} of offsets`);
  const taps = kernel.reduce((n, k) => n * k, 1);
  const sizes = output.map((_, d) => b.dim(offset, 2 + d));
  const steps = range(rank, 2);
  // [N, parts, spatial, channels of a part]
  const image = b.Reshape(X, [0, parts, channels / parts, ...steps.map(axis => b.dim(X, axis))]);
  const rows = b.Transpose(image, [0, 1, ...range(rank, 3), 2]);
  // [N, parts, taps, spatial] of each axis
  const moved = b.Split(
    b.Reshape(offset, [0, parts, taps, rank, ...sizes]),
    range(rank).map(() => 1),
    3,
  );
  const places = moved.map((part, d) => {
    const reach = kernel.map((k, e) => (e === d ? range(k).map(i => i * dilations[d]!) : range(k).map(() => 0)));
    const from = b.constant(
      sums(reach).map(r => r - (pads[d] as number)),
      'int64',
      [taps, ...range(rank).map(() => 1)],
    );
    const line = b.Mul(count(b, sizes[d]!), b.constant(strides[d]!, 'int64'));
    return b.Add(b.Squeeze(part, [3]), b.Cast(b.Add(from, spreadOver(line, rank - 1 - d, b)), elementOf(X)));
  });
  const lead = [spreadOver(count(b, b.dim(X, 0)), rank + 2, b), spreadOver(count(b, parts), rank + 1, b)];
  const read = total(termsAt(rows, lead, places, { mode: 'linear', padding: 'zeros' }, b), b);
  const masked = mask ? b.Mul(read, b.Unsqueeze(b.Reshape(mask, [0, parts, taps, ...sizes]), [rank + 3])) : read;
  const columns = b.Transpose(masked, [0, 1, rank + 3, ...range(rank + 1, 2)]);
  const product = b.MatMul(
    b.Reshape(W, [group, filters / group, (channels / group) * taps]),
    b.Reshape(columns, [0, group, (channels / group) * taps, -1]),
  );
  const y = b.Reshape(product, [0, filters, ...sizes]);
  return B ? b.Add(y, b.Reshape(B, [filters, ...sizes.map(() => 1)])) : y;
}

/** One sum for each choice of a number from each list, the last list running fastest. */
const sums = (lists: readonly (readonly number[])[]): number[] =>
  lists.reduce<number[]>((all, list) => all.flatMap(sum => list.map(n => sum + n)), [0]);
