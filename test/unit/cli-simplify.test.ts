// omnix simplify and omnix convert --dtype, as processes.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { tensorType } from '../../src/ir/types.ts';
import { Graph, load, Model, Node, save, Tensor, Value } from '../../src/node/index.ts';
import { commandLine } from './cli-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'omnix-simplify-'));
const { omnix, shell, json } = commandLine(folder);
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** y = identity(x) + w, with an input of a type that cannot be made up where `texts` is set. */
function model(weight: number, texts = false): Model {
  const x = new Value('x', tensorType('float32', [symbol('N'), 2]));
  const t = new Value('t', tensorType('string', [symbol('N')]));
  const w = new Value('w', undefined, { tensor: new Tensor('float32', [weight, 1], [2]), parameter: true });
  const pass = new Node({ op: 'Identity', inputs: [x], name: 'pass' }, [{ name: 'same', type: x.type }]);
  const add = new Node({ op: 'Add', inputs: [pass.outputs[0], w], name: 'add' }, [{ name: 'y', type: x.type }]);
  const graph = new Graph('g', { inputs: texts ? [x, t] : [x], nodes: [pass, add], outputs: [{ name: 'y', value: add.outputs[0]! }] });
  return new Model(graph, { irVersion: 7, opsets: new Map([['', 13]]), meta: { at: 0 } });
}

beforeAll(async () => {
  await save(model(3), at('m.onnx'));
  await save(model(3, true), at('t.onnx'));
  await save(model(1e6), at('large.onnx'));
});

test('prints what went, the size, and a comparison of the numbers', async () => {
  const { code, out, err } = omnix('simplify', 'm.onnx', '-o', 'small.onnx');
  expect([
    code,
    out
      .split('\n')
      .slice(0, 3)
      .map(line => line.trim().split(/\s+/)),
  ]).toEqual([
    0,
    [
      ['before', 'after'],
      ['Identity', '1', '0'],
      ['all', 'nodes', '2', '1'],
    ],
  ]);
  expect(out).toMatch(/^size +\d+ B +\d+ B$/m);
  expect(out).toMatch(/^max \|Δ\| 0 over 3 seeded inputs \(tolerance rtol 0.001, atol 0.00001\) {2}ok$/m);
  expect(err).toContain('2 nodes → 1');
  const small = await load(at('small.onnx'));
  expect([small.irVersion, small.opsets.get(''), small.graph.nodes.map(n => n.op)]).toEqual([7, 13, ['Add']]);
});

test('gives the same as JSON', () => {
  const { code, results } = json('simplify', 'm.onnx', '-o', 'j.onnx');
  expect(code).toBe(0);
  expect(results).toMatchObject({
    nodes: { before: 2, after: 1 },
    operators: [{ name: 'Identity', before: 1, after: 0 }],
    check: { ok: true, runs: 3, maxAbs: 0 },
  });
});

test('says why numbers were not compared, or is told not to', () => {
  expect(omnix('simplify', 't.onnx', '-o', 't2.onnx').out).toMatch(/^numbers not compared: input t string\[N\] cannot be filled/m);
  expect(omnix('simplify', 'm.onnx', '-o', 'n.onnx', '--no-check').out).not.toContain('Δ');
});

test('writes the model alone to standard output', () => {
  const { code, err } = shell('"$NODE" "$MAIN" simplify m.onnx -o - --to onnx > piped.onnx && "$NODE" "$MAIN" check piped.onnx');
  expect([code, err.includes('max |Δ| 0')]).toEqual([0, true]);
});

test('lists passes, and refuses what is none', () => {
  const { code, out } = omnix('simplify', '--list-passes');
  expect([code, out.split('\n').map(line => line.split(' ')[0])]).toEqual([
    0,
    ['pointwise', 'fold', 'branches', 'outputs', 'identities', 'merges', 'layers', 'layout', 'constants', 'duplicates', ''],
  ]);
  expect(omnix('simplify', 'm.onnx', '-o', 'p.onnx', '--passes', 'fold', '--skip', 'layer')).toMatchObject({
    code: 2,
    err: expect.stringContaining('there is no pass layer; did you mean layers?'),
  });
  expect(existsSync(at('p.onnx'))).toBe(false);
  expect(omnix('simplify', 'm.onnx')).toMatchObject({ code: 2, err: expect.stringContaining("'-o, --output <path>'") });
  expect(omnix('simplify', '-o', 'p.onnx')).toMatchObject({ code: 2, err: expect.stringContaining("'model'") });
  expect(omnix('simplify', 'm.onnx', '-o', 'p.onnx', '--fold-limit', 'much')).toMatchObject({ code: 2 });
});

test('convert --dtype writes the type, verifies it, and names what was out of range', async () => {
  const half = omnix('convert', 'large.onnx', '-o', 'half.onnx', '--dtype', 'fp16');
  expect([half.code, half.err]).toEqual([0, expect.stringContaining('warning: w: 1 too large')]);
  expect((await load(at('half.onnx'))).graph.inputs[0]!.element).toBe('float16');
  const { results } = json('convert', 'm.onnx', '-o', 'b.onnx', '--dtype', 'bf16', '--keep-io-types', '--verify');
  expect(results).toMatchObject({ narrowed: { clamped: [], keptFloat32: [] }, verification: { ok: true } });
  expect((await load(at('b.onnx'))).graph.nodes.map(n => n.op)).toEqual(['Cast', 'Identity', 'Add', 'Cast']);
});

test('convert refuses a type that is none, and --keep-io-types without one', () => {
  expect(omnix('convert', 'm.onnx', '-o', 'c.onnx', '--dtype', 'fp8')).toMatchObject({
    code: 2,
    err: expect.stringContaining('fp16 or bf16'),
  });
  expect(omnix('convert', 'm.onnx', '-o', 'c.onnx', '--keep-io-types')).toMatchObject({ code: 2, err: expect.stringContaining('--dtype') });
});
