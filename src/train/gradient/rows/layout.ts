// Operators that move elements: their gradients move them back.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { count } from '../../../ops/generate.ts';
import type { Inputs } from '../../../ops/row.ts';
import { axesOf, axisOf, contentsOf, knownNumbers, range, rankOf } from '../../../ops/shapes.ts';
import { addSizes, divSizes, maxSizes, minSizes, sizesOf, subSizes } from '../../../ops/sizing.ts';
import { zerosLike } from '../broadcast.ts';
import { addedAlong, spreadAlong, withBatch } from '../moves.ts';
import { body, type GradientFamily, none, type Pulled, rule } from '../row.ts';

/** The driver gives a gradient the shape of what it is of. */
const reshaped = rule<'Reshape' | 'Flatten' | 'Squeeze' | 'Unsqueeze'>(({ g }) => ({ data: () => g }));
const shape = none('its result is a size');

/** Where a slice of step 1 begins, as a size. */
function beginOf(b: Builder, start: number, size: Size): Size {
  return start < 0 ? maxSizes(b, addSizes(b, size, start), 0) : minSizes(b, start, size);
}

function unsliced({ x: { data, starts, ends, axes, steps }, g, b }: Pulled<'Slice'>): Value {
  const count = contentsOf(starts)?.length ?? rankOf(data);
  const along = axesOf(knownNumbers(axes) ?? range(count), rankOf(data));
  const by = steps ? contentsOf(steps) : along.map(() => 1);
  const from = contentsOf(starts);
  const isPlain = from?.every(d => typeof d === 'number') && by?.every(d => d === 1);
  if (isPlain) {
    const before = along.map((axis, i) => beginOf(b, from[i] as number, b.dim(data, axis)));
    const after = along.map((axis, i) => subSizes(b, subSizes(b, b.dim(data, axis), before[i]!), b.dim(g, axis)));
    return b.Pad({ data: g, pads: b.sizes([...before, ...after]), axes: b.ints(along) });
  }
  const part = (v: Value | undefined, i: number): Value | undefined => v && b.Slice(v, { axes: [0], starts: [i], ends: [i + 1] });
  return along.reduce((v, axis, i) => {
    const places = b.emit('Slice', [iota(b, data, axis), part(starts, i), part(ends, i), b.ints([0]), part(steps, i)])[0]!;
    return spreadAlong(b, v, places, b.dim(data, axis), axis);
  }, g);
}

const iota = (b: Builder, x: Value, axis: number): Value => count(b, b.dim(x, axis));

/** The places that each element of a padded axis comes from are padded the same way. */
function unpadded({ x: { data, pads, axes }, at: { mode }, g, b }: Pulled<'Pad'>): Value {
  if (mode === 'constant') return b.Pad({ data: g, pads: b.Neg(pads), axes });
  const along = axesOf(knownNumbers(axes) ?? range(rankOf(data)), rankOf(data));
  const part = (i: number): Value => b.Slice(pads, { axes: [0], starts: [i], ends: [i + 1] });
  return along.reduce((v, axis, i) => {
    if (contentsOf(pads)?.[i] === 0 && contentsOf(pads)?.[along.length + i] === 0) return v;
    const places = b.Pad({ data: iota(b, data, axis), pads: b.Concat([part(i), part(along.length + i)], 0) }, { mode });
    const narrow = b.Expand(b.like(0, v), sizesOf(b, v).with(axis, b.dim(data, axis)));
    return addedAlong(b, v, places, narrow, axis);
  }, g);
}

function partOf(b: Builder, g: Value, parts: readonly Value[], i: number, axis: number): Value {
  const start = parts.slice(0, i).reduce<Size>((n, v) => addSizes(b, n, b.dim(v, axis)), 0);
  return b.Slice(g, { axes: [axis], starts: [start], ends: [addSizes(b, start, b.dim(parts[i]!, axis))] });
}

