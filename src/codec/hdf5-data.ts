// Where the elements of a dataset in an HDF5 file lie: in its header, in one range, or in chunks that filters went over.
import { fail } from '../errors.ts';
import { inflateZlib } from './deflate.ts';
import type { HdfFile } from './hdf5-file.ts';
import { treeLeaves } from './hdf5-group.ts';
import { kinds, type Messages } from './hdf5-header.ts';
import { readByLibrary } from './hdf5-library.ts';
import { ByteRange } from './source.ts';

/** Elements of a dataset as they are stored, in order. */
export type Elements = { readonly range: ByteRange } | { readonly read: () => Promise<Uint8Array> };

export interface DataOf {
  readonly path: string;
  readonly dims: readonly number[];
  /** Bytes of an element. */
  readonly size: number;
  /** Bytes of all of them. */
  readonly length: number;
}

const mostFilters = 4;

interface Filter {
  readonly id: number;
  readonly values: readonly number[];
}
const known: Readonly<Record<number, string>> = { 1: 'deflate', 2: 'shuffle', 3: 'fletcher32' };

/** Errors: E1009 too many filters, E1011 data in other files, E2002 layouts and filters that are not read. */
export function elementsOf(file: HdfFile, messages: Messages, of: DataOf): Elements & { readonly isStored: boolean } {
  const { path } = of;
  const at = { file: file.source.name, path };
  const external = messages.find(kinds.external);
  if (external) throw fail('E1011', `${path} has its elements in other files`, { ...at, offset: external.start });
  const body = messages.find(kinds.layout);
  if (!body) throw fail('E1006', `${path} does not say where its elements are`, at);
  const version = body.u8();
  if (version !== 3 && version !== 4) throw fail('E2002', `${path} has a layout of version ${version}, read are 3 and 4`, at);
  const kind = body.u8();
  const empty = (): Promise<Uint8Array> => filled(messages, of);
  if (kind === 0) {
    const inside = body.part(body.u16(), `the elements of ${path}`);
    return { isStored: true, read: async () => inside.again().bytes(of.length).slice() };
  }
  if (kind === 1) {
    const start = body.find();
    if (start === undefined) return { isStored: false, read: empty };
    const stored = body.length();
    if (stored !== of.length)
      throw fail('E1006', `${path} has ${stored} bytes, its sizes come to ${of.length}`, { ...at, offset: body.start });
    return { isStored: true, range: new ByteRange(file.source, start, stored) };
  }
  if (kind === 3) throw fail('E1011', `${path} is made of datasets of other files`, at);
  if (kind !== 2) throw fail('E1006', `${path} has a layout of class ${kind}`, at);
  const filters = filtersOf(messages, at);
  if (version === 4) return { isStored: false, read: () => readByLibrary(file.source, path, of.length) };
  const rank = body.u8();
  const tree = body.find();
  const chunk = Array.from({ length: rank }, () => body.u32());
  if (rank !== of.dims.length + 1 || chunk.at(-1) !== of.size || chunk.includes(0))
    throw fail('E1006', `${path} has chunks of sizes [${chunk}] for [${[...of.dims, of.size]}]`, { ...at, offset: body.start });
  return {
    isStored: false,
    read: tree === undefined ? empty : () => assembled(file, { ...of, tree, chunk, filters, elements: empty }),
  };
}

function filtersOf(messages: Messages, at: { readonly file: string; readonly path: string }): readonly Filter[] {
  const body = messages.find(kinds.filters);
  if (!body) return [];
  const [version, count] = [body.u8(), body.u8()];
  if (count > mostFilters)
    throw fail('E1009', `${at.path} has ${count} filters`, {
      ...at,
      offset: body.start,
      limit: { name: 'hdf5.filters', value: mostFilters },
    });
  if (version === 1) body.skip(6);
  return Array.from({ length: count }, () => {
    const id = body.u16();
    const nameLength = version === 1 || id >= 256 ? body.u16() : 0;
    body.skip(2);
    const values = body.u16();
    body.skip(version === 1 ? Math.ceil(nameLength / 8) * 8 : nameLength);
    if (!(id in known)) throw fail('E2002', `${at.path} is compressed by filter ${id}, read are ${Object.values(known).join(', ')}`, at);
    const filter = { id, values: Array.from({ length: values }, () => body.u32()) };
    body.skip(version === 1 && values % 2 === 1 ? 4 : 0);
    return filter;
  });
}

/** Elements that were never written. */
async function filled(messages: Messages, { length, size }: DataOf): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const body = messages.find(kinds.fill);
  if (!body) return bytes;
  const version = body.u8();
  const flags = version === 3 ? body.u8() : 0;
  body.skip(version === 3 ? 0 : 2);
  const isThere = version === 3 ? (flags & 0x20) !== 0 : body.u8() === 1;
  if (!isThere || body.left < 4 || body.u32() !== size) return bytes;
  const value = body.bytes(size);
  if (value.some(byte => byte !== 0)) for (let i = 0; i < length; i += size) bytes.set(value, i);
  return bytes;
}

