// Images seen through a projection: each place of the result is looked up where the projection leads, as TensorFlow's ImageProjectiveTransform has it.
// Source: TensorFlow, core/kernels/image/image_ops.h.
import type { Value } from '../ir/graph.ts';
import type { Builder, Size } from './builder.ts';
import { elementOf, range } from './shapes.ts';
import { iota, mulSizes, reshapeTo, sizeScalar, sizesOf } from './sizing.ts';

/** What stands outside of the image: a number, the image mirrored, repeated, or its edge. */
export type Fill = 'constant' | 'reflect' | 'wrap' | 'nearest';

export interface Projection {
  readonly isNearest: boolean;
  readonly fill: Fill;
  readonly fillValue: Value;
}

/**
 * `images` are [N, H, W, C]; `transforms` are eight numbers for each image, or for all of them: (x, y) of the result is looked up at
 * ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with k = c0 x + c1 y + 1.
 */
export function projected(b: Builder, images: Value, transforms: Value, sizes: readonly [Size, Size], how: Projection): Value {
  const { isNearest, fill, fillValue } = how;
  const [x, y] = [b.Cast(iota(b, sizes[1]), 'float32'), b.Unsqueeze(b.Cast(iota(b, sizes[0]), 'float32'), [1])];
  const coefficient = range(8).map(i =>
    b.Unsqueeze(b.Slice(b.Cast(transforms, 'float32'), { axes: [1], starts: [i], ends: [i + 1] }), [2]),
  );
  const line = (of: readonly Value[]): Value => b.Add(b.Mul(of[0]!, x), b.Mul(of[1]!, y));
  const given = b.Add(line(coefficient.slice(6)), b.like(1, x));
  const isNowhere = b.Equal(given, b.like(0, given));
  const scale = b.Where(isNowhere, b.like(1, given), given);
  const along = (from: 0 | 3, axis: number): Value => {
    const place = b.Div(b.Add(line(coefficient.slice(from)), coefficient[from + 2]!), scale);
    return mapped(b, place, b.Cast(sizeScalar(b, b.dim(images, axis)), 'float32'), fill);
  };
  const [column, row] = [along(0, 2), along(3, 1)];
  const look = lookup(b, images, fillValue);
  const made = isNearest ? look(rounded(b, row), rounded(b, column)) : between(b, row, column, look);
  const whole = b.Where(b.Unsqueeze(isNowhere, [3]), b.Cast(fillValue, 'float32'), made);
  return b.Cast(whole, elementOf(images));
}

/** Halves go away from zero. */
const rounded = (b: Builder, v: Value): Value =>
  b.Where(b.Less(v, b.like(0, v)), b.Ceil(b.Sub(v, b.like(0.5, v))), b.Floor(b.Add(v, b.like(0.5, v))));

type Look = (row: Value, column: Value) => Value;

/** Between the four places around. */
function between(b: Builder, row: Value, column: Value, look: Look): Value {
  const parts = [row, column].map(v => {
    const low = b.Floor(v);
    const high = b.Add(low, b.like(1, v));
    return { low, high, share: b.Unsqueeze(b.Sub(v, low), [3]), rest: b.Unsqueeze(b.Sub(high, v), [3]) };
  });
  const [down, across] = parts as [(typeof parts)[0], (typeof parts)[0]];
  const mix = (low: Value, high: Value, at: (typeof parts)[0]): Value => b.Add(b.Mul(at.rest, low), b.Mul(at.share, high));
  const inRow = (place: Value): Value => mix(look(place, across.low), look(place, across.high), across);
  return mix(inRow(down.low), inRow(down.high), down);
}

/** Pixels at whole places, as floats: [N, rows, columns, C]; outside of the image stands a number. */
function lookup(b: Builder, images: Value, fillValue: Value): Look {
  const [count, height, width, channels] = sizesOf(b, images) as [Size, Size, Size, Size];
  const pixels = reshapeTo(b, b.Cast(images, 'float32'), [mulSizes(b, count, mulSizes(b, height, width)), channels]);
  const [rows, columns] = [height, width].map(size => b.Cast(sizeScalar(b, size), 'float32')) as [Value, Value];
  const image = b.Unsqueeze(b.Mul(iota(b, count), sizeScalar(b, mulSizes(b, height, width))), [1, 2]);
  const fill = b.Cast(fillValue, 'float32');
  return (row, column) => {
    const zero = b.like(0, row);
    const isInside = (v: Value, size: Value): Value => b.And(b.Not(b.Less(v, zero)), b.Less(v, size));
    const within = (v: Value, size: Value): Value => b.Cast(b.Min(b.Max(v, zero), b.Sub(size, b.like(1, v))), 'int64');
    const place = b.Add(b.Add(b.Mul(within(row, rows), sizeScalar(b, width)), within(column, columns)), image);
    const found = b.Gather(pixels, place, 0);
    return b.Where(b.Unsqueeze(b.And(isInside(row, rows), isInside(column, columns)), [3]), found, fill);
  };
}

