// Protobuf's JSON form: every way to say a value, what is refused with which words, and that nothing is lost.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64, encodeBase64 } from '../../src/codec/base64.ts';
import { type Encoded, type Schema, unknownFields } from '../../src/codec/protobuf.ts';
import { jsonMessage, jsonName, parseJsonMessage } from '../../src/codec/protobuf-json.ts';
import { printJsonMessage } from '../../src/codec/protobuf-json-print.ts';
import { decodeUtf8 } from '../../src/codec/utf8.ts';
import { onnxSchema } from '../../src/formats/onnx/proto.gen.ts';
import { anyMessage } from './any-message.ts';
import { errorOf, join } from './onnx-messages.ts';

const schema: Schema = {
  M: [
    [1, 'i', 'int32', 'optional'],
    [2, 'big_one', 'uint64', 'optional'],
    [3, 'l', 'int64', 'repeated'],
    [4, 'f', 'float', 'optional'],
    [5, 'd', 'double', 'repeated'],
    [6, 'b', 'bool', 'repeated'],
    [7, 's', 'string', 'optional'],
    [8, 'raw_data', 'bytes', 'repeated'],
    [9, 'e', 'enum', 'repeated', { NONE: 0, SOME: 1 }],
    [10, 'm', 'M', 'optional'],
    [11, 'all', 'M', 'repeated'],
    [12, 'p', 'int64', 'packed'],
    [13, 'named', 'M.named_entry', 'repeated'],
    [14, 'numbered', 'M.numbered_entry', 'repeated'],
  ],
  'M.named_entry': [
    [1, 'key', 'string', 'optional'],
    [2, 'value', 'M', 'optional'],
  ],
  'M.numbered_entry': [
    [1, 'key', 'uint32', 'optional'],
    [2, 'value', 'string', 'optional'],
  ],
};

const parse = (text: string, depth?: number): unknown =>
  parseJsonMessage(schema, 'M', new TextEncoder().encode(text), { file: 'f', depth });
const known = (message: unknown): object => Object.fromEntries(Object.entries(message as object));
const textOf = async (encoded: Promise<Encoded>): Promise<string> => decodeUtf8(await join(await encoded));
const rows = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('what a text says', () => {
  test.each<[string, object]>([
    ['{}', {}],
    ['{"i": null, "l": null, "m": null}', {}],
    ['{"bigOne": "18446744073709551615"}', { big_one: 18446744073709551615n }],
    ['{"big_one": 18446744073709551615}', { big_one: 18446744073709551615n }],
    ['{"l": [1, "-2", 3.0, 1e3, "-9223372036854775808"]}', { l: [1, -2, 3, 1000, -9223372036854775808n] }],
    ['{"i": "7"}', { i: 7 }],
    ['{"f": 0.1}', { f: Math.fround(0.1) }],
    ['{"f": 16777217}', { f: 16777216 }],
    ['{"d": ["NaN", "Infinity", "-Infinity", "1.5", 9007199254740993, -0]}', { d: [Number.NaN, Infinity, -Infinity, 1.5, 2 ** 53, -0] }],
    ['{"b": [true, false]}', { b: [true, false] }],
    ['{"s": "\\u00e9\\ud83d\\ude00"}', { s: 'é😀' }],
    [
      '{"rawData": ["", "AP8=", "AP8", "__-_", "//+/"]}',
      { raw_data: [rows(), rows(0, 255), rows(0, 255), rows(255, 255, 191), rows(255, 255, 191)] },
    ],
    ['{"e": ["SOME", 0, 5, "1"]}', { e: [1, 0, 5, 1] }],
    ['{"m": {"i": 1}, "all": [{}, {"i": 2}]}', { m: { i: 1 }, all: [{}, { i: 2 }] }],
    ['{"p": [1, "2"]}', { p: BigInt64Array.of(1n, 2n) }],
    ['{"all": []}', {}],
    [
      '{"named": {"a": {"i": 1}, "__proto__": {}}}',
      {
        named: [
          { key: 'a', value: { i: 1 } },
          { key: '__proto__', value: {} },
        ],
      },
    ],
    ['{"numbered": {"7": "x"}}', { numbered: [{ key: 7, value: 'x' }] }],
  ])('%s', (text, message) => expect(known(parse(text))).toEqual(message));

  test('what later versions say, and bytes in lists, where both are asked for', () => {
    const read = (json: object): unknown => jsonMessage(schema, 'M', json as never, { path: 'p', skipUnknown: true, listsOfBytes: true });
    expect(known(read({ i: 1, later: {}, e: ['SOME', 'LATER'], rawData: [[1, 255]] }))).toEqual({ i: 1, e: [1], raw_data: [rows(1, 255)] });
    expect(() => read({ named: { a: { rawData: [[256]] } } })).toThrow(
      expect.objectContaining({ code: 'E1006', findings: [expect.objectContaining({ path: 'p.named.a.raw_data[0]' })] }),
    );
  });

  test('names in JSON', () => {
    expect(['a_b', 'float_data', 's', '_x', 'a__b', 'a_1', 'end_'].map(jsonName)).toEqual(['aB', 'floatData', 's', 'X', 'aB', 'a1', 'end']);
  });
});

