// Operators of StableHLO: shapes are said exactly, nothing is broadcast by itself.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { branches, loop } from './control.ts';
import { type Call, type Row, type Rows, unsupported } from './row.ts';

const unary =
  (f: (b: Builder, v: Value) => Value): Row =>
  (x, b) =>
    f(b, x.input(0));
const binary =
  (f: (b: Builder, a: Value, c: Value) => Value): Row =>
  (x, b) =>
    f(b, x.input(0), x.input(1));

/** Truth values, or the bits of integers. */
const logical = (onBool: 'And' | 'Or', onBits: 'BitwiseAnd' | 'BitwiseOr'): Row =>
  binary((b, a, c) => b.emit(elementOf(a) === 'bool' ? onBool : onBits, [a, c])[0]!);

/** The sizes that the file says of an output. */
function declaredShape(x: Call): readonly number[] {
  const { shape } = x.outputs[0]!;
  if (!shape?.every(d => typeof d === 'number')) throw unsupported('a shape that only the run knows');
  return shape;
}

const reshape: Row = (x, b) => b.Reshape(x.stored(0), declaredShape(x));

const broadcastInDim: Row = (x, b) => {
  const v = x.stored(0);
  const axes = x.options('StablehloBroadcastInDimOptions').broadcast_dimensions;
  const shape = declaredShape(x);
  const sizes = sizesOf(b, v);
  const spread = shape.map((_, i) => (axes.includes(i) ? sizes[axes.indexOf(i)]! : 1));
  return b.Expand(reshapeTo(b, v, spread), shape);
};

const slice: Row = (x, b) => {
  const { start_indices, limit_indices, strides } = x.options('StablehloSliceOptions');
  return b.Slice(x.stored(0), { axes: range(start_indices.length), starts: start_indices, ends: limit_indices, steps: strides });
};

const comparisons: Readonly<Record<string, (b: Builder, a: Value, c: Value) => Value>> = {
  STABLEHLO_COMPARISON_DIRECTION_EQ: (b, a, c) => b.Equal(a, c),
  STABLEHLO_COMPARISON_DIRECTION_NE: (b, a, c) => b.Not(b.Equal(a, c)),
  STABLEHLO_COMPARISON_DIRECTION_GE: (b, a, c) => b.GreaterOrEqual({ A: a, B: c }),
  STABLEHLO_COMPARISON_DIRECTION_GT: (b, a, c) => b.Greater(a, c),
  STABLEHLO_COMPARISON_DIRECTION_LE: (b, a, c) => b.LessOrEqual({ A: a, B: c }),
  STABLEHLO_COMPARISON_DIRECTION_LT: (b, a, c) => b.Less(a, c),
};

const compare: Row = (x, b) => comparisons[x.options('StablehloCompareOptions').comparison_direction]!(b, x.input(0), x.input(1));

/** Padding at the edges, negative where it cuts off, and between elements. */
const pad: Row = (x, b) => {
  const { edge_padding_low, edge_padding_high, interior_padding } = x.options('StablehloPadOptions');
  if (interior_padding.some(p => p !== 0)) throw unsupported('padding between elements');
  return b.Pad({ data: x.stored(0), pads: b.ints([...edge_padding_low, ...edge_padding_high]), constant_value: b.Reshape(x.raw(1), []) });
};

const iota: Row = (x, b) => {
  const shape = declaredShape(x);
  const axis = Number(x.options('StablehloIotaOptions').iota_dimension);
  const count = b.constant(
    BigInt64Array.from(range(shape[axis] ?? 1), BigInt),
    'int64',
    shape.map((d, i) => (i === axis ? d : 1)),
  );
  return b.Cast(b.Expand(count, shape), x.outputs[0]!.element!);
};

/** Starts are moved so that all of the part lies inside. */
const dynamicSlice: Row = (x, b) => {
  const v = x.raw(0);
  const sizes = x.options('StablehloDynamicSliceOptions').slice_sizes;
  const starts = sizes.map((size, i) => {
    const start = b.Reshape(b.Cast(x.raw(i + 1), 'int64'), [1]);
    const whole = b.dim(v, i);
    const latest = typeof whole === 'number' ? b.ints([whole - size]) : b.Sub(whole, b.ints([size]));
    return b.Max(b.Min(start, latest), b.ints([0]));
  });
  const ends = starts.map((start, i) => b.Add(start, b.ints([sizes[i]!])));
  return b.Slice(v, { axes: range(sizes.length), starts, ends });
};

