// JSON text ↔ values, for the headers and graphs that formats keep in JSON. Unlike JSON.parse it keeps 64-bit integers,
// refuses duplicate keys, limits depth and says where a text is broken. Knows no format.
import { type Code, fail, type ModelError } from '../errors.ts';

/** A JSON value. An integer beyond ±(2^53 - 1) is a bigint, every other number a number. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;

/** A JSON object. Parsed ones inherit no property, so that `__proto__` is an ordinary key; integer-like keys come first in iteration. */
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface JsonOptions {
  /** What errors call the text. */
  readonly file?: string | undefined;
  /** Deepest nesting of arrays and objects; at most 1,000. */
  readonly depth?: number;
  /** Refuse numbers with a fraction, an exponent or a negative zero, for headers that may only hold integers. */
  readonly integersOnly?: boolean;
  /** Take the words NaN, Infinity and -Infinity, which Python writes and RFC 8259 does not have. */
  readonly pythonFloats?: boolean;
}

/** The engines' longest string is a little over 2^29 units (V8); beyond this a text cannot be decoded at all. */
const longestText = 2 ** 29 - 64;
/** Converting digits to a bigint costs more than linear time. */
const longestInteger = 1000;

/**
 * Read one JSON text (RFC 8259, no byte order mark).
 * Errors: E1005 the text ends early, E1006 bad syntax, E1007 bytes follow, E1008 too deep, E1009 too long, E1010 a key twice,
 * E1110 invalid UTF-8. Their offset counts bytes of a `Uint8Array` and UTF-16 units of a string.
 */
export function parseJson(text: string | Uint8Array, options: JsonOptions = {}): Json {
  return new Parser(typeof text === 'string' ? text : decodeUtf8(text, options.file), typeof text !== 'string', options).parse();
}

/** True for a JSON object, as opposed to an array, a scalar or null. */
export const isJsonObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** True for a JSON array. */
export const isJsonArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/**
 * The value as well-formed JSON text: a bigint as an integer literal, NaN and infinities as the strings "NaN", "Infinity" and
 * "-Infinity", lone surrogates escaped. What it writes reads back with the same kinds of number. `indent` is in spaces; 0 writes
 * one line. Errors: E1008 nesting beyond 1,000, which a cycle reaches too.
 */
export function writeJson(value: Json, options: { readonly indent?: number } = {}): string {
  const parts: string[] = [];
  const { indent = 0 } = options;
  const write = (item: Json, depth: number): void => {
    if (!isJsonObject(item) && !isJsonArray(item)) {
      parts.push(scalarText(item));
      return;
    }
    if (depth >= 1000) throw fail('E1008', 'a JSON value is nested deeper than 1000', { limit: { name: 'json.depth', value: 1000 } });
    const line = indent > 0 ? `\n${' '.repeat(indent * (depth + 1))}` : '';
    const [open, close] = isJsonArray(item) ? ['[', ']'] : ['{', '}'];
    let separator = open + line;
    const keys = isJsonArray(item) ? undefined : Object.keys(item);
    const count = keys ? keys.length : (item as readonly Json[]).length;
    for (let i = 0; i < count; i++) {
      parts.push(separator);
      const key = keys?.[i];
      if (key !== undefined) parts.push(JSON.stringify(key), indent > 0 ? ': ' : ':');
      write((key === undefined ? (item as readonly Json[])[i] : (item as JsonObject)[key])!, depth + 1);
      separator = `,${line}`;
    }
    parts.push(count === 0 ? open + close : indent > 0 ? `\n${' '.repeat(indent * depth)}${close}` : close);
  };
  write(value, 0);
  return parts.join('');
}

function scalarText(value: null | boolean | number | bigint | string): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'number') return String(value);
  if (!Number.isFinite(value)) return `"${value}"`;
  if (Object.is(value, -0)) return '-0';
  // A whole float beyond 2^53 keeps an exponent, or it would read back as a bigint.
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
}

function decodeUtf8(bytes: Uint8Array, file: string | undefined): string {
  if (bytes.length > longestText)
    throw fail('E1009', `JSON text of ${bytes.length} bytes, at most ${longestText} can be read`, {
      file,
      limit: { name: 'json.bytes', value: longestText },
    });
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw fail('E1110', 'JSON text is not valid UTF-8', { file, offset: firstInvalid(bytes) }, { cause });
  }
}