describe('what is refused, with its path', () => {
  test.each<[string, string, string, string | undefined]>([
    ['[]', 'E1006', 'expected a JSON object, found an array', undefined],
    ['{"x": 1}', 'E1006', 'M has no field "x"', 'x'],
    ['{"all": [{}, {"m": {"__proto__": 1}}]}', 'E1006', 'M has no field "__proto__"', 'all[1].m.__proto__'],
    ['{"bigOne": 1, "big_one": 1}', 'E1010', 'the field big_one occurs twice', 'big_one'],
    ['{"i": 1, "i": 2}', 'E1010', 'JSON object has the key "i" twice', undefined],
    ['{"i": 1.5}', 'E1006', 'expected an integer, found 1.5', 'i'],
    ['{"i": "1.0"}', 'E1006', 'expected an integer, found "1.0"', 'i'],
    ['{"i": true}', 'E1006', 'expected an integer, found true', 'i'],
    ['{"i": 2147483648}', 'E1006', '2147483648 exceeds int32', 'i'],
    ['{"big_one": -1}', 'E1006', '-1 exceeds uint64', 'big_one'],
    ['{"l": 1}', 'E1006', 'expected an array, found 1', 'l'],
    ['{"l": [null]}', 'E1006', 'expected an integer, found null', 'l[0]'],
    ['{"f": 1e39}', 'E1006', '1e+39 exceeds float', 'f'],
    ['{"f": "1e400"}', 'E1006', '"1e400" exceeds float', 'f'],
    ['{"d": [1e400]}', 'E1006', 'JSON number 1e400 exceeds float64', undefined],
    ['{"d": ["nan"]}', 'E1006', 'expected a number, found "nan"', 'd[0]'],
    ['{"d": [NaN]}', 'E1006', 'JSON text: expected a JSON value, found "N"', undefined],
    ['{"b": ["true"]}', 'E1006', 'expected true or false, found "true"', 'b[0]'],
    ['{"b": [1]}', 'E1006', 'expected true or false, found 1', 'b[0]'],
    ['{"s": 1}', 'E1006', 'expected a string, found 1', 's'],
    ['{"s": "\\udc80"}', 'E1110', 'the text holds half of a surrogate pair, which no UTF-8 can say', 's'],
    ['{"rawData": ["A"]}', 'E1006', 'expected base64 in a string, found "A"', 'raw_data[0]'],
    ['{"rawData": ["A*=="]}', 'E1006', 'expected base64 in a string, found "A*=="', 'raw_data[0]'],
    ['{"rawData": ["AP8=="]}', 'E1006', 'expected base64 in a string, found "AP8=="', 'raw_data[0]'],
    ['{"e": ["MANY"]}', 'E1006', 'e has no value "MANY"', 'e[0]'],
    ['{"e": ["constructor"]}', 'E1006', 'e has no value "constructor"', 'e[0]'],
    ['{"m": [{}]}', 'E1006', 'expected an object, found an array', 'm'],
    ['{"i": 1', 'E1005', "JSON text: expected ',' or '}', found the end of the text", undefined],
  ])('%s', async (text, code, message, path) => {
    const [finding] = (await errorOf(() => parse(text))).findings;
    expect(finding).toMatchObject({ code, message, file: 'f' });
    expect(finding?.path).toBe(path);
  });

  test('nesting, however deep', async () => {
    const nested = (depth: number): string => `${'{"m":'.repeat(depth)}{}${'}'.repeat(depth)}`;
    expect(parse(nested(100))).toBeTruthy();
    const error = await errorOf(() => parse(nested(101)));
    expect(error).toMatchObject({ code: 'E1008', message: 'messages nested deeper than 100' });
    expect(error.findings[0]?.path).toMatch(/^m(\.m){100}$/);
    expect((await errorOf(() => parse('{"m":'.repeat(1e6)))).code).toBe('E1008');
    expect((await errorOf(() => parse(`{"l": ${'['.repeat(1e6)}`))).code).toBe('E1008');
    expect(parse(`${'{"all":['.repeat(50)}${']}'.repeat(50)}`, 50)).toBeTruthy();
  });
});

