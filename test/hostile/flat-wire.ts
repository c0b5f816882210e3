// A flatbuffer writer that takes a schema's names but keeps no promise: offsets, vtables, lengths and types can be said wrong. Where
// tables, vectors and strings came to lie are marks, by path; with `@` before it, where the field of a table lies.
import type { FlatField, FlatSchema } from '../../src/codec/flatbuffers.ts';
import { tfliteSchema } from '../../src/formats/tflite/schema.gen.ts';
import type { Piece } from './wire.ts';

/** A table by field names; `$vtable` is the distance to the vtable in the place of the true one. */
export type FlatTable = Readonly<Record<string, unknown>>;

/** An offset as it is written, wherever it leads. */
export class Offset {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}
/** A vector with a length of its own and any bytes after it. */
export class Vector {
  readonly length: number;
  readonly bytes: Uint8Array;
  constructor(length: number, bytes: Uint8Array = new Uint8Array(0)) {
    this.length = length;
    this.bytes = bytes;
  }
}
/** Offsets of a vector that all lead to one table. */
export class Repeated {
  readonly count: number;
  readonly table: FlatTable;
  constructor(count: number, table: FlatTable) {
    this.count = count;
    this.table = table;
  }
}

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
};

/** The bytes of a model, with `behind` after the flatbuffer at a multiple of 16; the mark `behind` is its offset. */
export function tfliteBytes(model: FlatTable, behind: Uint8Array = new Uint8Array(0)): Piece {
  const writer = new FlatWriter(tfliteSchema);
  writer.root(model);
  return writer.piece(behind);
}

class FlatWriter {
  readonly #schema: FlatSchema;
  readonly #marks = new Map<string, number>();
  #view = new DataView(new ArrayBuffer(1 << 16));
  #end = 8;

  constructor(schema: FlatSchema) {
    this.#schema = schema;
  }

  root(table: FlatTable): void {
    [...this.#schema.identifier].forEach((c, i) => this.#view.setUint8(4 + i, c.charCodeAt(0)));
    const at = this.#table(this.#schema.root, table, '');
    // Only now: writing may have moved to more memory.
    this.#view.setUint32(0, at, true);
  }

  piece(behind: Uint8Array): Piece {
    const end = this.#end;
    const start = Math.ceil(end / 16) * 16;
    const bytes = new Uint8Array(behind.length > 0 ? start + behind.length : end);
    bytes.set(new Uint8Array(this.#view.buffer, 0, end));
    bytes.set(behind, behind.length > 0 ? start : end);
    return { bytes, marks: new Map([...this.#marks, ['behind', start]]) };
  }

  #take(length: number, align: number, before = 0): number {
    const at = Math.ceil((this.#end + before) / align) * align;
    this.#end = at + length;
    while (this.#end > this.#view.byteLength) {
      const larger = new Uint8Array(this.#view.byteLength * 2);
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  #table(name: string, table: FlatTable, path: string): number {
    const rows = this.#rowsOf(name, table);
    const slots = rows.reduce((most, [slot]) => Math.max(most, slot + 1), 0);
    const sorted = [...rows].sort((a, b) => b[2] - a[2]);
    const size = 4 + sorted.reduce((at, [, , width]) => Math.ceil((at + 4) / width) * width - 4 + width, 0);
    const vtable = this.#take(4 + 2 * slots, 2);
    const at = this.#take(size, 8, 4);
    this.#marks.set(path, at);
    this.#view.setInt32(at, (table['$vtable'] as number | undefined) ?? at - vtable, true);
    this.#view.setUint16(vtable, 4 + 2 * slots, true);
    this.#view.setUint16(vtable + 2, size, true);
    let place = 4;
    for (const [slot, type, width, value, field] of sorted) {
      place = Math.ceil(place / width) * width;
      this.#view.setUint16(vtable + 4 + 2 * slot, place, true);
      this.#marks.set(`@${path ? `${path}.${field}` : field}`, at + place);
      if (type in widths) this.#scalar(type, at + place, value);
      else this.#refer(type, at + place, value, path ? `${path}.${field}` : field);
      place += width;
    }
    return at;
  }

  /** Slot, type, width, value and name of each field that is given. */
  #rowsOf(name: string, table: FlatTable): [number, string, number, unknown, string][] {
    return this.#schema.tables[name]!.flatMap(([slot, field, type]: FlatField): [number, string, number, unknown, string][] => {
      const value = table[field];
      const kind = table[`${field}_type`];
      const members = this.#schema.unions[type];
      if (members && kind !== undefined) {
        const number = typeof kind === 'number' ? kind : members.indexOf(kind as string) + 1;
        const tag: [number, string, number, unknown, string] = [slot - 1, 'uint8', 1, number, `${field}_type`];
        return value === undefined ? [tag] : [tag, [slot, members[number - 1] ?? members[0]!, 4, value, field]];
      }
      if (value === undefined) return [];
      const [base, values] = this.#schema.enums[type] ?? [type, undefined];
      return [[slot, base, widths[base] ?? 4, typeof value === 'string' && values ? values[value] : value, field]];
    });
  }

  #scalar(type: string, at: number, value: unknown): void {
    if (type === 'int64' || type === 'uint64') this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value as number | bigint)), true);
    else if (type === 'float32') this.#view.setFloat32(at, value as number, true);
    else if (widths[type] === 1) this.#view.setUint8(at, Number(value));
    else if (widths[type] === 2) this.#view.setUint16(at, Number(value), true);
    else this.#view.setUint32(at, Number(value), true);
  }

  #refer(type: string, at: number, value: unknown, path: string): void {
    const offset = value instanceof Offset ? value.value : this.#target(type, value, path) - at;
    this.#view.setUint32(at, offset, true);
  }

  #target(type: string, value: unknown, path: string): number {
    if (value instanceof Vector) return this.#vector(path, value.length, value.bytes, 4);
    if (type === 'string') return this.#string(value as string, path);
    if (type === '[uint8]') return this.#vector(path, (value as Uint8Array).length, value as Uint8Array, 16);
    if (!type.startsWith('[')) return this.#table(type, value as FlatTable, path);
    const inner = type.slice(1, -1);
    const width = widths[inner];
    const repeated = value instanceof Repeated ? value : undefined;
    const list = repeated ? new Array<unknown>(repeated.count) : (value as readonly unknown[]);
    const start = this.#vector(path, list.length, new Uint8Array(list.length * (width ?? 4)), width ?? 4);
    if (repeated) {
      const table = this.#table(inner, repeated.table, `${path}[0]`);
      for (let i = 0; i < list.length; i++) this.#view.setUint32(start + 4 + 4 * i, table - (start + 4 + 4 * i), true);
    } else
      list.forEach((item, i) => {
        if (width) this.#scalar(inner, start + 4 + i * width, item);
        else this.#refer(inner, start + 4 + 4 * i, item, `${path}[${i}]`);
      });
    return start;
  }

  /** The number of elements lies before them, and they are aligned. */
  #vector(path: string, length: number, bytes: Uint8Array, align: number): number {
    const elements = this.#take(bytes.length, Math.max(4, align), 4);
    this.#marks.set(path, elements - 4);
    this.#view.setUint32(elements - 4, length, true);
    new Uint8Array(this.#view.buffer).set(bytes, elements);
    return elements - 4;
  }

  #string(text: string, path: string): number {
    const bytes = new TextEncoder().encode(`${text}\0`);
    const at = this.#take(4 + bytes.length, 4);
    this.#marks.set(path, at);
    this.#view.setUint32(at, bytes.length - 1, true);
    new Uint8Array(this.#view.buffer).set(bytes, at + 4);
    return at;
  }
}
