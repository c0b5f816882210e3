// ONNX's textual syntax: what it says, what is refused with line and column, what it has no words for. `test/interop/text_formats.py`
// compares with the standard's own parser and printer.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unknownFields } from '../../src/codec/protobuf.ts';
import { decodeUtf8 } from '../../src/codec/utf8.ts';
import type { AttributeProto, GraphProto, ModelProto, TypeProto } from '../../src/formats/onnx/proto.gen.ts';
import { parseModelText } from '../../src/formats/onnx/text/parse.ts';
import { printModelText } from '../../src/formats/onnx/text/print.ts';
import { elementWords } from '../../src/formats/onnx/text/words.ts';
import { errorOf, graphOf, info, join, modelOf, node } from './onnx-messages.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Without offsets, and without what is absent or an empty list. */
function plain<T>(value: T): T {
  if (Array.isArray(value)) return value.map(plain) as T;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && !(Array.isArray(item) && item.length === 0));
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)])) as T;
}

const parse = (text: string): ModelProto => plain(parseModelText(bytes(text), 'f', 100));
const graph = (text: string): GraphProto => parse(text).graph!;
const print = async (model: ModelProto): Promise<string> => decodeUtf8(await join((await printModelText(model)).encoded));
const attributesOf = (text: string): AttributeProto[] => graph(`g () => () { = Op <${text}> () }`).node![0]!.attribute!;
const typeOf = (text: string): TypeProto => graph(`g (${text} x) => () {}`).input![0]!.type!;
const float = { elem_type: 1, shape: {} };

