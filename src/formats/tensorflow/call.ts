// What a row of the operator table is: the meaning of one operator, over its inputs and attributes by their names in its signature.
import { fail, type ModelError } from '../../errors.ts';
import type { Dim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import { numbersOf, type Tensor } from '../../ir/tensor.ts';
import { type DataType, isInteger } from '../../ir/types.ts';
import type { Builder, Size } from '../../ops/builder.ts';
import { contentsOf, range, shapeOf } from '../../ops/shapes.ts';
import { type AttrValues, lengthOf } from './body.ts';
import type { Json, OpDef } from './op-defs.ts';
import type { AttrValue } from './proto.gen.ts';
import { readTensor } from './tensors.ts';
import { elementOf, sizesOf } from './types.ts';

/** An operator, or a feature of one, that has no conversion: listed with all others. */
export const unsupported = (message: string): ModelError => fail('E2001', message);

/** Builds what an operator computes; its outputs in order, `undefined` for one that cannot be had. */
export type TfRow = (x: Call, b: Builder) => Value | readonly (Value | undefined)[];
export type TfRows = Readonly<Record<string, TfRow>>;

/** Inputs and attributes of a node, with accessors that check what they hand out. */
export class Call {
  readonly op: string;
  readonly name: string;
  readonly #def: OpDef;
  readonly #inputs: ReadonlyMap<string, readonly Value[]>;
  readonly #attrs: AttrValues;

  /** @throws ModelError E1302 for another number of inputs than the signature has */
  constructor(def: OpDef, name: string, inputs: readonly Value[], attrs: AttrValues) {
    this.op = def.name;
    this.name = name;
    this.#def = def;
    this.#attrs = attrs;
    const named = new Map<string, readonly Value[]>();
    let at = 0;
    for (const arg of def.inputs) {
      const length = lengthOf(arg, attrs);
      named.set(arg.name, inputs.slice(at, at + length));
      at += length;
    }
    if (at !== inputs.length) throw fail('E1302', `${def.name} has ${inputs.length} inputs, expected ${at}`);
    this.#inputs = named;
  }

  tensor(name: string): Value {
    const [value] = this.tensors(name);
    if (!value) throw fail('E1302', `${this.op} has no input ${name}`);
    return value;
  }
  tensors(name: string): readonly Value[] {
    return this.#inputs.get(name) ?? [];
  }
  /** The first input, whatever its name. */
  get first(): Value {
    return this.tensor(this.#def.inputs[0]!.name);
  }
  /** All inputs in order. */
  get all(): readonly Value[] {
    return [...this.#inputs.values()].flat();
  }

  /** Whether an attribute is given or has a default. */
  has(name: string): boolean {
    return this.#attrs.has(name) || this.#def.attributes.get(name)?.default !== undefined;
  }
  #given(name: string): AttrValue | undefined {
    return this.#attrs.get(name);
  }
  #default(name: string): Json {
    const value = this.#def.attributes.get(name)?.default;
    if (value === undefined) throw fail('E1303', `${this.op} has no attribute ${name}`);
    return value;
  }

  number(name: string): number {
    const given = this.#given(name);
    return Number(given ? (given.i ?? given.f ?? 0) : this.#default(name));
  }
  boolean(name: string): boolean {
    const given = this.#given(name);
    return given ? (given.b ?? false) : this.#default(name) === true;
  }
  string(name: string): string {
    const given = this.#given(name);
    return given ? decoder.decode(bytesIn(given.s)) : String(this.#default(name));
  }
  numbers(name: string): number[] {
    const given = this.#given(name);
    const list = given ? (given.list?.i ?? given.list?.f ?? []) : (this.#default(name) as readonly Json[]);
    return Array.from(list as ArrayLike<number | bigint>, Number);
  }
  strings(name: string): string[] {
    const given = this.#given(name);
    return given ? (given.list?.s ?? []).map(s => decoder.decode(bytesIn(s))) : (this.#default(name) as string[]);
  }
  /** An element type. */
  type(name: string): DataType {
    const given = this.#given(name);
    return elementOf(given ? (given.type ?? 0) : Number(this.#default(name)));
  }
  types(name: string): DataType[] {
    return Array.from(this.#given(name)?.list?.type ?? [], elementOf);
  }
  /** Sizes, -1 for open ones; undefined for an unknown rank. */
  shape(name: string): readonly number[] | undefined {
    const given = this.#given(name);
    if (given) return sizesOf(given.shape);
    const value = this.#default(name);
    return value === null ? undefined : (value as readonly number[]);
  }
  constant(name: string): Tensor {
    const tensor = this.#given(name)?.tensor;
    if (!tensor) throw fail('E1303', `${this.op} has no attribute ${name}`);
    return readTensor(tensor);
  }

  /** The integers that an input holds. @throws ModelError E2001 where only the run knows them */
  ints(name: string): number[] {
    const contents = contentsOf(this.tensor(name));
    if (!contents?.every((d): d is number => typeof d === 'number')) throw unsupported(`${name} must be known before the run`);
    return [...contents];
  }
  int(name: string): number {
    const [value] = this.ints(name);
    if (value === undefined) throw fail('E1305', `${this.op}: ${name} is empty`);
    return value;
  }
  /** The numbers of any type that an input holds, where they are known. */
  knownNumbers(name: string): number[] | undefined {
    const { tensor } = this.tensor(name);
    if (tensor?.isResident && tensor.type !== 'string') return isInteger(tensor.type) ? numbersOf(tensor) : floatsOf(tensor);
    const contents = contentsOf(this.tensor(name));
    return contents?.every((d): d is number => typeof d === 'number') ? [...contents] : undefined;
  }
  /** The sizes that an input vector holds, known or not; its length must be known. */
  sizes(name: string, b: Builder): Size[] {
    return sizesIn(b, this.tensor(name), name);
  }
}

/** The elements of an integer vector as sizes. */
export function sizesIn(b: Builder, v: Value, name: string): Size[] {
  const contents = contentsOf(v);
  const count: Dim | undefined = contents?.length ?? (shapeOf(v).length === 0 ? 1 : shapeOf(v)[0]);
  if (typeof count !== 'number') throw unsupported(`the length of ${name} must be known before the run`);
  const whole = b.Reshape(b.Cast(v, 'int64'), [-1]);
  return range(count).map(i => {
    const known = contents?.[i];
    return typeof known === 'number' ? known : count === 1 ? whole : b.Slice(whole, { axes: [0], starts: [i], ends: [i + 1] });
  });
}

/** Floats of a small tensor as numbers. */
function floatsOf(tensor: Tensor): number[] | undefined {
  return tensor.type === 'float32' || tensor.type === 'float64' ? Array.from(tensor.data as ArrayLike<number>) : undefined;
}

const decoder = new TextDecoder();
export const bytesIn = (bytes: unknown): Uint8Array => (bytes instanceof Uint8Array ? bytes : new Uint8Array(0));
