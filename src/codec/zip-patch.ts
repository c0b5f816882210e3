// An archive with other content of the same length in some of its stored entries, and not another byte changed but their checksums.
import { fail } from '../errors.ts';
import { crc32 } from './crc.ts';
import { ByteRange, type Source } from './source.ts';
import { openZip } from './zip.ts';
import { findEnd, flag, type Row, readDirectory, signatures, view } from './zip-directory.ts';

/** Bytes that are read when they are written. */
interface Readable {
  readonly length: number;
  read(offset?: number, length?: number): Promise<Uint8Array>;
}

/** What is put over the bytes from `at` on. */
interface Patch {
  readonly at: number;
  readonly data: Uint8Array | Readable;
}

const block = 2 ** 22;

/**
 * The parts of the archive with other data in the entries that `contents` names. Data is read twice: its checksum may stand before it.
 * Errors: as `openZip`; E1013 for an entry that is not there, E1203 for data of another length, E2002 for a compressed entry.
 */
export async function patchZip(source: Source, contents: ReadonlyMap<string, Readable>): Promise<(Uint8Array | Readable)[]> {
  const zip = await openZip(source);
  const end = await findEnd(source);
  const rows = new Map(readDirectory(await source.read(end.directoryAt, end.directorySize), end, source.name).map(row => [row.name, row]));
  const patches: Patch[] = [];
  for (const [name, data] of contents) {
    const entry = zip.entries.get(name);
    if (!entry) throw fail('E1013', `the archive has no ${name}`, { file: source.name, path: name });
    if (entry.size !== data.length)
      throw fail('E1203', `${name} has ${entry.size} bytes, the new data ${data.length}`, { file: source.name, path: name });
    const range = await entry.range();
    const sum = { data: await checksum(data) };
    patches.push({ at: range.offset, data }, { at: rows.get(name)!.recordAt + 16, ...sum });
    patches.push({ at: await checksumAt(source, rows.get(name)!, range), ...sum });
  }
  return spliced(source, patches);
}

/** Where the entry itself says its checksum: in its header, or behind the data. */
async function checksumAt(source: Source, row: Row, { offset, length }: ByteRange): Promise<number> {
  if ((row.flags & flag.descriptor) === 0) return row.headerAt + 14;
  const after = offset + length;
  return view(await source.read(after, 4)).getUint32(0, true) === signatures.descriptor ? after + 4 : after;
}

async function checksum(data: Readable): Promise<Uint8Array> {
  let sum = 0;
  for (let at = 0; at < data.length; at += block) sum = crc32(await data.read(at, Math.min(block, data.length - at)), sum);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, sum, true);
  return bytes;
}

function spliced(source: Source, patches: Patch[]): (Uint8Array | Readable)[] {
  const parts: (Uint8Array | Readable)[] = [];
  let at = 0;
  for (const patch of patches.sort((a, b) => a.at - b.at)) {
    parts.push(new ByteRange(source, at, patch.at - at), patch.data);
    at = patch.at + patch.data.length;
  }
  return [...parts, new ByteRange(source, at, source.size - at)];
}
