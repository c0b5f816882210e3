import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/exec/backend.ts';
import { Binding, bindPlan } from '../../src/exec/bind.ts';
import { compilePlan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import type { Program } from '../../src/expr/expr.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';

type Sizes = readonly (number | string)[];
const input = (name: string, shape: Sizes, element: DataType = 'float32'): Value =>
  new Value(
    name,
    tensorType(
      element,
      shape.map(d => (typeof d === 'string' ? symbol(d) : d)),
    ),
  );

function modelOf(inputs: Value[], build: (b: Builder, ...x: Value[]) => Value, opset = 28): Model {
  const b = newBuilder();
  const y = build(b, ...inputs);
  return new Model(new Graph('g', { inputs, outputs: [{ name: 'y', value: y }], nodes: b.nodes }), {
    irVersion: 10,
    opsets: new Map([['', opset]]),
  });
}
const session = (model: Model) => Session.create(model, { backend: referenceBackend() });
const floats = (...x: number[]) => new Tensor('float32', Float32Array.from(x), [x.length]);

test('a profile has a row for each step, in order, with what it is worth', async () => {
  const s = await session(modelOf([input('x', [2, 3])], (b, x) => b.ReduceSum(b.MatMul(x, b.Transpose(x, [1, 0])), { axes: [0] })));
  const events = await s.profile({ x: new Tensor('float32', new Float32Array(6), [2, 3]) });
  expect(events.map(e => [e.kind, e.flops, e.bytes])).toEqual([
    ['matmul', 24, 4 * (6 + 6 + 4)],
    ['reduce', 4, 4 * (4 + 2)],
  ]);
  expect(events[1]!.start).toBeGreaterThanOrEqual(events[0]!.start + events[0]!.milliseconds);
});

test('what depends on constants alone is computed once, and a loop of known length is its rounds', async () => {
  const model = modelOf([input('x', [5, 1, 3])], (b, x) => {
    const weights = (n: number) =>
      b.constant(
        Float32Array.from({ length: n }, (_, i) => ((i * 7) % 5) / 10 - 0.2),
        'float32',
        [n],
      );
    const turned = b.Concat([b.Reshape(weights(12), [1, 4, 3]), b.Reshape(weights(12), [1, 4, 3])], 1);
    return b.emit('LSTM', [x, turned, b.Reshape(weights(16), [1, 8, 2])], { hidden_size: 2 })[0]!;
  });
  const x = new Tensor(
    'float32',
    Float32Array.from({ length: 15 }, (_, i) => Math.sin(i)),
    [5, 1, 3],
  );
  const events = await (await session(model)).profile({ x });
  expect(events.filter(e => e.kind === 'host')).toEqual([]);
  expect(events.filter(e => e.label.startsWith('Concat node'))).toEqual([]);
  const [optimized, oracle] = await Promise.all(
    [true, false].map(async optimize => (await Session.create(model, { backend: referenceBackend(), optimize })).run({ x })),
  );
  const [a, b] = [optimized!['y']!.data as Float32Array, oracle!['y']!.data as Float32Array];
  expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-6);
});

test('a constant that would grow is made in each run, others are made once', async () => {
  const model = modelOf([input('x', [2, 70_000])], (b, x) => {
    const turned = b.Transpose(b.constant(Float32Array.of(1, 2, 3, 4, 5, 6), 'float32', [3, 2]), [1, 0]);
    const { Values, Indices } = b.TopK({ X: turned, K: b.ints([2]) });
    const grown = b.Cos(b.Expand(Values, [35_000, 2, 2]));
    const places = b.ReduceSum(b.Cast(Indices, 'float32'), { axes: [0, 1], keepdims: 0 });
    return b.Add(b.Add(x, b.Reshape(grown, [2, 70_000])), places);
  });
  const x = new Tensor('float32', new Float32Array(140_000), [2, 70_000]);
  const labels = (await (await session(model)).profile({ x })).map(e => e.label).join();
  expect(labels).toContain('Cos');
  expect(labels).not.toContain('ReduceSum');
  const [optimized, oracle] = await Promise.all(
    [true, false].map(async optimize => (await Session.create(model, { backend: referenceBackend(), optimize })).run({ x })),
  );
  expect(optimized!['y']!.data).toEqual(oracle!['y']!.data);
});

