// ATen overloads that look at the same elements in another shape or order of axes; joins, parts and copies are in files of their own.
import { isAtMostOne } from '../../../ir/dims.ts';
import { elementTypes } from '../../../ir/types.ts';
import type { Size } from '../../../ops/builder.ts';
import { axesOf, axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import {
  atLeast,
  broadcastSizes,
  expandLike,
  expandTo,
  permuted,
  reshapeLike,
  reshapeTo,
  sizesOf,
  swapped,
  wrappedAxis,
} from '../../../ops/sizing.ts';
import { arrange } from './arrange.ts';
import { diagonals } from './diagonal.ts';
import { join } from './join.ts';
import { isComplex } from './operands.ts';
import { parts } from './parts.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';

export { expandLike, expandTo, reshapeLike, reshapeTo } from '../../../ops/sizing.ts';

const flatten: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const rank = rankOf(self);
  const [start, end] = [wrappedAxis(x.number('start_dim'), rank), wrappedAxis(x.number('end_dim'), rank)];
  if (start === 1 && end === rank - 1 && end > 1) return b.Flatten({ input: self }, { axis: 1 });
  const sizes = sizesOf(b, self);
  return start === end && rank > 0 ? self : reshapeTo(b, self, [...sizes.slice(0, start), -1, ...sizes.slice(end + 1)]);
};

const reshape =
  (name: string): AtenRow =>
  (x, b) =>
    reshapeTo(b, x.tensor('self'), x.sizes(name));

const reshapeAs: AtenRow = (x, b) => reshapeLike(b, x.tensor('self'), x.tensor('other'));

const unflatten: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const axis = axisOf(x.number('dim'), rankOf(self));
  const sizes: Size[] = sizesOf(b, self);
  return reshapeTo(b, self, sizes.toSpliced(axis, 1, ...x.sizes('sizes')));
};

const expand =
  (name: string): AtenRow =>
  (x, b) =>
    expandTo(b, x.tensor('self'), x.sizes(name));

/** Bits of another type of the same width. */
const viewType: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [from, to] = [elementOf(self), x.element('dtype') ?? elementOf(self)];
  if (from === to) return self;
  if (elementTypes[from].bits !== elementTypes[to].bits || from === 'bool' || to === 'bool')
    throw unsupported(`the bits of ${from} as ${to}`);
  return b.BitCast({ input: self }, { to: elementTypes[to].code });
};

/** Only axes that are 1 in every run go; a dynamic axis stays, as it does in PyTorch's traces. */
const squeeze =
  (axesWanted: (x: Parameters<AtenRow>[0], rank: number) => readonly number[]): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const rank = rankOf(self);
    const wanted = axesWanted(x, rank).map(axis => wrappedAxis(axis, rank));
    const axes = range(rank).filter(axis => wanted.includes(axis) && isAtMostOne(shapeOf(self)[axis]!));
    return axes.length === 0 ? self : b.Squeeze(self, axes);
  };

const move: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const rank = rankOf(self);
  const from = x.numbers('source').map(axis => wrappedAxis(axis, rank));
  const to = x.numbers('destination').map(axis => wrappedAxis(axis, rank));
  const others = range(rank).filter(axis => !from.includes(axis));
  return permuted(
    b,
    self,
    range(rank).map(axis => (to.includes(axis) ? from[to.indexOf(axis)]! : others.shift()!)),
  );
};

const swap =
  (axis0: string, axis1: string): AtenRow =>
  (x, b) =>
    swapped(b, x.tensor('self'), x.number(axis0), x.number(axis1));

/** The last two axes swapped. */
const transposed: AtenRow = (x, b) => swapped(b, x.tensor('self'), -2, -1);
/** The same with conjugation, which changes nothing about real numbers. */
const adjoint: AtenRow = (x, b) => {
  if (isComplex(elementOf(x.tensor('self')))) throw unsupported('complex numbers');
  return transposed(x, b);
};
const reversedAxes: AtenRow = (x, b) => permuted(b, x.tensor('self'), range(rankOf(x.tensor('self'))).reverse());

