// Zip archives, read by range: the central directory at once, an entry when it is asked for. Everything two readers could
// understand differently is refused, so that what is checked here is what another tool loads. Nothing is ever extracted to disk.
import { type Finding, fail, type ModelError, warning } from '../errors.ts';
import { crc32 } from './crc.ts';
import { inflate } from './deflate.ts';
import { ByteRange, MemorySource, PartSource, type Source } from './source.ts';
import {
  entryError,
  findEnd,
  flag,
  hex,
  quote,
  type Row,
  readDirectory,
  refuseBombs,
  refuseDuplicates,
  refuseOverlap,
  signatures,
  stored,
  u64,
  view,
  widen,
} from './zip-directory.ts';

/** An opened archive. Directory entries are checked but not listed. */
export interface Zip {
  /** By name, in the order of the central directory. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** What is odd but harmless: bytes before the archive. A strict caller refuses them. */
  readonly warnings: readonly Finding[];
}

export interface ZipOptions {
  /** Highest size : compressed size of what inflates to more than 64 MiB. */
  readonly ratio?: number;
  /** Highest number of entries. */
  readonly count?: number;
  /** Refuse names that differ only by case, as they collide on some file systems. NumPy archives hold such names. */
  readonly foldCase?: boolean;
}

const longestDirectory = 512 * 2 ** 20;

/**
 * Read the directory of the archive that `source` holds.
 * Errors: E1005 truncated, E1006 malformed or ambiguous, E1007 bytes follow, E1009 over a limit, E1010 a name twice,
 * E1011 unsafe name or link, E1110 a name that is not UTF-8, E2002 encrypted, split or of an unknown method.
 */
export async function openZip(source: Source, options: ZipOptions = {}): Promise<Zip> {
  const { ratio = 200, count = 1_000_000, foldCase = true } = options;
  const end = await findEnd(source);
  if (end.count > count)
    throw fail('E1009', `archive of ${end.count} entries, at most ${count} are read`, {
      file: source.name,
      limit: { name: 'zip.entries', value: count },
    });
  if (end.directorySize > longestDirectory)
    throw fail('E1009', `archive directory of ${end.directorySize} bytes`, {
      file: source.name,
      limit: { name: 'zip.directory', value: longestDirectory },
    });
  const rows = readDirectory(await source.read(end.directoryAt, end.directorySize), end, source.name);
  refuseDuplicates(rows, foldCase, source.name);
  refuseBombs(rows, ratio, source.name);
  const order = refuseOverlap(rows, end.directoryAt, source.name);
  const entries = new Map<string, ZipEntry>();
  for (const row of rows) if (!row.name.endsWith('/')) entries.set(row.name, new ZipEntry(source, row, order.get(row) ?? end.directoryAt));
  const first = rows.reduce((least, row) => Math.min(least, row.headerAt), end.directoryAt);
  const warnings =
    first > 0 ? [warning('E1006', `${first} bytes precede the archive`, { file: source.name, offset: 0, length: first })] : [];
  return { entries, warnings };
}

/** One file of an archive. */
export class ZipEntry {
  readonly name: string;
  /** Bytes when inflated. */
  readonly size: number;
  readonly compressedSize: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc32: number;
  readonly #source: Source;
  readonly #row: Row;
  readonly #boundary: number;
  #located: Promise<ByteRange> | undefined;

  /** Made by `openZip`. `boundary` is where the next entry or the directory begins. */
  constructor(source: Source, row: Row, boundary: number) {
    this.name = row.name;
    this.size = row.size;
    this.compressedSize = row.compressedSize;
    this.method = row.method;
    this.crc32 = row.crc32;
    this.#source = source;
    this.#row = row;
    this.#boundary = boundary;
  }

