// Output types of operators over sequences, optionals and strings, and what those of nested graphs are seen from outside.
import { fail } from '../errors.ts';
import { type Dim, sameDim, sameShape, symbolsOf, unknownDim } from '../ir/dims.ts';
import { Graph, type Output, type Value } from '../ir/graph.ts';
import { dataTypeOfCode, type Shape, type TensorType, tensorType, type ValueType } from '../ir/types.ts';
import type { InferTable } from './row.ts';
import { axisOf, broadcastType, contentsOf, elementOf, shapeOf } from './shapes.ts';
import { countedPlaces } from './tfidf.ts';

export const nestedTypes = {
  ConcatFromSequence({ input_sequence }, { axis, new_axis }) {
    const { element, shape } = tensorIn(input_sequence);
    if (!shape) return [tensorType(element)];
    const on = axisOf(axis, shape.length + (new_axis ? 1 : 0));
    return [tensorType(element, shape.toSpliced(on, new_axis ? 0 : 1, unknownDim()))];
  },
  SequenceAt: ({ input_sequence }) => [itemOf(input_sequence)],
  SequenceConstruct: ({ inputs }) => [sequence(inputs.map(v => v.type).reduce(merged))],
  SequenceEmpty: (_x, { dtype }) => [sequence(tensorType(dataTypeOfCode(dtype ?? 1) ?? 'float32'))],
  SequenceErase: ({ input_sequence }) => [input_sequence.type],
  SequenceInsert({ input_sequence, tensor }) {
    const item = itemOf(input_sequence);
    if (item?.kind === 'tensor' && tensor.element && tensor.element !== item.element)
      throw fail('E1304', `SequenceInsert: a tensor of ${tensor.element} into a sequence of ${item.element}`);
    return [sequence(merged(item, tensor.type))];
  },
  SequenceLength: () => [tensorType('int64', [])],
  SplitToSequence({ input, split }, { axis, keepdims }) {
    const shape = shapeOf(input);
    const on = axisOf(axis, shape.length);
    const part = split ? shape.with(on, partSize(split, shape[on]!)) : keepdims ? shape.with(on, 1) : shape.toSpliced(on, 1);
    return [sequence(tensorType(elementOf(input), part))];
  },
  Optional: ({ input }, { type }) => [{ kind: 'optional', of: input ? input.type : (type as ValueType | undefined) }],
  OptionalGetElement: ({ input }) => [input.type?.kind === 'optional' ? input.type.of : input.type],
  OptionalHasElement: () => [tensorType('bool', [])],

  RegexFullMatch: ({ X }) => [tensorType('bool', shapeOf(X))],
  StringConcat: ({ X, Y }) => [broadcastType('string', [X, Y])],
  StringNormalizer: ({ X }) => [tensorType('string', [...shapeOf(X).slice(0, -1), unknownDim()])],
  StringSplit: ({ X }) => [tensorType('string', [...shapeOf(X), unknownDim()]), tensorType('int64', shapeOf(X))],
  TfIdfVectorizer: ({ X }, { ngram_indexes }) => [tensorType('float32', [...shapeOf(X).slice(0, -1), countedPlaces(ngram_indexes)])],
} satisfies InferTable;

/** The cast is made at run time: attribute tables do not know the graph's type. */
export function bodyOf(attribute: unknown): Graph {
  if (attribute instanceof Graph) return attribute;
  throw fail('E1303', 'expected a graph attribute');
}

export const typeOfOutput = (o: Output): ValueType | undefined => o.value.type ?? o.type;
export const sequence = (of: ValueType | undefined): ValueType => ({ kind: 'sequence', of });

/** The size that all parts have: a scalar is that of each, where it divides the axis; a list says them one by one. */
function partSize(split: Value, size: Dim): Dim {
  const [first, ...more] = contentsOf(split) ?? [];
  if (first === undefined) return unknownDim();
  const isSame =
    split.shape?.length === 0
      ? typeof first === 'number' && typeof size === 'number' && size % first === 0
      : more.every(part => sameDim(part, first));
  return isSame ? first : unknownDim();
}

/** The type of a sequence's elements. */
function itemOf(v: Value): ValueType | undefined {
  if (v.type?.kind === 'sequence') return v.type.of;
  throw fail('E3009', `the type of ${v.name || 'a sequence'} is not known`);
}

function tensorIn(v: Value): TensorType {
  const item = itemOf(v);
  if (item?.kind === 'tensor') return item;
  throw fail('E3009', `the type of the elements of ${v.name || 'a sequence'} is not known`);
}

/** What is true of both types: one element type, one rank, sizes that agree. */
export function merged(a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined {
  if (a?.kind === 'tensor' && b?.kind === 'tensor') {
    if (a.element !== b.element) return undefined;
    return tensorType(a.element, mergedShape(a.shape, b.shape));
  }
  if ((a?.kind === 'sequence' && b?.kind === 'sequence') || (a?.kind === 'optional' && b?.kind === 'optional'))
    return { kind: a.kind, of: merged(a.of, b.of) };
  return undefined;
}

function mergedShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b || a.length !== b.length) return undefined;
  return sameShape(a, b) ? a : a.map((d, i) => (sameDim(d, b[i]!) ? d : unknownDim()));
}

const symbolsIn = (values: readonly (Value | undefined)[]): Set<string> =>
  new Set(values.flatMap(v => (v?.shape ?? []).flatMap(d => [...symbolsOf(d)])));

/**
 * A type inside `body` as it is seen outside: what the sizes of the body's own inputs decide is not known there, but where they are sizes
 * of what is given to it.
 */
export function outside(body: Graph, type: ValueType | undefined, given: readonly (Value | undefined)[]): ValueType | undefined {
  if (type?.kind !== 'tensor' || !type.shape) return type;
  const own = symbolsIn(body.inputs);
  for (const name of symbolsIn(given)) own.delete(name);
  const isOuter = (d: Dim): boolean => [...symbolsOf(d)].every(name => !own.has(name));
  return tensorType(
    type.element,
    type.shape.map(d => (isOuter(d) ? d : unknownDim())),
  );
}

/** One value of `type` for each of `steps`, along a new axis. */
export function stacked(
  body: Graph,
  type: ValueType | undefined,
  given: readonly (Value | undefined)[],
  axis: number,
  steps: Dim,
): ValueType | undefined {
  const seen = outside(body, type, given);
  if (seen?.kind !== 'tensor' || !seen.shape) return seen;
  return tensorType(seen.element, seen.shape.toSpliced(axisOf(axis, seen.shape.length + 1), 0, steps));
}
