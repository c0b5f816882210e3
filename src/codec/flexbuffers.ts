// FlexBuffers: values with their types beside them, the root at the end. Every place is checked before it is read.
// Source: https://flatbuffers.dev/flexbuffers_internals/
import { fail } from '../errors.ts';
import { decodeUtf8 } from './utf8.ts';

/** Maps are Maps, vectors arrays, blobs bytes. */
export type FlexValue = undefined | number | bigint | boolean | string | Uint8Array | readonly FlexValue[] | ReadonlyMap<string, FlexValue>;

/** @throws ModelError E1006 for places outside of the bytes, types that do not exist, and values within themselves */
export function readFlexbuffer(bytes: Uint8Array): FlexValue {
  return new FlexReader(bytes).root();
}

/** How types go on after those of single values: typed vectors of any length, then of 2, 3 and 4 elements. */
const vectorTypes: Readonly<Record<number, number>> = { 11: 1, 12: 2, 13: 3, 14: 4, 15: 5, 36: 26 };
const types = { int: 1, uint: 2, float: 3, key: 4, string: 5, map: 9, vector: 10, blob: 25, bool: 26 } as const;
const deepest = 64;

class FlexReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Values that may yet be read: each takes a byte at least. */
  #left: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#left = 4 * bytes.length;
  }

  root(): FlexValue {
    const end = this.#bytes.length;
    if (end < 3) throw broken(`a flexbuffer has at least 3 bytes, found ${end}`, 0);
    const width = this.#bytes[end - 1]!;
    return this.#value(end - 2 - this.#width(width, end - 1), width, this.#bytes[end - 2]!, 0);
  }

  #width(width: number, at: number): number {
    if (![1, 2, 4, 8].includes(width)) throw broken(`a width of ${width} bytes`, at);
    return width;
  }
  #check(at: number, length: number): number {
    if (at < 0 || at > this.#bytes.length - length) throw broken(`${length} bytes lie outside of the ${this.#bytes.length} there are`, at);
    return at;
  }

  #uint(at: number, width: number): bigint {
    this.#check(at, width);
    const v = this.#view;
    if (width === 8) return v.getBigUint64(at, true);
    return BigInt(width === 1 ? v.getUint8(at) : width === 2 ? v.getUint16(at, true) : v.getUint32(at, true));
  }
  #float(at: number, width: number): number {
    this.#check(at, width);
    if (width < 4) throw broken(`a float of ${width} bytes`, at);
    return width === 4 ? this.#view.getFloat32(at, true) : this.#view.getFloat64(at, true);
  }
  /** A length or a distance, which is never more than there are bytes. */
  #size(at: number, width: number): number {
    const n = this.#uint(at, width);
    if (n > BigInt(this.#bytes.length)) throw broken(`${n} is beyond the ${this.#bytes.length} bytes there are`, at);
    return Number(n);
  }
  #target(at: number, width: number): number {
    return this.#check(at - this.#size(at, width), 1);
  }

  #value(at: number, parentWidth: number, packed: number, depth: number): FlexValue {
    if (depth > deepest) throw broken(`values nest deeper than ${deepest}`, at);
    if (--this.#left < 0) throw broken('values lie in each other', at);
    const type = packed >> 2;
    const width = 1 << (packed & 3);
    if (type === 0) return undefined;
    if (type === types.bool) return this.#uint(at, parentWidth) !== 0n;
    if (type === types.int || type === types.uint || type === types.float) return this.#number(type, at, parentWidth);
    const target = this.#target(at, parentWidth);
    if (type >= 6 && type <= 8) return this.#number(type - 5, target, width);
    if (type === types.key) return this.#key(target);
    const length = this.#size(target - width, width);
    if (type === types.string) return decodeUtf8(this.#bytes, this.#check(target, length), target + length);
    if (type === types.blob) return this.#bytes.slice(this.#check(target, length), target + length);
    if (type === types.vector) return this.#vector(target, width, length, depth);
    if (type === types.map) return this.#map(target, width, length, depth);
    return this.#typed(type, target, width, depth);
  }

  #number(type: number, at: number, width: number): number | bigint {
    if (type === types.float) return this.#float(at, width);
    const unsigned = this.#uint(at, width);
    const n = type === types.int ? BigInt.asIntN(8 * width, unsigned) : unsigned;
    return Number.isSafeInteger(Number(n)) ? Number(n) : n;
  }

  #key(at: number): string {
    const end = this.#bytes.indexOf(0, at);
    if (end < 0) throw broken('a key has no end', at);
    return decodeUtf8(this.#bytes, at, end);
  }

  #vector(at: number, width: number, length: number, depth: number): FlexValue[] {
    this.#check(at, length * (width + 1));
    return Array.from({ length }, (_, i) => this.#value(at + i * width, width, this.#bytes[at + length * width + i]!, depth + 1));
  }

  #map(at: number, width: number, length: number, depth: number): ReadonlyMap<string, FlexValue> {
    const keysWidth = this.#width(this.#size(at - 2 * width, width), at - 2 * width);
    const keys = this.#target(at - 3 * width, width);
    this.#check(keys, length * keysWidth);
    const values = this.#vector(at, width, length, depth);
    return new Map(values.map((value, i) => [this.#key(this.#target(keys + i * keysWidth, keysWidth)), value]));
  }

  #typed(type: number, at: number, width: number, depth: number): FlexValue[] {
    const fixed = type >= 16 && type <= 24;
    const element = fixed ? ((type - 16) % 3) + 1 : vectorTypes[type];
    if (element === undefined) throw broken(`a value of type ${type}`, at);
    const length = fixed ? Math.floor((type - 16) / 3) + 2 : this.#size(at - width, width);
    this.#check(at, length * width);
    return Array.from({ length }, (_, i) => this.#value(at + i * width, width, element << 2, depth + 1));
  }
}

const broken = (what: string, at: number) => fail('E1006', `flexbuffer: ${what}, at byte ${at}`);
