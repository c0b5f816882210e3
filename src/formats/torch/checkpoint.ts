// Checkpoints of PyTorch as weights: every tensor in what torch.save wrote, by the path that leads to it, and files that
// `torch.load(weights_only=True)` takes.
import { Call, Global, Persistent, type PickleValue, Tuple } from '../../codec/pickle.ts';
import { writePickle } from '../../codec/pickle-write.ts';
import type { Source } from '../../codec/source.ts';
import { writeZip, type ZipInput } from '../../codec/zip-write.ts';
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import type { Weights } from '../../ir/weights.ts';
import { contiguousStrides } from '../../kernels/kernel.ts';
import type { WeightFormat, WeightsRead } from '../weights/weights.ts';
import { isArchive } from './marks.ts';
import { type SavedValue, storageOf, torchNameOf } from './rebuild.ts';
import { isStream, readSaved } from './saved.ts';

export const checkpoint: WeightFormat = {
  name: 'torch',
  title: 'PyTorch checkpoint',
  extensions: ['.pth', '.pt', '.bin', '.ckpt'],
  detect: async (head, source) =>
    isStream(head) ||
    isArchive(head, source, checkpoint.extensions, ({ entries }) => {
      const names = [...entries.keys()];
      return names.some(name => /^[^/]+\/data\.pkl$/.test(name)) && !names.some(name => /^[^/]+\/(code|models)\//.test(name));
    }),
  read: readCheckpoint,
  write: writeCheckpoint,
};

async function readCheckpoint(source: Source): Promise<WeightsRead> {
  const { value, findings } = await readSaved(source);
  return { tensors: new Collector(source.name).tensorsOf(value), metadata: new Map(), findings };
}

/** Most names of tensors: a value that is shared has one for each path that leads to it, which can double at every level. */
const maxNames = 1_000_000;

/** Tensors by path: keys of dicts and places in lists, joined by dots. Numbers and texts among them are left out. */
class Collector {
  readonly #file: string;
  readonly #found = new Map<string, Tensor>();
  readonly #counts = new Map<SavedValue, number>();
  constructor(file: string) {
    this.#file = file;
  }

  tensorsOf(value: SavedValue): ReadonlyMap<string, Tensor> {
    const count = this.#count(value);
    if (count > maxNames)
      throw fail('E1009', `the checkpoint has more than ${maxNames} names of tensors`, {
        file: this.#file,
        limit: { name: 'checkpoint.names', value: maxNames },
      });
    this.#collect(value, '');
    return this.#found;
  }

  /** How many names a value gives. */
  #count(value: SavedValue): number {
    if (value instanceof Tensor) return 1;
    if (typeof value !== 'object' || value === null) return 0;
    const before = this.#counts.get(value);
    if (before !== undefined) return before;
    let count = 0;
    for (const [, item] of itemsOf(value)) count += this.#count(item);
    this.#counts.set(value, count);
    return count;
  }

  #collect(value: SavedValue, path: string): void {
    if (value instanceof Tensor) {
      if (this.#found.has(path)) throw fail('E1010', `two tensors are called ${quoted(path)}`, { file: this.#file, tensor: path });
      this.#found.set(path, value);
    } else if (this.#count(value) > 0)
      for (const [key, item] of itemsOf(value)) this.#collect(item, path === '' ? String(key) : `${path}.${key}`);
  }
}

/** Items of dicts under keys that can be part of a name, and of lists. */
function* itemsOf(value: SavedValue): Iterable<readonly [string | number, SavedValue]> {
  if (value instanceof Map) {
    for (const [key, item] of value) if (typeof key === 'string' || typeof key === 'number') yield [key, item];
  } else if (Array.isArray(value)) yield* (value as readonly SavedValue[]).entries();
}

/** @throws ModelError E2002 for element types that PyTorch does not have */
async function* writeCheckpoint({ tensors }: Weights, name: string): AsyncGenerator<Uint8Array> {
  const root = name.replace(/\.[^.]*$/, '').replace(/[^\w.-]/g, '_') || 'archive';
  const keys = new Map<Tensor, string>();
  const entries = new Map<PickleValue, PickleValue>();
  for (const [tensorName, tensor] of tensors) {
    const key = keys.get(tensor) ?? String(keys.size);
    keys.set(tensor, key);
    entries.set(tensorName, rebuilt(tensorName, tensor, key));
  }
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const inputs = function* (): Generator<ZipInput> {
    yield { name: `${root}/data.pkl`, data: writePickle(entries), align: 64 };
    yield { name: `${root}/byteorder`, data: text('little'), align: 64 };
    // The cast: tensors of texts were refused before.
    for (const [tensor, key] of keys) yield { name: `${root}/data/${key}`, data: tensor.content as ZipInput['data'], align: 64 };
    yield { name: `${root}/version`, data: text('3\n'), align: 64 };
  };
  yield* writeZip(inputs());
}

/** The call that makes a tensor: over a storage of its element type, or of bytes where PyTorch has none for the type. */
function rebuilt(name: string, { type, dims, size, byteLength }: Tensor, key: string): Call {
  const strides = contiguousStrides(dims, (a, b) => a * b, 1);
  const storage = storageOf(type);
  const dtype = torchNameOf(type);
  const global = (of: string): Global => new Global(of, 0);
  const over = (of: string, count: number): PickleValue[] => [
    new Persistent(new Tuple(['storage', global(of), key, 'cpu', count])),
    0,
    new Tuple([...dims]),
    new Tuple(strides),
    false,
    new Call(global('collections.OrderedDict'), []),
  ];
  if (storage) return new Call(global('torch._utils._rebuild_tensor_v2'), over(storage, size));
  if (!dtype) throw fail('E2002', `${quoted(name)}: PyTorch has no ${type} tensors`, { tensor: name });
  return new Call(global('torch._utils._rebuild_tensor_v3'), [...over('torch.storage.UntypedStorage', byteLength), global(dtype)]);
}
