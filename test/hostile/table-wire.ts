// A writer of TensorFlow's checkpoints whose every field can lie: tables of sorted keys, and the entries of tensors in them.
// Format: https://github.com/google/leveldb/blob/main/doc/table_format.md
import { maskedCrc32c } from '../../src/codec/crc.ts';
import { fixed32, int, join, little, mark, msg, none, type Piece, raw, varint } from './wire.ts';

/** How a block is written; its marks are its name and what `before` and its entries have. */
export interface Block {
  /** What is stored of the content, and its type: 0 as it is, 1 by Snappy. */
  readonly store?: (content: Piece) => readonly [Piece, number];
  /** How many restarts it says. */
  readonly restarts?: number;
  readonly checksum?: number;
}

export interface Entry {
  readonly key: string | Iterable<number>;
  readonly value: Piece;
  /** How many bytes it says to share with the key before. */
  readonly shared?: number;
  /** How many bytes it says that its value has. */
  readonly length?: number;
  readonly at?: string;
}

const bytesOf = (key: Entry['key']): Uint8Array => (typeof key === 'string' ? new TextEncoder().encode(key) : Uint8Array.from(key));

function entryOf({ key, value, shared = 0, length = value.bytes.length, at }: Entry): Piece {
  const own = bytesOf(key).subarray(Math.min(shared, bytesOf(key).length));
  return join(at === undefined ? none : mark(at), varint(shared), varint(own.length), varint(length), raw(own), value);
}

function block(name: string, entries: Piece, { store = content => [content, 0], restarts = 1, checksum }: Block): Piece {
  const [stored, type] = store(join(entries, little(4, 0), little(4, restarts)));
  const typed = join(stored, raw([type]));
  return join(mark(name), typed, little(4, checksum ?? maskedCrc32c(typed.bytes)));
}

/** Where a block lies and how long it is. */
const handle = (offset: number, size: number): Piece => join(varint(offset), varint(size));

export interface Table extends Block {
  /** The block of blocks. */
  readonly index?: Block;
  /** What it says of the block of entries, as often as there are handles. */
  readonly handles?: (offset: number, size: number) => readonly Piece[];
  readonly magic?: readonly number[];
}

/** A table of one block of entries. Marks: `entries`, `index`, `footer`, and those of the entries. */
export function table(entries: readonly Entry[], { index = {}, handles = (o, s) => [handle(o, s)], magic, ...rest }: Table = {}): Piece {
  const data = block('entries', join(...entries.map(entryOf)), rest);
  const meta = block('meta', none, {});
  const places = handles(0, data.bytes.length - 5).map((value, i, { length }) => ({
    key: [0x7f, ...(length > 1 ? [i >> 16, (i >> 8) & 255, i & 255] : [])],
    value,
    at: 'handle',
  }));
  const top = block('index', join(...places.map(entryOf)), index);
  const ends = join(handle(data.bytes.length, meta.bytes.length - 5), handle(data.bytes.length + meta.bytes.length, top.bytes.length - 5));
  const footer = join(mark('footer'), ends, raw(new Uint8Array(40 - ends.bytes.length)));
  return join(data, meta, top, footer, mark('magic'), raw(magic ?? [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]));
}

/** The entry with the empty key: how many shards there are, and further fields. */
export const header = (shards = 1, ...more: readonly Piece[]): Entry => ({
  key: '',
  value: join(int(1, shards), msg(3, int(1, 1)), ...more),
});

/** What an entry says of a tensor, float32[4] of the first bytes of shard 0 unless it is said. */
interface Stored {
  readonly type?: number;
  readonly dims?: readonly (number | bigint)[];
  readonly shard?: number;
  readonly offset?: number | bigint;
  readonly size?: number | bigint;
  readonly checksum?: number;
  readonly slices?: readonly (readonly Extent[])[];
}
/** Start and length of a slice along an axis; the whole axis where it is empty. */
export type Extent = readonly [] | readonly [number | bigint, number | bigint];

export const stored = (
  key: Entry['key'],
  { type = 1, dims = [4], shard = 0, offset = 0, size = 16, checksum, slices = [] }: Stored = {},
): Entry => ({
  key,
  value: join(
    int(1, type),
    msg(2, ...dims.map(d => msg(2, int(1, d)))),
    int(3, shard),
    int(4, offset),
    int(5, size),
    fixed32(6, checksum ?? maskedCrc32c(data.bytes)),
    ...slices.map(extents => msg(7, ...extents.map(e => msg(1, ...e.map((value, i) => int(i + 1, value)))))),
  ),
});

/** 16 bytes: the floats 0 to 3. */
export const data: Piece = { bytes: new Uint8Array(Float32Array.of(0, 1, 2, 3).buffer) };

/** The key of a slice along one axis of at most 63: 0, the name, 0 1, rank 1, and start and length with their sign bit turned. */
export const sliceKey = (name: string, start: number, length: number): number[] => [
  0,
  ...new TextEncoder().encode(name),
  0,
  1,
  1,
  1,
  start ^ 0x80,
  length ^ 0x80,
];
