// Checkpoints of PyTorch as weights: every tensor in what torch.save wrote, by the path that leads to it, and files that
// `torch.load(weights_only=True)` takes.
import { Call, Global, Persistent, type PickleValue, Tuple } from '../../codec/pickle.ts';
import { writePickle } from '../../codec/pickle-write.ts';
import type { Source } from '../../codec/source.ts';
import { openZip } from '../../codec/zip.ts';
import { writeZip, type ZipInput } from '../../codec/zip-write.ts';
import { fail, ModelError } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import type { Weights } from '../../ir/weights.ts';
import { contiguousStrides } from '../../kernels/kernel.ts';
import type { WeightFormat, WeightsRead } from '../weights/weights.ts';
import { type SavedValue, storageOf, torchNameOf } from './rebuild.ts';
import { isStream, readSaved } from './saved.ts';

export const checkpoint: WeightFormat = {
  name: 'torch',
  title: 'PyTorch checkpoint',
  extensions: ['.pth', '.pt', '.bin', '.ckpt'],
  async detect(head, source) {
    if (isStream(head)) return true;
    if (head[0] !== 0x50 || head[1] !== 0x4b) return false;
    try {
      const names = [...(await openZip(source)).entries.keys()];
      return names.some(name => /^[^/]+\/data\.pkl$/.test(name)) && !names.some(name => /^[^/]+\/(code|models)\//.test(name));
    } catch (error) {
      if (error instanceof ModelError) return checkpoint.extensions.some(e => source.name.endsWith(e));
      throw error;
    }
  },
  read: readCheckpoint,
  write: writeCheckpoint,
};

async function readCheckpoint(source: Source): Promise<WeightsRead> {
  const { value, findings } = await readSaved(source);
  const tensors = new Map<string, Tensor>();
  collect(value, '', tensors, source.name);
  return { tensors, metadata: new Map(), findings };
}

/** Tensors by path: keys of dicts and places in lists, joined by dots. Numbers and texts among them are left out. */
function collect(value: SavedValue, path: string, into: Map<string, Tensor>, file: string): void {
  const enter = (key: SavedValue, item: SavedValue): void => {
    if (typeof key !== 'string' && typeof key !== 'number') return;
    collect(item, path === '' ? String(key) : `${path}.${key}`, into, file);
  };
  if (value instanceof Tensor) {
    if (into.has(path)) throw fail('E1010', `two tensors are called ${quoted(path)}`, { file, tensor: path });
    into.set(path, value);
  } else if (value instanceof Map) for (const [key, item] of value) enter(key, item);
  else if (Array.isArray(value)) for (const [i, item] of (value as readonly SavedValue[]).entries()) enter(i, item);
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
