// ATen overloads that repeat elements or move them to other places.
import { mulDims, unknownDim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axesOf, axisOf, contentsOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import {
  dimOf,
  expandTo,
  iota,
  modSizes,
  mulSizes,
  reshapeTo,
  settled,
  shaped,
  sizesOf,
  subSizes,
  swapped,
  wrappedAxis,
} from '../../../ops/sizing.ts';
import { sliced } from './parts.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

/** Copies side by side; the last counts belong to the last axes, the others to new ones. */
export function repeated(b: Builder, x: Value, counts: readonly Size[]): Value {
  const known = counts.map(settled);
  const lead = known.length - rankOf(x);
  const inner = known.slice(lead);
  if (inner.every((count, i) => count === 1 || shapeOf(x)[i] === 1)) {
    const sizes = inner.map((count, i) => (shapeOf(x)[i] === 1 ? count : -1));
    return expandTo(b, x, [...known.slice(0, lead), ...sizes]);
  }
  const input = lead === 0 ? x : b.Unsqueeze(x, range(lead));
  const dims = shapeOf(input).map((d, i) => mulDims(d, dimOf(known[i]!)));
  return shaped(b.Tile({ input, repeats: b.sizes(known) }), dims);
}

/** Counts for all axes: those that are missing in front are 1. */
const tile: AtenRow = (x, b) => {
  const [self, counts] = [x.tensor('self'), x.sizes('dims')];
  return repeated(b, self, [...range(Math.max(0, rankOf(self) - counts.length)).map(() => 1), ...counts]);
};

/** Up to this many indices a Gather takes the place of three operators. */
const fewIndices = 2 ** 14;

/** What `repeat_interleave` works on: a given axis, or the elements in a row. */
function interleaved(x: Args, b: Builder): { self: Value; axis: number } {
  const dim = x.optionalNumber('dim');
  if (dim === undefined) return { self: reshapeTo(b, x.tensor('self'), [-1]), axis: 0 };
  return { self: x.tensor('self'), axis: axisOf(dim, rankOf(x.tensor('self'))) };
}

const repeatEach: AtenRow = (x, b) => {
  const { self, axis } = interleaved(x, b);
  const count = settled(x.size('repeats'));
  const [size, sizes] = [b.dim(self, axis), sizesOf(b, self)];
  if (count === 1) return self;
  if (size === 1) return expandTo(b, self, sizes.with(axis, count));
  if (typeof size === 'number' && typeof count === 'number' && size * count <= fewIndices)
    return b.Gather(self, b.ints(range(size).flatMap(i => range(count).map(() => i))), axis);
  const spread = expandTo(b, b.Unsqueeze(self, [axis + 1]), sizes.toSpliced(axis + 1, 0, count));
  return reshapeTo(b, spread, sizes.with(axis, mulSizes(b, size, count)));
};

/** Each index as often as `repeats` says: index i covers the places from the sum of counts before it to that with its own. */
function repeatedIndices(b: Builder, repeats: Value, total: Size | undefined): Value {
  const counts = contentsOf(repeats);
  if (counts?.every(d => typeof d === 'number') && counts.reduce<number>((n, d) => n + d, 0) <= fewIndices)
    return b.ints(counts.flatMap((count, i) => range(count).map(() => i)));
  const ends = b.CumSum({ x: b.Cast(repeats, 'int64'), axis: b.constant(0, 'int64') });
  const last = total ?? b.Gather(ends, b.ints([-1]), 0);
  const isBefore = b.LessOrEqual({ A: b.Unsqueeze(ends, [1]), B: iota(b, last) });
  return shaped(b.ReduceSum(b.Cast(isBefore, 'int64'), { axes: [0], keepdims: 0 }), [total === undefined ? unknownDim() : dimOf(total)]);
}

const repeatByTensor: AtenRow = (x, b) => {
  const { self, axis } = interleaved(x, b);
  const repeats = x.tensor('repeats');
  const indices = repeatedIndices(b, expandTo(b, repeats, [b.dim(self, axis)]), x.optionalSize('output_size'));
  return b.Gather(self, indices, axis);
};

/** The elements of an axis moved on by `shift`, those beyond the end to the front. */
function rolled(b: Builder, x: Value, shift: Size, axis: number): Value {
  const size = b.dim(x, axis);
  if (size === 0 || size === 1) return x;
  const start = modSizes(b, subSizes(b, 0, shift), size);
  if (start === 0) return x;
  if (typeof start === 'number' && typeof size === 'number' && size <= fewIndices)
    return b.Gather(x, b.ints(range(size).map(i => (i + start) % size)), axis);
  const y = b.Concat([sliced(b, x, axis, start, Number.MAX_SAFE_INTEGER), sliced(b, x, axis, 0, start)], axis);
  return shaped(y, shapeOf(x));
}

const roll: AtenRow = (x, b) => {
  const [self, shifts, dims] = [x.tensor('self'), x.sizes('shifts'), x.numbers('dims')];
  if (dims.length > 0) return dims.reduce((y, dim, i) => rolled(b, y, shifts[i]!, axisOf(dim, rankOf(self))), self);
  return reshapeTo(b, rolled(b, reshapeTo(b, self, [-1]), shifts[0]!, 0), sizesOf(b, self));
};

/** The elements of some axes in reverse order. */
export function flipped(b: Builder, x: Value, dims: readonly number[]): Value {
  const axes = dims.map(dim => wrappedAxis(dim, rankOf(x))).filter(axis => axis < rankOf(x) && shapeOf(x)[axis] !== 1);
  if (axes.length === 0) return x;
  const each = (n: number): number[] => axes.map(() => n);
  return shaped(b.Slice(x, { axes, starts: each(-1), ends: each(Number.MIN_SAFE_INTEGER), steps: each(-1) }), shapeOf(x));
}

const rotate: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [from, to] = axesOf(x.numbers('dims'), rankOf(self)) as [number, number];
  const turns = ((x.number('k') % 4) + 4) % 4;
  if (turns === 0) return self;
  if (turns === 2) return flipped(b, self, [from, to]);
  return swapped(b, flipped(b, self, [turns === 1 ? to : from]), from, to);
};

