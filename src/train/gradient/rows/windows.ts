// Convolution and pooling. Spreading a gradient over windows is a transposed convolution; a kernel's gradient is one product a tap.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import { formatShape, type Shape } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, mulSizes, reshapeTo, sizesOf, subSizes } from '../../../ops/sizing.ts';
import { convWindow, poolWindow, transposedWindow, type Window } from '../../../ops/window.ts';
import { zerosLike } from '../broadcast.ts';
import { body, type GradientFamily, gap, type Pulled, type RuleRow, rule } from '../row.ts';

/** A window with pads that are numbers. */
interface Steps {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** At the beginning of each axis, then at the end. */
  readonly pads: readonly number[];
}

function fixed(op: string, { kernel, strides, dilations, pads }: Window): Steps {
  const known = pads.map(p => {
    if (typeof p === 'number') return p;
    throw fail('E3009', `${op}: the pads must be known for its gradient`);
  });
  return { kernel, strides, dilations, pads: known };
}

const extentsOf = ({ kernel, dilations }: Steps): number[] => kernel.map((k, d) => (k - 1) * dilations[d]! + 1);

/** `g` spread by the kernel `w` over an input with these spatial sizes. */
function spreadBy(b: Builder, g: Value, w: Value, sizes: readonly Size[], steps: Steps, group: number): Value {
  const { kernel, strides, dilations, pads } = steps;
  const rank = kernel.length;
  const spread = extentsOf(steps).map((extent, d) => addSizes(b, mulSizes(b, addSizes(b, b.dim(g, 2 + d), -1), strides[d]!), extent));
  // What the last window does not reach.
  const rest = sizes.map((size, d) => subSizes(b, addSizes(b, size, pads[d]! + pads[rank + d]!), spread[d]!));
  const at = { kernel_shape: kernel, strides, dilations, group };
  if (rest.every((r, d) => typeof r === 'number' && r >= 0 && (r < strides[d]! || r < dilations[d]!)))
    return b.ConvTranspose({ X: g, W: w }, { ...at, pads, output_padding: rest as number[] });
  const whole = b.ConvTranspose({ X: g, W: w }, at);
  const after = range(rank).map(d => subSizes(b, rest[d]!, pads[rank + d]!));
  return b.Pad({ data: whole, pads: b.sizes([...pads.slice(0, rank).map(p => -p), ...after]), axes: b.ints(range(rank, 2)) });
}

/** Every tap of a window: how many elements it lies after the window's first along each axis. */
const tapsOf = ({ kernel, dilations }: Steps): number[][] =>
  kernel.reduce<number[][]>((all, k, d) => all.flatMap(tap => range(k).map(i => [...tap, i * dilations[d]!])), [[]]);

/** What one tap of all windows reads of `x`, which is padded; its spatial axes begin at `first`. */
function readBy(b: Builder, x: Value, tap: readonly number[], counts: readonly Size[], { strides }: Steps, first: number): Value {
  const ends = tap.map((at, d) => addSizes(b, mulSizes(b, addSizes(b, counts[d]!, -1), strides[d]!), at + 1));
  return b.Slice(x, { axes: range(tap.length, first), starts: tap, ends, steps: strides });
}

const padded = (b: Builder, x: Value, { pads }: Steps, first: number): Value =>
  pads.every(p => p === 0) ? x : b.Pad({ data: x, pads: b.ints(pads), axes: b.ints(range(pads.length / 2, first)) });

