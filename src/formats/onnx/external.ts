// Tensor data outside the model file: which byte ranges are meant, and how one data file is laid out.
// Specification: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
import { at, type Bytes, type Encoded } from '../../codec/protobuf.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { fail, ModelError } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { checkLocation } from '../location.ts';
import type { StringStringEntryProto, TensorProto } from './proto.gen.ts';
import type { Reading } from './reading.ts';

/** Opens a file beside the model. `location` has passed `checkLocation`; links and kinds of file are for the opener to refuse. */
export type OpenExternal = (location: string) => Promise<Source>;

/** The entry `location` of a tensor's external data, unchecked; undefined where it has none. */
export const locationOf = (proto: TensorProto): string | undefined => proto.external_data?.find(({ key }) => key === 'location')?.value;

/** Open every location once. Refusals are kept for the tensors that name it. */
export async function openLocations(locations: Iterable<string>, open: OpenExternal | undefined, reading: Reading): Promise<void> {
  for (const location of locations) reading.external.set(location, await openLocation(location, open));
}

async function openLocation(location: string, open: OpenExternal | undefined): Promise<Source | ModelError> {
  try {
    checkLocation(location);
    if (!open) throw fail('E1402', `the data is in ${quoted(location)}, and only the model file was given`);
    return await open(location);
  } catch (cause) {
    return cause instanceof ModelError ? cause : fail('E1402', `${quoted(location)} cannot be opened`, {}, { cause });
  }
}

const keys: readonly string[] = ['location', 'offset', 'length', 'checksum'];

/**
 * The range that a tensor's entries name, `size` bytes long. Throws E1401 and E1402 for its file, E1403 for a range that is no
 * number or leaves the file, E1203 for another length, E1010 for a repeated key; warns of unknown keys.
 */
export function externalRange(proto: TensorProto, size: number, path: string, reading: Reading): ByteRange {
  const entries = readEntries(proto.external_data ?? [], path, reading);
  const location = entries.get('location');
  if (location === undefined) throw fail('E1402', 'the data is external, and no location says where');
  const source = reading.external.get(location);
  if (source === undefined || source instanceof ModelError) throw source ?? fail('E9001', 'a location was not opened');
  if ((source.names ?? 1) > 1 && !reading.linked.has(location)) {
    reading.linked.add(location);
    const place = { path, offset: proto[at], tensor: proto.name };
    reading.warn(
      'E1401',
      `the data ${quoted(location)} has ${source.names} names on the disk, so it may be a file of somebody else`,
      place,
    );
  }
  const offset = readNumber(entries, 'offset') ?? 0n;
  const length = readNumber(entries, 'length') ?? BigInt(size);
  const end = BigInt(source.size);
  if (offset > end || length > end - offset)
    throw fail('E1403', `bytes ${offset} to ${offset + length} lie outside ${quoted(location)} of ${end} bytes`);
  if (length !== BigInt(size)) throw fail('E1203', `the external length is ${length}, type and shape say ${size} bytes`);
  noteRange(proto, location, Number(offset), size, path, reading);
  const checksum = entries.get('checksum');
  if (checksum) reading.checksums.push({ location, checksum, place: { path, offset: proto[at], tensor: proto.name } });
  return new ByteRange(source, Number(offset), size);
}

function readEntries(list: readonly StringStringEntryProto[], path: string, reading: Reading): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  for (const [i, entry] of list.entries()) {
    const { key = '', value = '' } = entry;
    if (entries.has(key))
      throw fail('E1010', `the key ${quoted(key)} occurs twice`, { path: `${path}.external_data[${i}]`, offset: entry[at] });
    if (!keys.includes(key))
      reading.warn('E1403', `the key ${quoted(key)} is unknown`, { path: `${path}.external_data[${i}]`, offset: entry[at] });
    entries.set(key, value);
  }
  return entries;
}

function readNumber(entries: ReadonlyMap<string, string>, key: string): bigint | undefined {
  const text = entries.get(key);
  if (text === undefined) return undefined;
  if (!/^(0|[1-9]\d{0,18})$/.test(text)) throw fail('E1403', `the ${key} ${quoted(text)} is not a decimal number`);
  return BigInt(text);
}

