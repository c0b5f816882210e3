// Gradients kept in bounds: each element, or the length of all of them together.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { range, rankOf } from '../ops/shapes.ts';

export interface ClipOptions {
  /** The largest size of an element. */
  readonly value?: number | undefined;
  /** The largest length of all gradients together. */
  readonly norm?: number | undefined;
  /** The power of the length; 2, or infinity for the largest element. */
  readonly normType?: number | undefined;
}

export interface Clipped {
  readonly gradients: readonly Value[];
  /** The length before clipping, where that was asked for. */
  readonly norm?: Value;
}

/** Added to the length, so that none is divided by zero; PyTorch's number. */
const epsilon = 1e-6;

/** @throws ModelError E4001 for bounds that are none */
export function clip(b: Builder, gradients: readonly Value[], { value, norm, normType = 2 }: ClipOptions): Clipped {
  for (const [name, bound] of Object.entries({ value, norm, normType }))
    if (bound !== undefined && !(bound > 0)) throw fail('E4001', `clipping: ${name} is ${bound}, expected more than 0`);
  const bounded = value === undefined ? gradients : gradients.map(g => b.Max(b.Min(g, b.like(value, g)), b.like(-value, g)));
  if (norm === undefined) return { gradients: bounded };
  const length = globalNorm(b, bounded, normType);
  const factor = b.Min(b.Div(b.like(norm, length), b.Add(length, b.like(epsilon, length))), b.like(1, length));
  return { gradients: bounded.map(g => b.Mul(g, b.Cast(factor, g.element!))), norm: length };
}

/** The length of all tensors together, as a scalar of float32, or float64 where the first is. */
export function globalNorm(b: Builder, tensors: readonly Value[], power = 2): Value {
  const type = tensors[0]?.element === 'float64' ? 'float64' : 'float32';
  const wide = tensors.map(g => b.Cast(g, type));
  const whole = (x: Value): { readonly axes: readonly number[]; readonly keepdims: number } => ({ axes: range(rankOf(x)), keepdims: 0 });
  if (power === Number.POSITIVE_INFINITY) {
    const largest = wide.map(g => b.ReduceMax(b.Abs(g), whole(g)));
    return largest.reduce((x, y) => b.Max(x, y));
  }
  const raised = (g: Value): Value => (power === 2 ? b.Mul(g, g) : b.Pow(b.Abs(g), b.like(power, g)));
  const sum = wide.map(g => b.ReduceSum(raised(g), whole(g))).reduce((x, y) => b.Add(x, y));
  return power === 2 ? b.Sqrt(sum) : b.Pow(sum, b.like(1 / power, sum));
}
