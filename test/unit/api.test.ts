// The library's verbs over bytes, as in a browser.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import onnxProto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { bytesOfFile, load, MemorySource, read, readArrays, Session, Tensor, withInputShapes, write } from '../../src/index.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { formatType, tensorType } from '../../src/ir/types.ts';
import { newBuilder } from '../../src/ops/builder.ts';

const models = fileURLToPath(new URL('../../models/', import.meta.url));
const fileOf = (name: string): Uint8Array => new Uint8Array(readFileSync(models + name));

async function bytesOf(model: Awaited<ReturnType<typeof load>>, options = {}): Promise<Uint8Array> {
  const { files } = await write(model, { name: 'model.onnx', ...options });
  const parts: Uint8Array[] = [];
  for await (const part of bytesOfFile(files.at(-1)!)) parts.push(part.slice());
  return Buffer.concat(parts);
}

test('bytes and Blobs load, run and compare', async () => {
  const inputs = await readArrays(new MemorySource(fileOf('simple-nn/inputs.npz')));
  const expected = await readArrays(new MemorySource(fileOf('simple-nn/outputs.npz')));
  for (const input of [fileOf('simple-nn/model.onnx'), new Blob([fileOf('simple-nn/model.pt2').slice()])]) {
    const session = await Session.create(input);
    const results = await session.run({ [session.inputNames[0]!]: inputs['input']! });
    const got = results[session.outputNames[0]!]!.data as Float32Array;
    (expected['output']!.data as Float32Array).forEach((want, i) => expect(got[i]).toBeCloseTo(want, 6));
  }
});

describe('opsets', () => {
  test('a program of PyTorch is written in the lowest opset that says it', async () => {
    const { model } = await write(await load(fileOf('slim-resnet18/model.pt2')), { name: 'm.onnx' });
    expect([model.opsets.get(''), model.irVersion]).toEqual([18, 8]);
  });
  test('an ONNX file keeps its own, unless another is asked for', async () => {
    const model = await load(fileOf('slim-resnet18/model.onnx'));
    expect((await write(model, { name: 'm.onnx' })).model).toBe(model);
    expect((await write(model, { name: 'm.onnx', opset: 21 })).model.opsets.get('')).toBe(21);
    await expect(write(model, { name: 'm.onnx', opset: 99 })).rejects.toMatchObject({ code: 'E1106' });
  });
  test('a target bounds the opset and the IR version', async () => {
    const model = await load(fileOf('simple-nn/model.onnx'));
    const { model: written } = await write(model, { name: 'm.onnx', target: 'ort-1.12' });
    expect([written.opsets.get(''), written.irVersion]).toEqual([17, 8]);
    await expect(write(model, { name: 'm.onnx', target: 'ort-1.12', opset: 18 })).rejects.toMatchObject({ code: 'E4001' });
  });
  test('a target without an operator in its newest opset gets the one before', async () => {
    const x = new Value('x', tensorType('float32', [1, 2, 3]));
    const b = newBuilder();
    const outputs = [{ name: 'y', value: b.GlobalLpPool({ X: x }) }];
    const made = new Model(new Graph('g', { inputs: [x], nodes: b.nodes, outputs }), { irVersion: 10, opsets: new Map([['', 22]]) });
    const model = await load(await bytesOf(made, { opset: 22 }));
    const opsetFor = async (target: string) => (await write(model, { name: 'm.onnx', target })).model.opsets.get('');
    expect([await opsetFor('ort-1.20'), await opsetFor('ort-1.22'), model.opsets.get('')]).toEqual([21, 21, 22]);
  });
  test('every node that a wanted opset cannot say is listed', async () => {
    const model = await load(fileOf('slim-resnet18/model.pt2'));
    const error = await write(model, { name: 'm.onnx', opset: 1 }).catch(e => e);
    expect(error.code).toBe('E2004');
    expect(error.findings.length).toBeGreaterThan(1);
  });
});

test('the same input gives the same bytes', async () => {
  const once = async () => bytesOf(await load(fileOf('slim-resnet18/model.pt2')));
  expect(Buffer.compare(Buffer.from(await once()), Buffer.from(await once()))).toBe(0);
});

test.each(['simple-nn', 'slim-resnet18'])('%s by torch.onnx.export, written back, is the same message to onnx-proto', async name => {
  const original = fileOf(`${name}/model.onnx`);
  const { ModelProto } = onnxProto.onnx;
  const seen = (bytes: Uint8Array) => ModelProto.toObject(ModelProto.decode(bytes), { longs: String, bytes: String });
  expect(seen(await bytesOf((await read(original)).model))).toEqual(seen(original));
});

test('input shapes are fixed or named, and types follow', async () => {
  const model = await load(fileOf('slim-resnet18/model.onnx'));
  const fixed = withInputShapes(model, { x: [1, 3, 64, 64] });
  expect(formatType(fixed.graph.inputs[0]!.type)).toBe('float32[1,3,64,64]');
  expect(formatType(fixed.graph.outputs[0]!.value.type)).toBe('float32[1,10]');
  expect(fixed.opsets.get('')).toBe(model.opsets.get(''));
  const named = withInputShapes(model, { x: ['images', 3, 64, 64] });
  expect(formatType(named.graph.outputs[0]!.value.type)).toBe('float32[images,10]');
  expect(() => withInputShapes(model, { y: [1] })).toThrow(/no input y/);
  expect(() => withInputShapes(model, { x: [1, 2] })).toThrow(/rank 4/);
});

test('tensors take the types of their elements', () => {
  expect(new Tensor('int64', [1, 2n, 3]).data).toEqual(BigInt64Array.of(1n, 2n, 3n));
  expect(new Tensor('string', ['a', 'ü']).data).toEqual(['a', 'ü']);
  expect(() => new Tensor('float32', [1, 2, 3], [2])).toThrow(/is 8 bytes, the data has 12/);
  expect(() => new Tensor('float32', new Float64Array(2))).toThrow(/held by a Float32Array/);
  expect(() => new Tensor('float32', [], [2 ** 40, 2 ** 40])).toThrow(/overflows/);
});
