// Lists of tensors: TensorList and TensorArray, as one tensor with the elements along its first axis. In the body of a loop a list that is
// only stored into, in order, becomes an output of the rounds; one that is read goes round as that tensor.
import { isStatic } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { DataType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { contentsOf, range, rankOf } from '../../ops/shapes.ts';
import { unsupported } from './call.ts';
import { type Handle, isList, type List, type ListContent, list, tensorOf } from './handles.ts';
import type { OperatorRow, OperatorStep } from './step.ts';
import { elementOf, sizesOf } from './types.ts';

/** A list that goes round was read: it has to go round as a tensor. */
export class ReadsCarried extends Error {
  readonly place: number;
  constructor(place: number) {
    super(`the list at ${place} is read`);
    this.place = place;
  }
}

export function listOf(handle: Handle): List {
  if (isList(handle)) return handle;
  throw unsupported('its input is no list of tensors');
}

/** The elements of a list as one tensor. */
export function elementsOf(of: List, b: Builder): Value {
  const { content, element } = of;
  if (content.is === 'tensor') return content.value;
  if (content.is !== 'empty') throw new ReadsCarried(content.place);
  const { count, sizes } = content;
  if (!sizes || sizes.includes(-1)) throw unsupported('a list is read whose elements have an open size and were not stored');
  return zeros(b, element, [b.Reshape(count, [1]), ...sizes]);
}

export const zeros = (b: Builder, element: DataType, sizes: readonly (number | Value)[]): Value =>
  b.Expand(b.constant(element === 'bool' ? false : element === 'int64' ? 0n : 0, element), sizes);

const typeIn = ({ node }: OperatorStep, name = 'element_dtype'): DataType => elementOf(node.attrs.get(name)?.type ?? 0);
const scalar64 = (v: Value, b: Builder): Value => b.Cast(rankOf(v) === 0 ? v : b.Reshape(v, []), 'int64');

/** The sizes that the input `element_shape` states: -1 for open ones, undefined for an unknown rank. */
function statedSizes(v: Value): readonly number[] | undefined {
  const contents = contentsOf(v);
  if (!contents || rankOf(v) === 0) return undefined;
  return contents.map(d => (typeof d === 'number' ? d : -1));
}

const withTensor = (of: List, value: Value): readonly Handle[] => [list(of.element, { is: 'tensor', value })];

/** Store an element; elements of a list without sizes get those of the first that is stored. */
function stored(of: List, index: Value | undefined, item: Value, b: Builder, { grows = false } = {}): ListContent {
  const { content } = of;
  if (content.is === 'carried') return { is: 'stored', place: content.place, index, item };
  if (content.is === 'stored') throw new ReadsCarried(content.place);
  if (index === undefined) {
    const row = b.Unsqueeze(item, [0]);
    const isNew = content.is === 'empty' && contentsOf(content.count)?.[0] === 0;
    return { is: 'tensor', value: isNew ? row : b.Concat([elementsOf(of, b), row], 0) };
  }
  const sizes = content.is === 'empty' && isStatic(item.shape) ? item.shape : undefined;
  const there = sizes && content.is === 'empty' ? elementsOf(list(of.element, { ...content, sizes }), b) : elementsOf(of, b);
  const whole = grows ? grown(of, there, index, item, b) : there;
  const at = b.Reshape(b.Cast(index, 'int64'), [1, 1]);
  return { is: 'tensor', value: b.ScatterND({ data: whole, indices: at, updates: b.Unsqueeze(item, [0]) }) };
}

/** With zeros behind its elements, up to an index. */
function grown({ element }: List, elements: Value, index: Value, item: Value, b: Builder): Value {
  const missing = b.Sub(b.Add(b.Reshape(b.Cast(index, 'int64'), [1]), b.ints([1])), b.sizes([b.dim(elements, 0)]));
  const [known] = contentsOf(missing) ?? [];
  if (typeof known === 'number' && known <= 0) return elements;
  const sizes = [b.Max(missing, b.ints([0])), ...range(rankOf(item)).map(axis => b.dim(item, axis))];
  return b.Concat([elements, zeros(b, element, sizes)], 0);
}

const reserve: OperatorRow = step => {
  const [shape, count] = step.inputs.map(tensorOf);
  return [list(typeIn(step), { is: 'empty', count: scalar64(count!, step.b), sizes: statedSizes(shape!) })];
};

const empty: OperatorRow = step => {
  const [shape] = step.inputs.map(tensorOf);
  return [list(typeIn(step), { is: 'empty', count: step.b.constant(0, 'int64'), sizes: statedSizes(shape!) })];
};

const fromTensor: OperatorRow = step => [list(typeIn(step), { is: 'tensor', value: tensorOf(step.inputs[0]) })];

const getItem: OperatorRow = ({ inputs, b }) => [b.Gather(elementsOf(listOf(inputs[0]), b), tensorOf(inputs[1]), 0)];

const setItem: OperatorRow = ({ node, inputs: [handle, index, item], b }) => {
  const of = listOf(handle);
  const grows = node.attrs.get('resize_if_index_out_of_bounds')?.b ?? false;
  return [list(of.element, stored(of, tensorOf(index), tensorOf(item), b, { grows }))];
};

const pushBack: OperatorRow = ({ inputs: [handle, item], b }) => {
  const of = listOf(handle);
  return [list(of.element, stored(of, undefined, tensorOf(item), b))];
};

const popBack: OperatorRow = ({ inputs, b }) => {
  const of = listOf(inputs[0]);
  const value = elementsOf(of, b);
  const rest = b.Slice(value, { axes: [0], starts: [0], ends: [-1] });
  return [...withTensor(of, rest), b.Gather(value, b.constant(-1, 'int64'), 0)];
};

const stack: OperatorRow = ({ inputs, b }) => [elementsOf(listOf(inputs[0]), b)];

const lengthOf: OperatorRow = ({ inputs, b }) => {
  const { content } = listOf(inputs[0]);
  if (content.is === 'empty') return [b.Cast(content.count, 'int32')];
  if (content.is !== 'tensor') throw new ReadsCarried(content.place);
  const size = b.dim(content.value, 0);
  return [typeof size === 'number' ? b.constant(size, 'int32') : b.Cast(b.Squeeze(size, [0]), 'int32')];
};

const gather: OperatorRow = ({ inputs, b }) => [b.Gather(elementsOf(listOf(inputs[0]), b), tensorOf(inputs[1]), 0)];

/** Rows of a tensor to places of a list as long as the last of them asks for, or as `num_elements` says. */
const scatter: OperatorRow = step => {
  const { b } = step;
  const [tensor, indices, , count] = step.inputs.map(tensorOf);
  const last = b.Add(b.ReduceMax(b.Cast(indices!, 'int64'), { axes: [0], keepdims: 0 }), b.constant(1, 'int64'));
  const stated = count && scalar64(count, b);
  const length = stated && contentsOf(stated)?.[0] !== -1 ? stated : last;
  const base = zeros(b, typeIn(step), [b.Reshape(length, [1]), ...range1(tensor!).map(axis => b.dim(tensor!, axis))]);
  const value = b.ScatterND({ data: base, indices: b.Unsqueeze(b.Cast(indices!, 'int64'), [1]), updates: tensor! });
  return [list(typeIn(step), { is: 'tensor', value })];
};
const range1 = (v: Value): number[] => Array.from({ length: rankOf(v) - 1 }, (_, i) => i + 1);

/** Rows of a tensor at the places of an array; all of them in order are the tensor itself. */
function scattered(of: List, indices: Value, value: Value, b: Builder): Value {
  if (of.content.is !== 'empty' || isCounting(indices)) return value;
  const base = zeros(b, of.element, [b.Reshape(of.content.count, [1]), ...range1(value).map(axis => b.dim(value, axis))]);
  return b.ScatterND({ data: base, indices: b.Unsqueeze(b.Cast(indices, 'int64'), [1]), updates: value });
}

/** Whether indices are 0, 1, 2, …, as far as can be seen. */
function isCounting(indices: Value): boolean {
  const contents = contentsOf(indices);
  if (contents) return contents.every((d, i) => d === i);
  const { producer } = indices;
  if (producer?.op === 'Cast') return isCounting(producer.inputs[0]!);
  const holds = (v: Value | undefined, n: number): boolean => v !== undefined && contentsOf(v)?.[0] === n;
  return producer?.op === 'Range' && holds(producer.inputs[0], 0) && holds(producer.inputs[2], 1);
}

const concatLists: OperatorRow = ({ inputs, b }) => {
  const [first, second] = inputs.map(listOf);
  return withTensor(first!, b.Concat([elementsOf(first!, b), elementsOf(second!, b)], 0));
};

/** The elements one after the other along their own first axis, and how long each is. */
const concat: OperatorRow = ({ inputs, b }) => {
  const value = elementsOf(listOf(inputs[0]), b);
  if (rankOf(value) < 2) throw unsupported('elements without an axis');
  const tail = range1(value).slice(1);
  const joined = b.Reshape(value, [-1, ...tail.map(axis => b.dim(value, axis))]);
  const lengths = b.Expand(typeof b.dim(value, 1) === 'number' ? b.ints([b.dim(value, 1) as number]) : (b.dim(value, 1) as Value), [
    b.dim(value, 0),
  ]);
  return [joined, lengths];
};

const elementShape: OperatorRow = ({ node, inputs, b }) => {
  const value = elementsOf(listOf(inputs[0]), b);
  const all = b.Shape(value);
  return [
    b.Cast(b.Slice(all, { axes: [0], starts: [1], ends: [Number.MAX_SAFE_INTEGER] }), elementOf(node.attrs.get('shape_type')?.type ?? 3)),
  ];
};

/** A TensorArray: the list travels along the number that orders what is done with it. */
const array: OperatorRow = step => {
  const { node, inputs, b } = step;
  const sizes = sizesOf(node.attrs.get('element_shape')?.shape ?? { unknown_rank: true });
  const made = list(typeIn(step, 'dtype'), { is: 'empty', count: scalar64(tensorOf(inputs[0]), b), sizes });
  return [made, made];
};

/** Its rows pass the list along the flow, which every operator on the array takes last and gives. */
const onFlow =
  (run: (of: List, others: readonly Value[], b: Builder, step: OperatorStep) => readonly Handle[]): OperatorRow =>
  step => {
    const { inputs, b } = step;
    return run(listOf(inputs.at(-1)), inputs.slice(1, -1).map(tensorOf), b, step);
  };

export const lists: Readonly<Record<string, OperatorRow>> = {
  TensorListReserve: reserve,
  EmptyTensorList: empty,
  TensorListFromTensor: fromTensor,
  TensorListGetItem: getItem,
  TensorListSetItem: setItem,
  TensorListPushBack: pushBack,
  TensorListPopBack: popBack,
  TensorListStack: stack,
  TensorListLength: lengthOf,
  TensorListGather: gather,
  TensorListScatter: scatter,
  TensorListScatterV2: scatter,
  TensorListConcat: concat,
  TensorListConcatV2: concat,
  TensorListConcatLists: concatLists,
  TensorListElementShape: elementShape,
  TensorArrayV3: array,
  TensorArrayWriteV3: onFlow((of, [index, value], b) => [list(of.element, stored(of, index, value!, b))]),
  TensorArrayReadV3: onFlow((of, [index], b) => [b.Gather(elementsOf(of, b), index!, 0)]),
  TensorArrayGatherV3: onFlow((of, [indices], b) => [b.Gather(elementsOf(of, b), indices!, 0)]),
  TensorArrayScatterV3: onFlow((of, [indices, value], b) => withTensor(of, scattered(of, indices!, value!, b))),
  TensorArraySizeV3: onFlow((of, _none, b) => [
    of.content.is === 'empty'
      ? b.Cast(of.content.count, 'int32')
      : b.Cast(b.Gather(b.Shape(elementsOf(of, b)), b.constant(0, 'int64'), 0), 'int32'),
  ]),
  TensorArrayConcatV3: onFlow((of, _none, _b, step) => concat({ ...step, inputs: [of] })),
  TensorArrayCloseV3: () => [],
};
