// Between the element types of tensors and the types scalars are computed in.
import { fail } from '../errors.ts';
import { isScalarType, type ScalarType } from '../expr/primitives.ts';
import type { TypedArray } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';

/** The type in which elements of `type` are computed; undefined for types that have no arithmetic here. */
export const computeType = (type: DataType): ScalarType | undefined =>
  isScalarType(type) ? type : type === 'float16' || type === 'bfloat16' ? 'float32' : undefined;

interface HalfCodec {
  decode(bits: number): number;
  encode(value: number): number;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** IEEE 754 binary16, to nearest even; a value too large becomes infinite. */
export const float16: HalfCodec = {
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
export const bfloat16: HalfCodec = {
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

function roundToEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

const codecs: Partial<Record<DataType, HalfCodec>> = { float16, bfloat16 };

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
