// Pointwise operators by their scalar formulas: every primitive is a call, so that what has no operator of its own in ATen has its meaning.
import type { Instruction } from '../../../expr/expr.ts';
import { program } from '../../../expr/expr.ts';
import type { Primitive, ScalarType } from '../../../expr/primitives.ts';
import type { DataType } from '../../../ir/types.ts';
import { tensorType } from '../../../ir/types.ts';
import { computeType } from '../../../kernels/storage.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { expressionOf } from '../../../ops/plan-node.ts';
import type { MapRow } from '../../../ops/row.ts';
import { gap, type NodeEmission } from './emission.ts';
import { type Arg, Ref, TypeArg } from './program.ts';

/** A call of a primitive; `args` may be numbers where one is a tensor. */
type Say = (n: NodeEmission, args: readonly Arg[], type: ScalarType) => Ref;
const call =
  (target: string): Say =>
  (n, args, type) =>
    n.t.call(target, args, { ...n.y(), element: type });
/** Of a tensor and a number there is an overload of its own. */
const withScalar =
  (name: string): Say =>
  (n, args, type) =>
    n.t.call(`aten.${name}.${args[1] instanceof Ref ? 'Tensor' : 'Scalar'}`, args, { ...n.y(), element: type });
const isFloatType = (type: ScalarType): boolean => type.startsWith('float');
const truncated: Say = (n, args, type) =>
  isFloatType(type)
    ? call('aten.div.Tensor')(n, args, type)
    : n.t.call('aten.div.Tensor_mode', args, { ...n.y(), element: type }, { kwargs: { rounding_mode: 'trunc' } });
const byClass =
  (onBool: string, onBits: string): Say =>
  (n, args, type) =>
    call(type === 'bool' ? onBool : onBits)(n, args, type);

const says: { readonly [P in Primitive]?: Say } = {
  add: call('aten.add.Tensor'),
  sub: call('aten.sub.Tensor'),
  mul: call('aten.mul.Tensor'),
  div: truncated,
  mod: withScalar('remainder'),
  rem: withScalar('fmod'),
  pow: call('aten.pow.Tensor_Tensor'),
  min: call('aten.minimum.default'),
  max: call('aten.maximum.default'),
  neg: call('aten.neg.default'),
  abs: call('aten.abs.default'),
  sign: call('aten.sign.default'),
  exp: call('aten.exp.default'),
  expm1: call('aten.expm1.default'),
  log: call('aten.log.default'),
  log1p: call('aten.log1p.default'),
  sqrt: call('aten.sqrt.default'),
  sin: call('aten.sin.default'),
  cos: call('aten.cos.default'),
  tan: call('aten.tan.default'),
  asin: call('aten.asin.default'),
  acos: call('aten.acos.default'),
  atan: call('aten.atan.default'),
  sinh: call('aten.sinh.default'),
  cosh: call('aten.cosh.default'),
  tanh: call('aten.tanh.default'),
  asinh: call('aten.asinh.default'),
  acosh: call('aten.acosh.default'),
  atanh: call('aten.atanh.default'),
  erf: call('aten.erf.default'),
  floor: call('aten.floor.default'),
  ceil: call('aten.ceil.default'),
  trunc: call('aten.trunc.default'),
  round: call('aten.round.default'),
  and: byClass('aten.logical_and.default', 'aten.bitwise_and.Tensor'),
  or: byClass('aten.logical_or.default', 'aten.bitwise_or.Tensor'),
  xor: byClass('aten.logical_xor.default', 'aten.bitwise_xor.Tensor'),
  not: byClass('aten.logical_not.default', 'aten.bitwise_not.default'),
  shl: call('aten.bitwise_left_shift.Tensor'),
  shr: call('aten.bitwise_right_shift.Tensor'),
  eq: withScalar('eq'),
  lt: withScalar('lt'),
  le: withScalar('le'),
  isnan: call('aten.isnan.default'),
  isinf: call('aten.isinf.default'),
  select: call('aten.where.self'),
};

/** Primitives whose later arguments may be Python numbers. */
const takesNumbers: ReadonlySet<string> = new Set(['add', 'sub', 'mul', 'div', 'mod', 'rem', 'eq', 'lt', 'le']);

/** The calls of a map row, computed in the types in which the row computes. */
export function sayMap(row: MapRow<OpName>, n: NodeEmission): Ref {
  const elements = n.node.inputs.map((_, i) => n.element(i));
  const expression = expressionOf(row, elements, n.at);
  const { instructions, outputs } = program([expression]);
  const made: Arg[] = [];
  for (const i of instructions) made.push(said(i, made, n, elements));
  const last = made[outputs[0]!]!;
  const result = last instanceof Ref ? last : constantTensor(last, n, n.y().element);
  return result.type!.element === n.y().element ? result : cast(result, n.y().element, n);
}

function said(i: Instruction, made: readonly Arg[], n: NodeEmission, elements: readonly DataType[]): Arg {
  if (i.op === 'input') return inputAs(i.index, elements[i.index]!, n);
  if (i.op === 'const') return Number.isSafeInteger(Number(i.value)) || typeof i.value === 'number' ? Number(i.value) : i.value;
  const args = i.args.map(k => made[k]!);
  if (i.op === 'cast') return castArg(args[0]!, i.type, n);
  const say = says[i.op];
  if (!say) throw gap(`the formula of the operator has ${i.op}, which PyTorch has not`);
  const type = i.op === 'select' ? i.type : (operandType(args) ?? i.type);
  const ready = args.map((arg, k) => {
    if (arg instanceof Ref || (takesNumbers.has(i.op) && k > 0 && args[0] instanceof Ref)) return arg;
    return constantTensor(arg, n, i.op === 'select' && k === 0 ? 'bool' : type);
  });
  const isTest = i.op === 'eq' || i.op === 'lt' || i.op === 'le' || i.op === 'isnan' || i.op === 'isinf';
  const ref = say(n, ready, isTest ? 'bool' : (type as ScalarType));
  return ref;
}

const operandType = (args: readonly Arg[]): DataType | undefined => args.findLast((a): a is Ref => a instanceof Ref)?.type?.element;

function inputAs(index: number, element: DataType, n: NodeEmission): Ref {
  const type = computeType(element);
  const x = n.x(index);
  return type && type !== element ? cast(x, type, n) : x;
}

function castArg(arg: Arg, type: ScalarType, n: NodeEmission): Arg {
  if (!(arg instanceof Ref)) return arg;
  return arg.type!.element === type ? arg : cast(arg, type, n);
}

export const cast = (x: Ref, element: DataType, n: NodeEmission): Ref =>
  n.t.call('aten.to.dtype', [x, new TypeArg(element)], tensorType(element, x.type!.shape));

function constantTensor(value: Arg, n: NodeEmission, element: DataType): Ref {
  const plain = element === 'bool' ? value !== 0 : value;
  return n.t.call('aten.scalar_tensor.default', [plain], tensorType(element, []), { kwargs: { dtype: new TypeArg(element) } });
}
