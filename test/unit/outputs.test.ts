// Outputs written into tensors of the caller, those that stay with the backend, caches that are updated in place, and limits of memory.
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/exec/backend.ts';
import { bindPlan } from '../../src/exec/bind.ts';
import { nativeBackend } from '../../src/exec/cpu.ts';
import { compilePlan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { mayShare } from '../../src/exec/sharing.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { cpuBackend, loadCpuAddon } from '../../src/node/addon.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { lower } from '../../src/passes/lower.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';
import { randomArrays } from '../../src/validate/random.ts';

const addon = loadCpuAddon();
const backends: readonly (readonly [string, () => Backend])[] = [
  ['reference', referenceBackend],
  ...(typeof addon === 'string' ? [] : [['cpu', cpuBackend] as const]),
];

function graphOf(inputs: readonly Value[], build: (b: Builder, ...x: Value[]) => Readonly<Record<string, Value>>): Graph {
  const b = newBuilder();
  const outputs = Object.entries(build(b, ...inputs)).map(([name, value]) => ({ name, value }));
  return new Graph('g', { inputs: [...inputs], outputs, nodes: [...b.nodes] });
}
const modelOf = (graph: Graph): Model => new Model(graph, { irVersion: 14, opsets: new Map([['', 24]]) });
const argument = (name: string, shape: readonly (number | ReturnType<typeof symbol>)[], type: DataType = 'float32'): Value =>
  new Value(name, tensorType(type, shape));
const floats = (...numbers: number[]): Tensor => new Tensor('float32', Float32Array.from(numbers), [numbers.length]);

/** Twice the input, its sum, and where it is positive. */
const simple = (): Model =>
  modelOf(
    graphOf([argument('x', [symbol('n')])], (b, x) => ({
      twice: b.Add(x!, x!),
      sum: b.ReduceSum(x!, { axes: [0] }),
      above: b.Greater(x!, b.constant(0, 'float32')),
    })),
  );
/** A cache of four rows that gets a row. */
const cached = (): Graph =>
  graphOf([argument('past', [4, 2]), argument('row', [1, 2]), argument('at', [1, 2], 'int64')], (b, past, row, at) => {
    const present = b.ScatterElements({ data: past!, indices: at!, updates: row! }, { axis: 0 });
    return { present, total: b.ReduceSum(present, { axes: [0, 1], keepdims: 0 }) };
  });
const rowAt = (k: number) => ({
  row: new Tensor('float32', Float32Array.of(k, -k / 2), [1, 2]),
  at: new Tensor('int64', BigInt64Array.of(BigInt(k), BigInt(k)), [1, 2]),
});

describe.each(backends)('on %s', (_, backend) => {
  test('outputs are written into tensors of the caller', async () => {
    const session = await Session.create(simple(), { backend: backend() });
    const [twice, above] = [floats(9, 9, 9), new Tensor('bool', new Uint8Array(3), [3])];
    const made = await session.run({ x: floats(1, -2, 3) }, { outputs: { twice, above } });
    expect([made['twice'], made['above']]).toEqual([twice, above]);
    expect(made['twice']).toBe(twice);
    expect([...(twice.data as Float32Array)]).toEqual([2, -4, 6]);
    expect([...(above.data as Uint8Array)]).toEqual([1, 0, 1]);
    expect([...(made['sum']!.data as Float32Array)]).toEqual([2]);
    // Its own input, which is read to its end first.
    const x = floats(5, 6);
    await session.run({ x }, { outputs: { twice: x } });
    expect([...(x.data as Float32Array)]).toEqual([10, 12]);
  });

  test('tensors that outputs do not fit are refused, and none is written', async () => {
    const session = await Session.create(simple(), { backend: backend() });
    const run = (outputs: Record<string, Tensor>) => session.run({ x: floats(1, 2) }, { outputs });
    const twice = floats(9, 9);
    await expect(run({ twice, above: floats(1, 2) })).rejects.toMatchObject({
      code: 'E3002',
      message: 'output above: its tensor is float32, the output bool',
    });
    await expect(run({ twice, sum: floats(1, 2) })).rejects.toMatchObject({
      code: 'E3003',
      message: 'output sum: its tensor has sizes [2], the output [1]',
    });
    await expect(run({ twise: twice })).rejects.toMatchObject({ code: 'E3001', message: expect.stringContaining('nearest name: twice') });
    expect([...(twice.data as Float32Array)]).toEqual([9, 9]);
  });

  test('an output that is kept is the next input', async () => {
    const session = await Session.create(modelOf(cached()), { backend: backend() });
    let past = new Tensor('float32', new Float32Array(8), [4, 2]);
    for (const k of [1, 3, 1]) past = (await session.run({ past, ...rowAt(k) }, { keep: ['present'] }))['present']!;
    expect([...((await resident(past)).data as Float32Array)]).toEqual([0, 0, 1, -0.5, 0, 0, 3, -1.5]);
  });

  test('a cache is updated in place', async () => {
    const session = await Session.create(modelOf(cached()), { backend: backend() });
    const memory = new Float32Array(8).fill(1);
    const past = new Tensor('float32', memory, [4, 2]);
    for (const k of [2, 3]) {
      const { total } = await session.run({ past, ...rowAt(k) }, { outputs: { present: past } });
      expect((total!.data as Float32Array)[0]).toBe(memory.reduce((a, x) => a + x));
    }
    expect([...memory]).toEqual([1, 1, 1, 1, 2, -1, 3, -1.5]);
  });

  test('warming up runs once, and errors of the run come out', async () => {
    const session = await Session.create(modelOf(cached()), { backend: backend() });
    await session.warmUp(randomArrays(session.inputs));
    await expect(session.warmUp({})).rejects.toMatchObject({ code: 'E3001' });
  });
});

test('an output shares memory with an input only where nothing reads the input afterwards', () => {
  const isShared = (graph: Graph): boolean => {
    rewriteAll(graph, [lower]);
    return mayShare(bindPlan(compilePlan(graph), new Map()), 0, 0);
  };
  const shares = (...[inputs, build]: Parameters<typeof graphOf>): boolean => isShared(graphOf(inputs, build));
  expect(isShared(cached())).toBe(true);
  const x = () => argument('x', [4, 4]);
  expect(shares([x()], (b, v) => ({ y: b.Exp(v!) }))).toBe(true);
  expect(shares([x(), argument('z', [4])], (b, v, z) => ({ y: b.Add(v!, z!) }))).toBe(true);
  expect(shares([x()], (b, v) => ({ y: b.Identity(b.Transpose(v!, [1, 0])) }))).toBe(false);
  expect(shares([x()], (b, v) => ({ y: b.Add(v!, b.Transpose(v!, [1, 0])) }))).toBe(false);
  expect(shares([x()], (b, v) => ({ y: b.MatMul(v!, v!) }))).toBe(false);
  expect(shares([x()], (b, v) => ({ y: b.Exp(v!), z: b.ReduceSum(v!, { axes: [0] }) }))).toBe(false);
  expect(shares([x()], (b, v) => ({ y: b.Relu(b.MatMul(v!, b.constant(new Float32Array(16), 'float32', [4, 4]))) }))).toBe(false);
});

describe('limits', () => {
  const large = (...dims: number[]): Model =>
    modelOf(
      graphOf([argument('x', [1])], (b, x) => ({
        y: b.ReduceMax(b.Exp(b.Expand(x!, dims)), { axes: [0] }),
      })),
    );
  const refused = async (model: Model, backend: Backend) =>
    (await Session.create(model, { backend })).run({ x: floats(1) }).then(
      () => 'it ran',
      (error: Error & { code: string }) => `${error.code} ${error.message}`,
    );
  test.each(backends)('on %s: too large a tensor is named before anything is allocated', async (_, backend) => {
    const started = performance.now();
    expect(await refused(large(2 ** 22, 2 ** 24), backend())).toMatch(
      /^E3007 the run needs \d+ bytes, the limit is \d+; the largest tensor, made by \w+.*, takes \d+$/,
    );
    expect(await refused(large(2 ** 40, 2 ** 40), backend())).toMatch(/^E(3005|1202|1305|3007) /);
    expect(performance.now() - started).toBeLessThan(5000);
  });
  test('the addon counts again', async () => {
    if (typeof addon === 'string') return;
    const backend = nativeBackend(() => ({
      ...addon,
      bind: (words, names, constants, threads) => addon.bind(words, names, constants, threads, 10),
    }));
    expect(await refused(simple(), backend)).toBe('E3007 the run needs 13 bytes, the limit is 10; buffer 0 takes 4');
  });
});
