// UTF-8 that loses nothing: a byte that is not part of valid UTF-8 becomes a lone surrogate U+DC80 to U+DCFF (Python's
// `surrogateescape`) and turns back into the same byte. Valid UTF-8 never decodes to a lone surrogate, so the two cannot be confused.
import { fail } from '../errors.ts';

// In `u` mode a surrogate matches only where it is not half of a pair.
const lone = /[\ud800-\udfff]/u;
const escaped = /[\udc80-\udcff]/u;

/** Whether a string made by `decodeUtf8` holds bytes that are not valid UTF-8. */
export const hasEscapedBytes = (text: string): boolean => escaped.test(text);

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The text of the bytes from `start` to `end`; invalid bytes are escaped, a byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = '';
  let i = start;
  // Names are short and ASCII: making them here is cheaper than a call into the decoder.
  if (end - start <= 24) {
    for (; i < end && bytes[i]! < 0x80; i++) text += String.fromCharCode(bytes[i]!);
    if (i === end) return text;
  }
  const rest = bytes.subarray(start, end);
  try {
    return strict.decode(rest);
  } catch {
    return decodeEscaping(rest);
  }
}

function decodeEscaping(bytes: Uint8Array): string {
  const pieces: string[] = [];
  let run = 0;
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    pieces.push(strict.decode(bytes.subarray(run, i)), String.fromCharCode(0xdc00 + bytes[i]!));
    run = ++i;
  }
  pieces.push(strict.decode(bytes.subarray(run)));
  return pieces.join('');
}

/** The length of the valid sequence at `i`, 0 where there is none (table 3-7 of the Unicode standard). */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i]!;
  if (lead < 0x80) return 1;
  const length = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // Only the second byte can make a sequence overlong, a surrogate or too large.
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  for (let k = 1; k < length; k++) {
    const byte = bytes[i + k] ?? 0;
    if (byte < (k === 1 ? least : 0x80) || byte > (k === 1 ? most : 0xbf)) return 0;
  }
  return length;
}

/** The bytes of a text, escaped bytes as they were. Any other lone surrogate has no bytes and is refused (E1110). */
export function encodeUtf8(text: string): Uint8Array {
  if (!lone.test(text)) return encoder.encode(text);
  const pieces = text.split(/([\ud800-\udfff])/u).map((piece, i) => (i % 2 === 0 ? encoder.encode(piece) : escapedByte(piece)));
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}

function escapedByte(surrogate: string): Uint8Array {
  const code = surrogate.charCodeAt(0);
  if (code < 0xdc80 || code > 0xdcff)
    throw fail('E1110', `a text holds the lone surrogate U+${code.toString(16).toUpperCase()}, which no UTF-8 can say`);
  return Uint8Array.of(code - 0xdc00);
}

/** Whether a text has lone surrogates, so that only `encodeUtf8` writes its bytes right. */
export const needsEncode = (text: string): boolean => lone.test(text);
