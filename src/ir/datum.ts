// What a value holds at run time: a tensor, or one of the other kinds of the standard.
import { fail } from '../errors.ts';
import { Tensor } from './tensor.ts';

/** An array is a sequence, a Map a map, null an optional without an element; one that has an element is that. */
export type Datum = Tensor | readonly Datum[] | DatumMap | null;
export type DatumMap = ReadonlyMap<string | bigint, number | bigint | string>;

/** What a datum is, in words. */
export function kindOfDatum(datum: Datum | undefined): string {
  if (datum === undefined) return 'nothing';
  if (datum === null) return 'an empty optional';
  if (datum instanceof Tensor) return `${datum.type}[${datum.dims}]`;
  return Array.isArray(datum) ? `a sequence of ${datum.length}` : 'a map';
}

/** @throws ModelError E3002 */
export function tensorOf(datum: Datum | undefined): Tensor {
  if (datum instanceof Tensor) return datum;
  throw fail('E3002', `expected a tensor, found ${kindOfDatum(datum)}`);
}

/** @throws ModelError E3002 */
export function sequenceOf(datum: Datum | undefined): readonly Datum[] {
  if (Array.isArray(datum)) return datum as readonly Datum[];
  throw fail('E3002', `expected a sequence, found ${kindOfDatum(datum)}`);
}