describe('what a text says', () => {
  test('a header, in any order, and a graph', () => {
    const text = `
      # a model
      < opset_import: ["": 21, "my.domain" : 2], ir_version: 10, producer_name: "me \\"and\\" \\\\", producer_version: "",
        domain: "d", model_version: -9223372036854775808, doc_string: "two
lines", metadata_props: ["a": "b", "" : "c"] >
      "a graph" (float[2] x, int64 "y z") => (float[2] o) { o = Relu(x) }`;
    expect(parse(text)).toEqual({
      ir_version: 10,
      opset_import: [
        { domain: '', version: 21 },
        { domain: 'my.domain', version: 2 },
      ],
      producer_name: 'me "and" \\',
      producer_version: '',
      domain: 'd',
      model_version: -9223372036854775808n,
      doc_string: 'two\nlines',
      metadata_props: [
        { key: 'a', value: 'b' },
        { key: '', value: 'c' },
      ],
      graph: {
        name: 'a graph',
        input: [
          { name: 'x', type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_value: 2 }] } } } },
          { name: 'y z', type: { tensor_type: { elem_type: 7, shape: {} } } },
        ],
        output: [{ name: 'o', type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_value: 2 }] } } } }],
        node: [{ op_type: 'Relu', domain: '', input: ['x'], output: ['o'] }],
      },
    });
  });

  test.each<[string, TypeProto]>([
    ['float', { tensor_type: float }],
    ['float[]', { tensor_type: { elem_type: 1 } }],
    [
      'float8e4m3fnuz[N, "a b", ?, 3, -1]',
      {
        tensor_type: { elem_type: 18, shape: { dim: [{ dim_param: 'N' }, { dim_param: 'a b' }, {}, { dim_value: 3 }, { dim_value: -1 }] } },
      },
    ],
    ['seq(optional(float))', { sequence_type: { elem_type: { optional_type: { elem_type: { tensor_type: float } } } } }],
    [
      'map ( int64 , seq(string[]) )',
      { map_type: { key_type: 7, value_type: { sequence_type: { elem_type: { tensor_type: { elem_type: 8 } } } } } },
    ],
    ['sparse_tensor(double[2])', { sparse_tensor_type: { elem_type: 11, shape: { dim: [{ dim_value: 2 }] } } }],
    ['opaque()', { opaque_type: {} }],
    ['opaque(a.b)', { opaque_type: { name: 'a.b' } }],
    ['opaque(a.b, c)', { opaque_type: { domain: 'a.b', name: 'c' } }],
  ])('the type %s', async (text, type) => {
    expect(typeOf(text)).toEqual(type);
    const written = await print(modelOf({ input: [{ name: 'x', type }] }));
    expect(parse(written).graph?.input?.[0]?.type).toEqual(type);
  });

  test('initializers with elements or with a place, defaults of inputs, and values in between', () => {
    const text = `g (float[2] x = {1, -inf}, y) => ()
      <int64[1] i = {-9223372036854775808}, uint64 u = {18446744073709551615}, string[2] s = {"a\\"", ""}, float[0] e = {},
       double[1] d = {1e308}, bool[2] b = {1, 0}, float[4] out = ["location": "w.bin", "offset": "0"], float[2] between, untyped> {}`;
    const { initializer, value_info, input } = graph(text);
    expect(initializer).toEqual([
      { name: 'x', data_type: 1, dims: [2], float_data: Float32Array.of(1, -Infinity) },
      { name: 'i', data_type: 7, dims: [1], int64_data: BigInt64Array.of(-(2n ** 63n)) },
      { name: 'u', data_type: 13, uint64_data: BigUint64Array.of(2n ** 64n - 1n) },
      { name: 's', data_type: 8, dims: [2], string_data: [bytes('a"'), bytes('')] },
      { name: 'e', data_type: 1, dims: [0] },
      { name: 'd', data_type: 11, dims: [1], double_data: Float64Array.of(1e308) },
      { name: 'b', data_type: 9, dims: [2], int32_data: Int32Array.of(1, 0) },
      {
        name: 'out',
        data_type: 1,
        dims: [4],
        data_location: 1,
        external_data: [
          { key: 'location', value: 'w.bin' },
          { key: 'offset', value: '0' },
        ],
      },
    ]);
    expect(value_info?.map(v => v.name)).toEqual(['between', 'untyped']);
    expect(input?.map(v => v.name)).toEqual(['x', 'y']);
  });

  test('nodes with labels, domains, overloads, and names left out', () => {
    const text = `g () => () {
      [first] a, "" = my.own.Op:v2 (x, , "b c",)
      ["a label"] = Op ("")
      [] = Op <k = 1> ()
      = Op (,) <k = 1>
    }`;
    expect(graph(text).node).toEqual([
      { name: 'first', output: ['a', ''], domain: 'my.own', op_type: 'Op', overload: 'v2', input: ['x', '', 'b c'] },
      { name: 'a label', domain: '', op_type: 'Op', input: [''] },
      { name: '', domain: '', op_type: 'Op', attribute: [{ name: 'k', type: 2, i: 1 }] },
      { domain: '', op_type: 'Op', input: [''], attribute: [{ name: 'k', type: 2, i: 1 }] },
    ]);
  });

  test.each<[string, AttributeProto]>([
    ['a = 1', { type: 2, i: 1 }],
    ['a = -9223372036854775808', { type: 2, i: -9223372036854775808n }],
    ['a = 1.', { type: 1, f: 1 }],
    ['a: float = 1', { type: 1, f: 1 }],
    ['a: float = -0', { type: 1, f: -0 }],
    ['a = -Infinity', { type: 1, f: -Infinity }],
    ['a = NaN', { type: 1, f: Number.NaN }],
    ['a = "x\\n"', { type: 3, s: bytes('xn') }],
    ['a = [1, 2]', { type: 7, ints: [1, 2] }],
    ['a: floats = [1, 2.5, inf]', { type: 6, floats: [1, 2.5, Infinity] }],
    ['a = ["x", ""]', { type: 8, strings: [bytes('x'), bytes('')] }],
    ['a: strings = []', { type: 8 }],
    ['a = @b', { ref_attr_name: 'b' }],
    ['a: ints = @"b c"', { type: 7, ref_attr_name: 'b c' }],
    ['a = float[2] {1, 2}', { type: 4, t: { name: '', data_type: 1, dims: [2], float_data: Float32Array.of(1, 2) } }],
    ['a = float named = {1}', { type: 4, t: { name: 'named', data_type: 1, float_data: Float32Array.of(1) } }],
    ['a = float "a name" {1}', { type: 4, t: { name: 'a name', data_type: 1, float_data: Float32Array.of(1) } }],
    ['a: tensors = [int8 {1}]', { type: 9, tensors: [{ name: '', data_type: 3, int32_data: Int32Array.of(1) }] }],
    ['a = float', { type: 13, tp: { tensor_type: float } }],
    [
      'a = [float, seq(float)]',
      { type: 14, type_protos: [{ tensor_type: float }, { sequence_type: { elem_type: { tensor_type: float } } }] },
    ],
    ['a = then () => () {}', { type: 5, g: { name: 'then' } }],
    ['a = "a graph" () => () {}', { type: 5, g: { name: 'a graph' } }],
    ['a = inf () => () {}', { type: 5, g: { name: 'inf' } }],
    ['a: graphs = [b () => () {}, c () => () {}]', { type: 10, graphs: [{ name: 'b' }, { name: 'c' }] }],
  ])('the attribute %s', (text, value) => expect(attributesOf(text)).toEqual([{ name: 'a', ...value }]));

  test('functions', () => {
    const text = `g () => () {}
      <domain: "d", overload: "o", opset_import: ["" : 21], doc_string: "doc">
      f <a, "b c", d: int = 3, e = @a> (x, float[2] y) => (z) <float z> { z = Op <k: int = @a> (x, y) }
      h () => () {}`;
    expect(parse(text).functions).toEqual([
      {
        domain: 'd',
        overload: 'o',
        opset_import: [{ domain: '', version: 21 }],
        doc_string: 'doc',
        name: 'f',
        attribute: ['a', 'b c'],
        attribute_proto: [
          { name: 'd', type: 2, i: 3 },
          { name: 'e', ref_attr_name: 'a' },
        ],
        input: ['x', 'y'],
        output: ['z'],
        value_info: [
          { name: 'y', type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_value: 2 }] } } } },
          { name: 'z', type: { tensor_type: float } },
        ],
        node: [{ op_type: 'Op', domain: '', input: ['x', 'y'], output: ['z'], attribute: [{ name: 'k', type: 2, ref_attr_name: 'a' }] }],
      },
      { name: 'h' },
    ]);
  });
});

