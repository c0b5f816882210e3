// scatter: elements written, or combined, at places that other elements name.
import { fail } from '../errors.ts';
import type { Operand, ScatterBy } from './kernel.ts';
import { copy } from './move.ts';
import { countOf, forEachRow } from './walk.ts';

type Combine = (a: number | bigint, b: number | bigint) => number | bigint;

// The casts of all: both operands are of one class, numbers or bigints, for which the operators are the same.
/** Storing wraps integers that leave their type. A maximum or minimum with NaN is NaN, which only the addition keeps. */
const combine: Readonly<Record<Exclude<ScatterBy, 'none'>, Combine>> = {
  add: (a, b) => (a as number) + (b as number),
  mul: (a, b) => (a as number) * (b as number),
  max: (a, b) => (a >= b ? a : a < b ? b : (a as number) + (b as number)),
  min: (a, b) => (a <= b ? a : a > b ? b : (a as number) + (b as number)),
};

/** A product of 32 bits needs more than a float64 holds. */
const exactProduct: Combine = (a, b) => Math.imul(a as number, b as number);

function combiner(by: ScatterBy, y: Operand): Combine | undefined {
  if (by === 'none') return undefined;
  return by === 'mul' && (y.type === 'int32' || y.type === 'uint32') ? exactProduct : combine[by];
}

function checked(index: number, size: number, axis: number): number {
  const at = index < 0 ? index + size : index;
  if (at >= 0 && at < size) return at;
  throw fail('E3006', `index ${index} is outside axis ${axis} of size ${size}`);
}

/** y[…, indices[p], …] = updates[p] at every position p of the updates, with the index along `axis`. */
export function scatterElements(by: ScatterBy, axis: number, indices: Operand, updates: Operand, y: Operand): void {
  const size = y.shape[axis]!;
  const step = y.strides[axis]!;
  const merge = combiner(by, y);
  // The index along the axis comes from the indices, so y does not move along it here.
  const still = { offset: y.offset, strides: y.strides.with(axis, 0) };
  forEachRow(updates.shape, [indices, updates, still], ([at, from, to], n, [da, df, dt]) => {
    for (let i = 0; i < n; i++) {
      const place = to! + i * dt! + checked(Number(indices.data[at! + i * da!]), size, axis) * step;
      const update = updates.data[from! + i * df!]!;
      y.data[place] = (merge ? merge(y.data[place]!, update) : update) as never;
    }
  });
}

/** y[indices[p, :]] = updates[p] for every position p of all axes of the indices but the last: elements or slices. */
export function scatterSlices(by: ScatterBy, indices: Operand, updates: Operand, y: Operand): void {
  const rank = indices.shape.length - 1;
  const depth = indices.shape[rank]!;
  const outer = indices.shape.slice(0, rank);
  const inner = y.shape.slice(depth);
  const merge = combiner(by, y);
  if (countOf(inner) === 0) return;
  const walked = [
    { offset: indices.offset, strides: indices.strides.slice(0, rank) },
    { offset: updates.offset, strides: updates.strides.slice(0, rank) },
  ];
  forEachRow(outer, walked, ([at, from], n, [da, df]) => {
    for (let i = 0; i < n; i++) {
      let place = y.offset;
      for (let k = 0; k < depth; k++)
        place += checked(Number(indices.data[at! + i * da! + k * indices.strides[rank]!]), y.shape[k]!, k) * y.strides[k]!;
      const source = { ...updates, offset: from! + i * df!, shape: inner, strides: updates.strides.slice(rank) };
      const target = { ...y, offset: place, shape: inner, strides: y.strides.slice(depth) };
      if (merge) combineInto(merge, source, target);
      else copy(source, target);
    }
  });
}

function combineInto(merge: Combine, x: Operand, y: Operand): void {
  forEachRow(y.shape, [x, y], ([from, to], n, [dx, dy]) => {
    for (let i = 0; i < n; i++) y.data[to! + i * dy!] = merge(y.data[to! + i * dy!]!, x.data[from! + i * dx!]!) as never;
  });
}
