// One small function for each change of an operator that the signatures do not tell, from the older version to the newer.
// Steps that return values have built them of operators of the newest opset.
import { fail } from '../errors.ts';
import type { Attribute, Value } from '../ir/graph.ts';
import { dataTypeOfCode, isInteger } from '../ir/types.ts';
import type { Builder } from '../ops/builder.ts';
import { axisOf, range, rankOf } from '../ops/shapes.ts';
import {
  each,
  type Form,
  float,
  int,
  intsOf,
  numberOf,
  place,
  reductions,
  type Step,
  type StepTable,
  text,
  textOf,
  withAttribute,
  without,
} from './form.ts';
import { recurrentSteps } from './upgrade-recurrent.ts';
import { resizeSteps } from './upgrade-resize.ts';

/** An attribute with a list of integers becomes input number `at`; in a function it may be the caller's. */
const intsToInput =
  (name: string, at: number): Step =>
  ({ inputs, attributes }, b) => {
    const given = attributes.get(name);
    const list = intsOf(given);
    const input = list
      ? b.ints(list)
      : given?.kind === 'reference'
        ? b.emit('Constant', [], new Map([['value_ints', given]]))[0]
        : undefined;
    return { attributes: without(attributes, name), inputs: input ? place(inputs, at, input) : inputs };
  };

const dropped =
  (...names: readonly string[]): Step =>
  ({ inputs, attributes }) => ({ inputs, attributes: without(attributes, ...names) });

const renamed =
  (before: string, after: string): Step =>
  ({ inputs, attributes }) => ({ inputs, attributes: new Map([...attributes].map(([name, a]) => [name === before ? after : name, a])) });

/** The default that an attribute had is written down, where the newer version has another or none. */
const withDefaults =
  (defaults: Readonly<Record<string, Attribute>>): Step =>
  ({ inputs, attributes }) => ({ inputs, attributes: new Map([...Object.entries(defaults), ...attributes]) });

/** Before opset 7 the second operand was aligned with `axis` of the first. */
const alignedWithAxis: Step = ({ inputs: [A, B], attributes }, b) => {
  const axis = numberOf(attributes.get('axis'));
  const rest = without(attributes, 'axis', 'broadcast');
  if (!numberOf(attributes.get('broadcast')) || axis === undefined) return { inputs: [A, B], attributes: rest };
  const trailing = rankOf(A!) - axisOf(axis, rankOf(A!)) - rankOf(B!);
  return { inputs: [A, trailing > 0 ? b.Unsqueeze(B!, range(trailing, rankOf(B!))) : B], attributes: rest };
};

/** Before opset 13 these worked on a matrix: the axes before `axis`, and the rest. */
const overMatrix: Step = ({ inputs, attributes }, b, node) => {
  const x = inputs[0]!;
  const rank = rankOf(x);
  const axis = axisOf(numberOf(attributes.get('axis')) ?? 1, rank);
  if (axis === rank - 1) return { inputs, attributes: new Map([['axis', int(-1)]]) };
  const sizes = range(rank).map(i => b.dim(x, i));
  const flat = b.emit('Flatten', [x], { axis })[0]!;
  return [b.Reshape(b.emit(node.op, [flat], { axis: -1 })[0]!, sizes)];
};

const clipBounds: Step = ({ inputs, attributes }, b) => {
  const [x] = inputs;
  const largest = 3.4028234663852886e38;
  const bound = (name: string, extreme: number): Value | undefined => {
    const limit = numberOf(attributes.get(name)) ?? extreme;
    // Beyond what half precision holds: no bound.
    return x!.element === 'float16' && Math.abs(limit) > 65504 ? undefined : b.like(limit, x!);
  };
  return { inputs: [x, bound('min', -largest), bound('max', largest)], attributes: new Map() };
};

const sliceBounds: Step = ({ inputs, attributes }, b) => {
  const list = (name: string): Value | undefined => {
    const given = intsOf(attributes.get(name));
    return given && b.ints(given);
  };
  return { inputs: [inputs[0], list('starts'), list('ends'), list('axes')], attributes: new Map() };
};

