// The directory of a zip archive: its end records and what each entry says of itself, all of it checked.
// Facts: PKWARE APPNOTE.TXT 6.3.10.
import { type Code, fail, type ModelError } from '../errors.ts';
import type { Source } from './source.ts';

/** Method 0: the data as it is. */
export const stored = 0;
/** Method 8. */
export const deflated = 8;
const ratioFrom = 64 * 2 ** 20;
/** Deflate cannot expand by more than this. */
const deflateBound = 1032;
/** The first four bytes of each record. */
export const signatures = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
  descriptor: 0x08074b50,
};
/** Bits of an entry's flags. */
export const flag = { encrypted: 1, options: 6, descriptor: 8, utf8: 2048 };

/** What the central directory says of an entry; positions are absolute in the source. */
export interface Row {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly headerAt: number;
  /** Where this itself is said. */
  readonly recordAt: number;
}

/** The reason why an entry name could leave the archive or be read in two ways, or undefined for a sound one. */
export function unsafeName(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.startsWith('/')) return 'is an absolute path';
  if (/^[A-Za-z]:/.test(name)) return 'names a drive';
  if (name.includes('\\')) return 'has a backslash';
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'has a control character';
  const parts = (name.endsWith('/') ? name.slice(0, -1) : name).split('/');
  return parts.some(part => part === '' || part === '.' || part === '..') ? "has an empty, '.' or '..' part" : undefined;
}

/** Where an archive's directory lies. */
export interface End {
  /** Where the directory begins in the source. */
  readonly directoryAt: number;
  readonly directorySize: number;
  readonly count: number;
  /** Added to every offset that the archive states: the length of what was put before it. */
  readonly shift: number;
}

/** The end record of the archive. Errors: as `openZip`. */
export async function findEnd(source: Source): Promise<End> {
  const { name: file, size } = source;
  const tailAt = Math.max(0, size - 22 - 65535);
  const tail = await source.read(tailAt, size - tailAt);
  const at = endRecordAt(tail, tailAt, file);
  const v = view(tail.subarray(at - tailAt));
  const small = {
    disk: v.getUint16(4, true),
    directoryDisk: v.getUint16(6, true),
    countHere: v.getUint16(8, true),
    count: v.getUint16(10, true),
    directorySize: v.getUint32(12, true),
    directoryOffset: v.getUint32(16, true),
  };
  const big = await findEnd64(source, at, small);
  const { disk, directoryDisk, countHere, count, directorySize, directoryOffset } = big ?? small;
  if (disk !== 0 || directoryDisk !== 0 || countHere !== count)
    throw fail('E2002', `archive is split over several disks (this is disk ${disk})`, { file, offset: at });
  const directoryAt = (big?.at ?? at) - directorySize;
  const shift = directoryAt - directoryOffset;
  if (directoryAt < 0 || shift < 0 || (big && big.shift !== shift))
    throw fail('E1006', `archive directory of ${directorySize} bytes at ${directoryOffset} does not end at its end record`, {
      file,
      offset: at,
    });
  return { directoryAt, directorySize, count, shift };
}

/** Position of the one end record: its comment must reach the end of the file and hold no other record. */
function endRecordAt(tail: Uint8Array, tailAt: number, file: string): number {
  const v = view(tail);
  const found: number[] = [];
  let cut: number | undefined;
  for (let i = tail.length - 22; i >= 0; i--) {
    if (tail[i] !== 0x50 || v.getUint32(i, true) !== signatures.end) continue;
    const endsAt = i + 22 + v.getUint16(i + 20, true);
    if (endsAt === tail.length) found.push(tailAt + i);
    else cut ??= i;
  }
  const [at] = found;
  if (at === undefined) {
    if (cut === undefined)
      throw fail('E1006', 'archive has no end record: it is cut off or not a zip file', { file, offset: tailAt + tail.length });
    const missing = cut + 22 + v.getUint16(cut + 20, true) - tail.length;
    throw missing > 0
      ? fail('E1005', `archive comment needs ${missing} more bytes`, { file, offset: tailAt + tail.length })
      : fail('E1007', `${-missing} bytes follow the end record of the archive`, { file, offset: tailAt + tail.length + missing });
  }
  // A record inside the comment is found first by readers that search from the back.
  if (found.length > 1 || (cut !== undefined && tailAt + cut > at))
    throw fail('E1006', 'archive has two end records, so readers disagree on its content', { file, offset: at });
  return at;
}

interface EndFields {
  readonly disk: number;
  readonly directoryDisk: number;
  readonly countHere: number;
  readonly count: number;
  readonly directorySize: number;
  readonly directoryOffset: number;
}

