// What weights alone decide: numbers worked out by hand, names kept, and what must stay as it is.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { fuse } from '../../src/passes/fuse.ts';

const weight = (name: string, dims: number[], ...values: number[]): Value =>
  new Value(name, undefined, { tensor: new Tensor('float32', Float32Array.from(values), dims), parameter: true });

function graphOf(x: Value, build: (b: Builder, x: Value) => Value, more: readonly Value[] = []): Graph {
  const b = newBuilder();
  const y = build(b, x);
  return new Graph('g', { inputs: [x, ...more], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
}
const input = (...dims: number[]): Value => new Value('x', tensorType('float32', dims));
const ops = (graph: Graph): string => graph.nodes.map(node => node.op).join(' ');
async function run(graph: Graph, x: Tensor): Promise<number[]> {
  const session = await Session.create(new Model(graph, { irVersion: 14, opsets: new Map([['', 28]]) }), { backend: referenceBackend() });
  return [...((await session.run({ x }))['y']!.data as Float32Array)];
}

// y = ((2x + 1) - 3) / √(4 - ε + ε) · 6 + 5 = 6x - 1
const statistics = [weight('scale', [1], 6), weight('bias', [1], 5), weight('mean', [1], 3), weight('var', [1], 4 - 1e-5)] as const;
const normalised = (b: Builder, x: Value, options: Record<string, number> = {}): Value =>
  b.emit('BatchNormalization', [x, ...statistics], { epsilon: 1e-5, ...options })[0]!;

describe('factors and terms of channels join the layer before them', () => {
  // Two channels of one: 2x + 1 and 3x - 1, then ·4 and ·5, then + 6 and + 7.
  const layer = (b: Builder, x: Value): Value => b.emit('Conv', [x, weight('w', [2, 1, 1], 2, 3), weight('c', [2], 1, -1)], {})[0]!;
  test('in any order, from either side, with and without a bias', async () => {
    const graph = graphOf(input(1, 1, 2), (b, x) => b.Add(weight('t', [1, 2, 1], 6, 7), b.Mul(layer(b, x), weight('f', [2, 1], 4, 5))));
    fuse(graph);
    expect(ops(graph)).toBe('Conv');
    expect(await run(graph, new Tensor('float32', Float32Array.of(0, 2), [1, 1, 2]))).toEqual([10, 26, 2, 32]);
    const bare = graphOf(input(1, 1, 1), (b, x) =>
      b.Add(b.emit('Conv', [x, weight('w', [2, 1, 1], 2, 3)], {})[0]!, weight('t', [2, 1], 6, 7)),
    );
    fuse(bare);
    expect(ops(bare)).toBe('Conv');
    expect(await run(bare, new Tensor('float32', Float32Array.of(1), [1, 1, 1]))).toEqual([8, 10]);
  });
  test('through a transpose that stands between them', async () => {
    const graph = graphOf(input(1, 1, 2), (b, x) =>
      b.Add(b.Mul(b.Transpose(layer(b, x), [0, 2, 1]), weight('f', [2], 4, 5)), weight('t', [1, 1, 2], 6, 7)),
    );
    fuse(graph);
    expect(ops(graph)).toBe('Conv Transpose');
    expect(await run(graph, new Tensor('float32', Float32Array.of(0, 2), [1, 1, 2]))).toEqual([10, 2, 26, 32]);
  });
  test('of a Gemm along its last axis', async () => {
    const gemm = (b: Builder, x: Value): Value => b.emit('Gemm', [x, weight('w', [1, 2], 2, 3), weight('c', [2], 1, -1)], {})[0]!;
    const graph = graphOf(input(1, 1), (b, x) => b.Mul(gemm(b, x), weight('f', [2], 4, 5)));
    fuse(graph);
    expect(ops(graph)).toBe('Gemm');
    expect(await run(graph, new Tensor('float32', Float32Array.of(1), [1, 1]))).toEqual([12, 10]);
  });
  test.each<[string, Value]>([
    ['along another axis', weight('t', [2], 6, 7)],
    ['one number for all', weight('t', [], 6)],
  ])('not %s', (_, term) => {
    const graph = graphOf(input(1, 1, 2), (b, x) => b.Add(layer(b, x), term));
    fuse(graph);
    expect(ops(graph)).toBe('Conv Add');
  });
});

test('parts of a weight are weights', async () => {
  const graph = graphOf(input(2), (b, x) => {
    const [first, second] = b.emit('Split', [weight('w', [4], 1, 2, 3, 4)], { axis: 0, num_outputs: 2 }, { outputs: ['p', 'q'] });
    return b.Sub(b.Mul(x, second!), first!);
  });
  fuse(graph);
  expect(ops(graph)).toBe('Mul Sub');
  expect(await run(graph, new Tensor('float32', Float32Array.of(1, 1), [2]))).toEqual([2, 2]);
});

describe('a normalisation joins the layer before it', () => {
  test.each<[string, (b: Builder, x: Value) => Value]>([
    ['Conv', (b, x) => normalised(b, b.emit('Conv', [x, weight('w', [1, 1, 1], 2), weight('c', [1], 1)], {})[0]!)],
    ['ConvTranspose', (b, x) => normalised(b, b.emit('ConvTranspose', [x, weight('w', [1, 1, 1], 2), weight('c', [1], 1)], {})[0]!)],
  ])('%s', async (op, build) => {
    const graph = graphOf(input(1, 1, 3), build);
    fuse(graph);
    expect(ops(graph)).toBe(op);
    const made = await run(graph, new Tensor('float32', Float32Array.of(0, 1, -2), [1, 1, 3]));
    for (const [i, y] of [-1, 5, -13].entries()) expect(made[i]).toBeCloseTo(y, 4);
  });
  test('Gemm, with the names of the weights and how they were made', async () => {
    const graph = graphOf(input(3, 1), (b, x) =>
      normalised(b, b.emit('Gemm', [x, weight('w', [1, 1], 2), weight('c', [1], 1)], { transB: 1 })[0]!),
    );
    fuse(graph);
    expect(ops(graph)).toBe('Gemm');
    const [, w, c] = graph.nodes[0]!.inputs;
    expect([w!.name, c!.name]).toEqual(['w', 'c']);
    expect((await resident(w!.tensor!)).data).toEqual(Float32Array.of(6));
    expect(JSON.stringify(w!.tensor!.origin!.rest)).toContain('Mul(w, ');
  });
  test.each<[string, Value, (b: Builder, x: Value) => Value, readonly Value[]]>([
    [
      'in training mode',
      input(1, 1, 3),
      (b, x) => normalised(b, b.emit('Conv', [x, weight('w', [1, 1, 1], 2)], {})[0]!, { training_mode: 1 }),
      [],
    ],
    [
      'over a layer that others read',
      input(1, 1, 3),
      (b, x) => {
        const conv = b.emit('Conv', [x, weight('w', [1, 1, 1], 2)], {})[0]!;
        return b.Add(normalised(b, conv), conv);
      },
      [],
    ],
    ['over no linear layer', input(1, 1, 3), (b, x) => normalised(b, b.Relu(x)), []],
    [
      'whose statistics callers may replace',
      input(1, 1, 3),
      (b, x) => normalised(b, b.emit('Conv', [x, weight('w', [1, 1, 1], 2)], {})[0]!),
      [statistics[2]],
    ],
  ])('but not %s', (_, x, build, more) => {
    const graph = graphOf(x, build, more);
    fuse(graph);
    expect(ops(graph)).toContain('BatchNormalization');
  });
});

describe('what weights alone decide becomes a weight', () => {
  const matrix = (): Value => weight('w', [2, 2], 1, 2, 3, 4);
  test('a transposed weight keeps its name', async () => {
    const graph = graphOf(input(1, 2), (b, x) => b.MatMul(x, b.Transpose(matrix(), [1, 0])));
    fuse(graph);
    expect(ops(graph)).toBe('MatMul');
    expect(graph.nodes[0]!.inputs[1]!.name).toBe('w');
    expect(await run(graph, new Tensor('float32', Float32Array.of(1, 1), [1, 2]))).toEqual([3, 7]);
  });
  test('a chain is read as one', async () => {
    const graph = graphOf(input(1, 2), (b, x) => b.MatMul(x, b.Mul(b.Transpose(matrix(), [1, 0]), b.constant(10, 'float32'))));
    fuse(graph);
    expect(JSON.stringify(graph.nodes[0]!.inputs[1]!.tensor!.origin!.rest)).toContain('Mul(Transpose(w, perm=[1,0]), [10])');
    expect(await run(graph, new Tensor('float32', Float32Array.of(1, 1), [1, 2]))).toEqual([30, 70]);
  });
  test('a weight that is read in both forms gets two names', () => {
    const w = matrix();
    const graph = graphOf(input(1, 2), (b, x) => b.MatMul(b.MatMul(x, w), b.Transpose(w, [1, 0])));
    fuse(graph);
    const names = graph.nodes.flatMap(node => node.inputs.filter(v => v?.tensor).map(v => v!.name));
    expect(new Set(names).size).toBe(names.length);
  });
  test('what callers may replace stays', () => {
    const w = matrix();
    const graph = graphOf(input(1, 2), (b, x) => b.MatMul(x, b.Transpose(w, [1, 0])), [w]);
    fuse(graph);
    expect(ops(graph)).toBe('Transpose MatMul');
  });
});
