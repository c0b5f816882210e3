import { describe, expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, type Node, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { rows } from '../../src/ops/index.ts';
import { fold, lower, type Pass, rewrite, rewriteAll, simplify } from '../../src/passes/index.ts';

const input = (name: string, ...shape: (number | string)[]): Value =>
  new Value(
    name,
    tensorType(
      'float32',
      shape.map(d => (typeof d === 'string' ? symbol(d) : d)),
    ),
  );

/** A graph of what `build` makes of one input x [n, 4]. */
function graphOf(build: (b: Builder, x: Value) => Value): Graph {
  const x = input('x', 'n', 4);
  const b = newBuilder();
  const y = build(b, x);
  return new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
}
const ops = (graph: Graph): string => graph.nodes.map(node => node.op).join(' ');
const weight = (): Value => new Value('w', undefined, { tensor: new Tensor('float32', new Float32Array(16), [4, 4]), parameter: true });

describe('simplify', () => {
  test.each<[string, (b: Builder, x: Value) => Value, string]>([
    ['drops Identity', (b, x) => b.Relu(b.Identity(x)), 'Relu'],
    ['drops a sum with 0', (b, x) => b.Relu(b.Add(x, b.constant(0, 'float32'))), 'Relu'],
    ['keeps a sum that widens the shape', (b, x) => b.Add(b.constant(new Float32Array(8), 'float32', [2, 1, 4]), x), 'Add'],
    ['joins transposes', (b, x) => b.Transpose(b.Transpose(x, [1, 0]), [1, 0]), ''],
    ['joins reshapes', (b, x) => b.Reshape(b.Reshape(x, [-1, 2, 2]), [-1, 1]), 'Reshape'],
    ['drops a reshape to the same shape', (b, x) => b.Relu(b.Reshape(x, [-1, 4])), 'Relu'],
    ['drops a cast to the same type', (b, x) => b.Relu(b.emit('Cast', [x], { to: 1 })[0]!), 'Relu'],
  ])('%s', (_, build, expected) => {
    const graph = graphOf(build);
    rewriteAll(graph, [simplify]);
    expect(ops(graph)).toBe(expected);
  });
});

describe('fold', () => {
  test('folds constants, not parameters', () => {
    const graph = graphOf((b, x) => {
      const noise = b.constant(Float32Array.from([1, 2, 3, 4]), 'float32', [4]);
      return b.MatMul(b.Mul(x, b.Exp(noise)), b.Transpose(weight(), [1, 0]));
    });
    rewriteAll(graph, [fold]);
    expect(ops(graph)).toBe('Mul Transpose MatMul');
  });
  test('turns Constant nodes into constants', () => {
    const graph = graphOf((b, x) => b.Add(x, b.emit('Constant', [], { value: new Tensor('float32', [2, 3, 4, 5]) })[0]!));
    rewriteAll(graph, [fold]);
    expect(ops(graph)).toBe('Add');
    expect(graph.nodes[0]!.inputs[1]!.tensor?.data).toEqual(Float32Array.of(2, 3, 4, 5));
  });
});

describe('lower', () => {
  test('leaves only core operators', () => {
    const graph = graphOf((b, x) => b.LayerNormalization({ X: b.Softmax({ input: x }), Scale: b.constant([1, 1, 1, 1], 'float32') }).Y);
    rewriteAll(graph, [lower]);
    expect(graph.nodes.filter(n => 'lower' in rows[n.op as 'Softmax'])).toEqual([]);
    expect(graph.nodes.length).toBeGreaterThan(6);
  });
  test('computes half types in float32, rounding once', () => {
    const x = new Value('x', tensorType('float16', [2, 4]));
    const b = newBuilder();
    const y = b.Softmax({ input: x });
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    rewriteAll(graph, [lower]);
    expect(ops(graph)).toMatch(/^Cast .* Cast$/);
    expect(graph.outputs[0]!.value.element).toBe('float16');
  });
});

describe('the driver', () => {
  test('stops rules that undo each other and names them', () => {
    const swap: Pass = { name: 'swap', rules: { Relu: (n: Node, b) => b.Abs(n.inputs[0]!), Abs: (n: Node, b) => b.Relu(n.inputs[0]!) } };
    expect(() =>
      rewrite(
        graphOf((b, x) => b.Relu(x)),
        swap,
      ),
    ).toThrow(/pass swap does not end: its rules for (Relu, Abs|Abs, Relu)/);
  });
  test('keeps the names of outputs and of replaced values', () => {
    const graph = graphOf((b, x) => b.emit('Relu', [x], {}, { outputs: ['hidden'] })[0]!);
    rewrite(graph, { name: 'r', rules: { Relu: (n, b) => b.Max(n.inputs[0]!, b.constant(0, 'float32')) } });
    expect(graph.outputs[0]!.name).toBe('y');
    expect(graph.outputs[0]!.value.name).toBe('hidden');
  });
  test('replaces values that nested graphs capture', () => {
    const x = input('x', 2);
    const b = newBuilder();
    const a = b.Identity(x);
    const inner = newBuilder();
    const branch = new Graph('then', { outputs: [{ name: 'o', value: inner.Relu(a) }], nodes: inner.nodes });
    const c = new Value('c', tensorType('bool', []));
    const y = b.emit('If', [c], { then_branch: branch, else_branch: branch })[0]!;
    const graph = new Graph('g', { inputs: [x, c], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    rewrite(graph, simplify);
    expect(ops(graph)).toBe('If');
    expect(branch.nodes[0]!.inputs[0]).toBe(x);
  });
});
