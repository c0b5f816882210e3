// Operations element by element, with Keras's promotion of types.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { KerasTensor, type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';

/** An argument as a tensor; a number takes the type of the other one. */
function operand(x: LayerCall, b: Builder, name: string, at: number, like: Value | undefined): Value {
  const found = x.argument(name, at) ?? x.config.find(name);
  if (found instanceof KerasTensor) return found.value;
  if (typeof found === 'number' && like)
    return b.constant(found, isFloat(elementOf(like)) || Number.isInteger(found) ? elementOf(like) : 'float32');
  if (typeof found === 'boolean') return b.constant(found, 'bool');
  throw unsupported(`the argument ${name}`);
}

/** Floats win over integers, longer types over shorter ones. */
export function promoted(b: Builder, p: Value, q: Value): [Value, Value] {
  const [t, u] = [elementOf(p), elementOf(q)];
  if (t === u) return [p, q];
  const rank = (type: DataType): number => (isFloat(type) ? 1000 : 0) + elementTypes[type].bits;
  const to = rank(t) >= rank(u) ? t : u;
  return [b.Cast(p, to), b.Cast(q, to)];
}

function pairOf(x: LayerCall, b: Builder): [Value, Value] {
  const [first, second] = [x.argument('x1', 0), x.argument('x2', 1)];
  const like = first instanceof KerasTensor ? first.value : second instanceof KerasTensor ? second.value : undefined;
  return promoted(b, operand(x, b, 'x1', 0, like), operand(x, b, 'x2', 1, like));
}

const binary = (op: (b: Builder, p: Value, q: Value) => Value): LayerRow => plain((x, b) => op(b, ...pairOf(x, b)));
const floats = (b: Builder, v: Value): Value => (isFloat(elementOf(v)) ? v : b.Cast(v, 'float32'));
const unary = (op: (b: Builder, v: Value) => Value): LayerRow => plain((x, b) => op(b, x.first.value));
const real = (op: (b: Builder, v: Value) => Value): LayerRow => unary((b, v) => op(b, floats(b, v)));
const named = (op: string): LayerRow => real((b, v) => b.emit(op, [v])[0]!);
const truths = (b: Builder, v: Value): Value => b.Cast(v, 'bool');

export const elementwise: Readonly<Record<string, LayerRow>> = {
  Add: binary((b, p, q) => b.Add(p, q)),
  Subtract: binary((b, p, q) => b.Sub(p, q)),
  Multiply: binary((b, p, q) => b.Mul(p, q)),
  Divide: binary((b, p, q) => b.Div(floats(b, p), floats(b, q))),
  TrueDivide: binary((b, p, q) => b.Div(floats(b, p), floats(b, q))),
  Power: binary((b, p, q) => b.Pow(p, q)),
  Maximum: binary((b, p, q) => b.Max(p, q)),
  Minimum: binary((b, p, q) => b.Min(p, q)),
  Equal: binary((b, p, q) => b.Equal(p, q)),
  NotEqual: binary((b, p, q) => b.Not(b.Equal(p, q))),
  Less: binary((b, p, q) => b.Less(p, q)),
  LessEqual: binary((b, p, q) => b.emit('LessOrEqual', [p, q])[0]!),
  Greater: binary((b, p, q) => b.Greater(p, q)),
  GreaterEqual: binary((b, p, q) => b.emit('GreaterOrEqual', [p, q])[0]!),
  LogicalAnd: binary((b, p, q) => b.And(truths(b, p), truths(b, q))),
  LogicalOr: binary((b, p, q) => b.Or(truths(b, p), truths(b, q))),
  LogicalXor: binary((b, p, q) => b.Xor(truths(b, p), truths(b, q))),
  Matmul: binary((b, p, q) => b.MatMul(p, q)),
  Absolute: unary((b, v) => b.Abs(v)),
  Abs: unary((b, v) => b.Abs(v)),
  Negative: unary((b, v) => b.Neg(v)),
  Sign: unary((b, v) => b.Sign(v)),
  Square: unary((b, v) => b.Mul(v, v)),
  LogicalNot: unary((b, v) => b.Not(truths(b, v))),
  Identity: unary((_b, v) => v),
  Exp: named('Exp'),
  Log: named('Log'),
  Sqrt: named('Sqrt'),
  Rsqrt: real((b, v) => b.Reciprocal(b.Sqrt(v))),
  Reciprocal: named('Reciprocal'),
  Expm1: real((b, v) => b.Sub(b.Exp(v), b.like(1, v))),
  Log1p: real((b, v) => b.Log(b.Add(v, b.like(1, v)))),
  Log2: real((b, v) => b.Div(b.Log(v), b.like(Math.LN2, v))),
  Log10: real((b, v) => b.Div(b.Log(v), b.like(Math.LN10, v))),
  Sin: named('Sin'),
  Cos: named('Cos'),
  Tan: named('Tan'),
  Arcsin: named('Asin'),
  Arccos: named('Acos'),
  Arctan: named('Atan'),
  Sinh: named('Sinh'),
  Cosh: named('Cosh'),
  Tanh: named('Tanh'),
  Arcsinh: named('Asinh'),
  Arccosh: named('Acosh'),
  Arctanh: named('Atanh'),
  Erf: named('Erf'),
  Floor: named('Floor'),
  Ceil: named('Ceil'),
  Isnan: named('IsNaN'),
  Isinf: named('IsInf'),
  Where: plain((x, b) => {
    const condition = x.tensor('condition', 0)!.value;
    const [first, second] = [x.argument('x1', 1), x.argument('x2', 2)];
    const like = first instanceof KerasTensor ? first.value : second instanceof KerasTensor ? second.value : undefined;
    const [p, q] = promoted(b, operand(x, b, 'x1', 1, like), operand(x, b, 'x2', 2, like));
    return b.Where(truths(b, condition), p, q);
  }),
  Clip: plain((x, b) => {
    const v = x.first.value;
    return b.Min(b.Max(v, operand(x, b, 'x_min', 1, v)), operand(x, b, 'x_max', 2, v));
  }),
};