describe('what is refused, with line and column', () => {
  const inGraph = (text: string): string => `g () => () {\n= Op <a${text}> () }`;
  test.each<[string, string, string]>([
    ['', 'E1005', 'line 1, column 1: expected a graph, found the end of the text'],
    ['<ir_version: 8', 'E1005', "line 1, column 15: expected '>', found the end of the text"],
    [
      '<version: 8>',
      'E1006',
      'line 1, column 2: expected one of ir_version, opset_import, producer_name, producer_version, domain, model_version, doc_string, metadata_props, found "version"',
    ],
    [
      '<toString: 8>',
      'E1006',
      'line 1, column 2: expected one of ir_version, opset_import, producer_name, producer_version, domain, model_version, doc_string, metadata_props, found "toString"',
    ],
    ['<ir_version: 8, ir_version: 8>', 'E1010', 'line 1, column 17: ir_version occurs twice'],
    ['<ir_version: 8.5>', 'E1006', 'line 1, column 14: expected an integer, found 8.5'],
    ['<ir_version: 9223372036854775808>', 'E1006', 'line 1, column 14: 9223372036854775808 exceeds int64'],
    ['<domain: "é', 'E1005', 'line 1, column 10: a string has no closing quote'],
    ['g\n(floaty[2] x) => () {}', 'E1006', 'line 2, column 8: expected \')\', found "["'],
    ['g (float[1.5] x) => () {}', 'E1006', 'line 1, column 10: expected an integer, found 1.5'],
    ['g (float[2 x) => () {}', 'E1006', 'line 1, column 12: expected \']\', found "x"'],
    ['g (seq(2) x) => () {}', 'E1006', 'line 1, column 8: expected a type, found "2"'],
    ['g (map(seq, int64) x) => () {}', 'E1006', 'line 1, column 8: expected an element type, found "seq"'],
    ['g () = > () {}', 'E1006', 'line 1, column 6: expected \'=>\', found "="'],
    ['g (x = {1}) => () {}', 'E1006', 'line 1, column 4: a tensor needs a type'],
    ['g (float[] x = {1}) => () {}', 'E1006', 'line 1, column 4: a tensor needs a type with sizes, such as float[2,3]'],
    ['g (float[N] x = {1}) => () {}', 'E1006', 'line 1, column 4: the sizes of a tensor have to be numbers'],
    ['g (float x = {1 2}) => () {}', 'E1006', "line 1, column 17: expected ',' or '}', found \"2\""],
    ['g (float x = {"1"}) => () {}', 'E1006', 'line 1, column 15: expected a number, found "\\""'],
    ['g (float x = {1.2.3}) => () {}', 'E1006', 'line 1, column 15: "1.2.3" is no number'],
    ['g (float x = {1e400}) => () {}', 'E1006', 'line 1, column 15: 1e400 exceeds float'],
    ['g (float x = {3.5e38}) => () {}', 'E1006', 'line 1, column 15: 3.5e38 exceeds float'],
    ['g (double x = {1e400}) => () {}', 'E1006', 'line 1, column 16: 1e400 exceeds double'],
    ['g (int8 x = {2147483648}) => () {}', 'E1006', 'line 1, column 14: 2147483648 exceeds int32'],
    ['g (uint32 x = {-1}) => () {}', 'E1006', 'line 1, column 16: -1 exceeds uint64'],
    ['g (string x = {1}) => () {}', 'E1006', 'line 1, column 16: expected a string in quotes, found "1"'],
    ['g (float x = ["a"]) => () {}', 'E1006', 'line 1, column 18: expected \':\', found "]"'],
    ['g () => () { a = }', 'E1006', 'line 1, column 18: expected an operator, found "}"'],
    ['g () => () { a = d. (x) }', 'E1006', 'line 1, column 21: expected a name after the point, found "("'],
    ['g () => () { a = Op (x }', 'E1006', 'line 1, column 24: expected \')\', found "}"'],
    ['g () => () { a = Op (x)', 'E1005', "line 1, column 24: expected '=', found the end of the text"],
    ['g () => () {} g', 'E1005', "line 1, column 16: expected '(', found the end of the text"],
    [inGraph(''), 'E1006', 'line 2, column 8: expected \'=\', found ">"'],
    [inGraph(': integer = 1'), 'E1006', 'line 2, column 10: expected the type of an attribute, found "integer"'],
    [inGraph(': int = 1.5'), 'E1006', 'line 2, column 16: expected int, found float'],
    [inGraph(': float = "1"'), 'E1006', 'line 2, column 18: expected float, found string'],
    [inGraph(': ints = 1'), 'E1006', 'line 2, column 17: expected ints, found int'],
    [inGraph(': int = [1]'), 'E1006', 'line 2, column 7: expected int, found a list'],
    [inGraph(': int = []'), 'E1006', 'line 2, column 7: expected int, found a list'],
    [inGraph(' = []'), 'E1006', 'line 2, column 7: an empty list needs a type, such as `: ints`'],
    [inGraph(' = [1, 2.5]'), 'E1006', 'line 2, column 15: expected int, found float'],
    [inGraph(' = [@b]'), 'E1006', 'line 2, column 7: a list cannot hold references to attributes'],
    [inGraph(' = 1e400'), 'E1006', 'line 2, column 11: 1e400 exceeds float'],
    [inGraph(' = 1e'), 'E1006', 'line 2, column 11: "1e" is no number'],
    [inGraph(' = -x'), 'E1006', 'line 2, column 11: "-x" is no number'],
    [inGraph(' = 9223372036854775808'), 'E1006', 'line 2, column 11: 9223372036854775808 exceeds int64'],
    [inGraph(' = float[2]{1'), 'E1006', "line 2, column 21: expected ',' or '}', found \">\""],
    [inGraph(' = '), 'E1006', 'line 2, column 11: expected the value of an attribute, found ">"'],
  ])('%j', async (text, code, message) => {
    expect((await errorOf(() => parse(text))).findings[0]).toMatchObject({ code, message, file: 'f' });
  });

  test('nesting, however deep', async () => {
    expect(typeOf(`${'seq('.repeat(49)}float${')'.repeat(49)}`)).toBeTruthy();
    const error = await errorOf(() => parse(`g (\n${'seq('.repeat(1e6)}`));
    expect(error).toMatchObject({ code: 'E1008', message: 'line 2, column 201: nesting deeper than 100 messages' });
    const nested = (depth: number): string => `g ${'() => () { = Op <a = g '.repeat(depth)}() => () {}${'> () }'.repeat(depth)}`;
    expect(parse(nested(33))).toBeTruthy();
    expect((await errorOf(() => parse(nested(34)))).code).toBe('E1008');
    expect((await errorOf(() => parse(`g ${'('.repeat(1e6)}`))).message).toBe('line 1, column 4: expected a name, found "("');
  });

  test('numbers and strings without end, at once', async () => {
    const long = await errorOf(() => parse(`g (float x = {${'1'.repeat(1e6)}}) => () {}`));
    expect(long.message).toBe('line 1, column 15: a number of 1000000 characters, at most 1000 are read');
    expect((await errorOf(() => parse(`g () => () { = Op <a = "${'\\"'.repeat(1e6)}`))).code).toBe('E1005');
    expect(parse(`${'#\n'.repeat(1e6)}g () => () {}`).graph).toEqual({ name: 'g' });
  });
});

