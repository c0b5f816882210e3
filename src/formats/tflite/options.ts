// Options of operators: from whichever union holds them, and what stands for those that a file leaves out.
import { type BuiltinOptions, type BuiltinOptions2, type Operator, type Tables, tfliteSchema } from './schema.gen.ts';

export type OptionsTable = BuiltinOptions | BuiltinOptions2;

/** The options of an operator and the table that they are. */
export function optionsOf(operator: Operator): { readonly table: OptionsTable | undefined; readonly values: object | undefined } {
  const { builtin_options_2_type: second, builtin_options_2: later } = operator;
  return second ? { table: second, values: later } : { table: operator.builtin_options_type, values: operator.builtin_options };
}

/** Options with every field at its default. */
export function schemaDefaults(table: OptionsTable & keyof Tables): object {
  return Object.fromEntries(tfliteSchema.tables[table]!.map(([, name, type, fallback]) => [name, fallback ?? defaultOf(type)]));
}

function defaultOf(type: string): unknown {
  if (type === 'bool') return false;
  if (type.startsWith('[')) return type === '[uint8]' ? undefined : [];
  if (/^u?int64$/.test(type)) return 0n;
  return /^(u?int|float)\d+$/.test(type) ? 0 : undefined;
}
