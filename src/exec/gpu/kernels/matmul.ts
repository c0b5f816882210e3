// matmul: batches of matrices anywhere in memory.
import { placesAt, type Walked } from '../walk.ts';
import { countOf, Lack, type Operand, type Pass, type Size, type Writer } from '../writer.ts';
import { endingOf } from './ending.ts';
import { type Block, blockProduct, inSteps, narrowProduct, type Product, tiledProduct } from './product.ts';

const leading = (operand: Operand): Walked => ({ operand, axes: operand.shape.slice(0, -2).map((_, axis) => axis) });

function productOf(w: Writer): Product {
  const [a, b] = [w.input(0)!, w.input(1)!];
  const { type } = a;
  if (a.view.type !== type || type === 'bool') throw new Lack(`matmul on ${a.view.type}`);
  const ending = endingOf(w, type);
  const [y] = ending.operands;
  const [down, side] = [y.rank - 2, y.rank - 1];
  const length: Size = s => a.bound(s).shape[side]!;
  return {
    type,
    batches: s => countOf(y.bound(s).shape.slice(0, -2)),
    rows: s => y.bound(s).shape[down]!,
    columns: s => y.bound(s).shape[side]!,
    length,
    isDense: { left: a.view.strides[side] === 1, right: b.view.strides[down] === 1 && b.view.strides[side] !== 1 },
    inBatch: batch => {
      const bases = placesAt(w, batch, [...ending.operands, a, b].map(leading));
      const [left, right] = bases.slice(-2);
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
        walk(rows, columns, take) {
          const [lines, sides] = [
            rows.map(row => w.let('index', at(a, left!, row, '0'))),
            columns.map(column => w.let('index', at(b, right!, '0', column))),
          ];
          inSteps(w, w.parameter('length', length), a.shape[side]!, k => {
            const [atA, atB] = [w.let('index', `${k} * ${a.stride(side)}`), w.let('index', `${k} * ${b.stride(down)}`)];
            take(
              lines.map(line => w.let(type, a.load(`${line} + ${atA}`))),
              sides.map(line => w.let(type, b.load(`${line} + ${atB}`))),
            );
          });
        },
        finish: (row, column, sum) =>
          ending.finish(
            ending.operands.map((o, k) => w.let('index', at(o, bases[k]!, row, column))),
            sum,
          ),
      };
    },
  };
}

export const narrowMatmul = (w: Writer): Pass => narrowProduct(w, productOf(w));
export const tiledMatmul = (w: Writer): Pass => tiledProduct(w, productOf(w));
export const blockMatmul = (w: Writer, block: Block): Pass => blockProduct(w, productOf(w), block);
