// One small function for each change of an operator, from the newer version to the older. A step answers the older form, values built of
// operators of the newest opset, which are then said in their turn, or why it cannot be said.
import type { Attribute, Node, Value } from '../ir/graph.ts';
import { dataTypeOfCode, elementTypes, isFloat } from '../ir/types.ts';
import type { Builder, Size } from '../ops/builder.ts';
import { axesOf, axisOf, contentsOf, range, rankOf, shapeOf } from '../ops/shapes.ts';
import { contentNumber, contentNumbers } from './contents.ts';
import { earlierWindows } from './downgrade-resize.ts';
import {
  each,
  type Form,
  float,
  int,
  ints,
  intsOf,
  numberOf,
  place,
  reductions,
  type Step,
  text,
  textOf,
  withAttribute,
  without,
} from './form.ts';

/** A step towards older versions; a text says why there is none. */
export type DownStep = (form: Form, b: Builder, node: Node) => ReturnType<Step> | string;
export type DownTable = Readonly<Record<string, Readonly<Record<number, DownStep>>>>;

const onlyAtRunTime = (what: string): string => `${what} must be constant before that version, and it is known at run time only`;

/** An input with a list of integers becomes an attribute. */
const inputToInts =
  (name: string, at: number): DownStep =>
  ({ inputs, attributes }) => {
    const v = inputs[at];
    if (!v) return { inputs, attributes };
    const list = contentNumbers(v);
    if (!list) return onlyAtRunTime(`input ${name}`);
    return { inputs: inputs.slice(0, at), attributes: withAttribute(attributes, name, ints(list)) };
  };

/** Without axes everything was reduced; with none and `noop_with_empty_axes`, nothing is. */
const reducedAxes: DownStep = (form, b) => {
  const [x, axes] = form.inputs;
  const keepsAll = numberOf(form.attributes.get('noop_with_empty_axes')) === 1;
  const attributes = without(form.attributes, 'noop_with_empty_axes');
  if (!axes || axes.shape?.[0] === 0) return keepsAll ? [b.Identity(x!)] : { inputs: [x], attributes };
  return inputToInts('axes', 1)({ inputs: form.inputs, attributes }, b, undefined as never);
};
/** The sum of one element's logarithms and the like are not that element: only plain reductions of nothing are the input. */
const reducedTerms: DownStep = (form, b, node) => {
  const [, axes] = form.inputs;
  const none = !axes || axes.shape?.[0] === 0;
  if (none && numberOf(form.attributes.get('noop_with_empty_axes')) === 1) return `${node.op} of no axes has no older form`;
  return reducedAxes(form, b, node);
};

