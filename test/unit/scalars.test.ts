// The scalar language: what primitives and conversions give on edge values, as facts, and that every language agrees on them.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { apply, cast, type Expr, input, program } from '../../src/expr/expr.ts';
import { isDefined, type Primitive, primitives, type ScalarType, scalarTypeNames, scalarTypes } from '../../src/expr/primitives.ts';
import { renderC, renderTypeScript } from '../../src/expr/render.ts';
import { arrayFor, Tensor, type TypedArray } from '../../src/ir/tensor.ts';
import { wholeOperand } from '../../src/kernels/kernel.ts';
import { map } from '../../src/kernels/map.ts';
import { wholeView } from '../../src/kernels/views.ts';
import { cpuBackend, loadCpuAddon } from '../../src/node/addon.ts';

/** `op type arguments = result`; a conversion is `from>to`. NaN, Inf and -0 are written as such. */
const facts = `
add float32  16777216 1 = 16777216 | 3.4028234663852886e38 3.4028234663852886e38 = Inf | Inf -Inf = NaN | -0 -0 = -0 | -0 0 = 0 | 1e-45 1e-45 = 3e-45
add float64  9007199254740992 1 = 9007199254740992 | 5e-324 5e-324 = 1e-323
add int8     127 1 = -128 | -128 -1 = 127
add uint8    255 1 = 0
add int16    32767 1 = -32768
add uint16   65535 1 = 0
add int32    2147483647 1 = -2147483648
add uint32   4294967295 1 = 0
add int64    9223372036854775807 1 = -9223372036854775808
add uint64   18446744073709551615 1 = 0
sub uint8    0 1 = 255
sub uint32   0 1 = 4294967295
sub uint64   0 1 = 18446744073709551615
sub int64    -9223372036854775808 1 = 9223372036854775807
sub float32  Inf Inf = NaN | 0 0 = 0
mul float32  0 Inf = NaN | -0 1 = -0 | 1e30 1e30 = Inf
mul int8     -128 -1 = -128 | 16 16 = 0
mul int32    2147483647 2147483647 = 1 | 65536 65536 = 0 | 123456789 987654321 = -67153019
mul uint32   4294967295 4294967295 = 1
mul uint16   65535 65535 = 1
mul int64    3037000500 3037000500 = -9223372036709301616
div float32  1 0 = Inf | -1 0 = -Inf | 1 -0 = -Inf | 0 0 = NaN | 1 3 = 0.3333333432674408
div int8     -128 -1 = -128 | 7 -2 = -3 | 5 0 = 0
div int32    -2147483648 -1 = -2147483648 | -7 2 = -3 | 1 0 = 0
div uint32   4294967295 2 = 2147483647 | 9 0 = 0
div int64    -9223372036854775808 -1 = -9223372036854775808 | 1 0 = 0 | -7 2 = -3
div uint64   18446744073709551615 2 = 9223372036854775807
mod float32  -7 3 = 2 | 7 -3 = -2 | 5.5 2 = 1.5 | 1 0 = NaN | 7 Inf = 7
mod int32    -7 3 = 2 | 7 -3 = -2 | -2147483648 -1 = 0 | 5 0 = 0 | -6 3 = 0
mod int8     -128 -1 = 0 | -7 3 = 2
mod uint8    200 7 = 4
mod int64    -7 3 = 2 | -9223372036854775808 -1 = 0 | 5 0 = 0
rem float32  -7 3 = -1 | 7 -3 = 1 | 1 0 = NaN
rem int32    -7 3 = -1 | 7 -3 = 1 | -2147483648 -1 = 0 | 5 0 = 0
rem int64    -7 3 = -1 | 5 0 = 0
pow float32  2 10 = 1024 | 1 NaN = 1 | NaN 0 = 1 | -1 Inf = 1 | 0 -1 = Inf | -2 3 = -8 | -8 0.5 = NaN | -Inf 3 = -Inf
pow float64  2 0.5 = 1.4142135623730951 | 1 Inf = 1
pow int32    3 40 = 689956897 | 2 31 = -2147483648 | 2 32 = 0 | -1 -3 = -1 | -1 -4 = 1 | 2 -1 = 0 | 0 -1 = 0 | 0 0 = 1 | 1 -5 = 1
pow uint8    2 8 = 0 | 3 5 = 243 | 3 6 = 217
pow int64    3 40 = -6289078614652622815 | 2 63 = -9223372036854775808 | -2 63 = -9223372036854775808
pow uint64   2 63 = 9223372036854775808 | 2 64 = 0
min float32  NaN 1 = NaN | 1 NaN = NaN | -Inf 1 = -Inf
max float32  NaN 1 = NaN | 1 NaN = NaN | -Inf 1 = 1
min int8     -128 127 = -128
max uint64   18446744073709551615 1 = 18446744073709551615
min bool     1 0 = 0
max bool     1 0 = 1
neg float32  0 = -0 | Inf = -Inf
neg int8     -128 = -128
neg uint8    1 = 255
neg int64    -9223372036854775808 = -9223372036854775808
abs float32  -0 = 0 | -Inf = Inf
abs int8     -128 = -128 | -5 = 5
abs int32    -2147483648 = -2147483648
abs int64    -9223372036854775808 = -9223372036854775808 | -5 = 5
sign float32 -0 = -0 | NaN = NaN | -3 = -1 | 1e-45 = 1
sign int32   -2147483648 = -1 | 0 = 0
sign uint8   200 = 1
sign uint64  18446744073709551615 = 1
exp float32  0 = 1 | -Inf = 0 | 89 = Inf | 1 = 2.7182817459106445
expm1 float64 1e-17 = 1e-17
log float32  0 = -Inf | -1 = NaN | 1 = 0
log1p float64 1e-17 = 1e-17 | -1 = -Inf
sqrt float32 -1 = NaN | -0 = -0 | 2 = 1.4142135381698608
asin float32 2 = NaN | 1 = 1.5707963705062866
atanh float32 1 = Inf
tanh float32 Inf = 1 | -Inf = -1
erf float64  0 = 0 | 1 = 0.8427007929497148 | -1 = -0.8427007929497148 | 0.5 = 0.5204998778130465 | Inf = 1 | NaN = NaN
floor float32 -0.5 = -1 | -0 = -0
ceil float32 -0.5 = -0
trunc float32 -1.5 = -1
round float32 0.5 = 0 | 1.5 = 2 | 2.5 = 2 | -0.5 = -0 | -1.5 = -2 | -2.5 = -2 | 0.49999997 = 0 | 8388609 = 8388609 | Inf = Inf
round float64 4503599627370497.5 = 4503599627370498 | 0.49999999999999994 = 0
and uint8    204 170 = 136
or int8      -128 1 = -127
xor int64    -1 1 = -2
xor bool     1 1 = 0
not int8     0 = -1
not uint16   0 = 65535
not bool     1 = 0 | 0 = 1
shl int8     1 7 = -128 | 1 8 = 0 | 1 -1 = 0
shl uint32   1 31 = 2147483648 | 1 32 = 0
shl int64    1 63 = -9223372036854775808 | 1 64 = 0 | 1 -1 = 0
shr int8     -128 7 = -1 | -128 8 = 0 | -1 -1 = 0
shr uint8    255 1 = 127
shr uint32   4294967295 31 = 1 | 4294967295 32 = 0
shr int64    -9223372036854775808 63 = -1 | -1 64 = 0
shr uint64   18446744073709551615 63 = 1
eq float32   NaN NaN = 0 | 0 -0 = 1
lt float32   NaN 1 = 0 | -Inf Inf = 1
lt uint64    9223372036854775807 9223372036854775808 = 1
le float32   1 NaN = 0 | 1 1 = 1
isnan float32 NaN = 1 | Inf = 0
isinf float32 -Inf = 1 | NaN = 0
float32>int8 NaN = 0 | 300 = 127 | -300 = -128 | -1.9 = -1 | Inf = 127
float32>uint8 -1 = 0 | 255.9 = 255 | 256 = 255
float32>int32 2147483648 = 2147483647 | -3e9 = -2147483648
float32>int64 1e30 = 9223372036854775807 | NaN = 0 | -2.5 = -2
float64>uint64 1e30 = 18446744073709551615 | -1 = 0
float64>float32 1e300 = Inf | 0.1 = 0.10000000149011612 | 1e-46 = 0
float32>bool NaN = 1 | -0 = 0 | 0.5 = 1
int64>float32 1152921573326323713 = 1152921642045800448 | -1152921573326323713 = -1152921642045800448 | 16777217 = 16777216 | 5 = 5
uint64>float32 18446744073709551615 = 18446744073709551616
int64>float64 9007199254740993 = 9007199254740992
int64>int8   257 = 1 | -129 = 127
int64>uint32 -1 = 4294967295
int64>bool   4294967296 = 1
int32>uint8  -1 = 255
uint32>int32 4294967295 = -1
uint8>int8   200 = -56
int8>uint64  -1 = 18446744073709551615
bool>int64   1 = 1
`;

