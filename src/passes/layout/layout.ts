// Layouts: the order in which the axes of a tensor lie in another one that holds the same elements. An axis that a reshape joined from
// several may besides have its elements in the order that another order of those would give.
import type { Dim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { keyed } from '../../ops/once.ts';
import { range } from '../../ops/shapes.ts';
import { targetFor } from '../merges.ts';

/** The parts that one axis was joined from, and the order in which they lie. */
export interface Mix {
  readonly sizes: readonly number[];
  readonly order: readonly number[];
}

/** Axis `i` of the other tensor is axis `perm[i]` of this one. */
export interface Layout {
  readonly perm: readonly number[];
  /** By axis of this tensor; none in natural order. */
  readonly mixed: ReadonlyMap<number, Mix>;
}

const unmixed: ReadonlyMap<number, Mix> = new Map();
export const plain = (perm: readonly number[]): Layout => ({ perm, mixed: unmixed });

export const isNatural = (order: readonly number[]): boolean => order.every((axis, i) => axis === i);
export const isIdentity = ({ perm, mixed }: Layout): boolean => mixed.size === 0 && isNatural(perm);
export const inverse = (perm: readonly number[]): number[] => range(perm.length).map(i => perm.indexOf(i));
/** Where an axis went. */
export const placeOf = ({ perm }: Layout, axis: number): number => perm.indexOf(axis);

/** Equal texts for equal layouts, made once. */
export const keyOf = keyed(({ perm, mixed }: Layout): string =>
  mixed.size === 0
    ? perm.join()
    : [perm, ...[...mixed].sort(([a], [b]) => a - b).map(([axis, { sizes, order }]) => `${axis}=${sizes}>${order}`)].join(';'),
);

/** The layout of `x` in which its transpose by `perm` has a layout. */
export const through = (perm: readonly number[], { perm: after, mixed }: Layout): Layout => ({
  perm: after.map(axis => perm[axis]!),
  mixed: mixed.size === 0 ? mixed : new Map([...mixed].map(([axis, mix]) => [perm[axis]!, mix])),
});

/** Whether two layouts of a shape differ in places of axes of one element only, so that no element moves from one to the other. */
export function movesNothing(a: Layout, b: Layout, shape: readonly Dim[] | undefined): boolean {
  if (!shape || a.mixed.size > 0 || b.mixed.size > 0) return false;
  const long = (perm: readonly number[]): readonly number[] => perm.filter(axis => shape[axis] !== 1);
  const others = long(b.perm);
  return long(a.perm).every((axis, i) => axis === others[i]);
}

/** The value in a layout; undefined where the sizes are too open for it. */
export function laid(v: Value, layout: Layout, b: Builder): Value | undefined {
  if (isIdentity(layout)) return v;
  if (layout.mixed.size === 0) return b.Transpose(v, layout.perm);
  const parts = partsOf(layout);
  const split = v.shape!.flatMap((d, axis): readonly Dim[] => layout.mixed.get(axis)?.sizes ?? [d]);
  const sizes = layout.perm.map(axis => v.shape![axis]!);
  return regrouped(v, split, parts, sizes, b);
}

/** The value whose layout this one is. */
export function unlaid(v: Value, layout: Layout, b: Builder): Value | undefined {
  if (isIdentity(layout)) return v;
  if (layout.mixed.size === 0) return b.Transpose(v, inverse(layout.perm));
  const split = layout.perm.flatMap((axis, i): readonly Dim[] => {
    const mix = layout.mixed.get(axis);
    return mix ? mix.order.map(k => mix.sizes[k]!) : [v.shape![i]!];
  });
  const sizes = inverse(layout.perm).map(i => v.shape![i]!);
  return regrouped(v, split, inverse(partsOf(layout)), sizes, b);
}

/** The order of all parts of all axes. */
function partsOf({ perm, mixed }: Layout): number[] {
  const counts = range(perm.length).map(axis => mixed.get(axis)?.sizes.length ?? 1);
  const first = counts.map((_, axis) => counts.slice(0, axis).reduce((n, c) => n + c, 0));
  return perm.flatMap(axis => (mixed.get(axis)?.order ?? [0]).map(k => first[axis]! + k));
}

function regrouped(v: Value, split: readonly Dim[], order: readonly number[], sizes: readonly Dim[], b: Builder): Value | undefined {
  const apart = targetFor(v, split);
  const turned = apart && b.Transpose(b.Reshape(v, apart), order);
  const together = turned && targetFor(turned, sizes);
  return together && b.Reshape(turned, together);
}