describe('what is written', () => {
  test('reads back the same', async () => {
    const text = [
      '<',
      '  ir_version: 10,',
      '  opset_import: ["" : 21],',
      '  producer_name: "me \\"and\\" \\\\"',
      '>',
      'g (float[N,3] x, "float", int64 "a b") => (seq(float) y) <',
      '  float[2] w = {0.1, -0},',
      '  float[4] out = ["location": "w.bin"],',
      '  float[?] between',
      '> {',
      '  [n] a, "" = my.Op:v <i: int = 1, f: float = 1, fs: floats = [1.5, nan], e: strings = [], r: ints = @p, t: tensor = int8[1] = {-1}> (x, "", w)',
      '  y = If (a) <then_branch: graph = t () => (float o) {',
      '    o = Op ()',
      '  }>',
      '  [""] = Op ()',
      '}',
      '',
      '<',
      '  domain: "my",',
      '  overload: "v",',
      '  opset_import: ["" : 21],',
      '  doc_string: "doc"',
      '>',
      'Op <p, q: int = 3> (x, "seq", z) => (a) <float a, "int8"> {',
      '  a = Relu (x)',
      '}',
      '',
    ].join('\n');
    expect(await print(parse(text))).toBe(text);
  });

  test('elements of raw data in the entries of their field', async () => {
    const raw = (data_type: number, dims: number[], ...data: number[]) => ({ name: 't', data_type, dims, raw_data: Uint8Array.from(data) });
    const initializer = [
      raw(10, [2], 0, 60, 255, 255),
      raw(22, [3], 0x21, 0x0f),
      raw(14, [1], 0, 0, 128, 63, 0, 0, 0, 192),
      raw(2, [0]),
      raw(9, [2], 1, 0),
    ];
    const text = await print(modelOf({ initializer }));
    expect(text.match(/= \{.*\}/g)).toEqual(['= {15360, 65535}', '= {33, 15}', '= {1, -2}', '= {}', '= {1, 0}']);
    expect(text).toContain('complex64[1] t');
  });

  test('every element type has a word that is read', async () => {
    for (const [word, elem_type] of elementWords) expect(typeOf(`${word}[1]`).tensor_type?.elem_type).toBe(elem_type);
    expect(elementWords.size).toBe(28);
  });

  test('names that count for nothing become identifiers, with a warning', async () => {
    const t = (name: string): AttributeProto => ({ name: 'v', type: 4, t: { name, data_type: 1, float_data: Float32Array.of(1) } });
    const g: AttributeProto = { name: 'b', type: 5, g: { name: 'nan' } };
    const model = modelOf({ node: [node('Op', [], [], [t('/a.b/c'), g]), node('Op', [], [], [t('9')]), node('Op', [], [], [t('float')])] });
    const { findings, encoded } = await printModelText(model);
    expect(decodeUtf8(await join(encoded)).match(/float \w+ = \{1\}|graph = \w+/g)).toEqual([
      'float _a_b_c = {1}',
      'graph = nan_',
      'float _9 = {1}',
      'float float_ = {1}',
    ]);
    expect(findings).toMatchObject([
      {
        code: 'E2002',
        severity: 'warning',
        message: 'names of tensors in attributes have to be identifiers and are written as such, 3 times, such as "/a.b/c" as _a_b_c',
        path: 'graph.node[0].attribute[0].t',
      },
      { message: 'names of graphs in attributes have to be identifiers and are written as such, once, such as "nan" as nan_' },
    ]);
  });

  test('descriptions without a place are left out, with a warning for each kind', async () => {
    const described = { doc_string: 'd', metadata_props: [{ key: 'k', value: 'v' }] };
    const model = modelOf({
      ...described,
      input: [{ ...info('x'), ...described }],
      node: [
        { ...node('Relu', ['x'], ['y']), ...described },
        { ...node('Relu', ['x'], ['z']), doc_string: 'd' },
      ],
      quantization_annotation: [{ tensor_name: 'x' }],
    });
    const { findings } = await printModelText(model);
    expect(findings.map(f => `${f.severity} ${f.message} ${f.path}`)).toEqual([
      'warning the textual syntax has no words for doc_string of GraphProto, left out once graph.doc_string',
      'warning the textual syntax has no words for metadata_props of GraphProto, left out once graph.metadata_props',
      'warning the textual syntax has no words for quantization_annotation of GraphProto, left out once graph.quantization_annotation',
      'warning the textual syntax has no words for doc_string of NodeProto, left out 2 times graph.node[0].doc_string',
      'warning the textual syntax has no words for metadata_props of NodeProto, left out once graph.node[0].metadata_props',
      'warning the textual syntax has no words for doc_string of ValueInfoProto, left out once graph.input[0].doc_string',
      'warning the textual syntax has no words for metadata_props of ValueInfoProto, left out once graph.input[0].metadata_props',
    ]);
  });

  test('what computes and has no words is refused, all at once', async () => {
    const values = { name: 's', data_type: 1, dims: [1], float_data: Float32Array.of(1) };
    const sparse = { values, indices: { data_type: 7, dims: [1], int64_data: BigInt64Array.of(0n) }, dims: [2] };
    const bad = modelOf(
      {
        sparse_initializer: [sparse],
        input: [info('x'), { name: 'q', type: { sequence_type: {} } }, { name: 'u', type: { tensor_type: {} } }, { name: '\udcff' }],
        node: [
          { op_type: 'a b', domain: 'd' },
          node('Op', [], [], [{ name: 'k k', type: 2 }]),
          node('Op', [], [], [{ name: 'k', type: 11, sparse_tensor: sparse }]),
          node('Op', [], [], [{ name: 'k', type: 3, s: Uint8Array.of(255) }]),
          node('Op', [], [], [{ name: 'k', type: 4 }]),
          node('Op', [], [], [{ name: 'k' }]),
          { ...node('Op', [], []), [unknownFields]: [Uint8Array.of(0xf8, 0x7f, 1)] },
        ],
      },
      { training_info: [{}] },
    );
    const error = await errorOf(() => printModelText(bad));
    expect(error.findings.map(f => `${f.code} ${f.message} ${f.path}`)).toEqual([
      'E2002 the textual syntax has no words for training_info training_info',
      'E2002 the textual syntax has no words for sparse_initializer graph.sparse_initializer',
      'E2002 the textual syntax has no words for sparse_tensor graph.node[2].attribute[0].sparse_tensor',
      'E2002 the textual syntax cannot say fields that the schema does not have graph.node[6]',
      'E1110 the name is not valid UTF-8, which the textual syntax cannot say graph.input[3]',
      'E2002 the textual syntax cannot say a type without its element graph.input[1].type',
      'E2002 the textual syntax has no word for the element type 0 graph.input[2].type',
      'E2002 the textual syntax cannot say the operator "d.a b", which is not made of identifiers graph.node[0]',
      'E2002 the textual syntax cannot say the attribute "k k", which is no identifier graph.node[1].attribute[0]',
      'E2002 the textual syntax cannot say an attribute of this type graph.node[2].attribute[0]',
      'E2002 the textual syntax cannot say bytes that are no UTF-8 graph.node[3].attribute[0]',
      'E2002 the textual syntax cannot say an attribute without its value graph.node[4].attribute[0]',
      'E2002 the textual syntax cannot say an attribute of this type graph.node[5].attribute[0]',
    ]);
  });
});

