// HDF5 files, read by the HDF5 library compiled to WebAssembly, which is loaded when the first file needs it. The library sees a file
// system in memory with this one file in it, so that links and data in other files lead nowhere. Knows no model.
import type { Group, Module } from 'h5wasm';
import { fail, ModelError } from '../errors.ts';

/** A tensor in a file: its element type as NumPy names it, and its sizes. */
export interface HdfDataset {
  readonly type: string;
  readonly dims: readonly number[];
  /** Attributes that are texts. */
  text(attribute: string): string | undefined;
  /** The elements, little-endian. @throws ModelError E1006 where the library fails */
  bytes(): Uint8Array;
}

/** An opened file. */
export interface Hdf {
  /** By path from the root, without the first slash. */
  readonly datasets: ReadonlyMap<string, HdfDataset>;
  /** The texts of an attribute of a group; undefined where it is absent. Texts that were split over `name0`, `name1`, … are joined. */
  texts(path: string, attribute: string): readonly string[] | undefined;
}

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
export const isHdf = (head: Uint8Array): boolean => signature.every((byte, i) => head[i] === byte);

const limits = {
  objects: 200_000,
  depth: 64,
  filters: 4,
  /** Sizes of compressed data may be so many times that of the file. */
  ratio: 200,
  /** Compressed data of fewer bytes is read whatever the file has. */
  free: 64 * 2 ** 20,
};

type Wasm = typeof Module;
type Library = typeof import('h5wasm');

let counter = 0;

/**
 * Open a file that is in memory; the bytes must not change while it is used.
 * Errors: E1005 truncated, E1006 malformed, E1009 beyond a limit, E1011 links and data outside of the file, E2002 types and filters that are not read.
 */
export async function openHdf(bytes: Uint8Array, file: string): Promise<Hdf> {
  checkSuperblock(bytes, file);
  const library = await import('h5wasm');
  const wasm = (await library.ready) as Wasm & { activate_throwing_error_handler(): void };
  // Errors are thrown, not printed.
  wasm.activate_throwing_error_handler();
  const path = `/${counter++}.h5`;
  return guarded(file, () => {
    wasm.FS.writeFile(path, bytes, { canOwn: true } as never);
    return new Reader(new library.File(path, 'r'), library, wasm, { file, size: bytes.length });
  });
}

/** What the library throws, and what WebAssembly traps, as an error of the file. */
function guarded<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    const why = error instanceof Error ? error.message.split('\n')[0]!.slice(0, 200) : 'it gave up';
    throw fail('E1006', `the HDF5 library cannot read the file: ${why}`, { file }, { cause: error });
  }
}

/** The header says where the file ends, which the library does not compare with what is there. */
function checkSuperblock(bytes: Uint8Array, file: string): void {
  if (!isHdf(bytes)) throw fail('E1006', 'no HDF5 signature at the start', { file, offset: 0 });
  const version = bytes[8] ?? 255;
  if (version > 3) throw fail('E1006', `superblock version ${version}, expected 0 to 3`, { file, offset: 8 });
  const isOld = version < 2;
  const width = bytes[isOld ? 13 : 9] ?? 0;
  if (width !== 8 && width !== 4) throw fail('E1006', `offsets of ${width} bytes, expected 4 or 8`, { file, offset: isOld ? 13 : 9 });
  const baseAt = version === 0 ? 24 : version === 1 ? 28 : 12;
  const endAt = baseAt + 2 * width;
  if (bytes.length < endAt + width) throw fail('E1005', `${bytes.length} bytes, the superblock is longer`, { file, offset: 0 });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = (offset: number): bigint => (width === 8 ? view.getBigUint64(offset, true) : BigInt(view.getUint32(offset, true)));
  if (at(baseAt) !== 0n) throw fail('E1006', `base address ${at(baseAt)}, expected 0`, { file, offset: baseAt });
  if (at(endAt) > BigInt(bytes.length))
    throw fail('E1005', `the header says that the file ends at byte ${at(endAt)}, it has ${bytes.length}`, { file, offset: endAt });
}

class Reader implements Hdf {
  readonly datasets = new Map<string, HdfDataset>();
  readonly #root: Group;
  readonly #wasm: Wasm;
  readonly #library: Library;
  readonly #of: { readonly file: string; readonly size: number };
  #objects = 0;

  constructor(root: Group, library: Library, wasm: Wasm, of: { file: string; size: number }) {
    this.#root = root;
    this.#library = library;
    this.#wasm = wasm;
    this.#of = of;
    this.#walk(root, '', 0);
  }

