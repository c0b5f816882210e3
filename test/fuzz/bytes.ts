// Changes of bytes and of text that know nothing of what they say.
import { pick, type Random } from './random.ts';

const interesting = [0, 1, 0x20, 0x7f, 0x80, 0xff];
/** Numbers at the edges of the fields that lengths and offsets are kept in. */
const edges = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff];

type Change = (bytes: Uint8Array, random: Random, donor: Uint8Array) => Uint8Array;

const changes: readonly Change[] = [
  (bytes, random) => withByte(bytes, random, random(256)),
  (bytes, random) => withByte(bytes, random, pick(random, interesting)!),
  (bytes, random) => {
    const at = random(bytes.length);
    return withByte(bytes, () => at, bytes[at]! ^ (1 << random(8)));
  },
  (bytes, random) => {
    const copy = Uint8Array.from(bytes);
    const at = random(bytes.length);
    const value = pick(random, edges)!;
    for (let i = 0; i < 4 && at + i < copy.length; i++) copy[at + i] = value >>> (8 * i);
    return copy;
  },
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  (bytes, random) => {
    const at = random(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random(16)));
  },
  (bytes, random) => {
    const at = random(bytes.length);
    return joined(bytes.subarray(0, at + 1 + random(16)), bytes.subarray(at));
  },
  (bytes, random, donor) => {
    const from = random(donor.length);
    return joined(bytes.subarray(0, random(bytes.length)), donor.subarray(from, from + random(64)), bytes.subarray(random(bytes.length)));
  },
];

/** One to three changes; `donor` is where what is put in comes from. */
export function bytesChanged(bytes: Uint8Array, random: Random, donor: Uint8Array = bytes): Uint8Array {
  let changed = bytes;
  for (let n = random(3); n >= 0 && changed.length > 0; n--) changed = pick(random, changes)!(changed, random, donor);
  return changed;
}

function withByte(bytes: Uint8Array, random: Random, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[random(copy.length)] = value;
  return copy;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** White space, words, numerals, strings, and every other character by itself. */
const token = /\s+|[A-Za-z_][\w.]*|\d[\w.]*(?:[+-]\d+)?|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|./gsu;
const numerals = [
  '0',
  '-0',
  '1',
  '-1',
  '2147483648',
  '9223372036854775808',
  '-9223372036854775809',
  '1e400',
  '1e-400',
  '0x10',
  '0.5',
  'NaN',
];
const oddities = ['', ' ', '"', "'", '\\', '\0', '\u0007', '\ud83d', 'é', '\u202e', '-', '#', '//', '/*', 'nan', 'inf', 'null', 'true'];
const brackets = ['[', '{', '(', '<', '"'];
/** Deeper than any limit. */
const deep = 3000;

/** What a token could be exchanged for without a reader seeing it at once. */
const classOf = (said: string): string => (/^\d/.test(said) ? '0' : /^[A-Za-z_]/.test(said) ? 'a' : /^\s/.test(said) ? ' ' : said[0]!);
const ofClass = (tokens: readonly string[], said: string): readonly string[] => tokens.filter(t => classOf(t) === classOf(said));

/** A text with one to three of its tokens gone, twice, elsewhere or something else, or of `donor`. */
export function textChanged(text: string, random: Random, donor: string = text): string {
  const tokens = text.match(token) ?? [''];
  const theirs = donor.match(token) ?? [''];
  for (let n = random(3); n >= 0; n--) {
    // White space is changed seldom.
    let at = random(tokens.length);
    if (/^\s*$/.test(tokens[at] ?? '') && random(8) > 0) at = Math.min(at + 1, tokens.length - 1);
    const said = tokens[at] ?? ' ';
    const kind = random(20);
    if (kind === 0) tokens.splice(at, 1 + random(4));
    else if (kind === 1) tokens.splice(at, 0, ...tokens.slice(at, at + 1 + random(8)));
    else if (kind === 2) tokens[at] = pick(random, theirs)!;
    else if (kind === 3) tokens[at] = pick(random, oddities)!;
    else if (kind === 4) tokens.splice(at, 0, ...theirs.slice(random(theirs.length)).slice(0, 1 + random(30)));
    else if (kind === 5 && random(10) === 0) tokens.splice(at, 0, pick(random, brackets)!.repeat(deep));
    else if (kind === 6) tokens.length = Math.max(at, 1);
    else if (kind === 7) tokens[at] = said.slice(0, random(said.length)) + pick(random, oddities)! + said.slice(random(said.length + 1));
    else if (/^\d/.test(said) && random(2)) tokens[at] = pick(random, numerals)!;
    else tokens[at] = pick(random, ofClass(random(2) ? tokens : theirs, said)) ?? said;
  }
  return tokens.join('');
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A text as bytes, changed by tokens or, one time in four, by bytes. */
export const spelledChanged = (text: Uint8Array, random: Random, donor: Uint8Array = text): Uint8Array =>
  random(4) === 0 ? bytesChanged(text, random, donor) : encoder.encode(textChanged(decoder.decode(text), random, decoder.decode(donor)));
