// Shapes: what they are, and other ones of the same elements.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, tensorType } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axesOf, axisOf, contentsOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { dimOf, expandTo, mulSizes, reshapeTo, sizeScalar, sizesOf, toTheEnd } from '../../../ops/sizing.ts';
import { type TfRow, type TfRows, unsupported } from '../call.ts';

const shape: TfRow = (x, b) => b.Cast(b.Shape(x.first), x.type('out_type'));
const shapes: TfRow = (x, b) => x.tensors('input').map(v => b.Cast(b.Shape(v), x.type('out_type')));

const reshape: TfRow = (x, b) => {
  const [tensor, target] = [x.tensor('tensor'), x.tensor('shape')];
  const length = shapeOf(target)[0];
  // A shape whose length only the run knows: so is the rank of what it makes.
  if (typeof length !== 'number') return b.emit('Reshape', [tensor, b.Cast(target, 'int64')], { allowzero: 1 })[0]!;
  return reshapeTo(b, tensor, x.sizes('shape', b));
};

const expandDims: TfRow = (x, b) => {
  const input = x.tensor('input');
  return b.Unsqueeze(input, [axisOf(x.int('dim'), rankOf(input) + 1)]);
};

/** Without axes, those that are known to be 1; a size that is open may be another in each run. */
const squeeze: TfRow = (x, b) => {
  const input = x.tensor('input');
  const given = x.numbers('squeeze_dims');
  const sizes = shapeOf(input);
  if (given.length === 0 && sizes.some(d => typeof d !== 'number')) throw unsupported('without axes, of open sizes');
  const axes = given.length > 0 ? axesOf(given, sizes.length) : range(sizes.length).filter(i => sizes[i] === 1);
  return axes.length === 0 ? input : b.Squeeze(input, axes);
};

const transpose: TfRow = (x, b) => {
  const input = x.tensor('x');
  const perm = axesOf(x.ints('perm'), rankOf(input));
  return perm.every((axis, i) => axis === i) ? b.Identity(input) : b.Transpose(input, perm);
};

const broadcastTo: TfRow = (x, b) => expandTo(b, x.tensor('input'), x.sizes('shape', b));

/** The common shape of two shapes: each axis the larger, or the one that is not 1. */
const broadcastArgs: TfRow = (x, b) => {
  const [first, second] = [x.sizes('s0', b), x.sizes('s1', b)];
  const rank = Math.max(first.length, second.length);
  const at = (sizes: readonly Size[], i: number): Size => sizes[i - rank + sizes.length] ?? 1;
  const parts = range(rank).map(i => {
    const [a, c] = [at(first, i), at(second, i)];
    if (typeof a === 'number') return a === 1 ? c : a;
    if (typeof c === 'number') return c === 1 ? a : c;
    return b.Where(b.Equal(a, b.ints([1])), c, a);
  });
  return b.Cast(b.sizes(parts), elementOf(x.tensor('s0')));
};

const fill: TfRow = (x, b) => expandTo(b, x.tensor('value'), x.sizes('dims', b));

/** A constant number of an element type, or the empty string. */
export const constantOf = (b: Builder, value: number, type: DataType): Value => {
  if (type === 'string') return b.constant([''], 'string', []);
  if (elementTypes[type].class === 'complex') throw unsupported('complex numbers have no conversion');
  return type === 'bool'
    ? b.constant(value !== 0, 'bool')
    : b.constant(elementTypes[type].bits === 64 && type !== 'float64' ? BigInt(value) : value, type);
};

const filledLike =
  (value: number): TfRow =>
  (x, b) =>
    expandTo(b, constantOf(b, value, elementOf(x.first)), sizesOf(b, x.first));

const empty: TfRow = (x, b) => expandTo(b, constantOf(b, 0, x.type('dtype')), x.sizes('shape', b));

const rangeOf: TfRow = (x, b) => {
  const type = elementOf(x.tensor('start'));
  const stand = ['int32', 'int64', 'float32', 'float64', 'int16'].includes(type) ? type : 'float32';
  const [start, limit, delta] = ['start', 'limit', 'delta'].map(name => b.Cast(x.tensor(name), stand));
  return b.Cast(b.Range({ start: start!, limit: limit!, delta: delta! }), type);
};

