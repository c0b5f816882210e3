// A zip writer whose every field can lie, in the local header and in the directory apart.
// Facts: PKWARE APPNOTE.TXT 6.3.10.
import { crc32, deflateRawSync } from 'node:zlib';
import { join, little, mark, none, type Piece, raw, utf8 } from './wire.ts';

/** What a header says of an entry. */
interface Facts {
  readonly name: string | Iterable<number>;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly extra: Piece;
}

export interface ZipEntry {
  readonly name: string;
  readonly data: Piece;
  readonly deflate?: boolean;
  /** What the two headers say otherwise than the truth; `both` goes before either. */
  readonly both?: Partial<Facts>;
  readonly local?: Partial<Facts>;
  readonly central?: Partial<Facts>;
  /** Of the directory alone. */
  readonly disk?: number;
  readonly host?: number;
  readonly attributes?: number;
  /** Where the directory says that the entry begins, by the place of each entry. */
  readonly at?: (starts: readonly number[]) => number;
  /** Behind the data. */
  readonly after?: Piece;
}

export interface ZipEnd {
  readonly count?: number;
  readonly size?: number;
  readonly at?: number;
  readonly disk?: number;
  readonly comment?: Piece;
  /** How many more bytes the comment says to have. */
  readonly cut?: number;
  /** Before the archive; offsets do not count it. */
  readonly prefix?: Piece;
  readonly suffix?: Piece;
  /** Between the directory and the end record. */
  readonly before?: Piece;
  readonly without?: boolean;
}

const fields = ({ flags, method, crc, compressedSize, size }: Facts): Piece =>
  join(little(2, flags), little(2, method), little(4, 0), little(4, crc), little(4, compressedSize), little(4, size));
const nameOf = ({ name }: Facts): Piece => (typeof name === 'string' ? utf8(name) : raw(name));

/** The archive; entries are marked by `NAME` at their data, `NAME@` at their local header and `NAME#` at their place in the directory. */
export function zip(entries: readonly ZipEntry[], end: ZipEnd = {}): Piece {
  const locals: Piece[] = [];
  const directory: Piece[] = [];
  const starts: number[] = [];
  let at = 0;
  for (const entry of entries) {
    const { name, deflate = false, both = {}, local = {}, after = none } = entry;
    const stored = deflate ? raw(deflateRawSync(entry.data.bytes)) : entry.data;
    const truth: Facts = {
      name,
      flags: 0,
      method: deflate ? 8 : 0,
      crc: crc32(entry.data.bytes),
      compressedSize: stored.bytes.length,
      size: entry.data.bytes.length,
      extra: none,
      ...both,
    };
    const said = { ...truth, ...local };
    const title = nameOf(said);
    const head = join(utf8('PK\x03\x04'), little(2, 20), fields(said), little(2, title.bytes.length), little(2, said.extra.bytes.length));
    const piece = join(mark(`${name}@`), head, title, said.extra, mark(name), stored, after);
    starts.push(at);
    locals.push(piece);
    at += piece.bytes.length;
    directory.push(centralOf({ ...truth, ...entry.central }, entry, entry.at?.(starts) ?? starts.at(-1)!));
  }
  const listed = join(...directory);
  const {
    count = entries.length,
    size = listed.bytes.length,
    disk = 0,
    comment = none,
    cut = 0,
    prefix = none,
    suffix = none,
    before = none,
  } = end;
  const record = join(
    mark('end'),
    utf8('PK\x05\x06'),
    little(2, disk),
    little(2, disk),
    little(2, count),
    little(2, count),
    little(4, size),
    little(4, end.at ?? at),
    little(2, comment.bytes.length + cut),
    comment,
  );
  return join(prefix, ...locals, listed, before, end.without ? none : record, suffix);
}

function centralOf(said: Facts, { name, disk = 0, host = 0, attributes = 0 }: ZipEntry, at: number): Piece {
  const title = nameOf(said);
  return join(
    mark(`${name}#`),
    utf8('PK\x01\x02'),
    little(1, 20),
    little(1, host),
    little(2, 20),
    fields(said),
    little(2, title.bytes.length),
    little(2, said.extra.bytes.length),
    little(2, 0),
    little(2, disk),
    little(2, 0),
    little(4, attributes),
    little(4, at),
    title,
    said.extra,
  );
}
