// Matrix products.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { rankOf } from '../../../ops/shapes.ts';
import { reshapeTo, swapped } from '../../../ops/sizing.ts';
import { type GradientFamily, type Pulled, rule } from '../row.ts';

const turned = (b: Builder, v: Value): Value => swapped(b, v, -1, -2);

/** All axes but the last joined. */
const flat = (b: Builder, v: Value): Value => reshapeTo(b, v, [-1, b.dim(v, -1)]);

/** The operands and the gradient with an axis of size 1 where a vector lacks it. */
function asMatrices({ x: { A, B }, g, b }: Pulled<'MatMul'>): { A: Value; B: Value; g: Value } {
  const isRow = rankOf(A) === 1;
  const isColumn = rankOf(B) === 1;
  const rows = isRow ? b.Unsqueeze(g, [isColumn ? -1 : -2]) : g;
  return {
    A: isRow ? b.Unsqueeze(A, [0]) : A,
    B: isColumn ? b.Unsqueeze(B, [1]) : B,
    g: isColumn ? b.Unsqueeze(rows, [-1]) : rows,
  };
}

export const products = {
  MatMul: rule(
    c => {
      const { b } = c;
      const { A, B, g } = asMatrices(c);
      // A vector's batch axes lie before its own in the product with the others, and are summed as broadcast.
      return {
        A: () => (A === c.x.A ? b.MatMul(g, turned(b, B)) : b.Squeeze(b.MatMul(g, turned(b, B)), [-2])),
        B() {
          if (B !== c.x.B) return b.Squeeze(b.MatMul(turned(b, A), g), [-1]);
          // Of one matrix for all batches the sum over these is part of the product.
          const [left, right] = rankOf(B) === 2 && rankOf(A) > 2 ? [flat(b, A), flat(b, g)] : [A, g];
          return b.MatMul(turned(b, left), right);
        },
      };
    },
    { broadcasts: true },
  ),
  Gemm: rule(
    ({ x: { A, B }, at: { alpha, beta, transA, transB }, g, b }) => {
      const product = (p: Value, q: Value, at: { transA?: number; transB?: number }): Value => b.Gemm({ A: p, B: q }, { alpha, ...at });
      return {
        A: () => (transA ? product(B, g, { transA: transB, transB: 1 }) : product(g, B, { transB: transB ? 0 : 1 })),
        B: () => (transB ? product(g, A, { transA: 1, transB: transA }) : product(A, g, { transA: transA ? 0 : 1 })),
        C: () => (beta === 1 ? g : b.Mul(g, b.like(beta, g))),
      };
    },
    { broadcasts: true },
  ),
} satisfies GradientFamily;
