// Blocks of space in other axes: batch, or channels.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { divSizes, mulSizes, reshapeTo, sizesOf, subSizes } from '../../../ops/sizing.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';
import { onChannelsFirst } from './windows.ts';

/** [n, ...s, c] padded, then with the block of each axis s moved into n. */
function spaceToBatch(b: Builder, input: Value, block: readonly number[], pads: readonly Size[]): Value {
  const count = block.length;
  const rest = rankOf(input) - 1 - count;
  const all = [0, ...pads.slice(0, count), ...range(rest).map(() => 0), 0, ...pads.slice(count), ...range(rest).map(() => 0)];
  const v = pads.every(p => p === 0) ? input : b.Pad({ data: input, pads: b.sizes(all) });
  const sizes = sizesOf(b, v);
  const tail = sizes.slice(1 + count);
  const inner = block.map((size, i) => divSizes(b, sizes[i + 1]!, size));
  const apart = reshapeTo(b, v, [sizes[0]!, ...block.flatMap((size, i) => [inner[i]!, size]), ...tail]);
  const perm = [...range(count).map(i => 2 * i + 2), 0, ...range(count).map(i => 2 * i + 1), ...range(rest, 2 * count + 1)];
  const blocks = block.reduce((n, k) => n * k, 1);
  return reshapeTo(b, b.Transpose(apart, perm), [mulSizes(b, sizes[0]!, blocks), ...inner, ...tail]);
}

/** The way back, then cropped. */
function batchToSpace(b: Builder, v: Value, block: readonly number[], crops: readonly Size[]): Value {
  const count = block.length;
  const sizes = sizesOf(b, v);
  const tail = sizes.slice(1 + count);
  const blocks = block.reduce((n, k) => n * k, 1);
  const batch = divSizes(b, sizes[0]!, blocks);
  const inner = sizes.slice(1, 1 + count);
  const apart = reshapeTo(b, v, [...block, batch, ...inner, ...tail]);
  const perm = [count, ...range(count).flatMap(i => [count + 1 + i, i]), ...range(tail.length, 2 * count + 1)];
  const whole = reshapeTo(b, b.Transpose(apart, perm), [batch, ...inner.map((s, i) => mulSizes(b, s, block[i]!)), ...tail]);
  if (crops.every(c => c === 0)) return whole;
  const axes = range(count, 1);
  const ends = axes.map((axis, i) => subSizes(b, b.dim(whole, axis), crops[count + i]!));
  return b.Slice(whole, { axes, starts: crops.slice(0, count), ends });
}

/** Pairs of an input of n rows, all first ones before all second ones. */
function pairsOf(x: Call, b: Builder, name: string, count: number): Size[] {
  const value = x.tensor(name);
  const known = x.knownNumbers(name);
  const at = (row: number, column: number): Size => {
    if (known) return known[2 * row + column]!;
    const whole = b.Reshape(b.Cast(value, 'int64'), [-1]);
    return b.Slice(whole, { axes: [0], starts: [2 * row + column], ends: [2 * row + column + 1] });
  };
  return [...range(count).map(i => at(i, 0)), ...range(count).map(i => at(i, 1))];
}

const toBatch: TfRow = (x, b) => {
  const block = x.ints('block_shape');
  return spaceToBatch(b, x.tensor('input'), block, pairsOf(x, b, 'paddings', block.length));
};
const fromBatch: TfRow = (x, b) => {
  const block = x.ints('block_shape');
  return batchToSpace(b, x.tensor('input'), block, pairsOf(x, b, 'crops', block.length));
};
const square = (x: Call): number[] => [x.number('block_size'), x.number('block_size')];

const format = (x: Call): void => {
  if (x.string('data_format') === 'NCHW_VECT_C') throw unsupported('the layout NCHW_VECT_C');
};

export const layout: TfRows = {
  SpaceToBatchND: toBatch,
  BatchToSpaceND: fromBatch,
  SpaceToBatch: (x, b) => spaceToBatch(b, x.tensor('input'), square(x), pairsOf(x, b, 'paddings', 2)),
  BatchToSpace: (x, b) => batchToSpace(b, x.tensor('input'), square(x), pairsOf(x, b, 'crops', 2)),
  SpaceToDepth(x, b) {
    format(x);
    return onChannelsFirst(b, x.tensor('input'), x, input => b.SpaceToDepth({ input }, { blocksize: x.number('block_size') }));
  },
  DepthToSpace(x, b) {
    format(x);
    return onChannelsFirst(b, x.tensor('input'), x, input => b.DepthToSpace({ input }, { blocksize: x.number('block_size') }));
  },
};
