// Scaled dot product attention and rotary embeddings as bodies over the core, as the standard has them.
import { fail } from '../errors.ts';
import { addDims, type Dim, divideExactly, floorDivDims, formatDim, mulDims, productOf, sameDim, subDims } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { dataTypeOfCode, formatShape, type Shape, tensorType } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import { count } from './generate.ts';
import type { At, Family, Inputs } from './row.ts';
import { elementOf, rankOf, shapeOf } from './shapes.ts';

type X = Inputs<'Attention'>;
type Attributes = At<'Attention'>;

export const attention = {
  Attention: {
    infer(x, at) {
      const { q, k, v, total } = sizesOf(x, at);
      const y = rankOf(x.Q) === 4 ? [q[0]!, q[1]!, q[2]!, v[3]!] : [q[0]!, q[2]!, mulDims(q[1]!, v[3]!)];
      return [
        tensorType(elementOf(x.Q), y),
        tensorType(elementOf(x.K), k.with(2, total)),
        tensorType(elementOf(x.V), v.with(2, total)),
        tensorType(elementOf(x.Q), [q[0]!, q[1]!, q[2]!, total]),
      ];
    },
    lower(x, at, b) {
      const sizes = sizesOf(x, at);
      const { q, k, v } = sizes;
      const groups = groupsOf(x.Q, sizes, b);
      const present_key = joined(x.past_key, withHeads(x.K, k, b), b);
      const present_value = joined(x.past_value, withHeads(x.V, v, b), b);
      const root = rootOfScale(x.Q, q, at, b);
      const scaled = (v: Value): Value => (root ? b.Mul(v, root) : v);
      const turned =
        rankOf(x.K) === 4 || x.past_key ? b.Transpose(present_key, [0, 1, 3, 2]) : b.Transpose(splitHeads(x.K, k, b), [0, 2, 3, 1]);

      const raw = b.MatMul(groups.merge(scaled(withHeads(x.Q, q, b))), scaled(turned));
      const capped = at.softcap > 0 ? b.Mul(b.Tanh(b.Div(raw, b.like(at.softcap, raw))), b.like(at.softcap, raw)) : raw;
      const mask = maskOf(x, at, sizes, x.past_key ? present_key : x.K, b);
      const scores = mask ? mask.apply(groups.split(capped)) : capped;
      const softmax = b.Cast(b.Softmax({ input: b.Cast(scores, precisionOf(at, x)) }), elementOf(x.Q));
      const weights = mask ? mask.guard(softmax) : softmax;
      const heads = groups.split(b.MatMul(mask ? groups.merge(weights) : weights, present_value));

      const whole = (v: Value): Value => (mask && v !== raw && v !== capped ? v : groups.split(v));
      return {
        Y: rankOf(x.Q) === 4 ? heads : joinHeads(heads, q, v, b),
        present_key,
        present_value,
        qk_matmul_output: whole([raw, capped, scores, weights][at.qk_matmul_output_mode] ?? raw),
      };
    },
  },
  RotaryEmbedding: {
    infer: ({ X }) => [X.type],
    lower({ X, cos_cache, sin_cache, position_ids }, { interleaved, num_heads, rotary_embedding_dim }, b) {
      const flat = rankOf(X) === 3;
      const shape = headsOf(X, num_heads);
      const x = flat ? splitHeads(X, shape, b) : X;
      const size = shape[3]!;
      const turned = rotary_embedding_dim || size;
      if (typeof size !== 'number' || typeof turned !== 'number') throw fail('E3009', 'RotaryEmbedding: the head size must be known');
      const cached = (cache: Value): Value =>
        b.Unsqueeze(position_ids ? b.Gather(cache, position_ids, 0) : cache, [flat ? 2 : 1, ...(interleaved ? [-1] : [])]);
      const [cos, sin] = [cached(cos_cache), cached(sin_cache)];
      const rotate = (first: Value, second: Value): [Value, Value] => [
        b.Sub(b.Mul(cos, first), b.Mul(sin, second)),
        b.Add(b.Mul(sin, first), b.Mul(cos, second)),
      ];
      const half = turned / 2;
      const rest = size > turned ? [size - turned] : [];
      const parts = rest.length > 0 || !interleaved ? b.Split(x, [...(interleaved ? [turned] : [half, half]), ...rest], -1) : [x];
      const y = interleaved ? interleave(parts[0]!, half, rotate, b) : b.Concat([...rotate(parts[0]!, parts[1]!), ...parts.slice(2)], -1);
      const whole = interleaved && rest.length > 0 ? b.Concat([y, parts[1]!], -1) : y;
      return flat ? b.Reshape(whole, [0, 0, num_heads! * size]) : whole;
    },
  },
} satisfies Family;