const padAmounts: Step = ({ inputs, attributes }, b) => {
  const value = numberOf(attributes.get('value'));
  const pads = b.ints(intsOf(attributes.get('pads')) ?? []);
  const fill = value === undefined ? undefined : b.like(value, inputs[0]!);
  return { inputs: [inputs[0], pads, fill], attributes: without(attributes, 'pads', 'value') };
};

/** Until 6 a Dropout that was not said to be a test was in training; 7 to 11 knew no training. */
const dropoutTest: Step = ({ inputs, attributes }) => {
  const rest = without(attributes, 'is_test');
  return { inputs, attributes: numberOf(attributes.get('is_test')) ? rest : withAttribute(rest, 'training_mode', int(1)) };
};
/** Ratio and training became inputs in 12. */
const dropoutRatio: Step = ({ inputs: [x], attributes }, b) => {
  const ratio = numberOf(attributes.get('ratio'));
  const training = numberOf(attributes.get('training_mode')) ? b.constant(true, 'bool') : undefined;
  const first = ratio === undefined ? undefined : b.constant(ratio, 'float32');
  return { inputs: [x, first, training], attributes: without(attributes, 'ratio', 'training_mode') };
};
/** The mask had the type of the data before 10. */
const dropoutMask: Step = (form, b, node) => {
  if (!node.outputs[1]) return form;
  const { inputs, attributes } = dropoutRatio(form, b, node) as Form;
  const [y, mask] = b.emit('Dropout', inputs, attributes, { outputs: ['dropout', 'mask'] });
  return [y, b.Cast(mask!, inputs[0]!.element ?? 'float32')];
};

/** Sizes were an input of the type of the data in opset 1. */
const splitSizes: Step = ({ inputs: [x, sizes], attributes }, b) => ({ inputs: sizes ? [x, b.Cast(sizes, 'int64')] : [x], attributes });
/** Since 18 an equal split says how many parts it has. */
const splitCount: Step = ({ inputs, attributes }, _b, node) => {
  if (inputs[1]) return { inputs, attributes };
  const parts = node.outputs.length;
  const size = inputs[0]?.shape?.at(numberOf(attributes.get('axis')) ?? 0);
  // From then on the last part may be smaller; before, all are equal.
  if (typeof size === 'number' && size % parts !== 0) throw fail('E1305', `Split: ${size} elements are no ${parts} equal parts`);
  return { inputs, attributes: withAttribute(attributes, 'num_outputs', int(parts)) };
};

/** Before opset 21 a factor and a summand a group; now one a channel. */
const perChannel: Step = ({ inputs: [x, ...parameters], attributes }, b) => {
  const groups = numberOf(attributes.get('num_groups')) ?? 1;
  const channels = b.dim(x!, 1);
  const size = typeof channels === 'number' ? channels / groups : b.Div(channels, b.ints([groups]));
  const spread = parameters.map(v => v && b.Reshape(b.Expand(b.Unsqueeze(v, [1]), [groups, size]), [-1]));
  return { inputs: [x, ...spread], attributes };
};

/** Modes of interpolation have other names since 20. */
const renamedMode: Step = ({ inputs, attributes }) => {
  const mode = textOf(attributes.get('mode')) ?? 'bilinear';
  const names: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };
  return { inputs, attributes: withAttribute(attributes, 'mode', text(names[mode] ?? mode)) };
};

/** Before 7 a slope was one for all, or one a channel. */
const slopeByChannel: Step = ({ inputs: [x, slope], attributes }, b) => {
  const isVector = slope!.shape?.length === 1 && slope!.shape[0] !== 1;
  return { inputs: [x, isVector && rankOf(x!) > 2 ? b.Unsqueeze(slope!, range(rankOf(x!) - 2, 1)) : slope], attributes };
};

/** The names of `TensorProto.DataType`, by which Cast named its target at first. */
const typeNames: Readonly<Record<string, number>> = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
};
const castByName: Step = ({ inputs, attributes }) => {
  const name = textOf(attributes.get('to')) ?? '';
  const code = Object.hasOwn(typeNames, name) ? typeNames[name]! : 0;
  if (!dataTypeOfCode(code) || code === 0) throw fail('E1303', `Cast: attribute to: there is no type ${name}`);
  return { inputs, attributes: withAttribute(attributes, 'to', int(code)) };
};

