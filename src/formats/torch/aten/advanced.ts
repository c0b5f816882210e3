// ATen overloads that index with tensors, as Python's `x[...]` does: positions and masks on some axes of a tensor.
import { sameShape } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { broadcastShapes, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { broadcastSizes, expandTo, permuted, sizesOf } from '../../../ops/sizing.ts';
import { flat } from './axes.ts';
import { broadcastLike, expanded, shapeValue } from './fill.ts';
import { asTensor } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';
import { combined, type Scatter, sliceScatter } from './scatter.ts';

/** One tensor of an index list and the first axis that it is about; a mask is about as many axes as it has. */
interface Entry {
  readonly value: Value;
  readonly axis: number;
  readonly isMask: boolean;
}

function entriesOf(indices: readonly (Value | undefined)[], b: Builder): Entry[] {
  let next = 0;
  return indices.flatMap(value => {
    const axis = next;
    const isMask = value !== undefined && ['bool', 'uint8'].includes(elementOf(value));
    if (isMask && rankOf(value) === 0) throw unsupported('an index that is a single truth value');
    next += isMask ? rankOf(value) : 1;
    return value ? [{ value: isMask ? b.Cast(value, 'bool') : value, axis, isMask }] : [];
  });
}

/** Where an index list points: positions on some axes, all of one shape, which takes the place of those axes. */
interface Positions {
  readonly axes: readonly number[];
  /** Shape [...sizes, axes.length]. */
  readonly tuples: Value;
  /** Axes of the tensor: the indexed ones, then the others. */
  readonly order: readonly number[];
  /** The shape of the positions. */
  readonly sizes: readonly Size[];
  /** The axis of the result that the positions start at: in place where the indexed axes are neighbours, else in front. */
  readonly at: number;
}

function positionsOf(self: Value, entries: readonly Entry[], b: Builder): Positions {
  const axes = entries.flatMap(({ value, axis, isMask }) => (isMask ? range(rankOf(value), axis) : [axis]));
  const others = range(rankOf(self)).filter(axis => !axes.includes(axis));
  const neighbours = axes.every((axis, i) => axis === axes[0]! + i);
  const [first] = entries;
  const found = entries.length === 1 && first!.isMask ? b.NonZero({ X: first!.value }) : undefined;
  const indices = found ? [] : entries.flatMap(entry => indicesOf(entry, b));
  const sizes = found ? [b.dim(found, 1)] : broadcastSizes(b, indices);
  const tuples = found ? b.Transpose(found, [1, 0]) : tupled(indices, sizes, b);
  return { axes, tuples, order: [...axes, ...others], sizes, at: neighbours ? axes[0]! : 0 };
}

/** An index for each axis that an entry is about. */
function indicesOf({ value, isMask }: Entry, b: Builder): Value[] {
  if (!isMask) return [b.Cast(value, 'int64')];
  const found = b.NonZero({ X: value });
  if (rankOf(value) === 1) return [b.Squeeze(found, [0])];
  return range(rankOf(value)).map(axis => b.Gather(found, b.constant(BigInt(axis), 'int64'), 0));
}

const tupled = (indices: readonly Value[], sizes: readonly Size[], b: Builder): Value => {
  const columns = indices.map(index => b.Unsqueeze(expandTo(b, index, sizes), [-1]));
  return columns.length === 1 ? columns[0]! : b.Concat(columns, -1);
};

export const inverse = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));

/** From a result, where the positions stand at their place, to one where they come first. */
function frontOrder({ axes, order, sizes, at }: Positions): number[] {
  const rest = order.length - axes.length;
  return [...range(sizes.length, at), ...range(at), ...range(rest - at, at + sizes.length)];
}

/** `self[indices]`. */
function indexed(self: Value, indices: readonly (Value | undefined)[], b: Builder): Value {
  const entries = entriesOf(indices, b);
  const [first] = entries;
  if (!first) return self;
  if (entries.length === 1) return first.isMask ? selected(self, first, b) : b.Gather(self, indexFor(first.value, b), first.axis);
  const positions = positionsOf(self, entries, b);
  const found = b.GatherND({ data: permuted(b, self, positions.order), indices: positions.tuples });
  return permuted(b, found, inverse(frontOrder(positions)));
}

/** Gather takes int32 and int64 as they are. */
const indexFor = (index: Value, b: Builder): Value => (elementOf(index) === 'int32' ? index : b.Cast(index, 'int64'));

/** The elements that a mask over neighbouring axes leaves. */
function selected(self: Value, { value: mask, axis }: Entry, b: Builder): Value {
  const [rank, covered] = [rankOf(self), rankOf(mask)];
  if (covered === 1) return b.Compress({ input: self, condition: mask }, { axis });
  const condition = flat(b, mask);
  if (covered === rank) return b.Compress({ input: self, condition });
  const before = shapeOf(self)
    .slice(0, axis)
    .map(d => (typeof d === 'number' ? d : 0));
  const after = range(rank - axis - covered, axis + covered).map(a => b.dim(self, a));
  return b.Compress({ input: b.Reshape(self, [...before, -1, ...after]), condition }, { axis });
}