/** Pairs of neighbours on the last axis, rotated. */
function interleave(x: Value, half: number, rotate: (first: Value, second: Value) => [Value, Value], b: Builder): Value {
  const [first, second] = b.Split(b.Reshape(x, [0, 0, 0, half, 2]), [1, 1], -1);
  return b.Reshape(b.Concat(rotate(first!, second!), -1), [0, 0, 0, 2 * half]);
}

interface Sizes {
  /** [batch, heads, sequence, head size] of Q, K and V. */
  readonly q: Shape;
  readonly k: Shape;
  readonly v: Shape;
  /** Keys that were there before. */
  readonly past: Dim;
  readonly total: Dim;
}

function sizesOf({ Q, K, V, past_key }: X, { q_num_heads, kv_num_heads }: Attributes): Sizes {
  const [q, k, v] = [headsOf(Q, q_num_heads), headsOf(K, kv_num_heads), headsOf(V, kv_num_heads)];
  const past = past_key ? headsOf(past_key, undefined)[2]! : 0;
  return { q, k, v, past, total: addDims(past, k[2]!) };
}

function headsOf(v: Value, heads: number | undefined): Shape {
  const shape = shapeOf(v);
  if (shape.length === 4) return shape;
  if (shape.length !== 3 || !heads) throw fail('E1305', `${formatShape(shape)} must have 4 axes, or 3 and a number of heads`);
  return [shape[0]!, heads, shape[1]!, floorDivDims(shape[2]!, heads)];
}

/** [batch, sequence, heads * size] as [batch, sequence, heads, size]. */
const splitHeads = (v: Value, shape: Shape, b: Builder): Value =>
  b.Reshape(v, [0, 0, shape[1] as number, typeof shape[3] === 'number' ? shape[3] : -1]);
const withHeads = (v: Value, shape: Shape, b: Builder): Value => (rankOf(v) === 4 ? v : b.Transpose(splitHeads(v, shape, b), [0, 2, 1, 3]));
function joinHeads(heads: Value, q: Shape, v: Shape, b: Builder): Value {
  const width = mulDims(q[1]!, v[3]!);
  return b.Reshape(b.Transpose(heads, [0, 2, 1, 3]), [0, 0, typeof width === 'number' ? width : -1]);
}
const joined = (past: Value | undefined, now: Value, b: Builder): Value => (past ? b.Concat([past, now], 2) : now);

/** The square root of the scale, by which both factors are multiplied; undefined for 1. */
function rootOfScale(Q: Value, q: Shape, { scale }: Attributes, b: Builder): Value | undefined {
  const size = q[3]!;
  if (scale === undefined && typeof size !== 'number') return b.Reciprocal(b.Sqrt(b.Sqrt(b.count(withHeads(Q, q, b), [3]))));
  const root = Math.sqrt(scale ?? 1 / Math.sqrt(size as number));
  return root === 1 ? undefined : b.like(root, Q);
}

const precisionOf = ({ softmax_precision: code }: Attributes, { Q }: X) => (code && dataTypeOfCode(code)) || elementOf(Q);

interface Groups {
  /** Query heads that share a key head, one after the other: [batch, heads, sequence, …] to [batch, key heads, group * sequence, …]. */
  merge(v: Value): Value;
  split(v: Value): Value;
}

/** Groups of query heads; where each has a key head of its own, or all have one, products broadcast and nothing is to do. */
function groupsOf(Q: Value, { q, k }: Sizes, b: Builder): Groups {
  const [heads, shared, sequence] = [q[1]!, k[1]!, q[2]!];
  if (sameDim(heads, shared) || shared === 1) return { merge: v => v, split: v => v };
  if (typeof heads !== 'number' || typeof shared !== 'number') throw fail('E3009', 'Attention: the numbers of heads must be known');
  const group = heads / shared;
  if (!Number.isInteger(group)) throw fail('E1305', `Attention: ${heads} query heads do not share ${shared} key heads evenly`);
  const regroup = (v: Value, to: number, size: Dim, dynamic: () => Size): Value => {
    const shape = shapeOf(v);
    const isOpen = divideExactly(productOf(shape), productOf(shape.with(1, to).with(2, 1))) !== undefined;
    return b.Reshape(v, [0, to, typeof size === 'number' ? size : isOpen ? -1 : dynamic(), 0]);
  };
  const steps = (): Size => b.dim(Q, -2);
  return {
    merge: v => regroup(v, shared, mulDims(sequence, group), () => b.Mul(b.sizes([steps()]), b.ints([group]))),
    split: v => regroup(v, heads, sequence, steps),
  };
}

interface Mask {
  apply(scores: Value): Value;
  /** Rows that may look at no key weigh nothing instead of NaN. */
  guard(weights: Value): Value;
}

/** The mode of `qk_matmul_output` that asks for scores with the mask. */
const maskedScores = 2;

