// Quantised operators: integers, or floats of few bits, that stand for (x - zero point) * scale. Bodies over the core; sums are exact
// in int32, where they may wrap.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import { type DataType, dataTypeOfCode, elementTypes, formatShape, isFloat } from '../ir/types.ts';
import type { Builder } from './builder.ts';
import { gapTypes } from './gap-types.ts';
import { count } from './generate.ts';
import type { At, Family } from './row.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from './shapes.ts';

interface Granularity {
  readonly axis: number;
  readonly block_size: number;
}

/** A scale or zero point shaped to broadcast over `x`: of the whole tensor, of each index of an axis, or of each block along it. */
function over(x: Value, v: Value, { axis, block_size }: Granularity, b: Builder): Value {
  const [rank, own] = [rankOf(x), rankOf(v)];
  if (own === 0) return v;
  if (block_size > 0 && own === rank) {
    const on = axisOf(axis, rank);
    return b.Gather(v, b.Div(count(b, b.dim(x, on)), b.constant(block_size, 'int64')), on);
  }
  if (own !== 1) throw fail('E1305', `a scale of shape ${formatShape(shapeOf(v))} needs a block_size for ${formatShape(shapeOf(x))}`);
  if (rank < 2) return rank === 0 ? b.Squeeze(v, [0]) : v;
  return spread(v, rank - 1 - axisOf(axis, rank), b);
}

/** `v` with more axes of size 1 after its own. */
const spread = (v: Value, more: number, b: Builder): Value => (more > 0 ? b.Unsqueeze(v, range(more, rankOf(v))) : v);

/** A number for each row of `x`, where it is a vector. */
const perRow = (x: Value, v: Value, b: Builder): Value => (rankOf(v) === 1 && rankOf(x) > 1 ? b.Unsqueeze(v, [1]) : v);
/** A number for each output channel of a weight with as many axes as `w`, where it is a vector. */
const perChannel = (w: Value, v: Value, b: Builder): Value => (rankOf(v) === 1 ? spread(v, rankOf(w) - 1, b) : v);

/** x minus its zero point, exactly, in a type that holds it. */
function centred(x: Value, zero: Value | undefined, type: DataType, b: Builder): Value {
  const wide = b.Cast(x, type);
  return zero ? b.Sub(wide, b.Cast(zero, type)) : wide;
}

/** To the quantised type: halves to even, plus the zero point, within the type's range. */
function quantised(q: Value, zero: Value | undefined, to: DataType, b: Builder, saturate = 1): Value {
  if (isFloat(to)) {
    // Subtracting the negative keeps the sign of a zero where the zero point is 0, as adding does not.
    const shifted = zero ? b.Sub(q, b.Sub(b.like(0, q), b.Cast(zero, elementOf(q)))) : q;
    return b.emit('Cast', [shifted], { to: elementTypes[to].code, saturate })[0]!;
  }
  const rounded = b.Cast(b.Round(q), elementOf(q) === 'float64' ? 'float64' : 'float32');
  const shifted = zero ? b.Add(rounded, b.Cast(zero, elementOf(rounded))) : rounded;
  const { bits, class: kind } = elementTypes[to];
  const low = kind === 'int' ? -(2 ** (bits - 1)) : 0;
  return b.Cast(b.Min(b.Max(shifted, b.like(low, rounded)), b.like(low + 2 ** bits - 1, rounded)), to);
}

/** The type in which x is divided by its scale; a scale that has no division of its own is divided by in float32. */
function precisionOf(scale: Value, precision: number): DataType {
  const own = precision ? dataTypeOfCode(precision) : elementOf(scale);
  return own === 'float16' || own === 'bfloat16' || own === 'float64' ? own : 'float32';
}

function quantisedType(zero: Value | undefined, code: number): DataType {
  const given = zero && elementOf(zero);
  const asked = code ? dataTypeOfCode(code) : undefined;
  if (given && asked && given !== asked) throw fail('E1304', `QuantizeLinear: output_dtype ${asked} and a zero point of ${given}`);
  return given ?? asked ?? 'uint8';
}

