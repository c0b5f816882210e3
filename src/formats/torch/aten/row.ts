// What a row of the ATen table is: the meaning of one overload, over arguments decoded by its schema.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';

/** A decoded argument. Integers may be sizes that only the run knows; None is undefined. */
export type Arg = Value | number | bigint | boolean | string | DataTypeArg | undefined | readonly Arg[];
/** A `ScalarType` argument. */
export interface DataTypeArg {
  readonly element: DataType;
}

/** Arguments by name, with accessors that check what they hand out. */
export class Args {
  readonly #values: ReadonlyMap<string, Arg>;
  readonly #target: string;
  constructor(target: string, values: ReadonlyMap<string, Arg>) {
    this.#target = target;
    this.#values = values;
  }
  #wrong(name: string, expected: string): never {
    throw fail('E2002', `${this.#target}: argument ${name} must be ${expected} here`);
  }
  /** Any argument as it is. */
  any(name: string): Arg {
    return this.#values.get(name);
  }
  tensor(name: string): Value {
    return this.optional(name) ?? this.#wrong(name, 'a tensor');
  }
  optional(name: string): Value | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    return isValue(value) ? value : this.#wrong(name, 'a tensor');
  }
  tensors(name: string): Value[] {
    const list = this.#values.get(name);
    return Array.isArray(list) && list.every(isValue) ? list : this.#wrong(name, 'a list of tensors');
  }
  number(name: string): number {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : this.#wrong(name, 'a number');
  }
  boolean(name: string): boolean {
    const value = this.#values.get(name);
    return typeof value === 'boolean' ? value : this.#wrong(name, 'true or false');
  }
  string(name: string): string {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : this.#wrong(name, 'a string');
  }
  numbers(name: string): number[] {
    const list = this.#values.get(name);
    return Array.isArray(list) && list.every(n => typeof n === 'number') ? list : this.#wrong(name, 'a list of numbers');
  }
  /** Sizes: numbers, or values of sizes that only the run knows. */
  sizes(name: string): Size[] {
    const list = this.#values.get(name);
    return Array.isArray(list) && list.every(n => typeof n === 'number' || isValue(n))
      ? (list as Size[])
      : this.#wrong(name, 'a list of sizes');
  }
  element(name: string): DataType | undefined {
    const value = this.#values.get(name);
    return typeof value === 'object' && 'element' in value && !isValue(value) ? (value as DataTypeArg).element : undefined;
  }
}

const isValue = (arg: Arg): arg is Value => typeof arg === 'object' && !Array.isArray(arg) && 'producer' in arg;

/** Builds what an overload computes; several results in the order of its schema. */
export type AtenRow = (x: Args, b: Builder) => Value | readonly Value[];

/** A feature of an overload that has no conversion: reported with the operator, like one without a row. */
export const unsupported = (message: string) => fail('E2001', message);
