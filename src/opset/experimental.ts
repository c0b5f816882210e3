// Operators that early files have and no opset of the standard's table: their meaning as graphs of the newest operators.
import { fail } from '../errors.ts';
import type { Attributes, Value } from '../ir/graph.ts';
import { dataTypeOfCode } from '../ir/types.ts';
import type { Builder, Size } from '../ops/builder.ts';
import { range, rankOf, shapeOf } from '../ops/shapes.ts';
import { intsOf, numberOf, type Step } from './form.ts';

const number = (attributes: Attributes, name: string, otherwise: number): number => numberOf(attributes.get(name)) ?? otherwise;
const list = (attributes: Attributes, name: string): readonly number[] => {
  const given = attributes.get(name);
  return given?.kind === 'floats' ? given.value : (intsOf(given) ?? []);
};

type OfOne = (x: Value, attributes: Attributes, b: Builder) => Value;
const ofOne =
  (body: OfOne): Step =>
  ({ inputs: [x], attributes }, b, { op }) => {
    // No schema says so.
    if (!x) throw fail('E1302', `${op}: has 0 inputs, expected 1`);
    return [body(x, attributes, b)];
  };

/** A constant shape, or one that the input has, with `extra_shape` after it. */
function filledShape(x: Value | undefined, attributes: Attributes, b: Builder): Value {
  const extra = list(attributes, 'extra_shape');
  if (!x) return b.ints([...list(attributes, 'shape'), ...extra]);
  const first = number(attributes, 'input_as_shape', 0) ? b.Cast(x, 'int64') : b.Shape(x);
  return extra.length > 0 ? b.Concat([first, b.ints(extra)], 0) : first;
}

const centered: OfOne = (x, at, b) => {
  const axes = number(at, 'across_channels', 0) ? range(rankOf(x) - 1, 1) : range(rankOf(x) - 2, 2);
  if (number(at, 'normalize_variance', 1)) return b.MeanVarianceNormalization({ X: x }, { axes });
  return b.Sub(x, b.Div(b.ReduceSum(x, { axes, keepdims: 1 }), b.count(x, axes)));
};

/** Borders are left, top, right, bottom; a scale is a height and a width from the first corner. */
const crop: OfOne = (x, at, b) => {
  const [left = 0, top = 0, right = 0, bottom = 0] = list(at, 'border');
  const [height, width] = list(at, 'scale');
  const end = (axis: number, border: number): Size => {
    const size = shapeOf(x)[axis];
    return typeof size === 'number' ? size - border : b.Sub(b.sizes([b.dim(x, axis)]), b.ints([border]));
  };
  const ends = height !== undefined && width !== undefined ? [top + height, left + width] : [end(2, bottom), end(3, right)];
  return b.Slice(x, { axes: [2, 3], starts: [top, left], ends });
};

const scaleImage: OfOne = (x, at, b) => {
  const bias = b.constant(Float32Array.from(list(at, 'bias')), 'float32');
  const summand = b.Reshape(b.Cast(bias, x.element ?? 'float32'), [-1, 1, 1]);
  return b.Add(b.Mul(x, b.like(number(at, 'scale', 1), x)), summand);
};

const constantFill: Step = ({ inputs: [x], attributes }, b) => {
  const type = dataTypeOfCode(number(attributes, 'dtype', 1)) ?? 'float32';
  const value = b.constant(number(attributes, 'value', 0), type);
  return [b.Expand(value, [filledShape(x, attributes, b)])];
};

const givenTensorFill: Step = ({ inputs: [x], attributes }, b) => {
  const values = b.constant(Float32Array.from(list(attributes, 'values')), 'float32');
  return [b.Reshape(values, [filledShape(x, attributes, b)])];
};

const scaled =
  (inner: (v: Value, b: Builder) => Value): OfOne =>
  (x, at, b) =>
    b.Mul(b.like(number(at, 'alpha', 1), x), inner(b.Mul(b.like(number(at, 'beta', 1), x), x), b));

export const experimental: Readonly<Record<string, Step>> = {
  Affine: ofOne((x, at, b) => b.Add(b.Mul(b.like(number(at, 'alpha', 1), x), x), b.like(number(at, 'beta', 0), x))),
  ConstantFill: constantFill,
  Crop: ofOne(crop),
  DynamicSlice: ({ inputs }, b) => b.emit('Slice', inputs),
  GivenTensorFill: givenTensorFill,
  ImageScaler: ofOne(scaleImage),
  MeanVarianceNormalization: ofOne(centered),
  ParametricSoftplus: ofOne(scaled((v, b) => b.Softplus({ X: v }))),
  Scale: ofOne((x, at, b) => b.Mul(x, b.like(number(at, 'scale', 1), x))),
  ScaledTanh: ofOne(scaled((v, b) => b.Tanh(v))),
  ThresholdedRelu: ofOne((x, at, b) => b.ThresholdedRelu({ X: x }, { alpha: number(at, 'alpha', 1) })),
};

/** Known by name only. */
const undefinedOnes: readonly string[] = ['ATen', 'GRUUnit', 'LoopIndexTensor'];
export const requireDefined = (op: string): void => {
  if (undefinedOnes.includes(op)) throw fail('E2002', `${op} was an experiment whose meaning the standard does not say`);
};