/** A product over some axes, for each place of others, as one Einsum. */
const dotGeneral: Row = (x, b) => {
  const o = x.options('StablehloDotGeneralOptions');
  const [a, c] = [x.input(0), x.input(1)];
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const left = [...letters.slice(0, rankOf(a))];
  const right = [...letters.slice(rankOf(a), rankOf(a) + rankOf(c))];
  const join = (l: readonly number[], r: readonly number[]): void => r.forEach((axis, i) => (right[axis] = left[l[i]!]!));
  join(o.lhs_batching_dimensions, o.rhs_batching_dimensions);
  join(o.lhs_contracting_dimensions, o.rhs_contracting_dimensions);
  const batch = o.lhs_batching_dimensions.map(i => left[i]!);
  const free = (of: readonly string[], used: readonly number[]): string[] => of.filter((_, i) => !used.includes(i));
  const result = [
    ...batch,
    ...free(left, [...o.lhs_batching_dimensions, ...o.lhs_contracting_dimensions]),
    ...free(right, [...o.rhs_batching_dimensions, ...o.rhs_contracting_dimensions]),
  ];
  return b.emit('Einsum', [a, c], { equation: `${left.join('')},${right.join('')}->${result.join('')}` })[0]!;
};

/** Reductions by the one operator of their body. */
const reductions: Readonly<Record<string, (b: Builder, v: Value, start: Value, axes: readonly number[]) => Value>> = {
  ADD: (b, v, start, axes) => b.Add(b.ReduceSum(v, { axes, keepdims: 0 }), start),
  MULTIPLY: (b, v, start, axes) => b.Mul(b.ReduceProd(v, { axes, keepdims: 0 }), start),
  MAXIMUM: (b, v, start, axes) => b.Max(b.ReduceMax(v, { axes, keepdims: 0 }), start),
  MINIMUM: (b, v, start, axes) => b.Min(b.ReduceMin(v, { axes, keepdims: 0 }), start),
};

const reduce: Row = (x, b) => {
  const { dimensions, body_subgraph_index } = x.options('StablehloReduceOptions');
  const operators = x.reader.operatorsOf(body_subgraph_index);
  const kind = operators.length === 1 ? operators[0]!.replace('STABLEHLO_', '').replace(/^MUL$/, 'MULTIPLY') : undefined;
  const row = kind === undefined ? undefined : reductions[kind];
  if (!row || x.count !== 2) throw unsupported(`a reduction by ${operators.join(', ')}`);
  return row(b, x.input(0), x.input(1), dimensions);
};

const clamp: Row = (x, b) => b.Min(b.Max(x.input(1), x.input(0)), x.input(2));

const remainder = (b: Builder, a: Value, c: Value): Value => b.Mod({ A: a, B: c }, { fmod: 1 });

/** The real root: of a negative number it is negative. */
const cbrt = (b: Builder, v: Value): Value => b.Mul(b.Sign(v), b.Pow(b.Abs(v), b.like(1 / 3, v)));

const caseRow: Row = (x, b) => {
  const graphs = x.options('StablehloCaseOptions').branch_subgraph_indices;
  if (graphs.length !== 2) throw unsupported(`${graphs.length} branches`);
  const inputs = range(x.count - 1, 1).map(i => x.raw(i));
  const isFirst = b.Equal(b.Reshape(x.raw(0), []), b.constant(0, elementOf(x.raw(0))));
  return branches(x, b, isFirst, [graphs[0]!, graphs[1]!], inputs);
};

const whileRow: Row = (x, b) => {
  const { cond_subgraph_index, body_subgraph_index } = x.options('StablehloWhileOptions');
  return loop(x, b, cond_subgraph_index, body_subgraph_index);
};

/** What a library may run as one, said by a subgraph. */
const composite: Row = x => {
  const inputs = range(x.count).map(i => x.raw(i));
  return x.reader.inline(x.options('StableHLOCompositeOptions').decomposition_subgraph_index, inputs);
};

