import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDims,
  ceilDivDims,
  type Dim,
  divideExactly,
  floorDivDims,
  formatDim,
  isUnknownDim,
  maxDims,
  minDims,
  modDims,
  mulDims,
  sameDim,
  subDims,
  substitute,
  symbol,
  symbolsOf,
  unknownDim,
} from '../../src/ir/dims.ts';

const n = symbol('n');
const m = symbol('m');

describe('normal form', () => {
  test.each<[Dim, string]>([
    [addDims(n, n), '2*n'],
    [addDims(mulDims(n, 2), 1), '2*n+1'],
    [subDims(n, n), '0'],
    [mulDims(addDims(n, 1), subDims(n, 1)), 'n*n-1'],
    [mulDims(m, n), 'm*n'],
    [floorDivDims(mulDims(n, 6), 3), '2*n'],
    [floorDivDims(mulDims(n, m), n), 'm'],
    [floorDivDims(n, 2), 'floordiv(n,2)'],
    [modDims(mulDims(n, 4), 2), '0'],
    [maxDims(addDims(n, 3), n), 'n+3'],
    [minDims(n, addDims(n, -2)), 'n-2'],
    [ceilDivDims(7, 2), '4'],
  ])('%s', (dim, text) => expect(formatDim(dim)).toBe(text));

  test('names are opaque', () => {
    const odd = symbol('+1)*(');
    expect([...symbolsOf(addDims(odd, n))].sort()).toEqual(['+1)*(', 'n']);
    expect(substitute(odd, new Map([['+1)*(', 5]]))).toBe(5);
  });
  test('unknown sizes are equal only to themselves', () => {
    const a = unknownDim();
    expect(sameDim(a, a)).toBe(true);
    expect(sameDim(a, unknownDim())).toBe(false);
    expect(isUnknownDim(a)).toBe(true);
    expect(isUnknownDim(addDims(a, 1))).toBe(false);
  });
  test('expressions that grow too long are sizes of their own', () => {
    let d: Dim = n;
    for (let i = 0; i < 40; i++) d = floorDivDims(mulDims(addDims(d, 1), addDims(d, m)), 3);
    expect(formatDim(d).length).toBeLessThan(10_000);
  });
  test('an exact division is refused where a remainder is possible', () => {
    expect(divideExactly(addDims(mulDims(n, 2), 1), 2)).toBeUndefined();
    expect(divideExactly(6, 4)).toBeUndefined();
  });
});

test('maxima and minima hold what no other argument outdoes, in one order', () => {
  const p = symbol('p');
  expect(formatDim(maxDims(n, maxDims(m, n)))).toBe('max(m,n)');
  expect(formatDim(maxDims(maxDims(p, m), maxDims(n, m)))).toBe('max(m,max(n,p))');
  expect(maxDims(n, 0)).toBe(n);
  expect(maxDims(maxDims(minDims(n, 512), 0), n)).toBe(n);
  expect(minDims(n, maxDims(m, n))).toBe(n);
  expect(formatDim(maxDims(n, addDims(n, m)))).toBe('m+n');
  expect(formatDim(maxDims(n, subDims(n, m)))).toBe('n');
  expect(formatDim(minDims(subDims(n, 3), 0))).toBe('min(n-3,0)');
});

test('expressions evaluate as integers do', () => {
  type Pair = { dim: Dim; of: (n: number, m: number) => number };
  const leaf = fc.constantFrom<Pair>(
    { dim: n, of: a => a },
    { dim: m, of: (_, b) => b },
    ...[0, 1, 2, 3, 7].map(k => ({ dim: k, of: () => k })),
  );
  const both =
    (f: (a: Dim, b: Dim) => Dim, g: (a: number, b: number) => number) =>
    (a: Pair, b: Pair): Pair => ({ dim: f(a.dim, b.dim), of: (x, y) => g(a.of(x, y), b.of(x, y)) });
  const operations = [
    both(addDims, (a, b) => a + b),
    both(subDims, (a, b) => a - b),
    both(mulDims, (a, b) => a * b),
    both(maxDims, Math.max),
    both(minDims, Math.min),
  ];
  const expression = fc.letrec<{ e: Pair }>(tie => ({
    e: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.tuple(fc.nat(operations.length - 1), tie('e'), tie('e')).map(([o, a, b]) => operations[o]!(a, b)),
    ),
  })).e;
  fc.assert(
    fc.property(
      expression,
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 5 }),
      ({ dim, of }, a, b, k) => {
        const at = new Map([
          ['n', a],
          ['m', b],
        ]);
        expect(substitute(dim, at)).toBe(of(a, b) + 0);
        expect(substitute(floorDivDims(dim, k), at)).toBe(Math.floor(of(a, b) / k) + 0);
        expect(substitute(modDims(dim, k), at)).toBe(of(a, b) - k * Math.floor(of(a, b) / k) + 0);
      },
    ),
  );
});