/** How updates and data share the gradient of what they were combined to, at the places of the updates. */
interface Scattered {
  readonly data: Value;
  readonly updates: Value;
  /** Of a tensor like the data, what stands at the places of the updates. */
  taken(v: Value): Value;
  /** A tensor like the data with updates combined at their places. */
  placed(data: Value, updates: Value, reduction: string): Value;
}

function unscattered(s: Scattered, reduction: string, y: Value, g: Value, b: Builder): { data(): Value; updates(): Value } {
  const { data, updates, taken, placed } = s;
  const zero = b.like(0, g);
  if (reduction === 'none') return { data: () => placed(g, zerosLike(b, updates), 'none'), updates: () => taken(g) };
  if (reduction === 'add') return { data: () => g, updates: () => taken(g) };
  const mask = (p: Value, q: Value): Value => b.Cast(b.Equal(p, q), g.element!);
  if (reduction === 'mul') {
    // Without zeros the quotient; beside one zero only that one has a gradient.
    const filled = (v: Value): Value => b.Where(b.Equal(v, zero), b.like(1, v), v);
    const zeros = placed(mask(data, zero), mask(updates, zero), 'add');
    const product = placed(filled(data), filled(updates), 'mul');
    const share = (v: Value, all: Value, n: Value): Value => b.Where(b.Less(zero, b.Sub(n, mask(v, zero))), zero, b.Div(all, filled(v)));
    return {
      data: () => b.Mul(g, share(data, product, zeros)),
      updates: () => b.Mul(taken(g), share(updates, taken(product), taken(zeros))),
    };
  }
  // Those that are the extreme share evenly.
  const share = (): Value => b.Div(g, placed(mask(data, y), mask(updates, taken(y)), 'add'));
  return {
    data: () => b.Mul(mask(data, y), share()),
    updates: () => b.Mul(mask(updates, taken(y)), taken(share())),
  };
}

