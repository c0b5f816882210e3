// What every operator means: the families merged into one table a domain; that of the standard is complete by type.

import { attention } from './attention.ts';
import { control } from './control.ts';
import { gaps } from './gaps.ts';
import { generators } from './generate.ts';
import { layout } from './layout.ts';
import { products } from './matmul.ts';
import type { OpName } from './names.gen.ts';
import { norms } from './norm.ts';
import { pointwise } from './pointwise.ts';
import { reductions } from './reduce.ts';
import type { Row } from './row.ts';
import { normaliseDomain } from './schema.ts';
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
  ...control,
  ...gaps,
};

// The cast: rows are looked up by names that only the run knows, so their own input and attribute types are forgotten here.
const domains = new Map<string, Readonly<Record<string, Row<OpName>>>>([['', rows as unknown as Record<string, Row<OpName>>]]);

/** The row of an operator; undefined for names outside the tables. */
export function rowOf(op: string, domain = ''): Row<OpName> | undefined {
  const table = domains.get(normaliseDomain(domain));
  return table && Object.hasOwn(table, op) ? table[op] : undefined;
}
