// Operators between maps and tensors. Keys of int64 maps are bigints.
import { fail } from '../../errors.ts';
import { type Datum, type DatumMap, kindOfDatum } from '../../ir/datum.ts';
import { arrayFor, Tensor, type TensorData, type TypedArray } from '../../ir/tensor.ts';
import { type DataType, tensorType, type ValueType } from '../../ir/types.ts';
import { keyed } from '../once.ts';
import { type HostContext, type OtherFamily, otherHost } from '../row.ts';
import { type Ints, indexIn, labelsOf, tableOf, type X } from './common.ts';

type Element = string | number | bigint;

interface CastMapAt {
  readonly cast_to: string;
  readonly map_form: string;
  readonly max_map: number | bigint;
}

interface VectorizerAt {
  readonly int64_vocabulary?: Ints;
  readonly string_vocabulary?: readonly string[];
}

interface ZipMapAt {
  readonly classlabels_int64s?: Ints;
  readonly classlabels_strings?: readonly string[];
}

export const maps: OtherFamily = {
  CastMap: otherHost<X, CastMapAt>({
    infer: (_x, { cast_to }) => [tensorType(castNamed(cast_to).type)],
    host({ X: datum }, { cast_to, map_form, max_map }, context) {
      const { type, cast, fill } = castNamed(cast_to);
      const entries = [...mapOf(datum)]
        .map(([key, value]) => [intKey(key), value] as const)
        .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      if (map_form !== 'DENSE' && map_form !== 'SPARSE') throw fail('E1303', `there is no map_form ${map_form}`);
      const isDense = map_form === 'DENSE';
      if (!isDense && entries[0] && entries[0][0] < 0n) throw fail('E3006', `CastMap: the key ${entries[0][0]} is negative`);
      const count = isDense ? entries.length : indexIn(max_map, 2 ** 32, 'max_map');
      context.reserve(8 * count);
      const y = room(type, count, fill);
      for (const [i, [key, value]] of entries.entries()) {
        const place = isDense ? i : Number(key);
        if (place < count) y[place] = cast(value) as never;
      }
      return [new Tensor(type, y as TensorData, [1, count])];
    },
  }),
  DictVectorizer: otherHost<X, VectorizerAt>({
    infer({ X: x }, at) {
      const type = valueType(x.type);
      return [type && tensorType(type, [1, (at.string_vocabulary ?? at.int64_vocabulary ?? []).length])];
    },
    host({ X: datum }, at, context) {
      const map = mapOf(datum);
      const type = elementFor(map, context);
      const words = vocabulary(at);
      const y = room(type, words.length, '');
      for (const [i, word] of words.entries()) if (map.has(word)) y[i] = map.get(word) as never;
      return [new Tensor(type, y as TensorData, [1, words.length])];
    },
  }),
  ZipMap: otherHost<X, ZipMapAt>({
    infer: (_x, { classlabels_strings }) => [
      { kind: 'sequence', of: { kind: 'map', key: classlabels_strings?.length ? 'string' : 'int64', of: tensorType('float32', []) } },
    ],
    host({ X: datum }, at, context) {
      const keys = zipKeys(at);
      const { rows, columns, data } = tableOf(datum);
      if (columns !== keys.length) throw fail('E3005', `ZipMap: ${keys.length} keys for ${columns} columns`);
      context.reserve(16 * rows * columns);
      return [Array.from({ length: rows }, (_, i) => new Map(keys.map((key, j) => [key, data[i * columns + j]!])))];
    },
  }),
};

const vocabulary = keyed((at: VectorizerAt) => labelsOf(at.int64_vocabulary, at.string_vocabulary));
const zipKeys = keyed((at: ZipMapAt) => labelsOf(at.classlabels_int64s, at.classlabels_strings));

function mapOf(datum: Datum): DatumMap {
  if (datum instanceof Map) return datum as DatumMap;
  throw fail('E3002', `expected a map, found ${kindOfDatum(datum)}`);
}

function intKey(key: string | bigint): bigint {
  if (typeof key === 'bigint') return key;
  throw fail('E3002', 'expected a map with int64 keys');
}

/** Most elements that an array of JavaScript takes. */
const mostStrings = 2 ** 27 - 64;

/** Room for so many elements: zeros, or strings. @throws ModelError E3007 where there is none */
function room(type: DataType, count: number, text: Element): TypedArray | string[] {
  try {
    if (type !== 'string') return new (arrayFor(type))(count);
    if (count <= mostStrings) return new Array<string>(count).fill(String(text));
  } catch {
    // Falls through to what both kinds say.
  }
  throw fail('E3007', `there is no memory for ${count} elements`);
}

const valueType = (type: ValueType | undefined): DataType | undefined =>
  type?.kind === 'map' && type.of?.kind === 'tensor' ? type.of.element : undefined;

/** The type of the output: as inferred where the map's type was known, else by what the map holds. */
function elementFor(map: DatumMap, { types: [type] }: HostContext): DataType {
  const [first] = map.values();
  const found: DataType = typeof first === 'string' ? 'string' : typeof first === 'bigint' ? 'int64' : 'float32';
  if (type?.kind !== 'tensor') return found;
  const fits = first === undefined || (found === 'float32' ? type.element.startsWith('float') : found === type.element);
  if (!fits) throw fail('E3002', `the map holds ${found}, expected ${type.element}`);
  return type.element;
}

interface CastTo {
  readonly type: DataType;
  readonly fill: Element;
  cast(value: Element): Element;
}

/** Text as a number: the longest beginning that is one, as C reads it. */
function numberIn(text: string, pattern: RegExp): string {
  const [found] = pattern.exec(text.trim()) ?? [];
  if (found !== undefined) return found;
  throw fail('E3002', `CastMap: ${JSON.stringify(text)} is no number`);
}

const float = /^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)/i;
const special = (text: string): number => (/nan/i.test(text) ? Number.NaN : text.startsWith('-') ? -Infinity : Infinity);

const casts: Readonly<Record<string, CastTo>> = {
  TO_FLOAT: {
    type: 'float32',
    fill: 0,
    cast(value) {
      const text = typeof value === 'string' ? numberIn(value, float) : undefined;
      return text === undefined ? Number(value) : /[a-df-z]/i.test(text) ? special(text) : Number(text);
    },
  },
  TO_INT64: {
    type: 'int64',
    fill: 0n,
    cast(value) {
      if (typeof value === 'string') return BigInt.asIntN(64, BigInt(numberIn(value, /^[+-]?\d+/).replace('+', '')));
      return typeof value === 'bigint' ? value : Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
    },
  },
  // Runtimes write six digits after the point, and this text where a key is missing.
  TO_STRING: { type: 'string', fill: '0.f', cast: value => (typeof value === 'number' ? fixed(value) : String(value)) },
};

const fixed = (x: number): string => {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x < 0 ? '-inf' : 'inf';
  // toFixed gives up beyond 1e21, where every float is an integer.
  return Math.abs(x) < 1e21 ? (Object.is(x, -0) ? '-0.000000' : x.toFixed(6)) : `${BigInt(x)}.000000`;
};

function castNamed(name: string): CastTo {
  const found = Object.hasOwn(casts, name) ? casts[name] : undefined;
  if (found) return found;
  throw fail('E1303', `there is no cast_to ${name}`);
}
