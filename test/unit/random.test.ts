// Random operators: the same numbers for the same seed, others for another, and the distributions that they promise.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';

async function run(build: (b: Builder, x: Value) => Value, x: Tensor, seed = 0): Promise<number[]> {
  const input = new Value('x', tensorType(x.type, x.dims));
  const b = newBuilder();
  const y = build(b, input);
  const graph = new Graph('g', { inputs: [input], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
  const session = await Session.create(new Model(graph, { irVersion: 14, opsets: new Map([['', 28]]) }), { backend: referenceBackend() });
  return Array.from((await session.run({ x }, { seed }))['y']!.data as ArrayLike<number>, Number);
}
const zeros = new Tensor('float32', new Float32Array(20_000), [200, 100]);
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const deviation = (x: readonly number[]): number => Math.sqrt(mean(x.map(v => (v - mean(x)) ** 2)));

describe('draws', () => {
  const normal = (at: Record<string, number>) => (b: Builder, x: Value) => b.RandomNormalLike({ input: x }, at);
  test('are the same for the same seed of the run, and others for another', async () => {
    expect(await run(normal({}), zeros, 3)).toEqual(await run(normal({}), zeros, 3));
    expect(await run(normal({}), zeros, 3)).not.toEqual(await run(normal({}), zeros, 4));
  });
  test('are decided by the seed of the node where it has one', async () => {
    expect(await run(normal({ seed: 5 }), zeros, 3)).toEqual(await run(normal({ seed: 5 }), zeros, 4));
    expect(await run(normal({ seed: 5 }), zeros)).not.toEqual(await run(normal({ seed: 6 }), zeros));
  });
  test('of two nodes differ', async () => {
    const both = await run((b, x) => b.Sub(b.RandomNormalLike({ input: x }), b.RandomNormalLike({ input: x })), zeros);
    expect(deviation(both)).toBeGreaterThan(1);
  });
});

describe('distributions', () => {
  test('RandomNormalLike has its mean and scale', async () => {
    const x = await run((b, v) => b.RandomNormalLike({ input: v }, { mean: 3, scale: 2, seed: 1 }), zeros);
    expect(Math.abs(mean(x) - 3)).toBeLessThan(5 * (2 / Math.sqrt(x.length)));
    expect(Math.abs(deviation(x) - 2)).toBeLessThan(0.06);
  });
  test('RandomUniformLike fills its range evenly', async () => {
    const x = await run((b, v) => b.RandomUniformLike({ input: v }, { low: -1, high: 3, seed: 1 }), zeros);
    for (let k = 0; k < 4; k++)
      expect(Math.abs(x.filter(v => v >= k - 1 && v < k).length - x.length / 4)).toBeLessThan(5 * Math.sqrt(x.length));
    expect(x.every(v => v >= -1 && v < 3)).toBe(true);
  });
  test('Bernoulli draws 1 as often as its input says', async () => {
    const chances = new Tensor('float32', new Float32Array(20_000).fill(0.3), [20_000]);
    const x = await run((b, v) => b.Bernoulli({ input: v }, { seed: 1 }), chances);
    expect(Math.abs(mean(x) - 0.3)).toBeLessThan(0.02);
    expect(new Set(x)).toEqual(new Set([0, 1]));
  });
  test('Multinomial draws classes as often as their scores say', async () => {
    const scores = new Tensor('float32', Float32Array.of(Math.log(0.5), Math.log(0.25), Math.log(0.25), Math.log(0)), [1, 4]);
    const x = await run((b, v) => b.Multinomial({ input: v }, { sample_size: 20_000, seed: 1 }), scores);
    for (const [k, p] of [0.5, 0.25, 0.25, 0].entries()) expect(Math.abs(x.filter(v => v === k).length / x.length - p)).toBeLessThan(0.02);
  });
});
