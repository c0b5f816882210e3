// What pointwise rows share: arguments in the type that PyTorch computes in, signs, roundings, tables of rows.
import type { Value } from '../../../ir/graph.ts';
import { elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { asTensor, floatType, type Operand, promoted, resultType } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, Float, isScalar } from './row.ts';

/** One row under several names and overloads, each a list with spaces. */
export const rows = (names: string, overloads: string, row: AtenRow): AtenRows =>
  Object.fromEntries(names.split(' ').flatMap(name => overloads.split(' ').map(overload => [`${name}.${overload}`, row])));

/** What a row computes of its tensor, or of its two operands; other arguments are in `x`. */
export type Formula = (b: Builder, self: Value, x: Args) => Value;
export type PairFormula = (b: Builder, self: Value, other: Value, x: Args) => Value;

/** A row of a function of one tensor, which keeps its element type. */
export const ofSelf =
  (f: Formula): AtenRow =>
  (x, b) =>
    f(b, x.tensor('self'), x);

/** A row of a function that gives floats: integers and truth values are converted first. */
export const ofFloat =
  (f: Formula): AtenRow =>
  (x, b) =>
    f(b, floating(b, x.tensor('self')), x);

/** A row of a function of two operands in their common type. */
export const ofPair =
  (f: PairFormula): AtenRow =>
  (x, b) => {
    const [self, other] = pair(b, x);
    return f(b, self, other, x);
  };

/** The same for functions that give floats. */
export const ofFloatPair =
  (f: PairFormula): AtenRow =>
  (x, b) => {
    const [self, other] = floatPair(b, x);
    return f(b, self, other, x);
  };

export const asIs: AtenRow = x => x.tensor('self');

export const pair = (b: Builder, x: Args): [Value, Value] => promoted(b, [x.operand('self'), x.operand('other')]) as [Value, Value];

export function floatPair(b: Builder, x: Args): [Value, Value] {
  const operands: readonly Operand[] = [x.operand('self'), x.operand('other')];
  const type = floatType(resultType(operands));
  return operands.map(operand => asTensor(b, operand, type)) as [Value, Value];
}

export const floating = (b: Builder, v: Value): Value => b.Cast(v, floatType(elementOf(v)));

/** A Python number where it is known now. */
export function knownNumber(operand: Operand): number | undefined {
  if (operand instanceof Float) return operand.value;
  return isScalar(operand) && typeof operand !== 'object' ? Number(operand) : undefined;
}

export const isBool = (v: Value): boolean => elementOf(v) === 'bool';
export const isFloating = (v: Value): boolean => isFloat(elementOf(v));
export const isUnsigned = (v: Value): boolean => elementTypes[elementOf(v)].class === 'uint';
/** v * factor; v itself for a factor known to be 1. */
export function times(b: Builder, v: Value, factor: Operand): Value {
  return knownNumber(factor) === 1 ? v : b.Mul(v, asTensor(b, factor, elementOf(v)));
}

/** True for every element of any type and size. */
export const always = (b: Builder, v: Value): Value => {
  const anything = isFloating(v) ? b.IsNaN(v) : v;
  return b.Equal(anything, anything);
};
export const never = (b: Builder, v: Value): Value => b.Not(always(b, v));
