// ATen overloads that join tensors: along an axis, along a new one, and as grids of all their combinations.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { atLeast, dimOf, expandTo, maxSizes, reshapeTo, settled, shaped, sizesOf, subSizes } from '../../../ops/sizing.ts';
import { resultType, scalarOf } from './operands.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';

/** Tensors one after the other along an axis, in their common type. */
export function joined(b: Builder, tensors: readonly Value[], dim: number): Value {
  const type = resultType(tensors);
  // For the sake of old programs PyTorch lets empty vectors be joined with anything.
  const isNothing = (x: Value): boolean => rankOf(x) === 1 && shapeOf(x)[0] === 0;
  const shaping = tensors.find(x => !isNothing(x)) ?? tensors[0]!;
  const axis = axisOf(dim, rankOf(shaping));
  const kept = tensors.filter(x => !isNothing(x) && shapeOf(x)[axis] !== 0);
  const casted = (kept.length === 0 ? [shaping] : kept).map(x => b.Cast(x, type));
  return casted.length === 1 ? casted[0]! : b.Concat(casted, axis);
}

/** Tensors of one shape one after the other along a new axis. */
export function stacked(b: Builder, tensors: readonly Value[], dim: number): Value {
  const first = tensors[0]!;
  const axis = axisOf(dim, rankOf(first) + 1);
  if (tensors.length === 1) return b.Unsqueeze(first, [axis]);
  // Joined along the axis that follows the new one, blocks lie as in the result. Two sizes left open would need arithmetic.
  const open = shapeOf(first)
    .slice(axis)
    .filter(d => typeof d !== 'number').length;
  if (axis === rankOf(first) || open > 1)
    return joined(
      b,
      tensors.map(x => b.Unsqueeze(x, [axis])),
      axis,
    );
  const sizes = sizesOf(b, first);
  return reshapeTo(b, joined(b, tensors, axis), sizes.toSpliced(axis, 0, tensors.length));
}

const concat: AtenRow = (x, b) => joined(b, x.tensors('tensors'), x.number('dim'));
const stack: AtenRow = (x, b) => stacked(b, x.tensors('tensors'), x.number('dim'));

const joinAtLeast =
  (rank: 1 | 2 | 3, axisFor: (rank: number) => number): AtenRow =>
  (x, b) => {
    const tensors = x.tensors('tensors').map(tensor => atLeast(b, tensor, rank));
    return joined(b, tensors, axisFor(rankOf(tensors[0]!)));
  };
const vstack = joinAtLeast(2, () => 0);

/** Vectors and numbers become columns. */
const columnStack: AtenRow = (x, b) => {
  const column = (tensor: Value): Value => (rankOf(tensor) < 2 ? b.Unsqueeze(tensor, range(2 - rankOf(tensor), rankOf(tensor))) : tensor);
  return joined(b, x.tensors('tensors').map(column), 1);
};

/** Each vector along an axis of its own, broadcast to all of them; `tail` more axes of size 1. */
function grids(b: Builder, vectors: readonly Value[], axes: readonly number[], tail = 0): Value[] {
  const rank = vectors.length + tail;
  const sizes = range(rank).map(axis => (axes.includes(axis) ? b.dim(vectors[axes.indexOf(axis)]!, 0) : 1));
  return vectors.map((vector, i) => {
    const others = range(rank).filter(axis => axis !== axes[i]);
    // Expand adds leading axes by itself.
    const added = others.filter(axis => axis > axes[i]!);
    const placed = added.length === 0 ? vector : b.Unsqueeze(vector, range(added.length, 1));
    return expandTo(b, placed, sizes);
  });
}

const meshgrid =
  (indexing: (x: Parameters<AtenRow>[0]) => string): AtenRow =>
  (x, b) => {
    const vectors = x.tensors('tensors').map(tensor => atLeast(b, tensor, 1));
    const axes = range(vectors.length);
    return grids(b, vectors, indexing(x) === 'xy' && axes.length > 1 ? [1, 0, ...axes.slice(2)] : axes);
  };

const cartesianProduct: AtenRow = (x, b) => {
  const vectors = x.tensors('tensors');
  if (vectors.length === 1) return vectors[0]!;
  const columns = grids(b, vectors, range(vectors.length), 1);
  return reshapeTo(b, joined(b, columns, -1), [-1, vectors.length]);
};

/** Most index entries of all combinations. */
const combinationEntries = 2 ** 18;

const combinations: AtenRow = (x, b) => {
  const [self, size, again] = [x.tensor('self'), x.number('r'), x.boolean('with_replacement')];
  const count = shapeOf(self)[0];
  if (typeof count !== 'number') throw unsupported('combinations of a dynamic number of elements');
  let picks: number[][] = [[]];
  for (const _ of range(size)) {
    picks = picks.flatMap(pick =>
      range(count).flatMap(n => (n >= (pick.at(-1) ?? 0) + (again || pick.length === 0 ? 0 : 1) ? [[...pick, n]] : [])),
    );
    if (picks.length * size > combinationEntries) throw unsupported(`combinations of more than ${combinationEntries} entries`);
  }
  if (size === 0) return b.constant([], elementOf(self), [0]);
  return b.Gather(self, b.constant(picks.flat(), 'int64', [picks.length, size]), 0);
};

/** Sequences filled up to the longest. */
const padSequence: AtenRow = (x, b) => {
  const sequences = x.tensors('sequences');
  const first = sequences[0]!;
  const lengths = sequences.map(sequence => b.dim(sequence, 0));
  const longest = lengths.reduce((a, c) => maxSizes(b, a, c));
  const value = scalarOf(b, x.number('padding_value'), elementOf(first));
  const padded = sequences.map((sequence, i) => {
    const missing = settled(subSizes(b, longest, lengths[i]!));
    const data = b.Cast(sequence, elementOf(first));
    if (missing === 0) return data;
    const pads: Size[] = x.string('padding_side') === 'left' ? [missing, 0] : [0, missing];
    const y = b.Pad({ data, pads: b.sizes(pads), constant_value: value, axes: b.ints([0]) });
    return shaped(y, shapeOf(data).with(0, dimOf(longest)));
  });
  return stacked(b, padded, x.boolean('batch_first') ? 0 : 1);
};

/** Vectors of all elements, joined. */
const flattenTensors: AtenRow = (x, b) =>
  joined(
    b,
    x.tensors('tensors').map(tensor => reshapeTo(b, tensor, [-1])),
    0,
  );

export const join: AtenRows = {
  'cat.default': concat,
  'concat.default': concat,
  'concatenate.default': concat,
  'stack.default': stack,
  '_stack.default': stack,
  'hstack.default': joinAtLeast(1, rank => (rank === 1 ? 0 : 1)),
  'vstack.default': vstack,
  'row_stack.default': vstack,
  'dstack.default': joinAtLeast(3, () => 2),
  'column_stack.default': columnStack,
  'meshgrid.default': meshgrid(() => 'ij'),
  'meshgrid.indexing': meshgrid(x => x.string('indexing')),
  'cartesian_prod.default': cartesianProduct,
  'combinations.default': combinations,
  'pad_sequence.default': padSequence,
  'flatten_dense_tensors.default': flattenTensors,
};
