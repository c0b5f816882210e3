// What the textual forms of protobuf share: values of fields out of texts and back, places of fields, and contents brought into memory.
// Knows no model.
import { fail } from '../errors.ts';
import { joinPieces } from './protobuf-packed.ts';
import { type Bytes, type Field, type Int, type Scalar, type Table, unknownFields } from './protobuf-wire.ts';
import { longestText } from './text-cursor.ts';

/** A message while it is read: a property holds what the row of its name says. */
export type Draft = Record<string | symbol, unknown>;

/** The path of the field at hand, such as `graph.node[3].op_type`; made into text only for errors. */
export class FieldPath {
  readonly #names: string[] = [];
  readonly #indices: number[] = [];

  /** `index` is negative for fields that do not repeat. */
  enter(depth: number, name: string, index = -1): void {
    this.#names.length = this.#indices.length = depth;
    this.#names[depth] = name;
    this.#indices[depth] = index;
  }

  toString(): string {
    return this.#names.map((name, i) => (this.#indices[i]! < 0 ? name : `${name}[${this.#indices[i]}]`)).join('.');
  }
}

/** Put a value where its field has it: repeated ones at the end. */
export function store(message: Draft, field: Field, value: unknown): void {
  if (field.label === 'optional') message[field.name] = value;
  else if (message[field.name] === undefined) message[field.name] = [value];
  else (message[field.name] as unknown[]).push(value);
}

/** How many values a repeated field has so far. */
export const countOf = (message: Draft, field: Field): number => (message[field.name] as unknown[] | undefined)?.length ?? 0;

/** Turn the lists of packed fields into their typed arrays, when all values of a message are there. */
export function settle(message: Draft, table: Table): void {
  for (const field of table.fields) {
    const values = message[field.name];
    if (field.label !== 'packed' || values === undefined || typeof field.type !== 'object' || !field.type.array) continue;
    message[field.name] = joinPieces(field.type.array, [values as Scalar[]]);
  }
}

const bits = (width: bigint, isSigned: boolean): readonly [bigint, bigint] =>
  isSigned ? [-(1n << (width - 1n)), (1n << (width - 1n)) - 1n] : [0n, (1n << width) - 1n];

const ranges: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  enum: bits(32n, true),
  int32: bits(32n, true),
  sint32: bits(32n, true),
  sfixed32: bits(32n, true),
  uint32: bits(32n, false),
  fixed32: bits(32n, false),
  int64: bits(64n, true),
  sint64: bits(64n, true),
  sfixed64: bits(64n, true),
  uint64: bits(64n, false),
  fixed64: bits(64n, false),
};

export const isFloat = ({ typeName }: Field): boolean => typeName === 'float' || typeName === 'double';

/** Whether a type has integers beyond 2^53, which JSON says as text. */
export const isWide = ({ typeName }: Field): boolean => typeName.endsWith('64');

/** The integer as the field holds it: a number where that is exact. Undefined where the type ends before it. */
export function integerOf({ typeName }: Field, value: bigint): Int | undefined {
  const [least, most] = ranges[typeName]!;
  if (value < least || value > most) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The number rounded to the field's type. Undefined where a finite number is beyond it. */
export function floatOf({ typeName }: Field, value: number): number | undefined {
  const rounded = typeName === 'float' ? Math.fround(value) : value;
  return Number.isFinite(value) && !Number.isFinite(rounded) ? undefined : rounded;
}

export const valueOfEnum = ({ values }: Field, name: string): number | undefined =>
  values && Object.hasOwn(values, name) ? values[name] : undefined;

export const nameOfEnum = ({ values = {} }: Field, value: number): string | undefined =>
  Object.keys(values).find(name => values[name] === value);

/** A decimal text of 6 digits, or as many more as it takes to give the same float32; `inf`, `-inf` and `nan` for what is no finite number. */
export function float32Text(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return floatText(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return floatText(short);
  }
  return floatText(Number(value.toPrecision(9)));
}

/** The shortest decimal text of a number; `inf`, `-inf` and `nan` for what is no finite number. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Every message within a message, itself first, with its path. */
export function* messagesOf(message: Draft, table: Table, path = ''): Generator<readonly [Draft, Table, string]> {
  yield [message, table, path];
  for (const field of table.fields) {
    const value = message[field.name];
    if (field.type !== 'message' || value === undefined) continue;
    const step = path === '' ? field.name : `${path}.${field.name}`;
    if (field.label === 'optional') yield* messagesOf(value as Draft, field.table, step);
    else for (const [i, item] of (value as Draft[]).entries()) yield* messagesOf(item, field.table, `${step}[${i}]`);
  }
}

/** Refuse (E2002) fields that the schema does not have: their names and types are not known, so no text can say them. */
export function refuseUnknown(message: Draft, path: string): void {
  if (message[unknownFields] !== undefined)
    throw fail('E2002', 'the message holds fields that the schema does not have; only the binary format keeps them', { path });
}

/**
 * The contents of a message that are not in memory yet, read. Errors: E2002 where they are together longer than any text.
 */
export async function contentsOf(message: object, table: Table): Promise<(bytes: Bytes) => Uint8Array> {
  const contents = new Map<Bytes, Uint8Array>();
  let total = 0;
  for (const [draft, { fields }] of messagesOf(message as Draft, table))
    for (const field of fields)
      for (const bytes of field.type === 'bytes' ? [draft[field.name] ?? []].flat() : [])
        if (!(bytes instanceof Uint8Array) && !contents.has(bytes as Bytes)) {
          const streamed = bytes as Exclude<Bytes, Uint8Array>;
          total += streamed.length;
          if (total > longestText) throw fail('E2002', `the contents take more than ${longestText} bytes, the most that a text can have`);
          contents.set(streamed, await streamed.read(0, streamed.length));
        }
  return bytes => (bytes instanceof Uint8Array ? bytes : contents.get(bytes)!);
}
