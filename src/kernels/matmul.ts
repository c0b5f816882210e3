// matmul: sums of floats are kept in double precision, integers wrap.
import { arrayFor, type TypedArray } from '../ir/tensor.ts';
import { elementTypes } from '../ir/types.ts';
import type { Operand } from './kernel.ts';
import { type LoadRows, sumProducts } from './product.ts';
import { forEachRow } from './walk.ts';

export function matmul(a: Operand, b: Operand, y: Operand): void {
  const leading = (v: Operand): { offset: number; strides: readonly number[] } => ({ offset: v.offset, strides: v.strides.slice(0, -2) });
  const multiply = elementTypes[y.type].class === 'float' ? multiplyFloats : multiplyIntegers;
  forEachRow(y.shape.slice(0, -2), [leading(a), leading(b), leading(y)], (offsets, batches, steps) => {
    const at = (v: Operand, k: number, batch: number): Operand => ({ ...v, offset: offsets[k]! + batch * steps[k]! });
    for (let batch = 0; batch < batches; batch++) multiply(at(a, 0, batch), at(b, 1, batch), at(y, 2, batch));
  });
}

/** The matrix of the last two axes at the offset of an operand. */
interface Matrix {
  readonly data: TypedArray;
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  readonly down: number;
  readonly across: number;
}

function matrixOf({ data, offset, shape, strides }: Operand): Matrix {
  const [rows, columns] = shape.slice(-2) as [number, number];
  const [down, across] = strides.slice(-2) as [number, number];
  return { data, offset, rows, columns, down, across };
}

const transposed = (m: Matrix): Matrix => ({ ...m, rows: m.columns, columns: m.rows, down: m.across, across: m.down });

function multiplyFloats(a: Operand, b: Operand, y: Operand): void {
  const to = matrixOf(y);
  const from = matrixOf(a);
  sumProducts(
    to.rows,
    to.columns,
    from.columns,
    rowsOf(from),
    rowsOf(transposed(matrixOf(b))),
    (sums, row, rows, column, columns, stride) => {
      const data = to.data as Float32Array;
      for (let i = 0; i < rows; i++) {
        const start = to.offset + (row + i) * to.down + column * to.across;
        for (let j = 0; j < columns; j++) data[start + j * to.across] = sums[i * stride + j]!;
      }
    },
  );
}

/** Rows of a matrix; whichever of its axes lies closer together in memory is walked innermost. */
function rowsOf({ data, offset, down, across }: Matrix): LoadRows {
  const x = data as Float32Array;
  return (block, from, count, at, length) => {
    const start = offset + from * down + at * across;
    if (Math.abs(across) <= Math.abs(down))
      for (let i = 0; i < count; i++) for (let q = 0; q < length; q++) block[i * length + q] = x[start + i * down + q * across]!;
    else for (let q = 0; q < length; q++) for (let i = 0; i < count; i++) block[i * length + q] = x[start + i * down + q * across]!;
  };
}

function multiplyIntegers(a: Operand, b: Operand, y: Operand): void {
  const [left, right, to] = [matrixOf(a), matrixOf(b), matrixOf(y)];
  const row = new (arrayFor(y.type))(to.columns);
  const addScaled = elementTypes[y.type].bits === 64 ? addScaledBig : addScaledInt;
  for (let i = 0; i < to.rows; i++) {
    row.fill((elementTypes[y.type].bits === 64 ? 0n : 0) as never);
    for (let q = 0; q < left.columns; q++)
      addScaled(
        row,
        left.data[left.offset + i * left.down + q * left.across]!,
        right.data,
        right.offset + q * right.down,
        right.across,
        to.columns,
      );
    for (let j = 0; j < to.columns; j++) to.data[to.offset + i * to.down + j * to.across] = row[j] as never;
  }
}

/** row[j] += factor * x[offset + j * step]. */
type AddScaled = (row: TypedArray, factor: number | bigint, x: TypedArray, offset: number, step: number, n: number) => void;

const addScaledInt: AddScaled = (row, factor, x, offset, step, n) => {
  for (let j = 0; j < n; j++) row[j] = ((row[j] as number) + Math.imul(factor as number, x[offset + j * step] as number)) as never;
};
const addScaledBig: AddScaled = (row, factor, x, offset, step, n) => {
  for (let j = 0; j < n; j++) row[j] = ((row[j] as bigint) + (factor as bigint) * (x[offset + j * step] as bigint)) as never;
};