/** A place that may lie outside of `size` places, brought inside. */
function mapped(b: Builder, place: Value, size: Value, fill: Fill): Value {
  if (fill === 'constant') return place;
  const [zero, one] = [b.like(0, place), b.like(1, place)];
  const last = b.Sub(size, one);
  const clamped = (v: Value): Value => b.Min(b.Max(v, zero), last);
  if (fill === 'nearest') return clamped(place);
  const isBefore = b.Less(place, zero);
  const times = (v: Value, of: Value): Value => b.Floor(b.Div(v, of));
  if (fill === 'wrap') {
    const before = b.Add(place, b.Mul(size, b.Add(times(b.Neg(place), last), one)));
    const after = b.Sub(place, b.Mul(size, times(place, last)));
    return clamped(b.Where(isBefore, before, b.Where(b.Greater(place, last), after, place)));
  }
  const twice = b.Add(size, size);
  const raised = b.Add(place, b.Mul(twice, times(b.Neg(place), twice)));
  const before = b.Where(b.Less(raised, b.Neg(size)), b.Add(raised, twice), b.Sub(b.Neg(raised), one));
  const lowered = b.Sub(place, b.Mul(twice, times(place, twice)));
  const after = b.Where(b.Less(lowered, size), lowered, b.Sub(b.Sub(twice, lowered), one));
  return clamped(b.Where(isBefore, before, b.Where(b.Greater(place, last), after, place)));
}

type Point = readonly [Value, Value, Value];

/** The eight numbers of the projection that takes each of four points to another: [N, 4, 2] to [N, 8]. */
export function homography(b: Builder, from: Value, to: Value): Value {
  // A projection is the way from one frame to another; points of both are the same sums of three of them.
  const det = ([a, d, g]: Point, [c, e, h]: Point, [f, i, j]: Point): Value =>
    b.Add(
      b.Sub(b.Mul(a, b.Sub(b.Mul(e, j), b.Mul(h, i))), b.Mul(d, b.Sub(b.Mul(c, j), b.Mul(h, f)))),
      b.Mul(g, b.Sub(b.Mul(c, i), b.Mul(e, f))),
    );
  const frame = (points: Value): Point[] => {
    const wide = b.Cast(points, 'float64');
    const at = (i: number, k: number): Value => b.Squeeze(b.Slice(wide, { axes: [1, 2], starts: [i, k], ends: [i + 1, k + 1] }), [2]);
    const [p, q, r, s] = range(4).map((i): Point => [at(i, 0), at(i, 1), b.like(1, at(i, 0))]) as [Point, Point, Point, Point];
    const weights = [det(s, q, r), det(p, s, r), det(p, q, s)];
    return [p, q, r].map((v, i): Point => [b.Mul(v[0], weights[i]!), b.Mul(v[1], weights[i]!), weights[i]!]);
  };
  const [source, target] = [frame(from), frame(to)];
  const cross = ([a, c, d]: Point, [e, f, g]: Point): Point => [
    b.Sub(b.Mul(c, g), b.Mul(d, f)),
    b.Sub(b.Mul(d, e), b.Mul(a, g)),
    b.Sub(b.Mul(a, f), b.Mul(c, e)),
  ];
  // The rows of the inverse, but for a factor that goes with the last number.
  const inverse = [cross(source[1]!, source[2]!), cross(source[2]!, source[0]!), cross(source[0]!, source[1]!)];
  const entry = (i: number, k: number): Value =>
    range(3)
      .map(n => b.Mul(target[n]![i as 0 | 1 | 2], inverse[n]![k as 0 | 1 | 2]))
      .reduce((p, q) => b.Add(p, q));
  const last = entry(2, 2);
  return b.Cast(
    b.Concat(
      range(8).map(n => b.Div(entry(Math.floor(n / 3), n % 3), last)),
      1,
    ),
    'float32',
  );
}
