// Operands of mixed types: PyTorch's promotion rules, and numbers as tensors.
// Source: PyTorch, "Tensor Attributes", type promotion; c10/core/ScalarType.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { Float, isValue, type Scalar, Symbolic } from './row.ts';

export type Operand = Value | Scalar;

/** The element type that Python's floats have beside integer tensors. */
export const defaultFloat: DataType = 'float32';

export const isComplex = (type: DataType): boolean => elementTypes[type].class === 'complex';

/** bool < integers < floats < complex numbers. */
const category = (type: DataType): number => {
  const { class: kind } = elementTypes[type];
  return kind === 'bool' ? 0 : kind === 'int' || kind === 'uint' ? 1 : kind === 'float' ? 2 : 3;
};

/** The type that holds what both types hold, as `torch.promote_types`. */
export function promoteTypes(a: DataType, b: DataType): DataType {
  if (a === b) return a;
  if (category(a) > category(b)) return widened(a, b);
  if (category(b) > category(a)) return widened(b, a);
  switch (category(a)) {
    case 1:
      return promoteIntegers(a, b);
    case 2:
      return promoteFloats(a, b);
    default:
      return 'complex128';
  }
}

/** The type of the higher category; complex numbers also grow to hold a float64. */
const widened = (high: DataType, low: DataType): DataType => (high === 'complex64' && low === 'float64' ? 'complex128' : high);

function promoteIntegers(a: DataType, b: DataType): DataType {
  const [x, y] = [elementTypes[a], elementTypes[b]];
  if (x.class === y.class) return x.bits > y.bits ? a : b;
  const [signed, unsigned] = x.class === 'int' ? [a, b] : [b, a];
  if (elementTypes[signed].bits > elementTypes[unsigned].bits) return signed;
  if (unsigned === 'uint8') return 'int16';
  throw fail('E2001', `PyTorch has no common type for ${a} and ${b}`);
}

function promoteFloats(a: DataType, b: DataType): DataType {
  const [x, y] = [elementTypes[a].bits, elementTypes[b].bits];
  if (x === y) return 'float32';
  return x > y ? a : b;
}

/** The type that a Python number has of itself. */
function typeOfScalar(scalar: Scalar): DataType {
  if (scalar instanceof Symbolic) return category(elementOf(scalar.value)) === 2 ? defaultFloat : elementOf(scalar.value);
  if (typeof scalar === 'boolean') return 'bool';
  return typeof scalar === 'bigint' || Number.isInteger(scalar) ? 'int64' : defaultFloat;
}

/**
 * The element type of an operation over these operands, as `torch.result_type`: tensors with axes decide; tensors of rank 0, then
 * Python numbers only raise the category.
 */
export function resultType(operands: readonly Operand[]): DataType {
  const levels: (DataType | undefined)[] = [undefined, undefined, undefined];
  for (const operand of operands) {
    const level = isValue(operand) ? (operand.shape?.length === 0 ? 1 : 0) : 2;
    const type = isValue(operand) ? elementOf(operand) : typeOfScalar(operand);
    const before = levels[level];
    levels[level] = before ? promoteTypes(before, type) : type;
  }
  return levels.reduce<DataType | undefined>((high, low) => {
    if (!high || !low) return high ?? low;
    if (category(high) >= category(low)) return high;
    return category(low) === 3 && high === 'float64' ? 'complex128' : low;
  }, undefined)!;
}

/** The type in which PyTorch computes functions that give floats: integers and truth values become the default float. */
export const floatType = (type: DataType): DataType => (isFloat(type) || isComplex(type) ? type : defaultFloat);

/** An operand as a value of an element type; a Python number becomes a scalar, or one of shape [1] where only the run knows it. */
export function asTensor(b: Builder, operand: Operand, type: DataType): Value {
  if (isValue(operand)) return b.Cast(operand, type);
  if (operand instanceof Symbolic) return b.Cast(b.Squeeze(operand.value, [0]), type);
  return scalarOf(b, operand instanceof Float ? operand.value : operand, type);
}

/** A constant scalar of any element type; integers of a float are cut off, as PyTorch does. */
export function scalarOf(b: Builder, value: number | bigint | boolean, type: DataType): Value {
  const { class: kind } = elementTypes[type];
  if (kind === 'complex') throw fail('E2001', 'complex numbers have no conversion');
  if (kind === 'bool') return b.constant(Boolean(value), 'bool');
  if (kind === 'float') return b.constant(Number(value), type);
  const whole = typeof value === 'number' ? Math.trunc(value) : value;
  return b.constant(type === 'int64' || type === 'uint64' ? BigInt(whole) : Number(whole), type);
}

/** The operands as values of their common type. */
export function promoted(b: Builder, operands: readonly Operand[]): Value[] {
  const type = resultType(operands);
  return operands.map(operand => asTensor(b, operand, type));
}
