// Walking strided views together: the one place where positions become memory indexes.
import type { Operand } from './kernel.ts';

export interface Strided {
  readonly offset: number;
  readonly strides: readonly number[];
}

/**
 * Visit a shape row by row: `visit(offsets, n, steps)` gets the memory index of the row's first element in each view, the row's
 * length, and the distance between its elements in each view. Adjacent axes that all views run through evenly are one row.
 * `offsets` is reused between calls.
 */
export function forEachRow(
  shape: readonly number[],
  views: readonly Strided[],
  visit: (offsets: readonly number[], n: number, steps: readonly number[]) => void,
): void {
  if (shape.some(d => d === 0)) return;
  const merged = mergeAxes(shape, views);
  const rank = merged.shape.length;
  const n = merged.shape[rank - 1] ?? 1;
  const steps = views.map((_, k) => merged.strides[k]![rank - 1] ?? 0);
  const offsets = views.map(v => v.offset);
  const index = new Array<number>(Math.max(0, rank - 1)).fill(0);
  for (;;) {
    visit(offsets, n, steps);
    let axis = rank - 2;
    for (; axis >= 0; axis--) {
      index[axis]!++;
      const back = index[axis] === merged.shape[axis] ? merged.shape[axis]! - 1 : -1;
      for (let k = 0; k < views.length; k++) offsets[k] = offsets[k]! + (back < 0 ? 1 : -back) * merged.strides[k]![axis]!;
      if (back < 0) break;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** Drop axes of size 1 and join axes that every view crosses without a jump. */
function mergeAxes(shape: readonly number[], views: readonly Strided[]): { shape: number[]; strides: number[][] } {
  const sizes: number[] = [];
  const strides: number[][] = views.map(() => []);
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue;
    const joins = sizes.length > 0 && views.every((v, k) => strides[k]!.at(-1) === v.strides[axis]! * size);
    if (joins) sizes[sizes.length - 1]! *= size;
    else sizes.push(size);
    for (const [k, v] of views.entries()) {
      if (joins) strides[k]![sizes.length - 1] = v.strides[axis]!;
      else strides[k]!.push(v.strides[axis]!);
    }
  }
  return { shape: sizes, strides };
}

export const countOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** The view with the strides of broadcasting to `shape`: 0 where it has size 1. */
export const spread = (x: Operand, shape: readonly number[]): Strided => ({
  offset: x.offset,
  strides: shape.map((_, axis) => {
    const own = axis - (shape.length - x.shape.length);
    return own < 0 || x.shape[own] === 1 ? 0 : x.strides[own]!;
  }),
});
