// The ATen table: what each overload means. In-place overloads need no row: they are their functional twin and a write.
import { attention } from './attention.ts';
import { create } from './create.ts';
import { indexing } from './indexing.ts';
import { layers } from './layers.ts';
import { linalg } from './linalg.ts';
import { pointwise } from './pointwise.ts';
import { recurrent } from './recurrent.ts';
import { reduce } from './reduce.ts';
import type { AtenRow, AtenRows } from './row.ts';
import { shape } from './shape.ts';
import { window } from './window.ts';

const rows: AtenRows = {
  ...pointwise,
  ...reduce,
  ...shape,
  ...indexing,
  ...create,
  ...layers,
  ...window,
  ...recurrent,
  ...attention,
  ...linalg,
};

/** The row of `name.overload`; of `relu_` it is that of `relu`. */
export function atenRow(name: string, overload: string): AtenRow | undefined {
  const own = `${name}.${overload}`;
  const twin = `${name.replace(/_$/, '')}.${overload}`;
  return Object.hasOwn(rows, own) ? rows[own] : Object.hasOwn(rows, twin) ? rows[twin] : undefined;
}

/** Every overload with a row of its own. */
export const atenRowNames = (): readonly string[] => Object.keys(rows);

/** Overloads that only assert something, and give nothing. */
export const assertions: ReadonlySet<string> = new Set([
  '_assert_async.default',
  '_assert_async.msg',
  '_assert_scalar.default',
  '_assert_tensor_metadata.default',
  '_functional_assert_async.msg',
  '_linalg_check_errors.default',
  'sym_constrain_range.default',
  'sym_constrain_range_for_size.default',
]);
