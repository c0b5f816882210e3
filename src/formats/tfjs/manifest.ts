// The weights of TensorFlow.js: a manifest of groups, each with names, types and sizes of tensors that lie one behind the other in shards.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { unsafeName } from '../../codec/zip-directory.ts';
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { type DataType, elementTypes, isDataType } from '../../ir/types.ts';

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
  readonly quantization: Quantization | undefined;
  readonly length: number;
}

const maxRank = 64;

/**
 * The tensors of a manifest by name; those that are not quantised stay ranges of their shard where they lie in one.
 * Errors: E1006 for what breaks the rules, E1010 a name twice, E1011 for shards elsewhere, E1201 to E1203 for tensors, E1402 for shards that are not there.
 */
export async function readManifest(value: Json | undefined, file: string, open: Open | undefined): Promise<Map<string, Tensor>> {
  if (!isJsonArray(value)) throw fail('E1101', 'the model has no weightsManifest', { file, path: 'weightsManifest' });
  if (!open) throw fail('E4001', 'the shards of a model are found beside it: give its path', { file });
  const tensors = new Map<string, Tensor>();
  for (const [i, group] of value.entries()) {
    const path = `weightsManifest[${i}]`;
    if (!isJsonObject(group) || !isJsonArray(group['paths']) || !isJsonArray(group['weights']))
      throw fail('E1006', `${path}: expected paths and weights`, { file, path });
    const shards: Source[] = [];
    for (const name of group['paths']) shards.push(await open(shardName(name, file, path)));
    const entries = group['weights'].map((weight, j) => entryOf(weight, file, `${path}.weights[${j}]`));
    for (const [name, tensor] of await tensorsOf(entries, shards, file, path)) {
      if (tensors.has(name)) throw fail('E1010', `the weight ${name} is there twice`, { file, tensor: name });
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

function shardName(name: Json, file: string, path: string): string {
  if (typeof name === 'string' && !/[/\\:]/.test(name) && unsafeName(name) === undefined) return name;
  throw fail('E1011', `${path}: a shard that is not beside the model: ${JSON.stringify(String(name).slice(0, 200))}`, { file, path });
}

function entryOf(value: Json, file: string, path: string): Entry {
  const place = { file, path };
  if (!isJsonObject(value) || typeof value['name'] !== 'string') throw fail('E1006', `${path}: expected an object with a name`, place);
  const { name, dtype, shape, quantization } = value;
  if (typeof dtype !== 'string' || !['float32', 'int32', 'bool', 'float16', 'uint8', 'uint16'].includes(dtype) || !isDataType(dtype))
    throw fail('E1201', `${name}: the type ${JSON.stringify(dtype ?? null).slice(0, 60)} is not read`, { ...place, tensor: name });
  const isShape =
    isJsonArray(shape) && shape.length <= maxRank && shape.every(d => typeof d === 'number' && Number.isSafeInteger(d) && d >= 0);
  if (!isShape) throw fail('E1202', `${name}: shape must be a list of sizes`, { ...place, tensor: name });
  const dims = shape as readonly number[];
  const stored = isJsonObject(quantization) ? quantizationOf(quantization, name, path, file) : undefined;
  const length = dims.reduce((n, d) => n * d, elementTypes[stored?.type ?? dtype].bits / 8);
  if (!Number.isSafeInteger(length)) throw fail('E1202', `${name}: the size overflows`, { ...place, tensor: name });
  return { name, type: dtype, dims, quantization: stored, length };
}

function quantizationOf({ dtype, scale, min }: JsonObject, name: string, path: string, file: string): Quantization {
  const place = { file, path, tensor: name };
  if (dtype === 'float16') return { type: 'float16', scale: 1, min: 0 };
  if (dtype !== 'uint8' && dtype !== 'uint16')
    throw fail('E1201', `${name}: quantised as ${JSON.stringify(dtype ?? null).slice(0, 60)}, which is not read`, place);
  if (typeof scale !== 'number' || typeof min !== 'number' || !Number.isFinite(scale) || !Number.isFinite(min))
    throw fail('E1205', `${name}: scale and min must be numbers`, place);
  return { type: dtype, scale, min };
}

async function tensorsOf(entries: readonly Entry[], shards: readonly Source[], file: string, path: string): Promise<[string, Tensor][]> {
  const total = shards.reduce((n, shard) => n + shard.size, 0);
  const wanted = entries.reduce((n, entry) => n + entry.length, 0);
  if (total !== wanted) throw fail('E1203', `${path}: the weights take ${wanted} bytes, the shards have ${total}`, { file, path });
  const made: [string, Tensor][] = [];
  let at = 0;
  for (const entry of entries) {
    made.push([entry.name, await tensorAt(entry, at, shards)]);
    at += entry.length;
  }
  return made;
}

async function tensorAt({ type, dims, quantization, length }: Entry, at: number, shards: readonly Source[]): Promise<Tensor> {
  const ranges = rangesAt(at, length, shards);
  const [range] = ranges;
  if (!quantization && ranges.length === 1 && length > 65536) return new Tensor(type, range!, dims);
  const bytes = new Uint8Array(length);
  let to = 0;
  for (const part of ranges) {
    bytes.set(await part.read(), to);
    to += part.length;
  }
  if (!quantization) return new Tensor(type, bytes, dims);
  const { scale, min } = quantization;
  const stored = new Tensor(quantization.type, bytes, dims).data as Uint8Array | Uint16Array;
  const value = quantization.type === 'float16' ? halfValue : (q: number): number => q * scale + min;
  return new Tensor(type, Array.from(stored, value), dims);
}

/** Parts of shards that hold so many bytes of all of them together. */
function rangesAt(at: number, length: number, shards: readonly Source[]): ByteRange[] {
  const ranges: ByteRange[] = [];
  let start = 0;
  for (const shard of shards) {
    const [from, to] = [Math.max(at, start), Math.min(at + length, start + shard.size)];
    if (from < to) ranges.push(new ByteRange(shard, from - start, to - from));
    start += shard.size;
  }
  return ranges;
}

/** The number that 16 bits of IEEE 754 stand for. */
function halfValue(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
