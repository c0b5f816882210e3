// How far results are from references, in the terms people set tolerances in.
import { fail } from '../errors.ts';
import type { Tensor } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import { elementsOf } from '../kernels/memory.ts';
import { computeType, decodeElement, isStoredAsComputed } from '../kernels/storage.ts';

export interface Tolerance {
  /** Relative to the reference element, as in NumPy's `allclose`: |got - want| <= atol + rtol * |want|. */
  readonly rtol: number;
  readonly atol: number;
}

/** The default: what converted float32 models keep, with room for another order of summation. */
export const defaultTolerance: Tolerance = { rtol: 1e-3, atol: 1e-5 };

/** The differences of one output from its reference. Statistics are over elements that are finite in both. */
export interface Comparison {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly ok: boolean;
  /** Why it fails where that is not the tolerance: type, shape, or places of NaN and infinities. */
  readonly reason?: string;
  readonly maxAbs: number;
  readonly maxRel: number;
  readonly meanAbs: number;
  /** Cosine of the angle between the two as vectors; 1 where both are zero. */
  readonly cosine: number;
  /** Largest difference over the largest magnitude of the reference. */
  readonly relativeToLargest: number;
  readonly worst?: { readonly index: readonly number[]; readonly got: number; readonly want: number };
  /** The smallest atol with the given rtol, and the smallest rtol with the given atol, that would pass. */
  readonly needs: { readonly atol: number; readonly rtol: number };
}

/** Compare two tensors element by element. Integers, booleans and strings must be equal. */
export function compareTensors(name: string, got: Tensor, want: Tensor, tolerance: Tolerance = defaultTolerance): Comparison {
  const facts = { name, type: got.type, dims: got.dims };
  const refuse = (reason: string): Comparison => mismatch(facts, reason);
  if (got.dims.length !== want.dims.length || got.dims.some((d, i) => d !== want.dims[i]))
    return refuse(`shape [${got.dims}], expected [${want.dims}]`);
  if (got.type !== want.type && !(isNumber(got.type) && isNumber(want.type))) return refuse(`type ${got.type}, expected ${want.type}`);
  if (got.type === 'string') return compareStrings(facts, got, want, refuse);
  return { ...facts, ...measure(numbersOf(got), numbersOf(want), got, tolerance) };
}

type Compared = Pick<Comparison, 'name' | 'type' | 'dims'>;

/** A comparison that fails for another reason than numbers. */
export const mismatch = (facts: Compared, reason: string): Comparison => ({
  ...facts,
  ok: false,
  reason,
  maxAbs: Number.NaN,
  maxRel: Number.NaN,
  meanAbs: Number.NaN,
  cosine: Number.NaN,
  relativeToLargest: Number.NaN,
  needs: { atol: Number.NaN, rtol: Number.NaN },
});

/** A comparison of what has no numbers and is the same. */
export const match = (facts: Compared): Comparison => ({
  ...facts,
  ok: true,
  maxAbs: 0,
  maxRel: 0,
  meanAbs: 0,
  cosine: 1,
  relativeToLargest: 0,
  needs: { atol: 0, rtol: 0 },
});

const isNumber = (type: DataType): boolean => ['float', 'int', 'uint'].includes(elementTypes[type].class);

function compareStrings(facts: Compared, got: Tensor, want: Tensor, refuse: (reason: string) => Comparison): Comparison {
  const [a, b] = [got.data as readonly string[], want.data as readonly string[]];
  const at = a.findIndex((s, i) => s !== b[i]);
  if (at >= 0) return refuse(`string at ${at} differs`);
  return match(facts);
}

/** Elements as numbers; 64-bit integers are compared as such before this rounds them. */
export function numbersOf(t: Tensor): ArrayLike<number | bigint> {
  if (computeType(t.type) === undefined || isStoredAsComputed(t.type)) return t.data as ArrayLike<number | bigint>;
  return Float64Array.from(elementsOf(t) as Uint8Array, bits => Number(decodeElement(t.type, bits)));
}

type Measures = Omit<Comparison, 'name' | 'type' | 'dims'>;