const dynamicUpdateSlice: Row = (x, b) => {
  const [v, update] = [x.raw(0), x.raw(1)];
  const rank = rankOf(v);
  if (rank === 0) return update;
  const shape = shapeOf(update);
  if (!shape.every(d => typeof d === 'number')) throw fail('E2001', 'an update of sizes that only the run knows');
  const places = range(rank).map(axis => {
    const start = b.Reshape(b.Cast(x.raw(2 + axis), 'int64'), [1]);
    const whole = b.dim(v, axis);
    const latest = typeof whole === 'number' ? b.ints([whole - shape[axis]!]) : b.Sub(whole, b.ints([shape[axis]!]));
    const along = b.Add(b.ints(range(shape[axis]!)), b.Max(b.Min(start, latest), b.ints([0])));
    return b.Expand(
      b.Reshape(
        along,
        range(rank + 1).map(i => (i === axis ? -1 : 1)),
      ),
      [...shape, 1],
    );
  });
  return b.ScatterND({ data: v, indices: b.Concat(places, rank), updates: update });
};

export const stablehlo: Rows = {
  STABLEHLO_ABS: unary((b, v) => b.Abs(v)),
  STABLEHLO_CBRT: unary(cbrt),
  STABLEHLO_COSINE: unary((b, v) => b.Cos(v)),
  STABLEHLO_EXPONENTIAL: unary((b, v) => b.Exp(v)),
  STABLEHLO_FLOOR: unary((b, v) => b.Floor(v)),
  STABLEHLO_LOG: unary((b, v) => b.Log(v)),
  STABLEHLO_LOGISTIC: unary((b, v) => b.Sigmoid(v)),
  STABLEHLO_NEGATE: unary((b, v) => b.Neg(v)),
  STABLEHLO_RSQRT: unary((b, v) => b.Reciprocal(b.Sqrt(v))),
  STABLEHLO_TANH: unary((b, v) => b.Tanh(v)),
  STABLEHLO_CONVERT: (x, b) => b.Cast(x.input(0), x.outputs[0]!.element!),
  STABLEHLO_ADD: binary((b, a, c) => (elementOf(a) === 'bool' ? b.Or(a, c) : b.Add(a, c))),
  STABLEHLO_SUBTRACT: binary((b, a, c) => b.Sub(a, c)),
  STABLEHLO_MULTIPLY: binary((b, a, c) => (elementOf(a) === 'bool' ? b.And(a, c) : b.Mul(a, c))),
  STABLEHLO_DIVIDE: binary((b, a, c) => b.Div(a, c)),
  STABLEHLO_MAXIMUM: binary((b, a, c) => b.Max(a, c)),
  STABLEHLO_MINIMUM: binary((b, a, c) => b.Min(a, c)),
  STABLEHLO_POWER: binary((b, a, c) => b.Pow(a, c)),
  STABLEHLO_REMAINDER: binary(remainder),
  STABLEHLO_SHIFT_LEFT: binary((b, a, c) =>
    isFloat(elementOf(a)) ? a : b.Mul(a, b.Cast(b.Pow(b.constant(2, 'int64'), b.Cast(c, 'int64')), elementOf(a))),
  ),
  STABLEHLO_AND: logical('And', 'BitwiseAnd'),
  STABLEHLO_OR: logical('Or', 'BitwiseOr'),
  STABLEHLO_SELECT: (x, b) => b.Where(x.raw(0), ...(x.allStored(1, 2) as [Value, Value])),
  STABLEHLO_CLAMP: clamp,
  STABLEHLO_COMPARE: compare,
  STABLEHLO_RESHAPE: reshape,
  STABLEHLO_TRANSPOSE: (x, b) => b.Transpose(x.stored(0), x.options('StablehloTransposeOptions').permutation),
  STABLEHLO_BROADCAST_IN_DIM: broadcastInDim,
  STABLEHLO_CONCATENATE: (x, b) => b.Concat(x.allStored(...range(x.count)), Number(x.options('StablehloConcatenateOptions').dimension)),
  STABLEHLO_SLICE: slice,
  STABLEHLO_DYNAMIC_SLICE: dynamicSlice,
  STABLEHLO_DYNAMIC_UPDATE_SLICE: dynamicUpdateSlice,
  STABLEHLO_PAD: pad,
  STABLEHLO_IOTA: iota,
  STABLEHLO_DOT_GENERAL: dotGeneral,
  STABLEHLO_REDUCE: reduce,
  STABLEHLO_WHILE: whileRow,
  STABLEHLO_CASE: caseRow,
  STABLEHLO_COMPOSITE: composite,
};
