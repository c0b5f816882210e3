// T06 to T09: checkpoints of TensorFlow whose tables lie, and tensors that are not where they should be.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join as path } from 'node:path';
import { maskedCrc32c } from '../../src/codec/crc.ts';
import { type Case, type Expected, error, hostile } from './case.ts';
import { data, type Entry, type Extent, header, sliceKey, stored, type Table, table } from './table-wire.ts';
import { attribute, binary, info, metaGraph, node, placeholder, savedModel, shape, signature, string, type } from './tensorflow-wire.ts';
import { int, join, msg, type Piece, raw, repeat, varint } from './wire.ts';

type Given = Parameters<typeof hostile>[4];

const shard = 'bad.data-00000-of-00001';
/** Listed with its one shard of 16 bytes. */
const listed = (row: string, variant: string, make: () => Piece, findings: readonly Expected[], given: Given = {}): Case =>
  hostile(row, variant, make, findings, { file: 'bad.index', command: 'weights', beside: { [shard]: data.bytes }, ...given });
const limit: Given = { exit: 'limit' };

const sound: readonly Entry[] = [header(), stored('v')];
const tables = (variant: string, options: Table, code: Expected['code'], message: string, offset: string | number, given?: Given): Case =>
  listed('T06', variant, () => table(sound, options), [error(code, message, undefined, offset)], given);
const entries = (variant: string, all: readonly Entry[], message: string, offset: string): Case =>
  listed('T06', variant, () => table(all), [error('E1006', message, undefined, offset)]);
const blockSize = table(sound).marks!.get('meta')! - 5;

const containers: Case[] = [
  listed('T06', 'a sound index', () => table(sound), [], { prints: ['16 B'] }),
  tables('another number at the end', { magic: [0, 0, 0, 0, 0, 0, 0, 0] }, 'E1006', 'the file does not end as a table does', 'magic'),
  listed('T06', 'less than a footer', () => raw(new Uint8Array(47)), [
    error('E1005', '47 bytes, expected at least 48 for the end of a table', undefined, 0),
  ]),
  tables(
    'a block beyond the end',
    { handles: () => [join(varint(1 << 20), varint(16))] },
    'E1005',
    `a block of 16 bytes at 1048576 lies outside the table of 79 bytes`,
    1 << 20,
  ),
  tables(
    'a block of 2^52 bytes',
    { handles: () => [join(varint(0), varint(2 ** 52))] },
    'E1005',
    `a block of ${2 ** 52} bytes at 0 lies outside the table of 84 bytes`,
    0,
  ),
  tables(
    'a place of ten bytes',
    { handles: () => [varint(2n ** 64n - 1n)] },
    'E1006',
    'a number has more than nine bytes',
    table(sound).marks!.get('index')! + 9,
  ),
  tables(
    'a block that is no end of the one before',
    { handles: (o, s) => [join(varint(o), varint(s)), join(varint(o), varint(s))] },
    'E1006',
    'a block at 0 begins before the end of the one before',
    'handle',
  ),
  tables(
    '2^32 - 1 restarts',
    { restarts: 2 ** 32 - 1 },
    'E1006',
    `a block of ${blockSize} bytes says that it has 4294967295 restarts`,
    'entries',
  ),
  tables(
    '2^32 - 1 restarts in the index',
    { index: { restarts: 2 ** 32 - 1 } },
    'E1006',
    'a block of 14 bytes says that it has 4294967295 restarts',
    'index',
  ),
  tables('a block of type 7', { store: c => [c, 7] }, 'E1006', 'a block is of type 7, 0 and 1 are read here', 'entries'),
  entries(
    'a key that shares more than the one before has',
    [header(), { ...stored('v', {}), shared: 9, at: 'bad' }],
    'a key shares 9 bytes with one of 0',
    'bad',
  ),
  entries(
    'an entry that runs beyond its block',
    [header(), { ...stored('v'), length: 1 << 30, at: 'bad' }],
    'an entry runs beyond its block',
    'bad',
  ),
  entries('keys that go back', [header(), stored('w'), { ...stored('v'), at: 'bad' }], 'the keys are not in order', 'bad'),
  entries('a key twice', [header(), stored('v'), { ...stored('v'), at: 'bad' }], 'the keys are not in order', 'bad'),
  listed('T06', 'no header', () => table([stored('v')]), [error('E1006', 'the index has no header')]),
  listed('T06', 'a header that is no message', () => table([{ key: '', value: raw([0x0a, 0x7f]) }, stored('v')]), [
    error('E1006', 'wire type 2 where the schema has 0 in header.num_shards at offset 0', 'header.num_shards', 0),
  ]),
  listed(
    'T06',
    'a reader of a later time',
    () => table([{ key: '', value: join(int(1, 1), msg(3, int(2, 9))) }]),
    [error('E2002', 'the index asks for readers of version 9, this is one of version 1')],
    { exit: 'unsupported' },
  ),
  listed(
    'T06',
    '100,000 handles of one empty block',
    () => table([], { handles: (o, s) => new Array<Piece>(100_000).fill(join(varint(o), varint(s))) }),
    [error('E1006', 'a block at 0 begins before the end of the one before', undefined, 35)],
  ),
];

