// The weights of TensorFlow.js: a manifest of groups, each with names, types and sizes of tensors that lie one behind the other in shards.
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../../codec/json.ts';
import { pagesOf } from '../../codec/pages.ts';
import { JoinedSource, type Source } from '../../codec/source.ts';
import { fail, type Place } from '../../errors.ts';
import { arrayFor, Tensor, type TypedArray } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { type DataType, elementTypes, isDataType, isInteger } from '../../ir/types.ts';
import { float16 } from '../../kernels/storage.ts';
import { checkLocation } from '../location.ts';

export type Open = (location: string) => Promise<Source>;

/** Numbers of a stored type that stand for floats: `scale` times each, plus `min`. */
interface Quantization {
  readonly type: DataType;
  readonly scale: number;
  readonly min: number;
}
interface Entry {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  /** Product of the sizes. */
  readonly count: number;
  readonly quantization: Quantization | undefined;
  readonly place: Place;
}

const maxRank = 64;
const stored: readonly string[] = ['float32', 'int32', 'bool', 'string', 'complex64', 'float16', 'uint8', 'uint16'];

/**
 * The tensors of a manifest by name; large ones that are not quantised stay ranges of their shards.
 * Errors: E1006 for what breaks the rules, E1010 a name or a shard twice, E1201 to E1203 and E1205 for tensors, E1401 for shards elsewhere,
 * E1402 for shards that are not there.
 */
