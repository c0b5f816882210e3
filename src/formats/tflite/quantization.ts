// Quantised tensors: what is stored, and the numbers that it stands for. Types and scales are said by QuantizeLinear and DequantizeLinear.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import { arrayFor, Tensor } from '../../ir/tensor.ts';
import { byteLength, type DataType, elementTypes } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { rankOf } from '../../ops/shapes.ts';
import type { Quantization } from './tensors.ts';

/** Whether two tensors stand for the same numbers where they hold the same bits. */
export function sameQuantization(a: Quantization | undefined, b: Quantization | undefined): boolean {
  if (a === b) return true;
  if (!a || !b || a.kind === 'blocks' || b.kind === 'blocks') return false;
  const same = (x: ArrayLike<number>, y: ArrayLike<number>): boolean => x.length === y.length && Array.from(x).every((n, i) => n === y[i]);
  return a.kind === b.kind && (a.kind === 'tensor' || a.axis === b.axis) && same(a.scales, b.scales) && same(a.zeroPoints, b.zeroPoints);
}

/** Types that DequantizeLinear takes. */
const dequantisable: ReadonlySet<DataType> = new Set(['int8', 'uint8', 'int16', 'uint16', 'int32', 'int4', 'uint4', 'int2', 'uint2']);
/** Types that QuantizeLinear makes. */
const quantisable: ReadonlySet<DataType> = new Set(['int8', 'uint8', 'int16', 'uint16', 'int4', 'uint4', 'int2', 'uint2']);

/**
 * The numbers that stored ones stand for, as float32.
 * @param blocks the scales of blocks and their zero points, for tensors that have blocks
 */
export function dequantised(b: Builder, stored: Value, q: Quantization, blocks: readonly (Value | undefined)[] = []): Value {
  const type = stored.element!;
  if (q.kind === 'blocks') {
    const [scales, zeroPoints] = blocks;
    const at = { axis: rankOf(stored) - 1, block_size: q.blockSize };
    return b.DequantizeLinear({ x: stored, x_scale: b.Cast(scales!, 'float32'), x_zero_point: zeroPoints }, at);
  }
  if (!dequantisable.has(type)) return b.Mul(b.Cast(stored, 'float32'), scalesOf(b, q, along(q, rankOf(stored))));
  // Said even where it is zero: ONNX Runtime up to 1.32 takes the type of a missing one for uint8 when it moves a node across.
  const x_zero_point = type === 'int32' ? undefined : zeroPointsOf(b, q, type);
  return b.DequantizeLinear({ x: stored, x_scale: scalesOf(b, q), x_zero_point }, { axis: q.kind === 'axis' ? q.axis : undefined });
}

/** The stored form of numbers. */
export function quantised(b: Builder, real: Value, q: Quantization, type: DataType): Value {
  if (q.kind === 'blocks') throw fail('E2001', 'a computed tensor that is quantised by blocks');
  if (!quantisable.has(type)) return b.Cast(b.Round(b.Div(real, scalesOf(b, q, along(q, rankOf(real))))), type);
  const at = { axis: q.kind === 'axis' ? q.axis : undefined };
  return b.QuantizeLinear({ x: b.Cast(real, 'float32'), y_scale: scalesOf(b, q), y_zero_point: zeroPointsOf(b, q, type) }, at);
}

type Linear = Exclude<Quantization, { kind: 'blocks' }>;

/** Sizes under which scales broadcast along their axis. */
const along = ({ kind, axis, scales }: Linear, rank: number): number[] =>
  kind === 'tensor' ? [] : Array.from({ length: rank }, (_, i) => (i === axis ? scales.length : 1));

const scalesOf = (b: Builder, { kind, scales }: Linear, dims: number[] = kind === 'tensor' ? [] : [scales.length]): Value =>
  b.constant(scales, 'float32', dims, 'scale');

const zeroPointsOf = (b: Builder, { kind, zeroPoints }: Linear, type: DataType): Value =>
  b.constant(storedNumbers(zeroPoints, type), type, kind === 'tensor' ? [] : [zeroPoints.length], 'zero_point');

/** Numbers in the form in which tensors hold them: those below 8 bits are packed, the first in the low bits. */
function storedNumbers(values: readonly number[], type: DataType) {
  const { bits } = elementTypes[type];
  if (bits >= 8) return (arrayFor(type) as Int8ArrayConstructor).from(values);
  const packed = new Uint8Array(byteLength(type, values.length));
  values.forEach((value, i) => {
    const bit = i * bits;
    packed[bit >> 3]! |= (value & (2 ** bits - 1)) << (bit & 7);
  });
  return packed;
}

/** The quantisation of a tensor whose axes were moved: `perm[i]` is the axis that comes to `i`. */
export const movedQuantization = (q: Quantization, perm: readonly number[]): Quantization =>
  q.kind === 'axis' ? { ...q, axis: perm.indexOf(q.axis) } : q;

/** Zeros of a type and static sizes, as the initial content of a state: the zero point where it is quantised. */
export function zeros(type: DataType, dims: readonly number[], q: Quantization | undefined): Tensor {
  const count = dims.reduce((n, d) => n * d, 1);
  const zero = q && q.kind !== 'blocks' ? (q.zeroPoints[0] ?? 0) : 0;
  const bytes = new Uint8Array(byteLength(type, count));
  if (zero !== 0 && elementTypes[type].bits === 8) bytes.fill(zero);
  return new Tensor(type, bytes, dims);
}
