// Views: moving elements without touching them. All index arithmetic on symbolic strides lives here.
import { fail } from '../errors.ts';
import { addDims, type Dim, formatDim, mulDims, productOf, sameDim, sameShape, subDims } from '../ir/dims.ts';
import type { DataType, Shape } from '../ir/types.ts';
import { contiguousStrides, type Kernel, type View } from './kernel.ts';

/** Where rows put their kernels: a plan under construction, or memory at once. */
export interface Emitter {
  /** A new buffer, row-major. */
  alloc(type: DataType, shape: Shape): View;
  /** Sizes that the run must find equal, where nothing says so before. */
  equal(a: Dim, b: Dim): void;
  /** Inputs are absent where an optional one is. */
  step(kernel: Kernel, inputs: readonly (View | undefined)[], outputs: readonly View[]): void;
}

export const wholeView = (buffer: number, type: DataType, shape: Shape): View => ({
  buffer,
  type,
  shape,
  offset: 0,
  strides: contiguousStrides<Dim>(shape, mulDims, 1),
});

export const isContiguous = (v: View): boolean => {
  const expected = contiguousStrides<Dim>(v.shape, mulDims, 1);
  return v.strides.every((s, axis) => v.shape[axis] === 1 || sameDim(s, expected[axis]!));
};

export const sameView = (a: View, b: View): boolean =>
  a.buffer === b.buffer &&
  a.type === b.type &&
  sameDim(a.offset, b.offset) &&
  sameShape(a.shape, b.shape) &&
  sameShape(a.strides, b.strides);

/** Axis i of the result is axis `perm[i]` of the view. */
export const transposeView = (v: View, perm: readonly number[]): View => ({
  ...v,
  shape: perm.map(p => v.shape[p]!),
  strides: perm.map(p => v.strides[p]!),
});

/** Repeat axes of size 1, and add axes in front, to reach `shape`. Sizes that only the run knows are taken to agree. */
export function broadcastView(v: View, shape: Shape): View {
  const front = shape.length - v.shape.length;
  if (front < 0) throw fail('E1305', `[${v.shape.map(formatDim)}] cannot be broadcast to [${shape.map(formatDim)}]`);
  const strides = shape.map((d, axis) => {
    const own = axis - front;
    if (own < 0 || (v.shape[own] === 1 && d !== 1)) return 0;
    return v.strides[own]!;
  });
  return { ...v, shape, strides };
}

/** Broadcast several views to one shape; sizes other than 1 must be found equal to those of the result. */
export const broadcastViews = (e: Emitter, views: readonly View[], shape: Shape): View[] =>
  views.map(v => {
    for (const [axis, size] of v.shape.entries()) if (size !== 1) e.equal(size, shape[axis + shape.length - v.shape.length]!);
    return broadcastView(v, shape);
  });

/** `size` elements of an axis from `start`, `step` apart; a negative step runs backwards. */
export function sliceView(v: View, axis: number, start: Dim, size: Dim, step = 1): View {
  return {
    ...v,
    offset: addDims(v.offset, mulDims(start, v.strides[axis]!)),
    shape: v.shape.with(axis, size),
    strides: v.strides.with(axis, mulDims(v.strides[axis]!, step)),
  };
}

/** Insert axes of size 1 so that they have the positions `axes` in the result. */
export function unsqueezeView(v: View, axes: readonly number[]): View {
  const shape = [...v.shape];
  const strides = [...v.strides];
  for (const axis of [...axes].sort((a, b) => a - b)) {
    shape.splice(axis, 0, 1);
    strides.splice(axis, 0, 0);
  }
  return { ...v, shape, strides };
}

export const dropAxes = (v: View, axes: readonly number[]): View => ({
  ...v,
  shape: v.shape.filter((_, axis) => !axes.includes(axis)),
  strides: v.strides.filter((_, axis) => !axes.includes(axis)),
});

/** A row-major copy, or the view itself where it is one. */
export function contiguous(e: Emitter, v: View): View {
  if (isContiguous(v)) return v;
  const y = e.alloc(v.type, v.shape);
  e.step({ kind: 'copy' }, [v], [y]);
  return y;
}

/** The same elements in row-major order under other sizes; copies where neither the view is row-major nor only axes of size 1 come and go. */
export function reshapeView(e: Emitter, v: View, shape: Shape): View {
  if (sameShape(v.shape, shape)) return v;
  if (sameShape(withoutOnes(v.shape), withoutOnes(shape))) return withOnesOf(v, shape);
  e.equal(productOf(v.shape), productOf(shape));
  const from = contiguous(e, v);
  return { ...from, shape, strides: contiguousStrides<Dim>(shape, mulDims, 1) };
}

const axesOfOne = (shape: Shape): number[] => shape.flatMap((d, axis) => (d === 1 ? [axis] : []));
export const withoutOnes = (shape: Shape): Shape => shape.filter(d => d !== 1);
/** The view in a shape that is its own but for sizes of 1, which come and go without a move. */
export const withOnesOf = (v: View, shape: Shape): View => unsqueezeView(dropAxes(v, axesOfOne(v.shape)), axesOfOne(shape));

/** The part of `v` that is left after `before` elements are taken from the front of each axis and `after` from its end. */
export const shrinkView = (v: View, before: readonly Dim[], after: readonly Dim[]): View =>
  v.shape.reduce<View>((view, size, axis) => sliceView(view, axis, before[axis]!, subDims(subDims(size, before[axis]!), after[axis]!)), v);
