// Rows of maps and reductions, and rows between two products, as one dispatch each, beside the reference.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { webgpuBackend } from '../../src/exec/webgpu/backend.ts';
import type { Ways } from '../../src/exec/webgpu/ways.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { encodeElement } from '../../src/kernels/storage.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { newestOpset } from '../../src/ops/schema.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { changedGpu, type Made, whyNot } from './adapters.ts';

const reason = await whyNot();
const made: Made = { pipelines: 0, buffers: 0, groups: 0 };
const backendOf = (products: Ways['products'], limits = {}) =>
  webgpuBackend({ gpu: changedGpu({ made, limits }), ways: { products, halves: 'bits', sums: 'memory' } });

type Feeds = Readonly<Record<string, Tensor>>;
type Build = (b: Builder, x: Readonly<Record<string, Value>>) => readonly Value[];

/** @param open axes whose sizes only the run knows, by input */
function modelOf(feeds: Feeds, build: Build, open: Readonly<Record<string, readonly number[]>> = {}): Model {
  const inputs = Object.entries(feeds).map(
    ([name, t]) =>
      new Value(
        name,
        tensorType(
          t.type,
          t.dims.map((d, axis) => (open[name]?.includes(axis) ? symbol(`${name}${axis}`) : d)),
        ),
      ),
  );
  const b = newBuilder();
  const outputs = build(b, Object.fromEntries(inputs.map(v => [v.name, v]))).map((value, k) => ({ name: `y${k}`, value }));
  return new Model(new Graph('g', { inputs, outputs, nodes: b.nodes }), { irVersion: 11, opsets: new Map([['', newestOpset('')!]]) });
}

const countOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);
const waves = (dims: readonly number[], salt = 0, type: DataType = 'float32'): Tensor => {
  const numbers = Array.from({ length: countOf(dims) }, (_, i) => 3 * Math.sin((i + 1) * 12.9898 + salt));
  return new Tensor(type, type === 'float16' ? Uint16Array.from(numbers, n => Number(encodeElement('float16', n))) : numbers, dims);
};

/** Gives the dispatches of a run whose results are those of the reference. */
async function dispatchesOf(model: Model, feeds: Feeds, backend: ReturnType<typeof webgpuBackend>, tolerance = 2e-5): Promise<number> {
  const want = await (await Session.create(model, { backend: referenceBackend() })).run(feeds);
  const session = await Session.create(model, { backend });
  const before = made.groups;
  const got = await session.run(feeds);
  const dispatches = made.groups - before;
  for (const [name, y] of Object.entries(want)) {
    const { ok, maxAbs, reason: why } = compareTensors(name, got[name]!, y, { rtol: tolerance, atol: tolerance });
    expect({ name, ok, maxAbs: ok || maxAbs, why }).toEqual({ name, ok: true, maxAbs: true, why: undefined });
  }
  // What was bound runs again without anything new.
  const { pipelines, buffers, groups } = made;
  await session.run(feeds);
  expect(made).toEqual({ pipelines, buffers, groups });
  await session.dispose();
  return dispatches;
}

const softmax: Build = (b, { x }) => [b.Softmax({ input: x! }, { axis: -1 })];
const layerNorm: Build = (b, { x, scale, bias }) => [b.LayerNormalization({ X: x!, Scale: scale!, B: bias! }, { axis: -1 }).Y];
const rmsNorm: Build = (b, { x, scale }) => [b.RMSNormalization({ X: x!, scale: scale! }, { axis: -1 })];

