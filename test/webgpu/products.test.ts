// Products in both ways, tiles and blocks, beside the reference, whichever of them this adapter is faster at; sizes are no multiples of
// anything.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { nodeWebgpuBackend } from '../../src/node/webgpu.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { whyNot } from './adapters.ts';

const reason = await whyNot();
const noise = (dims: readonly number[], salt: number): Tensor =>
  new Tensor(
    'float32',
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin((i + 1) * 12.9898 + salt)),
    dims,
  );
const relu = (b: Builder, x: Value): Value => b.Relu(x);
const matmul = (a: readonly number[], c: readonly number[]) => ({
  inputs: [a, c],
  build: (b: Builder, [x, y]: readonly Value[]) => relu(b, b.MatMul(x!, y!)),
});
const conv = (x: readonly number[], w: readonly number[], attributes: Readonly<Record<string, number | readonly number[]>>) => ({
  inputs: [x, w, [w[0]!]],
  build: (b: Builder, [X, W, B]: readonly Value[]) => relu(b, b.emit('Conv', [X!, W!, B!], attributes)[0]!),
});
/** Numbers between -1 and 1 as integers, whose products of 64 bits are more than float32 holds. */
const integers = (b: Builder, x: Value, type: 'int64' | 'uint8' | 'int8'): Value => {
  const scaled = b.Mul(x, b.constant(type === 'int64' ? 3e6 : 100, 'float32'));
  return b.Cast(type === 'uint8' ? b.Abs(scaled) : scaled, type);
};

const cases = {
  'many rows': matmul([2, 35, 27], [2, 27, 77]),
  'a length of whole rounds': matmul([33, 64], [64, 70]),
  'a row by many columns': matmul([1, 61], [61, 300]),
  'three rows by many columns': matmul([3, 64], [64, 259]),
  'windows with borders': conv([2, 5, 13, 11], [19, 5, 3, 3], { pads: [1, 1, 1, 1] }),
  'windows that move by two': conv([1, 4, 15, 17], [9, 4, 3, 5], { pads: [1, 2, 0, 2], strides: [2, 2] }),
  'windows with gaps in groups': conv([1, 6, 12, 14], [20, 3, 2, 3], { group: 2, dilations: [2, 3], pads: [1, 3, 1, 3] }),
  'one element, whole rounds': conv([1, 8, 9, 7], [12, 8, 1, 1], {}),
  'one element, other rounds': conv([3, 7, 5, 5], [11, 7, 1, 1], { strides: [2, 2] }),
  'each channel alone': conv([2, 21, 10, 9], [21, 1, 3, 3], { group: 21, pads: [1, 1, 1, 1] }),
  'one axis': conv([2, 4, 31], [10, 4, 11], { pads: [5, 5] }),
  'three axes': conv([1, 3, 5, 6, 7], [8, 3, 2, 3, 3], { pads: [1, 0, 1, 1, 0, 1] }),
  'three rows of windows': conv([1, 4, 9, 9], [3, 4, 3, 3], {}),
  'integers of 64 bits': {
    inputs: [
      [19, 37],
      [37, 23],
    ],
    build: (b: Builder, [x, y]: readonly Value[]) => b.MatMul(integers(b, x!, 'int64'), integers(b, y!, 'int64')),
  },
  'windows of integers': {
    inputs: [
      [2, 5, 9, 11],
      [17, 5, 3, 3],
    ],
    build: (b: Builder, [x, w]: readonly Value[]) =>
      b.ConvInteger({ x: integers(b, x!, 'uint8'), w: integers(b, w!, 'int8'), x_zero_point: b.constant(7, 'uint8') }),
  },
};

describe.skipIf(reason !== undefined)('products', () => {
  for (const products of ['blocks', 'tiles'] as const) {
    const backend = nodeWebgpuBackend({ ways: { products, sums: 'memory' } });
    test.each(Object.entries(cases))(`%s by ${products}`, async (_, { inputs, build }) => {
      const b = newBuilder();
      const values = inputs.map((dims, i) => new Value(`x${i}`, tensorType('float32', dims)));
      const graph = new Graph('g', { inputs: values, outputs: [{ name: 'y', value: build(b, values) }], nodes: b.nodes });
      const model = new Model(graph, { irVersion: 10, opsets: new Map([['', 22]]) });
      const feeds = Object.fromEntries(inputs.map((dims, i) => [`x${i}`, noise(dims, i)]));
      const [want, got] = await Promise.all(
        [referenceBackend(), backend].map(async on => {
          const session = await Session.create(model, { backend: on });
          const { y } = await session.run(feeds);
          await session.dispose();
          return y!;
        }),
      );
      if (want!.type !== 'float32') expect(got).toEqual(want);
      const { ok, maxAbs, reason: why } = compareTensors('y', got!, want!, { rtol: 1e-5, atol: 2e-5 });
      expect({ ok, maxAbs: ok || maxAbs, why }).toEqual({ ok: true, maxAbs: true, why: undefined });
    });
  }
});
