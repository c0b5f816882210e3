// Protobuf messages as plain objects, by the field tables of a schema. A file in memory is decoded in place; any other is
// walked through a sliding window, and its large `bytes` fields stay in the file. Knows no model.
import { Cursor } from './protobuf-cursor.ts';
import { type DecodeOptions, Decoder } from './protobuf-read.ts';
import { Walker } from './protobuf-walk.ts';
import { type Message, type Schema, tableOf } from './protobuf-wire.ts';
import type { Source } from './source.ts';

export type { DecodeOptions } from './protobuf-read.ts';
export {
  at,
  type Bytes,
  type FieldRow,
  type Int,
  type Label,
  type Message,
  type Schema,
  type Streamed,
  unknownFields,
} from './protobuf-wire.ts';
export { type Encoded, encode, encodeBytes } from './protobuf-write.ts';
export { hasEscapedBytes } from './utf8.ts';

/**
 * Decode a message of the schema. Absent fields are absent properties. `T` is the generated interface of `messageName`.
 *
 * Errors: E1005 the bytes end inside a field; E1006 they break the rules of the wire or of the schema; E1007 bytes
 * follow the message; E1008 nesting; E5005 the
 * source gives fewer bytes than it promised. Encoding: https://protobuf.dev/programming-guides/encoding
 */
export async function decode<T extends Message>(
  schema: Schema,
  messageName: string,
  source: Source,
  options: DecodeOptions = {},
): Promise<T> {
  if (source.bytes !== undefined) return decodeBytes(schema, messageName, source.bytes, { file: source.name, ...options });
  const cursor = new Cursor(new Uint8Array(0), source.size, options.file ?? source.name, options.pathPrefix);
  const decoder = new Decoder(cursor, options, source);
  const table = tableOf(schema, messageName);
  const message = decoder.child({}, undefined);
  try {
    await new Walker(decoder, source, options.window).fields(message, table, 0);
  } catch (error) {
    throw decoder.stopped(message, table, error);
  }
  return decoder.finish(message) as T;
}

/** Decode a message in memory: `bytes` fields share the memory of `bytes`. Result and errors are those of `decode`. */
export function decodeBytes<T extends Message>(schema: Schema, messageName: string, bytes: Uint8Array, options: DecodeOptions = {}): T {
  const decoder = new Decoder(new Cursor(bytes, bytes.length, options.file, options.pathPrefix), options);
  const table = tableOf(schema, messageName);
  const message = decoder.child({}, undefined);
  try {
    decoder.fields(message, table, 0);
  } catch (error) {
    throw decoder.stopped(message, table, error);
  }
  return decoder.finish(message) as T;
}
