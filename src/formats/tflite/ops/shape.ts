// Operators that move, repeat or measure elements. They take tensors as they are stored where all are quantised alike.
import type { Value } from '../../../ir/graph.ts';

import { elementTypes } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axisOf, contentsOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, dimOf, iota, maxSizes, minSizes, mulSizes, reshapeTo, sizesOf, subSizes } from '../../../ops/sizing.ts';
import { elementNamed } from '../tensors.ts';
import { activated, type Row, type Rows, unsupported } from './row.ts';
import { stridedSlice } from './strided-slice.ts';

const int64 = (b: Builder, v: Value): Value => b.Cast(v, 'int64');

const reshape: Row = (x, b) => {
  const v = x.stored(0);
  const options = x.options('ReshapeOptions').new_shape;
  const target = x.has(1) ? int64(b, x.raw(1)) : b.ints(options);
  const known = contentsOf(target);
  // Beside a size of 0 none may be left open.
  const allowzero = known?.includes(0) && !known.includes(-1) ? 1 : undefined;
  return b.emit('Reshape', [v, rankOf(target) === 0 ? b.Unsqueeze(target, [0]) : target], { allowzero })[0]!;
};

const transpose: Row = (x, b) => {
  const v = x.stored(0);
  const rank = rankOf(v);
  return b.Transpose(
    v,
    x.numbers(1, 'a permutation').map(axis => axisOf(axis, rank)),
  );
};

const squeeze: Row = (x, b) => {
  const v = x.stored(0);
  const given = x.options('SqueezeOptions').squeeze_dims;
  const shape = shapeOf(v);
  const axes = given.length > 0 ? given.map(axis => axisOf(axis, shape.length)) : range(shape.length).filter(i => shape[i] === 1);
  return axes.length === 0 ? v : b.Squeeze(v, axes);
};

const expandDims: Row = (x, b) => {
  const v = x.stored(0);
  return b.Unsqueeze(v, [axisOf(x.number(1, 'an axis'), rankOf(v) + 1)]);
};

const concatenation: Row = (x, b) => {
  const { axis, fused_activation_function: kind } = x.options('ConcatenationOptions');
  const parts = kind === 'NONE' ? x.allStored(...range(x.count)) : x.inputs();
  return activated(b, b.Concat(parts, axisOf(axis, rankOf(parts[0]!))), kind);
};

const pack: Row = (x, b) => {
  const parts = x.allStored(...range(x.count));
  const axis = axisOf(x.options('PackOptions').axis, rankOf(parts[0]!) + 1);
  return b.Concat(
    parts.map(v => b.Unsqueeze(v, [axis])),
    axis,
  );
};

const unpack: Row = (x, b) => {
  const v = x.stored(0);
  const { axis: given, num } = x.options('UnpackOptions');
  const axis = axisOf(given, rankOf(v));
  return splitInto(b, v, axis, num).map(part => b.Squeeze(part, [axis]));
};

function splitInto(b: Builder, v: Value, axis: number, count: number): readonly Value[] {
  if (count === 1) return [v];
  const outputs = range(count).map(i => `split_${i}`);
  return b.emit('Split', [v], { axis, num_outputs: count }, { outputs }) as readonly Value[];
}

const split: Row = (x, b) => {
  const v = x.stored(1);
  const axis = axisOf(x.number(0, 'an axis'), rankOf(v));
  return splitInto(b, v, axis, x.outputs.length);
};

const splitV: Row = (x, b) => {
  const v = x.stored(0);
  const axis = axisOf(x.number(2, 'an axis'), rankOf(v));
  const sizes = x.numbers(1, 'sizes');
  const open = sizes.indexOf(-1);
  if (open < 0) return b.Split(v, sizes, axis);
  const whole = shapeOf(v)[axis];
  if (typeof whole !== 'number') throw unsupported('a part of a size that only the run knows');
  return b.Split(v, sizes.with(open, whole - sizes.reduce((n, s) => n + s, 1)), axis);
};

/** A size of -1 is all that is left. */
const slice: Row = (x, b) => {
  const v = x.stored(0);
  const [starts, sizes] = [x.sizes(1, b), x.sizes(2, b)];
  const whole = sizesOf(b, v);
  const ends = sizes.map((size, i): Size => {
    if (size === -1) return whole[i]!;
    if (typeof size === 'number') return addSizes(b, starts[i]!, size);
    const isAll = b.Equal(size, b.ints([-1]));
    const end = addSizes(b, starts[i]!, size);
    return b.Where(isAll, sizeOf(b, whole[i]!), sizeOf(b, end));
  });
  return b.Slice(v, { axes: range(starts.length), starts, ends });
};
const sizeOf = (b: Builder, size: Size): Value => (typeof size === 'number' ? b.ints([size]) : size);

