// Random numbers as a graph of plain integer operators, so that every backend and every runtime draws the same: Philox 4x32-10 (Salmon,
// Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011) over the element, the step and a number for who draws.
import type { Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { range, rankOf } from '../ops/shapes.ts';

/** What the numbers depend on, as int64 scalars. */
export interface Source {
  readonly seed: Value;
  readonly step: Value;
}

const words = 4;
const rounds = 10;
const half = 2 ** 16;
const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
/** What the key grows by in each round. */
const growth = [0x9e3779b9, 0xbb67ae85] as const;

/**
 * Numbers in [0, 1) of the sizes of `x`, in float32.
 * @param who tells what draws apart from all else that draws in the step
 */
export function uniformLike(b: Builder, x: Value, who: number, { seed, step }: Source): Value {
  const size = b.Reshape(b.Cast(count(b, x), 'int64'), []);
  const blocks = b.Div(b.Add(size, long(b, words - 1)), long(b, words));
  const block = b.Range({ start: long(b, 0), limit: blocks, delta: long(b, 1) });
  const drawn = philox(b, [low(b, block), low(b, step), long(b, who), high(b, step)], [low(b, seed), high(b, seed)]);
  // Scalars among the words would not broadcast in a concatenation; all depend on the block after two rounds.
  const all = b.Concat(
    drawn.map(w => b.Unsqueeze(w, [1])),
    1,
  );
  const flat = b.Slice(b.Reshape(all, [-1]), { axes: [0], starts: [0], ends: [b.Reshape(size, [1])] });
  const unit = b.Mul(b.Cast(b.Div(flat, long(b, 2 ** 8)), 'float32'), b.constant(2 ** -24, 'float32'));
  return b.Reshape(
    unit,
    range(rankOf(x)).map(axis => b.dim(x, axis)),
  );
}

const long = (b: Builder, value: number): Value => b.constant(BigInt(value), 'int64');
const count = (b: Builder, x: Value): Value => b.ReduceProd(b.Shape(x), { axes: [0], keepdims: 0 });
const low = (b: Builder, x: Value): Value => b.Mod({ A: x, B: long(b, 2 ** 32) });
const high = (b: Builder, x: Value): Value => low(b, b.Div(x, long(b, 2 ** 32)));
const xor = (b: Builder, ...x: Value[]): Value => x.reduce((p, q) => b.BitwiseXor({ A: p, B: q }));

function philox(b: Builder, counter: readonly Value[], key: readonly Value[]): readonly Value[] {
  let [x0, x1, x2, x3] = counter as [Value, Value, Value, Value];
  let [k0, k1] = key as [Value, Value];
  for (let round = 0; round < rounds; round++) {
    const [h0, l0] = product(b, multipliers[0], x0);
    const [h1, l1] = product(b, multipliers[1], x2);
    [x0, x1, x2, x3] = [xor(b, h1, x1, k0), l1, xor(b, h0, x3, k1), l0];
    k0 = low(b, b.Add(k0, long(b, growth[0])));
    k1 = low(b, b.Add(k1, long(b, growth[1])));
  }
  return [x0, x1, x2, x3];
}

/** The upper and the lower 32 bits of a product of two numbers of 32 bits, by products that fit into 63. */
function product(b: Builder, multiplier: number, x: Value): readonly [Value, Value] {
  const [upper, lower] = [Math.floor(multiplier / half), multiplier % half];
  const small = b.Mul(x, long(b, lower));
  const middle = b.Add(b.Mul(x, long(b, upper)), b.Div(small, long(b, half)));
  const part = (v: Value): Value => b.Mod({ A: v, B: long(b, half) });
  return [b.Div(middle, long(b, half)), b.Add(b.Mul(part(middle), long(b, half)), part(small))];
}
