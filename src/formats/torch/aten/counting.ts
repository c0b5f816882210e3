// ATen overloads that find and count elements: nonzero, membership, bins, unique elements.
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axesOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { axisIn, flat, indexOf, reduced } from './axes.ts';
import { asTensor, promoted } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, isValue } from './row.ts';
import { neighbours } from './scanning.ts';

/** Element types whose zeros ONNX Runtime finds; others are asked for their truth value. */
const searchable: ReadonlySet<DataType> = new Set(['float32', 'int32', 'int64', 'uint8', 'bool']);

/** Indices of what is not zero, an axis a row. */
const places = (b: Builder, self: Value): Value => b.NonZero({ X: searchable.has(elementOf(self)) ? self : b.Cast(self, 'bool') });

/** The same, an element a row; a tensor of rank 0 gives rows of no index. */
function nonzero(b: Builder, self: Value): Value {
  if (rankOf(self) > 0) return b.Transpose(places(b, self), [1, 0]);
  const row = places(b, b.Unsqueeze(self, [0]));
  return b.Transpose(b.Slice(row, { axes: [0], starts: [0], ends: [0] }), [1, 0]);
}

const nonzeroNumpy: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const found = places(b, rankOf(self) === 0 ? b.Unsqueeze(self, [0]) : self);
  return range(Math.max(1, rankOf(self))).map(axis => b.Gather(found, indexOf(b, axis), 0));
};

/** As many rows as asked for: those found, then ones of `fill_value`. */
const nonzeroStatic: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const size = x.size('size');
  const filler = b.Expand(indexOf(b, x.number('fill_value')), [size, rankOf(self)]);
  return b.Slice(b.Concat([nonzero(b, self), filler], 0), { axes: [0], starts: [0], ends: [size] });
};

const anyOf = (b: Builder, self: Value, axes: readonly number[]): Value => reduced(b, 'ReduceMax', self, { axes, keepdims: 0 });
const inverted = (x: Args, b: Builder, found: Value): Value => (x.boolean('invert') ? b.Not(found) : found);

const isin =
  (elements: string, tests: string): AtenRow =>
  (x, b) => {
    const [left, right] = promoted(b, [x.operand(elements), x.operand(tests)]) as [Value, Value];
    if (rankOf(right) === 0) return inverted(x, b, b.Equal(left, right));
    if (rankOf(left) === 0) return inverted(x, b, anyOf(b, b.Equal(left, right), range(rankOf(right))));
    return inverted(x, b, anyOf(b, b.Equal(b.Unsqueeze(left, [-1]), flat(b, right)), [rankOf(left)]));
  };

/** Where elements belong in sorted ones: the count of those before. In one axis these serve all elements, else a row each row. */
function sortedPlaces(x: Args, b: Builder, sequence: Value, elements: Value): Value {
  const isRight = x.boolean('right') || x.any('side') === 'right';
  const spread = rankOf(elements) === 0 ? elements : b.Unsqueeze(elements, [-1]);
  const rows = rankOf(sequence) === 1 ? sequence : b.Unsqueeze(sequence, [-2]);
  const before = isRight ? b.GreaterOrEqual({ A: spread, B: rows }) : b.Greater(spread, rows);
  const type: DataType = x.boolean('out_int32') ? 'int32' : 'int64';
  return reduced(b, 'ReduceSum', b.Cast(before, type), { axes: axesOf([-1], rankOf(before)), keepdims: 0 });
}

const searchsorted: AtenRow = (x, b) => {
  const sequence = x.tensor('sorted_sequence');
  const sorter = x.optional('sorter');
  const sorted = sorter ? b.GatherElements({ data: sequence, indices: sorter }, { axis: -1 }) : sequence;
  const [left, right] = common(b, sorted, x.operand('self'));
  return sortedPlaces(x, b, left, right);
};

const bucketize: AtenRow = (x, b) => {
  const [boundaries, self] = common(b, x.tensor('boundaries'), x.operand('self'));
  return sortedPlaces(x, b, boundaries, self);
};

/** A number is compared in the type of the sorted elements. */
const common = (b: Builder, sorted: Value, operand: ReturnType<Args['operand']>): [Value, Value] =>
  isValue(operand) ? (promoted(b, [sorted, operand]) as [Value, Value]) : [sorted, asTensor(b, operand, elementOf(sorted))];

/** Add `updates` at `indices` of a vector of zeros. */
const tally = (b: Builder, size: Value, indices: Value, updates: Value): Value =>
  b.ScatterElements({ data: b.Expand(b.like(0, updates), [size]), indices, updates }, { axis: 0, reduction: 'add' });

/** One bin more than the largest number, and at least `minlength`. */
const bincount: AtenRow = (x, b) => {
  const indices = b.Cast(x.tensor('self'), 'int64');
  const least = x.size('minlength');
  const lowest = typeof least === 'number' ? b.ints([least - 1]) : b.Sub(least, b.ints([1]));
  const largest = reduced(b, 'ReduceMax', b.Concat([indices, lowest], 0), { axes: [0], keepdims: 1 });
  const weights = x.optional('weights');
  const weighted = weights && (elementOf(weights) === 'float32' ? weights : b.Cast(weights, 'float64'));
  return tally(b, b.Add(largest, b.ints([1])), indices, weighted ?? b.Expand(indexOf(b, 1), [b.dim(indices, 0)]));
};