const tile: Row = (x, b) => b.Tile({ input: x.stored(0), repeats: int64(b, x.raw(1)) });

/** [[before, after], …] as all befores and then all afters. */
const padsOf = (b: Builder, v: Value): Value => b.Reshape(b.Transpose(int64(b, v), [1, 0]), [-1]);

const pad: Row = (x, b) => {
  const v = x.stored(0);
  const zero = x.zero(0);
  const constant_value = zero === 0 ? undefined : b.constant(zero, elementOf(v));
  return b.Pad({ data: v, pads: padsOf(b, x.raw(1)), constant_value });
};

const padV2: Row = (x, b) => {
  const [v, value] = x.allStored(0, 2) as [Value, Value];
  return b.Pad({ data: v, pads: padsOf(b, x.raw(1)), constant_value: rankOf(value) === 0 ? value : b.Reshape(value, []) });
};

/** Reflection leaves the edge out; symmetric padding repeats it, which only slices say. */
const mirrorPad: Row = (x, b) => {
  const v = x.stored(0);
  if (x.options('MirrorPadOptions').mode === 'REFLECT') return b.Pad({ data: v, pads: padsOf(b, x.raw(1)) }, { mode: 'reflect' });
  const pads = x.numbers(1, 'padding');
  return range(rankOf(v)).reduce((y, axis) => mirrored(b, y, axis, pads[2 * axis]!, pads[2 * axis + 1]!), v);
};

function mirrored(b: Builder, v: Value, axis: number, before: number, after: number): Value {
  const reversed = (starts: number, ends: number): Value => b.Slice(v, { axes: [axis], starts: [starts], ends: [ends], steps: [-1] });
  const least = Number.MIN_SAFE_INTEGER;
  const parts = [...(before > 0 ? [reversed(before - 1, least)] : []), v, ...(after > 0 ? [reversed(-1, -1 - after)] : [])];
  return parts.length === 1 ? v : b.Concat(parts, axis);
}

const broadcastTo: Row = (x, b) => b.emit('Expand', [x.stored(0), int64(b, x.raw(1))])[0]!;

/** The shape to which tensors of two shapes are broadcast. */
const broadcastArgs: Row = (x, b) => {
  const [a, c] = [x.sizes(0, b), x.sizes(1, b)];
  const rank = Math.max(a.length, c.length);
  const at = (sizes: readonly Size[], i: number): Size => sizes[i - rank + sizes.length] ?? 1;
  return b.sizes(range(rank).map(i => broadcastSize(b, at(a, i), at(c, i))));
};
/** A size of 1 gives way; else both are equal. */
function broadcastSize(b: Builder, m: Size, n: Size): Size {
  if (m === 1) return n;
  if (n === 1 || typeof m === 'number') return m;
  return typeof n === 'number' ? n : b.Where(b.Equal(m, b.ints([1])), n, m);
}

const shape: Row = (x, b) => b.Cast(b.Shape(x.raw(0)), elementNamed(x.options('ShapeOptions').out_type));

const fill: Row = (x, b) => {
  const value = x.stored(1);
  return b.emit('Expand', [rankOf(value) === 0 ? value : b.Reshape(value, []), int64(b, x.raw(0))])[0]!;
};

const rangeRow: Row = (x, b) => {
  const [start, limit, delta] = [0, 1, 2].map(i => b.Reshape(x.raw(i), [])) as [Value, Value, Value];
  return b.Range({ start, limit, delta });
};

const reverse: Row = (x, b) => {
  const v = x.stored(0);
  const axes = x.numbers(1, 'axes').map(axis => axisOf(axis, rankOf(v)));
  return axes.length === 0 ? v : reversedAlong(b, v, axes);
};
export const reversedAlong = (b: Builder, v: Value, axes: readonly number[]): Value =>
  b.Slice(v, {
    axes,
    starts: axes.map(() => -1),
    ends: axes.map(() => Number.MIN_SAFE_INTEGER),
    steps: axes.map(() => -1),
  });

/** The first elements of each sequence in reverse order, the rest as it is. */
const reverseSequence: Row = (x, b) => {
  const v = x.stored(0);
  const { seq_dim, batch_dim } = x.options('ReverseSequenceOptions');
  const steps = b.dim(v, seq_dim);
  const column = (w: Value, axis: number): Value =>
    b.Reshape(
      w,
      range(rankOf(v)).map(i => (i === axis ? -1 : 1)),
    );
  const place = column(iota(b, steps), seq_dim);
  const length = column(int64(b, x.raw(1)), batch_dim);
  const mirror = b.Sub(b.Sub(length, b.constant(1, 'int64')), place);
  const from = b.Where(b.Less(place, length), mirror, place);
  const indices = b.emit('Expand', [from, b.Shape(v)])[0]!;
  return b.GatherElements({ data: v, indices }, { axis: seq_dim });
};

