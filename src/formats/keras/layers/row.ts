// What a row of the table is: the meaning of one layer, over its inputs, its configuration and its variables.
import { isJsonArray, isJsonObject, type Json } from '../../../codec/json.ts';
import { fail } from '../../../errors.ts';
import { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { type Config, type Policy, policyOf } from '../config.ts';
import type { LayerReader } from '../layer-reader.ts';
import { type LayerSpec, layerOf } from '../structure.ts';
import type { Place, Stored } from '../weights.ts';

/** A tensor between layers, with the mask that says which of its steps count. */
export class KerasTensor {
  readonly value: Value;
  readonly mask: Value | undefined;
  constructor(value: Value, mask?: Value) {
    this.value = value;
    this.mask = mask;
  }
}

/** An argument of a call: tensors in any nesting, numbers, texts. */
export type Argument = KerasTensor | Json | readonly Argument[] | { readonly [key: string]: Argument };

/** All tensors of an argument, in Keras's order. */
export function tensorsIn(argument: Argument | undefined): KerasTensor[] {
  if (argument instanceof KerasTensor) return [argument];
  if (Array.isArray(argument)) return (argument as readonly Argument[]).flatMap(tensorsIn);
  if (argument === null || typeof argument !== 'object') return [];
  const entries = argument as Readonly<Record<string, Argument>>;
  return Object.keys(entries)
    .sort()
    .flatMap(key => tensorsIn(entries[key]));
}

/** A feature of a layer that has no conversion: reported with the layer, like one without a row. */
export const unsupported = (message: string) => fail('E2001', message);

export interface Arguments {
  readonly args: readonly Argument[];
  readonly kwargs: Readonly<Record<string, Argument>>;
}

/** Sizes of a variable, or false where the layer has none of that name. */
export type VariableSizes = readonly (number | undefined)[] | false;

export class LayerCall {
  readonly spec: LayerSpec;
  readonly place: Place;
  readonly reader: LayerReader;
  /** Names of the layers around it and its own, for names of variables. */
  readonly path: string;
  readonly args: readonly Argument[];
  readonly kwargs: Readonly<Record<string, Argument>>;
  readonly policy: Policy;

  constructor(spec: LayerSpec, place: Place, reader: LayerReader, path: string, { args, kwargs }: Arguments) {
    this.spec = spec;
    this.place = place;
    this.reader = reader;
    this.path = path;
    this.args = args;
    this.kwargs = kwargs;
    this.policy = policyOf(spec.config);
  }

  get b(): Builder {
    return this.reader.b;
  }
  get config(): Config {
    return this.spec.config;
  }
  /** The type in which the layer computes. */
  get type(): DataType {
    return this.policy.compute;
  }

  /** An argument by its name or place; null is none. */
  argument(name: string, at: number): Argument | undefined {
    const found = Object.hasOwn(this.kwargs, name) ? this.kwargs[name] : this.args[at];
    return found ?? undefined;
  }
  tensor(name: string, at: number): KerasTensor | undefined {
    const found = this.argument(name, at);
    if (found === undefined || found instanceof KerasTensor) return found;
    const inside = tensorsIn(found);
    if (inside.length === 1) return inside[0];
    throw unsupported(`an argument ${name} that is no tensor`);
  }
  flag(name: string, at: number, otherwise = false): boolean {
    const found = this.argument(name, at) ?? otherwise;
    if (typeof found === 'boolean') return found;
    throw unsupported(`an argument ${name} that only the run knows`);
  }

  /** All tensors of the first argument. */
  get tensors(): readonly KerasTensor[] {
    const first = this.args[0] ?? Object.values(this.kwargs)[0];
    return tensorsIn(first);
  }
  get first(): KerasTensor {
    const [first] = this.tensors;
    if (!first) throw fail('E1302', `${this.config.of} is called without a tensor`);
    return first;
  }
  /** The first input; floats are in the type of the layer. */
  get input(): Value {
    return this.autocast(this.first.value);
  }
  /** All inputs in the first argument, the same way. */
  get inputs(): readonly Value[] {
    return [this.first, ...this.tensors.slice(1)].map(t => this.autocast(t.value));
  }
  /** The first input as floats, whatever it is. */
  get real(): Value {
    return this.b.Cast(this.first.value, this.type);
  }
  autocast(v: Value): Value {
    return isFloat(elementOf(v)) && isFloat(this.type) ? this.b.Cast(v, this.type) : v;
  }

  /** The mask that was given, or that of the first input. */
  get mask(): Value | undefined {
    const given = this.kwargs['mask'];
    return given instanceof KerasTensor ? this.b.Cast(given.value, 'bool') : this.tensors[0]?.mask;
  }

  /**
   * The variables of the layer in the order in which it makes them, by name; sizes that are not known are undefined.
   * Errors: E1013 for one that is missing, E1305 for one of other sizes, all of a model at once.
   */
  variables<K extends string>(
    sizes: Readonly<Record<K, VariableSizes>>,
    type: DataType = this.type,
  ): { readonly [N in K]: Value | undefined } {
    const wanted = (Object.entries(sizes) as [K, VariableSizes][]).filter(
      (entry): entry is [K, readonly (number | undefined)[]] => entry[1] !== false,
    );
    const found = wanted.map(
      ([name, dims], index) => [name, this.reader.parameter(this.#stored(name, index), `${this.path}/${name}`, dims)] as const,
    );
    const values = Object.fromEntries(found.map(([name, value]) => [name, isFloat(elementOf(value)) ? this.b.Cast(value, type) : value]));
    // The cast: names that are not wanted have no value.
    return values as { readonly [N in K]: Value | undefined };
  }
  #stored(name: string, index: number): Stored | undefined {
    return this.place.variable(name, index);
  }

  /** A layer that the configuration holds, called on what is given; `attribute` is where Keras keeps it. */
  call(spec: LayerSpec, attribute: string, given: Arguments, name = spec.name): readonly KerasTensor[] {
    return this.reader.inner(spec, this.place.part(attribute, name), `${this.path}/${spec.name}`, given);
  }
  /** A layer in the configuration. */
  layer(entry: string): LayerSpec {
    return layerOf(this.config.find(entry), `${this.config.of}.${entry}`);
  }
  /** A part of the layer with variables of its own. */
  part(attribute: string, name: string): LayerCall {
    return new LayerCall(this.spec, this.place.part(attribute, name), this.reader, `${this.path}/${attribute}`, this);
  }

  get isChannelsFirst(): boolean {
    return this.config.has('data_format') && this.config.text('data_format') === 'channels_first';
  }
  /** The size of an axis that must be known. */
  size(v: Value, axis: number): number {
    const size = shapeOf(v).at(axis);
    if (typeof size === 'number') return size;
    throw unsupported(`axis ${axis} of ${rankOf(v)} has a size that only the run knows`);
  }
}

export type Made = Value | KerasTensor | readonly (Value | KerasTensor | undefined)[];
export type Build = (x: LayerCall, b: Builder) => Made;

/** What becomes of masks: those of the inputs go on, they end, or a rule of its own; of each output. */
export type MaskRule = 'kept' | 'lost' | ((x: LayerCall, b: Builder) => Value | undefined);

export interface LayerRow {
  readonly build: Build;
  readonly mask: MaskRule;
}
export type LayerRows = Readonly<Record<string, LayerRow>>;

/** A layer through which masks go on. */
export const masked = (build: Build): LayerRow => ({ build, mask: 'kept' });
/** A layer at which masks end. */
export const plain = (build: Build): LayerRow => ({ build, mask: 'lost' });

export const tensorOf = (x: Value | KerasTensor): KerasTensor => (x instanceof Value ? new KerasTensor(x) : x);

/** Elements of nested lists of numbers, and the sizes of the lists. */
export function nestedNumbers(value: Json): { readonly data: number[]; readonly dims: number[] } {
  if (typeof value === 'number') return { data: [value], dims: [] };
  if (typeof value === 'boolean') return { data: [Number(value)], dims: [] };
  if (isJsonArray(value)) {
    const parts = value.map(nestedNumbers);
    const dims = parts[0]?.dims ?? [];
    if (parts.some(p => p.dims.join() !== dims.join())) throw fail('E1006', 'a list of lists of different lengths');
    return { data: parts.flatMap(p => p.data), dims: [parts.length, ...dims] };
  }
  if (isJsonObject(value) && isJsonObject(value['config']) && value['config']['value'] !== undefined)
    return nestedNumbers(value['config']['value']);
  throw fail('E1006', 'expected numbers in lists');
}
