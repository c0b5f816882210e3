// Messages out of protobuf's JSON form, by the field tables of a schema. Knows no model.
// Mapping: https://protobuf.dev/programming-guides/json
import { type Code, fail, type ModelError } from '../errors.ts';
import { decodeBase64 } from './base64.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson } from './json.ts';
import type { ParseOptions } from './protobuf-text.ts';
import { type Draft, FieldPath, floatOf, integerOf, isFloat, settle, store, valueOfEnum } from './protobuf-values.ts';
import { at, type Field, type Int, type Message, type Schema, type Table, tableOf } from './protobuf-wire.ts';
import { needsEncode } from './utf8.ts';

/** How values are read that are parsed already. */
export interface JsonMessageOptions extends ParseOptions {
  /** Where the value lies in its text. */
  readonly path?: string | undefined;
  /** Leave out fields that the schema does not have, and names that an enum does not have: those of later versions. */
  readonly skipUnknown?: boolean;
  /** Take lists of numbers for bytes too. */
  readonly listsOfBytes?: boolean;
}

/**
 * The message that a JSON text says. Fields go by their JSON names or by their own; null is an absent field.
 * Errors: those of `parseJson`, and with their path E1006 unknown fields and values that a field cannot hold, E1008 too deep, E1010 a
 * field under both of its names, E1110 text that no UTF-8 can say.
 */
export function parseJsonMessage<T extends Message>(
  schema: Schema,
  messageName: string,
  text: Uint8Array,
  { file, depth = 100 }: ParseOptions = {},
): T {
  const json = parseJson(text, { file, depth: Math.min(2 * depth + 2, 1000) });
  if (!isJsonObject(json)) throw fail('E1006', `expected a JSON object, found ${described(json)}`, { file, offset: 0 });
  const message = jsonMessage<T>(schema, messageName, json, { file, depth });
  message[at] = 0;
  return message;
}

/** The message that a part of a JSON text says. */
export function jsonMessage<T extends Message>(schema: Schema, messageName: string, json: JsonObject, options: JsonMessageOptions = {}): T {
  return new JsonReader(options).message(json, tableOf(schema, messageName), 0) as T;
}

/** The name of a field in JSON: without underscores, each letter after one a capital. */
export const jsonName = (name: string): string => name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());

// A memo: tables are constants.
const byJsonName = new WeakMap<Table, ReadonlyMap<string, Field>>();

function fieldNamed(table: Table, name: string): Field | undefined {
  let fields = byJsonName.get(table);
  if (!fields) byJsonName.set(table, (fields = new Map(table.fields.map(field => [jsonName(field.name), field]))));
  return fields.get(name) ?? table.byName.get(name);
}

class JsonReader {
  readonly #options: JsonMessageOptions;
  readonly #depth: number;
  readonly #path = new FieldPath();

  constructor(options: JsonMessageOptions) {
    this.#options = options;
    this.#depth = options.depth ?? 100;
  }

  message(json: JsonObject, table: Table, depth: number): Draft {
    if (depth > this.#depth)
      throw this.#error('E1008', `messages nested deeper than ${this.#depth}`, { name: 'depth', value: this.#depth });
    const message: Draft = {};
    for (const key of Object.keys(json)) {
      const value = json[key]!;
      this.#path.enter(depth, key);
      const field = fieldNamed(table, key);
      if (!field && this.#options.skipUnknown) continue;
      if (!field) throw this.#error('E1006', `${table.name} has no field ${JSON.stringify(key.slice(0, 200))}`);
      if (message[field.name] !== undefined) throw this.#error('E1010', `the field ${field.name} occurs twice`);
      if (value === null) continue;
      if (field.isMap) this.#entries(message, value, field, depth);
      else if (field.label !== 'optional') this.#values(message, value, field, depth);
      else this.#store(message, field, value, depth);
    }
    settle(message, table);
    return message;
  }

  #store(message: Draft, field: Field, given: Json, depth: number): void {
    const value = this.#value(given, field, depth);
    if (value !== undefined) store(message, field, value);
  }

  #values(message: Draft, value: Json, field: Field, depth: number): void {
    if (!isJsonArray(value)) throw this.#unexpected('an array', value);
    for (let i = 0; i < value.length; i++) {
      this.#path.enter(depth, field.name, i);
      this.#store(message, field, value[i]!, depth);
    }
  }

