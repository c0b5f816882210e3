// ATen overloads about diagonals and triangles of matrices.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, atLeast, dimOf, iota, minSizes, mulSizes, permuted, reshapeTo, shaped, sizeScalar } from '../../../ops/sizing.ts';
import { resultType, scalarOf } from './operands.ts';
import type { AtenRow, AtenRows } from './row.ts';

/** The elements (i, i + offset) of the matrices over two axes, as the last axis: every (columns + 1)th of the flat matrix. */
export function diagonalOf(b: Builder, x: Value, offset: number, dim1: number, dim2: number): Value {
  const rank = rankOf(x);
  const [row, column] = [axisOf(dim1, rank), axisOf(dim2, rank)];
  const others = range(rank).filter(axis => axis !== row && axis !== column);
  const matrices = permuted(b, x, [...others, row, column]);
  const [rows, columns] = [b.dim(x, row), b.dim(x, column)];
  const sizes = others.map(axis => b.dim(x, axis));
  const flat = reshapeTo(b, matrices, [...sizes, mulSizes(b, rows, columns)]);
  const fitting = minSizes(b, addSizes(b, rows, Math.min(offset, 0)), addSizes(b, columns, -Math.max(offset, 0)));
  const length = typeof fitting === 'number' ? Math.max(fitting, 0) : fitting;
  const first = offset >= 0 ? offset : mulSizes(b, columns, -offset);
  const step = addSizes(b, columns, 1);
  const end = addSizes(b, first, mulSizes(b, length, step));
  const y = b.emit('Slice', [flat, b.sizes([first]), b.sizes([end]), b.ints([others.length]), b.sizes([step])])[0]!;
  return shaped(y, [...others.map(axis => shapeOf(x)[axis]!), dimOf(length)]);
}

/** Matrices, over two axes of the result, whose diagonal is the last axis of `x`. */
function diagonalMatrices(b: Builder, x: Value, offset: number, dim1: number, dim2: number): Value {
  const rank = rankOf(x) + 1;
  const [row, column] = [axisOf(dim1, rank), axisOf(dim2, rank)];
  const size = addSizes(b, b.dim(x, -1), Math.abs(offset));
  const pads = b.ints(offset > 0 ? [offset, 0] : [0, -offset]);
  const columns = offset === 0 ? x : b.Pad({ data: x, pads, axes: b.ints([rank - 2]) });
  const places = iota(b, size);
  const columnsOfRows = offset === 0 ? places : b.Add(places, b.constant(offset, 'int64'));
  const isDiagonal = b.Equal(b.Unsqueeze(columnsOfRows, [1]), places);
  const matrices = b.Where(isDiagonal, b.Unsqueeze(columns, [rank - 2]), scalarOf(b, 0, elementOf(x)));
  const others = range(rank - 2);
  const perm = range(rank).map(axis => (axis === row ? rank - 2 : axis === column ? rank - 1 : others.shift()!));
  return permuted(b, shaped(matrices, [...shapeOf(x).slice(0, -1), dimOf(size), dimOf(size)]), perm);
}

const diagonal =
  (name: string): AtenRow =>
  (x, b) =>
    diagonalOf(b, x.tensor(name), x.number('offset'), x.number('dim1'), x.number('dim2'));

const blockDiagonal: AtenRow = (x, b) => {
  const type = resultType(x.tensors('tensors'));
  const blocks = x.tensors('tensors').map(tensor => atLeast(b, b.Cast(tensor, type), 2));
  const widths = blocks.map(block => b.dim(block, 1));
  const total = (sizes: readonly Size[]): Size => sizes.reduce<Size>((sum, size) => addSizes(b, sum, size), 0);
  const rows = blocks.map((data, i) => {
    const pads = [total(widths.slice(0, i)), total(widths.slice(i + 1))];
    if (pads.every(size => size === 0)) return data;
    return shaped(b.Pad({ data, pads: b.sizes(pads), axes: b.ints([1]) }), [shapeOf(data)[0]!, dimOf(total(widths))]);
  });
  return rows.length === 1 ? rows[0]! : b.Concat(rows, 0);
};

const triangle =
  (upper: 0 | 1): AtenRow =>
  (x, b) => {
    const k = x.size('diagonal');
    return b.Trilu({ input: x.tensor('self'), k: k === 0 ? undefined : sizeScalar(b, k) }, { upper });
  };

const triangleIndices =
  (isInside: (row: number, column: number, offset: number) => boolean): AtenRow =>
  (x, b) => {
    const [rows, columns, offset] = [x.number('row'), x.number('col'), x.number('offset')];
    const places = range(rows).flatMap(row =>
      range(columns)
        .filter(column => isInside(row, column, offset))
        .map(column => [row, column] as const),
    );
    // Without a type the schema's default is a number of PyTorch's own, which stands for int64.
    const type = typeof x.any('dtype') === 'number' ? 'int64' : (x.element('dtype') ?? 'int64');
    return b.constant([...places.map(([row]) => row), ...places.map(([, column]) => column)], type, [2, places.length]);
  };

export const diagonals: AtenRows = {
  'diagonal.default': diagonal('self'),
  'linalg_diagonal.default': diagonal('A'),
  'diag.default': (x, b) => {
    const [self, offset] = [x.tensor('self'), x.number('diagonal')];
    return rankOf(self) === 1 ? diagonalMatrices(b, self, offset, 0, 1) : diagonalOf(b, self, offset, 0, 1);
  },
  'diag_embed.default': (x, b) => diagonalMatrices(b, x.tensor('self'), x.number('offset'), x.number('dim1'), x.number('dim2')),
  'diagflat.default': (x, b) => diagonalMatrices(b, reshapeTo(b, x.tensor('self'), [-1]), x.number('offset'), 0, 1),
  'block_diag.default': blockDiagonal,
  'tril.default': triangle(0),
  'triu.default': triangle(1),
  'tril_indices.default': triangleIndices((row, column, offset) => column <= row + offset),
  'triu_indices.default': triangleIndices((row, column, offset) => column >= row + offset),
};