export const quantized = {
  QuantizeLinear: {
    keepsHalves: true,
    infer: gapTypes.QuantizeLinear,
    lower({ x, y_scale, y_zero_point }, at, b) {
      const to = quantisedType(y_zero_point, at.output_dtype);
      const precision = precisionOf(y_scale, at.precision);
      const q = b.Div(b.Cast(x, precision), over(x, b.Cast(y_scale, precision), at, b));
      return quantised(q, y_zero_point && over(x, y_zero_point, at, b), to, b, at.saturate);
    },
  },
  DequantizeLinear: {
    keepsHalves: true,
    infer: gapTypes.DequantizeLinear,
    lower({ x, x_scale, x_zero_point }, at, b) {
      const type = elementOf(x);
      const number = isFloat(type) || !x_zero_point ? 'float32' : 'int32';
      const difference = centred(x, x_zero_point && over(x, x_zero_point, at, b), number, b);
      const y = b.Mul(b.Cast(difference, 'float32'), over(x, b.Cast(x_scale, 'float32'), at, b));
      return b.Cast(y, (at.output_dtype && dataTypeOfCode(at.output_dtype)) || elementOf(x_scale));
    },
  },
  DynamicQuantizeLinear: {
    infer: gapTypes.DynamicQuantizeLinear,
    lower({ x }, _at, b) {
      const [zero, largest] = [b.like(0, x), b.like(255, x)];
      const at = { axes: range(rankOf(x)), keepdims: 0 };
      const low = b.Min(b.ReduceMin(x, at), zero);
      const span = b.Sub(b.Max(b.ReduceMax(x, at), zero), low);
      const y_scale = b.Where(b.Equal(span, zero), b.like(1, x), b.Div(span, largest));
      const start = b.Sub(zero, b.Div(low, y_scale));
      const y_zero_point = b.Cast(b.Round(b.Min(b.Max(start, zero), largest)), 'uint8');
      return { y: b.QuantizeLinear({ x, y_scale, y_zero_point }), y_scale, y_zero_point };
    },
  },
  MatMulInteger: {
    infer: gapTypes.MatMulInteger,
    lower({ A, B, a_zero_point, b_zero_point }, _at, b) {
      const rows = a_zero_point && perRow(A, a_zero_point, b);
      return b.MatMul(centred(A, rows, 'int32', b), centred(B, b_zero_point, 'int32', b));
    },
  },
  ConvInteger: {
    infer: gapTypes.ConvInteger,
    // In float64, which holds every sum below 2^53: the standard has no convolution of integers to say it by.
    lower({ x, w, x_zero_point, w_zero_point }, at, b) {
      const channels = w_zero_point && perChannel(w, w_zero_point, b);
      const y = b.emit('Conv', [centred(x, x_zero_point, 'float64', b), centred(w, channels, 'float64', b)], windowOf(at))[0]!;
      return b.Cast(b.Cast(y, 'int64'), 'int32');
    },
  },
  QLinearMatMul: {
    keepsHalves: true,
    infer: gapTypes.QLinearMatMul,
    lower(x, _at, b) {
      const wide = (v: Value): DataType => (isFloat(elementOf(v)) ? 'float32' : 'int32');
      const number = wide(x.a) === wide(x.b) ? wide(x.a) : 'float32';
      const rows = (v: Value): Value => perRow(x.a, v, b);
      const sums = b.MatMul(centred(x.a, rows(x.a_zero_point), number, b), centred(x.b, x.b_zero_point, number, b));
      const scale = b.Cast(b.Div(b.Mul(rows(x.a_scale), x.b_scale), rows(x.y_scale)), 'float32');
      return quantised(b.Mul(b.Cast(sums, 'float32'), scale), rows(x.y_zero_point), elementOf(x.y_zero_point), b);
    },
  },
  QLinearConv: {
    infer: gapTypes.QLinearConv,
    lower({ x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B }, at, b) {
      const products = b.ConvInteger({ x, w, x_zero_point, w_zero_point }, windowOf(at));
      const spatial = rankOf(w) - 2;
      const sums = B ? b.Add(products, spread(B, spatial, b)) : products;
      const weights = rankOf(w_scale) === 1 ? spread(w_scale, spatial, b) : w_scale;
      const scale = b.Div(b.Mul(x_scale, weights), y_scale);
      return quantised(b.Mul(b.Cast(sums, 'float32'), scale), y_zero_point, elementOf(y_zero_point), b);
    },
  },
} satisfies Family;

/** The attributes of a convolution, and no others. */
export const windowOf = ({ auto_pad, dilations, group, kernel_shape, pads, strides }: Partial<At<'ConvInteger'>>) => ({
  auto_pad,
  dilations,
  group,
  kernel_shape,
  pads,
  strides,
});
