// Operations of two tensors, element by element, with Keras's promotion of types.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { atan2, log1p } from '../../../ops/formulas.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { type Argument, KerasTensor, type LayerCall, type LayerRow, plain } from '../layers/row.ts';
import { floats, operand, option, optionalOperand, truths } from './arguments.ts';

/** Floats win over integers, longer types over shorter ones. */
export function promoted(b: Builder, p: Value, q: Value): [Value, Value] {
  const [t, u] = [elementOf(p), elementOf(q)];
  if (t === u) return [p, q];
  const rank = (type: DataType): number => (isFloat(type) ? 1000 : 0) + elementTypes[type].bits;
  const to = rank(t) >= rank(u) ? t : u;
  return [b.Cast(p, to), b.Cast(q, to)];
}

/** Both tensors in one type; their names are those of the call. */
export function pairOf(x: LayerCall, b: Builder, names: readonly [string, string] = ['x1', 'x2'], from = 0): [Value, Value] {
  const [first, second] = names.map((name, i) => x.argument(name, from + i)) as [Argument | undefined, Argument | undefined];
  const like = first instanceof KerasTensor ? first.value : second instanceof KerasTensor ? second.value : undefined;
  return promoted(b, operand(x, b, names[0], from, like), operand(x, b, names[1], from + 1, like));
}

const binary = (op: (b: Builder, p: Value, q: Value) => Value): LayerRow => plain((x, b) => op(b, ...pairOf(x, b)));
const realPair = (op: (b: Builder, p: Value, q: Value) => Value): LayerRow => binary((b, p, q) => op(b, floats(b, p), floats(b, q)));

/** Bits of integers; truths are combined as such. */
const bitwise = (op: 'BitwiseAnd' | 'BitwiseOr' | 'BitwiseXor', ofTruths: 'And' | 'Or' | 'Xor'): LayerRow =>
  plain((x, b) => {
    const [p, q] = pairOf(x, b, ['x', 'y']);
    return b.emit(elementOf(p) === 'bool' ? ofTruths : op, [p, q])[0]!;
  });

const isZero = (b: Builder, v: Value): Value => b.Equal(v, b.like(0, v));
/** The remainder with the sign of the divisor. */
function modulo(b: Builder, p: Value, q: Value): Value {
  if (!isFloat(elementOf(p))) return b.Mod({ A: p, B: q });
  const rest = b.Mod({ A: p, B: q }, { fmod: 1 });
  const zero = b.like(0, p);
  const differs = b.And(b.Not(isZero(b, rest)), b.Xor(b.Less(rest, zero), b.Less(q, zero)));
  return b.Where(differs, b.Add(rest, q), rest);
}
const floorDivided = (b: Builder, p: Value, q: Value): Value =>
  isFloat(elementOf(p)) ? b.Floor(b.Div(p, q)) : b.Div(b.Sub(p, b.Mod({ A: p, B: q })), q);

const shifted = (op: (b: Builder, p: Value, factor: Value) => Value): LayerRow =>
  plain((x, b) => {
    const [p, q] = pairOf(x, b, ['x', 'y']);
    return op(b, p, b.Pow(b.like(2, p), q));
  });
const left = shifted((b, p, factor) => b.Mul(p, factor));
const right = shifted(floorDivided);

const withoutNaN = (pick: (b: Builder, p: Value, q: Value) => Value): LayerRow =>
  binary((b, p, q) => (isFloat(elementOf(p)) ? b.Where(b.IsNaN(p), q, b.Where(b.IsNaN(q), p, pick(b, p, q))) : pick(b, p, q)));

function close(x: LayerCall, b: Builder): Value {
  const [p, q] = pairOf(x, b).map(v => floats(b, v)) as [Value, Value];
  const relative = optionalOperand(x, b, 'rtol', 2, p) ?? b.like(1e-5, p);
  const absolute = optionalOperand(x, b, 'atol', 3, p) ?? b.like(1e-8, p);
  const size = b.Abs(q);
  const near = b.Not(b.Greater(b.Abs(b.Sub(p, q)), b.Add(absolute, b.Mul(relative, size))));
  const isBounded = b.Less(size, b.like(Infinity, q));
  const isClose = b.Or(b.Equal(p, q), b.And(isBounded, near));
  const nan = [b.IsNaN(p), b.IsNaN(q)] as const;
  const isKnown = b.And(isClose, b.Not(b.Or(...nan)));
  return option(x, 'equal_nan') === true ? b.Or(isKnown, b.And(...nan)) : isKnown;
}

const logarithm = (b: Builder, p: Value, q: Value): Value => b.Add(b.Max(p, q), log1p(b, b.Exp(b.Neg(b.Abs(b.Sub(p, q))))));

/** Euclid's algorithm in as many steps as the longest integers may take. */
function gcd(b: Builder, p: Value, q: Value): Value {
  const steps = Math.ceil(elementTypes[elementOf(p)].bits * 1.4405) + 1;
  let [large, small] = [b.Abs(p), b.Abs(q)];
  for (let i = 0; i < steps; i++) {
    const isDone = isZero(b, small);
    const divisor = b.Where(isDone, b.like(1, small), small);
    const rest = b.Where(isDone, small, b.Mod({ A: large, B: divisor }));
    [large, small] = [b.Where(isDone, large, small), rest];
  }
  return large;
}

