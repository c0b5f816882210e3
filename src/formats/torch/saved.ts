// What torch.save wrote: a zip of one pickle and the raw bytes of storages or, before PyTorch 1.6, pickles one behind the other and the
// storages behind them.
// Source: PyTorch, torch/serialization.py.
import { Call, Global, Persistent, type PickleValue, readPickle, Tuple } from '../../codec/pickle.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { type Finding, fail, ModelError } from '../../errors.ts';
import { byteLength, type DataType } from '../../ir/types.ts';
import { Rebuilder, type Records, type SavedValue, storageId } from './rebuild.ts';

export type { SavedValue } from './rebuild.ts';

export interface Saved {
  readonly value: SavedValue;
  /** What is odd but harmless. */
  readonly findings: readonly Finding[];
}

/**
 * Read what torch.save wrote. Tensors that share their memory are one `Tensor` where they show all the same elements. Modules are the dicts
 * of what they hold.
 * @throws ModelError E1015 for a pickle that calls anything but what makes tensors and containers, E1013 for records that are missing,
 * E1203 for tensors beyond their storage, E2002 for kinds of tensors without a conversion
 */
export async function readSaved(source: Source): Promise<Saved> {
  const head = await source.read(0, Math.min(2, source.size));
  return head[0] === 0x50 ? readArchive(source) : readStream(source);
}

async function readArchive(source: Source): Promise<Saved> {
  const zip = await openZip(source);
  const root = rootOf(zip, source);
  const order = await textOf(zip, `${root}byteorder`);
  if (order !== undefined && order !== 'little')
    throw fail('E2002', `byteorder: expected little, found ${JSON.stringify(order.slice(0, 40))}`, { file: source.name });
  const bytes = await zip.entries.get(`${root}data.pkl`)!.bytes();
  const { value, end } = readPickle(bytes, { file: `${source.name}:data.pkl` });
  if (end !== bytes.length) throw fail('E1007', `${bytes.length - end} bytes follow the pickle`, { file: source.name, path: 'data.pkl' });
  const hidden = [...zip.entries.keys()].filter(name => name.endsWith('.pkl') && name !== `${root}data.pkl`);
  const findings = hidden.map(name => oddPickle(name, source));
  const made = await new Rebuilder(recordsOf(zip, root, source.name), source.name).convert(value, 0);
  return { value: made, findings: [...zip.warnings, ...findings] };
}

/** The storages of a pickle: entries of the archive in a folder of the pickle's name. */
export const recordsOf = (zip: Zip, root: string, file: string, folder = 'data'): Records => ({
  async storage(key, element, count) {
    const entry = zip.entries.get(`${root}${folder}/${key}`);
    if (!entry) throw fail('E1013', `the record ${folder}/${key} is missing`, { file });
    requireLength(key, element, count, entry.size, { file, path: `${folder}/${key}` });
    return entry.method === 0 ? entry.range() : entry.bytes();
  },
});

function requireLength(key: string, element: DataType, count: number, found: number, place: { file: string; path?: string }): void {
  const needed = byteLength(element, count);
  if (found !== needed)
    throw fail('E1203', `storage ${key}: ${count} elements of ${element} are ${needed} bytes, the record has ${found}`, place);
}

/** The folder of the archive, with its slash. */
function rootOf(zip: Zip, source: Source): string {
  const name = [...zip.entries.keys()].find(entry => /^[^/]+\/data\.pkl$/.test(entry));
  if (name === undefined) throw fail('E1013', 'the archive has no data.pkl', { file: source.name });
  return name.slice(0, -'data.pkl'.length);
}

async function textOf(zip: Zip, name: string): Promise<string | undefined> {
  const entry = zip.entries.get(name);
  return entry && new TextDecoder().decode(await entry.bytes()).trim();
}

const oddPickle = (name: string, source: Source): Finding => ({
  code: 'E1015',
  severity: 'warning',
  message: `the archive holds another pickle, ${JSON.stringify(name)}, which is not read`,
  file: source.name,
});

/** What the first pickle of the form before 1.6 holds. */
const magic = 0x1950a86a20f9469cfc6cn;
const streamProtocol = 1001;

/** Whether bytes begin as the form before 1.6 does. */
export const isStream = (head: Uint8Array): boolean =>
  [0x80, undefined, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19].every(
    (b, i) => b === undefined || head[i] === b,
  );

