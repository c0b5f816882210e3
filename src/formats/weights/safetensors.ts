// safetensors: a header in JSON that says where each tensor lies, then the tensors without holes; and the index of a checkpoint that
// is split into several such files.
// Source: https://huggingface.co/docs/safetensors, "Format".
import { isJsonArray, isJsonObject, type Json, parseJson, writeJson } from '../../codec/json.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { unsafeName } from '../../codec/zip-directory.ts';
import { type Code, type Finding, fail, ModelError } from '../../errors.ts';
import { type Stored, Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { type DataType, elementTypes } from '../../ir/types.ts';
import type { Weights } from '../../ir/weights.ts';
import { bytesOfFile } from '../format.ts';
import type { WeightFormat, WeightsRead } from './weights.ts';

const types: Readonly<Record<string, DataType>> = {
  BOOL: 'bool',
  U8: 'uint8',
  I8: 'int8',
  U16: 'uint16',
  I16: 'int16',
  U32: 'uint32',
  I32: 'int32',
  U64: 'uint64',
  I64: 'int64',
  F16: 'float16',
  BF16: 'bfloat16',
  F32: 'float32',
  F64: 'float64',
  C64: 'complex64',
  F8_E4M3: 'float8e4m3fn',
  F8_E5M2: 'float8e5m2',
  F8_E8M0: 'float8e8m0',
  F8_E4M3FNUZ: 'float8e4m3fnuz',
  F8_E5M2FNUZ: 'float8e5m2fnuz',
  F4: 'float4e2m1',
  F6_E2M3: 'float6e2m3',
  F6_E3M2: 'float6e3m2',
};
const names = new Map(Object.entries(types).map(([name, type]) => [type, name]));

/** Longest header, in bytes, as the format has it. */
const longestHeader = 100_000_000;
const maxRank = 64;
/** Most tensors of which everything wrong is listed. */
const mostFindings = 100;

export const safetensors: WeightFormat = {
  name: 'safetensors',
  title: 'safetensors',
  extensions: ['.safetensors'],
  // The length of the header in eight bytes, then its brace.
  detect: (head, source) => (head[8] === 0x7b && head.subarray(5, 8).every(b => b === 0)) || source.name.endsWith('.safetensors'),
  read: readSafetensors,
  write: writeSafetensors,
};

export const safetensorsIndex: WeightFormat = {
  name: 'safetensors-index',
  title: 'safetensors in several files',
  extensions: ['.safetensors.index.json'],
  detect: (head, source) => source.name.endsWith('.index.json') && /^\s*\{/.test(String.fromCharCode(...head.subarray(0, 64))),
  read: readIndex,
};

interface Entry {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** @throws ModelError with all that is wrong: E1005 to E1010, E1201 to E1203 */
async function readSafetensors(source: Source): Promise<WeightsRead> {
  const { header, dataAt } = await headerOf(source);
  const problems = new Problems(source.name);
  const metadata = metadataOf(header['__metadata__'], problems);
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    const entry = name === '__metadata__' ? undefined : entryOf(name, value, problems);
    if (entry) entries.push(entry);
  }
  problems.end();
  checkCover(entries, source.size - dataAt, problems);
  problems.end();
  const tensors = new Map(entries.map(e => [e.name, new Tensor(e.type, new ByteRange(source, dataAt + e.begin, e.end - e.begin), e.dims)]));
  return { tensors, metadata, findings: [] };
}

async function headerOf(source: Source): Promise<{ header: Readonly<Record<string, Json>>; dataAt: number }> {
  const file = source.name;
  if (source.size < 8) throw fail('E1005', `${source.size} bytes, expected at least 8 for the length of the header`, { file, offset: 0 });
  const view = await source.read(0, 8);
  const length = new DataView(view.buffer, view.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(source.size - 8))
    throw fail('E1005', `a header of ${length} bytes is announced, ${source.size - 8} follow`, { file, offset: 0 });
  if (length > BigInt(longestHeader))
    throw fail('E1009', `a header of ${length} bytes, at most ${longestHeader} are read`, {
      file,
      offset: 0,
      limit: { name: 'safetensors.header', value: longestHeader },
    });
  const bytes = await source.read(8, Number(length));
  if (bytes[0] !== 0x7b) throw fail('E1006', `the header must begin with {, found ${byteText(bytes[0])}`, { file, offset: 8 });
  try {
    const header = parseJson(bytes, { file, depth: 8, integersOnly: true });
    if (!isJsonObject(header)) throw fail('E1006', 'the header is no object', { file, offset: 8 });
    return { header, dataAt: 8 + bytes.length };
  } catch (error) {
    // Offsets of the text count from the start of the file.
    if (error instanceof ModelError)
      throw new ModelError(error.findings.map(f => (f.offset === undefined ? f : { ...f, offset: f.offset + 8 })));
    throw error;
  }
}

const byteText = (byte: number | undefined): string => (byte === undefined ? 'nothing' : `byte 0x${byte.toString(16).padStart(2, '0')}`);

/** What is wrong with a header, as far as it is worth listing. */
class Problems {
  readonly #file: string;
  readonly #list: Finding[] = [];
  #count = 0;
  constructor(file: string) {
    this.#file = file;
  }
  add(code: Code, tensor: string, message: string): undefined {
    if (this.#count++ < mostFindings) this.#list.push({ code, severity: 'error', message, file: this.#file, tensor });
    return undefined;
  }
  end(): void {
    if (this.#list.length > 0) throw new ModelError(this.#list);
  }
}

function metadataOf(value: Json | undefined, problems: Problems): Map<string, string> {
  if (value === undefined) return new Map();
  const pairs = isJsonObject(value) ? Object.entries(value) : undefined;
  const odd = pairs?.find(([, text]) => typeof text !== 'string');
  if (!pairs) problems.add('E1006', '__metadata__', '__metadata__ must be an object of texts');
  else if (odd) problems.add('E1006', '__metadata__', `__metadata__ ${quoted(odd[0])} must be text`);
  // The cast: what is no text was refused above.
  return new Map(pairs as [string, string][]);
}

const fields = ['dtype', 'shape', 'data_offsets'] as const;
const isSize = (x: Json): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0;

function entryOf(name: string, value: Json, problems: Problems): Entry | undefined {
  const wrong = (code: Code, message: string): undefined => problems.add(code, name, `${quoted(name)}: ${message}`);
  if (!isJsonObject(value)) return wrong('E1006', 'expected an object');
  const missing = fields.find(field => !Object.hasOwn(value, field));
  if (missing) return wrong('E1101', `has no ${missing}`);
  const unknown = Object.keys(value).find(key => !fields.includes(key as (typeof fields)[number]));
  if (unknown !== undefined) return wrong('E1006', `has the unknown field ${quoted(unknown)}`);
  const { dtype, shape, data_offsets: offsets } = value;
  const type = typeof dtype === 'string' && Object.hasOwn(types, dtype) ? types[dtype] : undefined;
  if (!type) return wrong('E1201', `dtype ${typeof dtype === 'string' ? quoted(dtype) : 'that is no text'} is not known`);
  if (!isJsonArray(shape) || !shape.every(isSize)) return wrong('E1202', 'shape must be a list of sizes');
  if (!isJsonArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) return wrong('E1006', 'data_offsets must be two offsets');
  if (shape.length > maxRank) return wrong('E1202', `rank ${shape.length}, the limit is ${maxRank}`);
  const [begin, end] = offsets as [number, number];
  if (begin > end) return wrong('E1006', `data_offsets begin at ${begin} and end at ${end}`);
  // Exact, as a product of sizes may pass 2^53.
  const bits = shape.reduce((n, d) => n * BigInt(d), BigInt(elementTypes[type].bits));
  if (bits % 8n !== 0n) return wrong('E1203', `${dtype}[${shape}] does not end on a byte`);
  if (bits / 8n !== BigInt(end - begin))
    return wrong('E1203', `${dtype}[${shape}] takes ${bits / 8n} bytes, its data_offsets span ${end - begin}`);
  return { name, type, dims: shape, begin, end };
}

/** Tensors lie one behind the other, from the first byte of the data to the last. */
function checkCover(entries: readonly Entry[], length: number, problems: Problems): void {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let before: Entry | undefined;
  for (const entry of sorted) {
    const end = before?.end ?? 0;
    const first = before ? quoted(before.name) : 'the data';
    if (entry.begin > end)
      problems.add(
        'E1006',
        entry.name,
        `${entry.begin - end} bytes lie unused between ${before ? first : 'the header'} and ${quoted(entry.name)}`,
      );
    else if (entry.begin < end)
      problems.add('E1006', entry.name, `${first} and ${quoted(entry.name)} overlap by ${Math.min(end, entry.end) - entry.begin} bytes`);
    before = before && before.end > entry.end ? before : entry;
  }
  const end = before?.end ?? 0;
  if (end > length) problems.add('E1005', before!.name, `${quoted(before!.name)} ends at byte ${end} of the data, which has ${length}`);
  else if (end < length) problems.add('E1007', before?.name ?? '', `${length - end} bytes follow the last tensor`);
}

/**
 * The file as the reference writes it: tensors of wide elements first, by name among equals, so that each is aligned.
 * @throws ModelError E2002 for element types that the format does not have
 */
async function* writeSafetensors({ tensors, metadata }: Weights): AsyncGenerator<Uint8Array> {
  const width = ({ type }: Tensor): number => elementTypes[type].bits;
  const sorted = [...tensors].sort(([a, x], [b, y]) => width(y) - width(x) || (a < b ? -1 : 1));
  const header: Record<string, Json> = Object.create(null);
  if (metadata.size > 0) header['__metadata__'] = Object.fromEntries(metadata);
  let at = 0;
  for (const [name, tensor] of sorted) {
    const dtype = names.get(tensor.type);
    if (name === '__metadata__') throw fail('E2002', 'a safetensors file cannot hold a tensor named __metadata__', { tensor: name });
    if (dtype === undefined || (tensor.size * width(tensor)) % 8 !== 0)
      throw fail('E2002', `${quoted(name)}: safetensors has no ${tensor.type}[${tensor.dims}]`, { tensor: name });
    header[name] = { dtype, shape: tensor.dims, data_offsets: [at, at + tensor.byteLength] };
    at += tensor.byteLength;
  }
  const text = new TextEncoder().encode(writeJson(header));
  const head = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(text, 8);
  yield head;
  // The cast: tensors of texts were refused above.
  for (const [name, { content, byteLength }] of sorted)
    yield* bytesOfFile({ name, length: byteLength, chunks: [content as Uint8Array | Stored] });
}

/** @throws ModelError E1402 for a file that is not there, E1104 for a tensor that its file does not have, and as files are read */
async function readIndex(
  source: Source,
  { open }: { readonly open?: ((name: string) => Promise<Source>) | undefined },
): Promise<WeightsRead> {
  const file = source.name;
  if (source.size > longestHeader)
    throw fail('E1009', `an index of ${source.size} bytes, at most ${longestHeader} are read`, {
      file,
      limit: { name: 'safetensors.index', value: longestHeader },
    });
  const index = parseJson(await source.read(0, source.size), { file, depth: 8 });
  const map = isJsonObject(index) && Object.hasOwn(index, 'weight_map') ? index['weight_map'] : undefined;
  if (!isJsonObject(map)) throw fail('E1101', 'the index has no weight_map', { file });
  if (!open) throw fail('E4001', 'the files of an index are found beside it: give its path', { file });
  const shards = new Map<string, WeightsRead>();
  const tensors = new Map<string, Tensor>();
  const missing: Finding[] = [];
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || shard.includes('/') || unsafeName(shard) !== undefined)
      throw fail('E1011', `weight_map gives ${quoted(name)} a file that is not beside the index`, { file, tensor: name });
    const read = shards.get(shard) ?? (await readSafetensors(await open(shard)));
    shards.set(shard, read);
    const tensor = read.tensors.get(name);
    if (tensor) tensors.set(name, tensor);
    else missing.push({ code: 'E1104', severity: 'error', message: `${quoted(shard)} has no tensor ${quoted(name)}`, file, tensor: name });
  }
  if (missing.length > 0) throw new ModelError(missing.slice(0, mostFindings));
  return { tensors, metadata: new Map(), findings: [...shards.values()].flatMap(s => s.findings) };
}
