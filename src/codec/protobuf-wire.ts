// What the protobuf reader and writer share: schema rows, the encodings of scalars, and strings that keep invalid bytes.
// Knows no model. Typed arrays are taken to be little-endian, like the wire.
import type protobuf from 'protobufjs/minimal.js';
import { fail } from '../errors.ts';
import type { Cursor } from './protobuf-cursor.ts';

/** A 64-bit integer: a number where it is a safe integer, a bigint otherwise. */
export type Int = number | bigint;

/** Bytes that are read on demand; `ByteRange` is one. Offset and length in bytes, relative to the start. */
export interface Streamed {
  readonly length: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** The content of a `bytes` field: resident, or not read yet. The reader makes `Uint8Array`s and `ByteRange`s. */
export type Bytes = Uint8Array | Streamed;

/** Key of the offset in the file of a decoded message's first content byte. */
export const at: unique symbol = Symbol('at');

/** Key of the fields the schema does not have, each with its tag, as they stood in the file. */
export const unknownFields: unique symbol = Symbol('unknownFields');

/** What every decoded message has besides its fields. */
export interface Message {
  [at]?: number | undefined;
  [unknownFields]?: Bytes[] | undefined;
}

/** `packed` is a repeated scalar that is written packed and held in a typed array; readers take both forms of every repeated scalar. */
export type Label = 'optional' | 'repeated' | 'packed';

/** The numbers of an enum by name. */
export type EnumValues = Readonly<Record<string, number>>;

/** A field: its number, name, type (a scalar, `enum`, or a message of the schema), label, and the values of an enum where texts name them. */
export type FieldRow = readonly [number: number, name: string, type: string, label: Label, values?: EnumValues];

/** The fields of every message, by the name of the message. */
export type Schema = Readonly<Record<string, readonly FieldRow[]>>;

/** Typed arrays of packed fields. */
export type PackedArray = Float32Array | Float64Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

/** One value of a scalar type. */
export type Scalar = number | bigint | boolean;

/** How a scalar type is stored. */
export interface ScalarType {
  readonly wire: 0 | 1 | 5;
  /** Moves the cursor over one value and returns it. */
  read(cursor: Cursor): Scalar;
  /** The number of bytes of one value; refuses (E4001) what the type cannot hold. */
  size(value: Scalar): number;
  write(writer: protobuf.Writer, value: Scalar): void;
  /** The typed array of a packed field; absent for booleans, which stay an array. */
  readonly array?: (new (length: number) => PackedArray) | undefined;
  /** A varint whose 64 bits are the element of `array` as it lies in memory. */
  readonly asStored?: boolean | undefined;
}

/** A row of a schema with its type looked up. */
export interface Field {
  readonly number: number;
  readonly name: string;
  readonly label: Label;
  /** Wire type of one value. */
  readonly wire: number;
  readonly type: 'message' | 'string' | 'bytes' | ScalarType;
  /** The type as the row has it. */
  readonly typeName: string;
  readonly values: EnumValues | undefined;
  /** The fields of the message, for type `message`. */
  readonly table: Table;
  /** Whether its messages are the entries of a map, each with a key and a value. */
  readonly isMap: boolean;
}

/** The fields of one message in the order of their numbers. */
export interface Table {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  readonly byName: ReadonlyMap<string, Field>;
}

// A memo: a schema is a constant, so its tables are made once.
const compiled = new WeakMap<Schema, ReadonlyMap<string, Table>>();

/** The table of a message; a name that the schema lacks is a defect of the caller (E9001). */
export function tableOf(schema: Schema, name: string): Table {
  let tables = compiled.get(schema);
  if (tables === undefined) compiled.set(schema, (tables = compile(schema)));
  const table = tables.get(name);
  if (table === undefined) throw fail('E9001', `the schema has no message ${name}`);
  return table;
}

function compile(schema: Schema): ReadonlyMap<string, Table> {
  const tables = new Map<string, Table & { fields: Field[]; byNumber: Map<number, Field>; byName: Map<string, Field> }>();
  for (const name of Object.keys(schema)) tables.set(name, { name, fields: [], byNumber: new Map(), byName: new Map() });
  for (const [owner, table] of tables)
    for (const [number, name, typeName, label, values] of schema[owner] ?? []) {
      const message = tables.get(typeName);
      const type = message ? 'message' : typeName === 'string' || typeName === 'bytes' ? typeName : scalars.get(typeName);
      if (type === undefined) throw fail('E9001', `${owner}.${name}: the schema has no type ${typeName}`);
      const wire = typeof type === 'string' ? 2 : type.wire;
      // Entries of maps are messages that the generator of schemas names after the field.
      const isMap = typeName === `${owner}.${name}_entry`;
      const field: Field = { number, name, label, type, typeName, values, wire, table: message ?? table, isMap };
      table.fields.push(field);
      table.byNumber.set(number, field);
      table.byName.set(name, field);
    }
  for (const table of tables.values()) table.fields.sort((a, b) => a.number - b.number);
  return tables;
}

const two32 = 2 ** 32;

/** The two words that a cursor read last, as a number of each 64-bit type. */
type OfWords = (words: { readonly lo: number; readonly hi: number }) => Int;
const signed: OfWords = ({ lo, hi }) => {
  const value = (hi | 0) * two32 + lo;
  return Number.isSafeInteger(value) ? value : BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo));
};
const unsigned: OfWords = ({ lo, hi }) => {
  const value = hi * two32 + lo;
  return Number.isSafeInteger(value) ? value : (BigInt(hi) << 32n) | BigInt(lo);
};
const zigzag: OfWords = ({ lo, hi }) => {
  const sign = -(lo & 1);
  return signed({ lo: (((lo >>> 1) | (hi << 31)) ^ sign) >>> 0, hi: ((hi >>> 1) ^ sign) >>> 0 });
};
const zigzag32 = (lo: number): number => (lo >>> 1) ^ -(lo & 1);