/** Steps from the first, and the last as it was given. */
const linearSpace: TfRow = (x, b) => {
  const [start, stop] = [x.tensor('start'), x.tensor('stop')];
  const [num] = x.sizes('num', b);
  const type = elementOf(start);
  if (num === 1) return b.Reshape(start, [1]);
  const places = b.Range({ start: b.constant(0n, 'int64'), limit: sizeScalar(b, num!), delta: b.constant(1n, 'int64') });
  const last = b.Sub(sizeScalar(b, num!), b.constant(1n, 'int64'));
  const steps = b.Max(b.Cast(last, type), b.like(1, start));
  const made = b.Add(start, b.Mul(b.Cast(places, type), b.Div(b.Sub(stop, start), steps)));
  const isLast = b.And(b.Equal(places, last), b.Greater(last, b.constant(0n, 'int64')));
  return b.Where(isLast, stop, made);
};

const size: TfRow = (x, b) => b.Cast(b.Size({ data: x.first }), x.type('out_type'));
const rank: TfRow = (x, b) => b.constant(rankOf(x.first), 'int32');

/** Elements of one type as those of another: in a longer one the last axis goes, in a shorter one there is one more. */
const bitcast: TfRow = (x, b) => {
  const [input, type] = [x.tensor('input'), x.type('type')];
  if (elementTypes[type].bits !== elementTypes[elementOf(input)].bits) throw unsupported('to a type of another width');
  return b.BitCast({ input }, { to: elementTypes[type].code });
};

const ensure: TfRow = (x, b) => {
  const input = x.tensor('input');
  const sizes = x.shape('shape');
  const made = b.Identity(input);
  // What the program knows of the shape is known from here on.
  const own = input.shape;
  if (sizes && (!own || own.length === sizes.length))
    made.type = tensorType(
      elementOf(input),
      sizes.map((d, i) => (d >= 0 ? d : (own?.[i] ?? dimOf(b.dim(made, i))))),
    );
  return made;
};

const repeated: TfRow = (x, b) => {
  const [input, counts] = [x.tensor('input'), x.tensor('multiples')];
  const known = contentsOf(counts);
  if (known?.every(d => d === 1)) return b.Identity(input);
  return b.Tile({ input, repeats: b.Cast(counts, 'int64') });
};

/** How far each of several tensors is moved along an axis when they are joined. */
const concatOffset: TfRow = (x, b) => {
  const axis = x.int('concat_dim');
  const all = x.tensors('shape');
  const type = elementOf(all[0]!);
  let offset: Value = b.constant(type === 'int64' ? 0n : 0, type);
  return all.map(v => {
    const length = shapeOf(v)[0];
    if (typeof length !== 'number') throw unsupported('of shapes of an open length');
    const here = range(length).map(i => (i === axisOf(axis, length) ? b.Reshape(offset, [1]) : b.constant([0], type, [1])));
    offset = b.Add(offset, b.Gather(v, b.constant(BigInt(axisOf(axis, length)), 'int64'), 0));
    return b.Concat(here, 0);
  });
};

/** Places in a flat tensor as places along its axes. */
const unravel: TfRow = (x, b) => {
  const indices = x.tensor('indices');
  const type = elementOf(indices);
  const sizes = x.sizes('dims', b);
  let rest: Value = b.Cast(indices, 'int64');
  const parts: Value[] = [];
  for (const part of [...sizes].reverse()) {
    const by = sizeScalar(b, part);
    const place = b.Mod({ A: rest, B: by });
    parts.unshift(b.Unsqueeze(place, [0]));
    rest = b.Div(b.Sub(rest, place), by);
  }
  return b.Cast(b.Concat(parts, 0), type);
};

/** All elements in one axis. */
export const flat = (b: Builder, v: Value): Value => (rankOf(v) === 1 ? v : b.Reshape(v, [-1]));

/** The product of some sizes. */
export const productOf = (b: Builder, sizes: readonly Size[]): Size => sizes.reduce<Size>((n, s) => mulSizes(b, n, s), 1);

/** Everything along an axis from a place on. */
export const from = (b: Builder, v: Value, axis: number, start: number): Value =>
  b.Slice(v, { axes: [axis], starts: [start], ends: [toTheEnd] });

export const shapeRows: TfRows = {
  Shape: shape,
  ShapeN: shapes,
  Size: size,
  Rank: rank,
  Reshape: reshape,
  ExpandDims: expandDims,
  Squeeze: squeeze,
  Transpose: transpose,
  ConjugateTranspose: transpose,
  BroadcastTo: broadcastTo,
  BroadcastArgs: broadcastArgs,
  Fill: fill,
  ZerosLike: filledLike(0),
  OnesLike: filledLike(1),
  Empty: empty,
  Range: rangeOf,
  LinSpace: linearSpace,
  Tile: repeated,
  Bitcast: bitcast,
  EnsureShape: ensure,
  ConcatOffset: concatOffset,
  UnravelIndex: unravel,
};
