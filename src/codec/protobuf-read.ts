// Decodes the message whose bytes lie under a cursor. Synchronous; knows nothing of how the bytes came there.
import { fail, ModelError } from '../errors.ts';
import type { Cursor } from './protobuf-cursor.ts';
import { joinPieces, type Piece, readPacked } from './protobuf-packed.ts';
import { at, type Field, type ScalarType, type Table, unknownFields } from './protobuf-wire.ts';
import { ByteRange, type Source } from './source.ts';
import { decodeUtf8 } from './utf8.ts';

/** Options of `decode` and `decodeBytes`; lengths in bytes. */
export interface DecodeOptions {
  /** `depth`: how deep messages and groups may nest; 100, at most 1,000. */
  readonly limits?: { readonly depth?: number | undefined } | undefined;
  /** `bytes` fields longer than this stay in a source that is not in memory, as a `ByteRange`; 65,536. */
  readonly rangeAbove?: number | undefined;
  /** The most bytes read ahead at once from a source that is not in memory; 1,048,576. */
  readonly window?: number | undefined;
  /** What the paths of errors start with. */
  readonly pathPrefix?: string | undefined;
  /** What errors call the bytes; `decode` takes the name of the source. */
  readonly file?: string | undefined;
  /**
   * The field of the message itself that makes it whole: what follows and is no field of it, or a second value of a field that has
   * one, is refused as bytes after the end (E1007).
   */
  readonly wholeAfter?: string | undefined;
}

/** A message while it is decoded: a property holds what the row of its name says. */
export type Draft = Record<string | symbol, unknown>;

/** A packed field while its message is decoded: it may come in several pieces, which are joined once at the end. */
class Pieces {
  readonly message: Draft;
  readonly field: Field;
  readonly list: Piece[] = [];
  constructor(message: Draft, field: Field) {
    this.message = message;
    this.field = field;
  }
}

const deepest = 1000;

/** Fills drafts from a cursor. Errors are the cursor's. */
export class Decoder {
  readonly cursor: Cursor;
  /** Where ranges point to, and the sign that `cursor.buf` is a passing window that nothing may share. */
  readonly source: Source | undefined;
  readonly rangeAbove: number;
  readonly #depth: number;
  readonly #wholeAfter: string | undefined;
  #fieldDepth = 0;
  readonly #pieces: Pieces[] = [];

  constructor(cursor: Cursor, options: DecodeOptions, source?: Source) {
    this.cursor = cursor;
    this.source = source;
    this.rangeAbove = options.rangeAbove ?? 65536;
    this.#depth = options.limits?.depth ?? 100;
    this.#wholeAfter = options.wholeAfter;
    if (this.#depth > deepest) throw fail('E4001', `the depth limit is at most ${deepest}, found ${this.#depth}`);
  }

  /** Decode the fields up to the end of the message, `cursor.len`. */
  fields(message: Draft, table: Table, depth: number): void {
    const c = this.cursor;
    while (c.pos < c.len) this.field(message, table, depth);
    c.level = depth;
  }

  /** Decode the one field at the cursor, whose bytes are in `cursor.buf` unless they become a range. */
  field(message: Draft, table: Table, depth: number): void {
    const c = this.cursor;
    const start = c.pos;
    this.at(depth);
    const tag = c.tag();
    const wire = tag & 7;
    const field = this.enter(message, table, tag, depth);
    if (field === undefined) this.unknown(message, start, tag, depth);
    else if (wire === 2 && field.wire !== 2) this.packed(message, field);
    else if (field.type === 'message') this.submessage(message, field, depth);
    else if (field.label === 'optional') message[field.name] = this.value(field);
    else if (field.label === 'packed') this.element(message, field);
    else append(message, field, this.value(field));
  }

  /** A field of a message at this depth is next. */
  at(depth: number): void {
    this.#fieldDepth = depth;
    this.cursor.level = depth;
  }

  /** The row of a tag, noted in the path; undefined where the table has none. A wire type that contradicts the row is refused. */
  enter(message: Draft, table: Table, tag: number, depth: number): Field | undefined {
    const c = this.cursor;
    const field = table.byNumber.get(tag >>> 3);
    if (field === undefined) {
      c.enter(depth, String(tag >>> 3), -1);
      return undefined;
    }
    const before = field.label === 'repeated' ? (message[field.name] as unknown[] | undefined) : undefined;
    c.enter(depth, field.name, field.label === 'repeated' ? (before?.length ?? 0) : -1);
    const wire = tag & 7;
    if (wire !== field.wire && !(wire === 2 && field.label !== 'optional'))
      throw c.malformedTag(`wire type ${wire} where the schema has ${field.wire}`);
    const again = depth === 0 && field.label === 'optional' && this.#isWhole(message) && message[field.name] !== undefined;
    if (again) throw c.malformedTag('a second value');
    return field;
  }

  #isWhole(message: Draft): boolean {
    return this.#wholeAfter !== undefined && message[this.#wholeAfter] !== undefined;
  }

