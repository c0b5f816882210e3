// Between the element types of tensors and the types scalars are computed in.
import { fail } from '../errors.ts';
import { constant } from '../expr/expr.ts';
import { isScalarType, type ScalarType } from '../expr/primitives.ts';
import type { TypedArray } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import { type Codec, roundToEven, smallTypes } from './small-types.ts';

/** The type in which elements of `type` are computed; undefined for types that have no arithmetic here. */
export function computeType(type: DataType): ScalarType | undefined {
  if (isScalarType(type)) return type;
  const kind = elementTypes[type].class;
  return kind === 'float' ? 'float32' : kind === 'int' ? 'int8' : kind === 'uint' ? 'uint8' : undefined;
}

/** Whether elements are stored in the type in which they are computed. */
export const isStoredAsComputed = isScalarType;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** IEEE 754 binary16, to nearest even; a value too large becomes infinite. */
export const float16: Codec = {
  decode(h) {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  },
  encode(value) {
    float[0] = value;
    const b = bits[0]!;
    const sign = (b >>> 16) & 0x8000;
    const magnitude = b & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    if (magnitude >= 0x47800000) return sign | 0x7c00;
    if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(float[0]!) * 2 ** 24);
    return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
  },
};

/** The upper half of a float32, to nearest even. */
export const bfloat16: Codec = {
  decode(h) {
    bits[0] = h << 16;
    return float[0]!;
  },
  encode(value) {
    float[0] = value;
    const b = bits[0]!;
    if ((b & 0x7fffffff) > 0x7f800000) return (b >>> 16) | 0x40;
    return ((b + 0x7fff + ((b >>> 16) & 1)) >>> 16) & 0xffff;
  },
};

const codecs: Partial<Record<DataType, Codec>> = { float16, bfloat16, ...smallTypes };

/** What memory holds for a number, converted to the type as `cast` does. */
export function encodeElement(type: DataType, value: number | bigint): number | bigint {
  const scalar = computeType(type);
  if (!scalar) throw fail('E2002', `${type} has no arithmetic`);
  const e = constant(value, scalar) as { readonly value: number | bigint };
  return codecs[type]?.encode(Number(e.value)) ?? e.value;
}

/** The number that an entry of memory stands for. */
export const decodeElement = (type: DataType, entry: number | bigint): number | bigint => codecs[type]?.decode(Number(entry)) ?? entry;

/** Copy `n` elements at `offset`, `step` apart, into a block of the compute type. */
export function load(to: TypedArray, at: number, from: TypedArray, type: DataType, offset: number, step: number, n: number): void {
  const codec = codecs[type];
  if (codec) for (let i = 0; i < n; i++) to[at + i] = codec.decode(from[offset + i * step] as number);
  else if (!computeType(type)) throw fail('E2002', `${type} has no arithmetic`);
  else for (let i = 0; i < n; i++) to[at + i] = from[offset + i * step] as never;
}

/** The reverse of `load`, rounding to the stored type. */
export function store(to: TypedArray, type: DataType, offset: number, step: number, from: TypedArray, at: number, n: number): void {
  const codec = codecs[type];
  if (codec) for (let i = 0; i < n; i++) to[offset + i * step] = codec.encode(from[at + i] as number);
  else for (let i = 0; i < n; i++) to[offset + i * step] = from[at + i] as never;
}
