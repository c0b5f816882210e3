// What a row of the ATen table is: the meaning of one overload, over arguments decoded by its schema.
import { fail } from '../../../errors.ts';
import { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';

/** A decoded argument. None is undefined; integers beyond 2^53 are bigint. */
export type Arg = Value | number | bigint | boolean | string | DataTypeArg | Float | Symbolic | undefined | readonly Arg[];

/** A `ScalarType` argument. */
export interface DataTypeArg {
  readonly element: DataType;
}

/** A Python number that only the run knows (SymInt, SymFloat, SymBool): a value of shape [1]. */
export class Symbolic {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

/** A whole float such as 2.0, which promotes types as floats do; other floats are plain numbers. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** What a `Scalar` argument may be. */
export type Scalar = number | bigint | boolean | Float | Symbolic;

export const isValue = (arg: Arg): arg is Value => arg instanceof Value;
export const isScalar = (arg: Arg): arg is Scalar =>
  typeof arg === 'number' || typeof arg === 'bigint' || typeof arg === 'boolean' || arg instanceof Float || arg instanceof Symbolic;

/** Arguments by name, with accessors that check what they hand out. */
export class Args {
  readonly #values: ReadonlyMap<string, Arg>;
  /** The overload, for messages. */
  readonly target: string;
  /** New contents of arguments that the overload writes beside its results, such as running statistics. */
  readonly written = new Map<string, Value>();

  constructor(target: string, values: ReadonlyMap<string, Arg>) {
    this.target = target;
    this.#values = values;
  }

  /** The same call with some arguments replaced. */
  with(values: Readonly<Record<string, Arg>>): Args {
    return new Args(this.target, new Map([...this.#values, ...Object.entries(values)]));
  }

  #wrong(name: string, expected: string): never {
    throw fail('E2001', `argument ${name} must be ${expected} here`);
  }

  /** Any argument as it is. */
  any(name: string): Arg {
    return this.#values.get(name);
  }
  /** Whether an argument was given and is not None. */
  has(name: string): boolean {
    return this.#values.get(name) !== undefined;
  }

  tensor(name: string): Value {
    return this.optional(name) ?? this.#wrong(name, 'a tensor');
  }
  optional(name: string): Value | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    return isValue(value) ? value : this.#wrong(name, 'a tensor');
  }
  tensors(name: string): readonly Value[] {
    const list = this.#values.get(name);
    return Array.isArray(list) && list.every(isValue) ? list : this.#wrong(name, 'a list of tensors');
  }
  /** A list such as the indices of `index.Tensor`, where None leaves an entry out. */
  optionalTensors(name: string): readonly (Value | undefined)[] {
    const list = this.#values.get(name);
    return Array.isArray(list) && list.every(v => v === undefined || isValue(v)) ? list : this.#wrong(name, 'a list of tensors or None');
  }

  /** A number that is known now. */
  number(name: string): number {
    return numberOf(this.#values.get(name)) ?? this.#wrong(name, 'a number');
  }
  /** The same, undefined for None. */
  optionalNumber(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }
  boolean(name: string): boolean {
    const value = this.#values.get(name);
    return typeof value === 'boolean' ? value : typeof value === 'number' ? value !== 0 : this.#wrong(name, 'true or false');
  }
  string(name: string): string {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : this.#wrong(name, 'a string');
  }
  /** Numbers that are known now. A single number stands for a list of one. */
  numbers(name: string): number[] {
    const given = this.#values.get(name);
    const list: readonly Arg[] = Array.isArray(given) ? given : [given as Arg];
    return list.map(n => numberOf(n) ?? this.#wrong(name, 'a list of numbers'));
  }
  /** The same, undefined for None. */
  optionalNumbers(name: string): number[] | undefined {
    return this.has(name) ? this.numbers(name) : undefined;
  }
  booleans(name: string): boolean[] {
    const list = this.#values.get(name);
    return Array.isArray(list) && list.every(n => typeof n === 'boolean') ? list : this.#wrong(name, 'a list of truth values');
  }

  /** A size: a number, or a value of shape [1] that only the run knows. Numbers beyond 2^53 are the nearest safe integer. */
  size(name: string): Size {
    return this.#size(name, this.#values.get(name));
  }
  optionalSize(name: string): Size | undefined {
    return this.has(name) ? this.size(name) : undefined;
  }
  sizes(name: string): Size[] {
    const given = this.#values.get(name);
    const list: readonly Arg[] = Array.isArray(given) ? given : [given as Arg];
    return list.map(n => this.#size(name, n));
  }
  #size(name: string, size: Arg): Size {
    if (size instanceof Symbolic) return size.value;
    if (typeof size === 'bigint') return size > 0n ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
    return typeof size === 'number' ? size : this.#wrong(name, 'an integer');
  }

  /** A Python number, known now or only to the run. */
  scalar(name: string): Scalar {
    const value = this.#values.get(name);
    return isScalar(value) ? value : this.#wrong(name, 'a number');
  }
  optionalScalar(name: string): Scalar | undefined {
    return this.has(name) ? this.scalar(name) : undefined;
  }
  /** A tensor or a number: what `add.Tensor` takes on its right. */
  operand(name: string): Value | Scalar {
    const value = this.#values.get(name);
    return isValue(value) || isScalar(value) ? value : this.#wrong(name, 'a tensor or a number');
  }

  /** A `ScalarType`; undefined for None. */
  element(name: string): DataType | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    return typeof value === 'object' && 'element' in value && !isValue(value)
      ? (value as DataTypeArg).element
      : this.#wrong(name, 'an element type');
  }
}

function numberOf(arg: Arg): number | undefined {
  if (arg instanceof Float) return arg.value;
  return typeof arg === 'number' || typeof arg === 'bigint' || typeof arg === 'boolean' ? Number(arg) : undefined;
}

/** Builds what an overload computes; several results in the order of its schema, or the tensors of its one list. */
export type AtenRow = (x: Args, b: Builder) => Value | readonly (Value | undefined)[];

/** Rows by `name.overload`, as `conv2d.default`. An in-place overload needs none where its functional twin has one. */
export type AtenRows = Readonly<Record<string, AtenRow>>;

/** A feature of an overload that has no conversion: reported with the operator, like one without a row. */
export const unsupported = (message: string) => fail('E2001', message);
