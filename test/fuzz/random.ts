// Random choices that are the same on every machine for one seed.

/** An integer from 0 to below `n`. */
export type Random = (n: number) => number;

/** Mulberry32, by Tommy Ettinger, in the public domain. */
export function randomFrom(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return n => Math.floor((next() / 2 ** 32) * n);
}

/** One of the items; undefined of none. */
export const pick = <T>(random: Random, items: readonly T[]): T | undefined => items[random(items.length)];