const isBig = (type: ScalarType): boolean => scalarTypes[type].class === 'big';
const isFloat = (type: ScalarType): boolean => scalarTypes[type].class === 'float';
const parse = (text: string, type: ScalarType): number | bigint => (isBig(type) ? BigInt(text) : Number(text.replace('Inf', 'Infinity')));

function arrayOf(values: readonly (number | bigint)[], type: ScalarType): TypedArray {
  const array = new (arrayFor(type))(values.length);
  for (const [i, x] of values.entries()) array[i] = x as never;
  return array;
}

function compute(e: Expr, columns: readonly TypedArray[], types: readonly ScalarType[]): TypedArray {
  const n = columns[0]!.length;
  const y = new (arrayFor(e.type))(n);
  const inputs = columns.map((x, i) => wholeOperand(types[i]!, x, [n]));
  map(program([e]), inputs, [wholeOperand(e.type, y, [n])]);
  return y;
}

const typesOf = (op: Primitive, type: ScalarType): ScalarType[] =>
  op === 'select' ? ['bool', type, type] : Array<ScalarType>(primitives[op].arity).fill(type);

const applied = (op: Primitive, types: readonly ScalarType[]): Expr => apply(op, ...types.map((t, i) => input(i, t)));

describe('facts', () => {
  const lines = facts.trim().split('\n');
  test.each(
    lines.map(
      line =>
        [
          line
            .split(/\s{1,}/)
            .slice(0, 2)
            .join(' '),
          line,
        ] as const,
    ),
  )('%s', (_, line) => {
    const isCast = line.includes('>');
    const [, head, rest] = (isCast ? /^(\S+)\s+(.*)$/ : /^(\S+ +\S+)\s+(.*)$/).exec(line)!;
    const [first, second] = head!.split(isCast ? '>' : / +/) as [string, ScalarType];
    const types = isCast ? [first as ScalarType] : typesOf(first as Primitive, second);
    const e = isCast ? cast(input(0, first as ScalarType), second) : applied(first as Primitive, types);
    for (const row of rest!.split('|')) {
      const [args, result] = row.split('=') as [string, string];
      const columns = args
        .trim()
        .split(/\s+/)
        .map((x, i) => arrayOf([parse(x, types[i]!)], types[i]!));
      const wanted = arrayOf([parse(result.trim(), e.type)], e.type)[0]!;
      const actual = compute(e, columns, types)[0]!;
      const isClose = isFloat(e.type) && Math.abs(Number(actual) - Number(wanted)) <= Math.abs(Number(wanted)) * 4e-16;
      expect(isClose ? wanted : actual, row.trim()).toBe(wanted);
    }
  });
});

