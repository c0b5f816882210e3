// From the pickles of torch.save to values: the few calls in them that make tensors and containers are carried out by the table below, and
// every other one is refused by name. Nothing is executed. Knows no file layout.
// Source: PyTorch, torch/_utils.py and torch/_weights_only_unpickler.py.
import { Call, Global, Persistent, type Pickle, type PickleValue, Tuple, valuesIn } from '../../codec/pickle.ts';
import { type Code, fail, ModelError } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import type { DataType } from '../../ir/types.ts';
import { bytesOfText, numpyNames, numpyRebuilds } from './numpy.ts';
import { type Lie, type Storage, tensorInStorage } from './storage.ts';

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
  | ReadonlyMap<SavedValue, SavedValue>
  | SavedObject;

/** An instance of a class of TorchScript, whose code is elsewhere: what it holds, by name. */
export class SavedObject {
  readonly className: string;
  readonly attributes: ReadonlyMap<string, SavedValue>;
  constructor(className: string, attributes: ReadonlyMap<string, SavedValue>) {
    this.className = className;
    this.attributes = attributes;
  }
}

/** Deepest nesting of values. */
const maxDepth = 1000;

/** Element types by the storage classes that pickles name. */
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

const nameIn = (table: Readonly<Record<string, DataType | undefined>>) => {
  const names = new Map(Object.entries(table).map(([name, type]) => [type, name]));
  return (type: DataType): string | undefined => names.get(type);
};
/** The storage class of an element type; undefined where PyTorch has none. */
export const storageOf = nameIn(storages);
/** PyTorch's name of an element type, such as `torch.float32`. */
export const torchNameOf = nameIn(types);

/** Names of torch that are values and not called: element types without a conversion, and schemes of quantization. They are read as texts. */
const constants = /^torch\.(q?u?int\d+(x\d)?|bits\d+(x\d)?|b?complex32|float4_e2m1fn_x2|per_(tensor|channel)_(affine|symmetric)\w*)$/;

/** Carries out one allowed call. */
export type Rebuild = (call: Call, rebuilder: Rebuilder, depth: number) => Promise<SavedValue>;

const argument =
  (i: number): Rebuild =>
  (call, r, depth) =>
    r.convert(call.args[i] ?? null, depth);
/** Tensors of other devices are kept as those of the processor, or as arrays of NumPy. */
const fromOther: Rebuild = async (call, r, depth) => {
  const made = await r.convert(call.args[0] ?? null, depth);
  const type = await r.convert(call.args[1] ?? null, depth);
  if (!(made instanceof Tensor)) throw r.wrong('a tensor of another device without elements');
  if (made.type !== type) throw r.error('E2002', `the pickle holds elements of ${made.type} for ${String(type)}, which has no conversion`);
  return made;
};

const rebuilds: Readonly<Record<string, Rebuild | undefined>> = {
  ...numpyRebuilds,
  '_codecs.encode': async (call, r) => bytesOfText(call, r),
  'builtins.bytearray': async (call, r, depth) =>
    call.args[1] === undefined ? r.convert(call.args[0] ?? null, depth) : bytesOfText(call, r),
  // Pickles of protocol 2 make no bytes so, and all others by `encode`.
  'builtins.bytes': async ({ args }, r) => {
    if (args.length > 0) throw r.wrong('bytes that are no text');
    return new Uint8Array(0);
  },
  'builtins.set': argument(0),
  'builtins.complex': (call, r, depth) => r.convert(new Tuple(call.args), depth),
  'collections.Counter': argument(0),
  'collections.OrderedDict': async (call, r, depth) => {
    await r.convert(call.state, depth);
    return r.entries(call.entries, depth);
  },
  'torch.Size': argument(0),
  'torch.device': async call => String(call.args[0]),
  'torch.nn.parameter.Parameter': argument(0),
  'torch._utils._rebuild_tensor': async (call, r) => {
    const [storage, offset, size, stride] = call.args;
    return r.tensor(storage, offset, size, stride, undefined, undefined);
  },
  'torch._utils._rebuild_device_tensor_from_numpy': fromOther,
  'torch._utils._rebuild_device_tensor_from_cpu_tensor': fromOther,
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
  'torch._utils._rebuild_parameter': argument(0),
  'torch._utils._rebuild_parameter_with_state': argument(0),
  'torch._tensor._rebuild_from_type_v2': (call, r, depth) => {
    const [callee, , args] = call.args;
    if (!(callee instanceof Global) || !(args instanceof Tuple))
      throw r.wrong('_rebuild_from_type_v2 without a function and its arguments');
    return r.convert(new Call(callee, args.items), depth);
  },
};

