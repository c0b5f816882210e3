// matmul: row by row; sums of floats are kept in double precision, integers wrap.
import { arrayFor, type TypedArray } from '../ir/tensor.ts';
import { elementTypes } from '../ir/types.ts';
import type { Operand } from './kernel.ts';
import { forEachRow } from './walk.ts';

export function matmul(a: Operand, b: Operand, y: Operand): void {
  const rank = y.shape.length;
  const [m, n, k] = [y.shape[rank - 2]!, y.shape[rank - 1]!, a.shape[rank - 1]!];
  const row: TypedArray = elementTypes[y.type].class === 'float' ? new Float64Array(n) : new (arrayFor(y.type))(n);
  const leading = (v: Operand): { offset: number; strides: readonly number[] } => ({ offset: v.offset, strides: v.strides.slice(0, -2) });
  const axpy = elementTypes[y.type].class === 'float' ? addScaledFloat : elementTypes[y.type].bits === 64 ? addScaledBig : addScaledInt;
  forEachRow(y.shape.slice(0, -2), [leading(a), leading(b), leading(y)], (offsets, batches, steps) => {
    for (let batch = 0; batch < batches; batch++)
      for (let i = 0; i < m; i++) {
        row.fill(elementTypes[y.type].bits === 64 && elementTypes[y.type].class !== 'float' ? (0n as never) : (0 as never));
        const from = offsets[0]! + batch * steps[0]! + i * a.strides[rank - 2]!;
        const across = offsets[1]! + batch * steps[1]!;
        for (let q = 0; q < k; q++)
          axpy(row, a.data[from + q * a.strides[rank - 1]!]!, b.data, across + q * b.strides[rank - 2]!, b.strides[rank - 1]!, n);
        const to = offsets[2]! + batch * steps[2]! + i * y.strides[rank - 2]!;
        for (let j = 0; j < n; j++) y.data[to + j * y.strides[rank - 1]!] = row[j] as never;
      }
  });
}

/** row[j] += factor * x[offset + j * step]. */
type AddScaled = (row: TypedArray, factor: number | bigint, x: TypedArray, offset: number, step: number, n: number) => void;

export const addScaledFloat: AddScaled = (row, factor, x, offset, step, n) => {
  const f = factor as number;
  for (let j = 0; j < n; j++) (row as Float64Array)[j]! += f * (x[offset + j * step] as number);
};
const addScaledInt: AddScaled = (row, factor, x, offset, step, n) => {
  for (let j = 0; j < n; j++) row[j] = ((row[j] as number) + Math.imul(factor as number, x[offset + j * step] as number)) as never;
};
const addScaledBig: AddScaled = (row, factor, x, offset, step, n) => {
  for (let j = 0; j < n; j++) row[j] = ((row[j] as bigint) + (factor as bigint) * (x[offset + j * step] as bigint)) as never;
};
