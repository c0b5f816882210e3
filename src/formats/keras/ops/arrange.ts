// Operations that split, join, turn and fill tensors, and pick parts of them by rule.
import { isJsonArray, type Json } from '../../../codec/json.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { atLeast, expandLike, expandTo, iota, permuted, reshapeTo, sizesOf, toTheEnd } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { along, flat, numberOption, numbersOption, operand, option, optionalOperand, typeOption, unary } from './arguments.ts';
import { promoted } from './pairs.ts';

/** Equal parts, or parts between places; `array_split` makes the first ones longer. */
function parts(b: Builder, v: Value, x: LayerCall, axis: number, isUneven = false): Value[] {
  const given = numbersOption(x, 'indices_or_sections') ?? [1];
  const isCount = typeof option(x, 'indices_or_sections') === 'number';
  const size = x.size(v, axis);
  const count = given[0]!;
  if (isCount && !isUneven && size % count !== 0) throw unsupported(`${size} elements in ${count} equal parts`);
  const bounds = isCount
    ? range(count + 1).map(i => i * Math.floor(size / count) + Math.min(i, size % count))
    : [0, ...given.map(place => Math.min(place < 0 ? place + size : place, size)), size];
  return bounds.slice(1).map((end, i) => b.Slice(v, { axes: [axis], starts: [bounds[i]!], ends: [Math.max(end, bounds[i]!)] }));
}
const splitting = (axis?: number, isUneven = false): LayerRow =>
  unary((b, v, x) => parts(b, v, x, axis ?? axisOf(numberOption(x, 'axis', 0), rankOf(v)), isUneven));

function joined(b: Builder, values: readonly Value[], axis: number): Value {
  const common = values.slice(1).reduce((most, v) => promoted(b, most, v)[0], values[0]!);
  return b.Concat(
    values.map(v => b.Cast(v, elementOf(common))),
    axis,
  );
}
const joining = (rank: 1 | 2 | 3, axisFor: (rank: number) => number): LayerRow =>
  plain((x, b) => {
    const values = x.tensors.map(t => atLeast(b, t.value, rank));
    return joined(b, values, axisFor(rankOf(values[0]!)));
  });

/** Which places of the last two axes lie on the diagonal `k`, above or below it. */
function places(b: Builder, v: Value, compare: (column: Value, row: Value) => Value, k: number): Value {
  const rank = rankOf(v);
  const column = iota(b, b.dim(v, rank - 1));
  const row = b.Unsqueeze(iota(b, b.dim(v, rank - 2)), [1]);
  return compare(column, b.Add(row, b.constant(k, 'int64')));
}
const triangle = (isLower: boolean): LayerRow =>
  unary((b, v, x) => {
    const k = numberOption(x, 'k', 0);
    if (elementOf(v) !== 'bool') return b.Trilu({ input: v, k: b.constant(k, 'int64') }, { upper: Number(!isLower) });
    return b.Cast(b.Trilu({ input: b.Cast(v, 'int32'), k: b.constant(k, 'int64') }, { upper: Number(!isLower) }), 'bool');
  });

/** The diagonal of two axes as the last axis. */
function diagonal(b: Builder, v: Value, offset: number, axis1: number, axis2: number): Value {
  const rank = rankOf(v);
  const [first, second] = [axisOf(axis1, rank), axisOf(axis2, rank)];
  const others = range(rank).filter(a => a !== first && a !== second);
  const moved = permuted(b, v, [...others, first, second]);
  const [rows, columns] = [rank - 2, rank - 1].map(a => shapeOf(moved)[a]!);
  if (typeof rows !== 'number' || typeof columns !== 'number') throw unsupported('a diagonal over sizes that only the run knows');
  const count = Math.max(0, Math.min(rows + Math.min(offset, 0), columns - Math.max(offset, 0)));
  const line = reshapeTo(b, moved, [...sizesOf(b, moved).slice(0, -2), rows * columns]);
  return b.Gather(line, b.ints(range(count).map(i => (i - Math.min(offset, 0)) * columns + i + Math.max(offset, 0))), rank - 2);
}
const diagonalOf = (x: LayerCall, b: Builder, v: Value): Value =>
  diagonal(b, v, numberOption(x, 'offset', 0), numberOption(x, 'axis1', 0), numberOption(x, 'axis2', 1));

