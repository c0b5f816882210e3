// Operators without a meaning yet, each with what it is waiting for. A row replaces its line here.
import { gapTypes } from './gap-types.ts';
import type { OpName } from './names.gen.ts';
import { nestedTypes } from './nested-types.ts';
import type { Gap, InferTable } from './row.ts';

const dataDependent = { gap: 'needs host operators whose output sizes depend on the data' } as const;
const scatter = { gap: 'needs the scatter kernel' } as const;
const random = { gap: 'needs the random kernel' } as const;
const recurrent = { gap: 'needs the control kernels: its body is a loop over time' } as const;
const sampling = { gap: 'needs gathers by computed coordinates' } as const;

const types: InferTable = { ...gapTypes, ...nestedTypes };

/** Each reason with the operator's output types, where the standard lets one infer them. */
// The cast: the entry of an operator takes that operator's inputs, which a loop over names cannot say.
const typed = <K extends OpName>(reasons: Readonly<Record<K, { readonly gap: string }>>): { readonly [N in K]: Gap<N> } =>
  Object.fromEntries(Object.entries<{ gap: string }>(reasons).map(([op, { gap }]) => [op, { gap, infer: types[op as K] }])) as never;

export const gaps = typed({
  Bernoulli: random,
  Col2Im: scatter,
  Compress: dataDependent,
  GRU: recurrent,
  ImageDecoder: { gap: 'needs an image decoder' },
  LSTM: recurrent,
  MaxUnpool: scatter,
  Multinomial: random,
  NonMaxSuppression: dataDependent,
  NonZero: dataDependent,
  RNN: recurrent,
  RandomNormal: random,
  RandomNormalLike: random,
  RandomUniform: random,
  RandomUniformLike: random,
  ReverseSequence: sampling,
  ScatterElements: scatter,
  ScatterND: scatter,
  TensorScatter: scatter,
  TopK: { gap: 'needs the top-k kernel' },
  Unique: dataDependent,
});
