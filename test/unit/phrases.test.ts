// What operators come to is found again as phrases, and other programs are left as they are.
import { describe, expect, test } from 'vitest';
import { compilePlan } from '../../src/exec/plan.ts';
import { apply, cast, type Expr, input, type Program, program } from '../../src/expr/expr.ts';
import { phrased, phrases } from '../../src/expr/phrases.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { lower } from '../../src/passes/lower.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';

const called = (p: Program): string[] =>
  phrased(p).instructions.flatMap(i => (i.op === 'phrase' ? [i.phrase.name] : i.op === 'input' || i.op === 'const' ? [] : [i.op]));

/** What the one map of some nodes over a float32 calls. */
function calledBy(build: (b: Builder, x: Value) => Value): string[] {
  const x = new Value('x', tensorType('float32', [3, 4]));
  const b = newBuilder();
  const value = build(b, x);
  const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value }], nodes: [...b.nodes] });
  rewriteAll(graph, [lower]);
  const { steps } = compilePlan(graph);
  expect(steps).toHaveLength(1);
  return called((steps[0]!.kernel as { program: Program }).program);
}

const scale = (b: Builder): Value => b.constant(new Float32Array([0.1]), 'float32', []);
const zero = (b: Builder, type: 'uint8' | 'int8', at = 3): Value =>
  b.constant(new (type === 'int8' ? Int8Array : Uint8Array)([at]), type, []);

describe('operators', () => {
  test.each<[string, string[], (b: Builder, x: Value) => Value]>([
    ['Sigmoid', ['sigmoid'], (b, x) => b.Sigmoid(x)],
    ['Mul of Sigmoid', ['swish'], (b, x) => b.Mul(b.Sigmoid(x), x)],
    ['Swish', ['swish'], (b, x) => b.Swish({ X: x })],
    ['HardSwish', ['hard_swish'], (b, x) => b.HardSwish({ X: x })],
    ['Gelu', ['gelu'], (b, x) => b.Gelu({ X: x })],
    ['Gelu by tanh', ['gelu_tanh'], (b, x) => b.Gelu({ X: x }, { approximate: 'tanh' })],
    ['QuantizeLinear', ['quantize_uint8'], (b, x) => b.QuantizeLinear({ x, y_scale: scale(b), y_zero_point: zero(b, 'uint8') })],
    ['QuantizeLinear to int8', ['quantize_int8'], (b, x) => b.QuantizeLinear({ x, y_scale: scale(b), y_zero_point: zero(b, 'int8') })],
    [
      'a pair',
      ['quantize_int8', 'dequantize_int8'],
      (b, x) => {
        const y_zero_point = zero(b, 'int8');
        const q = b.QuantizeLinear({ x, y_scale: scale(b), y_zero_point });
        return b.DequantizeLinear({ x: q, x_scale: scale(b), x_zero_point: y_zero_point });
      },
    ],
    [
      'sums to numbers of 8 bits',
      ['cast', 'requantize_uint8'],
      (b, x) =>
        b.QuantizeLinear({ x: b.Mul(b.Cast(b.Cast(x, 'int32'), 'float32'), scale(b)), y_scale: scale(b), y_zero_point: zero(b, 'uint8') }),
    ],
  ])('%s', (_, expected, build) => expect(calledBy(build)).toEqual(expected));
});

describe('programs', () => {
  const x = input(0, 'float32');
  const sigmoid = (v: Expr): Expr => {
    const e = apply('exp', apply('neg', apply('abs', v)));
    return apply('div', apply('select', apply('lt', v, 0), e, apply('add', apply('mul', v, 0), 1)), apply('add', e, 1));
  };
  test('what differs in one place stays as it is', () => {
    expect(called(program([sigmoid(x)]))).not.toContain('sigmoid');
    expect(called(program([cast(apply('round', apply('div', x, 2)), 'uint8')]))).toEqual(['div', 'round', 'cast']);
  });
  test('what is read elsewhere too is not taken into a phrase', () => {
    const inner = phrases.find(p => p.name === 'gelu')!.program;
    expect(called({ ...inner, outputs: [...inner.outputs, inner.instructions.findIndex(i => i.op === 'erf')] })).not.toContain('gelu');
  });
  test.each(phrases)('$name is one call of itself', ({ name, program: { instructions, outputs }, arguments: args }) => {
    const given = instructions.map((i): Program['instructions'][number] =>
      i.op === 'input' && args[i.index]!.isConstant ? { op: 'const', type: i.type, value: 3 } : i,
    );
    expect(called({ instructions: given, outputs })).toEqual([name]);
  });
});
