// Colours, boxes, projections.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { type Fill, projected } from '../../../ops/projective.ts';
import { contentsOf, elementOf, rankOf } from '../../../ops/shapes.ts';
import { expandTo, sizeScalar } from '../../../ops/sizing.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';

const channel = (b: Builder, v: Value, i: number): Value => b.Slice(v, { axes: [rankOf(v) - 1], starts: [i], ends: [i + 1] });

/** Hue, saturation and value, each in [0, 1]. */
function toHsv(b: Builder, rgb: Value): readonly [hue: Value, saturation: Value, value: Value] {
  const [red, green, blue] = [0, 1, 2].map(i => channel(b, rgb, i)) as [Value, Value, Value];
  const c = (n: number): Value => b.like(n, rgb);
  const high = b.Max(red, green, blue);
  const span = b.Sub(high, b.Min(red, green, blue));
  const isGrey = b.Not(b.Greater(span, c(0)));
  const saturation = b.Where(b.Greater(high, c(0)), b.Div(span, high), c(0));
  const sixth = b.Div(c(1 / 6), b.Where(isGrey, c(1), span));
  const turned = (x: Value, y: Value, by: number): Value => b.Add(b.Mul(sixth, b.Sub(x, y)), c(by));
  const other = b.Where(b.Equal(green, high), turned(blue, red, 2 / 6), turned(red, green, 4 / 6));
  const hue = b.Where(isGrey, c(0), b.Where(b.Equal(red, high), turned(green, blue, 0), other));
  return [b.Where(b.Less(hue, c(0)), b.Add(hue, c(1)), hue), saturation, high];
}

/** The way back: each colour is as far from grey as its distance from the hue says. */
function fromHsv(b: Builder, hue: Value, saturation: Value, value: Value): Value {
  const c = (n: number): Value => b.like(n, hue);
  const six = b.Mul(hue, c(6));
  const held = (v: Value): Value => b.Min(b.Max(v, c(0)), c(1));
  const colours = [b.Sub(b.Abs(b.Sub(six, c(3))), c(1)), b.Sub(c(2), b.Abs(b.Sub(six, c(2)))), b.Sub(c(2), b.Abs(b.Sub(six, c(4))))];
  const grey = b.Sub(c(1), saturation);
  return b.Concat(
    colours.map(colour => b.Mul(b.Add(grey, b.Mul(saturation, held(colour))), value)),
    rankOf(hue) - 1,
  );
}

const rgbToHsv: TfRow = (x, b) => b.Concat(toHsv(b, x.first), rankOf(x.first) - 1);
const hsvToRgb: TfRow = (x, b) => {
  const [hue, saturation, value] = [0, 1, 2].map(i => channel(b, x.first, i)) as [Value, Value, Value];
  return fromHsv(b, hue, saturation, value);
};

/** Runs in float32 and back. */
const inFloat = (b: Builder, v: Value, f: (v: Value) => Value): Value => b.Cast(f(b.Cast(v, 'float32')), elementOf(v));

const adjustHue: TfRow = (x, b) =>
  inFloat(b, x.tensor('images'), v => {
    const [hue, saturation, value] = toHsv(b, v);
    const moved = b.Add(hue, b.Cast(x.tensor('delta'), 'float32'));
    return fromHsv(b, b.Sub(moved, b.Floor(moved)), saturation, value);
  });

const adjustSaturation: TfRow = (x, b) =>
  inFloat(b, x.tensor('images'), v => {
    const [hue, saturation, value] = toHsv(b, v);
    const scaled = b.Mul(saturation, b.Cast(x.tensor('scale'), 'float32'));
    return fromHsv(b, hue, b.Min(b.Max(scaled, b.like(0, v)), b.like(1, v)), value);
  });

/** Away from the mean of each channel of each image. */
const adjustContrast: TfRow = (x, b) =>
  inFloat(b, x.tensor('images'), v => {
    const rank = rankOf(v);
    const mean = b.ReduceMean({ data: v, axes: b.ints([rank - 3, rank - 2]) }, { keepdims: 1 });
    return b.Add(b.Mul(b.Sub(v, mean), b.Cast(x.tensor('contrast_factor'), 'float32')), mean);
  });

