// Decodes a message of a file that is not in memory: reads ahead where fields follow each other, skips what becomes a
// range, and enters large messages instead of reading them whole. One pass, no read for what the window already has.
import { fail } from '../errors.ts';
import type { Decoder, Draft } from './protobuf-read.ts';
import type { Field, Table } from './protobuf-wire.ts';
import { ByteRange, type Source } from './source.ts';

/** More than the tag and the length or value of any field but the content of a length-delimited one. */
const header = 32;
/** The first read ahead after a jump: a tensor's fields before its data. */
const afterJump = 4096;

/** Moves the window of a decoder over a source. Errors: the cursor's, and E5005 when the source gives fewer bytes than asked. */
export class Walker {
  readonly #decoder: Decoder;
  readonly #source: Source;
  /** The most bytes read ahead. */
  readonly #window: number;
  /** Messages up to this length are read whole and decoded at once. */
  readonly #whole: number;
  #ahead = 32768;

  constructor(decoder: Decoder, source: Source, window = 1048576) {
    this.#decoder = decoder;
    this.#source = source;
    this.#window = window;
    this.#whole = Math.min(decoder.rangeAbove, window);
  }

  /** As `Decoder.fields`. Waits only where the window has to move. */
  async fields(message: Draft, table: Table, depth: number): Promise<void> {
    const c = this.#decoder.cursor;
    while (c.pos < c.len) {
      if (!this.#covers(header)) await this.#fill(header);
      const start = c.pos;
      this.#decoder.at(depth);
      const tag = c.tag();
      const field = this.#decoder.enter(message, table, tag, depth);
      if ((tag & 7) === 3) await this.#group(message, c.base + start, tag, depth);
      else if ((tag & 7) !== 2) {
        c.pos = start;
        this.#decoder.field(message, table, depth);
      } else await this.#delimited(message, table, field, start, depth);
    }
    c.level = depth;
  }

  /** Decode the length-delimited field that starts at `start`; the cursor is at its length prefix. */
  async #delimited(message: Draft, table: Table, field: Field | undefined, start: number, depth: number): Promise<void> {
    const c = this.#decoder.cursor;
    const prefix = c.pos;
    const length = c.length();
    const end = c.pos + length;
    const fits = end <= c.len;
    if (end > c.buf.length && field?.type === 'message' && (length > this.#whole || !fits)) {
      c.pos = prefix;
      await this.#submessage(message, field, depth);
      return;
    }
    c.pos = start;
    const ranged = length > this.#decoder.rangeAbove && (field === undefined || field.type === 'bytes');
    // What does not fit is refused before any byte of it is read.
    if (end > c.buf.length && fits && !ranged) await this.#fill(end - start);
    this.#decoder.field(message, table, depth);
  }

  async #submessage(parent: Draft, field: Field, depth: number): Promise<void> {
    const c = this.#decoder.cursor;
    const outer = c.base + c.len;
    const end = this.#decoder.open(depth);
    await this.fields(this.#decoder.child(parent, field), field.table, depth + 1);
    this.#decoder.close(end, outer);
  }

  /** Keep an unknown group, whose length only its end tells. */
  async #group(message: Draft, start: number, tag: number, depth: number): Promise<void> {
    const c = this.#decoder.cursor;
    const groups: number[] = [];
    for (let next = tag; this.#decoder.skip(next, groups, depth); next = c.tag()) if (!this.#covers(header)) await this.#fill(header);
    const length = c.offset - start;
    const raw = length > this.#decoder.rangeAbove ? new ByteRange(this.#source, start, length) : await this.#read(start, length);
    this.#decoder.keep(message, raw);
  }

  /** Whether the window has `length` bytes at the cursor, or all that the file has. */
  #covers(length: number): boolean {
    const c = this.#decoder.cursor;
    return c.pos + length <= c.buf.length || c.base + c.buf.length >= c.fileSize;
  }

  /** Move the window to the cursor: `length` bytes and more, twice as many each time while reading in sequence. */
  async #fill(length: number): Promise<void> {
    const c = this.#decoder.cursor;
    const sequential = c.pos <= c.buf.length;
    this.#ahead = Math.min(this.#window, sequential ? this.#ahead * 2 : afterJump);
    const from = c.offset;
    c.move(await this.#read(from, Math.min(c.fileSize - from, Math.max(length, this.#ahead))), from);
  }

  async #read(from: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#source.read(from, length);
    if (bytes.length === length) return bytes;
    throw fail('E5005', `${length} bytes were asked for at offset ${from}, ${bytes.length} came`, {
      file: this.#source.name,
      offset: from,
    });
  }
}
