// Weights and tensors of float16: decoded by their bits, unpacked in pairs, or loaded as f16. The adapter of the tests has no f16, so the
// last one is compiled on one that has everything and computes nothing.
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/exec/backend.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { webgpuBackend } from '../../src/exec/webgpu/backend.ts';
import { Device, openDevice } from '../../src/exec/webgpu/device.ts';
import { chooseWays } from '../../src/exec/webgpu/probe.ts';
import type { Ways } from '../../src/exec/webgpu/ways.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { encodeElement } from '../../src/kernels/storage.ts';
import { nodeWebgpuBackend } from '../../src/node/webgpu.ts';
import { newBuilder } from '../../src/ops/builder.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { changedGpu, checkingGpu, whyNot } from './adapters.ts';

const reason = await whyNot();
const shaders: string[] = [];
const checking = await checkingGpu(code => shaders.push(code));

/** More weights than are widened once, before any run. */
const [rows, length, columns] = [19, 33, 4000];
const noise = (count: number, salt: number): number[] => Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 + salt));
/** Numbers of all sizes, those that only float16's smallest exponent has among them. */
const halves = (count: number): Uint16Array =>
  Uint16Array.from(noise(count, 3), (n, i) => Number(encodeElement('float16', n * 2 ** -(i % 25))));

/** A layer on float32 with weights of float16, and one that is float16 in all. */
function model(): { model: Model; feeds: Record<string, Tensor> } {
  const b = newBuilder();
  const x = new Value('x', tensorType('float32', [rows, length]));
  const h = new Value('h', tensorType('float16', [rows, length]));
  const w = b.constant(halves(length * columns), 'float16', [length, columns], 'w');
  const y = b.Relu(b.MatMul(x, b.Cast(w, 'float32')));
  const z = b.Relu(b.MatMul(h, w));
  const outputs = [
    { name: 'y', value: y },
    { name: 'z', value: z },
  ];
  return {
    model: new Model(new Graph('g', { inputs: [x, h], outputs, nodes: b.nodes }), { irVersion: 10, opsets: new Map([['', 22]]) }),
    feeds: {
      x: new Tensor('float32', Float32Array.from(noise(rows * length, 1)), [rows, length]),
      h: new Tensor('float16', halves(rows * length), [rows, length]),
    },
  };
}

const run = async (backend: Backend): Promise<Readonly<Record<string, Tensor>>> => {
  const { model: of, feeds } = model();
  const session = await Session.create(of, { backend });
  const made = await session.run(feeds);
  await session.dispose();
  return made;
};

describe.skipIf(reason !== undefined)('halves', () => {
  for (const products of ['blocks', 'tiles'] as const)
    test.each(['bits', 'unpacked'] as const)(`by ${products}, %s`, async by => {
      const texts: string[] = [];
      const shader = (code: string): string => {
        texts.push(code);
        return code;
      };
      const [want, got] = await Promise.all([
        run(referenceBackend()),
        run(webgpuBackend({ gpu: changedGpu({ shader }), ways: { products, halves: by, sums: 'memory' } })),
      ]);
      for (const [name, tolerance] of [
        ['y', 1e-5],
        ['z', 1e-3],
      ] as const) {
        const { ok, maxAbs } = compareTensors(name, got[name]!, want[name]!, { rtol: tolerance, atol: tolerance / 10 });
        expect({ name, ok, maxAbs: ok || maxAbs }).toEqual({ name, ok: true, maxAbs: true });
      }
      const loads = by === 'bits' ? 'float16_decode(' : 'unpack2x16float(';
      expect(texts.some(text => text.includes(loads))).toBe(true);
      expect(texts.some(text => text.includes(by === 'bits' ? 'unpack2x16float(' : 'float16_decode('))).toBe(false);
    });

  test.each<[Ways['halves'], readonly string[]]>([
    ['bits', ['map', 'matmul', 'map']],
    ['unpacked', ['matmul', 'map']],
  ])('products read weights as they are where %s decode them', async (by, kinds) => {
    const b = newBuilder();
    const x = new Value('x', tensorType('float32', [rows, length]));
    const w = b.constant(halves(length * columns), 'float16', [length, columns], 'w');
    const outputs = [{ name: 'y', value: b.Relu(b.MatMul(x, b.Cast(w, 'float32'))) }];
    const of = new Model(new Graph('g', { inputs: [x], outputs, nodes: b.nodes }), { irVersion: 10, opsets: new Map([['', 22]]) });
    const session = await Session.create(of, { backend: nodeWebgpuBackend({ ways: { products: 'blocks', halves: by, sums: 'memory' } }) });
    const plan = await session.plan({ x: new Tensor('float32', new Float32Array(rows * length), [rows, length]) });
    expect(plan.steps.map(s => s.kernel.kind)).toEqual(kinds);
  });

  test('what does not decode every half exactly is not taken, however fast', async () => {
    for (const isWrong of [false, true]) {
      // As a device that takes numbers below the smallest normal one for zeros.
      const shader = (code: string): string =>
        isWrong
          ? code.replace(/return (unpack2x16float\(.*?\)\[u32\(i\) & 1u\]);/g, 'let v = $1; return select(v, 0.0, abs(v) < 6e-5);')
          : code;
      const device = await openDevice(changedGpu({ shader }), { products: 'blocks' });
      if (!(device instanceof Device)) throw new Error(device);
      await chooseWays(device, ['products', 'halves'], async (_, trials) => trials.map(({ way }) => (way === 'bits' ? 9 : 1)));
      expect(device.ways.halves).toBe(isWrong ? 'bits' : 'unpacked');
      device.check();
    }
  });

  test('f16 is not asked of an adapter that has none', async () => {
    const device = await openDevice(changedGpu({ features: ['timestamp-query'] }), { products: 'blocks' });
    if (!(device instanceof Device)) throw new Error(device);
    const seen = new Set<string>();
    await chooseWays(device, ['halves'], async (_, trials) => trials.map(({ way }) => seen.add(way).size));
    expect(seen).toEqual(new Set(['bits', 'unpacked']));
  });
});

test.skipIf(!checking)('shaders that load f16 compile, and no half goes through its bits', async () => {
  for (const products of ['blocks', 'tiles'] as const) {
    shaders.length = 0;
    const { model: of, feeds } = model();
    await (
      await Session.create(of, {
        backend: webgpuBackend({ gpu: async () => checking!, ways: { products, halves: 'f16', sums: 'memory' } }),
      })
    ).plan(feeds);
    const half = shaders.filter(code => /\bf16\b/.test(code));
    expect(half.length).toBeGreaterThan(0);
    for (const code of half) expect(code.startsWith('enable f16;\n')).toBe(true);
    // Weights are bound as f16, what is also written is unpacked from its words, and sums are float32.
    expect(half.some(code => /var<storage, read> b\d: array<f16>;/.test(code))).toBe(true);
    expect(shaders.some(code => code.includes('float16_decode('))).toBe(false);
    expect(half.every(code => !/var v\d+: f16/.test(code))).toBe(true);
  }
});

test.skipIf(!checking)('a text that does not compile is found by the adapter that checks', async () => {
  const device = await (await checking!.requestAdapter())!.requestDevice({ requiredFeatures: ['shader-f16'] });
  const pass = {
    text: 'enable f16;\n@compute @workgroup_size(1) fn main() { let a: f32 = 1h; }',
    slots: [],
    parameters: [],
    groups: () => 1,
  };
  await expect(new Device(device).pipeline(pass)).rejects.toThrow(/a shader does not compile/);
});
