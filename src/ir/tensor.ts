// Tensors: an element type, sizes, and content that is resident in memory or a range of a file not read yet.
import { fail } from '../errors.ts';
import type { Attributes } from './graph.ts';
import { byteLength, type DataType, elementTypes } from './types.ts';

/** Bytes that are read on demand: a range of a file or Blob. */
export interface Stored {
  readonly length: number;
  read(offset?: number, length?: number): Promise<Uint8Array>;
}

/** What a file says of a tensor beyond its value; carried so that writing it back loses nothing. */
export interface TensorOrigin {
  /** The field of `TensorProto` that held the data. */
  readonly field: 'raw_data' | 'float_data' | 'int32_data' | 'int64_data' | 'double_data' | 'uint64_data' | 'string_data' | 'external';
  /** Byte offset of the message in its file. */
  readonly at?: number | undefined;
  /** Fields of the message with no other place, by name. */
  readonly rest?: object | undefined;
}

/** How the content of a tensor follows from that of others, so that it can be made again of others in their place. */
export interface Recipe {
  /** An operator of the standard in its newest opset, or `Narrow`, a shorter float type. */
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly (Tensor | undefined)[];
  /** Which output of the operator it is, and how many it has there. */
  readonly output: number;
  readonly outputs: number;
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  complex64: Float32Array,
  complex128: Float64Array,
} as const;

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

type TypedArrayConstructor = (typeof arrays)[keyof typeof arrays];

/** The typed array that holds elements of `type`: raw bits for float16 and bfloat16, packed bytes for the types of 8 bits and fewer. */
export const arrayFor = (type: DataType): TypedArrayConstructor =>
  (arrays as Partial<Record<DataType, TypedArrayConstructor>>)[type] ?? Uint8Array;

/** Elements as users give them. Numbers and booleans are converted to the element type; a Uint8Array is the stored bytes. */
export type TensorData = TypedArray | readonly (number | bigint | boolean)[] | readonly string[] | readonly Uint8Array[] | Stored;

type Content = Uint8Array | Stored | readonly Uint8Array[];

export class Tensor {
  readonly type: DataType;
  /** Sizes of each axis, outermost first; empty for a scalar. */
  readonly dims: readonly number[];
  /** The content as it is held: little-endian bytes, a range not read yet, or the bytes of each string. */
  readonly content: Content;
  readonly origin: TensorOrigin | undefined;
  /** Undefined where the content is a file's own, or a number that nobody but a rule gave. */
  readonly recipe: Recipe | undefined;
  /** Whether a graph got its form because of what is in the tensor: with other content it would be another. */
  isDecisive = false;
  #data: TypedArray | readonly string[] | undefined;

  /**
   * @param data the elements in row-major order, the product of `dims` of them. float16 and bfloat16 are raw bits in a
   *   Uint16Array; types below 8 bits are packed bytes.
   * @throws ModelError E1202 for sizes that are no sizes, E1203 where the data contradicts them
   */
  constructor(type: DataType, data: TensorData, dims: readonly number[] = [data.length], origin?: TensorOrigin, recipe?: Recipe) {
    const count = countOf(type, dims);
    this.type = type;
    this.dims = dims;
    this.content = contentOf(type, data);
    this.origin = origin;
    this.recipe = recipe;
    const expected = type === 'string' ? count : byteLength(type, count);
    if (this.content.length !== expected) {
      const unit = type === 'string' ? 'strings' : 'bytes';
      throw fail('E1203', `${type}[${dims.join(',')}] is ${expected} ${unit}, the data has ${this.content.length}`);
    }
  }

  /** Number of elements. */
  get size(): number {
    return this.dims.reduce((n, d) => n * d, 1);
  }
  get isResident(): boolean {
    return this.content instanceof Uint8Array || isStrings(this.content);
  }
  /** Bytes that the content takes. */
  get byteLength(): number {
    return isStrings(this.content) ? this.content.reduce((n, s) => n + s.length, 0) : this.content.length;
  }
  /** Little-endian bytes of a resident tensor. */
  bytes(): Uint8Array {
    if (this.content instanceof Uint8Array) return this.content;
    throw fail('E9001', this.type === 'string' ? 'a string tensor has no byte form' : 'the tensor is not resident');
  }
  /** Raw bytes of each element of a string tensor. */
  strings(): readonly Uint8Array[] {
    if (isStrings(this.content)) return this.content;
    throw fail('E9001', `a ${this.type} tensor has no strings`);
  }
  /** The elements of a resident tensor as a typed array (see `arrayFor`), or as strings. Booleans are 0 and 1, whatever the bytes. */
  get data(): TypedArray | readonly string[] {
    this.#data ??= isStrings(this.content) ? this.content.map(s => decoder.decode(s)) : elementsIn(this.type, this.bytes());
    return this.#data;
  }
  /** The same content under other sizes of the same count. */
  reshape(dims: readonly number[]): Tensor {
    return new Tensor(this.type, this.content, dims);
  }
  /** The same tensor, saying how it was made. */
  madeBy(recipe: Recipe): Tensor {
    return new Tensor(this.type, this.content, this.dims, this.origin, recipe);
  }
}

