// Python numbers that only the run knows: sizes and what programs compute from them (`_operator.*`, `math.*`, `torch.sym_*`).
// Numbers that are known are computed at once; the others are values of shape [1].
import { fail } from '../../errors.ts';
import { isNatural } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import { type DataType, isFloat } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { contentsOf, elementOf } from '../../ops/shapes.ts';
import { Float, type Scalar, Symbolic } from './aten/row.ts';

type Known = number | bigint | boolean;
interface Operation {
  /** On numbers that are known; absent where Python's result has to be left to the run. */
  readonly known?: (...x: readonly number[]) => number | boolean;
  /** On values of one type and shape [1]. */
  readonly run: (b: Builder, ...x: readonly Value[]) => Value;
  /** The type in which the operands are computed; their common one otherwise. */
  readonly in?: DataType;
}

/** The quotient towards minus infinity; sizes are not negative, and there Div says the same. */
function floorDivide(b: Builder, a: Value, c: Value): Value {
  if (isFloat(elementOf(a))) return b.Floor(b.Div(a, c));
  const isSize = (v: Value): boolean => contentsOf(v)?.every(isNatural) ?? false;
  return isSize(a) && isSize(c) ? b.Div(a, c) : b.Div(b.Sub(a, b.Mod({ A: a, B: c })), c);
}

const floorMod = (a: number, c: number): number => a - c * Math.floor(a / c);
const compare = (known: (a: number, c: number) => boolean, run: (b: Builder, a: Value, c: Value) => Value): Operation => ({
  known: known as Operation['known'] & {},
  run: run as Operation['run'],
});
const whole = (round: (x: number) => number, run: (b: Builder, x: Value) => Value): Operation => ({
  known: x => round(x!),
  run: (b, x) => (isFloat(elementOf(x!)) ? b.Cast(run(b, x!), 'int64') : x!),
});
const truncated = whole(Math.trunc, (b, x) => b.Cast(x, 'int64'));

const ofFloat = (run: (b: Builder, x: Value) => Value): Operation => ({ run: (b, x) => run(b, x!), in: 'float32' });

const operations: Readonly<Record<string, Operation | undefined>> = {
  add: { known: (a, c) => a! + c!, run: (b, x, y) => b.Add(x!, y!) },
  sub: { known: (a, c) => a! - c!, run: (b, x, y) => b.Sub(x!, y!) },
  mul: { known: (a, c) => a! * c!, run: (b, x, y) => b.Mul(x!, y!) },
  floordiv: { known: (a, c) => Math.floor(a! / c!), run: (b, x, y) => floorDivide(b, x!, y!) },
  truediv: { run: (b, x, y) => b.Div(x!, y!), in: 'float32' },
  mod: { known: (a, c) => floorMod(a!, c!), run: (b, x, y) => b.Mod({ A: x!, B: y! }) },
  pow: { known: (a, c) => a! ** c!, run: (b, x, y) => b.Pow(x!, y!) },
  neg: { known: a => -a!, run: (b, x) => b.Neg(x!) },
  pos: { known: a => a!, run: (_, x) => x! },
  eq: compare(
    (a, c) => a === c,
    (b, x, y) => b.Equal(x, y),
  ),
  ne: compare(
    (a, c) => a !== c,
    (b, x, y) => b.Not(b.Equal(x, y)),
  ),
  lt: compare(
    (a, c) => a < c,
    (b, x, y) => b.Less(x, y),
  ),
  le: compare(
    (a, c) => a <= c,
    (b, x, y) => b.LessOrEqual({ A: x, B: y }),
  ),
  gt: compare(
    (a, c) => a > c,
    (b, x, y) => b.Greater(x, y),
  ),
  ge: compare(
    (a, c) => a >= c,
    (b, x, y) => b.GreaterOrEqual({ A: x, B: y }),
  ),
  and_: { run: (b, x, y) => b.And(x!, y!), in: 'bool' },
  or_: { run: (b, x, y) => b.Or(x!, y!), in: 'bool' },
  sym_not: { run: (b, x) => b.Not(x!), in: 'bool' },
  sym_max: { known: Math.max, run: (b, ...x) => b.Max(...x) },
  sym_min: { known: Math.min, run: (b, ...x) => b.Min(...x) },
  sym_sum: { known: (...x) => x.reduce((a, c) => a + c, 0), run: (b, ...x) => x.reduce((a, c) => b.Add(a, c)) },
  sym_int: truncated,
  trunc: truncated,
  floor: whole(Math.floor, (b, x) => b.Floor(x)),
  ceil: whole(Math.ceil, (b, x) => b.Ceil(x)),
  sym_float: { run: (_, x) => x!, in: 'float32' },
  abs: { known: a => Math.abs(a!), run: (b, x) => b.Abs(x!) },
  round: ofFloat((b, x) => b.Round(x)),
  bit_and: { run: (b, x, y) => b.BitwiseAnd({ A: x!, B: y! }), in: 'int64' },
  bit_or: { run: (b, x, y) => b.BitwiseOr({ A: x!, B: y! }), in: 'int64' },
  bit_xor: { run: (b, x, y) => b.BitwiseXor({ A: x!, B: y! }), in: 'int64' },
  lshift: { run: (b, x, y) => b.Mul(x!, b.Pow(b.like(2, x!), y!)), in: 'int64' },
  rshift: { run: (b, x, y) => floorDivide(b, x!, b.Pow(b.like(2, x!), y!)), in: 'int64' },
  log: ofFloat((b, x) => b.Log(x)),
  sin: ofFloat((b, x) => b.Sin(x)),
  cos: ofFloat((b, x) => b.Cos(x)),
  tan: ofFloat((b, x) => b.Tan({ input: x })),
  asin: ofFloat((b, x) => b.Asin({ input: x })),
  acos: ofFloat((b, x) => b.Acos({ input: x })),
  atan: ofFloat((b, x) => b.Atan({ input: x })),
  sinh: ofFloat((b, x) => b.Sinh({ input: x })),
  cosh: ofFloat((b, x) => b.Cosh({ input: x })),
  tanh: ofFloat((b, x) => b.Tanh(x)),
  exp: ofFloat((b, x) => b.Exp(x)),
  sym_sqrt: ofFloat((b, x) => b.Sqrt(x)),
  sqrt: ofFloat((b, x) => b.Sqrt(x)),
};

