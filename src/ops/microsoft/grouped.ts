// GroupQueryAttention: groups of query heads share a key head, keys and values live in a cache that is longer than what each batch entry
// has of it, and rotary embeddings, a window, a cap and a sink may be inside.
import { fail } from '../../errors.ts';
import { sameDim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder, Size } from '../builder.ts';
import { count } from '../generate.ts';
import { otherComposite } from '../row.ts';
import { rankOf, shapeOf } from '../shapes.ts';
import { headSize, joinHeads, scalarOf, scaleOf, softmaxWithSink, splitHeads, sum } from './heads.ts';
import { rmsOver } from './norm.ts';

interface Grouped {
  readonly query: Value;
  readonly key?: Value;
  readonly value?: Value;
  readonly past_key?: Value;
  readonly past_value?: Value;
  readonly seqlens_k: Value;
  readonly total_sequence_length: Value;
  readonly cos_cache?: Value;
  readonly sin_cache?: Value;
  readonly position_ids?: Value;
  readonly attention_bias?: Value;
  readonly head_sink?: Value;
  readonly k_scale?: Value;
  readonly v_scale?: Value;
  readonly q_norm_weight?: Value;
  readonly k_norm_weight?: Value;
  readonly query_seqlens?: Value;
}

interface Attributes {
  readonly num_heads: number;
  readonly kv_num_heads: number;
  readonly scale?: number;
  readonly softcap?: number;
  readonly causal: number;
  readonly local_window_size: number;
  readonly sliding_window_cache: number;
  readonly smooth_softmax: number;
  readonly do_rotary?: number;
  readonly rotary_interleaved?: number;
  readonly qk_output: number;
  readonly qk_norm_epsilon: number;
  readonly q_norm_epsilon?: number;
  readonly k_norm_epsilon?: number;
  readonly k_quant_type: string;
  readonly v_quant_type: string;
}

/** Places along the sequence, as int64 values. */
interface Places {
  readonly steps: Size;
  /** [batch]: keys in the cache before the first query. */
  readonly past: Value;
  /** [batch]: keys in the cache after this step. */
  readonly lengths: Value;
  /** [batch, queries]: the place of each query. */
  readonly rows: Value;
}

export const GroupQueryAttention = otherComposite<Grouped, Attributes>({
  lower(x, at, b) {
    refuse(x, at);
    const { q, k, v } = projections(x, at, b);
    const places = placesOf(x, q, b);
    const [query, key] = [
      rotated(normed(q, x.q_norm_weight, at.q_norm_epsilon ?? at.qk_norm_epsilon, at.num_heads, b), at.num_heads, x, at, places, b),
      rotated(normed(k, x.k_norm_weight, at.k_norm_epsilon ?? at.qk_norm_epsilon, at.kv_num_heads, b), at.kv_num_heads, x, at, places, b),
    ];
    const cache = cacheOf(x, places, b);
    const [keys, values] = [cache(x.past_key, key, at.kv_num_heads), cache(x.past_value, v, at.kv_num_heads)];
    const { y, scores, weights } = attendGroups(splitHeads(query, at.num_heads, b), keys, values, x, at, places, b);
    const output_qk = at.qk_output === 1 ? scores : at.qk_output === 2 ? weights : undefined;
    return { output: joinHeads(y, b), present_key: keys, present_value: values, output_qk };
  },
});

function refuse(x: Grouped, at: Attributes): void {
  const reasons: readonly [boolean, string][] = [
    [x.query_seqlens !== undefined, 'padded chunks of queries'],
    [at.sliding_window_cache !== 0, 'a cache of the window only'],
    [at.k_quant_type !== 'NONE' || at.v_quant_type !== 'NONE', 'a quantised cache'],
  ];
  for (const [holds, what] of reasons) if (holds) throw fail('E3004', `GroupQueryAttention: ${what} has no meaning here`);
}

/** [batch, sequence, heads * size] each; one input may hold all three. */
function projections(
  { query, key, value }: Grouped,
  { num_heads, kv_num_heads }: Attributes,
  b: Builder,
): { q: Value; k: Value; v: Value } {
  if (key && value) return { q: query, k: key, v: value };
  const size = headSize(query, num_heads + 2 * kv_num_heads);
  if (size < 0) throw fail('E3009', 'GroupQueryAttention: the hidden size must be known');
  const [q, k, v] = b.Split(query, [num_heads * size, kv_num_heads * size, kv_num_heads * size], 2);
  return { q: q!, k: k!, v: v! };
}

function placesOf(x: Grouped, q: Value, b: Builder): Places {
  const steps = b.dim(q, 1);
  const length = scalarOf(steps, b);
  const lengths = b.Add(b.Reshape(b.Cast(x.seqlens_k, 'int64'), [-1]), b.constant(1, 'int64'));
  // Where as many queries come as there are keys, it is the first step, and whatever is shorter is padded on the right.
  const isFirst = b.Equal(totalOf(x, b), length);
  const zero = b.constant(0, 'int64');
  const past = b.Where(isFirst, zero, b.Max(b.Sub(lengths, length), zero));
  return { steps, past, lengths, rows: b.Add(b.Unsqueeze(past, [1]), count(b, steps)) };
}

/** The most keys of a batch entry after this step, as a scalar. */
function totalOf({ total_sequence_length: total }: Grouped, b: Builder): Value {
  return b.Cast(rankOf(total) === 0 ? total : b.Reshape(total, []), 'int64');
}

function normed(x: Value, weight: Value | undefined, epsilon: number, heads: number, b: Builder): Value {
  if (!weight) return x;
  const size = headSize(x, heads);
  return b.Reshape(rmsOver(b.Reshape(x, [0, 0, heads, size]), weight, epsilon, b), [0, 0, size < 0 ? -1 : heads * size]);
}

