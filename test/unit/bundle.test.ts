// Checkpoints of TensorFlow: tables, their blocks, and the tensors that they name.
import { expect, test } from 'vitest';
import { crc32, crc32c, maskCrc, maskedCrc32c } from '../../src/codec/crc.ts';
import { encodeBytes } from '../../src/codec/protobuf.ts';
import { unsnappy } from '../../src/codec/snappy.ts';
import { MemorySource, type Source } from '../../src/codec/source.ts';
import { readTable } from '../../src/codec/sstable.ts';
import { ModelError } from '../../src/errors.ts';
import { Bundle } from '../../src/formats/tensorflow/bundle.ts';
import { type BundleEntryProto, tensorflowSchema } from '../../src/formats/tensorflow/proto.gen.ts';
import { resident } from '../../src/ir/tensor.ts';
import { type Table, table as writeTable } from '../hostile/table-wire.ts';

const bytes = (...parts: (number | Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap(part => (typeof part === 'number' ? [part] : [...part])));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, c => c.charCodeAt(0));
const u32 = (n: number): number[] => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];
const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) + 128, ...varint(Math.floor(n / 128))]);

/** A table of one block, whose keys share nothing or what is said. */
const table = (entries: readonly (readonly [string, Uint8Array, number?])[], options?: Table): Uint8Array =>
  writeTable(
    entries.map(([key, value, shared]) => ({ key: latin1(key), value: { bytes: value }, ...(shared !== undefined && { shared }) })),
    options,
  ).bytes;

const source = (file: Uint8Array, name = 'model.index'): Source => new MemorySource(file, name);
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  return error instanceof ModelError ? `${error.code} ${error.message}` : String(error);
};

test('checksums are those of the standards', () => {
  expect(crc32(utf8('123456789'))).toBe(0xcbf43926);
  expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
  expect(crc32c(utf8('56789'), crc32c(utf8('1234')))).toBe(0xe3069283);
});

test('Snappy: literals, copies that overlap, and blocks that lie', () => {
  expect(unsnappy(bytes(10, 0x04, utf8('ab'), 0x11, 2), 100)).toEqual(utf8('ababababab'));
  expect(unsnappy(bytes(5, 0x10, utf8('hello')), 100)).toEqual(utf8('hello'));
  const cases: [Uint8Array, string][] = [
    [bytes(varint(2 ** 31), 0), 'E1009'],
    [bytes(varint(1000), 0x04, utf8('ab')), 'E1006'],
    [bytes(10, 0x04, utf8('ab'), 0x11, 9), 'E1006'],
    [bytes(5, 0x10, utf8('he')), 'E1006'],
    [bytes(9, 0x10, utf8('hello')), 'E1006'],
  ];
  for (const [block, code] of cases) expect(() => unsnappy(block, 1 << 20)).toThrow(expect.objectContaining({ code }));
});

test('a table gives its keys with what they share of the one before', async () => {
  const made = await readTable(
    source(
      table([
        ['', bytes(1)],
        ['abc', bytes(2)],
        ['abd', bytes(3, 4), 2],
      ]),
    ),
  );
  expect([...made]).toEqual([
    ['', bytes(1)],
    ['abc', bytes(2)],
    ['abd', bytes(3, 4)],
  ]);
});

test('blocks are read through Snappy', async () => {
  const literal: Table['store'] = ({ bytes: raw }) => [{ bytes: bytes(varint(raw.length), (raw.length - 1) << 2, raw) }, 1];
  expect([...(await readTable(source(table([['k', bytes(7)]], { store: literal }))))]).toEqual([['k', bytes(7)]]);
});

const entry = (fields: BundleEntryProto): Uint8Array => encodeBytes(tensorflowSchema, 'BundleEntryProto', fields);
const header = encodeBytes(tensorflowSchema, 'BundleHeaderProto', { num_shards: 1, version: { producer: 1 } });
const shapeOf = (...sizes: number[]) => ({ dim: sizes.map(size => ({ size })) });
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

function bundle(entries: readonly (readonly [string, Uint8Array])[], shard: Uint8Array, head = header): Promise<Bundle> {
  return Bundle.open(source(table([['', head], ...entries])), async name => {
    expect(name).toBe('model.data-00000-of-00001');
    return source(shard, name);
  });
}

