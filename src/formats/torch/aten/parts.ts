// ATen overloads that take parts of a tensor: slices, single entries, windows, and the splits into several parts.
import {
  addDims,
  type Dim,
  floorDivDims,
  modDims,
  mulDims,
  sameDim,
  sameShape,
  subDims,
  substitute,
  symbolsOf,
  unknownDim,
} from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axisOf, contentsOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import {
  addSizes,
  dimOf,
  iota,
  isRowMajor,
  mulSizes,
  permuted,
  reshapeTo,
  settled,
  shaped,
  sizeScalar,
  sizesOf,
  subSizes,
} from '../../../ops/sizing.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** As an end of a slice: behind the last element. */
const toTheEnd = Number.MAX_SAFE_INTEGER;

/** `x[start:end:step]` along an axis, with Python's negative and too large bounds. */
export function sliced(b: Builder, x: Value, axis: number, start: Size, end: Size, step = 1): Value {
  const size = shapeOf(x)[axis]!;
  const [from, to] = [bound(settled(start), size), bound(settled(end), size)];
  if (from === 0 && to === toTheEnd && step === 1) return x;
  const y = b.Slice(x, { axes: [axis], starts: [from], ends: [to], ...(step !== 1 && { steps: [step] }) });
  return y.shape ? y : shaped(y, shapeOf(x).with(axis, unknownDim()));
}

function bound(at: Size, size: Dim): Size {
  if (at === 0) return 0;
  if (sameDim(dimOf(at), size)) return toTheEnd;
  if (typeof at !== 'number') return at;
  if (typeof size !== 'number') return at > 2 ** 31 ? toTheEnd : at < -(2 ** 31) ? 0 : at;
  const known = at < 0 ? Math.max(at + size, 0) : at;
  return known >= size ? toTheEnd : known;
}

/** `length` entries from `start` on. */
function taken(b: Builder, x: Value, axis: number, start: Size, length: Size): Value {
  const y = sliced(b, x, axis, start, addSizes(b, start, length));
  return y === x ? x : shaped(y, shapeOf(x).with(axis, dimOf(length)));
}

/** `x[index]` along an axis, which goes. */
export function selected(b: Builder, x: Value, axis: number, index: Size): Value {
  const size = shapeOf(x)[axis]!;
  if (size === 1) return b.Squeeze(x, [axis]);
  const at = settled(index);
  return b.Gather(x, sizeScalar(b, typeof at === 'number' && typeof size === 'number' && at < 0 ? at + size : at), axis);
}

const axisArgument = (x: Args, name = 'dim'): number => axisOf(x.number(name), rankOf(x.tensor('self')));

const slice: AtenRow = (x, b) =>
  sliced(b, x.tensor('self'), axisArgument(x), x.optionalSize('start') ?? 0, x.optionalSize('end') ?? toTheEnd, x.number('step'));

const narrow: AtenRow = (x, b) => {
  const [self, axis, start] = [x.tensor('self'), axisArgument(x), x.size('start')];
  const from = typeof start === 'number' && start < 0 ? addSizes(b, b.dim(self, axis), start) : start;
  return taken(b, self, axis, from, x.size('length'));
};

const unbind: AtenRow = (x, b) => {
  const [self, axis] = [x.tensor('self'), axisArgument(x)];
  const count = shapeOf(self)[axis]!;
  if (typeof count !== 'number') throw unsupported('unbind of a dynamic axis');
  return range(count).map(i => selected(b, self, axis, i));
};

/** Windows along an axis; their elements become the last axis. */
const unfold: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [rank, size, step] = [rankOf(self), x.number('size'), x.number('step')];
  if (rank === 0) return reshapeTo(b, self, [1]);
  const axis = axisArgument(x, 'dimension');
  const length = b.dim(self, axis);
  const windows = range(rank + 1).filter(i => i !== axis + 1);
  const perm = [...windows, axis + 1];
  if (typeof length === 'number' && size === step && length % size === 0)
    return permuted(b, reshapeTo(b, self, sizesOf(b, self).toSpliced(axis, 1, length / size, size)), perm);
  const starts = iota(b, addSizes(b, length, 1 - size), step);
  return permuted(b, b.Gather(self, b.Add(b.Unsqueeze(starts, [1]), iota(b, size)), axis), perm);
};

