// Checkpoints: an index of tensors, and shards with their bytes. Tensors stay ranges of the shards.
// Source: TensorFlow, core/util/tensor_bundle and core/util/saved_tensor_slice_util (the keys of slices).

import { crc32c, maskCrc, maskedCrc32c } from '../../codec/crc.ts';
import { decodeBytes } from '../../codec/protobuf.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { readTable } from '../../codec/sstable.ts';
import { fail, type ModelError } from '../../errors.ts';
import { arrayFor, bytesOf, type Stored, Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { byteLength, elementTypes } from '../../ir/types.ts';
import { type BundleEntryProto, type BundleHeaderProto, type TensorSliceProto, tensorflowSchema } from './proto.gen.ts';
import { elementOf, knownSizes } from './types.ts';

/** Opens a shard by the last part of its path. */
type OpenShard = (name: string) => Promise<Source>;

/** Up to so many bytes are read at once. */
const small = 65536;

export class Bundle {
  readonly file: string;
  readonly #entries: ReadonlyMap<string, Uint8Array>;
  readonly #header: BundleHeaderProto;
  readonly #open: OpenShard;
  readonly #shards = new Map<number, Promise<Source>>();
  /** How many bytes of each shard its tensors have taken so far. */
  readonly #taken = new Map<Source, number>();
  readonly #placed = new Map<string, ByteRange>();

  private constructor(file: string, entries: ReadonlyMap<string, Uint8Array>, header: BundleHeaderProto, open: OpenShard) {
    this.file = file;
    this.#entries = entries;
    this.#header = header;
    this.#open = open;
  }

  /**
   * Open an index.
   * @throws ModelError E1005, E1006, E1012 for what is no index, E2002 for the version of a later time
   */
  static async open(index: Source, open: OpenShard): Promise<Bundle> {
    const entries = await readTable(index);
    const bytes = entries.get('');
    if (!bytes) throw fail('E1006', 'the index has no header', { file: index.name });
    const header = decodeBytes<BundleHeaderProto>(tensorflowSchema, 'BundleHeaderProto', bytes, { file: index.name, pathPrefix: 'header' });
    const least = header.version?.min_consumer ?? 0;
    if (least > 1) throw fail('E2002', `the index asks for readers of version ${least}, this is one of version 1`, { file: index.name });
    return new Bundle(index.name, entries, header, open);
  }

  /** Keys of whole tensors, without those of slices. */
  get keys(): string[] {
    return [...this.#entries.keys()].filter(key => key !== '' && !key.startsWith('\0')).map(utf8);
  }

  has(key: string): boolean {
    return this.#entries.has(latin1(key));
  }

  /**
   * A tensor; small ones are read, others stay in their shard, and their checksum is compared when they are read.
   * @throws ModelError E1104 for a key that is not there, E1201 to E1203 for entries that contradict themselves, E1403 for a place outside
   *   the shard
   */
  async tensor(key: string): Promise<Tensor> {
    const entry = this.#entry(latin1(key), quoted(key));
    const type = elementOf(entry.dtype ?? 0);
    const dims = knownSizes(entry.shape);
    if (entry.slices?.length) return this.#joined(key, entry, dims);
    const place = await this.#place(latin1(key), entry, quoted(key));
    if (type === 'string') return stringTensor(await place.read(), dims, entry.crc32c ?? 0, this.#wrong(key));
    // Sizes that contradict the data are told before any is read.
    const tensor = new Tensor(type, new CheckedRange(place, entry.crc32c ?? 0, this.#wrong(key)), dims);
    if (this.#header.endianness !== 1)
      return place.length > small ? tensor : new Tensor(type, await (tensor.content as Stored).read(), dims);
    return new Tensor(type, swapped(await (tensor.content as Stored).read(), arrayFor(type).BYTES_PER_ELEMENT), dims);
  }

  #wrong(key: string): (message: string) => ModelError {
    return message => fail('E1012', `${quoted(key)}: ${message}`, { file: this.file, tensor: key });
  }

  #entry(key: string, shown: string): BundleEntryProto {
    const bytes = this.#entries.get(key);
    if (!bytes) throw fail('E1104', `the checkpoint has no tensor ${shown}`, { file: this.file });
    return decodeBytes<BundleEntryProto>(tensorflowSchema, 'BundleEntryProto', bytes, { file: this.file, pathPrefix: shown });
  }

  async #place(key: string, { shard_id: shard = 0, offset = 0, size = 0 }: BundleEntryProto, shown: string): Promise<ByteRange> {
    const before = this.#placed.get(key);
    if (before) return before;
    const count = this.#header.num_shards ?? 0;
    if (shard < 0 || shard >= count) throw fail('E1403', `${shown} lies in shard ${shard} of ${count}`, { file: this.file });
    let opened = this.#shards.get(shard);
    if (!opened) {
      const five = (n: number): string => String(n).padStart(5, '0');
      const stem = this.file
        .split(/[\\/]/)
        .at(-1)!
        .replace(/\.index$/, '');
      opened = this.#open(`${stem}.data-${five(shard)}-of-${five(count)}`);
      this.#shards.set(shard, opened);
    }
    const source = await opened;
    const [from, length] = [Number(offset), Number(size)];
    if (from < 0 || length < 0 || from > source.size - length)
      throw fail('E1403', `${shown} is ${size} bytes at ${offset} of a shard of ${source.size} bytes`, { file: source.name });
    // Tensors that lie over each other would let a small shard fill the memory.
    const taken = (this.#taken.get(source) ?? 0) + length;
    if (taken > source.size) throw fail('E1403', `${shown} lies where other tensors do`, { file: source.name, offset: from });
    this.#taken.set(source, taken);
    const range = new ByteRange(source, from, length);
    this.#placed.set(key, range);
    return range;
  }

  /** A tensor of which the parts are stored: those of a partitioned variable. */
  async #joined(key: string, entry: BundleEntryProto, dims: readonly number[]): Promise<Tensor> {
    const type = elementOf(entry.dtype ?? 0);
    if (elementTypes[type].bits < 8 || type === 'string') throw fail('E2001', `slices of a ${type} tensor have no conversion`);
    const boxes = entry.slices!.map(slice => boxOf(slice, dims, quoted(key)));
    const covered = boxes.reduce((sum, box) => sum + product(box.map(({ length }) => length)), 0);
    if (covered !== product(dims))
      throw fail('E1203', `the slices of ${quoted(key)} have ${covered} elements, it has ${product(dims)}`, { file: this.file });
    requireApart(boxes, quoted(key));
    // Every part is found before memory is taken for the whole.
    const parts: { readonly box: readonly Extent[]; readonly range: Stored }[] = [];
    for (const box of boxes) parts.push({ box, range: await this.#part(key, box, entry) });
    const whole = new Tensor(type, new Uint8Array(byteLength(type, covered)), dims);
    for (const { box, range } of parts) {
      const bytes = await range.read();
      const ordered = this.#header.endianness === 1 ? swapped(bytes, arrayFor(type).BYTES_PER_ELEMENT) : bytes;
      place(whole.bytes(), ordered, dims, box, byteLength(type, 1));
    }
    return whole;
  }

  async #part(key: string, box: readonly Extent[], whole: BundleEntryProto): Promise<Stored> {
    const own = sliceKey(latin1(key), box);
    const entry = this.#entry(own, `slice of ${quoted(key)}`);
    const type = elementOf(entry.dtype ?? 0);
    const dims = knownSizes(entry.shape);
    if (entry.dtype !== whole.dtype || dims.length !== box.length || dims.some((d, i) => d !== box[i]!.length))
      throw fail('E1203', `a slice of ${quoted(key)} is ${type}[${dims}], expected [${box.map(({ length }) => length)}]`, {
        file: this.file,
      });
    const range = new CheckedRange(await this.#place(own, entry, `a slice of ${quoted(key)}`), entry.crc32c ?? 0, this.#wrong(key));
    new Tensor(type, range, dims);
    return range;
  }
}

/** Most slices of a tensor, each of which is compared with every other. */
const mostSlices = 2048;

function requireApart(boxes: readonly (readonly Extent[])[], shown: string): void {
  if (boxes.length > mostSlices)
    throw fail('E1009', `${shown} has ${boxes.length} slices, at most ${mostSlices} are read`, {
      limit: { name: 'checkpoint.slices', value: mostSlices },
    });
  const meet = (a: readonly Extent[], b: readonly Extent[]): boolean =>
    a.every(({ start, length }, i) => Math.max(start, b[i]!.start) < Math.min(start + length, b[i]!.start + b[i]!.length));
  for (const [i, box] of boxes.entries())
    if (boxes.slice(0, i).some(other => meet(other, box))) throw fail('E1203', `slices of ${shown} lie over each other`);
}

/** A range whose checksum is compared when it has been read from its start to its end, in one piece or several. */
class CheckedRange implements Stored {
  readonly length: number;
  readonly #range: ByteRange;
  readonly #expected: number;
  readonly #wrong: (message: string) => ModelError;
  #next = 0;
  #crc = 0;

  constructor(range: ByteRange, expected: number, wrong: (message: string) => ModelError) {
    this.length = range.length;
    this.#range = range;
    this.#expected = expected;
    this.#wrong = wrong;
  }

  async read(offset = 0, length = this.length - offset): Promise<Uint8Array> {
    const bytes = await this.#range.read(offset, length);
    if (offset === 0) [this.#next, this.#crc] = [0, 0];
    if (offset !== this.#next) return bytes;
    this.#crc = crc32c(bytes, this.#crc);
    this.#next += bytes.length;
    if (this.#next === this.length && maskCrc(this.#crc) !== this.#expected) throw this.#wrong('the checksum does not match the bytes');
    return bytes;
  }
}

/** Lengths as numbers of 7-bit groups, their checksum, then the strings. */
function stringTensor(bytes: Uint8Array, dims: readonly number[], expected: number, wrong: (message: string) => ModelError): Tensor {
  const count = product(dims);
  if (count > bytes.length) throw fail('E1203', `string[${dims}] is ${count} strings in ${bytes.length} bytes`);
  let at = 0;
  const lengths = Array.from({ length: count }, () => {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 42) throw fail('E1006', 'a length of a string runs beyond its tensor');
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) return length;
    }
  });
  const words = bytesOf(lengths.some(n => n >= 2 ** 32) ? BigUint64Array.from(lengths, BigInt) : Uint32Array.from(lengths));
  const stored = bytes.subarray(at, at + 4);
  at += 4;
  if (stored.length < 4 || maskedCrc32c(words) !== new DataView(stored.buffer, stored.byteOffset, 4).getUint32(0, true))
    throw wrong('the checksum of the lengths does not match');
  if (maskCrc(crc32c(bytes.subarray(at), crc32c(stored, crc32c(words)))) !== expected)
    throw wrong('the checksum does not match the strings');
  if (at + lengths.reduce((a, b) => a + b, 0) !== bytes.length) throw fail('E1203', 'the strings of a tensor do not fill its bytes');
  const strings = lengths.map(length => bytes.subarray(at, (at += length)));
  return new Tensor('string', strings, dims);
}

interface Extent {
  readonly start: number;
  readonly length: number;
  /** Whether the slice said no length: the whole axis. */
  readonly full: boolean;
}

function boxOf({ extent: extents = [] }: TensorSliceProto, dims: readonly number[], shown: string): Extent[] {
  if (extents.length !== dims.length) throw fail('E1203', `a slice of ${shown} has rank ${extents.length}, expected ${dims.length}`);
  return extents.map(({ start = 0, length }, i) => {
    const size = dims[i]!;
    if (length === undefined && start === 0) return { start: 0, length: size, full: true };
    const [from, count] = [Number(start), Number(length ?? -1)];
    if (from < 0 || count < 0 || from > size - count)
      throw fail('E1203', `a slice of ${shown} has ${length} elements from ${start} of an axis of ${size}`);
    return { start: from, length: count, full: false };
  });
}

/** Copy a part, row by row of its last axis, to its place in the whole. */
function place(whole: Uint8Array, part: Uint8Array, dims: readonly number[], box: readonly Extent[], width: number): void {
  const row = (box.at(-1)?.length ?? 1) * width;
  if (part.length === 0) return;
  const strides = dims.map((_, i) => product(dims.slice(i + 1)));
  const index = box.slice(0, -1).map(() => 0);
  for (let from = 0; from < part.length; from += row) {
    const to = box.reduce((sum, { start }, i) => sum + (start + (index[i] ?? 0)) * strides[i]!, 0) * width;
    whole.set(part.subarray(from, from + row), to);
    for (let i = index.length - 1; i >= 0 && ++index[i]! === box[i]!.length; i--) index[i] = 0;
  }
}

/** The key of a slice: 0, the name, the rank, and each extent, in a code that sorts as they do. */
function sliceKey(name: string, box: readonly Extent[]): string {
  const escaped = name.replaceAll(/[\0\u00ff]/g, c => (c === '\0' ? '\0\u00ff' : '\u00ff\0'));
  const extents = box.map(({ start, length, full }) => signedCode(start) + signedCode(full ? -1 : length));
  return `\0${escaped}\0\u0001${naturalCode(box.length)}${extents.join('')}`;
}

/** A natural number as the count of its bytes and these. */
function naturalCode(n: number): string {
  const bytes: number[] = [];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return String.fromCharCode(bytes.length, ...bytes);
}

/** A number of so many bytes as it has ones at its start, the sign after them; six bits of the first byte are its own. */
function signedCode(n: number): string {
  if (n >= -64 && n < 64) return String.fromCharCode((n & 0xff) ^ 0x80);
  const bits = (n < 0 ? -1n - BigInt(n) : BigInt(n)).toString(2).length;
  const length = Math.floor(bits / 7) + 1;
  const header = ((1n << BigInt(length)) - 1n) << BigInt(7 * length);
  let code = BigInt.asUintN(8 * length, BigInt(n) ^ header);
  const bytes: number[] = [];
  for (let i = 0; i < length; i++, code >>= 8n) bytes.unshift(Number(code & 0xffn));
  return String.fromCharCode(...bytes);
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let at = 0; at < copy.length; at += width) copy.subarray(at, at + width).reverse();
  return copy;
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, d) => n * d, 1);

/** Keys of the table are bytes, one character each. */
const latin1 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
const utf8 = (key: string): string => new TextDecoder().decode(Uint8Array.from(key, c => c.charCodeAt(0)));