/** The bytes of a varint of 32 bits. */
export const varintSize = (lo: number): number => (lo < 128 ? 1 : lo < 16384 ? 2 : lo < 2097152 ? 3 : lo < 268435456 ? 4 : 5);

/** The bytes of a varint of 64 bits. */
export function varint64Size(lo: number, hi: number): number {
  if (hi === 0) return varintSize(lo);
  return hi < 8 ? 5 : hi < 1024 ? 6 : hi < 131072 ? 7 : hi < 16777216 ? 8 : hi < 2147483648 ? 9 : 10;
}

const refuse = (type: string, value: Scalar) => fail('E4001', `a field of type ${type} cannot hold ${String(value)}`);

interface Words {
  readonly low: number;
  readonly high: number;
}

/** The value as two's complement words; refuses what lies outside `least` to `most`. */
function words(type: string, value: Scalar, least: bigint, most: bigint): Words {
  if (typeof value === 'number' && Number.isSafeInteger(value) && (value >= 0 || least < 0n))
    return { low: value >>> 0, high: Math.floor(value / two32) >>> 0 };
  if (typeof value !== 'bigint' || value < least || value > most) throw refuse(type, value);
  return { low: Number(BigInt.asUintN(32, value)), high: Number(BigInt.asUintN(32, value >> 32n)) };
}
const int64Words = (value: Scalar) => words('int64', value, -(2n ** 63n), 2n ** 63n - 1n);
const uint64Words = (value: Scalar) => words('uint64', value, 0n, 2n ** 64n - 1n);
const zigzagWords = (value: Scalar) => {
  const { low, high } = int64Words(value);
  const sign = (high | 0) >> 31;
  return { low: ((low << 1) ^ sign) >>> 0, high: (((high << 1) | (low >>> 31)) ^ sign) >>> 0 };
};

function int32Of(value: Scalar): number {
  if (typeof value !== 'number' || (value | 0) !== value) throw refuse('int32', value);
  return value;
}
function uint32Of(value: Scalar): number {
  if (typeof value !== 'number' || value >>> 0 !== value) throw refuse('uint32', value);
  return value;
}

// protobufjs takes any object with `low` and `high` for a Long; its types ask for the whole class.
const long = (bits: Words) => bits as unknown as number;

function fixed64(bits: (v: Scalar) => Words, of: OfWords, array: ScalarType['array']): ScalarType {
  const size = (value: Scalar) => {
    bits(value);
    return 8;
  };
  return { wire: 1, array, read: c => of(c.words()), size, write: (w, v) => void w.fixed64(long(bits(v))) };
}

function varint64(bits: (v: Scalar) => Words, of: OfWords, array: ScalarType['array']): ScalarType {
  const size = (value: Scalar) => {
    const { low, high } = bits(value);
    return varint64Size(low, high);
  };
  return { wire: 0, array, read: c => of(c.varint()), size, write: (w, v) => void w.uint64(long(bits(v))), asStored: of !== zigzag };
}

/** A type of at most 32 bits, or a float. */
const narrow = (
  wire: 0 | 1 | 5,
  read: (c: Cursor) => number,
  size: (v: Scalar) => number,
  write: (w: protobuf.Writer, v: number) => void,
  array: ScalarType['array'],
): ScalarType => ({ wire, read, size, write: (w, v) => write(w, Number(v)), array });

function int32Size(value: Scalar): number {
  const v = int32Of(value);
  return v < 0 ? 10 : varintSize(v);
}
const sint32Size = (v: Scalar) => varintSize(((int32Of(v) << 1) ^ (int32Of(v) >> 31)) >>> 0);
const fixedSize = (check: (v: Scalar) => number) => (v: Scalar) => {
  check(v);
  return 4;
};
const int32 = narrow(
  0,
  c => c.varint32() | 0,
  int32Size,
  (w, v) => w.int32(v),
  Int32Array,
);

// Values reach `write` only after `size`, which has refused those that the type cannot hold.
// biome-ignore format: rows
const scalars: ReadonlyMap<string, ScalarType> = new Map<string, ScalarType>([
  ['double', narrow(1, c => c.need(8).double(), () => 8, (w, v) => w.double(v), Float64Array)],
  ['float', narrow(5, c => c.need(4).float(), () => 4, (w, v) => w.float(v), Float32Array)],
  ['int32', int32],
  ['enum', int32],
  ['uint32', narrow(0, c => c.varint32(), v => varintSize(uint32Of(v)), (w, v) => w.uint32(v), Uint32Array)],
  ['sint32', narrow(0, c => zigzag32(c.varint32()), sint32Size, (w, v) => w.sint32(v), Int32Array)],
  ['fixed32', narrow(5, c => c.need(4).fixed32(), fixedSize(uint32Of), (w, v) => w.fixed32(v), Uint32Array)],
  ['sfixed32', narrow(5, c => c.need(4).sfixed32(), fixedSize(int32Of), (w, v) => w.sfixed32(v), Int32Array)],
  ['int64', varint64(int64Words, signed, BigInt64Array)],
  ['uint64', varint64(uint64Words, unsigned, BigUint64Array)],
  ['sint64', varint64(zigzagWords, zigzag, BigInt64Array)],
  ['fixed64', fixed64(uint64Words, unsigned, BigUint64Array)],
  ['sfixed64', fixed64(int64Words, signed, BigInt64Array)],
  ['bool', { wire: 0, read: c => c.varint().lo !== 0 || c.hi !== 0, size: () => 1, write: (w, v) => void w.bool(v === true) }],
]);
