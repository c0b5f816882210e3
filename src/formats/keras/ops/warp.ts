// Operations that look images up at other places: projections, lists of places, other scales.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { channelsFirst, channelsLast } from '../../../ops/channels.ts';
import { type Fill, homography, projected } from '../../../ops/projective.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { iota, permuted, sizeScalar } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { flagOption, floats, numberOption, numbersOption, operand, option } from './arguments.ts';

const batched = (b: Builder, v: Value, rank: number): Value => (rankOf(v) === rank ? v : b.Unsqueeze(v, [0]));

/** One image or several through projections. */
function seenThrough(x: LayerCall, b: Builder, transforms: Value): Value {
  const images = operand(x, b, 'images', 0);
  const batch = batched(b, images, 4);
  const last = x.isChannelsFirst ? channelsLast(b, batch) : batch;
  const fill = (option(x, 'fill_mode') ?? 'constant') as Fill;
  const how = {
    isNearest: option(x, 'interpolation') === 'nearest',
    fill,
    fillValue: b.constant(numberOption(x, 'fill_value', 0), 'float32'),
  };
  const made = projected(b, last, transforms, [b.dim(last, 1), b.dim(last, 2)], how);
  const moved = x.isChannelsFirst ? channelsFirst(b, made) : made;
  return rankOf(images) === 4 ? moved : b.Squeeze(moved, [0]);
}

const affine: LayerRow = plain((x, b) => seenThrough(x, b, batched(b, operand(x, b, 'transform', 1), 2)));

const perspective: LayerRow = plain((x, b) => {
  const [start, end] = [operand(x, b, 'start_points', 1), operand(x, b, 'end_points', 2)].map(p => batched(b, p, 3));
  return seenThrough(x, b, homography(b, end!, start!));
});

/** Places along an axis that may lie outside: where they are looked up, and whether they count. */
function inside(b: Builder, place: Value, size: Value, mode: string): { readonly at: Value; readonly counts?: Value } {
  const [zero, twice] = [b.like(0, place), b.Add(size, size)];
  const clamped = b.Min(b.Max(place, zero), b.Sub(size, b.like(1, place)));
  if (mode === 'constant') return { at: clamped, counts: b.And(b.Not(b.Less(place, zero)), b.Less(place, size)) };
  if (mode === 'nearest') return { at: clamped };
  if (mode === 'wrap') return { at: b.Mod({ A: place, B: size }) };
  const around = b.Mod({ A: b.Abs(place), B: twice });
  const back = b.Sub(twice, around);
  const turned = mode === 'reflect' ? b.Sub(back, b.like(1, place)) : back;
  return { at: b.Where(b.Less(around, size), around, turned) };
}

/** The elements at a list of places, between the elements around them where the order is 1. */
const coordinates: LayerRow = plain((x, b) => {
  const [v, places] = [operand(x, b, 'inputs', 0), operand(x, b, 'coordinates', 1)];
  const [order, mode] = [numberOption(x, 'order'), String(option(x, 'fill_mode') ?? 'constant')];
  const axes = range(rankOf(v)).map(axis => {
    const place = b.Squeeze(b.Slice(floats(b, places), { axes: [0], starts: [axis], ends: [axis + 1] }), [0]);
    const size = b.Cast(sizeScalar(b, b.dim(v, axis)), 'int32');
    const low = order === 0 ? b.Round(place) : b.Floor(place);
    const first = b.Cast(low, 'int32');
    const share = b.Sub(place, low);
    const corner = (i: Value, weight?: Value) => ({ ...inside(b, i, size, mode), weight });
    return order === 0 ? [corner(first)] : [corner(first, b.Sub(b.like(1, share), share)), corner(b.Add(first, b.like(1, first)), share)];
  });
  type Corner = (typeof axes)[0][0];
  const corners = axes.reduce<Corner[][]>((all, sides) => all.flatMap(before => sides.map(side => [...before, side])), [[]]);
  const outside = b.constant(numberOption(x, 'fill_value', 0), 'float32');
  const parts = corners.map(corner => {
    const indices = corner.map(c => b.Unsqueeze(b.Cast(c.at, 'int64'), [rankOf(c.at)]));
    const found = b.Cast(b.GatherND({ data: v, indices: b.Concat(indices, rankOf(indices[0]!) - 1) }), 'float32');
    const counts = corner.flatMap(c => (c.counts ? [c.counts] : []));
    const seen =
      counts.length > 0
        ? b.Where(
            counts.reduce((p, q) => b.And(p, q)),
            found,
            outside,
          )
        : found;
    return corner.reduce((p, c) => (c.weight ? b.Mul(p, b.Cast(c.weight, 'float32')) : p), seen);
  });
  const sum = parts.reduce((p, q) => b.Add(p, q));
  return b.Cast(isFloat(elementOf(v)) ? sum : b.Round(sum), elementOf(v));
});

