// Numbers of TorchScript: known ones are computed as Python does, floats kept apart from integers; the others become nodes.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { contentsOf, elementOf } from '../../../ops/shapes.ts';
import { type Float, type Scalar, Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import { computeNumber, numberValue } from '../numbers.ts';
import { floatHost, type Host, isKnownFloat, isKnownInt, isKnownNumber, isNumber, kindOf, plain } from './values.ts';

type Known = (...x: readonly number[]) => number | boolean;
interface Operation {
  readonly known: Known;
  /** Its name among the operations on numbers that only the run knows. */
  readonly run?: string;
  /** What a known result is: by the operands, where nothing is said. */
  readonly gives?: 'int' | 'float';
}

const divide: Known = (a, c) => {
  if (c === 0) throw fail('E2002', 'the program divides by zero');
  return a! / c!;
};
const half = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
const math = (known: (x: number) => number, run?: string): Operation => ({
  known: x => known(x!),
  gives: 'float',
  ...(run ? { run } : {}),
});

const operations: Readonly<Record<string, Operation | undefined>> = {
  add: { known: (a, c) => a! + c!, run: 'add' },
  sub: { known: (a, c) => a! - c!, run: 'sub' },
  mul: { known: (a, c) => a! * c!, run: 'mul' },
  div: { known: divide, run: 'truediv', gives: 'float' },
  floordiv: { known: (a, c) => Math.floor(divide(a!, c!) as number), run: 'floordiv' },
  floor_divide: { known: (a, c) => Math.floor(divide(a!, c!) as number), run: 'floordiv' },
  remainder: { known: (a, c) => a! - c! * Math.floor(divide(a!, c!) as number), run: 'mod' },
  fmod: { known: (a, c) => a! % c!, gives: 'float' },
  pow: { known: (a, c) => a! ** c!, run: 'pow' },
  neg: { known: a => -a! || 0, run: 'neg' },
  abs: { known: a => Math.abs(a!), run: 'abs' },
  eq: { known: (a, c) => a === c, run: 'eq' },
  ne: { known: (a, c) => a !== c, run: 'ne' },
  lt: { known: (a, c) => a! < c!, run: 'lt' },
  le: { known: (a, c) => a! <= c!, run: 'le' },
  gt: { known: (a, c) => a! > c!, run: 'gt' },
  ge: { known: (a, c) => a! >= c!, run: 'ge' },
  min: { known: Math.min, run: 'sym_min' },
  max: { known: Math.max, run: 'sym_max' },
  floor: { known: a => Math.floor(a!), run: 'floor', gives: 'int' },
  ceil: { known: a => Math.ceil(a!), run: 'ceil', gives: 'int' },
  round: { known: a => half(a!), run: 'round', gives: 'float' },
  sqrt: math(Math.sqrt, 'sqrt'),
  exp: math(Math.exp, 'exp'),
  log: math(Math.log, 'log'),
  log2: math(Math.log2),
  log10: math(Math.log10),
  log1p: math(Math.log1p),
  sin: math(Math.sin, 'sin'),
  cos: math(Math.cos, 'cos'),
  tan: math(Math.tan, 'tan'),
  asin: math(Math.asin, 'asin'),
  acos: math(Math.acos, 'acos'),
  atan: math(Math.atan, 'atan'),
  atan2: { known: (a, c) => Math.atan2(a!, c!), gives: 'float' },
  sinh: math(Math.sinh, 'sinh'),
  cosh: math(Math.cosh, 'cosh'),
  tanh: math(Math.tanh, 'tanh'),
  __lshift__: { known: (a, c) => a! * 2 ** c!, run: 'lshift', gives: 'int' },
  __rshift__: { known: (a, c) => Math.floor(a! / 2 ** c!), run: 'rshift', gives: 'int' },
};
interface Bits {
  readonly known: (a: bigint, c: bigint) => bigint;
  /** Its names among the operations on numbers that only the run knows: on truths, and on integers. */
  readonly truths: string;
  readonly integers: string;
}
const bitwise: Readonly<Record<string, Bits | undefined>> = {
  __and__: { known: (a, c) => a & c, truths: 'and_', integers: 'bit_and' },
  __or__: { known: (a, c) => a | c, truths: 'or_', integers: 'bit_or' },
  __xor__: { known: (a, c) => a ^ c, truths: 'ne', integers: 'bit_xor' },
};

/** Whether an operator has a meaning on numbers. */
export const isScalarOperation = (name: string): boolean => Object.hasOwn(operations, name) || Object.hasOwn(bitwise, name);

/** @throws ModelError E2001 for what has no conversion */
export function computeScalar(name: string, args: readonly Scalar[], b: Builder): Scalar {
  const bits = Object.hasOwn(bitwise, name) ? bitwise[name] : undefined;
  if (bits) return computeBits(bits, args, b);
  const operation = operations[name]!;
  if (args.every(isKnownNumber)) {
    const result = operation.known(...args.map(plain));
    if (typeof result === 'boolean') return result;
    const gives = operation.gives ?? (args.some(isKnownFloat) ? 'float' : 'int');
    if (gives === 'float') return floatHost(result);
    if (Number.isSafeInteger(result)) return result;
    return args.every(isKnownInt) ? exactInteger(name, args) : floatHost(result);
  }
  if (!operation.run) throw fail('E2001', 'no conversion of numbers that only the run knows');
  return settled(computeNumber(operation.run, args, b));
}

/** Integers beyond 2^53 wrap at 64 bits, as in C++. */
function exactInteger(name: string, args: readonly (number | bigint)[]): number | bigint {
  const exact = Object.hasOwn(exactly, name) ? exactly[name] : undefined;
  if (!exact) throw fail('E2001', 'an integer beyond 2^53');
  const result = BigInt.asIntN(64, args.map(BigInt).reduce(exact));
  return Number.isSafeInteger(Number(result)) ? Number(result) : result;
}
const exactly: Readonly<Record<string, ((a: bigint, c: bigint) => bigint) | undefined>> = {
  add: (a, c) => a + c,
  sub: (a, c) => a - c,
  mul: (a, c) => a * c,
};

function computeBits({ known, truths, integers }: Bits, args: readonly Scalar[], b: Builder): Scalar {
  if (args.every(isKnownNumber)) {
    const [a = 0n, c = 0n] = args.map(v => BigInt(plain(v)));
    const result = known(a, c);
    return args.every(v => typeof v === 'boolean') ? result !== 0n : Number(result);
  }
  const isTruth = args.every(v => typeof v === 'boolean' || (v instanceof Symbolic && v.value.element === 'bool'));
  return settled(computeNumber(isTruth ? truths : integers, args, b));
}

/** A number of the run, or what is known of it after all. */
export const settled = (scalar: Scalar): Scalar => (scalar instanceof Symbolic ? (knownElement(scalar.value) ?? scalar) : scalar);

/** The one element of a value, where it is known. */
export function knownElement(value: Value): number | bigint | boolean | Float | undefined {
  const content = contentsOf(value);
  if (content) {
    if (content.length !== 1 || typeof content[0] !== 'number') return undefined;
    return value.element === 'bool' ? content[0] !== 0 : content[0];
  }
  const { tensor } = value;
  if (!tensor?.isResident || tensor.size !== 1 || value.parameter || !(tensor.type === 'float32' || tensor.type === 'float64'))
    return undefined;
  return floatHost(Number((tensor.data as ArrayLike<number>)[0]));
}

/** A tensor of one element, or a number, as Python's `int`, `float` or `bool` make one of it. */
export function convertNumber(to: 'int' | 'float' | 'bool' | 'any', v: Host, b: Builder): Scalar {
  if (v instanceof TensorRef) {
    const value = v.read(b);
    const known = knownElement(value);
    if (known !== undefined) return convertNumber(to, known, b);
    const element = elementOf(value);
    const wanted =
      to === 'int'
        ? 'int64'
        : to === 'bool'
          ? 'bool'
          : to === 'float'
            ? 'float32'
            : isFloat(element)
              ? 'float32'
              : element === 'bool'
                ? 'bool'
                : 'int64';
    return settled(new Symbolic(b.Reshape(b.Cast(value, wanted), [1])));
  }
  if (v instanceof Symbolic) {
    if (to === 'any') return v;
    return settled(new Symbolic(b.Cast(v.value, to === 'int' ? 'int64' : to === 'bool' ? 'bool' : 'float32')));
  }
  if (isKnownNumber(v)) {
    if (to === 'any') return v;
    if (to === 'bool') return plain(v) !== 0;
    if (to === 'float') return floatHost(plain(v));
    return typeof v === 'bigint' ? v : Math.trunc(plain(v));
  }
  if (typeof v === 'string' && to !== 'any') {
    if (to === 'bool') return v !== '';
    if (v.trim() !== '' && !Number.isNaN(Number(v))) return to === 'int' ? Math.trunc(Number(v)) : floatHost(Number(v));
  }
  throw fail('E2002', `${kindOf(v)} cannot become a number`);
}

/** Whether a condition holds; what the run decides is a value of shape [1]. */
export function truth(v: Host, b: Builder): boolean | Symbolic {
  const known = convertNumber('bool', v, b);
  return known instanceof Symbolic ? known : Boolean(known);
}

/** A number or tensor as one scalar value, to be carried through a graph. */
export function scalarValue(v: Host, b: Builder): Value {
  if (v instanceof TensorRef) return v.read(b);
  if (!isNumber(v)) throw fail('E2001', `${kindOf(v)} has no conversion to a tensor`);
  if (v instanceof Symbolic) return b.Reshape(v.value, []);
  const type = typeof v === 'boolean' ? 'bool' : isKnownFloat(v) ? 'float32' : 'int64';
  return b.Squeeze(numberValue(v as Scalar, b, type), [0]);
}

export const symbolicOf = (value: Value, b: Builder): Symbolic => new Symbolic(b.Reshape(value, [1]));
