// Configurations of layers: typed access with Keras's defaults, in which every error names the layer and the entry.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts';
import { fail, type ModelError } from '../../errors.ts';
import type { DataType } from '../../ir/types.ts';

export class Config {
  readonly object: JsonObject;
  /** What it is the configuration of, for messages. */
  readonly of: string;
  constructor(object: JsonObject, of: string) {
    this.object = object;
    this.of = of;
  }

  /** An entry that is there and not null. */
  find(name: string): Json | undefined {
    const value = Object.hasOwn(this.object, name) ? this.object[name] : undefined;
    return value === null ? undefined : value;
  }
  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  number(name: string, otherwise?: number): number {
    const value = this.find(name) ?? otherwise;
    if (typeof value === 'number') return value;
    throw this.wrong(name, 'a number', value);
  }
  boolean(name: string, otherwise?: boolean): boolean {
    const value = this.find(name) ?? otherwise;
    if (typeof value === 'boolean') return value;
    if (value === 0 || value === 1) return value === 1;
    throw this.wrong(name, 'true or false', value);
  }
  text(name: string, otherwise?: string): string {
    const value = this.find(name) ?? otherwise;
    if (typeof value === 'string') return value;
    throw this.wrong(name, 'text', value);
  }
  /** One number stands for as many as are wanted. */
  numbers(name: string, count?: number, otherwise?: number | readonly number[]): number[] {
    const value = this.find(name) ?? otherwise;
    if (typeof value === 'number') return Array.from({ length: count ?? 1 }, () => value);
    if (isJsonArray(value) && value.every(n => typeof n === 'number') && (count === undefined || value.length === count)) return [...value];
    throw this.wrong(name, count === undefined ? 'numbers' : `${count} numbers`, value);
  }
  /** A list with one entry an axis, each one or two numbers. */
  pairs(name: string, count: number, otherwise: number): [number, number][] {
    const value = this.find(name) ?? otherwise;
    const all = isJsonArray(value) ? value : Array.from({ length: count }, () => value);
    const own = count === 1 && all.length === 2 ? [all] : all;
    if (own.length !== count) throw this.wrong(name, `${count} pairs of numbers`, value);
    return own.map(item => {
      const [first, second] = isJsonArray(item) ? item : [item, item];
      if (typeof first !== 'number' || typeof second !== 'number') throw this.wrong(name, 'pairs of numbers', value);
      return [first, second];
    });
  }
  /** An object inside, such as a layer. */
  config(name: string): Config {
    const value = this.find(name);
    if (isJsonObject(value)) return new Config(value, this.of);
    throw this.wrong(name, 'an object', value);
  }
  list(name: string): readonly Json[] {
    const value = this.find(name);
    if (isJsonArray(value)) return value;
    throw this.wrong(name, 'a list', value);
  }

  wrong(name: string, expected: string, found: Json | undefined): ModelError {
    const text =
      found === undefined ? 'nothing' : (JSON.stringify(found, (_, v) => (typeof v === 'bigint' ? String(v) : v)) ?? '').slice(0, 80);
    return fail(found === undefined ? 'E1101' : 'E1303', `${this.of}: ${name} must be ${expected}, found ${text}`, { argument: name });
  }
}

const dataTypes: Readonly<Record<string, DataType>> = {
  float16: 'float16',
  half: 'float16',
  bfloat16: 'bfloat16',
  float32: 'float32',
  float64: 'float64',
  double: 'float64',
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  bool: 'bool',
  string: 'string',
  int: 'int32',
  float: 'float32',
};
/** @throws ModelError E1201 */
export function dataTypeNamed(name: string): DataType {
  const type = Object.hasOwn(dataTypes, name) ? dataTypes[name] : undefined;
  if (type) return type;
  throw fail('E1201', `the element type ${JSON.stringify(name.slice(0, 60))} is not known`);
}

/** In which type a layer computes, and how it is quantised, by its `dtype`: a name, or a policy. */
export interface Policy {
  readonly compute: DataType;
  readonly quantization: string | undefined;
}
export function policyOf(config: Config): Policy {
  const value = config.find('dtype');
  const policy = isJsonObject(value) && isJsonObject(value['config']) ? value['config'] : undefined;
  const name = typeof value === 'string' ? value : typeof policy?.['name'] === 'string' ? policy['name'] : undefined;
  if (name === undefined) {
    const mode = policy?.['mode'];
    const source = typeof policy?.['source_name'] === 'string' ? policy['source_name'] : 'float32';
    return { compute: computeType(source), quantization: typeof mode === 'string' ? mode : undefined };
  }
  const quantised = /^(.+)_from_(.+)$/.exec(name);
  return quantised
    ? { compute: computeType(quantised[2]!), quantization: quantised[1] }
    : { compute: computeType(name), quantization: undefined };
}
const computeType = (name: string): DataType => dataTypeNamed(name.startsWith('mixed_') ? name.slice('mixed_'.length) : name);
