// Weights of a few bits: whole numbers packed into bytes, lowest bits first, with a scale and a zero point a block.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder, Size } from '../builder.ts';
import { otherComposite } from '../row.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../shapes.ts';

/** Whole numbers of 2, 4 or 8 bits out of bytes along the last axis, in float32; `8 / bits` as many as bytes. */
export function unpacked(bytes: Value, bits: number, b: Builder): Value {
  if (bits === 8) return b.Cast(bytes, 'float32');
  if (bits !== 2 && bits !== 4) throw fail('E3004', `numbers of ${bits} bits have no meaning here`);
  const rank = rankOf(bytes);
  const leading = range(rank - 1).map(() => 0);
  return b.Reshape(b.Gather(partsOfBytes(bits, b), b.Cast(bytes, 'int32'), 0), [...leading, -1]);
}

/** [256, 8 / bits]: the numbers in every byte. */
function partsOfBytes(bits: number, b: Builder): Value {
  const count = 8 / bits;
  const parts = Float32Array.from({ length: 256 * count }, (_, i) => (Math.floor(i / count) >> (bits * (i % count))) % 2 ** bits);
  return b.constant(parts, 'float32', [256, count]);
}

/** The first `size` of the last axis. */
const first = (x: Value, size: number, b: Builder): Value =>
  shapeOf(x).at(-1) === size ? x : b.Slice(x, { axes: [rankOf(x) - 1], starts: [0], ends: [size] });

interface Blocks {
  readonly bits: number;
  readonly block_size: number;
  readonly N: number;
  readonly K: number;
}

/** Zero points of [N, blocks], packed a row or as they are; the middle of the range where there are none. */
function zeroPoints(zeros: Value | undefined, blocks: number, { bits, N }: Blocks, b: Builder): Value {
  if (!zeros) return b.constant(2 ** (bits - 1), 'float32');
  if (elementOf(zeros) !== 'uint8') return b.Cast(b.Reshape(zeros, [N, blocks]), 'float32');
  return first(unpacked(b.Reshape(zeros, [N, Math.ceil((blocks * bits) / 8)]), bits, b), blocks, b);
}

/** [N, K] numbers of blocks along K. */
function weights(
  { B, scales, zero_points, g_idx }: { B: Value; scales: Value; zero_points?: Value; g_idx?: Value },
  at: Blocks,
  b: Builder,
): Value {
  const { N, K, bits, block_size } = at;
  const blocks = Math.ceil(K / block_size);
  const codes = unpacked(b.Reshape(B, [N, blocks, (block_size * bits) / 8]), bits, b);
  const scale = b.Cast(b.Reshape(scales, [N, blocks]), 'float32');
  const zero = zeroPoints(zero_points, blocks, at, b);
  if (g_idx) {
    const place = first(g_idx, K, b);
    const spread = (v: Value): Value => (rankOf(v) === 0 ? v : b.Gather(v, place, 1));
    return b.Mul(b.Sub(first(b.Reshape(codes, [N, -1]), K, b), spread(zero)), spread(scale));
  }
  const along = (v: Value): Value => (rankOf(v) === 0 ? v : b.Unsqueeze(v, [2]));
  return first(b.Reshape(b.Mul(b.Sub(codes, along(zero)), along(scale)), [N, -1]), K, b);
}

