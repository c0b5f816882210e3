// Operators beyond the builtins that have a row of their own.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import type { Call } from './row.ts';

/** As a row, with the bytes of the options. */
export type CustomRow = (x: Call, b: Builder, options: Uint8Array) => Value | readonly (Value | undefined)[];

export const customRows: Readonly<Record<string, CustomRow>> = {};
