// Operators on quantised tensors: what the numbers stand for, the operator, the nearest quantised numbers.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { windowOf } from '../quantize.ts';
import { otherComposite } from '../row.ts';
import { axisOf, elementOf, range, rankOf } from '../shapes.ts';
import { type ConvolutionAttributes, channelsFirst, channelsLast } from './linear.ts';
import { centred, dequantized, nearest, quantized } from './scales.ts';

interface Two {
  readonly A: Value;
  readonly A_scale: Value;
  readonly A_zero_point?: Value;
  readonly B: Value;
  readonly B_scale: Value;
  readonly B_zero_point?: Value;
  readonly C_scale: Value;
  readonly C_zero_point?: Value;
}

interface One {
  readonly X: Value;
  readonly scale: Value;
  readonly zero?: Value | undefined;
  readonly yScale: Value;
  readonly yZero?: Value | undefined;
}

/** The schemas spell the parameters of one input in three ways. */
interface Spelled {
  readonly X: Value;
  readonly X_scale?: Value;
  readonly x_scale?: Value;
  readonly X_zero_point?: Value;
  readonly x_zero_point?: Value;
  readonly Y_scale?: Value;
  readonly y_scale?: Value;
  readonly Y_zero_point?: Value;
  readonly y_zero_point?: Value;
}
const parametersOf = (x: Spelled): One => ({
  X: x.X,
  scale: (x.X_scale ?? x.x_scale)!,
  zero: x.X_zero_point ?? x.x_zero_point,
  yScale: (x.Y_scale ?? x.y_scale)!,
  yZero: x.Y_zero_point ?? x.y_zero_point,
});

const unary = <A>(op: (x: Value, at: A, b: Builder) => Value) =>
  otherComposite<Spelled, A>({
    lower(x, at, b) {
      const { X, scale, zero, yScale, yZero } = parametersOf(x);
      return quantized(op(dequantized(X, scale, zero, b), at, b), yScale, yZero, elementOf(X), b);
    },
  });

interface Pool {
  readonly auto_pad?: string;
  readonly ceil_mode?: number;
  readonly count_include_pad?: number;
  readonly kernel_shape: readonly number[];
  readonly pads?: readonly number[];
  readonly strides?: readonly number[];
  readonly channels_last: number;
}

/** An operator over channels-first tensors, whatever the layout is. */
const inLayout = (x: Value, channels_last: number, b: Builder, op: (x: Value) => Value): Value =>
  channels_last ? channelsLast(op(channelsFirst(x, b)), b) : op(x);

/** Axes that Softmax normalises over: one since opset 13, all from the axis on before. */
function softmaxAxes(x: Value, axis: number, opset: number): number[] {
  const from = axisOf(axis, rankOf(x));
  return opset < 13 ? range(rankOf(x) - from, from) : [from];
}

