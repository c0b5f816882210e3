// Messages as protobuf's text format: a field a line, messages in braces, in the order of field numbers. Knows no model.
import { contentsOf, type Draft, FieldPath, float32Text, floatText, nameOfEnum, refuseUnknown } from './protobuf-values.ts';
import { type Bytes, type Field, type Schema, type Table, tableOf } from './protobuf-wire.ts';
import type { Encoded } from './protobuf-write.ts';
import { TextSink } from './text-sink.ts';
import { decodeUtf8 } from './utf8.ts';

/**
 * The text of a message; contents that are not in memory are read. Bytes that are no UTF-8 are escaped, so that nothing is lost.
 * Errors: E2002 fields that the schema does not have, and texts longer than any that is read back.
 */
export async function printText(schema: Schema, messageName: string, message: object): Promise<Encoded> {
  const table = tableOf(schema, messageName);
  const printer = new TextPrinter(await contentsOf(message, table));
  printer.fields(message as Draft, table, 0);
  return printer.sink.finish();
}

class TextPrinter {
  readonly sink = new TextSink();
  readonly #contents: (bytes: Bytes) => Uint8Array;
  readonly #path = new FieldPath();

  constructor(contents: (bytes: Bytes) => Uint8Array) {
    this.#contents = contents;
  }

  fields(message: Draft, table: Table, depth: number): void {
    refuseUnknown(message, String(this.#path));
    const indent = '  '.repeat(depth);
    for (const field of table.fields) {
      const value = message[field.name];
      if (value === undefined) continue;
      if (field.label === 'optional') this.#field(field, value, depth, indent, -1);
      else for (let i = 0, all = value as ArrayLike<unknown>; i < all.length; i++) this.#field(field, all[i], depth, indent, i);
    }
  }

  #field(field: Field, value: unknown, depth: number, indent: string, index: number): void {
    const { sink } = this;
    if (field.type !== 'message') {
      sink.write(indent, field.name, ': ', this.#scalar(field, value), '\n');
      return;
    }
    this.#path.enter(depth, field.name, index);
    sink.write(indent, field.name, ' {\n');
    this.fields(value as Draft, field.table, depth + 1);
    sink.write(indent, '}\n');
  }

  #scalar(field: Field, value: unknown): string {
    if (field.type === 'string') return `"${escapeText(value as string)}"`;
    if (field.type === 'bytes') return `"${escapeBytes(this.#contents(value as Bytes))}"`;
    if (field.typeName === 'float') return withPoint(float32Text(value as number));
    if (field.typeName === 'double') return withPoint(floatText(value as number));
    return (field.typeName === 'enum' && nameOfEnum(field, value as number)) || String(value);
  }
}

/** A whole number as a float is written. */
const withPoint = (text: string): string => (/^-?\d+$/.test(text) ? `${text}.0` : text);

const letters: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', "'": "\\'", '\\': '\\\\' };
const octal = (byte: number): string => `\\${byte.toString(8).padStart(3, '0')}`;

/** Control characters are escaped, and the surrogates that stand for bytes which are no UTF-8. */
const escapeText = (text: string): string =>
  text.replace(/["'\\\x00-\x1f\x7f]|[\udc80-\udcff]/gu, c => letters[c] ?? octal(c.charCodeAt(0) & 255));

/** What each byte is written as: ASCII as it is. */
const escapes: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const c = String.fromCharCode(byte);
  return letters[c] ?? (byte < 32 || byte >= 127 ? octal(byte) : c);
});

function escapeBytes(bytes: Uint8Array): string {
  if (bytes.every(byte => byte >= 32 && byte < 127 && escapes[byte]!.length === 1)) return decodeUtf8(bytes);
  const pieces: string[] = [];
  for (const byte of bytes) pieces.push(escapes[byte]!);
  return pieces.join('');
}