/** A square with a row as a diagonal of it. */
function diagonalFrom(b: Builder, row: Value, k: number, x: LayerCall): Value {
  const size = x.size(row, 0) + Math.abs(k);
  const padded = b.Pad({ data: row, pads: b.ints([Math.max(k, 0), Math.max(-k, 0)]) });
  const square = expandTo(b, padded, [size, size]);
  return b.Where(
    places(b, square, (column, line) => b.Equal(column, line), k),
    square,
    b.like(0, row),
  );
}

/** Elements that leave at one end come in at the other. */
function roll(b: Builder, given: Value, x: LayerCall): Value {
  const shifts = numbersOption(x, 'shift') ?? [0];
  const axes = numbersOption(x, 'axis');
  const v = axes ? given : flat(b, given);
  const turned = axesOf(axes ?? [0], rankOf(v)).reduce((made, axis, i) => {
    const shift = shifts[i] ?? shifts[0]!;
    const size = shapeOf(made)[axis]!;
    const by = typeof size === 'number' && size > 0 ? ((shift % size) + size) % size : shift;
    if (by === 0) return made;
    const cut = (starts: number, ends: number): Value => b.Slice(made, { axes: [axis], starts: [starts], ends: [ends] });
    return b.Concat([cut(-by, toTheEnd), cut(0, -by)], axis);
  }, v);
  return axes ? turned : reshapeTo(b, turned, sizesOf(b, given));
}

const reversed = (b: Builder, v: Value, axis: number): Value =>
  b.Slice(v, { axes: [axis], starts: [-1], ends: [Number.MIN_SAFE_INTEGER], steps: [-1] });

function rotated(b: Builder, v: Value, x: LayerCall): Value {
  const [first, second] = axesOf(numbersOption(x, 'axes') ?? [0, 1], rankOf(v)) as [number, number];
  const turns = ((numberOption(x, 'k', 1) % 4) + 4) % 4;
  const swap = (y: Value): Value => permuted(b, y, range(rankOf(v)).with(first, second).with(second, first));
  if (turns === 0) return v;
  if (turns === 2) return reversed(b, reversed(b, v, first), second);
  return turns === 1 ? reversed(b, swap(v), first) : swap(reversed(b, v, first));
}

function pad(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const given = option(x, 'pad_width') as Json;
  const rank = rankOf(v);
  const list = isJsonArray(given) ? given : [given];
  const pairs = list.map(item => (isJsonArray(item) ? item : [item, item]) as readonly number[]);
  const all =
    list.length === rank && isJsonArray(list[0])
      ? pairs
      : range(rank).map(() => (isJsonArray(list[0]) ? pairs[0]! : [Number(list[0]), Number(list.at(-1))]));
  const mode = String(option(x, 'mode') ?? 'constant');
  const name = { constant: 'constant', reflect: 'reflect', symmetric: 'symmetric', edge: 'edge', wrap: 'wrap' }[mode];
  const value = optionalOperand(x, b, 'constant_values', 1, v);
  if (name === 'symmetric' || !name) return symmetric(b, v, all, mode);
  return b.Pad(
    { data: v, pads: b.ints([...all.map(p => p[0]!), ...all.map(p => p[1]!)]), constant_value: name === 'constant' ? value : undefined },
    { mode: name },
  );
}
/** Mirrored with the elements at the edge. */
function symmetric(b: Builder, v: Value, pairs: readonly (readonly number[])[], mode: string): Value {
  if (mode !== 'symmetric') throw unsupported(`padding ${mode}`);
  return pairs.reduce((made, [before, after], axis) => {
    const cut = (starts: number, ends: number): Value => reversed(b, b.Slice(made, { axes: [axis], starts: [starts], ends: [ends] }), axis);
    const all = [...(before ? [cut(0, before)] : []), made, ...(after ? [cut(-after, toTheEnd)] : [])];
    return all.length === 1 ? made : b.Concat(all, axis);
  }, v);
}

