// What classical models share: tables of numbers, labels, checks of attributes.
import { fail } from '../../errors.ts';
import { type Datum, tensorOf } from '../../ir/datum.ts';
import type { Dim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import { Tensor, type TypedArray } from '../../ir/tensor.ts';
import { isFloat, type TensorType, tensorType } from '../../ir/types.ts';
import { elementsOf } from '../../kernels/memory.ts';
import { computeType, load } from '../../kernels/storage.ts';
import type { HostContext } from '../row.ts';
import { shapeOf } from '../shapes.ts';

/** The one input of most operators. */
export interface X {
  readonly X: Value;
}

/** Integers of an attribute as the file has them: labels may be any int64. */
export type Ints = readonly (number | bigint)[];
export type Label = string | bigint;

/** A table: a row for each example, a column for each feature. */
export interface Table {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
}

/**
 * A matrix, or a vector as one row. float64 is kept where `wide`, all else is rounded to float32.
 * @throws ModelError E3005 for other ranks
 */
export function tableOf(datum: Datum, { wide = false }: { readonly wide?: boolean } = {}): Table {
  const t = tensorOf(datum);
  const [rows, columns] = t.dims.length === 1 ? [1, t.dims[0]!] : t.dims;
  if (t.dims.length > 2 || rows === undefined || columns === undefined) throw fail('E3005', `[${t.dims}] must have 1 or 2 axes`);
  const data = floatsOf(t);
  return { rows, columns, data: data instanceof Float64Array && !wide ? Float32Array.from(data) : data };
}

/** Elements as floats: float64 stays, integers and narrower floats become float32. */
export function floatsOf(t: Tensor): Float32Array | Float64Array {
  if (t.data instanceof Float32Array || t.data instanceof Float64Array) return t.data;
  if (isFloat(t.type) && computeType(t.type)) {
    const wide = new Float32Array(t.size);
    load(wide, 0, elementsOf(t) as TypedArray, t.type, 0, 1, t.size);
    return wide;
  }
  if (t.type === 'string') throw fail('E1304', 'expected numbers, found strings');
  return Float32Array.from(t.data as ArrayLike<number>, Number);
}

/** The count of examples in a table, as far as it is known. */
export function rowsIn(x: Value): Dim {
  const shape = shapeOf(x);
  if (shape.length === 1) return 1;
  if (shape.length === 2) return shape[0]!;
  throw fail('E1305', `a table must have 1 or 2 axes, not ${shape.length}`);
}

/** An int64 or string vector of labels and a float32 matrix of scores. */
export const classifierTypes = (x: Value, strings: readonly string[] | undefined, scores: Dim): TensorType[] => [
  tensorType(strings?.length ? 'string' : 'int64', [rowsIn(x)]),
  tensorType('float32', [rowsIn(x), scores]),
];

/** What a classifier calls its classes. */
export interface Classes {
  readonly classlabels_ints?: Ints;
  readonly classlabels_strings?: readonly string[];
}

export const classCount = ({ classlabels_strings, classlabels_ints }: Classes): number =>
  classlabels_strings?.length || classlabels_ints?.length || 0;

/** What a classifier gives: a label each row, and the row's scores. */
export const classified = (found: readonly Label[], labels: readonly Label[], scores: Float32Array, width: number): Tensor[] => [
  labelTensor(found, typeof labels[0] === 'string'),
  new Tensor('float32', scores, [found.length, width]),
];

/**
 * The labels that exactly one of two attributes gives.
 * @throws ModelError E1303
 */
export function labelsOf(ints: Ints | undefined, strings: readonly string[] | undefined): readonly Label[] {
  if (ints?.length && strings?.length) throw fail('E1303', 'labels are given both as integers and as strings');
  if (strings?.length) return strings;
  if (ints?.length) return ints.map(BigInt);
  throw fail('E1303', 'no labels are given');
}

/** A vector of labels. */
function labelTensor(values: readonly Label[], isString: boolean): Tensor {
  return isString
    ? new Tensor('string', values as readonly string[])
    : new Tensor('int64', BigInt64Array.from(values as readonly bigint[]));
}

/** @throws ModelError E1303 where attributes that belong together differ in length; absent ones are passed over */
export function requireSameLength(lists: Readonly<Record<string, { readonly length: number } | undefined>>): void {
  const given = Object.entries(lists).filter(([, list]) => list !== undefined);
  const [first] = given;
  for (const [name, list] of given)
    if (list!.length !== first![1]!.length)
      throw fail('E1303', `${name} has ${list!.length} elements, ${first![0]} has ${first![1]!.length}`);
}

/** An integer of an attribute that counts or names something. @throws ModelError E1303 outside 0 to `limit` - 1 */
export function indexIn(value: number | bigint, limit: number, what: string): number {
  const n = Number(value);
  if (n >= 0 && n < limit) return n;
  throw fail('E1303', `${what} is ${value}, expected 0 to ${limit - 1}`);
}

/** Zeros. @throws ModelError E3007 where there is no room for them */
export function zeros(count: number, context: Pick<HostContext, 'reserve'>): Float32Array<ArrayBuffer> {
  context.reserve(4 * count);
  try {
    return new Float32Array(count);
  } catch {
    throw fail('E3007', `there is no memory for ${count} elements`);
  }
}

/** The place of the greatest of `count` elements from `from`; the first of equal ones. */
export function greatest(values: ArrayLike<number>, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[from + i]! > values[from + best]!) best = i;
  return best;
}