/** Most elements that a view by strides picks one by one. */
const stridedElements = 2 ** 18;

/**
 * Elements by their place in memory. Memory is only known where it is in the order of the elements: of inputs, weights and what an
 * operator computes, not of views.
 */
const asStrided: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [sizes, strides, offset] = [x.sizes('size').map(dimOf), x.sizes('stride').map(dimOf), dimOf(x.optionalSize('storage_offset') ?? 0)];
  if (offset === 0 && !isView(self) && sameShape(shapeOf(self), sizes) && isRowMajor(sizes, strides)) return self;
  const numbers = [...sizes, ...strides, ...shapeOf(self), offset].every(d => typeof d === 'number');
  if (!numbers) throw unsupported('as_strided of dynamic sizes');
  if (isView(self)) throw unsupported('as_strided of a view');
  const places = sizes.reduce<number[]>(
    (at, size, i) => at.flatMap(place => range(size as number).map(n => place + n * (strides[i] as number))),
    [offset as number],
  );
  if (places.length > stridedElements) throw unsupported(`as_strided of more than ${stridedElements} elements`);
  const whole = (shapeOf(self) as number[]).reduce((n, d) => n * d, 1);
  if (places.length === whole && places.every((place, i) => place === i)) return reshapeTo(b, self, x.sizes('size'));
  return b.Gather(reshapeTo(b, self, [-1]), b.constant(places, 'int64', sizes as number[]), 0);
};

const viewOperators: ReadonlySet<string> = new Set(['Transpose', 'Slice', 'Expand', 'Gather', 'Split']);
const sameMemoryOperators: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);
function isView(x: Value): boolean {
  const node = x.producer;
  if (!node) return false;
  return viewOperators.has(node.op) || (sameMemoryOperators.has(node.op) && isView(node.inputs[0]!));
}

/** Parts of the given sizes along an axis. */
function splitBy(b: Builder, x: Value, sizes: readonly Size[], axis: number): readonly Value[] {
  if (sizes.length === 1) return [x];
  const known = sizes.map(settled);
  if (known.every(size => typeof size === 'number')) return b.Split(x, known, axis);
  return splitOpen(b, x, axis, sizes.map(dimOf), b.sizes(known));
}

/** Parts whose sizes only the run knows: given by a vector, else equal but for the last. */
function splitOpen(b: Builder, x: Value, axis: number, dims: readonly Dim[], sizes?: Value): readonly Value[] {
  const at = sizes ? { axis } : { axis, num_outputs: dims.length };
  const made = b.emit('Split', [x, sizes], at, { outputs: dims.map((_, i) => `split_${i}`) }) as readonly Value[];
  return made.map((y, i) => shaped(y, shapeOf(x).with(axis, dims[i]!)));
}

/** Parts of one size, the last of which may be smaller. */
function splitEvenly(b: Builder, x: Value, each: Size, axis: number): readonly Value[] {
  const size = shapeOf(x)[axis]!;
  const part = dimOf(each);
  const count = size === 0 ? 1 : partCount(size, part);
  if (count === 1) return [x];
  if (sameDim(part, evenPart(size, count)) && typeof size !== 'number') return splitInto(b, x, count, axis);
  const last = subSizes(b, b.dim(x, axis), mulSizes(b, each, count - 1));
  return splitBy(b, x, [...range(count - 1).map(() => each), last], axis);
}

/** How many parts there are: for dynamic sizes, where that is the same for all large ones. */
function partCount(size: Dim, part: Dim): number {
  const large = (d: Dim, n: number): number => substitute(d, new Map([...symbolsOf(d)].map(name => [name, n]))) as number;
  const counts = [7 * 2 ** 20, 11 ** 6].map(n => Math.ceil(large(size, n) / large(part, n)));
  if (counts[0] !== counts[1]) throw unsupported('a split of a dynamic axis into parts of a fixed size');
  return counts[0]!;
}

const evenPart = (size: Dim, count: number): Dim => floorDivDims(addDims(size, count - 1), count);

