// ATen overloads of tables of vectors: embeddings, bags of embeddings, one-hot vectors.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { contentsOf, elementOf, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, sizeScalar, toTheEnd } from '../../../ops/sizing.ts';
import { withAxis } from './axes.ts';
import { filled, filledLike } from './fill.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';
import { meanOf, reduceInto, sliceScatter } from './scatter.ts';

const modes = ['sum', 'mean', 'max'] as const;
type Mode = (typeof modes)[number];

/** A vector a bag. What PyTorch gives beside it serves the backward pass. */
const embeddingBag: AtenRow = (x, b) => {
  const mode = modes[x.number('mode')];
  if (!mode) throw unsupported(`mode ${x.number('mode')}`);
  const weight = x.tensor('weight');
  const indices = b.Cast(x.tensor('indices'), 'int64');
  const padding = paddingOf(x, weight);
  const length = padding === undefined && !x.has('per_sample_weights') ? commonLength(x, indices) : undefined;
  if (length !== undefined) return [ofEqualBags(b, b.Gather(weight, b.Reshape(indices, [-1, length]), 0), mode)];
  const bags = bagOfEach(x, b, indices);
  const weights = x.optional('per_sample_weights');
  if (padding === undefined) return [ofBags(b, x, mode, bags, rowsOf(b, weight, indices, weights))];
  const isKept = b.Not(b.Equal(indices, b.constant(padding, 'int64')));
  const kept = (v: Value): Value => b.Compress({ input: v, condition: isKept }, { axis: 0 });
  return [ofBags(b, x, mode, kept(bags), rowsOf(b, weight, kept(indices), weights && kept(weights)))];
};

function paddingOf(x: Args, weight: Value): number | undefined {
  const index = x.any('padding_idx') === undefined ? undefined : x.number('padding_idx');
  if (index === undefined || index >= 0) return index;
  // -1 stands for none, except in the overload named after it.
  if (x.target !== 'embedding_bag.padding_idx') return undefined;
  const rows = shapeOf(weight)[0];
  if (typeof rows !== 'number') throw unsupported('a padding index counted from the end of a dynamic table');
  return index + rows;
}

/** Where all bags are known to have one length, that. */
function commonLength(x: Args, indices: Value): number | undefined {
  const starts = contentsOf(x.tensor('offsets'));
  const count = shapeOf(indices)[0];
  if (!starts || typeof count !== 'number' || rankOf(indices) !== 1) return undefined;
  const bounds = x.boolean('include_last_offset') ? starts : [...starts, count];
  const lengths = bounds.slice(1).map((end, i) => (typeof end === 'number' ? end - Number(bounds[i]) : Number.NaN));
  return lengths.length > 0 && lengths[0]! > 0 && lengths.every(n => n === lengths[0]) ? lengths[0] : undefined;
}

const ofEqualBags = (b: Builder, rows: Value, mode: Mode): Value => {
  if (mode === 'mean') return b.ReduceMean({ data: rows, axes: b.ints([1]) }, { keepdims: 0 });
  return b[mode === 'sum' ? 'ReduceSum' : 'ReduceMax'](rows, { axes: [1], keepdims: 0 });
};

const rowsOf = (b: Builder, weight: Value, indices: Value, factors: Value | undefined): Value => {
  const rows = b.Gather(weight, indices, 0);
  return factors ? b.Mul(rows, b.Unsqueeze(factors, [-1])) : rows;
};

const bagCount = (x: Args, b: Builder): Size => addSizes(b, b.dim(x.tensor('offsets'), 0), x.boolean('include_last_offset') ? -1 : 0);

/** The bag of each index: how many bags but the first start at or before it. One place more takes bags that start after the last. */
function bagOfEach(x: Args, b: Builder, indices: Value): Value {
  const ends = x.boolean('include_last_offset') ? -1 : toTheEnd;
  const starts = b.Slice(b.Cast(x.tensor('offsets'), 'int64'), { axes: [0], starts: [1], ends: [ends] });
  const places = filled(b, b.sizes([addSizes(b, b.dim(indices, 0), 1)]), 0, 'int64');
  const ones = filledLike(b, starts, 1, 'int64');
  const started = b.ScatterElements({ data: places, indices: starts, updates: ones }, { axis: 0, reduction: 'add' });
  const bags = b.CumSum({ x: started, axis: b.constant(0, 'int64') });
  return b.Slice(bags, { axes: [0], starts: [0], ends: [-1] });
}

function ofBags(b: Builder, x: Args, mode: Mode, bags: Value, rows: Value): Value {
  const count = bagCount(x, b);
  const empty = filled(b, b.sizes([count, b.dim(rows, 1)]), 0, elementOf(rows));
  const scatter = sliceScatter(b, 0, bags);
  if (mode === 'max') return reduceInto(b, empty, rows, 'amax', false, scatter);
  const sums = scatter(empty, rows, 'add');
  if (mode === 'sum') return sums;
  const one = b.like(1, rows);
  const ones = filled(b, b.sizes([b.dim(bags, 0), 1]), 1, elementOf(rows));
  const counts = scatter(filled(b, b.sizes([count, 1]), 0, elementOf(rows)), ones, 'add');
  return meanOf(b, sums, b.Max(counts, one));
}

const oneHot: AtenRow = (x, b) => {
  const classes = x.size('num_classes');
  if (classes === -1) throw unsupported('as many classes as the largest index needs');
  return withAxis(b, x.tensor('self'), indices => b.OneHot({ indices, depth: sizeScalar(b, classes), values: b.ints([0, 1]) }));
};

export const embeddings: AtenRows = {
  'embedding.default': (x, b) => b.Gather(x.tensor('weight'), x.tensor('indices'), 0),
  'embedding_bag.default': embeddingBag,
  'embedding_bag.padding_idx': embeddingBag,
  '_embedding_bag.default': embeddingBag,
  '_embedding_bag_forward_only.default': embeddingBag,
  'one_hot.default': oneHot,
};