/** `apply` to a tensor of rank 4 that has all axes before the last three as one. */
function asImages(b: Builder, x: Value, apply: (images: Value) => Value): Value {
  const rank = rankOf(x);
  if (rank === 4) return apply(x);
  if (rank === 3) return b.Squeeze(apply(b.Unsqueeze(x, [0])), [0]);
  const sizes = sizesOf(b, x);
  const y = apply(reshapeTo(b, x, [-1, ...sizes.slice(-3)]));
  return reshapeTo(b, y, [...sizes.slice(0, -3), ...sizesOf(b, y).slice(1)]);
}

const pixelShuffle: AtenRow = (x, b) =>
  asImages(b, x.tensor('self'), input => b.DepthToSpace({ input }, { blocksize: x.number('upscale_factor'), mode: 'CRD' }));

/** ONNX's SpaceToDepth has the places of a block before the channels, PyTorch behind them. */
const pixelUnshuffle: AtenRow = (x, b) => {
  const [self, by] = [x.tensor('self'), x.number('downscale_factor')];
  return asImages(b, self, input => {
    const channels = shapeOf(input)[1]!;
    const places = b.SpaceToDepth({ input }, { blocksize: by });
    return channels === 1 ? places : shuffled(b, places, by * by);
  });
};

/** Channels (axis 1) as a matrix of `groups` rows, transposed. */
function shuffled(b: Builder, x: Value, groups: number): Value {
  const channels = shapeOf(x)[1]!;
  if (groups === 1) return x;
  if (typeof channels === 'number') {
    const each = channels / groups;
    return b.Gather(x, b.ints(range(channels).map(i => (i % groups) * each + Math.floor(i / groups))), 1);
  }
  const sizes = sizesOf(b, x);
  return reshapeTo(b, swapped(b, reshapeTo(b, x, sizes.toSpliced(1, 1, groups, -1)), 1, 2), sizes);
}
const channelShuffle: AtenRow = (x, b) => shuffled(b, x.tensor('self'), x.number('groups'));

export const arrange: AtenRows = {
  'repeat.default': (x, b) => repeated(b, x.tensor('self'), x.sizes('repeats')),
  'tile.default': tile,
  'repeat_interleave.self_int': repeatEach,
  'repeat_interleave.self_Tensor': repeatByTensor,
  'repeat_interleave.Tensor': (x, b) => {
    const repeats = x.tensor('repeats');
    return b.Cast(repeatedIndices(b, repeats, x.optionalSize('output_size')), elementOf(repeats));
  },
  'roll.default': roll,
  'flip.default': (x, b) => flipped(b, x.tensor('self'), x.numbers('dims')),
  'fliplr.default': (x, b) => flipped(b, x.tensor('self'), [1]),
  'flipud.default': (x, b) => flipped(b, x.tensor('self'), [0]),
  'rot90.default': rotate,
  'pixel_shuffle.default': pixelShuffle,
  'pixel_unshuffle.default': pixelUnshuffle,
  'channel_shuffle.default': channelShuffle,
  'native_channel_shuffle.default': channelShuffle,
};
