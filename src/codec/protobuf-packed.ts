// Packed fields: typed arrays out of the bytes of the wire, joined where a field comes in several pieces.
import type { Cursor } from './protobuf-cursor.ts';
import type { PackedArray, Scalar, ScalarType } from './protobuf-wire.ts';

/** Elements that followed each other: packed, or one by one. */
export type Piece = PackedArray | Scalar[];

type MakeArray = NonNullable<ScalarType['array']>;

/** The elements up to the end of a packed field, which is the cursor's `len`. */
export function readPacked(c: Cursor, type: ScalarType, make: MakeArray): PackedArray {
  if (type.wire !== 0) return readFixed(c, type.wire === 1 ? 8 : 4, make);
  // Every varint has one byte below 128, its last.
  let count = 0;
  for (let i = c.pos; i < c.len; i++) if (c.buf[i]! < 128) count++;
  const array = new make(count);
  if (type.asStored !== true) {
    for (let i = 0; c.pos < c.len; i++) put(array, i, type.read(c));
    return array;
  }
  const words = new Uint32Array(array.buffer);
  for (let i = 0; c.pos < c.len; i += 2) {
    c.varint();
    words[i] = c.lo;
    words[i + 1] = c.hi;
  }
  return array;
}

function readFixed(c: Cursor, width: number, make: MakeArray): PackedArray {
  const bytes = c.len - c.pos;
  if (bytes % width !== 0) throw c.malformed(`${bytes} bytes hold no whole number of ${width}-byte elements`);
  const array = new make(bytes / width);
  const start = c.take(bytes);
  // Copied as bytes: a NaN keeps its payload.
  new Uint8Array(array.buffer).set(c.buf.subarray(start, c.pos));
  return array;
}

/** One typed array of all pieces in their order. */
export function joinPieces(make: MakeArray, pieces: readonly Piece[]): PackedArray {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined && !Array.isArray(first)) return first;
  const joined = new make(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    if (Array.isArray(piece)) for (const [i, value] of piece.entries()) put(joined, end + i, value);
    // Both are arrays of the field's one type.
    else joined.set(piece as never, end);
    end += piece.length;
  }
  return joined;
}

function put(array: PackedArray, i: number, value: Scalar): void {
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(value);
  else array[i] = Number(value);
}
