// Products of quantised matrices: sums of whole numbers, then scales.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { otherComposite } from '../row.ts';
import { elementOf, rankOf } from '../shapes.ts';
import { dequantized, quantized } from './scales.ts';

/** Whole numbers less their zero point, in int32. A vector of zero points belongs to the columns of a right factor. */
function centred(x: Value, zero: Value | undefined, b: Builder): Value {
  const wide = b.Cast(x, 'int32');
  return zero ? b.Sub(wide, b.Cast(zero, 'int32')) : wide;
}

/** Per-column parameters of a stack of matrices: [..., columns] between the rows. */
const acrossRows = (v: Value, x: Value, b: Builder): Value => (rankOf(v) > 1 && rankOf(v) < rankOf(x) ? b.Unsqueeze(v, [-2]) : v);

interface ToFloat {
  readonly A: Value;
  readonly B: Value;
  readonly a_scale: Value;
  readonly b_scale: Value;
  readonly a_zero_point?: Value;
  readonly b_zero_point?: Value;
  readonly bias?: Value;
}

function product(x: ToFloat, b: Builder): Value {
  const A = centred(x.A, x.a_zero_point, b);
  const B = centred(x.B, x.b_zero_point && acrossRows(x.b_zero_point, x.B, b), b);
  const scale = b.Mul(x.a_scale, acrossRows(x.b_scale, x.B, b));
  const y = b.Mul(b.Cast(b.MatMul(A, B), 'float32'), scale);
  return x.bias ? b.Add(y, x.bias) : y;
}

export const quantizedProducts = {
  MatMulIntegerToFloat: otherComposite<ToFloat, object>({ lower: (x, _at, b) => product(x, b) }),
  DynamicQuantizeMatMul: otherComposite<{ A: Value; B: Value; b_scale: Value; b_zero_point?: Value; bias?: Value }, object>({
    lower({ A, B, b_scale, b_zero_point, bias }, _at, b) {
      const { y, y_scale, y_zero_point } = dynamic(A, b);
      return product(
        { A: y, a_scale: y_scale, a_zero_point: y_zero_point, B, b_scale, ...(b_zero_point && { b_zero_point }), ...(bias && { bias }) },
        b,
      );
    },
  }),
  /** With whole activations: those that ONNX Runtime rounds to 8 bits in every step are within that rounding of these. */
  DynamicQuantizeLSTM: otherComposite<QuantizedLstm, LstmAttributes>({
    lower({ W, R, W_scale, W_zero_point, R_scale, R_zero_point, ...x }, at, b) {
      // A scale a direction, or one a gate and direction: along the last axis of [directions, inputs, gates].
      const along = (v: Value): Value => b.Unsqueeze(v, rankOf(v) === 2 ? [1] : [1, 2]);
      const weight = (w: Value, scale: Value, zero: Value): Value => b.Transpose(dequantized(w, along(scale), along(zero), b), [0, 2, 1]);
      const inputs = [
        x.X,
        weight(W, W_scale, W_zero_point),
        weight(R, R_scale, R_zero_point),
        x.B,
        x.sequence_lens,
        x.initial_h,
        x.initial_c,
        x.P,
      ];
      return b.emit('LSTM', inputs, { ...at }, { outputs: ['Y', 'Y_h', 'Y_c'] });
    },
  }),
  MatMulInteger16: otherComposite<{ A: Value; B: Value }, object>({
    lower: ({ A, B }, _at, b) => b.MatMul(b.Cast(A, 'int32'), b.Cast(B, 'int32')),
  }),
  QGemm: otherComposite<
    {
      A: Value;
      a_scale: Value;
      a_zero_point: Value;
      B: Value;
      b_scale: Value;
      b_zero_point: Value;
      C?: Value;
      y_scale?: Value;
      y_zero_point?: Value;
    },
    { alpha: number; transA: number; transB: number }
  >({
    lower(x, { alpha, transA, transB }, b) {
      if (rankOf(x.A) !== 2 || rankOf(x.B) !== 2) throw fail('E1305', 'QGemm: expected matrices');
      const turned = (v: Value, on: number): Value => (on ? b.Transpose(v, [1, 0]) : v);
      const sums = b.MatMul(centred(turned(x.A, transA), x.a_zero_point, b), centred(turned(x.B, transB), x.b_zero_point, b));
      const scale = b.Mul(b.Mul(x.a_scale, x.b_scale), b.constant(alpha, 'float32'));
      const y = b.Mul(b.Cast(x.C ? b.Add(sums, x.C) : sums, 'float32'), scale);
      return x.y_scale ? quantized(y, x.y_scale, x.y_zero_point, x.y_zero_point ? elementOf(x.y_zero_point) : 'uint8', b) : y;
    },
  }),
};

interface QuantizedLstm {
  readonly X: Value;
  readonly W: Value;
  readonly R: Value;
  readonly B?: Value;
  readonly sequence_lens?: Value;
  readonly initial_h?: Value;
  readonly initial_c?: Value;
  readonly P?: Value;
  readonly W_scale: Value;
  readonly W_zero_point: Value;
  readonly R_scale: Value;
  readonly R_zero_point: Value;
}
interface LstmAttributes {
  readonly activation_alpha?: readonly number[];
  readonly activation_beta?: readonly number[];
  readonly activations?: readonly string[];
  readonly clip?: number;
  readonly direction: string;
  readonly hidden_size?: number;
  readonly input_forget: number;
}

/** A tensor in uint8 over its own range, with 0 in it. */
function dynamic(x: Value, b: Builder): { y: Value; y_scale: Value; y_zero_point: Value } {
  const axes = Array.from({ length: rankOf(x) }, (_, i) => i);
  const zero = b.constant(0, 'float32');
  const low = b.Min(b.ReduceMin(x, { axes, keepdims: 0 }), zero);
  const high = b.Max(b.ReduceMax(x, { axes, keepdims: 0 }), zero);
  const range = b.Div(b.Sub(high, low), b.constant(255, 'float32'));
  const y_scale = b.Where(b.Equal(range, zero), b.constant(1, 'float32'), range);
  const y_zero_point = b.Cast(b.Round(b.Neg(b.Div(low, y_scale))), 'uint8');
  return { y: quantized(x, y_scale, y_zero_point, 'uint8', b), y_scale, y_zero_point };
}
