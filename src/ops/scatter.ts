// Operators that write at computed positions.
import { fail } from '../errors.ts';
import { type Dim, sameDim } from '../ir/dims.ts';
import type { ValueType } from '../ir/types.ts';
import { formatShape } from '../ir/types.ts';
import type { ScatterBy, View } from '../kernels/kernel.ts';
import type { Emitter } from '../kernels/views.ts';
import { gapTypes } from './gap-types.ts';
import { convert } from './plan-node.ts';
import type { Family } from './row.ts';
import { axisOf, range, rankOf, shapeOf } from './shapes.ts';

export const scatters = {
  ScatterElements: {
    infer({ data, indices, updates }, { axis }) {
      const [to, at, from] = [shapeOf(data), shapeOf(indices), shapeOf(updates)];
      const on = axisOf(axis, to.length);
      const isBeyond = (d: Dim, i: number): boolean => i !== on && typeof d === 'number' && typeof to[i] === 'number' && d > to[i];
      if (at.length !== to.length || from.length !== to.length || at.some((d, i) => differ(d, from[i]!) || isBeyond(d, i)))
        throw fail('E1305', `ScatterElements: data ${formatShape(to)}, indices ${formatShape(at)}, updates ${formatShape(from)}`);
      return [data.type];
    },
    plan: ({ data, indices, updates }, { axis, reduction }, e) => [
      scattered(e, data, [indices, updates], reduction, { axis: axisOf(axis, data.shape.length) }),
    ],
  },
  ScatterND: {
    infer({ data, indices, updates }): (ValueType | undefined)[] {
      const [to, at, from] = [shapeOf(data), shapeOf(indices), shapeOf(updates)];
      const depth = at.at(-1);
      if (typeof depth === 'number') {
        const wanted = [...at.slice(0, -1), ...to.slice(depth)];
        if (depth > to.length || wanted.length !== from.length || wanted.some((d, i) => differ(d, from[i]!)))
          throw fail('E1305', `ScatterND: data ${formatShape(to)}, indices ${formatShape(at)}, updates ${formatShape(from)}`);
      }
      return [data.type];
    },
    plan({ data, indices, updates }, { reduction }, e) {
      const depth = indices.shape.at(-1);
      if (typeof depth !== 'number') throw fail('E3009', 'ScatterND: the last size of the indices must be known');
      const places = [...indices.shape.slice(0, -1), ...data.shape.slice(depth)];
      for (const [axis, size] of places.entries()) e.equal(size, updates.shape[axis]!);
      return [scattered(e, data, [indices, updates], reduction, {})];
    },
  },
  /** Writes along an axis of a cache: the row of each batch starts where `write_indices` says, wrapping round in circular mode. */
  TensorScatter: {
    infer: gapTypes.TensorScatter,
    lower({ past_cache: cache, update, write_indices }, { axis, mode }, b) {
      const rank = rankOf(cache);
      const on = axisOf(axis, rank);
      const along = (v: Parameters<typeof b.Identity>[0], at: number): typeof v =>
        b.Reshape(
          v,
          range(rank).map(i => (i === at ? -1 : 1)),
        );
      const scalar = (n: bigint) => b.constant(n, 'int64');
      const count = b.Squeeze(b.sizes([b.dim(update, on)]), [0]);
      const steps = along(b.Range({ start: scalar(0n), limit: count, delta: scalar(1n) }), on);
      const start = write_indices ? along(b.Cast(write_indices, 'int64'), 0) : along(b.ints([0]), 0);
      const places = b.Add(start, steps);
      const size = b.sizes([b.dim(cache, on)]);
      const wrapped = mode === 'circular' ? b.Mod({ A: places, B: b.Squeeze(size, [0]) }) : places;
      const indices = b.Expand(
        wrapped,
        range(rank).map(i => b.dim(update, i)),
      );
      return b.ScatterElements({ data: cache, indices, updates: update }, { axis: on });
    },
  },
} satisfies Family;

const differ = (a: Dim, b: Dim): boolean => typeof a === 'number' && typeof b === 'number' && !sameDim(a, b);

/** A copy of `data` with updates written into it. Half types are combined in float32 and rounded once. */
function scattered(e: Emitter, data: View, [indices, updates]: [View, View], reduction: string, at: { axis?: number }): View {
  if (!Object.hasOwn(reductions, reduction)) throw fail('E1303', `reduction ${reduction} does not exist`);
  const by = reductions[reduction]!;
  const isHalf = by !== 'none' && (data.type === 'float16' || data.type === 'bfloat16');
  const [from, added] = isHalf ? [convert(e, data, 'float32'), convert(e, updates, 'float32')] : [data, updates];
  if (at.axis !== undefined) for (const [axis, size] of indices.shape.entries()) e.equal(size, updates.shape[axis]!);
  const y = e.alloc(from.type, data.shape);
  e.step({ kind: 'copy' }, [from], [y]);
  e.step({ kind: 'scatter', by, ...at }, [indices, added], [y]);
  return isHalf ? convert(e, y, data.type) : y;
}

const reductions: Readonly<Record<string, ScatterBy>> = { none: 'none', add: 'add', mul: 'mul', max: 'max', min: 'min' };
