// Blocks compressed by Snappy. Format: https://github.com/google/snappy/blob/main/format_description.txt
import { fail } from '../errors.ts';

/**
 * The content of a block.
 * @throws ModelError E1006 for a malformed block, E1009 for one that says it holds more than `most` bytes
 */
export function unsnappy(block: Uint8Array, most: number): Uint8Array {
  let at = 0;
  const wrong = (what: string) => fail('E1006', `a Snappy block ${what}`, { offset: at });
  const byte = (): number => {
    if (at >= block.length) throw wrong('ends early');
    return block[at++]!;
  };
  const number = (bytes: number): number => {
    let n = 0;
    for (let i = 0; i < bytes; i++) n += byte() * 2 ** (8 * i);
    return n;
  };
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const b = byte();
    length += (b & 127) * 2 ** shift;
    if (b < 128) break;
    if (shift >= 28) throw wrong('has a malformed length');
  }
  if (length > most)
    throw fail('E1009', `a Snappy block of ${length} bytes, at most ${most} are read`, { limit: { name: 'snappy.bytes', value: most } });
  // No element makes more than 64 bytes of two.
  if (length > 32 * block.length) throw wrong(`of ${block.length} bytes says that it holds ${length}`);
  const out = new Uint8Array(length);
  let to = 0;
  while (at < block.length) {
    const tag = byte();
    if ((tag & 3) === 0) {
      const short = tag >> 2;
      const count = (short < 60 ? short : number(short - 59)) + 1;
      if (count > block.length - at || count > length - to) throw wrong('has a literal beyond its end');
      out.set(block.subarray(at, at + count), to);
      at += count;
      to += count;
    } else {
      const kind = tag & 3;
      const count = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
      const back = kind === 1 ? (tag >> 5) * 256 + byte() : number(kind === 2 ? 2 : 4);
      if (back === 0 || back > to || count > length - to) throw wrong('copies from outside');
      for (let i = 0; i < count; i++, to++) out[to] = out[to - back]!;
    }
  }
  if (to !== length) throw wrong(`holds ${to} bytes, its length says ${length}`);
  return out;
}