function measure(got: ArrayLike<number | bigint>, want: ArrayLike<number | bigint>, shape: Tensor, { rtol, atol }: Tolerance): Measures {
  const exact = elementTypes[shape.type].class !== 'float' && elementTypes[shape.type].class !== 'complex';
  let [maxAbs, maxRel, total, count, worst, odd] = [0, 0, 0, 0, -1, -1];
  let [dot, gotSquares, wantSquares, largest] = [0, 0, 0, 0];
  let [needAtol, needRtol] = [0, 0];
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [Number(got[i]), Number(want[i])];
    const difference =
      exact && typeof got[i] === typeof want[i] ? Math.abs(Number((got[i] as number) - (want[i] as number))) : Math.abs(a - b);
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      if (!Object.is(a, b)) odd = odd < 0 ? i : odd;
      continue;
    }
    if (difference > maxAbs || worst < 0) worst = i;
    maxAbs = Math.max(maxAbs, difference);
    if (difference > 0) maxRel = Math.max(maxRel, difference / Math.abs(b));
    needAtol = Math.max(needAtol, difference - rtol * Math.abs(b));
    if (difference > atol) needRtol = Math.max(needRtol, (difference - atol) / Math.abs(b));
    total += difference;
    count++;
    dot += a * b;
    gotSquares += a * a;
    wantSquares += b * b;
    largest = Math.max(largest, Math.abs(b));
  }
  const reason = odd >= 0 ? `NaN or infinity differs at [${indexOf(odd, shape.dims)}]: ${got[odd]} vs ${want[odd]}` : undefined;
  const norm = Math.sqrt(gotSquares) * Math.sqrt(wantSquares);
  return {
    ok: odd < 0 && (exact ? maxAbs === 0 : needAtol <= atol),
    ...(reason && { reason }),
    maxAbs,
    maxRel,
    meanAbs: count ? total / count : 0,
    cosine: norm > 0 ? Math.min(1, dot / norm) : gotSquares === wantSquares ? 1 : 0,
    relativeToLargest: largest > 0 ? maxAbs / largest : maxAbs,
    ...(worst >= 0 && { worst: { index: indexOf(worst, shape.dims), got: Number(got[worst]), want: Number(want[worst]) } }),
    needs: { atol: needAtol, rtol: needRtol },
  };
}

function indexOf(flat: number, dims: readonly number[]): number[] {
  const index: number[] = [];
  let rest = flat;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    index.unshift(rest % dims[axis]!);
    rest = Math.floor(rest / dims[axis]!);
  }
  return index;
}

/** Arrays paired with names: by name, or by order where no name fits and the counts agree. */
export interface Matched {
  readonly arrays: Readonly<Record<string, Tensor>>;
  /** Names were paired by their order. */
  readonly byOrder: boolean;
}

/**
 * Give arrays the names that are wanted.
 * @throws ModelError E3001 where neither names nor counts agree
 */
export function matchArrays(given: Readonly<Record<string, Tensor>>, wanted: readonly string[], what: string): Matched {
  const names = Object.keys(given);
  if (names.some(n => wanted.includes(n)) || names.length === 0) {
    const missing = wanted.filter(n => !names.includes(n));
    if (missing.length > 0) throw fail('E3001', `no array for ${what} ${missing.join(', ')}; the arrays are ${names.join(', ') || 'none'}`);
    return { arrays: given, byOrder: false };
  }
  if (names.length !== wanted.length)
    throw fail(
      'E3001',
      `${names.length} arrays (${names.join(', ')}) for ${wanted.length} ${what}s (${wanted.join(', ')}), and no name fits`,
    );
  return { arrays: Object.fromEntries(wanted.map((n, i) => [n, given[names[i]!]!])), byOrder: true };
}

/** Compare every reference with the result of its name, or of its place where no name fits. */
export function compareArrays(
  got: Readonly<Record<string, Tensor>>,
  want: Readonly<Record<string, Tensor>>,
  tolerance?: Tolerance,
): Comparison[] {
  const { arrays } = matchArrays(want, Object.keys(got), 'output');
  return Object.entries(got).flatMap(([name, tensor]) => (arrays[name] ? [compareTensors(name, tensor, arrays[name], tolerance)] : []));
}