/** `self` with `self[indices] = values`, or `+=`. */
function withPut(self: Value, indices: readonly (Value | undefined)[], given: Value, accumulate: boolean, b: Builder): Value {
  const entries = entriesOf(indices, b);
  const values = b.Cast(given, elementOf(self));
  const [first] = entries;
  if (!first) return accumulate ? b.Add(self, values) : broadcastLike(b, values, self);
  const masked = entries.length === 1 && first.isMask && !accumulate ? maskedPut(self, first, values, b) : undefined;
  if (masked) return masked;
  const reduction = accumulate ? 'add' : 'none';
  if (entries.length === 1 && !first.isMask && rankOf(first.value) <= 1) {
    const index = rankOf(first.value) === 0 ? b.Unsqueeze(first.value, [0]) : first.value;
    const sizes = range(rankOf(self)).flatMap(axis => (axis !== first.axis ? [b.dim(self, axis)] : sizesOf(b, first.value)));
    const whole = expandTo(b, values, sizes);
    const source = rankOf(first.value) === 0 ? b.Unsqueeze(whole, [first.axis]) : whole;
    return sliceScatter(b, first.axis, index)(self, source, reduction);
  }
  const positions = positionsOf(self, entries, b);
  const updates = updatesAt(self, positions, values, b);
  const write: Scatter = (data, source, how) => b.ScatterND({ data, indices: positions.tuples, updates: source }, { reduction: how });
  const put = combined(permuted(b, self, positions.order), updates, reduction, b, write);
  return permuted(b, put, inverse(positions.order));
}

/** A mask whose values are the same for every position that it marks chooses between them and what was there. */
function maskedPut(self: Value, { value: mask, axis }: Entry, values: Value, b: Builder): Value | undefined {
  const [rank, covered] = [rankOf(self), rankOf(mask)];
  const after = rank - axis - covered;
  const shape = shapeOf(values);
  const isUniform = shape.length <= after || shape.every(d => d === 1) || (covered === 1 && shape.at(-after - 1) === 1);
  if (!isUniform) return undefined;
  const condition = after === 0 ? mask : b.Unsqueeze(mask, range(after, covered));
  return b.Where(condition, shape.length > rank ? b.Reshape(values, []) : values, self);
}

/** Values broadcast to what the positions point at, positions first. */
function updatesAt(self: Value, positions: Positions, values: Value, b: Builder): Value {
  const { axes, order, sizes, at } = positions;
  const others = order.slice(axes.length).map(axis => b.dim(self, axis));
  return permuted(b, expandTo(b, values, others.toSpliced(at, 0, ...sizes)), frontOrder(positions));
}

const index: AtenRow = (x, b) => indexed(x.tensor('self'), x.optionalTensors('indices'), b);
const indexPut: AtenRow = (x, b) => withPut(x.tensor('self'), x.optionalTensors('indices'), x.tensor('values'), x.boolean('accumulate'), b);

/** The indices moved into range, for positions that a mask leaves out. */
function clamped(x: Args, b: Builder): (Value | undefined)[] {
  const self = x.tensor('self');
  return x.optionalTensors('indices').map((given, axis) => {
    if (!given) return undefined;
    const indices = b.Cast(given, 'int64');
    const size = b.dim(self, axis);
    if (typeof size === 'number') {
      const [min, max] = [b.constant(BigInt(-size), 'int64'), b.constant(BigInt(size - 1), 'int64')];
      return b.Clip({ input: indices, min, max });
    }
    return b.Max(b.Min(indices, b.Sub(size, b.ints([1]))), b.Neg(size));
  });
}

const unsafeMaskedIndex: AtenRow = (x, b) => {
  const found = indexed(x.tensor('self'), clamped(x, b), b);
  return b.Where(x.tensor('mask'), found, asTensor(b, x.scalar('fill'), elementOf(found)));
};

const unsafeMaskedPut: AtenRow = (x, b) => {
  const values = x.tensor('values');
  const kept = b.Where(x.tensor('mask'), values, asTensor(b, 0, elementOf(values)));
  return withPut(x.tensor('self'), clamped(x, b), kept, true, b);
};

/** Two tensors of one shape. */
function together(a: Value, c: Value, b: Builder): [Value, Value] {
  const shape = broadcastShapes([shapeOf(a), shapeOf(c)]);
  const fits = (v: Value): boolean => sameShape(shapeOf(v), shape);
  if (fits(a) && fits(c)) return [a, c];
  // Expand broadcasts in both directions, so that the sizes of one are enough for the other.
  return [fits(a) ? a : expanded(b, a, shapeValue(b, c)), fits(c) ? c : expanded(b, c, shapeValue(b, a))];
}

const maskedSelect: AtenRow = (x, b) => {
  const [self, mask] = together(x.tensor('self'), x.tensor('mask'), b);
  return b.Compress({ input: rankOf(self) === 0 ? flat(b, self) : self, condition: flat(b, mask) });
};

const maskedScatter: AtenRow = (x, b) => {
  const [self, mask] = together(x.tensor('self'), x.tensor('mask'), b);
  const found = b.NonZero({ X: mask });
  const source = flat(b, x.tensor('source'));
  const updates = b.Slice(source, { axes: [0], starts: [0], ends: [b.dim(found, 1)] });
  return b.ScatterND({ data: self, indices: b.Transpose(found, [1, 0]), updates });
};

export const advanced: AtenRows = {
  'index.Tensor': index,
  'index.Tensor_hacked_twin': index,
  '_unsafe_index.Tensor': index,
  '_unsafe_index.Tensor_hacked_twin': index,
  'index_put.default': indexPut,
  'index_put.hacked_twin': indexPut,
  '_unsafe_index_put.default': indexPut,
  '_unsafe_index_put.hacked_twin': indexPut,
  '_index_put_impl.default': indexPut,
  '_index_put_impl_.hacked_twin': indexPut,
  '_unsafe_masked_index.default': unsafeMaskedIndex,
  '_unsafe_masked_index_put_accumulate.default': unsafeMaskedPut,
  'masked_select.default': maskedSelect,
  'masked_scatter.default': maskedScatter,
};
