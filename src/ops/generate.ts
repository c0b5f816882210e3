// Tensors made of positions: counting, and what compares positions with each other.
import { fail } from '../errors.ts';
import { apply, cast, input, program } from '../expr/expr.ts';
import { addDims, ceilDivDims, type Dim, isNatural, maxDims, mulDims, subDims, unknownDim } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { numbersOf } from '../ir/tensor.ts';
import { dataTypeOfCode, formatShape, isFloat, type Shape, tensorType } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import { firstElement } from '../kernels/memory.ts';
import { computeType } from '../kernels/storage.ts';
import { broadcastView, dropAxes, type Emitter } from '../kernels/views.ts';
import type { Builder, Size } from './builder.ts';
import type { At, Family, Inputs } from './row.ts';
import { axisOf, contentsOf, elementOf, known, likeAlong, maxContents, range, rankOf, requireOnAxis, shapeOf } from './shapes.ts';

export const generators = {
  Range: {
    known: ['start', 'limit', 'delta'],
    infer: ({ start, limit, delta }) => [tensorType(elementOf(start), [rangeLength(start, limit, delta)])],
    contents({ start, limit, delta }) {
      const length = rangeLength(start, limit, delta);
      const [from, step] = [contentsOf(start)?.[0], contentsOf(delta)?.[0]];
      if (from === undefined || step === undefined || typeof length !== 'number' || length > maxContents) return [];
      return [Array.from({ length }, (_, i) => addDims(from, mulDims(step, i)))];
    },
    plan(_x, _at, e, { start, delta }, [type]) {
      const y = e.alloc(type!.element, type!.shape);
      const scalar = computeType(y.type);
      if (!scalar) throw fail('E1304', `Range has no meaning for ${y.type}`);
      const line = apply('add', input(1, scalar), apply('mul', cast(input(0, 'int64'), scalar), input(2, scalar)));
      const bounds = [start, delta].map(v => broadcastView(scalarView(e, scalar, numberIn(v)!), y.shape));
      e.step({ kind: 'map', program: program([line]) }, [positionsView(e, y.shape[0]!), ...bounds], [y]);
      return [y];
    },
  },
  EyeLike: {
    infer: ({ input: x }, { dtype }) => [tensorType(elementCoded(dtype, x), shapeOf(x))],
    lower({ input: x }, { dtype, k }, b) {
      const rows = count(b, b.dim(x, 0), k);
      return b.Cast(b.Equal(b.Unsqueeze(rows, [1]), count(b, b.dim(x, 1))), elementCoded(dtype, x));
    },
  },
  Trilu: {
    infer: ({ input: x }) => [x.type],
    lower({ input: x, k }, { upper }, b) {
      const rows = b.Unsqueeze(count(b, b.dim(x, -2)), [1]);
      const diagonal = k ? b.Add(rows, k) : rows;
      const columns = count(b, b.dim(x, -1));
      const kept = upper ? b.GreaterOrEqual({ A: columns, B: diagonal }) : b.LessOrEqual({ A: columns, B: diagonal });
      return b.Where(kept, x, b.like(0, x));
    },
  },
  OneHot: {
    known: ['depth'],
    infer({ indices, depth, values }, { axis }) {
      const shape = shapeOf(indices);
      const size = numberIn(depth) ?? unknownDim();
      if (values.shape && values.shape.length !== 1) throw fail('E1305', `OneHot: values ${formatShape(values.shape)} must be a vector`);
      return [tensorType(elementOf(values), shape.toSpliced(axisOf(axis, shape.length + 1), 0, size))];
    },
    lower({ indices, depth, values }, { axis }, b) {
      const rank = rankOf(indices) + 1;
      const on = axisOf(axis, rank);
      const scalar = b.Cast(rankOf(depth) === 0 ? depth : b.Squeeze(depth, [0]), 'int64');
      const classes = b.Range({ start: b.constant(0, 'int64'), limit: scalar, delta: b.constant(1, 'int64') });
      const wide = b.Cast(indices, 'int64');
      const index = b.Where(b.Less(wide, b.constant(0, 'int64')), b.Add(wide, scalar), wide);
      const trailing = range(rank - 1 - on, 1);
      const hot = b.Equal(b.Unsqueeze(index, [on]), trailing.length > 0 ? b.Unsqueeze(classes, trailing) : classes);
      const [off, onValue] = b.Split(values, [1, 1], 0) as readonly [Value, Value];
      return b.Where(hot, onValue, off);
    },
  },
  Hardmax: {
    infer: ({ input }, { axis }) => [likeAlong(input, axis)],
    lower({ input: x }, { axis }, b) {
      const on = axisOf(axis, rankOf(x));
      const first = b.ArgMax({ data: x }, { axis: on });
      const places = count(b, b.dim(x, on));
      const trailing = range(rankOf(x) - 1 - on, 1);
      return b.Cast(b.Equal(first, trailing.length > 0 ? b.Unsqueeze(places, trailing) : places), elementOf(x));
    },
  },
  HannWindow: cosineWindow([0.5, 0.5]),
  HammingWindow: cosineWindow([25 / 46, 21 / 46]),
  BlackmanWindow: cosineWindow([0.42, 0.5, 0.08]),
  CumSum: cumulative({ reduce: 'ReduceSum', combine: 'Add', neutral: 0 }),
  CumProd: cumulative({ reduce: 'ReduceProd', combine: 'Mul', neutral: 1 }),
  GatherElements: {
    infer({ data, indices }, { axis }) {
      const shape = shapeOf(data);
      requireOnAxis('GatherElements', indices, shape[axisOf(axis, shape.length)]!);
      return [tensorType(elementOf(data), shapeOf(indices))];
    },
    lower({ data, indices }, { axis }, b) {
      const rank = rankOf(data);
      const on = axisOf(axis, rank);
      const places = range(rank).map(d =>
        d === on ? fromFront(indices, data, on, b) : spreadOver(count(b, b.dim(indices, d)), rank - 1 - d, b),
      );
      return b.Gather(b.Reshape(data, [-1]), flatIndex(data, places, b), 0);
    },
  },
  GatherND: {
    infer({ data, indices }, { batch_dims }) {
      const shape = shapeOf(indices);
      const depth = shape.at(-1);
      if (typeof depth !== 'number') throw fail('E3009', 'GatherND: the last axis of the indices must be known');
      const taken = batch_dims + depth;
      if (taken > rankOf(data)) throw fail('E1305', `GatherND: ${taken} axes are indexed, the data has ${rankOf(data)}`);
      return [tensorType(elementOf(data), [...shape.slice(0, -1), ...shapeOf(data).slice(taken)])];
    },
    lower({ data, indices }, { batch_dims }, b) {
      const rank = rankOf(indices);
      const depth = shapeOf(indices).at(-1) as number;
      const given = b
        .Split(indices, new Array<number>(depth).fill(1), -1)
        .map((part, i) => fromFront(b.Squeeze(part, [-1]), data, batch_dims + i, b));
      const batch = range(batch_dims).map(d => spreadOver(count(b, b.dim(indices, d)), rank - 2 - d, b));
      const rest = range(rankOf(data) - batch_dims - depth, batch_dims + depth).map(d => b.dim(data, d));
      const flat = flatIndex(data, [...batch, ...given], b);
      return b.Gather(b.Reshape(data, [-1, ...rest]), flat, 0);
    },
  },
} satisfies Family;

