// Every way to write the message of ONNX down: told by content, read and written by the library and the command line alike.
import { describe, expect, test } from 'vitest';
import { read, write } from '../../src/api.ts';
import { encodeBytes } from '../../src/codec/protobuf.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { decodeUtf8 } from '../../src/codec/utf8.ts';
import { detect } from '../../src/formats/index.ts';
import { onnxSchema } from '../../src/formats/onnx/proto.gen.ts';
import { json, protobufText, type Spelling, textual } from '../../src/formats/onnx/spelling.ts';
import { checkModel } from '../../src/validate/check.ts';
import { bytesOfModel, errorOf, floats, graphOf, join, modelOf, node } from './onnx-messages.ts';

const source = (text: string | Uint8Array, name = '<memory>'): MemorySource =>
  new MemorySource(typeof text === 'string' ? new TextEncoder().encode(text) : text, name);
const told = async (text: string | Uint8Array, name?: string): Promise<string> => (await detect(source(text, name))).format.name;

describe('formats are told by their content', () => {
  test.each([
    ['<ir_version: 8>', 'onnxtxt'],
    ['\ufeff# comment <\n  < # more\n opset_import : []', 'onnxtxt'],
    ['agraph (float[N] x) => () {}', 'onnxtxt'],
    ['"a \\" graph" ( ) => () {}', 'onnxtxt'],
    ['BertModel(optional(seq(int64)) x)', 'onnxtxt'],
    ['{"irVersion": "8"}', 'onnxjson'],
    ['\n{ "ir_version": 8', 'onnxjson'],
    ['{"metadataProps": []}', 'onnxjson'],
    ['ir_version: 8', 'textproto'],
    ['# proto\ngraph <', 'textproto'],
    ['opset_import [{', 'textproto'],
  ])('%j is %s', async (text, name) => expect(await told(text)).toBe(name));

  test.each([
    ['{"layers": []}', 'this is a JSON document'],
    ['print("hello")', 'this is a text file'],
    ['<svg:a>', 'this is a text file'],
    ['graph TD', 'this is a text file'],
  ])('%j is none', async (text, message) => expect((await errorOf(() => told(text))).message).toContain(message));

  test('a text of which the start tells nothing goes by its name, and its reader says what is wrong', async () => {
    const comment = `# ${'x'.repeat(5000)}\n`;
    expect(await told(`${comment}g () => () {}`, 'm.onnxtxt')).toBe('onnxtxt');
    const wrong = await errorOf(() => read(source('<\n irversion: 8>', 'm.onnxtxt')));
    expect(wrong.findings[0]).toMatchObject({
      code: 'E1006',
      message: expect.stringMatching(/^line 2, column 2: expected one of ir_version,/),
    });
    expect((await errorOf(() => told(Uint8Array.of(1, 2, 3), 'm.onnxtxt'))).code).toBe('E1002');
  });

  test('a name that says otherwise is a warning, and .json is no name of a format', async () => {
    expect(await detect(source('ir_version: 8', 'm.onnx'))).toMatchObject({ format: { name: 'textproto' }, findings: [{ code: 'E1014' }] });
    expect(await detect(source('{"irVersion": 8}', 'm.json'))).toMatchObject({ format: { name: 'onnxjson' }, findings: [] });
  });

  test('binary models stay binary, also those that start with a letter', async () => {
    // Opsets first: the tag is the letter B, and the length is a line feed.
    const domain = encodeBytes(onnxSchema, 'ModelProto', { opset_import: [{ domain: 'abcdefgh' }] });
    expect([...domain.subarray(0, 2)]).toEqual([66, 10]);
    expect(await told(domain)).toBe('onnx');
    expect(await told(bytesOfModel(modelOf()))).toBe('onnx');
  });
});

const model = modelOf(
  {
    initializer: [floats('w', [2, 3], [1, -0, Number.NaN, Infinity, 0.1, -1e-20])],
    node: [node('Add', ['x', 'w'], ['y'])],
    value_info: [],
  },
  { producer_name: 'é "quoted"\n', metadata_props: [{ key: 'k', value: 'v' }] },
);

describe.each<[string, Spelling]>([
  ['onnxtxt', textual],
  ['onnxjson', json],
  ['textproto', protobufText],
])('%s', (name, spelling) => {
  const textOf = async (proto = model): Promise<Uint8Array> => join((await spelling.encode(proto)).encoded);

  test('is read, written and read again as the same model', async () => {
    const { model: loaded, format } = await read(await textOf());
    expect(format.name).toBe(name);
    const { files, findings } = await write(loaded, { format: name, name: 'm' });
    expect(findings).toEqual([]);
    expect(files.map(f => f.name)).toEqual(['m']);
    expect(decodeUtf8(await join(files[0] as never))).toBe(decodeUtf8(await textOf()));
    const binary = await write((await read(await join(files[0] as never))).model, { format: 'onnx', name: 'm' });
    expect((await read(await join(binary.files[0] as never))).model.graph.initializers[0]?.tensor?.data).toEqual(
      Float32Array.of(1, -0, Number.NaN, Infinity, 0.1, -1e-20),
    );
  });

  test('keeps data in a file beside it', async () => {
    const { model: loaded } = await read(bytesOfModel(modelOf({ initializer: [floats('w', [600])] })));
    const { files } = await write(loaded, { format: name, name: 'm.txt', externalData: true });
    expect(files.map(f => [f.name, f.length > 2000])).toEqual([
      ['m.txt.data', true],
      ['m.txt', false],
    ]);
    const data = source(await join(files[0] as never), 'm.txt.data');
    const again = await read(source(await join(files[1] as never)), { open: async () => data });
    expect(again.model.graph.initializers[0]?.tensor?.origin?.field).toBe('external');
  });

  test('is checked like a binary file', async () => {
    const wrong = await textOf(modelOf({ node: [node('Relx', ['x'], ['y'])] }));
    const { findings } = await checkModel(source(wrong), { spelling });
    expect(findings).toMatchObject([{ code: 'E1301', path: 'graph.node[0].op_type' }]);
  });

  test('is bounded in depth', async () => {
    let proto = graphOf({ node: [] });
    for (let i = 0; i < 40; i++) proto = graphOf({ node: [node('If', [], [], [{ name: 'g', type: 5, g: proto }])] });
    const text = await textOf({ graph: proto });
    expect((await errorOf(() => read(text))).code).toBe('E1008');
  });

  test('is refused when cut anywhere', async () => {
    const text = await textOf();
    for (let end = 1; end < text.length - 2; end += 7) {
      const error = await errorOf(() => spelling.decode(source(text.subarray(0, end)), 100)).catch(() => undefined);
      // Text format has no end of its own: what stands before the cut may be whole.
      if (error || name !== 'textproto') expect(error?.code).toMatch(/^E(1005|1006|1110)$/);
    }
  });
});

test('what the textual syntax leaves out is a finding of writing', async () => {
  const { model: loaded } = await read(bytesOfModel(modelOf({ doc_string: 'about' })));
  const { findings } = await write(loaded, { format: 'onnxtxt', name: 'm' });
  expect(findings).toMatchObject([{ code: 'E2002', severity: 'warning', path: 'graph.doc_string' }]);
});
