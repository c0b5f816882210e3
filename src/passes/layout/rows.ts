// Operators through which layouts flow: how their tensors lie to one another, and how they are said with their axes in another order.
// Whatever has no row here, such as a convolution, has its tensors as they are.
import type { Attribute, Node, Value } from '../../ir/graph.ts';
import { attributesOf } from '../../ops/attributes.ts';
import type { Builder } from '../../ops/builder.ts';
import { rowOf } from '../../ops/index.ts';
import { newestSchema } from '../../ops/schema.ts';
import { axisOf, numbersIn, range } from '../../ops/shapes.ts';
import { type Axes, aligned, axesUpTo, type Flow } from './flow.ts';
import { isNatural, type Layout, placeOf } from './layout.ts';
import { reshape } from './reshape.ts';

export type FlowRow = (node: Node) => Flow | undefined;

/** How layouts flow through a node in its newest form; undefined where they do not. */
export function flowOf(node: Node): Flow | undefined {
  if (node.domain !== '') return undefined;
  const row = rowOf(node.op);
  return (rows[node.op] ?? (row && 'map' in row ? pointwise : undefined))?.(node);
}

const rankOf = (v: Value | undefined): number | undefined => v?.shape?.length;
const attribute = <T>(node: Node, name: string): T | undefined => attributesOf(node, newestSchema('', node.op)!)[name] as T | undefined;
const ofAxis = (node: Node, rank: number): number => axisOf(attribute<number>(node, 'axis')!, rank);
/** Axes that an input says, counted from the front; undefined where they are not known. */
const axesIn = (v: Value, rank: number): readonly number[] | undefined => numbersIn(v)?.map(axis => axisOf(axis, rank));

/** The node over other inputs and with some other attributes; undefined for one that goes. */
function again(
  node: Node,
  inputs: readonly (Value | undefined)[],
  b: Builder,
  changed: Readonly<Record<string, Attribute | undefined>> = {},
): readonly (Value | undefined)[] {
  const attributes = new Map(node.attributes);
  for (const [name, value] of Object.entries(changed))
    if (value) attributes.set(name, value);
    else attributes.delete(name);
  return b.emit(node.op, inputs, attributes, { name: node.name, outputs: node.outputs.map(v => v?.name) });
}
const int = (value: number): Attribute => ({ kind: 'int', value });
const intsOf = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
const moved = (axes: readonly number[], layout: Layout): number[] => axes.map(axis => placeOf(layout, axis)).sort((a, b) => a - b);
/** A vector with an entry for each axis, in the order that the axes have now. */
const reordered = (v: Value | undefined, { perm }: Layout, b: Builder): Value | undefined =>
  v && (isNatural(perm) ? v : b.Gather(v, b.ints(perm), 0));
/** The same where it has an entry for the start of each axis, and then one for the end of each. */
const reorderedPairs = (v: Value | undefined, { perm }: Layout, b: Builder): Value | undefined =>
  v && (isNatural(perm) ? v : b.Gather(v, b.ints([...perm, ...perm.map(axis => axis + perm.length)]), 0));
const hasLength = (v: Value | undefined, length: number): boolean => v?.shape?.length === 1 && v.shape[0] === length;

/** Operands are broadcast: their last axes are the last ones of the result. */
const pointwise: FlowRow = node => broadcast(node, node.inputs.length);

/** An operator of whose inputs so many are broadcast; the others stay as they are. */
function broadcast(node: Node, operands: number): Flow | undefined {
  const rank = rankOf(node.outputs[0]);
  const ranks = node.inputs.map(rankOf);
  if (rank === undefined || node.inputs.some((v, i) => v && i < operands && ranks[i] === undefined)) return undefined;
  const inputs = ranks.map((own, i) => (own === undefined || i >= operands ? undefined : axesUpTo(own, rank - own)));
  return {
    inputs,
    outputs: node.outputs.map(() => axesUpTo(rank)),
    mixable: wholeAtoms(node, inputs, rank),
    emit: (x, { order }, b) =>
      again(
        node,
        x.map((v, i) => v && (inputs[i] ? aligned(v, inputs[i], order, b) : v)),
        b,
      ),
  };
}

/** Axes along which every operand has all elements of the result, or one. */
const wholeAtoms = (node: Node, inputs: readonly (Axes | undefined)[], rank: number): ReadonlySet<number> =>
  new Set(
    range(rank).filter(atom =>
      inputs.every((axes, i) => {
        const axis = axes?.findIndex(([a]) => a === atom) ?? -1;
        const size = axis < 0 ? 1 : node.inputs[i]!.shape![axis];
        return size === 1 || size === node.outputs[0]!.shape![atom];
      }),
    ),
  );

