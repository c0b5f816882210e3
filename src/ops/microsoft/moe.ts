// Mixtures of experts: every token goes through the experts that its router weights most. Here all experts see all tokens, and those
// that were not chosen count for nothing.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { count } from '../generate.ts';
import { otherComposite } from '../row.ts';
import { rankOf, shapeOf } from '../shapes.ts';
import { fastGelu, silu } from './activations.ts';
import { unpacked } from './nbits.ts';

interface Routed {
  readonly input: Value;
  readonly router_probs: Value;
  readonly router_weights?: Value;
  readonly fc1_experts_bias?: Value;
  readonly fc2_experts_bias?: Value;
  readonly fc3_experts_bias?: Value;
}

/** [experts, outputs, inputs] each. */
interface Weights {
  readonly fc1: Value;
  readonly fc2: Value;
  readonly fc3: Value | undefined;
}

interface Attributes {
  readonly k: number;
  readonly activation_type: string;
  readonly activation_alpha: number;
  readonly activation_beta: number;
  readonly swiglu_fusion: number;
  readonly swiglu_limit?: number;
  readonly swiglu_limit_after_activation: number;
  readonly use_sparse_mixer: number;
  readonly normalize_routing_weights: number;
}

function experts(x: Routed, w: Weights, at: Attributes, b: Builder): Value {
  if (at.use_sparse_mixer || at.swiglu_limit_after_activation) throw fail('E3004', 'MoE: this way of mixing has no meaning here');
  const hidden = shapeOf(x.input).at(-1)!;
  const tokens = rankOf(x.input) === 2 ? x.input : b.Reshape(x.input, [-1, typeof hidden === 'number' ? hidden : b.dim(x.input, -1)]);
  const rows = b.Unsqueeze(tokens, [0]);
  const product = (v: Value, weight: Value, bias: Value | undefined): Value => {
    const y = b.MatMul(v, b.Transpose(weight, [0, 2, 1]));
    return bias ? b.Add(y, b.Unsqueeze(bias, [1])) : y;
  };
  const third = w.fc3 && product(rows, w.fc3, x.fc3_experts_bias);
  const inner = activated(product(rows, w.fc1, x.fc1_experts_bias), third, at, b);
  const outer = product(inner, w.fc2, x.fc2_experts_bias);
  const shares = b.Unsqueeze(b.Transpose(routing(x, at, b), [1, 0]), [2]);
  const y = b.ReduceSum(b.Mul(outer, shares), { axes: [0], keepdims: 0 });
  return rankOf(x.input) === 2 ? y : b.emit('Reshape', [y, b.Shape(x.input)])[0]!;
}

/** [tokens, experts]: the share of each expert, 0 of those that are not among the first k. */
function routing({ router_probs: logits, router_weights }: Routed, { k, normalize_routing_weights }: Attributes, b: Builder): Value {
  const [mine, theirs] = [b.Unsqueeze(logits, [2]), b.Unsqueeze(logits, [1])];
  const places = count(b, b.dim(logits, 1));
  const isEarlier = b.Less(places, b.Unsqueeze(places, [1]));
  const isBefore = b.Or(b.Greater(theirs, mine), b.And(b.Equal(theirs, mine), isEarlier));
  const rank = b.ReduceSum(b.Cast(isBefore, 'int32'), { axes: [2], keepdims: 0 });
  const chosen = b.Less(rank, b.constant(k, 'int32'));
  const none = b.like(0, logits);
  if (router_weights) {
    const given = b.Where(chosen, router_weights, none);
    return normalize_routing_weights ? b.Div(given, b.ReduceSum(given, { axes: [1] })) : given;
  }
  const e = b.Exp(b.Sub(logits, b.ReduceMax(logits, { axes: [1] })));
  const kept = b.Where(chosen, e, none);
  return b.Div(kept, b.ReduceSum(normalize_routing_weights ? kept : e, { axes: [1] }));
}

function activated(x: Value, third: Value | undefined, at: Attributes, b: Builder): Value {
  const kind = at.activation_type;
  if (kind === 'swiglu') return swiglu(x, third, at, b);
  const plain: Readonly<Record<string, (x: Value) => Value>> = {
    relu: v => b.Relu(v),
    gelu: v => fastGelu(v, b),
    silu: v => silu(v, b),
    identity: v => v,
  };
  if (!Object.hasOwn(plain, kind)) throw fail('E3004', `MoE: the activation ${kind} has no meaning here`);
  const y = plain[kind]!(x);
  return third ? b.Mul(y, third) : y;
}

function swiglu(x: Value, third: Value | undefined, at: Attributes, b: Builder): Value {
  const [gate, linear] = halves(x, third, at.swiglu_fusion, b);
  const max = at.swiglu_limit === undefined ? undefined : b.like(at.swiglu_limit, x);
  const g = max ? b.Min(gate, max) : gate;
  const l = max ? b.Max(b.Min(linear, max), b.Neg(max)) : linear;
  return b.Mul(b.Mul(g, b.Sigmoid(b.Mul(g, b.like(at.activation_alpha, x)))), b.Add(l, b.like(at.activation_beta, x)));
}

