// Images in other sizes. Where each pixel comes from is computed as TensorFlow does it, in float32, so that sizes may be open.
// Source: TensorFlow, core/kernels/image/resize_*_op.
import { type Dim, divideExactly } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { channelsFirst, channelsLast } from '../../../ops/channels.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { dimOf, iota, reshapeTo, sizeScalar, sizesOf, subSizes } from '../../../ops/sizing.ts';
import type { Call, TfRow, TfRows } from '../call.ts';

/** One axis of an image and what it becomes. */
interface Axis {
  readonly axis: number;
  readonly from: Size;
  readonly to: Size;
}

interface Grid {
  readonly alignCorners: boolean;
  readonly halfPixels: boolean;
}

const gridOf = (x: Call): Grid => ({
  alignCorners: x.boolean('align_corners'),
  halfPixels: x.has('half_pixel_centers') && x.boolean('half_pixel_centers'),
});

function axesOf(x: Call, b: Builder): Axis[] {
  const images = x.tensor('images');
  return x.sizes('size', b).map((to, i) => ({ axis: i + 1, from: b.dim(images, i + 1), to }));
}

const float = (b: Builder, size: Size): Value =>
  typeof size === 'number' ? b.constant(size, 'float32') : b.Cast(sizeScalar(b, size), 'float32');

/** Pixels of the old axis for each one of the new. */
function scaleOf(b: Builder, { from, to }: Axis, { alignCorners }: Grid): Value {
  const whole = b.Div(float(b, from), float(b, to));
  if (!alignCorners || to === 1) return whole;
  const between = b.Div(float(b, subSizes(b, from, 1)), float(b, subSizes(b, to, 1)));
  return typeof to === 'number' ? between : b.Where(b.Greater(sizeScalar(b, to), b.constant(1n, 'int64')), between, whole);
}

/** Where each new pixel lies on the old axis. */
function placesOf(b: Builder, axis: Axis, grid: Grid): Value {
  const pixels = b.Cast(iota(b, axis.to), 'float32');
  const scale = scaleOf(b, axis, grid);
  if (!grid.halfPixels) return b.Mul(pixels, scale);
  const half = b.constant(0.5, 'float32');
  return b.Sub(b.Mul(b.Add(pixels, half), scale), half);
}

/** By how many whole pixels each old one is repeated, where that is known. */
function factorOf({ from, to }: Axis): number | undefined {
  const factor: Dim | undefined = divideExactly(dimOf(to), dimOf(from));
  return typeof factor === 'number' && factor > 0 ? factor : undefined;
}

const nearest: TfRow = (x, b) => {
  const images = x.tensor('images');
  const grid = gridOf(x);
  const axes = axesOf(x, b);
  const factors = axes.map(factorOf);
  if (!grid.alignCorners && factors.every(f => f !== undefined) && isFloat(elementOf(images))) {
    const scales = b.constant(Float32Array.from([1, 1, ...factors]), 'float32', [4]);
    const at = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    return channelsLast(b, b.Resize({ X: channelsFirst(b, images), scales }, at));
  }
  return axes.reduce((y, axis) => b.Gather(y, nearestPlaces(b, axis, grid), axis.axis), images);
};

function nearestPlaces(b: Builder, axis: Axis, grid: Grid): Value {
  const half = b.constant(0.5, 'float32');
  const pixels = b.Cast(iota(b, axis.to), 'float32');
  const place = b.Mul(grid.halfPixels ? b.Add(pixels, half) : pixels, scaleOf(b, axis, grid));
  // With aligned corners halves are rounded away from zero.
  const whole = b.Cast(b.Floor(grid.alignCorners ? b.Add(place, half) : place), 'int64');
  const last = b.Sub(sizeScalar(b, axis.from), b.constant(1n, 'int64'));
  return b.Max(b.Min(whole, last), b.constant(0n, 'int64'));
}

