// Plans of great graphs: what they cost grows with their length, and what they compute does not change where they are cut.
import { describe, expect, test } from 'vitest';
import { type BoundPlan, bindPlan } from '../../src/exec/bind.ts';
import { piecesOf } from '../../src/exec/cut.ts';
import { compilePlan } from '../../src/exec/plan.ts';
import { apply, type Expr, input, type Program, program } from '../../src/expr/expr.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { tensorType } from '../../src/ir/types.ts';
import { map } from '../../src/kernels/map.ts';
import { newBuilder } from '../../src/ops/builder.ts';

const x = new Value('x', tensorType('float32', [2, 3]));
const operand = (data: Float32Array) => ({ buffer: 0, type: 'float32' as const, offset: 0, shape: [data.length], strides: [1], data });

/** What a program makes of some inputs of three elements, by the kernel. */
function run(p: Program, inputs: readonly Float32Array[]): Float32Array {
  const y = new Float32Array(3);
  map(p, inputs.map(operand), [operand(y)]);
  return y;
}

describe('long programs', () => {
  const term = (i: number): Expr => input(i, 'float32');
  const sum = (n: number): Expr => Array.from({ length: n }, (_, i) => term(i)).reduce((a, b) => apply('add', a, b));
  const given = Array.from({ length: 900 }, (_, i) => Float32Array.of(i, 1 / (i + 1), -i * i));
  // Two values are needed all along: the first square is read at the end.
  const square = apply('mul', term(0), term(0));
  const held = apply('sub', sum(900), square);
  const early = apply('sub', apply('mul', square, sum(900)), square);

  test.each<[string, Expr, number]>([
    ['short', sum(100), 1],
    ['a sum', sum(900), 8],
    ['a sum and a square of its first term', held, 8],
    ['a value that is needed from the first to the last', early, 1],
  ])('%s: the parts make what the whole makes', (_, expression, parts) => {
    const p = program([expression]);
    const pieces = piecesOf(p);
    expect(pieces.length).toBe(parts);
    let carried: Float32Array = new Float32Array(0);
    for (const piece of pieces)
      carried = run(
        piece.program,
        piece.inputs.map(k => (k === 'carried' ? carried : given[k]!)),
      );
    expect(carried).toEqual(run(p, given));
  });

  test('a formula as deep as it is long needs no deep stack, and one that reads itself twice is computed once', () => {
    expect(program([sum(200_000)]).instructions.length).toBe(2 * 200_000 - 1);
    const doubled = Array.from({ length: 60 }).reduce<Expr>(e => apply('add', e, e), term(0));
    expect(program([doubled]).instructions.length).toBe(61);
  });
});

test('a chain of maps is joined to steps of bounded length', () => {
  const b = newBuilder();
  let v = x;
  for (let i = 0; i < 1000; i++) v = b.Relu(v);
  const { steps } = compilePlan(new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: v }], nodes: b.nodes }));
  const lengths = steps.map(s => (s.kernel.kind === 'map' ? s.kernel.program.instructions.length : 0));
  expect(Math.max(...lengths)).toBeLessThanOrEqual(64);
  expect(steps.length).toBeLessThan(40);
});

test('what a map reads more than once joins it, where nothing else reads it', () => {
  const stepsOf = (alsoRead: boolean): number => {
    const b = newBuilder();
    const shifted = b.Add(x, x);
    const outputs = [{ name: 'y', value: b.Mul(shifted, b.Sigmoid(shifted)) }];
    if (alsoRead) outputs.push({ name: 'z', value: b.Transpose(shifted, [1, 0]) });
    return compilePlan(new Graph('g', { inputs: [x], outputs, nodes: b.nodes })).steps.filter(s => s.kernel.kind === 'map').length;
  };
  expect([stepsOf(false), stepsOf(true)]).toEqual([1, 2]);
});

describe('memory of temporaries', () => {
  /** Some values of different sizes, each read at random later on. */
  function plan(seed: number): BoundPlan {
    let state = seed;
    const random = (n: number): number => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * n);
    };
    const b = newBuilder();
    const values = [x];
    for (let i = 0; i < 60; i++) {
      const [v, w] = [values[random(values.length)]!, values[Math.max(0, values.length - 1 - random(4))]!];
      values.push(b.Concat(random(2) ? [v, w] : [w], 0));
    }
    const y = b.Concat(values.slice(-3), 0);
    return bindPlan(compilePlan(new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes })), new Map());
  }

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('is never that of another value that is still read (%i)', seed => {
    const { steps, buffers, arena } = plan(seed);
    const lives = new Map<number, { first: number; last: number }>();
    steps.forEach((s, at) => {
      for (const v of [...s.inputs, ...s.outputs]) if (v) lives.set(v.buffer, { first: lives.get(v.buffer)?.first ?? at, last: at });
    });
    const held = [...lives].flatMap(([i, life]) => {
      const { offset, size } = buffers[i]!;
      return offset === undefined ? [] : [{ ...life, from: offset, to: offset + size * 4 }];
    });
    expect(held.length).toBeGreaterThan(10);
    for (const [i, a] of held.entries()) {
      expect(a.to).toBeLessThanOrEqual(arena);
      for (const c of held.slice(i + 1))
        if (a.first <= c.last && c.first <= a.last) expect(a.from < c.to && c.from < a.to, `${JSON.stringify([a, c])}`).toBe(false);
    }
    expect(arena).toBeLessThan(held.reduce((n, a) => n + a.to - a.from, 0));
  });
});