  /**
   * Where the bytes of a stored entry lie, without reading them and so without their checksum.
   * Errors: E1006 the local header contradicts the directory, E2002 the entry is compressed.
   */
  async range(): Promise<ByteRange> {
    if (this.method !== stored)
      throw entryError('E2002', this.#source.name, this.#row, `is compressed by method ${this.method}; only a stored entry has a range`);
    return this.#locate();
  }

  /**
   * The content, inflated and compared with its checksum; a view where the source is memory and the entry stored.
   * Errors: as `range`, and E1006 broken deflate data, E1009 more than `limit` bytes, E1012 checksum.
   */
  async bytes(limit = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const file = this.#source.name;
    if (this.size > limit)
      throw fail('E1009', `archive entry ${quote(this.name)} has ${this.size} bytes, at most ${limit} are read`, {
        file,
        path: this.name,
        limit: { name: 'zip.bytes', value: limit },
      });
    const range = await this.#locate();
    const content = this.method === stored ? await range.read() : await inflateEntry(range, this.#row);
    const sum = crc32(content);
    if (sum !== this.crc32) throw entryError('E1012', file, this.#row, `has checksum ${hex(sum)}, the archive says ${hex(this.crc32)}`);
    return content;
  }

  #locate(): Promise<ByteRange> {
    this.#located ??= locate(this.#source, this.#row, this.#boundary);
    return this.#located;
  }
}

/** Check the local header against the directory and give the range of the data. */
async function locate(source: Source, row: Row, boundary: number): Promise<ByteRange> {
  const error = (text: string): ModelError => entryError('E1006', source.name, row, text);
  const nameLength = row.nameBytes.length;
  const head = await source.read(row.headerAt, 30 + nameLength);
  const v = view(head);
  if (v.getUint32(0, true) !== signatures.local) throw error('has no local header');
  const extraAt = row.headerAt + 30 + nameLength;
  const dataAt = extraAt + v.getUint16(28, true);
  const dataEnd = dataAt + row.compressedSize;
  if (v.getUint16(26, true) !== nameLength || row.nameBytes.some((byte, i) => head[30 + i] !== byte))
    throw error('has another name in its local header');
  if (v.getUint16(6, true) !== row.flags) throw error('has other flags in its local header');
  if (v.getUint16(8, true) !== row.method) throw error('has another method in its local header');
  if (dataEnd > boundary) throw error('overlaps the next one');
  const sizes = { size: v.getUint32(22, true), compressedSize: v.getUint32(18, true) };
  const wide = sizes.size === 0xffffffff || sizes.compressedSize === 0xffffffff;
  if (wide) widen(sizes, await source.read(extraAt, dataAt - extraAt), false, error);
  const later = (row.flags & flag.descriptor) !== 0;
  const agrees = (local: number, central: number): boolean => local === central || (later && local === 0);
  if (!agrees(sizes.size, row.size) || !agrees(sizes.compressedSize, row.compressedSize))
    throw error('has other sizes in its local header');
  if (!agrees(v.getUint32(14, true), row.crc32)) throw error('has another checksum in its local header');
  if (later) await checkDescriptor(source, row, dataEnd, boundary, error);
  return new ByteRange(source, dataAt, row.compressedSize);
}

/** The descriptor behind the data repeats checksum and sizes, in 4 or 8 bytes each, its signature being optional. */
async function checkDescriptor(source: Source, row: Row, at: number, boundary: number, error: (text: string) => ModelError): Promise<void> {
  const bytes = await source.read(at, Math.min(24, boundary - at));
  const v = view(bytes);
  const says = (start: number, width: 4 | 8): boolean => {
    const read = (i: number): number => (width === 4 ? v.getUint32(i, true) : u64(v, i));
    return (
      bytes.length >= start + 4 + 2 * width &&
      v.getUint32(start, true) === row.crc32 &&
      read(start + 4) === row.compressedSize &&
      read(start + 4 + width) === row.size
    );
  };
  const signed = bytes.length >= 4 && v.getUint32(0, true) === signatures.descriptor;
  if (!(signed && (says(4, 4) || says(4, 8))) && !says(0, 4) && !says(0, 8)) throw error('contradicts its data descriptor');
}

async function inflateEntry(range: ByteRange, row: Row): Promise<Uint8Array> {
  const error = (text: string, cause?: unknown): ModelError => entryError('E1006', range.source.name, row, text, range.offset, cause);
  const content = allocate(row, range.source.name);
  let at = 0;
  let reading: unknown;
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (let i = 0; i < range.length; i += 2 ** 20) yield await range.read(i, Math.min(2 ** 20, range.length - i));
    } catch (cause) {
      reading = cause;
      throw cause;
    }
  };
  const pieces = inflate(chunks());
  try {
    for await (const piece of pieces) {
      if (piece.length > row.size - at) throw error(`inflates to more than the ${row.size} bytes it states`);
      content.set(piece, at);
      at += piece.length;
    }
  } catch (cause) {
    if (cause === reading || (cause instanceof Error && cause.name === 'ModelError')) throw cause;
    throw error(`has broken deflate data after ${at} bytes`, cause);
  }
  if (at !== row.size) throw error(`inflates to ${at} bytes, it states ${row.size}`);
  return content;
}

function allocate(row: Row, file: string): Uint8Array {
  try {
    return new Uint8Array(row.size);
  } catch (cause) {
    throw entryError('E1009', file, row, `of ${row.size} bytes does not fit into memory`, row.headerAt, cause);
  }
}

/** An entry as a source of its own, for a file inside the archive; one that is compressed is inflated into memory. */
export const entrySource = async (entry: ZipEntry, name: string): Promise<Source> =>
  entry.method === stored ? new PartSource(await entry.range(), name) : new MemorySource(await entry.bytes(), name);
