// `.pt2` archives: what real ones become, and what broken ones get.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { isJsonObject, type Json, type JsonObject, parseJson, writeJson } from '../../src/codec/json.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { openZip } from '../../src/codec/zip.ts';
import { writeZip } from '../../src/codec/zip-write.ts';
import { ModelError } from '../../src/errors.ts';
import { parseExpression } from '../../src/formats/torch/sizes.ts';
import { formatDim } from '../../src/ir/dims.ts';
import { formatType } from '../../src/ir/types.ts';
import { load, read } from '../../src/node/index.ts';

const models = fileURLToPath(new URL('../../models/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'omnix-pt2-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bytesOf = (name: string): Uint8Array => readFileSync(join(models, name, 'model.pt2'));
type Entries = Map<string, Uint8Array>;

/** The simple model's archive with entries changed. */
async function changed(edit: (entries: Entries) => void): Promise<Uint8Array> {
  const zip = await openZip(new MemorySource(bytesOf('simple-nn')));
  const entries: Entries = new Map();
  for (const [name, entry] of zip.entries) entries.set(name, await entry.bytes());
  edit(entries);
  const parts: Uint8Array[] = [];
  for await (const part of writeZip([...entries].map(([name, data]) => ({ name, data })))) parts.push(part.slice());
  return Buffer.concat(parts);
}

const program = 'model/models/model.json';
const weights = 'model/data/weights/model_weights_config.json';
type Editable = { [key: string]: Json } & JsonObject;
/** The archive with one JSON entry changed as text or as data. */
const withJson = (name: string, edit: (json: Editable) => void): Promise<Uint8Array> =>
  changed(entries => {
    const json = parseJson(entries.get(name)!);
    if (!isJsonObject(json)) throw new Error('no object');
    edit(json as Editable);
    entries.set(name, new TextEncoder().encode(writeJson(json)));
  });
const withText = (from: string, to: string): Promise<Uint8Array> =>
  changed(entries => entries.set(program, new TextEncoder().encode(new TextDecoder().decode(entries.get(program)!).replaceAll(from, to))));

async function errorOf(
  bytes: Uint8Array,
  name = 'model.pt2',
): Promise<{ code: string; message: string; file: string | undefined; all: string[] }> {
  const error = await read(new MemorySource(bytes, name)).then(
    () => new Error('it was read'),
    e => e,
  );
  if (!(error instanceof ModelError)) throw error;
  return { code: error.code, message: error.findings[0]!.message, file: error.findings[0]!.file, all: error.findings.map(f => f.message) };
}

describe('models by real PyTorch', () => {
  test('keep their names, sizes, module paths and source lines', async () => {
    const model = await load(join(models, 'slim-resnet18', 'model.pt2'));
    expect(model.graph.inputs.map(v => [v.name, formatType(v.type)])).toEqual([['x', expect.stringMatching(/^float32\[s\d+,3,64,64\]$/)]]);
    expect(model.graph.outputs.map(o => formatType(o.value.type))).toEqual([expect.stringMatching(/^float32\[s\d+,10\]$/)]);
    const conv = model.graph.nodes.find(n => n.op === 'Conv' && n.inputs[1]!.name === 'stages.1.0.conv2.weight')!;
    expect(conv.meta.metadata?.get('module')).toBe('stages.1.0.conv2');
    expect(conv.meta.metadata?.get('source')).toMatch(/^export\.py:\d+$/);
  });
  test('leave no operator that only moves memory', async () => {
    const model = await load(join(models, 'slim-resnet18', 'model.pt2'));
    const counts = new Map<string, number>();
    for (const node of model.graph.nodes) counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
    expect(Object.fromEntries([...counts].sort())).toEqual({
      Add: 8,
      BatchNormalization: 20,
      Conv: 20,
      Flatten: 1,
      Gemm: 1,
      GlobalAveragePool: 1,
      MaxPool: 1,
      Relu: 17,
    });
  });
});

describe('bad archives', () => {
  const cases: readonly (readonly [what: string, bytes: () => Promise<Uint8Array>, code: string, message: RegExp])[] = [
    [
      'unknown operators',
      () => withText('aten.relu.default', 'aten.frobnicate.default'),
      'E2001',
      /^aten\.frobnicate\.default: no conversion \(1 node, first in 1 at \S+:\d+\)$/,
    ],
    [
      'a custom operator',
      () => withText('torch.ops.aten.sigmoid', 'torch.ops.mine.sigmoid'),
      'E2001',
      /^mine\.sigmoid\.default: no conversion/,
    ],
    [
      'a weight that is missing',
      () => changed(e => void e.delete('model/data/weights/weight_2')),
      'E1013',
      /^the record data\/weights\/weight_2 of 2\.weight is missing$/,
    ],
    [
      'a weight that is short',
      () => changed(e => void e.set('model/data/weights/weight_0', new Uint8Array(79))),
      'E1203',
      /^0\.weight: float32\[10,2\] with strides \[2,1\] needs 80 bytes of storage, the record has 79$/,
    ],
    [
      'a weight that the configuration lacks',
      () => withJson(weights, j => void delete (j['config'] as Editable)['0.bias']),
      'E1013',
      /^the archive has no weights for 0\.bias$/,
    ],
    [
      'a record outside its folder',
      () => changed(e => e.set(weights, Buffer.from(Buffer.from(e.get(weights)!).toString().replace('"weight_0"', '"../weight_0"')))),
      'E1011',
      /record name "\.\.\/weight_0" leaves its folder/,
    ],
    [
      'an element type that does not exist',
      () => changed(e => e.set(weights, Buffer.from(Buffer.from(e.get(weights)!).toString().replace('"dtype": 7', '"dtype": 99')))),
      'E1201',
      /element type 99 does not exist/,
    ],
    [
      'strides beyond the storage',
      () =>
        changed(e =>
          e.set(
            weights,
            Buffer.from(
              Buffer.from(e.get(weights)!).toString().replace('{"as_int": 2}, {"as_int": 1}]', '{"as_int": 200}, {"as_int": 1}]'),
            ),
          ),
        ),
      'E1203',
      /needs \d+ bytes of storage, the record has 80/,
    ],
    ['a future schema', () => withText('"major": 8', '"major": 9'), 'E2002', /^schema_version\.major: expected at most 8, found 9$/],
    ['a program without nodes', () => withText('"nodes"', '"knots"'), 'E1101', /^graph_module\.graph has no field nodes$/],
    ['a wrong union tag', () => withText('"as_tensor": {"name": "relu"}', '"as_tensr": {"name": "relu"}'), 'E2001', /as_tensr/],
    [
      'a name that nothing produces',
      () => withText('{"name": "p_2_weight"}}, "kind"', '{"name": "nobody"}}, "kind"'),
      'E1104',
      /nothing produces nobody/,
    ],
    ['a program that is no JSON', () => changed(e => void e.set(program, Buffer.from('{"graph_module": '))), 'E1005', /ends|end/],
    ['duplicate keys', () => changed(e => void e.set(program, Buffer.from('{"a": 1, "a": 2}'))), 'E1010', /a/],
    ['JSON nested a million deep', () => changed(e => void e.set(program, Buffer.from('['.repeat(1e6)))), 'E1008', /deeper than/],
    [
      'another byte order',
      () => changed(e => void e.set('model/byteorder', Buffer.from('big'))),
      'E2002',
      /^byteorder: expected little, found "big"$/,
    ],
    [
      'another archive format',
      () => changed(e => void e.set('model/archive_format', Buffer.from('pt3'))),
      'E1006',
      /^archive_format: expected pt2, found "pt3"$/,
    ],
  ];
  const contradictions: typeof cases = [
    [
      'weights that are shared wrongly',
      () => withJson(weights, j => void ((j['config'] as Editable)['0.weight'] = (j['config'] as Editable)['2.weight']!)),
      'E1306',
      /^p_0_weight comes to float32\[1,10\], the program declares float32\[10,2\]$/,
    ],
    [
      'a weight of another element type than the program says',
      () => changed(e => e.set(weights, Buffer.from(Buffer.from(e.get(weights)!).toString().replace('"dtype": 7', '"dtype": 4')))),
      'E1306',
      /^0\.weight: the program declares float32\[10,2\], the archive holds int32\[10,2\]$/,
    ],
    [
      'negative strides',
      () =>
        changed(e =>
          e.set(
            weights,
            Buffer.from(Buffer.from(e.get(weights)!).toString().replace('{"as_int": 2}, {"as_int": 1}]', '{"as_int": -2}, {"as_int": 1}]')),
          ),
        ),
      'E1202',
      /strides\[0\]: a stored tensor needs sizes that are numbers, found -2$/,
    ],
    [
      'as many sizes as strides, less one',
      () =>
        changed(e =>
          e.set(weights, Buffer.from(Buffer.from(e.get(weights)!).toString().replace('{"as_int": 2}, {"as_int": 1}]', '{"as_int": 2}]'))),
        ),
      'E1202',
      /: 2 sizes and 1 strides$/,
    ],
    [
      'sizes whose product overflows',
      () =>
        changed(e =>
          e.set(
            weights,
            Buffer.from(
              Buffer.from(e.get(weights)!)
                .toString()
                .replace('{"as_int": 10}, {"as_int": 2}]', '{"as_int": 4503599627370496}, {"as_int": 4503599627370496}]'),
            ),
          ),
        ),
      'E1203',
      /needs \S+ bytes of storage, the record has 80$/,
    ],
    [
      'a size beyond 2^53',
      () => withText('"as_int": 10}', '"as_int": 9007199254740993}'),
      'E1006',
      /expected a number, found 9007199254740993$/,
    ],
    [
      'a graph that goes in a circle',
      () =>
        withText('"name": "self", "arg": {"as_tensor": {"name": "linear"}}', '"name": "self", "arg": {"as_tensor": {"name": "linear_1"}}'),
      'E1103',
      /linear_1 is read before graph_module\.graph\.nodes\[2\] makes it$/,
    ],
    [
      'an argument that the operator does not have',
      () => withText('"name": "bias"', '"name": "bios"'),
      'E1104',
      /^linear\.default has no argument named bios$/,
    ],
    [
      'a required argument that is missing',
      () => withText('"name": "weight"', '"name": "bias"'),
      'E1101',
      /^linear\.default has no argument weight$/,
    ],
    [
      'an input of a kind that does not exist',
      () => withText('"user_input"', '"user_imput"'),
      'E2002',
      /an input of kind user_imput has no conversion$/,
    ],
    [
      'an output of a kind that does not exist',
      () => withText('"user_output"', '"user_autput"'),
      'E2002',
      /an output of kind user_autput has no conversion$/,
    ],
    [
      'a declared type that is not the computed one',
      () => withText('"sigmoid": {"dtype": 7', '"sigmoid": {"dtype": 4'),
      'E1306',
      /^sigmoid comes to float32/,
    ],
    [
      'a program without a signature',
      () => withText('"signature": {"input_specs"', '"sig": {"input_specs"'),
      'E1101',
      /^graph_module has no field signature$/,
    ],
    [
      'a schema without a number',
      () => withText('"major": 8', '"major": "8"'),
      'E1006',
      /^schema_version\.major: expected a number, found the string "8"$/,
    ],
    [
      'a number that float64 does not hold',
      () => changed(e => void e.set(program, Buffer.from('{"schema_version": 1e999}'))),
      'E1006',
      /exceeds float64/,
    ],
    [
      'a size expression nested without end',
      () => withText('"expr_str": "Symbol(', `"expr_str": "${'Add('.repeat(300)}Symbol(`),
      'E1008',
      /nested deeper than 200/,
    ],
  ];
  test.each([...cases, ...contradictions])('%s', async (_, bytes, code, message) => {
    const error = await errorOf(await bytes());
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), file: 'model.pt2' });
  });

  test('all unknown operators are listed at once', async () => {
    const bytes = await withText('torch.ops.aten.relu.default', 'torch.ops.aten.frobnicate.default');
    const both = await changedFrom(bytes, 'torch.ops.aten.linear.default', 'torch.ops.aten.lineal.default');
    expect((await errorOf(both)).all).toEqual([
      expect.stringMatching(/^aten\.lineal\.default: no conversion \(2 nodes, first in 0/),
      expect.stringMatching(/^aten\.frobnicate\.default: no conversion \(1 node/),
    ]);
  });

  async function changedFrom(bytes: Uint8Array, from: string, to: string): Promise<Uint8Array> {
    const zip = await openZip(new MemorySource(bytes));
    const parts: Uint8Array[] = [];
    const entries: { name: string; data: Uint8Array }[] = [];
    for (const [name, entry] of zip.entries) {
      const data = await entry.bytes();
      entries.push({ name, data: name === program ? Buffer.from(Buffer.from(data).toString().replaceAll(from, to)) : data });
    }
    for await (const part of writeZip(entries)) parts.push(part.slice());
    return Buffer.concat(parts);
  }

  test('truncated anywhere is one error', async () => {
    const whole = bytesOf('simple-nn');
    for (let length = 1; length < whole.length; length += 97) {
      const { code } = await errorOf(whole.subarray(0, length));
      expect(['E1002', 'E1005', 'E1006', 'E1007', 'E1013']).toContain(code);
    }
  });
});

describe('operators of others', () => {
  test('are kept as nodes of their own domain where that is asked for', async () => {
    const bytes = await withText('torch.ops.aten.sigmoid.default', 'torch.ops.mine.sigmoid.fast');
    const { model } = await read(new MemorySource(bytes, 'model.pt2'), { allowCustom: true });
    const node = model.graph.nodes.find(n => n.domain === 'mine')!;
    expect([node.op, node.attributes.get('overload')]).toEqual(['sigmoid', { kind: 'string', value: 'fast' }]);
    expect(model.opsets.get('mine')).toBe(1);
    expect(formatType(model.graph.outputs[0]!.value.type)).toMatch(/^float32\[\w+,1\]$/);
  });
  test('overloads of PyTorch without a conversion are kept so too', async () => {
    const bytes = await withText('torch.ops.aten.sigmoid.default', 'torch.ops.aten.frobnicate.default');
    const { model } = await read(new MemorySource(bytes, 'model.pt2'), { allowCustom: true });
    expect(model.graph.nodes.at(-1)).toMatchObject({ domain: 'aten', op: 'frobnicate' });
  });
});

describe('size expressions', () => {
  test.each([
    ["Symbol('s77', positive=True, integer=True)", 's77'],
    ["Mul(Integer(24), Symbol('s0', integer=True))", '24*s0'],
    ["Add(Integer(-1), Mul(Integer(2), Symbol('s0', integer=True)))", '2*s0-1'],
    ["FloorDiv(Symbol('s0', integer=True), Integer(2))", 'floordiv(s0,2)'],
    ['Integer(7)', '7'],
    ["Piecewise(Symbol('s0'))", '?'],
  ])('%s', (text, dim) => expect(formatDim(parseExpression(text))).toBe(dim));
  test.each(['', 'Mul(', 'Mul(Integer(1)) x', "Symbol('a'"])('%j is malformed', text => {
    expect(() => parseExpression(text)).toThrow(ModelError);
  });
  test('deep nesting is an error, not a crash', () => {
    expect(() => parseExpression('Add('.repeat(1e5))).toThrow(/nested deeper/);
  });
});
