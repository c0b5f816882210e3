// ATen overloads that rearrange and reduce.
import { productOf } from '../../../ir/dims.ts';
import type { Size } from '../../../ops/builder.ts';
import { axesOf, axisOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';

const flatten: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const rank = rankOf(self);
  if (rank === 0) return b.Reshape(self, [1]);
  const [start, end] = [axisOf(x.number('start_dim'), rank), axisOf(x.number('end_dim'), rank)];
  if (start === end) return b.Identity(self);
  if (start === 1 && end === rank - 1) return b.emit('Flatten', [self], { axis: 1 })[0]!;
  const size = (axis: number): Size => b.dim(self, axis);
  const joined = productOf(shapeOf(self).slice(start, end + 1));
  return b.Reshape(self, [
    ...range(start).map(size),
    typeof joined === 'number' ? joined : -1,
    ...range(rank - end - 1, end + 1).map(size),
  ]);
};

/** At most one size that is not a number can be left to Reshape's -1. */
const reshape =
  (name: string): AtenRow =>
  (x, b) =>
    b.Reshape(x.tensor('self'), openOnce(x.sizes(name)), {});

function openOnce(sizes: readonly Size[]): readonly Size[] {
  const open = sizes.filter(s => typeof s !== 'number');
  return open.length === 1 && !sizes.includes(-1) ? sizes.map(s => (typeof s === 'number' ? s : -1)) : sizes;
}

const transpose: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const perm = range(rankOf(self));
  const [a, c] = axesOf([x.number('dim0'), x.number('dim1')], perm.length);
  [perm[a!], perm[c!]] = [perm[c!]!, perm[a!]!];
  return b.Transpose(self, perm);
};

const asIs: AtenRow = (x, b) => b.Identity(x.tensor('self'));

export const shape: AtenRows = {
  'flatten.using_ints': flatten,
  'view.default': reshape('size'),
  'reshape.default': reshape('shape'),
  'permute.default': (x, b) => b.Transpose(x.tensor('self'), axesOf(x.numbers('dims'), rankOf(x.tensor('self')))),
  'transpose.int': transpose,
  't.default': (x, b) => b.Transpose(x.tensor('self'), range(rankOf(x.tensor('self'))).reverse()),
  'unsqueeze.default': (x, b) => b.Unsqueeze(x.tensor('self'), [axisOf(x.number('dim'), rankOf(x.tensor('self')) + 1)]),
  'squeeze.dim': (x, b) => {
    const self = x.tensor('self');
    const axis = axisOf(x.number('dim'), rankOf(self));
    const size = shapeOf(self)[axis];
    if (typeof size !== 'number') throw unsupported('squeeze of a dynamic axis');
    return size === 1 ? b.Squeeze(self, [axis]) : b.Identity(self);
  },
  'cat.default': (x, b) => {
    const tensors = x.tensors('tensors');
    return b.Concat(tensors, axisOf(x.number('dim'), rankOf(tensors[0]!)));
  },
  'contiguous.default': asIs,
  'clone.default': asIs,
  'detach.default': asIs,
  'alias.default': asIs,
  'lift_fresh_copy.default': asIs,
};
