// NumPy's array files: .npy, and .npz, which is a zip of them. Headers are read by a parser for the few literals they may hold;
// nothing is evaluated and no pickle is ever opened. Format: numpy/lib/format.py versions 1.0 to 3.0.
import { type Code, fail, type ModelError } from '../errors.ts';
import { ByteRange, MemorySource, type Source } from './source.ts';
import { openZip, type ZipOptions } from './zip.ts';
import { stored } from './zip-directory.ts';
import { writeZip, type ZipInput } from './zip-write.ts';

/** A dense array in C order and little-endian bytes. */
export interface NpyArray {
  /** NumPy's type string: `|b1 |i1 |u1 <i2 <i4 <i8 <u2 <u4 <u8 <f2 <f4 <f8 <c8 <c16`, or `<U5`: text of at most 5 code points each. */
  readonly descr: string;
  readonly shape: readonly number[];
  /** Bytes may begin at any alignment. A range is what a large array in a file stays until it is read. */
  readonly data: Uint8Array | ByteRange;
}

const itemSizes: ReadonlyMap<string, number> = new Map([
  ['b1', 1],
  ['i1', 1],
  ['i2', 2],
  ['i4', 4],
  ['i8', 8],
  ['u1', 1],
  ['u2', 2],
  ['u4', 4],
  ['u8', 8],
  ['f2', 2],
  ['f4', 4],
  ['f8', 8],
  ['c8', 8],
  ['c16', 16],
]);
/** Most code points of one element of text. */
const longestText = 2 ** 24;

/** Bytes of an element of a kind; text is as many code points of four bytes as its kind says. */
function itemSizeOf(kind: string): number | undefined {
  const [, length] = /^U(\d{1,8})$/.exec(kind) ?? [];
  if (length === undefined) return itemSizes.get(kind);
  return Number(length) <= longestText ? 4 * Number(length) : undefined;
}

/** Kinds that NumPy can store and a tensor cannot hold. */
const otherKinds: Readonly<Record<string, string>> = {
  O: 'Python objects, which needs pickle',
  S: 'byte strings',
  a: 'byte strings',
  U: 'text that is too long',
  V: 'raw records; save bfloat16 and float8 arrays as float32',
  M: 'dates',
  m: 'time spans',
  f: 'extended floats',
  c: 'extended complex numbers',
};
const residentBytes = 64 * 1024;
const longestHeader = 2 ** 20;
const highestRank = 64;
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/**
 * Read the array of a .npy file. Big-endian and Fortran-ordered data is converted and then in memory; other data of more than 64 KiB
 * stays a range unless `source` is memory. Errors: E1005 too short, E1006 bad header, E1007 bytes follow, E1009 header too long,
 * E1010 a header key twice, E1202 shape, E2002 a type without numbers (objects, strings, records, dates).
 */
export const readNpy = (source: Source): Promise<NpyArray> => readArray(new ByteRange(source, 0, source.size));

/**
 * Read the arrays of a .npz file in their order, named without `.npy`. Arrays of more than 64 KiB that are stored uncompressed stay
 * ranges, without a look at their checksum, unless `source` is memory.
 * Errors: as `readNpy` and `openZip`, and E1010 two arrays of one name. Names that differ by case only are allowed here.
 */
export async function readNpz(source: Source, options: ZipOptions = {}): Promise<Map<string, NpyArray>> {
  const zip = await openZip(source, { foldCase: false, ...options });
  const arrays = new Map<string, NpyArray>();
  for (const entry of zip.entries.values()) {
    const name = entry.name.endsWith('.npy') ? entry.name.slice(0, -4) : entry.name;
    if (arrays.has(name)) throw fail('E1010', `archive holds array ${JSON.stringify(name)} twice`, { file: source.name, path: entry.name });
    if (entry.method === stored && !source.bytes && entry.size > residentBytes) {
      arrays.set(name, await readArray(await entry.range(), entry.name));
    } else {
      const bytes = await entry.bytes();
      arrays.set(name, await readArray(new ByteRange(new MemorySource(bytes, source.name), 0, bytes.length), entry.name));
    }
  }
  return arrays;
}