const linear: TfRow = (x, b) => {
  const images = b.Cast(x.tensor('images'), 'float32');
  const grid = gridOf(x);
  const axes = axesOf(x, b);
  const coordinate_transformation_mode = grid.alignCorners ? 'align_corners' : grid.halfPixels ? 'half_pixel' : 'asymmetric';
  const first = channelsFirst(b, images);
  // All sizes, not two with their axes: ONNX Runtime loses those where it moves the Transposes.
  const sizes = b.sizes([b.dim(first, 0), b.dim(first, 1), ...axes.map(a => a.to)]);
  return channelsLast(b, b.Resize({ X: first, sizes }, { mode: 'linear', coordinate_transformation_mode }));
};

/** Weighted sums along the two axes of an image, by matrices of new by old pixels. */
function weighted(b: Builder, images: Value, rows: Value, columns: Value): Value {
  const [batch, height, width, channels] = sizesOf(b, images) as [Size, Size, Size, Size];
  const tall = b.MatMul(rows, reshapeTo(b, images, [batch, height, -1]));
  const out = b.dim(rows, -2);
  const apart = reshapeTo(b, tall, [batch, out, width, channels]);
  return b.MatMul(columns, apart);
}

/** A matrix of new by old pixels with the weights of some taps: places, then how much each counts. */
function matrixOf(b: Builder, from: Size, taps: readonly (readonly [place: Value, weight: Value])[]): Value {
  const old = iota(b, from);
  const parts = taps.map(([place, weight]) =>
    b.Where(b.Equal(b.Unsqueeze(place, [1]), old), b.Unsqueeze(weight, [1]), b.constant(0, 'float32')),
  );
  return parts.reduce((sum, part) => b.Add(sum, part));
}

/** Steps of the table that TensorFlow takes cubic weights from. */
const cubicSteps = 1024;

const cubic: TfRow = (x, b) => {
  const images = b.Cast(x.tensor('images'), 'float32');
  const grid = gridOf(x);
  const [rows, columns] = axesOf(x, b).map(axis => cubicMatrix(b, axis, grid));
  return weighted(b, images, rows!, columns!);
};

function cubicMatrix(b: Builder, axis: Axis, grid: Grid): Value {
  const at = placesOf(b, axis, grid);
  const whole = b.Floor(at);
  const c = (n: number): Value => b.constant(n, 'float32');
  const t = b.Div(b.Round(b.Mul(b.Sub(at, whole), c(cubicSteps))), c(cubicSteps));
  const [a, one] = [grid.halfPixels ? -0.5 : -0.75, c(1)];
  // Keys' two pieces: up to one pixel away, and from one to two.
  const near = (d: Value): Value => b.Add(b.Mul(b.Mul(b.Sub(b.Mul(c(a + 2), d), c(a + 3)), d), d), one);
  const far = (d: Value): Value => b.Sub(b.Mul(b.Add(b.Mul(b.Sub(b.Mul(c(a), d), c(5 * a)), d), c(8 * a)), d), c(4 * a));
  const rest = b.Sub(one, t);
  const weights = [far(b.Add(t, one)), near(t), near(rest), far(b.Add(rest, one))];
  const last = b.Sub(sizeScalar(b, axis.from), b.constant(1n, 'int64'));
  const zero = b.constant(0n, 'int64');
  const taps = weights.map((weight, i) => {
    const place = b.Add(b.Cast(whole, 'int64'), b.constant(BigInt(i - 1), 'int64'));
    const inside = b.Max(b.Min(place, last), zero);
    // With half pixels, what lies outside counts for nothing and the others for more.
    return [inside, grid.halfPixels ? b.Where(b.Equal(inside, place), weight, c(0)) : weight] as const;
  });
  const matrix = matrixOf(b, axis.from, taps);
  return grid.halfPixels ? b.Div(matrix, b.ReduceSum(matrix, { axes: [1], keepdims: 1 })) : matrix;
}

