// Operators of two tensors and more that broadcast, element by element.
import type { Value } from '../../../ir/graph.ts';
import { elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { atan2, log1p, truncate } from '../../../ops/formulas.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import type { Call, TfRow, TfRows } from '../call.ts';

type Pair = (b: Builder, x: Value, y: Value, call: Call) => Value;

/** A row of the first two inputs, whatever their names are. */
const pair =
  (f: Pair): TfRow =>
  (call, b) => {
    const [x, y] = call.all;
    return f(b, x!, y!, call);
  };

const operator = (op: OpName): TfRow => pair((b, x, y) => b.emit(op, [x, y])[0]!);
const floats = (v: Value): boolean => isFloat(elementOf(v));
const isUnsigned = (v: Value): boolean => elementTypes[elementOf(v)].class === 'uint';

/** Types without a kernel in runtimes are computed in one that holds them. */
const widened =
  (op: OpName): TfRow =>
  (call, b) => {
    const [x, y] = call.all as [Value, Value];
    const type = elementOf(x);
    if (type === 'string') return b.StringConcat({ X: x, Y: y });
    if (!['int8', 'int16', 'uint8', 'uint16'].includes(type)) return b.emit(op, [x, y])[0]!;
    const made = b.emit(op, [b.Cast(x, 'int32'), b.Cast(y, 'int32')])[0]!;
    return b.Cast(made, type);
  };

const add: TfRow = widened('Add');

/** Integers are rounded towards minus infinity: the remainder with the sign of the divisor is taken off first. */
const floorDiv: Pair = (b, x, y) => {
  if (floats(x)) return b.Floor(b.Div(x, y));
  return isUnsigned(x) ? b.Div(x, y) : b.Div(b.Sub(x, b.Mod({ A: x, B: y })), y);
};

/** The remainder with the sign of the divisor. */
const floorMod: Pair = (b, x, y) => {
  if (!floats(x)) return b.Mod({ A: x, B: y });
  const rest = b.Mod({ A: x, B: y }, { fmod: 1 });
  const zero = b.like(0, rest);
  const isOther = b.And(b.Not(b.Equal(rest, zero)), b.Xor(b.Less(rest, zero), b.Less(y, zero)));
  return b.Where(isOther, b.Add(rest, y), rest);
};

const truncateMod: Pair = (b, x, y) => b.Mod({ A: x, B: y }, { fmod: 1 });
const truncateDiv: Pair = (b, x, y) => (floats(x) ? truncate(b, b.Div(x, y)) : b.Div(x, y));

/** `f`, and 0 wherever an operand is 0, even beside what is no number. */
const zeroWhere = (of: 'x' | 'y', f: Pair): TfRow =>
  pair((b, x, y, call) => {
    const made = f(b, x, y, call);
    return b.Where(b.Equal(of === 'x' ? x : y, b.like(0, x)), b.like(0, x), made);
  });

const equal: TfRow = pair((b, x, y) => b.Equal(x, y));

/** Shifts of signed integers by tables of powers of two; counts beyond the width are what the hardware makes of them, so not ours. */
const shift =
  (direction: 'LEFT' | 'RIGHT'): TfRow =>
  (call, b) => {
    const [x, y] = call.all as [Value, Value];
    const type = elementOf(x);
    if (isUnsigned(x) && type !== 'uint16') return b.BitShift({ X: x, Y: y }, { direction });
    const { bits } = elementTypes[type];
    const powers = range(bits - 1).map(i => 2n ** BigInt(i));
    if (direction === 'LEFT') powers.push(BigInt.asIntN(64, 2n ** BigInt(bits - 1)));
    const table = b.constant(BigInt64Array.from(powers), 'int64', [powers.length]);
    const most = b.constant(BigInt(powers.length - 1), 'int64');
    const count = b.Min(b.Max(b.Cast(y, 'int64'), b.constant(0n, 'int64')), most);
    const factor = b.Gather(table, count, 0);
    const whole = b.Cast(x, 'int64');
    if (direction === 'LEFT') return b.Cast(b.Mul(whole, factor), type);
    return b.Cast(b.Div(b.Sub(whole, b.Mod({ A: whole, B: factor })), factor), type);
  };

/** A condition of one axis picks rows; a scalar picks all or nothing; else it has the shape of what it picks from. */
const select: TfRow = (x, b) => {
  const [condition, then, other] = [x.tensor('condition'), x.tensor('t'), x.tensor('e')];
  const missing = rankOf(then) - rankOf(condition);
  if (missing <= 0 || rankOf(condition) === 0) return b.Where(condition, then, other);
  return b.Where(b.Unsqueeze(condition, range(missing, 1)), then, other);
};

const sum: TfRow = (x, b) => {
  const all = x.tensors('inputs');
  return all.length === 1 ? b.Identity(all[0]!) : all.reduce((a, c) => b.Add(a, c));
};

/** The channel is the last axis, or the second one. */
const biasAdd: TfRow = (x, b) => {
  const [value, bias] = [x.tensor('value'), x.tensor('bias')];
  const isLast = !x.has('data_format') || !x.string('data_format').startsWith('NC');
  return b.Add(value, isLast || rankOf(value) < 3 ? bias : b.Unsqueeze(bias, range(rankOf(value) - 2, 1)));
};

const clip: TfRow = (x, b) => b.Max(b.Min(x.tensor('t'), x.tensor('clip_value_max')), x.tensor('clip_value_min'));

const approximately: Pair = (b, x, y, call) => b.Less(b.Abs(b.Sub(x, y)), b.like(call.number('tolerance'), x));

export const binary: TfRows = {
  Add: add,
  AddV2: add,
  Sub: widened('Sub'),
  Mul: widened('Mul'),
  Div: operator('Div'),
  RealDiv: operator('Div'),
  FloorDiv: pair(floorDiv),
  FloorMod: pair(floorMod),
  Mod: pair(truncateMod),
  TruncateMod: pair(truncateMod),
  TruncateDiv: pair(truncateDiv),
  DivNoNan: zeroWhere('y', (b, x, y) => b.Div(x, y)),
  MulNoNan: zeroWhere('y', (b, x, y) => b.Mul(x, y)),
  Xdivy: zeroWhere('x', (b, x, y) => b.Div(x, y)),
  Xlogy: zeroWhere('x', (b, x, y) => b.Mul(x, b.Log(y))),
  Xlog1py: zeroWhere('x', (b, x, y) => b.Mul(x, log1p(b, y))),
  Pow: operator('Pow'),
  Maximum: operator('Max'),
  Minimum: operator('Min'),
  SquaredDifference: pair((b, x, y) => {
    const difference = b.Sub(x, y);
    return b.Mul(difference, difference);
  }),
  Atan2: pair(atan2),
  Equal: equal,
  NotEqual: pair((b, x, y) => b.Not(b.Equal(x, y))),
  Less: operator('Less'),
  LessEqual: operator('LessOrEqual'),
  Greater: operator('Greater'),
  GreaterEqual: operator('GreaterOrEqual'),
  ApproximateEqual: pair(approximately),
  LogicalAnd: operator('And'),
  LogicalOr: operator('Or'),
  BitwiseAnd: operator('BitwiseAnd'),
  BitwiseOr: operator('BitwiseOr'),
  BitwiseXor: operator('BitwiseXor'),
  LeftShift: shift('LEFT'),
  RightShift: shift('RIGHT'),
  Select: select,
  SelectV2: (x, b) => b.Where(x.tensor('condition'), x.tensor('t'), x.tensor('e')),
  AddN: sum,
  AccumulateNV2: sum,
  BiasAdd: biasAdd,
  BiasAddV1: biasAdd,
  ClipByValue: clip,
};
