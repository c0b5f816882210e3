// What a message holds beyond what the graph has a place for, so that writing a file back loses nothing.
import { at, type Message, unknownFields } from '../../codec/protobuf.ts';
import type { Meta, Value } from '../../ir/graph.ts';
import type { FunctionProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, ValueInfoProto } from './proto.gen.ts';
import type { Reading } from './reading.ts';

/**
 * How the fields of a message reach the graph: `own` has a place there; `text` has one too, but the graph cannot tell an empty
 * text from an absent one. Fields that are not listed have no place.
 */
export type Places<T> = { readonly [K in keyof T & string]?: 'own' | 'text' };

/** The fields without a place, those the schema does not have included; undefined where there are none. */
export function restOf<T extends Message>(message: T, places: Places<T>): Record<string | symbol, unknown> | undefined {
  let rest: Record<string | symbol, unknown> | undefined;
  for (const key of Object.keys(message) as (keyof T & string)[]) {
    const place = places[key];
    if (place === 'own' || (place === 'text' && message[key] !== '')) continue;
    (rest ??= {})[key] = message[key];
  }
  if (message[unknownFields] !== undefined) (rest ??= {})[unknownFields] = message[unknownFields];
  return rest;
}

type Described = (ModelProto | GraphProto | NodeProto | FunctionProto | ValueInfoProto) & {
  doc_string?: string | undefined;
  metadata_props?: StringStringEntryProto[] | undefined;
};

/** The fields that `readMeta` takes, for the places of a message. */
export const described = { doc_string: 'own', metadata_props: 'own' } as const;

/** What a message says about itself. Its places include `described`. Adds E1109. */
export function readMeta<T extends Described>(message: T, places: Places<T>, path: string, reading: Reading): Meta {
  const { doc_string: doc, metadata_props: entries } = message;
  const rest = restOf(message, places);
  if (!entries) return { doc, rest, at: message[at] };
  const metadata = readMetadata(entries, `${path}${path && '.'}metadata_props`, reading);
  const kept = sameMessage(writeMetadata(metadata), entries);
  return { doc, metadata, rest: kept ? rest : { ...rest, metadata_props: entries }, at: message[at] };
}

function readMetadata(entries: readonly StringStringEntryProto[], path: string, reading: Reading): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  for (const [i, entry] of entries.entries()) {
    const { key = '', value = '' } = entry;
    reading.name(key, `${path}[${i}].key`, entry);
    if (metadata.has(key))
      reading.add('E1109', `the metadata key ${reading.quoted(key)} occurs twice`, {
        path: `${path}[${i}]`,
        offset: entry[at],
      });
    else metadata.set(key, value);
  }
  return metadata;
}

const writeMetadata = (metadata: ReadonlyMap<string, string>): StringStringEntryProto[] =>
  [...metadata].map(([key, value]) => ({ key, value }));

/** The fields of a message that its `meta` stands for. */
export function writeMeta(meta: Meta | undefined): Record<string | symbol, unknown> {
  const message: Record<string | symbol, unknown> = { ...meta?.rest };
  if (meta?.doc !== undefined) message['doc_string'] = meta.doc;
  if (meta?.metadata && !says(message['metadata_props'], meta.metadata)) message['metadata_props'] = writeMetadata(meta.metadata);
  return message;
}

/** Whether entries as they were read still say what the metadata says now. */
function says(entries: unknown, metadata: ReadonlyMap<string, string>): boolean {
  if (entries === undefined) return false;
  const said = new Map((entries as StringStringEntryProto[]).toReversed().map(({ key = '', value = '' }) => [key, value]));
  return said.size === metadata.size && [...metadata].every(([key, value]) => said.get(key) === value);
}

/** Whether two messages would be written as the same bytes. Offsets are not looked at; bytes and arrays are the same by identity. */
export function sameMessage(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => sameMessage(item, b[i]));
  if (ArrayBuffer.isView(a) || ArrayBuffer.isView(b)) return false;
  const [x, y] = [a as Record<string | symbol, unknown>, b as Record<string | symbol, unknown>];
  if (x[unknownFields] !== y[unknownFields]) return false;
  let more = 0;
  for (const key of Object.keys(x)) {
    if (x[key] === undefined) continue;
    if (!sameMessage(x[key], y[key])) return false;
    more++;
  }
  for (const key of Object.keys(y)) if (y[key] !== undefined) more--;
  return more === 0;
}

/** Key, in the rest of a graph, of its `value_info` in the order of the file. */
export const declarations: unique symbol = Symbol('declarations');

/** An entry of `value_info`: of a value whose type it is, or a message to keep while its value is there (always, without one). */
export interface Declaration {
  readonly value?: Value | undefined;
  readonly message?: ValueInfoProto | undefined;
}

/** The entries of `value_info` of a graph that was read. */
export const declarationsOf = (meta: Meta): readonly Declaration[] =>
  (meta.rest as { [declarations]?: readonly Declaration[] } | undefined)?.[declarations] ?? [];
