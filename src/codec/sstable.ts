// Tables of sorted keys in blocks, as LevelDB writes them: the index of TensorFlow's checkpoints.
// Format: https://github.com/google/leveldb/blob/main/doc/table_format.md
import { fail, ModelError, type Place } from '../errors.ts';
import { maskedCrc32c } from './crc.ts';
import { unsnappy } from './snappy.ts';
import type { Source } from './source.ts';

const footerLength = 48;
const magic = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb] as const;
/** A block's type and checksum. */
const trailerLength = 5;
const longestBlock = 16 << 20;
/** What all blocks may come to beyond the size of the file. */
const mostInflated = 32 << 20;

/** Bytes of a file that errors count from. */
class Bytes {
  at = 0;
  readonly bytes: Uint8Array;
  readonly #file: string;
  readonly #offset: number;
  constructor(bytes: Uint8Array, file: string, offset: number) {
    this.bytes = bytes;
    this.#file = file;
    this.#offset = offset;
  }

  wrong(message: string): ModelError {
    return fail('E1006', message, { file: this.#file, offset: this.#offset + this.at });
  }

  /** A number in 7-bit groups, at most 2^53. */
  varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      if (this.at >= end) throw this.wrong('a number runs beyond its block');
      const byte = this.bytes[this.at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) throw this.wrong(`the number ${value} is beyond 2^53`);
        return value;
      }
    }
    throw this.wrong('a number has more than nine bytes');
  }
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Whether the last bytes of a file are those of a table. */
export async function isTable(source: Source): Promise<boolean> {
  if (source.size < footerLength) return false;
  const end = await source.read(source.size - magic.length, magic.length);
  return magic.every((byte, i) => end[i] === byte);
}

/**
 * Every entry of a table, in order. Checksums are verified.
 * @throws ModelError E1005 for a short file, E1006 for a malformed one, E1009 for a block that is too large, E1012 for a wrong checksum
 */
export async function readTable(source: Source): Promise<Map<string, Uint8Array>> {
  const file = source.name;
  if (source.size < footerLength)
    throw fail('E1005', `${source.size} bytes, expected at least ${footerLength} for the end of a table`, { file, offset: 0 });
  const footerAt = source.size - footerLength;
  const footer = new Bytes(await source.read(footerAt, footerLength), file, footerAt);
  footer.at = footerLength - magic.length;
  if (magic.some((byte, i) => footer.bytes[footer.at + i] !== byte)) throw footer.wrong('the file does not end as a table does');
  footer.at = 0;
  readHandle(footer, footerLength);
  const index = await readBlock(source, readHandle(footer, footerLength), footerAt);
  const entries = new Map<string, Uint8Array>();
  let last: Uint8Array | undefined;
  let end = 0;
  let total = 0;
  for (const { value, at } of entriesOf(index, file)) {
    const handle = readHandle(new Bytes(value, file, at), value.length);
    // Blocks follow each other, so that none is read twice.
    if (handle.offset < end)
      throw fail('E1006', `a block at ${handle.offset} begins before the end of the one before`, { file, offset: at });
    end = handle.offset + handle.size + trailerLength;
    const block = await readBlock(source, handle, footerAt);
    total += block.bytes.length;
    if (total > mostInflated + source.size) throw tooLong(total, mostInflated, { file, offset: handle.offset });
    for (const { key, value, at } of entriesOf(block, file)) {
      if (last && compare(last, key) >= 0) throw fail('E1006', 'the keys are not in order', { file, offset: at });
      last = key;
      entries.set(new TextDecoder('latin1').decode(key), value);
    }
  }
  return entries;
}

function readHandle(from: Bytes, end: number): Handle {
  const offset = from.varint(end);
  return { offset, size: from.varint(end) };
}

const tooLong = (size: number, most: number, place: Place): ModelError =>
  fail('E1009', `blocks of ${size} bytes, at most ${most} are read`, { ...place, limit: { name: 'table.block', value: most } });

interface Block {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

async function readBlock(source: Source, { offset, size }: Handle, end: number): Promise<Block> {
  const place = { file: source.name, offset };
  if (size > end - trailerLength || offset > end - trailerLength - size)
    throw fail('E1005', `a block of ${size} bytes at ${offset} lies outside the table of ${end} bytes`, place);
  if (size > longestBlock) throw tooLong(size, longestBlock, place);
  const stored = await source.read(offset, size + trailerLength);
  const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
  if (maskedCrc32c(stored.subarray(0, size + 1)) !== view.getUint32(size + 1, true))
    throw fail('E1012', 'the checksum of a block does not match its bytes', place);
  const content = stored.subarray(0, size);
  const type = stored[size]!;
  if (type === 0) return { bytes: content, offset };
  if (type !== 1) throw fail('E1006', `a block is of type ${type}, 0 and 1 are read here`, place);
  try {
    return { bytes: unsnappy(content, longestBlock), offset };
  } catch (error) {
    throw error instanceof ModelError ? moved(error, offset).within(place) : error;
  }
}

/** The offsets of an error count from the start of the file. */
const moved = (error: ModelError, by: number): ModelError =>
  new ModelError(error.findings.map(f => (f.offset === undefined ? f : { ...f, offset: f.offset + by })));

/** Entries of a block: each key says how much of it is the start of the one before. */
function* entriesOf({ bytes, offset }: Block, file: string): Generator<{ key: Uint8Array; value: Uint8Array; at: number }> {
  const from = new Bytes(bytes, file, offset);
  if (bytes.length < 4) throw from.wrong('a block has no restarts');
  const restarts = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(bytes.length - 4, true);
  if (restarts > (bytes.length - 4) / 4) throw from.wrong(`a block of ${bytes.length} bytes says that it has ${restarts} restarts`);
  const end = bytes.length - 4 - 4 * restarts;
  let key: Uint8Array = new Uint8Array(0);
  while (from.at < end) {
    const at = offset + from.at;
    const shared = from.varint(end);
    const own = from.varint(end);
    const length = from.varint(end);
    const wrong = (message: string) => fail('E1006', message, { file, offset: at });
    if (shared > key.length) throw wrong(`a key shares ${shared} bytes with one of ${key.length}`);
    if (own > end - from.at || length > end - from.at - own) throw wrong('an entry runs beyond its block');
    const next = new Uint8Array(shared + own);
    next.set(key.subarray(0, shared));
    next.set(bytes.subarray(from.at, from.at + own), shared);
    key = next;
    from.at += own + length;
    yield { key, value: bytes.subarray(from.at - length, from.at), at };
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
