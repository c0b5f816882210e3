// Strings of a TensorFlow Lite tensor: their number, where each begins, where the last ends, then their bytes.
import type { Code } from '../../errors.ts';

/** The bytes of each string. @throws what `wrong` makes, E1203, for places outside of the buffer or out of order */
export function stringsIn(bytes: Uint8Array, wrong: (code: Code, message: string) => Error): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length >= 4 ? view.getUint32(0, true) : -1;
  const head = 4 * (count + 2);
  if (count < 0 || head > bytes.length)
    throw wrong('E1203', `${Math.max(count, 0)} strings do not fit in a buffer of ${bytes.length} bytes`);
  const places = Array.from({ length: count + 1 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const odd = places.findIndex((place, i) => place < (i === 0 ? head : places[i - 1]!) || place > bytes.length);
  if (odd >= 0) throw wrong('E1203', `string ${odd} lies at byte ${places[odd]} of a buffer of ${bytes.length}`);
  return places.slice(0, -1).map((place, i) => bytes.slice(place, places[i + 1]));
}
