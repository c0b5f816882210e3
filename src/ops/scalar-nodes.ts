// Formulas of the scalar language as nodes: one operator a primitive.
import { fail } from '../errors.ts';
import type { Expr } from '../expr/expr.ts';
import type { Primitive, ScalarType } from '../expr/primitives.ts';
import type { Value } from '../ir/graph.ts';
import type { DataType } from '../ir/types.ts';
import { computeType } from '../kernels/storage.ts';
import type { Builder } from './builder.ts';
import { expm1, log1p, truncate } from './formulas.ts';

type Make = (b: Builder, ...x: Value[]) => Value;
const node =
  (op: string, at: Readonly<Record<string, number>> = {}): Make =>
  (b, ...x) =>
    b.emit(op, x, at)[0]!;

/** Absent: what only integers have, and no derivative has. */
const makers: { readonly [P in Primitive]?: Make } = {
  add: node('Add'),
  sub: node('Sub'),
  mul: node('Mul'),
  div: node('Div'),
  rem: node('Mod', { fmod: 1 }),
  pow: node('Pow'),
  min: node('Min'),
  max: node('Max'),
  neg: node('Neg'),
  abs: node('Abs'),
  sign: node('Sign'),
  exp: node('Exp'),
  expm1,
  log: node('Log'),
  log1p,
  sqrt: node('Sqrt'),
  sin: node('Sin'),
  cos: node('Cos'),
  tan: node('Tan'),
  asin: node('Asin'),
  acos: node('Acos'),
  atan: node('Atan'),
  sinh: node('Sinh'),
  cosh: node('Cosh'),
  tanh: node('Tanh'),
  asinh: node('Asinh'),
  acosh: node('Acosh'),
  atanh: node('Atanh'),
  erf: node('Erf'),
  floor: node('Floor'),
  ceil: node('Ceil'),
  trunc: truncate,
  round: node('Round'),
  and: node('And'),
  or: node('Or'),
  xor: node('Xor'),
  not: node('Not'),
  eq: node('Equal'),
  lt: node('Less'),
  le: node('LessOrEqual'),
  isnan: node('IsNaN'),
  isinf: node('IsInf'),
  select: node('Where'),
};

/**
 * The nodes of formulas over `inputs`; equal objects are made once. Scalars of the type in which elements of `element` are computed
 * are elements of that type.
 */
export function nodesOf(b: Builder, formulas: readonly (Expr | undefined)[], inputs: readonly Value[], element: DataType) {
  const made = new Map<Expr, Value>();
  const typeOf = (type: ScalarType): DataType => (type === computeType(element) ? element : type);
  const make = (e: Expr): Value => {
    if (e.op === 'input') return b.Cast(inputs[e.index]!, typeOf(e.type));
    if (e.op === 'const') return b.constant(e.value, typeOf(e.type));
    if (e.op === 'cast') return b.Cast(valueFor(e.args[0]), typeOf(e.type));
    const maker = makers[e.op];
    if (!maker) throw fail('E9001', `no operator is the primitive ${e.op}`);
    return maker(b, ...e.args.map(valueFor));
  };
  const valueFor = (e: Expr): Value => {
    const value = made.get(e) ?? make(e);
    made.set(e, value);
    return value;
  };
  return formulas.map(e => e && valueFor(e));
}
