// What torch.save wrote: a zip of one pickle and the raw bytes of storages or, before PyTorch 1.6, pickles one behind the other and the
// storages behind them.
// Source: PyTorch, torch/serialization.py.
import { Global, Persistent, type Pickle, type PickleValue, readPickle, Tuple, valuesIn } from '../../codec/pickle.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { type Finding, fail, ModelError, warning } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
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
  return isStream(await source.read(0, Math.min(14, source.size))) ? readStream(source) : readArchive(source);
}

async function readArchive(source: Source): Promise<Saved> {
  const zip = await openZip(source);
  const root = rootOf(zip, source);
  await requireLittle(zip, root, source.name);
  const bytes = await zip.entries.get(`${root}data.pkl`)!.bytes();
  const pickle = readWholePickle(bytes, source.name, 'data.pkl');
  const findings = oddPickles(zip, root, ['data.pkl'], source.name);
  const made = await new Rebuilder(recordsOf(zip, root, source.name), source.name, 'data.pkl').value(pickle);
  return { value: made, findings: [...zip.warnings, ...findings] };
}

/** The pickle that an entry of an archive is. @throws ModelError E1007 where something follows it, and as pickles are read */
export function readWholePickle(bytes: Uint8Array, file: string, path: string): Pickle {
  const pickle = readPickle(bytes, { file, path });
  const left = bytes.length - pickle.end;
  if (left > 0) throw fail('E1007', `${left} bytes follow the pickle`, { file, path, offset: pickle.end });
  return pickle;
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

/** Longest text of one word that an archive says of itself. */
const longestWord = 1024;

/** The word that an entry holds, where there is one. @throws ModelError E1009 for more than a word */
export async function wordIn(zip: Zip, name: string): Promise<string | undefined> {
  const entry = zip.entries.get(name);
  return entry && new TextDecoder().decode(await entry.bytes(longestWord)).trim();
}

/** @throws ModelError E2002 for numbers whose bytes lie in another order */
export async function requireLittle(zip: Zip, root: string, file: string): Promise<void> {
  const order = await wordIn(zip, `${root}byteorder`);
  if (order !== undefined && order !== 'little')
    throw fail('E2002', `byteorder: expected little, found ${JSON.stringify(order.slice(0, 40))}`, { file, path: 'byteorder' });
}

/** Warnings of pickles that no reader of the format looks at, but for those of these names. */
export const oddPickles = (zip: Zip, root: string, known: readonly string[], file: string): Finding[] =>
  [...zip.entries.keys()]
    .filter(name => /\.(pkl|pickle)$/i.test(name) && !known.includes(name.slice(root.length)))
    .slice(0, mostOdd)
    .map(name => warning('E1015', `the archive holds another pickle, ${quoted(name)}, which is not read`, { file }));
const mostOdd = 100;

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
  if ((await pickles.value()) !== magic) throw wrong('this is nothing that torch.save wrote');
  const protocol = await pickles.value();
  if (protocol !== streamProtocol) throw wrong(`protocol ${String(protocol)}, expected ${streamProtocol}`);
  const system = await pickles.value();
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    throw fail('E2002', 'the file is of a machine whose numbers are big-endian', { file: source.name });
  const pickle = await pickles.next();
  const keys = await pickles.value();
  if (!Array.isArray(keys) || !keys.every(key => typeof key === 'string')) throw wrong('the list of storages holds more than their keys');
  const records = await storagesAfter(source, pickles.end, keys as string[], elementsIn(pickle.value));
  return { value: await new Rebuilder(records, source.name).value(pickle), findings: [] };
}

/** Pickles one behind the other, read through a window that grows as they need. */
class PickleStream {
  readonly #source: Source;
  /** Where the pickles that were read end. */
  end = 0;
  constructor(source: Source) {
    this.#source = source;
  }

  async value(): Promise<PickleValue> {
    return (await this.next()).value;
  }

  async next(): Promise<Pickle> {
    const left = this.#source.size - this.end;
    for (let length = Math.min(left, 1 << 20); ; length = Math.min(left, length * 8)) {
      const bytes = await this.#source.read(this.end, length);
      try {
        const pickle = readPickle(bytes, { file: this.#source.name, base: this.end, classOf: classOfReference });
        this.end += pickle.end;
        return pickle;
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
  for (const part of valuesIn([value])) {
    const id = part instanceof Persistent ? storageId(part) : undefined;
    if (id?.element) found.set(id.key, id.element);
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
    const count = new DataView(head.buffer, head.byteOffset, 8).getBigInt64(0, true);
    const length = byteLength(element, Number(count));
    if (!(length >= 0 && length <= source.size - at - 8))
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
