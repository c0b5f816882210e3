// copy, fill, values and gather: elements that move and are not computed.
import { fail } from '../errors.ts';
import type { Operand } from './kernel.ts';
import { reinterpret } from './memory.ts';
import { encodeElement } from './storage.ts';
import { forEachRow } from './walk.ts';

/** Between types of one width the bits stay as they are. */
export function copy(from: Operand, y: Operand): void {
  const x = from.type === y.type ? from : { ...from, data: reinterpret(from.data, from.type, y.type) as Operand['data'] };
  forEachRow(y.shape, [x, y], ([from, to], n, [dx, dy]) => {
    if (dx === 1 && dy === 1 && ArrayBuffer.isView(y.data)) y.data.set(x.data.subarray(from!, from! + n) as never, to!);
    else for (let i = 0; i < n; i++) y.data[to! + i * dy!] = x.data[from! + i * dx!] as never;
  });
}

export function fill(value: number | bigint, y: Operand): void {
  const element = encodeElement(y.type, value);
  forEachRow(y.shape, [y], ([to], n, [dy]) => {
    for (let i = 0; i < n; i++) y.data[to! + i * dy!] = element as never;
  });
}

/** Numbers that are already of a type the output holds, in row-major order. */
export function values(numbers: readonly number[], y: Operand): void {
  const isBig = y.data instanceof BigInt64Array || y.data instanceof BigUint64Array;
  let next = 0;
  forEachRow(y.shape, [y], ([to], n, [dy]) => {
    for (let i = 0; i < n; i++) y.data[to! + i * dy!] = (isBig ? BigInt(numbers[next++]!) : numbers[next++]!) as never;
  });
}

export function gather(axis: number, x: Operand, indices: Operand, y: Operand): void {
  const size = x.shape[axis]!;
  const rank = indices.shape.length;
  const before = y.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  forEachRow(indices.shape, [indices, { offset: y.offset, strides: y.strides.slice(axis, axis + rank) }], ([from, to], n, [di, dy]) => {
    for (let i = 0; i < n; i++) {
      const index = Number(indices.data[from! + i * di!]);
      const at = index < 0 ? index + size : index;
      if (!(at >= 0 && at < size)) throw fail('E3006', `index ${index} is outside axis ${axis} of size ${size}`);
      copy(
        {
          ...x,
          offset: x.offset + at * x.strides[axis]!,
          shape: [...before, ...after],
          strides: [...x.strides.slice(0, axis), ...x.strides.slice(axis + 1)],
        },
        {
          ...y,
          offset: to! + i * dy!,
          shape: [...before, ...after],
          strides: [...y.strides.slice(0, axis), ...y.strides.slice(axis + rank)],
        },
      );
    }
  });
}
