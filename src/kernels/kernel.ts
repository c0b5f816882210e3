// The kernel kinds: the only things a backend knows. Plain data; sizes may be symbolic until they are bound.
import type { Program } from '../expr/expr.ts';
import type { Dim } from '../ir/dims.ts';
import type { TypedArray } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';

/** A strided window on a buffer, in elements. A stride of 0 repeats, a negative one runs backwards. */
export interface View<D = Dim> {
  readonly buffer: number;
  readonly type: DataType;
  readonly offset: D;
  readonly shape: readonly D[];
  readonly strides: readonly D[];
}

/** What a kernel does to its input and output views. `D` is `Dim` in a plan and `number` once bound. */
export type Kernel<D = Dim> =
  /** One scalar program at every position; all views have the shape of the outputs. */
  | { readonly kind: 'map'; readonly program: Program }
  /** Along every axis where the input is longer than the output, which has size 1 there. An empty axis gives the identity. */
  | { readonly kind: 'reduce'; readonly by: ReduceBy }
  /** The index of the largest or smallest along `axis` as int64; of equal ones the first, or the last. */
  | { readonly kind: 'argreduce'; readonly by: 'max' | 'min'; readonly axis: number; readonly last: boolean }
  /**
   * [...,M,K] times [...,K,N] to [...,M,N]; leading axes are equal. Backends may claim products whose second side is constant: of halves in
   * the place of floats, or with a `block` of whole numbers, whose scales [blocks,N] are a third input, one for so many steps of K.
   */
  | { readonly kind: 'matmul'; readonly block?: number }
  /**
   * x [N,C,spatial], w [M,C/group,taps], optional bias [M], to y [N,M,spatial]; `pads` are those at the beginning. A backend may keep channels
   * in blocks, x or y then being [N,C/16,spatial,16], and there multiply less and round more, as Winograd says.
   */
  | {
      readonly kind: 'conv';
      readonly strides: readonly number[];
      readonly dilations: readonly number[];
      readonly pads: readonly D[];
      readonly group: number;
      readonly winograd?: true;
    }
  /** Windows over the spatial axes of [N,C,spatial]. A maximum may have a second output, its flat index in the input as int64. */
  | {
      readonly kind: 'pool';
      readonly by: 'max' | 'average' | 'lp';
      readonly kernel: readonly number[];
      readonly strides: readonly number[];
      readonly dilations: readonly number[];
      /** At the beginning of each spatial axis, then at the end. */
      readonly pads: readonly D[];
      /** Average: padding counts as elements. */
      readonly countPads: boolean;
      /** Lp: the exponent. Max: whether the index counts the last two axes in column-major order. */
      readonly p: number;
    }
  /** Element by element between views of one shape. */
  | { readonly kind: 'copy' }
  /** One value everywhere: a number as `cast` converts it to the output's type. */
  | { readonly kind: 'fill'; readonly value: number | bigint }
  /** The listed numbers in row-major order: sizes that the binding knows. */
  | { readonly kind: 'values'; readonly values: readonly D[] }
  /** x, indices to y: axis `axis` of x is replaced by the axes of the indices; negative indices count from the end. */
  | { readonly kind: 'gather'; readonly axis: number }
  /**
   * indices, updates into y, which holds what they are written over: along `axis` element by element, or without an axis at the places
   * that the last axis of the indices names. Later updates win, in row-major order. Negative indices count from the end.
   */
  | { readonly kind: 'scatter'; readonly by: ScatterBy; readonly axis?: number }
  /**
   * x to its largest or smallest elements along `axis`, in order, as many as the outputs hold, and their indices as int64. NaN is
   * the largest; of equal elements the first comes first.
   */
  | { readonly kind: 'topk'; readonly axis: number; readonly largest: boolean };

export type ScatterBy = 'none' | 'add' | 'mul' | 'max' | 'min';
export type ReduceBy = 'sum' | 'prod' | 'max' | 'min';
export type KernelKind = Kernel['kind'];

/** A view over memory, with numbers for sizes. */
export interface Operand {
  readonly type: DataType;
  readonly data: TypedArray;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Strides of a row-major tensor without gaps. */
export function contiguousStrides<D>(shape: readonly D[], multiply: (a: D, b: D) => D, one: D): D[] {
  const strides: D[] = [];
  let step = one;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step = multiply(step, shape[axis]!);
  }
  return strides;
}

/** An operand over the whole of a row-major array. */
export function wholeOperand(type: DataType, data: TypedArray, shape: readonly number[]): Operand {
  return { type, data, shape, offset: 0, strides: contiguousStrides(shape, (a, b) => a * b, 1) };
}
