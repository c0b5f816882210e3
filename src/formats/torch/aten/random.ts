// ATen overloads that draw random numbers: the distributions are PyTorch's, the numbers are the run's own.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, rankOf } from '../../../ops/shapes.ts';
import { sizeValue } from '../../../ops/sizing.ts';
import { rows } from './elementwise.ts';
import { broadcastLike, filled, filledLike } from './fill.ts';
import { asTensor, defaultFloat } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, isValue, type Scalar, Symbolic, unsupported } from './row.ts';

/** Sizes, or a tensor that has them. */
type Extent = readonly Size[] | Value;

const isSizes = (extent: Extent): extent is readonly Size[] => Array.isArray(extent);

interface Uniform {
  readonly low?: number;
  readonly high?: number;
}
interface Normal {
  readonly mean?: number;
  readonly scale?: number;
}

/** Numbers of a distribution in a float type. */
function draw(b: Builder, op: 'RandomUniform' | 'RandomNormal', extent: Extent, type: DataType, at: Uniform & Normal = {}): Value {
  const attributes = { ...at, dtype: elementTypes[type].code };
  if (isSizes(extent) && extent.length > 0 && extent.every(size => typeof size === 'number'))
    return b.emit(op, [], { ...attributes, shape: extent })[0]!;
  const like = isSizes(extent) ? filled(b, b.sizes(extent), 0, type) : extent;
  return b.emit(`${op}Like`, [like], attributes)[0]!;
}

/** PyTorch's own number for int64: the default of integers without an element type. */
const int64Code = 4;
const typeOf = (x: Args, otherwise: DataType): DataType => (x.any('dtype') === int64Code ? 'int64' : (x.element('dtype') ?? otherwise));

const sized =
  (op: 'RandomUniform' | 'RandomNormal'): AtenRow =>
  (x, b) =>
    draw(b, op, x.sizes('size'), typeOf(x, defaultFloat));
const alike =
  (op: 'RandomUniform' | 'RandomNormal'): AtenRow =>
  (x, b) =>
    draw(b, op, x.tensor('self'), typeOf(x, elementOf(x.tensor('self'))));

/** Integers of [low, high) in an element type, by rounding down doubles. */
function integers(b: Builder, extent: Extent, low: Scalar, high: Scalar | Value, type: DataType): Value {
  const asDouble = (n: Scalar | Value): Value => asTensor(b, n, 'float64');
  const [from, to] = [asDouble(low), asDouble(high)];
  const unit = draw(b, 'RandomUniform', extent, 'float64');
  const drawn = b.Mul(unit, b.Sub(to, from));
  const whole = b.Floor(low === 0 ? drawn : b.Add(drawn, from));
  return b.Cast(whole, type);
}

const numberOf = (size: Size): Scalar => (typeof size === 'number' ? size : new Symbolic(size));
const lowOf = (x: Args): Scalar => (x.has('low') ? numberOf(x.size('low')) : 0);
const highOf = (x: Args): Scalar | Value => (isValue(x.any('high')) ? x.tensor('high') : numberOf(x.size('high')));

const randint: AtenRow = (x, b) => integers(b, x.sizes('size'), lowOf(x), highOf(x), typeOf(x, 'int64'));
const randintLike: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return integers(b, self, lowOf(x), highOf(x), typeOf(x, elementOf(self)));
};

/** The bits of a float type that hold every integer up to 2 to their power. */
const wholeBits: Partial<Record<DataType, number>> = { float16: 11, bfloat16: 8, float32: 24, float64: 53 };

/** Where the integers that `random` draws end. */
function endOf(type: DataType): number {
  const { class: kind, bits } = elementTypes[type];
  const whole = wholeBits[type];
  if (whole !== undefined) return 2 ** whole + 1;
  return kind === 'bool' ? 2 : 2 ** (kind === 'int' ? bits - 1 : bits);
}

const randomIntegers: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const type = elementOf(self);
  return integers(b, self, 0, x.optionalNumber('to') ?? endOf(type), type);
};

/** A row of a distribution for the elements of `self`, made of uniform numbers in (0, 1]. */
const transformed =
  (f: (b: Builder, unit: Value, x: Args) => Value): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const type = elementOf(self);
    const unit = draw(b, 'RandomUniform', self, isFloat(type) ? type : defaultFloat);
    return b.Cast(f(b, b.Sub(b.like(1, unit), unit), x), type);
  };