/** All inputs and outputs have the axes of the first input, and one axis is named by an attribute. */
const along =
  (inputs = Number.POSITIVE_INFINITY): FlowRow =>
  node => {
    const rank = rankOf(node.inputs[0]);
    if (rank === undefined || rank === 0) return undefined;
    const axis = ofAxis(node, rank);
    return {
      inputs: node.inputs.map((_, i) => (i < inputs ? axesUpTo(rank) : undefined)),
      outputs: node.outputs.map(() => axesUpTo(rank)),
      emit: (x, turn, b) => again(node, x, b, { axis: int(placeOf(turn.inputs[0]!, axis)) }),
    };
  };

const cumulative: FlowRow = node => {
  const [x, along] = node.inputs;
  const rank = rankOf(x);
  const [axis] = (rank && along && axesIn(along, rank)) || [];
  if (!rank || axis === undefined) return undefined;
  return {
    inputs: [axesUpTo(rank), undefined],
    outputs: [axesUpTo(rank)],
    emit: ([v], turn, b) => again(node, [v, b.constant(placeOf(turn.inputs[0]!, axis), 'int64')], b),
  };
};

/** What is left of the axes of the input. */
const kept = (rank: number, dropped: readonly number[], keepdims: boolean): Axes =>
  axesUpTo(rank).filter(([axis]) => keepdims || !dropped.includes(axis!));

const reduction: FlowRow = node => {
  const [x, given] = node.inputs;
  const rank = rankOf(x);
  if (rank === undefined || (!given && attribute<number>(node, 'noop_with_empty_axes'))) return undefined;
  const axes = given ? axesIn(given, rank) : range(rank);
  if (!axes || axes.length === 0) return undefined;
  return {
    inputs: [axesUpTo(rank), undefined],
    outputs: [kept(rank, axes, attribute<number>(node, 'keepdims') === 1)],
    emit: ([v], turn, b) => again(node, [v, given && b.ints(moved(axes, turn.inputs[0]!))], b),
  };
};

const argument: FlowRow = node => {
  const rank = rankOf(node.inputs[0]);
  if (!rank) return undefined;
  const axis = ofAxis(node, rank);
  return {
    inputs: [axesUpTo(rank)],
    outputs: [kept(rank, [axis], attribute<number>(node, 'keepdims') === 1)],
    emit: (x, turn, b) => again(node, x, b, { axis: int(placeOf(turn.inputs[0]!, axis)) }),
  };
};

/** The axis gives way to those of the indices, which stay side by side. */
const gather: FlowRow = node => {
  const [data, indices] = node.inputs;
  const [rank, wide] = [rankOf(data), rankOf(indices)];
  if (!rank || wide === undefined) return undefined;
  const axis = ofAxis(node, rank);
  const all = axesUpTo(rank);
  return {
    inputs: [all, undefined],
    outputs: [[...all.slice(0, axis), ...range(wide).map(() => [axis]), ...all.slice(axis + 1)]],
    emit: (x, turn, b) => again(node, x, b, { axis: int(placeOf(turn.inputs[0]!, axis)) }),
  };
};

const slice: FlowRow = node => {
  const [x, starts, , given] = node.inputs;
  const rank = rankOf(x);
  const count = starts?.shape?.[0];
  const axes = rank === undefined ? undefined : given ? axesIn(given, rank) : typeof count === 'number' ? range(count) : undefined;
  if (rank === undefined || !axes) return undefined;
  return {
    inputs: [axesUpTo(rank)],
    outputs: [axesUpTo(rank)],
    emit: ([v, from, to, , steps], turn, b) => {
      const places = axes.map(axis => placeOf(turn.inputs[0]!, axis));
      return again(node, [v, from, to, b.ints(places), steps], b);
    },
  };
};

const pad: FlowRow = node => {
  const [x, pads, , given] = node.inputs;
  const rank = rankOf(x);
  const axes = given && rank !== undefined ? axesIn(given, rank) : undefined;
  if (rank === undefined || (given ? !axes : !hasLength(pads, 2 * rank))) return undefined;
  return {
    inputs: [axesUpTo(rank)],
    outputs: [axesUpTo(rank)],
    emit: ([v, amounts, value], { inputs: [layout] }, b) =>
      again(
        node,
        axes ? [v, amounts, value, b.ints(axes.map(axis => placeOf(layout!, axis)))] : [v, reorderedPairs(amounts, layout!, b), value],
        b,
      ),
  };
};