/**
 * The array as a .npy file of version 1.0: header and data, the latter not copied.
 * Errors: E1203 the data has another length than type and shape say, E2002 another type, E4001 an impossible shape.
 */
export function writeNpy(array: NpyArray & { readonly data: Uint8Array }): Uint8Array[] {
  return [npyHeader(array), array.data];
}

/**
 * The arrays as a .npz file, stored or deflated. Arrays that are ranges are read while they are written.
 * Errors: as `writeNpy` and `writeZip`.
 */
export function writeNpz(
  arrays: Iterable<readonly [string, NpyArray]>,
  options: { readonly compressed?: boolean } = {},
): AsyncIterable<Uint8Array> {
  const method = options.compressed ? 'deflate' : 'store';
  const inputs = function* (): Generator<ZipInput> {
    for (const [name, array] of arrays) yield { name: `${name}.npy`, data: npyData(array), method };
  };
  return writeZip(inputs());
}

/** Header and data as one input of the zip writer; small ones are joined so that their entries need no descriptor. */
function npyData(array: NpyArray): ZipInput['data'] {
  const head = npyHeader(array);
  const { data } = array;
  if (data instanceof Uint8Array && data.length <= residentBytes) {
    const whole = new Uint8Array(head.length + data.length);
    whole.set(head);
    whole.set(data, head.length);
    return whole;
  }
  return {
    length: head.length + data.length,
    async read(offset, length) {
      const part = new Uint8Array(length);
      const fromHead = head.subarray(offset, offset + length);
      part.set(fromHead);
      const at = Math.max(0, offset - head.length);
      const rest = length - fromHead.length;
      part.set(data instanceof Uint8Array ? data.subarray(at, at + rest) : await data.read(at, rest), fromHead.length);
      return part;
    },
  };
}

function npyHeader({ descr, shape, data }: NpyArray): Uint8Array {
  const kind = descr.slice(1);
  const item = itemSizeOf(kind);
  if (item === undefined || descr[0] !== (item === 1 ? '|' : '<'))
    throw fail('E2002', `a .npy file cannot be written with type ${JSON.stringify(descr)}`);
  const count = elementCount(shape);
  if (count === undefined) throw fail('E4001', `shape [${shape.join(', ')}] of a .npy file is impossible`);
  if (count * item !== data.length)
    throw fail('E1203', `array of type ${descr} and shape [${shape.join(', ')}] needs ${count * item} bytes, found ${data.length}`);
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  // The data begins at a multiple of 64 bytes; the header ends in a line feed.
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length).fill(0x20);
  bytes.set([...magic, 1, 0, (length - 10) & 255, (length - 10) >> 8]);
  for (let i = 0; i < text.length; i++) bytes[10 + i] = text.charCodeAt(i);
  bytes[length - 1] = 0x0a;
  return bytes;
}

/** Number of elements, or undefined where a dimension is no count, there are too many, or the product exceeds 2^53. */
function elementCount(shape: readonly number[]): number | undefined {
  if (shape.length > highestRank || !shape.every(dim => Number.isSafeInteger(dim) && dim >= 0)) return undefined;
  // Zero-sized dimensions do not excuse an overflow among the others.
  const nonZero = shape.reduce((product, dim) => product * (dim || 1), 1);
  if (!Number.isSafeInteger(nonZero * 16)) return undefined;
  return shape.includes(0) ? 0 : nonZero;
}

