// Decodes flatbuffers by a schema: every table once, every offset checked against the file before it is followed. Vectors of bytes
// become ranges of the file, so that weights are not read. Knows no model.
// Source: https://flatbuffers.dev/internals/
import { fail } from '../errors.ts';
import { type Pages, pagesOf } from './pages.ts';
import { ByteRange, type Source } from './source.ts';
import { decodeUtf8 } from './utf8.ts';

/** A field: its slot, its name, its type and its default. Types are scalars, enums, unions, tables, `string` and `[…]` of these. */
export type FlatField = readonly [slot: number, name: string, type: string, fallback?: string | number | bigint | boolean];

export interface FlatSchema {
  /** The table at the root. */
  readonly root: string;
  readonly identifier: string;
  readonly enums: Readonly<Record<string, readonly [base: string, values: Readonly<Record<string, number>>]>>;
  /** Tables by the number of the type, from 1. */
  readonly unions: Readonly<Record<string, readonly string[]>>;
  readonly tables: Readonly<Record<string, readonly FlatField[]>>;
}

export interface FlatLimits {
  /** How deep tables may nest. */
  readonly depth: number;
  /** The most tables, those that several fields share counted for each. */
  readonly tables: number;
}

export interface Decoded {
  readonly root: unknown;
  /** Where the last byte of what was decoded lies, and one more. */
  readonly end: number;
}

/**
 * The root table as plain objects: scalars and enums (as names) with their defaults, vectors as arrays, `undefined` for tables, strings
 * and bytes that are absent.
 * @throws ModelError E1005 for a file that ends early, E1006 with path and offset for offsets, vtables, lengths, unions and enums that break
 * the rules, E1008 and E1009 for what exceeds the limits
 */
export async function decodeFlatbuffer(source: Source, schema: FlatSchema, limits: FlatLimits): Promise<Decoded> {
  const reader = new FlatReader(source, schema, limits);
  const root = await reader.root();
  return { root, end: reader.end };
}

/** Whether bytes begin as a flatbuffer of the schema does. */
export const isFlatbuffer = (head: Uint8Array, { identifier }: FlatSchema): boolean =>
  head.length >= 8 && [...identifier].every((c, i) => head[4 + i] === c.charCodeAt(0));

const widths: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
  float64: 8,
};

const getters: Readonly<Record<string, (view: DataView, at: number) => number | bigint | boolean>> = {
  bool: (v, at) => v.getUint8(at) !== 0,
  int8: (v, at) => v.getInt8(at),
  uint8: (v, at) => v.getUint8(at),
  int16: (v, at) => v.getInt16(at, true),
  uint16: (v, at) => v.getUint16(at, true),
  int32: (v, at) => v.getInt32(at, true),
  uint32: (v, at) => v.getUint32(at, true),
  float32: (v, at) => v.getFloat32(at, true),
  int64: (v, at) => v.getBigInt64(at, true),
  uint64: (v, at) => v.getBigUint64(at, true),
  float64: (v, at) => v.getFloat64(at, true),
};

/** A table that is being read: its fields by slot, from its vtable. */
interface OpenTable {
  readonly at: number;
  readonly fields: DataView;
  readonly view: DataView;
  readonly path: string;
  readonly depth: number;
}

class FlatReader {
  end = 8;
  readonly #source: Source;
  readonly #pages: Pages;
  readonly #schema: FlatSchema;
  readonly #limits: FlatLimits;
  /** What was decoded, by type and offset: tables, vectors and strings may be shared. */
  readonly #seen = new Map<string, unknown>();
  #tables = 0;
  /** Bytes of vectors and strings that were decoded. Where none overlap they are fewer than those of the file. */
  #bytes = 0;

  constructor(source: Source, schema: FlatSchema, limits: FlatLimits) {
    this.#source = source;
    this.#pages = pagesOf(source);
    this.#schema = schema;
    this.#limits = limits;
  }

  async root(): Promise<unknown> {
    if (this.#source.size < 8) throw fail('E1005', `a flatbuffer has at least 8 bytes, the file has ${this.#source.size}`, { offset: 0 });
    const at = await this.#follow(0, '', 4);
    return this.#table(this.#schema.root, at, '', 0);
  }

  #broken(what: string, path: string, offset: number) {
    return fail('E1006', `${path ? `${path}: ` : ''}${what}`, { path: path || undefined, offset });
  }

