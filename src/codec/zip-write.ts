// Writes zip archives as a stream of chunks. The same entries give the same bytes on one platform: no times, no owners.
// Facts: PKWARE APPNOTE.TXT 6.3.10; the alignment field is the one PyTorch writes.
import { fail } from '../errors.ts';
import { crc32 } from './crc.ts';
import { deflate } from './deflate.ts';
import { deflated, stored, unsafeName } from './zip-directory.ts';

/** Bytes that are read while they are written, such as a `ByteRange`. */
export interface ZipData {
  readonly length: number;
  read(offset: number, length: number): Promise<Uint8Array> | Uint8Array;
}

export interface ZipInput {
  readonly name: string;
  readonly data: Uint8Array | ZipData;
  /** Default `store`. Data in memory that deflate does not shrink is stored. */
  readonly method?: 'store' | 'deflate' | undefined;
  /** The data begins at a multiple of this many bytes, at most 32,768. PyTorch uses 64. */
  readonly align?: number | undefined;
}

const chunkSize = 2 ** 22;
const u32Max = 0xffffffff;
const u16Max = 0xffff;
/** 1 January 1980, the first day the format knows. */
const date = 0x21;
const flag = { descriptor: 8, utf8: 2048 };

interface Written {
  readonly name: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly headerAt: number;
  crc32: number;
  size: number;
  compressedSize: number;
}

/**
 * The archive of `entries` in their order, Zip64 where a size or the count asks for it. Chunks may be views of the entries' data.
 * Data in memory has its sizes in the local header; data that is read gets a descriptor behind it, so it is read once.
 * Errors: E1010 a name twice, E1011 an unsafe name, E4001 an impossible alignment, E5005 a read that gives fewer bytes than asked.
 */
export async function* writeZip(entries: AsyncIterable<ZipInput> | Iterable<ZipInput>): AsyncGenerator<Uint8Array, void, undefined> {
  const names = new Set<string>();
  const directory: Written[] = [];
  let at = 0;
  for await (const input of entries) {
    refuseInput(input, names);
    for await (const chunk of writeEntry(input, at, directory)) {
      at += chunk.length;
      yield chunk;
    }
  }
  const directoryAt = at;
  for (const entry of directory) {
    const record = centralRecord(entry);
    at += record.length;
    yield record;
  }
  yield endRecords(directory.length, directoryAt, at - directoryAt);
}

/**
 * The length of the archive that `writeZip` makes of entries that are all stored, without reading them.
 * Errors: those of `writeZip` for names and alignments.
 */
export function zipLength(entries: Iterable<ZipInput>): number {
  const names = new Set<string>();
  const directory: Written[] = [];
  let at = 0;
  for (const input of entries) {
    refuseInput(input, names);
    const { entry, wide } = begun(input, at);
    const { length } = input.data;
    directory.push({ ...entry, size: length, compressedSize: length });
    at += localHeader(entry, input.align ?? 1, wide).length + length;
    if (!(input.data instanceof Uint8Array)) at += descriptor(entry, wide).length;
  }
  const directorySize = directory.reduce((n, entry) => n + centralRecord(entry).length, 0);
  return at + directorySize + endRecords(directory.length, at, directorySize).length;
}

function refuseInput({ name, align = 1 }: ZipInput, names: Set<string>): void {
  const unsafe = unsafeName(name);
  if (unsafe || /\p{Surrogate}/u.test(name))
    throw fail('E1011', `archive entry ${JSON.stringify(name)} ${unsafe ?? 'is not Unicode'}`, { path: name });
  if (names.has(name)) throw fail('E1010', `archive entry ${JSON.stringify(name)} is written twice`, { path: name });
  if (!Number.isInteger(align) || align < 1 || align > 32768)
    throw fail('E4001', `alignment of archive entry ${JSON.stringify(name)} must be 1 to 32768, found ${align}`);
  names.add(name);
}

/** What the local header says of an entry before its data is known, and whether sizes need eight bytes there. */
function begun({ name: text, data, method }: ZipInput, headerAt: number): { readonly entry: Written; readonly wide: boolean } {
  const name = new TextEncoder().encode(text);
  if (name.length > u16Max) throw fail('E4001', `archive entry name of ${name.length} bytes, at most ${u16Max} are possible`);
  const utf8 = name.length === text.length ? 0 : flag.utf8;
  const later = data instanceof Uint8Array ? 0 : flag.descriptor;
  // Deflate can grow data by five bytes in every 16 KiB block, so whether sizes need eight bytes is known beforehand.
  const wide = data.length + (later === 0 ? 0 : (data.length >>> 10) + 1024) >= u32Max || data.length >= u32Max;
  const entry = { name, flags: utf8 | later, method: method === 'deflate' ? deflated : stored, headerAt };
  return { entry: { ...entry, crc32: 0, size: 0, compressedSize: 0 }, wide };
}