async function readArray(range: ByteRange, path?: string): Promise<NpyArray> {
  const error: Raise = (code, text, at = 0) => fail(code, text, { file: range.source.name, offset: range.offset + at, path });
  const { text, dataAt } = await readHeader(range, error);
  const header = new HeaderParser(text, (code, message, at = 0) => error(code, message, dataAt - text.length + at)).parse();
  const { kind, item, bigEndian } = elementType(header.descr, error);
  const count = elementCount(header.shape);
  if (count === undefined) throw error('E1202', `.npy shape [${header.shape.join(', ')}] is impossible`, dataAt - text.length);
  const length = count * item;
  const rest = range.length - dataAt;
  if (rest < length)
    throw error('E1005', `.npy data of type ${kind} and shape [${header.shape.join(', ')}] needs ${length} bytes, found ${rest}`, dataAt);
  if (rest > length) throw error('E1007', `${rest - length} bytes follow the .npy data`, dataAt + length);
  const descr = (item === 1 ? '|' : '<') + kind;
  const data = new ByteRange(range.source, range.offset + dataAt, length);
  const transposed = header.fortran && header.shape.filter(dim => dim !== 1).length > 1 && count > 0;
  if (!transposed && !bigEndian) {
    const resident = range.source.bytes !== undefined || length <= residentBytes;
    return { descr, shape: header.shape, data: resident ? await data.read() : data };
  }
  let bytes = Uint8Array.from(await data.read());
  if (bigEndian) reverseBytes(bytes, kind.startsWith('c') ? item / 2 : kind.startsWith('U') ? 4 : item);
  if (transposed) bytes = fromFortran(bytes, header.shape, item);
  return { descr, shape: header.shape, data: bytes };
}

type Raise = (code: Code, text: string, at?: number) => ModelError;

async function readHeader(range: ByteRange, error: Raise): Promise<{ text: string; dataAt: number }> {
  const start = await range.read(0, Math.min(12, range.length));
  if (start.length < 10) throw error('E1005', `.npy file of ${start.length} bytes ends inside its header`);
  if (!magic.every((byte, i) => start[i] === byte)) throw error('E1006', "a .npy file begins with '\\x93NUMPY', this one does not");
  const major = start[6]!;
  const minor = start[7]!;
  if (major < 1 || major > 3 || minor !== 0) throw error('E2002', `.npy version ${major}.${minor}; 1.0, 2.0 and 3.0 are read here`, 6);
  const headerAt = major === 1 ? 10 : 12;
  if (start.length < headerAt) throw error('E1005', '.npy file ends inside its header', start.length);
  const v = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = major === 1 ? v.getUint16(8, true) : v.getUint32(8, true);
  if (length > range.length - headerAt)
    throw error('E1005', `.npy header needs ${length} bytes, found ${range.length - headerAt}`, headerAt);
  if (length > longestHeader) throw error('E1009', `.npy header of ${length} bytes, at most ${longestHeader} are read`, 8);
  const bytes = await range.read(headerAt, length);
  // One character a byte keeps offsets right; what is outside ASCII can only stand in field names of records, which are refused.
  return { text: Array.from(bytes, byte => String.fromCharCode(byte)).join(''), dataAt: headerAt + length };
}

function elementType(descr: string, error: Raise): { kind: string; item: number; bigEndian: boolean } {
  const [, order, kind] = /^([<>|])([A-Za-z]\d*)(?:\[.*\])?$/.exec(descr) ?? [];
  if (order === undefined || kind === undefined)
    throw error('E1006', `.npy type ${JSON.stringify(descr.slice(0, 80))} is not a NumPy type string`);
  const item = itemSizeOf(kind);
  if (item !== undefined && (order !== '|' || item === 1)) return { kind, item, bigEndian: order === '>' && item > 1 };
  const other = otherKinds[kind[0]!];
  throw other === undefined || item !== undefined
    ? error('E1006', `.npy type ${JSON.stringify(descr)} does not exist`)
    : error('E2002', `.npy type ${JSON.stringify(descr)} holds ${other}`);
}

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

/** Parser for `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, a Python literal, and for nothing else. */
class HeaderParser {
  readonly #text: string;
  readonly #raise: Raise;
  #at = 0;

  constructor(text: string, raise: Raise) {
    this.#text = text;
    this.#raise = raise;
  }