/** Byte offset of the first sequence that is not UTF-8, found by halving, as the platform only says that there is one. */
function firstInvalid(bytes: Uint8Array): number {
  const sound = (end: number, partial: boolean): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: partial });
      return true;
    } catch {
      return false;
    }
  };
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2);
    if (sound(middle, true)) low = middle;
    else high = middle - 1;
  }
  while (!sound(low, false)) low--;
  return low;
}

const code = {
  tab: 9,
  newline: 10,
  return: 13,
  space: 32,
  quote: 34,
  plus: 43,
  comma: 44,
  minus: 45,
  point: 46,
  zero: 48,
  nine: 57,
  colon: 58,
  open: 91,
  backslash: 92,
  close: 93,
  e: 101,
  openBrace: 123,
  closeBrace: 125,
} as const;

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Recursive descent; `charCodeAt` past the end gives NaN, which equals no character. */
class Parser {
  readonly #text: string;
  readonly #ofBytes: boolean;
  readonly #file: string | undefined;
  readonly #depth: number;
  readonly #integersOnly: boolean;
  readonly #pythonFloats: boolean;
  #at = 0;

  constructor(text: string, ofBytes: boolean, { file, depth = 200, integersOnly = false, pythonFloats = false }: JsonOptions) {
    this.#text = text;
    this.#ofBytes = ofBytes;
    this.#file = file;
    this.#depth = Math.min(depth, 1000);
    this.#integersOnly = integersOnly;
    this.#pythonFloats = pythonFloats;
  }

  parse(): Json {
    const value = this.#value(this.#skipSpace(), 0);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#error('E1007', `JSON text goes on after its value with ${this.#found()}`);
    return value;
  }

  /** The value whose first character `first` stands at the cursor. */
  #value(first: number, depth: number): Json {
    switch (first) {
      case code.quote:
        return this.#string();
      case code.openBrace:
        return this.#object(depth);
      case code.open:
        return this.#array(depth);
      case 116:
        return this.#word('true', true);
      case 102:
        return this.#word('false', false);
      case 110:
        return this.#word('null', null);
      default:
        if (this.#pythonFloats) {
          const word = pythonWords.find(([text]) => this.#text.startsWith(text, this.#at));
          if (word) return this.#word<number>(word[0], word[1]);
        }
        if (first === code.minus || isDigit(first)) return this.#number();
        throw this.#unexpected('a JSON value');
    }
  }

  #object(depth: number): JsonObject {
    this.#enter(depth);
    const object = new Bare();
    let next = this.#skipSpace();
    if (next === code.closeBrace) {
      this.#at++;
      return object;
    }
    for (;;) {
      if (next !== code.quote) throw this.#unexpected('a key in quotes');
      const keyAt = this.#at;
      const key = this.#string();
      if (key in object) throw this.#error('E1010', `JSON object has the key ${JSON.stringify(key.slice(0, 200))} twice`, keyAt);
      if (this.#skipSpace() !== code.colon) throw this.#unexpected("':'");
      this.#at++;
      object[key] = this.#value(this.#skipSpace(), depth + 1);
      next = this.#skipSpace();
      if (next !== code.comma && next !== code.closeBrace) throw this.#unexpected("',' or '}'");
      this.#at++;
      if (next === code.closeBrace) return object;
      next = this.#skipSpace();
    }
  }

  #array(depth: number): readonly Json[] {
    this.#enter(depth);
    const array: Json[] = [];
    let next = this.#skipSpace();
    if (next === code.close) {
      this.#at++;
      return array;
    }
    for (;;) {
      array.push(this.#value(next, depth + 1));
      next = this.#skipSpace();
      if (next !== code.comma && next !== code.close) throw this.#unexpected("',' or ']'");
      this.#at++;
      if (next === code.close) return array;
      next = this.#skipSpace();
    }
  }

