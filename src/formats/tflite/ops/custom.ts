// Operators beyond the builtins that have a row of their own: detection, and windows of MediaPipe.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { toChannelsFirst, toChannelsLast } from '../../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, iota, mulSizes, sizesOf } from '../../../ops/sizing.ts';
import { type CustomRow, fieldsIn, integersIn } from './custom-options.ts';
import { landmarkRows } from './landmarks.ts';
import { unsupported } from './row.ts';
import { padsFor, type Steps, transposed } from './window.ts';

/** How padding is numbered in these structs. */
const paddings = { 1: 'SAME', 2: 'VALID' } as const;
function paddingNumbered(n: number): Steps['padding'] {
  const padding = (paddings as Partial<Record<number, Steps['padding']>>)[n];
  if (!padding) throw unsupported(`padding ${n}`);
  return padding;
}

/** Padding, and the strides along width and height. */
const transposeBias: CustomRow = (x, b, options) => {
  const [padding, width, height] = integersIn(options, 3) as [number, number, number];
  const [v, w] = [x.input(0), x.permuted(1, [3, 0, 1, 2])];
  const kernel = shapeOf(w).slice(2);
  if (!kernel.every(d => typeof d === 'number')) throw unsupported('a kernel of a size that only the run knows');
  const steps: Steps = { kernel, strides: [height, width], dilations: [1, 1], padding: paddingNumbered(padding) };
  const sizes = sizesOf(b, v)
    .slice(1, 3)
    .map((size, i): Size => {
      const stride = steps.strides[i]!;
      const scaled = mulSizes(b, size, stride);
      return steps.padding === 'SAME' ? scaled : addSizes(b, scaled, kernel[i]! - stride);
    });
  return transposed(b, v, w, x.optional(2), steps, sizes);
};

/** Maxima of windows, and where each lies: row and column in its image, [N, H, W, C] as int64. */
function pooledPlaces(b: Builder, v: Value, steps: Steps): { maxima: Value; row: Value; column: Value } {
  const at = { kernel_shape: steps.kernel, strides: steps.strides, ...padsFor(shapeOf(v).slice(1, 3), steps) };
  const image = b.Transpose(v, toChannelsFirst(4));
  const [y, indices] = b.emit('MaxPool', [image], at, { outputs: ['maxpool', 'indices'] }) as [Value, Value];
  const [, height, width] = sizesOf(b, v) as [Size, Size, Size];
  const places = b.Mod({ A: b.Transpose(indices, toChannelsLast(4)), B: scalar(b, mulSizes(b, height, width)) });
  return {
    maxima: b.Transpose(y, toChannelsLast(4)),
    row: b.Div(places, scalar(b, width)),
    column: b.Mod({ A: places, B: scalar(b, width) }),
  };
}

const scalar = (b: Builder, size: Size): Value => (typeof size === 'number' ? b.constant(size, 'int64') : b.Squeeze(size, [0]));
/** Numbers along one axis of four. */
const alongAxis = (b: Builder, v: Value, axis: number): Value =>
  b.Reshape(
    v,
    range(4).map(i => (i === axis ? -1 : 1)),
  );

/** Where a maximum lies in its window, row times width plus column, as a float just above it. Windows may begin in the padding. */
const maxPoolingWithArgmax2d: CustomRow = (x, b, options) => {
  const [padding, strideW, strideH, width, height, activation] = integersIn(options, 6) as [number, number, number, number, number, number];
  if (activation !== 0) throw unsupported(`the fused activation ${activation}`);
  const v = x.input(0);
  const steps: Steps = { kernel: [height, width], strides: [strideH, strideW], dilations: [1, 1], padding: paddingNumbered(padding) };
  const { pads = [0, 0], auto_pad } = padsFor(shapeOf(v).slice(1, 3), steps) as { pads?: readonly number[]; auto_pad?: string };
  if (auto_pad) throw unsupported('padding that depends on a size that only the run knows');
  const { maxima, row, column } = pooledPlaces(b, v, steps);
  const start = (axis: 0 | 1): Value => {
    const first = b.Mul(iota(b, b.dim(maxima, axis + 1)), b.constant(steps.strides[axis]!, 'int64'));
    return alongAxis(b, b.Sub(first, b.constant(pads[axis]!, 'int64')), axis + 1);
  };
  const place = b.Add(b.Mul(b.Sub(row, start(0)), b.constant(width, 'int64')), b.Sub(column, start(1)));
  return [maxima, b.Add(b.Cast(place, 'float32'), b.constant(0.1, 'float32'))];
};

/** Where a maximum lies in the whole tensor, or in its batch. */
const maxPoolWithArgmax: CustomRow = (x, b, options) => {
  const fields = fieldsIn(options);
  const padding = fields.values.get('padding');
  if (padding !== 'SAME' && padding !== 'VALID') throw unsupported('options without padding');
  const v = x.input(0);
  const [kernel, strides] = [fields.numbers('ksize').slice(1, 3), fields.numbers('strides').slice(1, 3)];
  const steps: Steps = { kernel, strides, dilations: [1, 1], padding };
  const { maxima, row, column } = pooledPlaces(b, v, steps);
  const [batch, height, width, channels] = sizesOf(b, v) as [Size, Size, Size, Size];
  const inImage = b.Add(b.Mul(b.Add(b.Mul(row, scalar(b, width)), column), scalar(b, channels)), alongAxis(b, iota(b, channels), 3));
  if (fields.number('include_batch_in_index', 0) === 0) return [maxima, inImage];
  const image = mulSizes(b, mulSizes(b, height, width), channels);
  return [maxima, b.Add(inImage, b.Mul(alongAxis(b, iota(b, batch), 0), scalar(b, image)))];
};

