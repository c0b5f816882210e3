// Messages out of protobuf's text format, by the field tables of a schema. Knows no model.
// Language: https://protobuf.dev/reference/protobuf/textformat-spec
import type { ModelError } from '../errors.ts';
import { countOf, type Draft, FieldPath, floatOf, integerOf, isFloat, settle, store, valueOfEnum } from './protobuf-values.ts';
import { at, type Field, type Int, type Message, type Schema, type Table, tableOf } from './protobuf-wire.ts';
import { ascii, ended, TextCursor } from './text-cursor.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** Options of the parsers of textual messages. */
export interface ParseOptions {
  /** What errors call the text. */
  readonly file?: string | undefined;
  /** How deep messages may nest; 100. */
  readonly depth?: number | undefined;
  /** Whether fields that the schema does not have are passed over, of text alone: messages that a schema has in part. */
  readonly skipUnknown?: boolean | undefined;
}

/**
 * The message that a text says. Extensions and messages of type Any are not read.
 * Errors, with line, column and path: E1005 the text ends early, E1006 bad syntax, unknown fields and values that a field cannot hold,
 * E1008 too deep, E1009 too long, E1010 a field twice that does not repeat.
 */
export function parseText<T extends Message>(schema: Schema, messageName: string, text: Uint8Array, options: ParseOptions = {}): T {
  return new TextParser(text, options).parse(tableOf(schema, messageName)) as T;
}

class TextParser {
  readonly #cursor: TextCursor;
  readonly #depth: number;
  readonly #skipsUnknown: boolean;
  readonly #path = new FieldPath();

  constructor(text: Uint8Array, { file, depth = 100, skipUnknown = false }: ParseOptions) {
    this.#cursor = new TextCursor(text, file);
    this.#depth = depth;
    this.#skipsUnknown = skipUnknown;
  }

  parse(table: Table): Draft {
    const message: Draft = { [at]: 0 };
    this.#fields(message, table, 0, ended);
    return message;
  }