/** sum of (-1)^i weights[i] cos(2 pi i n / N), N one less for a symmetric window. */
function cosineWindow(weights: readonly number[]) {
  return {
    known: ['size'],
    infer: ({ size }: Inputs<'HannWindow'>, { output_datatype }: At<'HannWindow'>) => [
      tensorType(dataTypeOfCode(output_datatype) ?? 'float32', [numberIn(size) ?? unknownDim()]),
    ],
    lower({ size }: Inputs<'HannWindow'>, { output_datatype, periodic }: At<'HannWindow'>, b: Builder): Value {
      const type = dataTypeOfCode(output_datatype) ?? 'float32';
      const exact = type === 'float64' ? type : 'float32';
      const number = (n: number): Value => b.constant(n, exact);
      const length = b.Cast(size, exact);
      const turn = b.Div(number(2 * Math.PI), periodic ? length : b.Max(b.Sub(length, number(1)), number(1)));
      const angle = b.Mul(b.Cast(count(b, size), exact), turn);
      const terms = weights.slice(1).map((w, i) => {
        const wave = b.Cos(i === 0 ? angle : b.Mul(angle, number(i + 1)));
        return b.Mul(wave, number(i % 2 === 0 ? -w : w));
      });
      return b.Cast(
        terms.reduce((sum, t) => b.Add(sum, t), number(weights[0]!)),
        type,
      );
    },
  };
}

