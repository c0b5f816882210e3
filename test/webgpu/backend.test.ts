// What the WebGPU backend makes, keeps, reads back and says, on a software adapter.
import { describe, expect, test } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import type { Backend } from '../../src/exec/backend.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { webgpuBackend } from '../../src/exec/webgpu/backend.ts';
import type { Ways } from '../../src/exec/webgpu/ways.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { nodeWebgpuBackend } from '../../src/node/webgpu.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { newestOpset } from '../../src/ops/schema.ts';
import { changedGpu, type Made, whyNot } from './adapters.ts';

const reason = await whyNot();
if (reason) console.log(`the WebGPU backend is not tested: ${reason}`);

/** Said, so that nothing that measuring makes is counted here. */
const ways: Ways = { products: 'blocks', halves: 'bits', sums: 'memory' };

type Inputs = Readonly<Record<string, readonly [DataType, ...(number | string)[]]>>;

function modelOf(inputs: Inputs, build: (b: Builder, x: Readonly<Record<string, Value>>) => Readonly<Record<string, Value>>): Model {
  const values = Object.entries(inputs).map(
    ([name, [type, ...dims]]) =>
      new Value(
        name,
        tensorType(
          type,
          dims.map(d => (typeof d === 'string' ? symbol(d) : d)),
        ),
      ),
  );
  const b = newBuilder();
  const made = build(b, Object.fromEntries(values.map(v => [v.name, v])));
  const outputs = Object.entries(made).map(([name, value]) => ({ name, value }));
  return new Model(new Graph('g', { inputs: values, outputs, nodes: b.nodes }), {
    irVersion: 11,
    opsets: new Map([['', newestOpset('')!]]),
  });
}

const ramp = (dims: readonly number[], scale = 0.01): Tensor =>
  new Tensor(
    'float32',
    Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => (((i * 7919) % 101) - 50) * scale),
    dims,
  );

const errorOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
  } catch (error) {
    return error instanceof ModelError
      ? `${error.code} ${error.findings[0]!.node?.op ?? ''} ${error.message}`.replace('  ', ' ')
      : String(error);
  }
  return 'nothing was thrown';
};

async function expectAsReference(model: Model, feeds: Readonly<Record<string, Tensor>>, backend: Backend, tolerance = 1e-5): Promise<void> {
  const want = await (await Session.create(model, { backend: referenceBackend() })).run(feeds);
  const session = await Session.create(model, { backend });
  const got = await session.run(feeds);
  for (const [name, y] of Object.entries(want)) {
    const [actual, expected] = [got[name]!.data, y.data] as unknown as [ArrayLike<number>, ArrayLike<number>];
    expect(actual.length).toBe(expected.length);
    for (let i = 0; i < expected.length; i++)
      expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(expected[i]!)));
  }
  await session.dispose();
}

/** Twelve blocks of attention, normalisation, and two layers, over an open number of tokens. */
function transformer(blocks = 12, width = 16, heads = 2): Model {
  return modelOf({ x: ['float32', 'batch', 'tokens', width] }, (b, { x }) => {
    const weight = (...dims: number[]): Value => b.constant(ramp(dims, 0.004).data as Float32Array, 'float32', dims, `w${b.nodes.length}`);
    let h = x!;
    for (let i = 0; i < blocks; i++) {
      const norm = b.LayerNormalization({ X: h, Scale: weight(width), B: weight(width) }, {}).Y;
      const split = (v: Value): Value => b.Transpose(b.Reshape(v, [b.dim(v, 0), b.dim(v, 1), heads, width / heads]), [0, 2, 1, 3]);
      const [q, k, v] = [0, 1, 2].map(() => split(b.Add(b.MatMul(norm, weight(width, width)), weight(width)))) as [Value, Value, Value];
      const scores = b.Softmax({ input: b.Div(b.MatMul(q, b.Transpose(k, [0, 1, 3, 2])), b.constant(2 + i, 'float32')) }, { axis: -1 });
      const mixed = b.Reshape(b.Transpose(b.MatMul(scores, v), [0, 2, 1, 3]), [b.dim(x!, 0), b.dim(x!, 1), width]);
      h = b.Add(h, b.Add(b.MatMul(mixed, weight(width, width)), weight(width)));
      const next = b.LayerNormalization({ X: h, Scale: weight(width), B: weight(width) }, {}).Y;
      const inner = b.Gelu({ X: b.Add(b.MatMul(next, weight(width, 4 * width)), weight(4 * width)) }, {});
      h = b.Add(h, b.Add(b.MatMul(inner, weight(4 * width, width)), weight(width)));
    }
    return { y: h };
  });
}

