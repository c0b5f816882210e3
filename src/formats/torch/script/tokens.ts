// TorchScript's source text as tokens: the part of Python that PyTorch prints, with indentation as tokens of its own.
// Source: Python's language reference, lexical analysis.
import { type Code, fail, type ModelError } from '../../../errors.ts';

export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'sign' | 'newline' | 'indent' | 'dedent' | 'end';
  /** As it stands in the text; of a string what it says. */
  readonly text: string;
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

/** Where a part of the code stands. */
export interface At {
  readonly line: number;
  readonly column: number;
}

/** An error at a place of a source file. */
export const failAt = (code: Code, message: string, file: string, { line, column }: At): ModelError =>
  fail(code, `${file}:${line}:${column}: ${message}`, { path: `${file}:${line}:${column}` });

const maxTokens = 20_000_000;
const maxIndents = 200;
const maxBrackets = 200;

/**
 * The tokens of a source file.
 * @throws ModelError E1006 for what is no text of the language, E1008 for one that is nested too deep, E1009 for one that is too long
 */
export function tokenize(text: string, file: string): readonly Token[] {
  return new Tokenizer(text, file).run();
}

const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9';
const isStart = (c: string | undefined): boolean =>
  c !== undefined && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c === '_' || c > '\u007f');
const isPart = (c: string | undefined): boolean => isStart(c) || isDigit(c);

const signs: readonly string[] = ['->', '==', '!=', '<=', '>=', '//', '**', ...'()[]{}:,.=<>+-*/%@|&^~'];
const escapes: Readonly<Record<string, string | undefined>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  f: '\f',
  v: '\v',
  b: '\b',
  a: '\x07',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

