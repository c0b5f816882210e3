// TensorFlow.js graphs: what the parts of model.json come to, and what becomes of shards.
import { describe, expect, test } from 'vitest';
import { JoinedSource, MemorySource, type Source } from '../../src/codec/source.ts';
import type { ModelError } from '../../src/errors.ts';
import type { ReadOptions } from '../../src/formats/format.ts';
import { detect } from '../../src/formats/index.ts';
import { tfjsGraph } from '../../src/formats/tfjs/index.ts';
import { readManifest } from '../../src/formats/tfjs/manifest.ts';
import type { Model } from '../../src/ir/graph.ts';
import { numbersOf, resident } from '../../src/ir/tensor.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const opening =
  (files: Record<string, Uint8Array>) =>
  async (name: string): Promise<Source> =>
    new MemorySource(files[name]!, name);

const type = (name: string): object => ({ type: name });
const constant = (name: string, dtype: string): object => ({
  name,
  op: 'Const',
  attr: { dtype: type(dtype), value: { tensor: { dtype, tensorShape: { dim: [{ size: '2' }] } } } },
});
const placeholder = (name: string, dtype = 'DT_FLOAT'): object => ({
  name,
  op: 'Placeholder',
  attr: { dtype: type(dtype), shape: { shape: { dim: [{ size: '-1' }, { size: '2' }] } } },
});
const node = (name: string, op: string, input: string[], attr: object = { T: type('DT_FLOAT') }): object => ({ name, op, input, attr });
const info = (name: string, dtype = 'DT_FLOAT'): object => ({ name, dtype, tensorShape: { dim: [{ size: '-1' }, { size: '2' }] } });

const adding = [placeholder('x'), constant('k', 'DT_FLOAT'), node('y', 'AddV2', ['x', 'k'])];
const manifest = [{ paths: ['a.bin'], weights: [{ name: 'k', shape: [2], dtype: 'float32' }] }];
const signature = { inputs: { x: info('x:0') }, outputs: { y: info('y:0') } };
const document = (parts: object = {}): Source =>
  new MemorySource(
    new TextEncoder().encode(
      JSON.stringify({
        format: 'graph-model',
        modelTopology: { node: adding, library: {} },
        weightsManifest: manifest,
        signature,
        ...parts,
      }),
    ),
    'net/model.json',
  );
const files = { 'a.bin': floats(3, 4) };
const read = async (source: Source, options: ReadOptions = {}): Promise<Model> =>
  (await tfjsGraph.read!(source, { open: opening(files), ...options })).model;
const names = ({ graph }: Model): readonly (readonly string[])[] => [graph.inputs.map(v => v.name), graph.outputs.map(o => o.name)];
const constants = ({ graph }: Model): unknown[] =>
  graph.nodes.flatMap(n => n.inputs).flatMap(v => (v?.tensor ? [[v.tensor.type, Array.from(v.tensor.data as ArrayLike<unknown>)]] : []));

