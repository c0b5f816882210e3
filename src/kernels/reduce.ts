// reduce and argreduce. Floats are summed in double precision, integers wrap.
import { arrayFor, type TypedArray } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import type { Operand, ReduceBy } from './kernel.ts';
import { contiguousStrides } from './kernel.ts';
import { countOf, forEachRow, spread } from './walk.ts';

/** What an empty reduction gives. */
export function identityOf(by: ReduceBy, type: DataType): number | bigint {
  const { bits, class: kind } = elementTypes[type];
  const number = (n: number): number | bigint => (bits === 64 && kind !== 'float' ? BigInt(n) : n);
  if (by === 'sum') return number(0);
  if (by === 'prod') return number(1);
  if (kind === 'float') return by === 'max' ? -Infinity : Infinity;
  if (kind === 'bool') return by === 'max' ? 0 : 1;
  const low = kind === 'int' ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = kind === 'int' ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  const end = by === 'max' ? low : high;
  return bits === 64 ? end : Number(end);
}

type Combine = (a: never, b: never) => number | bigint;
const combine: Record<ReduceBy, (bits: number) => Combine> = {
  sum: () => ((a: number, b: number) => a + b) as Combine,
  prod: bits => (bits === 32 ? (a: number, b: number) => Math.imul(a, b) : (a: number, b: number) => a * b) as Combine,
  max: () => ((a: number, b: number) => (a > b || a !== a ? a : b)) as Combine,
  min: () => ((a: number, b: number) => (a < b || a !== a ? a : b)) as Combine,
};

export function reduce(by: ReduceBy, x: Operand, y: Operand): void {
  const isFloat = elementTypes[x.type].class === 'float';
  const count = countOf(y.shape);
  const total: TypedArray = isFloat ? new Float64Array(count) : new (arrayFor(x.type))(count);
  total.fill(identityOf(by, x.type) as never);
  const into: Operand = { ...y, data: total, offset: 0, strides: contiguousStrides(y.shape, (a, b) => a * b, 1) };
  const step = combine[by](isFloat ? 64 : elementTypes[x.type].bits) as (a: unknown, b: unknown) => number | bigint;
  forEachRow(x.shape, [x, spread(into, x.shape)], ([from, to], n, [dx, dy]) => {
    for (let i = 0; i < n; i++) total[to! + i * dy!] = step(total[to! + i * dy!], x.data[from! + i * dx!]) as never;
  });
  forEachRow(y.shape, [into, y], ([from, to], n, [dx, dy]) => {
    for (let i = 0; i < n; i++) y.data[to! + i * dy!] = total[from! + i * dx!] as never;
  });
}

export function argreduce(by: 'max' | 'min', axis: number, last: boolean, x: Operand, y: Operand): void {
  const length = x.shape[axis]!;
  const stride = x.strides[axis]!;
  const indexes = y.data as BigInt64Array;
  forEachRow(y.shape, [{ offset: x.offset, strides: x.strides }, y], ([from, to], n, [dx, dy]) => {
    for (let i = 0; i < n; i++) {
      let best = 0;
      for (let k = 1; k < length; k++) {
        const a = x.data[from! + i * dx! + k * stride]!;
        const b = x.data[from! + i * dx! + best * stride]!;
        if (beats(a, b, by) || (last && a === b)) best = k;
      }
      indexes[to! + i * dy!] = BigInt(best);
    }
  });
}

/** NaN beats every number, as in NumPy. */
const beats = (a: number | bigint, b: number | bigint, by: 'max' | 'min'): boolean =>
  b !== b ? false : a !== a || (by === 'max' ? a > b : a < b);
