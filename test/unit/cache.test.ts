// Caches that grow in place, beside the same runs with caches that are handed from run to run.
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/exec/backend.ts';
import { Cache } from '../../src/exec/cache.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { cpuBackend, loadCpuAddon } from '../../src/node/addon.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';

const addon = loadCpuAddon();
const backends: readonly (readonly [string, () => Backend])[] = [
  ['reference', referenceBackend],
  ...(typeof addon === 'string' ? [] : [['cpu', cpuBackend] as const]),
];

const [heads, size] = [3, 5];
const tokens = (name: string, length: string, type: DataType = 'float32'): Value =>
  new Value(name, tensorType(type, [symbol('batch'), heads, symbol(length), size]));

function modelOf(inputs: readonly Value[], build: (b: Builder, ...x: Value[]) => Readonly<Record<string, Value>>): Model {
  const b = newBuilder();
  const outputs = Object.entries(build(b, ...inputs)).map(([name, value]) => ({ name, value }));
  return new Model(new Graph('g', { inputs: [...inputs], outputs, nodes: [...b.nodes] }), { irVersion: 14, opsets: new Map([['', 24]]) });
}

const joined = (b: Builder, past: Value, x: Value): Value => b.emit('Concat', [past, x], { axis: -2 })[0]!;

/** Attention of new tokens to all of them, as decoders are exported. */
const decoder = (): Model =>
  modelOf([tokens('x', 'new'), tokens('past_k', 'past'), tokens('past_v', 'past')], (b, x, pastK, pastV) => {
    const present_k = joined(b, pastK!, b.Neg(x!));
    const present_v = joined(b, pastV!, b.Mul(x!, b.constant(2, 'float32')));
    const scores = b.Softmax({ input: b.MatMul(x!, b.Transpose(present_k, [0, 1, 3, 2])) }, { axis: -1 });
    return { y: b.MatMul(scores, present_v), present_k, present_v };
  });
const pairs = { past_k: 'present_k', past_v: 'present_v' };

let seed = 1;
const random = (dims: readonly number[]): Tensor =>
  new Tensor(
    'float32',
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647 - 0.5;
    }),
    dims,
  );
const numbersOf = async (t: Tensor): Promise<number[]> => [...((await resident(t)).data as Float32Array)];
const differences = async (a: Tensor, b: Tensor): Promise<number> => {
  expect(a.dims).toEqual(b.dims);
  const [x, y] = [await numbersOf(a), await numbersOf(b)];
  return x.reduce((worst, v, i) => Math.max(worst, Math.abs(v - y[i]!)), 0);
};

