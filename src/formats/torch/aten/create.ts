// ATen overloads that make tensors: filled ones, ranges, random ones, and copies in another element type.
import { isStatic } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { broadcastLike, filled, filledLike } from './fill.ts';
import { asTensor, defaultFloat, resultType, scalarOf } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, Float, type Scalar, Symbolic, unsupported } from './row.ts';

/** A tensor of given sizes and one number; without a type the default float, or that of the number where `ofNumber`. */
const filledWith =
  (value: Scalar | 'fill_value', { ofNumber = false } = {}): AtenRow =>
  (x, b) => {
    const number = value === 'fill_value' ? x.scalar('fill_value') : value;
    const type = x.element('dtype') ?? (ofNumber ? resultType([number]) : defaultFloat);
    return filled(b, b.sizes(x.sizes('size')), number, type);
  };

const filledLikeSelf =
  (value: Scalar | 'fill_value'): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    return filledLike(b, self, value === 'fill_value' ? x.scalar('fill_value') : value, x.element('dtype') ?? elementOf(self));
  };

const newFilled =
  (value: Scalar | 'fill_value'): AtenRow =>
  (x, b) => {
    const number = value === 'fill_value' ? x.scalar('fill_value') : value;
    return filled(b, b.sizes(x.sizes('size')), number, x.element('dtype') ?? elementOf(x.tensor('self')));
  };

const numberOf = (scalar: Scalar): number | undefined => {
  if (scalar instanceof Float) return scalar.value;
  return scalar instanceof Symbolic ? undefined : Number(scalar);
};

/** Most elements of a range that becomes a constant. */
const longestConstant = 1 << 20;

/** Numbers of a float or integer type as a constant vector. */
function vector(b: Builder, numbers: readonly number[], type: DataType): Value {
  const wide = type === 'int64' || type === 'uint64' ? BigInt64Array.from(numbers, n => BigInt(n)) : undefined;
  if (type === 'float16' || type === 'bfloat16') return b.Cast(b.constant(numbers, 'float32', [numbers.length]), type);
  return b.constant(wide ?? numbers, type, [numbers.length]);
}

const arange: AtenRow = (x, b) => {
  const [start, end, step] = [x.has('start') ? x.scalar('start') : 0, x.scalar('end'), x.has('step') ? x.scalar('step') : 1];
  const bounds = [start, end, step];
  const isFloating = bounds.some(s => isFloat(resultType([s])));
  const type = x.element('dtype') ?? (isFloating ? defaultFloat : 'int64');
  const known = bounds.map(numberOf);
  if (known.every(n => n !== undefined)) {
    const [from, to, by] = known as [number, number, number];
    const count = Math.max(0, Math.ceil((to - from) / by));
    if (count > longestConstant) throw unsupported(`a range of ${count} elements`);
    return vector(
      b,
      range(count).map(i => from + i * by),
      type,
    );
  }
  const computed: DataType = isFloating ? 'float32' : 'int64';
  const [from, to, by] = bounds.map(s => asTensor(b, s, computed));
  return b.Cast(b.Range({ start: from!, limit: to!, delta: by! }), type);
};

const linspace =
  (base?: true): AtenRow =>
  (x, b) => {
    const [start, end, steps] = [x.number('start'), x.number('end'), x.number('steps')];
    const type = x.element('dtype') ?? defaultFloat;
    const step = steps > 1 ? (end - start) / (steps - 1) : 0;
    // From both ends towards the middle, so that both are met exactly.
    const at = (i: number): number => (i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step);
    const values = range(steps).map(i => (base ? x.number('base') ** at(i) : at(i)));
    return vector(b, isFloat(type) ? values : values.map(Math.trunc), type);
  };

const eye: AtenRow = (x, b) => {
  const [n, m] = [x.size('n'), x.has('m') ? x.size('m') : x.size('n')];
  const type = x.element('dtype') ?? defaultFloat;
  return b.EyeLike({ input: filled(b, b.sizes([n, m]), 0, type) }, { dtype: elementTypes[type].code });
};

const scalarTensor: AtenRow = (x, b) => asTensor(b, x.scalar('s'), x.element('dtype') ?? defaultFloat);

/** A copy in the element type that an argument names; the same tensor where that is none. */
const toElement =
  (name: string): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    return b.Cast(self, x.element(name) ?? elementOf(self));
  };