/** The gradient of a kernel `w` [filters, channels of a group, …] that reads `x` and makes `g`. */
function kernelGradient(b: Builder, x: Value, g: Value, w: Shape, steps: Steps, group: number): Value {
  const [filters, own] = w;
  if (typeof filters !== 'number' || typeof own !== 'number')
    throw fail('E3009', `the sizes of the kernel ${formatShape(w)} must be known`);
  const [batch, channels, made] = [b.dim(x, 0), own * group, filters / group];
  const rank = steps.kernel.length;
  const counts = range(rank, 2).map(axis => b.dim(g, axis));
  const isPoint = steps.kernel.every(k => k === 1) && steps.strides.every(s => s === 1) && steps.pads.every(p => p === 0);
  if (isPoint && group === 1) {
    const flat = (v: Value, n: number): Value => reshapeTo(b, v, [batch, n, -1]);
    const each = b.MatMul(flat(g, filters), b.Transpose(flat(x, channels), [0, 2, 1]));
    return b.Reshape(b.ReduceSum(each, { axes: [0], keepdims: 0 }), [filters, channels, ...steps.kernel]);
  }
  if (own === 1 && made === 1) {
    const whole = padded(b, x, steps, 2);
    const axes = [0, ...range(rank, 2)];
    const sums = tapsOf(steps).map(tap => b.ReduceSum(b.Mul(g, readBy(b, whole, tap, counts, steps, 2)), { axes, keepdims: 0 }));
    return b.Reshape(
      b.Concat(
        sums.map(v => b.Unsqueeze(v, [1])),
        1,
      ),
      [filters, 1, ...steps.kernel],
    );
  }
  // Channels last, so that what a tap reads is a matrix: [group, filters, places] · [group, places, channels].
  const last = [0, ...range(rank, 2), 1];
  const whole = b.Transpose(padded(b, x, steps, 2), last);
  const rows = (v: Value, n: number): Value => b.Reshape(v, [-1, group, n]);
  const left = b.Transpose(rows(b.Transpose(g, last), made), [1, 2, 0]);
  const products = tapsOf(steps).map(tap => b.MatMul(left, b.Transpose(rows(readBy(b, whole, tap, counts, steps, 1), own), [1, 0, 2])));
  const taps = b.Concat(
    products.map(v => b.Unsqueeze(v, [3])),
    3,
  );
  return b.Reshape(taps, [filters, own, ...steps.kernel]);
}

const spatial = (b: Builder, x: Value): Size[] => sizesOf(b, x).slice(2);
const attributesOf = ({ kernel, strides, dilations, pads }: Steps, group: number) => ({
  kernel_shape: kernel,
  strides,
  dilations,
  pads,
  group,
});
const biasGradient = (b: Builder, g: Value): Value => b.ReduceSum(g, { axes: [0, ...range(rankOf(g) - 2, 2)], keepdims: 0 });

/** A pool that adds up: what its windows hold, each divided by how many elements it counts. */
function averageGradient({ x: { X }, at, g, call }: Pulled<'AveragePool'>): Value {
  const shape = shapeOf(X);
  const window = poolWindow('AveragePool', shape, at);
  const steps = fixed('AveragePool', window);
  const rank = steps.kernel.length;
  // A last window may reach beyond the pads.
  const beyond = extentsOf(steps).map((extent, d) => {
    if (!at.ceil_mode) return 0;
    const [size, count] = [shape[2 + d], window.output[d]];
    if (typeof size !== 'number' || typeof count !== 'number') throw fail('E3009', 'AveragePool: the sizes must be known for ceil_mode');
    return Math.max(0, (count - 1) * steps.strides[d]! + extent - size - steps.pads[d]! - steps.pads[rank + d]!);
  });
  const wide = { ...steps, pads: [...steps.pads.slice(0, rank), ...beyond.map((n, d) => n + steps.pads[rank + d]!)] };
  const { kernel } = steps;
  const countPads = at.count_include_pad !== 0;
  const more = { ...attributesOf(steps, 1), ceil_mode: at.ceil_mode, count_include_pad: at.count_include_pad };
  return call('AveragePoolGrad', [g, X], more, (f, dy, x) => {
    const ones = (sizes: readonly Size[]): Value => f.Expand(f.like(1, dy!), sizes);
    const isWhole = beyond.every(n => n === 0) && (countPads || steps.pads.every(p => p === 0));
    const counted = (): Value => {
      // Pads that count are elements; what is beyond them is not.
      const sizes = spatial(f, x!).map((size, d) => (countPads ? addSizes(f, size, steps.pads[d]! + steps.pads[rank + d]!) : size));
      const pads = countPads ? [...range(rank).map(() => 0), ...beyond] : wide.pads;
      const { strides, dilations } = steps;
      return f.Conv(ones([1, 1, ...sizes]), ones([1, 1, ...kernel]), undefined, { strides, dilations, pads });
    };
    const share = f.Div(
      dy!,
      isWhole
        ? f.like(
            kernel.reduce((n, k) => n * k, 1),
            dy!,
          )
        : counted(),
    );
    return [spreadOfPool(f, share, x!, wide)];
  })[0]!;
}

/** Every channel by itself, spread over its windows. */
function spreadOfPool(b: Builder, g: Value, x: Value, steps: Steps): Value {
  const plane = reshapeTo(b, g, [-1, 1, ...spatial(b, g)]);
  const ones = b.Expand(b.like(1, g), [1, 1, ...steps.kernel]);
  return reshapeTo(b, spreadBy(b, plane, ones, spatial(b, x), steps, 1), sizesOf(b, x), x);
}