/** A block of Snappy that says how long it is, and copies one zero. */
const zeros = (length: number): Piece =>
  join(
    varint(length),
    raw([0, 0]),
    repeat(Math.ceil((length - 1) / 64), () => raw([0xfe, 1, 0])),
  );
const checksums: Case[] = [
  tables('the wrong checksum of a block', { checksum: 1 }, 'E1012', 'the checksum of a block does not match its bytes', 'entries'),
  tables(
    'the wrong checksum of the index',
    { index: { checksum: 1 } },
    'E1012',
    'the checksum of a block does not match its bytes',
    'index',
  ),
  tables(
    'Snappy that says 2^32 - 1 bytes',
    { store: c => [join(varint(2 ** 32 - 1), c), 1] },
    'E1009',
    'a Snappy block of 4294967295 bytes, at most 16777216 are read',
    'entries',
    limit,
  ),
  tables(
    'Snappy that says more than it can hold',
    { store: c => [join(varint(1 << 24), c), 1] },
    'E1006',
    'a Snappy block of 44 bytes says that it holds 16777216',
    4,
  ),
  tables(
    'Snappy that copies from before its start',
    { store: () => [raw([8, 0, 1, 0xfe, 9, 0]), 1] },
    'E1006',
    'a Snappy block copies from outside',
    6,
  ),
  tables('Snappy that ends early', { store: () => [raw([8, 0x1c, 1]), 1] }, 'E1006', 'a Snappy block has a literal beyond its end', 2),
  tables('Snappy of 16 MiB of zeros', { store: () => [zeros((1 << 24) - 63), 1] }, 'E1006', 'the keys are not in order', 3),
  listed('T07', 'the wrong checksum of a tensor', () => table([header(), stored('v', { checksum: 1 })]), [
    error('E1012', '"v": the checksum does not match the bytes'),
  ]),
].map(c => ({ ...c, row: 'T07' }));

const tensor = (
  variant: string,
  what: Parameters<typeof stored>[1],
  code: Expected['code'],
  message: string,
  given: Given = {},
  shards = 1,
): Case => listed('T08', variant, () => table([header(shards), stored('v', what)]), [error(code, message)], given);
const sliced = (variant: string, slices: readonly (readonly [number, number])[], dims: readonly number[], message?: string): Case =>
  listed(
    'T08',
    variant,
    () =>
      table([
        header(),
        ...slices
          .map(([start, length]) => ({ start, length }))
          .filter(({ start, length }, i, all) => all.findIndex(o => o.start === start && o.length === length) === i)
          .map(({ start, length }) =>
            stored(sliceKey('v', start, length), {
              dims: [length],
              size: 4 * length,
              checksum: maskedCrc32c(data.bytes.subarray(0, 4 * length)),
            }),
          ),
        stored('v', { dims, size: 0, slices: slices.map((s): Extent[] => [s]) }),
      ]),
    message === undefined ? [] : [error('E1203', message)],
  );