describe.each(backends)('on %s', (_, backend) => {
  test.each([1, 2])('a decoder gives what it gives with caches of its caller, batch %i', async batch => {
    const session = await Session.create(decoder(), { backend: backend() });
    const cache = new Cache(pairs, { capacity: 40 });
    let past: Record<string, Tensor> = { past_k: random([batch, heads, 0, size]), past_v: random([batch, heads, 0, size]) };
    for (const [step, count] of [4, 1, 1, 3, 1, 1, 1].entries()) {
      const x = random([batch, heads, count, size]);
      const { y, present_k, present_v } = await session.run({ x, ...past });
      const grown = await session.run(step === 0 ? { x, ...past } : { x }, { cache });
      expect(await differences(grown['y']!, y!)).toBeLessThan(1e-6);
      expect(await differences(grown['present_k']!, present_k!)).toBe(0);
      expect(await differences(grown['present_v']!, present_v!)).toBe(0);
      past = { past_k: present_k!, past_v: present_v! };
      expect(cache.length).toBe(present_k!.dims[2]);
    }
  });

  test('inputs that are given begin a cache anew, also with content', async () => {
    const session = await Session.create(decoder(), { backend: backend() });
    const cache = new Cache(pairs, { capacity: 8 });
    const feeds = () => ({ past_k: random([1, heads, 3, size]), past_v: random([1, heads, 3, size]), x: random([1, heads, 2, size]) });
    for (let i = 0; i < 2; i++) {
      const given = feeds();
      expect(await differences((await session.run(given, { cache }))['y']!, (await session.run(given))['y']!)).toBeLessThan(1e-6);
      expect(cache.length).toBe(5);
    }
    cache.reset();
    expect(cache.length).toBe(0);
    await expect(session.run({ x: feeds().x }, { cache })).rejects.toMatchObject({ code: 'E3001' });
  });

  test('what does not fit is refused, and the cache holds what it held', async () => {
    const session = await Session.create(decoder(), { backend: backend() });
    const cache = new Cache(pairs, { capacity: 5 });
    const given = { past_k: random([1, heads, 3, size]), past_v: random([1, heads, 3, size]), x: random([1, heads, 1, size]) };
    await session.run(given, { cache });
    await expect(session.run({ x: random([1, heads, 2, size]) }, { cache })).rejects.toMatchObject({
      code: 'E3007',
      message: expect.stringContaining('exceeds a cache for 5'),
    });
    expect(cache.length).toBe(4);
    await session.run({ x: random([1, heads, 1, size]) }, { cache });
    expect(cache.length).toBe(5);
    await expect(session.run(given, { cache: new Cache({ past_q: 'present_k' }, { capacity: 9 }) })).rejects.toMatchObject({
      code: 'E3001',
      message: expect.stringContaining('nearest name: past_k'),
    });
    await expect(session.run(given, { cache: new Cache({ past_k: 'present' }, { capacity: 9 }) })).rejects.toMatchObject({ code: 'E3001' });
    await expect(session.run(given, { cache: new Cache(pairs, { capacity: 9, axis: 4 }) })).rejects.toMatchObject({ code: 'E3003' });
    await expect(session.run(given, { cache: new Cache(pairs, { capacity: 2 }) })).rejects.toMatchObject({ code: 'E3007' });
    expect(() => new Cache(pairs, { capacity: 0 })).toThrow(expect.objectContaining({ code: 'E3003' }));
  });

  test('a cache serves one run at a time, and goes on after one that failed', async () => {
    const session = await Session.create(decoder(), { backend: backend() });
    const cache = new Cache(pairs, { capacity: 9 });
    const given = { past_k: random([1, heads, 0, size]), past_v: random([1, heads, 0, size]), x: random([1, heads, 1, size]) };
    const first = session.run(given, { cache });
    await expect(session.run(given, { cache })).rejects.toMatchObject({ code: 'E3002', message: 'a cache serves one run at a time' });
    await first;
    await expect(session.run({ x: random([1, heads + 1, 1, size]) }, { cache })).rejects.toMatchObject({ code: 'E3003' });
    await session.run({ x: given.x }, { cache });
    expect(cache.length).toBe(2);
  });

  test('a past that is read after it is written, one that is passed on, and one that is joined in front', async () => {
    const model = modelOf([tokens('x', 'new'), tokens('past', 'past')], (b, x, past) => {
      const present = joined(b, past!, x!);
      return { present, sum: b.ReduceSum(b.MatMul(b.Exp(past!), b.Transpose(present, [0, 1, 3, 2])), { axes: [0, 1, 2, 3] }) };
    });
    const session = await Session.create(model, { backend: backend() });
    const cache = new Cache({ past: 'present' }, { capacity: 6 });
    let past = random([1, heads, 2, size]);
    for (let i = 0; i < 3; i++) {
      const x = random([1, heads, 1, size]);
      const plain = await session.run({ x, past });
      const { sum, present } = await session.run(i === 0 ? { x, past } : { x }, { cache });
      expect(await differences(sum!, plain['sum']!)).toBeLessThan(1e-4);
      expect(await differences(present!, plain['present']!)).toBe(0);
      past = plain['present']!;
    }
    const passed = await Session.create(
      modelOf([tokens('past', 'past')], (b, p) => ({ present: b.Identity(p!) })),
      { backend: backend() },
    );
    const unchanged = await passed.run({ past }, { cache: new Cache({ past: 'present' }, { capacity: 9 }) });
    expect(await differences(unchanged['present']!, past)).toBe(0);
    const front = await Session.create(
      modelOf([tokens('x', 'new'), tokens('past', 'past')], (b, x, p) => ({ present: joined(b, x!, p!) })),
      { backend: backend() },
    );
    const other = new Cache({ past: 'present' }, { capacity: 9 });
    const x = random([1, heads, 2, size]);
    const once = await front.run({ x, past });
    expect(await differences((await front.run({ x, past }, { cache: other }))['present']!, once['present']!)).toBe(0);
    const twice = await front.run({ x, past: once['present']! });
    expect(await differences((await front.run({ x }, { cache: other }))['present']!, twice['present']!)).toBe(0);
  });
});

test('on cpu the memory stays, and only what is new is written', async () => {
  if (typeof addon === 'string') return;
  const session = await Session.create(decoder(), { backend: cpuBackend() });
  const cache = new Cache(pairs, { capacity: 16 });
  const x = random([1, heads, 1, size]);
  await session.run({ x, past_k: random([1, heads, 4, size]), past_v: random([1, heads, 4, size]) }, { cache });
  const room = cache.roomOf('past_k')!;
  // What no run may touch.
  room.bytes.fill(7, 0, 4);
  room.bytes.fill(9, 10 * 4 * size, 11 * 4 * size);
  const { present_k } = await session.run({ x }, { cache });
  expect(cache.roomOf('past_k')).toBe(room);
  expect([...room.bytes.subarray(0, 4)]).toEqual([7, 7, 7, 7]);
  expect(room.bytes[10 * 4 * size]).toBe(9);
  expect(present_k!.isResident).toBe(false);
});