export const layout = {
  Reshape: reshaped,
  Flatten: rule(({ g }) => ({ input: () => g })),
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: rule(({ x: { data }, at: { perm }, g, b }) => ({
    data() {
      const order = perm ?? range(rankOf(data)).reverse();
      return b.Transpose(
        g,
        range(order.length).map(d => order.indexOf(d)),
      );
    },
  })),
  Concat: rule(({ x: { inputs }, at: { axis }, g, b }) => ({
    inputs: i => partOf(b, g, inputs, i, axisOf(axis, rankOf(g))),
  })),
  Split: rule(
    ({ at: { axis }, y, gs, b }) => ({
      input: () =>
        b.Concat(
          y.map((v, i) => gs[i] ?? zerosLike(b, v)),
          axis,
        ),
    }),
    {
      outputs: Number.POSITIVE_INFINITY,
    },
  ),
  Slice: rule(c => ({ data: () => unsliced(c) })),
  Pad: rule(c => ({
    data: () => unpadded(c),
    constant_value() {
      const { x, g, b } = c;
      const axes = range(rankOf(g));
      const all = (v: Value): Value => b.ReduceSum(v, { axes, keepdims: 0 });
      return b.Sub(all(g), all(b.Pad({ data: g, pads: b.Neg(x.pads), axes: x.axes })));
    },
  })),
  Expand: rule(({ g }) => ({ input: () => g }), { broadcasts: true }),
  Tile: rule(({ x: { input }, g, b }) => ({
    input() {
      const rank = rankOf(input);
      const pairs = range(rank).flatMap(d => [divSizes(b, b.dim(g, d), b.dim(input, d)), b.dim(input, d)]);
      return b.ReduceSum(b.Reshape(g, pairs), { axes: range(rank).map(d => 2 * d), keepdims: 0 });
    },
  })),
  Gather: rule(({ x: { data, indices }, at: { axis }, g, b, call }) => ({
    data() {
      const on = axisOf(axis, rankOf(data));
      if (on > 0) return addedAlong(b, g, indices, data, on);
      return call('EmbeddingGrad', [g, indices, data], {}, (f, dy, places, table) => [addedAlong(f, dy!, places!, table!, 0)])[0]!;
    },
  })),
  GatherElements: rule(({ x: { data, indices }, at: { axis }, g, b }) => ({
    data: () => b.ScatterElements({ data: zerosLike(b, data), indices, updates: g }, { axis, reduction: 'add' }),
  })),
  GatherND: rule(({ x: { data, indices }, at: { batch_dims }, g, b }) => ({
    data: () => b.ScatterND({ data: zerosLike(b, data), indices: withBatch(b, indices, batch_dims), updates: g }, { reduction: 'add' }),
  })),
  ScatterElements: rule(({ x: { data, indices, updates }, at: { axis, reduction }, y, g, b }) =>
    unscattered(
      {
        data,
        updates,
        taken: v => b.GatherElements({ data: v, indices }, { axis }),
        placed: (v, u, by) => b.ScatterElements({ data: v, indices, updates: u }, { axis, reduction: by }),
      },
      reduction,
      y[0]!,
      g,
      b,
    ),
  ),
  ScatterND: rule(({ x: { data, indices, updates }, at: { reduction }, y, g, b }) =>
    unscattered(
      {
        data,
        updates,
        taken: v => b.GatherND({ data: v, indices }),
        placed: (v, u, by) => b.ScatterND({ data: v, indices, updates: u }, { reduction: by }),
      },
      reduction,
      y[0]!,
      g,
      b,
    ),
  ),
  TensorScatter: body('indices made, then ScatterElements'),
  Compress: rule(({ x: { input, condition }, at: { axis }, g, b }: Pulled<'Compress'>) => ({
    input() {
      const flat = axis === undefined;
      const x: Value = flat ? b.Reshape(input, [-1]) : input;
      const on = flat ? 0 : axisOf(axis, rankOf(input));
      const kept: Inputs<'Compress'> = { input: iota(b, x, on), condition };
      return spreadAlong(b, g, b.Compress(kept, { axis: 0 }), b.dim(x, on), on);
    },
  })),
  DepthToSpace: body('Reshape and Transpose'),
  SpaceToDepth: body('Reshape and Transpose'),
  ReverseSequence: rule(({ x: { sequence_lens }, at, g, b }) => ({
    input: () => b.ReverseSequence({ input: g, sequence_lens }, { batch_axis: at.batch_axis, time_axis: at.time_axis }),
  })),
  Trilu: rule(({ x: { k }, at: { upper }, g, b }) => ({ input: () => b.Trilu({ input: g, k }, { upper }) })),
  CenterCropPad: body('a Pad'),
  TopK: rule(
    ({ x: { X }, at: { axis }, y, g, b }) => ({
      X: () => b.ScatterElements({ data: zerosLike(b, X), indices: y[1]!, updates: g }, { axis }),
    }),
    { keep: ({ X, K }, at, b) => b.emit('TopK', [X, K], { ...at }, { outputs: ['values', 'places'] }) },
  ),
  Dropout: rule(
    ({ x: { ratio, training_mode }, y, g, b }) => ({
      data() {
        const training = training_mode && contentsOf(training_mode)?.[0];
        if (!training_mode || training === 0) return g;
        const share = ratio ? b.Cast(ratio, g.element!) : b.like(0.5, g);
        const scaled = b.Div(g, b.Sub(b.like(1, g), share));
        const whole = training === undefined ? b.Where(training_mode, scaled, g) : scaled;
        return b.Where(y[1]!, whole, b.like(0, g));
      },
    }),
    {
      keep: ({ data, ratio, training_mode }, at, b) =>
        b.emit('Dropout', [data, ratio, training_mode], { ...at }, { outputs: ['kept', 'mask'] }),
    },
  ),
  OneHot: body('a Where of its two values'),
  Shape: shape,
  Size: shape,
} satisfies GradientFamily;
