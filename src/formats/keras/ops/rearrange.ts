// Axes apart, in another order and joined, by a pattern such as `b (h p) w -> b h (p w)`.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { rankOf } from '../../../ops/shapes.ts';
import { divSizes, mulSizes, permuted, reshapeTo } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, unsupported } from '../layers/row.ts';
import { unary } from './arguments.ts';

/** One side of a pattern: names of the axes that are joined at each place. */
function sideOf(text: string): string[][] {
  return [...text.matchAll(/\(([\w\s]+)\)|\w+/g)].map(([all, joined]) => (joined ?? all).trim().split(/\s+/));
}

function rearranged(b: Builder, v: Value, x: LayerCall): Value {
  const pattern = x.argument('pattern', 1);
  const sides = typeof pattern === 'string' ? pattern.split('->').map(sideOf) : [];
  const [from, to] = sides;
  if (!from || !to || sides.length !== 2 || from.length !== rankOf(v)) throw unsupported(`the pattern ${String(pattern)}`);
  const sizes = new Map<string, Size>();
  for (const [axis, names] of from.entries()) {
    const given = names.map(name => x.kwargs[name]);
    const open = names.filter((_, i) => typeof given[i] !== 'number');
    if (open.length > 1) throw unsupported(`the pattern ${String(pattern)} leaves several sizes open`);
    const known = given.reduce<number>((n, size) => n * (typeof size === 'number' ? size : 1), 1);
    names.forEach((name, i) => {
      sizes.set(name, names.length > 1 && typeof given[i] === 'number' ? given[i] : divSizes(b, b.dim(v, axis), known));
    });
  }
  const [apart, wanted] = [from.flat(), to.flat()];
  const perm = wanted.map(name => apart.indexOf(name));
  if (perm.includes(-1) || new Set(perm).size !== apart.length) throw unsupported(`the pattern ${String(pattern)}`);
  const sizeOf = (name: string): Size => sizes.get(name)!;
  const split = reshapeTo(b, v, apart.map(sizeOf));
  return reshapeTo(
    b,
    permuted(b, split, perm),
    to.map(names => names.map(sizeOf).reduce((p, q) => mulSizes(b, p, q), 1)),
  );
}

export const rearrangements: Readonly<Record<string, LayerRow>> = { Rearrange: unary(rearranged) };
