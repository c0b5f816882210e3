// quantize: the four schemes, what they keep, calibration, and what they refuse.
import { describe, expect, test } from 'vitest';
import { quantizeTensor, stepFor } from '../../src/edit/quantize/numbers.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { type Attribute, Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { verifyModel } from '../../src/ir/verify.ts';
import { type QuantizeOptions, quantize } from '../../src/quantize.ts';
import { Histogram } from '../../src/validate/histogram.ts';
import { randomNumbers } from '../../src/validate/random.ts';

type Given = Readonly<Record<string, Attribute>>;
let made = 0;
const node = (op: string, inputs: readonly (Value | undefined)[], given: Given = {}, name = `o${++made}`): Node =>
  new Node({ op, name, inputs, attributes: new Map(Object.entries(given)) }, [{ name }]);
const out = (n: Node): Value => n.outputs[0]!;
const int = (value: number): Attribute => ({ kind: 'int', value });
const float = (value: number): Attribute => ({ kind: 'float', value });
const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
const input = (name: string, type: DataType, ...dims: number[]): Value => new Value(name, tensorType(type, dims));

const next = randomNumbers(7);
const numbers = (count: number): number[] => Array.from({ length: count }, () => 2 * next() - 1);
const floats = (...dims: number[]): Tensor => new Tensor('float32', numbers(dims.reduce((n, d) => n * d, 1)), dims);
const weight = (name: string, ...dims: number[]): Value => new Value(name, undefined, { tensor: floats(...dims), parameter: true });

function model(inputs: Value[], nodes: Node[], { opset = 17, irVersion = 8, initializers = [] as Value[] } = {}): Model {
  const graph = new Graph('g', { inputs, nodes, outputs: [{ name: 'y', value: out(nodes.at(-1)!) }], initializers });
  return new Model(graph, { irVersion, opsets: new Map([['', opset]]), meta: { at: 0 } });
}
const ops = ({ graph }: Model): string => graph.nodes.map(n => n.op).join(' ');
const run = async (m: Model, feeds: Readonly<Record<string, Tensor>>): Promise<Float32Array> =>
  (await (await Session.create(m, { backend: referenceBackend() })).run(feeds))['y']!.data as Float32Array;

/** Quantised, sound, and as near to the float model as 8 or 4 bits can be. */
async function quantized(m: Model, options: QuantizeOptions, least = 30) {
  const result = await quantize(m, options);
  expect(verifyModel(result.model)).toEqual([]);
  expect(result.measuredOn).not.toHaveProperty('skipped');
  for (const { snr } of result.outputs) expect(snr).toBeGreaterThan(least);
  return result;
}

const x = input('x', 'float32', 2, 8);
const image = input('x', 'float32', 1, 3, 6, 6);
const mlp = (): Model => {
  const first = node('MatMul', [x, weight('w', 8, 16)]);
  const relu = node('Relu', [out(first)]);
  return model([x], [first, relu, node('Gemm', [out(relu), weight('v', 4, 16), weight('c', 4)], { transB: int(1) })]);
};
const samples = [{ x: floats(2, 8) }, { x: floats(2, 8) }];

