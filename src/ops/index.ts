// What every operator of the standard means: the families merged into one table, complete by type.
import { attention } from './attention.ts';
import { gaps } from './gaps.ts';
import { generators } from './generate.ts';
import { layout } from './layout.ts';
import { products } from './matmul.ts';
import type { OpName } from './names.gen.ts';
import { norms } from './norm.ts';
import { pointwise } from './pointwise.ts';
import { reductions } from './reduce.ts';
import type { Row } from './row.ts';
import { windows } from './window.ts';

/** A row for every operator of the newest ai.onnx opset. */
export const rows: { readonly [K in OpName]: Row<K> } = {
  ...pointwise,
  ...reductions,
  ...products,
  ...layout,
  ...windows,
  ...norms,
  ...generators,
  ...attention,
  ...gaps,
};

/** The row of an operator by name; undefined for names outside the standard. */
// The cast: rows are looked up by names that only the run knows, so their own input and attribute types are forgotten here.
export const rowOf = (op: string): Row<OpName> | undefined =>
  (Object.hasOwn(rows, op) ? (rows as Record<string, unknown>)[op] : undefined) as Row<OpName> | undefined;
