// Products of matrices and sums of products.
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { type TfRow, type TfRows, unsupported } from '../call.ts';
import { activated } from './fused.ts';

/** In which type runtimes multiply others. */
const stand: Readonly<Partial<Record<DataType, DataType>>> = { int8: 'int32', uint8: 'int32', int16: 'int32', uint16: 'int32' };

/** `v` with its last two axes swapped. */
export function swapped(b: Builder, v: Value): Value {
  const rank = rankOf(v);
  return b.Transpose(v, [...range(rank - 2), rank - 1, rank - 2]);
}

const product = (b: Builder, x: Value, y: Value, turnX: boolean, turnY: boolean): Value => {
  const own = elementOf(x);
  const type = stand[own] ?? own;
  const [left, right] = [b.Cast(x, type), b.Cast(y, type)];
  return b.Cast(b.MatMul(turnX ? swapped(b, left) : left, turnY ? swapped(b, right) : right), own);
};

const matmul: TfRow = (x, b) => product(b, x.tensor('a'), x.tensor('b'), x.boolean('transpose_a'), x.boolean('transpose_b'));

const batchMatmul: TfRow = (x, b) => {
  const made = product(b, x.tensor('x'), x.tensor('y'), x.boolean('adj_x'), x.boolean('adj_y'));
  return x.op === 'BatchMatMulV3' ? b.Cast(made, x.type('Tout')) : made;
};

const fusedMatmul: TfRow = (x, b) => {
  const made = product(b, x.tensor('a'), x.tensor('b'), x.boolean('transpose_a'), x.boolean('transpose_b'));
  return activated(b, made, x, false);
};

const einsum: TfRow = (x, b) => {
  const inputs = x.tensors('inputs');
  const equation = x.string('equation').replaceAll(' ', '');
  if (!equation.includes('->')) throw unsupported(`the equation ${equation}`);
  return b.Einsum({ Inputs: inputs }, { equation });
};

const cross: TfRow = (x, b) => {
  const [u, v] = [x.tensor('a'), x.tensor('b')];
  const axis = rankOf(u) - 1;
  const turned = (w: Value, by: number): Value => b.Gather(w, b.ints([by % 3, (by + 1) % 3, (by + 2) % 3]), axis);
  return b.Sub(b.Mul(turned(u, 1), turned(v, 2)), b.Mul(turned(u, 2), turned(v, 1)));
};

export const products: TfRows = {
  MatMul: matmul,
  BatchMatMul: batchMatmul,
  BatchMatMulV2: batchMatmul,
  BatchMatMulV3: batchMatmul,
  _FusedMatMul: fusedMatmul,
  Einsum: einsum,
  Cross: cross,
};
