// The distinct slices of a tensor along an axis: what Unique gives.
import type { Tensor } from '../ir/tensor.ts';
import { elementsForComparing } from './tensors.ts';

export interface Distinct {
  /** Where along the axis each distinct slice is first found. */
  readonly first: readonly number[];
  /** Which distinct slice each slice is. */
  readonly inverse: readonly number[];
  readonly counts: readonly number[];
}

/** In ascending order, or in that in which they are found. NaN is the largest and equals itself; text is ordered by code point. */
export function uniqueAlong(x: Tensor, axis: number, isSorted: boolean): Distinct {
  const size = x.dims[axis]!;
  const compare = comparison(x, axis);
  const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => compare(a, b) || a - b);
  const groups: number[][] = [];
  for (const [k, i] of order.entries()) {
    if (k > 0 && compare(order[k - 1]!, i) === 0) groups.at(-1)!.push(i);
    else groups.push([i]);
  }
  if (!isSorted) groups.sort((a, b) => a[0]! - b[0]!);
  const inverse = new Array<number>(size).fill(0);
  for (const [k, group] of groups.entries()) for (const i of group) inverse[i] = k;
  return { inverse, first: groups.map(group => group[0]!), counts: groups.map(group => group.length) };
}

/** The order of two slices: that of their first elements that differ. */
function comparison(x: Tensor, axis: number): (a: number, b: number) => number {
  const size = x.dims[axis]!;
  const inner = x.dims.slice(axis + 1).reduce((n, d) => n * d, 1);
  const outer = x.dims.slice(0, axis).reduce((n, d) => n * d, 1);
  const elements = elementsForComparing(x);
  const order = x.type === 'string' ? orderOfText : orderOfNumbers;
  return (a, b) => {
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < inner; j++) {
        // The cast: text is compared with text, numbers with numbers.
        const result = order(elements[(o * size + a) * inner + j] as never, elements[(o * size + b) * inner + j] as never);
        if (result !== 0) return result;
      }
    return 0;
  };
}

const orderOfNumbers = (a: number | bigint, b: number | bigint): number =>
  a < b ? -1 : a > b ? 1 : a === b ? 0 : Number(a !== a) - Number(b !== b);

function orderOfText(a: string, b: string): number {
  if (a === b) return 0;
  for (let i = 0; ; i++) {
    const [p, q] = [a.codePointAt(i), b.codePointAt(i)];
    if (p !== q) return (p ?? -1) - (q ?? -1);
  }
}