const tile: FlowRow = node => {
  const [x, repeats] = node.inputs;
  const rank = rankOf(x);
  if (rank === undefined || !hasLength(repeats, rank)) return undefined;
  return {
    inputs: [axesUpTo(rank)],
    outputs: [axesUpTo(rank)],
    emit: ([v, times], turn, b) => again(node, [v, reordered(times, turn.inputs[0]!, b)], b),
  };
};

const expand: FlowRow = node => {
  const [x, shape] = node.inputs;
  const rank = rankOf(node.outputs[0]);
  const own = rankOf(x);
  if (rank === undefined || own === undefined || !hasLength(shape, rank)) return undefined;
  const axes = axesUpTo(own, rank - own);
  return {
    inputs: [axes],
    outputs: [axesUpTo(rank)],
    emit: ([v, sizes], { order, outputs }, b) => again(node, [aligned(v!, axes, order, b), reordered(sizes, outputs[0]!, b)], b),
  };
};

const resize: FlowRow = node => {
  const [x, roi, scales, sizes] = node.inputs;
  const rank = rankOf(x);
  const given = attribute<readonly number[]>(node, 'axes');
  if (rank === undefined) return undefined;
  const axes = given?.map(axis => axisOf(axis, rank));
  if (!axes && !hasLength(scales ?? sizes, rank)) return undefined;
  const isLinear = attribute<string>(node, 'mode') !== 'nearest';
  const changed = range(rank).filter(axis => (axes ? axes.includes(axis) : x!.shape![axis] !== node.outputs[0]?.shape?.[axis]));
  const areLast = (places: readonly number[]): boolean => places.every(place => place >= 2);
  return {
    inputs: [axesUpTo(rank)],
    outputs: [axesUpTo(rank)],
    // Runtimes interpolate along the last axes; what they can do stays what they can do.
    allows: order => !isLinear || !areLast(changed) || areLast(changed.map(axis => order.indexOf(axis))),
    emit: ([v], { inputs: [layout] }, b) =>
      axes
        ? again(node, [v, roi, scales, sizes], b, { axes: intsOf(axes.map(axis => placeOf(layout!, axis))) })
        : again(node, [v, reorderedPairs(roiOf(roi, rank), layout!, b), reordered(scales, layout!, b), reordered(sizes, layout!, b)], b),
  };
};
/** A region of interest that is said; many files have an empty one. */
const roiOf = (v: Value | undefined, rank: number): Value | undefined => (hasLength(v, 2 * rank) ? v : undefined);

const squeeze: FlowRow = node => {
  const [x, given] = node.inputs;
  const rank = rankOf(x);
  if (rank === undefined) return undefined;
  const isKnown = given !== undefined || x!.shape!.every(d => typeof d === 'number');
  const axes = given ? axesIn(given, rank) : range(rank).filter(axis => x!.shape![axis] === 1);
  if (!isKnown || !axes) return undefined;
  return {
    inputs: [axesUpTo(rank), undefined],
    outputs: [kept(rank, axes, false)],
    emit: ([v], turn, b) => again(node, [v, b.ints(moved(axes, turn.inputs[0]!))], b),
  };
};

const unsqueeze: FlowRow = node => {
  const [, given] = node.inputs;
  const rank = rankOf(node.outputs[0]);
  const axes = rank !== undefined && given ? axesIn(given, rank) : undefined;
  if (rank === undefined || !axes) return undefined;
  return {
    inputs: [kept(rank, axes, false), undefined],
    outputs: [axesUpTo(rank)],
    emit: ([v], turn, b) => again(node, [v, b.ints(moved(axes, turn.outputs[0]!))], b),
  };
};

/** One scale for all, one for each index of an axis, or one for each block of elements. */
const quantization: FlowRow = node => {
  const [x, scale] = node.inputs;
  const [rank, wide] = [rankOf(x), rankOf(scale)];
  if (rank === undefined || wide === undefined) return undefined;
  const isBlocked = (attribute<number>(node, 'block_size') ?? 0) > 0;
  const perTensor = wide === 0 || (!isBlocked && scale!.shape![0] === 1 && wide === 1 && !isAxis(node, rank));
  const axis = perTensor ? undefined : ofAxis(node, rank);
  const beside: Axes | undefined = axis === undefined ? undefined : isBlocked ? axesUpTo(rank) : [[axis]];
  return {
    inputs: [axesUpTo(rank), beside, node.inputs[2] && beside],
    outputs: [axesUpTo(rank)],
    emit: (v, turn, b) => again(node, v, b, axis === undefined ? {} : { axis: int(placeOf(turn.inputs[0]!, axis)) }),
  };
};
const isAxis = (node: Node, rank: number): boolean => {
  const axis = attribute<number>(node, 'axis')!;
  return axis >= -rank && axis < rank;
};

