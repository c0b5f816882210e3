// External data on a real disk: only regular files inside the model's own folder are ever opened.
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { load, ModelError, save } from '../../src/node/index.ts';
import { newBuilder } from '../../src/ops/builder.ts';

const root = mkdtempSync(join(tmpdir(), 'omnix-beside-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder = '';
let data = '';
let count = 0;

/** A model with one weight of 4 KiB in `model.onnx.data`. */
beforeEach(async () => {
  folder = join(root, `case${count++}`);
  mkdirSync(folder);
  const x = new Value('x', tensorType('float32', [1, 32]));
  const b = newBuilder();
  const w = new Value('w', undefined, { tensor: new Tensor('float32', new Float32Array(1024).fill(0.5), [32, 32]), parameter: true });
  const y = b.MatMul(x, w);
  const model = new Model(new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes }), {
    irVersion: 8,
    opsets: new Map([['', 18]]),
  });
  const { paths } = await save(model, join(folder, 'model.onnx'), { externalData: true });
  data = paths[0]!;
  expect(data).toBe(join(folder, 'model.onnx.data'));
});

const errorOf = async (): Promise<{ code: string; message: string }> => {
  const error = await load(join(folder, 'model.onnx')).then(
    () => ({ code: 'none', message: 'it was read' }),
    e => e,
  );
  return { code: error.code, message: error instanceof ModelError ? error.findings[0]!.message : String(error) };
};

describe('data files', () => {
  test('beside the model are read', async () => {
    const model = await load(join(folder, 'model.onnx'));
    expect(model.graph.initializers[0]!.tensor!.byteLength).toBe(4096);
  });
  test('that are links to the same folder are read', async () => {
    renameSync(data, `${data}.real`);
    symlinkSync(`${data}.real`, data);
    expect(await errorOf()).toMatchObject({ code: 'none' });
  });
  test('that lead outside by a link are refused', async () => {
    renameSync(data, join(root, `outside${count}`));
    symlinkSync(join(root, `outside${count}`), data);
    expect(await errorOf()).toMatchObject({ code: 'E1401', message: expect.stringMatching(/leads outside the folder of the model/) });
  });
  test('in a folder that is a link to the outside are refused', async () => {
    const elsewhere = join(root, `elsewhere${count}`);
    mkdirSync(elsewhere);
    renameSync(data, join(elsewhere, 'model.onnx.data'));
    symlinkSync(elsewhere, join(folder, 'sub'));
    writeModelWith('sub/model.onnx.data');
    expect(await errorOf()).toMatchObject({ code: 'E1401' });
  });
  test.each([
    '../model.onnx.data',
    '/etc/passwd',
    'a/../../x',
    'C:\\x',
    '\\\\host\\share',
    'file:///etc/passwd',
    'http://x/y',
    'x\u0000y',
    'NUL',
    'a:b',
  ])('named %j are refused on every system', async location => {
    writeModelWith(location);
    expect(await errorOf()).toMatchObject({ code: 'E1401' });
  });
  test('that are missing, a folder, or no file are refused', async () => {
    rmSync(data);
    expect(await errorOf()).toMatchObject({ code: 'E1402', message: expect.stringMatching(/does not exist/) });
    mkdirSync(data);
    expect(await errorOf()).toMatchObject({ code: 'E1402', message: expect.stringMatching(/not a regular file/) });
    rmSync(data, { recursive: true });
    symlinkSync(data, data);
    expect(await errorOf()).toMatchObject({ code: 'E1402' });
    rmSync(data);
    execFileSync('mkfifo', [data]);
    expect(await errorOf()).toMatchObject({ code: 'E1402', message: expect.stringMatching(/not a regular file/) });
  });
  test('with a second name on disk are read', async () => {
    linkSync(data, join(root, `hard${count}`));
    expect(await errorOf()).toMatchObject({ code: 'none' });
  });
  test('that are short are refused', async () => {
    writeFileSync(data, new Uint8Array(4095));
    expect(await errorOf()).toMatchObject({ code: 'E1403' });
  });
});

test('writing a model again gives its data another name and removes the old', async () => {
  const model = await load(join(folder, 'model.onnx'));
  const { paths } = await save(model, join(folder, 'model.onnx'), { overwrite: true });
  expect(paths[0]).toBe(join(folder, 'model.onnx.1.data'));
  expect(existsSync(data)).toBe(false);
  expect((await load(join(folder, 'model.onnx'))).graph.initializers[0]!.tensor!.byteLength).toBe(4096);
  expect(await errorOf()).toMatchObject({ code: 'none' });
});

/** A model that names a data file of our choice, written by onnx-proto. */
function writeModelWith(location: string): void {
  const { onnx } = onnxProto;
  const tensor = { name: 'w', dims: [32, 32], dataType: 1, dataLocation: 1, externalData: [{ key: 'location', value: location }] };
  const info = (name: string, dims: number[]) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: dims.map(dimValue => ({ dimValue })) } } },
  });
  const graph = {
    name: 'g',
    node: [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }],
    initializer: [tensor],
    input: [info('x', [1, 32])],
    output: [info('y', [1, 32])],
  };
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 18 }], graph };
  writeFileSync(join(folder, 'model.onnx'), onnx.ModelProto.encode(onnx.ModelProto.fromObject(model)).finish());
}