const asIs: AtenRow = x => x.tensor('self');
const asIsReal: AtenRow = x => {
  if (isComplex(elementOf(x.tensor('self')))) throw unsupported('complex numbers');
  return x.tensor('self');
};

const atLeastRows = ([1, 2, 3] as const).flatMap((rank): [string, AtenRow][] => [
  [`atleast_${rank}d.default`, (x, b) => atLeast(b, x.tensor('self'), rank)],
  [`atleast_${rank}d.Sequence`, (x, b) => x.tensors('tensors').map(tensor => atLeast(b, tensor, rank))],
]);

const views: AtenRows = {
  'view.default': reshape('size'),
  'view.dtype': viewType,
  'reshape.default': reshape('shape'),
  '_unsafe_view.default': reshape('size'),
  '_reshape_alias.default': reshape('size'),
  '_reshape_copy.default': reshape('size'),
  'view_as.default': reshapeAs,
  'reshape_as.default': reshapeAs,
  'flatten.using_ints': flatten,
  'unflatten.int': unflatten,
  'ravel.default': (x, b) => reshapeTo(b, x.tensor('self'), [-1]),
  'permute.default': (x, b) => permuted(b, x.tensor('self'), axesOf(x.numbers('dims'), rankOf(x.tensor('self')))),
  'transpose.int': swap('dim0', 'dim1'),
  'swapdims.default': swap('dim0', 'dim1'),
  'swapaxes.default': swap('axis0', 'axis1'),
  't.default': reversedAxes,
  'numpy_T.default': reversedAxes,
  'numpy_T.a': reversedAxes,
  'mT.default': transposed,
  'mT.a': transposed,
  'mH.default': adjoint,
  'mH.a': adjoint,
  'matrix_H.default': adjoint,
  'matrix_H.a': adjoint,
  'adjoint.default': adjoint,
  'movedim.int': move,
  'movedim.intlist': move,
  'moveaxis.int': move,
  'moveaxis.intlist': move,
  'squeeze.default': squeeze((_, rank) => range(rank)),
  'squeeze.dim': squeeze(x => x.numbers('dim')),
  'squeeze.dims': squeeze(x => x.numbers('dim')),
  'unsqueeze.default': (x, b) => b.Unsqueeze(x.tensor('self'), [axisOf(x.number('dim'), rankOf(x.tensor('self')) + 1)]),
  'expand.default': expand('size'),
  'broadcast_to.default': expand('size'),
  'expand_as.default': (x, b) => expandLike(b, x.tensor('self'), x.tensor('other')),
  'broadcast_tensors.default': (x, b) => {
    const tensors = x.tensors('tensors');
    const sizes = broadcastSizes(b, tensors);
    return tensors.map(tensor => expandTo(b, tensor, sizes));
  },
  'alias.default': asIs,
  'clone.default': asIs,
  'contiguous.default': asIs,
  'data.default': asIs,
  'detach.default': asIs,
  'lift.default': asIs,
  'lift_fresh.default': asIs,
  '_lazy_clone.default': asIs,
  'resolve_conj.default': asIsReal,
  'resolve_neg.default': asIsReal,
  '_neg_view_copy.default': (x, b) => b.Neg(x.tensor('self')),
  ...Object.fromEntries(atLeastRows),
};

/** Views whose `_copy` is the same but for its memory. */
const copied = [
  'view.default',
  'view.dtype',
  '_reshape_alias.default',
  'permute.default',
  'transpose.int',
  't.default',
  'squeeze.default',
  'squeeze.dim',
  'squeeze.dims',
  'unsqueeze.default',
  'expand.default',
  'alias.default',
  'detach.default',
  'lift_fresh.default',
  'slice.Tensor',
  'select.int',
  'narrow.default',
  'diagonal.default',
  'as_strided.default',
  'unfold.default',
  'split.Tensor',
  'split_with_sizes.default',
  'unbind.int',
];

const originals: AtenRows = { ...views, ...parts, ...diagonals, ...join, ...arrange };

export const shape: AtenRows = {
  ...originals,
  ...Object.fromEntries(copied.map(name => [name.replace('.', '_copy.'), originals[name]!])),
};
