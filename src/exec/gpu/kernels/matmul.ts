// matmul: batches of matrices anywhere in memory.
import { placesAt, type Walked } from '../walk.ts';
import { countOf, Lack, type Operand, type Pass, type Writer } from '../writer.ts';
import { narrowProduct, type Product, tiledProduct } from './product.ts';

const leading = (operand: Operand): Walked => ({ operand, axes: operand.shape.slice(0, -2).map((_, axis) => axis) });

function productOf(w: Writer): Product {
  const [a, b, y] = [w.input(0)!, w.input(1)!, w.output(0)];
  const { type } = y;
  if (y.view.type !== type || type === 'bool') throw new Lack(`matmul on ${y.view.type}`);
  const [down, side] = [y.rank - 2, y.rank - 1];
  return {
    type,
    batches: s => countOf(y.bound(s).shape.slice(0, -2)),
    rows: s => y.bound(s).shape[down]!,
    columns: s => y.bound(s).shape[side]!,
    length: s => a.bound(s).shape[side]!,
    isDense: { left: a.view.strides[side] === 1, right: b.view.strides[down] === 1 && b.view.strides[side] !== 1 },
    inBatch: batch => {
      const [to, left, right] = placesAt(w, batch, [y, a, b].map(leading));
      const at = (operand: Operand, from: string, row: string, column: string): string =>
        operand.place(
          new Map([
            [down, row],
            [side, column],
          ]),
          from,
        );
      return {
        left: row => k => a.load(at(a, left!, row, k)),
        right: column => k => b.load(at(b, right!, k, column)),
        finish: (row, column, sum) => y.store(at(y, to!, row, column), sum),
      };
    },
  };
}

export const narrowMatmul = (w: Writer): Pass => narrowProduct(w, productOf(w));
export const tiledMatmul = (w: Writer): Pass => tiledProduct(w, productOf(w));