/** Since 13 one axis, before it all from `axis` on: the same where it is the last. */
const lastAxis: DownStep = ({ inputs: [x], attributes }, b, node) => {
  const rank = rankOf(x!);
  const axis = axisOf(numberOf(attributes.get('axis')) ?? -1, rank);
  if (axis === rank - 1) return { inputs: [x], attributes: new Map([['axis', int(axis)]]) };
  const perm = range(rank).map(i => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  return [b.Transpose(b.emit(node.op, [b.Transpose(x!, perm)], { axis: -1 })[0]!, perm)];
};

const clipAttributes: DownStep = ({ inputs: [x, min, max] }, b) => {
  const bounds = [min, max].map(v => v && contentNumber(v));
  if ([min, max].every((v, i) => !v || bounds[i] !== undefined)) {
    const largest = 3.4028234663852886e38;
    const [low = -largest, high = largest] = bounds;
    const beyond = (bounds[0] === undefined || bounds[1] === undefined) && x!.element !== 'float16';
    // A missing bound was the largest float32, which would cut an infinity.
    if (!beyond)
      return {
        inputs: [x],
        attributes: new Map([
          ['max', float(high)],
          ['min', float(low)],
        ]),
      };
  }
  const above = min ? b.Max(x!, min) : x!;
  return [max ? b.Min(above, max) : above === x ? b.Identity(above) : above];
};

const sliceAttributes: DownStep = ({ inputs: [x, starts, ends, axes, steps] }) => {
  const lists = [starts, ends, axes].map(v => v && contentNumbers(v));
  if (!lists[0] || !lists[1] || (axes && !lists[2])) return onlyAtRunTime('starts, ends or axes');
  if (steps && !contentNumbers(steps)?.every(s => s === 1)) return 'Slice takes no steps there';
  const rank = lists[2]?.some(a => a < 0) ? rankOf(x!) : 0;
  const attributes = new Map<string, Attribute>([
    ['starts', ints(lists[0])],
    ['ends', ints(lists[1])],
    ...(lists[2] ? [['axes', ints(lists[2].map(a => (a < 0 ? a + rank : a)))] as const] : []),
  ]);
  return { inputs: [x], attributes };
};

/** Since 18 pads may name their axes; before, there is one at each end of each axis. */
const padAllAxes: DownStep = ({ inputs: [x, pads, value, axes], attributes }, b) => {
  if (!axes) return { inputs: [x, pads, value], attributes };
  const list = contentNumbers(axes);
  if (!list) return onlyAtRunTime('input axes');
  const rank = rankOf(x!);
  const places = axesOf(list, rank);
  const zero = b.ints([0]);
  const at = (i: number): Value => b.Slice(pads!, { axes: [0], starts: [i], ends: [i + 1] });
  const side = (offset: number): Value[] => range(rank).map(axis => (places.includes(axis) ? at(offset + places.indexOf(axis)) : zero));
  return { inputs: [x, b.Concat([...side(0), ...side(places.length)], 0), value], attributes };
};
const padAttributes: DownStep = ({ inputs: [x, pads, value], attributes }) => {
  const list = contentNumbers(pads!);
  const fill = value && contentNumber(value);
  if (!list || (value && fill === undefined)) return onlyAtRunTime('pads or the value');
  const rest = withAttribute(attributes, 'pads', ints(list));
  return { inputs: [x], attributes: fill === undefined ? rest : withAttribute(rest, 'value', float(fill)) };
};
const padWrap: DownStep = form => (textOf(form.attributes.get('mode')) === 'wrap' ? 'Pad knows no mode wrap before opset 19' : form);

/** Where a size does not divide, the older operator refuses it; one that is known is split unevenly by its sizes. */
const splitSizes: DownStep = ({ inputs: [x, sizes], attributes }, b, node) => {
  const rest = without(attributes, 'num_outputs');
  const n = numberOf(attributes.get('num_outputs')) ?? node.outputs.length;
  const total = x!.shape && shapeOf(x!)[axisOf(numberOf(attributes.get('axis')) ?? 0, rankOf(x!))];
  if (sizes || typeof total !== 'number' || total % n === 0) return { inputs: [x, sizes], attributes: rest };
  const part = Math.ceil(total / n);
  return { inputs: [x, b.ints(range(n).map(i => (i < n - 1 ? part : total - part * (n - 1))))], attributes: rest };
};

const dropoutAttributes: DownStep = ({ inputs: [x, ratio, training], attributes }) => {
  if (training && contentsOf(training)?.[0] !== 0) return 'Dropout knows no training there';
  const share = ratio && contentNumber(ratio);
  // Without training the ratio says nothing.
  const rest = without(attributes, 'seed');
  return { inputs: [x], attributes: share === undefined ? rest : withAttribute(rest, 'ratio', float(share)) };
};
const dropoutMask: DownStep = (form, _b, node) => (node.outputs[1] ? 'the mask of Dropout had the type of the data before opset 10' : form);

const batchNormTest: DownStep = ({ inputs, attributes }, _b, node) => {
  if (numberOf(attributes.get('training_mode')) || node.outputs[1])
    return 'BatchNormalization in training has other outputs before opset 14';
  return { inputs, attributes: without(attributes, 'training_mode') };
};

/** Batches in front were the same operator between transpositions. */
const layoutOfBatches: DownStep = ({ inputs, attributes }, b, node) => {
  if (!numberOf(attributes.get('layout'))) return { inputs, attributes: without(attributes, 'layout') };
  const swapped = inputs.map((v, i) => (v && (i === 0 || i === 5 || i === 6) ? b.Transpose(v, [1, 0, 2]) : v));
  const names = node.outputs.map(v => v?.name);
  const made = b.emit(node.op, swapped, without(attributes, 'layout'), { outputs: names });
  return made.map((v, i) => v && b.Transpose(v, i === 0 ? [2, 0, 1, 3] : [1, 0, 2]));
};

const wholeShape: DownStep = ({ inputs: [x], attributes }, b) => {
  const [start, end] = ['start', 'end'].map(name => numberOf(attributes.get(name)));
  if (!start && end === undefined) return { inputs: [x], attributes: new Map() };
  return [b.Slice(b.Shape(x!), { axes: [0], starts: [start ?? 0], ends: [end ?? rankOf(x!)] })];
};

const reshapeZeros: DownStep = ({ inputs, attributes }) => {
  const rest = { inputs, attributes: without(attributes, 'allowzero') };
  if (!numberOf(attributes.get('allowzero'))) return rest;
  const sizes = contentsOf(inputs[1]!);
  // Data that is not empty has no shape with a 0.
  const isFull = inputs[0]!.shape?.every(d => typeof d === 'number' && d > 0);
  return isFull || sizes?.every(d => d !== 0) ? rest : 'Reshape copies sizes that are 0 before opset 14';
};

/** The factor of a whole tensor needs no axis. */
const perTensor: DownStep = ({ inputs, attributes }, _b, node) =>
  inputs[1]?.shape?.length === 0
    ? { inputs, attributes: without(attributes, 'axis') }
    : `${node.op} took one scale for the whole tensor before opset 13`;

const dftAxis: DownStep = ({ inputs: [x, length, axis], attributes }) => {
  if (numberOf(attributes.get('inverse')) && numberOf(attributes.get('onesided'))) return 'DFT had no one-sided inverse before opset 20';
  const place = axis ? contentNumbers(axis)?.[0] : -2;
  if (place === undefined) return onlyAtRunTime('input axis');
  return { inputs: [x, length], attributes: withAttribute(attributes, 'axis', int(axisOf(place, rankOf(x!)))) };
};

const gridModes: DownStep = ({ inputs, attributes }) => {
  if (rankOf(inputs[0]!) !== 4) return 'GridSample took images only before opset 20';
  const mode = textOf(attributes.get('mode')) ?? 'linear';
  const names: Readonly<Record<string, string>> = { linear: 'bilinear', cubic: 'bicubic' };
  return { inputs, attributes: withAttribute(attributes, 'mode', text(names[mode] ?? mode)) };
};

const topLargest: DownStep = ({ inputs, attributes }, b) => {
  const rest = without(attributes, 'largest', 'sorted');
  if ((numberOf(attributes.get('largest')) ?? 1) === 1) return { inputs, attributes: rest };
  const [values, indices] = b.emit('TopK', [b.Neg(inputs[0]!), inputs[1]], rest, { outputs: ['values', 'indices'] });
  return [b.Neg(values!), indices];
};
const topCount: DownStep = ({ inputs: [x, k], attributes }) => {
  const count = contentNumbers(k!)?.[0];
  return count === undefined ? onlyAtRunTime('input K') : { inputs: [x], attributes: withAttribute(attributes, 'k', int(count)) };
};

/** One constant in one of its spellings, as a tensor. */
const constantValue: DownStep = ({ inputs, attributes }, b) => {
  if (attributes.has('value') || attributes.has('sparse_value')) return { inputs, attributes };
  const [[name, given] = ['', undefined]] = attributes;
  const tensors: Readonly<Record<string, (a: Attribute) => Value>> = {
    value_int: a => b.constant(numberOf(a)!, 'int64'),
    value_ints: a => b.ints(intsOf(a)!),
    value_float: a => b.constant(numberOf(a)!, 'float32'),
    value_floats: a => b.constant(Float32Array.from(a.kind === 'floats' ? a.value : []), 'float32'),
    value_string: a => b.constant(a.kind === 'string' ? [a.value] : [], 'string', []),
    value_strings: a => b.constant(a.kind === 'strings' ? [...a.value] : [], 'string'),
  };
  if (!given || given.kind === 'reference' || !tensors[name]) return 'Constant has only a tensor there';
  return { inputs, attributes: new Map([['value', { kind: 'tensor', value: tensors[name](given).tensor! } as const]]) };
};

const roiCorners: DownStep = ({ inputs, attributes }) =>
  textOf(attributes.get('coordinate_transformation_mode')) === 'output_half_pixel'
    ? { inputs, attributes: without(attributes, 'coordinate_transformation_mode') }
    : 'RoiAlign counted from the corners of pixels before opset 16';

const gemmSummand: DownStep = ({ inputs: [A, B, C], attributes }, b) => ({ inputs: [A, B, C ?? b.like(0, A!)], attributes });

/** Where no zero point tells the type of the result, the newer attribute did. */
const quantizedType: DownStep = ({ inputs: [x, scale, zero], attributes }, b) => {
  const type = dataTypeOfCode(numberOf(attributes.get('output_dtype')) ?? 0);
  const rest = without(attributes, 'output_dtype');
  if (zero || !type || type === 'undefined' || type === 'uint8') return { inputs: [x, scale, zero], attributes: rest };
  const zeros = scale!.shape?.length === 0 ? b.constant(0, type) : b.Expand(b.constant(0, type), [b.Shape(scale!)]);
  return { inputs: [x, scale, zeros], attributes: rest };
};
const dequantizedType: DownStep = ({ inputs, attributes }) =>
  [undefined, 'undefined', inputs[1]!.element].includes(dataTypeOfCode(numberOf(attributes.get('output_dtype')) ?? 0))
    ? { inputs, attributes: without(attributes, 'output_dtype') }
    : 'DequantizeLinear gives the type of its scale before opset 23';

const scanOfBatch: DownStep = () => 'Scan had a batch in front before opset 9';

const saturation: DownStep = ({ inputs, attributes }) => ({ inputs, attributes: without(attributes, 'saturate') });
/** The type of another value, where it is known. */
const castTo: DownStep = ({ inputs: [x, like], attributes }) =>
  like?.element
    ? { op: 'Cast', inputs: [x], attributes: withAttribute(attributes, 'to', int(elementTypes[like.element].code)) }
    : 'CastLike is new in opset 15, and the type is not known';
const roundMode: DownStep = ({ inputs, attributes }) => ({ inputs, attributes: without(attributes, 'round_mode') });

const noGroups: DownStep = () => 'GroupNormalization scaled groups, not channels, before opset 21';

/** Since 25 the keys that were there before count in the causal order. */
const causalPast: DownStep = ({ inputs, attributes }) =>
  numberOf(attributes.get('is_causal')) && (inputs[4] ?? inputs[6])
    ? 'Attention counted causal places differently before opset 25'
    : windowless({ inputs, attributes });
/** Windows without a bound are none. */
const windowless = ({ inputs, attributes }: Form): Form | string => {
  const names = ['left_window_size', 'right_window_size'];
  if (names.some(name => (numberOf(attributes.get(name)) ?? -1) !== -1)) return 'Attention knows no windows before opset 25';
  return { inputs, attributes: without(attributes, ...names) };
};

/** Sizes differ where an operator broadcasts; before 8 these four did not. */
const sameSizes: DownStep = (form, _b, node) => {
  const [first, ...rest] = form.inputs.map(v => v?.shape);
  const equal = first?.every(d => typeof d === 'number') && rest.every(shape => String(shape) === String(first));
  return equal || rest.length === 0 ? form : `${node.op} did not broadcast before opset 8`;
};

/** Before 11 axes were counted from the front. */
const fromTheFront =
  (more: DownStep = form => form): DownStep =>
  (form, b, node) => {
    const { inputs } = form;
    let { attributes } = form;
    const rank = (): number =>
      rankOf(inputs[0]!) + (node.op === 'OneHot' ? 1 : node.op === 'Unsqueeze' ? intsOf(attributes.get('axes'))!.length : 0);
    const axis = numberOf(attributes.get('axis'));
    const axes = intsOf(attributes.get('axes'));
    if (axis !== undefined && axis < 0) attributes = withAttribute(attributes, 'axis', int(axis + rank()));
    if (axes?.some(a => a < 0)) attributes = withAttribute(attributes, 'axes', ints(axesOf(axes, rank())));
    return more({ inputs, attributes }, b, node);
  };

/** Indices from the end are those from the front, where they are known; others are counted at run time. */
const indicesFromTheFront: DownStep = (form, b, node) => {
  const given = fromTheFront()(form, b, node);
  const { inputs, attributes } = given as Form;
  const [x, indices] = inputs as readonly [Value, Value];
  const list = contentNumbers(indices);
  if (list?.every(i => i >= 0)) return given;
  const size: Size = b.dim(x, numberOf(attributes.get('axis')) ?? 0);
  const end = b.Cast(typeof size === 'number' ? b.constant(size, 'int64') : size, indices.element ?? 'int64');
  const counted = b.Where(b.Less(indices, b.like(0, indices)), b.Add(indices, end), indices);
  return { inputs: place(inputs, 1, counted), attributes };
};

/** Two comparisons where the one came later; a NaN is neither. */
const orEqual =
  (op: 'Less' | 'Greater'): DownStep =>
  ({ inputs: [x, y] }, b) => [b.Or(b[op](x!, y!), b.Equal(x!, y!))];
/** Before 11 floats were not compared for equality: they are equal where neither is less, and both are numbers. */
const equalFloats: DownStep = (form, b) => {
  const [x, y] = form.inputs as readonly [Value, Value];
  if (!x.element || !isFloat(x.element)) return form;
  const ordered = b.Not(b.Or(b.IsNaN(x), b.IsNaN(y)));
  return [b.And(ordered, b.Not(b.Or(b.Less(x, y), b.Greater(x, y))))];
};

const splitAttribute = inputToInts('split', 1);
const axesAttribute = inputToInts('axes', 1);
const sameMeaning: DownStep = form => form;

/** The changes towards older versions, filed as those towards newer ones: under the version that brought them. */
export const downgradeSteps: DownTable = {
  ...earlierWindows,
  ...each(reductions, { 11: fromTheFront(), 18: reducedTerms }),
  ...each(['Hardmax', 'LogSoftmax', 'Softmax'], { 13: lastAxis }),
  ...each(['Concat', 'Flatten', 'Compress', 'OneHot'], { 11: fromTheFront() }),
  ...each(['RNN', 'LSTM', 'GRU'], { 14: layoutOfBatches }),
  ...each(['Max', 'Mean', 'Min', 'Sum'], { 8: sameSizes }),
  ReduceMax: { 11: fromTheFront(), 18: reducedAxes },
  ReduceMin: { 11: fromTheFront(), 18: reducedAxes },
  ReduceMean: { 11: fromTheFront(), 18: reducedAxes },
  ReduceProd: { 11: fromTheFront(), 18: reducedAxes },
  ReduceSum: { 11: fromTheFront(), 13: reducedAxes },
  ArgMax: { 11: fromTheFront() },
  ArgMin: { 11: fromTheFront() },
  Attention: { 25: causalPast },
  BatchNormalization: { 9: sameMeaning, 14: batchNormTest },
  Cast: { 19: saturation, 24: roundMode },
  CastLike: { 15: castTo, 19: saturation, 24: roundMode },
  Clip: { 11: clipAttributes },
  Constant: { 12: constantValue },
  DFT: { 20: dftAxis },
  DequantizeLinear: { 13: perTensor, 23: dequantizedType },
  Dropout: { 10: dropoutMask, 12: dropoutAttributes },
  Equal: { 11: equalFloats },
  Gather: { 11: indicesFromTheFront },
  Gemm: { 11: gemmSummand },
  GreaterOrEqual: { 12: orEqual('Greater') },
  GridSample: { 20: gridModes },
  GroupNormalization: { 21: noGroups },
  LessOrEqual: { 12: orEqual('Less') },
  Pad: { 11: padAttributes, 18: padAllAxes, 19: padWrap },
  QuantizeLinear: { 13: perTensor, 19: saturation, 21: quantizedType },
  Reshape: { 14: reshapeZeros },
  RoiAlign: { 16: roiCorners },
  Scan: { 9: scanOfBatch },
  Shape: { 15: wholeShape },
  Slice: { 10: sliceAttributes },
  Split: { 11: fromTheFront(), 13: splitAttribute, 18: splitSizes },
  Squeeze: { 11: fromTheFront(), 13: axesAttribute },
  TopK: { 10: topCount, 11: topLargest },
  Unsqueeze: { 11: fromTheFront(), 13: axesAttribute },
};
