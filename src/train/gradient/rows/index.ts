// The gradient of every operator: the families merged, and for the standard's own domain the compiler checks that none is missing.
import { rowOf } from '../../../ops/index.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { bodyOf } from '../../../ops/row.ts';
import { normaliseDomain } from '../../../ops/schema.ts';
import { body, type GradientRow, gap } from '../row.ts';
import { layout } from './layout.ts';
import { maps } from './maps.ts';
import { norms } from './norms.ts';
import { cuts, others } from './others.ts';
import { products } from './products.ts';
import { reductions } from './reductions.ts';
import { windows } from './windows.ts';

export const gradientRows: { readonly [K in OpName]: GradientRow<K> } = {
  ...maps,
  ...reductions,
  ...products,
  ...layout,
  ...windows,
  ...norms,
  ...others,
  ...cuts,
};

/** The row of an operator. Those of other domains are differentiated through their bodies. */
export function gradientRowOf(op: string, domain: string): GradientRow {
  // The cast: rows are looked up by names that only the run knows.
  if (normaliseDomain(domain) === '' && Object.hasOwn(gradientRows, op)) return gradientRows[op as OpName] as GradientRow;
  const row = rowOf(op, domain);
  return row && bodyOf(row) ? body('by its body') : gap('the operator has no rule and no body');
}