/** [N, H, W, …] padded, each axis cut into blocks, and the places in a block moved to the batch. */
const spaceToBatch: Row = (x, b) => {
  const v = x.stored(0);
  const blocks = x.numbers(1, 'a block shape');
  const pads = x.numbers(2, 'padding');
  const count = blocks.length;
  const zero = x.zero(0);
  const rest = range(rankOf(v) - 1 - count).map(() => 0);
  const padding = [0, ...range(count).map(i => pads[2 * i]!), ...rest, 0, ...range(count).map(i => pads[2 * i + 1]!), ...rest];
  const padded = padding.every(p => p === 0)
    ? v
    : b.Pad({ data: v, pads: b.ints(padding), constant_value: zero ? b.constant(zero, elementOf(v)) : undefined });
  const sizes = sizesOf(b, padded);
  const inner = blocks.map((block, i): Size => divided(b, sizes[i + 1]!, block));
  const tail = sizes.slice(1 + count);
  const cut = reshapeTo(b, padded, [sizes[0]!, ...blocks.flatMap((block, i) => [inner[i]!, block]), ...tail]);
  const perm = [...range(count).map(i => 2 * i + 2), 0, ...range(count).map(i => 2 * i + 1), ...range(tail.length, 1 + 2 * count)];
  const batch = blocks.reduce<Size>((n, block) => mulSizes(b, n, block), sizes[0]!);
  return reshapeTo(b, b.Transpose(cut, perm), [batch, ...inner, ...tail]);
};

const batchToSpace: Row = (x, b) => {
  const v = x.stored(0);
  const blocks = x.numbers(1, 'a block shape');
  const crops = x.numbers(2, 'cropping');
  const count = blocks.length;
  const sizes = sizesOf(b, v);
  const total = blocks.reduce((n, block) => n * block, 1);
  const batch = divided(b, sizes[0]!, total);
  const tail = sizes.slice(1 + count);
  const cut = reshapeTo(b, v, [...blocks, batch, ...sizes.slice(1)]);
  const perm = [count, ...range(count).flatMap(i => [count + 1 + i, i]), ...range(tail.length, 2 * count + 1)];
  const joined = reshapeTo(b, b.Transpose(cut, perm), [batch, ...blocks.map((block, i) => mulSizes(b, sizes[i + 1]!, block)), ...tail]);
  if (crops.every(c => c === 0)) return joined;
  const ends = blocks.map((block, i) => subSizes(b, mulSizes(b, sizes[i + 1]!, block), crops[2 * i + 1]!));
  return b.Slice(joined, { axes: range(count, 1), starts: blocks.map((_, i) => crops[2 * i]!), ends });
};

function divided(b: Builder, size: Size, by: number): Size {
  return typeof size === 'number' ? Math.floor(size / by) : by === 1 ? size : b.Div(size, b.ints([by]));
}

/** Channels come after the places in a block, in both directions. */
const spaceToDepth: Row = (x, b) => {
  const v = x.stored(0);
  const block = x.options('SpaceToDepthOptions').block_size;
  const [n, h, w, c] = sizesOf(b, v) as [Size, Size, Size, Size];
  const [h2, w2] = [divided(b, h, block), divided(b, w, block)];
  const cut = reshapeTo(b, v, [n, h2, block, w2, block, c]);
  return reshapeTo(b, b.Transpose(cut, [0, 1, 3, 2, 4, 5]), [n, h2, w2, mulSizes(b, c, block * block)]);
};

const depthToSpace: Row = (x, b) => {
  const v = x.stored(0);
  const block = x.options('DepthToSpaceOptions').block_size;
  const [n, h, w, c] = sizesOf(b, v) as [Size, Size, Size, Size];
  const inner = divided(b, c, block * block);
  const cut = reshapeTo(b, v, [n, h, w, block, block, inner]);
  return reshapeTo(b, b.Transpose(cut, [0, 1, 3, 2, 4, 5]), [n, mulSizes(b, h, block), mulSizes(b, w, block), inner]);
};

/** Whether a place of the last two axes lies on the diagonal. */
function onDiagonal(b: Builder, rows: Size, columns: Size): Value {
  return b.Equal(b.Unsqueeze(iota(b, rows), [1]), b.Unsqueeze(iota(b, columns), [0]));
}

const matrixDiag: Row = (x, b) => {
  const v = x.stored(0);
  const size = b.dim(v, rankOf(v) - 1);
  return b.Where(onDiagonal(b, size, size), b.Unsqueeze(v, [rankOf(v)]), b.like(0, v));
};