test('tensors are ranges of their shard, with their checksum', async () => {
  const data = floats(1, 2, 3, 4, 5, 6);
  const good = { dtype: 1, shape: shapeOf(2, 3), offset: 0, size: 24, crc32c: maskedCrc32c(data) };
  const made = await bundle(
    [
      ['w', entry(good)],
      ['x', entry({ ...good, offset: 24, crc32c: 1 })],
    ],
    bytes(data, data),
  );
  expect(made.keys).toEqual(['w', 'x']);
  expect([...((await made.tensor('w')).data as Float32Array)]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await codeOf(made.tensor('x'))).toContain('E1012 "x": the checksum does not match the bytes');
});

test('a large tensor is compared when it has been read, in pieces too', async () => {
  const data = new Uint8Array(80_000).fill(3);
  const wrong = { dtype: 4, shape: shapeOf(80_000), offset: 0, size: 80_000, crc32c: 5 };
  const tensor = await (await bundle([['w', entry(wrong)]], data)).tensor('w');
  expect(tensor.isResident).toBe(false);
  expect(await codeOf(resident(tensor))).toContain('E1012');
});

test('strings have lengths with a checksum of their own', async () => {
  const lengths = bytes(u32(2), u32(0), u32(3));
  const body = bytes(2, 0, 3, u32(maskedCrc32c(lengths)), utf8('abxyz'));
  const sum = maskCrc(crc32c(body.subarray(7), crc32c(body.subarray(3, 7), crc32c(lengths))));
  const made = await bundle([['s', entry({ dtype: 7, shape: shapeOf(3), size: body.length, crc32c: sum })]], body);
  expect((await made.tensor('s')).data).toEqual(['ab', '', 'xyz']);
});

test('a partitioned variable is put together of its slices', async () => {
  const data = floats(1, 2, 3, 4, 5, 6, 7, 8);
  const rows = (start: number) => ({ extent: [{ start, length: 2 }, {}] });
  const part = (offset: number) => ({
    dtype: 1,
    shape: shapeOf(2, 2),
    offset,
    size: 16,
    crc32c: maskedCrc32c(data.subarray(offset, offset + 16)),
  });
  // The whole axis is written as -1, which is one byte, 0x7f.
  const key = (start: number): string => `\0w\0\u0001\u0001\u0002${String.fromCharCode(start ^ 0x80)}\u0082\u0080\u007f`;
  const whole = { dtype: 1, shape: shapeOf(4, 2), slices: [rows(0), rows(2)] };
  const made = await bundle(
    [
      [key(0), entry(part(0))],
      [key(2), entry(part(16))],
      ['w', entry(whole)],
    ],
    data,
  );
  expect(made.keys).toEqual(['w']);
  expect([...((await made.tensor('w')).data as Float32Array)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test('entries that contradict themselves are errors', async () => {
  const data = floats(1, 2);
  const good = { dtype: 1, shape: shapeOf(2), size: 8, crc32c: maskedCrc32c(data) };
  const slice = (start: number, length: number) => ({ ...good, slices: [{ extent: [{ start, length }] }] });
  const cases: [string, BundleEntryProto][] = [
    ['E1403 "w" lies in shard 7 of 1', { ...good, shard_id: 7 }],
    ['E1403 "w" is 8 bytes at 4 of a shard of 8 bytes', { ...good, offset: 4 }],
    ['E1403', { ...good, offset: -8 }],
    ['E1203 float32[3] is 12 bytes, the data has 8', { ...good, shape: shapeOf(3) }],
    ['E1202', { ...good, shape: shapeOf(2 ** 40, 2 ** 40) }],
    ['E1202 the shape of a stored tensor is open', { ...good, shape: shapeOf(-1) }],
    ['E1201 the element type 99 does not exist', { ...good, dtype: 99 }],
    ['E1203 a slice of "w" has 2 elements from -1 of an axis of 2', slice(-1, 2)],
    ['E1203 a slice of "w" has 9007199254740991 elements', slice(1, Number.MAX_SAFE_INTEGER)],
    ['E1104 the checkpoint has no tensor slice of "w"', slice(0, 2)],
  ];
  for (const [message, fields] of cases) expect(await codeOf((await bundle([['w', entry(fields)]], data)).tensor('w'))).toContain(message);
  const newer = encodeBytes(tensorflowSchema, 'BundleHeaderProto', { num_shards: 1, version: { producer: 9, min_consumer: 9 } });
  expect(await codeOf(bundle([], data, newer))).toContain('E2002 the index asks for readers of version 9');
});
