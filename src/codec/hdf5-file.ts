// The bytes of an HDF5 file: its superblock, blocks anywhere in it, and a cursor in each that never leaves it.
// Facts: The HDF5 Group, HDF5 File Format Specification Version 3.0.
import { fail, type ModelError } from '../errors.ts';
import { type Pages, pagesOf } from './pages.ts';
import type { Source } from './source.ts';

/** Most bytes of one block of metadata; texts are the longest. */
const longestBlock = 64 * 2 ** 20;

/** A file whose superblock was read. */
export class HdfFile {
  readonly source: Source;
  /** Bytes of an address, and of a length. */
  readonly addressWidth: number;
  readonly lengthWidth: number;
  /** Where the header of the root group is. */
  readonly root: number;
  readonly #pages: Pages;

  private constructor(source: Source, pages: Pages, of: { addressWidth: number; lengthWidth: number; root: number }) {
    this.source = source;
    this.#pages = pages;
    this.addressWidth = of.addressWidth;
    this.lengthWidth = of.lengthWidth;
    this.root = of.root;
  }

  /** Errors: E1005 truncated, E1006 malformed. */
  static async open(source: Source): Promise<HdfFile> {
    const pages = pagesOf(source);
    const file = source.name;
    const head = new Uint8Array(await source.read(0, Math.min(96, source.size)));
    if (!isHdf(head)) throw fail('E1006', 'no HDF5 signature at the start', { file, offset: 0 });
    const version = head[8] ?? 255;
    if (version > 3) throw fail('E1006', `superblock version ${version}, expected 0 to 3`, { file, offset: 8 });
    const isOld = version < 2;
    const widthAt = isOld ? 13 : 9;
    const [addressWidth, lengthWidth] = [head[widthAt] ?? 0, head[widthAt + 1] ?? 0];
    for (const [what, width, at] of [
      ['offsets', addressWidth, widthAt],
      ['lengths', lengthWidth, widthAt + 1],
    ] as const)
      if (width !== 8 && width !== 4) throw fail('E1006', `${what} of ${width} bytes, expected 4 or 8`, { file, offset: at });
    const baseAt = version === 0 ? 24 : version === 1 ? 28 : 12;
    const endAt = baseAt + 2 * addressWidth;
    // Behind the end of the file: another address and a name, or the header of the root at once.
    const rootAt = endAt + (isOld ? 3 : 1) * addressWidth;
    if (head.length < rootAt + addressWidth) throw fail('E1005', `${head.length} bytes, the superblock is longer`, { file, offset: 0 });
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    const at = (offset: number): bigint => (addressWidth === 8 ? view.getBigUint64(offset, true) : BigInt(view.getUint32(offset, true)));
    if (at(baseAt) !== 0n) throw fail('E1006', `base address ${at(baseAt)}, expected 0`, { file, offset: baseAt });
    if (at(endAt) > BigInt(source.size))
      throw fail('E1005', `the header says that the file ends at byte ${at(endAt)}, it has ${source.size}`, { file, offset: endAt });
    if (at(rootAt) >= BigInt(source.size))
      throw fail('E1005', `the root group lies at byte ${at(rootAt)} of ${source.size}`, { file, offset: rootAt });
    return new HdfFile(source, pages, { addressWidth, lengthWidth, root: Number(at(rootAt)) });
  }