describe('sizes', () => {
  test('one plan serves every size of an open axis', async () => {
    const s = await session(modelOf([input('x', ['n', 2])], (b, x) => b.ReduceSum(x, { axes: [0], keepdims: 0 })));
    const of = (n: number) => new Tensor('float32', new Float32Array(2 * n).fill(1), [n, 2]);
    expect((await s.run({ x: of(3) }))['y']!.data).toEqual(Float32Array.of(3, 3));
    expect((await s.run({ x: of(5) }))['y']!.data).toEqual(Float32Array.of(5, 5));
    expect(await s.plan({ x: of(3) })).toBe(await s.plan({ x: of(7) }));
  });
  test('memory of sizes used long ago is freed, and bound again when they come back', async () => {
    const reference = referenceBackend();
    const freed: number[] = [];
    const counting: Backend = {
      ...reference,
      async compile(plan) {
        const executable = await reference.compile(plan);
        const bind = async (sizes: ReadonlyMap<string, number>) => {
          const bound = await executable.bind(sizes);
          return { ...bound, dispose: async () => void freed.push([...sizes.values()][0]!) };
        };
        return { ...executable, bind };
      },
    };
    const s = await Session.create(
      modelOf([input('x', ['n'])], (b, x) => b.Neg(x)),
      { backend: counting },
    );
    const run = async (n: number) => (await s.run({ x: new Tensor('float32', new Float32Array(n).fill(n), [n]) }))['y']!.data[0];
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => run(i + 2)));
    expect(all).toEqual(Array.from({ length: 20 }, (_, i) => -(i + 2)));
    expect(freed).toEqual([2, 3, 4, 5]);
    expect(await run(2)).toBe(-2);
    expect(freed).toEqual([2, 3, 4, 5, 6]);
  });
  test('axes of size 1 broadcast, equal names must agree', async () => {
    const s = await session(modelOf([input('a', ['n']), input('b', ['m'])], (b, x, y) => b.Add(x, y)));
    expect((await s.run({ a: floats(1, 2, 3), b: floats(10) }))['y']!.data).toEqual(Float32Array.of(11, 12, 13));
    await expect(s.run({ a: floats(1, 2, 3), b: floats(1, 2) })).rejects.toMatchObject({ code: 'E3005' });
    const named = await session(modelOf([input('a', ['n']), input('b', ['n'])], (b, x, y) => b.Add(x, y)));
    await expect(named.run({ a: floats(1, 2), b: floats(1) })).rejects.toMatchObject({
      code: 'E3003',
      message: 'input b: expected [2], got [1]',
    });
  });
  test('empty axes give empty results and identities', async () => {
    const s = await session(modelOf([input('x', ['n'])], (b, x) => b.ReduceSum(b.Exp(x), { axes: [0] })));
    expect((await s.run({ x: floats() }))['y']!.data).toEqual(Float32Array.of(0));
  });
  test('a size that comes to 1 in the run is broadcast', async () => {
    const s = await session(modelOf([input('x', ['n', 2])], (b, x) => b.Expand(b.Slice(x, { axes: [0], starts: [1], ends: [3] }), [2, 2])));
    const of = (n: number) =>
      new Tensor(
        'float32',
        Float32Array.from({ length: 2 * n }, (_, i) => i),
        [n, 2],
      );
    expect((await s.run({ x: of(3) }))['y']!.data).toEqual(Float32Array.of(2, 3, 4, 5));
    expect((await s.run({ x: of(2) }))['y']!.data).toEqual(Float32Array.of(2, 3, 2, 3));
  });
  test('a step that is a size of an input is the number it comes to', async () => {
    const s = await session(
      modelOf(
        [input('x', ['n']), input('by', ['k'])],
        (b, x, by) => b.emit('Slice', [x, b.ints([0]), b.ints([9]), b.ints([0]), b.Shape(by)])[0]!,
      ),
    );
    expect((await s.run({ x: floats(1, 2, 3, 4, 5), by: floats(0, 0) }))['y']!.data).toEqual(Float32Array.of(1, 3, 5));
    expect((await s.run({ x: floats(1, 2, 3, 4, 5), by: floats(0, 0, 0) }))['y']!.data).toEqual(Float32Array.of(1, 4));
  });
  test('a range whose step is a size of an input', async () => {
    const s = await session(
      modelOf([input('x', ['n', 'k'])], (b, x) => {
        const one = (size: Value) => b.Squeeze(size, [0]);
        const [n, k] = [b.dim(x, 0) as Value, b.dim(x, 1) as Value];
        return b.Neg(b.Range({ start: b.constant(0, 'int64'), limit: one(b.Mul(n, k)), delta: one(k) }));
      }),
    );
    const of = (n: number, k: number) => ({ x: new Tensor('float32', new Float32Array(n * k), [n, k]) });
    expect((await s.run(of(2, 3)))['y']!.data).toEqual(BigInt64Array.of(0n, -3n));
    expect((await s.run(of(3, 2)))['y']!.data).toEqual(BigInt64Array.of(0n, -2n, -4n));
    await expect(s.dispose()).resolves.toBeUndefined();
  });
  test('an input of unknown rank takes the rank it is given', async () => {
    const x = new Value('x', tensorType('float32'));
    const s = await session(modelOf([x], (b, v) => b.Softmax({ input: v })));
    expect((await s.run({ x: new Tensor('float32', [0, 0, 0, 0], [2, 2]) }))['y']!.data).toEqual(Float32Array.of(0.5, 0.5, 0.5, 0.5));
  });
});

