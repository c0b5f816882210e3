// Protobuf bytes of plain objects, by the field tables of a schema. Fields go out in the order of their numbers, unknown ones
// last, so equal messages give equal bytes. Large and unread contents stay chunks of their own and are never copied or loaded.
import protobuf from 'protobufjs/minimal.js';
import { fail } from '../errors.ts';
import {
  type Bytes,
  type Field,
  type Scalar,
  type ScalarType,
  type Schema,
  type Table,
  tableOf,
  unknownFields,
  varint64Size,
  varintSize,
} from './protobuf-wire.ts';
import { encodeUtf8, needsEncode } from './utf8.ts';

/** An encoded message: its size in bytes and its content in order. Chunks that are not `Uint8Array` are read when they are written. */
export interface Encoded {
  readonly length: number;
  readonly chunks: readonly Bytes[];
}

/**
 * Encode a message of the schema. Resident chunks may share memory with `message`.
 *
 * Errors: E2005 more than 2 GiB; E4001 a number that its field cannot hold; E1110 a lone surrogate that is no escaped byte; E1008
 * messages nested deeper than 1,000.
 */
export function encode(schema: Schema, messageName: string, message: object): Encoded {
  const table = tableOf(schema, messageName);
  const encoder = new Encoder();
  const length = encoder.measure(message as Draft, table, 0);
  if (length > largest) throw fail('E2005', `the message has ${length} bytes, protobuf allows ${largest}`);
  encoder.write(message as Draft, table);
  return { length, chunks: encoder.finish() };
}

/** The bytes of a message whose contents are all resident; unread ones are a defect of the caller (E4001). Errors of `encode`. */
export function encodeBytes(schema: Schema, messageName: string, message: object): Uint8Array {
  const { length, chunks } = encode(schema, messageName, message);
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array)) throw fail('E4001', `${messageName} holds ${chunk.length} bytes that are not in memory`);
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes;
}

const largest = 2 ** 31 - 1;
const deepest = 1000;
/** Contents from this size on are not copied into the chunk of their surroundings. */
const ownChunk = 4096;

type Draft = Record<string | symbol, unknown>;

class Encoder {
  /** The sizes of messages and packed fields, in the order in which writing comes to them. */
  readonly #sizes: number[] = [];
  #next = 0;
  readonly #chunks: Bytes[] = [];
  #writer = new protobuf.Writer();

  /** The bytes of a message without its length prefix; notes the sizes that `write` needs. */
  measure(message: Draft, table: Table, depth: number): number {
    if (depth > deepest) throw fail('E1008', `${table.name}: messages nested deeper than ${deepest}`);
    const slot = this.#sizes.push(0) - 1;
    let total = 0;
    for (const field of table.fields) {
      const value = message[field.name];
      if (value === undefined) continue;
      const tag = varintSize((field.number << 3) >>> 0);
      if (field.label === 'packed') total += this.#measurePacked(field, value as ArrayLike<Scalar>, tag);
      else for (const item of items(field, value)) total += tag + this.#measureOne(field, item, depth);
    }
    for (const raw of unknownOf(message)) total += raw.length;
    this.#sizes[slot] = total;
    return total;
  }