export const quantizedOperators = {
  QLinearAdd: otherComposite<Two, object>({
    lower(x, _at, b) {
      const sum = b.Add(dequantized(x.A, x.A_scale, x.A_zero_point, b), dequantized(x.B, x.B_scale, x.B_zero_point, b));
      return nearest(b.Div(sum, x.C_scale), x.C_zero_point, elementOf(x.A), b);
    },
  }),
  /** The product of whole numbers is exact; one factor makes it one of steps of C. */
  QLinearMul: otherComposite<Two, object>({
    lower(x, _at, b) {
      const product = b.Mul(centred(x.A, x.A_zero_point, b), centred(x.B, x.B_zero_point, b));
      const steps = b.Mul(product, b.Div(b.Mul(x.A_scale, x.B_scale), x.C_scale));
      return nearest(steps, x.C_zero_point, elementOf(x.A), b);
    },
  }),
  QLinearSigmoid: unary<object>((x, _at, b) => b.Sigmoid(x)),
  QLinearLeakyRelu: unary<{ alpha: number }>((X, { alpha }, b) => b.LeakyRelu({ X }, { alpha })),
  QLinearAveragePool: unary<Pool>((x, { channels_last, ...at }, b) =>
    inLayout(x, channels_last, b, X => b.emit('AveragePool', [X], { ...at })[0]!),
  ),
  QLinearGlobalAveragePool: unary<{ channels_last: number }>((x, { channels_last }, b) =>
    inLayout(x, channels_last, b, X => b.GlobalAveragePool({ X })),
  ),
  QLinearSoftmax: unary<{ axis: number; opset: number }>((x, { axis, opset }, b) => {
    const axes = softmaxAxes(x, axis, opset);
    const e = b.Exp(b.Sub(x, b.ReduceMax(x, { axes })));
    return b.Div(e, b.ReduceSum(e, { axes }));
  }),
  QLinearReduceMean: otherComposite<
    { data: Value; data_scale: Value; data_zero_point?: Value; reduced_scale: Value; reduced_zero_point?: Value },
    { axes: readonly number[]; keepdims: number }
  >({
    lower(x, { axes, keepdims }, b) {
      const data = dequantized(x.data, x.data_scale, x.data_zero_point, b);
      const mean = b.ReduceMean({ data, axes: b.ints(axes.length > 0 ? axes : range(rankOf(data))) }, { keepdims });
      return quantized(mean, x.reduced_scale, x.reduced_zero_point, elementOf(x.data), b);
    },
  }),
  QLinearConcat: otherComposite<{ Y_scale: Value; Y_zero_point: Value; inputs: readonly Value[] }, { axis: number }>({
    lower({ Y_scale, Y_zero_point, inputs }, { axis }, b) {
      if (inputs.length % 3 !== 0) throw fail('E1302', 'QLinearConcat: expected a tensor, a scale and a zero point each');
      const parts = range(inputs.length / 3).map(i => dequantized(inputs[3 * i]!, inputs[3 * i + 1]!, inputs[3 * i + 2], b));
      return quantized(b.Concat(parts, axis), Y_scale, Y_zero_point, elementOf(Y_zero_point), b);
    },
  }),
  QLinearWhere: otherComposite<
    {
      condition: Value;
      X: Value;
      x_scale: Value;
      x_zero_point: Value;
      Y: Value;
      y_scale: Value;
      y_zero_point: Value;
      z_scale: Value;
      z_zero_point: Value;
    },
    object
  >({
    lower(x, _at, b) {
      const [yes, no] = [dequantized(x.X, x.x_scale, x.x_zero_point, b), dequantized(x.Y, x.y_scale, x.y_zero_point, b)];
      return quantized(b.Where(x.condition, yes, no), x.z_scale, x.z_zero_point, elementOf(x.X), b);
    },
  }),
  QLinearConv: otherComposite<QuantizedConvolution, ConvolutionAttributes & { channels_last: number }>({
    lower: (x, { channels_last, ...at }, b) => inLayout(x.x, channels_last, b, first => b.QLinearConv({ ...x, x: first }, windowOf(at))),
  }),
  QuantizeLinear: otherComposite<{ x: Value; y_scale: Value; y_zero_point?: Value }, { axis?: number }>({
    lower({ x, y_scale, y_zero_point }, { axis }, b) {
      const along = alongAxis(x, axis, b);
      return quantized(x, along(y_scale), y_zero_point && along(y_zero_point), y_zero_point ? elementOf(y_zero_point) : 'uint8', b);
    },
  }),
  DequantizeLinear: otherComposite<{ x: Value; x_scale: Value; x_zero_point?: Value }, { axis?: number }>({
    lower({ x, x_scale, x_zero_point }, { axis }, b) {
      const along = alongAxis(x, axis, b);
      return dequantized(x, along(x_scale), x_zero_point && along(x_zero_point), b);
    },
  }),
};

interface QuantizedConvolution {
  readonly x: Value;
  readonly x_scale: Value;
  readonly x_zero_point: Value;
  readonly w: Value;
  readonly w_scale: Value;
  readonly w_zero_point: Value;
  readonly y_scale: Value;
  readonly y_zero_point: Value;
  readonly B?: Value;
}

/** Scales as they broadcast with `x`: one number, or a vector along an axis. */
const alongAxis = (x: Value, axis: number | undefined, b: Builder): ((v: Value) => Value) => {
  const on = axisOf(axis ?? 1, Math.max(rankOf(x), 2));
  const after = rankOf(x) - 1 - on;
  return v => (rankOf(v) === 1 && after > 0 ? b.Unsqueeze(v, range(after, 1)) : v);
};
