// ATen overloads that write a tensor over a part of another: an entry, a slice, a diagonal.
import type { Dim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axesOf, axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, iota, maxSizes, minSizes, permuted, settled, toTheEnd } from '../../../ops/sizing.ts';
import { inverse } from './advanced.ts';
import { filled } from './fill.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';
import { sliceScatter } from './scatter.ts';

const selectScatter: AtenRow = (x, b) => {
  const [self, at] = [x.tensor('self'), settled(x.size('index'))];
  const axis = axisOf(x.number('dim'), rankOf(self));
  const source = b.Unsqueeze(b.Cast(x.tensor('src'), elementOf(self)), [axis]);
  if (typeof at !== 'number') return sliceScatter(b, axis, at)(self, source, 'none');
  return replaced(self, source, axis, [at, at === -1 ? toTheEnd : at + 1], b);
};

/** `self` with [start, end) of an axis replaced. */
function replaced(self: Value, source: Value, axis: number, [start, end]: readonly [number, number], b: Builder): Value {
  const size = shapeOf(self)[axis];
  const isEnd = end === toTheEnd || end === size;
  const isStart = start === 0 || (typeof size === 'number' && start === -size);
  const before = isStart ? [] : [b.Slice(self, { axes: [axis], starts: [0], ends: [start] })];
  const after = isEnd ? [] : [b.Slice(self, { axes: [axis], starts: [end], ends: [toTheEnd] })];
  return before.length + after.length === 0 ? source : b.Concat([...before, source, ...after], axis);
}

const overSlice: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const axis = axisOf(x.number('dim'), rankOf(self));
  const source = b.Cast(x.tensor('src'), elementOf(self));
  const step = x.number('step');
  const bounds = [x.optionalSize('start') ?? 0, x.optionalSize('end') ?? toTheEnd].map(bound =>
    bounded(settled(bound), shapeOf(self)[axis]!),
  );
  const [start, end] = bounds as [Size, Size];
  if (start === end) return self;
  if (step === 1 && typeof start === 'number' && typeof end === 'number' && isForward(start, end))
    return replaced(self, source, axis, [start, end], b);
  const index = b.Slice(iota(b, b.dim(self, axis)), { axes: [0], starts: [start], ends: [end], steps: [step] });
  return sliceScatter(b, axis, index)(self, source, 'none');
};

/** A bound of a slice inside an axis of known size; elsewhere the end alone has one form. */
function bounded(bound: Size, size: Dim): Size {
  if (typeof bound !== 'number') return bound;
  if (typeof size !== 'number') return bound >= 2 ** 31 - 1 ? toTheEnd : bound;
  return Math.max(0, Math.min(size, bound < 0 ? bound + size : bound));
}

/** Whether nothing of the axis lies between the bounds twice, whatever its size is. */
const isForward = (start: number, end: number): boolean => start <= end && (start < 0 === end < 0 || end === toTheEnd);

/** Writes along the diagonal of the first two axes, `offset` above the main one; updates have it as their first axis. */
function diagonalPut(self: Value, offset: number, updates: (count: Size) => Value, b: Builder): Value {
  const [down, right] = [Math.max(0, -offset), Math.max(0, offset)];
  const [rows, columns] = [addSizes(b, b.dim(self, 0), -down), addSizes(b, b.dim(self, 1), -right)];
  const count = maxSizes(b, minSizes(b, rows, columns), 0);
  const along = b.Unsqueeze(iota(b, count), [-1]);
  const both = b.Concat([along, along], -1);
  const indices = offset === 0 ? both : b.Add(both, b.ints([down, right]));
  return b.ScatterND({ data: self, indices, updates: updates(count) });
}

const diagonalScatter: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const rank = rankOf(self);
  const [row, column] = axesOf([x.number('dim1'), x.number('dim2')], rank);
  const order = [row!, column!, ...range(rank).filter(axis => axis !== row && axis !== column)];
  const source = b.Cast(x.tensor('src'), elementOf(self));
  const updates = permuted(b, source, [rank - 2, ...range(rank - 2)]);
  const put = diagonalPut(permuted(b, self, order), x.number('offset'), () => updates, b);
  return permuted(b, put, inverse(order));
};

const fillDiagonal: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const all = (count: Size): Value => filled(b, b.sizes([count]), x.scalar('fill_value'), elementOf(self));
  const put = (indices: Value, count: Size): Value => b.ScatterND({ data: self, indices, updates: all(count) });
  if (rankOf(self) > 2) {
    const size = b.dim(self, 0);
    const column = b.Unsqueeze(iota(b, size), [-1]);
    return put(b.Concat(Array<Value>(rankOf(self)).fill(column), -1), size);
  }
  const [rows, columns] = shapeOf(self);
  const areKnown = typeof rows === 'number' && typeof columns === 'number';
  if (!x.boolean('wrap') || (areKnown && rows <= columns + 1)) return diagonalPut(self, 0, all, b);
  if (!areKnown) throw unsupported('a wrapped diagonal of dynamic sizes');
  // One row stays free between two turns of the diagonal: it steps through the flat matrix by columns + 1.
  const positions = range(Math.ceil((rows * columns) / (columns + 1))).map(i => i * (columns + 1));
  const tuples = positions.flatMap(at => [Math.floor(at / columns), at % columns]);
  return put(b.constant(tuples, 'int64', [positions.length, 2]), positions.length);
};

export const replace: AtenRows = {
  'select_scatter.default': selectScatter,
  'slice_scatter.default': overSlice,
  'diagonal_scatter.default': diagonalScatter,
  'fill_diagonal_.default': fillDiagonal,
};
