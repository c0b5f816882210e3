// A protobuf writer that knows no schema, so that wrong messages can be said. Marks note where a piece came to lie: what a case
// expects of an offset is counted here, never by the reader under test.

/** Bytes, and the offsets of the marks in them. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly marks?: ReadonlyMap<string, number>;
}

export const raw = (bytes: Iterable<number>): Piece => ({ bytes: Uint8Array.from(bytes) });
export const none: Piece = { bytes: new Uint8Array(0) };

/** No bytes, and a name for the place between its neighbours. */
export const mark = (name: string): Piece => ({ ...none, marks: new Map([[name, 0]]) });

export function join(...pieces: readonly Piece[]): Piece {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.bytes.length, 0));
  let marks: Map<string, number> | undefined;
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece.bytes, end);
    if (piece.marks) for (const [name, offset] of piece.marks) (marks ??= new Map()).set(name, end + offset);
    end += piece.bytes.length;
  }
  return marks ? { bytes, marks } : { bytes };
}

/** `count` pieces in a row. Their marks are not kept. */
export function repeat(count: number, piece: (i: number) => Piece): Piece {
  let bytes = new Uint8Array(1 << 16);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const next = piece(i).bytes;
    if (end + next.length > bytes.length) {
      const larger = new Uint8Array(2 * (end + next.length));
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(next, end);
    end += next.length;
  }
  return { bytes: bytes.slice(0, end) };
}

const encoder = new TextEncoder();
export const utf8 = (text: string): Piece => ({ bytes: encoder.encode(text) });

/** A varint in as few bytes as it needs; a negative number takes ten. */
export function varint(value: number | bigint): Piece {
  if (typeof value === 'number' && value >= 0 && value < 128) return { bytes: Uint8Array.of(value) };
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return raw(bytes);
}

const numbered = (width: number, write: (view: DataView) => void): Piece => {
  const bytes = new Uint8Array(width);
  write(new DataView(bytes.buffer));
  return { bytes };
};
export const float32 = (value: number): Piece => numbered(4, v => v.setFloat32(0, value, true));
/** An integer in so many bytes, the lowest first; a negative one as two's complement. */
export const little = (width: number, value: number | bigint): Piece =>
  raw(Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n)));

export const tag = (field: number, wire: number): Piece => varint(field * 8 + wire);
/** Field of wire type 0. */
export const int = (field: number, value: number | bigint): Piece => join(tag(field, 0), varint(value));
/** Field of wire type 2: a message, bytes, or packed numbers. */
export function msg(field: number, ...content: readonly Piece[]): Piece {
  const inner = join(...content);
  return join(tag(field, 2), varint(inner.bytes.length), inner);
}
/** A text, or bytes in its place. */
export const text = (field: number, value: string | Iterable<number>): Piece =>
  msg(field, typeof value === 'string' ? utf8(value) : raw(value));
/** Field of wire type 5. */
export const float = (field: number, value: number): Piece => join(tag(field, 5), float32(value));
/** Field of wire type 5 with an integer. */
export const fixed32 = (field: number, value: number): Piece => join(tag(field, 5), little(4, value));
