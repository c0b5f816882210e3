// Random choices that are the same on every machine for one seed.
import { randomNumbers } from '../../src/validate/random.ts';

/** An integer from 0 to below `n`. */
export type Random = (n: number) => number;

export function randomFrom(seed: number): Random {
  const next = randomNumbers(seed);
  return n => Math.floor(next() * n);
}

/** One of the items; undefined of none. */
export const pick = <T>(random: Random, items: readonly T[]): T | undefined => items[random(items.length)];
