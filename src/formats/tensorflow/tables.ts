// Lookup tables: what their initializers put into them is known, so that a lookup is a LabelEncoder.
import type { Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import type { DataType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { elementOf } from '../../ops/shapes.ts';
import { unsupported } from './call.ts';
import { type Handle, Table, tensorOf } from './handles.ts';
import type { StructureRow } from './step.ts';

export const tableDomain = 'ai.onnx.ml';

function contentOf(handle: Handle): { readonly keys: Tensor; readonly values: Tensor } {
  if (handle instanceof Table && handle.content) return handle.content;
  throw unsupported('what the table holds is not known');
}

/** What LabelEncoder calls lists of a type, and the type that it takes others in. */
const stands: Readonly<Partial<Record<DataType, DataType>>> = { int32: 'int64', float64: 'float32', bool: 'int64' };
const words: Readonly<Partial<Record<DataType, 'string' | 'int64' | 'float'>>> = { string: 'string', int64: 'int64', float32: 'float' };

function listOf(t: Tensor, what: string): { readonly word: string; readonly list: readonly (string | number | bigint)[] } {
  const word = words[stands[t.type] ?? t.type];
  if (!word) throw unsupported(`${what} of ${t.type}`);
  const list = Array.from(t.data as ArrayLike<string | number | bigint>);
  return { word, list: word === 'int64' ? list.map(x => BigInt(x)) : list };
}

const find: StructureRow = ({ inputs: [handle, given, otherwise], b }) => {
  const { keys, values } = contentOf(handle);
  const [x, fallback] = [tensorOf(given), tensorOf(otherwise)];
  if (!fallback.tensor?.isResident || fallback.tensor.size !== 1) throw unsupported('another default than a constant');
  const [from, to] = [listOf(keys, 'keys'), listOf(values, 'values')];
  const [other] = listOf(fallback.tensor, 'values').list;
  const kind = { string: 'strings', int64: 'ints', float: 'floats' } as const;
  const one = { string: 'string', int64: 'int', float: 'float' } as const;
  const attributes = {
    [`keys_${from.word}s`]: { kind: kind[from.word as 'int64'], value: from.list } as never,
    [`values_${to.word}s`]: { kind: kind[to.word as 'int64'], value: to.list } as never,
    [`default_${to.word}`]: { kind: one[to.word as 'int64'], value: other } as never,
  };
  const type = elementOf(x);
  const made = b.emit('LabelEncoder', [cast(b, x, stands[type] ?? type)], attributes, { domain: tableDomain })[0]!;
  return [cast(b, made, values.type)];
};

const cast = (b: Builder, v: Value, type: DataType): Value => (v.element === type ? v : b.Cast(v, type));

const size: StructureRow = ({ inputs: [handle], b }) => [
  b.constant(BigInt(new Set(Array.from(contentOf(handle).keys.data as ArrayLike<unknown>)).size), 'int64'),
];

export const tables: Readonly<Record<string, StructureRow>> = {
  LookupTableFind: find,
  LookupTableFindV2: find,
  LookupTableSize: size,
  LookupTableSizeV2: size,
};
