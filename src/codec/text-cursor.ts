// A position in a text of bytes, for the parsers of textual formats: white space, comments, words, numerals and strings, and errors that
// say line and column. Bytes are not decoded, so that offsets are those of the file and contents of strings stay as they are.
import { type Code, fail, type ModelError, type Place } from '../errors.ts';
import { decodeUtf8 } from './utf8.ts';

/** The longest text that is read or written, in bytes: what JavaScript's engines hold in one string. */
export const longestText = 2 ** 29 - 64;

/** Longer numerals say nothing that a number could hold, and converting them costs more than linear time. */
const longestNumeral = 1000;

export const ascii = {
  newline: 10,
  return: 13,
  quote: 34,
  hash: 35,
  apostrophe: 39,
  open: 40,
  close: 41,
  plus: 43,
  comma: 44,
  minus: 45,
  point: 46,
  zero: 48,
  nine: 57,
  colon: 58,
  semicolon: 59,
  less: 60,
  equals: 61,
  greater: 62,
  question: 63,
  at: 64,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
} as const;

/** What `next` gives where the text ends. */
export const ended = -1;

/** Errors: E1005 the text ends, E1006 it breaks the rules, E1009 a numeral without end. */
export class TextCursor {
  pos = 0;
  readonly bytes: Uint8Array;
  readonly file: string | undefined;

  /** A byte order mark is stepped over. */
  constructor(bytes: Uint8Array, file: string | undefined) {
    this.bytes = bytes;
    this.file = file;
    if (bytes.length > longestText)
      throw fail('E1009', `a text of ${bytes.length} bytes, at most ${longestText} are read`, {
        file,
        limit: { name: 'text.bytes', value: longestText },
      });
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.pos = 3;
  }

  /** The first byte after white space and comments, left at the cursor; `ended` where there is none. */
  next(): number {
    const { bytes } = this;
    for (;;) {
      const byte = bytes[this.pos];
      if (byte === undefined) return ended;
      if (byte === ascii.hash) this.#comment();
      else if (byte === 32 || (byte >= 9 && byte <= 13)) this.pos++;
      else return byte;
    }
  }

  #comment(): void {
    const end = this.bytes.indexOf(ascii.newline, this.pos);
    this.pos = end < 0 ? this.bytes.length : end + 1;
  }

  /** Step over `byte` if it comes next. */
  take(byte: number): boolean {
    if (this.next() !== byte) return false;
    this.pos++;
    return true;
  }

  /** Step over `byte`, which has to come next. */
  expect(byte: number): void {
    if (!this.take(byte)) throw this.unexpected(`'${String.fromCharCode(byte)}'`);
  }

  /** The word of letters, digits and underscores that comes next; empty where something else does. */
  word(): string {
    if (!startsWord(this.next())) return '';
    const start = this.pos;
    while (isWord(this.bytes[this.pos])) this.pos++;
    return decodeUtf8(this.bytes, start, this.pos);
  }

  /** The word that comes next, left where it is. */
  peekWord(): string {
    this.next();
    const start = this.pos;
    const word = this.word();
    this.pos = start;
    return word;
  }

  /** Everything that stands together like a number, without its sign; empty where none starts here. The caller judges it. */
  numeral(): string {
    const { bytes, pos: start } = this;
    if (!isDigit(bytes[start]) && !(bytes[start] === ascii.point && isDigit(bytes[start + 1]))) return '';
    for (let byte = bytes[start]; isWord(byte) || byte === ascii.point; byte = bytes[++this.pos])
      if (isExponent(byte) && isSign(bytes[this.pos + 1]) && isDigit(bytes[this.pos + 2])) this.pos++;
    if (this.pos - start > longestNumeral)
      throw this.error('E1009', `a number of ${this.pos - start} characters, at most ${longestNumeral} are read`, start, {
        limit: { name: 'text.numeral', value: longestNumeral },
      });
    return decodeUtf8(bytes, start, this.pos);
  }

  /**
   * Step over the string in quotes at the cursor; where its content starts and ends, and whether a backslash stands in it, which takes
   * the meaning from the byte after it.
   */
  quotes(oneLine: boolean): { readonly start: number; readonly end: number; readonly escaped: boolean } {
    const { bytes } = this;
    const opened = this.pos;
    const quote = bytes[this.pos++];
    let escaped = false;
    for (let byte = bytes[this.pos]; byte !== quote; byte = bytes[++this.pos]) {
      if (byte === undefined) throw this.error('E1005', 'a string has no closing quote', opened);
      if (byte === ascii.newline && oneLine) throw this.error('E1006', 'a string has no closing quote on its line', opened);
      if (byte !== ascii.backslash) continue;
      escaped = true;
      this.pos++;
    }
    return { start: opened + 1, end: this.pos++, escaped };
  }

  /** What comes next, for errors. */
  found(): string {
    if (this.next() === ended) return 'the end of the text';
    const word = this.peekWord();
    if (word) return JSON.stringify(word.slice(0, 40));
    const [character = ''] = decodeUtf8(this.bytes, this.pos, this.pos + 4);
    return JSON.stringify(character);
  }

  unexpected(expected: string, place: Place = {}): ModelError {
    const found = this.found();
    return this.error(this.pos >= this.bytes.length ? 'E1005' : 'E1006', `expected ${expected}, found ${found}`, this.pos, place);
  }

  /** An error that starts with line and column, both counted from 1, of the byte `offset`. */
  error(code: Code, message: string, offset = this.pos, place: Place = {}): ModelError {
    const { line, column } = this.#lineOf(offset);
    return fail(code, `line ${line}, column ${column}: ${message}`, { file: this.file, offset, ...place });
  }

  #lineOf(offset: number): { line: number; column: number } {
    let line = 1;
    let start = 0;
    for (let end = this.bytes.indexOf(ascii.newline); end >= 0 && end < offset; end = this.bytes.indexOf(ascii.newline, end + 1)) {
      line++;
      start = end + 1;
    }
    return { line, column: [...decodeUtf8(this.bytes, start, offset)].length + 1 };
  }
}

export const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ascii.zero && byte <= ascii.nine;
const isLetter = (byte: number): boolean => (byte | 32) >= 97 && (byte | 32) <= 122;
const startsWord = (byte: number): boolean => isLetter(byte) || byte === 95;
const isWord = (byte: number | undefined): boolean => byte !== undefined && (startsWord(byte) || isDigit(byte));
const isExponent = (byte: number | undefined): boolean => byte !== undefined && (byte | 32) === 101;
const isSign = (byte: number | undefined): boolean => byte === ascii.plus || byte === ascii.minus;
