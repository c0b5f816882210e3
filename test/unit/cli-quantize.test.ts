// omnix quantize as a process: data in its forms, the report, and what is refused.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { tensorType } from '../../src/ir/types.ts';
import { Graph, load, Model, Node, save, saveArrays, Tensor, Value } from '../../src/node/index.ts';
import { randomNumbers } from '../../src/validate/random.ts';
import { commandLine } from './cli-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'omnix-quantize-'));
const { omnix, json } = commandLine(folder);
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const next = randomNumbers(3);
const floats = (...dims: number[]): Tensor =>
  new Tensor(
    'float32',
    Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => 2 * next() - 1),
    dims,
  );

/** y = relu(x w) v, with a batch that is open. */
beforeAll(async () => {
  const x = new Value('x', tensorType('float32', [symbol('n'), 4]));
  const weight = (name: string, ...dims: number[]): Value => new Value(name, undefined, { tensor: floats(...dims), parameter: true });
  const first = new Node({ op: 'MatMul', name: 'first', inputs: [x, weight('w', 4, 32)] }, [{ name: 'h' }]);
  const relu = new Node({ op: 'Relu', name: 'relu', inputs: first.outputs }, [{ name: 'r' }]);
  const last = new Node({ op: 'MatMul', name: 'last', inputs: [relu.outputs[0], weight('v', 32, 2)] }, [{ name: 'y' }]);
  const y = { name: 'y', value: last.outputs[0]!, type: tensorType('float32', [symbol('n'), 2]) };
  const graph = new Graph('g', { inputs: [x], nodes: [first, relu, last], outputs: [y] });
  await save(new Model(graph, { irVersion: 8, opsets: new Map([['', 17]]), meta: { at: 0 } }), at('model.onnx'));
  await saveArrays(at('batch.npz'), { x: floats(20, 4) });
  await saveArrays(at('stacked.npz'), { x: floats(3, 2, 4) });
  await saveArrays(at('wrong.npz'), { x: floats(2, 5) });
  mkdirSync(at('many'));
  for (const i of [0, 1]) await saveArrays(join(at('many'), `${i}.npz`), { x: floats(2, 4) });
  mkdirSync(at('empty'));
  mkdirSync(at('sets/test_data_set_0'), { recursive: true });
  for (const name of ['input_0.pb', 'output_0.pb']) {
    const t = name === 'input_0.pb' ? floats(2, 4) : floats(2, 2);
    // dims: 2 and the other, data_type: float, raw_data.
    const head = [0x08, 2, 0x08, t.dims[1]!, 0x10, 1, 0x4a, t.byteLength];
    writeFileSync(join(at('sets/test_data_set_0'), name), Uint8Array.of(...head, ...t.bytes()));
  }
});

test('a static model is written with the loss of each layer', async () => {
  const { code, out, err } = omnix('quantize', 'model.onnx', '-o', 'static.onnx', '--scheme', 'static', '--calibrate', 'batch.npz');
  expect([code, err]).toEqual([0, expect.stringContaining('2 layers quantised, 0 kept')]);
  expect(out).toMatch(/^layer +operator +dB on samples\nfirst +MatMul +\d\d\.\d\nlast +MatMul +\d\d\.\d\ny +output +\d\d\.\d$/m);
  expect(out).toMatch(/quantised: MatMul 2, Relu 1/);
  expect((await load(at('static.onnx'))).graph.nodes.map(n => n.op)).toContain('QuantizeLinear');
});

test.each([
  ['batch.npz', 3],
  ['stacked.npz', 3],
  ['many', 2],
  ['sets', 1],
])('data may be %s', (data, samples) => {
  const { results } = json('quantize', 'model.onnx', '-o', 'data.onnx', '--overwrite', '--scheme', 'static', '--calibrate', data);
  expect(results).toMatchObject({ measuredOn: 'samples', samples, layers: [{ name: 'first' }, { name: 'last' }] });
});

test('--json holds sizes, nodes, losses and what was kept', () => {
  const { results } = json('quantize', 'model.onnx', '-o', 'dynamic.onnx', '--scheme', 'dynamic', '--exclude', 'l*');
  expect(results).toMatchObject({
    scheme: 'dynamic',
    nodes: [{ name: 'MatMul', count: 1 }],
    measuredOn: 'random inputs',
    layers: [{ name: 'first', op: 'MatMul', snr: expect.any(Number) }],
    outputs: [{ name: 'y', snr: expect.any(Number) }],
    kept: [{ name: 'last', op: 'MatMul', reason: 'excluded' }],
    bytes: { before: expect.any(Number), after: expect.any(Number) },
  });
});

test('4 bits in a newer opset that is asked for, without a check', async () => {
  const done = omnix(
    'quantize',
    'model.onnx',
    '-o',
    'int4.onnx',
    '--scheme',
    'int4',
    '--block',
    '16',
    '--asymmetric',
    '--opset',
    '21',
    '--no-check',
  );
  expect([done.code, done.out]).toEqual([0, expect.stringContaining('loss not measured')]);
  const { graph, opsets } = await load(at('int4.onnx'));
  expect([opsets.get(''), graph.nodes[0]!.inputs[0]!.element]).toEqual([21, 'uint4']);
});

test.each([
  [['--scheme', 'static'], 2, 'E4004'],
  [['--scheme', 'static', '--calibrate', 'empty'], 2, 'E4004'],
  [['--scheme', 'static', '--calibrate', 'wrong.npz'], 2, 'E3003'],
  [['--scheme', 'static', '--calibrate', 'nowhere.npz'], 5, 'E5001'],
  [['--scheme', 'int4'], 4, 'E2004'],
  [['--scheme', 'int8', '--symmetric', '--asymmetric'], 2, 'E4001'],
  [['--scheme', 'int8', '--ops', 'Conv'], 4, 'E2012'],
  [['--scheme', 'int16'], 2, 'E4001'],
])('%j is refused and writes nothing', (options, code, error) => {
  const done = omnix('quantize', 'model.onnx', '-o', 'refused.onnx', ...options);
  expect([done.code, done.err]).toEqual([code, expect.stringContaining(error)]);
  expect(existsSync(at('refused.onnx'))).toBe(false);
});
