// Options of operators beyond the builtins: bytes of a form that each operator knows for itself.
import { type FlexValue, readFlexbuffer } from '../../../codec/flexbuffers.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range } from '../../../ops/shapes.ts';
import { type Call, unsupported } from './row.ts';

/** As a row, with the bytes of the options. */
export type CustomRow = (x: Call, b: Builder, options: Uint8Array) => Value | readonly (Value | undefined)[];

/** The fields of a struct that a program wrote as it lies in memory: integers of 32 bits. */
export function integersIn(options: Uint8Array, count: number): number[] {
  if (options.length < 4 * count) throw unsupported(`options of ${options.length} bytes, expected ${4 * count}`);
  const view = new DataView(options.buffer, options.byteOffset, options.byteLength);
  return range(count).map(i => view.getInt32(4 * i, true));
}

/** Fields of options that are a map, by their names. */
export interface Fields {
  readonly values: ReadonlyMap<string, FlexValue>;
  /** A number; truth values are 0 and 1. */
  readonly number: (key: string, fallback?: number) => number;
  readonly numbers: (key: string) => readonly number[];
}

export function fieldsIn(options: Uint8Array): Fields {
  const values = options.length > 0 ? readFlexbuffer(options) : undefined;
  if (!(values instanceof Map)) throw unsupported('options that are no map');
  const number = (key: string, fallback?: number): number => {
    const value = values.get(key) ?? fallback;
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (typeof value !== 'number') throw unsupported(`options without ${key}`);
    return value;
  };
  const numbers = (key: string): readonly number[] => {
    const list = values.get(key);
    if (!Array.isArray(list) || !list.every((n): n is number => typeof n === 'number')) throw unsupported(`options without ${key}`);
    return list;
  };
  return { values, number, numbers };
}