/** A dynamic axis in `count` parts of one size, the last of which may be smaller. */
function splitInto(b: Builder, x: Value, count: number, axis: number): readonly Value[] {
  const size = shapeOf(x)[axis]!;
  const each = evenPart(size, count);
  const last = subDims(size, mulDims(each, count - 1));
  return splitOpen(b, x, axis, [...range(count - 1).map(() => each), last]);
}

const split =
  (name: string): AtenRow =>
  (x, b) =>
    splitEvenly(b, x.tensor('self'), x.size(name), axisArgument(x));
const splitWithSizes =
  (name: string): AtenRow =>
  (x, b) =>
    splitBy(b, x.tensor('self'), x.sizes(name), axisArgument(x));

const chunk: AtenRow = (x, b) => {
  const [self, axis, count] = [x.tensor('self'), axisArgument(x), x.number('chunks')];
  const size = shapeOf(self)[axis]!;
  if (count === 1) return [self];
  if (typeof size !== 'number') return splitInto(b, self, count, axis);
  if (size === 0) return range(count).map(() => self);
  return splitEvenly(b, self, Math.ceil(size / count), axis);
};

/** Parts that differ by at most one, the larger ones first. */
function splitSections(b: Builder, x: Value, count: number, axis: number): readonly Value[] {
  const size = b.dim(x, axis);
  if (typeof size === 'number') {
    const sizes = range(count).map(i => Math.floor((size + count - 1 - i) / count));
    return splitBy(b, x, sizes, axis);
  }
  if (count === 1) return [x];
  if (modDims(dimOf(size), count) === 0) return splitInto(b, x, count, axis);
  const sizes = b.Div(b.Add(size, b.ints(range(count).reverse())), b.ints([count]));
  return splitOpen(b, x, axis, contentsOf(sizes) ?? range(count).map(unknownDim), sizes);
}

/** Parts that end where the indices say, as slices do. */
function splitAt(b: Builder, x: Value, indices: readonly Size[], axis: number): readonly Value[] {
  const size = shapeOf(x)[axis]!;
  const ends = [...indices.map(settled), toTheEnd];
  if (typeof size === 'number' && ends.every(end => typeof end === 'number')) {
    const at = ends.map(end => Math.min(Math.max(end < 0 ? end + size : end, 0), size));
    const sizes = at.map((end, i) => end - (at[i - 1] ?? 0));
    if (sizes.every(n => n >= 0)) return splitBy(b, x, sizes, axis);
  }
  return ends.map((end, i) => sliced(b, x, axis, ends[i - 1] ?? 0, end));
}

/** `hsplit` and its kin split a fixed axis; a vector's first one for `hsplit`. */
const splitAlong = (name: string, axisFor: (rank: number) => number): AtenRows => ({
  [`${name}.int`]: (x, b) => splitSections(b, x.tensor('self'), x.number('sections'), axisFor(rankOf(x.tensor('self')))),
  [`${name}.array`]: (x, b) => splitAt(b, x.tensor('self'), x.sizes('indices'), axisFor(rankOf(x.tensor('self')))),
});

export const parts: AtenRows = {
  'slice.Tensor': slice,
  'narrow.default': narrow,
  'select.int': (x, b) => selected(b, x.tensor('self'), axisArgument(x), x.size('index')),
  'unbind.int': unbind,
  'unfold.default': unfold,
  'as_strided.default': asStrided,
  'split.Tensor': split('split_size'),
  'unsafe_split.Tensor': split('split_size'),
  'split.sizes': splitWithSizes('split_size'),
  'split.default': splitWithSizes('split_sizes'),
  'split_with_sizes.default': splitWithSizes('split_sizes'),
  'unsafe_split_with_sizes.default': splitWithSizes('split_sizes'),
  'chunk.default': chunk,
  'unsafe_chunk.default': chunk,
  'tensor_split.sections': (x, b) => splitSections(b, x.tensor('self'), x.number('sections'), axisArgument(x)),
  'tensor_split.indices': (x, b) => splitAt(b, x.tensor('self'), x.sizes('indices'), axisArgument(x)),
  ...splitAlong('hsplit', rank => (rank === 1 ? 0 : 1)),
  ...splitAlong('vsplit', () => 0),
  ...splitAlong('dsplit', () => 2),
};
