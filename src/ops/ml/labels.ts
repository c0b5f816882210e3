// Operators that look labels up. Maps know NaN and any string.
import { fail } from '../../errors.ts';
import { tensorOf } from '../../ir/datum.ts';
import { arrayFor, Tensor, type TypedArray } from '../../ir/tensor.ts';
import { type DataType, isFloat, tensorType } from '../../ir/types.ts';
import { lookupOf } from '../lookup.ts';
import { keyed } from '../once.ts';
import { type OtherFamily, otherHost } from '../row.ts';
import { shapeOf, typeOf } from '../shapes.ts';
import { type Ints, type Label, labelsOf, requireSameLength, type X, zeros } from './common.ts';

type Element = string | number | bigint;

interface MapperAt {
  readonly cats_int64s?: Ints;
  readonly cats_strings?: readonly string[];
  readonly default_int64: number | bigint;
  readonly default_string: string;
}

interface EncoderAt {
  readonly keys_floats?: readonly number[];
  readonly keys_int64s?: Ints;
  readonly keys_strings?: readonly string[];
  readonly keys_tensor?: Tensor;
  readonly values_floats?: readonly number[];
  readonly values_int64s?: Ints;
  readonly values_strings?: readonly string[];
  readonly values_tensor?: Tensor;
  readonly default_float: number;
  readonly default_int64: number | bigint;
  readonly default_string: string;
  readonly default_tensor?: Tensor;
}

interface OneHotAt {
  readonly cats_int64s?: Ints;
  readonly cats_strings?: readonly string[];
  readonly zeros: number | bigint;
}

export const labels: OtherFamily = {
  CategoryMapper: otherHost<X, MapperAt>({
    infer({ X: x }, at) {
      categories(at);
      return [tensorType(typeOf(x).element === 'string' ? 'int64' : 'string', typeOf(x).shape)];
    },
    host({ X: datum }, at) {
      const x = tensorOf(datum);
      const { toInt, toString: toText } = categories(at);
      if (x.type === 'string') return [mapped(x, 'int64', toInt, BigInt(at.default_int64))];
      if (x.type === 'int64') return [mapped(x, 'string', toText, at.default_string)];
      throw fail('E1304', `CategoryMapper takes strings or int64, not ${x.type}`);
    },
  }),
  LabelEncoder: otherHost<X, EncoderAt>({
    infer({ X: x }, at) {
      keysIn(at);
      return [tensorType(valuesIn(at).type, typeOf(x).shape)];
    },
    host({ X: datum }, at) {
      const x = tensorOf(datum);
      const { key, type, pairs, otherwise } = encoding(at);
      if (x.type !== key) throw fail('E1304', `LabelEncoder: the keys are ${key}, the input is ${x.type}`);
      return [mapped(x, type, pairs, otherwise)];
    },
  }),
  OneHotEncoder: otherHost<X, OneHotAt>({
    infer: ({ X: x }, at) => [tensorType('float32', [...shapeOf(x), categoriesOf(at).length])],
    host({ X: datum }, at, context) {
      const x = tensorOf(datum);
      const { count, places } = places1Hot(at);
      const y = zeros(x.size * count, context);
      for (const [i, element] of elementsIn(x).entries()) {
        const place = places.get(typeof element === 'number' ? whole(element) : element);
        if (place !== undefined) y[i * count + place] = 1;
        else if (!at.zeros) throw fail('E3006', `OneHotEncoder: ${element} is no category, and zeros is 0`);
      }
      return [new Tensor('float32', y, [...x.dims, count])];
    },
  }),
};

const categories = keyed(({ cats_int64s, cats_strings }: MapperAt) => {
  if (!cats_int64s || !cats_strings) throw fail('E1303', 'CategoryMapper needs cats_int64s and cats_strings');
  requireSameLength({ cats_int64s, cats_strings });
  const ints = cats_int64s.map(BigInt);
  return {
    toInt: lookupOf<Element, Element>(cats_strings, i => ints[i]!),
    toString: lookupOf<Element, Element>(ints, i => cats_strings[i]!),
  };
});

const categoriesOf = ({ cats_int64s, cats_strings }: OneHotAt): readonly Label[] => labelsOf(cats_int64s, cats_strings);

const places1Hot = keyed((at: OneHotAt) => {
  const list = categoriesOf(at);
  return { count: list.length, places: lookupOf<Element | undefined, number>(list, i => i) };
});

/** A number without its fraction; undefined where it has no such. */
const whole = (x: number): bigint | undefined => (Number.isFinite(x) ? BigInt(Math.trunc(x)) : undefined);

/** One of a node's two lists, whichever attribute gives it. */
interface List {
  readonly type: DataType;
  elements(): readonly Element[];
}

function listOf(
  what: string,
  floats: readonly number[] | undefined,
  ints: Ints | undefined,
  strings: readonly string[] | undefined,
  tensor: Tensor | undefined,
): List {
  const given: List[] = [];
  if (floats) given.push({ type: 'float32', elements: () => floats });
  if (ints) given.push({ type: 'int64', elements: () => ints.map(BigInt) });
  if (strings) given.push({ type: 'string', elements: () => strings });
  if (tensor) given.push({ type: tensor.type, elements: () => elementsIn(tensor) });
  if (given.length !== 1) throw fail('E1303', `LabelEncoder: ${given.length} attributes of ${what} are given, expected 1`);
  return given[0]!;
}

const keysIn = (at: EncoderAt): List => listOf('keys', at.keys_floats, at.keys_int64s, at.keys_strings, at.keys_tensor);
const valuesIn = (at: EncoderAt): List => listOf('values', at.values_floats, at.values_int64s, at.values_strings, at.values_tensor);

const encoding = keyed((at: EncoderAt) => {
  const [from, to] = [keysIn(at), valuesIn(at)];
  const [keys, values] = [from.elements(), to.elements()];
  requireSameLength({ keys, values });
  const pairs = lookupOf(keys, i => values[i]!);
  return { key: from.type, type: to.type, pairs, otherwise: defaultOf(at, to.type) };
});

function defaultOf(at: EncoderAt, type: DataType): Element {
  const tensor = at.default_tensor;
  if (tensor) {
    if (tensor.type !== type || tensor.size !== 1) throw fail('E1303', `default_tensor must hold one ${type}`);
    return elementsIn(tensor)[0]!;
  }
  if (type === 'string') return at.default_string;
  if (isFloat(type)) return at.default_float;
  return type === 'int64' ? BigInt(at.default_int64) : Number(at.default_int64);
}

/** @throws ModelError E1304 for types whose elements are not plain strings or numbers */
function elementsIn(t: Tensor): readonly Element[] {
  const plain: readonly DataType[] = ['string', 'int64', 'int32', 'int16', 'float32', 'float64'];
  if (!plain.includes(t.type)) throw fail('E1304', `${t.type} cannot be looked up`);
  // The cast: an array of one of these types, or of strings, can be read as a list of elements.
  return t.data as unknown as readonly Element[];
}

/** Each element's partner. */
function mapped(x: Tensor, type: DataType, pairs: ReadonlyMap<Element, Element>, otherwise: Element): Tensor {
  const found = (element: Element): Element => pairs.get(element) ?? otherwise;
  if (type === 'string') return new Tensor('string', Array.from(elementsIn(x), found) as string[], x.dims);
  const y: TypedArray = new (arrayFor(type))(x.size);
  for (const [i, element] of elementsIn(x).entries()) y[i] = found(element) as never;
  return new Tensor(type, y, x.dims);
}
