// ATen overloads that read and write elements at positions along one axis.
import { fail } from '../../../errors.ts';
import { sameDim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { flat } from './axes.ts';
import { times } from './elementwise.ts';
import { broadcastLike, expanded, filledLike, shapeValue } from './fill.ts';
import { asTensor } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

/** How ONNX's scatter operators combine what was there with what is written. */
export type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';

/** Writes updates at positions that it has fixed. */
export type Scatter = (data: Value, updates: Value, reduction: Reduction) => Value;

const asVector = (b: Builder, x: Value): Value => (rankOf(x) === 0 ? b.Unsqueeze(x, [0]) : x);

/** A row's tensor, axis and index with at least one axis, and the way back to the tensor's own rank. */
function along(x: Args, b: Builder) {
  const self = x.tensor('self');
  const vector = asVector(b, self);
  const axis = axisOf(x.number('dim'), rankOf(vector));
  const back = (result: Value): Value => (vector === self ? result : b.Squeeze(result, [0]));
  return { self: vector, axis, index: asVector(b, x.tensor('index')), back };
}

/** Truth values are combined as integers: a sum is their disjunction, a product their conjunction. */
export function combined(data: Value, updates: Value, reduction: Reduction, b: Builder, scatter: Scatter): Value {
  if (reduction === 'none' || elementOf(data) !== 'bool') return scatter(data, updates, reduction);
  return b.Cast(scatter(b.Cast(data, 'int32'), b.Cast(updates, 'int32'), reduction), 'bool');
}

/** Writes whole slices along an axis at the positions of a vector. */
export function sliceScatter(b: Builder, axis: number, index: Value): Scatter {
  const positions = b.Cast(index, 'int64');
  return (data, updates, reduction) =>
    combined(data, updates, reduction, b, (d, u, r) => {
      if (axis === 0) return b.ScatterND({ data: d, indices: b.Unsqueeze(positions, [-1]), updates: u }, { reduction: r });
      const others = range(rankOf(d)).filter(a => a !== axis);
      const indices = expanded(b, b.Unsqueeze(positions, others), shapeValue(b, u));
      return b.ScatterElements({ data: d, indices, updates: u }, { axis, reduction: r });
    });
}

/** Writes single elements: each update has its own position along the axis. */
export const elementScatter =
  (b: Builder, axis: number, indices: Value): Scatter =>
  (data, updates, reduction) =>
    combined(data, updates, reduction, b, (d, u, r) => b.ScatterElements({ data: d, indices, updates: u }, { axis, reduction: r }));

const reductions: Readonly<Record<string, { readonly op: Reduction; readonly start?: number } | undefined>> = {
  sum: { op: 'add', start: 0 },
  mean: { op: 'add', start: 0 },
  prod: { op: 'mul', start: 1 },
  amax: { op: 'max' },
  amin: { op: 'min' },
};

/** What `scatter_reduce` and `index_reduce` mean, whatever way elements are written. */
export function reduceInto(b: Builder, self: Value, source: Value, reduce: string, includeSelf: boolean, scatter: Scatter): Value {
  const known = reductions[reduce];
  if (!known) throw unsupported(`reduction '${reduce}'`);
  const { op, start } = known;
  // Without a neutral number, one of the elements starts its own maximum.
  const first = start === undefined ? source : filledLike(b, source, start);
  const reduced = scatter(includeSelf ? self : scatter(self, first, 'none'), source, op);
  if (reduce !== 'mean') return reduced;
  const counts = scatter(filledLike(b, self, includeSelf ? 1 : 0), filledLike(b, source, 1), 'add');
  return meanOf(b, reduced, includeSelf ? counts : b.Max(counts, b.like(1, counts)));
}

/** Sums over counts; integers are rounded down. */
export const meanOf = (b: Builder, sums: Value, counts: Value): Value =>
  isFloat(elementOf(sums)) ? b.Div(sums, counts) : b.Div(b.Sub(sums, b.Mod({ A: sums, B: counts })), counts);

const gather: AtenRow = (x, b) => {
  const [self, index] = [x.tensor('self'), x.tensor('index')];
  if (rankOf(self) === 0) return broadcastLike(b, self, index);
  if (rankOf(self) === 1) return b.Gather(self, index, 0);
  return b.GatherElements({ data: self, indices: index }, { axis: axisOf(x.number('dim'), rankOf(self)) });
};

/** The part of `source` that an index of its rank has positions for. */
function croppedTo(b: Builder, source: Value, index: Value): Value {
  if (rankOf(source) !== rankOf(index)) throw fail('E1305', `an index of rank ${rankOf(index)} for a source of rank ${rankOf(source)}`);
  const axes = range(rankOf(source)).filter(axis => !sameDim(shapeOf(source)[axis]!, shapeOf(index)[axis]!));
  if (axes.length === 0) return source;
  return b.Slice(source, { axes, starts: axes.map(() => 0), ends: axes.map(axis => b.dim(index, axis)) });
}

const scatter =
  (reductionOf: (x: Args) => string | undefined): AtenRow =>
  (x, b) => {
    const { self, axis, index, back } = along(x, b);
    const source = x.has('src')
      ? croppedTo(b, asVector(b, x.tensor('src')), index)
      : expanded(b, asTensor(b, x.scalar('value'), elementOf(self)), shapeValue(b, index));
    const write = elementScatter(b, axis, index);
    const reduce = reductionOf(x);
    if (reduce === undefined) return back(write(self, source, 'none'));
    return back(reduceInto(b, self, source, reduce, !x.has('include_self') || x.boolean('include_self'), write));
  };

/** The names that `scatter` has for its reductions. */
function reductionByName(x: Args): string {
  const name = x.string('reduce');
  return name === 'add' ? 'sum' : name === 'multiply' ? 'prod' : name;
}

const indexSelect: AtenRow = (x, b) => {
  const { self, axis, index, back } = along(x, b);
  return back(b.Gather(self, index, axis));
};

/** Rows that write the slices of a source. */
const slices =
  (row: (parts: { self: Value; source: Value; write: Scatter }, x: Args, b: Builder) => Value): AtenRow =>
  (x, b) => {
    const { self, axis, index, back } = along(x, b);
    const given = b.Cast(asVector(b, x.tensor('source')), elementOf(self));
    return back(row({ self, source: given, write: sliceScatter(b, axis, index) }, x, b));
  };

const indexAdd = slices(({ self, source, write }, x, b) => write(self, times(b, source, x.scalar('alpha')), 'add'));

const indexFill: AtenRow = (x, b) => {
  const { self, axis, index, back } = along(x, b);
  const scalar = asTensor(b, x.operand('value'), elementOf(self));
  const sizes = range(rankOf(self)).map(a => (a === axis ? b.dim(index, 0) : b.dim(self, a)));
  return back(sliceScatter(b, axis, index)(self, b.Expand(scalar, sizes), 'none'));
};

const takeAlongDim: AtenRow = (x, b) => {
  const [self, indices] = [x.tensor('self'), x.tensor('indices')];
  if (!x.has('dim')) return b.Gather(flat(b, self), flat(b, indices), 0);
  const axis = axisOf(x.number('dim'), rankOf(self));
  // Every axis but the indexed one is broadcast between the two, by Expand in both directions.
  const others = (v: Value, w: Value): Value => {
    const axes = range(rankOf(v)).filter(a => a !== axis && shapeOf(v)[a] === 1 && shapeOf(w)[a] !== 1);
    const sizes = range(rankOf(v)).map(a => (axes.includes(a) ? b.dim(w, a) : 1));
    return axes.length === 0 ? v : b.Expand(v, sizes);
  };
  return b.GatherElements({ data: others(self, indices), indices: others(indices, self) }, { axis });
};

const put: AtenRow = (x, b) => {
  const self = x.tensor('self');
  const write = elementScatter(b, 0, flat(b, x.tensor('index')));
  const result = write(flat(b, self), flat(b, x.tensor('source')), x.boolean('accumulate') ? 'add' : 'none');
  return rankOf(self) === 1 ? result : b.emit('Reshape', [result, shapeValue(b, self)])[0]!;
};

export const scatters: AtenRows = {
  'gather.default': gather,
  'scatter.src': scatter(() => undefined),
  'scatter.value': scatter(() => undefined),
  'scatter.reduce': scatter(reductionByName),
  'scatter.value_reduce': scatter(reductionByName),
  'scatter_add.default': scatter(() => 'sum'),
  'scatter_reduce.two': scatter(x => x.string('reduce')),
  'index_select.default': indexSelect,
  'index_add.default': indexAdd,
  'index_copy.default': slices(({ self, source, write }) => write(self, source, 'none')),
  'index_fill.int_Scalar': indexFill,
  'index_fill.int_Tensor': indexFill,
  'index_reduce.default': slices(({ self, source, write }, x, b) =>
    reduceInto(b, self, source, x.string('reduce'), x.boolean('include_self'), write),
  ),
  'take.default': (x, b) => b.Gather(flat(b, x.tensor('self')), x.tensor('index'), 0),
  'take_along_dim.default': takeAlongDim,
  'put.default': put,
};
