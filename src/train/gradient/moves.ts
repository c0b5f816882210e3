// Elements put back where they were taken from.
import type { Value } from '../../ir/graph.ts';
import type { Builder, Size } from '../../ops/builder.ts';
import { count } from '../../ops/generate.ts';
import { range, rankOf } from '../../ops/shapes.ts';
import { permuted, sizesOf } from '../../ops/sizing.ts';
import { zerosLike } from './broadcast.ts';

/** What `Gather` of `x` along an axis took, added up at its places: `g` has the axes of the indices in the place of the axis. */
export function addedAlong(b: Builder, g: Value, indices: Value, x: Value, axis: number): Value {
  const depth = rankOf(indices);
  const rank = rankOf(x);
  const front = [axis, ...range(rank).filter(d => d !== axis)];
  const taken = [...range(depth, axis), ...range(rank + depth - 1).filter(d => d < axis || d >= axis + depth)];
  const sum = b.ScatterND(
    { data: permuted(b, zerosLike(b, x), front), indices: b.Unsqueeze(b.Cast(indices, 'int64'), [depth]), updates: permuted(b, g, taken) },
    { reduction: 'add' },
  );
  return permuted(
    b,
    sum,
    range(rank).map(d => front.indexOf(d)),
  );
}

/** Elements at `places` of an axis of `size` elements, each place once at most, with zeros elsewhere. */
export function spreadAlong(b: Builder, g: Value, places: Value, size: Size, axis: number): Value {
  const taken = b.dim(g, axis);
  // For each place which element comes there; one after the last is zero.
  const nothing = b.Expand(b.sizes([taken]), [size]);
  const from = b.ScatterElements({ data: nothing, indices: places, updates: count(b, taken) }, { axis: 0 });
  return b.Gather(b.Pad({ data: g, pads: b.ints([0, 1]), axes: b.ints([axis]) }), from, axis);
}

/** Indices of GatherND with the batch axes said as well. */
export function withBatch(b: Builder, indices: Value, batch: number): Value {
  if (batch === 0) return indices;
  const rank = rankOf(indices);
  const sizes = sizesOf(b, indices).with(-1, 1);
  const own = range(batch).map(d => {
    const others = range(rank).filter(e => e !== d);
    return b.Expand(b.Unsqueeze(count(b, sizes[d]!), others), sizes);
  });
  return b.Concat([...own, b.Cast(indices, 'int64')], rank - 1);
}
