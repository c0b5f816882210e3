// merges: nodes in a row that move elements, or change their type, become one, and sizes that are known take the place of what computes them.
import { type Dim, divideExactly, isStatic, sameDim } from '../ir/dims.ts';
import type { Node, Value } from '../ir/graph.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import { boundsOf, contentsOf, range } from '../ops/shapes.ts';
import { permOf, sameTypes } from './identities.ts';
import { type Context, firstOf, type Rule } from './rewrite.ts';

const producerOf = (v: Value | undefined, op: string, { producer }: Context): Node | undefined => {
  const node = producer(v);
  return node?.op === op && node.domain === '' ? node : undefined;
};

const transposes: Rule = (node, b, context) => {
  const outer = permOf(node);
  const before = outer && producerOf(node.inputs[0], 'Transpose', context);
  const inner = before && permOf(before);
  if (!inner || inner.length !== outer.length) return undefined;
  const both = outer.map(p => inner[p]!);
  return both.every((p, i) => p === i) ? before.inputs[0] : b.Transpose(before.inputs[0]!, both);
};

/** Operators that keep the order of elements and change the shape only. */
const reshaping: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** Where a value comes from through nodes that only change its shape. */
function unshaped(v: Value, context: Context): Value {
  let x = v;
  for (let node = context.producer(x); node && isReshaping(node); node = context.producer(x)) x = node.inputs[0]!;
  return x;
}
const isReshaping = (node: Node): boolean => node.domain === '' && reshaping.has(node.op) && node.inputs[0] !== undefined;

/** One change of shape in the place of several; none where the shape is the old one in the end. */
const reshapes: Rule = (node, b, context) => {
  const [x] = node.inputs;
  const [y] = node.outputs;
  const before = context.producer(x);
  if (!x || !y || !before || !isReshaping(before)) return undefined;
  const source = unshaped(x, context);
  if (sameTypes(source, y)) return source;
  const from = before.inputs[0]!;
  const axes = node.op === 'Unsqueeze' && before.op === 'Unsqueeze' ? bothAxes(before, node) : undefined;
  if (axes) return b.Unsqueeze(from, axes);
  const target = y.shape && targetFor(from, y.shape);
  if (target) return b.Reshape(from, target);
  const written = node.op === 'Reshape' ? node.inputs[1] : undefined;
  const contents = written && contentsOf(written);
  return contents && !contents.includes(0) ? b.emit('Reshape', [from, written], node.attributes)[0] : undefined;
};

/** The places of all the new axes among those of the result. */
function bothAxes(inner: Node, outer: Node): readonly number[] | undefined {
  const rank = outer.outputs[0]?.shape?.length;
  const [first, second] = [inner, outer].map(({ inputs }) => inputs[1] && contentsOf(inputs[1]));
  if (rank === undefined || !isStatic(first) || !isStatic(second)) return undefined;
  const outerAxes = second.map(axis => (axis < 0 ? axis + rank : axis));
  const between = range(rank).filter(axis => !outerAxes.includes(axis));
  return [...outerAxes, ...first.map(axis => between.at(axis)!)].sort((a, b) => a - b);
}

/** The numbers that a Reshape of `x` to `shape` needs: an open size is copied from the same place, or the one that is left over. */
export function targetFor(x: Value, shape: readonly Dim[]): readonly number[] | undefined {
  let rest = false;
  const target: number[] = [];
  for (const [i, size] of shape.entries()) {
    const own = x.shape?.[i];
    if (typeof size === 'number') {
      if (size === 0) return undefined;
      target.push(size);
    } else if (own !== undefined && sameDim(own, size)) target.push(0);
    else if (!rest) {
      rest = true;
      target.push(-1);
    } else return undefined;
  }
  return target;
}

/** A target that is computed although it is known becomes a constant. */
const knownTarget: Rule = (node, b) => {
  const [x, written] = node.inputs;
  const shape = node.outputs[0]?.shape;
  if (!x || !written || written.tensor || !shape) return undefined;
  const target = targetFor(x, shape);
  return target && b.Reshape(x, target);
};

/** The same of Expand: 1 keeps a size that is there already. */
const knownSizes: Rule = (node, b) => {
  const [x, written] = node.inputs;
  const shape = node.outputs[0]?.shape;
  const own = x?.shape;
  if (!x || !written || written.tensor || !shape || !own) return undefined;
  const sizes = shape.map((size, i) => {
    const at = i - (shape.length - own.length);
    return at >= 0 && sameDim(own[at]!, size) ? 1 : size;
  });
  return isStatic(sizes) ? b.Expand(x, sizes) : undefined;
};