/** The axes that are normalised are the last ones, in their order. */
const normalisation: FlowRow = node => {
  const rank = rankOf(node.inputs[0]);
  if (!rank) return undefined;
  const axis = ofAxis(node, rank);
  return {
    inputs: [axesUpTo(rank), undefined, undefined],
    outputs: node.outputs.map(() => axesUpTo(rank)),
    allows: order => order.slice(axis).every((atom, i) => atom === axis + i),
    emit: (x, _turn, b) => again(node, x, b),
  };
};

/** Matrices lie in the last two axes; what is summed over may lie in any order, the same in both. */
const product: FlowRow = node => {
  const [left, right] = node.inputs.map(rankOf);
  const rank = Math.max(left ?? 0, right ?? 0);
  const isBatch = (r: number | undefined): boolean => r === rank || r === 2;
  if (!isBatch(left) || !isBatch(right)) return undefined;
  const [m, k, n] = [rank - 2, rank - 1, rank];
  const batch = axesUpTo(m);
  const before = (r: number | undefined): number[][] => (r === rank ? batch : []);
  return {
    inputs: [
      [...before(left), [m], [k]],
      [...before(right), [k], [n]],
    ],
    outputs: [[...batch, [m], [n]]],
    allows: order => order.slice(m).every((atom, i) => atom === m + i),
    mixable: new Set([k]),
    emit: (x, _turn, b) => again(node, x, b),
  };
};

/** A transposed operand is one whose attribute says so. */
const gemm: FlowRow = node => {
  const [m, k, n] = [0, 1, 2] as const;
  const isTransposed = (name: 'transA' | 'transB'): boolean => attribute<number>(node, name) === 1;
  return {
    inputs: [isTransposed('transA') ? [[k], [m]] : [[m], [k]], isTransposed('transB') ? [[n], [k]] : [[k], [n]], undefined],
    outputs: [[[m], [n]]],
    allows: order => order.indexOf(m) < order.indexOf(n),
    mixable: new Set([k]),
    emit: (x, { order }, b) => {
      const isBefore = (one: number, other: number): Attribute => int(Number(order.indexOf(one) < order.indexOf(other)));
      return again(node, x, b, { transA: isBefore(k, m), transB: isBefore(n, k) });
    },
  };
};

/** Sizes are told in the order that they had. */
const shape: FlowRow = node => {
  const rank = rankOf(node.inputs[0]);
  if (rank === undefined) return undefined;
  const bound = (name: string, otherwise: number): number | undefined => attribute<number>(node, name) ?? otherwise;
  const axes = range(rank).slice(bound('start', 0), bound('end', rank));
  return {
    inputs: [axesUpTo(rank)],
    outputs: [undefined],
    emit: ([v], turn, b) => [b.Gather(b.Shape(v!), b.ints(axes.map(axis => placeOf(turn.inputs[0]!, axis))), 0)],
  };
};

const filled: FlowRow = node => {
  const rank = rankOf(node.outputs[0]);
  if (rank === undefined || !hasLength(node.inputs[0], rank)) return undefined;
  return {
    inputs: [undefined],
    outputs: [axesUpTo(rank)],
    emit: ([sizes], turn, b) => again(node, [reordered(sizes, turn.outputs[0]!, b)], b),
  };
};

const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];

const rows: Readonly<Record<string, FlowRow>> = {
  ...Object.fromEntries(reductions.map(by => [`Reduce${by}`, reduction])),
  ArgMax: argument,
  ArgMin: argument,
  Cast: pointwise,
  CastLike: node => broadcast(node, 1),
  Clip: pointwise,
  Concat: along(),
  ConstantOfShape: filled,
  CumProd: cumulative,
  CumSum: cumulative,
  DequantizeLinear: quantization,
  // In training it draws numbers in the order of the elements.
  Dropout: node => (node.inputs[2] ? undefined : broadcast(node, 1)),
  Expand: expand,
  Flatten: reshape,
  Gather: gather,
  GatherElements: along(),
  Gemm: gemm,
  Hardmax: along(),
  Identity: pointwise,
  LayerNormalization: normalisation,
  LogSoftmax: along(),
  LpNormalization: along(),
  MatMul: product,
  Pad: pad,
  QuantizeLinear: quantization,
  RMSNormalization: normalisation,
  Reshape: reshape,
  Resize: resize,
  ScatterElements: along(),
  Shape: shape,
  Slice: slice,
  Softmax: along(),
  Split: along(1),
  Squeeze: squeeze,
  Tile: tile,
  TopK: along(1),
  Unsqueeze: unsqueeze,
};
