// Comparison of anything a model can give: tensors, sequences, maps, and what may be absent.
import { type Datum, type DatumMap, kindOfDatum } from '../ir/datum.ts';
import { Tensor } from '../ir/tensor.ts';
import { type Comparison, compareTensors, match, mismatch, type Tolerance } from './compare.ts';

/** Compare a result with its reference: one row for a tensor, one for each item of what holds several. */
export function compareData(name: string, got: Datum | undefined, want: Datum, tolerance?: Tolerance): Comparison[] {
  const facts = { name, type: 'undefined', dims: [] } as const;
  const refuse = (): Comparison[] => [mismatch(facts, `${kindOfDatum(got)}, expected ${kindOfDatum(want)}`)];
  if (want === null) return got === null ? [match(facts)] : refuse();
  if (want instanceof Tensor) return got instanceof Tensor ? [compareTensors(name, got, want, tolerance)] : refuse();
  if (want instanceof Map) return got instanceof Map ? compareMaps(name, got as DatumMap, want, tolerance) : refuse();
  if (!Array.isArray(got) || got.length !== (want as readonly Datum[]).length) return refuse();
  if (got.length === 0) return [match(facts)];
  return (want as readonly Datum[]).flatMap((item, i) => compareData(`${name}[${i}]`, (got as readonly Datum[])[i], item, tolerance));
}

function compareMaps(name: string, got: DatumMap, want: DatumMap, tolerance?: Tolerance): Comparison[] {
  const facts = { name, type: 'undefined', dims: [] } as const;
  const missing = [...want.keys()].filter(key => !got.has(key));
  if (missing.length > 0 || got.size !== want.size)
    return [mismatch(facts, missing.length > 0 ? `no key ${missing.slice(0, 3).join(', ')}` : `${got.size} keys, expected ${want.size}`)];
  const keys = [...want.keys()];
  return [compareTensors(name, column(keys.map(key => got.get(key)!)), column(keys.map(key => want.get(key)!)), tolerance)];
}

/** Values of a map as one tensor; they are all of one kind. */
function column(values: readonly (number | bigint | string)[]): Tensor {
  const kind = typeof values[0];
  if (kind === 'string') return new Tensor('string', values as readonly string[], [values.length]);
  return new Tensor(kind === 'bigint' ? 'int64' : 'float64', values as readonly (number | bigint)[], [values.length]);
}
