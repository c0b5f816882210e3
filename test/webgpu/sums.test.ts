// Results that invocations share, joined in the memory of a workgroup and among those of a subgroup, beside the reference. The adapter of
// the tests has subgroups of four; shaders with them are also compiled where nothing is computed.
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/exec/backend.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { webgpuBackend } from '../../src/exec/webgpu/backend.ts';
import { Device, openDevice } from '../../src/exec/webgpu/device.ts';
import { type Clock, chooseWays } from '../../src/exec/webgpu/probe.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { changedGpu, checkingGpu, whyNot } from './adapters.ts';

const reason = await whyNot();
const shaders: string[] = [];
const checking = await checkingGpu(code => shaders.push(code));
const opened = reason ? undefined : await openDevice(changedGpu({}));
const hasSubgroups = opened instanceof Device && opened.gpu.features.has('subgroups');

interface Case {
  readonly type?: DataType;
  readonly inputs: readonly (readonly number[])[];
  readonly build: (b: Builder, x: readonly Value[]) => Value;
}
const reduced = (
  op: 'ReduceSum' | 'ReduceMax' | 'ReduceProd',
  dims: readonly number[],
  axis: number,
  type: DataType = 'float32',
): Case => ({
  type,
  inputs: [dims],
  build: (b, [x]) => b.emit(op, [x!, b.constant([axis], 'int64', [1])], { keepdims: 0 })[0]!,
});

const cases: Readonly<Record<string, Case>> = {
  'sums of lines that a workgroup shares': reduced('ReduceSum', [3, 1000], 1),
  'sums of lines that a subgroup shares': reduced('ReduceSum', [5, 17], 1),
  'sums of lines that two share': reduced('ReduceSum', [7, 9], 1),
  'sums of lines of one invocation': reduced('ReduceSum', [9, 3], 1),
  'sums across lines': reduced('ReduceSum', [1000, 5], 0),
  products: reduced('ReduceProd', [2, 333], 1),
  'maxima of int64': reduced('ReduceMax', [3, 700], 1, 'int64'),
  'places of maxima, the first of equal ones': {
    inputs: [[4, 900]],
    build: (b, [x]) => b.emit('ArgMax', [b.Floor(b.Mul(x!, b.constant(4, 'float32')))], { axis: 1 })[0]!,
  },
  'a row by few columns': {
    inputs: [
      [1, 501],
      [501, 5],
    ],
    build: (b, [x, y]) => b.MatMul(x!, y!),
  },
  'a row by few columns that lie side by side': {
    inputs: [
      [1, 501],
      [5, 501],
    ],
    build: (b, [x, y]) => b.MatMul(x!, b.Transpose(y!, [1, 0])),
  },
};

function modelOf({ type = 'float32', inputs, build }: Case): { model: Model; feeds: Record<string, Tensor> } {
  const b = newBuilder();
  const values = inputs.map((dims, i) => new Value(`x${i}`, tensorType(type, dims)));
  const graph = new Graph('g', { inputs: values, outputs: [{ name: 'y', value: build(b, values) }], nodes: b.nodes });
  const feeds = inputs.map((dims, salt) => {
    const numbers = Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => 1 + Math.sin((i + 1) * 12.9898 + salt) / 2);
    return new Tensor(type, type === 'int64' ? numbers.map(n => BigInt(Math.round(n * 2 ** 40))) : numbers, dims);
  });
  const model = new Model(graph, { irVersion: 10, opsets: new Map([['', 22]]) });
  return { model, feeds: Object.fromEntries(feeds.map((t, i) => [`x${i}`, t])) };
}

const run = async (of: Case, backend: Backend): Promise<Tensor> => {
  const { model, feeds } = modelOf(of);
  const session = await Session.create(model, { backend });
  const { y } = await session.run(feeds);
  await session.dispose();
  return y!;
};

describe.skipIf(reason !== undefined)('sums', () => {
  for (const sums of ['memory', 'subgroups'] as const) {
    const texts: string[] = [];
    const shader = (code: string): string => {
      texts.push(code);
      return code;
    };
    const backend = webgpuBackend({ gpu: changedGpu({ shader }), ways: { products: 'blocks', sums } });
    test.skipIf(sums === 'subgroups' && !hasSubgroups).each(Object.entries(cases))(`%s by ${sums}`, async (_, of) => {
      const [want, got] = await Promise.all([run(of, referenceBackend()), run(of, backend)]);
      const { ok, maxAbs, reason: why } = compareTensors('y', got, want, { rtol: 1e-5, atol: 1e-5 });
      expect({ ok, maxAbs: ok || maxAbs, why }).toEqual({ ok: true, maxAbs: true, why: undefined });
      expect(texts.some(text => text.includes('subgroupShuffleXor('))).toBe(sums === 'subgroups');
    });
  }

  const favouring: Clock = async (_, trials) => trials.map(({ way }) => (way === 'subgroups' ? 1 : 9));

  test.skipIf(!hasSubgroups)('subgroups are taken where they are faster, not where invocations are numbered otherwise', async () => {
    for (const isOther of [false, true]) {
      const shader = (code: string): string =>
        isOther ? code.replace('let lane = i32(local);', 'let lane = i32(((local & 1u) << 5u) | (local >> 1u));') : code;
      const device = await openDevice(changedGpu({ shader }));
      if (!(device instanceof Device)) throw new Error(device);
      await chooseWays(device, ['sums'], favouring);
      expect(device.ways.sums).toBe(isOther ? 'memory' : 'subgroups');
      device.check();
    }
  });

  test('an adapter without subgroups is not asked for them', async () => {
    const device = await openDevice(changedGpu({ features: ['timestamp-query'] }));
    if (!(device instanceof Device)) throw new Error(device);
    await chooseWays(device, ['sums'], favouring);
    expect(device.ways.sums).toBe('memory');
    expect(device.gpu.features.has('subgroups')).toBe(false);
  });
});

test.skipIf(!checking).each(Object.entries(cases))('shaders with subgroups compile: %s', async (_, of) => {
  shaders.length = 0;
  const backend = webgpuBackend({ gpu: async () => checking!, ways: { products: 'blocks', sums: 'subgroups' } });
  const { model, feeds } = modelOf(of);
  await (await Session.create(model, { backend })).plan(feeds);
  const joined = shaders.filter(code => code.includes('subgroupShuffleXor('));
  expect(joined.length).toBe(1);
  expect(joined[0]).toMatch(/^enable subgroups;\n/);
});
