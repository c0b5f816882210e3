// The gradient of every operator: the families merged.

import { rowOf } from '../../../ops/index.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { bodyOf } from '../../../ops/row.ts';
import { normaliseDomain } from '../../../ops/schema.ts';
import { body, type GradientRow, gap } from '../row.ts';
import { maps } from './maps.ts';
import { products } from './products.ts';
import { reductions } from './reductions.ts';

const rows: { readonly [K in OpName]?: GradientRow<K> } = { ...maps, ...reductions, ...products };

/** The row of an operator. Operators of other domains are differentiated through their bodies. */
export function gradientRowOf(op: string, domain: string): GradientRow {
  // The cast: rows are looked up by names that only the run knows.
  if (normaliseDomain(domain) === '' && Object.hasOwn(rows, op)) return rows[op as OpName] as GradientRow;
  const row = rowOf(op, domain);
  return row && bodyOf(row) ? body('by its body') : gap('the operator has no rule and no body');
}