describe.skipIf(reason !== undefined)('rows', () => {
  const backend = backendOf('blocks');
  const lengths = [1, 3, 64, 1000, 5000];

  test.each(lengths)('softmax of %d', async n => {
    for (const type of ['float32', 'float16'] as const) {
      const feeds = { x: waves([5, n], 0, type) };
      expect(await dispatchesOf(modelOf(feeds, softmax), feeds, backend, type === 'float16' ? 2e-3 : 2e-5)).toBe(1);
    }
  });

  test.each(lengths)('normalisations of %d', async n => {
    for (const type of ['float32', 'float16'] as const)
      for (const [build, factors] of [
        [layerNorm, 2],
        [rmsNorm, 1],
      ] as const) {
        const feeds = { x: waves([2, 3, n], 0, type), scale: waves([n], 1, type), bias: waves([n], 2, type) };
        const model = modelOf(feeds, build);
        // Halves that all rows read are widened before.
        expect(await dispatchesOf(model, feeds, backend, type === 'float16' ? 2e-3 : 1e-4)).toBe(type === 'float16' ? 1 + factors : 1);
      }
  });

  test('rows of open sizes, and their number', async () => {
    for (const dims of [
      [1, 7],
      [300, 33],
      [3, 20000],
    ]) {
      const feeds = { x: waves(dims) };
      // There are too few long rows for a device to be busy with.
      expect(await dispatchesOf(modelOf(feeds, softmax, { x: [0, 1] }), feeds, backend)).toBe(dims[1]! > 16384 ? 4 : 1);
    }
  });

  test('no rows, and rows of nothing', async () => {
    for (const dims of [
      [0, 5],
      [3, 0],
    ]) {
      const feeds = { x: waves(dims) };
      expect(await dispatchesOf(modelOf(feeds, softmax), feeds, backend)).toBe(0);
    }
    const feeds = { x: waves([3, 0]) };
    const sum: Build = (b, { x }) => {
      const total = b.ReduceSum(x!, { axes: [1] });
      return [b.Sub(x!, total), total];
    };
    await dispatchesOf(modelOf(feeds, sum, { x: [1] }), feeds, backend);
  });

  test('what is no number stays so', async () => {
    const n = 70;
    const rows = [
      (i: number) => (i === 5 ? Number.NaN : i),
      (i: number) => (i === 69 ? Number.POSITIVE_INFINITY : i),
      () => Number.NEGATIVE_INFINITY,
      (i: number) => (i % 3 ? Number.NEGATIVE_INFINITY : i),
    ];
    const feeds = {
      x: new Tensor(
        'float32',
        rows.flatMap(row => Array.from({ length: n }, (_, i) => row(i))),
        [rows.length, n],
      ),
    };
    expect(await dispatchesOf(modelOf(feeds, softmax), feeds, backend)).toBe(1);
    const guarded: Build = (b, { x }) => {
      const y = b.Softmax({ input: x! }, { axis: -1 });
      return [b.Where(b.IsNaN(y), b.constant(0, 'float32'), y)];
    };
    expect(await dispatchesOf(modelOf(feeds, guarded), feeds, backend)).toBe(1);
  });

  test('rows along any axes, and what of them is an output', async () => {
    const feeds = { x: waves([2, 9, 4, 5]) };
    const across: Build = (b, { x }) => [b.Softmax({ input: x! }, { axis: 1 })];
    expect(await dispatchesOf(modelOf(feeds, across), feeds, backend)).toBe(1);
    const both: Build = (b, { x }) => {
      const top = b.ReduceMax(x!, { axes: [2, 3] });
      const lower = b.Sub(x!, top);
      return [top, lower, b.ReduceSum(b.Exp(lower), { axes: [2, 3] })];
    };
    expect(await dispatchesOf(modelOf(feeds, both), feeds, backend)).toBe(1);
  });

  test('integers of 64 bits', async () => {
    const feeds = {
      x: new Tensor(
        'int64',
        Array.from({ length: 3 * 40 }, (_, i) => BigInt(i * i) << 33n),
        [3, 40],
      ),
    };
    const build: Build = (b, { x }) => [b.Sub(x!, b.ReduceMax(x!, { axes: [1] }))];
    expect(await dispatchesOf(modelOf(feeds, build), feeds, backend)).toBe(1);
  });

  test('a device that binds few buffers takes shorter runs', async () => {
    const feeds = { x: waves([4, 50]), scale: waves([50], 1), bias: waves([50], 2), z: waves([4, 50], 3) };
    const build: Build = (b, { x, scale, bias, z }) => {
      const y = b.RMSNormalization({ X: x!, scale: scale! }, { axis: -1 });
      return [y, b.Add(b.Mul(y, bias!), z!)];
    };
    const few = backendOf('blocks', { maxStorageBuffersPerShaderStage: 4 });
    expect(await dispatchesOf(modelOf(feeds, build), feeds, backend)).toBe(1);
    expect(await dispatchesOf(modelOf(feeds, build), feeds, few)).toBe(2);
  });
});

interface Heads {
  readonly batch?: number;
  readonly heads?: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly values?: number;
}

