// The numbers that a plan's sizes come to: each size, and each way in which views lie in their buffers, is known once and computed once.
import { fail } from '../errors.ts';
import { type Dim, substitute } from '../ir/dims.ts';
import type { View } from '../kernels/kernel.ts';

/** Values of the input symbols. */
export type Sizes = ReadonlyMap<string, number>;

export function bindDim(d: Dim, sizes: Sizes): number {
  const n = substitute(d, sizes);
  if (typeof n === 'number') return n;
  throw fail('E9001', `the size ${n.key} is not decided by the inputs`);
}

/** The sizes of a plan, each at a place of its own. */
export class Numbers {
  readonly #places = new Map<number | string, number>();
  readonly #values: number[] = [];
  /** What only binding knows, and where it goes. */
  readonly #open: { readonly dim: Dim; readonly at: number }[] = [];
  /** Places of what is a size and not a stride or an offset. */
  readonly #sizes = new Set<number>();

  placeOf(d: Dim): number {
    const key = typeof d === 'number' ? d : d.key;
    const found = this.#places.get(key);
    if (found !== undefined) return found;
    const at = this.#values.push(typeof d === 'number' ? d : Number.NaN) - 1;
    this.#places.set(key, at);
    if (typeof d !== 'number') this.#open.push({ dim: d, at });
    return at;
  }

  sizeOf(d: Dim): number {
    const at = this.placeOf(d);
    this.#sizes.add(at);
    return at;
  }

  get areFixed(): boolean {
    return this.#open.length === 0;
  }

  /** The number at each place. */
  valuesFor(sizes: Sizes): readonly number[] {
    const values = this.#values.slice();
    for (const { dim, at } of this.#open) values[at] = bindDim(dim, sizes);
    return values;
  }

  /** @throws ModelError E3005 where what is a size comes to less than 0, or to no whole number */
  proveSizes(values: readonly number[]): void {
    for (const at of this.#sizes) {
      const n = values[at]!;
      if (!Number.isSafeInteger(n) || n < 0) throw fail('E3005', `a size comes to ${n}`);
    }
  }
}

/** Where a view lies in its buffer. */
export type Geometry<D> = Pick<View<D & Dim>, 'offset' | 'shape' | 'strides'>;
export type Geometries = readonly Geometry<number>[];

/** The ways in which views lie in their buffers, each at a place of its own, as places of numbers. */
export class Patterns {
  readonly #numbers: Numbers;
  readonly #places = new Map<string, number>();
  readonly #seen = new Map<View, number>();
  readonly #all: Geometry<number>[] = [];

  constructor(numbers: Numbers) {
    this.#numbers = numbers;
  }

  placeOf(v: View): number {
    const seen = this.#seen.get(v) ?? this.#newPlace(v);
    this.#seen.set(v, seen);
    return seen;
  }

  #newPlace(v: View): number {
    const shape = v.shape.map(d => this.#numbers.sizeOf(d));
    const strides = v.strides.map(d => this.#numbers.placeOf(d));
    const offset = this.#numbers.placeOf(v.offset);
    const key = `${offset} ${shape} ${strides}`;
    const found = this.#places.get(key);
    if (found !== undefined) return found;
    this.#places.set(key, this.#all.length);
    return this.#all.push({ offset, shape, strides }) - 1;
  }

  boundFor(numbers: readonly number[]): Geometries {
    return this.#all.map(({ offset, shape, strides }) => ({
      offset: numbers[offset]!,
      shape: shape.map(at => numbers[at]!),
      strides: strides.map(at => numbers[at]!),
    }));
  }
}
