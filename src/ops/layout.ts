// Operators that move elements and compute nothing: most are views.
import { fail } from '../errors.ts';
import {
  addDims,
  ceilDivDims,
  type Dim,
  divideExactly,
  floorDivDims,
  formatDim,
  maxDims,
  minDims,
  mulDims,
  productOf,
  subDims,
  unknownDim,
} from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { elementTypes, formatShape, type Shape, tensorType } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import { firstElement } from '../kernels/memory.ts';
import {
  broadcastView,
  broadcastViews,
  dropAxes,
  type Emitter,
  reshapeView,
  sliceView,
  transposeView,
  unsqueezeView,
} from '../kernels/views.ts';
import type { Builder, Size } from './builder.ts';
import type { Family } from './row.ts';
import {
  axesOf,
  axisOf,
  boundsOf,
  broadcastShapes,
  contentsOf,
  elementOf,
  known,
  knownBounds,
  knownNumbers,
  numbersIn,
  range,
  rankOf,
  requireLength,
  requireOnAxis,
  shapeOf,
  sizesIn,
  typeOf,
} from './shapes.ts';

/** Reshape's target with its zeros and its -1 worked out. */
function reshapeTarget(from: Shape, target: readonly Dim[], allowzero: number): Shape {
  const copied = target.map((d, i) => {
    if (d !== 0 || allowzero) return d;
    if (i >= from.length) throw fail('E1305', `Reshape: a 0 at position ${i} copies an axis that ${formatShape(from)} lacks`);
    return from[i]!;
  });
  const open = copied.indexOf(-1);
  const total = productOf(from);
  if (open < 0) {
    const wanted = productOf(copied);
    if (typeof total === 'number' && typeof wanted === 'number' && total !== wanted)
      throw fail('E1305', `Reshape: ${formatShape(from)} has ${total} elements, [${copied.map(formatDim)}] has ${wanted}`);
    return copied;
  }
  const rest = productOf(copied.filter((_, i) => i !== open));
  const exact = divideExactly(total, rest);
  if (exact === undefined && typeof total === 'number' && typeof rest === 'number')
    throw fail('E1305', `Reshape: ${formatShape(from)} does not divide into [${copied.map(formatDim)}]`);
  return copied.with(open, exact ?? floorDivDims(total, rest));
}

/** What Slice takes along one axis: the first element, the count and the step. */
function sliceRange(size: Dim, start: Dim, end: Dim, step: number): { start: Dim; count: Dim } {
  if (step === 0) throw fail('E1305', 'Slice: a step is 0');
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : subDims(size, 1);
  const bound = (d: Dim, fallback: Dim): Dim => {
    if (typeof d === 'number' && Math.abs(d) > 2 ** 31 - 2) return d > 0 ? high : step > 0 ? 0 : fallback;
    const from = isNegative(d) ? addDims(d, size) : d;
    return maxDims(minDims(from, high), low);
  };
  const first = bound(start, 0);
  const last = bound(end, -1);
  const span = step > 0 ? subDims(last, first) : subDims(first, last);
  return { start: first, count: maxDims(ceilDivDims(span, Math.abs(step)), 0) };
}
/** A size that only the run knows is no negative index. */
const isNegative = (d: Dim): boolean => (typeof d === 'number' ? d < 0 : d.terms.every(t => t.factor < 0) && d.constant <= 0);

interface SliceInputs {
  readonly data: Value;
  readonly starts: Value;
  readonly ends: Value;
  readonly axes?: Value | undefined;
  readonly steps?: Value | undefined;
}
function slicesOf({ data, starts, ends, axes, steps }: SliceInputs): { axis: number; start: Dim; count: Dim; step: number }[] {
  const shape = shapeOf(data);
  const from = knownBounds(starts);
  const to = knownBounds(ends);
  const along = axesOf(knownNumbers(axes) ?? range(from.length), shape.length);
  const by = knownNumbers(steps) ?? from.map(() => 1);
  if (to.length !== from.length || along.length !== from.length || by.length !== from.length)
    throw fail('E1305', `Slice: ${from.length} starts, ${to.length} ends, ${along.length} axes and ${by.length} steps`);
  return along.map((axis, i) => ({ axis, step: by[i]!, ...sliceRange(shape[axis]!, from[i]!, to[i]!, by[i]!) }));
}

function splitSizes(size: Dim, split: readonly Dim[] | undefined, outputs: number): readonly Dim[] {
  if (split) return split;
  const each = ceilDivDims(size, outputs);
  return range(outputs).map(i => (i < outputs - 1 ? each : subDims(size, mulDims(each, outputs - 1))));
}