/** The tensor with its content in memory. */
export async function resident(tensor: Tensor): Promise<Tensor> {
  if (tensor.isResident) return tensor;
  return new Tensor(tensor.type, await (tensor.content as Stored).read(), tensor.dims, tensor.origin, sameAs(tensor));
}

/** The content of a tensor that is no text, as it is read. */
export function storedOf({ content }: Tensor): Stored {
  if (!(content instanceof Uint8Array)) return content as Stored;
  return { length: content.length, read: async (at = 0, length = content.length - at) => content.subarray(at, at + length) };
}

/** The recipe of a tensor that holds what another one does. */
export const sameAs = (tensor: Tensor): Recipe => ({ op: 'Identity', attributes: new Map(), inputs: [tensor], output: 0, outputs: 1 });

/** Elements of a resident integer, boolean or float tensor as numbers; int64 beyond 2^53 is refused. */
export function numbersOf(tensor: Tensor): number[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, x => {
    const n = Number(x);
    if (typeof x === 'bigint' && !Number.isSafeInteger(n)) throw fail('E1009', `the integer ${x} is beyond 2^53`);
    return n;
  });
}

/** Any byte but 0 is true: operators compute with 0 and 1. */
const elementsIn = (type: DataType, bytes: Uint8Array): TypedArray =>
  type === 'bool' && bytes.some(byte => byte > 1) ? Uint8Array.from(bytes, byte => (byte === 0 ? 0 : 1)) : viewBytes(type, bytes);

/** Stored bytes as a typed array: shared where the offset is aligned, copied where not. */
export function viewBytes(type: DataType, bytes: Uint8Array): TypedArray {
  const array = arrayFor(type);
  const width = array.BYTES_PER_ELEMENT;
  // Not `slice`, which does not copy where the bytes are a Buffer of Node.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.length / width);
}

/** The bytes under a typed array, shared. */
export const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);

/** As many axes as NumPy's arrays have. */
export const maxRank = 64;

const nameOf = (type: DataType, dims: readonly number[]): string => `${type}[${dims.slice(0, 8).join(',')}${dims.length > 8 ? ',…' : ''}]`;

/** Errors: E1202. */
export function requireRank(type: DataType, dims: readonly number[], limit: number): void {
  if (dims.length > limit)
    throw fail('E1202', `${nameOf(type, dims)} has rank ${dims.length}, the limit is ${limit}`, { limit: { name: 'rank', value: limit } });
}

function countOf(type: DataType, dims: readonly number[]): number {
  const name = (): string => nameOf(type, dims);
  requireRank(type, dims, maxRank);
  if (dims.some(d => !Number.isSafeInteger(d) || d < 0)) throw fail('E1202', `${name()} has a size that is negative or no integer`);
  const count = dims.reduce((n, d) => n * d, 1);
  // A size of 0 does not excuse an overflow among the others.
  const whole = count > 0 ? count : dims.reduce((n, d) => n * (d || 1), 1);
  if (!Number.isSafeInteger(whole * Math.max(1, elementTypes[type].bits))) throw fail('E1202', `the size of ${name()} overflows`);
  return count;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const isStrings = (content: Content): content is readonly Uint8Array[] => Array.isArray(content);

function contentOf(type: DataType, data: TensorData): Content {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) {
    const wanted = arrayFor(type);
    if (data instanceof wanted) return bytesOf(data);
    throw fail('E1203', `${type} data is held by a ${wanted.name}, not a ${data.constructor.name}`);
  }
  if (!Array.isArray(data)) return data as Stored;
  if (type === 'string') {
    return data.map((s: unknown) => {
      if (typeof s === 'string') return encoder.encode(s);
      if (s instanceof Uint8Array) return s;
      throw fail('E1203', `string data is given as strings, found ${typeof s}`);
    });
  }
  const odd = data.find(x => !['number', 'bigint', 'boolean'].includes(typeof x));
  if (odd !== undefined) throw fail('E1203', `${type} data is given as numbers, found ${typeof odd}`);
  return bytesOf(fill(type, data as readonly (number | bigint | boolean)[]));
}

function fill(type: DataType, data: readonly (number | bigint | boolean)[]): TypedArray {
  const array = arrayFor(type);
  if (type === 'float16' || type === 'bfloat16' || elementTypes[type].bits < 8 || elementTypes[type].class === 'complex')
    throw fail('E1203', `${type} data is given as a ${array.name} of raw bits, not as numbers`);
  if (array === BigInt64Array || array === BigUint64Array) {
    const odd = data.find(x => typeof x === 'number' && !Number.isInteger(x));
    if (odd !== undefined) throw fail('E1304', `${odd} is no ${type}`);
    return array.from(data.map(x => BigInt(x)));
  }
  return (array as typeof Float32Array).from(data.map(Number));
}