type Kernel = (b: Builder, x: Value) => Value;
const lanczos =
  (radius: number): Kernel =>
  (b, x) => {
    const sine = (v: Value): Value => b.Sin(v);
    const turn = b.Mul(x, b.like(Math.PI, x));
    const above = b.Mul(b.Mul(sine(turn), sine(b.Div(turn, b.like(radius, x)))), b.like(radius, x));
    const wave = b.Div(above, b.Mul(turn, turn));
    const near = b.Where(b.Greater(x, b.like(1e-3, x)), wave, b.like(1, x));
    return b.Where(b.Greater(x, b.like(radius, x)), b.like(0, x), near);
  };
const cubic: Kernel = (b, x) => {
  const c = (n: number): Value => b.like(n, x);
  const term = (...numbers: readonly number[]): Value => numbers.slice(1).reduce((p, n) => b.Add(b.Mul(p, x), c(n)), c(numbers[0]!));
  const far = b.Where(b.Less(x, c(1)), term(1.5, -2.5, 0, 1), term(-0.5, 2.5, -4, 2));
  return b.Where(b.Less(x, c(2)), far, c(0));
};
const triangle: Kernel = (b, x) => b.Max(b.like(0, x), b.Sub(b.like(1, x), x));
const kernels: Readonly<Record<string, Kernel>> = {
  ...Object.fromEntries(['linear', 'bilinear', 'trilinear', 'triangle'].map(name => [name, triangle])),
  ...Object.fromEntries(['cubic', 'bicubic', 'tricubic'].map(name => [name, cubic])),
  lanczos3: lanczos(3),
  lanczos5: lanczos(5),
};

/** What each place of the result takes of each place of an axis: [places, results]. */
function shares(b: Builder, count: Value, result: number, scale: Value, shift: Value, kernel: Kernel, antialias: boolean): Value {
  const inverse = b.Div(b.like(1, scale), scale);
  const half = b.like(0.5, scale);
  const at = b.Sub(b.Sub(b.Mul(b.Add(b.Cast(iota(b, result), 'float32'), half), inverse), b.Mul(shift, inverse)), half);
  const distance = b.Abs(b.Sub(at, b.Unsqueeze(b.Cast(iota(b, b.Unsqueeze(count, [0])), 'float32'), [1])));
  const weights = kernel(b, antialias ? b.Div(distance, b.Max(inverse, b.like(1, scale))) : distance);
  const total = b.ReduceSum(weights, { axes: [0], keepdims: 1 });
  const counts = b.Greater(b.Abs(total), b.like(1000 * 2 ** -23, total));
  const isInside = b.And(b.Not(b.Less(at, b.like(-0.5, at))), b.Not(b.Greater(at, b.Sub(b.Cast(count, 'float32'), half))));
  return b.Where(b.And(counts, isInside), b.Div(weights, b.Where(counts, total, b.like(1, total))), b.like(0, weights));
}

const scaled: LayerRow = plain((x, b) => {
  const v = operand(x, b, 'images', 0);
  const sizes = (x.argument('output_shape', 1) ?? []) as readonly unknown[];
  const [scale, shift] = [operand(x, b, 'scale', 2), operand(x, b, 'translation', 3)].map(s => b.Cast(s, 'float32'));
  const kernel = kernels[String(option(x, 'method'))];
  if (!kernel) throw unsupported(`the method ${String(option(x, 'method'))}`);
  let made = b.Cast(v, 'float32');
  for (const [i, given] of (numbersOption(x, 'spatial_dims') ?? []).entries()) {
    const axis = given < 0 ? given + rankOf(v) : given;
    const size = sizes[axis];
    if (typeof size !== 'number') throw unsupported('a size of the result that only the run knows');
    const [s, t] = [scale, shift].map(all => b.Gather(all!, b.constant(i, 'int64'), 0));
    const weights = shares(b, sizeScalar(b, b.dim(v, axis)), size, s!, t!, kernel, flagOption(x, 'antialias'));
    const last = range(rankOf(v)).filter(a => a !== axis);
    const perm = [...last, axis];
    made = permuted(
      b,
      b.MatMul(permuted(b, made, perm), weights),
      perm.map((_, a) => perm.indexOf(a)),
    );
  }
  if (isFloat(elementOf(v))) return b.Cast(made, elementOf(v));
  const all = { axes: range(rankOf(v)), keepdims: 0 };
  const [least, most] = [b.ReduceMin(b.Cast(v, 'float32'), all), b.ReduceMax(b.Cast(v, 'float32'), all)];
  return b.Cast(b.Min(b.Max(b.Round(made), least), most), elementOf(v));
});

export const warps: Readonly<Record<string, LayerRow>> = {
  AffineTransform: affine,
  PerspectiveTransform: perspective,
  MapCoordinates: coordinates,
  ScaleAndTranslate: scaled,
};