const concatShape = (shapes: readonly Shape[], axis: number): Shape => {
  const first = shapes[0]!;
  for (const s of shapes)
    if (
      s.length !== first.length ||
      s.some((d, i) => i !== axis && typeof d === 'number' && typeof first[i] === 'number' && d !== first[i])
    )
      throw fail('E1305', `Concat: ${shapes.map(formatShape).join(', ')} differ outside axis ${axis}`);
  const size = shapes.reduce<Dim>((n, s) => addDims(n, s[axis]!), 0);
  return first.map((d, i) =>
    i === axis ? size : typeof d === 'number' ? d : (shapes.map(s => s[i]!).find(n => typeof n === 'number') ?? d),
  );
};

function shapeRange(rank: number, start: number, end: number | undefined): [number, number] {
  const clamp = (n: number): number => Math.min(Math.max(n < 0 ? n + rank : n, 0), rank);
  const from = clamp(start);
  return [from, Math.max(from, clamp(end ?? rank))];
}

/** A view of sizes that the binding knows, as an int64 vector. */
function planSizes(sizes: readonly Dim[], shape: Shape, e: Emitter): View {
  const y = e.alloc('int64', shape);
  e.step({ kind: 'values', values: sizes }, [], [y]);
  return y;
}

export const layout = {
  Shape: {
    infer({ data }, { start, end }) {
      const { shape } = typeOf(data);
      if (!shape) return [tensorType('int64', [unknownDim()])];
      const [from, to] = shapeRange(shape.length, start, end);
      return [tensorType('int64', [to - from])];
    },
    contents: ({ data }, { start, end }) => [shapeOf(data).slice(...shapeRange(shapeOf(data).length, start, end))],
    plan({ data }, { start, end }, e) {
      const sizes = data.shape.slice(...shapeRange(data.shape.length, start, end));
      return [planSizes(sizes, [sizes.length], e)];
    },
  },
  Size: {
    infer: () => [tensorType('int64', [])],
    contents: ({ data }) => [[productOf(shapeOf(data))]],
    plan: ({ data }, _at, e) => [planSizes([productOf(data.shape)], [], e)],
  },
  Reshape: {
    known: ['shape'],
    infer: ({ data, shape }, { allowzero }) => {
      const { element, shape: from } = typeOf(data);
      const target = sizesIn(shape);
      return [
        tensorType(element, from ? reshapeTarget(from, target, allowzero) : target.map(d => (d === -1 || d === 0 ? unknownDim() : d))),
      ];
    },
    plan: ({ data }, _at, e, _values, [y]) => [reshapeView(e, data, y!.shape)],
  },
  Flatten: {
    infer({ input }, { axis }) {
      const shape = shapeOf(input);
      const at = axis === shape.length ? axis : axisOf(axis, shape.length);
      return [tensorType(elementOf(input), [productOf(shape.slice(0, at)), productOf(shape.slice(at))])];
    },
    plan: ({ input }, _at, e, _values, [y]) => [reshapeView(e, input, y!.shape)],
  },
  Transpose: {
    infer({ data }, { perm }) {
      const shape = shapeOf(data);
      const order = perm ?? range(shape.length).reverse();
      if ([...order].sort((a, b) => a - b).some((p, i) => p !== i) || order.length !== shape.length)
        throw fail('E1305', `Transpose: [${order}] is no permutation of ${shape.length} axes`);
      return [
        tensorType(
          elementOf(data),
          order.map(p => shape[p]!),
        ),
      ];
    },
    plan: ({ data }, { perm }) => [transposeView(data, perm ?? range(data.shape.length).reverse())],
  },
  Squeeze: {
    known: ['axes'],
    infer({ data, axes }) {
      const shape = shapeOf(data);
      const drop = squeezedAxes(shape, axes);
      return [
        tensorType(
          elementOf(data),
          shape.filter((_, i) => !drop.includes(i)),
        ),
      ];
    },
    plan: ({ data }, _at, _e, { axes }) => [dropAxes(data, squeezedAxes(data.shape, axes))],
  },
  Unsqueeze: {
    known: ['axes'],
    infer({ data, axes }) {
      const given = numbersIn(axes);
      const shape = [...shapeOf(data)] as Dim[];
      if (!given) return [tensorType(elementOf(data), [...shape, ...sizesIn(axes)].map(unknownDim))];
      for (const axis of axesOf(given, shape.length + given.length).sort((a, b) => a - b)) shape.splice(axis, 0, 1);
      return [tensorType(elementOf(data), shape)];
    },
    plan: ({ data }, _at, _e, { axes }) => {
      const given = knownNumbers(axes)!;
      return [unsqueezeView(data, axesOf(given, data.shape.length + given.length))];
    },
  },
  Expand: {
    known: ['shape'],
    infer: ({ input, shape }) => [tensorType(elementOf(input), broadcastShapes([shapeOf(input), sizesIn(shape)]))],
    plan: ({ input }, _at, e, _values, [y]) => broadcastViews(e, [input], y!.shape),
  },
  Tile: {
    known: ['repeats'],
    infer({ input, repeats }) {
      requireLength('Tile: repeats', repeats, rankOf(input));
      const by = sizesIn(repeats);
      return [
        tensorType(
          elementOf(input),
          shapeOf(input).map((d, i) => mulDims(d, by[i]!)),
        ),
      ];
    },
    plan({ input }, _at, e, { repeats }, [y]) {
      const by = known(repeats)!;
      const rank = input.shape.length;
      const spread = broadcastView(
        unsqueezeView(
          input,
          range(rank).map(i => 2 * i),
        ),
        input.shape.flatMap((d, i) => [by[i]!, d]),
      );
      return [reshapeView(e, spread, y!.shape)];
    },
  },
  Concat: {
    infer: ({ inputs }, { axis }) => {
      const shapes = inputs.map(shapeOf);
      return [tensorType(elementOf(inputs[0]!), concatShape(shapes, axisOf(axis, shapes[0]!.length)))];
    },
    plan({ inputs }, { axis }, e, _values, [type]) {
      const y = e.alloc(type!.element, type!.shape);
      const along = axisOf(axis, y.shape.length);
      let at: Dim = 0;
      for (const x of inputs) {
        const size = x.shape[along]!;
        x.shape.forEach((d, axis) => axis !== along && e.equal(d, y.shape[axis]!));
        e.step({ kind: 'copy' }, [x], [{ ...sliceView(y, along, at, size), shape: y.shape.with(along, size) }]);
        at = addDims(at, size);
      }
      return [y];
    },
  },
  Split: {
    known: ['split'],
    infer({ input, split }, { axis, num_outputs }, outputs) {
      const shape = shapeOf(input);
      const along = axisOf(axis, shape.length);
      if (num_outputs !== undefined && num_outputs !== outputs)
        throw fail('E1303', `Split: num_outputs is ${num_outputs}, the node has ${outputs} output${outputs === 1 ? '' : 's'}`, {
          argument: 'num_outputs',
        });
      const sizes = splitSizes(shape[along]!, split && sizesIn(split), outputs);
      const total = sizes.reduce<Dim>(addDims, 0);
      if (sizes.length !== outputs || (typeof total === 'number' && typeof shape[along] === 'number' && total !== shape[along]))
        throw fail('E1305', `Split: sizes [${sizes.map(formatDim)}] do not divide ${formatDim(shape[along]!)} among ${outputs} outputs`);
      return sizes.map(size => tensorType(elementOf(input), shape.with(along, size)));
    },
    plan({ input }, { axis }, _e, { split }, y) {
      const along = axisOf(axis, input.shape.length);
      let at: Dim = 0;
      return splitSizes(input.shape[along]!, known(split), y.length).map(size => {
        const part = sliceView(input, along, at, size);
        at = addDims(at, size);
        return part;
      });
    },
  },
  Slice: {
    known: ['starts', 'ends', 'axes', 'steps'],
    infer(x) {
      return [tensorType(elementOf(x.data), slicedShape(x))];
    },
    plan: ({ data }, _at, _e, values) => [
      slicesOf(values).reduce<View>((v, { axis, start, count, step }) => sliceView(v, axis, start, count, step), data),
    ],
  },
  Gather: {
    infer({ data, indices }, { axis }) {
      const shape = shapeOf(data);
      const along = axisOf(axis, shape.length);
      requireOnAxis('Gather', indices, shape[along]!);
      return [tensorType(elementOf(data), [...shape.slice(0, along), ...shapeOf(indices), ...shape.slice(along + 1)])];
    },
    plan({ data, indices }, { axis }, e, _values, [y]) {
      const view = e.alloc(y!.element, y!.shape);
      e.step({ kind: 'gather', axis: axisOf(axis, data.shape.length) }, [data, indices], [view]);
      return [view];
    },
  },
  DepthToSpace: {
    infer({ input }, { blocksize: by, mode }) {
      if (mode !== 'DCR' && mode !== 'CRD') throw fail('E1303', `DepthToSpace: there is no mode ${mode}`);
      const [n, c, h, w] = imageShape('DepthToSpace', input);
      return [tensorType(elementOf(input), [n, floorDivDims(c, by * by), mulDims(h, by), mulDims(w, by)])];
    },
    lower({ input }, { blocksize: by, mode }, b) {
      const [, c, h, w] = imageShape('DepthToSpace', input).map((_, i) => b.dim(input, i)) as [Size, Size, Size, Size];
      const depth = dividedSize(c, by * by, b);
      const [split, perm] =
        mode === 'CRD'
          ? [
              [depth, by, by],
              [0, 1, 4, 2, 5, 3],
            ]
          : [
              [by, by, depth],
              [0, 3, 4, 1, 5, 2],
            ];
      return b.Reshape(b.Transpose(b.Reshape(input, [0, ...split, h, w]), perm), [0, depth, timesSize(h, by, b), timesSize(w, by, b)]);
    },
  },
  SpaceToDepth: {
    infer({ input }, { blocksize: by }) {
      const [n, c, h, w] = imageShape('SpaceToDepth', input);
      return [tensorType(elementOf(input), [n, mulDims(c, by * by), floorDivDims(h, by), floorDivDims(w, by)])];
    },
    lower({ input }, { blocksize: by, mode }, b) {
      const [, c, h, w] = imageShape('SpaceToDepth', input).map((_, i) => b.dim(input, i)) as [Size, Size, Size, Size];
      const [rows, columns] = [dividedSize(h, by, b), dividedSize(w, by, b)];
      const perm = mode === 'CRD' ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
      const blocks = b.Transpose(b.Reshape(input, [0, c, rows, by, columns, by]), perm);
      return b.Reshape(blocks, [0, timesSize(c, by * by, b), rows, columns]);
    },
  },
  ConstantOfShape: {
    known: ['input'],
    infer({ input }, { value }) {
      const element = value instanceof Tensor ? value.type : 'float32';
      const isCounted = contentsOf(input) ?? typeof input.shape?.[0] === 'number';
      return [isCounted ? tensorType(element, sizesIn(input)) : tensorType(element)];
    },
    plan(_x, { value }, e, _values, [type]) {
      const y = e.alloc(type!.element, type!.shape);
      e.step({ kind: 'fill', value: value instanceof Tensor ? firstElement(value) : 0 }, [], [y]);
      return [y];
    },
  },
  Dropout: {
    known: ['training_mode'],
    infer({ data, ratio, training_mode }) {
      for (const v of [ratio, training_mode])
        if (v?.shape?.length) throw fail('E1305', `Dropout: ${v.name} ${formatShape(v.shape)} must be a scalar`);
      return [data.type, data.shape ? tensorType('bool', data.shape) : tensorType('bool')];
    },
    lower({ data, ratio, training_mode }, { seed }, b) {
      if (training_mode && knownNumbers(training_mode)![0] !== 0) {
        const share = ratio ? b.Cast(ratio, 'float32') : b.constant(0.5, 'float32');
        const drawn = b.RandomUniformLike({ input: data }, { dtype: elementTypes.float32.code, seed });
        const mask = b.Not(b.Less(drawn, share));
        const kept = b.Div(data, b.Cast(b.Sub(b.constant(1, 'float32'), share), elementOf(data)));
        return { output: b.Where(mask, kept, b.like(0, data)), mask };
      }
      return {
        output: b.Identity(data),
        mask: b.Expand(
          b.constant(true, 'bool'),
          shapeOf(data).map((_, i) => b.dim(data, i)),
        ),
      };
    },
  },
} satisfies Family;

