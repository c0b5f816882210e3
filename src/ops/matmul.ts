// Matrix products.

import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import { formatShape, type Shape, tensorType } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import { broadcastViews, dropAxes, unsqueezeView } from '../kernels/views.ts';
import type { Family } from './row.ts';
import { broadcastShapes, elementOf, shapeOf, typeOf } from './shapes.ts';

/** NumPy's matmul: vectors are rows on the left and columns on the right, leading axes broadcast. */
export function productShape(a: Shape, b: Shape): Shape {
  if (a.length === 0 || b.length === 0) throw fail('E1305', `MatMul takes no scalars, got ${formatShape(a)} and ${formatShape(b)}`);
  const inner = [a.at(-1)!, b.length === 1 ? b[0]! : b.at(-2)!];
  if (inner.every(d => typeof d === 'number') && inner[0] !== inner[1])
    throw fail('E1305', `MatMul: ${formatShape(a)} and ${formatShape(b)} have different inner sizes`);
  const leading = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
  return [...leading, ...(a.length > 1 ? [a.at(-2)!] : []), ...(b.length > 1 ? [b.at(-1)!] : [])];
}

export const products = {
  MatMul: {
    infer({ A, B }) {
      const [a, b] = [typeOf(A).shape, typeOf(B).shape];
      return [a && b ? tensorType(elementOf(A), productShape(a, b)) : tensorType(elementOf(A))];
    },
    plan({ A, B }, _at, e) {
      const a = A.shape.length === 1 ? unsqueezeView(A, [0]) : A;
      const b = B.shape.length === 1 ? unsqueezeView(B, [1]) : B;
      const leading = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
      const y = e.alloc(A.type, [...leading, a.shape.at(-2)!, b.shape.at(-1)!]);
      e.equal(a.shape.at(-1)!, b.shape.at(-2)!);
      const spread = (v: View): View => broadcastViews(e, [v], [...leading, ...v.shape.slice(-2)])[0]!;
      e.step({ kind: 'matmul' }, [spread(a), spread(b)], [y]);
      const rank = y.shape.length;
      return [dropAxes(y, [...(A.shape.length === 1 ? [rank - 2] : []), ...(B.shape.length === 1 ? [rank - 1] : [])])];
    },
  },
  Gemm: {
    infer({ A, B }, { transA, transB }) {
      const [a, b] = [shapeOf(A), shapeOf(B)];
      if (a.length !== 2 || b.length !== 2) throw fail('E1305', `Gemm: A ${formatShape(a)} and B ${formatShape(b)} must have rank 2`);
      productShape(transA ? [...a].reverse() : a, transB ? [...b].reverse() : b);
      return [tensorType(elementOf(A), [a[transA ? 1 : 0]!, b[transB ? 0 : 1]!])];
    },
    lower({ A, B, C }, { alpha, beta, transA, transB }, b) {
      const turn = (v: Value, on: number): Value => (on ? b.Transpose(v, [1, 0]) : v);
      const scale = (v: Value, by: number): Value => (by === 1 ? v : b.Mul(v, b.like(by, v)));
      const y = scale(b.MatMul(turn(A, transA), turn(B, transB)), alpha);
      return C && beta !== 0 ? b.Add(y, scale(C, beta)) : y;
    },
  },
} satisfies Family;