  #measureOne(field: Field, value: unknown, depth: number): number {
    const { type } = field;
    if (typeof type === 'object') return type.size(value as Scalar);
    return withPrefix(
      type === 'message'
        ? this.measure(value as Draft, field.table, depth + 1)
        : type === 'string'
          ? textSize(value as string)
          : (value as Bytes).length,
    );
  }

  #measurePacked(field: Field, values: ArrayLike<Scalar>, tag: number): number {
    if (values.length === 0) return 0;
    const size = packedSize(field.type as ScalarType, values);
    this.#sizes.push(size);
    return tag + withPrefix(size);
  }

  /** Write a message that was measured, without its length prefix. */
  write(message: Draft, table: Table): void {
    this.#next++;
    for (const field of table.fields) {
      const value = message[field.name];
      if (value === undefined) continue;
      if (field.label === 'packed') this.#writePacked(field, value as ArrayLike<Scalar>);
      else for (const item of items(field, value)) this.#writeOne(field, item);
    }
    for (const raw of unknownOf(message)) this.#content(raw);
  }

  #writeOne(field: Field, value: unknown): void {
    const { type } = field;
    this.#writer.uint32(((field.number << 3) | field.wire) >>> 0);
    if (typeof type === 'object') type.write(this.#writer, value as Scalar);
    else if (type === 'message') {
      this.#writer.uint32(this.#sizes[this.#next]!);
      this.write(value as Draft, field.table);
    } else if (type === 'string' && !needsEncode(value as string)) this.#writer.string(value as string);
    else {
      const bytes = type === 'string' ? encodeUtf8(value as string) : (value as Bytes);
      this.#writer.uint32(bytes.length);
      this.#content(bytes);
    }
  }

  #writePacked(field: Field, values: ArrayLike<Scalar>): void {
    if (values.length === 0) return;
    const type = field.type as ScalarType;
    this.#writer.uint32(((field.number << 3) | 2) >>> 0).uint32(this.#sizes[this.#next++]!);
    const stored = storedAs(type, values);
    if (stored !== undefined && type.wire !== 0) this.#content(stored);
    else if (stored !== undefined) writeWords(this.#writer, stored);
    else for (let i = 0; i < values.length; i++) type.write(this.#writer, values[i]!);
  }

  #content(bytes: Bytes): void {
    if (bytes instanceof Uint8Array && bytes.length < ownChunk) {
      this.#writer.raw(bytes);
      return;
    }
    this.#flush();
    this.#chunks.push(bytes);
  }

  #flush(): void {
    if (this.#writer.len === 0) return;
    this.#chunks.push(this.#writer.finish());
    this.#writer = new protobuf.Writer();
  }

  finish(): readonly Bytes[] {
    this.#flush();
    return this.#chunks;
  }
}

const items = (field: Field, value: unknown): readonly unknown[] => (field.label === 'optional' ? [value] : (value as unknown[]));
const unknownOf = (message: Draft): readonly Bytes[] => (message[unknownFields] as Bytes[] | undefined) ?? [];

/** The size with its length prefix. A size that no varint of 32 bits holds makes the whole too large in any case. */
const withPrefix = (size: number): number => varintSize(size) + size;

const textSize = (text: string): number => (needsEncode(text) ? encodeUtf8(text).length : protobuf.util.utf8.length(text));

function packedSize(type: ScalarType, values: ArrayLike<Scalar>): number {
  const stored = storedAs(type, values);
  let size = 0;
  if (stored === undefined) for (let i = 0; i < values.length; i++) size += type.size(values[i]!);
  else if (type.wire !== 0) size = stored.length;
  else {
    const words = wordsOf(stored);
    for (let i = 0; i < words.length; i += 2) size += varint64Size(words[i]!, words[i + 1]!);
  }
  return size;
}

/** The memory of a typed array of the field's own type, where that is what the wire or its varints hold. */
function storedAs(type: ScalarType, values: ArrayLike<Scalar>): Uint8Array | undefined {
  if (type.array === undefined || !(values instanceof type.array) || (type.wire === 0 && type.asStored !== true)) return undefined;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const wordsOf = (stored: Uint8Array): Uint32Array => new Uint32Array(stored.buffer, stored.byteOffset, stored.byteLength / 4);

function writeWords(writer: protobuf.Writer, stored: Uint8Array): void {
  const words = wordsOf(stored);
  // protobufjs takes any object with `low` and `high` for a Long; its types ask for the whole class.
  for (let i = 0; i < words.length; i += 2) writer.uint64({ low: words[i]!, high: words[i + 1]! } as unknown as number);
}
