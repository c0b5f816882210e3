// Archives taken apart, changed and put together again, and changes of the records themselves.
import { openZip } from '../../src/codec/zip.ts';
import { writeZip } from '../../src/codec/zip-write.ts';
import { MemorySource } from '../../src/index.ts';
import { bytesChanged, joined } from './bytes.ts';
import { pick, type Random } from './random.ts';

export interface Entry {
  name: string;
  data: Uint8Array;
}

export async function entriesOf(archive: Uint8Array): Promise<Entry[]> {
  const { entries } = await openZip(new MemorySource(archive));
  const parts: Entry[] = [];
  for (const [name, entry] of entries) parts.push({ name, data: await entry.bytes() });
  return parts;
}

export async function packed(entries: readonly Entry[], method: 'store' | 'deflate' = 'store'): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of writeZip(entries.map(entry => ({ ...entry, method })))) parts.push(part.slice());
  return joined(...parts);
}

/** Entries gone, elsewhere, with the content of others, or changed by `change`. The names stay different and safe. */
export function entriesChanged(entries: readonly Entry[], random: Random, change: (entry: Entry) => Uint8Array): Entry[] {
  const changed = entries.map(entry => ({ ...entry }));
  for (let n = random(2); n >= 0 && changed.length > 0; n--) {
    const entry = pick(random, changed)!;
    const kind = random(12);
    if (kind === 0) changed.splice(changed.indexOf(entry), 1);
    else if (kind === 1) changed.reverse();
    else if (kind === 2) entry.data = pick(random, changed)!.data;
    else if (kind === 3) changed.push({ name: `${entry.name}.more`, data: entry.data });
    else if (kind === 4 && !changed.some(e => e.name === `${entry.name}x`)) entry.name += 'x';
    else entry.data = change(entry);
  }
  return changed.filter((entry, i) => changed.findIndex(e => e.name.toLowerCase() === entry.name.toLowerCase()) === i);
}

/** Where the fields of a record begin after its signature, and how wide they are. */
const records: readonly (readonly [signature: number, fields: readonly (readonly [at: number, width: number])[]])[] = [
  [0x04034b50, [4, 6, 8, 10, 12, 26, 28].map(at => [at, 2] as const)],
  [0x04034b50, [14, 18, 22].map(at => [at, 4] as const)],
  [0x02014b50, [4, 6, 8, 10, 28, 30, 32, 34, 36].map(at => [at, 2] as const)],
  [0x02014b50, [16, 20, 24, 38, 42].map(at => [at, 4] as const)],
  [0x06054b50, [4, 6, 8, 10, 20].map(at => [at, 2] as const)],
  [0x06054b50, [12, 16].map(at => [at, 4] as const)],
];
const edges = [0, 1, 2, 8, 0x7f, 0xff, 0xfffe, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff];

/** One to three fields of records with other values, or bytes changed anywhere. */
export function recordsChanged(archive: Uint8Array, random: Random): Uint8Array {
  if (random(3) === 0) return bytesChanged(archive, random);
  const copy = Uint8Array.from(archive);
  const view = new DataView(copy.buffer);
  for (let n = random(3); n >= 0; n--) {
    const [signature, fields] = pick(random, records)!;
    const places = placesOf(view, signature);
    const place = pick(random, places);
    if (place === undefined) continue;
    const [at, width] = pick(random, fields)!;
    if (place + at + width > copy.length) continue;
    const value = pick(random, edges)!;
    if (width === 2) view.setUint16(place + at, random(2) ? value : view.getUint16(place + at, true) + 1, true);
    else view.setUint32(place + at, random(2) ? value : view.getUint32(place + at, true) + 1, true);
  }
  return copy;
}

function placesOf(view: DataView, signature: number): number[] {
  const places: number[] = [];
  for (let i = 0; i + 4 <= view.byteLength; i++) if (view.getUint32(i, true) === signature) places.push(i);
  return places;
}