describe('contents that only the run knows', () => {
  const model = () =>
    modelOf([input('x', ['n']), input('shape', [2], 'int64')], (b, x, shape) =>
      b.Relu(b.emit('Reshape', [b.Neg(x), b.Add(shape, b.ints([0]))])[0]!),
    );
  test('end a stage and are then known', async () => {
    const s = await session(model());
    const feeds = (a: bigint, c: bigint) => ({ x: floats(1, -2, 3, -4), shape: new Tensor('int64', [a, c], [2]) });
    const first = await s.run(feeds(2n, 2n));
    expect(first['y']!.dims).toEqual([2, 2]);
    expect(first['y']!.data).toEqual(Float32Array.of(0, 2, 0, 4));
    expect((await s.run(feeds(4n, -1n)))['y']!.dims).toEqual([4, 1]);
    await expect(s.run(feeds(3n, 2n))).rejects.toMatchObject({ code: 'E3005' });
    await expect(s.run(feeds(1n, 2n))).rejects.toMatchObject({ message: 'Reshape: sizes 4 and 2 must be equal' });
  });
});

describe('inputs', () => {
  test('every one that does not fit is named', async () => {
    const s = await session(modelOf([input('image', [2]), input('scale', [1])], (b, x, y) => b.Mul(x, y)));
    const error = await s.run({ imagee: floats(1), scale: new Tensor('int64', [1n], [1]) }).catch(e => e);
    expect(error.findings.map((f: { message: string }) => f.message)).toEqual([
      'the model has no input imagee; nearest name: image',
      'input image float32[2] is missing',
      'input scale: expected float32[1], got int64[1]',
    ]);
  });
  test('names such as __proto__ are names', async () => {
    const s = await session(modelOf([input('__proto__', [1])], (b, x) => b.Neg(x)));
    const feeds = Object.defineProperty({}, '__proto__', { value: floats(2), enumerable: true }) as Record<string, Tensor>;
    expect((await s.run(feeds))['y']!.data).toEqual(Float32Array.of(-2));
  });
});