function tile(x: LayerCall, b: Builder): Value {
  const v = x.first.value;
  const counts = numbersOption(x, 'repeats') ?? [];
  const rank = Math.max(counts.length, rankOf(v));
  const own = rankOf(v) < rank ? b.Unsqueeze(v, range(rank - rankOf(v))) : v;
  return b.Tile({ input: own, repeats: b.ints([...range(rank - counts.length).map(() => 1), ...counts]) });
}

function takeAlong(x: LayerCall, b: Builder): Value {
  const { v, axis } = along(x, b, x.first.value);
  const given = b.Cast(operand(x, b, 'indices', 1), 'int64');
  const indices = option(x, 'axis') === undefined ? flat(b, given) : given;
  const rank = rankOf(v);
  const like = sizesOf(b, v).map((size, a) => (a === axis ? -1 : size));
  const wide = rankOf(indices) === rank ? expandTo(b, indices, like) : indices;
  return b.GatherElements({ data: v, indices: wide }, { axis });
}

const constantLike = (value: number | undefined): LayerRow =>
  unary((b, v, x) => {
    const type = typeOption(x, elementOf(v));
    const filling = value === undefined ? b.Cast(operand(x, b, 'fill_value', 1, v), type) : b.constant(value, type);
    return expandLike(b, filling, v);
  });

function meshgrid(x: LayerCall, b: Builder): Value[] {
  const rows = x.args.flatMap((_, i) => x.tensor('', i)?.value ?? []);
  const isSwapped = option(x, 'indexing') !== 'ij' && rows.length > 1;
  const order = range(rows.length);
  const axes = isSwapped ? [1, 0, ...order.slice(2)] : order;
  const sizes = axes.map(i => b.dim(rows[i]!, 0));
  return rows.map((row, i) => {
    const place = axes.indexOf(i);
    return expandTo(
      b,
      reshapeTo(
        b,
        row,
        order.map(a => (a === place ? -1 : 1)),
      ),
      sizes,
    );
  });
}

function vander(b: Builder, v: Value, x: LayerCall): Value {
  const count = option(x, 'N') === undefined ? x.size(v, 0) : numberOption(x, 'N');
  const powers = range(count);
  const own = option(x, 'increasing') === true ? powers : powers.reverse();
  const columns = own.map(p => b.Unsqueeze(p === 0 ? expandLike(b, b.like(1, v), v) : b.Pow(v, b.like(p, v)), [1]));
  return b.Concat(columns, 1);
}

interface Scale {
  /** What lies evenly between its ends. */
  readonly even: (b: Builder, v: Value) => Value;
  readonly back: (b: Builder, v: Value, x: LayerCall) => Value;
}
/** A row of numbers from one tensor to another. */
const spaced = ({ even, back }: Scale): LayerRow =>
  plain((x, b) => {
    const [start, stop] = ['start', 'stop'].map((name, i) => even(b, b.Cast(operand(x, b, name, i), 'float32'))) as [Value, Value];
    const count = numberOption(x, 'num', 50);
    const last = option(x, 'endpoint') === false ? count : Math.max(count - 1, 1);
    const rank = Math.max(rankOf(start), rankOf(stop));
    const steps = b.constant(
      range(count).map(i => i / last),
      'float32',
      [count, ...range(rank).map(() => 1)],
    );
    const made = back(b, b.Add(start, b.Mul(b.Sub(stop, start), steps)), x);
    const axis = axisOf(numberOption(x, 'axis', 0), rank + 1);
    const order = range(rank, 1);
    order.splice(axis, 0, 0);
    return b.Cast(permuted(b, made, order), typeOption(x, 'float32'));
  });