/** What torch.jit.save names beside: lists with the type of their elements. */
const scriptRebuilds: Readonly<Record<string, Rebuild | undefined>> = Object.fromEntries(
  ['restore_type_tag', 'build_intlist', 'build_tensorlist', 'build_doublelist', 'build_boollist'].map(name => [
    `torch.jit._pickle.${name}`,
    argument(0),
  ]),
);

const moduleParts = ['_parameters', '_buffers', '_modules'] as const;

/** What BUILD hands to an instance of a class of torch.nn; undefined for every other call. The class itself does not matter. */
function stateOfModule({ isInstance, args, state }: Call): ReadonlyMap<PickleValue, PickleValue> | undefined {
  return isInstance && args.length === 0 && state instanceof Map && moduleParts.every(part => state.has(part)) ? state : undefined;
}

export interface StorageId {
  readonly storage: Global;
  readonly key: string;
  /** Elements. */
  readonly count: number;
  /** Undefined for a class that is not known. */
  readonly element: DataType | undefined;
}

/** An untyped storage counts bytes. Old files name the storages of a GPU; their elements are the same. */
function elementOf(storage: string): DataType | undefined {
  const name = storage.replace(/^torch\.cuda\./, 'torch.');
  return name === 'torch.storage.UntypedStorage' ? 'uint8' : Object.hasOwn(storages, name) ? storages[name] : undefined;
}

/** The storage that a reference stands for; undefined where it is none. */
export function storageId({ id }: Persistent): StorageId | undefined {
  const [kind, storage, key, , count] = id instanceof Tuple ? id.items : [];
  if (kind !== 'storage' || !(storage instanceof Global) || typeof key !== 'string' || !isSize(count)) return undefined;
  return { storage, key, count, element: elementOf(storage.name) };
}

/** Tensors that torch can save and that have no form here. */
const unsupported =
  /^torch\.(_utils\._rebuild_(\w+_tensor|qtensor|sparse\w*|nested\w*|meta\w*|wrapper\w*)|serialization\._get_layout|_export\.serde\.serialize\._reconstruct_fake_tensor)/;

/** Where the bytes of storages are. */
export interface Records {
  /**
   * The bytes of a storage of so many elements.
   * @throws ModelError E1013 where it is missing, E1203 where it is of another length
   */
  storage(key: string, element: DataType, count: number): Promise<Storage>;
}

/** Carries out what a pickle asks for, as far as it makes tensors and containers. */
export class Rebuilder {
  readonly #records: Records;
  readonly #file: string;
  readonly #path: string | undefined;
  readonly #script: boolean;
  readonly #made = new Map<PickleValue, SavedValue>();
  readonly #open = new Set<PickleValue>();
  readonly #carried = new Set<Call>();
  readonly #modules: PickleValue[] = [];
  /** Keys on the way to the value that is converted. */
  readonly #keys: string[] = [];
  readonly #tensors = new Map<string, Tensor>();
  readonly #typeOfKey = new Map<string, string>();

  /**
   * @param path the entry of an archive that the pickle is
   * @param options `script` for the pickles of torch.jit.save, which hold instances of classes of their own
   */
  constructor(records: Records, file: string, path?: string, { script = false } = {}) {
    this.#records = records;
    this.#file = file;
    this.#path = path;
    this.#script = script;
  }

