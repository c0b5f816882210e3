// Moving parts of tensors, for operators that are evaluated on the host. Works for every element type, strings too.
import { fail } from '../errors.ts';
import { type Datum, tensorOf } from '../ir/datum.ts';
import { arrayFor, type Tensor, type TypedArray } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';
import { type Operand, wholeOperand } from '../kernels/kernel.ts';
import { elementsOf, emptyArray, fromElements, type Memory } from '../kernels/memory.ts';
import { copy } from '../kernels/move.ts';
import { computeType, load } from '../kernels/storage.ts';
import { forEachRow, spread } from '../kernels/walk.ts';
import { axisOf, broadcastShapes } from './shapes.ts';

/** An operand over all elements of a tensor; sub-byte types one element a byte. */
export const operandOf = (t: Tensor): Operand => wholeOperand(t.type, elementsOf(t) as Operand['data'], t.dims);

/** A tensor of the elements that an operand shows. */
export function tensorFrom(x: Operand): Tensor {
  const data = emptyArray(
    x.type,
    x.shape.reduce((n, d) => n * d, 1),
  );
  copy(x, wholeOperand(x.type, data as Operand['data'], x.shape));
  return fromElements(x.type, data, x.shape);
}

/** The slice at a place of an axis, without that axis. */
export function sliceOf(t: Tensor, axis: number, at: number): Tensor {
  const x = operandOf(t);
  return tensorFrom({
    ...x,
    offset: x.offset + at * x.strides[axis]!,
    shape: x.shape.toSpliced(axis, 1),
    strides: x.strides.toSpliced(axis, 1),
  });
}

/** `count` elements of an axis from `start`. */
export function partOf(t: Tensor, axis: number, start: number, count: number): Tensor {
  const x = operandOf(t);
  return tensorFrom({ ...x, offset: x.offset + start * x.strides[axis]!, shape: x.shape.with(axis, count) });
}

/** Tensors of one type along an axis that they have. @throws ModelError E3005 where their other sizes differ */
export function concatenate(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts;
  if (!first) throw fail('E3005', 'nothing to concatenate');
  const on = axisOf(axis, first.dims.length);
  for (const t of parts)
    if (t.type !== first.type || t.dims.length !== first.dims.length || t.dims.some((d, i) => i !== on && d !== first.dims[i]))
      throw fail('E3005', `${t.type}[${t.dims}] and ${first.type}[${first.dims}] cannot be joined along axis ${on}`);
  const shape = first.dims.with(
    on,
    parts.reduce((n, t) => n + t.dims[on]!, 0),
  );
  const data: Memory = emptyArray(
    first.type,
    shape.reduce((n, d) => n * d, 1),
  );
  const whole = wholeOperand(first.type, data as Operand['data'], shape);
  let at = 0;
  for (const t of parts) {
    copy(operandOf(t), { ...whole, offset: at * whole.strides[on]!, shape: t.dims });
    at += t.dims[on]!;
  }
  return fromElements(first.type, data, shape);
}

/** Tensors of one shape along a new axis; without any, no elements of `shape`. */
export function stack(parts: readonly Tensor[], axis: number, type: DataType, shape: readonly number[]): Tensor {
  const dims = parts[0]?.dims ?? shape;
  const on = axisOf(axis, dims.length + 1);
  if (parts.length === 0) return fromElements(type, emptyArray(type, 0), dims.toSpliced(on, 0, 0));
  return concatenate(
    parts.map(t => t.reshape(t.dims.toSpliced(on, 0, 1))),
    on,
  );
}

/** An element as host memory has it. */
export type Element = Memory[number];

/** A function of one element of each tensor, broadcast together. */
export function mapElements(parts: readonly Datum[], type: DataType, value: (...x: Element[]) => Element): Tensor {
  const operands = parts.map(datum => operandOf(tensorOf(datum)));
  // The cast: sizes of tensors are numbers, and so are the sizes that broadcasting makes of them.
  const shape = broadcastShapes(operands.map(x => x.shape)) as number[];
  // The cast: an array of any kind takes elements by position.
  const data = emptyArray(
    type,
    shape.reduce((n, d) => n * d, 1),
  ) as Element[];
  let next = 0;
  const views = operands.map(x => spread(x, shape));
  forEachRow(shape, views, (at, n, steps) => {
    for (let i = 0; i < n; i++) data[next++] = value(...operands.map((x, k) => x.data[at[k]! + i * steps[k]!]!));
  });
  return fromElements(type, data as Memory, shape);
}

/** Elements that numbers and operators compare: half types as the numbers that they are. */
export function elementsForComparing(t: Tensor): Memory {
  const elements = elementsOf(t);
  const scalar = computeType(t.type);
  if (!scalar || scalar === t.type) return elements;
  const numbers = new (arrayFor(scalar))(t.size);
  // The cast: what has a type to be computed in is held by a typed array.
  load(numbers, 0, elements as TypedArray, t.type, 0, 1, t.size);
  return numbers;
}

/** The slices at `places` of an axis, in that order. */
export function takeAlong(t: Tensor, axis: number, places: readonly number[]): Tensor {
  const size = t.dims[axis]!;
  const inner = t.dims.slice(axis + 1).reduce((n, d) => n * d, 1);
  const outer = t.dims.slice(0, axis).reduce((n, d) => n * d, 1);
  const from = elementsOf(t) as Element[];
  // The cast: an array of any kind takes elements by position.
  const data = emptyArray(t.type, outer * places.length * inner) as Element[];
  let next = 0;
  for (let o = 0; o < outer; o++)
    for (const place of places) for (let j = 0; j < inner; j++) data[next++] = from[(o * size + place) * inner + j]!;
  return fromElements(t.type, data as Memory, t.dims.with(axis, places.length));
}