const attentionFeeds = ({ batch = 1, heads = 2, queries, keys, width, values = width }: Heads): Feeds => ({
  q: waves([batch, heads, queries, width]),
  k: waves([batch, heads, keys, width], 1),
  v: waves([batch, heads, keys, values], 2),
});

const scoresOf = (b: Builder, { q, k }: Readonly<Record<string, Value>>): Value =>
  b.MatMul(b.Mul(q!, b.constant(0.3, 'float32')), b.Transpose(k!, [0, 1, 3, 2]));
const attention: Build = (b, x) => [b.MatMul(b.Softmax({ input: scoresOf(b, x) }, { axis: -1 }), x['v']!)];
const masked: Build = (b, x) => {
  const weights = b.Softmax({ input: b.Add(scoresOf(b, x), x['mask']!) }, { axis: -1 });
  return [b.MatMul(b.Where(b.IsNaN(weights), b.constant(0, 'float32'), weights), x['v']!)];
};

describe.skipIf(reason !== undefined)('rows between products', () => {
  const backend = backendOf('tiles');
  const heads: Readonly<Record<string, Heads>> = {
    'heads and batches': { batch: 2, heads: 3, queries: 20, keys: 20, width: 8 },
    'other keys, and a width of 7': { queries: 5, keys: 37, width: 7 },
    'one query': { heads: 3, queries: 1, keys: 65, width: 16 },
    'values of another width': { queries: 9, keys: 12, width: 6, values: 11 },
    'one row of a workgroup': { heads: 1, queries: 3, keys: 2000, width: 5 },
  };

  test.each(Object.entries(heads))('%s', async (_, of) => {
    const feeds = attentionFeeds(of);
    expect(await dispatchesOf(modelOf(feeds, attention), feeds, backend)).toBe(1);
  });

  test('a causal mask, and rows that are masked', async () => {
    const [queries, keys] = [18, 22];
    const least = Number.NEGATIVE_INFINITY;
    const mask = Array.from({ length: queries * keys }, (_, i) => {
      const [row, column] = [Math.floor(i / keys), i % keys];
      return row === 4 || column > row + 4 ? least : 0;
    });
    const feeds = { ...attentionFeeds({ batch: 2, queries, keys, width: 8 }), mask: new Tensor('float32', mask, [1, 1, queries, keys]) };
    expect(await dispatchesOf(modelOf(feeds, masked), feeds, backend)).toBe(1);
  });

  test('open sizes', async () => {
    const open = { q: [0, 2], k: [0, 2], v: [0, 2] };
    for (const [queries, keys] of [
      [1, 33],
      [17, 40],
      [2, 5000],
    ] as const) {
      const feeds = attentionFeeds({ queries, keys, width: 8 });
      // Rows of 5000 are more than a workgroup keeps: a map, a product with its map, the rows, a product.
      const dispatches = await dispatchesOf(modelOf(feeds, attention, open), feeds, backend);
      expect(dispatches <= 1).toBe(keys < 3000);
    }
  });

  test('weights that are an output are stored', async () => {
    const feeds = attentionFeeds({ queries: 6, keys: 9, width: 4 });
    const both: Build = (b, x) => {
      const weights = b.Softmax({ input: scoresOf(b, x) }, { axis: -1 });
      return [b.MatMul(weights, x['v']!), weights];
    };
    expect(await dispatchesOf(modelOf(feeds, both), feeds, backend)).toBeGreaterThan(1);
  });

  test('other rows than those of softmax', async () => {
    const feeds = attentionFeeds({ queries: 10, keys: 14, width: 5 });
    const relative: Build = (b, x) => {
      const scores = b.Relu(scoresOf(b, x));
      const total = b.ReduceSum(scores, { axes: [-1] });
      return [b.MatMul(b.Div(scores, b.Add(total, b.constant(1, 'float32'))), x['v']!)];
    };
    expect(await dispatchesOf(modelOf(feeds, relative), feeds, backend)).toBe(1);
  });

  test('where workgroups have no memory of their own, products stay apart', async () => {
    const feeds = attentionFeeds({ queries: 10, keys: 14, width: 5 });
    expect(await dispatchesOf(modelOf(feeds, attention), feeds, backendOf('blocks'))).toBe(4);
  });
});
