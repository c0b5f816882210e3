// Sizes and axes of tensors inside rows: arithmetic on sizes that may only be known to the run, and the operators that take them.
// What is known before the run becomes a number, so that a static model keeps no arithmetic on shapes.
import {
  addDims,
  type Dim,
  divideExactly,
  floorDivDims,
  hasUnknown,
  maxDims,
  minDims,
  modDims,
  mulDims,
  productOf,
  sameDim,
  sameShape,
  subDims,
  unknownDim,
} from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { tensorType } from '../ir/types.ts';
import { contiguousStrides } from '../kernels/kernel.ts';
import type { Builder, Size } from './builder.ts';
import { axisOf, contentsOf, range, rankOf, shapeOf } from './shapes.ts';

/** As an end of a slice: up to the last element. */
export const toTheEnd = Number.MAX_SAFE_INTEGER;

/** What is known about a size before the run. */
export const dimOf = (size: Size): Dim => (typeof size === 'number' ? size : (contentsOf(size)?.[0] ?? unknownDim()));

/** The size as a number where its value is known. */
export function settled(size: Size): Size {
  const known = dimOf(size);
  return typeof known === 'number' ? known : size;
}

/** A size as an int64 value of shape [1]. */
export const sizeValue = (b: Builder, size: Size): Value => (typeof size === 'number' ? b.ints([size]) : size);
/** A size as an int64 scalar. */
export const sizeScalar = (b: Builder, size: Size): Value => (typeof size === 'number' ? b.constant(size, 'int64') : b.Squeeze(size, [0]));

const arithmetic =
  (op: string, dims: (x: Dim, y: Dim) => Dim, neutral?: number) =>
  (b: Builder, x: Size, y: Size): Size => {
    const known = dims(dimOf(x), dimOf(y));
    if (typeof known === 'number') return known;
    return y === neutral ? x : b.emit(op, [sizeValue(b, x), sizeValue(b, y)])[0]!;
  };
export const addSizes = arithmetic('Add', addDims, 0);
export const subSizes = arithmetic('Sub', subDims, 0);
export const mulSizes = arithmetic('Mul', mulDims, 1);
export const minSizes = arithmetic('Min', minDims);
export const maxSizes = arithmetic('Max', maxDims);
/** Division of sizes that are not negative. */
export const divSizes = arithmetic('Div', floorDivDims, 1);
/** The remainder with the sign of `y`, as in Python. */
export const modSizes = arithmetic('Mod', modDims);

/** The sizes of a tensor. */
export const sizesOf = (b: Builder, x: Value): Size[] => range(rankOf(x)).map(axis => b.dim(x, axis));

/** `value` with sizes that the caller knows better than inference does. */
export function shaped(value: Value, dims: readonly Dim[]): Value {
  if (value.tensor || !value.element) return value;
  const inferred = value.shape;
  value.type = tensorType(
    value.element,
    dims.map((d, i) => (hasUnknown(d) ? (inferred?.[i] ?? d) : d)),
  );
  return value;
}

/** 0, `step`, 2 * `step`, … below `limit`, as int64. */
export function iota(b: Builder, limit: Size, step = 1): Value {
  if (typeof limit === 'number' && limit <= 4096 * step) return b.ints(range(Math.ceil(limit / step)).map(i => i * step));
  const y = b.Range({ start: b.constant(0, 'int64'), limit: sizeScalar(b, limit), delta: b.constant(step, 'int64') });
  return shaped(y, [addDims(floorDivDims(subDims(dimOf(limit), 1), step), 1)]);
}

/**
 * `x` in other sizes, one of which may be -1. Sizes that only the run knows are left to Reshape where it can find them: axes that stay
 * are copied, and one more follows from the number of elements. `like` is a tensor that has the sizes.
 */
export function reshapeTo(b: Builder, x: Value, sizes: readonly Size[], like?: Value): Value {
  const from = shapeOf(x);
  const dims = targetDims(from, sizes);
  if (sameShape(dims, from)) return x;
  // Beside a size of 0, Reshape neither copies axes nor finds a size.
  const isEmpty = dims.includes(0);
  const isCopied = (i: number): boolean => !isEmpty && i < from.length && sameDim(dims[i]!, from[i]!);
  const open = range(dims.length).filter(i => typeof dims[i] !== 'number' && !isCopied(i));
  const found = isEmpty ? undefined : (open.find(i => sizes[i] === -1) ?? open.findLast(i => isComputed(sizes[i]!)) ?? open.at(-1));
  const parts = dims.map((d, i) => (typeof d === 'number' ? d : isCopied(i) ? 0 : i === found ? -1 : sizes[i]!));
  if (like && hasOpen(parts)) return shaped(b.Reshape(x, [b.Shape(like)], { allowzero: 1 }), dims);
  return shaped(b.Reshape(x, parts, isEmpty ? { allowzero: 1 } : {}), dims);
}
/** `x` in the sizes of another tensor. */
export const reshapeLike = (b: Builder, x: Value, like: Value): Value => reshapeTo(b, x, sizesOf(b, like), like);