  /** So many bytes at an address. @throws ModelError E1005 where the file ends before, E1009 for a block beyond the limit */
  async block(at: number, length: number, what: string): Promise<Cursor> {
    if (at > this.source.size - length)
      throw this.fail('E1005', `${what} of ${length} bytes reaches beyond the end of the file of ${this.source.size}`, at);
    if (length > longestBlock)
      throw fail('E1009', `${what} of ${length} bytes`, {
        file: this.source.name,
        offset: at,
        limit: { name: 'hdf5.block', value: longestBlock },
      });
    return new Cursor(this, this.#pages.at(at, length) ?? (await this.#pages.load(at, length)), at, what);
  }

  /** The same for a block with a signature, behind it and its version. */
  async signed(at: number, length: number, signature: string, version: number, what: string): Promise<Cursor> {
    const cursor = await this.block(at, length, what);
    cursor.expect(signature);
    const found = cursor.u8();
    if (found !== version) throw this.fail('E1006', `${what} of version ${found}, expected ${version}`, at + 4);
    return cursor;
  }

  fail(code: 'E1005' | 'E1006' | 'E1105' | 'E2002', message: string, offset?: number): ModelError {
    return fail(code, message, { file: this.source.name, ...(offset !== undefined && { offset }) });
  }
}

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
export const isHdf = (head: Uint8Array): boolean => signature.every((byte, i) => head[i] === byte);

/** Reads a block from its start to its end. */
export class Cursor {
  readonly file: HdfFile;
  readonly what: string;
  /** Where the block lies in the file. */
  readonly start: number;
  readonly #view: DataView;
  #at = 0;

  constructor(file: HdfFile, view: DataView, start: number, what: string) {
    this.file = file;
    this.#view = view;
    this.start = start;
    this.what = what;
  }

  get left(): number {
    return this.#view.byteLength - this.#at;
  }
  /** Where the next byte lies in the file. */
  get offset(): number {
    return this.start + this.#at;
  }

  #step(count: number): number {
    if (count > this.left)
      throw this.file.fail(
        'E1005',
        `${this.what} ends at offset ${this.start + this.#view.byteLength}, needs ${count - this.left} more bytes`,
        this.offset,
      );
    const at = this.#at;
    this.#at += count;
    return at;
  }
  skip(count: number): void {
    this.#step(count);
  }
  u8(): number {
    return this.#view.getUint8(this.#step(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#step(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#step(4), true);
  }
  /** An unsigned number of any width. @throws ModelError E1006 beyond 2^53 */
  uint(width: number): number {
    const at = this.#step(width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.#view.getUint8(at + i);
    if (value > Number.MAX_SAFE_INTEGER) throw this.file.fail('E1006', `a number beyond 2^53 in ${this.what}`, this.start + at);
    return value;
  }
  length(): number {
    return this.uint(this.file.lengthWidth);
  }
  /** An address; undefined where nothing is there yet, which is said by all bits. */
  find(): number | undefined {
    const at = this.#step(this.file.addressWidth);
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, this.file.addressWidth);
    if (bytes.every(byte => byte === 0xff)) return undefined;
    this.#at = at;
    return this.uint(this.file.addressWidth);
  }
  address(): number {
    const from = this.offset;
    const found = this.find();
    if (found === undefined) throw this.file.fail('E1006', `no address in ${this.what}`, from);
    return found;
  }
  bytes(count: number): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#step(count), count);
  }
  /** The next bytes as a block of their own. */
  part(count: number, what = this.what): Cursor {
    const start = this.offset;
    const bytes = this.bytes(count);
    return new Cursor(this.file, new DataView(bytes.buffer, bytes.byteOffset, count), start, what);
  }
  /** The same block from its start. */
  again(): Cursor {
    return new Cursor(this.file, this.#view, this.start, this.what);
  }
  text(count: number): string {
    return decoder.decode(this.bytes(count)).replace(/\0.*$/s, '');
  }
  /** A text up to a zero. */
  string(): string {
    let count = 0;
    while (count < this.left && this.#view.getUint8(this.#at + count) !== 0) count++;
    const text = decoder.decode(this.bytes(count));
    this.skip(1);
    return text;
  }
  /** @throws ModelError E1006 where other bytes are next */
  expect(sign: string): void {
    const at = this.offset;
    if (this.text(sign.length) !== sign) throw this.file.fail('E1006', `no ${this.what} at offset ${at}: it begins with ${sign}`, at);
  }
}
const decoder = new TextDecoder();
