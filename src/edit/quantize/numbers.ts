// Numbers as small integers: x is about scale * (q - zero point). The steps are those of one tensor, of an index of an axis, or of a block
// along it, as DequantizeLinear has them. Knows no graph.
import { Tensor } from '../../ir/tensor.ts';

/** Integers that stand for numbers. */
export type StepType = 'int8' | 'uint8' | 'int4' | 'uint4';

interface Steps {
  readonly low: number;
  readonly high: number;
  /** The zero point where numbers are spread evenly around zero. */
  readonly middle: number;
}

const steps: Readonly<Record<StepType, Steps>> = {
  int8: { low: -128, high: 127, middle: 0 },
  uint8: { low: 0, high: 255, middle: 128 },
  int4: { low: -8, high: 7, middle: 0 },
  uint4: { low: 0, high: 15, middle: 8 },
};

/** What numbers lie between; zero always does, as padding has to be exact. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

export interface Step {
  readonly scale: number;
  readonly zero: number;
}

export interface StepOptions {
  readonly type: StepType;
  /** The zero point is the middle of the type, and the range as wide on both sides. */
  readonly symmetric: boolean;
  /** One bit less, for kernels that add two products in 16 bits. */
  readonly reduceRange?: boolean;
}

/** The steps that cover a range. A range that is nothing but zero has steps of 1. */
export function stepFor(range: Range, { type, symmetric, reduceRange = false }: StepOptions): Step {
  const [low, high] = [Math.min(0, range.low), Math.max(0, range.high)];
  const { low: first, high: last, middle } = steps[type];
  const part = reduceRange ? 2 : 1;
  if (symmetric) return { scale: usable(Math.max(-low, high) / Math.floor((last - middle) / part)), zero: middle };
  const [from, to] = [Math.ceil(first / part), Math.floor(last / part)];
  const scale = usable((high - low) / (to - from));
  return { scale, zero: Math.min(to, Math.max(from, even(from - low / scale))) };
}

/** As float32, in which files hold it, and neither zero nor infinite there. */
function usable(scale: number): number {
  const rounded = Math.fround(scale);
  return rounded > 0 && rounded < Number.POSITIVE_INFINITY ? rounded : 1;
}

/** The nearest integer; halves go to the even one. */
function even(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** Which elements share their steps. */
export type Sharing = { readonly of: 'tensor' } | { readonly of: 'axis'; readonly axis: number } | BlockSharing;
export interface BlockSharing {
  readonly of: 'block';
  readonly axis: number;
  readonly size: number;
}

/** A weight as integers; scale and zero point have the shapes that DequantizeLinear takes. */
export interface QuantizedTensor {
  readonly q: Tensor;
  readonly scale: Tensor;
  readonly zero: Tensor;
}

/** How elements in row-major order fall into groups. */
interface Groups {
  readonly dims: readonly number[];
  readonly count: number;
  of(element: number): number;
}

function groupsOf(dims: readonly number[], sharing: Sharing): Groups {
  if (sharing.of === 'tensor') return { dims: [], count: 1, of: () => 0 };
  const { axis } = sharing;
  const size = dims[axis]!;
  const inner = product(dims.slice(axis + 1));
  if (sharing.of === 'axis') return { dims: [size], count: size, of: i => Math.floor(i / inner) % size };
  const blocks = Math.ceil(size / sharing.size);
  const shape = dims.with(axis, blocks);
  const of = (i: number): number => {
    const row = Math.floor(i / inner);
    return (Math.floor(row / size) * blocks + Math.floor((row % size) / sharing.size)) * inner + (i % inner);
  };
  return { dims: shape, count: product(shape), of };
}

const product = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

/** A resident float32 tensor as integers; undefined where an element is not finite. */
export function quantizeTensor(tensor: Tensor, sharing: Sharing, options: StepOptions): QuantizedTensor | undefined {
  // The cast: callers give float32.
  const data = tensor.data as Float32Array;
  const groups = groupsOf(tensor.dims, sharing);
  const [lows, highs] = [new Float64Array(groups.count), new Float64Array(groups.count)];
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (!Number.isFinite(x)) return undefined;
    const g = groups.of(i);
    if (x < lows[g]!) lows[g] = x;
    else if (x > highs[g]!) highs[g] = x;
  }
  const [scales, zeros] = [new Float32Array(groups.count), new Int16Array(groups.count)];
  for (let g = 0; g < groups.count; g++) {
    const { scale, zero } = stepFor({ low: lows[g]!, high: highs[g]! }, options);
    scales[g] = scale;
    zeros[g] = zero;
  }
  const { low, high } = steps[options.type];
  const q = new Int16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const g = groups.of(i);
    q[i] = Math.min(high, Math.max(low, even(data[i]! / scales[g]!) + zeros[g]!));
  }
  return {
    q: integers(options.type, q, tensor.dims),
    scale: new Tensor('float32', scales, groups.dims),
    zero: integers(options.type, zeros, groups.dims),
  };
}

/**
 * A bias in the steps that a sum of products has: the scale of what is read times that of each channel. Undefined where 32 bits do not hold
 * it, as of a channel whose weights are next to nothing.
 */
export function quantizeBias(bias: Tensor, input: number, weights: Tensor): Omit<QuantizedTensor, 'zero'> | undefined {
  // The casts: both are float32.
  const [data, scales] = [bias.data as Float32Array, weights.data as Float32Array];
  const products = Float32Array.from(scales, s => usable(s * input));
  const q = Float64Array.from(data, (x, i) => even(x / products[products.length === 1 ? 0 : i]!));
  if (!q.every(n => Math.abs(n) < 2 ** 31)) return undefined;
  return { q: new Tensor('int32', Int32Array.from(q), bias.dims), scale: new Tensor('float32', products, weights.dims) };
}

/** Elements in an integer type; two of 4 bits share a byte, the first in its low half. */
export function integers(type: StepType, values: ArrayLike<number>, dims: readonly number[]): Tensor {
  if (type === 'int8') return new Tensor(type, Int8Array.from(values), dims);
  if (type === 'uint8') return new Tensor(type, Uint8Array.from(values), dims);
  const bytes = new Uint8Array(Math.ceil(values.length / 2));
  for (let i = 0; i < values.length; i++) bytes[i >> 1]! |= (values[i]! & 15) << (i % 2 === 0 ? 0 : 4);
  return new Tensor(type, bytes, dims);
}