describe.skipIf(reason !== undefined)('the WebGPU backend', () => {
  test('makes few pipelines, and nothing at all for sizes that it has bound', async () => {
    const made: Made = { pipelines: 0, buffers: 0, groups: 0 };
    const backend = webgpuBackend({ gpu: changedGpu({ made }), ways });
    const model = transformer(24);
    const session = await Session.create(model, { backend });
    const plan = await session.plan({ x: ramp([2, 5, 16]) });
    expect(plan.steps.length).toBeGreaterThan(500);
    await session.run({ x: ramp([2, 5, 16]) });
    expect(made.pipelines).toBeLessThan(120);
    expect(made.buffers).toBeLessThan(12);
    const first = { ...made };
    await session.run({ x: ramp([2, 5, 16], 0.02) });
    expect(made).toEqual(first);
    // Other sizes take memory, but no pipelines.
    await session.run({ x: ramp([2, 6, 16]) });
    expect(made.pipelines).toBe(first.pipelines);
    await session.dispose();
    await expectAsReference(transformer(2), { x: ramp([2, 5, 16]) }, backend);
  });

  test('reads back once, and uploads nothing but the inputs', async () => {
    let [maps, writes] = [0, 0];
    const onDevice = (device: GPUDevice): void => {
      const { createBuffer } = device;
      const { writeBuffer } = device.queue;
      Object.defineProperty(device, 'createBuffer', {
        value: (wanted: GPUBufferDescriptor) => {
          const buffer = createBuffer.call(device, wanted);
          const { mapAsync } = buffer;
          Object.defineProperty(buffer, 'mapAsync', {
            value: (...args: Parameters<typeof mapAsync>) => {
              maps++;
              return mapAsync.apply(buffer, args);
            },
          });
          return buffer;
        },
      });
      Object.defineProperty(device.queue, 'writeBuffer', {
        value: (...args: Parameters<typeof writeBuffer>) => {
          writes++;
          return writeBuffer.apply(device.queue, args);
        },
      });
    };
    const session = await Session.create(transformer(2), { backend: webgpuBackend({ gpu: changedGpu({ onDevice }), ways }) });
    await session.run({ x: ramp([2, 5, 16]) });
    [maps, writes] = [0, 0];
    await session.run({ x: ramp([2, 5, 16]) });
    expect(maps).toBe(1);
    // The input, and zeros where kernels report.
    expect(writes).toBe(2);
  });

  test('what follows a product is computed with it', async () => {
    const made: Made = { pipelines: 0, buffers: 0, groups: 0 };
    const backend = webgpuBackend({ gpu: changedGpu({ made }), ways });
    const model = modelOf({ x: ['float32', 'n', 9], r: ['float32', 'n', 40] }, (b, { x, r }) => {
      const w = b.constant(ramp([9, 40], 0.05).data as Float32Array, 'float32', [9, 40], 'w');
      const y = b.Relu(b.Add(b.Mul(b.MatMul(x!, w), b.constant(ramp([40]).data as Float32Array, 'float32', [40], 's')), r!));
      return { y: b.Cast(y, 'float16') };
    });
    const session = await Session.create(model, { backend });
    await session.run({ x: ramp([33, 9]), r: ramp([33, 40]) });
    expect(made.groups).toBe(1);
    await session.dispose();
    const images = modelOf({ x: ['float32', 'n', 3, 7, 8], r: ['float32', 'n', 10, 5, 6] }, (b, { x, r }) => {
      const W = b.constant(ramp([10, 3, 3, 3], 0.05).data as Float32Array, 'float32', [10, 3, 3, 3], 'w');
      const B = b.constant(ramp([10], 0.05).data as Float32Array, 'float32', [10], 'b');
      return { y: b.Relu(b.Add(b.Conv(x!, W, B), r!)) };
    });
    made.groups = 0;
    await expectAsReference(images, { x: ramp([2, 3, 7, 8]), r: ramp([2, 10, 5, 6]) }, backend);
    expect(made.groups).toBe(1);
  });

  test('results of a run are not those of the next', async () => {
    const model = modelOf({ x: ['float32', 4], d: ['float64', 2] }, (b, { x, d }) => ({ y: b.Neg(x!), e: b.Neg(d!) }));
    const session = await Session.create(model, { backend: nodeWebgpuBackend({ ways }) });
    const d = (n: number): Tensor => new Tensor('float64', [n, n], [2]);
    const first = await session.run({ x: ramp([4]), d: d(1) });
    const before = [...(first['y']!.data as Float32Array), ...(first['e']!.data as Float64Array)];
    await session.run({ x: ramp([4], 7), d: d(2) });
    expect([...(first['y']!.data as Float32Array), ...(first['e']!.data as Float64Array)]).toEqual(before);
  });

  test('what no shader can do runs on the host, and the placement says why', async () => {
    const model = modelOf({ x: ['float32', 'n', 4] }, (b, { x }) => {
      const doubled = b.Cast(b.Mul(x!, x!), 'float64');
      const single = b.Cast(b.Sqrt(b.Add(doubled, doubled)), 'float32');
      return { y: b.MatMul(single, b.Transpose(x!, [1, 0])) };
    });
    const backend = nodeWebgpuBackend({ ways });
    await expectAsReference(model, { x: ramp([3, 4]) }, backend);
    const session = await Session.create(model, { backend });
    const { reasons, plan } = (await backend.placement!(await session.plan({ x: ramp([3, 4]) })))!;
    expect(plan.steps.map((s, i) => [s.kernel.kind, reasons[i]])).toEqual([
      ['map', 'WGSL lacks map (float64)'],
      ['matmul', undefined],
    ]);
  });

  test('an output stays on the device until it is asked for, and the next run takes it there', async () => {
    const model = modelOf({ x: ['float32', 3], state: ['float32', 3] }, (b, { x, state }) => {
      const next = b.Add(x!, state!);
      return { next, twice: b.Add(next, next) };
    });
    const session = await Session.create(model, { backend: nodeWebgpuBackend({ ways }) });
    const x = new Tensor('float32', [1, 2, 3], [3]);
    let state = new Tensor('float32', [0, 0, 0], [3]);
    for (let step = 0; step < 5; step++) {
      const made = await session.run({ x, state }, { keep: ['next'] });
      state = made['next']!;
      expect(state.isResident).toBe(false);
      expect([...(made['twice']!.data as Float32Array)]).toEqual([1, 2, 3].map(n => 2 * n * (step + 1)));
    }
    expect([...((await resident(state)).data as Float32Array)]).toEqual([5, 10, 15]);
    // Another backend is given what it can read.
    const other = await Session.create(model, { backend: referenceBackend() });
    expect([...((await other.run({ x, state }))['next']!.data as Float32Array)]).toEqual([6, 12, 18]);
    expect(await errorOf(() => session.run({ x, state }, { keep: ['nextt'] }))).toBe(
      'E3001 the model has no output nextt; nearest name: next',
    );
  });

  test('an index outside of its axis is an error with the operator, and the session goes on', async () => {
    const model = modelOf({ x: ['float32', 3, 2], i: ['int64', 'n'] }, (b, { x, i }) => ({ y: b.Gather(b.Neg(x!), i!, 0) }));
    const session = await Session.create(model, { backend: nodeWebgpuBackend({ ways }) });
    const indexes = (...list: bigint[]): Tensor => new Tensor('int64', list, [list.length]);
    expect(await errorOf(() => session.run({ x: ramp([3, 2]), i: indexes(0n, 3n) }))).toMatch(
      /^E3006 .*index 3 is outside axis 0 of size 3/,
    );
    expect(await errorOf(() => session.run({ x: ramp([3, 2]), i: indexes(-(2n ** 40n), 1n) }))).toContain(
      'index -1099511627776 is outside axis 0',
    );
    expect((await session.run({ x: ramp([3, 2]), i: indexes(-1n, 0n) }))['y']!.dims).toEqual([2, 2]);
  });

  test('a lost device is replaced once, and the run that met the loss is done', async () => {
    const devices: GPUDevice[] = [];
    const notices: string[] = [];
    const backend = webgpuBackend({ gpu: changedGpu({ onDevice: d => devices.push(d) }), ways, onNotice: m => notices.push(m) });
    const session = await Session.create(transformer(1), { backend });
    const before = await session.run({ x: ramp([1, 3, 16]) });
    devices[0]!.destroy();
    const after = await session.run({ x: ramp([1, 3, 16]) });
    expect([...(after['y']!.data as Float32Array)]).toEqual([...(before['y']!.data as Float32Array)]);
    expect(devices.length).toBe(2);
    expect(notices).toEqual([expect.stringMatching(/^the WebGPU device was lost \(.*\); the session is made anew on another$/)]);
  });

  test("a caller's device that is lost is an error", async () => {
    const gpu = await changedGpu({})();
    const device = await (await (gpu as GPU).requestAdapter())!.requestDevice({});
    const session = await Session.create(transformer(1), { backend: webgpuBackend({ device, ways }) });
    device.destroy();
    expect(await errorOf(() => session.run({ x: ramp([1, 3, 16]) }))).toMatch(/^E3008 backend webgpu: the device was lost/);
  });

  test.each<[string, Parameters<typeof webgpuBackend>[0], string]>([
    ['no WebGPU', { gpu: async () => 'there is no WebGPU in this environment' }, 'there is no WebGPU in this environment'],
    ['no adapter', { gpu: async () => ({ requestAdapter: async () => null }) as unknown as GPU }, 'no WebGPU adapter was found'],
    [
      'an adapter that gives no device',
      {
        gpu: async () =>
          ({
            requestAdapter: async () => ({ limits: {}, features: new Set(), requestDevice: () => Promise.reject(new Error('limit')) }),
          }) as unknown as GPU,
      },
      'the WebGPU adapter gives no device: Error: limit',
    ],
  ])('%s', async (_, options, message) => {
    const backend = webgpuBackend(options);
    expect(await backend.available()).toBe(message);
    expect(await errorOf(() => Session.create(transformer(1), { backend }))).toBe(`E3008 backend webgpu: ${message}`);
  });

  test('too little memory says what is needed and what there is', async () => {
    const limits = { maxStorageBufferBindingSize: 2 ** 20, maxBufferSize: 2 ** 20 };
    const model = modelOf({ x: ['float32', 'n'] }, (b, { x }) => ({ y: b.Neg(x!) }));
    const session = await Session.create(model, { backend: webgpuBackend({ gpu: changedGpu({ limits }), ways }) });
    expect(await errorOf(() => session.run({ x: ramp([2 ** 18 + 64]) }))).toBe(
      "E3007 outputs take 1048864 bytes, the device's limit is 1048576",
    );
    const bounded = await Session.create(model, { backend: nodeWebgpuBackend({ memory: 1000 }) });
    expect(await errorOf(() => bounded.run({ x: ramp([500]) }))).toMatch(/^E3007 the run needs 4000 bytes, the limit is 1000/);
  });

  test('a step that needs more buffers than a shader binds runs on the host', async () => {
    const limits = { maxStorageBuffersPerShaderStage: 2 };
    const backend = webgpuBackend({ gpu: changedGpu({ limits }), ways });
    const model = modelOf({ x: ['float32', 4], y: ['float32', 4] }, (b, { x, y }) => ({ z: b.Add(x!, y!), w: b.Neg(x!) }));
    await expectAsReference(model, { x: ramp([4]), y: ramp([4], 2) }, backend);
    const session = await Session.create(model, { backend });
    const { reasons } = await backend.placement!(await session.plan({ x: ramp([4]), y: ramp([4]) }));
    expect(reasons).toEqual(['3 buffers, the device binds 2', undefined]);
  });

  test('a shader that does not compile is shown with its step', async () => {
    const shader = (code: string): string => code.replace('fn main(', 'fn main(,');
    const model = modelOf({ x: ['float32', 4] }, (b, { x }) => ({ y: b.Neg(x!) }));
    const session = await Session.create(model, { backend: webgpuBackend({ gpu: changedGpu({ shader }), ways }) });
    const message = await errorOf(() => session.run({ x: ramp([4]) }));
    expect(message).toMatch(/^E3008 Neg .*backend webgpu: a shader does not compile: line \d+: /);
    expect(message).toMatch(/\n> \d+ {2}fn main\(/);
  });
});