/**
 * Boxes from distances to anchors, then the best that do not overlap: boxes, classes, scores and how many there are, padded with zeros.
 * With the fast way, boxes are compared whatever their class is.
 */
const detection: CustomRow = (x, b, options) => {
  const { number } = fieldsIn(options);
  const [encodings, predictions, anchors] = [x.input(0), x.input(1), x.input(2)];
  if (shapeOf(encodings)[0] !== 1) throw unsupported('more than one image');
  const most = number('max_detections');
  const classes = number('num_classes');
  const boxes = boxesOf(
    b,
    encodings,
    anchors,
    ['y_scale', 'x_scale', 'h_scale', 'w_scale'].map(key => number(key)),
  );
  const scores = b.Slice(predictions, { axes: [2], starts: [-classes], ends: [Number.MAX_SAFE_INTEGER] });
  const isRegular = number('use_regular_nms', 0) !== 0;
  const limits = {
    most,
    perClass: isRegular ? number('detections_per_class', 100) : most,
    iou: number('nms_iou_threshold'),
    score: number('nms_score_threshold'),
  };
  return isRegular ? regular(b, boxes, scores, limits) : fast(b, boxes, scores, limits, number('max_classes_per_detection', 1));
};

/** Corners [1, anchors, 4] of boxes whose centres and sizes are given relative to anchors. */
function boxesOf(b: Builder, encodings: Value, anchors: Value, scales: readonly number[]): Value {
  const part = (v: Value, i: number): Value => b.Slice(v, { axes: [rankOf(v) - 1], starts: [i], ends: [i + 1] });
  const [y, x, h, w] = scales.map((scale, i) => b.Div(part(encodings, i), b.like(scale, encodings))) as [Value, Value, Value, Value];
  const [anchorY, anchorX, anchorH, anchorW] = range(4).map(i => part(anchors, i)) as [Value, Value, Value, Value];
  const [centreY, centreX] = [b.Add(b.Mul(y, anchorH), anchorY), b.Add(b.Mul(x, anchorW), anchorX)];
  const half = b.like(0.5, encodings);
  const [halfH, halfW] = [b.Mul(b.Mul(b.Exp(h), anchorH), half), b.Mul(b.Mul(b.Exp(w), anchorW), half)];
  return b.Concat([b.Sub(centreY, halfH), b.Sub(centreX, halfW), b.Add(centreY, halfH), b.Add(centreX, halfW)], 2);
}

interface Limits {
  readonly most: number;
  readonly perClass: number;
  readonly iou: number;
  readonly score: number;
}

const kept = (b: Builder, boxes: Value, scores: Value, { perClass, iou, score }: Limits): Value =>
  b.NonMaxSuppression({
    boxes,
    scores,
    max_output_boxes_per_class: b.ints([perClass]),
    iou_threshold: b.constant([iou], 'float32'),
    score_threshold: b.constant([score], 'float32'),
  });

const column = (b: Builder, rows: Value, i: number): Value => b.Squeeze(b.Slice(rows, { axes: [1], starts: [i], ends: [i + 1] }), [1]);

/** Of each class by itself, and of all those the best. */
function regular(b: Builder, boxes: Value, scores: Value, limits: Limits): readonly Value[] {
  const perClass = b.Transpose(scores, [0, 2, 1]);
  const rows = kept(b, boxes, perClass, limits);
  const [classes, places] = [column(b, rows, 1), column(b, rows, 2)];
  const found = b.GatherND({ data: perClass, indices: rows });
  const count = b.Min(b.Shape(found), b.ints([limits.most]));
  const best = b.emit('TopK', [found, count], { axis: 0 }, { outputs: ['values', 'indices'] }) as [Value, Value];
  return padded(b, boxes, b.Gather(places, best[1], 0), b.Gather(classes, best[1], 0), best[0], limits.most);
}

/** The best class of each box. */
function fast(b: Builder, boxes: Value, scores: Value, limits: Limits, classesPerDetection: number): readonly Value[] {
  if (classesPerDetection !== 1) throw unsupported('more than one class for a detection');
  const best = b.ReduceMax(scores, { axes: [2], keepdims: 0 });
  const classes = b.Squeeze(b.ArgMax({ data: scores }, { axis: 2, keepdims: 0 }), [0]);
  const rows = kept(b, boxes, b.Unsqueeze(best, [1]), limits);
  const places = column(b, rows, 2);
  return padded(b, boxes, places, b.Gather(classes, places, 0), b.Gather(b.Squeeze(best, [0]), places, 0), limits.most);
}

function padded(b: Builder, boxes: Value, places: Value, classes: Value, scores: Value, most: number): readonly Value[] {
  const count = b.Shape(scores);
  const missing = b.Sub(b.ints([most]), count);
  const filled = (v: Value): Value => {
    const zeros = range(rankOf(v)).map(() => 0);
    const pads = b.Concat([b.ints(zeros), missing, ...(rankOf(v) > 1 ? [b.ints(zeros.slice(1))] : [])], 0);
    return b.Unsqueeze(b.Pad({ data: v, pads }), [0]);
  };
  const chosen = b.Gather(b.Squeeze(boxes, [0]), places, 0);
  return [filled(chosen), filled(b.Cast(classes, 'float32')), filled(scores), b.Cast(count, 'float32')];
}

export const customRows: Readonly<Record<string, CustomRow>> = {
  Convolution2DTransposeBias: transposeBias,
  MaxPoolWithArgmax: maxPoolWithArgmax,
  MaxPoolingWithArgmax2D: maxPoolingWithArgmax2d,
  TFLite_Detection_PostProcess: detection,
  ...landmarkRows,
};
