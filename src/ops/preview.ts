// ai.onnx.preview: operators that may still change.
import { fail } from '../errors.ts';
import type { Graph, Value } from '../ir/graph.ts';
import { dataTypeOfCode, tensorType } from '../ir/types.ts';
import type { Builder } from './builder.ts';
import { type OtherFamily, otherComposite } from './row.ts';
import { elementOf, shapeOf } from './shapes.ts';

interface FlexInputs {
  readonly Q: Value;
  readonly K: Value;
  readonly V: Value;
}
interface FlexAttributes {
  readonly scale?: number;
  readonly softmax_precision?: number;
  readonly score_mod?: Graph;
  readonly prob_mod?: Graph;
}

export const preview: OtherFamily = {
  FlexAttention: otherComposite<FlexInputs, FlexAttributes>({
    infer: ({ Q, V }) => [tensorType(elementOf(V), [...shapeOf(Q).slice(0, 3), shapeOf(V)[3]!])],
    lower: ({ Q, K, V }, at, b) => flexAttention(Q, K, V, at, b),
  }),
};

/** Attention whose scores and weights pass through graphs of the file. */
function flexAttention(Q: Value, K: Value, V: Value, { scale, softmax_precision, score_mod, prob_mod }: FlexAttributes, b: Builder): Value {
  const [[, heads], [, shared], size] = [shapeOf(Q), shapeOf(K), b.dim(Q, 3)];
  if (shapeOf(Q).length !== 4 || shapeOf(K).length !== 4 || shapeOf(V).length !== 4)
    throw fail('E1305', 'FlexAttention: Q, K and V must have 4 axes');
  if (typeof heads !== 'number' || typeof shared !== 'number') throw fail('E3009', 'FlexAttention: the numbers of heads must be known');
  if (heads % shared !== 0) throw fail('E1305', `FlexAttention: ${heads} query heads do not share ${shared} key heads evenly`);
  const [query, key, value] = heads === shared ? [Q, K, V] : [grouped(Q, shared, b), b.Unsqueeze(K, [2]), b.Unsqueeze(V, [2])];
  const exact = elementOf(Q) === 'float64' ? 'float64' : 'float32';
  const precision = (softmax_precision === undefined ? undefined : dataTypeOfCode(softmax_precision)) ?? exact;
  const root =
    scale !== undefined || typeof size === 'number'
      ? b.like(Math.sqrt(scale ?? 1 / Math.sqrt(size as number)), Q)
      : b.Reciprocal(b.Sqrt(b.Sqrt(b.Cast(size, elementOf(Q)))));
  const turned = b.Transpose(key, heads === shared ? [0, 1, 3, 2] : [0, 1, 2, 4, 3]);
  const scores = joined(b.MatMul(b.Mul(query, root), b.Mul(turned, root)), heads, shared, b);
  const changed = modified(b.Cast(scores, precision), score_mod, 'score_mod', b);
  const weights = modified(b.Softmax({ input: changed }), prob_mod, 'prob_mod', b);
  const split = heads === shared ? weights : grouped(weights, shared, b);
  return b.Cast(joined(b.MatMul(split, b.Cast(value, precision)), heads, shared, b), elementOf(V));
}

/** [batch, heads, …] as [batch, key heads, group, …]. */
const grouped = (v: Value, shared: number, b: Builder): Value =>
  b.Reshape(v, [0, shared, (shapeOf(v)[1] as number) / shared, b.dim(v, 2), b.dim(v, 3)]);
const joined = (v: Value, heads: number, shared: number, b: Builder): Value =>
  heads === shared ? v : b.Reshape(v, [0, heads, b.dim(v, 3), b.dim(v, 4)]);

function modified(v: Value, graph: Graph | undefined, name: string, b: Builder): Value {
  if (!graph) return v;
  const [made, ...more] = b.inline(graph, [v]);
  if (graph.inputs.length === 1 && made && more.length === 0) return made;
  throw fail('E1303', `FlexAttention: ${name} must be a graph of one input and one output`);
}
