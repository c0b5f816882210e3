// A protobuf reader that knows where it is: offsets in the file, the path of the field being read, and how far the bytes
// go. It checks before it reads, so protobufjs's own errors, which name no place, never come up.
import protobuf from 'protobufjs/minimal.js';
import { fail, type ModelError, type Place } from '../errors.ts';

/** A position in a file of which `buf` holds a part. Errors: E1005 the file ends, E1006 the bytes break the rules, E1008 nesting. */
export class Cursor extends protobuf.Reader {
  /** The words of the last 64-bit value read. */
  lo = 0;
  hi = 0;
  /** Offset in the file of the first byte of `buf`. */
  base = 0;
  /** The number of entries of the path that are valid. */
  level = 0;
  /** Where the last tag begins in `buf`. */
  tagAt = 0;
  readonly file: string | undefined;
  /** Size of the file in bytes. */
  readonly fileSize: number;
  readonly #prefix: string;
  readonly #names: string[] = [];
  readonly #indices: number[] = [];

  /** `len` starts as the end of the file and always is the end of the innermost message, even beyond `buf`. */
  constructor(bytes: Uint8Array, size: number, file: string | undefined, prefix = '') {
    super(plain(bytes));
    this.fileSize = size;
    this.len = size;
    this.file = file;
    this.#prefix = prefix;
  }

  /** Offset in the file. */
  get offset(): number {
    return this.base + this.pos;
  }

  /** Put other bytes of the file under the cursor, which stays where it is in the file. */
  move(bytes: Uint8Array, base: number): void {
    this.pos += this.base - base;
    this.tagAt += this.base - base;
    this.len += this.base - base;
    this.base = base;
    this.buf = plain(bytes);
  }

  /** Note the field being read at this depth; `index` is negative for fields that do not repeat. */
  enter(depth: number, name: string, index: number): void {
    this.#names[depth] = name;
    this.#indices[depth] = index;
    this.level = depth + 1;
  }

  /** The path of the field being read, such as `graph.node[3].attribute[0]`. */
  get path(): string {
    let path = this.#prefix;
    for (let i = 0; i < this.level; i++) {
      const index = this.#indices[i]!;
      path += `${path === '' ? '' : '.'}${this.#names[i]}${index < 0 ? '' : `[${index}]`}`;
    }
    return path;
  }

  /** Refuse unless `length` bytes follow in this message. */
  need(length: number): this {
    if (length > this.len - this.pos) throw this.short(length - (this.len - this.pos));
    return this;
  }

  /** Move over `length` bytes and return where they start. */
  take(length: number): number {
    this.need(length);
    const start = this.pos;
    this.pos += length;
    return start;
  }

  /** Read a varint of at most 10 bytes into `lo` and `hi`. */
  varint(): this {
    const { buf, len } = this;
    let { pos } = this;
    let lo = 0;
    let hi = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (pos >= len) throw this.short(1);
      const byte = buf[pos++]!;
      if (shift < 28) lo |= (byte & 127) << shift;
      else if (shift > 28) hi |= (byte & 127) << (shift - 32);
      else {
        lo |= (byte & 127) << 28;
        hi = (byte & 127) >>> 4;
      }
      if (byte < 128) {
        this.lo = lo >>> 0;
        this.hi = hi >>> 0;
        this.pos = pos;
        return this;
      }
    }
    throw this.malformed('a varint is longer than 10 bytes');
  }

  /** The low 32 bits of a varint; the wire allows more, which 32-bit types drop. */
  varint32(): number {
    return this.varint().lo;
  }

  /** Read eight bytes into `lo` and `hi`. */
  words(): this {
    this.need(8);
    this.lo = this.fixed32();
    this.hi = this.fixed32();
    return this;
  }

  /** Read a tag: field number and wire type in one number. */
  override tag(): number {
    this.tagAt = this.pos;
    this.varint();
    if (this.hi === 0 && this.lo >= 8) return this.lo;
    throw this.malformedTag(this.hi === 0 ? 'a field has the number 0' : 'a field number has more than 29 bits');
  }

  /** Read a length prefix. The length is not yet known to fit. */
  length(): number {
    const start = this.pos;
    this.varint();
    const length = this.hi * 2 ** 32 + this.lo;
    if (Number.isSafeInteger(length)) return length;
    this.pos = start;
    throw this.malformed(`a length of ${(BigInt(this.hi) << 32n) + BigInt(this.lo)} bytes is impossible`);
  }

  /** The error of bytes that break the rules of the wire, at the cursor. */
  malformed(what: string): ModelError {
    const { path } = this;
    return fail('E1006', `${what}${path === '' ? '' : ` in ${path}`} at offset ${this.offset}`, this.#place(this.offset));
  }

  /** The same for a tag that was read: the cursor goes back to where it begins. */
  malformedTag(what: string): ModelError {
    this.pos = this.tagAt;
    return this.malformed(what);
  }

  /** The error of a field that needs `missing` bytes more than its message or the file has. */
  short(missing: number): ModelError {
    const { path } = this;
    const inside = path === '' ? 'the tag of a field' : `field ${path}`;
    const end = this.base + this.len;
    if (end < this.fileSize)
      return fail(
        'E1006',
        `${inside} needs ${missing} more bytes than the message that holds it, which ends at offset ${end}`,
        this.#place(this.offset),
      );
    return fail('E1005', `ends inside ${inside} at offset ${end}, needs ${missing} more bytes`, this.#place(end));
  }

  /** The error of messages or groups nested beyond `limit`. */
  tooDeep(limit: number): ModelError {
    return fail('E1008', `nesting deeper than ${limit} at offset ${this.offset}`, {
      ...this.#place(this.offset),
      limit: { name: 'depth', value: limit },
    });
  }

  #place(offset: number): Place {
    return { file: this.file, offset, path: this.path === '' ? undefined : this.path };
  }
}

// Slices of a Node Buffer are Buffers, whose `slice` shares memory: the fields are to be ordinary arrays.
const plain = (bytes: Uint8Array): Uint8Array =>
  bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