describe('steps', () => {
  test('cover a range with zero in it, and are 1 where there is nothing but zero', () => {
    expect(stepFor({ low: -1, high: 1.55 }, { type: 'uint8', symmetric: false })).toEqual({ scale: Math.fround(0.01), zero: 100 });
    expect(stepFor({ low: 2, high: 5.1 }, { type: 'uint8', symmetric: false }).zero).toBe(0);
    expect(stepFor({ low: -1.27, high: 0.3 }, { type: 'int8', symmetric: true })).toEqual({ scale: Math.fround(0.01), zero: 0 });
    expect(stepFor({ low: -1.27, high: 0.3 }, { type: 'uint8', symmetric: true }).zero).toBe(128);
    expect(stepFor({ low: 0, high: 0 }, { type: 'int8', symmetric: false })).toEqual({ scale: 1, zero: -128 });
    expect(stepFor({ low: -63, high: 0 }, { type: 'int8', symmetric: true, reduceRange: true })).toEqual({ scale: 1, zero: 0 });
  });
  test('are of a channel or of a block, whose last may be shorter', () => {
    const t = new Tensor('float32', [127, -1, 254, 2, 0, 0], [3, 2]);
    const byChannel = quantizeTensor(t, { of: 'axis', axis: 1 }, { type: 'int8', symmetric: true })!;
    expect([byChannel.scale.data, byChannel.scale.dims]).toEqual([Float32Array.of(2, Math.fround(2 / 127)), [2]]);
    // Halves go to the even neighbour.
    expect(byChannel.q.data).toEqual(Int8Array.of(64, -64, 127, 127, 0, 0));
    const blocks = quantizeTensor(t, { of: 'block', axis: 0, size: 2 }, { type: 'int8', symmetric: true })!;
    expect([blocks.scale.dims, blocks.scale.data]).toEqual([[2, 2], Float32Array.of(2, 2 / 127, 1, 1)]);
  });
  test('of 4 bits lie two in a byte, the first one low', () => {
    const q = quantizeTensor(new Tensor('float32', [7, -7, 3]), { of: 'tensor' }, { type: 'int4', symmetric: true })!.q;
    expect([q.type, q.bytes()]).toEqual(['int4', Uint8Array.of(0x97, 0x03)]);
    const spread = quantizeTensor(new Tensor('float32', [0, 15, 4]), { of: 'tensor' }, { type: 'uint4', symmetric: false })!;
    expect([spread.q.bytes(), spread.zero.bytes()]).toEqual([Uint8Array.of(0xf0, 0x04), Uint8Array.of(0)]);
  });
  test('are none of what is not finite', () => {
    expect(quantizeTensor(new Tensor('float32', [1, Number.NaN]), { of: 'tensor' }, { type: 'int8', symmetric: true })).toBeUndefined();
  });
});

