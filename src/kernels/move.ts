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
  const shape = [...y.shape.slice(0, axis), ...x.shape.slice(axis + 1)];
  const from: Operand = { ...x, shape, strides: x.strides.toSpliced(axis, 1) };
  const to: Operand = { ...y, shape, strides: y.strides.toSpliced(axis, rank) };
  const move = blockMove(from, to);
  forEachRow(
    indices.shape,
    [indices, { offset: y.offset, strides: y.strides.slice(axis, axis + rank) }],
    ([first, target], n, [di, dy]) => {
      for (let i = 0; i < n; i++) {
        const index = Number(indices.data[first! + i * di!]);
        const at = index < 0 ? index + size : index;
        if (!(at >= 0 && at < size)) throw fail('E3006', `index ${index} is outside axis ${axis} of size ${size}`);
        move(x.offset + at * x.strides[axis]!, target! + i * dy!);
      }
    },
  );
}

/** Most elements of a block whose places are worked out once rather than walked for each index. */
const smallBlock = 64;

/** A copy of one block to another, wherever these begin. */
function blockMove(from: Operand, to: Operand): (x: number, y: number) => void {
  const count = from.shape.reduce((n, d) => n * d, 1);
  if (count > smallBlock) return (x, y) => copy({ ...from, offset: x }, { ...to, offset: y });
  const places = (strides: readonly number[]): number[] =>
    from.shape.reduce<number[]>((all, d, k) => all.flatMap(at => Array.from({ length: d }, (_, i) => at + i * strides[k]!)), [0]);
  const [read, written] = [places(from.strides), places(to.strides)];
  return (x, y) => {
    for (let i = 0; i < count; i++) to.data[y + written[i]!] = from.data[x + read[i]!] as never;
  };
}