/** Gate and linear half: products of their own, in turns, or one after the other. */
function halves(x: Value, third: Value | undefined, fusion: number, b: Builder): readonly [Value, Value] {
  if (fusion === 0) {
    if (!third) throw fail('E3004', 'MoE: swiglu without its second product has no meaning here');
    return [x, third];
  }
  const half = b.dim(x, 2);
  const pairs = fusion === 1 && typeof half === 'number' ? b.Reshape(x, [0, 0, half / 2, 2]) : x;
  const [gate, linear] = b.emit('Split', [pairs], { axis: -1, num_outputs: 2 }, { outputs: ['gate', 'up'] }) as readonly [Value, Value];
  if (fusion === 2) return [gate, linear];
  if (typeof half !== 'number') throw fail('E3009', 'MoE: the inner size must be known');
  return [b.Squeeze(gate, [3]), b.Squeeze(linear, [3])];
}

interface Packed extends Routed {
  readonly fc1_experts_weights: Value;
  readonly fc1_scales?: Value;
  readonly fc1_zero_points?: Value;
  readonly fc2_experts_weights: Value;
  readonly fc2_scales?: Value;
  readonly fc2_zero_points?: Value;
  readonly fc3_experts_weights?: Value;
  readonly fc3_scales?: Value;
  readonly fc3_zero_points?: Value;
}

interface Bits {
  readonly expert_weight_bits: number;
  readonly fc1_expert_weight_bits?: number;
  readonly fc2_expert_weight_bits?: number;
  readonly fc3_expert_weight_bits?: number;
  readonly block_size?: number;
  readonly quant_type: string;
}

/** [experts, outputs, inputs] numbers with a scale an output, or one a block of inputs. */
function dequantised(codes: Value, scales: Value | undefined, zeros: Value | undefined, bits: number, b: Builder): Value {
  if (!scales) throw fail('E3004', 'QMoE: weights without scales have no meaning here');
  const whole = unpacked(codes, bits, b);
  const blocks = rankOf(scales) === 3 ? shapeOf(scales)[2]! : 1;
  if (typeof blocks !== 'number') throw fail('E3009', 'QMoE: the number of blocks must be known');
  const scale = rankOf(scales) === 2 ? b.Unsqueeze(scales, [2]) : scales;
  const zero = zeros ? zerosOf(zeros, scale, rankOf(scales), bits, b) : b.constant(2 ** (bits - 1), 'float32');
  const along = (v: Value): Value => (rankOf(v) === 0 ? v : b.Unsqueeze(v, [3]));
  const inBlocks = b.Reshape(whole, [0, 0, blocks, -1]);
  const size = b.dim(whole, 2);
  return b.Reshape(b.Mul(b.Sub(inBlocks, along(zero)), along(scale)), [0, 0, size]);
}

/** Zero points of [experts, outputs, blocks]; one an output is packed along the outputs. */
function zerosOf(zeros: Value, scale: Value, rank: number, bits: number, b: Builder): Value {
  const codes = unpacked(zeros, bits, b);
  if (rank === 3) return b.Slice(codes, { axes: [2], starts: [0], ends: [b.dim(scale, 2)] });
  return b.Unsqueeze(b.Slice(codes, { axes: [1], starts: [0], ends: [b.dim(scale, 1)] }), [2]);
}

export const mixtures = {
  MoE: otherComposite<Routed & { fc1_experts_weights: Value; fc2_experts_weights: Value; fc3_experts_weights?: Value }, Attributes>({
    lower: (x, at, b) => experts(x, { fc1: x.fc1_experts_weights, fc2: x.fc2_experts_weights, fc3: x.fc3_experts_weights }, at, b),
  }),
  QMoE: otherComposite<Packed, Attributes & Bits>({
    lower(x, at, b) {
      if (at.quant_type !== 'int') throw fail('E3004', `QMoE: weights of ${at.quant_type} have no meaning here`);
      const bits = [at.fc1_expert_weight_bits, at.fc2_expert_weight_bits, at.fc3_expert_weight_bits].map(n => n ?? at.expert_weight_bits);
      const fc1 = dequantised(x.fc1_experts_weights, x.fc1_scales, x.fc1_zero_points, bits[0]!, b);
      const fc2 = dequantised(x.fc2_experts_weights, x.fc2_scales, x.fc2_zero_points, bits[1]!, b);
      const fc3 = x.fc3_experts_weights && dequantised(x.fc3_experts_weights, x.fc3_scales, x.fc3_zero_points, bits[2]!, b);
      // On the CPU ONNX Runtime normalises the shares of these, whatever the attribute says.
      return experts(x, { fc1, fc2, fc3 }, { ...at, normalize_routing_weights: 1 }, b);
    },
  }),
};