describe('what is written', () => {
  test('names in JSON, wide integers and contents as strings', async () => {
    const message = {
      i: -1,
      big_one: 2n ** 60n,
      l: [1, 2],
      f: Math.fround(0.1),
      d: [Number.NaN, -Infinity, Infinity, -0, 1.5],
      b: [],
      s: '"\n\u2028é',
      raw_data: [rows(0, 255), rows()],
      e: [1, 7],
      m: {},
      all: [{ i: 1 }, {}],
      p: BigInt64Array.of(5n),
    };
    const lines = [
      '{',
      '  "i": -1,',
      '  "bigOne": "1152921504606846976",',
      '  "l": ["1", "2"],',
      '  "f": 0.1,',
      '  "d": ["NaN", "-Infinity", "Infinity", -0, 1.5],',
      '  "s": "\\"\\n\u2028é",',
      '  "rawData": [',
      '    "AP8=",',
      '    ""',
      '  ],',
      '  "e": ["SOME", 7],',
      '  "m": {},',
      '  "all": [',
      '    {',
      '      "i": 1',
      '    },',
      '    {}',
      '  ],',
      '  "p": ["5"]',
      '}',
      '',
    ];
    expect(await textOf(printJsonMessage(schema, 'M', message))).toBe(lines.join('\n'));
  });

  test('refused: what JSON cannot say', async () => {
    await expect(printJsonMessage(schema, 'M', { m: { s: 'a\udcff' } })).rejects.toMatchObject({
      code: 'E1110',
      findings: [{ path: 'm.s' }],
    });
    const message = { all: [{ [unknownFields]: [rows(0xf8, 0x7f, 1)] }] };
    await expect(printJsonMessage(schema, 'M', message)).rejects.toMatchObject({ code: 'E2002', findings: [{ path: 'all[0]' }] });
  });
});

test('any message comes back the same', async () => {
  await fc.assert(
    fc.asyncProperty(anyMessage('ModelProto', 3, { unknown: false, invalid: false }), async sent => {
      const text = await join(await printJsonMessage(onnxSchema, 'ModelProto', sent));
      expect(known(parseJsonMessage(onnxSchema, 'ModelProto', text))).toEqual(sent);
    }),
    { numRuns: 60 },
  );
});

test('base64 is that of the platform', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      const text = [...encodeBase64(bytes)].join('');
      expect(text).toBe(Buffer.from(bytes).toString('base64'));
      expect(decodeBase64(text)).toEqual(bytes);
      expect(decodeBase64(Buffer.from(bytes).toString('base64url'))).toEqual(bytes);
    }),
  );
  const long = Uint8Array.from({ length: 60000 }, (_, i) => i * 7);
  expect([...encodeBase64(long)].join('')).toBe(Buffer.from(long).toString('base64'));
});