test('every operator without a meaning is named with its reason', async () => {
  const custom = (b: Builder, op: string, x: Value) => b.emit(op, [x], {}, { domain: 'com.example' })[0]!;
  const model = modelOf([input('x', [3])], (b, x) => custom(b, 'Odd', custom(b, 'Odd', custom(b, 'Strange', x))));
  const error = await session(model).catch(e => e);
  expect(error.findings.map((f: { message: string }) => f.message)).toEqual([
    'com.example.Strange: no meaning here (1 node)',
    'com.example.Odd: no meaning here (2 nodes)',
  ]);
});

test('an index out of range is an error with its node', async () => {
  const s = await session(modelOf([input('x', [3]), input('i', [1], 'int64')], (b, x, i) => b.Gather(x, i, 0)));
  await expect(s.run({ x: floats(1, 2, 3), i: new Tensor('int64', [3n]) })).rejects.toMatchObject({
    code: 'E3006',
    message: 'index 3 is outside axis 0 of size 3',
  });
});

describe('plans', () => {
  const plan = () => {
    const x = input('x', ['n', 8]);
    const b = newBuilder();
    const y = b.Add(b.Exp(b.Neg(b.Relu(x))), b.constant(1, 'float32'));
    return { x, b, y };
  };
  test('join maps, and not for the oracle', () => {
    const { x, b, y } = plan();
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    expect(compilePlan(graph).steps.map(s => s.label)).toEqual(['Relu; Neg; Exp; Add']);
    expect(compilePlan(graph, { fuse: false }).steps.length).toBe(4);
  });
  test('join a map that another reads twice, and compute what both need once', () => {
    const x = input('x', ['n']);
    const b = newBuilder();
    const square = b.Mul(x, x);
    const y = b.Add(b.Sqrt(b.Add(square, square)), b.Mul(x, b.Add(x, b.constant(1, 'float32'))));
    const z = b.Add(y, b.constant(1, 'float32'));
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'z', value: z }], nodes: b.nodes });
    const { steps } = compilePlan(graph);
    expect(steps).toHaveLength(1);
    expect(steps[0]!.inputs).toHaveLength(1);
    const { program } = steps[0]!.kernel as { readonly program: Program };
    expect(program.instructions.filter(i => i.op === 'const' || i.op === 'input')).toHaveLength(2);
  });
  test('reuse memory of values that nothing reads any more', () => {
    const { x, b, y } = plan();
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    const bind = (reuse: boolean) => bindPlan(compilePlan(graph, { fuse: false }), new Map([['n', 64]]), { reuse }).arena;
    expect(bind(false)).toBe(3 * 64 * 8 * 4);
    expect(bind(true)).toBe(64 * 8 * 4);
  });
  test('are bound for one size after the other as each would be alone', () => {
    const x = input('x', ['n', 'k']);
    const b = newBuilder();
    const sum = b.Add(b.Exp(x), b.emit('ReduceMax', [x, b.ints([1])], { keepdims: 1 })[0]!);
    const y = b.MatMul(b.Relu(sum), b.Transpose(x, [1, 0]));
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    const compiled = compilePlan(graph);
    const binding = new Binding(compiled);
    const sizes = (n: number, k: number) =>
      new Map([
        ['n', n],
        ['k', k],
      ]);
    for (const [n, k] of [
      [2, 3],
      [5, 1],
      [1, 7],
      [0, 4],
      [2, 3],
    ] as const) {
      const again = binding.bind(sizes(n, k));
      expect({ ...again }).toEqual({ ...bindPlan(compiled, sizes(n, k)) });
      expect(again.outputs[0]!.view.shape).toEqual([n, n]);
    }
    expect(() => binding.bind(sizes(-1, 3))).toThrow('a size comes to -1');
  });
  test('refuse what exceeds the memory limit before allocating', () => {
    const { x, b, y } = plan();
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    expect(() => bindPlan(compilePlan(graph), new Map([['n', 2 ** 40]]), { memory: 1e9 })).toThrow(
      /the run needs \d+ bytes, the limit is 1000000000/,
    );
  });
});