  error(code: Code, message: string): ModelError {
    return fail(code, message, { file: this.#file, path: this.#path, tensor: this.#name });
  }
  wrong(what: string): ModelError {
    return this.error('E1006', `the pickle has ${what}`);
  }
  /** The keys that lead here, as they are joined in names of weights. */
  get #name(): string | undefined {
    return this.#keys.length > 0 ? this.#keys.join('.') : undefined;
  }

  /**
   * The value of a pickle.
   * @throws ModelError E1015 too for calls that are hidden beside it, which unpickling would make as well
   */
  async value({ value, calls }: Pick<Pickle, 'value' | 'calls'>): Promise<SavedValue> {
    const made = await this.convert(value, 0);
    this.refuseHidden(calls);
    return made;
  }

  /** What modules hold beside parameters, buffers and modules is not looked at, so that calls there may be any. */
  refuseHidden(calls: readonly Call[]): void {
    const hidden = calls.filter(call => !this.#carried.has(call) && !this.#allows(call));
    if (hidden.length === 0) return;
    const inModules = new Set(valuesIn(this.#modules));
    const call = hidden.find(c => !inModules.has(c));
    if (call) throw this.#refusal(call.callee, 'calls');
  }

  /** A value with its calls carried out. Parts that are shared are converted once. */
  async convert(value: PickleValue, depth: number): Promise<SavedValue> {
    if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
    const before = this.#made.get(value);
    if (before !== undefined) return before;
    if (depth > maxDepth)
      throw fail('E1008', `the pickle is nested deeper than ${maxDepth}`, {
        file: this.#file,
        path: this.#path,
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
    if (value instanceof Call) return this.#call(value, depth);
    if (value instanceof Global) {
      const constant = types[value.name];
      if (constant) return constant;
      if (constants.test(value.name) || numpyNames.has(value.name)) return value.name;
      throw this.#refusal(value, 'names');
    }
    throw this.wrong('a storage outside of a tensor');
  }

  async #all(items: readonly PickleValue[], depth: number): Promise<SavedValue[]> {
    const made: SavedValue[] = [];
    for (const [i, item] of items.entries()) made.push(await this.#under(i, item, depth));
    return made;
  }

  async entries(map: ReadonlyMap<PickleValue, PickleValue>, depth: number): Promise<SavedValue> {
    const made = new Map<SavedValue, SavedValue>();
    for (const [key, item] of map) made.set(await this.convert(key, depth), await this.#under(key, item, depth));
    return made;
  }

  async #under(key: PickleValue, item: PickleValue, depth: number): Promise<SavedValue> {
    this.#keys.push(typeof key === 'string' || typeof key === 'number' ? String(key).slice(0, 200) : '?');
    const made = await this.convert(item, depth);
    this.#keys.pop();
    return made;
  }

  #rebuild(called: string): Rebuild | undefined {
    // Pickles of protocol 2 call modules as Python 2 did.
    const name = called.replace(/^__builtin__\./, 'builtins.');
    if (Object.hasOwn(rebuilds, name)) return rebuilds[name];
    return this.#script && Object.hasOwn(scriptRebuilds, name) ? scriptRebuilds[name] : undefined;
  }
  #isObject({ callee, isInstance }: Call): boolean {
    return this.#script && isInstance && callee.name.startsWith('__torch__.');
  }
  /** Whether a call may be made wherever it stands. */
  #allows(call: Call): boolean {
    return this.#rebuild(call.callee.name) !== undefined || this.#isObject(call) || stateOfModule(call) !== undefined;
  }

  #call(call: Call, depth: number): Promise<SavedValue> {
    this.#carried.add(call);
    const { name } = call.callee;
    const rebuild = this.#rebuild(name);
    if (rebuild) return rebuild(call, this, depth);
    if (this.#isObject(call)) return this.#object(call, depth);
    const state = stateOfModule(call);
    if (state) return this.#module(state, depth);
    if (unsupported.test(name)) throw this.error('E2002', `the pickle makes a tensor by ${name}, which has no conversion`);
    throw this.#refusal(call.callee, 'calls');
  }

  /** Parameters, persistent buffers and modules inside, by name; whatever else a module holds is not looked at. */
  async #module(state: ReadonlyMap<PickleValue, PickleValue>, depth: number): Promise<SavedValue> {
    this.#modules.push(state as Map<PickleValue, PickleValue>);
    const made = new Map<SavedValue, SavedValue>();
    const passing = state.get('_non_persistent_buffers_set');
    for (const part of moduleParts) {
      const members = state.get(part);
      if (members === undefined || members === null) continue;
      const entries = members instanceof Call ? members.entries : members;
      if (!(entries instanceof Map)) throw this.wrong(`a module whose ${part} are no dict`);
      for (const [name, member] of entries)
        if (member !== null && !(part === '_buffers' && passing instanceof Set && passing.has(name)))
          made.set(await this.convert(name, depth), await this.#under(name, member, depth));
    }
    return made;
  }

  async #object({ callee, state }: Call, depth: number): Promise<SavedValue> {
    if (!(state instanceof Map)) throw this.error('E2002', `the state of ${callee.name.slice(0, 200)} is no dict, which has no conversion`);
    const attributes = new Map<string, SavedValue>();
    for (const [name, value] of state) attributes.set(String(name), await this.#under(name, value, depth));
    return new SavedObject(callee.name, attributes);
  }

  #refusal({ name, offset }: Global, does: string): ModelError {
    return fail('E1015', `the pickle ${does} ${name.slice(0, 200)} at offset ${offset}; only tensors and containers are read`, {
      file: this.#file,
      path: this.#path,
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
      throw this.error('E2002', `a tensor is stored ${[...facts.keys()].join(' and ')}, which has no conversion`);
    const { key, element, bytes } = await this.#storage(storage);
    const [dims, strides] = [this.sizes(size), this.sizes(stride)];
    if (dims.length !== strides.length) throw this.wrong(`a tensor of ${dims.length} sizes and ${strides.length} strides`);
    if (!isSize(offset)) throw this.wrong('a tensor whose offset is no size');
    const made = { type: type ?? element, dims, strides, offset };
    const same = JSON.stringify([key, made]);
    const tensor = this.#tensors.get(same) ?? (await this.lay(`storage ${key}`, made, bytes));
    this.#tensors.set(same, tensor);
    return tensor;
  }

  /** The tensor that lies so in these bytes; errors begin with its name. */
  async lay(name: string, lie: Omit<Lie, 'path'>, bytes: Storage): Promise<Tensor> {
    try {
      return await tensorInStorage(this.#name === undefined ? name : quoted(this.#name), { ...lie, path: this.#path }, bytes);
    } catch (error) {
      throw error instanceof ModelError ? error.within({ file: this.#file }) : error;
    }
  }

  sizes(value: PickleValue | undefined): number[] {
    const items = value instanceof Call && value.callee.name === 'torch.Size' ? value.args[0] : value;
    if (items instanceof Tuple && items.items.every(isSize)) return items.items as number[];
    throw this.wrong('sizes or strides that are no tuple of sizes');
  }

  async #storage(value: PickleValue | undefined): Promise<{ key: string; element: DataType; bytes: Storage }> {
    const id = value instanceof Persistent ? storageId(value) : undefined;
    if (!id) throw this.wrong('a reference that is no storage');
    const { storage, key, count, element } = id;
    if (!element) throw this.error('E2002', `storages of ${storage.name.slice(0, 200)} have no conversion`);
    if (!/^\w{1,100}$/.test(key)) throw this.wrong(`the storage key ${quoted(key)}`);
    const before = this.#typeOfKey.get(key) ?? storage.name;
    if (before !== storage.name) throw this.wrong(`storage ${key} both as ${before} and as ${storage.name}`);
    this.#typeOfKey.set(key, storage.name);
    return { key, element, bytes: await this.#records.storage(key, element, count) };
  }
}

const isSize = (value: PickleValue | undefined): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