async function readStream(source: Source): Promise<Saved> {
  const pickles = new PickleStream(source);
  const wrong = (what: string): ModelError => fail('E1006', what, { file: source.name });
  if ((await pickles.next()) !== magic) throw wrong('this is nothing that torch.save wrote');
  const protocol = await pickles.next();
  if (protocol !== streamProtocol) throw wrong(`protocol ${String(protocol)}, expected ${streamProtocol}`);
  const system = await pickles.next();
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    throw fail('E2002', 'the file is of a machine whose numbers are big-endian', { file: source.name });
  const value = await pickles.next();
  const keys = await pickles.next();
  if (!Array.isArray(keys) || !keys.every(key => typeof key === 'string')) throw wrong('the list of storages holds more than their keys');
  const records = await storagesAfter(source, pickles.end, keys as string[], elementsIn(value));
  return { value: await new Rebuilder(records, source.name).convert(value, 0), findings: [] };
}

/** Pickles one behind the other, read through a window that grows as they need. */
class PickleStream {
  readonly #source: Source;
  /** Where the pickles that were read end. */
  end = 0;
  constructor(source: Source) {
    this.#source = source;
  }

  async next(): Promise<PickleValue> {
    const left = this.#source.size - this.end;
    for (let length = Math.min(left, 1 << 20); ; length = Math.min(left, length * 8)) {
      const bytes = await this.#source.read(this.end, length);
      try {
        const { value, end } = readPickle(bytes, { file: this.#source.name, classOf: classOfReference });
        this.end += end;
        return value;
      } catch (error) {
        if (!(error instanceof ModelError && error.code === 'E1005' && length < left)) throw error;
      }
    }
  }
}

/** The class of a module, which this form refers to together with its source text. */
function classOfReference({ id }: Persistent): Global | undefined {
  const [kind, callee] = id instanceof Tuple ? id.items : [];
  return kind === 'module' && callee instanceof Global ? callee : undefined;
}

/** The element types of all storages that a value refers to, by key. */
function elementsIn(value: PickleValue): ReadonlyMap<string, DataType> {
  const found = new Map<string, DataType>();
  const seen = new Set<PickleValue>();
  const open: PickleValue[] = [value];
  const add = (items: Iterable<PickleValue>): void => {
    for (const item of items) if (typeof item === 'object' && item !== null && !seen.has(item)) open.push(item);
  };
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    if (seen.has(item)) continue;
    seen.add(item);
    if (item instanceof Persistent) {
      const id = storageId(item);
      if (id?.element) found.set(id.key, id.element);
    } else if (item instanceof Tuple) add(item.items);
    else if (item instanceof Map) for (const pair of item) add(pair);
    else if (Array.isArray(item) || item instanceof Set) add(item);
    else if (item instanceof Call) {
      add([...item.args, ...item.items, item.state]);
      for (const pair of item.entries) add(pair);
    }
  }
  return found;
}

/** Each storage is its number of elements, in eight bytes, and their bytes; storages of a class that is not known are not read further. */
async function storagesAfter(
  source: Source,
  start: number,
  keys: readonly string[],
  elements: ReadonlyMap<string, DataType>,
): Promise<Records> {
  const file = source.name;
  const ranges = new Map<string, ByteRange>();
  let at = start;
  for (const key of keys) {
    const element = elements.get(key);
    if (!element) break;
    if (source.size - at < 8) throw fail('E1005', `storage ${key} is missing`, { file, offset: at });
    const head = await source.read(at, 8);
    const count = Number(new DataView(head.buffer, head.byteOffset, 8).getBigInt64(0, true));
    const length = Number.isSafeInteger(count) && count >= 0 ? byteLength(element, count) : Number.POSITIVE_INFINITY;
    if (length > source.size - at - 8)
      throw fail('E1005', `storage ${key}: ${count} elements of ${element} are announced, ${source.size - at - 8} bytes follow`, {
        file,
        offset: at,
      });
    ranges.set(key, new ByteRange(source, at + 8, length));
    at += 8 + length;
  }
  return {
    async storage(key, element, count) {
      const range = ranges.get(key);
      if (!range) throw fail('E1013', `storage ${key} is missing`, { file });
      requireLength(key, element, count, range.length, { file });
      return range;
    },
  };
}
