// ATen overloads of scaled dot product attention, and of the fused layers around it.
import { sameDim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { broadcastSizes, expandTo, reshapeTo, sizesOf, swapped } from '../../../ops/sizing.ts';
import { axisIn, withAxis } from './axes.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

interface Attended {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
  /** True where a key is looked at, or added to the scores. */
  readonly mask: Value | undefined;
  readonly isCausal: boolean;
  readonly scale: number | undefined;
  /** Several query heads may share a key head. */
  readonly shared: boolean;
}

function attended(x: Args, mask = 'attn_mask'): Attended {
  if (x.number('dropout_p') !== 0) throw unsupported('dropout of attention weights');
  return {
    query: x.tensor('query'),
    key: x.tensor('key'),
    value: x.tensor('value'),
    mask: x.optional(mask),
    isCausal: x.boolean('is_causal'),
    scale: x.optionalNumber('scale'),
    shared: x.any('enable_gqa') === true,
  };
}

/**
 * The Attention operator, whose inputs have 4 axes. Like PyTorch it aligns a causal mask at the first key, and a query that may look
 * at no key gives zeros.
 */
function attend(at: Attended, b: Builder): Value {
  const heads = aligned(at, b);
  const rank = rankOf(heads[0]!);
  const lead = sizesOf(b, heads[0]!).slice(0, Math.max(rank - 3, 1));
  const merged = (v: Value): Value => (rank > 4 ? reshapeTo(b, v, [-1, ...sizesOf(b, v).slice(-3)]) : v);
  const [Q, K, V] = heads.map(merged);
  const attn_mask = at.mask && merged(fullMask(at.mask, heads, lead, b));
  const { Y } = b.Attention({ Q: Q!, K: K!, V: V!, attn_mask }, { is_causal: at.isCausal ? 1 : undefined, scale: at.scale });
  const missing = 4 - Math.max(...[at.query, at.key, at.value].map(rankOf));
  if (missing > 0) return b.Squeeze(Y, range(missing));
  return rank > 4 ? reshapeTo(b, Y, [...lead, ...sizesOf(b, Y).slice(1)]) : Y;
}

/** Query, key and value with the same axes before the last two, 4 axes or more in all; shared key heads stay fewer. */
function aligned({ query, key, value, shared }: Attended, b: Builder): Value[] {
  const given = [query, key, value];
  const rank = Math.max(4, ...given.map(rankOf));
  const lifted = given.map(v => (rankOf(v) < rank ? b.Unsqueeze(v, range(rank - rankOf(v))) : v));
  const common = rank - (shared ? 3 : 2);
  const isCommon = lifted.every(v => shapeOf(v).every((d, axis) => axis >= common || sameDim(d, shapeOf(lifted[0]!)[axis]!)));
  if (isCommon) return lifted;
  const sizes = broadcastSizes(b, lifted).slice(0, common);
  return lifted.map(v => expandTo(b, v, [...sizes, ...sizesOf(b, v).slice(common)]));
}

/**
 * The mask as Attention takes it. A last axis of 1 would mean that only the first key is there, and ONNX Runtime broadcasts over batch and
 * heads alone; beyond 4 axes those of the batch are there in full.
 */
function fullMask(mask: Value, [query, key]: readonly Value[], lead: readonly Size[], b: Builder): Value {
  const rank = Math.max(2, rankOf(mask));
  const matrix = [b.dim(query!, -2), b.dim(key!, -2)];
  const own = [...range(rank - rankOf(mask)).map(() => 1), ...sizesOf(b, mask)].slice(0, -2);
  const isBatched = rankOf(query!) > 4 && rank > 3;
  const batch = isBatched ? [...lead, ...range(lead.length + 3 - rank).map(() => 1), own.at(-1)!] : own;
  return expandTo(b, elementOf(mask) === 'bool' ? mask : b.Cast(mask, elementOf(query!)), [...batch, ...matrix]);
}

/** Scaled products of queries and keys with the mask applied, [..., queries, keys], in the element type `as`. */
function scoresOf({ query, key, mask, isCausal, scale }: Attended, b: Builder, as = elementOf(query)): Value {
  const size = b.dim(query, -1);
  const factor = scale ?? (typeof size === 'number' ? 1 / Math.sqrt(size) : undefined);
  const q = b.Cast(query, as);
  const by = factor === undefined ? b.Reciprocal(b.Sqrt(b.count(q, [rankOf(q) - 1]))) : b.like(factor, q);
  const products = b.MatMul(factor === 1 ? q : b.Mul(q, by), swapped(b, b.Cast(key, as), -2, -1));
  const nothing = b.like(Number.NEGATIVE_INFINITY, products);
  const masked =
    mask === undefined ? products : elementOf(mask) === 'bool' ? b.Where(mask, products, nothing) : b.Add(products, b.Cast(mask, as));
  if (!isCausal) return masked;
  const future = b.Trilu({ input: b.Expand(nothing, sizesOf(b, products).slice(-2)), k: b.constant(1, 'int64') }, { upper: 1 });
  return b.Add(masked, future);
}

/** Where all scores along an axis are -inf: nothing may be looked at. */
const isClosed = (scores: Value, axis: number, b: Builder): Value =>
  b.Equal(b.ReduceMax(scores, { axes: [axis] }), b.like(Number.NEGATIVE_INFINITY, scores));

/** Softmax that gives zeros where all scores are -inf. */
const safeSoftmax = (scores: Value, axis: number, b: Builder): Value =>
  b.Where(isClosed(scores, axis, b), b.like(0, scores), b.Softmax({ input: scores }, { axis }));

/** Attention weights after the mask. A causal mask alone leaves each query the first key. */
function weightsOf(at: Attended, b: Builder): Value | undefined {
  if (at.shared) return undefined;
  const scores = scoresOf(at, b);
  return at.mask ? safeSoftmax(scores, -1, b) : b.Softmax({ input: scores }, { axis: -1 });
}

/** log(sum(exp(scores))) of each query, in float32 at least; 0 where nothing may be looked at. */
function logSumExp(at: Attended, b: Builder): Value {
  const scores = scoresOf(at, b, elementOf(at.query) === 'float64' ? 'float64' : 'float32');
  const all = b.ReduceLogSumExp({ data: scores, axes: b.ints([-1]) }, { keepdims: 0 });
  return at.mask ? b.Where(b.Squeeze(isClosed(scores, -1, b), [-1]), b.like(0, all), all) : all;
}

const mathAttention: AtenRow = (x, b) => {
  if (x.has('dropout_mask')) throw unsupported('a dropout mask');
  const at = attended(x);
  return [attend(at, b), weightsOf(at, b)];
};

/** A device's kernel, whose results for the backward pass are not computed. Some align a causal mask at the last key. */
const fusedAttention =
  ({ mask, results, causal }: { mask: string; results: number; causal: 'square' | 'any' }): AtenRow =>
  (x, b) => {
    const at = attended(x, mask);
    const [queries, keys] = [at.query, at.key].map(v => shapeOf(v).at(-2)!);
    if (at.isCausal && causal === 'square' && !sameDim(queries!, keys!))
      throw unsupported('is_causal with different numbers of queries and keys');
    return [attend(at, b), ...range(results - 1).map(() => undefined)];
  };

/** x W' + bias, over the last axis. */
const projected = (x: Value, weight: Value, bias: Value, b: Builder): Value => b.Add(b.MatMul(x, b.Transpose(weight, [1, 0])), bias);

interface Projections {
  readonly qkv: { readonly weight: Value; readonly bias: Value };
  readonly out: { readonly weight: Value; readonly bias: Value };
}

const projectionsOf = (x: Args): Projections => ({
  qkv: { weight: x.tensor('qkv_weight'), bias: x.tensor('qkv_bias') },
  out: { weight: x.tensor('proj_weight'), bias: x.tensor('proj_bias') },
});

/** Queries, keys and values [batch, steps, embedding]: of one tensor, one product. */
function inProjected(inputs: readonly Value[], embedding: number, { qkv }: Projections, b: Builder): readonly Value[] {
  const three = range(3).map(() => embedding);
  if (inputs.every(v => v === inputs[0])) return b.Split(projected(inputs[0]!, qkv.weight, qkv.bias, b), three, -1);
  const [weights, biases] = [b.Split(qkv.weight, three, 0), b.Split(qkv.bias, three, 0)];
  return inputs.map((v, i) => projected(v, weights[i]!, biases[i]!, b));
}

/** The mask of a fused layer, true where a key is looked at, against scores [batch, heads, queries, keys]. */
function openMask(x: Args, steps: Size, b: Builder): Value | undefined {
  const mask = x.optional('mask');
  if (!mask) return undefined;
  if (elementOf(mask) !== 'bool') throw unsupported(`a mask of ${elementOf(mask)}`);
  const open = b.Not(mask);
  return x.number('mask_type') === 1 ? expandTo(b, b.Unsqueeze(open, [1, 2]), [-1, 1, steps, -1]) : open;
}

/** Attention between three projections and a fourth; weights only where they are asked for. */
const multiHead: AtenRow = (x, b) => {
  const [embedding, heads] = [x.number('embed_dim'), x.number('num_head')];
  const projections = projectionsOf(x);
  const inputs = ['query', 'key', 'value'].map(name => x.tensor(name));
  const [Q, K, V] = inProjected(inputs, embedding, projections, b);
  const mask = openMask(x, b.dim(Q!, 1), b);
  const { Y } = b.Attention({ Q: Q!, K: K!, V: V!, attn_mask: mask }, { q_num_heads: heads, kv_num_heads: heads });
  const y = projected(Y, projections.out.weight, projections.out.bias, b);
  if (!x.boolean('need_weights')) return [y, undefined];
  const [query, key] = [Q!, K!].map(v => b.Transpose(b.Reshape(v, [0, 0, heads, embedding / heads]), [0, 2, 1, 3]));
  const weights = weightsOf({ query: query!, key: key!, value: V!, mask, isCausal: false, scale: undefined, shared: false }, b)!;
  return [y, x.boolean('average_attn_weights') ? b.ReduceMean({ data: weights, axes: b.ints([1]) }, { keepdims: 0 }) : weights];
};

/** A whole encoder layer: attention and two linear layers, each with a normalisation before it or after its residual sum. */
const encoderLayer: AtenRow = (x, b) => {
  const source = x.tensor('src');
  const attention = (v: Value): Value => {
    const call = x.with({ query: v, key: v, value: v, num_head: x.number('num_heads'), need_weights: false });
    return (multiHead(call, b) as readonly Value[])[0]!;
  };
  const forward = (v: Value): Value => {
    const inner = projected(v, x.tensor('ffn_weight_1'), x.tensor('ffn_bias_1'), b);
    const active = x.boolean('use_gelu') ? b.Gelu({ X: inner }) : b.Relu(inner);
    return projected(active, x.tensor('ffn_weight_2'), x.tensor('ffn_bias_2'), b);
  };
  const normalised = (v: Value, i: 1 | 2): Value =>
    b.LayerNormalization(
      { X: v, Scale: x.tensor(`norm_weight_${i}`), B: x.tensor(`norm_bias_${i}`) },
      { axis: -1, epsilon: x.number('eps') },
    ).Y;
  if (x.boolean('norm_first')) {
    const y = b.Add(source, attention(normalised(source, 1)));
    return b.Add(y, forward(normalised(y, 2)));
  }
  const y = normalised(b.Add(source, attention(source)), 1);
  return normalised(b.Add(y, forward(y)), 2);
};

export const attention: AtenRows = {
  'scaled_dot_product_attention.default': (x, b) => attend(attended(x), b),
  '_scaled_dot_product_attention_math.default': mathAttention,
  '_scaled_dot_product_flash_attention_for_cpu.default': (x, b) => {
    const at = attended(x);
    return [attend(at, b), logSumExp(at, b)];
  },
  '_scaled_dot_product_efficient_attention.default': fusedAttention({ mask: 'attn_bias', results: 4, causal: 'any' }),
  '_scaled_dot_product_flash_attention.default': fusedAttention({ mask: 'attn_mask', results: 9, causal: 'square' }),
  '_scaled_dot_product_cudnn_attention.default': fusedAttention({ mask: 'attn_bias', results: 9, causal: 'square' }),
  '_scaled_dot_product_fused_attention_overrideable.default': fusedAttention({ mask: 'attn_bias', results: 9, causal: 'square' }),
  '_safe_softmax.default': (x, b) => {
    const self = x.tensor('self');
    return withAxis(b, b.Cast(self, x.element('dtype') ?? elementOf(self)), v => safeSoftmax(v, axisIn(x, self), b));
  },
  '_native_multi_head_attention.default': multiHead,
  '_transformer_encoder_layer_fwd.default': encoderLayer,
};
