// HDF5 files, as far as frameworks write them: groups, datasets and texts beside them, read by range where the file allows it. Every
// address leads to a place that is checked and to each tree and header once; links to other files lead nowhere. Knows no model.
import { fail } from '../errors.ts';
import { elementsOf } from './hdf5-data.ts';
import { HdfFile } from './hdf5-file.ts';
import { isGroup, linksOf, mostObjects, tooMany } from './hdf5-group.ts';
import { kinds, type Messages, messagesAt } from './hdf5-header.ts';
import { elementIn, sizesIn, textsOf } from './hdf5-type.ts';
import type { ByteRange, Source } from './source.ts';

export { isHdf } from './hdf5-file.ts';

/** A tensor in a file: its element type as NumPy names it, and its sizes. */
export interface HdfDataset {
  readonly type: string;
  readonly dims: readonly number[];
  /** Where the elements are, little-endian and in order; undefined where they must be put together. */
  readonly range: ByteRange | undefined;
  /** The elements, little-endian. @throws ModelError E1006 for chunks that do not fit */
  bytes(): Promise<Uint8Array>;
}

/** An opened file. */
export interface Hdf {
  /** By path from the root, without the first slash. */
  readonly datasets: ReadonlyMap<string, HdfDataset>;
  /** The texts of an attribute of a group; undefined where it is absent. Texts that were split over `name0`, `name1`, … are joined. */
  texts(path: string, attribute: string): Promise<readonly string[] | undefined>;
}

const limits = {
  depth: 64,
  /** Sizes of compressed data may be so many times that of the file. */
  ratio: 200,
  /** Compressed data of fewer bytes is read whatever the file has. */
  free: 16 * 2 ** 20,
};

/**
 * Open a file. Errors: E1005 truncated, E1006 malformed, E1009 beyond a limit, E1011 links and data outside of the file, E1105 for what
 * leads to itself, E2002 what is not read.
 */
export async function openHdf(source: Source): Promise<Hdf> {
  const reader = new Reader(await HdfFile.open(source));
  await reader.walk(reader.file.root, '');
  return reader;
}

class Reader implements Hdf {
  readonly file: HdfFile;
  readonly datasets = new Map<string, HdfDataset>();
  readonly #groups = new Map<string, Messages>();
  /** Addresses of groups by their paths: each is read once, so that links to links cannot make many of few. */
  readonly #seen = new Map<number, string>();
  #depth = 0;
  #objects = 0;
  /** Bytes that the file does not hold as they are. */
  #made = 0;

  constructor(file: HdfFile) {
    this.file = file;
  }

  async texts(path: string, attribute: string): Promise<readonly string[] | undefined> {
    const group = this.#groups.get(path);
    const found = group ? await textsOf(this.file, group) : new Map<string, readonly string[]>();
    const whole = found.get(attribute);
    if (whole) return whole;
    const parts: string[] = [];
    for (let i = 0; found.has(`${attribute}${i}`); i++) parts.push(...found.get(`${attribute}${i}`)!);
    return found.has(`${attribute}0`) ? parts : undefined;
  }

  async walk(at: number, path: string): Promise<void> {
    const { file } = this;
    if (++this.#objects > mostObjects) throw tooMany(file);
    if (this.#depth >= limits.depth)
      throw fail('E1009', `groups are nested deeper than ${limits.depth}`, {
        file: file.source.name,
        path,
        limit: { name: 'hdf5.depth', value: limits.depth },
      });
    const messages = await messagesAt(file, at);
    if (!isGroup(messages)) {
      if (messages.find(kinds.dataspace)) this.datasets.set(path, this.#dataset(messages, path));
      return;
    }
    const first = this.#seen.get(at);
    if (first !== undefined) throw file.fail('E1105', `the group ${path} is the group /${first}`, at);
    this.#seen.set(at, path);
    this.#groups.set(path, messages);
    this.#depth++;
    const names = new Set<string>();
    for (const link of await linksOf(file, messages)) {
      if (names.has(link.name)) throw fail('E1010', `the group /${path} holds ${link.name} twice`, { file: file.source.name, path });
      names.add(link.name);
      await this.walk(link.at, path === '' ? link.name : `${path}/${link.name}`);
    }
    this.#depth--;
  }

  #dataset(messages: Messages, path: string): HdfDataset {
    const name = this.file.source.name;
    const type = messages.find(kinds.datatype);
    const element = type && elementIn(type);
    if (!element) throw fail('E1006', `${path} has no type`, { file: name, path });
    const sizes = sizesIn(messages.find(kinds.dataspace)!);
    const dims = sizes ?? [0];
    const length = dims.reduce((n, d) => n * BigInt(d), BigInt(element.size));
    const refuse = (bytes: bigint, most: number) =>
      fail('E1009', `${path} takes ${bytes} bytes in a file of ${this.file.source.size}`, {
        file: name,
        path,
        limit: { name: 'hdf5.bytes', value: most },
      });
    const most = Math.max(this.file.source.size * limits.ratio, limits.free);
    if (length > BigInt(most)) throw refuse(length, most);
    const elements = elementsOf(this.file, messages, { path, dims, size: element.size, length: Number(length) });
    if (!elements.isStored) {
      this.#made += Number(length);
      if (this.#made > most) throw refuse(BigInt(this.#made), most);
    }
    const range = 'range' in elements && !element.isBigEndian ? elements.range : undefined;
    const read = async (): Promise<Uint8Array> => ('range' in elements ? elements.range.read() : elements.read());
    const bytes = element.isBigEndian ? async () => swapped((await read()).slice(), element.size) : read;
    return { type: element.name, dims, range, bytes };
  }
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
  return bytes;
}
