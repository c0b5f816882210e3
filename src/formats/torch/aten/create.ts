// ATen overloads that make tensors, and those that only change an element type.
import type { DataType } from '../../../ir/types.ts';
import { axisOf, elementOf, rankOf } from '../../../ops/shapes.ts';
import { iota } from '../../../ops/sizing.ts';
import { rows } from './elementwise.ts';
import { broadcastLike, filled, filledLike } from './fill.ts';
import { asTensor, defaultFloat, isComplex, resultType } from './operands.ts';
import { random } from './random.ts';
import { ranges } from './ranges.ts';
import { type Args, type AtenRow, type AtenRows, isValue, type Scalar, unsupported } from './row.ts';

type Fill = (x: Args) => Scalar;
const zero: Fill = () => 0;
const one: Fill = () => 1;
const given: Fill = x => x.scalar('fill_value');

const float = (): DataType => defaultFloat;
const ofSelf = (x: Args): DataType => elementOf(x.tensor('self'));

/** A tensor of the sizes that are asked for, in an element type that has a default. */
const ofSize =
  (value: Fill, type: (x: Args) => DataType): AtenRow =>
  (x, b) =>
    filled(b, b.sizes(x.sizes('size')), value(x), x.element('dtype') ?? type(x));

/** A tensor with the shape of `self`. */
const like =
  (value: Fill): AtenRow =>
  (x, b) =>
    filledLike(b, x.tensor('self'), value(x), x.element('dtype') ?? ofSelf(x));

/** A cast; without a type it keeps that of `self`. */
const cast =
  (typeOf: (x: Args) => DataType | undefined): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const type = typeOf(x) ?? elementOf(self);
    if (type !== elementOf(self) && (isComplex(type) || isComplex(elementOf(self)))) throw unsupported('a cast of complex numbers');
    return b.Cast(self, type);
  };
const castTo = (type: DataType): AtenRow => cast(() => type);
const castAsAsked = cast(x => x.element('dtype'));
const castLike = cast(x => elementOf(x.tensor('other')));

/** The casts of regions of mixed precision, from some types alone. */
const castFrom = (from: readonly DataType[], to: (x: Args) => DataType | undefined): AtenRow =>
  cast(x => (x.boolean('cpu_enabled') && from.includes(ofSelf(x)) ? to(x) : undefined));

const fill: AtenRow = (x, b) => {
  const [self, value] = [x.tensor('self'), x.operand('value')];
  return isValue(value) ? broadcastLike(b, b.Cast(value, elementOf(self)), self) : filledLike(b, self, value);
};

/** The one element of a tensor, as the number that Python makes of it. */
const element: AtenRow = x => x.tensor('self');

export const create: AtenRows = {
  ...ranges,
  ...random,
  'zeros.default': ofSize(zero, float),
  'ones.default': ofSize(one, float),
  'empty.memory_format': ofSize(zero, float),
  'empty_strided.default': ofSize(zero, float),
  'empty_permuted.default': ofSize(zero, float),
  'full.default': ofSize(given, x => resultType([given(x)])),
  'new_zeros.default': ofSize(zero, ofSelf),
  'new_ones.default': ofSize(one, ofSelf),
  'new_empty.default': ofSize(zero, ofSelf),
  'new_empty_strided.default': ofSize(zero, ofSelf),
  'new_full.default': ofSize(given, ofSelf),
  'zeros_like.default': like(zero),
  'ones_like.default': like(one),
  'empty_like.default': like(zero),
  'full_like.default': like(given),
  'zero.default': (x, b) => filledLike(b, x.tensor('self'), 0),
  'fill.Scalar': fill,
  'fill.Tensor': fill,
  'copy.default': (x, b) => broadcastLike(b, b.Cast(x.tensor('src'), ofSelf(x)), x.tensor('self')),
  'scalar_tensor.default': (x, b) => asTensor(b, x.scalar('s'), x.element('dtype') ?? defaultFloat),
  ...rows('to', 'dtype device dtype_layout prim_dtype', castAsAsked),
  '_to_copy.default': castAsAsked,
  'to.other': castLike,
  'type_as.default': castLike,
  '_autocast_to_reduced_precision.default': castFrom(['float32'], x => x.element('cpu_dtype')),
  '_autocast_to_full_precision.default': castFrom(['float16', 'bfloat16'], () => 'float32'),
  '_cast_Byte.default': castTo('uint8'),
  '_cast_Char.default': castTo('int8'),
  '_cast_Short.default': castTo('int16'),
  '_cast_Int.default': castTo('int32'),
  '_cast_Long.default': castTo('int64'),
  '_cast_Half.default': castTo('float16'),
  '_cast_Float.default': castTo('float32'),
  '_cast_Double.default': castTo('float64'),
  'item.default': element,
  '_local_scalar_dense.default': element,
  '_dim_arange.default': (x, b) => {
    const self = x.tensor('like');
    return iota(b, b.dim(self, axisOf(x.number('dim'), rankOf(self))));
  },
};
