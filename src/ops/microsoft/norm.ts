// Normalisations with the residual, bias and embeddings that optimisers fuse into them.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { count } from '../generate.ts';
import { otherComposite } from '../row.ts';
import { axisOf, range, rankOf, shapeOf } from '../shapes.ts';
import { silu } from './activations.ts';
import { dequantized } from './scales.ts';

interface Skip {
  readonly input: Value;
  readonly skip: Value;
  readonly gamma: Value;
  readonly beta?: Value;
  readonly bias?: Value;
}
interface Epsilon {
  readonly epsilon: number;
}

const mean = (x: Value, axes: readonly number[], b: Builder): Value => b.Div(b.ReduceSum(x, { axes }), b.count(x, axes));
const inverseRoot = (x: Value, epsilon: number, b: Builder): Value => b.Reciprocal(b.Sqrt(b.Add(x, b.like(epsilon, x))));

/** x over the root of the mean of its squares, times a scale. */
function rms(x: Value, scale: Value, axes: readonly number[], epsilon: number, b: Builder): { y: Value; inverse: Value } {
  const inverse = inverseRoot(mean(b.Mul(x, x), axes, b), epsilon, b);
  return { y: b.Mul(b.Mul(x, inverse), scale), inverse };
}

export const rmsOver = (x: Value, scale: Value, epsilon: number, b: Builder): Value => rms(x, scale, [-1], epsilon, b).y;

const added = ({ input, skip, bias }: Skip, b: Builder): Value => {
  const sum = b.Add(input, skip);
  return bias ? b.Add(sum, bias) : sum;
};

/** Registered in ai.onnx, where optimised files have it; the standard's RMSNormalization is the same. */
export const simplified = otherComposite<{ X: Value; scale: Value }, Epsilon & { axis: number }>({
  lower({ X, scale }, { axis, epsilon }, b) {
    const from = axisOf(axis, rankOf(X));
    const { y, inverse } = rms(X, scale, range(rankOf(X) - from, from), epsilon, b);
    return { Y: y, inv_std_var: inverse };
  },
});

export const norms = {
  SkipLayerNormalization: otherComposite<Skip, Epsilon>({
    lower(x, { epsilon }, b) {
      const sum = added(x, b);
      const outputs = ['output', 'mean', 'inv_std_var'];
      return [...b.emit('LayerNormalization', [sum, x.gamma, x.beta], { epsilon }, { outputs }), sum];
    },
  }),
  SkipSimplifiedLayerNormalization: otherComposite<Skip, Epsilon>({
    lower(x, { epsilon }, b) {
      const sum = added(x, b);
      const { y, inverse } = rms(sum, x.gamma, [-1], epsilon, b);
      return { output: y, mean: undefined, inv_std_var: inverse, input_skip_bias_sum: sum };
    },
  }),
  EmbedLayerNormalization: otherComposite<Embedded, Epsilon>({
    lower(x, { epsilon }, b) {
      const { y, mask_index, sum } = embedded(x, epsilon, b);
      return { output: y, mask_index, embedding_sum: sum };
    },
  }),
  QEmbedLayerNormalization: otherComposite<EmbeddedCodes, Epsilon>({
    lower(x, { epsilon }, b) {
      const { segment_ids, mask, input_ids } = x;
      const segments = x.segment_embedding && {
        segment_embedding: dequantized(x.segment_embedding, x.segment_embedding_scale!, x.segment_embedding_zero_point, b),
      };
      const { y, mask_index } = embedded(
        {
          input_ids,
          ...(segment_ids && { segment_ids }),
          ...(mask && { mask }),
          ...segments,
          word_embedding: dequantized(x.word_embedding_quant, x.word_embedding_scale, x.word_embedding_zero_point, b),
          position_embedding: dequantized(x.position_embedding_quant, x.position_embedding_scale, x.position_embedding_zero_point, b),
          gamma: dequantized(x.gamma_quant, x.gamma_scale, x.gamma_zero_point, b),
          beta: dequantized(x.beta_quant, x.beta_scale, x.beta_zero_point, b),
        },
        epsilon,
        b,
      );
      return { layernorm_out: y, mask_index_out: mask_index };
    },
  }),
  GroupNorm: otherComposite<Group, GroupAttributes>({ lower: (x, at, b) => groupNorm(x.X, x, at, b) }),
  SkipGroupNorm: otherComposite<Group & { skip: Value; bias?: Value }, GroupAttributes>({
    lower(x, at, b) {
      const last = at.channels_last !== 0;
      const isFlat = rankOf(x.skip) === 2;
      const sum = b.Add(x.X, isFlat ? b.Unsqueeze(x.skip, last ? [1, 2] : [2, 3]) : x.skip);
      const biased = x.bias ? b.Add(sum, last ? x.bias : b.Unsqueeze(x.bias, [1, 2])) : sum;
      return { Y: groupNorm(biased, x, at, b), S: biased };
    },
  }),
};