const exponential = transformed((b, unit, x) => b.Mul(b.Log(unit), b.like(-1 / x.number('lambd'), unit)));
const geometric = transformed((b, unit, x) => {
  const failures = b.Floor(b.Mul(b.Log(unit), b.like(1 / Math.log1p(-x.number('p')), unit)));
  return b.Add(failures, b.like(1, unit));
});
const cauchy = transformed((b, unit, x) => {
  const angle = b.Mul(b.Sub(unit, b.like(0.5, unit)), b.like(Math.PI, unit));
  const spread = b.Mul(b.emit('Tan', [angle])[0]!, b.like(x.number('sigma'), unit));
  return b.Add(spread, b.like(x.number('median'), unit));
});

const normal: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return draw(b, 'RandomNormal', self, elementOf(self), { mean: x.number('mean'), scale: x.number('std') });
};

/** Normal numbers around a mean or with a deviation that tensors hold. */
const normalOf: AtenRow = (x, b) => {
  const [mean, deviation] = [x.operand('mean'), x.operand('std')];
  const tensors = [mean, deviation].filter(isValue);
  const type = elementOf(tensors[0]!);
  const [center, scale] = [asTensor(b, mean, type), asTensor(b, deviation, type)];
  const extent = tensors.length === 1 ? tensors[0]! : b.Add(center, scale);
  return b.Add(b.Mul(draw(b, 'RandomNormal', extent, type), scale), center);
};

const bernoulli: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const type = elementOf(self);
  const p = x.has('p') ? x.operand('p') : self;
  const odds = isValue(p)
    ? broadcastLike(b, isFloat(elementOf(p)) ? p : b.Cast(p, defaultFloat), self)
    : filledLike(b, self, p, defaultFloat);
  return b.Bernoulli({ input: odds }, { dtype: elementTypes[type].code });
};

/** Without replacement, the first of several exponential clocks whose rates are the weights. */
const multinomial: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const samples = x.size('num_samples');
  if (rankOf(self) === 1) return b.Squeeze(sampled(b, b.Unsqueeze(self, [0]), samples, x.boolean('replacement')), [0]);
  return sampled(b, self, samples, x.boolean('replacement'));
};

function sampled(b: Builder, weights: Value, samples: Size, withReplacement: boolean): Value {
  if (!withReplacement && samples !== 1) {
    const clocks = b.Div(weights, b.Log(draw(b, 'RandomUniform', weights, elementOf(weights))));
    return b.TopK({ X: clocks, K: sizeValue(b, samples) }, { largest: 0 }).Indices;
  }
  if (typeof samples !== 'number') throw unsupported('a number of samples that only the run knows');
  return b.Multinomial({ input: b.Log(weights) }, { sample_size: samples, dtype: elementTypes.int64.code });
}

const randperm: AtenRow = (x, b) => {
  const count = x.size('n');
  const { Indices } = b.TopK({ X: draw(b, 'RandomUniform', [count], 'float32'), K: sizeValue(b, count) });
  return b.Cast(Indices, typeOf(x, 'int64'));
};

export const random: AtenRows = {
  ...rows('rand', 'default generator', sized('RandomUniform')),
  ...rows('randn', 'default generator', sized('RandomNormal')),
  ...rows('rand_like', 'default generator', alike('RandomUniform')),
  ...rows('randn_like', 'default generator', alike('RandomNormal')),
  ...rows('randint', 'default generator low low_generator', randint),
  ...rows('randint_like', 'default generator low_dtype low_generator_dtype Tensor', randintLike),
  ...rows('random', 'default to', randomIntegers),
  ...rows('randperm', 'default generator', randperm),
  ...rows('normal_ normal_functional', 'default', normal),
  ...rows('normal', 'Tensor_float float_Tensor Tensor_Tensor', normalOf),
  'normal.float_float': (x, b) =>
    draw(b, 'RandomNormal', x.sizes('size'), typeOf(x, defaultFloat), { mean: x.number('mean'), scale: x.number('std') }),
  'log_normal.default': (x, b) => b.Exp(normal(x, b) as Value),
  'uniform.default': (x, b) =>
    draw(b, 'RandomUniform', x.tensor('self'), elementOf(x.tensor('self')), { low: x.number('from'), high: x.number('to') }),
  ...rows('bernoulli', 'default p Tensor', bernoulli),
  'bernoulli_.float': bernoulli,
  'multinomial.default': multinomial,
  'exponential.default': exponential,
  'geometric.default': geometric,
  'cauchy.default': cauchy,
};
