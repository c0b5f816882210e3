// Operations that write into tensors: at places, into slices, by segments.
import type { Value } from '../../../ir/graph.ts';
import { elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { expandTo, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { flagOption, numberOption, numbersOption, operand, option } from './arguments.ts';

type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';
const scattered = (b: Builder, data: Value, indices: Value, updates: Value, reduction: Reduction): Value =>
  b.ScatterND({ data, indices: b.Cast(indices, 'int64'), updates: b.Cast(updates, elementOf(data)) }, { reduction });

/** Where a slice begins: numbers, or a tensor. */
function startsOf(x: LayerCall, b: Builder, rank: number): Value {
  const starts = b.Cast(operand(x, b, 'start_indices', 1), 'int64');
  return reshapeTo(b, starts, [rank]);
}

/** Parts of known sizes from places that only the run may know. */
function slice(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const sizes = (option(x, 'shape') as readonly (number | null)[]) ?? [];
  const starts = startsOf(x, b, rankOf(v));
  if (sizes.some(size => typeof size !== 'number')) throw unsupported('sizes that only the run knows');
  const whole = sizes.map((size, a) => (size === -1 ? shapeOf(v)[a]! : size!));
  if (!whole.every((d): d is number => typeof d === 'number')) throw unsupported('sizes that only the run knows');
  return b.emit('Slice', [v, starts, b.Add(starts, b.ints(whole)), b.ints(range(rankOf(v)))])[0]!;
}

/** The places of a slice along each axis, in one tensor of indices. */
function sliceUpdate(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const rank = rankOf(v);
  const updates = b.Cast(operand(x, b, 'updates', 2, v), elementOf(v));
  const starts = startsOf(x, b, rank);
  const sizes = sizesOf(b, updates);
  const axes = range(rank).map(a => {
    const size = sizes[a]!;
    if (typeof size !== 'number') throw unsupported('updates of sizes that only the run knows');
    const own = b.Add(b.Gather(starts, b.constant(a, 'int64'), 0), b.ints(range(size)));
    const shaped = reshapeTo(
      b,
      own,
      range(rank + 1).map(i => (i === a ? size : 1)),
    );
    return expandTo(b, shaped, [...sizes, 1]);
  });
  return scattered(b, v, b.Concat(axes, rank), updates, 'none');
}

/** What a segment has before anything comes to it. */
function neutral(v: Value, reduction: Reduction): number {
  const type = elementOf(v);
  if (reduction === 'add') return 0;
  if (reduction === 'mul') return 1;
  const { class: kind, bits } = elementTypes[type];
  const most = isFloat(type) ? 3.4028234663852886e38 : kind === 'uint' ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  const least = isFloat(type) ? -most : kind === 'uint' ? 0 : -most - 1;
  return reduction === 'max' ? least : most;
}
const segments = (reduction: Reduction): LayerRow =>
  plain((x, b) => {
    const [data, ids] = [operand(x, b, 'data', 0), operand(x, b, 'segment_ids', 1)];
    if (option(x, 'num_segments') === undefined || flagOption(x, 'sorted')) throw unsupported('as many segments as the run finds');
    const count = numberOption(x, 'num_segments');
    const sizes = [count, ...sizesOf(b, data).slice(1)];
    const start = expandTo(
      b,
      reshapeTo(
        b,
        b.like(neutral(data, reduction), data),
        sizes.map(() => 1),
      ),
      sizes,
    );
    return scattered(b, start, b.Unsqueeze(ids, [rankOf(ids)]), data, reduction);
  });

export const scatters: Readonly<Record<string, LayerRow>> = {
  Scatter: plain((x, b) => {
    const values = operand(x, b, 'values', 1);
    const zeros = b.Expand(b.like(0, values), numbersOption(x, 'shape') ?? []);
    return scattered(b, zeros, operand(x, b, 'indices', 0), values, 'add');
  }),
  ScatterUpdate: plain((x, b) => {
    const data = operand(x, b, 'inputs', 0);
    const reduction = (option(x, 'reduction') ?? 'none') as Reduction;
    return scattered(b, data, operand(x, b, 'indices', 1), operand(x, b, 'updates', 2, data), reduction);
  }),
  Slice: plain(slice),
  SliceUpdate: plain(sliceUpdate),
  SegmentSum: segments('add'),
  SegmentProd: segments('mul'),
  SegmentMax: segments('max'),
  SegmentMin: segments('min'),
};
