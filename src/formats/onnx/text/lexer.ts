// Names and literals of ONNX's textual syntax.
import type { Int } from '../../../codec/protobuf.ts';
import { ascii, isDigit, TextCursor } from '../../../codec/text-cursor.ts';
import { decodeUtf8 } from '../../../codec/utf8.ts';
import { isFloatWord } from './words.ts';

/** A number as it is written, and where. */
export interface Numeral {
  readonly text: string;
  readonly start: number;
  readonly isInteger: boolean;
}

const int64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n } as const;

/** Errors: those of `TextCursor`, E1008 nesting. */
export class Lexer extends TextCursor {
  readonly #limit: number;
  #depth = 0;

  /** `limit` is how deep the messages may nest that the text stands for. */
  constructor(text: Uint8Array, file: string | undefined, limit: number) {
    super(text, file);
    this.#limit = limit;
  }

  /** Read something that lies `levels` messages deeper. */
  nested<T>(levels: number, read: () => T): T {
    this.#depth += levels;
    if (this.#depth > this.#limit) {
      this.next();
      throw this.error('E1008', `nesting deeper than ${this.#limit} messages`, this.pos, { limit: { name: 'depth', value: this.#limit } });
    }
    const result = read();
    this.#depth -= levels;
    return result;
  }

  identifier(what: string): string {
    const word = this.word();
    if (word === '') throw this.unexpected(what);
    return word;
  }

  /** A name with or without quotes. */
  name(what: string): string {
    return this.next() === ascii.quote ? decodeUtf8(this.string()) : this.identifier(what);
  }

  /** A string in quotes, in which a backslash makes the next byte mean itself. */
  string(): Uint8Array {
    if (this.next() !== ascii.quote) throw this.unexpected('a string in quotes');
    const { start, end, escaped } = this.quotes(false);
    if (!escaped) return this.bytes.subarray(start, end);
    const content = new Uint8Array(end - start);
    let length = 0;
    for (let i = start; i < end; i++) {
      if (this.bytes[i] === ascii.backslash) i++;
      content[length++] = this.bytes[i]!;
    }
    return content.subarray(0, length);
  }

  text(): string {
    return decodeUtf8(this.string());
  }

  /** Words joined by points. */
  qualified(what: string): string[] {
    const words = [this.identifier(what)];
    while (this.take(ascii.point)) words.push(this.identifier('a name after the point'));
    return words;
  }

  /** Names with commas between, each with or without quotes. Nothing before a comma is an empty name. */
  names(): string[] {
    const names: string[] = [];
    for (;;) {
      const next = this.next();
      const name = next === ascii.quote ? this.text() : this.word();
      if (name === '' && next !== ascii.quote && this.next() !== ascii.comma) return names;
      names.push(name);
      if (!this.take(ascii.comma)) return names;
    }
  }

  startsNumber(): boolean {
    const next = this.next();
    return next === ascii.minus || isDigit(next) || isFloatWord(this.peekWord());
  }

  number(): Numeral {
    this.next();
    const start = this.pos;
    const sign = this.bytes[start] === ascii.minus ? '-' : '';
    this.pos += sign.length;
    const digits = this.numeral();
    const text = digits || this.word();
    if (/^\d+$/.test(text)) return { text: sign + text, start, isInteger: true };
    if (digits === '' ? isFloatWord(text) : /^\d+\.?\d*([eE][+-]?\d+)?$/.test(text)) return { text: sign + text, start, isInteger: false };
    this.pos = start;
    throw text === '' && sign === ''
      ? this.unexpected('a number')
      : this.error('E1006', `${JSON.stringify(sign + text.slice(0, 40))} is no number`);
  }

  /** An integer from `least` to `most`. */
  bigint(type: string, least: bigint, most: bigint): bigint {
    const { text, start, isInteger } = this.number();
    if (!isInteger) throw this.error('E1006', `expected an integer, found ${text.slice(0, 40)}`, start);
    const value = BigInt(text);
    if (value < least || value > most) throw this.error('E1006', `${text.slice(0, 40)} exceeds ${type}`, start);
    return value;
  }

  /** An int64. */
  int(): Int {
    const value = this.bigint('int64', int64.least, int64.most);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** A number as float32 or float64. */
  float(type: 'float' | 'double' = 'float'): number {
    return this.floatOf(this.number(), type);
  }

  floatOf({ text, start }: Numeral, type: 'float' | 'double' = 'float'): number {
    const value = numberOf(text);
    const held = type === 'float' ? Math.fround(value) : value;
    if (!Number.isFinite(held) && /\d/.test(text)) throw this.error('E1006', `${text.slice(0, 40)} exceeds ${type}`, start);
    return held;
  }
}

function numberOf(text: string): number {
  if (/\d/.test(text)) return Number(text);
  if (/nan$/i.test(text)) return Number.NaN;
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
