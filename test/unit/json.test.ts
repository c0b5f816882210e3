import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Json, parseJson, writeJson } from '../../src/codec/json.ts';
import { ModelError } from '../../src/errors.ts';

const failure = (text: string | Uint8Array, options = {}): { code: string; offset: number | undefined; message: string } => {
  try {
    parseJson(text, options);
  } catch (error) {
    if (error instanceof ModelError) return { code: error.code, offset: error.findings[0]?.offset, message: error.message };
    throw error;
  }
  throw new Error(`accepted ${text}`);
};

describe('parseJson', () => {
  it('keeps 64-bit integers and reads floats as numbers', () => {
    expect(parseJson('[9223372036854775807, -9223372036854775808, 9007199254740991, 9007199254740992, 1e3, 0.5, -0]')).toEqual([
      9223372036854775807n,
      -9223372036854775808n,
      9007199254740991,
      9007199254740992n,
      1000,
      0.5,
      -0,
    ]);
  });

  it('treats __proto__ as an ordinary key', () => {
    const value = parseJson('{"__proto__": {"polluted": true}, "constructor": 1}') as Record<string, Json>;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect('toString' in value).toBe(false);
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined);
  });

  it('decodes every escape', () => {
    expect(parseJson('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud800x"')).toBe('"\\/\b\f\n\r\té😀\ud800x');
  });

  it.each([
    ['', 'E1005', 0],
    ['  ', 'E1005', 2],
    ['{"a": 1', 'E1005', 7],
    ['"abc', 'E1005', 4],
    ['[1,]', 'E1006', 3],
    ['{"a":1,}', 'E1006', 7],
    ['{a:1}', 'E1006', 1],
    ['[1 2]', 'E1006', 3],
    ['{"a" 1}', 'E1006', 5],
    ['1 2', 'E1007', 2],
    ['{"a":1,"b":2,"a":3}', 'E1010', 13],
    ['{"__proto__":1,"__proto__":3}', 'E1010', 15],
    ['"a\nb"', 'E1006', 2],
    ['"\\x"', 'E1006', 1],
    ['"\\u12g4"', 'E1006', 1],
    ['"\\u12', 'E1006', 1],
    ['01', 'E1006', 0],
    ['-', 'E1005', 1],
    ['1.', 'E1005', 2],
    ['1.e3', 'E1006', 2],
    ['1e+', 'E1005', 3],
    ['.5', 'E1006', 0],
    ['+1', 'E1006', 0],
    ['NaN', 'E1006', 0],
    ['Infinity', 'E1006', 0],
    ['1e999', 'E1006', 0],
    ['trve', 'E1006', 2],
    ['tru', 'E1005', 3],
    ['\ufeff1', 'E1006', 0],
    ['\u00a01', 'E1006', 0],
    ['1'.repeat(1001), 'E1009', 0],
    ['['.repeat(1_000_000), 'E1008', 200],
    ['{"a":'.repeat(1_000_000), 'E1008', 1000],
  ])('refuses bad text %#', (text, code, offset) => {
    expect(failure(text)).toMatchObject({ code, offset });
  });

  it('counts bytes where it is given bytes', () => {
    expect(failure(new TextEncoder().encode('["é😀", x]'))).toMatchObject({ code: 'E1006', offset: 11 });
    expect(failure('["é😀", x]')).toMatchObject({ offset: 8 });
  });

  it.each([
    [[0x22, 0xc3, 0x28, 0x22], 1],
    [[0x22, 0xff], 1],
    [[0x22, 0x41, 0xe2, 0x82], 2],
    [[0x22, 0xed, 0xa0, 0x80, 0x22], 1],
    [[0x22, 0xc0, 0xaf, 0x22], 1],
  ])('refuses invalid UTF-8 %j', (bytes, offset) => {
    const found = failure(Uint8Array.from(bytes));
    expect(found.code).toBe('E1110');
    expect(found.offset).toBe(offset);
  });

  it('can refuse numbers that are not integers', () => {
    for (const text of ['1e5', '1.0', '-0']) expect(failure(`[${text}]`, { integersOnly: true }).code).toBe('E1006');
    expect(parseJson('[12, -3]', { integersOnly: true })).toEqual([12, -3]);
  });

  it('reads what JSON.parse reads and nothing else', () => {
    const plain = (value: Json): unknown =>
      typeof value === 'object' && value !== null
        ? Array.isArray(value)
          ? value.map(plain)
          : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
        : typeof value === 'bigint'
          ? Number(value)
          : value;
    fc.assert(
      fc.property(fc.json(), text => {
        expect(plain(parseJson(text))).toEqual(JSON.parse(text));
      }),
    );
    const characters = fc.string({ unit: fc.constantFrom(...'{}[]",:\\ue10.-+ tfn'), maxLength: 12 });
    fc.assert(
      fc.property(characters, text => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(failure(text).code).toMatch(/^E10/);
          return;
        }
        const keysTwice = JSON.stringify(expected).length < text.replace(/\s/g, '').length;
        if (!keysTwice) expect(plain(parseJson(text))).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('stays linear on long strings of escapes', () => {
    const started = performance.now();
    expect((parseJson(`"${'\\n'.repeat(1_000_000)}"`) as string).length).toBe(1_000_000);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('writeJson', () => {
  it('writes what JSON cannot say in a well-formed way', () => {
    expect(writeJson([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2n ** 63n, -0, 1e20, '\ud800"\n'])).toBe(
      '["NaN","Infinity","-Infinity",9223372036854775808,-0,1e+20,"\\ud800\\"\\n"]',
    );
  });

  it('indents', () => {
    expect(writeJson({ a: [1, 2], b: {}, c: [] }, { indent: 2 })).toBe(JSON.stringify({ a: [1, 2], b: {}, c: [] }, null, 2));
  });

  it('reads back as the same value', () => {
    const leaf = fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: 'binary' }),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n }),
    );
    const tree = fc.letrec(tie => ({
      value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'), { noNullPrototype: false })),
    })).value as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(tree, value => {
        const once = writeJson(parseJson(writeJson(value)));
        expect(writeJson(parseJson(once))).toBe(once);
        expect(once.length).toBe(writeJson(value).length);
      }),
    );
  });

  it('refuses a cycle', () => {
    const cycle: Json[] = [];
    cycle.push(cycle);
    expect(() => writeJson(cycle)).toThrow(ModelError);
  });
});
