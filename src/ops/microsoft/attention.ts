// Attention over heads that each have keys of their own, and rotary embeddings, as ONNX Runtime's optimisers write them.
import { fail } from '../../errors.ts';
import { floorDivDims, sameDim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { count } from '../generate.ts';
import { otherComposite } from '../row.ts';
import { rankOf, shapeOf } from '../shapes.ts';
import { attend, causalBias, headSize, type Places, paddingBias, splitHeads, sum } from './heads.ts';
import { dequantized } from './scales.ts';

interface Common {
  readonly num_heads: number;
  readonly scale?: number;
  readonly mask_filter_value?: number;
  readonly unidirectional: number;
}

interface Multi {
  readonly query: Value;
  readonly key?: Value;
  readonly value?: Value;
  readonly bias?: Value;
  readonly key_padding_mask?: Value;
  readonly attention_bias?: Value;
  readonly past_key?: Value;
  readonly past_value?: Value;
  readonly past_sequence_length?: Value;
  readonly cache_indirection?: Value;
}

interface Projected {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** Attributes of a state in a buffer that is longer than what it holds. */
interface Shared {
  readonly past_present_share_buffer?: number;
  readonly do_rotary?: number;
}

const placesOf = (q: Value, past: Value | undefined, k: Value, b: Builder): Places => {
  const before = past ? b.dim(past, -2) : 0;
  return { batch: b.dim(q, 0), steps: b.dim(q, 2), past: before, total: sum(before, b.dim(k, 2), b) };
};

/** The bias that the masks make, added to the scores. */
function maskBias(mask: Value | undefined, q: Value, places: Places, at: Common, b: Builder): Value | undefined {
  const padding = mask && paddingBias(mask, q, places, at.mask_filter_value ?? -10000, b);
  return at.unidirectional ? causalBias(padding, places, b) : padding;
}

const joined = (past: Value | undefined, now: Value, b: Builder): Value => (past ? b.Concat([past, now], 2) : now);

/** Part `i` of an axis of parts, which goes. */
const part = (x: Value, axis: number, i: number, b: Builder): Value =>
  b.Squeeze(b.Slice(x, { axes: [axis], starts: [i], ends: [i + 1] }), [axis]);

function projections(x: Multi, heads: number, b: Builder): Projected {
  const { query, key, value } = x;
  if (rankOf(query) === 5)
    return headed(
      [0, 1, 2].map(i => part(query, 3, i, b)),
      x.bias,
      heads,
      b,
    );
  if (key && rankOf(key) === 5) return headed([query, part(key, 3, 0, b), part(key, 3, 1, b)], x.bias, heads, b);
  if (!key || !value) throw fail('E3004', 'MultiHeadAttention: a query without keys has no meaning here');
  return headed([query, key, value], x.bias, heads, b);
}

/** Query, keys and values with their biases as [batch, heads, sequence, size]. Keys that come with heads are a state, without a bias. */
function headed(parts: readonly Value[], bias: Value | undefined, heads: number, b: Builder): Projected {
  const flat = parts.map((x, i) => (rankOf(x) === 4 && i === 0 ? b.Reshape(x, [0, 0, -1]) : x));
  const widths = parts.map(x => (rankOf(x) === 4 ? 0 : shapeOf(x)[2]!));
  const [width] = widths;
  const biasOf = (i: number): Value | undefined => {
    if (!bias) return undefined;
    if (typeof width !== 'number') throw fail('E3009', 'MultiHeadAttention: the hidden size must be known');
    return b.Slice(bias, { axes: [0], starts: [i * width], ends: [i === 2 ? Number.MAX_SAFE_INTEGER : (i + 1) * width] });
  };
  const [q, k, v] = flat.map((x, i) => {
    const own = rankOf(x) === 3 ? biasOf(i) : undefined;
    return splitHeads(own ? b.Add(x, own) : x, heads, b);
  });
  return { q: q!, k: k!, v: v! };
}

interface Merged {
  readonly mask_index?: Value;
  readonly past?: Value;
  readonly attention_bias?: Value;
}

/** Attention over queries, keys and values that one product made, with a state of both in one tensor. */
function mergedAttention(
  qkv: readonly Value[],
  { mask_index, past, attention_bias }: Merged,
  at: Common & Shared,
  b: Builder,
): { output: Value; present: Value | undefined } {
  if (at.past_present_share_buffer) throw fail('E3004', 'Attention: a state in a shared buffer has no meaning here');
  if (at.do_rotary) throw fail('E3004', 'Attention: rotary embeddings inside have no meaning here');
  const [q, k, v] = qkv.map(x => splitHeads(x, at.num_heads, b)) as [Value, Value, Value];
  const [pastKey, pastValue] = past ? [part(past, 0, 0, b), part(past, 0, 1, b)] : [];
  const [keys, values] = [joined(pastKey, k, b), joined(pastValue, v, b)];
  const bias = maskBias(mask_index, q, placesOf(q, pastKey, k, b), at, b);
  const { y } = attend({ q, k: keys, v: values }, { scale: at.scale, biases: [bias, attention_bias] }, b);
  // Heads of different sizes have no state: both would be one tensor.
  const isState = sameDim(shapeOf(keys)[3]!, shapeOf(values)[3]!);
  return { output: y, present: isState ? b.Concat([b.Unsqueeze(keys, [0]), b.Unsqueeze(values, [0])], 0) : undefined };
}

function thirds(x: Value, sizes: readonly number[] | undefined, b: Builder): readonly Value[] {
  if (sizes) return b.Split(x, sizes, -1);
  return b.emit('Split', [x], { axis: -1, num_outputs: 3 }, { outputs: ['q', 'k', 'v'] }) as readonly Value[];
}

export const attention = {
  MultiHeadAttention: otherComposite<Multi, Common>({
    lower(x, at, b) {
      if (x.past_sequence_length || x.cache_indirection)
        throw fail('E3004', 'MultiHeadAttention: a state in a shared buffer has no meaning here');
      const { q, k, v } = projections(x, at.num_heads, b);
      const [keys, values] = [joined(x.past_key, k, b), joined(x.past_value, v, b)];
      const bias = maskBias(x.key_padding_mask, q, placesOf(q, x.past_key, k, b), at, b);
      const { y, scores } = attend({ q, k: keys, v: values }, { scale: at.scale, biases: [bias, x.attention_bias] }, b);
      return { output: y, present_key: keys, present_value: values, qk: scores };
    },
  }),
  Attention: otherComposite<
    Merged & { input: Value; weights: Value; bias?: Value },
    Common & Shared & { qkv_hidden_sizes?: readonly number[] }
  >({
    lower(x, at, b) {
      const product = b.MatMul(x.input, x.weights);
      const qkv = thirds(x.bias ? b.Add(product, x.bias) : product, at.qkv_hidden_sizes, b);
      return mergedAttention(qkv, x, at, b);
    },
  }),
  QAttention: otherComposite<
    Merged & {
      input: Value;
      weight: Value;
      bias: Value;
      input_scale: Value;
      weight_scale: Value;
      input_zero_point?: Value;
      weight_zero_point?: Value;
    },
    Common & Shared
  >({
    lower(x, at, b) {
      const input = dequantized(x.input, x.input_scale, x.input_zero_point, b);
      const weight = dequantized(x.weight, x.weight_scale, x.weight_zero_point, b);
      return mergedAttention(thirds(b.Add(b.MatMul(input, weight), x.bias), undefined, b), x, at, b);
    },
  }),
  RotaryEmbedding: otherComposite<
    { input: Value; position_ids: Value; cos_cache: Value; sin_cache: Value },
    { num_heads?: number; rotary_embedding_dim?: number; interleaved?: number; is_packed_batching?: number; scale?: number }
  >({
    lower({ input, position_ids, cos_cache, sin_cache }, at, b) {
      if (at.scale !== undefined && at.scale !== 1) throw fail('E3004', 'RotaryEmbedding: a scale has no meaning here');
      const flat = rankOf(input) === 3;
      const rotary_embedding_dim = at.rotary_embedding_dim || undefined;
      const num_heads = flat ? at.num_heads || headsByCache(input, cos_cache) : undefined;
      if (flat) headSize(input, num_heads!);
      const steps = b.dim(input, flat ? 1 : 2);
      const places = rankOf(position_ids) === 1 ? b.Unsqueeze(b.Add(count(b, steps), position_ids), [0]) : position_ids;
      return b.RotaryEmbedding(
        { X: input, cos_cache, sin_cache, position_ids: places },
        { interleaved: at.interleaved, num_heads, rotary_embedding_dim },
      );
    },
  }),
};

/** Where the number of heads is not said, the cache is as wide as half a head. */
function headsByCache(input: Value, cache: Value): number {
  const heads = floorDivDims(shapeOf(input)[2]!, shapeOf(cache)[1]!);
  if (typeof heads !== 'number') throw fail('E3009', 'RotaryEmbedding: the hidden size must be known');
  return Math.max(Math.floor(heads / 2), 1);
}
