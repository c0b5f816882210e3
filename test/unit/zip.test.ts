import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemorySource, type Source } from '../../src/codec/source.ts';
import { openZip, type Zip } from '../../src/codec/zip.ts';
import { patchZip } from '../../src/codec/zip-patch.ts';
import { writeZip, type ZipInput, zipLength } from '../../src/codec/zip-write.ts';
import { ModelError } from '../../src/errors.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const join = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.concat(parts));
const source = (bytes: Uint8Array): Source => new MemorySource(bytes, 'a.zip');

async function zipOf(...entries: ZipInput[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of writeZip(entries)) parts.push(part);
  return Uint8Array.from(Buffer.concat(parts));
}

/** The code of the error, from opening or from reading every entry. */
async function failure(bytes: Uint8Array, options = {}): Promise<string> {
  try {
    const zip = await openZip(source(bytes), options);
    for (const entry of zip.entries.values()) await entry.bytes();
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    expect(error.findings[0]?.file).toBe('a.zip');
    return `${error.code} ${error.message}`;
  }
  return 'accepted';
}

interface Crafted {
  name?: string;
  method?: number;
  data?: Uint8Array;
  size?: number;
  compressedSize?: number;
  flags?: number;
  crc?: number;
  attributes?: number;
  host?: number;
  headerAt?: number;
  localName?: string;
  localCrc?: number;
  extra?: Uint8Array;
}

const le = (width: number, value: number | bigint): Uint8Array =>
  Uint8Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
const end = (count: number, size: number, at: number, comment: Uint8Array = new Uint8Array(0), disk = 0): Uint8Array =>
  join(le(4, 0x06054b50), le(2, disk), le(2, 0), le(2, count), le(2, count), le(4, size), le(4, at), le(2, comment.length), comment);

/** An archive made field by field, so that any of them can lie. */
function craft(entries: Crafted[], tail: (count: number, size: number, at: number) => Uint8Array = end): Uint8Array {
  const locals: Uint8Array[] = [];
  const records: Uint8Array[] = [];
  let at = 0;
  for (const entry of entries) {
    const { name = 'a', method = 0, data = utf8('hello'), flags = 0, crc = 0x3610a686, attributes = 0, host = 0 } = entry;
    const { size = data.length, compressedSize = data.length, extra = new Uint8Array(0) } = entry;
    const fields = (sum: number): Uint8Array =>
      join(le(2, flags), le(2, method), le(4, 0), le(4, sum), le(4, compressedSize), le(4, size), le(2, utf8(name).length));
    const local = join(le(4, 0x04034b50), le(2, 20), fields(entry.localCrc ?? crc), le(2, 0), utf8(entry.localName ?? name), data);
    records.push(
      join(le(4, 0x02014b50), le(1, 20), le(1, host), le(2, 20), fields(crc), le(2, extra.length), le(6, 0)),
      join(le(4, attributes), le(4, entry.headerAt ?? at), utf8(name), extra),
    );
    locals.push(local);
    at += local.length;
  }
  const directory = join(...records);
  return join(...locals, directory, tail(entries.length, directory.length, at));
}

