// Operators of complex numbers, which are pairs along one more axis, and of random numbers.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { rankOf } from '../../../ops/shapes.ts';
import { subSizes } from '../../../ops/sizing.ts';
import { type Call, type Row, type Rows, unsupported } from './row.ts';

/** The last two axes, cut or filled up with zeros to the lengths that are given; of the last one, half is enough. */
const rfft2d: Row = (x, b) => {
  const v = x.input(0);
  const rank = rankOf(v);
  const [height, width] = x.numbers(1, 'lengths') as [number, number];
  const fitted = [height, width].reduce((y, length, i) => {
    const axis = rank - 2 + i;
    const missing = subSizes(b, length, b.dim(y, axis));
    if (missing === 0) return y;
    if (typeof missing !== 'number') throw unsupported('a transform of a length that only the run knows');
    return missing < 0
      ? b.Slice(y, { axes: [axis], starts: [0], ends: [length] })
      : b.Pad({ data: y, pads: b.ints([0, missing]), axes: b.ints([axis]) });
  }, v);
  const rows = b.DFT({ input: b.Unsqueeze(fitted, [rank]), axis: b.constant(rank - 1, 'int64') }, { onesided: 1 });
  return b.DFT({ input: rows, axis: b.constant(rank - 2, 'int64') });
};

const magnitude: Row = (x, b) => {
  const [re, im] = ([0, 1] as const).map(part => x.operand(0).part(part).raw) as [Value, Value];
  return b.Sqrt(b.Add(b.Mul(re, re), b.Mul(im, im)));
};

const shaped = (x: Call, b: Builder): Value => b.emit('Expand', [b.constant(0, 'float32'), b.Cast(x.raw(0), 'int64')])[0]!;

/** Seeds of 0 say that none is given. */
function seedOf(x: Call): { seed?: number } {
  const { seed, seed2 } = x.options('RandomOptions');
  return seed === 0n && seed2 === 0n ? {} : { seed: Number(BigInt.asIntN(24, seed ^ seed2)) };
}

const multinomial: Row = (x, b) => {
  const sample_size = x.number(1, 'a number of samples');
  return b.Multinomial({ input: x.input(0) }, { sample_size, dtype: 7, ...seedOf(x) });
};

export const other: Rows = {
  RFFT2D: rfft2d,
  REAL: x => x.operand(0).part(0).raw,
  IMAG: x => x.operand(0).part(1).raw,
  COMPLEX_ABS: magnitude,
  RANDOM_UNIFORM: (x, b) => b.RandomUniformLike({ input: shaped(x, b) }, seedOf(x)),
  RANDOM_STANDARD_NORMAL: (x, b) => b.RandomNormalLike({ input: shaped(x, b) }, seedOf(x)),
  MULTINOMIAL: multinomial,
};
