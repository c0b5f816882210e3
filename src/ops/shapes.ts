// Shape arithmetic that rows share: axes, broadcasting, known contents.
import { fail } from '../errors.ts';
import { type Dim, formatDim, maxDims, productOf, sameDim, unknownDim } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { numbersOf, Tensor } from '../ir/tensor.ts';
import { type DataType, formatShape, isInteger, type Shape, type TensorType, tensorType, type ValueType } from '../ir/types.ts';

/** Most elements of an integer tensor whose content is followed before execution. */
export const maxContents = 1024;

/** The elements of an integer or boolean tensor as far as they are known before execution. */
export function contentsOf(v: Value): readonly Dim[] | undefined {
  if (v.contents) return v.contents;
  const { tensor } = v;
  if (!tensor?.isResident || tensor.size > maxContents || !(isInteger(tensor.type) || tensor.type === 'bool')) return undefined;
  if (tensor.type === 'int4' || tensor.type === 'uint4' || tensor.type === 'int2' || tensor.type === 'uint2') return undefined;
  const isSafe = (x: number | bigint | string): boolean => typeof x !== 'bigint' || Number.isSafeInteger(Number(x));
  if (Array.from(tensor.data as ArrayLike<number | bigint>).every(isSafe)) v.contents = numbersOf(tensor);
  return v.contents;
}

/** Contents where any number beyond every size means the end, as in Slice: those beyond 2^53 are the nearest safe integer. */
export function boundsOf(v: Value): readonly Dim[] | undefined {
  const tensor = v.tensor ?? literalOf(v);
  const contents = contentsOf(v);
  if (contents || !tensor?.isResident || tensor.type !== 'int64' || tensor.size > maxContents) return contents;
  const nearest = (x: bigint): number => Math.max(Math.min(Number(x), Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER);
  return Array.from(tensor.data as BigInt64Array, nearest);
}
/** The same where they must be known. */
export const knownBounds = (v: Value): readonly Dim[] => boundsOf(v) ?? known(v)!;

/** The tensor of a node that is a constant. */
function literalOf({ producer }: Value): Tensor | undefined {
  const value = producer?.op === 'Constant' && producer.domain === '' ? producer.attributes.get('value') : undefined;
  return value?.kind === 'tensor' && value.value instanceof Tensor ? value.value : undefined;
}

/** Contents of an input that must be known; undefined where the input is absent. */
export function known(v: Value | undefined): readonly Dim[] | undefined {
  if (!v) return undefined;
  const contents = contentsOf(v);
  if (!contents) throw fail('E3009', `the content of ${v.name} must be known before execution`);
  return contents;
}

/** The same where only numbers will do: axes, steps, counts. */
export function knownNumbers(v: Value | undefined): readonly number[] | undefined {
  const contents = known(v);
  if (contents?.some(d => typeof d !== 'number'))
    throw fail('E3009', `the content [${contents.map(formatDim)}] of ${v?.name} must be numbers`);
  return contents as readonly number[] | undefined;
}

/**
 * The sizes that a vector holds, for types only: unknown ones where its length is all that is known.
 * @throws ModelError E1009 for a number beyond 2^53
 */
export function sizesIn(v: Value): Shape {
  const contents = contentsOf(v);
  if (contents) return contents;
  // Of a constant only a number that no size can be is not known, and this names it.
  if (v.tensor?.isResident && v.tensor.size <= maxContents && isInteger(v.tensor.type)) return numbersOf(v.tensor);
  const shape = shapeOf(v);
  if (shape.length !== 1) throw fail('E1305', `${v.name || 'a value'} ${formatShape(shape)} must be a vector`);
  const [count] = shape;
  return typeof count === 'number' && count <= maxContents ? Array.from({ length: count }, unknownDim) : known(v)!;
}

/** That a vector has so many elements, as far as its length is known. @throws ModelError E1305 */
export function requireLength(what: string, v: Value, count: number): void {
  const { shape } = typeOf(v);
  const found = shape && productOf(shape);
  if (typeof found === 'number' && found !== count) throw fail('E1305', `${what} has ${found} elements, expected ${count}`);
}

/** The numbers that an input holds, for types only: undefined where they are not known. */
export const numbersIn = (v: Value): readonly number[] | undefined => {
  const contents = contentsOf(v);
  return contents?.every(d => typeof d === 'number') ? (contents as readonly number[]) : undefined;
};

/** The tensor type of a value; an error where it has none. */
export function typeOf(v: Value): TensorType {
  if (v.type?.kind === 'tensor') return v.type;
  throw fail('E3009', `the type of ${v.name || 'a value'} is not known`);
}
export const elementOf = (v: Value): DataType => typeOf(v).element;
/** The shape of a value; an error where its rank is not known. */
export function shapeOf(v: Value): Shape {
  const { shape } = typeOf(v);
  if (shape) return shape;
  throw fail('E3009', `the rank of ${v.name || 'a value'} is not known`);
}
export const rankOf = (v: Value): number => shapeOf(v).length;

/** An axis counted from the front; `argument` is what the node says it with. */
export function axisOf(axis: number, rank: number, what = 'axis', argument = what): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw fail('E1305', `${what} ${axis} out of range for rank ${rank}`, { argument });
  return axis < 0 ? axis + rank : axis;
}
export const axesOf = (axes: readonly number[], rank: number): number[] => axes.map(a => axisOf(a, rank, 'axis', 'axes'));

