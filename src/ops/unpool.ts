// Operators that put elements back where windows took them from.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Builder, Size } from './builder.ts';
import { folded, sizeIn } from './folded.ts';
import { gapTypes } from './gap-types.ts';
import { count, spreadOver } from './generate.ts';
import type { At, Family } from './row.ts';
import { knownNumbers, range, rankOf } from './shapes.ts';

export const unpooling = {
  MaxUnpool: {
    infer: gapTypes.MaxUnpool,
    lower({ X, I, output_shape }, at, b) {
      const rank = rankOf(X) - 2;
      const { kernel_shape, strides = range(rank).map(() => 1), pads = range(2 * rank).map(() => 0) } = at;
      // Indices count the elements of what the window came from; a larger output has zeros after these.
      const sizes = [0, 1].map(axis => b.dim(X, axis));
      for (const d of range(rank)) {
        const rest = kernel_shape[d]! - strides[d]! - pads[d]! - pads[rank + d]!;
        const size = b.dim(X, 2 + d);
        sizes.push(typeof size === 'number' ? size * strides[d]! + rest : b.Add(b.Mul(size, b.ints([strides[d]!])), b.ints([rest])));
      }
      const zeros = b.Reshape(b.Expand(b.like(0, X), sizes), [-1]);
      const placed = b.ScatterElements({ data: zeros, indices: b.Reshape(I, [-1]), updates: b.Reshape(X, [-1]) }, { axis: 0 });
      const whole = b.Reshape(placed, sizes);
      if (!output_shape) return whole;
      return b.Pad({ data: whole, pads: b.Concat([b.ints(sizes.map(() => 0)), b.Sub(output_shape, b.sizes(sizes))], 0) });
    },
  },
  Col2Im: {
    known: ['block_shape'],
    infer: gapTypes.Col2Im,
    lower({ input, image_shape, block_shape }, at, b) {
      const block = knownNumbers(block_shape)!;
      const sizes = block.map((_, d) => sizeIn(b.Slice(image_shape, { axes: [0], starts: [d], ends: [d + 1] })));
      const [places, beyond] = folded(b, f => placesOf(sizes, block, at, f));
      const columns = b.Reshape(input, [0, -1, b.dim(places, 0)]);
      const lead = [0, 1].map(axis => b.dim(columns, axis));
      // What falls outside the image is gathered in one element after it.
      const zeros = b.Expand(b.like(0, input), [...lead, typeof beyond === 'number' ? beyond + 1 : b.Add(beyond, b.ints([1]))]);
      const indices = b.Expand(places, [...lead, b.dim(places, 0)]);
      const image = b.ScatterElements({ data: zeros, indices, updates: columns }, { axis: 2, reduction: 'add' });
      return b.Reshape(b.Slice(image, { axes: [2], starts: [0], ends: [beyond] }), [0, 0, ...sizes]);
    },
  },
} satisfies Family;

/** The index in the flat image of every element of every block, taps first, and the index of what is outside. */
function placesOf(sizes: readonly Size[], block: readonly number[], at: At<'Col2Im'>, f: Builder): [Value, Size] {
  const rank = block.length;
  const { strides = block.map(() => 1), dilations = block.map(() => 1), pads = range(2 * rank).map(() => 0) } = at;
  if (strides.length !== rank || dilations.length !== rank || pads.length !== 2 * rank || [...block, ...strides].some(n => n < 1))
    throw fail('E1305', `Col2Im: strides, dilations or pads do not fit the block [${block}]`);
  const zero = f.constant(0, 'int64');
  let flat: Value = zero;
  let outside: Value = f.constant(false, 'bool');
  for (const [d, size] of sizes.entries()) {
    const reach = dilations[d]! * (block[d]! - 1) + 1 - pads[d]! - pads[rank + d]!;
    const steps = plus(divided(plus(size, -reach, f), strides[d]!, f), 1, f);
    const taps = f.Mul(count(f, block[d]!), f.constant(dilations[d]!, 'int64'));
    const starts = f.Sub(f.Mul(count(f, steps), f.constant(strides[d]!, 'int64')), f.constant(pads[d]!, 'int64'));
    const place = f.Add(spreadOver(taps, 2 * rank - 1 - d, f), spreadOver(starts, rank - 1 - d, f));
    const length = f.sizes([size]);
    outside = f.Or(outside, f.Or(f.Less(place, zero), f.Not(f.Less(place, length))));
    flat = f.Add(f.Mul(flat, length), place);
  }
  const total = sizes.reduce<Size>(
    (n, size) => (typeof n === 'number' && typeof size === 'number' ? n * size : f.Mul(f.sizes([n]), f.sizes([size]))),
    1,
  );
  return [f.Reshape(f.Where(outside, f.sizes([total]), flat), [-1]), total];
}

const plus = (size: Size, n: number, f: Builder): Size => (typeof size === 'number' ? size + n : f.Add(size, f.ints([n])));
const divided = (size: Size, n: number, f: Builder): Size => (typeof size === 'number' ? Math.floor(size / n) : f.Div(size, f.ints([n])));
