// The numbers that a value takes, counted: memory does not grow with the data. And where to end their range for a given count of steps.
import type { Range } from '../edit/quantize/numbers.ts';

export const calibrationMethods = ['minmax', 'entropy', 'percentile'] as const;
export type CalibrationMethod = (typeof calibrationMethods)[number];

/** Bins on each side of zero. */
const half = 2048;

/** Counts over [-limit, limit] in bins of equal width. Where a number lies beyond, two bins each become one. */
export class Histogram {
  low = 0;
  high = 0;
  count = 0;
  #zeros = 0;
  #limit = 0;
  readonly #bins = new Float64Array(2 * half);

  /** Add elements; false where one is not finite. */
  add(data: ArrayLike<number>): boolean {
    let [low, high] = [this.low, this.high];
    for (let i = 0; i < data.length; i++) {
      const x = data[i]!;
      if (!Number.isFinite(x)) return false;
      if (x < low) low = x;
      else if (x > high) high = x;
      else if (x === 0) this.#zeros++;
    }
    [this.low, this.high] = [low, high];
    this.#cover(Math.max(-low, high));
    // Nothing but zeros has no width.
    const scale = this.#limit > 0 ? half / this.#limit : 0;
    for (let i = 0; i < data.length; i++) this.#bins[Math.min(2 * half - 1, Math.floor(data[i]! * scale) + half)]!++;
    this.count += data.length;
    return true;
  }

  #cover(largest: number): void {
    if (this.#limit === 0) {
      // What was counted so far was zero, which is the same bin at any width.
      this.#limit = largest;
      return;
    }
    while (this.#limit < largest) {
      const merged = new Float64Array(2 * half);
      for (let i = 0; i < 2 * half; i++) merged[half / 2 + (i >> 1)]! += this.#bins[i]!;
      this.#bins.set(merged);
      this.#limit *= 2;
    }
  }

  /** The range to quantise. */
  range(method: CalibrationMethod, { percentile = 99.99, steps = 256 }: RangeOptions = {}): Range {
    const { low, high } = this;
    if (method === 'minmax' || this.#limit === 0) return { low, high };
    if (method === 'percentile') return this.#percentile(percentile);
    // Zero is exact in any steps; with it, what is around it would decide alone.
    const others = this.#bins.with(half, this.#bins[half]! - this.#zeros);
    const end = (entropyBins(others, steps) / half) * this.#limit;
    return { low: Math.max(low, -end), high: Math.min(high, end) };
  }

  /** The range without the outermost part of the numbers, half of it on each side. */
  #percentile(percent: number): Range {
    const most = (this.count * (1 - percent / 100)) / 2;
    const width = this.#limit / half;
    let [first, last] = [0, 2 * half - 1];
    for (let left = this.#bins[first]!; left <= most && first < half; ) left += this.#bins[++first]!;
    for (let left = this.#bins[last]!; left <= most && last >= half; ) left += this.#bins[--last]!;
    return { low: Math.max(this.low, (first - half) * width), high: Math.min(this.high, (last + 1 - half) * width) };
  }
}

export interface RangeOptions {
  /** How many percent of the numbers lie in the range. */
  readonly percentile?: number | undefined;
  /** Into how many steps the range is divided. */
  readonly steps?: number;
}

/**
 * How many bins on each side of zero to keep, so that the numbers in steps differ least from the numbers: the smallest divergence of
 * Kullback and Leibler between both distributions, where what lies beyond is counted at the ends.
 */
function entropyBins(bins: Float64Array, steps: number): number {
  const first = steps / 2;
  let [best, least] = [half, Number.POSITIVE_INFINITY];
  const [below, above] = outside(bins);
  for (let kept = first; kept <= half; kept += half / 128) {
    const start = half - kept;
    const inner = bins.subarray(start, half + kept);
    const clipped = inner.slice();
    clipped[0]! += below[start]!;
    clipped[clipped.length - 1]! += above[start]!;
    const found = divergence(clipped, inner, steps);
    if (found < least) [best, least] = [kept, found];
  }
  return best;
}

/** How many numbers lie before and after the inner bins, for each count of bins that is left out on a side. */
function outside(bins: Float64Array): [Float64Array, Float64Array] {
  const [below, above] = [new Float64Array(half + 1), new Float64Array(half + 1)];
  for (let i = 0; i < half; i++) {
    below[i + 1] = below[i]! + bins[i]!;
    above[i + 1] = above[i]! + bins[2 * half - 1 - i]!;
  }
  return [below, above];
}

/** Of counts from the same counts in fewer, wider bins, each spread evenly over those of its bins that have any. */
function divergence(counts: Float64Array, inner: Float64Array, steps: number): number {
  const total = counts.reduce((n, c) => n + c, 0);
  const kept = inner.reduce((n, c) => n + c, 0);
  if (kept === 0) return Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let s = 0; s < steps; s++) {
    const from = Math.floor((s * counts.length) / steps);
    const to = Math.floor(((s + 1) * counts.length) / steps);
    let [inStep, filled] = [0, 0];
    for (let i = from; i < to; i++) {
      inStep += inner[i]!;
      if (counts[i]! > 0) filled++;
    }
    const spread = filled > 0 ? inStep / filled / kept : 0;
    for (let i = from; i < to; i++) {
      const p = counts[i]! / total;
      if (p > 0) sum += p * Math.log(p / Math.max(spread, smallest));
    }
  }
  return sum;
}

/** Stands for no probability, where its logarithm is needed. */
const smallest = 1e-12;
