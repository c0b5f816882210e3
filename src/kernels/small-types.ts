// Elements of 8 bits and fewer that no typed array holds: floats by their sign, exponent and mantissa, and integers of 2 and 4 bits.
// One entry of memory is the bits of one element. https://onnx.ai/onnx/technical/float8.html, OCP Microscaling Formats 1.0.
import type { DataType } from '../ir/types.ts';

/** Between the bits of an element and its number. */
export interface Codec {
  decode(bits: number): number;
  /** To the nearest number of the type, halves to even. Beyond the largest: infinity, else NaN, else the largest. */
  encode(value: number): number;
}

export interface SmallFloat {
  readonly exponent: number;
  readonly mantissa: number;
  /** What is subtracted from the exponent's bits. */
  readonly bias: number;
  /** Bits of the largest finite number, of what numbers beyond it become, and of what NaN becomes; without the sign. */
  readonly largest: number;
  readonly overflow: number;
  readonly nan: number;
  /** Zero has no sign, and the bits of minus zero are the one NaN. */
  readonly unsignedZero?: boolean;
}

/** The floats of 8 bits and fewer that have a sign, an exponent and a mantissa. */
export const smallFloats = {
  float8e4m3fn: { exponent: 4, mantissa: 3, bias: 7, largest: 0x7e, overflow: 0x7f, nan: 0x7f },
  float8e4m3fnuz: { exponent: 4, mantissa: 3, bias: 8, largest: 0x7f, overflow: 0x80, nan: 0x80, unsignedZero: true },
  float8e5m2: { exponent: 5, mantissa: 2, bias: 15, largest: 0x7b, overflow: 0x7c, nan: 0x7e },
  float8e5m2fnuz: { exponent: 5, mantissa: 2, bias: 16, largest: 0x7f, overflow: 0x80, nan: 0x80, unsignedZero: true },
  // These have no NaN: it becomes minus zero.
  float6e2m3: { exponent: 2, mantissa: 3, bias: 1, largest: 0x1f, overflow: 0x1f, nan: 0x20 },
  float6e3m2: { exponent: 3, mantissa: 2, bias: 3, largest: 0x1f, overflow: 0x1f, nan: 0x20 },
  float4e2m1: { exponent: 2, mantissa: 1, bias: 1, largest: 0x07, overflow: 0x07, nan: 0x08 },
} as const satisfies Partial<Record<DataType, SmallFloat>>;

function smallFloat(f: SmallFloat): Codec {
  const sign = 1 << (f.exponent + f.mantissa);
  const least = 1 - f.bias;
  const values = Float64Array.from({ length: 2 * sign }, (_, bits) => numberOf(f, sign, bits));
  return {
    decode: bits => values[bits]!,
    encode(value) {
      if (value !== value) return f.nan;
      const negative = value < 0 || Object.is(value, -0);
      const exponent = Math.max(exponentOf(value), least);
      // Steps of this size are the same below the least exponent, so that its numbers and the subnormal ones are one row of bits.
      const steps = roundToEven(Math.abs(value) * 2 ** (f.mantissa - exponent));
      const bits = (exponent - least) * 2 ** f.mantissa + steps;
      const magnitude = bits <= f.largest ? bits : f.overflow;
      return negative && !(f.unsignedZero && (magnitude === 0 || magnitude === sign)) ? magnitude | sign : magnitude;
    },
  };
}

function numberOf({ mantissa, bias, largest, overflow, unsignedZero }: SmallFloat, sign: number, bits: number): number {
  if (unsignedZero && bits === sign) return Number.NaN;
  const magnitude = bits & (sign - 1);
  const exponent = magnitude >> mantissa;
  const fraction = magnitude & (2 ** mantissa - 1);
  const isInfinite = magnitude === overflow && overflow === largest + 1 && fraction === 0;
  const number =
    magnitude <= largest
      ? (fraction + (exponent > 0 ? 2 ** mantissa : 0)) * 2 ** (Math.max(exponent, 1) - bias - mantissa)
      : isInfinite
        ? Number.POSITIVE_INFINITY
        : Number.NaN;
  return bits & sign ? -number : number;
}

/** A power of two; 255 is NaN, and there is no zero and no sign. Halves go up, and what lies below the least becomes it. */
const float8e8m0: Codec = {
  decode: bits => (bits === 255 ? Number.NaN : 2 ** (bits - 127)),
  encode(value) {
    if (!(value >= 0)) return 255;
    const exponent = exponentOf(value);
    const nearest = value >= 1.5 * 2 ** exponent ? exponent + 1 : exponent;
    return nearest > 127 ? 255 : Math.max(nearest, -127) + 127;
  },
};

const smallInteger = (bits: number, signed: boolean): Codec => ({
  decode: signed ? x => (x << (32 - bits)) >> (32 - bits) : x => x,
  encode: value => value & (2 ** bits - 1),
});

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** The exponent of the power of two at or below the number; -1023 for zero and what is subnormal in float64, 1024 beyond all. */
function exponentOf(value: number): number {
  double[0] = value;
  return ((words[1]! >>> 20) & 0x7ff) - 1023;
}

export function roundToEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

type SmallType = keyof typeof smallFloats | 'float8e8m0' | 'int4' | 'uint4' | 'int2' | 'uint2';

export const smallTypes: Readonly<Record<SmallType, Codec>> = {
  float8e4m3fn: smallFloat(smallFloats.float8e4m3fn),
  float8e4m3fnuz: smallFloat(smallFloats.float8e4m3fnuz),
  float8e5m2: smallFloat(smallFloats.float8e5m2),
  float8e5m2fnuz: smallFloat(smallFloats.float8e5m2fnuz),
  float6e2m3: smallFloat(smallFloats.float6e2m3),
  float6e3m2: smallFloat(smallFloats.float6e3m2),
  float4e2m1: smallFloat(smallFloats.float4e2m1),
  float8e8m0,
  int4: smallInteger(4, true),
  uint4: smallInteger(4, false),
  int2: smallInteger(2, true),
  uint2: smallInteger(2, false),
};

/** The numbers that a saturating conversion keeps within; undefined for types whose every conversion does. */
export function rangeOf(type: DataType): readonly [number, number] | undefined {
  if (type === 'float8e8m0') return [2 ** -127, 2 ** 127];
  if (!type.startsWith('float8')) return undefined;
  const largest = smallTypes[type as keyof typeof smallFloats].decode(smallFloats[type as keyof typeof smallFloats].largest);
  return [-largest, largest];
}
