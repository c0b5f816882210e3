// Messages as protobuf's JSON form: fields under their JSON names in the order of their numbers, 64-bit integers and contents as strings.
// Knows no model. Mapping: https://protobuf.dev/programming-guides/json
import { fail } from '../errors.ts';
import { encodeBase64 } from './base64.ts';
import { jsonName } from './protobuf-json.ts';
import { contentsOf, type Draft, FieldPath, float32Text, floatText, isWide, nameOfEnum, refuseUnknown } from './protobuf-values.ts';
import { type Bytes, type Field, type Schema, type Table, tableOf } from './protobuf-wire.ts';
import type { Encoded } from './protobuf-write.ts';
import { TextSink } from './text-sink.ts';
import { needsEncode } from './utf8.ts';

/**
 * The JSON text of a message, indented by two spaces; contents that are not in memory are read. Lists of numbers stand on one line.
 * Errors: E2002 fields that the schema does not have, and texts longer than any that is read back; E1110 names that are no UTF-8.
 */
export async function printJsonMessage(schema: Schema, messageName: string, message: object): Promise<Encoded> {
  const table = tableOf(schema, messageName);
  const printer = new JsonPrinter(await contentsOf(message, table));
  printer.message(message as Draft, table, 0);
  printer.sink.write('\n');
  return printer.sink.finish();
}

class JsonPrinter {
  readonly sink = new TextSink();
  readonly #contents: (bytes: Bytes) => Uint8Array;
  readonly #path = new FieldPath();

  constructor(contents: (bytes: Bytes) => Uint8Array) {
    this.#contents = contents;
  }

  message(message: Draft, table: Table, depth: number): void {
    const { sink } = this;
    refuseUnknown(message, String(this.#path));
    const line = `\n${'  '.repeat(depth + 1)}`;
    let separator = '{';
    for (const field of table.fields) {
      const value = message[field.name];
      if (value === undefined || (field.label !== 'optional' && (value as ArrayLike<unknown>).length === 0)) continue;
      this.#path.enter(depth, field.name);
      sink.write(separator, line, `"${jsonName(field.name)}": `);
      if (field.label === 'optional') this.#value(field, value, depth);
      else this.#list(field, value as ArrayLike<unknown>, depth, line);
      separator = ',';
    }
    sink.write(separator === '{' ? '{}' : `\n${'  '.repeat(depth)}}`);
  }

  #list(field: Field, values: ArrayLike<unknown>, depth: number, line: string): void {
    const { sink } = this;
    const inLines = typeof field.type === 'string';
    for (let i = 0; i < values.length; i++) {
      this.#path.enter(depth, field.name, i);
      sink.write(i === 0 ? '[' : inLines ? ',' : ', ', inLines ? `${line}  ` : '');
      this.#value(field, values[i], depth + 1);
    }
    sink.write(inLines ? line : '', ']');
  }

  #value(field: Field, value: unknown, depth: number): void {
    if (field.type === 'message') this.message(value as Draft, field.table, depth + 1);
    else if (field.type === 'bytes') this.#bytes(this.#contents(value as Bytes));
    else if (field.type === 'string') this.sink.write(this.#text(value as string));
    else this.sink.write(numberText(field, value));
  }

  #bytes(bytes: Uint8Array): void {
    this.sink.write('"');
    for (const piece of encodeBase64(bytes)) this.sink.write(piece);
    this.sink.write('"');
  }

  #text(text: string): string {
    if (needsEncode(text)) throw fail('E1110', 'the text is not valid UTF-8, which JSON cannot say', { path: String(this.#path) });
    return JSON.stringify(text);
  }
}

const words: Readonly<Record<string, string>> = { nan: '"NaN"', inf: '"Infinity"', '-inf': '"-Infinity"' };

function numberText(field: Field, value: unknown): string {
  if (field.typeName === 'float' || field.typeName === 'double') {
    const text = field.typeName === 'float' ? float32Text(value as number) : floatText(value as number);
    return words[text] ?? text;
  }
  const name = field.typeName === 'enum' ? nameOfEnum(field, value as number) : undefined;
  return name === undefined && !isWide(field) ? String(value) : `"${name ?? value}"`;
}
