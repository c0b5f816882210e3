// Operators of MediaPipe that cut a region around landmarks out of a tensor and bring what is found there back. A matrix [1, 4, 4] takes
// points of the region to points of the image.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { toChannelsFirst, toChannelsLast } from '../../../ops/channels.ts';
import { range, shapeOf } from '../../../ops/shapes.ts';
import { type CustomRow, fieldsIn } from './custom-options.ts';
import { type Call, unsupported } from './row.ts';

/** An input of one image whose sizes are known. */
function ofOneImage(x: Call, i: number, rank: number): { v: Value; shape: readonly number[] } {
  const v = x.input(i);
  const shape = shapeOf(v);
  if (shape.length !== rank) throw unsupported(`the version for an input of rank ${shape.length}`);
  if (!shape.every(d => typeof d === 'number')) throw unsupported('sizes that only the run knows');
  if (shape[0] !== 1) throw unsupported('more than one image');
  return { v, shape };
}

const floats = (b: Builder, rows: readonly (readonly number[])[]): Value =>
  b.constant(rows.flat(), 'float32', [rows.length, rows[0]?.length ?? 0]);
/** The first `count` along an axis. */
const first = (b: Builder, v: Value, axis: number, count: number): Value => b.Slice(v, { axes: [axis], starts: [0], ends: [count] });

/** The cosine and sine of the angle of the line between two points, [1, 2]: of 0 where they are one point. */
function direction(b: Builder, from: Value, to: Value): Value {
  const line = b.Sub(to, from);
  const length = b.ReduceL2({ data: line, axes: b.ints([1]) }, { keepdims: 1 });
  return b.Where(b.Equal(length, b.like(0, length)), floats(b, [[1, 0]]), b.Div(line, length));
}

/** The box around some landmarks after a turn that brings the line between two of them to an angle, as a matrix from its pixels. */
const toTransformMatrix: CustomRow = (x, b, options) => {
  const { number, numbers } = fieldsIn(options);
  const { v, shape } = ofOneImage(x, 0, 3);
  const count = shape[1]!;
  const landmark = (key: string): number => placeOf(number(key), count);
  const subset = numbers('subset_idxs').map(i => placeOf(i, count));
  if (subset.length === 0) throw unsupported('a box around no landmarks');
  const points = first(b, b.Squeeze(v, [0]), 1, 2);
  const at = (places: readonly number[]): Value => b.Gather(points, b.ints(places), 0);
  const line = direction(b, at([landmark('left_rotation_idx')]), at([landmark('right_rotation_idx')]));

  // The turn back by the target less the angle of the line: rows [c, s] and [-s, c] of its cosine and sine.
  const [c, s] = [Math.cos(number('target_rotation_radians')), Math.sin(number('target_rotation_radians'))];
  const turns = floats(b, [
    [c, s, -s, c],
    [s, -c, c, s],
  ]);
  const back = b.Reshape(b.MatMul(line, turns), [2, 2]);
  const turned = b.MatMul(at(subset), back);
  const [most, least] = [b.ReduceMax(turned, { axes: [0], keepdims: 1 }), b.ReduceMin(turned, { axes: [0], keepdims: 1 })];
  const size = b.Mul(b.Sub(most, least), floats(b, [[number('scale_x'), number('scale_y')]]));
  const middle = b.Mul(b.Add(most, least), b.like(0.5, most));

  const scaled = b.Mul(back, b.Div(size, floats(b, [[number('output_width'), number('output_height')]])));
  const corner = b.Sub(middle, b.Mul(size, b.like(0.5, size)));
  const moved = b.MatMul(back, b.Transpose(corner, [1, 0]));
  const upper = b.Concat([scaled, floats(b, [[0], [0]]), moved], 1);
  const lower = floats(b, [
    [0, 0, 1, 0],
    [0, 0, 0, 1],
  ]);
  return b.Unsqueeze(b.Concat([upper, lower], 0), [0]);
};

function placeOf(i: number, count: number): number {
  if (!Number.isInteger(i) || i < 0 || i >= count) throw unsupported(`landmark ${i} of ${count}`);
  return i;
}

/** The matrix as what is multiplied with, [2, 2], and what is added, [1, 2], for points as rows. */
function matrixParts(b: Builder, v: Value): { factor: Value; offset: Value } {
  const rows = b.Transpose(first(b, b.Squeeze(v, [0]), 0, 2), [1, 0]);
  return { factor: first(b, rows, 0, 2), offset: b.Slice(rows, { axes: [0], starts: [3], ends: [4] }) };
}

/** Regions are small parts of an image; the places of their pixels are a constant. */
const mostPixels = 2 ** 20;

/** The pixels of the region, each between its four neighbours in the image; 0 for those whose centre lies outside. */
const transformTensor: CustomRow = (x, b, options) => {
  const { number } = fieldsIn(options);
  const { v, shape } = ofOneImage(x, 0, 4);
  const [height, width] = [number('output_height'), number('output_width')];
  if (![height, width].every(n => Number.isInteger(n) && n > 0) || height * width > mostPixels)
    throw unsupported(`a region of ${width} times ${height}`);
  const { factor, offset } = matrixParts(b, x.input(1));
  const centres = floats(
    b,
    range(height).flatMap(row => range(width).map(column => [column + 0.5, row + 0.5])),
  );
  const half = b.like(0.5, factor);
  const places = b.Sub(b.Add(b.MatMul(centres, factor), offset), half);
  const last = floats(b, [[shape[2]! - 1, shape[1]! - 1]]);
  const inside = b.ReduceMin(b.Min(places, b.Sub(last, places)), { axes: [1], keepdims: 0 });

  // From pixels to -1 … 1, from the first centre to the last.
  const steps = floats(b, [[shape[2]!, shape[1]!].map(n => 2 / Math.max(n - 1, 1))]);
  const grid = b.Reshape(b.Sub(b.Mul(places, steps), b.like(1, places)), [1, height, width, 2]);
  const image = b.Transpose(v, toChannelsFirst(4));
  const sampled = b.GridSample({ X: image, grid }, { align_corners: 1, mode: 'linear', padding_mode: 'border' });
  const isInside = b.Reshape(b.GreaterOrEqual({ A: inside, B: b.like(0, inside) }), [1, height, width, 1]);
  return b.Where(isInside, b.Transpose(sampled, toChannelsLast(4)), b.like(0, sampled));
};

/** Points of the region as points of the image; a third coordinate stays. */
const transformLandmarks: CustomRow = (x, b) => {
  const { v, shape } = ofOneImage(x, 0, 3);
  if (shape[2] !== 2 && shape[2] !== 3) throw unsupported(`landmarks of ${shape[2]} coordinates`);
  const { factor, offset } = matrixParts(b, x.input(1));
  const moved = b.Add(b.MatMul(first(b, v, 2, 2), factor), offset);
  return shape[2] === 2 ? moved : b.Concat([moved, b.Slice(v, { axes: [2], starts: [2], ends: [3] })], 2);
};

export const landmarkRows: Readonly<Record<string, CustomRow>> = {
  Landmarks2TransformMatrix: toTransformMatrix,
  TransformLandmarks: transformLandmarks,
  TransformTensorBilinear: transformTensor,
};