const conv: RuleRow<'Conv'> = rule(({ x: { X, W }, at, g, b, call }) => {
  const steps = fixed('Conv', convWindow('Conv', shapeOf(X), shapeOf(W), at));
  const { group } = at;
  const facts = attributesOf(steps, group);
  return {
    X: () => call('ConvInputGrad', [g, W, X], facts, (f, dy, w, x) => [spreadBy(f, dy!, w!, spatial(f, x!), steps, group)])[0]!,
    W: () => call('ConvWeightGrad', [g, X, W], facts, (f, dy, x) => [kernelGradient(f, x!, dy!, shapeOf(W), steps, group)])[0]!,
    B: () => biasGradient(b, g),
  };
});

export const windows = {
  Conv: conv,
  ConvTranspose: rule(
    ({ x: { X, W }, at, g, b, call }) => {
      const { kernel, strides, dilations, pads } = transposedWindow(shapeOf(X), shapeOf(W), at);
      const steps = { kernel, strides, dilations, pads: pads() };
      const { group } = at;
      const facts = attributesOf(steps, group);
      return {
        X: () => b.Conv(g, W, undefined, { strides, dilations, pads: steps.pads, group }),
        // The gradient is what the kernel reads, and the input what it makes.
        W: () => call('ConvWeightGrad', [X, g, W], facts, (f, x, dy) => [kernelGradient(f, dy!, x!, shapeOf(W), steps, group)])[0]!,
        B: () => biasGradient(b, g),
      };
    },
    {
      says({ X, W }, at) {
        const { strides, extra, pads } = transposedWindow(shapeOf(X), shapeOf(W), at);
        return extra.every((n, d) => n < strides[d]!) && pads().every(p => p >= 0);
      },
    },
  ),
  MaxPool: rule(
    ({ x: { X }, y, g, call }) => ({
      X: () =>
        call('MaxPoolGrad', [g, y[1], X], {}, (f, dy, places, x) => {
          const flat = (v: Value): Value => f.Reshape(v, [-1]);
          const zeros = flat(zerosLike(f, x!));
          const sum = f.ScatterElements({ data: zeros, indices: flat(places!), updates: flat(dy!) }, { axis: 0, reduction: 'add' });
          return [reshapeTo(f, sum, sizesOf(f, x!), x)];
        })[0]!,
    }),
    {
      keep: ({ X }, at, b) => b.emit('MaxPool', [X], { ...at }, { outputs: ['pooled', 'places'] }),
      // Places that are counted column by column are no places in memory.
      says: (_x, { storage_order }) => storage_order === 0,
    },
  ),
  AveragePool: rule(c => ({ X: () => averageGradient(c) })),
  /** The root of a sum of powers: |x|^(p-1) sign(x) times the gradient over y^(p-1); nothing where y is 0. */
  LpPool: rule(({ x: { X }, at, y, g, b }) => ({
    X() {
      const steps = fixed('LpPool', poolWindow('LpPool', shapeOf(X), at));
      if (at.ceil_mode) throw fail('E6003', 'LpPool: the gradient for ceil_mode is not said here');
      const power = (v: Value): Value => (at.p === 1 ? b.Sign(v) : b.Mul(b.Sign(v), b.Pow(b.Abs(v), b.like(at.p - 1, v))));
      const isZero = b.Equal(y[0]!, b.like(0, g));
      const below = b.Pow(b.Where(isZero, b.like(1, g), y[0]!), b.like(at.p - 1, g));
      return b.Mul(power(X), spreadOfPool(b, b.Where(isZero, b.like(0, g), b.Div(g, below)), X, steps));
    },
  })),
  CausalConvWithState: body('a Conv'),
  GlobalAveragePool: body('a mean'),
  GlobalLpPool: body('a norm'),
  GlobalMaxPool: body('a maximum, whose ties share evenly'),
  Col2Im: body('ScatterElements that adds'),
  MaxUnpool: body('ScatterElements'),
  LRN: body('an average over channels'),
  Resize: body('weighted elements, one axis after the other'),
  AffineGrid: body('linear in theta'),
  GridSample: body('weighted elements'),
  RoiAlign: body('weighted elements'),
  MaxRoiPool: gap('the host computes it, and does not say which elements are the largest'),
  DeformConv: body('weighted elements and a product'),
} satisfies GradientFamily;
