// S01 to S08: headers that lie, in one file and in a shard of several.
import { type Code, codes } from '../../src/errors.ts';
import { type Case, type Expected, error, hostile } from './case.ts';
import { join, little, mark, type Piece, raw, repeat, utf8 } from './wire.ts';

/** A file: the length of the header, or the one that is said, the header, and bytes of data. */
const file = (header: string | Piece, data = 0, length?: number | bigint): Piece => {
  const text = typeof header === 'string' ? utf8(header) : header;
  return join(little(8, length ?? text.bytes.length), mark('header'), text, mark('data'), raw(new Uint8Array(data)));
};
const entry = (
  name: string,
  begin: number | string,
  end: number | string,
  dtype = 'U8',
  shape: string = `[${Number(end) - Number(begin)}]`,
): string => `"${name}":{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
const header = (...entries: readonly string[]): string => `{${entries.join(',')}}`;

const index = (map: string, more = ''): Piece => utf8(`{"metadata":{},"weight_map":${map}${more}}`);
const shard = 'model-00001-of-00001.safetensors';

type Said = readonly [Code, string, offset?: string | number];
interface Options {
  readonly large?: boolean;
  readonly limits?: Case['limits'];
}

/** A case for the file itself, and one for it as a shard: a reader of several files asks no less of each. */
function inBoth(row: string, variant: string, make: () => Piece, said: readonly Said[], options: Options = {}): Case[] {
  const exit = codes[said[0]![0]].exit;
  const marks = options.large ? undefined : make().marks;
  const findings: Expected[] = said.map(([code, message, offset]) =>
    error(code, message, undefined, typeof offset === 'string' ? marks?.get(offset) : offset),
  );
  return [
    hostile(row, variant, make, findings, { file: 'bad.safetensors', command: 'weights', exit, ...options }),
    ...(options.large
      ? []
      : [
          hostile(row, `${variant}, in a shard`, () => index(`{"a":"${shard}"}`), findings, {
            file: 'bad.safetensors.index.json',
            command: 'weights',
            beside: { [shard]: make().bytes },
            exit,
          }),
        ]),
  ];
}
const refused = (row: string, variant: string, piece: Piece, ...said: readonly Said[]): Case[] => inBoth(row, variant, () => piece, said);

const lengths: Case[] = [
  ...refused('S01', 'fewer than 8 bytes', raw([1, 0, 0]), ['E1005', '3 bytes, expected at least 8 for the length of the header', 0]),
  ...refused('S01', 'a header beyond the file', file('{}', 0, 10), ['E1005', 'a header of 10 bytes is announced, 2 follow', 0]),
  ...refused('S01', 'a header of 2^64 - 1 bytes', file('{}', 0, 2n ** 64n - 1n), [
    'E1005',
    'a header of 18446744073709551615 bytes is announced, 2 follow',
    0,
  ]),
  ...refused('S01', 'a header of no bytes', file('', 3), ['E1006', 'the header must begin with {, found nothing', 'header']),
  ...inBoth(
    'S01',
    'a header of more than 100 MB',
    () => file(raw(new Uint8Array(100_000_001).fill(0x20))),
    [['E1009', 'a header of 100000001 bytes, at most 100000000 are read', 0]],
    { large: true },
  ),
  ...inBoth(
    'S01',
    'a header of 100 MB of spaces',
    () => file(raw(new Uint8Array(100_000_000).fill(0x20))),
    [['E1006', 'the header must begin with {, found byte 0x20', 8]],
    { large: true },
  ),
];

const at = (text: string, part: string): number => 8 + text.indexOf(part);
const inHeader = (text: string, part: string, code: Code, message: string): Said => [code, message, at(text, part)];
const bad = (row: string, variant: string, text: string, part: string, code: Code, message: string, data = 1): Case[] =>
  refused(row, variant, file(text, data), inHeader(text, part, code, message));

const texts: Case[] = [
  ...refused('S02', 'a list', file('[]'), ['E1006', 'the header must begin with {, found byte 0x5b', 'header']),
  ...refused('S02', 'no UTF-8', file(join(utf8('{"'), mark('bad'), raw([0xff]), utf8('":1}'))), [
    'E1110',
    'JSON text is not valid UTF-8',
    'bad',
  ]),
  ...bad('S02', 'an offset with a fraction', header(entry('a', 0, '1.5', 'U8', '[1]')), '1.5', 'E1006', 'expected an integer, found 1.5'),
  ...bad('S02', 'an offset with an exponent', header(entry('a', 0, '1e0', 'U8', '[1]')), '1e0', 'E1006', 'expected an integer, found 1e0'),
  ...bad('S02', 'an offset of -0', header(entry('a', '-0', 1, 'U8', '[1]')), '-0', 'E1006', 'expected an integer, found -0'),
  ...bad(
    'S02',
    'an offset that is NaN',
    header(entry('a', 0, 'NaN', 'U8', '[1]')),
    'NaN',
    'E1006',
    'JSON text: expected a JSON value, found "N"',
  ),
  ...refused('S02', 'an offset as text', file(header(entry('a', 0, '"1"', 'U8', '[1]')), 1), [
    'E1006',
    '"a": data_offsets must be two offsets',
  ]),
  ...refused('S02', 'one offset', file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1]}}', 1), [
    'E1006',
    '"a": data_offsets must be two offsets',
  ]),
  ...bad('S02', 'something behind the object', '{} x', 'x', 'E1007', 'JSON text goes on after its value with "x"', 0),
  ...refused('S02', 'lists in lists', file(`{"a":${'['.repeat(10_000)}`), ['E1008', 'JSON text is nested deeper than 8', 8 + 5 + 7]),
  ...refused('S02', 'a tensor that is no object', file('{"a":1}'), ['E1006', '"a": expected an object']),
  ...refused('S02', 'a tensor without a type', file('{"a":{"shape":[1],"data_offsets":[0,1]}}', 1), ['E1101', '"a": has no dtype']),
  ...refused('S02', 'an unknown field', file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}', 1), [
    'E1006',
    '"a": has the unknown field "x"',
  ]),
];

const twice = header(entry('a', 0, 1), entry('a', 0, 1));
const double = '{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}';
const duplicates: Case[] = [
  ...refused('S03', 'a tensor twice', file(twice, 1), ['E1010', 'JSON object has the key "a" twice', 8 + twice.lastIndexOf('"a"')]),
  ...refused('S03', 'a type twice', file(double, 1), ['E1010', 'JSON object has the key "dtype" twice', 8 + double.lastIndexOf('"dtype"')]),
  ...refused('S03', 'metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), [
    'E1010',
    'JSON object has the key "__metadata__" twice',
    8 + 19,
  ]),
];

const covers: Case[] = [
  ...refused('S04', 'offsets that end before they begin', file(header(entry('a', 1, 0, 'U8', '[1]')), 1), [
    'E1006',
    '"a": data_offsets begin at 1 and end at 0',
  ]),
  ...refused('S04', 'a hole before the first tensor', file(header(entry('a', 2, 3)), 3), [
    'E1006',
    '2 bytes lie unused between the header and "a"',
  ]),
  ...refused('S04', 'a hole between tensors', file(header(entry('a', 0, 1), entry('b', 3, 4)), 4), [
    'E1006',
    '2 bytes lie unused between "a" and "b"',
  ]),
  ...refused('S04', 'tensors that overlap', file(header(entry('a', 0, 4), entry('b', 2, 6)), 6), [
    'E1006',
    '"a" and "b" overlap by 2 bytes',
  ]),
  ...refused('S04', 'a tensor inside another', file(header(entry('a', 0, 4), entry('b', 1, 3)), 4), [
    'E1006',
    '"a" and "b" overlap by 2 bytes',
  ]),
  ...refused('S04', 'one place for two tensors', file(header(entry('a', 0, 4), entry('b', 0, 4)), 4), [
    'E1006',
    '"a" and "b" overlap by 4 bytes',
  ]),
  ...refused('S04', 'an end beyond the file', file(header(entry('a', 0, 4)), 3), ['E1005', '"a" ends at byte 4 of the data, which has 3']),
  ...refused('S04', 'bytes behind the last tensor', file(header(entry('a', 0, 4)), 7), ['E1007', '3 bytes follow the last tensor']),
  ...refused('S04', 'bytes without any tensor', file('{}', 7), ['E1007', '7 bytes follow the last tensor']),
  ...refused(
    'S04',
    'several of these at once',
    file(header(entry('a', 0, 2), entry('b', 1, 3), entry('c', 5, 6)), 9),
    ['E1006', '"a" and "b" overlap by 1 bytes'],
    ['E1006', '2 bytes lie unused between "b" and "c"'],
    ['E1007', '3 bytes follow the last tensor'],
  ),
];

const wrongSize = (variant: string, dtype: string, shape: string, bits: bigint, end = 4): Case[] =>
  refused('S05', variant, file(header(entry('a', 0, end, dtype, shape)), end), [
    'E1203',
    `"a": ${dtype}${shape} takes ${bits / 8n} bytes, its data_offsets span ${end}`,
  ]);
const sizes: Case[] = [
  ...wrongSize('more bytes than the sizes take', 'U8', '[3]', 24n),
  ...wrongSize('fewer bytes than the sizes take', 'F32', '[3]', 96n),
  ...wrongSize('sizes whose product is beyond 2^64', 'F32', '[4294967296,4294967296,4294967296]', 32n * 2n ** 96n),
  ...wrongSize(
    'sizes whose product wraps to the number of bytes',
    'U8',
    '[4294967298,4294967296,2147483648]',
    8n * 4294967298n * 2n ** 63n,
  ),
  ...refused('S05', 'a size of 2^53 + 1', file(header(entry('a', 0, 4, 'U8', '[9007199254740993]')), 4), [
    'E1202',
    '"a": shape must be a list of sizes',
  ]),
  ...refused('S05', 'a negative size', file(header(entry('a', 0, 4, 'U8', '[-4]')), 4), ['E1202', '"a": shape must be a list of sizes']),
  ...refused('S05', 'a size that is text', file(header(entry('a', 0, 4, 'U8', '["4"]')), 4), [
    'E1202',
    '"a": shape must be a list of sizes',
  ]),
  ...refused('S05', 'rank 200,000', file(header(entry('a', 0, 4, 'U8', `[${'2,'.repeat(199_999)}2]`)), 4), [
    'E1202',
    '"a": rank 200000, the limit is 64',
  ]),
  ...refused('S06', 'an unknown type', file(header(entry('a', 0, 4, 'F128', '[1]')), 4), ['E1201', '"a": dtype "F128" is not known']),
  ...refused('S06', 'a type that objects have', file(header(entry('a', 0, 4, 'constructor', '[1]')), 4), [
    'E1201',
    '"a": dtype "constructor" is not known',
  ]),
  ...refused('S06', 'a type that is no text', file('{"a":{"dtype":4,"shape":[1],"data_offsets":[0,1]}}', 1), [
    'E1201',
    '"a": dtype that is no text is not known',
  ]),
  ...refused('S06', 'four bits that end inside a byte', file(header(entry('a', 0, 2, 'F4', '[3]')), 2), [
    'E1203',
    '"a": F4[3] does not end on a byte',
  ]),
  ...refused('S06', 'six bits that end inside a byte', file(header(entry('a', 0, 3, 'F6_E2M3', '[3]')), 3), [
    'E1203',
    '"a": F6_E2M3[3] does not end on a byte',
  ]),
];

const metadata = (text: string): string => `{"__metadata__":${text}}`;
const about: Case[] = [
  ...refused('S07', 'metadata that is no object', file(metadata('1')), ['E1006', '__metadata__ must be an object of texts']),
  ...refused('S07', 'metadata that is no text', file(metadata('{"a":1}')), ['E1006', '__metadata__ "a" must be text']),
  ...refused('S07', 'metadata in metadata', file(metadata('{"a":{}}')), ['E1006', '__metadata__ "a" must be text']),
  hostile(
    'S07',
    'names that objects treat specially',
    () => file(`{"__metadata__":{"__proto__":"x","constructor":"y"},${entry('__proto__', 0, 1)},${entry('toString', 1, 2)}}`, 2),
    [],
    {
      file: 'good.safetensors',
      command: 'weights',
      prints: ['__proto__  uint8', 'toString ', '__proto__: x', 'constructor: y', '2 tensors'],
    },
  ),
  hostile(
    'S07',
    'the same, written as another format',
    () => file(`{"__metadata__":{"__proto__":"x"},${entry('__proto__', 0, 1)},${entry('toString', 1, 2)}}`, 2),
    [],
    {
      file: 'good.safetensors',
      command: 'weights',
      options: ['-o', 'out.pth'],
      writes: ['out.pth'],
    },
  ),
  hostile(
    'S07',
    'controls and marks of other texts in metadata',
    () => file('{"__metadata__":{"a\\u001b[2J":"<script>\\u0007\\u202e</script>"}}'),
    [],
    {
      file: 'good.safetensors',
      command: 'weights',
      prints: ['a\\x1b[2J: <script>\\x07\\u202e</script>'],
    },
  ),
];

/** So many tensors of no bytes, with names of so many characters. */
const wide = (count: number, length: number): Piece => {
  const body = repeat(count, i =>
    utf8(`${i > 0 ? ',' : '{'}"${String(i).padStart(length, 'n')}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`),
  );
  return file(join(body, utf8('}')));
};
const great: Case[] = [
  hostile('S08', '20,000 tensors', () => wide(20_000, 8), [], {
    file: 'good.safetensors',
    command: 'weights',
    prints: ['20000 tensors'],
    limits: { seconds: 3, megabytes: 160 },
  }),
  hostile('S08', '100,000 tensors in a header of 100 MB', () => wide(100_000, 940), [], {
    file: 'good.safetensors',
    command: 'weights',
    large: true,
    limits: { seconds: 6, megabytes: 700 },
  }),
  ...inBoth(
    'S08',
    '1,000,000 opened lists in a header of 100 MB',
    () => file(join(utf8('{"a":'), raw(new Uint8Array(99_999_990).fill(0x5b)))),
    [['E1008', 'JSON text is nested deeper than 8', 20]],
    { large: true, limits: { seconds: 6, megabytes: 700 } },
  ),
  ...inBoth(
    'S08',
    'one list of 2,000,001 sizes',
    () =>
      file(
        join(
          utf8('{"a":{"dtype":"U8","data_offsets":[0,0],"shape":['),
          repeat(2_000_000, () => utf8('1,')),
          utf8('1]}}'),
        ),
      ),
    [['E1202', '"a": rank 2000001, the limit is 64']],
    { large: true, limits: { seconds: 6, megabytes: 240 } },
  ),
];