/** Values at which something may go wrong, for each type. */
function edgesOf(type: ScalarType): readonly (number | bigint)[] {
  if (type === 'bool') return [0, 1];
  if (isFloat(type)) {
    const [max, normal, tiny] =
      type === 'float32' ? [3.4028234663852886e38, 1.1754943508222875e-38, 1e-45] : [Number.MAX_VALUE, 2.2250738585072014e-308, 5e-324];
    const halves = [0.5, 1.5, 2.5, 8388607.5, 1e-3, 0.1, 3, 7.25, 100, 16777217, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64];
    const some = [0, 1, max, normal, tiny, Number.POSITIVE_INFINITY, ...halves];
    return [...some, ...some.map(x => -x), Number.NaN];
  }
  const { bits, signed } = scalarTypes[type];
  const high = 2n ** BigInt(signed ? bits - 1 : bits) - 1n;
  const low = signed ? -high - 1n : 0n;
  const some = [0n, 1n, 2n, 3n, 7n, BigInt(bits - 1), BigInt(bits), BigInt(bits + 1), high, high - 1n, high / 2n + 1n, low, low + 1n];
  const all = [...new Set([...some, ...(signed ? [-1n, -2n, -3n, -7n, -BigInt(bits)] : [])])];
  const wide = bits === 64 ? [2n ** 24n + 1n, 2n ** 53n + 1n, 2n ** 60n + 2n ** 36n + 1n, 2n ** 62n - 1n] : [];
  return isBig(type) ? [...all, ...wide] : all.map(Number);
}

