// Operators without a meaning yet, each with what it is waiting for. A row replaces its line here.
import { gapTypes } from './gap-types.ts';
import type { OpName } from './names.gen.ts';
import { nestedTypes } from './nested-types.ts';
import type { Gap, InferTable } from './row.ts';

const dataDependent = { gap: 'needs host operators whose output sizes depend on the data' } as const;
const sampling = { gap: 'needs gathers by computed coordinates' } as const;

const types: InferTable = { ...gapTypes, ...nestedTypes };

/** Each reason with the operator's output types, where the standard lets one infer them. */
// The cast: the entry of an operator takes that operator's inputs, which a loop over names cannot say.
const typed = <K extends OpName>(reasons: Readonly<Record<K, { readonly gap: string }>>): { readonly [N in K]: Gap<N> } =>
  Object.fromEntries(Object.entries<{ gap: string }>(reasons).map(([op, { gap }]) => [op, { gap, infer: types[op as K] }])) as never;

export const gaps = typed({
  Compress: dataDependent,
  ImageDecoder: { gap: 'needs an image decoder' },
  NonMaxSuppression: dataDependent,
  NonZero: dataDependent,
  ReverseSequence: sampling,
  TopK: { gap: 'needs the top-k kernel' },
  Unique: dataDependent,
});