const asIs = (_: Builder, v: Value): Value => v;

export const arrangements: Readonly<Record<string, LayerRow>> = {
  Split: splitting(),
  ArraySplit: splitting(undefined, true),
  Vsplit: splitting(0),
  Hsplit: unary((b, v, x) => parts(b, v, x, rankOf(v) === 1 ? 0 : 1)),
  Dsplit: splitting(2),
  Unstack: unary((b, v, x) => {
    const axis = axisOf(numberOption(x, 'axis', 0), rankOf(v));
    return range(x.size(v, axis)).map(i => b.Gather(v, b.constant(i, 'int64'), axis));
  }),
  Hstack: joining(1, rank => Number(rank > 1)),
  Vstack: joining(2, () => 0),
  Dstack: joining(3, () => 2),
  Append: plain((x, b) => {
    const values = [operand(x, b, 'x1', 0), operand(x, b, 'x2', 1)];
    const axis = option(x, 'axis');
    if (typeof axis === 'number') return joined(b, values, axisOf(axis, rankOf(values[0]!)));
    return joined(
      b,
      values.map(v => flat(b, v)),
      0,
    );
  }),
  BroadcastTo: unary((b, v, x) => {
    const sizes = option(x, 'shape');
    if (!isJsonArray(sizes as Json)) throw unsupported('sizes that only the run knows');
    const all = sizes as readonly (number | null)[];
    const lead = all.length - rankOf(v);
    return expandTo(
      b,
      v,
      all.map((d, a) => d ?? (a < lead ? 1 : -1)),
    );
  }),
  Ravel: unary(flat),
  Roll: unary(roll),
  Rot90: unary(rotated),
  Fliplr: unary((b, v) => reversed(b, v, 1)),
  Flipud: unary((b, v) => reversed(b, v, 0)),
  Pad: plain(pad),
  Tile: plain(tile),
  TakeAlongAxis: plain(takeAlong),
  Tril: triangle(true),
  Triu: triangle(false),
  Diagonal: unary((b, v, x) => diagonalOf(x, b, v)),
  Trace: unary((b, v, x) => {
    const line = diagonalOf(x, b, v);
    return b.ReduceSum(line, { axes: [rankOf(line) - 1], keepdims: 0 });
  }),
  Diag: unary((b, v, x) =>
    rankOf(v) === 1 ? diagonalFrom(b, v, numberOption(x, 'k', 0), x) : diagonal(b, v, numberOption(x, 'k', 0), 0, 1),
  ),
  Diagflat: unary((b, v, x) => diagonalFrom(b, flat(b, v), numberOption(x, 'k', 0), x)),
  ZerosLike: constantLike(0),
  EmptyLike: constantLike(0),
  OnesLike: constantLike(1),
  FullLike: constantLike(undefined),
  Full: plain((x, b) => {
    const value = operand(x, b, 'fill_value', 0);
    return b.Expand(b.Cast(value, typeOption(x, elementOf(value))), numbersOption(x, 'shape') ?? []);
  }),
  Ndim: unary((b, v) => b.constant(rankOf(v), 'int32')),
  Size: unary((b, v) => b.Cast(b.emit('Size', [v])[0]!, 'int32')),
  Meshgrid: plain(meshgrid),
  Vander: unary(vander),
  Linspace: spaced({ even: asIs, back: asIs }),
  Logspace: spaced({ even: asIs, back: (b, v, x) => b.Pow(b.like(numberOption(x, 'base', 10), v), v) }),
  Geomspace: spaced({ even: (b, v) => b.Log(v), back: (b, v) => b.Exp(v) }),
};
