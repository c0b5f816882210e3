// What torch.save wrote: a zip of one pickle and the raw bytes of storages. The pickle is read as data; the few calls in it that make
// tensors and containers are carried out by the table below, and every other one is refused by name. Nothing is executed.
// Source: PyTorch, torch/serialization.py and torch/_utils.py.
import { Call, Global, Persistent, type PickleValue, readPickle, Tuple } from '../../codec/pickle.ts';
import type { Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { type Finding, fail, type ModelError } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { byteLength, type DataType } from '../../ir/types.ts';
import { type Storage, tensorInStorage } from './storage.ts';

/** A value that torch.save wrote. None is null, tuples and lists are arrays, dicts are Maps in order of insertion. */
export type SavedValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Tensor
  | readonly SavedValue[]
  | ReadonlyMap<SavedValue, SavedValue>;

export interface Saved {
  readonly value: SavedValue;
  /** What is odd but harmless. */
  readonly findings: readonly Finding[];
}

/**
 * Read an archive of torch.save. Tensors that share their memory are one `Tensor` where they show all the same elements.
 * @throws ModelError E1015 for a pickle that calls anything but what makes tensors and containers, E1013 for records that are missing,
 * E1203 for tensors beyond their storage, E2002 for kinds of tensors without a conversion
 */
export async function readSaved(source: Source): Promise<Saved> {
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
  return { value: await new Rebuilder(zip, root, source.name).convert(value, 0), findings: [...zip.warnings, ...findings] };
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

/** Deepest nesting of values. */
const maxDepth = 1000;

/** Element types by the storage classes that pickles name. An untyped storage counts bytes. */
const storages: Readonly<Record<string, DataType | undefined>> = {
  'torch.FloatStorage': 'float32',
  'torch.DoubleStorage': 'float64',
  'torch.HalfStorage': 'float16',
  'torch.BFloat16Storage': 'bfloat16',
  'torch.LongStorage': 'int64',
  'torch.IntStorage': 'int32',
  'torch.ShortStorage': 'int16',
  'torch.CharStorage': 'int8',
  'torch.ByteStorage': 'uint8',
  'torch.BoolStorage': 'bool',
  'torch.ComplexFloatStorage': 'complex64',
  'torch.ComplexDoubleStorage': 'complex128',
  'torch.storage.UntypedStorage': 'uint8',
};

/** Element types by the names of torch's constants. */
const types: Readonly<Record<string, DataType | undefined>> = {
  'torch.float32': 'float32',
  'torch.float64': 'float64',
  'torch.float16': 'float16',
  'torch.bfloat16': 'bfloat16',
  'torch.int64': 'int64',
  'torch.int32': 'int32',
  'torch.int16': 'int16',
  'torch.int8': 'int8',
  'torch.uint8': 'uint8',
  'torch.uint16': 'uint16',
  'torch.uint32': 'uint32',
  'torch.uint64': 'uint64',
  'torch.bool': 'bool',
  'torch.complex64': 'complex64',
  'torch.complex128': 'complex128',
  'torch.float8_e4m3fn': 'float8e4m3fn',
  'torch.float8_e5m2': 'float8e5m2',
  'torch.float8_e4m3fnuz': 'float8e4m3fnuz',
  'torch.float8_e5m2fnuz': 'float8e5m2fnuz',
  'torch.float8_e8m0fnu': 'float8e8m0',
};

/** Carries out one allowed call. */
type Rebuild = (call: Call, rebuilder: Rebuilder, depth: number) => Promise<SavedValue>;

const rebuilds: Readonly<Record<string, Rebuild | undefined>> = {
  'collections.OrderedDict': async (call, r, depth) => r.entries(call.entries, depth),
  'torch.Size': async (call, r, depth) => r.convert(call.args[0] ?? null, depth),
  'torch.device': async call => String(call.args[0]),
  'torch._utils._rebuild_tensor_v2': async (call, r) => {
    const [storage, offset, size, stride, , , facts] = call.args;
    return r.tensor(storage, offset, size, stride, undefined, facts);
  },
  'torch._utils._rebuild_tensor_v3': async (call, r) => {
    const [storage, offset, size, stride, , , dtype, facts] = call.args;
    const type = dtype instanceof Global ? types[dtype.name] : undefined;
    if (!type) throw r.wrong(`element type ${dtype instanceof Global ? dtype.name : 'that is no name'}`);
    return r.tensor(storage, offset, size, stride, type, facts);
  },
  'torch._utils._rebuild_parameter': (call, r, depth) => r.convert(call.args[0] ?? null, depth),
  'torch._utils._rebuild_parameter_with_state': (call, r, depth) => r.convert(call.args[0] ?? null, depth),
  'torch._tensor._rebuild_from_type_v2': (call, r, depth) => {
    const [callee, , args] = call.args;
    if (!(callee instanceof Global) || !(args instanceof Tuple))
      throw r.wrong('_rebuild_from_type_v2 without a function and its arguments');
    return r.call(new Call(callee, args.items), depth);
  },
};

/** Tensors that torch can save and that have no form here. */
const unsupported = /^torch\._utils\._rebuild_(\w+_tensor|qtensor|sparse\w*|nested\w*|device_tensor\w*|meta\w*|wrapper\w*)/;

class Rebuilder {
  readonly #zip: Zip;
  readonly #root: string;
  readonly #file: string;
  readonly #made = new Map<PickleValue, SavedValue>();
  readonly #open = new Set<PickleValue>();
  readonly #tensors = new Map<string, Tensor>();
  readonly #typeOfKey = new Map<string, string>();

  constructor(zip: Zip, root: string, file: string) {
    this.#zip = zip;
    this.#root = root;
    this.#file = file;
  }

  wrong(what: string): ModelError {
    return fail('E1006', `the pickle has ${what}`, { file: this.#file, path: 'data.pkl' });
  }

  /** A value with its calls carried out. Parts that are shared are converted once. */
  async convert(value: PickleValue, depth: number): Promise<SavedValue> {
    if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
    const before = this.#made.get(value);
    if (before !== undefined) return before;
    if (depth > maxDepth)
      throw fail('E1008', `the pickle is nested deeper than ${maxDepth}`, {
        file: this.#file,
        limit: { name: 'pickle.depth', value: maxDepth },
      });
    if (this.#open.has(value)) throw this.wrong('a value that contains itself');
    this.#open.add(value);
    const made = await this.#convert(value, depth + 1);
    this.#open.delete(value);
    this.#made.set(value, made);
    return made;
  }

  async #convert(value: PickleValue & object, depth: number): Promise<SavedValue> {
    if (value instanceof Tuple) return this.#all(value.items, depth);
    if (Array.isArray(value)) return this.#all(value, depth);
    if (value instanceof Set) return this.#all([...value], depth);
    if (value instanceof Map) return this.entries(value, depth);
    if (value instanceof Call) return this.call(value, depth);
    if (value instanceof Global) {
      const constant = types[value.name];
      if (constant) return constant;
      throw this.#refusal(value, 'names');
    }
    throw this.wrong('a storage outside of a tensor');
  }

  async #all(items: readonly PickleValue[], depth: number): Promise<SavedValue[]> {
    const made: SavedValue[] = [];
    for (const item of items) made.push(await this.convert(item, depth));
    return made;
  }

  async entries(map: ReadonlyMap<PickleValue, PickleValue>, depth: number): Promise<SavedValue> {
    const made = new Map<SavedValue, SavedValue>();
    for (const [key, item] of map) made.set(await this.convert(key, depth), await this.convert(item, depth));
    return made;
  }

  call(call: Call, depth: number): Promise<SavedValue> {
    const { name } = call.callee;
    const rebuild = Object.hasOwn(rebuilds, name) ? rebuilds[name] : undefined;
    if (rebuild) return rebuild(call, this, depth);
    if (unsupported.test(name) || name === 'torch._export.serde.serialize._reconstruct_fake_tensor')
      throw fail('E2002', `the pickle makes a tensor by ${name}, which has no conversion`, { file: this.#file, path: 'data.pkl' });
    throw this.#refusal(call.callee, 'calls');
  }

  #refusal({ name, offset }: Global, does: string): ModelError {
    return fail('E1015', `the pickle ${does} ${name.slice(0, 200)} at offset ${offset}; only tensors and containers are read`, {
      file: this.#file,
      path: 'data.pkl',
      offset,
    });
  }

  /** A tensor over a storage; `type` is that of the storage where it is not given. */
  async tensor(
    storage: PickleValue | undefined,
    offset: PickleValue | undefined,
    size: PickleValue | undefined,
    stride: PickleValue | undefined,
    type: DataType | undefined,
    facts: PickleValue | undefined,
  ): Promise<Tensor> {
    if (facts instanceof Map && [...facts.values()].some(value => value === true))
      throw fail('E2002', `a tensor is stored ${[...facts.keys()].join(' and ')}, which has no conversion`, { file: this.#file });
    const { key, element, bytes } = await this.#storage(storage);
    const [dims, strides] = [this.#sizes(size), this.#sizes(stride)];
    if (dims.length !== strides.length) throw this.wrong(`a tensor of ${dims.length} sizes and ${strides.length} strides`);
    if (!isSize(offset)) throw this.wrong('a tensor whose offset is no size');
    const made = { type: type ?? element, dims, strides, offset };
    const same = JSON.stringify([key, made]);
    const tensor = this.#tensors.get(same) ?? (await tensorInStorage(`storage ${key}`, { ...made, path: 'data.pkl' }, bytes));
    this.#tensors.set(same, tensor);
    return tensor;
  }

  #sizes(value: PickleValue | undefined): number[] {
    const items = value instanceof Call && value.callee.name === 'torch.Size' ? value.args[0] : value;
    if (items instanceof Tuple && items.items.every(isSize)) return items.items as number[];
    throw this.wrong('sizes or strides that are no tuple of sizes');
  }

  async #storage(value: PickleValue | undefined): Promise<{ key: string; element: DataType; bytes: Storage }> {
    const id = value instanceof Persistent ? value.id : undefined;
    const [kind, storage, key, , count] = id instanceof Tuple ? id.items : [];
    if (kind !== 'storage' || !(storage instanceof Global) || typeof key !== 'string' || !isSize(count))
      throw this.wrong('a reference that is no storage');
    const element = Object.hasOwn(storages, storage.name) ? storages[storage.name] : undefined;
    if (!element)
      throw fail('E2002', `storages of ${storage.name.slice(0, 200)} have no conversion`, { file: this.#file, path: 'data.pkl' });
    if (!/^\w{1,100}$/.test(key)) throw this.wrong(`the storage key ${JSON.stringify(key.slice(0, 200))}`);
    const before = this.#typeOfKey.get(key) ?? storage.name;
    if (before !== storage.name) throw this.wrong(`storage ${key} both as ${before} and as ${storage.name}`);
    this.#typeOfKey.set(key, storage.name);
    const entry = this.#zip.entries.get(`${this.#root}data/${key}`);
    if (!entry) throw fail('E1013', `the record data/${key} is missing`, { file: this.#file });
    const needed = byteLength(element, count);
    if (entry.size !== needed)
      throw fail('E1203', `storage ${key}: ${count} elements of ${element} are ${needed} bytes, the record has ${entry.size}`, {
        file: this.#file,
        path: `data/${key}`,
      });
    return { key, element, bytes: entry.method === 0 ? await entry.range() : await entry.bytes() };
  }
}

const isSize = (value: PickleValue | undefined): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