/** The type of what has the shape of `x`, computed along an axis of it. */
export function likeAlong(x: Value, axis: number): ValueType | undefined {
  const shape = x.type?.kind === 'tensor' ? x.type.shape : undefined;
  if (shape) axisOf(axis, shape.length);
  return x.type;
}

/**
 * That places along an axis which are known before execution lie on it, counted from either end.
 * @throws ModelError E3006
 */
export function requireOnAxis(op: string, indices: Value, size: Dim, argument = 'indices'): void {
  if (typeof size !== 'number') return;
  const beyond = contentsOf(indices)?.find(i => typeof i === 'number' && (i < -size || i >= size));
  if (beyond !== undefined) throw fail('E3006', `${op}: index ${formatDim(beyond)} out of range for an axis of ${size}`, { argument });
}

/** The shape that broadcasting gives, by the rules of the standard (NumPy's). */
export function broadcastShapes(shapes: readonly Shape[]): Dim[] {
  // Not by spreading: a node may have a million inputs.
  const rank = shapes.reduce((most, s) => Math.max(most, s.length), 0);
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map(s => s[s.length - rank + i] ?? 1);
    return sizes.reduce((a, b) => broadcastDim(a, b, shapes));
  });
}

function broadcastDim(a: Dim, b: Dim, shapes: readonly Shape[]): Dim {
  if (sameDim(a, b) || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number' && typeof b === 'number')
    throw fail(
      'E1305',
      `${shapes.slice(0, 8).map(formatShape).join(' and ')}${shapes.length > 8 ? ' and more' : ''} cannot be broadcast together`,
    );
  return typeof a === 'number' ? a : typeof b === 'number' ? b : maxDims(a, b);
}

/** The type with the shape where every rank is known, else without a shape. */
export const broadcastType = (element: DataType, values: readonly Value[]): TensorType => {
  const shapes = values.map(v => typeOf(v).shape);
  return shapes.every(s => s !== undefined) ? tensorType(element, broadcastShapes(shapes)) : tensorType(element);
};

/** More parts or places than any model lists one by one. */
const longestRange = 2 ** 22;

/** `from`, `from + 1`, …, `n` of them. @throws ModelError E1009 for more than a model can list */
export function range(n: number, from = 0): number[] {
  if (n > longestRange) throw fail('E1009', `a list of ${n} parts`, { limit: { name: 'model.parts', value: longestRange } });
  return Array.from({ length: n }, (_, i) => from + i);
}