/** What ONNX selects has a class and an image, both 0 here, before each box. */
function suppressed(b: Builder, x: Call, iou: Value, score: Value | undefined): Value {
  const boxes = b.Unsqueeze(b.Cast(x.tensor('boxes'), 'float32'), [0]);
  const scores = b.Unsqueeze(b.Cast(x.tensor('scores'), 'float32'), [0, 1]);
  const most = b.Reshape(b.Cast(x.tensor('max_output_size'), 'int64'), [1]);
  const vector = (v: Value): Value => b.Reshape(b.Cast(v, 'float32'), [1]);
  const found = b.NonMaxSuppression({
    boxes,
    scores,
    max_output_boxes_per_class: most,
    iou_threshold: vector(iou),
    score_threshold: score && vector(score),
  });
  return b.Cast(b.Squeeze(b.Slice(found, { axes: [1], starts: [2], ends: [3] }), [1]), 'int32');
}

/** Scores of minus infinity count in TensorFlow unless a threshold says otherwise. */
const threshold = (x: Call): Value | undefined => {
  const value = x.tensor('score_threshold');
  return contentsOf(value) === undefined && x.knownNumbers('score_threshold')?.[0] === Number.NEGATIVE_INFINITY ? undefined : value;
};

const nonMaxSuppression: TfRow = (x, b) => {
  const iou = x.op === 'NonMaxSuppression' ? b.constant(x.number('iou_threshold'), 'float32') : x.tensor('iou_threshold');
  const score = /V[345]$/.test(x.op) ? threshold(x) : undefined;
  return suppressed(b, x, iou, score);
};

/** `v` with zeros up to a length. */
const filledTo = (b: Builder, v: Value, length: Size): Value => {
  const zeros = expandTo(b, b.Cast(b.constant(0, 'float32'), elementOf(v)), [length]);
  return b.Slice(b.Concat([v, zeros], 0), { axes: [0], starts: [0], ends: [length] });
};

const padded = (b: Builder, x: Call, found: Value): Value => {
  const [most] = x.sizes('max_output_size', b);
  return x.boolean('pad_to_max_output_size') ? filledTo(b, found, most!) : found;
};

const countOf = (b: Builder, v: Value): Value => b.Cast(sizeScalar(b, b.dim(v, 0)), 'int32');

const nonMaxSuppressionV4: TfRow = (x, b) => {
  const found = suppressed(b, x, x.tensor('iou_threshold'), threshold(x));
  return [padded(b, x, found), countOf(b, found)];
};

const nonMaxSuppressionV5: TfRow = (x, b) => {
  if (x.knownNumbers('soft_nms_sigma')?.[0] !== 0) throw unsupported('with a soft suppression');
  const found = suppressed(b, x, x.tensor('iou_threshold'), threshold(x));
  const scores = b.Gather(x.tensor('scores'), found, 0);
  const [most] = x.sizes('max_output_size', b);
  return [padded(b, x, found), x.boolean('pad_to_max_output_size') ? filledTo(b, scores, most!) : scores, countOf(b, found)];
};

const fills: ReadonlySet<string> = new Set(['constant', 'reflect', 'wrap', 'nearest']);

const projective: TfRow = (x, b) => {
  const given = x.string('fill_mode').toLowerCase();
  const fill = (fills.has(given) ? given : 'constant') as Fill;
  const fillValue = x.op.endsWith('V3') ? x.tensor('fill_value') : b.constant(0, 'float32');
  const [rows, columns] = x.sizes('output_shape', b);
  const how = { isNearest: x.string('interpolation').toUpperCase() === 'NEAREST', fill, fillValue };
  return projected(b, x.tensor('images'), x.tensor('transforms'), [rows!, columns!], how);
};

export const images: TfRows = {
  ImageProjectiveTransformV2: projective,
  ImageProjectiveTransformV3: projective,
  RGBToHSV: rgbToHsv,
  HSVToRGB: hsvToRgb,
  AdjustHue: adjustHue,
  AdjustSaturation: adjustSaturation,
  AdjustContrastv2: adjustContrast,
  NonMaxSuppression: nonMaxSuppression,
  NonMaxSuppressionV2: nonMaxSuppression,
  NonMaxSuppressionV3: nonMaxSuppression,
  NonMaxSuppressionV4: nonMaxSuppressionV4,
  NonMaxSuppressionV5: nonMaxSuppressionV5,
};
