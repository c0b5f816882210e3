// What the TypeScript templates call: the functions JavaScript's Math lacks or defines differently.
import { saturate } from './expr.ts';

/** The remainder with the sign of the divisor, as Python's `%` on floats. */
export function floatMod(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

/** IEEE 754 `pow`: 1 to any power and -1 to an infinite one are 1, where JavaScript gives NaN. */
export const floatPow = (a: number, b: number): number => (a === 1 || (a === -1 && (b === Infinity || b === -Infinity)) ? 1 : a ** b);

/** Integer power; a negative exponent gives the truncated quotient 1 / a^-b, and 0 for a = 0. */
export function intPow(a: bigint, b: bigint): bigint {
  if (b < 0n) return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
  let result = 1n;
  for (let base = a, n = b; n > 0n; n >>= 1n) {
    if (n & 1n) result = BigInt.asIntN(64, result * base);
    base = BigInt.asIntN(64, base * base);
  }
  return result;
}

/** Nearest integer, halves to the even one. */
export function roundEven(a: number): number {
  const r = Math.round(a);
  if (Math.abs(a % 1) !== 0.5) return Object.is(r, -0) || r !== 0 ? r : a < 0 ? -0 : r;
  return 2 * Math.round(a / 2);
}

/** The error function, by its series of positive terms below 3 and Lentz's continued fraction for the complement above. */
export function erf(a: number): number {
  const x = Math.abs(a);
  if (Number.isNaN(a)) return a;
  if (x > 6) return Math.sign(a);
  if (x < 3) {
    let term = x;
    let total = x;
    for (let n = 1; term > total * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      total += term;
    }
    return Math.sign(a) * total * Math.exp(-x * x) * (2 / Math.sqrt(Math.PI));
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (x + fraction);
  return Math.sign(a) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction));
}

/** A 64-bit integer rounded once to float32: bits that a double would drop stay as one odd bit, which no tie can hide. */
export function bigToFloat32(a: bigint): number {
  if (BigInt.asIntN(54, a) === a) return Number(a);
  return Number(((a >> 11n) | ((a & 0x7ffn) === 0n ? 0n : 1n)) << 11n);
}

export const toBigInt = saturate;

/** Float to an integer of up to 32 bits: towards zero, saturated, NaN to 0. */
export const toSmallInt = (a: number, low: number, high: number): number =>
  Number.isNaN(a) ? 0 : a <= low ? low : a >= high ? high : Math.trunc(a);