describe('a graph', () => {
  test('takes its constants from shards', async () => {
    const model = await read(document());
    expect(names(model)).toEqual([['x'], ['y']]);
    expect(model.graph.name).toBe('net');
    expect(constants(model)).toEqual([['float32', [3, 4]]]);
  });

  test.each([
    ['the format', { format: 'graph-model' }, 'tfjs-graph'],
    ['the topology alone', { modelTopology: { versions: {}, node: adding } }, 'tfjs-graph'],
    ['the format of the other kind', { format: 'layers-model', modelTopology: {} }, 'tfjs-layers'],
    ['a topology of layers', { modelTopology: { class_name: 'Sequential' } }, 'tfjs-layers'],
  ])('is told by %s', async (_, json, format) => {
    expect((await detect(new MemorySource(new TextEncoder().encode(JSON.stringify(json)), 'model.json'))).format.name).toBe(format);
  });

  test('computes in the types that it says, not in those of its weights', async () => {
    const nodes = [placeholder('x', 'DT_INT64'), constant('k', 'DT_INT64'), node('y', 'AddV2', ['x', 'k'], { T: type('DT_INT64') })];
    const weights = [{ paths: ['a.bin'], weights: [{ name: 'k', shape: [2], dtype: 'int32' }] }];
    const json = {
      modelTopology: { node: nodes },
      weightsManifest: weights,
      signature: { inputs: { x: info('x', 'DT_INT64') }, outputs: { y: info('y') } },
    };
    const model = await read(document(json), { open: opening({ 'a.bin': new Uint8Array(Int32Array.of(-1, 7).buffer) }) });
    expect(constants(model)).toEqual([['int64', [-1n, 7n]]]);
  });

  test('without a signature has what its placeholders are', async () => {
    expect(names(await read(document({ signature: undefined })))).toEqual([['x'], ['y']]);
    expect(names(await read(document({ signature: { outputs: { 'y:0': { name: 'y:0' } } } })))).toEqual([['x'], ['y']]);
    expect(names(await read(document(), { outputs: ['k'] }))).toEqual([['x'], ['k']]);
  });

  test('names its outputs as the function did, in the order of their numbers', async () => {
    const nodes = [...adding, node('Identity_1', 'Identity', ['y']), node('Identity', 'Identity', ['x'])];
    const outputs = { 'Identity_1:0': info('Identity_1:0'), first: info('Identity:0') };
    const json = { modelTopology: { node: nodes }, signature: { ...signature, outputs } };
    expect(names(await read(document(json)))[1]).toEqual(['first', 'Identity_1']);
    const userDefinedMetadata = { structuredOutputKeys: ['a', 'b'], author: 'me', more: { n: 1 } };
    const named = await read(document({ ...json, userDefinedMetadata }));
    expect(names(named)[1]).toEqual(['a', 'b']);
    expect([named.meta.metadata?.get('author'), named.meta.metadata?.get('more')]).toEqual(['me', '{"n":1}']);
  });

  test('keeps an input of which nothing is left', async () => {
    expect(names(await read(document({ signature: { ...signature, inputs: { x: info('x:0'), gone: info('gone:0') } } })))[0]).toEqual([
      'gone',
      'x',
    ]);
  });

  test('has functions whose constants go by other names than what they give', async () => {
    const fn = {
      signature: { name: 'f', inputArg: [{ name: 'a', type: 'DT_FLOAT' }], outputArg: [{ name: 'o', type: 'DT_FLOAT' }] },
      nodeDef: [{ ...constant('f/k', 'DT_FLOAT') }, node('k_1', 'AddV2', ['a', 'f/k:output:0']), node('k_2', 'Mul', ['f/k_1:z:0', 'a'])],
      ret: { o: 'k_2:z:0' },
    };
    const call = node('y', 'PartitionedCall', ['x'], { f: { func: { name: 'f' } }, Tout: { list: { type: ['DT_FLOAT'] } } });
    const weights = [{ paths: ['a.bin'], weights: [{ name: 'f/k', shape: [2], dtype: 'float32' }] }];
    const json = { modelTopology: { node: [placeholder('x'), call], library: { function: [fn] } }, weightsManifest: weights };
    expect((await read(document(json))).graph.nodes.map(n => n.op)).toEqual(['Add', 'Mul']);
  });

  test('may be written by later versions, and have bytes as lists', async () => {
    const pad = node('y', 'MaxPool', ['x'], {
      T: type('DT_FLOAT'),
      ksize: { list: { i: ['1', '1', '1', '1'] } },
      strides: { list: { i: ['1', '1', '1', '1'] } },
      padding: { s: [83, 65, 77, 69], inTwoYears: true },
      next: { type: 'DT_NEXT' },
    });
    const x = { name: 'x', op: 'Placeholder', attr: { dtype: type('DT_FLOAT'), shape: { shape: { unknownRank: true } } } };
    const json = { modelTopology: { node: [x, pad], fields: 1 }, signature: { outputs: { y: info('y:0') } }, weightsManifest: [] };
    const model = await read(document(json), { inputShapes: { x: [1, 4, 4, 3] } });
    expect(names(model)).toEqual([['x'], ['y']]);
  });

  const conv = { T: type('DT_FLOAT'), strides: { list: { i: ['1', '1', '1', '1'] } }, padding: { s: 'U0FNRQ==' } };
  const sizes = ['2', '2', '2', '1'].map(size => ({ size }));
  const filter = { name: 'w', op: 'Placeholder', attr: { dtype: type('DT_FLOAT'), shape: { shape: { dim: sizes } } } };
  const fused = { ...conv, num_args: { i: '0' }, TArgs: { list: {} }, fused_ops: { list: { s: ['Y29uc3RydWN0b3I='] } } };
  test.each<[string, object | object[], string]>([
    ['a node with too few inputs', node('y', 'Switch', ['x']), 'E1302 Switch has 1 inputs, expected at least 2'],
    ['an operator that objects have', node('y', '__proto__', ['x']), 'E2001 __proto__: no conversion'],
    ['an activation that objects have', node('y', '_FusedMatMul', ['x', 'x'], fused), 'E2001 _FusedMatMul: fused with constructor'],
    [
      'a window over other axes',
      [filter, node('y', 'Conv2D', ['x', 'w'], conv)],
      'E1305 Conv2D moves a window of 2 axes over a tensor of 2',
    ],
  ])('with %s is refused', async (_, made, message) => {
    const error = await read(
      document({
        modelTopology: { node: [placeholder('x'), made].flat() },
        signature: { outputs: signature.outputs },
        weightsManifest: [],
      }),
    ).catch(e => e as ModelError);
    expect(`${(error as ModelError).code} ${(error as ModelError).message}`).toContain(message);
  });
});

