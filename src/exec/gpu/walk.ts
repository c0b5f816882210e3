// Positions of several views that are walked together, as texts: the one place where a number of an element becomes indexes.
import { type Dim, mulDims, sameDim } from '../../ir/dims.ts';
import type { Operand, Writer } from './writer.ts';

/** A view, and which of its axes each walked axis moves along; nothing where it stands still. */
export interface Walked {
  readonly operand: Operand;
  readonly axes: readonly (number | undefined)[];
}

export const everyAxis = (operand: Operand): Walked => ({ operand, axes: operand.shape.map((_, axis) => axis) });

const strideOf = ({ operand, axes }: Walked, axis: number): Dim => (axes[axis] === undefined ? 0 : operand.view.strides[axes[axis]!]!);

/** Axes of the first view that all of them cross without a jump, joined; axes of size 1 are dropped. */
function joinedAxes(views: readonly Walked[]): number[][] {
  const [first] = views as readonly [Walked];
  const sizeOf = (axis: number): Dim => first.operand.shape[first.axes[axis]!]!;
  const groups: number[][] = [];
  for (const axis of first.axes.keys()) {
    if (sizeOf(axis) === 1) continue;
    const group = groups.at(-1);
    const joins = group && views.every(v => sameDim(strideOf(v, group.at(-1)!), mulDims(strideOf(v, axis), sizeOf(axis))));
    if (joins) group.push(axis);
    else groups.push([axis]);
  }
  return groups;
}

/**
 * Where element `at` of the first view lies in each view. Every axis of the first must be one of its own; `from` are texts that take
 * the place of offsets.
 */
export function placesAt(w: Writer, at: string, views: readonly Walked[], from: readonly (string | undefined)[] = []): string[] {
  const [first] = views as readonly [Walked];
  const groups = joinedAxes(views);
  const terms = views.map((v, k) => [from[k] ?? v.operand.offset]);
  let rest = at;
  for (let g = groups.length - 1; g >= 0; g--) {
    const group = groups[g]!;
    const key = `${first.operand.key} ${group.map(a => first.axes[a]).join()}`;
    const size = w.parameter(`size of ${key}`, s => group.reduce((n, a) => n * first.operand.bound(s).shape[first.axes[a]!]!, 1));
    const index = g === 0 ? rest : w.let('index', `${rest} % ${size}`);
    if (g > 0) rest = w.let('index', `${rest} / ${size}`);
    for (const [k, v] of views.entries()) {
      const own = group.map(a => v.axes[a]).at(-1);
      if (own !== undefined && group.some(a => strideOf(v, a) !== 0)) terms[k]!.push(`${index} * ${v.operand.stride(own)}`);
    }
  }
  return terms.map(t => w.let('index', t.join(' + ')));
}