/** One axis was repeated at first; now every axis has its count. */
const tileOneAxis: Step = ({ inputs: [x, tiles, axis] }, b) => {
  const axes = b.ints(range(rankOf(x!)));
  const here = b.Equal(axes, b.Reshape(b.Cast(axis!, 'int64'), [1]));
  const repeats = b.Where(here, b.Reshape(b.Cast(tiles!, 'int64'), [1]), b.ints([1]));
  return { inputs: [x, repeats], attributes: new Map() };
};

/** The power was a real number at first; those that are not whole are computed by their definition. */
const wholePower =
  (otherwise: (x: Value, p: Value, form: Form, b: Builder) => Value): Step =>
  (form, b) => {
    const p = numberOf(form.attributes.get('p')) ?? 2;
    if (Number.isInteger(p)) return { inputs: form.inputs, attributes: withAttribute(form.attributes, 'p', int(p)) };
    return [otherwise(form.inputs[0]!, b.like(p, form.inputs[0]!), form, b)];
  };
const lpPool = wholePower((x, p, { attributes }, b) => {
  const area = (intsOf(attributes.get('kernel_shape')) ?? []).reduce((n, k) => n * k, 1);
  const at = withAttribute(without(attributes, 'p'), 'count_include_pad', int(1));
  const mean = b.emit('AveragePool', [b.Pow(b.Abs(x), p)], at)[0]!;
  return b.Pow(b.Mul(mean, b.like(area, x)), b.Reciprocal(p));
});
const globalLpPool = wholePower((x, p, _form, b) =>
  b.Pow(b.ReduceSum(b.Pow(b.Abs(x), p), { axes: range(rankOf(x) - 2, 2), keepdims: 1 }), b.Reciprocal(p)),
);

/** `is_test` 0 was training until 6; later training is told by the outputs. */
const batchNormTest: Step = ({ inputs, attributes }) => {
  const rest = without(attributes, 'is_test');
  return { inputs, attributes: numberOf(attributes.get('is_test')) ? rest : withAttribute(rest, 'training_mode', int(1)) };
};
/** A mean and a variance for each place, not for each channel. */
const batchNormPlaces: Step = ({ inputs, attributes }, b, node) => {
  if (numberOf(attributes.get('spatial')) !== 0) return { inputs, attributes: without(attributes, 'spatial') };
  if (isTraining(attributes, node.outputs))
    throw fail('E2002', 'BatchNormalization: training with a mean for each place has no newer form');
  const [x, scale, bias, mean, variance] = inputs as readonly [Value, Value, Value, Value, Value];
  const epsilon = b.like(numberOf(attributes.get('epsilon')) ?? 1e-5, x);
  return [b.Add(b.Mul(scale, b.Div(b.Sub(x, mean), b.Sqrt(b.Add(variance, epsilon)))), bias)];
};
const isTraining = (attributes: Form['attributes'], outputs: readonly unknown[]): boolean =>
  numberOf(attributes.get('training_mode')) === 1 || outputs.slice(1).some(v => v !== undefined);
/** The outputs of training were five and became three: the statistics of the batch are computed beside. */
const batchNormOutputs: Step = ({ inputs, attributes }, b, node) => {
  if (!isTraining(attributes, node.outputs)) return { inputs, attributes };
  const x = inputs[0]!;
  const names = ['batchnormalization', 'running_mean', 'running_var'];
  const made = b.emit('BatchNormalization', inputs, withAttribute(attributes, 'training_mode', int(1)), { outputs: names });
  if (!node.outputs[3] && !node.outputs[4]) return made;
  const axes = range(rankOf(x)).filter(i => i !== 1);
  const mean = (v: Value, keepdims: number): Value => b.Div(b.ReduceSum(v, { axes, keepdims }), b.count(x, axes));
  const distance = b.Sub(x, mean(x, 1));
  return [...made, mean(x, 0), mean(b.Mul(distance, distance), 0)];
};