  #enter(depth: number): void {
    if (depth >= this.#depth)
      throw this.#error('E1008', `JSON text is nested deeper than ${this.#depth}`, this.#at, {
        limit: { name: 'json.depth', value: this.#depth },
      });
    this.#at++;
  }

  #string(): string {
    const text = this.#text;
    let from = ++this.#at;
    let parts: string[] | undefined;
    for (;;) {
      const c = text.charCodeAt(this.#at);
      if (c === code.quote) {
        const tail = text.slice(from, this.#at++);
        return parts ? parts.join('') + tail : tail;
      }
      if (c === code.backslash) {
        parts ??= [];
        parts.push(text.slice(from, this.#at), this.#escape());
        from = this.#at;
      } else if (c >= code.space) {
        // Beyond short strings the engine's own search is the faster one.
        if (++this.#at - from === longString) this.#skipPlain();
      } else throw this.#unexpected(c < code.space ? 'an escape for a control character' : "'\"'");
    }
  }

  /** Step over whatever stands for itself in a string. */
  #skipPlain(): void {
    plainText.lastIndex = this.#at;
    this.#at += plainText.exec(this.#text)![0].length;
  }

  /** Decode the escape at the cursor and step over it. */
  #escape(): string {
    const letter = this.#text[this.#at + 1];
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#error('E1006', "'\\u' in a JSON string lacks four hexadecimal digits");
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const plain = letter === undefined ? undefined : escapes[letter];
    if (plain === undefined) throw this.#error('E1006', `JSON string has an unknown escape ${JSON.stringify(`\\${letter ?? ''}`)}`);
    this.#at += 2;
    return plain;
  }

  #number(): number | bigint {
    const start = this.#at;
    const text = this.#text;
    if (text.charCodeAt(start) === code.minus) this.#at++;
    const leadingZero = text.charCodeAt(this.#at) === code.zero;
    const digits = this.#digits();
    if (leadingZero && digits > 1) throw this.#error('E1006', 'JSON number has a leading zero', start);
    let whole = true;
    if (text.charCodeAt(this.#at) === code.point) {
      whole = false;
      this.#at++;
      this.#digits();
    }
    if ((text.charCodeAt(this.#at) | 32) === code.e) {
      whole = false;
      const sign = text.charCodeAt(++this.#at);
      if (sign === code.plus || sign === code.minus) this.#at++;
      this.#digits();
    }
    const literal = text.slice(start, this.#at);
    const value = Number(literal);
    if (this.#integersOnly && (!whole || Object.is(value, -0)))
      throw this.#error('E1006', `expected an integer, found ${literal.slice(0, 40)}`, start);
    if (whole && Number.isSafeInteger(value)) return value;
    return whole ? this.#bigInteger(literal, start) : this.#finite(value, literal, start);
  }

  #bigInteger(literal: string, start: number): bigint {
    if (literal.length > longestInteger)
      throw this.#error('E1009', `JSON integer of ${literal.length} digits, at most ${longestInteger} are read`, start, {
        limit: { name: 'json.digits', value: longestInteger },
      });
    return BigInt(literal);
  }

  #finite(value: number, literal: string, start: number): number {
    if (!Number.isFinite(value)) throw this.#error('E1006', `JSON number ${literal.slice(0, 40)} exceeds float64`, start);
    return value;
  }

  /** Step over at least one digit and give their count. */
  #digits(): number {
    const start = this.#at;
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++;
    if (this.#at === start) throw this.#unexpected('a digit');
    return this.#at - start;
  }

  #word<T>(word: string, value: T): T {
    for (let i = 1; i < word.length; i++) {
      this.#at++;
      if (this.#text[this.#at] !== word[i]) throw this.#unexpected(`'${word}'`);
    }
    this.#at++;
    return value;
  }

  /** The first character after white space, left at the cursor. */
  #skipSpace(): number {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c !== code.space && c !== code.newline && c !== code.return && c !== code.tab) return c;
      this.#at++;
    }
  }

  #found(): string {
    const point = this.#text.codePointAt(this.#at);
    return point === undefined ? 'the end of the text' : JSON.stringify(String.fromCodePoint(point));
  }

  #unexpected(expected: string): ModelError {
    const ended = this.#at >= this.#text.length;
    return this.#error(ended ? 'E1005' : 'E1006', `JSON text: expected ${expected}, found ${this.#found()}`);
  }

  #error(code: Code, message: string, at = this.#at, place: { limit?: { name: string; value: number } } = {}): ModelError {
    const offset = this.#ofBytes ? new TextEncoder().encode(this.#text.slice(0, at)).length : at;
    return fail(code, message, { file: this.#file, offset, ...place });
  }
}

/** Its instances inherit nothing, like those of Object.create(null), which V8 keeps as hash tables at twice the time and memory. */
const Bare = function Bare() {} as unknown as new () => Record<string, Json>;
Bare.prototype = Object.freeze(Object.create(null));

const pythonWords = [
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
] as const;

const longString = 32;
const plainText = /[^"\\\u0000-\u001f]*/y;

const isDigit = (c: number): boolean => c >= code.zero && c <= code.nine;