describe('openZip', () => {
  it('reads stored and deflated entries in order', async () => {
    const bytes = await zipOf(
      { name: 'r/b', data: utf8('stored') },
      { name: 'r/a', data: utf8('x'.repeat(1000)), method: 'deflate' },
      { name: 'r/é', data: new Uint8Array(0) },
      { name: '__proto__', data: utf8('p') },
    );
    const zip = await openZip(source(bytes));
    expect([...zip.entries.keys()]).toEqual(['r/b', 'r/a', 'r/é', '__proto__']);
    expect(text(await zip.entries.get('r/b')!.bytes())).toBe('stored');
    expect(zip.entries.get('r/a')).toMatchObject({ size: 1000, method: 8 });
    expect(text(await zip.entries.get('r/a')!.bytes())).toBe('x'.repeat(1000));
    expect((await zip.entries.get('r/é')!.bytes()).length).toBe(0);
    expect(zip.warnings).toEqual([]);
  });

  it('gives the range of a stored entry without copying', async () => {
    const bytes = await zipOf({ name: 'a', data: utf8('hello') }, { name: 'b', data: utf8('h'.repeat(99)), method: 'deflate' });
    const zip = await openZip(source(bytes));
    const range = await zip.entries.get('a')!.range();
    expect(text(bytes.subarray(range.offset, range.offset + range.length))).toBe('hello');
    expect((await zip.entries.get('a')!.bytes()).buffer).toBe(bytes.buffer);
    await expect(zip.entries.get('b')!.range()).rejects.toMatchObject({ code: 'E2002' });
  });

  it('obeys the limit of one read', async () => {
    const zip = await openZip(source(await zipOf({ name: 'a', data: utf8('hello') })));
    await expect(zip.entries.get('a')!.bytes(4)).rejects.toMatchObject({ code: 'E1009' });
  });

  it('warns of bytes before the archive, whether offsets count them or not', async () => {
    const bytes = craft([{}]);
    const junk = utf8('<html></html>');
    const prefixed = await openZip(source(join(junk, bytes)));
    expect(prefixed.warnings).toMatchObject([{ severity: 'warning', length: junk.length }]);
    expect(text(await prefixed.entries.get('a')!.bytes())).toBe('hello');
    const counted = craft([{ headerAt: junk.length }], (count, size, at) => end(count, size, at + junk.length));
    expect((await openZip(source(join(junk, counted)))).warnings.length).toBe(1);
  });

  it('reads Zip64 records and refuses those that disagree', async () => {
    const wide = (count: number, shift: number, size: number, at: number, stated = at + size): Uint8Array =>
      join(
        join(le(4, 0x06064b50), le(8, 44), le(2, 45), le(2, 45), le(8, 0), le(8, count), le(8, count), le(8, size), le(8, at + shift)),
        join(le(4, 0x07064b50), le(4, 0), le(8, stated + shift), le(4, 1)),
      );
    const sentinel = end(0xffff, 0xffffffff, 0xffffffff);
    const extra = join(le(2, 1), le(2, 24), le(8, 5), le(8, 5), le(8, 0));
    // Sizes in the crafted local header are sentinels too, without a Zip64 field of its own.
    const entry: Crafted = { size: 0xffffffff, compressedSize: 0xffffffff, headerAt: 0xffffffff, extra };
    const zip = await openZip(source(craft([entry], (count, size, at) => join(wide(count, 0, size, at), sentinel))));
    expect(zip.entries.get('a')).toMatchObject({ size: 5, compressedSize: 5 });
    await expect(zip.entries.get('a')!.bytes()).rejects.toMatchObject({ code: 'E1006' });
    expect(await failure(craft([{}], (count, size, at) => join(wide(count, 0, size, at), end(count, size, at))))).toBe('accepted');
    expect(await failure(craft([{}], (count, size, at) => join(wide(2, 0, size, at), end(count, size, at))))).toMatch(/^E1006/);
    expect(await failure(craft([{}], (count, size, at) => join(wide(count, 9, size, at), sentinel)))).toMatch(/^E1006/);
    expect(await failure(craft([{}], (count, size, at) => join(wide(count, 0, size, at, 2 ** 52), sentinel)))).toMatch(/^E1006/);
    expect(await failure(craft([{}], () => sentinel))).toMatch(/^E1006/);
    const huge = join(le(2, 1), le(2, 16), le(8, 2n ** 63n), le(8, 2n ** 63n));
    expect(await failure(craft([{ size: 0xffffffff, compressedSize: 0xffffffff, extra: huge }]))).toMatch(/^E1006/);
    expect(await failure(craft([{ size: 0xffffffff, extra: huge.subarray(0, 6) }]))).toMatch(/^E1006/);
  });

  const raw = deflateRawSync(utf8('hello'));
  const zeros = deflateRawSync(new Uint8Array(100_000));
  const rows: [string, Uint8Array, string][] = [
    ['no archive', utf8('not a zip file at all, not even near'), 'E1006'],
    ['nothing', new Uint8Array(0), 'E1006'],
    ['a cut comment', craft([{}], (c, s, at) => end(c, s, at, utf8('comment')).subarray(0, -3)), 'E1005'],
    ['bytes behind', join(craft([{}]), utf8('junk')), 'E1007'],
    ['an end record in the comment', craft([{}], (c, s, at) => end(c, s, at, end(c, s, at))), 'E1006'],
    ['a cut end record in the comment', craft([{}], (c, s, at) => end(c, s, at, end(c, s, at, utf8('x')).subarray(0, -1))), 'E1006'],
    ['a wrong count', craft([{}], (c, s, at) => end(c + 1, s, at)), 'E1006'],
    ['a short count', craft([{}, { name: 'b' }], (c, s, at) => end(c - 1, s, at)), 'E1006'],
    ['a directory beyond the file', craft([{}], (c, _, at) => end(c, 9999, at)), 'E1006'],
    ['an offset beyond the file', craft([{}], (c, s) => end(c, s, 9999)), 'E1006'],
    ['a second disk', craft([{}], (c, s, at) => end(c, s, at, undefined, 1)), 'E2002'],
    ['another local name', craft([{ localName: 'b' }]), 'E1006'],
    ['another local checksum', craft([{ localCrc: 1 }]), 'E1006'],
    ['a wrong checksum', craft([{ crc: 1 }]), 'E1012'],
    ['stored sizes that differ', craft([{ size: 4 }]), 'E1006'],
    ['the same name', craft([{}, {}]), 'E1010'],
    ['a name in other case', craft([{ name: 'data' }, { name: 'DATA' }]), 'E1010'],
    ['a name in other composition', craft([{ name: 'é' }, { name: 'e\u0301' }]), 'E1010'],
    ['a folder of the same name', craft([{ name: 'a' }, { name: 'a/', data: new Uint8Array(0), crc: 0 }]), 'E1010'],
    ['one header for two entries', craft([{}, { name: 'b', headerAt: 0 }]), 'E1006'],
    ['an entry over the directory', craft([{ compressedSize: 50, size: 50 }]), 'E1006'],
    ['encryption', craft([{ flags: 1 }]), 'E2002'],
    ['strong encryption', craft([{ flags: 64 }]), 'E2002'],
    ['method 12', craft([{ method: 12 }]), 'E2002 archive entry "a" is compressed by method 12'],
    ['a symbolic link', craft([{ host: 3, attributes: 0xa1ff0000 }]), 'E1011'],
    ['a device', craft([{ host: 3, attributes: 0x21ff0000 }]), 'E1011'],
    ['a folder with content', craft([{ name: 'a/' }]), 'E1006'],
    ['broken deflate data', craft([{ method: 8, data: Uint8Array.of(255, 255, 255), size: 5 }]), 'E1006'],
    ['cut deflate data', craft([{ method: 8, data: raw.subarray(0, -2), size: 5 }]), 'E1006'],
    ['no deflate data', craft([{ method: 8, data: new Uint8Array(0), size: 5 }]), 'E1006'],
    ['more than the stated size', craft([{ method: 8, data: zeros, size: 50_000 }]), 'E1006'],
    ['less than the stated size', craft([{ method: 8, data: raw, size: 6 }]), 'E1006'],
    ['an impossible ratio', craft([{ method: 8, data: raw, size: 2 ** 31 }]), 'E1006'],
    ['a bomb', craft([{ method: 8, data: new Uint8Array(200_000), size: 200_000_000 }]), 'E1009'],
  ];
  it.each(rows)('refuses %s', async (_, bytes, expected) => {
    expect(await failure(bytes)).toContain(expected);
  });

  it('counts many small entries as one bomb', async () => {
    const entries = Array.from({ length: 3 }, (_, i) => ({ name: `a${i}`, method: 8, data: new Uint8Array(100_000), size: 50_000_000 }));
    expect(await failure(craft(entries))).toMatch(/^E1009/);
  });

  it('limits the number of entries', async () => {
    expect(await failure(craft([{}, { name: 'b' }]), { count: 1 })).toMatch(/^E1009/);
  });

  it.each(['', '../x', 'a/../b', '/x', 'C:\\x', 'C:x', '\\\\h\\x', 'a//b', './a', 'a\0b', 'a\u001b[2J', '..'])(
    'refuses the name %j',
    async name => {
      expect(await failure(craft([{ name }]))).toMatch(/^E1011/);
    },
  );

  it('allows names that differ by case where it is told to', async () => {
    const zip = await openZip(source(craft([{ name: 'w' }, { name: 'W' }])), { foldCase: false });
    expect(zip.entries.size).toBe(2);
  });

  it('gives a finding or the content for every changed byte and every cut', async () => {
    const whole = await zipOf(
      { name: 'data.pkl', data: utf8('hello '.repeat(20)), method: 'deflate' },
      { name: 'data/0', data: utf8('weights'), align: 64 },
      { name: 'late', data: { length: 9, read: (at, n) => utf8('123456789').subarray(at, at + n) }, method: 'deflate' },
    );
    for (let i = 0; i < whole.length; i++) {
      await failure(whole.subarray(0, i));
      for (const flip of [1, 0x80, 0xff]) {
        const changed = Uint8Array.from(whole);
        changed[i]! ^= flip;
        await failure(changed);
      }
    }
  });

  it('gives a finding or the content for random changes', async () => {
    const whole = await zipOf({ name: 'a', data: utf8('hello '.repeat(9)), method: 'deflate' }, { name: 'b', data: utf8('w') });
    const edit = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 4 }));
    const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(edits, async list => {
        const changed = Uint8Array.from(whole);
        for (const [at, bytes] of list) changed.set(bytes.subarray(0, changed.length - at), at);
        await failure(changed);
      }),
      { numRuns: 300 },
    );
  });

  it('hands on the error of its source', async () => {
    const bytes = await zipOf({ name: 'a', data: utf8('x'.repeat(3_000_000)), method: 'deflate' });
    let calls = 0;
    const flaky: Source = {
      name: 'flaky',
      size: bytes.length,
      read: async (at, n) => {
        if (++calls > 3) throw new ModelError({ code: 'E5005', severity: 'error', message: 'changed' });
        return bytes.slice(at, at + n);
      },
    };
    const zip = await openZip(flaky);
    calls = 2;
    await expect(zip.entries.get('a')!.bytes()).rejects.toMatchObject({ code: 'E5005' });
  });
});

