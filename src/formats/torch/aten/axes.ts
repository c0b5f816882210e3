// Axes of ATen reductions, and reductions over them in the element types that the standard allows.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { isComplex } from './operands.ts';
import type { Args } from './row.ts';

/** What a reduction runs over. A tensor of rank 0 has no axes, though PyTorch lets it be reduced over axis 0. */
export interface Over {
  readonly axes: readonly number[];
  readonly keepdims: 0 | 1;
}

/** The axes of `dim`; None and the empty list stand for all. */
export function overOf(x: Args, self: Value): Over {
  const rank = rankOf(self);
  const given = rank > 0 ? (x.optionalNumbers('dim') ?? []) : [];
  return { axes: given.length > 0 ? axesOf(given, rank) : range(rank), keepdims: keepOf(x) };
}

export const keepOf = (x: Args): 0 | 1 => (x.has('keepdim') && x.boolean('keepdim') ? 1 : 0);

/** The one axis that an argument names; 0 of a tensor of rank 0. */
export const axisIn = (x: Args, self: Value, name = 'dim'): number => axisOf(x.number(name), Math.max(1, rankOf(self)));

export type Reduction =
  | 'ReduceSum'
  | 'ReduceMean'
  | 'ReduceProd'
  | 'ReduceMax'
  | 'ReduceMin'
  | 'ReduceL1'
  | 'ReduceL2'
  | 'ReduceSumSquare'
  | 'ReduceLogSumExp';

/** A reduction by one operator, in the element type of `self`; over no axes, every element is reduced by itself. */
export function reduced(b: Builder, op: Reduction, self: Value, { axes, keepdims }: Over): Value {
  const reduce = (v: Value): Value => b.emit(op, [v, b.ints(axes)], { keepdims })[0]!;
  if (axes.length > 0) return computedAs(b, self, op === 'ReduceMax' || op === 'ReduceMin' ? comparedAs : summedAs, reduce);
  if (op === 'ReduceL1' || op === 'ReduceL2') return b.Abs(self);
  return op === 'ReduceSumSquare' ? b.Mul(self, self) : self;
}

/** In which type the standard lets a type be computed, where not in itself. */
type Stand = Readonly<Partial<Record<DataType, DataType>>>;
export const comparedAs: Stand = { int16: 'int32', uint16: 'int32' };
export const summedAs: Stand = { ...comparedAs, int8: 'int32', uint8: 'int32', bool: 'int32' };
/** bool has no order there, and every number does. */
export const orderedAs: Stand = { bool: 'uint8' };
/** PyTorch accumulates halves in float32; a formula of several operators would round or overflow at each. */
export const accumulatedAs: Stand = { float16: 'float32', bfloat16: 'float32' };

/** `compute` in the type that stands for that of `self`, and back. */
export function computedAs(b: Builder, self: Value, stand: Stand, compute: (v: Value) => Value): Value {
  const own = elementOf(self);
  return b.Cast(compute(b.Cast(self, stand[own] ?? own)), own);
}

/** `self` as sums and products take it: in the type that `dtype` asks for, integers and truth values as int64 without one. */
export function summand(x: Args, b: Builder): Value {
  const self = x.tensor('self');
  const own = elementOf(self);
  return b.Cast(self, x.element('dtype') ?? (isFloat(own) || isComplex(own) ? own : 'int64'));
}

/** `compute` over a tensor with at least one axis. */
export const withAxis = (b: Builder, self: Value, compute: (v: Value) => Value): Value =>
  rankOf(self) > 0 ? compute(self) : b.Squeeze(compute(b.Unsqueeze(self, [0])), [0]);

/** The elements in one axis. */
export const flat = (b: Builder, self: Value): Value => (rankOf(self) === 1 ? self : b.Reshape(self, [-1]));

/** A scalar index. */
export const indexOf = (b: Builder, i: number): Value => b.constant(i, 'int64');