  /** The fields up to `close`, which is stepped over. */
  #fields(message: Draft, table: Table, depth: number, close: number): void {
    const c = this.#cursor;
    for (let next = c.next(); next !== close; next = c.next()) {
      this.#field(message, table, depth, close);
      if (!c.take(ascii.comma)) c.take(ascii.semicolon);
    }
    if (close !== ended) c.pos++;
    settle(message, table);
  }

  #field(message: Draft, table: Table, depth: number, close: number): void {
    const c = this.#cursor;
    const field = this.#name(table, depth, close);
    if (!field) return;
    this.#path.enter(depth, field.name, field.label === 'optional' ? -1 : countOf(message, field));
    if (!c.take(ascii.colon) && field.type !== 'message') throw this.#unexpected("':'");
    if (field.label !== 'optional') this.#values(message, field, depth);
    else if (message[field.name] === undefined) store(message, field, this.#value(field, depth));
    else throw this.#error('E1010', `the field ${field.name} occurs twice`);
  }

  /** The field of the name that comes next; undefined for one that was passed over with its value. */
  #name(table: Table, depth: number, close: number): Field | undefined {
    const c = this.#cursor;
    c.next();
    const start = c.pos;
    const name = c.word();
    const field = table.byName.get(name);
    if (field) return field;
    if (this.#skipsUnknown && (name !== '' || this.#extension())) {
      this.#skipRest(depth);
      return undefined;
    }
    if (name !== '') throw c.error('E1006', `${table.name} has no field ${JSON.stringify(name.slice(0, 200))}`, start);
    if (c.next() === ascii.openBracket) throw c.error('E1006', 'extensions are not read');
    throw c.unexpected(close === ended ? 'the name of a field' : `the name of a field or '${String.fromCharCode(close)}'`);
  }

  /** Pass over a name in brackets: an extension, or the type of a message of any type. */
  #extension(): boolean {
    const c = this.#cursor;
    if (!c.take(ascii.openBracket)) return false;
    for (let next = c.next(); next !== ascii.closeBracket; next = c.next()) {
      if (next === ended) throw this.#unexpected("']'");
      c.pos++;
    }
    return c.take(ascii.closeBracket);
  }

  /** Pass over what follows the name of a field. */
  #skipRest(depth: number): void {
    const c = this.#cursor;
    c.take(ascii.colon);
    this.#skipValue(depth);
  }

  #skipValue(depth: number): void {
    const c = this.#cursor;
    const next = c.next();
    if (depth >= this.#depth)
      throw this.#error('E1008', `messages nested deeper than ${this.#depth}`, c.pos, { limit: { name: 'depth', value: this.#depth } });
    if (next === ascii.quote || next === ascii.apostrophe) this.#string();
    else if (c.take(ascii.openBracket)) {
      if (c.take(ascii.closeBracket)) return;
      do this.#skipValue(depth + 1);
      while (c.take(ascii.comma));
      if (!c.take(ascii.closeBracket)) throw this.#unexpected("',' or ']'");
    } else if (next === ascii.openBrace || next === ascii.less) {
      const close = next === ascii.less ? ascii.greater : ascii.closeBrace;
      c.pos++;
      while (!c.take(close)) {
        if (c.word() === '' && !this.#extension()) throw this.#unexpected('the name of a field');
        this.#skipRest(depth + 1);
        if (!c.take(ascii.comma)) c.take(ascii.semicolon);
      }
    } else {
      c.take(ascii.minus);
      if (c.numeral() === '' && c.word() === '') throw this.#unexpected('a value');
    }
  }

  /** One value of a repeated field, or a list of them in brackets. */
  #values(message: Draft, field: Field, depth: number): void {
    const c = this.#cursor;
    if (!c.take(ascii.openBracket)) {
      store(message, field, this.#value(field, depth));
      return;
    }
    if (c.take(ascii.closeBracket)) return;
    do {
      this.#path.enter(depth, field.name, countOf(message, field));
      store(message, field, this.#value(field, depth));
    } while (c.take(ascii.comma));
    if (!c.take(ascii.closeBracket)) throw this.#unexpected("',' or ']'");
  }

  #value(field: Field, depth: number): unknown {
    if (field.type === 'message') return this.#message(field, depth);
    if (field.type === 'bytes') return this.#string();
    if (field.type === 'string') return decodeUtf8(this.#string());
    if (isFloat(field)) return this.#float(field);
    if (field.typeName === 'bool') return this.#boolean();
    if (field.typeName === 'enum') return this.#enum(field);
    return this.#integer(field);
  }

  #message(field: Field, depth: number): Draft {
    const c = this.#cursor;
    const opened = c.next();
    if (opened !== ascii.openBrace && opened !== ascii.less) throw this.#unexpected("'{' or '<'");
    if (depth >= this.#depth)
      throw this.#error('E1008', `messages nested deeper than ${this.#depth}`, c.pos, {
        limit: { name: 'depth', value: this.#depth },
      });
    const message: Draft = { [at]: ++c.pos };
    this.#fields(message, field.table, depth + 1, opened === ascii.less ? ascii.greater : ascii.closeBrace);
    return message;
  }

  /** Strings that follow each other are one. */
  #string(): Uint8Array {
    const c = this.#cursor;
    const parts: Uint8Array[] = [];
    for (let next = c.next(); next === ascii.quote || next === ascii.apostrophe; next = c.next()) parts.push(this.#literal());
    if (parts.length === 0) throw this.#unexpected('a string in quotes');
    if (parts.length === 1) return parts[0]!;
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let end = 0;
    for (const part of parts) {
      whole.set(part, end);
      end += part.length;
    }
    return whole;
  }

  #literal(): Uint8Array {
    const c = this.#cursor;
    const { start, end, escaped } = c.quotes(true);
    if (!escaped) return c.bytes.subarray(start, end);
    // No escape stands for more bytes than it has.
    const content = new Uint8Array(end - start);
    let length = 0;
    for (let i = start; i < end; ) {
      const byte = c.bytes[i]!;
      const found = byte === ascii.backslash ? readEscape(c.bytes, i + 1, end) : undefined;
      if (byte === ascii.backslash && !found) throw this.#error('E1006', `unknown escape ${escapeText(c.bytes, i)}`, i);
      content.set(found?.bytes ?? [byte], length);
      length += found?.bytes.length ?? 1;
      i = found?.next ?? i + 1;
    }
    return content.subarray(0, length);
  }

  #float(field: Field): number {
    const c = this.#cursor;
    const isNegative = c.take(ascii.minus);
    c.next();
    const start = c.pos;
    const text = c.numeral();
    const value = text === '' ? floatWords.get(c.word().toLowerCase()) : /^0\d/.test(text) ? undefined : floatOfText(text);
    if (value === undefined) {
      c.pos = start;
      throw this.#unexpected('a number');
    }
    const held = floatOf(field, value);
    if (held === undefined || (!Number.isFinite(value) && text !== ''))
      throw this.#error('E1006', `${text.slice(0, 40)} exceeds ${field.typeName}`, start);
    return isNegative ? -held : held;
  }

  #integer(field: Field): Int {
    const c = this.#cursor;
    const isNegative = c.take(ascii.minus);
    c.next();
    const start = c.pos;
    const text = c.numeral();
    const octal = /^0[0-7]+$/.test(text);
    if (!octal && !/^(0|[1-9]\d*|0[xX][\da-fA-F]+)$/.test(text)) {
      c.pos = start;
      throw this.#unexpected(`an integer`);
    }
    const size = BigInt(octal ? `0o${text}` : text);
    const value = integerOf(field, isNegative ? -size : size);
    if (value === undefined) throw this.#error('E1006', `${isNegative ? '-' : ''}${text.slice(0, 40)} exceeds ${field.typeName}`, start);
    return value;
  }

  #boolean(): boolean {
    const c = this.#cursor;
    c.next();
    const start = c.pos;
    const known = booleans.get(c.numeral() || c.word());
    if (known !== undefined) return known;
    c.pos = start;
    throw this.#unexpected('true or false');
  }

  #enum(field: Field): Int {
    const c = this.#cursor;
    const name = c.peekWord();
    if (name === '') return this.#integer(field);
    const value = valueOfEnum(field, name);
    if (value === undefined) throw this.#error('E1006', `${field.name} has no value ${JSON.stringify(name.slice(0, 200))}`);
    c.word();
    return value;
  }

  #unexpected(expected: string): ModelError {
    return this.#cursor.unexpected(expected, { path: String(this.#path) });
  }

  #error(...[code, message, offset, place]: Parameters<TextCursor['error']>): ModelError {
    return this.#cursor.error(code, message, offset, { path: String(this.#path), ...place });
  }
}