const hasOpen = (parts: readonly Size[]): boolean => parts.some(part => typeof part !== 'number');

/** Whether finding the size takes more than reading a shape. */
const isComputed = (size: Size): boolean => typeof size !== 'number' && size.producer?.op !== 'Shape';

function targetDims(from: readonly Dim[], sizes: readonly Size[]): Dim[] {
  const dims = sizes.map(dimOf);
  const open = sizes.indexOf(-1);
  if (open < 0) return dims;
  const total = productOf(from);
  const rest = productOf(dims.filter((_, i) => i !== open));
  return dims.with(open, divideExactly(total, rest) ?? (rest === 0 ? unknownDim() : floorDivDims(total, rest)));
}

/** `x` broadcast to sizes; -1 keeps an axis. Axes that stay are 1 for Expand. `like` is a tensor that has the sizes. */
export function expandTo(b: Builder, x: Value, sizes: readonly Size[], like?: Value): Value {
  const from = shapeOf(x);
  const lead = sizes.length - from.length;
  const kept = sizes.map((size, i) => {
    const own = i < lead ? undefined : from[i - lead]!;
    if (own === undefined) return undefined;
    return size === -1 || sameDim(own, dimOf(size)) || (typeof own === 'number' && own !== 1) ? own : undefined;
  });
  if (lead === 0 && kept.every(d => d !== undefined)) return x;
  const parts = sizes.map((size, i) => (kept[i] === undefined ? settled(size) : 1));
  if (parts.every(part => part === 1)) return b.Unsqueeze(x, range(lead));
  const dims = parts.map((part, i) => kept[i] ?? dimOf(part));
  return shaped(b.Expand(x, like && hasOpen(parts) ? [b.Shape(like)] : parts), dims);
}
/** `x` broadcast to the sizes of another tensor. */
export const expandLike = (b: Builder, x: Value, like: Value): Value => expandTo(b, x, sizesOf(b, like), like);

/** The common sizes to which tensors broadcast. */
export function broadcastSizes(b: Builder, tensors: readonly Value[]): Size[] {
  const rank = Math.max(0, ...tensors.map(rankOf));
  return range(rank).map(i => {
    const candidates = tensors.flatMap(x => {
      const axis = i - rank + rankOf(x);
      return axis < 0 || shapeOf(x)[axis] === 1 ? [] : [{ x, axis }];
    });
    const best = candidates.find(({ x, axis }) => typeof shapeOf(x)[axis] === 'number') ?? candidates[0];
    return best ? b.dim(best.x, best.axis) : 1;
  });
}

/** An axis counted from the front; a tensor without axes has one for this, as in PyTorch. */
export const wrappedAxis = (axis: number, rank: number): number => axisOf(axis, Math.max(rank, 1));

/** Axes in another order; `x` itself where they stay. */
export const permuted = (b: Builder, x: Value, perm: readonly number[]): Value =>
  perm.every((axis, i) => axis === i) ? x : b.Transpose(x, perm);

/** `x` with two axes swapped. */
export function swapped(b: Builder, x: Value, axis0: number, axis1: number): Value {
  const perm = range(rankOf(x));
  const [a, c] = [wrappedAxis(axis0, perm.length), wrappedAxis(axis1, perm.length)];
  return permuted(b, x, a === c ? perm : perm.with(a, c).with(c, a));
}

/** A tensor with at least `rank` axes: new ones come first, but the third comes last. */
export function atLeast(b: Builder, x: Value, rank: 1 | 2 | 3): Value {
  const missing = rank - rankOf(x);
  if (missing <= 0) return x;
  return b.Unsqueeze(x, rank === 3 ? [[0, 1, 2], [0, 2], [2]][rankOf(x)]! : range(missing));
}

/** Whether strides are those of elements in order; that of an axis of size 1 says nothing. */
export function isRowMajor(sizes: readonly Dim[], strides: readonly Dim[]): boolean {
  const expected = contiguousStrides(sizes, mulDims, 1 as Dim);
  return strides.length === sizes.length && sizes.every((d, i) => d === 1 || sameDim(strides[i]!, expected[i]!));
}
