// Typed access to the JSON of an exported program: every step knows its path, so that an error says where and what.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts';
import { fail, ModelError } from '../../errors.ts';

/** A JSON value and where it lies. */
export class Cursor {
  readonly value: Json;
  readonly path: string;
  constructor(value: Json, path: string) {
    this.value = value;
    this.path = path;
  }

  get object(): JsonObject {
    if (isJsonObject(this.value)) return this.value;
    throw this.wrong('an object');
  }
  get text(): string {
    if (typeof this.value === 'string') return this.value;
    throw this.wrong('a string');
  }
  get number(): number {
    if (typeof this.value === 'number') return this.value;
    throw this.wrong('a number');
  }
  get boolean(): boolean {
    if (typeof this.value === 'boolean') return this.value;
    throw this.wrong('true or false');
  }
  get items(): Cursor[] {
    if (isJsonArray(this.value)) return this.value.map((v, i) => new Cursor(v, `${this.path}[${i}]`));
    throw this.wrong('a list');
  }
  get isNull(): boolean {
    return this.value === null;
  }
  get keys(): string[] {
    return Object.keys(this.object);
  }

  /** A field that must be there. */
  get(key: string): Cursor {
    const found = this.find(key);
    if (found) return found;
    throw fail('E1101', `${this.path || 'the program'} has no field ${key}`, { path: this.path });
  }
  /** A field that may be absent or null. */
  find(key: string): Cursor | undefined {
    const value = Object.hasOwn(this.object, key) ? this.object[key] : undefined;
    return value === undefined || value === null ? undefined : new Cursor(value, this.path ? `${this.path}.${key}` : key);
  }
  /** The one tag of a union and its content. */
  union(): { tag: string; of: Cursor } {
    const { keys } = this;
    const [tag] = keys;
    if (keys.length !== 1 || tag === undefined) throw this.wrong('an object with exactly one key');
    return { tag, of: new Cursor(this.object[tag]!, `${this.path}.${tag}`) };
  }

  /** What is read from a text; errors get its path. */
  within<T>(read: (text: string) => T): T {
    try {
      return read(this.text);
    } catch (error) {
      throw error instanceof ModelError ? error.within({ path: this.path }) : error;
    }
  }

  wrong(expected: string): ModelError {
    return fail('E1006', `${this.path || 'the program'}: expected ${expected}, found ${describe(this.value)}`, { path: this.path });
  }
}

function describe(value: Json): string {
  if (value === null) return 'null';
  if (isJsonArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return `an object with keys ${Object.keys(value).slice(0, 5).join(', ') || 'none'}`;
  return typeof value === 'string' ? `the string ${JSON.stringify(value.slice(0, 60))}` : String(value);
}
