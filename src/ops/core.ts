// The core: every operator that has kernels of its own, as the builder's positional methods. All other operators are bodies of
// these. One line an operator, written by hand: the list is the waist of the design.
import type { Value } from '../ir/graph.ts';
import type { DataType } from '../ir/types.ts';
import { elementTypes } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';

type Variadic = (...x: Value[]) => Value;
type Unary = (x: Value) => Value;
type Binary = (a: Value, b: Value) => Value;
type Reduce = (x: Value, at: { readonly axes: readonly number[]; readonly keepdims?: number }) => Value;
interface Window {
  readonly kernel_shape: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly ceil_mode?: number;
}

export interface Core {
  Add: Binary;
  Sub: Binary;
  Mul: Binary;
  Div: Binary;
  Pow: Binary;
  Equal: Binary;
  Less: Binary;
  Greater: Binary;
  And: Binary;
  Or: Binary;
  Xor: Binary;
  Neg: Unary;
  Abs: Unary;
  Sign: Unary;
  Exp: Unary;
  Log: Unary;
  Sqrt: Unary;
  Reciprocal: Unary;
  Erf: Unary;
  Tanh: Unary;
  Sin: Unary;
  Cos: Unary;
  Floor: Unary;
  Ceil: Unary;
  Round: Unary;
  Not: Unary;
  Sigmoid: Unary;
  Relu: Unary;
  IsNaN: Unary;
  Max: Variadic;
  Min: Variadic;
  Where(condition: Value, x: Value, y: Value): Value;
  Cast(x: Value, to: DataType): Value;
  ReduceSum: Reduce;
  ReduceMax: Reduce;
  ReduceMin: Reduce;
  ReduceProd: Reduce;
  MatMul: Binary;
  Conv(
    x: Value,
    w: Value,
    bias?: Value,
    at?: {
      readonly strides?: readonly number[];
      readonly dilations?: readonly number[];
      readonly pads?: readonly number[];
      readonly group?: number;
    },
  ): Value;
  MaxPool(x: Value, at: Window): Value;
  AveragePool(x: Value, at: Window & { readonly count_include_pad?: number }): Value;
  Identity: Unary;
  Shape: Unary;
  Reshape(x: Value, shape: readonly Size[], at?: { readonly allowzero?: number }): Value;
  Transpose(x: Value, perm: readonly number[]): Value;
  Squeeze(x: Value, axes: readonly number[]): Value;
  Unsqueeze(x: Value, axes: readonly number[]): Value;
  Expand(x: Value, shape: readonly Size[]): Value;
  Concat(x: readonly Value[], axis: number): Value;
  Split(x: Value, sizes: readonly number[], axis: number): readonly Value[];
  Slice(
    x: Value,
    at: {
      readonly axes: readonly number[];
      readonly starts: readonly Size[];
      readonly ends: readonly Size[];
      readonly steps?: readonly number[];
    },
  ): Value;
  Gather(x: Value, indices: Value, axis: number): Value;
}

type Method<F> = F extends (...args: infer A) => infer R ? (b: Builder, ...args: A) => R : never;

const unary =
  (op: string): Method<Unary> =>
  (b, x) =>
    b.emit(op, [x])[0]!;
const binary =
  (op: string): Method<Binary> =>
  (b, x, y) =>
    b.emit(op, [x, y])[0]!;
const reduce =
  (op: string): Method<Reduce> =>
  (b, x, { axes, keepdims }) =>
    b.emit(op, [x, b.ints(axes)], { keepdims, noop_with_empty_axes: 1 })[0]!;
const variadic =
  (op: string): ((b: Builder, ...x: Value[]) => Value) =>
  (b, ...x) =>
    b.emit(op, x)[0]!;

export const positional: { readonly [K in keyof Core]: Method<Core[K]> } = {
  Add: binary('Add'),
  Sub: binary('Sub'),
  Mul: binary('Mul'),
  Div: binary('Div'),
  Pow: binary('Pow'),
  Equal: binary('Equal'),
  Less: binary('Less'),
  Greater: binary('Greater'),
  And: binary('And'),
  Or: binary('Or'),
  Xor: binary('Xor'),
  Neg: unary('Neg'),
  Abs: unary('Abs'),
  Sign: unary('Sign'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Sqrt: unary('Sqrt'),
  Reciprocal: unary('Reciprocal'),
  Erf: unary('Erf'),
  Tanh: unary('Tanh'),
  Sin: unary('Sin'),
  Cos: unary('Cos'),
  Floor: unary('Floor'),
  Ceil: unary('Ceil'),
  Round: unary('Round'),
  Not: unary('Not'),
  Sigmoid: unary('Sigmoid'),
  Relu: unary('Relu'),
  IsNaN: unary('IsNaN'),
  Max: variadic('Max'),
  Min: variadic('Min'),
  Where: (b, condition, x, y) => b.emit('Where', [condition, x, y])[0]!,
  Cast: (b, x, to) => (x.element === to ? x : b.emit('Cast', [x], { to: elementTypes[to].code })[0]!),
  ReduceSum: reduce('ReduceSum'),
  ReduceMax: reduce('ReduceMax'),
  ReduceMin: reduce('ReduceMin'),
  ReduceProd: reduce('ReduceProd'),
  MatMul: binary('MatMul'),
  Conv: (b, x, w, bias, at = {}) => b.emit('Conv', [x, w, bias], at)[0]!,
  MaxPool: (b, x, at) => b.emit('MaxPool', [x], { ...at })[0]!,
  AveragePool: (b, x, at) => b.emit('AveragePool', [x], { ...at })[0]!,
  Identity: unary('Identity'),
  Shape: unary('Shape'),
  Reshape: (b, x, shape, at = {}) => b.emit('Reshape', [x, b.sizes(shape)], at)[0]!,
  Transpose: (b, x, perm) => b.emit('Transpose', [x], { perm })[0]!,
  Squeeze: (b, x, axes) => b.emit('Squeeze', [x, b.ints(axes)])[0]!,
  Unsqueeze: (b, x, axes) => b.emit('Unsqueeze', [x, b.ints(axes)])[0]!,
  Expand: (b, x, shape) => b.emit('Expand', [x, b.sizes(shape)])[0]!,
  Concat: (b, x, axis) => b.emit('Concat', x, { axis })[0]!,
  Split: (b, x, sizes, axis) =>
    b.emit('Split', [x, b.ints(sizes)], { axis }, { outputs: sizes.map((_, i) => `split_${i}`) }) as readonly Value[],
  Slice: (b, x, { axes, starts, ends, steps }) =>
    b.emit('Slice', [x, b.sizes(starts), b.sizes(ends), b.ints(axes), steps && b.ints(steps)])[0]!,
  Gather: (b, x, indices, axis) => b.emit('Gather', [x, indices], { axis })[0]!,
};