class Tokenizer {
  readonly #text: string;
  readonly #file: string;
  readonly #tokens: Token[] = [];
  readonly #indents: number[] = [0];
  #brackets = 0;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  run(): readonly Token[] {
    while (this.#at < this.#text.length) {
      if (this.#at === this.#lineStart && this.#brackets === 0 && this.#startsBlankLine()) continue;
      this.#token();
      if (this.#tokens.length > maxTokens) throw this.#error('E1009', `more than ${maxTokens} tokens`);
    }
    if (this.#brackets > 0) throw this.#error('E1006', 'a bracket is not closed');
    this.#push('newline', '');
    for (let depth = this.#indents.length; depth > 1; depth--) this.#push('dedent', '');
    this.#push('end', '');
    return this.#tokens;
  }

  #error(code: Code, message: string): ModelError {
    return failAt(code, message, this.#file, this.#here);
  }
  get #here(): At {
    return { line: this.#line, column: this.#at - this.#lineStart + 1 };
  }
  #push(kind: Token['kind'], text: string, at: At = this.#here): void {
    this.#tokens.push({ kind, text, line: at.line, column: at.column });
  }
  #newLine(): void {
    this.#at++;
    this.#line++;
    this.#lineStart = this.#at;
  }

  /** Count the spaces of a line; whether nothing follows them. */
  #startsBlankLine(): boolean {
    let end = this.#at;
    while (this.#text[end] === ' ') end++;
    const next = this.#text[end];
    const width = end - this.#at;
    this.#at = end;
    if (next === '\t') throw this.#error('E1006', 'a tab in the indentation');
    if (next === undefined) return true;
    if (next === '\n' || next === '\r' || next === '#') {
      while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#at++;
      if (this.#at < this.#text.length) this.#newLine();
      return true;
    }
    this.#indentTo(width);
    return false;
  }

  #indentTo(width: number): void {
    if (width > this.#indents.at(-1)!) {
      if (this.#indents.length > maxIndents) throw this.#error('E1008', `blocks are nested deeper than ${maxIndents}`);
      this.#indents.push(width);
      this.#push('indent', '');
    }
    while (width < this.#indents.at(-1)!) {
      this.#indents.pop();
      this.#push('dedent', '');
    }
    if (width !== this.#indents.at(-1)) throw this.#error('E1006', 'the indentation fits no block around it');
  }

  #token(): void {
    const c = this.#text[this.#at]!;
    if (c === ' ' || c === '\r') this.#at++;
    else if (c === '#') while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#at++;
    else if (c === '\n') {
      if (this.#brackets === 0) this.#push('newline', '');
      this.#newLine();
    } else if (isStart(c)) this.#name();
    else if (isDigit(c) || (c === '.' && isDigit(this.#text[this.#at + 1]))) this.#number();
    else if (c === '"' || c === "'") this.#string(c);
    else this.#sign();
  }

  #name(): void {
    const start = this.#at;
    const at = this.#here;
    while (isPart(this.#text[this.#at])) this.#at++;
    this.#push('name', this.#text.slice(start, this.#at), at);
  }

  #digits(): void {
    while (isDigit(this.#text[this.#at])) this.#at++;
  }

  #number(): void {
    const start = this.#at;
    const at = this.#here;
    this.#digits();
    if (this.#text[this.#at] === '.') {
      this.#at++;
      this.#digits();
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      const sign = this.#text[this.#at + 1];
      const after = sign === '+' || sign === '-' ? 2 : 1;
      if (isDigit(this.#text[this.#at + after])) {
        this.#at += after;
        this.#digits();
      }
    }
    if (this.#at - start > 1000) throw this.#error('E1009', 'a number of more than 1000 digits');
    if (this.#text[this.#at] === 'j') this.#at++;
    else if (isPart(this.#text[this.#at])) throw this.#error('E1006', 'a number that runs into a name');
    this.#push('number', this.#text.slice(start, this.#at), at);
  }

  #string(quote: string): void {
    const at = this.#here;
    this.#at++;
    const parts: string[] = [];
    let start = this.#at;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined || c === '\n') throw this.#error('E1006', 'a string is not ended');
      if (c === quote) break;
      this.#at++;
      if (c !== '\\') continue;
      parts.push(this.#text.slice(start, this.#at - 1), this.#escape());
      start = this.#at;
    }
    parts.push(this.#text.slice(start, this.#at));
    this.#at++;
    this.#push('string', parts.join(''), at);
  }

  /** What the escape behind a backslash stands for. */
  #escape(): string {
    const c = this.#text[this.#at++];
    if (c === undefined) throw this.#error('E1006', 'a string is not ended');
    const plain = escapes[c];
    if (plain !== undefined) return plain;
    const width = c === 'x' ? 2 : c === 'u' ? 4 : c === 'U' ? 8 : 0;
    if (width > 0) return this.#code(this.#text.slice(this.#at, this.#at + width), 16, width);
    if (c < '0' || c > '7') return `\\${c}`;
    this.#at--;
    // Bytes in a row are the UTF-8 of what is no ASCII.
    const bytes = [this.#octal()];
    while (bytes[0]! >= 0x80 && /^\\[0-7]/.test(this.#text.slice(this.#at, this.#at + 2))) {
      this.#at++;
      bytes.push(this.#octal());
    }
    return bytes[0]! < 0x80 ? String.fromCharCode(bytes[0]!) : new TextDecoder().decode(Uint8Array.from(bytes));
  }

  #octal(): number {
    let end = this.#at;
    while (end < this.#at + 3 && this.#text[end]! >= '0' && this.#text[end]! <= '7') end++;
    return this.#code(this.#text.slice(this.#at, end), 8, end - this.#at).codePointAt(0)!;
  }

  #code(digits: string, base: 8 | 16, width: number): string {
    const code = digits.length === width && [...digits].every(d => '0123456789abcdef'.slice(0, base).includes(d.toLowerCase()));
    const value = code ? Number.parseInt(digits, base) : Number.NaN;
    if (!(value <= 0x10ffff)) throw this.#error('E1006', 'a malformed escape');
    this.#at += width;
    return String.fromCodePoint(value);
  }

  #sign(): void {
    const sign = signs.find(s => this.#text.startsWith(s, this.#at));
    if (!sign) throw this.#error('E1006', `an unexpected ${JSON.stringify(this.#text[this.#at])}`);
    if ('([{'.includes(sign) && ++this.#brackets > maxBrackets)
      throw this.#error('E1008', `brackets are nested deeper than ${maxBrackets}`);
    if (')]}'.includes(sign) && --this.#brackets < 0) throw this.#error('E1006', `a ${sign} that closes nothing`);
    this.#push('sign', sign);
    this.#at += sign.length;
  }
}
