// Windows and interpolation in their older forms.
import type { Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { axesOf, range, rankOf, shapeOf } from '../ops/shapes.ts';
import { elementNumbers } from './contents.ts';
import type { DownStep, DownTable } from './downgrade-steps.ts';
import { type Form, floats, intsOf, numberOf, text, textOf, without } from './form.ts';

/** Windows without holes. */
const noDilation: DownStep = ({ inputs, attributes }, _b, node) =>
  (intsOf(attributes.get('dilations')) ?? []).every(d => d === 1)
    ? { inputs, attributes: without(attributes, 'dilations') }
    : `${node.op} knows no dilations there`;

const symmetric: DownStep = form =>
  textOf(form.attributes.get('coordinate_transformation_mode')) === 'half_pixel_symmetric'
    ? 'Resize knows no half_pixel_symmetric before opset 19'
    : form;

/** One entry for each axis, where `given` has those of some axes. */
function spread(given: Value, axes: readonly number[], rank: number, other: (axis: number) => Value, b: Builder): Value {
  const at = (i: number): Value => b.Slice(given, { axes: [0], starts: [i], ends: [i + 1] });
  return b.Concat(
    range(rank).map(axis => (axes.includes(axis) ? at(axes.indexOf(axis)) : other(axis))),
    0,
  );
}

/** Since 18 some axes may be named, and a policy for the others. */
const allAxes: DownStep = ({ inputs: [x, roi, scales, sizes], attributes }, b) => {
  if (numberOf(attributes.get('antialias'))) return 'Resize knows no antialias before opset 18';
  if ((textOf(attributes.get('keep_aspect_ratio_policy')) ?? 'stretch') !== 'stretch')
    return 'Resize keeps no aspect ratio before opset 18';
  const rest = without(attributes, 'antialias', 'keep_aspect_ratio_policy', 'axes');
  const axes = intsOf(attributes.get('axes'));
  if (!axes) return { inputs: [x, roi, scales, sizes], attributes: rest };
  if (roi && textOf(attributes.get('coordinate_transformation_mode')) === 'tf_crop_and_resize')
    return 'Resize takes a part of all axes before opset 18';
  const rank = rankOf(x!);
  const places = axesOf(axes, rank);
  const one = b.constant(Float32Array.of(1), 'float32');
  const isGiven = (v: Value | undefined): v is Value => v !== undefined && v.shape?.[0] !== 0;
  return {
    inputs: [
      x,
      undefined,
      isGiven(scales) ? spread(scales, places, rank, () => one, b) : undefined,
      isGiven(sizes) ? spread(sizes, places, rank, axis => b.sizes([b.dim(x!, axis)]), b) : undefined,
    ],
    attributes: rest,
  };
};

/** What is not needed was an empty tensor. */
const emptyInputs: DownStep = ({ inputs: [x, roi, scales, sizes], attributes }, b) => {
  const none = b.constant(new Float32Array(0), 'float32', [0]);
  return { inputs: [x, roi ?? none, scales ?? none, ...(sizes ? [sizes] : [])], attributes };
};

/** The only form of 10: from the corner, to the pixel before where an axis grows and after where it shrinks. */
const fromCorner: DownStep = ({ inputs: [x, , scales, sizes], attributes }) => {
  const mode = textOf(attributes.get('mode')) ?? 'nearest';
  const factors = scales && elementNumbers(scales);
  if (sizes || !factors?.length) return 'Resize took constant scales before opset 11';
  if (textOf(attributes.get('coordinate_transformation_mode')) !== 'asymmetric') return 'Resize was asymmetric before opset 11';
  const nearest = textOf(attributes.get('nearest_mode')) ?? 'round_prefer_floor';
  const rounds = factors.every(s => s === 1 || nearest === (s > 1 ? 'floor' : 'ceil'));
  if (mode === 'cubic' || (mode === 'nearest' && !rounds)) return `Resize has no mode ${mode} with ${nearest} before opset 11`;
  return { inputs: [x, scales], attributes: new Map([['mode', text(mode)]]) };
};

const asUpsample: DownStep = form => {
  const factors = elementNumbers(form.inputs[1]!);
  return factors?.every(s => s >= 1) ? { ...form, op: 'Upsample' } : 'Upsample shrinks no axis';
};

const scalesToAttribute: DownStep = ({ inputs: [x, scales], attributes }): Form | string => {
  const factors = elementNumbers(scales!);
  if (!factors) return 'the scales of Upsample are known at run time only';
  return { inputs: [x], attributes: new Map([...attributes, ['scales', floats(factors)]]) };
};

const asScatter: DownStep = ({ inputs, attributes }, _b) => {
  const axis = numberOf(attributes.get('axis')) ?? 0;
  if (axis < 0 && !inputs[0]!.shape) return 'the rank of the data is not known';
  return {
    op: 'Scatter',
    inputs,
    attributes: new Map([['axis', { kind: 'int', value: axis < 0 ? axis + shapeOf(inputs[0]!).length : axis } as const]]),
  };
};

export const earlierWindows: DownTable = {
  AveragePool: { 19: noDilation },
  LpPool: { 18: noDilation },
  MaxPool: { 10: noDilation },
  Resize: { 10: asUpsample, 11: fromCorner, 13: emptyInputs, 18: allAxes, 19: symmetric },
  ScatterElements: { 11: asScatter },
  Upsample: { 9: scalesToAttribute },
};