/** Integers were allowed, and their result was cut to an integer. */
const ofIntegers: Step = (form, b, node) => {
  const [x, ...rest] = form.inputs as readonly [Value, ...Value[]];
  if (!x.element || !isInteger(x.element)) return form;
  return [b.Cast(b.emit(node.op, [b.Cast(x, 'float32'), ...rest], form.attributes)[0]!, x.element)];
};

const dftAxis: Step = ({ inputs, attributes }, b) => ({
  inputs: place(inputs, 2, b.constant(numberOf(attributes.get('axis')) ?? 1, 'int64')),
  attributes: without(attributes, 'axis'),
});

const topCount: Step = ({ inputs, attributes }, b) => ({
  inputs: [inputs[0], b.ints([numberOf(attributes.get('k')) ?? 1])],
  attributes: without(attributes, 'k'),
});

const scatterElements: Step = ({ inputs, attributes }, b) => b.emit('ScatterElements', inputs, attributes);

/** A list of classes between numbers and names became keys and values. */
const labelClasses: Step = ({ inputs, attributes }) => {
  const classes = attributes.get('classes_strings');
  const names: Attribute = { kind: 'strings', value: classes?.kind === 'strings' ? classes.value : [] };
  const numbers: Attribute = { kind: 'ints', value: range(names.value.length) };
  const [keys, values] =
    inputs[0]!.element === 'string'
      ? ([
          ['keys_strings', names],
          ['values_int64s', numbers],
        ] as const)
      : ([
          ['keys_int64s', numbers],
          ['values_strings', names],
        ] as const);
  return { inputs, attributes: new Map([...without(attributes, 'classes_strings'), keys, values]) };
};

const axesToInput = intsToInput('axes', 1);
const sameMeaning: Step = form => form;

/** Every change that the signatures do not tell; a test asks for a row wherever a signature did more than grow. */
export const upgradeSteps: StepTable = {
  ...resizeSteps,
  ...recurrentSteps,
  ...each(reductions, { 18: axesToInput }),
  ...each(['ReduceLogSum', 'ReduceLogSumExp'], { 18: axesToInput, 28: ofIntegers }),
  ...each(['Add', 'And', 'Div', 'Equal', 'Greater', 'Less', 'Mul', 'Or', 'Pow', 'Sub', 'Xor'], { 7: alignedWithAxis }),
  ...each(['Hardmax', 'LogSoftmax', 'Softmax'], { 13: overMatrix }),
  BatchNormalization: { 6: sameMeaning, 7: batchNormTest, 9: batchNormPlaces, 14: batchNormOutputs },
  Cast: { 6: castByName },
  Clip: { 6: sameMeaning, 11: clipBounds },
  Concat: { 4: withDefaults({ axis: int(1) }) },
  DFT: { 20: dftAxis },
  Dropout: { 7: dropoutTest, 10: dropoutMask, 12: dropoutRatio },
  Erf: { 13: ofIntegers },
  Gemm: { 7: dropped('broadcast') },
  GlobalLpPool: { 2: globalLpPool },
  GridSample: { 20: renamedMode },
  GroupNormalization: { 21: perChannel },
  LpPool: { 2: lpPool },
  PRelu: { 7: slopeByChannel },
  Pad: { 2: renamed('paddings', 'pads'), 11: padAmounts },
  ReduceSum: { 13: axesToInput },
  Reshape: { 5: intsToInput('shape', 1) },
  RoiAlign: { 16: withDefaults({ coordinate_transformation_mode: text('output_half_pixel') }) },
  Scatter: { 11: scatterElements },
  Selu: { 6: withDefaults({ alpha: float(Math.fround(1.6732)), gamma: float(Math.fround(1.0507)) }) },
  Slice: { 10: sliceBounds },
  Split: { 2: splitSizes, 13: intsToInput('split', 1), 18: splitCount },
  Squeeze: { 13: axesToInput },
  Tile: { 6: tileOneAxis },
  TopK: { 10: topCount },
  Unsqueeze: { 13: axesToInput },
  'ai.onnx.ml.LabelEncoder': { 2: labelClasses },
  /** Kept as they are: what replaces them says the same trees in another order. */
  'ai.onnx.ml.TreeEnsembleClassifier': { 5: sameMeaning },
  'ai.onnx.ml.TreeEnsembleRegressor': { 5: sameMeaning },
};
