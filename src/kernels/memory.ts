// Elements in memory as kernels address them: one entry an element, whatever its type. Types below 8 bits are unpacked to a byte
// each, complex numbers are pairs that stay together, strings are an array of strings.
import { fail } from '../errors.ts';
import { arrayFor, bytesOf, Tensor, type TypedArray, viewBytes } from '../ir/tensor.ts';
import { byteLength, type DataType, elementTypes } from '../ir/types.ts';
import { decodeElement, store } from './storage.ts';

/** Memory with one entry an element. */
export type Memory = TypedArray | string[] | ComplexArray;

/** Complex numbers as [real, imaginary] pairs. */
export type ComplexArray = (readonly [number, number])[];

const isPacked = (type: DataType): boolean => elementTypes[type].bits > 0 && elementTypes[type].bits < 8;
const isComplex = (type: DataType): boolean => elementTypes[type].class === 'complex';

/** Most bytes that are taken at once: what one typed array can hold everywhere. */
const most = 2 ** 32;
/** At least what an entry takes that is no number. */
const entryBytes = 16;

/** Memory for so many elements: zeros, or empty strings. @throws ModelError E3007 for more than an array holds */
export function emptyArray(type: DataType, count: number): Memory {
  const bytes = count * (type === 'string' || isComplex(type) ? entryBytes : Math.max(1, elementTypes[type].bits / 8));
  if (bytes > most) throw fail('E3007', `a tensor of ${bytes} bytes exceeds the limit of ${most}`);
  if (type === 'string') return new Array<string>(count).fill('');
  if (isComplex(type)) return new Array<readonly [number, number]>(count).fill([0, 0]);
  return isPacked(type) ? new Uint8Array(count) : new (arrayFor(type))(count);
}

/** The elements of a resident tensor, shared where that is possible. */
export function elementsOf(t: Tensor): Memory {
  if (isPacked(t.type)) return unpack(t.bytes(), elementTypes[t.type].bits, t.size);
  if (!isComplex(t.type)) return t.data as TypedArray | string[];
  const parts = t.data as Float32Array | Float64Array;
  return Array.from({ length: t.size }, (_, i) => [parts[2 * i]!, parts[2 * i + 1]!] as const);
}

/** A tensor of such elements. */
export function fromElements(type: DataType, data: Memory, dims: readonly number[]): Tensor {
  if (isPacked(type)) return new Tensor(type, pack(data as Uint8Array, elementTypes[type].bits), dims);
  if (!isComplex(type)) return new Tensor(type, data as TypedArray | string[], dims);
  const parts = new (arrayFor(type))(2 * data.length) as Float32Array | Float64Array;
  for (const [i, [re, im]] of (data as ComplexArray).entries()) {
    parts[2 * i] = re;
    parts[2 * i + 1] = im;
  }
  return new Tensor(type, parts, dims);
}

/** Bytes that so many elements take in a plan's memory, where types below 8 bits take a byte each. */
export const memoryLength = (type: DataType, count: number): number => (isPacked(type) ? count : byteLength(type, count));

/** The same bits as elements of another type of the same width; shared where that is possible. */
export function reinterpret(data: Memory, from: DataType, to: DataType): Memory {
  if (isPacked(from) && isPacked(to)) return data;
  if (!isComplex(from) && !isComplex(to)) return viewBytes(to, bytesOf(data as TypedArray));
  const dims = [data.length];
  return elementsOf(new Tensor(to, fromElements(from, data, dims).bytes(), dims));
}

/** The first element of a resident tensor of numbers, 0 where it has none. */
export const firstElement = (t: Tensor): number | bigint => (t.size === 0 ? 0 : decodeElement(t.type, (elementsOf(t) as TypedArray)[0]!));

/** Bits of packed elements, the low bits of a byte first; elements do not cross bytes but for those of 6 bits, which lie end to end. */
function unpack(bytes: Uint8Array, bits: number, count: number): Uint8Array {
  const elements = new Uint8Array(count);
  const mask = (1 << bits) - 1;
  for (let i = 0; i < count; i++) {
    const at = i * bits;
    const pair = bytes[at >> 3]! | ((bytes[(at >> 3) + 1] ?? 0) << 8);
    elements[i] = (pair >> (at & 7)) & mask;
  }
  return elements;
}

function pack(elements: Uint8Array, bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((elements.length * bits) / 8));
  for (const [i, element] of elements.entries()) {
    const at = i * bits;
    const low = at >> 3;
    bytes[low] = bytes[low]! | (element << (at & 7));
    if ((at & 7) + bits > 8) bytes[low + 1] = element >> (8 - (at & 7));
  }
  return bytes;
}

/** The elements of a numeric tensor as numbers; integers beyond 2^53 are the nearest. */
export function asNumbers(t: Tensor): Float64Array {
  if (t.type === 'float64') return Float64Array.from(t.data as Float64Array);
  return Float64Array.from(elementsOf(t) as Uint8Array, entry => Number(decodeElement(t.type, entry)));
}

/** A tensor of numbers, rounded to its type as storing does. */
export function tensorOfNumbers(type: DataType, numbers: Float64Array, dims: readonly number[]): Tensor {
  const data = emptyArray(type, numbers.length) as TypedArray;
  const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array;
  store(data, type, 0, 1, isBig ? BigInt64Array.from(numbers, x => BigInt(x)) : numbers, 0, numbers.length);
  return fromElements(type, data, dims);
}