const zeroSum = maskedCrc32c(new Uint8Array(65_536));

const tensors: Case[] = [
  tensor('a shard that is not there', { shard: 1 }, 'E1403', '"v" lies in shard 1 of 1'),
  tensor('a negative shard', { shard: -1 }, 'E1403', '"v" lies in shard -1 of 1'),
  tensor('no shards', {}, 'E1403', '"v" lies in shard 0 of 0', {}, 0),
  tensor(
    '10^9 shards',
    {},
    'E1402',
    'external data file "bad.data-00000-of-1000000000" does not exist beside the model',
    { exit: 'io' },
    1e9,
  ),
  tensor('a negative offset', { offset: -16 }, 'E1403', '"v" is 16 bytes at -16 of a shard of 16 bytes'),
  tensor('an offset of 2^63 - 1', { offset: 2n ** 63n - 1n }, 'E1403', `"v" is 16 bytes at ${2n ** 63n - 1n} of a shard of 16 bytes`),
  tensor('a negative size', { size: -16 }, 'E1403', '"v" is -16 bytes at 0 of a shard of 16 bytes'),
  tensor('fewer bytes than its sizes say', { dims: [8] }, 'E1203', 'float32[8] is 32 bytes, the data has 16'),
  tensor(
    'sizes whose product overflows',
    { dims: [2 ** 40, 2 ** 40] },
    'E1202',
    'the size of float32[1099511627776,1099511627776] overflows',
  ),
  tensor('a negative axis', { dims: [-4] }, 'E1202', 'a size is -4'),
  tensor('an element type of 999', { type: 999 }, 'E1201', 'the element type 999 does not exist'),
  tensor('a resource', { type: 20 }, 'E2001', 'a tensor of resource has no conversion', { exit: 'unsupported' }),
  tensor('10^9 strings', { type: 7, dims: [1e9] }, 'E1203', 'string[1000000000] is 1000000000 strings in 16 bytes'),
  tensor('strings whose lengths have no checksum', { type: 7, dims: [1] }, 'E1012', '"v": the checksum of the lengths does not match'),
  sliced(
    'slices that make a whole',
    [
      [0, 2],
      [2, 2],
    ],
    [4],
  ),
  sliced(
    'a slice that starts before its axis',
    [
      [-2, 2],
      [2, 2],
    ],
    [4],
    'a slice of "v" has 2 elements from -2 of an axis of 4',
  ),
  sliced(
    'a slice that ends beyond its axis',
    [
      [0, 2],
      [3, 2],
    ],
    [4],
    'a slice of "v" has 2 elements from 3 of an axis of 4',
  ),
  sliced(
    'a slice of less than nothing',
    [
      [0, 4],
      [2, -2],
    ],
    [4],
    'a slice of "v" has -2 elements from 2 of an axis of 4',
  ),
  sliced('slices that lack some elements', [[0, 2]], [4], 'the slices of "v" have 2 elements, it has 4'),
  sliced(
    'slices that overlap',
    [
      [0, 2],
      [0, 2],
    ],
    [4],
    'slices of "v" lie over each other',
  ),
  listed('T08', 'a slice whose end overflows', () => table([header(), stored('v', { slices: [[[2n ** 63n - 1n, 2n ** 63n - 1n]]] })]), [
    error('E1203', `a slice of "v" has ${2n ** 63n - 1n} elements from ${2n ** 63n - 1n} of an axis of 4`),
  ]),
  listed(
    'T08',
    'a slice of another rank',
    () =>
      table([
        header(),
        stored('v', {
          slices: [
            [
              [0, 2],
              [0, 2],
            ],
          ],
        }),
      ]),
    [error('E1203', 'a slice of "v" has rank 2, expected 1')],
  ),
  listed('T08', 'a slice that is not there', () => table([header(), stored('v', { slices: [[[0, 4]]] })]), [
    error('E1104', 'the checkpoint has no tensor slice of "v"'),
  ]),
  listed('T08', 'slices of 16 TB', () => table([header(), stored('v', { dims: [2 ** 42], slices: [[[0, 2 ** 42]]] })]), [
    error('E1104', 'the checkpoint has no tensor slice of "v"'),
  ]),
  listed(
    'T08',
    '20,000 tensors in the same bytes',
    () =>
      table([
        header(),
        ...Array.from({ length: 20_000 }, (_, i) =>
          stored(`v${String(i).padStart(5, '0')}`, { dims: [16_384], size: 65_536, checksum: zeroSum }),
        ),
      ]),
    [error('E1403', '"v00001" lies where other tensors do', undefined, 0)],
    { beside: { [shard]: new Uint8Array(65_536) } },
  ),
];