test('strings, quantised integers and tensors that lie in several shards', async () => {
  const text = bytes(0, 0, 0, 0, 2, 0, 0, 0, 104, 105);
  const shards = { 'a.bin': text.subarray(0, 6), 'b.bin': bytes(...text.subarray(6), 0, 1, 200), 'c.bin': bytes(1, 2, 3, 4) };
  const weights = [
    { name: 's', shape: [2], dtype: 'string' },
    { name: 'q', shape: [3], dtype: 'int32', quantization: { dtype: 'uint8', scale: 0.3, min: -2 } },
    { name: 'w', shape: [1], dtype: 'int32' },
  ];
  const read = await readManifest([{ paths: Object.keys(shards), weights }], 'f', opening(shards));
  expect(read.get('s')!.data).toEqual(['', 'hi']);
  expect(numbersOf(read.get('q')!)).toEqual([-2, -2, 58]);
  expect(numbersOf(read.get('w')!)).toEqual([0x04030201]);
});

test('a large tensor stays in the shards that it lies in', async () => {
  const [first, second] = [new Float32Array(30_000).fill(1), new Float32Array(10_000).fill(2)];
  const shards = { 'a.bin': new Uint8Array(first.buffer), 'b.bin': new Uint8Array(second.buffer) };
  const weights = [{ name: 'w', shape: [40_000], dtype: 'float32' }];
  const tensor = (await readManifest([{ paths: ['a.bin', 'b.bin'], weights }], 'f', opening(shards))).get('w')!;
  expect(tensor.isResident).toBe(false);
  expect(numbersOf(await resident(tensor)).filter(n => n === 2)).toHaveLength(10_000);
});

test('joined sources are read as one', async () => {
  const joined = new JoinedSource(
    [bytes(1, 2), bytes(), bytes(3), bytes(4, 5)].map(b => new MemorySource(b)),
    'f',
  );
  expect([joined.size, [...(await joined.read(1, 3))], [...(await joined.read(3, 2))]]).toEqual([5, [2, 3, 4], [4, 5]]);
  expect([...(await joined.range(1, 4).read(1, 2))]).toEqual([3, 4]);
});