describe('patchZip', () => {
  const read = (content: string) => ({
    length: content.length,
    read: async (at = 0, length = content.length - at) => utf8(content).subarray(at, at + length),
  });
  const patched = async (zip: Uint8Array, contents: Record<string, string>): Promise<Uint8Array> => {
    const parts: Uint8Array[] = [];
    for (const part of await patchZip(source(zip), new Map(Object.entries(contents).map(([name, c]) => [name, read(c)]))))
      parts.push(part instanceof Uint8Array ? part : await part.read(0, part.length));
    return join(...parts);
  };
  const entries = (a: string, b: string): ZipInput[] => [
    { name: 'a', data: utf8(a) },
    { name: 'between', data: utf8('stays'), align: 64 },
    { name: 'b', data: read(b), align: 64 },
  ];

  it('gives what writing the other content gives', async () => {
    const found = await patched(await zipOf(...entries('hello', 'there')), { a: 'other', b: 'words' });
    expect(found).toEqual(await zipOf(...entries('other', 'words')));
    expect(await failure(found)).toBe('accepted');
  });
  it('refuses content of another length, and entries that are not there', async () => {
    const zip = await zipOf(...entries('hello', 'there'));
    await expect(patched(zip, { a: 'longer' })).rejects.toMatchObject({ code: 'E1203' });
    await expect(patched(zip, { c: 'hello' })).rejects.toMatchObject({ code: 'E1013' });
  });
});

