// Protobuf's text format: every literal of its specification, what is refused with which words, and that nothing is lost.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { at, type Encoded, type Schema, unknownFields } from '../../src/codec/protobuf.ts';
import { type ParseOptions, parseText } from '../../src/codec/protobuf-text.ts';
import { printText } from '../../src/codec/protobuf-text-print.ts';
import { decodeUtf8 } from '../../src/codec/utf8.ts';
import { ModelError } from '../../src/errors.ts';
import { onnxSchema } from '../../src/formats/onnx/proto.gen.ts';
import { anyMessage, type Plain } from './any-message.ts';
import { join } from './onnx-messages.ts';

const schema: Schema = {
  M: [
    [1, 'i', 'int32', 'optional'],
    [2, 'u', 'uint64', 'optional'],
    [3, 'l', 'int64', 'repeated'],
    [4, 'f', 'float', 'optional'],
    [5, 'd', 'double', 'repeated'],
    [6, 'b', 'bool', 'repeated'],
    [7, 's', 'string', 'optional'],
    [8, 'raw', 'bytes', 'repeated'],
    [9, 'e', 'enum', 'repeated', { NONE: 0, SOME: 1, inf: 2 }],
    [10, 'm', 'M', 'optional'],
    [11, 'all', 'M', 'repeated'],
    [12, 'p', 'float', 'packed'],
  ],
};

