// The commands that edit and compare models, as processes.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeBytes } from '../../src/codec/protobuf.ts';
import { onnxSchema } from '../../src/formats/onnx/proto.gen.ts';
import { symbol } from '../../src/ir/dims.ts';
import { tensorType } from '../../src/ir/types.ts';
import { Graph, load, Model, Node, save, Tensor, Value } from '../../src/node/index.ts';
import { commandLine } from './cli-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'omnix-edit-'));
const at = (name: string): string => join(folder, name);
const { omnix, shell, json } = commandLine(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** y = f(x + w), where f is a function that is a Relu, all of opset 17. */
function model(weights = [1, -2, 3]): Model {
  const x = new Value('x', tensorType('float32', [symbol('N'), 3]));
  const w = new Value('w', undefined, { tensor: new Tensor('float32', weights, [3]), parameter: true });
  const sum = new Node({ op: 'Add', inputs: [x, w], name: 'add' }, [{ name: 'sum', type: x.type }]);
  const call = new Node({ op: 'F', domain: 'f', inputs: sum.outputs, name: 'call' }, [{ name: 'y', type: x.type }]);
  const a = new Value('a');
  const relu = new Node({ op: 'Relu', inputs: [a], name: 'relu' }, [{ name: 'b' }]);
  const opsets = new Map([
    ['', 17],
    ['f', 1],
  ]);
  const body = new Graph('F', { inputs: [a], nodes: [relu], outputs: [{ name: 'b', value: relu.outputs[0]! }] });
  const graph = new Graph('g', {
    inputs: [x],
    initializers: [w],
    nodes: [sum, call],
    outputs: [{ name: 'y', value: call.outputs[0]! }],
  });
  const f = { domain: 'f', name: 'F', overload: '', body, attributes: [], defaults: new Map(), opsets, meta: {} };
  return new Model(graph, { irVersion: 8, opsets, functions: [f], meta: { at: 0 } });
}

const tensorFile = (name: string, values: readonly number[], dims: readonly number[]): Uint8Array => {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return encodeBytes(onnxSchema, 'TensorProto', { name, dims: [...dims], data_type: 1, raw_data: data });
};

beforeAll(async () => {
  await save(model(), at('m.onnx'));
  await save(model([1, -2, 3.5]), at('n.onnx'));
});

test('diff prints what is different on standard output and answers no', () => {
  expect(omnix('diff', 'm.onnx', 'm.onnx')).toMatchObject({ code: 0, out: 'the same: 3 nodes and 1 weight equal\n' });
  const { code, out } = omnix('diff', 'm.onnx', 'n.onnx');
  expect(code).toBe(1);
  expect(out).toBe('~  weight  w  float32[3]  max |Δ| 0.5, ‖Δ‖/‖w‖ 0.1336\ndifferent: 3 nodes and 0 weights equal\n');
  expect(json('diff', 'm.onnx', 'n.onnx').results).toMatchObject({
    same: false,
    weights: { changed: [{ name: 'w', distance: { maxAbs: 0.5 } }] },
  });
  expect(omnix('diff', '-', '-')).toMatchObject({ code: 2, err: expect.stringContaining('read once') });
});

test('extract writes a part, and says what an output still needs', async () => {
  expect(omnix('extract', 'm.onnx', '-o', 'head.onnx', '--inputs', 'sum:float32[2,3]', '--outputs', 'y').code).toBe(0);
  const head = await load(at('head.onnx'));
  expect([head.graph.nodes.map(n => n.op), head.functions.length, [...head.opsets]]).toEqual([['F'], 1, [...model().opsets]]);
  expect(json('extract', 'm.onnx', '-o', 'front.onnx', '--outputs', 'sum').results).toMatchObject({
    inputs: [{ name: 'x', type: 'float32[N,3]' }],
    outputs: [{ name: 'sum', type: 'float32[N,3]' }],
    nodes: 1,
  });
  expect(omnix('extract', 'm.onnx', '-o', 'z.onnx', '--inputs', 'w', '--outputs', 'y')).toMatchObject({
    code: 2,
    err: expect.stringContaining('it needs "x" too'),
  });
  expect(omnix('extract', 'm.onnx', '-o', 'z.onnx', '--inputs', 'sun', '--outputs', 'y').err).toContain('nearest name: "sum"');
  expect(omnix('extract', 'm.onnx', '-o', 'z.onnx', '--inputs', 'sum:float33[2,3]').err).toContain('expected NAME or NAME:TYPE');
  expect(omnix('extract', 'm.onnx', '-o', 'w.onnx', '--inputs', 'x,w', '--outputs', 'x').err).toContain('input w is read by nothing');
});

test('merge undoes extract', () => {
  expect(omnix('extract', 'm.onnx', '-o', 'a.onnx', '--outputs', 'sum').code).toBe(0);
  expect(omnix('extract', 'm.onnx', '-o', 'b.onnx', '--inputs', 'sum').code).toBe(0);
  expect(omnix('merge', 'a.onnx', 'b.onnx', '-o', 'ab.onnx', '--connect', 'sum=sum').code).toBe(0);
  expect(omnix('diff', 'm.onnx', 'ab.onnx').out).toMatch(/^~ +graph name +g → g_g\ndifferent: 3 nodes and 1 weight equal\n$/);
  expect(omnix('merge', 'm.onnx', 'm.onnx', '-o', 'mm.onnx', '--connect', 'y=x')).toMatchObject({
    code: 3,
    err: expect.stringMatching(/both models have values with the names "w", "y", "sum"[\s\S]*both models have nodes/),
  });
  expect(omnix('merge', 'm.onnx', 'm.onnx', '-o', 'mm.onnx', '--connect', 'y=x', '--prefix-b', 'b/').code).toBe(0);
  expect(omnix('merge', 'm.onnx', 'm.onnx', '-o', 'mm.onnx', '--connect', 'y', '--overwrite').code).toBe(2);
});

test('rename and set-shape change the signature', () => {
  const options = ['--input', 'x=image', '--output', 'y=logits', '--value', 'sum=s', '--node', 'add=plus', '--dim', 'N=batch'];
  expect(json('rename', 'm.onnx', '-o', 'named.onnx', ...options).results).toMatchObject({
    inputs: [{ name: 'image', type: 'float32[batch,3]' }],
    outputs: [{ name: 'logits', type: 'float32[batch,3]' }],
  });
  expect(omnix('rename', 'm.onnx', '-o', 'z.onnx')).toMatchObject({ code: 2, err: expect.stringContaining('nothing to rename') });
  expect(omnix('rename', 'm.onnx', '-o', 'z.onnx', '--input', 'x').err).toContain('expected OLD=NEW');
  for (const [shape, name] of [
    ['x:[2,3]', 's1.onnx'],
    ['x:2,3', 's2.onnx'],
  ] as const)
    expect(json('set-shape', 'm.onnx', '-o', name, '--shape', shape).results).toMatchObject({ outputs: [{ type: 'float32[2,3]' }] });
  expect(omnix('set-shape', 'm.onnx', '-o', 'z.onnx', '--shape', 'x:[2,4]')).toMatchObject({
    code: 3,
    err: expect.stringMatching(/E1305[\s\S]*Add "add"/),
  });
});

test('infer declares what follows', () => {
  expect(omnix('infer', 'm.onnx', '-o', 'typed.onnx')).toMatchObject({
    code: 0,
    err: expect.stringContaining('the types of 2 of 2 values are known'),
  });
});

test('inline leaves no function, through pipes too', async () => {
  expect(shell('"$NODE" "$MAIN" inline - -o - --to onnx < m.onnx > flat.onnx').code).toBe(0);
  const flat = await load(at('flat.onnx'));
  expect([flat.functions, flat.graph.nodes.map(n => n.name)]).toEqual([[], ['add', 'call/relu']]);
  expect(omnix('inline', 'm.onnx', '-o', 'flat.onnx')).toMatchObject({ code: 2, err: expect.stringContaining('E4002') });
  expect(omnix('inline', 'm.onnx', '-o', 'flat.onnx', '--overwrite', '--external-data').code).toBe(0);
});

test('check-data prints a row a data set', () => {
  mkdirSync(at('case/test_data_set_0'), { recursive: true });
  mkdirSync(at('case/test_data_set_10'));
  writeFileSync(at('case/model.onnx'), readFileSync(at('m.onnx')));
  for (const [set, y] of [
    ['test_data_set_0', [2, 0, 6]],
    ['test_data_set_10', [2, 0, 6.5]],
  ] as const) {
    writeFileSync(at(`case/${set}/input_0.pb`), tensorFile('x', [1, 2, 3], [1, 3]));
    writeFileSync(at(`case/${set}/output_0.pb`), tensorFile('', y, [1, 3]));
  }
  const { code, out } = omnix('check-data', 'case', '--rtol', '0');
  expect(code).toBe(1);
  expect(out).toMatch(
    /^data set .*\ntest_data_set_0 y .* ok\ntest_data_set_10 y .* FAIL .*\n {2}worst at \[0,2\]: 6 vs 6.5 expected\n2 data sets, 1 out of tolerance\n$/,
  );
  expect(omnix('check-data', 'case', '--atol', '0.5').code).toBe(0);
  expect(json('check-data', 'case').results).toMatchObject({
    dataSets: [{ ok: true }, { ok: false, outputs: [{ name: 'y', maxAbs: 0.5 }] }],
  });
});

test('a folder without data is no success', () => {
  for (const [name, words] of [
    ['missing', 'E5001'],
    ['none', 'has no folder test_data_set_*'],
    ['gap', 'has input_1.pb, but no input_0.pb'],
    ['silent', 'has no output_*.pb'],
  ] as const) {
    if (name !== 'missing') {
      mkdirSync(at(`${name}${name === 'none' ? '' : '/test_data_set_0'}`), { recursive: true });
      writeFileSync(at(`${name}/model.onnx`), readFileSync(at('m.onnx')));
    }
    if (name === 'gap') writeFileSync(at('gap/test_data_set_0/input_1.pb'), '');
    expect(omnix('check-data', name)).toMatchObject({ code: 5, err: expect.stringContaining(words) });
  }
});