const toOther: AtenRow = (x, b) => b.Cast(x.tensor('self'), elementOf(x.tensor('other')));

const castTo =
  (type: DataType): AtenRow =>
  (x, b) =>
    b.Cast(x.tensor('self'), type);

/** `src` in the type and shape of `self`. */
const copy: AtenRow = (x, b) => {
  const self = x.tensor('self');
  return broadcastLike(b, b.Cast(x.tensor('src'), elementOf(self)), self);
};

const fillScalar: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const value = x.operand('value');
  const scalar = 'producer' in Object(value) ? b.Cast(value as Value, elementOf(self)) : undefined;
  return scalar ? broadcastLike(b, scalar, self) : filledLike(b, self, value as Scalar);
};

const item: AtenRow = x => x.tensor('self');

type Draw = (b: Builder, shape: readonly number[], dtype: number) => Value;
const uniform: Draw = (b, shape, dtype) => b.RandomUniform({}, { shape, dtype });
const normal: Draw = (b, shape, dtype) => b.RandomNormal({}, { shape, dtype });

/** Random numbers of a type: of known sizes, or of the sizes of another tensor. */
function drawn(b: Builder, draw: 'uniform' | 'normal', sizes: Value, type: DataType): Value {
  const dtype = elementTypes[type].code;
  const known = sizes.contents ?? sizes.tensor?.data;
  const shape = known && Array.from(known as ArrayLike<number | bigint>, Number);
  if (shape?.every(n => Number.isInteger(n))) return (draw === 'uniform' ? uniform : normal)(b, shape, dtype);
  const like = filled(b, sizes, 0, type);
  return draw === 'uniform' ? b.RandomUniformLike({ input: like }, { dtype }) : b.RandomNormalLike({ input: like }, { dtype });
}

const random =
  (draw: 'uniform' | 'normal'): AtenRow =>
  (x, b) =>
    drawn(b, draw, b.sizes(x.sizes('size')), x.element('dtype') ?? defaultFloat);

const shapeOfSelf = (x: Args, b: Builder): Value => {
  const self = x.tensor('self');
  const shape = shapeOf(self);
  return isStatic(shape) ? b.ints(shape) : b.Shape(self);
};

const randomLike =
  (draw: 'uniform' | 'normal'): AtenRow =>
  (x, b) =>
    drawn(b, draw, shapeOfSelf(x, b), x.element('dtype') ?? elementOf(x.tensor('self')));

const randint =
  (sizes: 'size' | 'self'): AtenRow =>
  (x, b) => {
    const [low, high] = [x.has('low') ? x.number('low') : 0, x.number('high')];
    const shape = sizes === 'size' ? b.sizes(x.sizes('size')) : shapeOfSelf(x, b);
    const type = x.element('dtype') ?? (sizes === 'size' ? 'int64' : elementOf(x.tensor('self')));
    const whole = b.Floor(b.Mul(drawn(b, 'uniform', shape, 'float32'), scalarOf(b, high - low, 'float32')));
    return b.Cast(b.Add(whole, scalarOf(b, low, 'float32')), type);
  };

/** Random numbers in the place of a tensor: `uniform_` and `normal_`. */
const redrawn =
  (draw: 'uniform' | 'normal', scale: (x: Args) => readonly [number, number]): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const [factor, offset] = scale(x);
    const numbers = drawn(b, draw, shapeOfSelf(x, b), elementOf(self));
    return b.Add(b.Mul(numbers, b.like(factor, self)), b.like(offset, self));
  };

const bernoulli: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const chance = x.has('p') ? filledLike(b, self, x.number('p')) : self;
  return b.Bernoulli({ input: chance });
};

const multinomial: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const count = x.number('num_samples');
  if (!x.boolean('replacement') && count !== 1) throw unsupported('multinomial draws without replacement');
  const rows = rankOf(self) === 1 ? b.Unsqueeze(self, [0]) : self;
  const made = b.Multinomial({ input: b.Log(rows) }, { sample_size: count, dtype: elementTypes.int64.code });
  return rankOf(self) === 1 ? b.Squeeze(made, [0]) : made;
};

