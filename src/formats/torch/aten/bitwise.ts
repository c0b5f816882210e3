// ATen overloads on the bits of integers; of truth values they are connectives.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { isBool, isUnsigned, knownNumber, ofPair, rows } from './elementwise.ts';
import { scalarOf } from './operands.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';

const connective = (truths: 'And' | 'Or' | 'Xor', bits: OpName): AtenRow =>
  ofPair((b, self, other) => (isBool(self) ? b[truths](self, other) : b.emit(bits, [self, other])[0]!));

/** self << other. Counts below zero, or of all bits and more, leave no bit. */
const shiftLeft: AtenRow = ofPair((b, self, other, x) => {
  const bits = bitsOf(self);
  const count = knownNumber(x.operand('other'));
  if (count !== undefined) return b.Mul(self, scalarOf(b, powerOfTwo(count, bits, elementOf(self)), elementOf(self)));
  const powers = Array.from({ length: bits + 1 }, (_, i) => powerOfTwo(i, bits, elementOf(self)));
  return b.Mul(self, b.Gather(constants(b, powers, elementOf(self)), countUpTo(b, other, bits), 0));
});

/** self >> other, which repeats the sign: floor division by a power of two. */
const shiftRight: AtenRow = ofPair((b, self, other, x) => {
  const bits = bitsOf(self);
  const most = isUnsigned(self) ? bits : bits - 1;
  const given = knownNumber(x.operand('other'));
  const count = given === undefined ? undefined : given < 0 || given > most ? most : given;
  if (count === most) return isUnsigned(self) ? b.Mul(self, scalarOf(b, 0, elementOf(self))) : signs(b, self);
  if (count !== undefined) {
    const divisor = scalarOf(b, 2n ** BigInt(count), elementOf(self));
    return isUnsigned(self) ? b.Div(self, divisor) : b.Div(b.Sub(self, b.Mod({ A: self, B: divisor })), divisor);
  }
  // The last power a signed type has no room for: by that count, only signs are left.
  const powers = Array.from({ length: most + 1 }, (_, i) => (i === most ? 1n : 2n ** BigInt(i)));
  const index = countUpTo(b, other, most);
  const divisor = b.Gather(constants(b, powers, elementOf(self)), index, 0);
  const quotient = isUnsigned(self) ? b.Div(self, divisor) : b.Div(b.Sub(self, b.Mod({ A: self, B: divisor })), divisor);
  const rest = isUnsigned(self) ? scalarOf(b, 0, elementOf(self)) : signs(b, self);
  return b.Where(b.Equal(index, b.like(most, index)), rest, quotient);
});

function bitsOf(self: Value): number {
  if (isBool(self)) throw unsupported('shifts of truth values');
  return elementTypes[elementOf(self)].bits;
}

/** -1 below zero, else 0. */
const signs = (b: Builder, self: Value): Value => b.Neg(b.Cast(b.Less(self, scalarOf(b, 0, elementOf(self))), elementOf(self)));

/** 2 ** count as the type holds it: the highest bit of a signed type is the sign. */
function powerOfTwo(count: number, bits: number, type: DataType): bigint {
  if (count < 0 || count >= bits) return 0n;
  return elementTypes[type].class === 'int' ? BigInt.asIntN(bits, 1n << BigInt(count)) : 1n << BigInt(count);
}

/** Counts as indices of a table whose last entry, `most`, is for every count out of range. */
function countUpTo(b: Builder, count: Value, most: number): Value {
  const index = b.Cast(count, 'int64');
  const limit = b.like(most, index);
  return b.Where(b.Less(index, b.like(0, index)), limit, b.Min(index, limit));
}

const constants = (b: Builder, values: readonly bigint[], type: DataType): Value =>
  b.constant(elementTypes[type].bits === 64 ? values : values.map(Number), type, [values.length]);

export const bitwise: AtenRows = {
  ...rows('bitwise_and', 'Tensor Scalar Scalar_Tensor', connective('And', 'BitwiseAnd')),
  ...rows('bitwise_or', 'Tensor Scalar Scalar_Tensor', connective('Or', 'BitwiseOr')),
  ...rows('bitwise_xor', 'Tensor Scalar Scalar_Tensor', connective('Xor', 'BitwiseXor')),
  ...rows('bitwise_left_shift', 'Tensor Tensor_Scalar Scalar_Tensor', shiftLeft),
  ...rows('bitwise_right_shift', 'Tensor Tensor_Scalar Scalar_Tensor', shiftRight),
  ...rows('__and__ __iand__', 'Tensor Scalar', connective('And', 'BitwiseAnd')),
  ...rows('__or__ __ior__', 'Tensor Scalar', connective('Or', 'BitwiseOr')),
  ...rows('__xor__ __ixor__', 'Tensor Scalar', connective('Xor', 'BitwiseXor')),
  ...rows('__lshift__ __ilshift__', 'Tensor Scalar', shiftLeft),
  ...rows('__rshift__ __irshift__', 'Tensor Scalar', shiftRight),
};