/** Means of the part of the image that each new pixel covers. */
const area: TfRow = (x, b) => {
  const images = b.Cast(x.tensor('images'), 'float32');
  const grid = gridOf(x);
  const [rows, columns] = axesOf(x, b).map(axis => {
    const scale = scaleOf(b, axis, grid);
    const starts = b.Unsqueeze(b.Mul(b.Cast(iota(b, axis.to), 'float32'), scale), [1]);
    const ends = b.Add(starts, scale);
    const old = b.Cast(iota(b, axis.from), 'float32');
    const last = b.Equal(old, b.Sub(float(b, axis.from), b.constant(1, 'float32')));
    // The last pixel goes on where the part ends outside.
    const right = b.Where(last, b.constant(Number.MAX_SAFE_INTEGER, 'float32'), b.Add(old, b.constant(1, 'float32')));
    const covered = b.Sub(b.Min(ends, right), b.Max(starts, old));
    return b.Div(b.Max(covered, b.constant(0, 'float32')), scale);
  });
  return weighted(b, images, rows!, columns!);
};

/** Boxes of images, each in one size: between pixels linear, outside of the image one value. */
const cropAndResize: TfRow = (x, b) => {
  const image = b.Cast(x.tensor('image'), 'float32');
  const boxes = x.tensor('boxes');
  const [height, width] = x.sizes('crop_size', b) as [Size, Size];
  const method = x.string('method');
  const picked = b.Gather(image, x.tensor('box_ind'), 0);
  const corner = (i: number): Value => b.Slice(boxes, { axes: [1], starts: [i], ends: [i + 1] });
  const rows = cropPlaces(b, corner(0), corner(2), b.dim(image, 1), height);
  const columns = cropPlaces(b, corner(1), corner(3), b.dim(image, 2), width);
  const weights = (places: Value, from: Size): Value => {
    const distance = b.Abs(b.Sub(b.Unsqueeze(method === 'nearest' ? roundAway(b, places) : places, [2]), b.Cast(iota(b, from), 'float32')));
    return b.Max(b.Sub(b.constant(1, 'float32'), distance), b.constant(0, 'float32'));
  };
  const isInside = (places: Value, from: Size): Value => {
    const last = b.Sub(float(b, from), b.constant(1, 'float32'));
    return b.And(b.GreaterOrEqual({ A: places, B: b.constant(0, 'float32') }), b.LessOrEqual({ A: places, B: last }));
  };
  const made = weighted(b, picked, weights(rows, b.dim(image, 1)), b.Unsqueeze(weights(columns, b.dim(image, 2)), [1]));
  const inside = b.And(b.Unsqueeze(isInside(rows, b.dim(image, 1)), [2, 3]), b.Unsqueeze(isInside(columns, b.dim(image, 2)), [1, 3]));
  return b.Where(inside, made, b.constant(x.number('extrapolation_value'), 'float32'));
};

const roundAway = (b: Builder, v: Value): Value => b.Floor(b.Add(v, b.constant(0.5, 'float32')));

/** A row of places for each box, from its first side to its second one; the middle alone for one. */
function cropPlaces(b: Builder, start: Value, end: Value, size: Size, count: Size): Value {
  const last = b.Sub(float(b, size), b.constant(1, 'float32'));
  const pixels = b.Unsqueeze(b.Cast(iota(b, count), 'float32'), [0]);
  const middle = b.Mul(b.Mul(b.Add(start, end), b.constant(0.5, 'float32')), last);
  if (count === 1) return middle;
  const steps = b.Max(float(b, subSizes(b, count, 1)), b.constant(1, 'float32'));
  const spread = b.Add(b.Mul(start, last), b.Mul(pixels, b.Div(b.Mul(b.Sub(end, start), last), steps)));
  if (typeof count === 'number') return spread;
  return b.Where(b.Greater(sizeScalar(b, count), b.constant(1n, 'int64')), spread, middle);
}

export const resizes: TfRows = {
  ResizeNearestNeighbor: nearest,
  ResizeBilinear: linear,
  ResizeBicubic: cubic,
  ResizeArea: area,
  CropAndResize: cropAndResize,
};