const booleans = new Map([
  ...['true', 'True', 't', '1'].map(w => [w, true] as const),
  ...['false', 'False', 'f', '0'].map(w => [w, false] as const),
]);
const floatWords = new Map([
  ['inf', Infinity],
  ['infinity', Infinity],
  ['nan', Number.NaN],
]);

const floatOfText = (text: string): number | undefined =>
  /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fF]?$/.test(text) ? Number(text.replace(/[fF]$/, '')) : undefined;

const letters: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '?': 63, '\\': 92, "'": 39, '"': 34 };

/** The bytes of the escape whose backslash stands before `start`, and where the text goes on. Undefined for an escape that does not exist. */
function readEscape(text: Uint8Array, start: number, end: number): { bytes: ArrayLike<number>; next: number } | undefined {
  const after = decodeUtf8(text, start, Math.min(end, start + 9));
  const plain = letters[after[0] ?? ''];
  if (plain !== undefined) return { bytes: [plain], next: start + 1 };
  const [octal] = /^[0-7]{1,3}/.exec(after) ?? [];
  if (octal !== undefined) return { bytes: [Number.parseInt(octal, 8) & 255], next: start + octal.length };
  const [code, digits] = /^(?:[xX]([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8}))/.exec(after)?.filter(Boolean) ?? [];
  if (code === undefined || digits === undefined) return undefined;
  const value = Number.parseInt(digits, 16);
  const next = start + code.length;
  if (code[0] === 'x' || code[0] === 'X') return { bytes: [value], next };
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return undefined;
  return { bytes: encodeUtf8(String.fromCodePoint(value)), next };
}

const escapeText = (text: Uint8Array, start: number): string => JSON.stringify(decodeUtf8(text, start, start + 2));
