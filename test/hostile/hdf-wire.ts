// An HDF5 writer whose every field can lie: blocks by name, each of which may lead to any other.
// Facts: The HDF5 Group, HDF5 File Format Specification Version 3.0, superblock version 0.
import { join, little, mark, none, type Piece, raw, utf8 } from './wire.ts';

/** Where blocks of a file lie. */
export type At = (name: string) => number;
/** Blocks by name, in the order of the file; one is `root`. Their lengths must not depend on where others lie. */
export type Blocks = Readonly<Record<string, (at: At) => Piece>>;

export interface Superblock {
  readonly version?: number;
  readonly widths?: readonly [number, number];
  readonly base?: bigint;
  /** How many bytes more than there are the file says to have. */
  readonly cut?: number;
  readonly root?: number;
}

const signature = join(raw([0x89]), utf8('HDF\r\n\x1a\n'));
const nowhere = 2n ** 64n - 1n;

/** The file; each block is marked by its name. */
export function hdf(blocks: Blocks, { version = 0, widths = [8, 8], base = 0n, cut = 0, root }: Superblock = {}): Piece {
  const names = Object.keys(blocks);
  const sizes = names.map(name => blocks[name]!(() => 0).bytes.length);
  const starts = new Map<string, number>();
  let end = 96;
  names.forEach((name, i) => {
    starts.set(name, end);
    end += sizes[i]!;
  });
  const at: At = name => starts.get(name)!;
  const head = join(
    signature,
    raw([version, 0, 0, 0, 0, ...widths, 0, 4, 0, 16, 0, 0, 0, 0, 0]),
    little(8, base),
    little(8, nowhere),
    little(8, end + cut),
    little(8, nowhere),
    little(8, 0),
    little(8, root ?? at('root')),
    little(24, 0),
  );
  return join(head, ...names.map(name => join(mark(name), blocks[name]!(at))));
}

const padded = (piece: Piece): Piece => join(piece, little(-piece.bytes.length & 7, 0));

/** A message of a header; its content is marked by `name`. */
export function message(kind: number, content: Piece, name?: string): Piece {
  const body = padded(content);
  return join(little(2, kind), little(2, body.bytes.length), little(4, 0), name === undefined ? none : mark(name), body);
}
export function header(...messages: readonly Piece[]): Piece {
  const body = join(...messages);
  return join(raw([1, 0]), little(2, messages.length), little(4, 1), little(4, body.bytes.length), little(4, 0), body);
}
export const continued = (at: number, length: number, name?: string): Piece => message(0x10, join(little(8, at), little(8, length)), name);

const named = (kind: number, name: string, rest: Piece): Piece =>
  message(0x06, join(raw([1, 8, kind, name.length]), utf8(name), rest), `link ${name}`);
export const hardLink = (name: string, at: number): Piece => named(0, name, little(8, at));
export const softLink = (name: string, path: string): Piece => named(1, name, join(little(2, path.length), utf8(path)));
export const externalLink = (name: string, file: string, path: string): Piece => {
  const content = join(raw([0]), utf8(`${file}\0${path}\0`));
  return named(64, name, join(little(2, content.bytes.length), content));
};

/** A group by its links and attributes. */
export const group = (...messages: readonly Piece[]): Piece =>
  header(message(0x02, join(raw([0, 0]), little(8, nowhere), little(8, nowhere))), ...messages);

const float32 = join(raw([0x11, 0x20, 0x1f, 0]), little(4, 4), little(2, 0), little(2, 32), raw([23, 8, 0, 23]), little(4, 127));
const space = (dims: readonly (number | bigint)[]): Piece => join(raw([1, dims.length, 0, 0, 0, 0, 0, 0]), ...dims.map(d => little(8, d)));

/** A text of a fixed length. */
export function attribute(name: string, value: string): Piece {
  const content = utf8(value);
  const type = join(raw([0x13, 0, 0, 0]), little(4, content.bytes.length));
  const title = utf8(`${name}\0`);
  const scalar = space([]);
  const sizes = [title, type, scalar].map(piece => little(2, piece.bytes.length));
  return message(0x0c, join(raw([1, 0]), ...sizes, padded(title), padded(type), padded(scalar), content));
}
/** A text in a heap of the file. */
export const heapAttribute = (name: string, heap: number, index: number, length: number): Piece => {
  const type = join(raw([0x19, 1, 0, 0]), little(4, 16), raw([0x10, 0, 0, 0]), little(4, 1), little(4, 0));
  const title = utf8(`${name}\0`);
  const scalar = space([]);
  const sizes = [title, type, scalar].map(piece => little(2, piece.bytes.length));
  return message(
    0x0c,
    join(raw([1, 0]), ...sizes, padded(title), padded(type), padded(scalar), little(4, length), little(8, heap), little(4, index)),
  );
};

/** A dataset of float32. */
export const dataset = (dims: readonly (number | bigint)[], ...messages: readonly Piece[]): Piece =>
  header(message(0x01, space(dims)), message(0x03, float32), ...messages);
export const contiguous = (at: number, length: number | bigint): Piece =>
  message(0x08, join(raw([3, 1]), little(8, at), little(8, length)), 'layout');
export const chunked = (tree: number | bigint, sizes: readonly number[]): Piece =>
  message(0x08, join(raw([3, 2, sizes.length + 1]), little(8, tree), ...[...sizes, 4].map(size => little(4, size))), 'layout');
/** Filters by their numbers. */
export const filters = (...ids: readonly number[]): Piece =>
  message(0x0b, join(raw([1, ids.length, 0, 0, 0, 0, 0, 0]), ...ids.map(id => join(little(2, id), little(6, 0)))), 'filters');

/** A node of an old tree: keys and children in turn. */
export const treeNode = (kind: number, level: number, entries: readonly Piece[]): Piece =>
  join(utf8('TREE'), raw([kind, level]), little(2, entries.length), little(8, nowhere), little(8, nowhere), ...entries);
export const chunkEntry = (at: number, stored: number, place: readonly number[]): Piece =>
  join(little(4, stored), little(4, 0), ...[...place, 0].map(p => little(8, p)), little(8, at));
/** A group of the old kind. */
export const oldGroup = (tree: number, heap: number): Piece => header(message(0x11, join(little(8, tree), little(8, heap))));
export const localHeap = (at: number, length: number): Piece =>
  join(utf8('HEAP'), raw([0, 0, 0, 0]), little(8, length), little(8, nowhere), little(8, at));
export const symbolTable = (...entries: readonly (readonly [name: number, at: number])[]): Piece =>
  join(
    utf8('SNOD'),
    raw([1, 0]),
    little(2, entries.length),
    ...entries.map(([name, at]) => join(little(8, name), little(8, at), little(24, 0))),
  );