export const nbits = {
  MatMulNBits: otherComposite<
    { A: Value; B: Value; scales: Value; zero_points?: Value; g_idx?: Value; bias?: Value },
    Blocks & { weight_prepacked: number }
  >({
    lower(x, at, b) {
      if (at.weight_prepacked) throw fail('E3004', 'MatMulNBits: weights in a layout of a device have no meaning here');
      if (at.block_size < 1 || at.N < 1 || at.K < 1) throw fail('E1303', 'MatMulNBits: N, K and block_size must be positive');
      const y = b.MatMul(x.A, b.Transpose(weights(x, at, b), [1, 0]));
      return x.bias ? b.Add(y, x.bias) : y;
    },
  }),
  GatherBlockQuantized: otherComposite<
    { data: Value; indices: Value; scales: Value; zero_points?: Value },
    { bits: number; block_size: number; gather_axis: number; quantize_axis: number }
  >({
    lower(x, at, b) {
      const rank = rankOf(x.data);
      const isPacked = elementOf(x.data) === 'uint8';
      const [along, on] = [axisOf(at.quantize_axis, rank), axisOf(at.gather_axis, rank)];
      if (isPacked && at.bits < 8 && along === on) throw fail('E3004', 'GatherBlockQuantized: the axis of blocks cannot be gathered from');
      if (at.block_size < 1) throw fail('E3004', 'GatherBlockQuantized: a block of the whole axis has no meaning here');
      const codes = (v: Value): Value => (isPacked ? unpacked(v, at.bits, b) : b.Cast(v, 'float32'));
      // One position takes a row of codes, and of blocks where these do not lie on its axis.
      if (along === on)
        return b.Gather(blockwise(codes(x.data), x.scales, x.zero_points && codes(x.zero_points), along, at, isPacked, b), x.indices, on);
      const row = (v: Value | undefined): Value | undefined => v && b.Gather(v, x.indices, on);
      const [data, scales, zeros] = [row(x.data)!, row(x.scales)!, row(x.zero_points)];
      const moved = along > on ? along + rankOf(x.indices) - 1 : along;
      return blockwise(codes(data), scales, zeros && codes(zeros), moved, at, isPacked, b);
    },
  }),
  MatMulBnb4: otherComposite<
    { A: Value; B: Value; absmax: Value },
    { K: number; N: number; block_size: number; quant_type: number; transB: number }
  >({
    lower({ A, B, absmax }, { K, N, block_size, quant_type, transB }, b) {
      const table = bnb4[quant_type];
      if (!table) throw fail('E3004', `MatMulBnb4: quantisation ${quant_type} has no meaning here`);
      if (block_size < 1 || N < 1 || K < 1) throw fail('E1303', 'MatMulBnb4: N, K and block_size must be positive');
      const bytes = b.Cast(B, 'int32');
      const sixteen = b.constant(16, 'int32');
      // Highest bits first, other than elsewhere.
      const codes = b.Reshape(
        b.Concat([b.Unsqueeze(b.Div(bytes, sixteen), [1]), b.Unsqueeze(b.Mod({ A: bytes, B: sixteen }), [1])], 1),
        [-1],
      );
      const values = b.Gather(b.constant(Float32Array.from(table), 'float32'), first(codes, N * K, b), 0);
      const blocks = Math.ceil((N * K) / block_size);
      const spread = b.Reshape(b.Expand(b.Reshape(absmax, [blocks, 1]), [blocks, block_size]), [-1]);
      const weight = b.Reshape(b.Mul(values, first(spread, N * K, b)), [N, K]);
      return b.MatMul(A, transB ? b.Transpose(weight, [1, 0]) : weight);
    },
  }),
};

/** Codes less their zero points times their scales, where these have one entry a block along an axis. */
function blockwise(
  codes: Value,
  scales: Value,
  zeros: Value | undefined,
  axis: number,
  { block_size, bits }: { readonly block_size: number; readonly bits: number },
  isPacked: boolean,
  b: Builder,
): Value {
  const size = b.dim(codes, axis);
  const leading = range(axis).map(() => 0);
  const spread = (v: Value): Value => {
    const ones = range(rankOf(v) + 1).map((): Size => 1);
    const wide = b.Expand(b.Unsqueeze(v, [axis + 1]), ones.with(axis + 1, block_size));
    const after = range(rankOf(v) - axis - 1, axis + 1).map(i => b.dim(v, i));
    const flat = b.Reshape(wide, [...leading, -1, ...after]);
    return b.Slice(flat, { axes: [axis], starts: [0], ends: [size] });
  };
  const wide = b.Cast(scales, 'float32');
  const middle = isPacked ? b.constant(2 ** (bits - 1), 'float32') : undefined;
  // Packed rows of zero points may be longer than there are blocks.
  const zero = zeros ? spread(zeros) : middle;
  return b.Mul(zero ? b.Sub(codes, zero) : codes, spread(wide));
}

/** FP4 in the order of its codes, times 12; a fourth bit is the sign. */
const fp4 = [0, 0.0625, 8, 12, 4, 6, 2, 3].map(x => x / 12);
/** NF4: quantiles of the normal distribution, scaled to [-1, 1]. */
const nf4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
  0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
  0.7229568362236023, 1,
];
/** The sixteen numbers of each type of four bits that bitsandbytes has. */
const bnb4: readonly (readonly number[])[] = [[...fp4, ...fp4.map(x => -x)], nf4];