async function* writeEntry(input: ZipInput, headerAt: number, directory: Written[]): AsyncGenerator<Uint8Array> {
  const { data, align = 1 } = input;
  const { entry, wide } = begun(input, headerAt);
  if (data instanceof Uint8Array) {
    const packed = input.method === 'deflate' ? await deflateWhole(data) : undefined;
    const body = packed && packed.length < data.length ? packed : data;
    const method = body === data ? stored : deflated;
    const known: Written = { ...entry, method, crc32: crc32(data), size: data.length, compressedSize: body.length };
    directory.push(known);
    yield localHeader(known, align, wide);
    if (body.length > 0) yield body;
    return;
  }
  yield localHeader(entry, align, wide);
  const plain = readAll(data, entry);
  for await (const chunk of entry.method === deflated ? deflate(plain) : plain) {
    entry.compressedSize += chunk.length;
    yield chunk;
  }
  directory.push(entry);
  yield descriptor(entry, wide);
}

/** The data in chunks; `entry` takes up checksum and size as they pass. */
async function* readAll(data: ZipData, entry: Written): AsyncGenerator<Uint8Array> {
  while (entry.size < data.length) {
    const length = Math.min(chunkSize, data.length - entry.size);
    const chunk = await data.read(entry.size, length);
    if (chunk.length !== length) throw fail('E5005', `read ${chunk.length} bytes at ${entry.size}, expected ${length}`);
    entry.crc32 = crc32(chunk, entry.crc32);
    entry.size += length;
    yield chunk;
  }
}

async function deflateWhole(data: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const input = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < data.length; at += chunkSize) yield data.subarray(at, at + chunkSize);
  };
  for await (const piece of deflate(input())) pieces.push(piece);
  return join(pieces);
}

function localHeader(entry: Written, align: number, wide: boolean): Uint8Array {
  const later = (entry.flags & flag.descriptor) !== 0;
  const zip64 = wide ? fields([2, 1], [2, 16], [8, later ? 0 : entry.size], [8, later ? 0 : entry.compressedSize]) : new Uint8Array(0);
  const padding = alignment(entry.headerAt + 30 + entry.name.length + zip64.length, align);
  const header = fields(
    [4, 0x04034b50],
    [2, wide ? 45 : 20],
    [2, entry.flags],
    [2, entry.method],
    [2, 0],
    [2, date],
    [4, later ? 0 : entry.crc32],
    [4, wide ? u32Max : later ? 0 : entry.compressedSize],
    [4, wide ? u32Max : later ? 0 : entry.size],
    [2, entry.name.length],
    [2, zip64.length + padding.length],
  );
  return join([header, entry.name, zip64, padding]);
}

/** An extra field `FB` of the length that brings `at` to a multiple of `align`; its own head takes four bytes. */
function alignment(at: number, align: number): Uint8Array {
  let length = (align - (at % align)) % align;
  if (length === 0) return new Uint8Array(0);
  while (length < 4) length += align;
  const padding = new Uint8Array(length).fill(0x5a);
  padding.set(fields([2, 0x4246], [2, length - 4]));
  return padding;
}

function descriptor(entry: Written, wide: boolean): Uint8Array {
  const width = wide ? 8 : 4;
  return fields([4, 0x08074b50], [4, entry.crc32], [width, entry.compressedSize], [width, entry.size]);
}

function centralRecord(entry: Written): Uint8Array {
  const big = [entry.size, entry.compressedSize, entry.headerAt].filter(value => value >= u32Max);
  const zip64 = big.length > 0 ? fields([2, 1], [2, big.length * 8], ...big.map((value): Field => [8, value])) : new Uint8Array(0);
  const version = big.length > 0 ? 45 : 20;
  const record = fields(
    [4, 0x02014b50],
    [2, version],
    [2, version],
    [2, entry.flags],
    [2, entry.method],
    [2, 0],
    [2, date],
    [4, entry.crc32],
    [4, Math.min(entry.compressedSize, u32Max)],
    [4, Math.min(entry.size, u32Max)],
    [2, entry.name.length],
    [2, zip64.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, Math.min(entry.headerAt, u32Max)],
  );
  return join([record, entry.name, zip64]);
}

function endRecords(count: number, directoryAt: number, directorySize: number): Uint8Array {
  const parts: Uint8Array[] = [];
  if (count >= u16Max || directoryAt >= u32Max || directorySize >= u32Max) {
    const sizes: Field[] = [count, count, directorySize, directoryAt].map(value => [8, value]);
    parts.push(fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], ...sizes));
    parts.push(fields([4, 0x07064b50], [4, 0], [8, directoryAt + directorySize], [4, 1]));
  }
  const short = Math.min(count, u16Max);
  const sizes: Field[] = [directorySize, directoryAt].map(value => [4, Math.min(value, u32Max)]);
  parts.push(fields([4, 0x06054b50], [2, 0], [2, 0], [2, short], [2, short], ...sizes, [2, 0]));
  return join(parts);
}

type Field = readonly [width: 2 | 4 | 8, value: number];

/** Little-endian unsigned integers, one after another. */
function fields(...list: readonly Field[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [width]) => sum + width, 0));
  const v = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of list) {
    if (width === 2) v.setUint16(at, value, true);
    else if (width === 4) v.setUint32(at, value, true);
    else v.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