async function findEnd64(
  source: Source,
  endAt: number,
  small: EndFields,
): Promise<(EndFields & { at: number; shift: number }) | undefined> {
  const file = source.name;
  const locatorAt = endAt - 20;
  const locator = locatorAt >= 56 ? view(await source.read(locatorAt, 20)) : undefined;
  if (locator?.getUint32(0, true) !== signatures.locator64) {
    if (small.count === 0xffff || small.directorySize === 0xffffffff || small.directoryOffset === 0xffffffff)
      throw fail('E1006', 'archive needs a Zip64 end record and has none', { file, offset: endAt });
    return undefined;
  }
  if (locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) > 1)
    throw fail('E2002', 'archive is split over several disks', { file, offset: locatorAt });
  const stated = u64(locator, 8);
  const at = locatorAt - 56;
  const v = view(await source.read(at, 56));
  if (v.getUint32(0, true) !== signatures.end64 || u64(v, 4) !== 44 || stated > at)
    throw fail('E1006', `Zip64 end record is not at ${stated}, or not of the plain kind`, { file, offset: locatorAt });
  const big: EndFields = {
    disk: v.getUint32(16, true),
    directoryDisk: v.getUint32(20, true),
    countHere: u64(v, 24),
    count: u64(v, 32),
    directorySize: u64(v, 40),
    directoryOffset: u64(v, 48),
  };
  for (const key of ['disk', 'directoryDisk', 'countHere', 'count', 'directorySize', 'directoryOffset'] as const) {
    const sentinel = key === 'directorySize' || key === 'directoryOffset' ? 0xffffffff : 0xffff;
    if (small[key] !== sentinel && small[key] !== big[key])
      throw fail('E1006', `the two end records disagree: ${key} is ${small[key]} and ${big[key]}`, { file, offset: at });
  }
  return { ...big, at, shift: at - stated };
}

/** The entries of the directory `bytes`, each sound by itself. Errors: as `openZip`. */
export function readDirectory(bytes: Uint8Array, end: End, file: string): Row[] {
  const rows: Row[] = [];
  const v = view(bytes);
  let at = 0;
  for (let i = 0; i < end.count; i++) {
    const offset = end.directoryAt + at;
    if (at + 46 > bytes.length || v.getUint32(at, true) !== signatures.central)
      throw fail('E1006', `archive directory has ${i} entries, its end record says ${end.count}`, { file, offset });
    const nameEnd = at + 46 + v.getUint16(at + 28, true);
    const extraEnd = nameEnd + v.getUint16(at + 30, true);
    const next = extraEnd + v.getUint16(at + 32, true);
    if (next > bytes.length) throw fail('E1006', `archive directory ends inside entry ${i}`, { file, offset });
    const fixed = view(bytes.subarray(at, at + 46));
    rows.push(readRow(fixed, bytes.subarray(at + 46, nameEnd), bytes.subarray(nameEnd, extraEnd), end.shift, { file, offset }));
    at = next;
  }
  if (at !== bytes.length)
    throw fail('E1006', `archive directory has ${bytes.length - at} bytes after its ${end.count} entries`, {
      file,
      offset: end.directoryAt + at,
    });
  return rows;
}

type Spot = { readonly file: string; readonly offset: number };

function readRow(v: DataView, nameBytes: Uint8Array, extra: Uint8Array, shift: number, spot: Spot): Row {
  const name = decodeName(nameBytes, spot);
  const place = { ...spot, path: name };
  const sizes = { size: v.getUint32(24, true), compressedSize: v.getUint32(20, true), headerAt: v.getUint32(42, true) };
  const disk = v.getUint16(34, true);
  widen(sizes, extra, disk === 0xffff, text => fail('E1006', `archive entry ${quote(name)} ${text}`, place));
  const row: Row = {
    name,
    nameBytes,
    flags: v.getUint16(8, true),
    method: v.getUint16(10, true),
    crc32: v.getUint32(16, true),
    ...sizes,
    headerAt: sizes.headerAt + shift,
    recordAt: spot.offset,
  };
  refuseRow(row, disk, v.getUint16(4, true) >>> 8, v.getUint32(38, true), spot);
  return row;
}

/** Replace the sizes that are all ones by those of the Zip64 field, which holds only these, in this order. */
export function widen(
  sizes: { size: number; compressedSize: number; headerAt?: number },
  extra: Uint8Array,
  diskToo: boolean,
  error: (text: string) => ModelError,
): void {
  const wide = (['size', 'compressedSize', 'headerAt'] as const).filter(key => sizes[key] === 0xffffffff);
  let field: DataView | undefined;
  for (let at = 0; at + 4 <= extra.length; ) {
    const v = view(extra.subarray(at));
    const end = at + 4 + v.getUint16(2, true);
    if (end > extra.length) throw error('has a broken extra field');
    if (v.getUint16(0, true) === 1) {
      if (field) throw error('has two Zip64 fields');
      field = view(extra.subarray(at + 4, end));
    }
    at = end;
  }
  if (wide.length === 0 && !diskToo) return;
  if (!field || field.byteLength < wide.length * 8 + (diskToo ? 4 : 0)) throw error('lacks its Zip64 sizes');
  for (const [i, key] of wide.entries()) sizes[key] = u64(field, i * 8);
  if (diskToo && field.getUint32(wide.length * 8, true) !== 0) throw error('lies on another disk');
}