function crossed(lists: readonly (readonly (number | bigint)[])[]): (number | bigint)[][] {
  let rows: (number | bigint)[][] = [[]];
  for (const list of lists) rows = rows.flatMap(row => list.map(x => [...row, x]));
  return lists.map((_, i) => rows.map(row => row[i]!));
}

interface Case {
  readonly name: string;
  readonly expr: Expr;
  readonly types: readonly ScalarType[];
}

const cases: readonly Case[] = scalarTypeNames.flatMap(type => [
  ...(Object.keys(primitives) as Primitive[])
    .filter(op => isDefined(op, type))
    .map(op => ({ name: `${op} ${type}`, expr: applied(op, typesOf(op, type)), types: typesOf(op, type) })),
  ...scalarTypeNames.filter(to => to !== type).map(to => ({ name: `${type}>${to}`, expr: cast(input(0, type), to), types: [type] })),
]);

/** A plan of one map, from whole views to a whole view. */
function planOf({ expr, types }: Case, count: number): Plan {
  const buffers = [...types, expr.type].map((type, i) => ({ type, size: count, role: i < types.length ? 'input' : 'output' }) as const);
  const views = buffers.map((b, i) => wholeView(i, b.type, [count]));
  return {
    guards: [],
    buffers,
    inputs: types.map((_, i) => ({ name: `x${i}`, view: views[i]! })),
    outputs: [{ name: 'y', view: views.at(-1)! }],
    steps: [{ kernel: { kind: 'map', program: program([expr]) }, inputs: views.slice(0, -1), outputs: views.slice(-1), label: expr.op }],
  };
}

/**
 * Functions that a mathematical library computes, with the most units in the last place by which two libraries may differ. The
 * error function has none in JavaScript; ours sums a series whose terms round.
 */
const libraryFunctions = 'exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh pow'.split(' ');
const librarySteps: Readonly<Record<string, number>> = { ...Object.fromEntries(libraryFunctions.map(op => [op, 4])), erf: 12 };

/** Position of a float among all floats of its type, so that neighbours differ by one. */
function ordinal(x: number, type: 'float32' | 'float64'): bigint {
  const bits =
    type === 'float32' ? BigInt(new Int32Array(new Float32Array([x]).buffer)[0]!) : new BigInt64Array(new Float64Array([x]).buffer)[0]!;
  const smallest = type === 'float32' ? -(2n ** 31n) : -(2n ** 63n);
  return bits < 0n ? smallest - bits : bits;
}

function agree(a: number | bigint, b: number | bigint, { expr }: Case): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'number' || typeof b !== 'number' || !isFloat(expr.type) || Number.isNaN(a) || Number.isNaN(b)) return false;
  if (a === 0 && b === 0) return expr.op === 'min' || expr.op === 'max' || expr.op === 'mod' || expr.op === 'rem';
  const steps = librarySteps[expr.op];
  if (steps === undefined || !Number.isFinite(a) || !Number.isFinite(b)) return false;
  const apart = ordinal(a, expr.type as 'float32') - ordinal(b, expr.type as 'float32');
  return apart <= BigInt(steps) && apart >= -BigInt(steps);
}

const addon = loadCpuAddon();
if (typeof addon === 'string') console.log(`C++ loops are not compared: ${addon}`);

describe.skipIf(typeof addon === 'string')('C++ gives what TypeScript gives', () => {
  test.each(cases.map(c => [c.name, c] as const))('%s', async (_, c) => {
    const columns = crossed(c.types.map(edgesOf));
    const count = columns[0]!.length;
    const inputs = c.types.map((t, i) => new Tensor(t, arrayOf(columns[i]!, t), [count]));
    const results: TypedArray[] = [];
    for (const backend of [cpuBackend(), referenceBackend()]) {
      const bound = await (await backend.compile(planOf(c, count))).bind(new Map());
      results.push((await bound.run(inputs))[0]!.data as TypedArray);
    }
    const wrong = columns[0]!.flatMap((_x, i) => {
      const [native, reference] = [results[0]![i]!, results[1]![i]!];
      return agree(native, reference, c) ? [] : `(${columns.map(x => x[i]).join(', ')}) = ${native}, in TypeScript ${reference}`;
    });
    expect(wrong).toEqual([]);
  });
});

test.each([
  ['src/expr/loops.gen.ts', renderTypeScript],
  ['native/cpu/isa/loops.gen.cpp', renderC],
])('%s is what the table renders to', (path, render) => {
  expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8') === render(), 'run npm run gen').toBe(true);
});