function imageShape(op: string, { shape = [] }: Value): [Dim, Dim, Dim, Dim] {
  if (shape.length === 4) return [...shape] as [Dim, Dim, Dim, Dim];
  throw fail('E1305', `${op}: the input ${formatShape(shape)} must have 4 axes`);
}

/** What is left of every axis, as far as it is known. */
function slicedShape(x: SliceInputs): Shape {
  const shape = shapeOf(x.data);
  const bounds = [x.starts, x.ends].map(boundsOf);
  const by = x.steps ? numbersIn(x.steps) : bounds[0]?.map(() => 1);
  const count = x.starts.shape?.[0];
  const along = x.axes ? numbersIn(x.axes) : typeof count === 'number' ? range(count) : undefined;
  if (!along || along.length === 0) return along ? shape : shape.map(unknownDim);
  if (bounds[0] && bounds[1] && by) return slicesOf(x).reduce<Shape>((all, { axis, count }) => all.with(axis, count), shape);
  return axesOf(along, shape.length).reduce<Shape>((all, axis) => all.with(axis, unknownDim()), shape);
}

const dividedSize = (size: Size, by: number, b: Builder): Size =>
  typeof size === 'number' ? Math.floor(size / by) : b.Div(size, b.ints([by]));
const timesSize = (size: Size, by: number, b: Builder): Size => (typeof size === 'number' ? size * by : b.Mul(size, b.ints([by])));

function squeezedAxes(shape: Shape, axes: Value | undefined): number[] {
  const given = knownNumbers(axes);
  if (!given) return shape.flatMap((d, i) => (d === 1 ? [i] : []));
  const drop = axesOf(given, shape.length);
  const bad = drop.find(i => typeof shape[i] === 'number' && shape[i] !== 1);
  if (bad !== undefined) throw fail('E1305', `Squeeze: axis ${bad} of ${formatShape(shape)} is not 1`);
  return drop;
}