  /** What stopped the decoding of `message`, the outermost one: an error of bytes that follow it is E1007. */
  stopped(message: Draft, table: Table, error: unknown): unknown {
    const c = this.cursor;
    if (!(error instanceof ModelError) || this.#fieldDepth > 0 || !this.#isWhole(message)) return error;
    // A field of the message that the file cuts off belongs to it.
    const cut = error.code === 'E1005' && c.level === 1 && table.byNumber.has(this.#tagNumber());
    if (cut || (error.code !== 'E1005' && error.code !== 'E1006')) return error;
    const offset = c.base + c.tagAt;
    return fail('E1007', `${c.fileSize - offset} bytes follow the end of the message: ${error.message}`, { file: c.file, offset });
  }

  #tagNumber(): number {
    const c = this.cursor;
    c.pos = c.tagAt;
    return c.tag() >>> 3;
  }

  value(field: Field): unknown {
    const c = this.cursor;
    if (typeof field.type === 'object') return field.type.read(c);
    const length = c.length();
    const start = c.take(length);
    return field.type === 'string' ? decodeUtf8(c.buf, start, c.pos) : this.bytes(start, length);
  }

  /** The bytes from `start` on: a view, a copy out of a window, or a range. */
  bytes(start: number, length: number): Uint8Array | ByteRange {
    const { buf, base } = this.cursor;
    if (this.source === undefined) return buf.subarray(start, start + length);
    return length > this.rangeAbove ? new ByteRange(this.source, base + start, length) : buf.slice(start, start + length);
  }

  submessage(parent: Draft, field: Field, depth: number): void {
    const c = this.cursor;
    const outer = c.base + c.len;
    const end = this.open(depth);
    this.fields(this.child(parent, field), field.table, depth + 1);
    this.close(end, outer);
  }

  /**
   * Enter the message whose length prefix is at the cursor and return the offset of its end. A message that the end of the file cuts
   * off is entered all the same, so that the error names the innermost field.
   */
  open(depth: number): number {
    const c = this.cursor;
    if (depth >= this.#depth) throw c.tooDeep(this.#depth);
    const length = c.length();
    const end = c.offset + length;
    if (end > c.fileSize) {
      if (c.base + c.len < c.fileSize) c.need(length);
    } else {
      c.need(length);
      c.len = c.pos + length;
    }
    return end;
  }

  /** Leave a message that ends at `end` for one that ends at `outer`. */
  close(end: number, outer: number): void {
    const c = this.cursor;
    if (end > outer) throw c.short(end - outer);
    c.len = outer - c.base;
  }

  /** The message that the fields at the cursor go into: a field that occurs twice is merged. */
  child(parent: Draft, field: Field | undefined): Draft {
    const known = field?.label === 'optional' ? (parent[field.name] as Draft | undefined) : undefined;
    if (known !== undefined) return known;
    const message: Draft = { [at]: this.cursor.offset };
    if (field?.label === 'optional') parent[field.name] = message;
    else if (field !== undefined) append(parent, field, message);
    return message;
  }

  /** One element of a packed field that is not written packed. */
  element(message: Draft, field: Field): void {
    const type = field.type as ScalarType;
    const value = type.read(this.cursor);
    if (type.array === undefined) {
      append(message, field, value);
      return;
    }
    const { list } = this.pieces(message, field);
    const last = list.at(-1);
    if (Array.isArray(last)) last.push(value);
    else list.push([value]);
  }

  packed(message: Draft, field: Field): void {
    const c = this.cursor;
    const type = field.type as ScalarType;
    const outer = c.len;
    const length = c.length();
    c.need(length);
    c.len = c.pos + length;
    if (field.label === 'packed' && type.array !== undefined) {
      this.pieces(message, field).list.push(readPacked(c, type, type.array));
    } else if (c.pos < c.len) {
      const known = message[field.name] as unknown[] | undefined;
      const list = readAll(c, type);
      if (known === undefined) message[field.name] = list;
      else for (const value of list) known.push(value);
    }
    c.len = outer;
  }

  pieces(message: Draft, field: Field): Pieces {
    const known = message[field.name];
    if (known instanceof Pieces) return known;
    const pieces = new Pieces(message, field);
    this.#pieces.push(pieces);
    message[field.name] = pieces;
    return pieces;
  }

  unknown(message: Draft, start: number, tag: number, depth: number): void {
    const groups: number[] = [];
    for (let next = tag; this.skip(next, groups, depth); next = this.cursor.tag());
    this.keep(message, this.bytes(start, this.cursor.pos - start));
  }

  keep(message: Draft, raw: Uint8Array | ByteRange): void {
    const known = message[unknownFields] as (Uint8Array | ByteRange)[] | undefined;
    if (known === undefined) message[unknownFields] = [raw];
    else known.push(raw);
  }

  /** Move over a field whose tag was read. `groups` are the open groups; true says that one is still open. */
  skip(tag: number, groups: number[], depth: number): boolean {
    const c = this.cursor;
    const wire = tag & 7;
    if (wire === 0) c.varint();
    else if (wire === 1) c.take(8);
    else if (wire === 2) c.take(c.length());
    else if (wire === 5) c.take(4);
    else if (wire === 3) {
      if (depth + groups.length >= this.#depth) throw c.tooDeep(this.#depth);
      groups.push(tag >>> 3);
    } else if (wire !== 4) throw c.malformedTag(`wire type ${wire} does not exist`);
    else if (groups.pop() !== tag >>> 3) throw c.malformedTag(`the end of group ${tag >>> 3}, which is not open`);
    return groups.length > 0;
  }

  /** The decoded message, its packed fields joined. */
  finish(message: Draft): Draft {
    for (const { message: owner, field, list } of this.#pieces) owner[field.name] = joinPieces((field.type as ScalarType).array!, list);
    return message;
  }
}

/** The varints up to the end of the message, or what else of one width. Counted first: a list that grows leaves as much again behind. */
function readAll(c: Cursor, type: ScalarType): unknown[] {
  let count = type.wire === 0 ? 0 : Math.ceil((c.len - c.pos) / (type.wire === 1 ? 8 : 4));
  if (type.wire === 0) for (let at = c.pos; at < c.len; at++) if (c.buf[at]! < 128) count++;
  const list = new Array<unknown>(count);
  let i = 0;
  while (c.pos < c.len) list[i++] = type.read(c);
  return list;
}

function append(message: Draft, field: Field, value: unknown): void {
  const list = message[field.name] as unknown[] | undefined;
  if (list === undefined) message[field.name] = [value];
  else list.push(value);
}
