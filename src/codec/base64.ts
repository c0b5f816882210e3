// Base64 (RFC 4648), both alphabets in, the standard one out.

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The value of each character of either alphabet; 64 and more for those that are none. */
const values = new Uint8Array(128).fill(64);
for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;
values['-'.charCodeAt(0)] = 62;
values['_'.charCodeAt(0)] = 63;

const equals = 61;

/** The bytes of a text, with or without padding; undefined where it is no base64. */
export function decodeBase64(text: string): Uint8Array | undefined {
  let length = text.length;
  while (length > 0 && text.length - length < 2 && text.charCodeAt(length - 1) === equals) length--;
  const padded = text.length !== length;
  if (length % 4 === 1 || (padded && text.length % 4 !== 0)) return undefined;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let word = 0;
  let end = 0;
  for (let i = 0; i < length; i++) {
    const value = values[text.charCodeAt(i)] ?? 64;
    if (value > 63) return undefined;
    word = ((word << 6) | value) & 0xffffff;
    if (i % 4 === 0) continue;
    bytes[end++] = word >> (6 - 2 * (i % 4));
  }
  return bytes;
}

const step = 24576;

/** The text of bytes with padding, in pieces. */
export function* encodeBase64(bytes: Uint8Array): Generator<string> {
  for (let start = 0; start < bytes.length; start += step) yield piece(bytes.subarray(start, start + step));
}

function piece(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += alphabet[word >> 18]! + alphabet[(word >> 12) & 63]!;
    text += (i + 1 < bytes.length ? alphabet[(word >> 6) & 63]! : '=') + (i + 2 < bytes.length ? alphabet[word & 63]! : '=');
  }
  return text;
}
