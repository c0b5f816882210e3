// Core layers: products with weights, lookups, masks.
import type { Dim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { activate } from '../activations.ts';
import { KerasTensor, type LayerCall, type LayerRows, masked, nestedNumbers, plain, unsupported, type VariableSizes } from './row.ts';

/** The result through the layer's own activation. */
export const activated = (x: LayerCall, y: Value, entry = 'activation'): Value =>
  activate(x.b, y, x.config.find(entry), x.reader.reading.version);

/** Layers whose variables are stored as integers with scales are not read. */
export function requireFloats({ policy }: LayerCall): void {
  if (policy.quantization !== undefined && policy.quantization !== 'float8')
    throw unsupported(`weights quantised as ${policy.quantization}`);
  if (policy.quantization === 'float8') throw unsupported('computation in float8');
}

/** Input [..., n] times a kernel [n, units]. */
function dense(x: LayerCall, b: Builder): Value {
  requireFloats(x);
  const [input, units] = [x.real, x.config.number('units')];
  const { kernel, bias } = x.variables({ kernel: [x.size(input, -1), units], bias: x.config.boolean('use_bias', true) && [units] });
  const product = b.MatMul(input, kernel!);
  return activated(x, bias ? b.Add(product, bias) : product);
}

/** Letters of an equation with ellipses spelled out, as ONNX and Keras both have them. */
export function einsumOf(
  x: LayerCall,
  b: Builder,
  input: Value,
  equation: string,
  outputSizes: readonly (number | null)[],
  biasAxes: string | undefined,
  activation = true,
): Value {
  const clean = equation.replace(/\s/g, '');
  const parts = /^([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)$/.exec(clean);
  if (!parts) throw unsupported(`the equation ${JSON.stringify(equation.slice(0, 100))}`);
  const [, from, weights, to] = parts as unknown as [string, string, string, string];
  const sizes = letterSizes(from, shapeOf(input), to, outputSizes);
  const biasLetters =
    biasAxes === undefined
      ? ''
      : to
          .replace('...', '')
          .split('')
          .filter(c => biasAxes.includes(c));
  const firstBias = biasAxes === undefined ? -1 : Math.min(...[...biasAxes].map(c => to.replace('...', '').indexOf(c)));
  // The bias has every axis from its first one on; those that it does not name have size 1.
  const biasSizes: VariableSizes =
    biasAxes !== undefined &&
    biasLetters.length > 0 &&
    to
      .replace('...', '')
      .slice(firstBias)
      .split('')
      .map(c => (biasAxes.includes(c) ? sizes.get(c) : 1));
  const { kernel, bias } = x.variables({ kernel: [...weights].map(c => sizes.get(c)), bias: biasSizes });
  const y = b.Einsum({ Inputs: [input, kernel!] }, { equation: clean });
  const sum = bias ? b.Add(y, bias) : y;
  return activation ? activated(x, sum) : sum;
}

function letterSizes(from: string, input: readonly Dim[], to: string, output: readonly (number | null)[]): Map<string, number | undefined> {
  const sizes = new Map<string, number | undefined>();
  const note = (letter: string, size: Dim | null | undefined): void => {
    if (typeof size === 'number') sizes.set(letter, size);
  };
  const [head, tail] = from.includes('...') ? (from.split('...') as [string, string]) : [from, ''];
  [...head].forEach((c, i) => note(c, input[i]));
  [...tail].forEach((c, i) => note(c, input.at(i - tail.length)));
  // Output sizes leave the batch out and count from the end.
  const letters = [...to.replace('...', '')];
  letters.forEach((c, i) => {
    if (!sizes.has(c)) note(c, output.at(i - letters.length));
  });
  return sizes;
}

function embedding(x: LayerCall, b: Builder): Value {
  requireFloats(x);
  const { embeddings } = x.variables({ embeddings: [x.config.number('input_dim'), x.config.number('output_dim')] });
  return b.Gather(embeddings!, indices(x, b), 0);
}
const indices = ({ first: { value } }: LayerCall, b: Builder): Value => (elementOf(value) === 'int64' ? value : b.Cast(value, 'int32'));
const embeddingMask = (x: LayerCall, b: Builder): Value | undefined =>
  x.config.boolean('mask_zero', false) ? b.Not(b.Equal(x.first.value, b.like(0, x.first.value))) : undefined;

/** Both ways: rows by number, or with `reverse` products with all rows. */
function reversibleEmbedding(x: LayerCall, b: Builder): Value | KerasTensor {
  requireFloats(x);
  const [inputs, size] = [x.config.number('input_dim'), x.config.number('output_dim')];
  const isTied = x.config.boolean('tie_weights', true);
  const { embeddings, reverse_embeddings: own } = x.variables({
    embeddings: [inputs, size],
    reverse_embeddings: !isTied && [size, inputs],
  });
  if (!x.flag('reverse', 1)) return new KerasTensor(b.Gather(embeddings!, indices(x, b), 0), embeddingMask(x, b));
  const logits = b.MatMul(x.input, own ?? b.Transpose(embeddings!, [1, 0]));
  if (!x.config.has('logit_soft_cap')) return logits;
  const cap = b.like(x.config.number('logit_soft_cap'), logits);
  return b.Mul(b.Tanh(b.Div(logits, cap)), cap);
}

/** Steps of which every element is the value that stands for nothing become zeros and are masked. */
function masking(x: LayerCall, b: Builder): KerasTensor {
  const { input } = x;
  const { data } = nestedNumbers(x.config.find('mask_value') ?? 0);
  const differs = b.Not(b.Equal(input, b.like(data[0]!, input)));
  const kept = b.Cast(b.ReduceMax(b.Cast(differs, 'int32'), { axes: [rankOf(input) - 1] }), 'bool');
  return new KerasTensor(b.Where(kept, input, b.like(0, input)), b.Squeeze(kept, [rankOf(input) - 1]));
}

const einsumDense = (x: LayerCall, b: Builder): Value => {
  requireFloats(x);
  const shape = x.config.find('output_shape');
  const output = Array.isArray(shape) ? (shape as (number | null)[]) : [typeof shape === 'number' ? shape : null];
  return einsumOf(x, b, x.real, x.config.text('equation'), output, x.config.has('bias_axes') ? x.config.text('bias_axes') : undefined);
};

export const core: LayerRows = {
  Dense: masked(dense),
  EinsumDense: plain(einsumDense),
  Embedding: { build: embedding, mask: embeddingMask },
  ReversibleEmbedding: plain(reversibleEmbedding),
  Masking: masked(masking),
  Identity: masked(x => x.first.value),
  InputLayer: masked(x => x.first.value),
  Activation: masked((x, b) =>
    activate(b, isFloat(elementOf(x.first.value)) ? x.input : x.real, x.config.find('activation'), x.reader.reading.version),
  ),
};

/** All axes of a tensor but some. */
export const otherAxes = (rank: number, axes: readonly number[]): number[] => range(rank).filter(a => !axes.includes(a));