function noteRange(proto: TensorProto, location: string, from: number, size: number, path: string, reading: Reading): void {
  const place = { path, offset: proto[at], tensor: proto.name };
  if (size > 0) reading.ranges.push({ location, from, to: from + size, place });
  if (location.split('/').at(-1) === reading.file.split(/[/\\]/).at(-1))
    reading.warn('E1403', `the data ${quoted(location)} is the model file itself`, place);
}

/** The largest file that is read whole to compare its checksum. */
const largestDigest = 2 ** 30;

/** Adds E1012 for files whose SHA-1 is not the checksum that a tensor names; each file is read once. */
export async function verifyChecksums(reading: Reading): Promise<void> {
  const digests = new Map<string, string | undefined>();
  for (const { location, checksum, place } of reading.checksums) {
    const source = reading.external.get(location);
    if (source === undefined || source instanceof ModelError) continue;
    if (!digests.has(location)) digests.set(location, await sha1(source));
    const digest = digests.get(location);
    if (digest === undefined) reading.warn('E1012', `${quoted(location)} is too large to compare its checksum`, place);
    else if (digest !== checksum.toLowerCase())
      reading.add('E1012', `the checksum of ${quoted(location)} is ${digest}, the model says ${quoted(checksum)}`, place);
  }
}

async function sha1(source: Source): Promise<string | undefined> {
  if (source.size > largestDigest) return undefined;
  const content = await source.read(0, source.size);
  const digest = await crypto.subtle.digest('SHA-1', content as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('');
}

/** Warn of tensors that share some but not all of their bytes. */
export function warnOverlaps(reading: Reading): void {
  const last = new Map<string, Reading['ranges'][number]>();
  for (const range of reading.ranges.toSorted((a, b) => a.from - b.from || b.to - a.to)) {
    const before = last.get(range.location);
    if (before && range.from < before.to && (range.from !== before.from || range.to !== before.to))
      reading.warn('E1403', `the data overlaps that of ${quoted(before.place.tensor ?? '')}`, range.place);
    if (!before || range.to > before.to) last.set(range.location, range);
  }
}

/** What to put into a data file beside the model. */
export interface ExternalOptions {
  /** The name of the data file, relative to the model; it is written into the model. */
  readonly location: string;
  /** Initializers of fewer bytes stay in the model; 1,024. */
  readonly threshold?: number | undefined;
  /** Offsets of tensors from 1 MiB on are multiples of this many bytes, a power of two up to 65,536; 4,096. Smaller ones: of 64. */
  readonly align?: number | undefined;
}

const large = 1048576;
const smallAlign = 64;

/** Lays tensors out in one data file, in the order in which they come. Nothing is loaded. */
export class ExternalFile {
  readonly location: string;
  readonly #threshold: number;
  readonly #align: number;
  readonly #chunks: Bytes[] = [];
  #length = 0;

  /** Errors: E1401 for a location that no reader would open, E4001 for an alignment that is no power of two up to 65,536. */
  constructor({ location, threshold = 1024, align = 4096 }: ExternalOptions) {
    checkLocation(location);
    if (align < 1 || align > 65536 || (align & (align - 1)) !== 0)
      throw fail('E4001', `the alignment ${align} is not a power of two up to 65536`);
    this.location = location;
    this.#threshold = threshold;
    this.#align = align;
  }

  takes(tensor: Tensor): boolean {
    return tensor.type !== 'string' && tensor.byteLength >= Math.max(1, this.#threshold);
  }

  /** Append the content; the entries that name its place. */
  add(tensor: Tensor): StringStringEntryProto[] {
    // The cast: only string tensors hold lists, and `takes` refuses those.
    const content = tensor.content as Bytes;
    const align = content.length >= large ? this.#align : Math.min(smallAlign, this.#align);
    const padding = (align - (this.#length % align)) % align;
    if (padding > 0) this.#chunks.push(new Uint8Array(padding));
    const offset = this.#length + padding;
    this.#chunks.push(content);
    this.#length = offset + content.length;
    return [
      { key: 'location', value: this.location },
      { key: 'offset', value: String(offset) },
      { key: 'length', value: String(content.length) },
    ];
  }

  finish(): Encoded {
    return { length: this.#length, chunks: this.#chunks };
  }
}