function maskOf(x: X, at: Attributes, sizes: Sizes, keys: Value, b: Builder): Mask | undefined {
  const given = x.attn_mask && padded(x.attn_mask, sizes, keys, b);
  const isBias = given !== undefined && elementOf(given) !== 'bool';
  const reach = reachOf(x, at, keys, b);
  const conditions = given && !isBias ? [given, ...reach] : reach;
  const allowed = conditions.length > 0 ? conditions.reduce((p, q) => b.And(p, q)) : undefined;
  const nothing = (v: Value): Value => b.like(Number.NEGATIVE_INFINITY, v);
  if (!isBias) {
    const isCausalOnly = !given && !x.nonpad_kv_seqlen && at.left_window_size < 0;
    const everyRow = isCausalOnly || (allowed && everyRowHas(allowed, kept => kept !== 0));
    return (
      allowed && {
        apply: scores => b.Where(allowed, scores, nothing(scores)),
        guard: weights => (everyRow ? weights : b.Where(allowed, weights, b.like(0, weights))),
      }
    );
  }
  const bias = allowed ? b.Where(allowed, given, nothing(given)) : given;
  const hasKeys = everyRowHas(bias, kept => kept > Number.NEGATIVE_INFINITY);
  const empty = hasKeys ? undefined : b.Equal(b.ReduceMax(bias, { axes: [-1] }), nothing(bias));
  // Scores that are no output stay finite in rows without a key, so that gradients through them do.
  const added = empty && at.qk_matmul_output_mode !== maskedScores ? b.Where(empty, b.like(0, bias), bias) : bias;
  return {
    apply: scores => b.Add(scores, added),
    guard: weights => (empty ? b.Where(empty, b.like(0, weights), weights) : weights),
  };
}

/** Whether a constant has such an element in every row along its last axis. */
function everyRowHas({ tensor }: Value, test: (element: number) => boolean): boolean {
  if (!tensor?.isResident || (tensor.type !== 'bool' && tensor.type !== 'float32' && tensor.type !== 'float64')) return false;
  const width = tensor.dims.at(-1) ?? 1;
  const data = tensor.data as ArrayLike<number>;
  for (let row = 0; row < data.length; row += width) {
    let i = row;
    while (i < row + width && !test(data[i]!)) i++;
    if (i === row + width) return false;
  }
  return true;
}

/** The mask with its last axis as long as the keys: what it does not reach may not be looked at. */
function padded(mask: Value, { total }: Sizes, keys: Value, b: Builder): Value {
  const length = shapeOf(mask).at(-1) ?? 1;
  if (rankOf(mask) === 0 || sameDim(length, total)) return mask;
  const missing = subDims(total, length);
  if (typeof missing === 'number' && missing < 0)
    throw fail('E1305', `Attention: the mask ${formatShape(shapeOf(mask))} is longer than the ${formatDim(total)} keys`);
  const after = typeof missing === 'number' ? missing : b.Sub(b.sizes([b.dim(keys, -2)]), b.sizes([b.dim(mask, -1)]));
  const constant_value = elementOf(mask) === 'bool' ? b.constant(false, 'bool') : b.like(Number.NEGATIVE_INFINITY, mask);
  return b.Pad({ data: mask, pads: b.sizes([0, after]), constant_value, axes: b.ints([-1]) });
}

/** Conditions on the places of queries and keys: no later key, a window, no padding; each is true where a key may be looked at. */
function reachOf({ Q, past_key, nonpad_kv_seqlen: valid }: X, at: Attributes, keys: Value, b: Builder): Value[] {
  const after = at.is_causal ? 0 : at.right_window_size;
  const before = at.left_window_size;
  if (after < 0 && before < 0 && !valid) return [];
  const columns = count(b, b.dim(keys, -2));
  const conditions = valid ? [b.Less(columns, b.Unsqueeze(valid, [1, 2, 3]))] : [];
  if (after < 0 && before < 0) return conditions;
  const steps = b.dim(Q, -2);
  const isSquare = !past_key && sameDim(shapeOf(Q).at(-2)!, shapeOf(keys).at(-2)!);
  const inBlock = b.Unsqueeze(isSquare ? columns : count(b, steps, past_key ? b.dim(past_key, 2) : 0), [1]);
  const places = valid && !past_key ? b.Add(inBlock, b.Unsqueeze(b.Sub(valid, b.sizes([steps])), [1, 2, 3])) : inBlock;
  const moved = (by: number): Value => (by === 0 ? places : b.Add(places, b.constant(by, 'int64')));
  if (after >= 0) conditions.push(b.LessOrEqual({ A: columns, B: moved(after) }));
  if (before >= 0) conditions.push(b.GreaterOrEqual({ A: columns, B: moved(-before) }));
  return conditions;
}
