// Linear algebra beyond products.
import { fail } from '../errors.ts';
import { tensorOf } from '../ir/datum.ts';
import { formatShape } from '../ir/types.ts';
import { floatsOf, floatTensor } from './floats.ts';
import { gapTypes } from './gap-types.ts';
import type { Family } from './row.ts';

export const linear = {
  Det: {
    infer: gapTypes.Det,
    host({ X }, _at, context) {
      const x = tensorOf(X);
      const size = x.dims.at(-1)!;
      if (x.dims.at(-2) !== size) throw fail('E1305', `Det: the matrices of ${formatShape(x.dims)} are not square`);
      const dims = x.dims.slice(0, -2);
      context.reserve(x.size * 8);
      const elements = floatsOf(x);
      const determinants = new Float64Array(dims.reduce((n, d) => n * d, 1));
      for (let i = 0; i < determinants.length; i++) {
        context.proceed();
        determinants[i] = determinant(elements.subarray(i * size * size, (i + 1) * size * size), size);
      }
      return [floatTensor(x.type, determinants, dims)];
    },
  },
} satisfies Family;

/** The product of the pivots of an elimination that takes the largest of each column; overwrites the matrix. */
function determinant(a: Float64Array, size: number): number {
  let product = 1;
  for (let k = 0; k < size; k++) {
    let pivot = k;
    for (let row = k + 1; row < size; row++) if (Math.abs(a[row * size + k]!) > Math.abs(a[pivot * size + k]!)) pivot = row;
    const largest = a[pivot * size + k]!;
    if (largest === 0) return 0;
    product *= pivot === k ? largest : -largest;
    for (let column = k; column < size; column++) {
      const moved = a[pivot * size + column]!;
      a[pivot * size + column] = a[k * size + column]!;
      a[k * size + column] = moved;
    }
    for (let row = k + 1; row < size; row++) {
      const factor = a[row * size + k]! / largest;
      if (factor !== 0)
        for (let column = k + 1; column < size; column++) a[row * size + column] = a[row * size + column]! - factor * a[k * size + column]!;
    }
  }
  return product;
}