test('any name, string and number comes back the same', async () => {
  const names = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('float', 'seq', 'inf', 'a', '', '"', '\\'));
  const any = fc.record({
    name: names,
    f: fc.float(),
    floats: fc.array(fc.float()),
    i: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    s: fc.string({ unit: 'binary' }),
  });
  await fc.assert(
    fc.asyncProperty(any, async ({ name, f, floats, i, s }) => {
      const attribute: AttributeProto[] = [
        { name: 'f', type: 1, f },
        { name: 'fs', type: 6, floats },
        { name: 'i', type: 2, i: Number.isSafeInteger(Number(i)) ? Number(i) : i },
        { name: 's', type: 3, s: bytes(s) },
      ];
      const sent = graphOf({
        name,
        input: [{ name }],
        output: [info('y', [name])],
        value_info: [{ name }],
        initializer: [{ name, data_type: 1, dims: [floats.length], float_data: Float32Array.from(floats) }],
        node: [{ name, op_type: 'Op', domain: '', input: [name], output: [name], attribute }],
      });
      const back = parse(await print({ graph: sent })).graph!;
      const [tensor] = sent.initializer!;
      expect(back).toEqual(plain({ ...sent, initializer: [floats.length > 0 ? tensor : { ...tensor, float_data: undefined }] }));
    }),
    { numRuns: 200 },
  );
});

test('any text is a model or an error', async () => {
  const words = fc.constantFrom(
    'g',
    '(',
    ')',
    '=',
    '=>',
    '{',
    '}',
    '<',
    '>',
    '[',
    ']',
    ',',
    ':',
    '.',
    '@',
    '?',
    '"',
    '\\',
    '\n',
    '#',
    '-',
    '1',
    '1.5',
    'inf',
    'float',
    'seq',
    'domain',
    ' ',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 30 }), fc.boolean(), async (parts, inside) => {
      const text = inside ? `g () => () { x = Op <a ${parts.join('')}> () }` : parts.join('');
      const result = await Promise.resolve()
        .then(() => parse(text))
        .catch(error => error);
      expect(result.code ?? 'fine').toMatch(/^(fine|E10(05|06|10))$/);
    }),
    { numRuns: 3000 },
  );
});