/** The same of Resize: sizes that grow by whole factors, whatever they are, are scales. */
const knownScales: Rule = (node, b) => {
  const [x, roi, scales, sizes] = node.inputs;
  const target = sizes && !sizes.tensor ? contentsOf(sizes) : undefined;
  const own = x?.shape;
  const text = (name: string): unknown => node.attributes.get(name)?.value;
  if (scales || !target || own?.length !== target.length || text('axes') || (text('keep_aspect_ratio_policy') ?? 'stretch') !== 'stretch')
    return undefined;
  const factors = target.map((size, i) => divideExactly(size, own[i]!));
  if (!factors.every(f => typeof f === 'number' && f >= 1 && f <= 2 ** 16)) return undefined;
  const by = b.constant(Float32Array.from(factors as number[]), 'float32', [factors.length]);
  return b.emit('Resize', [x, roi, by], node.attributes)[0];
};

/** Whether a number of type `from` stays what it is in `to`. */
function isWider(from: DataType, to: DataType): boolean {
  const [a, b] = [elementTypes[from], elementTypes[to]];
  if (from === 'bool') return b.class === 'int' || b.class === 'uint' || (b.class === 'float' && b.bits >= 16);
  const digits: Partial<Record<DataType, number>> = { float64: 53, float32: 24, float16: 11, bfloat16: 8 };
  if (a.class === 'float') return b.class === 'float' && from in digits && to in digits && isFloatWider(from, to, digits);
  if (b.class === 'float') return (digits[to] ?? 0) >= a.bits && to !== 'float16';
  if (a.class === b.class) return b.bits >= a.bits;
  return a.class === 'uint' && b.class === 'int' && b.bits > a.bits;
}
const isFloatWider = (from: DataType, to: DataType, digits: Partial<Record<DataType, number>>): boolean =>
  digits[to]! >= digits[from]! && !(from === 'bfloat16' && to === 'float16');

/** A conversion after one that loses nothing is one from the first type. */
const casts: Rule = (node, b, context) => {
  const before = producerOf(node.inputs[0], 'Cast', context);
  const x = before?.inputs[0];
  const between = node.inputs[0]?.element;
  if (!x?.element || !between || !isWider(x.element, between)) return undefined;
  const to = node.outputs[0]?.element;
  // Text shows the type that a number had last.
  if (to === 'string') return undefined;
  return to === x.element ? x : b.emit('Cast', [x], node.attributes)[0];
};

/** Slices in a row along different axes are one. */
const slices: Rule = (node, b, context) => {
  const [x] = node.inputs;
  const before = x && context.uses(x) === 1 ? producerOf(x, 'Slice', context) : undefined;
  const [outer, inner] = [bounds(node), before && bounds(before)];
  if (!before || !outer || !inner || outer.axes.some(axis => inner.axes.includes(axis))) return undefined;
  const both = (key: keyof Bounds): Value => b.ints([...inner[key], ...outer[key]]);
  const steps = [...inner.steps, ...outer.steps].some(step => step !== 1) ? both('steps') : undefined;
  return b.emit('Slice', [before.inputs[0], both('starts'), both('ends'), both('axes'), steps])[0];
};

interface Bounds {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps: readonly number[];
}

/** What a Slice says, where all of it is known; axes counted from the front. */
function bounds({ inputs: [x, starts, ends, axes, steps] }: Node): Bounds | undefined {
  const rank = x?.shape?.length;
  const numbers = (v: Value | undefined): readonly number[] | undefined => {
    const known = v && boundsOf(v);
    return known?.every((d): d is number => typeof d === 'number') ? known : undefined;
  };
  const [from, to] = [numbers(starts), numbers(ends)];
  if (rank === undefined || !from || !to) return undefined;
  const along = axes ? numbers(axes)?.map(axis => (axis < 0 ? axis + rank : axis)) : range(from.length);
  const by = steps ? numbers(steps) : from.map(() => 1);
  return along && by && { starts: from, ends: to, axes: along, steps: by };
}

/** A Concat of Concats along one axis is one, where nothing else reads the inner ones. */
const concats: Rule = (node, b, context) => {
  const axis = axisOf(node);
  const parts = node.inputs.map(v => {
    const inner = v && context.uses(v) === 1 ? producerOf(v, 'Concat', context) : undefined;
    return inner && axis !== undefined && axisOf(inner) === axis ? inner.inputs : [v];
  });
  if (parts.every(part => part.length === 1)) return undefined;
  return b.emit('Concat', parts.flat(), node.attributes)[0];
};
function axisOf(node: Node): number | undefined {
  const axis = Number(node.attributes.get('axis')?.value);
  const rank = node.outputs[0]?.shape?.length;
  return axis >= 0 ? axis : rank === undefined ? undefined : axis + rank;
}

export const merges = {
  Transpose: transposes,
  Reshape: firstOf(reshapes, knownTarget),
  Flatten: reshapes,
  Squeeze: reshapes,
  Unsqueeze: reshapes,
  Expand: knownSizes,
  Resize: knownScales,
  Cast: casts,
  Concat: concats,
  Slice: slices,
} as const satisfies Readonly<Record<string, Rule>>;
