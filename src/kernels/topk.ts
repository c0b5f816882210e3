// topk: the largest or smallest elements along an axis, in order.
import { fail } from '../errors.ts';
import { arrayFor, type TypedArray } from '../ir/tensor.ts';
import type { Operand } from './kernel.ts';
import { computeType, load } from './storage.ts';
import { forEachRow } from './walk.ts';

export function topk(axis: number, largest: boolean, x: Operand, values: Operand, indices: Operand): void {
  const [length, count] = [x.shape[axis]!, values.shape[axis]!];
  if (count > length) throw fail('E3005', `${count} elements are wanted of axis ${axis} of size ${length}`);
  const scalar = computeType(x.type);
  if (!scalar) throw fail('E2002', `${x.type} has no order`);
  const row = new (arrayFor(scalar))(length);
  const rows = x.shape.with(axis, 1);
  forEachRow(rows, [x, values, indices], ([from, to, place], n, [dx, dy, dp]) => {
    for (let i = 0; i < n; i++) {
      load(row, 0, x.data, x.type, from! + i * dx!, x.strides[axis]!, length);
      for (const [k, index] of firstOf(row, count, largest).entries()) {
        values.data[to! + i * dy! + k * values.strides[axis]!] = x.data[from! + i * dx! + index * x.strides[axis]!] as never;
        indices.data[place! + i * dp! + k * indices.strides[axis]!] = BigInt(index) as never;
      }
    }
  });
}

/** Places of the first `count` elements in order. A heap holds the best so far, the last of them on top. */
function firstOf(row: TypedArray, count: number, largest: boolean): number[] {
  const isAfter = (a: number, b: number): boolean => {
    const order = compare(row[a]!, row[b]!);
    return order === 0 ? a > b : order < 0 === largest;
  };
  const heap: number[] = [];
  const sink = (): void => {
    for (let at = 0; ; ) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < heap.length && isAfter(heap[child]!, heap[last]!)) last = child;
      if (last === at) return;
      [heap[at], heap[last]] = [heap[last]!, heap[at]!];
      at = last;
    }
  };
  for (let i = 0; i < row.length; i++) {
    if (heap.length < count) rise(heap, i, isAfter);
    else if (count > 0 && isAfter(heap[0]!, i)) {
      heap[0] = i;
      sink();
    }
  }
  return heap.sort((a, b) => (isAfter(a, b) ? 1 : -1));
}

function rise(heap: number[], item: number, isAfter: (a: number, b: number) => boolean): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isAfter(heap[at]!, heap[parent]!)) return;
    [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
    at = parent;
  }
}

/** Above 0 where `a` is larger; NaN is the largest and equals itself. */
const compare = (a: number | bigint, b: number | bigint): number =>
  a > b ? 1 : a < b ? -1 : a === b ? 0 : Number(a !== a) - Number(b !== b);