function rotated(X: Value, num_heads: number, x: Grouped, at: Attributes, { rows }: Places, b: Builder): Value {
  if (!at.do_rotary) return X;
  const { cos_cache, sin_cache } = x;
  if (!cos_cache || !sin_cache) throw fail('E1302', 'GroupQueryAttention: rotary embeddings need their caches');
  const width = shapeOf(cos_cache)[1]!;
  if (typeof width !== 'number') throw fail('E3009', 'GroupQueryAttention: the width of the caches must be known');
  const rotary_embedding_dim = 2 * width === headSize(X, num_heads) ? undefined : 2 * width;
  const position_ids = x.position_ids ?? rows;
  return b.RotaryEmbedding(
    { X, cos_cache, sin_cache, position_ids },
    { num_heads, rotary_embedding_dim, interleaved: at.rotary_interleaved },
  );
}

/** A cache after this step: what a batch entry had, then what came, then zeros, as [batch, heads, places, size]. */
function cacheOf(x: Grouped, { steps, past }: Places, b: Builder): (before: Value | undefined, now: Value, heads: number) => Value {
  if (!x.past_key) return (_, now, heads) => splitHeads(now, heads, b);
  const room = b.dim(x.past_key, 2);
  const total = b.Unsqueeze(totalOf(x, b), [0]);
  const columns = count(b, b.Max(total, b.sizes([room])));
  const both = sum(room, steps, b);
  const start = b.Unsqueeze(past, [1]);
  const came = b.Sub(columns, start);
  const isNew = b.GreaterOrEqual({ A: came, B: b.constant(0, 'int64') });
  const isKept = b.Less(came, scalarOf(steps, b));
  const place = b.Where(isNew, b.Add(came, scalarOf(room, b)), columns);
  const last = b.Sub(scalarOf(both, b), b.constant(1, 'int64'));
  const entry = b.Unsqueeze(b.Mul(count(b, b.dim(x.query, 0)), scalarOf(both, b)), [1]);
  const index = b.Add(b.Min(place, last), entry);
  return (before, now, heads) => {
    const size = headSize(now, heads);
    if (!before || size < 0) throw fail('E3009', 'GroupQueryAttention: the hidden size must be known');
    const flat = b.Reshape(b.Transpose(before, [0, 2, 1, 3]), [0, 0, heads * size]);
    const all = b.Reshape(b.Concat([flat, now], 1), [-1, heads * size]);
    const moved = b.Reshape(b.Gather(all, index, 0), [0, 0, heads, size]);
    return b.Transpose(b.Where(b.Unsqueeze(isKept, [2, 3]), moved, b.like(0, moved)), [0, 2, 1, 3]);
  };
}

function attendGroups(
  q: Value,
  k: Value,
  v: Value,
  x: Grouped,
  at: Attributes,
  places: Places,
  b: Builder,
): { y: Value; scores: Value; weights: Value } {
  const { num_heads: heads, kv_num_heads: shared } = at;
  const size = shapeOf(q)[3]!;
  if (heads % shared !== 0) throw fail('E1305', `GroupQueryAttention: ${heads} query heads do not share ${shared} key heads evenly`);
  // Query heads that share a key head are rows of one product.
  const regroup = (t: Value, to: number, last: Size): Value => (heads === shared ? t : b.Reshape(t, [0, to, -1, last]));
  const open = typeof size === 'number' ? size : 0;
  const product = b.MatMul(regroup(b.Mul(q, scaleOf(q, at.scale, b)), shared, open), b.Transpose(k, [0, 1, 3, 2]));
  const raw = regroup(product, heads, 0);
  const cap = at.softcap ? b.like(at.softcap, raw) : undefined;
  const capped = cap ? b.Mul(b.Tanh(b.Div(raw, cap)), cap) : raw;
  const biased = x.attention_bias ? b.Add(capped, asLongAs(x.attention_bias, k, b)) : capped;
  const near = reach(k, at, places, b);
  const scores = b.Where(near, biased, b.like(Number.NEGATIVE_INFINITY, biased));
  const sink = x.head_sink ? b.Reshape(x.head_sink, [1, heads, 1, 1]) : at.smooth_softmax > 0 ? b.like(0, scores) : undefined;
  const weights = sink ? softmaxWithSink(scores, sink, b) : b.Softmax({ input: scores });
  return { y: regroup(b.MatMul(regroup(weights, shared, 0), v), heads, open), scores: b.Where(near, biased, b.like(0, biased)), weights };
}

/** [batch, 1, queries, keys]: which keys each query may look at. */
function reach(k: Value, { causal, local_window_size }: Attributes, { rows, lengths }: Places, b: Builder): Value {
  const columns = count(b, b.dim(k, 2));
  if (causal === 0) return b.Less(columns, b.Unsqueeze(lengths, [1, 2, 3]));
  const place = b.Unsqueeze(rows, [1, 3]);
  const before = b.LessOrEqual({ A: columns, B: place });
  if (local_window_size < 0) return before;
  return b.And(before, b.Greater(columns, b.Sub(place, b.constant(local_window_size, 'int64'))));
}

/** A bias with zeros for the rest of the cache, which nothing looks at. */
function asLongAs(bias: Value, k: Value, b: Builder): Value {
  if (sameDim(shapeOf(bias).at(-1)!, shapeOf(k)[2]!)) return bias;
  const missing = b.Sub(b.sizes([b.dim(k, 2)]), b.sizes([b.dim(bias, -1)]));
  return b.Pad({ data: bias, pads: b.sizes([0, missing]), axes: b.ints([-1]) });
}
