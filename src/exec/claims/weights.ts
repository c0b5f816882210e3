// Weights that a plan dequantises: whole numbers times scales, one for each column of a block of the depth. They are found by what they come
// to, in whatever way a graph computes them.

import { Tensor } from '../../ir/tensor.ts';
import type { View } from '../../kernels/kernel.ts';
import type { Memory } from '../../kernels/memory.ts';
import type { Draft, Operation } from './draft.ts';

/** The right side of a product in memory; depth and columns may also be all axes but the first and the first of a filter. */
export interface Matrix {
  readonly view: View;
  readonly depth: number;
  readonly columns: number;
  readonly offset: number;
  readonly down: number;
  readonly across: number;
}

/** Of the last two axes, where all of a batch read the same; a reason otherwise. */
export function matrixOf(view: View): Matrix | string {
  const leading = view.shape.slice(0, -2);
  const [depth, columns] = view.shape.slice(-2);
  const [down, across] = view.strides.slice(-2);
  if (!leading.every((d, axis) => d === 1 || view.strides[axis] === 0)) return 'each product of the batch has weights of its own';
  return matrix(view, depth, columns, down, across);
}

/** Of a filter, row-major. */
export function filterMatrixOf(view: View, depth: number): Matrix | string {
  return matrix(view, depth, view.shape[0], 1, depth);
}

function matrix(view: View, depth: unknown, columns: unknown, down: unknown, across: unknown): Matrix | string {
  const numbers = [depth, columns, view.offset, down, across];
  if (!numbers.every(n => typeof n === 'number' && n >= 0)) return 'the weights have no fixed sizes, or run backwards';
  const [k, n, offset, d, a] = numbers as [number, number, number, number, number];
  if (k === 0 || n === 0) return 'the weights are empty';
  return { view, depth: k, columns: n, offset, down: d, across: a };
}

export interface Scaled {
  /** int8, in the places of the product's own side. */
  readonly codes: View;
  /** Steps of the depth that share a scale. */
  readonly block: number;
  /** [blocks, columns]. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Whole numbers and scales, or why the weights are no such. */
export async function scaledWeights(m: Matrix, draft: Draft): Promise<Scaled | string> {
  const product = draft.operationOf(m.view);
  if (product?.op !== 'mul' || product.type !== 'float32' || product.inputs.length !== 2)
    return 'the weights are no product of numbers and scales';
  const [x, y] = product.inputs as [View, View];
  let reason = '';
  for (const [numbers, scales] of [
    [x, y],
    [y, x],
  ] as const) {
    const found = placesOf(m, product, scales);
    const codes = await wholeNumbers(numbers, draft);
    if (typeof codes === 'string' || typeof found === 'string') {
      reason ||= typeof codes === 'string' ? codes : (found as string);
      continue;
    }
    const placed = { ...m.view, buffer: codes.buffer, type: codes.type };
    const blocks = blocksOf(m, found, (await draft.contentOf(scales.buffer)) as Float32Array);
    return typeof blocks === 'string' ? blocks : { codes: placed, ...blocks };
  }
  return reason;
}

/** A buffer as int8, where all of it are such numbers. */
export async function wholeNumbers(v: View, draft: Draft): Promise<View | string> {
  if (v.offset !== 0) return 'the weights are a part of others';
  const numbers = wholeOf(await draft.contentOf(v.buffer));
  return numbers ? draft.constant(new Tensor('int8', numbers)) : 'the weights are no whole numbers of 8 bits with a sign';
}

function wholeOf(numbers: Memory): Int8Array<ArrayBuffer> | undefined {
  const codes = new Int8Array(numbers.length);
  for (let i = 0; i < codes.length; i++) {
    const n = numbers[i] as number;
    codes[i] = n;
    if (codes[i] !== n) return undefined;
  }
  return codes;
}

/** Where the scale of each step and of each column lies; their sum is that of both. */
interface Places {
  readonly steps: Int32Array;
  readonly columns: Int32Array;
}

/** A product's side is a view of the output of a map; its positions there are digits, which must not carry where steps and columns meet. */
function placesOf(m: Matrix, { output }: Operation, scales: View): Places | string {
  const shape = output.shape as readonly number[];
  const strides = [...scales.strides, scales.offset];
  if (!strides.every(s => typeof s === 'number' && s >= 0)) return 'the scales have no fixed places';
  const most = [shape.map(() => 0), shape.map(() => 0)];
  const place = (at: number, side: 0 | 1): number => {
    let sum = 0;
    for (let axis = shape.length - 1, rest = at; axis >= 0; axis--) {
      const digit = rest % shape[axis]!;
      rest = (rest - digit) / shape[axis]!;
      most[side]![axis] = Math.max(most[side]![axis]!, digit);
      sum += digit * (strides[axis] as number);
    }
    return sum;
  };
  const offset = scales.offset as number;
  const steps = Int32Array.from({ length: m.depth }, (_, k) => offset + place(m.offset + k * m.down, 0));
  const columns = Int32Array.from({ length: m.columns }, (_, n) => place(n * m.across, 1));
  return shape.every((size, axis) => most[0]![axis]! + most[1]![axis]! < size) ? { steps, columns } : 'the scales lie across the weights';
}

/** The longest blocks of steps in which no scale changes. */
function blocksOf(m: Matrix, { steps, columns }: Places, scales: Float32Array): Omit<Scaled, 'codes'> | string {
  const same = (a: number, b: number): boolean =>
    steps[a] === steps[b] || columns.every(n => Object.is(scales[steps[a]! + n], scales[steps[b]! + n]));
  let block = 1;
  while (block < m.depth && same(block, 0)) block++;
  const blocks = Math.ceil(m.depth / block);
  for (let k = block; k < m.depth; k++) if (!same(k, k - (k % block))) return 'blocks of scales differ in length';
  const values = new Float32Array(blocks * m.columns);
  for (let b = 0; b < blocks; b++) for (let n = 0; n < m.columns; n++) values[b * m.columns + n] = scales[steps[b * block]! + columns[n]!]!;
  return { block, scales: values };
}
