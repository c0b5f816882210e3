// Older forms of Resize, and Upsample, which it replaced.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { floats, numberOf, type Step, type StepTable, text, textOf, withAttribute, without } from './form.ts';

type Mode = Readonly<Record<string, string | number>>;
/** Both counted from the corner of the first pixel. */
const resize = (x: Value, scales: Value, mode: Mode, b: Builder): Value =>
  b.emit('Resize', [x, undefined, scales], { coordinate_transformation_mode: 'asymmetric', ...mode })[0]!;

/** Factors of height and width became one factor an axis. */
const allScales: Step = ({ inputs, attributes }) => {
  const [height, width] = ['height_scale', 'width_scale'].map(name => numberOf(attributes.get(name)) ?? 1);
  const mode = textOf(attributes.get('mode')) === 'bilinear' ? 'linear' : 'nearest';
  return {
    inputs,
    attributes: new Map([
      ['mode', text(mode)],
      ['scales', floats([1, 1, height!, width!])],
    ]),
  };
};

const scalesToInput: Step = ({ inputs: [x], attributes }, b) => {
  const scales = attributes.get('scales');
  const list = scales?.kind === 'floats' ? scales.value : [];
  return { inputs: [x, b.constant(Float32Array.from(list), 'float32')], attributes: without(attributes, 'scales') };
};

const upsample: Step = ({ inputs: [x, scales], attributes }, b) => {
  const linear = textOf(attributes.get('mode')) === 'linear' || textOf(attributes.get('mode')) === 'bilinear';
  return [resize(x!, scales!, linear ? { mode: 'linear' } : { mode: 'nearest', nearest_mode: 'floor' }, b)];
};

/** In 10 the nearest pixel was the one before where an axis grew, and the one after where it shrank. */
const resizeCorner: Step = ({ inputs, attributes }, b) => {
  const [x, scales] = inputs as readonly [Value, Value];
  if (textOf(attributes.get('mode')) === 'linear') return [resize(x, scales, { mode: 'linear' }, b)];
  const known = scales.tensor?.isResident ? Array.from(scales.tensor.data as Float32Array) : undefined;
  const one = b.constant(1, 'float32');
  const part = (v: Value, bounded: Value, nearest_mode: string): Value => resize(v, bounded, { mode: 'nearest', nearest_mode }, b);
  if (known?.every(s => s >= 1)) return [part(x, scales, 'floor')];
  if (known?.every(s => s <= 1)) return [part(x, scales, 'ceil')];
  return [part(part(x, b.Max(scales, one), 'floor'), b.Min(scales, one), 'ceil')];
};

/** TensorFlow's coordinates lie half a pixel after the others: rounding says the same. */
const shiftedRounding: Readonly<Record<string, string>> = { floor: 'round_prefer_ceil', round_prefer_floor: 'ceil' };

/** Inputs that are not needed were empty tensors before 13; a coordinate mode of then is gone. */
const optionalInputs: Step = ({ inputs, attributes }) => {
  const kept = inputs.map((v, i) => (i > 0 && v?.shape?.length === 1 && v.shape[0] === 0 ? undefined : v));
  if (textOf(attributes.get('coordinate_transformation_mode')) !== 'tf_half_pixel_for_nn') return { inputs: kept, attributes };
  const mode = textOf(attributes.get('mode')) ?? 'nearest';
  const rounding = shiftedRounding[textOf(attributes.get('nearest_mode')) ?? 'round_prefer_floor'];
  if (mode !== 'nearest' || !rounding) throw fail('E2002', `Resize: tf_half_pixel_for_nn with ${mode} has no newer form`);
  const moved = withAttribute(attributes, 'coordinate_transformation_mode', text('half_pixel'));
  return { inputs: kept, attributes: withAttribute(moved, 'nearest_mode', text(rounding)) };
};

export const resizeSteps: StepTable = {
  Resize: { 11: resizeCorner, 13: optionalInputs },
  Upsample: { 7: allScales, 9: scalesToInput, 10: upsample },
};