/** The name of a number's operation in a target such as `_operator.add` or `torch.sym_max`; undefined for other targets. */
export function numberOperation(target: string): string | undefined {
  const name = /^(?:_operator|math|torch|torch\._sym_ops)\.(\w+)$/.exec(target)?.[1];
  return name?.replace(/^_sym_/, 'sym_').replace(/^sym_(floor|ceil|trunc)$/, '$1');
}

/**
 * Compute a number.
 * @throws ModelError E2001 for an operation that has no conversion
 */
export function computeNumber(name: string, operands: readonly Scalar[], b: Builder): Scalar {
  if (name === 'sym_ite') return choose(operands, b);
  const operation = operations[name];
  if (!operation) throw fail('E2001', 'no conversion');
  const known = operands.map(knownNumber);
  if (operation.known && known.every(n => n !== undefined)) {
    const result = operation.known(...known);
    if (typeof result === 'boolean') return result;
    if (Number.isSafeInteger(result) && !operands.some(o => o instanceof Float)) return result;
    if (!Number.isInteger(result)) return result;
  }
  const type = operation.in ?? (operands.some(isFloating) ? 'float32' : operands.every(isTruth) ? 'bool' : 'int64');
  const values = operands.map(operand => numberValue(operand, b, type));
  return new Symbolic(operation.run(b, ...values));
}

function choose([condition, yes, no]: readonly Scalar[], b: Builder): Scalar {
  if (typeof condition === 'boolean') return (condition ? yes : no)!;
  const type = [yes!, no!].some(isFloating) ? 'float32' : 'int64';
  return new Symbolic(b.Where(numberValue(condition!, b, 'bool'), numberValue(yes!, b, type), numberValue(no!, b, type)));
}

/** A number as a value of shape [1] of an element type. */
export function numberValue(scalar: Scalar, b: Builder, type: DataType): Value {
  if (scalar instanceof Symbolic) return b.Cast(scalar.value, type);
  const known: Known = scalar instanceof Float ? scalar.value : scalar;
  const big = type === 'int64' && typeof known !== 'boolean' ? BigInt(known) : known;
  return b.constant(type === 'bool' ? Boolean(known) : big, type, [1]);
}

function knownNumber(scalar: Scalar): number | undefined {
  if (scalar instanceof Float) return scalar.value;
  return scalar instanceof Symbolic || typeof scalar === 'bigint' ? undefined : Number(scalar);
}

const isFloating = (scalar: Scalar): boolean =>
  scalar instanceof Float ||
  (scalar instanceof Symbolic ? isFloat(elementOf(scalar.value)) : typeof scalar === 'number' && !Number.isInteger(scalar));
const isTruth = (scalar: Scalar): boolean =>
  typeof scalar === 'boolean' || (scalar instanceof Symbolic && elementOf(scalar.value) === 'bool');