describe('histograms', () => {
  const normal = Float32Array.from({ length: 20_000 }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
  test('keep the range, whatever comes later', () => {
    const h = new Histogram();
    expect([h.add([0, 0]), h.add([0.5, -0.25]), h.add([100])]).toEqual([true, true, true]);
    expect(h.range('minmax')).toEqual({ low: -0.25, high: 100 });
    expect(h.add([Number.POSITIVE_INFINITY])).toBe(false);
  });
  test('leave out a part of the numbers', () => {
    const h = new Histogram();
    h.add(normal);
    h.add([50]);
    const { low, high } = h.range('percentile', { percentile: 99 });
    // Quantiles of the normal distribution at 0.5 % and 99.5 %.
    expect([low, high].map(v => Math.abs(Math.abs(v) - 2.576) < 0.15)).toEqual([true, true]);
  });
  test('end where the distribution stays most like itself', () => {
    const h = new Histogram();
    h.add(normal);
    h.add([60]);
    const { low, high } = h.range('entropy');
    expect(high).toBeGreaterThan(2.5);
    expect(high).toBeLessThan(15);
    expect(low).toBeGreaterThanOrEqual(h.low);
    const even = new Histogram();
    even.add(Float32Array.from({ length: 20_000 }, (_, i) => i / 20_000));
    expect(even.range('entropy').high).toBeGreaterThan(0.99);
  });
  test('end in the same place with many exact zeros, as a Relu gives', () => {
    const [some, most] = [new Histogram(), new Histogram()];
    const positive = normal.map(Math.abs);
    some.add(positive);
    most.add(positive);
    most.add(new Float32Array(10 * positive.length));
    expect(most.range('entropy')).toEqual(some.range('entropy'));
    expect(some.range('entropy').high).toBeGreaterThan(2.5);
  });
  test('of nothing but zeros are empty', () => {
    const h = new Histogram();
    h.add([0, 0]);
    for (const method of ['minmax', 'entropy', 'percentile'] as const) expect(h.range(method)).toEqual({ low: 0, high: 0 });
  });
});

describe('dynamic', () => {
  test('multiplies integers and quantises what it reads once', async () => {
    const [q, k] = [node('MatMul', [x, weight('w', 8, 4)]), node('MatMul', [x, weight('v', 8, 4)])];
    const result = await quantized(model([x], [q, k, node('Add', [out(q), out(k)])]), { scheme: 'dynamic' });
    expect(ops(result.model)).toBe('DynamicQuantizeLinear MatMulInteger Cast Mul Mul MatMulInteger Cast Mul Mul Add');
    expect([...result.nodes]).toEqual([['MatMul', 2]]);
    expect(result.bytes.after).toBeLessThan(result.bytes.before / 2);
  });
  test('keeps the factors, the transposition and the bias of a Gemm', async () => {
    const given = { transB: int(1), alpha: float(0.5), beta: float(3) };
    const result = await quantized(model([x], [node('Gemm', [x, weight('w', 4, 8), weight('c', 4)], given)]), { scheme: 'dynamic' });
    expect(result.kept).toEqual([]);
  });
  test('of a convolution has its padding, strides and bias', async () => {
    const given = { pads: ints(1, 1, 1, 1), strides: ints(2, 2) };
    const m = model([image], [node('Conv', [image, weight('w', 4, 3, 3, 3), weight('c', 4)], given)]);
    expect(ops((await quantized(m, { scheme: 'dynamic' })).model)).toBe('DynamicQuantizeLinear ConvInteger Cast Mul Mul Add');
    await quantized(m, { scheme: 'dynamic', perTensor: true, reduceRange: true });
  });
  test('keeps what cannot be said, with the reason', async () => {
    const c = input('c', 'float32', 4);
    const turned = input('t', 'float32', 8, 2);
    const nodes = [
      node('Gemm', [x, weight('w', 8, 4), c], { beta: float(2) }, 'scaled'),
      node('Gemm', [turned, weight('w', 8, 4)], { transA: int(1) }, 'turned'),
      node('MatMul', [x, turned], {}, 'both'),
      node('MatMul', [x, out(node('Neg', [weight('w', 8, 4)]))], {}, 'computed'),
      node('MatMul', [x, weight('w', 8, 4)], {}, 'head.0'),
      node('MatMul', [x, weight('w', 8, 4)], {}, 'body'),
    ];
    nodes.splice(3, 0, nodes[3]!.inputs[1]!.producer!);
    const result = await quantize(model([x, c, turned], nodes), { scheme: 'dynamic', exclude: ['head.*'], check: false });
    expect(result.kept.map(k => `${k.name}: ${k.reason}`).sort()).toEqual([
      'both: its weight is an input',
      'computed: its weight is computed from constants by Neg; simplify makes it a constant',
      'head.0: excluded',
      'scaled: it scales a bias that is no constant',
      'turned: it transposes its input',
    ]);
    expect([...result.nodes]).toEqual([['MatMul', 1]]);
  });
  test('names the layers that it has no form of', async () => {
    const up = node('ConvTranspose', [image, weight('w', 3, 4, 2, 2)], {}, 'up');
    const m = model([image], [up, node('Conv', [out(up), weight('v', 4, 4, 3, 3)])]);
    expect((await quantized(m, { scheme: 'dynamic' })).kept).toEqual([
      { name: 'up', op: 'ConvTranspose', reason: 'the scheme has no form of it' },
    ]);
    expect((await quantized(m, { scheme: 'int8' })).kept).toEqual([]);
  });
  test('goes into nested graphs', async () => {
    const w = weight('w', 8, 8);
    const branch = (name: string): Graph => {
      const matmul = node('MatMul', [x, w], {}, name);
      return new Graph(name, { nodes: [matmul], outputs: [{ name, value: out(matmul) }] });
    };
    const condition = input('condition', 'bool');
    const choose = node('If', [condition], {
      then_branch: { kind: 'graph', value: branch('a') },
      else_branch: { kind: 'graph', value: branch('b') },
    });
    const result = await quantized(model([x, condition], [choose], { initializers: [w] }), { scheme: 'dynamic' });
    expect(result.layers.map(l => [l.name, l.snr])).toEqual([
      ['a', undefined],
      ['b', undefined],
    ]);
    expect(result.model.graph.initializers).toEqual([]);
  });
});

describe('static', () => {
  test('puts steps around layers, and none between a layer and its Relu', async () => {
    const result = await quantized(mlp(), { scheme: 'static', samples });
    expect(ops(result.model)).toBe(
      [
        'DequantizeLinear QuantizeLinear DequantizeLinear MatMul Relu QuantizeLinear DequantizeLinear',
        'DequantizeLinear DequantizeLinear Gemm QuantizeLinear DequantizeLinear',
      ].join(' '),
    );
    expect([...result.nodes]).toEqual([
      ['MatMul', 1],
      ['Relu', 1],
      ['Gemm', 1],
    ]);
    expect(result.measuredOn).toBe('samples');
  });
  test('lets operators that only move numbers have the steps of what they move', async () => {
    const conv = node('Conv', [image, weight('w', 4, 3, 3, 3)]);
    const pool = node('MaxPool', [out(conv)], { kernel_shape: ints(2, 2) });
    const result = await quantized(model([image], [conv, pool, node('Flatten', [out(pool)])]), {
      scheme: 'static',
      samples: [{ x: floats(1, 3, 6, 6) }],
    });
    const scales = result.model.graph.nodes.filter(n => n.op === 'QuantizeLinear').map(n => n.inputs[1]);
    expect(scales).toHaveLength(4);
    expect(new Set(scales).size).toBe(2);
  });
  test('keeps what also reads floats', async () => {
    const layer = node('MatMul', [x, weight('w', 8, 8)]);
    const result = await quantized(model([x], [layer, node('Add', [out(layer), x], {}, 'sum')]), { scheme: 'static', samples });
    expect(result.kept).toEqual([{ name: 'sum', op: 'Add', reason: 'it also reads what is not quantised' }]);
  });
  test.each([
    { calibration: 'entropy' },
    { calibration: 'percentile', percentile: 99.9 },
    { activationType: 'int8' },
    { activationType: 'int8', symmetric: true },
    { symmetric: true },
    { perTensor: true },
    { ops: ['MatMul'] },
  ] as const)('takes %o', async options => {
    await quantized(mlp(), { scheme: 'static', samples, ...options }, 20);
  });
  test('measures a constant that is still in its file', async () => {
    const held = floats(8, 8);
    const read = async (from = 0, length = 256): Promise<Uint8Array> => held.bytes().slice(from, from + length);
    const stored = new Value('stored', undefined, { tensor: new Tensor('float32', { length: 256, read }, [8, 8]) });
    const layer = node('MatMul', [stored, weight('w', 8, 4)]);
    await quantized(model([x], [layer, node('MatMul', [x, out(layer)])]), { scheme: 'static', samples });
  });
  test('leaves a bias alone that 32 bits do not hold in its steps', async () => {
    const w = new Value('w', undefined, {
      tensor: new Tensor(
        'float32',
        Float32Array.from({ length: 16 }, (_, i) => (i % 2 ? 1e-12 : 0.5)),
        [8, 2],
      ),
    });
    const c = new Value('c', undefined, { tensor: new Tensor('float32', [1, 2]) });
    const { model: m } = await quantized(model([x], [node('Gemm', [x, w, c])]), { scheme: 'static', samples });
    expect((await run(m, samples[0]!))[1]).toBeCloseTo(2, 1);
    expect(m.graph.nodes.find(n => n.op === 'Gemm')!.inputs[2]!.name).toBe('c');
  });
  test('stores a constant that is added as integers', async () => {
    const layer = node('MatMul', [x, weight('w', 8, 4)]);
    const result = await quantized(model([x], [layer, node('Add', [out(layer), weight('bias', 4)])]), { scheme: 'static', samples });
    expect(result.model.graph.nodes.filter(n => n.op === 'QuantizeLinear')).toHaveLength(3);
  });
});

describe('weights only', () => {
  test('of 8 bits are dequantised once for all readers, in the opset of the model', async () => {
    const w = weight('w', 8, 8);
    const first = node('MatMul', [x, w]);
    const m = model([x], [first, node('MatMul', [out(first), w])], { opset: 13, initializers: [w] });
    const result = await quantized(m, { scheme: 'int8' });
    expect([ops(result.model), result.model.opsets.get('')]).toEqual(['DequantizeLinear MatMul MatMul', 13]);
    const [q, scale] = result.model.graph.nodes[0]!.inputs.map(v => v!.tensor!);
    const largest = Array.from({ length: 8 }, (_, c) =>
      Math.max(...Array.from({ length: 8 }, (_, r) => Math.abs((w.tensor!.data as Float32Array)[8 * r + c]!))),
    );
    expect(scale!.data).toEqual(Float32Array.from(largest, l => l / 127));
    for (const [i, v] of (w.tensor!.data as Float32Array).entries())
      expect(Math.abs(v - ((q!.data as Int8Array)[i]! * largest[i % 8]!) / 127)).toBeLessThanOrEqual(largest[i % 8]! / 253);
  });
  test.each([true, false])('of 4 bits come in blocks along the sums (symmetric: %s)', async symmetric => {
    const wide = input('x', 'float32', 2, 40);
    const m = model([wide], [node('MatMul', [wide, weight('w', 40, 8)])], { opset: 21 });
    const { graph, irVersion } = (await quantized(m, { scheme: 'int4', block: 16, symmetric }, 15)).model;
    const [q, scale, zero] = graph.nodes[0]!.inputs.map(v => v!.tensor!);
    expect([q!.type, scale!.dims, zero!.dims, irVersion]).toEqual([symmetric ? 'int4' : 'uint4', [3, 8], [3, 8], 10]);
  });
  test('of 4 bits need opset 21, which can be asked for', async () => {
    const hint = expect.objectContaining({ code: 'E2004', hint: expect.stringContaining('--opset 21') });
    await expect(quantize(mlp(), { scheme: 'int4' })).rejects.toThrow(expect.objectContaining({ findings: [hint] }));
    const result = await quantized(mlp(), { scheme: 'int4', block: 16, opset: 21 }, 10);
    expect(result.model.opsets.get('')).toBe(21);
  });
  test('leave tables alone unless they are named', async () => {
    const ids = new Value('ids', tensorType('int64', [symbol('n')]));
    const m = model([ids], [node('Gather', [weight('table', 10, 16), ids])]);
    await expect(quantize(m, { scheme: 'int8' })).rejects.toMatchObject({ code: 'E2012' });
    expect((await quantized(m, { scheme: 'int8', ops: ['Gather'] })).layers).toHaveLength(1);
  });
  test('leave a weight that callers may replace, and constants of before IR version 4 are none', async () => {
    const w = weight('w', 8, 4);
    const nodes = (): Node[] => [node('MatMul', [x, w])];
    const reason = expect.stringContaining('callers may replace');
    await expect(quantize(model([x, w], nodes(), { initializers: [w] }), { scheme: 'int8' })).rejects.toMatchObject({ message: reason });
    const old = model([x, w], nodes(), { initializers: [w], irVersion: 3, opset: 13 });
    const { graph, irVersion } = (await quantized(old, { scheme: 'int8' })).model;
    expect([graph.inputs.map(v => v.name), irVersion >= 4]).toEqual([['x'], true]);
    const older = model([x, w], nodes(), { initializers: [w], irVersion: 3, opset: 7 });
    expect((await quantized(older, { scheme: 'int8', opset: 13 })).model.graph.inputs.map(v => v.name)).toEqual(['x']);
  });
  test('read the weight of a Constant, which is gone then', async () => {
    const constant = node('Constant', [], { value: { kind: 'tensor', value: floats(8, 4) } });
    const result = await quantized(model([x], [constant, node('MatMul', [x, out(constant)])]), { scheme: 'int8' });
    expect(ops(result.model)).toBe('DequantizeLinear MatMul');
  });
});

describe('what is refused', () => {
  const refuses = (m: Model, options: QuantizeOptions, code: string, message: string) =>
    expect(quantize(m, options)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  test('static without data, or with none in it', async () => {
    await refuses(mlp(), { scheme: 'static' }, 'E4004', 'there is no data');
    await refuses(mlp(), { scheme: 'static', samples: [] }, 'E4004', 'no sample');
  });
  test('data of another shape', () => refuses(mlp(), { scheme: 'static', samples: [{ x: floats(2, 7) }] }, 'E3003', 'expected [2,8]'));
  test('values that are not finite', async () => {
    const bad = new Tensor(
      'float32',
      Array.from({ length: 16 }, () => Number.NaN),
      [2, 8],
    );
    await refuses(mlp(), { scheme: 'static', samples: [samples[0]!, { x: bad }] }, 'E3013', '"x" is NaN or infinite on sample 1');
  });
  test('models that are quantised, or have nothing to quantise', async () => {
    const { model: once } = await quantize(mlp(), { scheme: 'dynamic', check: false });
    await refuses(once, { scheme: 'int8' }, 'E2011', 'DynamicQuantizeLinear');
    await refuses(model([x], [node('Relu', [x])]), { scheme: 'dynamic' }, 'E2012', 'it has no Conv, MatMul, Gemm');
    const w = new Value('w', undefined, { tensor: new Tensor('float32', [Number.NaN, 1, 2, 3, 4, 5, 6, 7], [8, 1]) });
    await refuses(model([x], [node('MatMul', [x, w])]), { scheme: 'int8' }, 'E2012', 'NaN or infinite');
  });
  test('names and options that there are not', async () => {
    await refuses(mlp(), { scheme: 'int8', exclude: ['nothing'] }, 'E3001', 'no node "nothing"');
    await refuses(mlp(), { scheme: 'int8', ops: ['Softmax'] }, 'E4001', 'does not quantise Softmax');
    await refuses(mlp(), { scheme: 'int8', block: 32 }, 'E4001', 'no option --block; those with it are int4');
    await refuses(mlp(), { scheme: 'int4', block: 33 }, 'E4001', 'not 33');
    await refuses(mlp(), { scheme: 'dynamic', calibration: 'entropy' }, 'E4001', 'measures no ranges');
    await refuses(mlp(), { scheme: 'static', samples, percentile: 99 }, 'E4001', 'for the method percentile');
  });
  test('opsets before per-channel scales, for which one scale will do', async () => {
    const old = (): Model => model([x], [node('MatMul', [x, weight('w', 8, 4)])], { opset: 10 });
    await refuses(old(), { scheme: 'int8' }, 'E2004', 'opset 13');
    expect((await quantized(old(), { scheme: 'int8', perTensor: true })).model.opsets.get('')).toBe(10);
  });
});

test('an activation that is always zero does no harm', async () => {
  const zero = { x: new Tensor('float32', new Float32Array(16), [2, 8]) };
  const { model: m } = await quantize(mlp(), { scheme: 'static', samples: [zero] });
  expect([...(await run(m, zero))].every(Number.isFinite)).toBe(true);
});