/** How places along an axis come together. */
interface Scan {
  readonly reduce: 'ReduceSum' | 'ReduceProd';
  readonly combine: 'Add' | 'Mul';
  readonly neutral: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

function cumulative(how: Pick<Scan, 'reduce' | 'combine' | 'neutral'>) {
  return {
    known: ['axis'],
    infer: ({ x }: Inputs<'CumSum'>) => [x.type],
    lower({ x, axis }: Inputs<'CumSum'>, { exclusive, reverse }: At<'CumSum'>, b: Builder): Value {
      const on = axisOf(known(axis)![0] as number, rankOf(x));
      return scanned(x, on, { ...how, exclusive: exclusive !== 0, reverse: reverse !== 0 }, b);
    },
  };
}

/** Longer axes are scanned block by block. */
const mostPaired = 128;
const block = 64;

/** What the places up to each come to: those in its block, and the blocks before it. */
function scanned(x: Value, on: number, how: Scan, b: Builder): Value {
  const length = b.dim(x, on);
  if (typeof length === 'number' && length <= mostPaired) return paired(x, on, how, b);
  const places = b.sizes([length]);
  const blocks = b.Div(b.Add(places, b.ints([block - 1])), b.ints([block]));
  const whole = b.Mul(blocks, b.ints([block]));
  const sizes = range(rankOf(x)).map(d => b.dim(x, d));
  // A size of 0 is no copy of another.
  const along = (v: Value, ...parts: readonly Size[]): Value =>
    b.emit('Reshape', [v, b.sizes([...sizes.slice(0, on), ...parts, ...sizes.slice(on + 1)])], { allowzero: 1 })[0]!;
  const pads = b.Concat([b.ints([0]), b.Sub(whole, places)], 0);
  const apart = along(b.Pad({ data: x, pads, constant_value: b.like(how.neutral, x), axes: b.ints([on]) }), blocks, block);
  const totals = b[how.reduce](apart, { axes: [on + 1], keepdims: 0 });
  const outer = { ...how, exclusive: true };
  // How often an open axis would have to be divided is not known.
  const before = typeof length === 'number' ? scanned(totals, on, outer, b) : paired(totals, on, outer, b);
  const joined = b[how.combine](paired(apart, on + 1, how, b), b.Unsqueeze(before, [on + 1]));
  return b.Slice(along(joined, whole), { axes: [on], starts: [0], ends: [places] });
}

/** As many terms as there are pairs of places. */
function paired(x: Value, on: number, { reduce, neutral, exclusive, reverse }: Scan, b: Builder): Value {
  const columns = count(b, b.dim(x, on));
  const rows = b.Unsqueeze(columns, [1]);
  const [low, high] = reverse ? [rows, columns] : [columns, rows];
  const kept = exclusive ? b.Less(low, high) : b.LessOrEqual({ A: low, B: high });
  // [.., row, column, ..]: the axis itself is the column.
  const pairs = b.Where(spreadOver(kept, rankOf(x) - 1 - on, b), b.Unsqueeze(x, [on]), b.like(neutral, x));
  return b[reduce](pairs, { axes: [on + 1], keepdims: 0 });
}

/** `v` with `more` axes of size 1 after its own. */
export const spreadOver = (v: Value, more: number, b: Builder): Value => (more > 0 ? b.Unsqueeze(v, range(more, rankOf(v))) : v);

/** Indices along an axis of `data` as int64, counted from the front. */
function fromFront(indices: Value, data: Value, axis: number, b: Builder): Value {
  const wide = b.Cast(indices, 'int64');
  return b.Where(b.Less(wide, b.constant(0, 'int64')), b.Add(wide, b.sizes([b.dim(data, axis)])), wide);
}

/** The index into the flattened first axes of `data` for a place along each of them. */
export const flatIndex = (data: Value, places: readonly Value[], b: Builder): Value =>
  places.reduce((flat, place, axis) => b.Add(b.Mul(flat, b.sizes([b.dim(data, axis)])), place));

/** `from`, `from` + 1, … as int64, `size` of them. */
export function count(b: Builder, size: Size, from: number | Value = 0): Value {
  const scalar = (n: number | Value): Value =>
    typeof n === 'number' ? b.constant(n, 'int64') : b.Cast(rankOf(n) === 0 ? n : b.Squeeze(n, [0]), 'int64');
  const [start, length] = [scalar(from), scalar(size)];
  const limit = from === 0 ? length : b.Add(start, length);
  return b.Range({ start, limit, delta: b.constant(1, 'int64') });
}

/** max(ceil((limit - start) / delta), 0) */
function rangeLength(...bounds: readonly Value[]): Dim {
  const [start, limit, delta] = bounds.map(numberIn);
  if (delta === 0) throw fail('E1305', 'Range: delta must not be 0');
  if (start === undefined || limit === undefined || typeof delta !== 'number') return unknownDim();
  const span = delta > 0 ? subDims(limit, start) : subDims(start, limit);
  if (typeof span === 'number') return Math.max(Math.ceil(span / Math.abs(delta)), 0);
  if (!Number.isInteger(delta)) return unknownDim();
  const length = ceilDivDims(span, Math.abs(delta));
  return isNatural(span) ? length : maxDims(length, 0);
}

/** The one element of a value as far as it is known before execution. */
function numberIn(v: Value): Dim | undefined {
  const content = contentsOf(v)?.[0];
  if (content !== undefined) return content;
  const { tensor } = v;
  if (!tensor?.isResident || tensor.size === 0) return undefined;
  if (tensor.type === 'int64' || tensor.type === 'uint64') return numbersOf(tensor)[0];
  return isFloat(tensor.type) ? Number(firstElement(tensor)) : undefined;
}

const elementCoded = (code: number | undefined, x: Value) => (code === undefined ? elementOf(x) : (dataTypeOfCode(code) ?? elementOf(x)));

export function scalarView(e: Emitter, type: View['type'], value: Dim): View {
  const y = e.alloc(type, []);
  e.step(typeof value === 'number' ? { kind: 'fill', value } : { kind: 'values', values: [value] }, [], [y]);
  return y;
}

/** 0, 1, 2, … as int64: the places that a maximum over windows of one element finds. */
export function positionsView(e: Emitter, size: Dim): View {
  const line: Shape = [1, 1, size];
  const [x, y, places] = [e.alloc('float32', line), e.alloc('float32', line), e.alloc('int64', line)];
  e.step({ kind: 'fill', value: 0 }, [], [x]);
  const window = { kernel: [1], strides: [1], dilations: [1], pads: [0, 0] };
  e.step({ kind: 'pool', by: 'max', ...window, countPads: false, p: 0 }, [x], [y, places]);
  return dropAxes(places, [0, 1]);
}