/** The range that bins divide: that of the elements where none is given, widened where it is a single number. */
function binRange(x: Args, b: Builder, elements: Value): readonly [Value, Value] {
  const [low, high] = [x.number('min'), x.number('max')];
  if (low !== high) return [b.like(low, elements), b.like(high, elements)];
  const over = { axes: [0], keepdims: 0 } as const;
  const [least, most] = [reduced(b, 'ReduceMin', elements, over), reduced(b, 'ReduceMax', elements, over)];
  const widening = b.Cast(b.Equal(least, most), elementOf(elements));
  return [b.Sub(least, widening), b.Add(most, widening)];
}

/** Elements by bins of equal width, the last with its upper end; those outside count nowhere. */
const histc: AtenRow = (x, b) => {
  const elements = flat(b, x.tensor('self'));
  const bins = x.number('bins');
  const [low, high] = binRange(x, b, elements);
  const isInside = b.And(b.GreaterOrEqual({ A: elements, B: low }), b.LessOrEqual({ A: elements, B: high }));
  const place = b.Div(b.Mul(b.Sub(elements, low), b.like(bins, elements)), b.Sub(high, low));
  const bin = b.Min(b.Cast(b.Where(isInside, place, b.like(0, place)), 'int64'), indexOf(b, bins - 1));
  return tally(b, b.ints([bins]), bin, b.Cast(isInside, elementOf(elements)));
};

const nothing = (b: Builder): Value => b.ints([]);
const wanted = (x: Args, name: string): boolean => x.has(name) && x.boolean(name);
const sizesOf = (b: Builder, self: Value): Size[] => range(rankOf(self)).map(a => b.dim(self, a));
const parts = { outputs: ['unique', undefined, 'unique_inverse', 'unique_counts'] };

/** Unique elements in order; what is not asked for is empty. */
function unique(x: Args, b: Builder): readonly Value[] {
  const self = x.tensor('self');
  const [values, , inverse, counts] = b.emit('Unique', [self], {}, parts) as Value[];
  const places = (): Value => (rankOf(self) === 1 ? inverse! : b.Reshape(inverse!, sizesOf(b, self)));
  return [values!, wanted(x, 'return_inverse') ? places() : nothing(b), wanted(x, 'return_counts') ? counts! : nothing(b)];
}

/** Unique slices of an axis in order, always with everything about them. */
const uniqueSlices: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const [values, , inverse, counts] = b.emit('Unique', [self], { axis: axisIn(x, self) }, parts);
  return [values, inverse, counts];
};

/** Runs of equal elements, or of equal slices of an axis; of slices, everything is given always. */
const consecutive: AtenRow = (x, b) => {
  const given = x.tensor('self');
  const bySlice = x.has('dim') && rankOf(given) > 0;
  const self = bySlice ? given : flat(b, given);
  const axis = bySlice ? axisIn(x, self) : 0;
  const [later, earlier] = neighbours(b, self, axis);
  const others = range(rankOf(self)).filter(a => a !== axis);
  const equal = b.Equal(later, earlier);
  const differs = b.Not(others.length > 0 ? reduced(b, 'ReduceMin', equal, { axes: others, keepdims: 0 }) : equal);
  const starts = b.Concat([b.constant([1], 'bool', [1]), differs], 0);
  const run = (): Value => b.Sub(b.CumSum({ x: b.Cast(starts, 'int64'), axis: indexOf(b, 0) }), indexOf(b, 1));
  const inverse = (): Value => (bySlice || rankOf(given) === 1 ? run() : b.Reshape(run(), sizesOf(b, given)));
  return [
    b.Compress({ input: self, condition: starts }, { axis }),
    bySlice || x.boolean('return_inverse') ? inverse() : nothing(b),
    bySlice || x.boolean('return_counts') ? runLengths(b, starts) : nothing(b),
  ];
};

/** From each start to the next, the last to the end. */
function runLengths(b: Builder, starts: Value): Value {
  const at = b.Reshape(b.NonZero({ X: starts }), [-1]);
  const next = b.Slice(at, { axes: [0], starts: [1], ends: [Number.MAX_SAFE_INTEGER] });
  return b.Sub(b.Concat([next, b.sizes([b.dim(starts, 0)])], 0), at);
}

export const counting: AtenRows = {
  'nonzero.default': (x, b) => nonzero(b, x.tensor('self')),
  'argwhere.default': (x, b) => nonzero(b, x.tensor('self')),
  'nonzero_numpy.default': nonzeroNumpy,
  'nonzero_static.default': nonzeroStatic,
  'isin.Tensor_Tensor': isin('elements', 'test_elements'),
  'isin.Tensor_Scalar': isin('elements', 'test_element'),
  'isin.Scalar_Tensor': isin('element', 'test_elements'),
  'searchsorted.Tensor': searchsorted,
  'searchsorted.Scalar': searchsorted,
  'bucketize.Tensor': bucketize,
  'bucketize.Scalar': bucketize,
  'bincount.default': bincount,
  'histc.default': histc,
  '_unique.default': (x, b) => unique(x, b).slice(0, 2),
  '_unique2.default': unique,
  'unique_dim.default': uniqueSlices,
  'unique_consecutive.default': consecutive,
};