  /** The bytes from `at`, which must lie in the file. */
  async #view(at: number, length: number, what: string, path: string): Promise<DataView> {
    if (at < 0 || at > this.#source.size - length)
      throw this.#broken(`${what} at offset ${at} lies outside of the file of ${this.#source.size} bytes`, path, at);
    this.end = Math.max(this.end, at + length);
    return this.#pages.at(at, length) ?? this.#pages.load(at, length);
  }

  /** Where the offset at `at` leads. */
  async #follow(at: number, path: string, align: number): Promise<number> {
    const offset = (await this.#view(at, 4, 'an offset', path)).getUint32(0, true);
    const target = at + offset;
    if (offset === 0 || target > this.#source.size - 4)
      throw this.#broken(`an offset leads to ${target}, outside of the file of ${this.#source.size} bytes`, path, at);
    if (target % align !== 0) throw this.#broken(`an offset leads to ${target}, which is no multiple of ${align}`, path, at);
    return target;
  }

  async #once<T>(type: string, at: number, make: () => Promise<T>): Promise<T> {
    const key = `${type} ${at}`;
    if (this.#seen.has(key)) return this.#seen.get(key) as T;
    const made = await make();
    this.#seen.set(key, made);
    return made;
  }

  async #table(name: string, at: number, path: string, depth: number): Promise<unknown> {
    const { depth: deepest } = this.#limits;
    if (depth > deepest)
      throw fail('E1008', `${path}: tables nest deeper than ${deepest}`, { path, offset: at, limit: { name: 'depth', value: deepest } });
    this.#requireRoom(1, path, at);
    this.#tables++;
    return this.#once(name, at, async () => {
      const table = await this.#open(at, path, depth);
      const made: Record<string, unknown> = {};
      for (const field of this.#schema.tables[name]!) await this.#field(made, field, table);
      return made;
    });
  }

  /** Tables are counted as often as something refers to them; for those of a vector there must be room before the first is read. */
  #requireRoom(more: number, path: string, at: number): void {
    const { tables: most } = this.#limits;
    if (this.#tables + more > most)
      throw fail('E1009', `${path}: the file has more than ${most} tables`, { path, offset: at, limit: { name: 'nodes', value: most } });
  }

  async #open(at: number, path: string, depth: number): Promise<OpenTable> {
    const vtable = at - (await this.#view(at, 4, 'a table', path)).getInt32(0, true);
    if (vtable % 2 !== 0) throw this.#broken(`the vtable at offset ${vtable} is not aligned`, path, at);
    const head = await this.#view(vtable, 4, 'the vtable', path);
    const [vtableSize, size] = [head.getUint16(0, true), head.getUint16(2, true)];
    if (vtableSize < 4 || vtableSize % 2 !== 0 || size < 4)
      throw this.#broken(`a vtable of ${vtableSize} bytes for a table of ${size} is impossible`, path, vtable);
    const fields = await this.#view(vtable, vtableSize, 'the vtable', path);
    return { at, fields, view: await this.#view(at, size, 'a table', path), path, depth };
  }

  /** Where a field lies in its table; 0 where it is absent. */
  #place({ at, fields, view, path }: OpenTable, slot: number, width: number, name: string): number {
    const entry = 4 + 2 * slot;
    const place = entry + 2 <= fields.byteLength ? fields.getUint16(entry, true) : 0;
    if (place === 0) return 0;
    const where = path ? `${path}.${name}` : name;
    if (place < 4 || place + width > view.byteLength)
      throw this.#broken(`a field at byte ${place} lies outside of its table of ${view.byteLength} bytes`, where, at);
    if ((at + place) % width !== 0)
      throw this.#broken(`a field of ${width} bytes at offset ${at + place} is not aligned`, where, at + place);
    return place;
  }

  async #field(made: Record<string, unknown>, [slot, name, type, fallback]: FlatField, table: OpenTable): Promise<void> {
    const path = table.path ? `${table.path}.${name}` : name;
    const width = widths[type];
    const values = this.#schema.enums[type];
    if (width !== undefined) {
      const place = this.#place(table, slot, width, name);
      const absent = fallback ?? (type === 'bool' ? false : width === 8 && type !== 'float64' ? 0n : 0);
      made[name] = place ? getters[type]!(table.view, place) : absent;
    } else if (values) {
      const [base, names] = values;
      const place = this.#place(table, slot, widths[base]!, name);
      made[name] = place ? this.#nameIn(names, getters[base]!(table.view, place), type, path, table.at + place) : fallback;
    } else if (this.#schema.unions[type]) await this.#union(made, [slot, name, type], table, path);
    else {
      const place = this.#place(table, slot, 4, name);
      const isVector = type.startsWith('[') && type !== '[uint8]';
      made[name] = place ? await this.#referred(type, table.at + place, path, table.depth) : isVector ? [] : undefined;
    }
  }

  #nameIn(names: Readonly<Record<string, number>>, value: unknown, type: string, path: string, at: number): string {
    const found = Object.keys(names).find(name => names[name] === value);
    if (found === undefined) throw this.#broken(`${value} is no ${type}`, path, at);
    return found;
  }

  async #union(made: Record<string, unknown>, [slot, name, type]: FlatField, table: OpenTable, path: string): Promise<void> {
    const place = this.#place(table, slot - 1, 1, `${name}_type`);
    const number = place ? table.view.getUint8(place) : 0;
    const members = this.#schema.unions[type]!;
    if (number > members.length)
      throw this.#broken(`${number} is no type of ${type}, which has ${members.length}`, `${path}_type`, table.at + place);
    const member = members[number - 1];
    const value = this.#place(table, slot, 4, name);
    const isTold = member !== undefined && value !== 0;
    made[`${name}_type`] = isTold ? member : undefined;
    // Tools also write a type without a value, which says as much as neither.
    made[name] = isTold ? await this.#referred(member, table.at + value, path, table.depth) : undefined;
  }

  /** What the offset at `at` refers to. */
  async #referred(type: string, at: number, path: string, depth: number): Promise<unknown> {
    const target = await this.#follow(at, path, 4);
    if (type === 'string') return this.#once(type, target, () => this.#string(target, path));
    if (type === '[uint8]') return this.#range(target, path);
    if (type.startsWith('[')) return this.#vector(type.slice(1, -1), target, path, depth);
    return this.#table(type, target, path, depth + 1);
  }

  /** The number of elements of a vector, which must lie in the file. */
  async #length(at: number, width: number, path: string): Promise<number> {
    const length = (await this.#view(at, 4, 'a vector', path)).getUint32(0, true);
    if (length > Math.floor((this.#source.size - at - 4) / width))
      throw this.#broken(
        `a vector of ${length} elements of ${width} bytes ends outside of the file of ${this.#source.size} bytes`,
        path,
        at,
      );
    return length;
  }

  async #range(at: number, path: string): Promise<ByteRange> {
    const length = await this.#length(at, 1, path);
    this.end = Math.max(this.end, at + 4 + length);
    return new ByteRange(this.#source, at + 4, length);
  }

  #spend(bytes: number, path: string, at: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#source.size)
      throw this.#broken(`vectors overlap: they take more than the ${this.#source.size} bytes of the file`, path, at);
  }

  async #string(at: number, path: string): Promise<string> {
    const length = await this.#length(at, 1, path);
    this.#spend(length, path, at);
    const view = await this.#view(at + 4, length + 1, 'a string', path);
    if (view.getUint8(length) !== 0) throw this.#broken(`a string of ${length} bytes has no NUL at its end`, path, at);
    return decodeUtf8(new Uint8Array(view.buffer, view.byteOffset, length));
  }

  async #vector(element: string, at: number, path: string, depth: number): Promise<unknown> {
    const width = widths[element];
    if (width === undefined) return this.#tablesIn(element, at, path, depth);
    return this.#once(`[${element}]`, at, async () => {
      const length = await this.#length(at, width, path);
      if ((at + 4) % width !== 0) throw this.#broken(`a vector of elements of ${width} bytes at offset ${at} is not aligned`, path, at);
      this.#spend(length * width, path, at);
      const view = await this.#view(at + 4, length * width, 'a vector', path);
      const get = getters[element]!;
      return Array.from({ length }, (_, i) => this.#number(get(view, i * width), `${path}[${i}]`, at));
    });
  }

  /** Whole numbers in vectors are sizes, places and zero points, never more than a number holds. */
  #number(value: number | bigint | boolean, path: string, at: number): number | boolean {
    if (typeof value !== 'bigint') return value;
    if (!Number.isSafeInteger(Number(value))) throw fail('E1009', `${path}: the integer ${value} is beyond 2^53`, { path, offset: at });
    return Number(value);
  }

  async #tablesIn(element: string, at: number, path: string, depth: number): Promise<unknown[]> {
    const length = await this.#length(at, 4, path);
    this.#requireRoom(length, path, at);
    const made: unknown[] = [];
    for (let i = 0; i < length; i++) made.push(await this.#referred(element, at + 4 + 4 * i, `${path}[${i}]`, depth));
    return made;
  }
}
