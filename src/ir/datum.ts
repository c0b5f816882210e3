// What a value holds at run time: a tensor, or one of the other kinds of the standard.
import { fail } from '../errors.ts';
import { Tensor } from './tensor.ts';
import { type DataType, elementTypes, type ValueType } from './types.ts';

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

/** Whether a datum is of a type as far as it is known; the sizes of tensors are not looked at. */
export function isOfType(datum: Datum, type: ValueType | undefined): boolean {
  if (type === undefined || type.kind === 'opaque') return true;
  if (type.kind === 'map') return datum instanceof Map && isMapOf(datum as DatumMap, type.key, type.of);
  if (type.kind === 'tensor' || type.kind === 'sparse') return datum instanceof Tensor && datum.type === type.element;
  if (type.kind === 'optional') return datum === null || isOfType(datum, type.of);
  return type.kind === 'sequence' && Array.isArray(datum) && (datum as readonly Datum[]).every(item => isOfType(item, type.of));
}

function isMapOf(map: DatumMap, key: DataType, of: ValueType | undefined): boolean {
  const keyKind = scalarKind(key);
  const kind = of?.kind === 'tensor' ? scalarKind(of.element) : undefined;
  for (const [k, value] of map) if (typeof k !== keyKind || (kind && typeof value !== kind)) return false;
  return true;
}

/** What JavaScript holds a scalar of an element type as. */
const scalarKind = (type: DataType): 'string' | 'bigint' | 'number' =>
  type === 'string' ? 'string' : elementTypes[type].bits === 64 && elementTypes[type].class !== 'float' ? 'bigint' : 'number';