  /** A map is an object, whose keys are text whatever their type. */
  #entries(message: Draft, value: Json, field: Field, depth: number): void {
    if (!isJsonObject(value)) throw this.#unexpected('an object', value);
    const [key, content] = ['key', 'value'].map(name => field.table.byName.get(name)!) as [Field, Field];
    for (const name of Object.keys(value)) {
      this.#path.enter(depth + 1, name.slice(0, 200));
      const entry: Draft = {};
      this.#store(entry, key, name, depth + 1);
      this.#store(entry, content, value[name]!, depth + 1);
      store(message, field, entry);
    }
  }

  #value(value: Json, field: Field, depth: number): unknown {
    if (field.type === 'message') {
      if (!isJsonObject(value)) throw this.#unexpected('an object', value);
      return this.message(value, field.table, depth + 1);
    }
    if (field.type === 'string') return this.#text(value);
    if (field.type === 'bytes') return this.#bytes(value);
    if (isFloat(field)) return this.#float(value, field);
    if (field.typeName === 'enum') return this.#enum(value, field);
    if (field.typeName !== 'bool') return this.#integer(value, field);
    if (typeof value !== 'boolean') throw this.#unexpected('true or false', value);
    return value;
  }

  #text(value: Json): string {
    if (typeof value !== 'string') throw this.#unexpected('a string', value);
    if (needsEncode(value)) throw this.#error('E1110', 'the text holds half of a surrogate pair, which no UTF-8 can say');
    return value;
  }

  #bytes(value: Json): Uint8Array {
    const bytes = typeof value === 'string' ? decodeBase64(value) : this.#options.listsOfBytes ? listedBytes(value) : undefined;
    if (!bytes) throw this.#unexpected('base64 in a string', value);
    return bytes;
  }

  #float(value: Json, field: Field): number {
    const number = typeof value === 'string' ? floatOfText(value) : typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number') throw this.#unexpected('a number', value);
    const held = floatOf(field, number);
    const overflows = !Number.isFinite(number) && typeof value === 'string' && !floatWords.has(value);
    if (held === undefined || overflows) throw this.#error('E1006', `${described(value)} exceeds ${field.typeName}`);
    return held;
  }

  #integer(value: Json, field: Field): Int {
    const isText = typeof value === 'string' && /^-?\d{1,100}$/.test(value);
    if (!isText && typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value)))
      throw this.#unexpected('an integer', value);
    const held = integerOf(field, BigInt(value as string | number | bigint));
    if (held === undefined) throw this.#error('E1006', `${described(value)} exceeds ${field.typeName}`);
    return held;
  }

  #enum(value: Json, field: Field): Int | undefined {
    if (typeof value !== 'string' || /^-?\d+$/.test(value)) return this.#integer(value, field);
    const known = valueOfEnum(field, value);
    if (known === undefined && !this.#options.skipUnknown) throw this.#error('E1006', `${field.name} has no value ${described(value)}`);
    return known;
  }

  #unexpected(expected: string, value: Json): ModelError {
    return this.#error('E1006', `expected ${expected}, found ${described(value)}`);
  }

  #error(code: Code, message: string, limit?: { name: string; value: number }): ModelError {
    const { file, path } = this.#options;
    return fail(code, message, { file, path: path === undefined ? String(this.#path) : `${path}.${this.#path}`, limit });
  }
}

const floatWords = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

const floatOfText = (text: string): number | undefined =>
  floatWords.get(text) ?? (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined);

function listedBytes(value: Json): Uint8Array | undefined {
  const isBytes = isJsonArray(value) && value.every(b => typeof b === 'number' && Number.isInteger(b) && b >= 0 && b < 256);
  return isBytes ? Uint8Array.from(value as readonly number[]) : undefined;
}

function described(value: Json): string {
  if (isJsonObject(value)) return 'an object';
  if (isJsonArray(value)) return 'an array';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40);
}