function refuseRow(row: Row, disk: number, host: number, attributes: number, { file, offset }: Spot): void {
  const refuse = (code: Code, text: string): ModelError => entryError(code, file, row, text, offset);
  const unsafe = unsafeName(row.name);
  if (unsafe) throw refuse('E1011', `has an unsafe name: it ${unsafe}`);
  const unixKind = host === 3 || host === 19 ? attributes >>> 28 : 0;
  if (unixKind === 0xa) throw refuse('E1011', 'is a symbolic link');
  if (unixKind !== 0 && unixKind !== 8 && unixKind !== 4) throw refuse('E1011', 'is neither a file nor a folder');
  if (disk !== 0 && disk !== 0xffff) throw refuse('E2002', `lies on disk ${disk}`);
  if (row.flags & flag.encrypted) throw refuse('E2002', 'is encrypted');
  const unknown = row.flags & ~(flag.options | flag.descriptor | flag.utf8);
  if (unknown) throw refuse('E2002', `has flag bits ${hex(unknown)} that are not read here`);
  if (row.method !== stored && row.method !== deflated)
    throw refuse('E2002', `is compressed by method ${row.method}; 0 and 8 are read here`);
  if (row.method === stored && row.size !== row.compressedSize)
    throw refuse('E1006', `is stored, yet has sizes ${row.size} and ${row.compressedSize}`);
  if (row.size > (row.compressedSize + 1) * deflateBound)
    throw refuse('E1006', `cannot inflate from ${row.compressedSize} to ${row.size} bytes`);
  if (row.name.endsWith('/') && row.size > 0) throw refuse('E1006', 'is a folder with content');
}

/** Errors: E1010. */
export function refuseDuplicates(rows: readonly Row[], foldCase: boolean, file: string): void {
  const seen = new Map<string, string>();
  for (const row of rows) {
    const normal = row.name.normalize('NFC').replace(/\/$/, '');
    // Upper case first, so that letters with several lower-case forms meet.
    const key = foldCase ? normal.toUpperCase().toLowerCase().normalize('NFC') : normal;
    const other = seen.get(key);
    if (other !== undefined)
      throw entryError('E1010', file, row, other === row.name ? 'occurs twice' : `has the same name as ${quote(other)} on some systems`);
    seen.set(key, row.name);
  }
}

/** Errors: E1009 for one entry, or all so far, that inflate to over 64 MiB and more than `ratio` times. */
export function refuseBombs(rows: readonly Row[], ratio: number, file: string): void {
  let size = 0;
  let compressed = 0;
  for (const row of rows) {
    if (row.method !== deflated) continue;
    size += row.size;
    compressed += row.compressedSize;
    if (Math.max(row.size, size) > ratioFrom && (row.size > row.compressedSize * ratio || size > compressed * ratio))
      throw fail('E1009', `archive entry ${quote(row.name)} inflates to more than ${ratio} times its size`, {
        file,
        offset: row.headerAt,
        path: row.name,
        limit: { name: 'zip.ratio', value: ratio },
      });
  }
}

/** Errors: E1006. Gives where the entry after each one begins. The exact length of a local header shows only when an entry is read; this is its least. */
export function refuseOverlap(rows: readonly Row[], directoryAt: number, file: string): Map<Row, number> {
  const boundaries = new Map<Row, number>();
  let boundary = directoryAt;
  for (const row of [...rows].sort((a, b) => b.headerAt - a.headerAt)) {
    if (row.headerAt + 30 + row.nameBytes.length + row.compressedSize > boundary)
      throw entryError('E1006', file, row, `of ${row.compressedSize} bytes overlaps what begins at ${boundary}`);
    boundaries.set(row, boundary);
    boundary = row.headerAt;
  }
  return boundaries;
}

function decodeName(bytes: Uint8Array, { file, offset }: Spot): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw fail('E1110', 'archive entry has a name that is not UTF-8', { file, offset: offset + 46 }, { cause });
  }
}

/** An error of one entry; its offset is that of the local header unless another is given. */
export const entryError = (code: Code, file: string, row: Row, text: string, offset = row.headerAt, cause?: unknown): ModelError =>
  fail(code, `archive entry ${quote(row.name)} ${text}`, { file, offset, path: row.name }, { cause });

/** A name as errors print it. */
export const quote = (name: string): string => JSON.stringify(name.slice(0, 200));
/** A number as errors print bits and checksums. */
export const hex = (value: number): string => `0x${value.toString(16)}`;
/** The bytes as fields. */
export const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
/** An unsigned 64-bit field. Beyond 2^53 the number is inexact, but then it also exceeds every bound it is compared with. */
export const u64 = (v: DataView, at: number): number => Number(v.getBigUint64(at, true));