const variables = 'variables/variables.data-00000-of-00001';
const index = 'variables/variables.index';
const resource = node(
  'v',
  'VarHandleOp',
  [],
  [attribute('dtype', type(1)), attribute('shape', shape(4)), attribute('shared_name', string('v'))],
);
const model = (): Piece =>
  savedModel(
    metaGraph({
      nodes: join(placeholder('x', 4), resource, node('r', 'ReadVariableOp', ['v'], [attribute('dtype', type(1))]), binary('y', 'x', 'r')),
      signatures: signature({ x: info('x:0', 4) }),
    }),
  );
const beside = (variant: string, files: Case['beside'], findings: readonly Expected[], given: Given = {}): Case =>
  hostile('T09', variant, model, findings, { file: 'saved_model.pb', command: 'info', beside: files, ...given });
const whole = { [index]: table(sound).bytes, [variables]: data.bytes };

/** Links at the place to files that lie outside. */
const outside = (folder: string): void => {
  mkdirSync(folder);
  writeFileSync(path(folder, 'variables.index'), table(sound).bytes);
  writeFileSync(path(folder, 'variables.data-00000-of-00001'), data.bytes);
};
const linkedFolder = (at: string): void => {
  const target = `${dirname(at)}-outside`;
  outside(target);
  symlinkSync(target, at);
};
const linkedFile = (at: string): void => {
  const target = `${dirname(dirname(at))}-outside`;
  outside(target);
  symlinkSync(path(target, at.split('/').at(-1)!), at);
};
const leaves = (file: string): Expected[] => [error('E1401', `external data file "${file}" leads outside the folder of the model`)];

const files: Case[] = [
  beside('sound variables', whole, []),
  beside('a shard that is too short', { ...whole, [variables]: data.bytes.subarray(0, 12) }, [
    error('E1403', '"v" is 16 bytes at 0 of a shard of 12 bytes'),
  ]),
  beside('an empty shard', { ...whole, [variables]: new Uint8Array(0) }, [error('E1403', '"v" is 16 bytes at 0 of a shard of 0 bytes')]),
  beside(
    'no shard',
    { [index]: table(sound).bytes },
    [error('E1402', `external data file "${variables}" does not exist beside the model`)],
    { exit: 'io' },
  ),
  beside('no index', {}, [error('E1402', `external data file "${index}" does not exist beside the model`)], { exit: 'io' }),
  beside('an index that is the graph', { ...whole, [index]: savedModel(metaGraph()).bytes }, [
    error('E1006', 'the file does not end as a table does', undefined, 140),
  ]),
  beside('a variable of another name', { ...whole, [index]: table([header(), stored('w')]).bytes }, [
    error('E1013', 'nothing gives the variable "v" a value', 'node[2]', 135),
  ]),
  beside('a folder that is a link to the outside', { variables: linkedFolder }, leaves(index)),
  beside('an index that is a link to the outside', { ...whole, [index]: linkedFile }, leaves(index)),
  beside('a shard that is a link to the outside', { ...whole, [variables]: linkedFile }, leaves(variables)),
  beside(
    'a shard that is a link inside the folder',
    { [index]: table(sound).bytes, 'real.data': data.bytes, [variables]: at => symlinkSync('../real.data', at) },
    [],
  ),
];
export const bundleCases: readonly Case[] = [...containers, ...checksums, ...tensors, ...files];
