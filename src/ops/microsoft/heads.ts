// What the attention operators of com.microsoft share: heads, masks that are added to the scores, the softmax with a sink.
import { fail } from '../../errors.ts';
import { mulDims, sameDim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder, Size } from '../builder.ts';
import { count } from '../generate.ts';
import { rankOf, shapeOf } from '../shapes.ts';

/** The most negative number of float32, as which ONNX Runtime hides what may not be looked at. */
const lowest = -3.4028234663852886e38;

/** A size as an int64 scalar. */
export const scalarOf = (size: Size, b: Builder): Value => (typeof size === 'number' ? b.constant(size, 'int64') : b.Squeeze(size, [0]));

export const sum = (x: Size, y: Size, b: Builder): Size =>
  typeof x === 'number' && typeof y === 'number' ? x + y : x === 0 ? y : y === 0 ? x : b.Add(b.sizes([x]), b.sizes([y]));

/** [batch, sequence, heads * size] as [batch, heads, sequence, size]; what has four axes stays as it is. */
export const splitHeads = (x: Value, heads: number, b: Builder): Value =>
  rankOf(x) === 4 ? x : b.Transpose(b.Reshape(x, [0, 0, heads, headSize(x, heads)]), [0, 2, 1, 3]);

/** The size of a head in [batch, sequence, heads * size]; -1 where it is open. */
export function headSize(x: Value, heads: number): number {
  const width = shapeOf(x)[2]!;
  if (typeof width !== 'number') return -1;
  if (heads < 1 || width % heads !== 0) throw fail('E1305', `${width} channels are not ${heads} heads`);
  return width / heads;
}

/** [batch, heads, sequence, size] as [batch, sequence, heads * size]. */
export function joinHeads(x: Value, b: Builder): Value {
  const [, heads, , size] = shapeOf(x);
  const width = mulDims(heads!, size!);
  return b.Reshape(b.Transpose(x, [0, 2, 1, 3]), [0, 0, typeof width === 'number' ? width : -1]);
}

export interface Places {
  readonly batch: Size;
  readonly steps: Size;
  /** Keys before the first query. */
  readonly past: Size;
  readonly total: Size;
}

/** What a padding mask adds to scores of [batch, heads, queries, keys], in any of the forms that its rank tells apart. */
export function paddingBias(mask: Value, query: Value, places: Places, filter: number, b: Builder): Value {
  const keep = keptKeys(mask, query, places, b);
  return b.Where(keep, b.constant(0, 'float32'), b.constant(filter, 'float32'));
}

function keptKeys(mask: Value, query: Value, { past, steps, total }: Places, b: Builder): Value {
  const isSet = (v: Value): Value => b.Greater(v, b.like(0, v));
  switch (rankOf(mask)) {
    case 1:
      return betweenBounds(mask, query, total, b);
    case 2:
      return isSet(b.Unsqueeze(mask, [1, 2]));
    case 3:
      return isSet(b.Unsqueeze(mask, [1]));
    case 4:
      return isSet(b.Slice(mask, { axes: [2, 3], starts: [past, 0], ends: [sum(past, steps, b), total] }));
    default:
      throw fail('E1305', `a mask of ${rankOf(mask)} axes`);
  }
}

/** Lengths of each batch entry, or ends and then starts. */
function betweenBounds(mask: Value, query: Value, total: Size, b: Builder): Value {
  const [batch, size] = [shapeOf(query)[0]!, shapeOf(mask)[0]!];
  const columns = b.Cast(count(b, total), 'int32');
  const column = (v: Value): Value => b.Unsqueeze(v, [1, 2, 3]);
  if (sameDim(size, batch)) return b.Less(columns, column(mask));
  if (!sameDim(size, mulDims(batch, 2))) throw fail('E3004', 'a mask of this length has no meaning here');
  const [ends, starts] = b.emit('Split', [mask], { axis: 0, num_outputs: 2 }, { outputs: ['ends', 'starts'] }) as readonly Value[];
  return b.And(b.Less(columns, column(ends!)), b.GreaterOrEqual({ A: columns, B: column(starts!) }));
}

/** A bias that also hides the keys after each query. */
export function causalBias(bias: Value | undefined, { steps, past, total }: Places, b: Builder): Value {
  const rows = b.Unsqueeze(b.Add(count(b, steps), scalarOf(past, b)), [1]);
  const keep = b.LessOrEqual({ A: count(b, total), B: rows });
  return b.Where(keep, bias ?? b.constant(0, 'float32'), b.constant(lowest, 'float32'));
}

/** Weights along the last axis that sum up to less than 1: a sink takes its share. */
export function softmaxWithSink(scores: Value, sink: Value, b: Builder): Value {
  const most = b.Max(b.ReduceMax(scores, { axes: [-1] }), sink);
  const e = b.Exp(b.Sub(scores, most));
  return b.Div(e, b.Add(b.ReduceSum(e, { axes: [-1] }), b.Exp(b.Sub(sink, most))));
}

/** softmax(scale * q k' + bias) v over heads of their own, and the scores before the softmax. */
export function attend(
  { q, k, v }: { readonly q: Value; readonly k: Value; readonly v: Value },
  { scale, biases }: { readonly scale: number | undefined; readonly biases: readonly (Value | undefined)[] },
  b: Builder,
): { y: Value; scores: Value } {
  const raw = b.MatMul(b.Mul(q, scaleOf(q, scale, b)), b.Transpose(k, [0, 1, 3, 2]));
  const scores = biases.reduce<Value>((s, bias) => (bias ? b.Add(s, bias) : s), raw);
  return { y: joinHeads(b.MatMul(b.Softmax({ input: scores }), v), b), scores };
}

/** The scale that is asked for, where 0 and none stand for one over the root of the size of a head. */
export function scaleOf(q: Value, scale: number | undefined, b: Builder): Value {
  const size = shapeOf(q).at(-1)!;
  if (scale) return b.like(scale, q);
  return typeof size === 'number' ? b.like(1 / Math.sqrt(size), q) : b.Reciprocal(b.Sqrt(b.count(q, [-1])));
}