export async function readManifest(value: Json | undefined, file: string, open: Open | undefined): Promise<Map<string, Tensor>> {
  if (!isJsonArray(value)) throw fail('E1101', 'the model has no weightsManifest', { file, path: 'weightsManifest' });
  if (!open) throw fail('E4001', 'the shards of a model are found beside it: give its path', { file });
  const tensors = new Map<string, Tensor>();
  const opened = new Set<string>();
  for (const [i, group] of value.entries()) {
    const path = `weightsManifest[${i}]`;
    if (!isJsonObject(group) || !isJsonArray(group['paths']) || !isJsonArray(group['weights']))
      throw fail('E1006', `${path}: expected paths and weights`, { file, path });
    const names = group['paths'].map((name, j) => shardName(name, opened, { file, path: `${path}.paths[${j}]` }));
    const entries = group['weights'].map((weight, j) => entryOf(weight, { file, path: `${path}.weights[${j}]` }));
    const shards: Source[] = [];
    for (const name of names) shards.push(await open(name));
    for (const [name, tensor] of await tensorsOf(entries, new JoinedSource(shards, shards[0]?.name ?? file), path)) {
      if (tensors.has(name)) throw fail('E1010', `the weight ${quoted(name)} is there twice`, { file, tensor: name });
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

function shardName(name: Json, opened: Set<string>, place: Place): string {
  if (typeof name !== 'string') throw fail('E1006', `${place.path}: expected the name of a file`, place);
  checkLocation(name, place);
  if (opened.has(name)) throw fail('E1010', `the shard ${quoted(name)} is there twice`, place);
  opened.add(name);
  return name;
}

function entryOf(value: Json, { file, path }: Place): Entry {
  if (!isJsonObject(value) || typeof value['name'] !== 'string')
    throw fail('E1006', `${path}: expected an object with a name`, { file, path });
  const { name, dtype, shape, quantization } = value;
  const place: Place = { file, path, tensor: name };
  if (typeof dtype !== 'string' || !stored.includes(dtype) || !isDataType(dtype))
    throw fail('E1201', `${quoted(name)}: the type ${shown(dtype)} is not read`, place);
  const isShape =
    isJsonArray(shape) && shape.length <= maxRank && shape.every(d => typeof d === 'number' && Number.isSafeInteger(d) && d >= 0);
  if (!isShape) throw fail('E1202', `${quoted(name)}: shape must be a list of sizes`, place);
  const dims = shape as readonly number[];
  const count = dims.reduce((n, d) => n * d, 1);
  if (!Number.isSafeInteger(8 * count)) throw fail('E1202', `${quoted(name)}: the size overflows`, place);
  return {
    name,
    type: dtype,
    dims,
    count,
    quantization: isJsonObject(quantization) ? quantizationOf(quantization, name, place) : undefined,
    place,
  };
}

const shown = (value: Json | undefined): string => writeJson(value ?? null).slice(0, 60);

function quantizationOf({ dtype, scale, min }: JsonObject, name: string, place: Place): Quantization {
  if (dtype === 'float16') return { type: 'float16', scale: 1, min: 0 };
  if (dtype !== 'uint8' && dtype !== 'uint16')
    throw fail('E1201', `${quoted(name)}: quantised as ${shown(dtype)}, which is not read`, place);
  if (typeof scale !== 'number' || typeof min !== 'number' || !Number.isFinite(scale) || !Number.isFinite(min))
    throw fail('E1205', `${quoted(name)}: scale and min must be numbers`, place);
  return { type: dtype, scale, min };
}

async function tensorsOf(entries: readonly Entry[], shards: JoinedSource, path: string): Promise<[string, Tensor][]> {
  const made: [string, Tensor][] = [];
  let at = 0;
  for (const entry of entries) {
    const { tensor, length } = await tensorAt(entry, at, shards);
    made.push([entry.name, tensor]);
    at += length;
  }
  if (at !== shards.size)
    throw fail('E1203', `${path}: the weights take ${at} bytes, the shards have ${shards.size}`, { file: entries[0]?.place.file, path });
  return made;
}

/** Refuse an entry that needs more bytes than are left for it. */
function require(length: number, at: number, { name, place }: Entry, shards: Source): void {
  if (length > shards.size - at)
    throw fail('E1203', `${quoted(name)}: takes ${length} bytes, the shards have ${shards.size - at} left for it`, place);
}

async function tensorAt(entry: Entry, at: number, shards: JoinedSource): Promise<{ readonly tensor: Tensor; readonly length: number }> {
  const { type, dims, count, quantization } = entry;
  if (type === 'string') return stringsAt(entry, at, shards);
  const length = (count * elementTypes[quantization?.type ?? type].bits) / 8;
  require(length, at, entry, shards);
  const range = shards.range(at, length);
  if (!quantization && length > 65536) return { tensor: new Tensor(type, range, dims), length };
  const bytes = await range.read();
  return { tensor: quantization ? new Tensor(type, restored(type, quantization, bytes), dims) : new Tensor(type, bytes, dims), length };
}

/** Each behind its length, four bytes. */
async function stringsAt(entry: Entry, start: number, shards: JoinedSource): Promise<{ readonly tensor: Tensor; readonly length: number }> {
  require(4 * entry.count, start, entry, shards);
  const pages = pagesOf(shards);
  const strings: Uint8Array[] = [];
  let at = start;
  for (let i = 0; i < entry.count; i++) {
    require(4, at, entry, shards);
    const length = (pages.at(at, 4) ?? (await pages.load(at, 4))).getUint32(0, true);
    require(4 + length, at, entry, shards);
    strings.push(await shards.read(at + 4, length));
    at += 4 + length;
  }
  return { tensor: new Tensor('string', strings, entry.dims), length: at - start };
}

/** The numbers that stored ones stand for. */
function restored(type: DataType, { type: from, scale, min }: Quantization, bytes: Uint8Array): TypedArray {
  const q = new Tensor(from, bytes, [(8 * bytes.length) / elementTypes[from].bits]).data as Uint8Array | Uint16Array;
  const value = from === 'float16' ? float16.decode : (n: number): number => n * scale + min;
  const numbers = new (arrayFor(type))(q.length) as Float32Array;
  const isWhole = isInteger(type);
  for (let i = 0; i < q.length; i++) numbers[i] = isWhole ? Math.round(value(q[i]!)) : value(q[i]!);
  return numbers;
}