const indices = (variant: string, piece: Piece, ...findings: Expected[]): Case =>
  hostile('S04', variant, () => piece, findings, {
    file: 'bad.safetensors.index.json',
    command: 'weights',
    beside: { [shard]: file(header(entry('a', 0, 1)), 1).bytes },
    exit: codes[findings[0]!.code].exit,
  });
const outside = (name: string): Case =>
  indices(
    `an index whose file is ${JSON.stringify(name)}`,
    index(`{"a":${JSON.stringify(name)}}`),
    error('E1011', 'weight_map gives "a" a file that is not beside the index'),
  );
const several: Case[] = [
  ...['../x.safetensors', '/etc/passwd', 'C:\\x', 'a/b', '', 'x\0y'].map(outside),
  indices(
    'an index whose file is missing',
    index('{"a":"other.safetensors"}'),
    error('E1402', 'external data file "other.safetensors" does not exist beside the model'),
  ),
  indices('an index whose file lacks a tensor', index(`{"b":"${shard}"}`), error('E1104', `"${shard}" has no tensor "b"`)),
  indices(
    'an index with a number for a file',
    index('{"a":1}'),
    error('E1011', 'weight_map gives "a" a file that is not beside the index'),
  ),
  indices(
    'an index with a tensor twice',
    index(`{"a":"${shard}","a":"${shard}"}`),
    error('E1010', 'JSON object has the key "a" twice', undefined, 68),
  ),
  indices('an index without a map', utf8('{"metadata":{}}'), error('E1101', 'the index has no weight_map')),
  indices(
    'an index that is its own file',
    index('{"a":"bad.safetensors.index.json"}'),
    error('E1005', 'a header of 7017841271895827067 bytes is announced, 55 follow', undefined, 0),
  ),
  indices('an index nested 10,000 deep', index('['.repeat(10_000)), error('E1008', 'JSON text is nested deeper than 8', undefined, 35)),
  indices(
    'an index that is cut off',
    utf8('{"weight_map":{"a":'),
    error('E1005', 'JSON text: expected a JSON value, found the end of the text', undefined, 19),
  ),
];

export const safetensorsCases: readonly Case[] = [...lengths, ...texts, ...duplicates, ...covers, ...sizes, ...about, ...great, ...several];