/** Without offsets. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string, options?: ParseOptions): unknown => plain(parseText(schema, 'M', bytes(text), options));
const textOf = async (encoded: Promise<Encoded>): Promise<string> => decodeUtf8(await join(await encoded));
function errorOf(run: () => unknown): ModelError {
  try {
    run();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
const rows = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('what a text says', () => {
  test.each<[string, object]>([
    ['', {}],
    ['# a comment\n\ti:1# more', { i: 1 }],
    ['\ufeffi: 1', { i: 1 }],
    ['i: 0x1F', { i: 31 }],
    ['i: -017', { i: -15 }],
    ['i: - 2147483648', { i: -2147483648 }],
    ['u: 18446744073709551615', { u: 18446744073709551615n }],
    ['l: 1 l: -9223372036854775808', { l: [1, -9223372036854775808n] }],
    ['l: [1, 0x2, 03]; l: 4', { l: [1, 2, 3, 4] }],
    ['l: []', {}],
    ['f: 1', { f: 1 }],
    ['f: 0.1f', { f: Math.fround(0.1) }],
    ['f: -.5e1', { f: -5 }],
    ['d: 1. d: 1e-7 d: 5E+2F', { d: [1, 1e-7, 500] }],
    ['d: inf d: -Infinity d: nan d: -inf', { d: [Infinity, -Infinity, Number.NaN, -Infinity] }],
    ['f: -0', { f: -0 }],
    ['b: true b: t b: True b: 1 b: false b: f b: False b: 0', { b: [true, true, true, true, false, false, false, false] }],
    ['e: SOME e: 0 e: 7 e: -1 e: inf', { e: [1, 0, 7, -1, 2] }],
    ['s: "a" \'b\' # between\n "c"', { s: 'abc' }],
    ['s: "it\'s" ', { s: "it's" }],
    ['s: "\\a\\b\\f\\n\\r\\t\\v\\?\\\\\\\'\\""', { s: '\x07\b\f\n\r\t\v?\\\'"' }],
    ['s: "\\u00e9\\U0001F600é"', { s: 'é😀é' }],
    ['raw: "\\0\\12\\377\\x4\\xFFg" raw: ""', { raw: [rows(0, 10, 255, 4, 255, 103), rows()] }],
    ['m { i: 1 } ', { m: { i: 1 } }],
    ['m: <i: 1, s: "x";>', { m: { i: 1, s: 'x' } }],
    ['all {} all < > all: [{ i: 1 }, <i: 2>]', { all: [{}, {}, { i: 1 }, { i: 2 }] }],
    ['all [{ i: 1 }]', { all: [{ i: 1 }] }],
    ['p: 1 p: [2, 3]', { p: Float32Array.of(1, 2, 3) }],
  ])('%j', (text, message) => expect(parse(text)).toEqual(message));

  test('messages know where their content starts', () => {
    const message = parseText(schema, 'M', bytes('m { all <> }')) as Plain;
    expect(message[at]).toBe(0);
    expect((message['m'] as Plain)[at]).toBe(3);
  });
});

describe('what is refused, with its place', () => {
  test.each<[string, string, string, string]>([
    ['i 1', 'E1006', 'line 1, column 3: expected \':\', found "1"', 'i'],
    ['i: 1\n x: 2', 'E1006', 'line 2, column 2: M has no field "x"', ''],
    ['m { constructor: 2 }', 'E1006', 'line 1, column 5: M has no field "constructor"', ''],
    ['[a.b]: 1', 'E1006', 'line 1, column 1: extensions are not read', ''],
    ['i: 1 i: 2', 'E1010', 'line 1, column 8: the field i occurs twice', 'i'],
    ['m {} m {}', 'E1010', 'line 1, column 8: the field m occurs twice', 'm'],
    ['all { } all { m {', 'E1005', "line 1, column 18: expected the name of a field or '}', found the end of the text", ''],
    ['m { >', 'E1006', 'line 1, column 5: expected the name of a field or \'}\', found ">"', ''],
    ['}', 'E1006', 'line 1, column 1: expected the name of a field, found "}"', ''],
    ['i: 1.5', 'E1006', 'line 1, column 4: expected an integer, found "1"', 'i'],
    ['i: 08', 'E1006', 'line 1, column 4: expected an integer, found "0"', 'i'],
    ['i: "1"', 'E1006', 'line 1, column 4: expected an integer, found "\\""', 'i'],
    ['i: 2147483648', 'E1006', 'line 1, column 4: 2147483648 exceeds int32', 'i'],
    ['u: -1', 'E1006', 'line 1, column 5: -1 exceeds uint64', 'u'],
    ['l: [1,]', 'E1006', 'line 1, column 7: expected an integer, found "]"', 'l[1]'],
    ['l: [1 2]', 'E1006', "line 1, column 7: expected ',' or ']', found \"2\"", 'l[0]'],
    ['f: 1e39', 'E1006', 'line 1, column 4: 1e39 exceeds float', 'f'],
    ['d: 1e400', 'E1006', 'line 1, column 4: 1e400 exceeds double', 'd[0]'],
    ['d: 0x1p3', 'E1006', 'line 1, column 4: expected a number, found "0"', 'd[0]'],
    ['d: infinit', 'E1006', 'line 1, column 4: expected a number, found "infinit"', 'd[0]'],
    ['b: 2', 'E1006', 'line 1, column 4: expected true or false, found "2"', 'b[0]'],
    ['e: MANY', 'E1006', 'line 1, column 4: e has no value "MANY"', 'e[0]'],
    ['e: toString', 'E1006', 'line 1, column 4: e has no value "toString"', 'e[0]'],
    ['s: "é\nx"', 'E1006', 'line 1, column 4: a string has no closing quote on its line', ''],
    ['m { s: "abc }', 'E1005', 'line 1, column 8: a string has no closing quote', ''],
    ['s: "abc\\', 'E1005', 'line 1, column 4: a string has no closing quote', ''],
    ['s: "é\\q"', 'E1006', 'line 1, column 6: unknown escape "\\\\q"', 's'],
    ['s: "\\x"', 'E1006', 'line 1, column 5: unknown escape "\\\\x"', 's'],
    ['s: "\\ud800"', 'E1006', 'line 1, column 5: unknown escape "\\\\u"', 's'],
    ['s: "\\U00110000"', 'E1006', 'line 1, column 5: unknown escape "\\\\U"', 's'],
    ['s: x', 'E1006', 'line 1, column 4: expected a string in quotes, found "x"', 's'],
    ['m: 1', 'E1006', "line 1, column 4: expected '{' or '<', found \"1\"", 'm'],
  ])('%j', (text, code, message, path) => {
    const [finding] = errorOf(() => parse(text, { file: 'f' })).findings;
    expect(finding).toMatchObject({ code, message, file: 'f' });
    expect(finding?.path ?? '').toBe(path);
  });

  test('nesting, however deep', () => {
    const nested = (depth: number): string => 'm{'.repeat(depth) + '}'.repeat(depth);
    expect(parse(nested(100))).toBeTruthy();
    const [finding] = errorOf(() => parse(nested(101))).findings;
    expect(finding).toMatchObject({ code: 'E1008', message: 'line 1, column 202: messages nested deeper than 100', offset: 201 });
    expect(errorOf(() => parse('m{'.repeat(1e6))).code).toBe('E1008');
    expect(errorOf(() => parse('m<'.repeat(1e6), { depth: 3 })).message).toBe('line 1, column 8: messages nested deeper than 3');
  });

  test('numbers and strings without end, at once', () => {
    expect(errorOf(() => parse(`i: ${'9'.repeat(1e6)}`)).message).toBe(
      'line 1, column 4: a number of 1000000 characters, at most 1000 are read',
    );
    expect(errorOf(() => parse(`s: "${'\\"'.repeat(1e6)}`)).code).toBe('E1005');
    expect(errorOf(() => parse(`${'#\n'.repeat(1e6)}?`)).message).toBe('line 1000001, column 1: expected the name of a field, found "?"');
    expect(errorOf(() => parse(`l: [${'1,'.repeat(1e5)}`)).code).toBe('E1005');
  });
});

describe('what is written', () => {
  test('a field a line, messages in braces', async () => {
    const message = {
      i: -1,
      l: [1, 2n ** 62n],
      f: Math.fround(0.1),
      d: [1, 1e-7, -0, Number.NaN, -Infinity],
      b: [true],
      s: 'a"\'\\\n\té\x7f\udcff',
      raw: [rows(0, 39, 65, 200)],
      e: [1, 9],
      m: { m: {} },
      all: [{ i: 1 }, {}],
      p: Float32Array.of(0.5, 16777216),
    };
    const lines = [
      'i: -1',
      'l: 1',
      'l: 4611686018427387904',
      'f: 0.1',
      'd: 1.0',
      'd: 1e-7',
      'd: -0.0',
      'd: nan',
      'd: -inf',
      'b: true',
      's: "a\\"\\\'\\\\\\n\\té\\177\\377"',
      'raw: "\\000\\\'A\\310"',
      'e: SOME',
      'e: 9',
      'm {',
      '  m {',
      '  }',
      '}',
      'all {',
      '  i: 1',
      '}',
      'all {',
      '}',
      'p: 0.5',
      'p: 16777216.0',
      '',
    ];
    expect(await textOf(printText(schema, 'M', message))).toBe(lines.join('\n'));
  });

  test('float32 in as few digits as say it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.float({ noNaN: true }), async f => {
        const text = await textOf(printText(schema, 'M', { f }));
        expect(parse(text)).toEqual({ f });
        const digits = Number(text.slice(3))
          .toExponential()
          .replace(/e.*|\D/g, '');
        for (let fewer = digits.length - 1; fewer > 5; fewer--) expect(Math.fround(Number(f.toPrecision(fewer)))).not.toBe(f);
        expect(digits.length).toBeLessThan(10);
      }),
    );
  });

  test('contents that are not in memory are read', async () => {
    const far = { length: 2, read: async () => rows(72, 105) };
    expect(await textOf(printText(schema, 'M', { raw: [far, far] }))).toBe('raw: "Hi"\nraw: "Hi"\n');
  });

  test('refused: fields without a name, contents beyond any text', async () => {
    const message = { all: [{}, { [unknownFields]: [rows(0xf8, 0x7f, 1)] }] };
    await expect(printText(schema, 'M', message)).rejects.toMatchObject({ code: 'E2002', findings: [{ path: 'all[1]' }] });
    const far = { length: 2 ** 30, read: async () => rows() };
    await expect(printText(schema, 'M', { raw: [far] })).rejects.toMatchObject({ code: 'E2002' });
  });
});

test('any message comes back the same', async () => {
  await fc.assert(
    fc.asyncProperty(anyMessage('ModelProto', 3, { unknown: false }), async sent => {
      const text = await join(await printText(onnxSchema, 'ModelProto', sent));
      expect(plain(parseText(onnxSchema, 'ModelProto', text))).toEqual(sent);
    }),
    { numRuns: 60 },
  );
});

test('any text is a message or an error', () => {
  const words = fc.constantFrom(
    'i',
    'm',
    's',
    'p',
    'e',
    ':',
    '{',
    '}',
    '<',
    '>',
    '[',
    ']',
    ',',
    '"',
    "'",
    '\\',
    '\n',
    '#',
    '-',
    '0x',
    '1',
    'inf',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 30 }), parts => {
      const text = parts.join('');
      try {
        expect(parse(text)).toBeTypeOf('object');
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/^E10(05|06|10)$/);
      }
    }),
    { numRuns: 2000 },
  );
});

test('fields that a schema does not have are passed over where that is asked for', () => {
  const skip = { skipUnknown: true };
  const text = 'i: 1 x: -2.5f y { z: "a}" \'b\' [t.co/w.M]: < q: [1, {r: s}, []] > } n: [{}, inf;] s: "k"'.replace('inf;', 'inf');
  expect(parse(text, skip)).toEqual({ i: 1, s: 'k' });
  expect(() => parse(text)).toThrow('M has no field "x"');
  for (const broken of ['x', 'x:', 'x {', 'x [1', 'x { y: 1 >', 'x: "a', '[t', 'x: {1}'])
    expect(() => parse(broken, skip)).toThrow(ModelError);
  expect(errorOf(() => parse(`${'x {'.repeat(200)}`, skip)).code).toBe('E1008');
});
