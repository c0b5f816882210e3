// The ATen table: what each overload means. In-place overloads need no row: they are their functional twin and a write.
import { layers } from './layers.ts';
import { pointwise } from './pointwise.ts';
import type { AtenRow } from './row.ts';
import { shape } from './shape.ts';

const rows: Readonly<Record<string, AtenRow>> = { ...pointwise, ...layers, ...shape };

/** The row of `name.overload`; of `relu_` it is that of `relu`. */
export function atenRow(name: string, overload: string): AtenRow | undefined {
  const own = `${name}.${overload}`;
  const twin = `${name.replace(/_$/, '')}.${overload}`;
  return Object.hasOwn(rows, own) ? rows[own] : Object.hasOwn(rows, twin) ? rows[twin] : undefined;
}

/** Overloads that only assert something, and give nothing. */
export const assertions: ReadonlySet<string> = new Set([
  '_assert_tensor_metadata.default',
  '_assert_scalar.default',
  '_assert_async.msg',
  'sym_constrain_range.default',
  'sym_constrain_range_for_size.default',
]);