  parse(): Header {
    const found = new Map<string, string | boolean | readonly number[]>();
    this.#expect('{');
    while (!this.#take('}')) {
      const key = this.#string();
      if (found.has(key)) throw this.#error('E1010', `key '${key.slice(0, 80)}' occurs twice`);
      this.#expect(':');
      found.set(key, this.#value(key));
      if (!this.#take(',')) {
        this.#expect('}');
        break;
      }
    }
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#broken('its end');
    const { descr, fortran_order: fortran, shape } = Object.fromEntries(found);
    if (typeof descr !== 'string' || typeof fortran !== 'boolean' || !Array.isArray(shape))
      throw this.#error('E1006', "needs the keys 'descr', 'fortran_order' and 'shape'");
    return { descr, fortran, shape };
  }

  #value(key: string): string | boolean | readonly number[] {
    if (key === 'shape') return this.#tuple();
    if (key === 'descr') {
      if (this.#take('[') || this.#take('(')) throw this.#error('E2002', 'the type is a record of fields; save one array for each field');
      return this.#string();
    }
    if (key !== 'fortran_order') throw this.#error('E1006', `unknown key '${key.slice(0, 80)}'`);
    if (this.#take('True')) return true;
    if (this.#take('False')) return false;
    throw this.#broken('True or False');
  }

  #tuple(): readonly number[] {
    const dims: number[] = [];
    this.#expect('(');
    while (!this.#take(')')) {
      dims.push(this.#integer());
      if (dims.length > highestRank) throw this.#error('E1202', `shape has more than ${highestRank} dimensions`);
      if (!this.#take(',')) {
        this.#expect(')');
        if (dims.length === 1) throw this.#error('E1006', `shape is the number ${dims[0]}, expected a tuple`);
        break;
      }
    }
    return dims;
  }

  #integer(): number {
    this.#skipSpace();
    const digits = /^-?\d{1,20}(?!\d)/.exec(this.#text.slice(this.#at, this.#at + 22))?.[0];
    if (digits === undefined) throw this.#broken('a dimension');
    this.#at += digits.length;
    // Python 2 wrote long integers with a suffix.
    if (this.#text[this.#at] === 'L') this.#at++;
    return Number(digits);
  }

  #string(): string {
    this.#skipSpace();
    const quote = this.#text[this.#at];
    if (quote !== "'" && quote !== '"') throw this.#broken('a string');
    const end = this.#text.indexOf(quote, this.#at + 1);
    if (end < 0) throw this.#broken('a string that ends');
    const value = this.#text.slice(this.#at + 1, end);
    if (value.includes('\\')) throw this.#broken('a string without escapes');
    this.#at = end + 1;
    return value;
  }

  #take(token: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw this.#broken(`'${token}'`);
  }

  #skipSpace(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? '?')) this.#at++;
  }

  #error(code: Code, text: string): ModelError {
    return this.#raise(code, `.npy header: ${text}`, this.#at);
  }

  #broken(expected: string): ModelError {
    const found = this.#at < this.#text.length ? JSON.stringify(this.#text.slice(this.#at, this.#at + 20)) : 'its end';
    return this.#error('E1006', `expected ${expected}, found ${found}`);
  }
}

function reverseBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
}

/** Reorder elements whose first axis varies fastest into C order. Elements move as integers, so that no NaN changes its bits. */
function fromFortran(bytes: Uint8Array<ArrayBuffer>, shape: readonly number[], item: number): Uint8Array<ArrayBuffer> {
  const wordSize = Math.min(item, 4);
  const Words = wordSize === 4 ? Uint32Array : wordSize === 2 ? Uint16Array : Uint8Array;
  const perItem = item / wordSize;
  const from = new Words(bytes.buffer, bytes.byteOffset, bytes.length / wordSize);
  const to = new Words(from.length);
  const strides: number[] = [];
  shape.reduce((stride, dim) => {
    strides.push(stride);
    return stride * dim;
  }, perItem);
  const index = shape.map(() => 0);
  let source = 0;
  for (let target = 0; target < to.length; target += perItem) {
    for (let word = 0; word < perItem; word++) to[target + word] = from[source + word]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      source -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return new Uint8Array(to.buffer);
}