interface Chunks extends DataOf {
  readonly tree: number;
  /** Sizes of a chunk, and at last of an element in bytes. */
  readonly chunk: readonly number[];
  readonly filters: readonly Filter[];
  /** All elements before any chunk. */
  readonly elements: () => Promise<Uint8Array>;
}

async function assembled(file: HdfFile, of: Chunks): Promise<Uint8Array> {
  const { path, dims, chunk, filters } = of;
  const elements = await of.elements();
  const bytesOfChunk = chunk.reduce((n, d) => n * d, 1);
  const seen = new Set<string>();
  for (const { key, child } of await treeLeaves(file, of.tree, 1, 8 * (chunk.length + 1))) {
    const [stored, mask] = [key.u32(), key.u32()];
    const place = chunk.map(() => key.uint(8)).slice(0, -1);
    const wrong = place.some((p, a) => p >= dims[a]! || p % chunk[a]! !== 0) || seen.has(place.join());
    if (wrong) throw file.fail('E1006', `${path} has a chunk at [${place}] that has no place there`, key.start);
    seen.add(place.join());
    const name = `a chunk of ${path}`;
    const raw = (await file.block(child, stored, name)).bytes(stored);
    const content = await unfiltered(
      file,
      raw,
      filters.filter((_, i) => !(mask & (1 << i))),
      { most: bytesOfChunk, size: of.size, name },
    );
    if (content.length !== bytesOfChunk) throw file.fail('E1006', `${name} has ${content.length} bytes, expected ${bytesOfChunk}`, child);
    copyChunk(content, elements, place, of);
  }
  return elements;
}

/** Rows of a chunk to where they belong; what reaches over the edge is left out. */
function copyChunk(content: Uint8Array, elements: Uint8Array, place: readonly number[], { dims, chunk, size }: Chunks): void {
  const last = dims.length - 1;
  const row = Math.min(chunk[last]!, dims[last]! - place[last]!) * size;
  const copy = (axis: number, from: number, to: number): void => {
    if (axis === last) elements.set(content.subarray(from * size, from * size + row), to * size);
    const count = axis === last ? 0 : Math.min(chunk[axis]!, dims[axis]! - place[axis]!);
    for (let i = 0; i < count; i++) copy(axis + 1, (from + i) * chunk[axis + 1]!, (to + i) * dims[axis + 1]! + place[axis + 1]!);
  };
  if (last >= 0) copy(0, 0, place[0]!);
}

/** Filters undone, the last first. */
async function unfiltered(
  file: HdfFile,
  raw: Uint8Array,
  filters: readonly Filter[],
  { most, size, name }: { readonly most: number; readonly size: number; readonly name: string },
): Promise<Uint8Array> {
  let bytes = raw;
  for (const { id } of filters.toReversed()) {
    if (id === 2) bytes = unshuffled(bytes, size);
    else if (id === 1) bytes = await inflated(file, bytes, most, name);
    else bytes = checked(file, bytes, name);
  }
  return bytes;
}

/** All first bytes, then all second ones, and so on. */
function unshuffled(bytes: Uint8Array, size: number): Uint8Array {
  const count = Math.floor(bytes.length / size);
  const made = bytes.slice();
  for (let j = 0; j < size; j++) for (let i = 0; i < count; i++) made[i * size + j] = bytes[j * count + i]!;
  return made;
}

/** Without the four bytes at the end, which are Fletcher's sum of the words before them, high bytes first. */
function checked(file: HdfFile, bytes: Uint8Array, name: string): Uint8Array {
  const content = bytes.subarray(0, -4);
  let [low, high] = [0, 0];
  for (let i = 0; i < content.length; i += 2) {
    low = (low + content[i]! * 256 + (content[i + 1] ?? 0)) % 65535;
    high = (high + low) % 65535;
  }
  const words = [...bytes.subarray(-4)];
  const stored = [words[0]! + words[1]! * 256, words[2]! + words[3]! * 256].map(word => word % 65535);
  if (bytes.length < 4 || stored[0] !== low || stored[1] !== high)
    throw fail('E1012', `${name} has another checksum`, { file: file.source.name });
  return content;
}

async function inflated(file: HdfFile, bytes: Uint8Array, most: number, name: string): Promise<Uint8Array> {
  // A checksum, and what one deflate adds to another, may come on top.
  const made = new Uint8Array(most + 1024);
  let at = 0;
  const input = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  try {
    for await (const piece of inflateZlib(input())) {
      if (at + piece.length > made.length) throw file.fail('E1006', `${name} inflates to more than ${most} bytes`);
      made.set(piece, at);
      at += piece.length;
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'ModelError') throw cause;
    throw fail('E1006', `${name} has broken deflate data after ${at} bytes`, { file: file.source.name }, { cause });
  }
  return made.subarray(0, at);
}
