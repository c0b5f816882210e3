// The table of builtin operators: what each means, or why it has no conversion.
import { BuiltinOperator } from '../schema.gen.ts';
import { control } from './control.ts';
import { customRows } from './custom.ts';
import { gaps } from './gaps.ts';
import { indexing } from './indexing.ts';
import { other } from './other.ts';
import { pointwise } from './pointwise.ts';
import { products } from './products.ts';
import { quantization } from './quantize.ts';
import { recurrent } from './recurrent.ts';
import { reduce } from './reduce.ts';
import { type Row, type Rows, unsupported } from './row.ts';
import { shapes } from './shape.ts';
import { stablehlo } from './stablehlo.ts';
import { window } from './window.ts';

const rows: Rows = {
  ...pointwise,
  ...reduce,
  ...shapes,
  ...indexing,
  ...window,
  ...products,
  ...quantization,
  ...recurrent,
  ...control,
  ...other,
  ...stablehlo,
};

/** The row of an operator. @throws ModelError E2001 with the reason where it has none */
export function rowOf(name: string): Row {
  if (Object.hasOwn(rows, name)) return rows[name]!;
  throw unsupported((Object.hasOwn(gaps, name) && gaps[name]) || 'no conversion');
}

/** Custom operators with a row of their own. */
export const customOperators = (): readonly string[] => Object.keys(customRows);

/** Every builtin operator, with the reason where it has no conversion. */
export const builtinCoverage = (): { name: string; gap: string | undefined }[] =>
  Object.keys(BuiltinOperator).map(name => ({ name, gap: Object.hasOwn(rows, name) ? undefined : (gaps[name] ?? 'no conversion yet') }));