describe('writeZip', () => {
  it('is as long as zipLength says', async () => {
    const read = { length: 5, read: (at: number, length: number) => utf8('hello').subarray(at, at + length) };
    for (const entries of [
      [],
      [{ name: 'a', data: utf8('hello') }],
      [
        { name: 'é/b', data: read, align: 64 },
        { name: 'c', data: new Uint8Array(0), align: 64 },
      ],
    ] as ZipInput[][])
      expect(zipLength(entries)).toBe((await zipOf(...entries)).length);
  });
  it('gives the same bytes for the same entries', async () => {
    const entries: ZipInput[] = [
      { name: 'a', data: utf8('x'.repeat(500)), method: 'deflate' },
      { name: 'b', data: utf8('y'), align: 64 },
    ];
    expect(await zipOf(...entries)).toEqual(await zipOf(...entries));
  });

  it.each([1, 2, 16, 64, 4096])('aligns data to %i bytes', async align => {
    const inputs = ['a', 'bb', 'ccc', 'x'.repeat(31)].map(name => ({ name, data: utf8(`content of ${name}`), align }));
    const zip = await openZip(source(await zipOf(...inputs)));
    for (const entry of zip.entries.values()) {
      expect((await entry.range()).offset % align).toBe(0);
      expect(text(await entry.bytes())).toBe(`content of ${entry.name}`);
    }
  });

  it('reads data while it writes and puts a descriptor behind it', async () => {
    const content = Uint8Array.from({ length: 9_000_000 }, (_, i) => (i * i) >> 7);
    const lazy = { length: content.length, read: (at: number, n: number) => content.subarray(at, at + n) };
    const bytes = await zipOf({ name: 's', data: lazy, align: 64 }, { name: 'd', data: lazy, method: 'deflate' });
    const zip: Zip = await openZip(source(bytes));
    for (const entry of zip.entries.values()) expect(Buffer.compare(await entry.bytes(), content)).toBe(0);
    const broken = Uint8Array.from(bytes);
    const range = await zip.entries.get('s')!.range();
    broken[range.offset + range.length + 5]! ^= 1;
    expect(await failure(broken)).toMatch(/^E1006.*descriptor/);
  });

  it('refuses what it could not read back', async () => {
    const data = utf8('x');
    await expect(zipOf({ name: 'a', data }, { name: 'a', data })).rejects.toMatchObject({ code: 'E1010' });
    for (const name of ['../a', '/a', '', 'a\\b', '\ud800']) await expect(zipOf({ name, data })).rejects.toMatchObject({ code: 'E1011' });
    await expect(zipOf({ name: 'a', data, align: 0 })).rejects.toMatchObject({ code: 'E4001' });
    const short = { length: 5, read: () => data };
    await expect(zipOf({ name: 'a', data: short })).rejects.toMatchObject({ code: 'E5005' });
    await expect(zipOf({ name: 'a', data: short, method: 'deflate' })).rejects.toMatchObject({ code: 'E5005' });
  });

  it('writes more than 65,535 entries', async () => {
    const inputs = Array.from({ length: 70_000 }, (_, i) => ({ name: `e${i}`, data: Uint8Array.of(i & 255) }));
    const zip = await openZip(source(await zipOf(...inputs)));
    expect(zip.entries.size).toBe(70_000);
    expect(await zip.entries.get('e69999')!.bytes()).toEqual(Uint8Array.of(69_999 & 255));
  });

  it('writes entries and offsets beyond 4 GiB', async () => {
    // The archive repeats one chunk of memory, so that it fits.
    const zeros = new Uint8Array(2 ** 22);
    const length = 2 ** 32 + 5;
    const pieces: { at: number; bytes: Uint8Array }[] = [];
    let size = 0;
    for await (const bytes of writeZip([
      { name: 'big', data: { length, read: (_, n) => zeros.subarray(0, n) } },
      { name: 'late', data: utf8('after it'), align: 64 },
    ])) {
      pieces.push({ at: size, bytes });
      size += bytes.length;
    }
    const read = async (at: number, n: number): Promise<Uint8Array> => {
      const out = new Uint8Array(n);
      for (const piece of pieces) {
        if (piece.at + piece.bytes.length <= at || piece.at >= at + n) continue;
        const from = Math.max(0, at - piece.at);
        out.set(piece.bytes.subarray(from, at + n - piece.at), Math.max(0, piece.at - at));
      }
      return out;
    };
    const zip = await openZip({ name: 'big.zip', size, read });
    expect(zip.entries.get('big')).toMatchObject({ size: length, compressedSize: length });
    expect((await zip.entries.get('big')!.range()).length).toBe(length);
    expect(text(await zip.entries.get('late')!.bytes())).toBe('after it');
  });
});