const randperm: AtenRow = (x, b) => {
  const n = x.size('n');
  const keys = drawn(b, 'uniform', b.sizes([n]), 'float32');
  const order = b.TopK({ X: keys, K: b.sizes([n]) }, { axis: 0 }).Indices;
  return b.Cast(order, x.element('dtype') ?? 'int64');
};

/** Weights of a cosine window; periodic ones leave the last off. */
const cosineWindow =
  (weights: (x: Args) => readonly number[]): AtenRow =>
  (x, b) => {
    const length = x.number('window_length');
    const isPeriodic = x.has('periodic') ? x.boolean('periodic') : true;
    const span = isPeriodic ? length : length - 1;
    const at = (i: number): number => weights(x).reduce((sum, w, k) => sum + (k % 2 ? -w : w) * Math.cos((2 * Math.PI * k * i) / span), 0);
    const values = length === 1 ? [1] : range(length).map(at);
    return vector(b, values, x.element('dtype') ?? defaultFloat);
  };
const hann = cosineWindow(() => [0.5, 0.5]);
const hamming = cosineWindow(x => (x.has('alpha') ? [x.number('alpha'), x.has('beta') ? x.number('beta') : 0.46] : [0.54, 0.46]));
const blackman = cosineWindow(() => [0.42, 0.5, 0.08]);

/** Rows of several overloads. */
const rows = (name: string, overloads: string, row: AtenRow): AtenRows =>
  Object.fromEntries(overloads.split(' ').map(overload => [`${name}.${overload}`, row]));

export const create: AtenRows = {
  'zeros.default': filledWith(0),
  'ones.default': filledWith(1),
  'empty.memory_format': filledWith(0),
  'empty_strided.default': filledWith(0),
  'empty_permuted.default': filledWith(0),
  'full.default': filledWith('fill_value', { ofNumber: true }),
  'zeros_like.default': filledLikeSelf(0),
  'ones_like.default': filledLikeSelf(1),
  'empty_like.default': filledLikeSelf(0),
  'full_like.default': filledLikeSelf('fill_value'),
  'new_zeros.default': newFilled(0),
  'new_ones.default': newFilled(1),
  'new_empty.default': newFilled(0),
  'new_empty_strided.default': newFilled(0),
  'new_full.default': newFilled('fill_value'),
  'scalar_tensor.default': scalarTensor,
  'arange.default': arange,
  'arange.start': arange,
  'arange.start_step': arange,
  'linspace.default': linspace(),
  'logspace.default': linspace(true),
  'eye.default': eye,
  'eye.m': eye,
  ...rows('to', 'dtype dtype_layout device prim_dtype', toElement('dtype')),
  'to.other': toOther,
  'type_as.default': toOther,
  '_to_copy.default': toElement('dtype'),
  '_cast_Float.default': castTo('float32'),
  '_cast_Double.default': castTo('float64'),
  '_cast_Half.default': castTo('float16'),
  '_cast_Int.default': castTo('int32'),
  '_cast_Long.default': castTo('int64'),
  '_cast_Short.default': castTo('int16'),
  '_cast_Char.default': castTo('int8'),
  '_cast_Byte.default': castTo('uint8'),
  'copy.default': copy,
  'fill.Scalar': fillScalar,
  'fill.Tensor': fillScalar,
  'zero.default': (x, b) => filledLike(b, x.tensor('self'), 0),
  'item.default': item,
  '_local_scalar_dense.default': item,
  'rand.default': random('uniform'),
  'randn.default': random('normal'),
  'rand_like.default': randomLike('uniform'),
  'randn_like.default': randomLike('normal'),
  'randint.default': randint('size'),
  'randint.low': randint('size'),
  'randint_like.default': randint('self'),
  'randint_like.low_dtype': randint('self'),
  'uniform.default': redrawn('uniform', x => [x.number('to') - x.number('from'), x.number('from')]),
  'normal_functional.default': redrawn('normal', x => [x.number('std'), x.number('mean')]),
  'bernoulli.default': bernoulli,
  'bernoulli.p': bernoulli,
  'multinomial.default': multinomial,
  'randperm.default': randperm,
  ...rows('hann_window', 'default periodic', hann),
  ...rows('hamming_window', 'default periodic periodic_alpha periodic_alpha_beta', hamming),
  ...rows('blackman_window', 'default periodic', blackman),
};
