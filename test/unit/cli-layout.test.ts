// omnix layout, and the orders that convert takes, as processes.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { formatType, tensorType } from '../../src/ir/types.ts';
import { Graph, load, Model, Node, save, Value } from '../../src/node/index.ts';
import { commandLine } from './cli-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'omnix-layout-'));
const { omnix, json } = commandLine(folder);
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const perm = (...axes: number[]) => new Map([['perm', { kind: 'ints', value: axes } as const]]);

/** y = an average pool of x, both with channels last. */
beforeAll(async () => {
  const type = (...dims: number[]) => tensorType('float32', [symbol('n'), ...dims]);
  const x = new Value('x', type(4, 6, 3));
  const there = new Node({ op: 'Transpose', inputs: [x], attributes: perm(0, 3, 1, 2) }, [{ name: 'there' }]);
  const pool = new Node({ op: 'GlobalAveragePool', inputs: there.outputs }, [{ name: 'pooled' }]);
  const back = new Node({ op: 'Transpose', inputs: pool.outputs, attributes: perm(0, 2, 3, 1) }, [{ name: 'y', type: type(1, 1, 3) }]);
  const graph = new Graph('g', { inputs: [x], nodes: [there, pool, back], outputs: [{ name: 'y', value: back.outputs[0]! }] });
  await save(new Model(graph, { irVersion: 8, opsets: new Map([['', 17]]), meta: { at: 0 } }), at('last.onnx'));
});

const types = async (name: string): Promise<string[]> => {
  const { graph } = await load(at(name));
  return [
    ...graph.inputs.map(v => `${v.name} ${formatType(v.type)}`),
    ...graph.outputs.map(o => `${o.name} ${formatType(o.type ?? o.value.type)}`),
  ];
};

test('the signature gets the order asked for, and no transposes are left', async () => {
  const { code, err } = omnix('layout', 'last.onnx', '-o', 'first.onnx', '--to', 'nchw');
  expect([code, err]).toEqual([0, expect.stringContaining('0 transposes')]);
  expect(await types('first.onnx')).toEqual(['x float32[n,3,4,6]', 'y float32[n,3,1,1]']);
  expect((await load(at('first.onnx'))).graph.nodes.map(n => n.op)).toEqual(['GlobalAveragePool']);
  expect(json('layout', 'first.onnx', '-o', 'again.onnx', '--to', 'nhwc').results).toMatchObject({ nodes: 3 });
  expect(await types('again.onnx')).toEqual(await types('last.onnx'));
});

test('convert takes the order of single inputs and outputs', async () => {
  expect(omnix('convert', 'last.onnx', '-o', 'mixed.onnx', '--input-layout', 'x=nchw', '--verify')).toMatchObject({ code: 0 });
  expect(await types('mixed.onnx')).toEqual(['x float32[n,3,4,6]', 'y float32[n,1,1,3]']);
});

test.each<[string, readonly string[], string]>([
  ['an order that is none', ['--input-layout', 'x=chwn', '-o', 'e.onnx'], '--input-layout x=chwn: expected NAME=nhwc or NAME=nchw'],
  ['a name that is none', ['--output-layout', 'z=nhwc', '-o', 'e.onnx'], 'the model has no output "z"; nearest name: "y"'],
  ['a format that is not told', ['-o', 'e.model'], 'pass --format with one of'],
])('%s is refused', (_, options, message) => {
  const { code, err } = omnix('layout', 'last.onnx', ...options);
  expect([code, err]).toEqual([expect.any(Number), expect.stringContaining(message)]);
  expect(code).not.toBe(0);
  expect([existsSync(at('e.onnx')), existsSync(at('e.model'))]).toEqual([false, false]);
});