  texts(path: string, attribute: string): readonly string[] | undefined {
    return guarded(this.#of.file, () => {
      const group = path === '' ? this.#root : this.#root.get(path);
      if (!(group instanceof this.#library.Group)) return undefined;
      const names = Object.keys(group.attrs);
      if (names.includes(attribute)) return this.#textsOf(group, attribute);
      const parts: string[] = [];
      for (let i = 0; names.includes(`${attribute}${i}`); i++) parts.push(...this.#textsOf(group, `${attribute}${i}`));
      return names.includes(`${attribute}0`) ? parts : undefined;
    });
  }

  #textsOf(group: Group, attribute: string): string[] {
    const value: unknown = group.get_attribute(attribute, true);
    const all = (Array.isArray(value) ? value.flat(8) : [value]) as unknown[];
    const odd = all.find(text => typeof text !== 'string');
    if (odd !== undefined)
      throw fail('E1006', `the attribute ${attribute} of ${group.path} must be text`, { file: this.#of.file, path: group.path });
    // Texts of a fixed length are filled up with zeros.
    return (all as string[]).map(text => text.replace(/\0+$/, ''));
  }

  #walk(group: Group, prefix: string, depth: number): void {
    if (depth > limits.depth) throw this.#limit('depth', `groups are nested deeper than ${limits.depth}, which a loop of links does`);
    for (const name of group.keys()) {
      if (++this.#objects > limits.objects) throw this.#limit('objects', `more than ${limits.objects} objects`);
      const path = prefix === '' ? name : `${prefix}/${name}`;
      this.#visit(group.get(name), path, depth);
    }
  }

  #visit(entity: ReturnType<Group['get']>, path: string, depth: number): void {
    const { file } = this.#of;
    const { Group: GroupClass, Dataset, ExternalLink, BrokenSoftLink } = this.#library;
    if (entity instanceof GroupClass) this.#walk(entity, path, depth + 1);
    else if (entity instanceof Dataset) this.datasets.set(path, this.#dataset(entity, path));
    else if (entity instanceof ExternalLink)
      throw fail('E1011', `${path} is a link to the file ${JSON.stringify(entity.filename.slice(0, 200))}`, { file, path });
    else if (entity instanceof BrokenSoftLink) throw fail('E1011', `${path} is a link to what is not there`, { file, path });
  }

  #dataset(dataset: InstanceType<Library['Dataset']>, path: string): HdfDataset {
    const { file } = this.#of;
    const { type, size, signed, littleEndian, shape, chunks, virtual_sources: sources } = dataset.metadata;
    if (sources && sources.length > 0) throw fail('E1011', `${path} is made of datasets of other files`, { file, path });
    const dims = (shape ?? []).map(Number);
    const element = elementOf(type, size, signed);
    if (chunks) this.#checkFilters(dataset, path);
    const length = dims.reduce((n, d) => n * BigInt(d), BigInt(size));
    const most = chunks ? BigInt(Math.max(this.#of.size * limits.ratio, limits.free)) : BigInt(this.#of.size);
    if (length > most)
      throw fail('E1009', `${path} takes ${length} bytes in a file of ${this.#of.size}`, {
        file,
        path,
        limit: { name: 'hdf5.bytes', value: Number(most) },
      });
    return {
      type: element,
      dims,
      text: name => (Object.keys(dataset.attrs).includes(name) ? String(dataset.get_attribute(name, true)) : undefined),
      bytes: () => guarded(file, () => this.#read(dataset, Number(length), littleEndian ? 1 : size)),
    };
  }

  #checkFilters(dataset: InstanceType<Library['Dataset']>, path: string): void {
    const { file } = this.#of;
    const { filters } = dataset;
    if (filters.length > limits.filters) throw this.#limit('filters', `${path} has ${filters.length} filters`);
    const { H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32 } = this.#wasm;
    const known: readonly number[] = [H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32];
    const odd = filters.find(filter => !known.includes(filter.id));
    if (odd) throw fail('E2002', `${path} is compressed by filter ${odd.id}, read are deflate, shuffle and fletcher32`, { file, path });
  }

  #read(dataset: InstanceType<Library['Dataset']>, length: number, swap: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const wasm = this.#wasm as Wasm & { _malloc(n: number): number; _free(at: number): void; HEAPU8: Uint8Array };
    const at = wasm._malloc(length);
    try {
      wasm.get_dataset_data(dataset.file_id, dataset.path, null, null, null, BigInt(at));
      const bytes = wasm.HEAPU8.slice(at, at + length);
      return swap > 1 ? swapped(bytes, swap) : bytes;
    } finally {
      wasm._free(at);
    }
  }

  #limit(name: keyof typeof limits, message: string): ModelError {
    return fail('E1009', message, { file: this.#of.file, limit: { name: `hdf5.${name}`, value: limits[name] } });
  }
}

/** Classes of types of the library: integers, floats, enumerations (booleans of h5py); everything else has the name of its class. */
function elementOf(type: number, size: number, signed: boolean): string {
  if (type === 0) return `${signed ? '' : 'u'}int${size * 8}`;
  if (type === 1) return `float${size * 8}`;
  return type === 8 && size === 1 ? 'bool' : `class ${type}`;
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
  return bytes;
}