const select: LayerRow = plain((x, b) => {
  const lists = [x.argument('condlist', 0), x.argument('choicelist', 1)].map(list =>
    Array.isArray(list) ? (list as readonly Argument[]) : [list],
  );
  const [conditions, choices] = lists.map(list => list.flatMap(t => (t instanceof KerasTensor ? [t.value] : []))) as [Value[], Value[]];
  const otherwise = optionalOperand(x, b, 'default', 2, choices[0]) ?? b.like(0, choices[0]!);
  return conditions.reduceRight((rest, condition, i) => b.Where(truths(b, condition), ...promoted(b, choices[i]!, rest)), otherwise);
});

export const pairs: Readonly<Record<string, LayerRow>> = {
  Add: binary((b, p, q) => (elementOf(p) === 'bool' ? b.Or(p, q) : b.Add(p, q))),
  Subtract: binary((b, p, q) => b.Sub(p, q)),
  Multiply: binary((b, p, q) => (elementOf(p) === 'bool' ? b.And(p, q) : b.Mul(p, q))),
  Divide: realPair((b, p, q) => b.Div(p, q)),
  TrueDivide: realPair((b, p, q) => b.Div(p, q)),
  DivideNoNan: realPair((b, p, q) => b.Where(isZero(b, q), b.like(0, p), b.Div(p, q))),
  FloorDivide: binary(floorDivided),
  Mod: binary(modulo),
  Fmod: binary((b, p, q) => b.Mod({ A: p, B: q }, { fmod: 1 })),
  Power: binary((b, p, q) => b.Pow(p, q)),
  Maximum: binary((b, p, q) => b.Max(p, q)),
  Minimum: binary((b, p, q) => b.Min(p, q)),
  Fmax: withoutNaN((b, p, q) => b.Max(p, q)),
  Fmin: withoutNaN((b, p, q) => b.Min(p, q)),
  Arctan2: realPair(atan2),
  Hypot: realPair((b, p, q) => b.Sqrt(b.Add(b.Mul(p, p), b.Mul(q, q)))),
  Heaviside: realPair((b, p, q) => {
    const step = b.Where(b.Less(p, b.like(0, p)), b.like(0, p), b.like(1, p));
    return b.Where(b.IsNaN(p), p, b.Where(isZero(b, p), q, step));
  }),
  Ldexp: plain((x, b) => {
    const v = floats(b, operand(x, b, 'x1', 0));
    return b.Mul(v, b.Pow(b.like(2, v), b.Cast(operand(x, b, 'x2', 1), elementOf(v))));
  }),
  Logaddexp: realPair(logarithm),
  Logaddexp2: realPair((b, p, q) => {
    const scale = b.like(Math.LN2, p);
    return b.Div(logarithm(b, b.Mul(p, scale), b.Mul(q, scale)), scale);
  }),
  Gcd: binary(gcd),
  Lcm: binary((b, p, q) => {
    const divisor = gcd(b, p, q);
    const isNone = isZero(b, divisor);
    return b.Where(isNone, divisor, b.Abs(b.Mul(b.Div(p, b.Where(isNone, b.like(1, p), divisor)), q)));
  }),
  Equal: binary((b, p, q) => b.Equal(p, q)),
  NotEqual: binary((b, p, q) => b.Not(b.Equal(p, q))),
  Less: binary((b, p, q) => b.Less(p, q)),
  LessEqual: binary((b, p, q) => b.emit('LessOrEqual', [p, q])[0]!),
  Greater: binary((b, p, q) => b.Greater(p, q)),
  GreaterEqual: binary((b, p, q) => b.emit('GreaterOrEqual', [p, q])[0]!),
  Isclose: plain(close),
  AllClose: plain((x, b) => {
    const flags = b.Cast(close(x, b), 'int32');
    return b.Cast(b.ReduceMin(flags, { axes: range(rankOf(flags)), keepdims: 0 }), 'bool');
  }),
  LogicalAnd: binary((b, p, q) => b.And(truths(b, p), truths(b, q))),
  LogicalOr: binary((b, p, q) => b.Or(truths(b, p), truths(b, q))),
  LogicalXor: binary((b, p, q) => b.Xor(truths(b, p), truths(b, q))),
  BitwiseAnd: bitwise('BitwiseAnd', 'And'),
  BitwiseOr: bitwise('BitwiseOr', 'Or'),
  BitwiseXor: bitwise('BitwiseXor', 'Xor'),
  BitwiseLeftShift: left,
  LeftShift: left,
  BitwiseRightShift: right,
  RightShift: right,
  Where: plain((x, b) => {
    const condition = x.tensor('condition', 0)!.value;
    const [p, q] = pairOf(x, b, ['x1', 'x2'], 1);
    return b.Where(truths(b, condition), p, q);
  }),
  Select: select,
};