const matrixSetDiag: Row = (x, b) => {
  const [v, diagonal] = x.allStored(0, 1) as [Value, Value];
  const rank = rankOf(v);
  const [rows, columns] = [b.dim(v, rank - 2), b.dim(v, rank - 1)];
  const least = dimOf(minSizes(b, rows, columns));
  // The diagonal as a column, repeated up to the rows there are: what lies beyond it is never taken.
  const missing = subSizes(b, rows, typeof least === 'number' ? least : minSizes(b, rows, columns));
  const column = b.Unsqueeze(diagonal, [rank - 1]);
  const zeros = range(rank);
  const padded =
    missing === 0
      ? column
      : b.Pad({ data: column, pads: b.sizes([...zeros.map(() => 0), ...zeros.map((i): Size => (i === rank - 2 ? missing : 0))]) });
  return b.Where(onDiagonal(b, rows, columns), padded, v);
};

/** The start of the update is moved so that all of it lies inside. */
const dynamicUpdateSlice: Row = (x, b) => {
  const [v, update] = x.allStored(0, 1) as [Value, Value];
  const rank = rankOf(v);
  const starts = x.sizes(2, b);
  const places = range(rank).map(axis => {
    const [whole, part] = [b.dim(v, axis), b.dim(update, axis)];
    const start = maxSizes(b, minSizes(b, starts[axis]!, subSizes(b, whole, part)), 0);
    const along = b.Add(iota(b, part), sizeOf(b, start));
    const column = b.Reshape(
      along,
      range(rank + 1).map(i => (i === axis ? -1 : 1)),
    );
    return b.emit('Expand', [column, b.Concat([b.Shape(update), b.ints([1])], 0)])[0]!;
  });
  return b.ScatterND({ data: v, indices: b.Concat(places, rank), updates: update });
};

/** The same bits in another type. Where widths differ an axis comes or goes, for the parts of an element. */
const bitcast: Row = (x, b) => {
  const v = x.raw(0);
  const to = x.outputs[0]!.element!;
  if (elementTypes[elementOf(v)].bits !== elementTypes[to].bits) throw unsupported(`bits of ${elementOf(v)} as ${to}`);
  return elementOf(v) === to ? v : b.BitCast({ input: v }, { to: elementTypes[to].code });
};

/** Values between elements along each axis. */
const dilate: Row = (x, b) => {
  const [v, value] = [x.raw(0), x.raw(2)];
  const steps = x.numbers(1, 'dilations');
  const fillWith = b.Reshape(value, []);
  return range(rankOf(v)).reduce((y, axis) => {
    const step = steps[axis]!;
    if (step === 1) return y;
    const sizes = sizesOf(b, y);
    const rank = sizes.length;
    const pads = range(2 * (rank + 1)).map(i => (i === rank + 1 + axis + 1 ? step - 1 : 0));
    const spread = b.Pad({ data: b.Unsqueeze(y, [axis + 1]), pads: b.ints(pads), constant_value: fillWith });
    const joined = reshapeTo(b, spread, sizes.with(axis, mulSizes(b, sizes[axis]!, step)));
    return b.Slice(joined, { axes: [axis], starts: [0], ends: [1 - step] });
  }, v);
};

const rank: Row = (x, b) => {
  const { shape } = x.raw(0).type?.kind === 'tensor' ? x.raw(0) : { shape: undefined };
  return shape ? b.constant(shape.length, 'int32') : b.Cast(b.Size({ data: b.Shape(x.raw(0)) }), 'int32');
};

export const shapes: Rows = {
  RESHAPE: reshape,
  TRANSPOSE: transpose,
  SQUEEZE: squeeze,
  EXPAND_DIMS: expandDims,
  CONCATENATION: concatenation,
  PACK: pack,
  UNPACK: unpack,
  SPLIT: split,
  SPLIT_V: splitV,
  SLICE: slice,
  STRIDED_SLICE: stridedSlice,
  TILE: tile,
  PAD: pad,
  PADV2: padV2,
  MIRROR_PAD: mirrorPad,
  BROADCAST_TO: broadcastTo,
  BROADCAST_ARGS: broadcastArgs,
  SHAPE: shape,
  RANK: rank,
  FILL: fill,
  RANGE: rangeRow,
  REVERSE_V2: reverse,
  REVERSE_SEQUENCE: reverseSequence,
  SPACE_TO_BATCH_ND: spaceToBatch,
  BATCH_TO_SPACE_ND: batchToSpace,
  SPACE_TO_DEPTH: spaceToDepth,
  DEPTH_TO_SPACE: depthToSpace,
  MATRIX_DIAG: matrixDiag,
  MATRIX_SET_DIAG: matrixSetDiag,
  DYNAMIC_UPDATE_SLICE: dynamicUpdateSlice,
  BITCAST: bitcast,
  DILATE: dilate,
};
