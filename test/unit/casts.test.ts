// Casts through types of 64 bits are left out where the direct one is the same, and only there.
import { expect, test } from 'vitest';
import { cast, input, type Program, program, withoutDetours } from '../../src/expr/expr.ts';
import { type ScalarType, scalarTypeNames, scalarTypes } from '../../src/expr/primitives.ts';
import { Tensor, type TypedArray } from '../../src/ir/tensor.ts';
import { runKernel } from '../../src/kernels/index.ts';
import type { Operand, View } from '../../src/kernels/kernel.ts';
import { elementsOf } from '../../src/kernels/memory.ts';
import { wholeView } from '../../src/kernels/views.ts';

/** The ends of types, and what is beyond them. */
const whole = [
  0, 1, -1, 2, -3, 127, 128, -128, -129, 255, 256, 300, 32767, 32768, -32769, 65535, 65536, 2147483647, 2147483648, -2147483648,
  -2147483649, 4294967295, 4294967296, 123456789,
];
const parts = [-0, 0.5, -0.5, 2.75, -2.75, 1e10, -1e10, 1e20, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

function edgesOf(type: ScalarType): Tensor {
  const { class: kind } = scalarTypes[type];
  if (kind === 'float') return new Tensor(type, [...whole, ...parts], [whole.length + parts.length]);
  if (kind === 'bool') return new Tensor(type, [0, 1], [2]);
  return new Tensor(type, (kind === 'big' ? whole.map(BigInt) : whole) as number[], [whole.length]);
}

function run(made: Program, x: Tensor): unknown[] {
  const to = made.instructions[made.outputs[0]!]!.type;
  const y = new Tensor(to, scalarTypes[to].class === 'big' ? (Array(x.size).fill(0n) as never) : Array<number>(x.size).fill(0), x.dims);
  const operand = (t: Tensor, at: number): Operand => ({
    ...(wholeView(at, t.type, t.dims) as View<number>),
    data: elementsOf(t) as TypedArray,
  });
  runKernel({ kind: 'map', program: made }, [operand(x, 0)], [operand(y, 1)]);
  return Array.from(y.data as ArrayLike<unknown>);
}

const through = scalarTypeNames.filter(type => scalarTypes[type].bits === 64);

test.each(scalarTypeNames.flatMap(from => through.map(way => [from, way] as const)))('from %s through %s', (from, way) => {
  for (const to of scalarTypeNames) {
    const given = program([cast(cast(input(0, from), way), to)]);
    const made = withoutDetours(given);
    expect({ to, numbers: run(made, edgesOf(from)) }).toEqual({ to, numbers: run(given, edgesOf(from)) });
  }
});

const opsOf = (made: Program): string => made.instructions.map(i => `${i.op} ${i.type}`).join(', ');

test('what is left out', () => {
  const sums = program([cast(cast(cast(input(0, 'int32'), 'float64'), 'int64'), 'float32')]);
  expect(opsOf(withoutDetours(sums))).toBe('input int32, cast float32');
  expect(opsOf(withoutDetours(program([cast(cast(input(0, 'int32'), 'int64'), 'int32')])))).toBe('input int32');
});

test('floats saturate where integers wrap', () => {
  const given = program([cast(cast(input(0, 'int32'), 'float64'), 'int8')]);
  expect(withoutDetours(given)).toBe(given);
});
