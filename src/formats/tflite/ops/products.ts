// Products of matrices.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { rankOf, shapeOf } from '../../../ops/shapes.ts';
import { reshapeTo, sizesOf, swapped } from '../../../ops/sizing.ts';
import { activated, type Row, type Rows, unsupported } from './row.ts';

/** Rows of the weights are outputs. Without `keep_num_dims` all axes but the features become the batch. */
const fullyConnected: Row = (x, b) => {
  const o = x.options('FullyConnectedOptions');
  if (o.weights_format !== 'DEFAULT') throw unsupported(`weights in the order ${o.weights_format}`);
  const [v, bias] = [x.input(0), x.optional(2)];
  const y = o.keep_num_dims
    ? product(b, v, x.permuted(1, [1, 0]), bias)
    : b.Gemm({ A: asRows(b, v, x.input(1)), B: x.input(1), C: bias }, { transB: 1 });
  return activated(b, y, o.fused_activation_function);
};

function product(b: Builder, v: Value, w: Value, bias: Value | undefined): Value {
  const y = b.MatMul(v, w);
  return bias ? b.Add(y, bias) : y;
}

/** The input as rows of as many features as the weights take. */
function asRows(b: Builder, v: Value, w: Value): Value {
  const features = shapeOf(w)[1]!;
  if (rankOf(v) === 2 && shapeOf(v)[1] === features) return v;
  return reshapeTo(b, v, [-1, sizesOf(b, w)[1]!]);
}

const batchMatMul: Row = (x, b) => {
  const { adj_x, adj_y } = x.options('BatchMatMulOptions');
  const turned = (v: Value, isTurned: boolean): Value => (isTurned ? swapped(b, v, -2, -1) : v);
  return b.MatMul(turned(x.input(0), adj_x), turned(x.input(1), adj_y));
};

export const products: Rows = { FULLY_CONNECTED: fullyConnected, BATCH_MATMUL: batchMatMul };