interface Embedded {
  readonly input_ids: Value;
  readonly segment_ids?: Value;
  readonly word_embedding: Value;
  readonly position_embedding: Value;
  readonly segment_embedding?: Value;
  readonly gamma: Value;
  readonly beta: Value;
  readonly mask?: Value;
  readonly position_ids?: Value;
}

interface EmbeddedCodes {
  readonly input_ids: Value;
  readonly segment_ids?: Value;
  readonly word_embedding_quant: Value;
  readonly position_embedding_quant: Value;
  readonly segment_embedding?: Value;
  readonly gamma_quant: Value;
  readonly beta_quant: Value;
  readonly mask?: Value;
  readonly word_embedding_scale: Value;
  readonly position_embedding_scale: Value;
  readonly segment_embedding_scale?: Value;
  readonly gamma_scale: Value;
  readonly beta_scale: Value;
  readonly word_embedding_zero_point: Value;
  readonly position_embedding_zero_point: Value;
  readonly segment_embedding_zero_point?: Value;
  readonly gamma_zero_point: Value;
  readonly beta_zero_point: Value;
}

/** The sum of the embeddings of words, places and segments, normalised; and how many words the mask leaves of each batch entry. */
function embedded(x: Embedded, epsilon: number, b: Builder): { y: Value; mask_index: Value; sum: Value } {
  const places = x.position_ids ?? count(b, b.dim(x.input_ids, 1));
  const words = b.Add(b.Gather(x.word_embedding, x.input_ids, 0), b.Gather(x.position_embedding, places, 0));
  const sum = x.segment_ids && x.segment_embedding ? b.Add(words, b.Gather(x.segment_embedding, x.segment_ids, 0)) : words;
  const { Y } = b.LayerNormalization({ X: sum, Scale: x.gamma, B: x.beta }, { epsilon });
  const kept = x.mask ?? b.Mul(x.input_ids, b.constant(0, 'int32'));
  return { y: Y, mask_index: b.ReduceSum(kept, { axes: [1], keepdims: 0 }), sum };
}

interface Group {
  readonly X: Value;
  readonly gamma: Value;
  readonly beta: Value;
}
interface GroupAttributes extends Epsilon {
  readonly channels_last: number;
  readonly groups: number;
  readonly activation: number;
}

function groupNorm(x: Value, { gamma, beta }: Group, { channels_last, groups, activation, epsilon }: GroupAttributes, b: Builder): Value {
  if (rankOf(x) !== 4) throw fail('E1305', `GroupNorm: expected 4 axes, found ${shapeOf(x).length}`);
  const channels = shapeOf(x)[channels_last ? 3 : 1]!;
  if (groups < 1 || (typeof channels === 'number' && channels % groups !== 0)) throw fail('E1305', `GroupNorm: ${groups} groups`);
  const X = channels_last ? b.Transpose(x, [0, 3, 1, 2]) : x;
  const y = b.GroupNormalization({ X, scale: gamma, bias: beta }, { num_groups: groups, epsilon });
  const back = channels_last ? b.Transpose(y, [0, 2, 3, 1]) : y;
  return activation === 1 ? silu(back, b) : back;
}
