// Low-rank adapters (Hu and others, LoRA: Low-Rank Adaptation of Large Language Models, 2021): beside a weight W two small ones, A and B, so
// that the layer computes with W + (alpha / rank) · B A. Names are those of PEFT.
import { Copy } from '../../edit/copy.ts';
import { type Finding, fail } from '../../errors.ts';
import { type Attribute, allNodes, type Model, Node, Value } from '../../ir/graph.ts';
import { resident, type Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { tensorType } from '../../ir/types.ts';
import type { Weights } from '../../ir/weights.ts';
import { asNumbers, tensorOfNumbers } from '../../kernels/memory.ts';
import { type Chosen, number, parseChoice, readOptions, whole } from '../options.ts';
import { matches, type Patterns } from '../parameters.ts';
import { noise } from './noise.ts';

export interface LoraOptions {
  readonly rank: number;
  /** The adapter counts `alpha / rank`. */
  readonly alpha: number;
  /** Names of weights that get adapters; all of Linear layers otherwise. */
  readonly targets?: Patterns | undefined;
  readonly seed?: number | undefined;
}

/** Options as users say them: `8`, `rank=8,alpha=16`, or an object. Errors: E4001. */
export function loraOptions(chosen: Chosen, seed = 0): LoraOptions {
  const { options = {} } = parseChoice(typeof chosen === 'string' ? `lora:${chosen}` : { ...chosen, name: 'lora' }, () => [
    'rank',
    'alpha',
  ]);
  const { targets, ...rest } = options as { readonly targets?: string | readonly string[] };
  const { rank, alpha } = readOptions('lora', { rank: whole(8, 1), alpha: number(16, Number.MIN_VALUE) }, rest);
  const patterns = targets === undefined ? undefined : typeof targets === 'string' ? [targets] : targets;
  return { rank, alpha, targets: patterns, seed };
}

/** A weight with an adapter. */
export interface Adapted {
  /** The name of the weight. */
  readonly name: string;
  /** What stands before `.lora_A.weight`. */
  readonly module: string;
  /** Whether the weight is [outputs, inputs], as PyTorch has it, or the other way round. */
  readonly isOutputsFirst: boolean;
}

export interface LoraModel {
  /** The model with its adapters, which add nothing yet. */
  readonly model: Model;
  readonly adapted: readonly Adapted[];
  /** Names of the weights that are trained. */
  readonly trainable: readonly string[];
  readonly options: LoraOptions;
  readonly findings: readonly Finding[];
}

const nameA = (module: string): string => `${module}.lora_A.weight`;
const nameB = (module: string): string => `${module}.lora_B.weight`;

/**
 * A copy of the model with adapters beside the weights of Linear layers (MatMul and Gemm).
 * @throws ModelError E3001 for a pattern that fits no such weight, and where there is none
 */
export function withLora(model: Model, options: LoraOptions): LoraModel {
  const { rank, alpha, targets, seed = 0 } = options;
  const copy = new Copy().model(model);
  const found = linearWeights(copy);
  for (const pattern of targets ?? [])
    if (![...found.keys()].some(v => matches(pattern, v.name)))
      throw fail('E3001', `no weight of a Linear layer is named ${quoted(pattern)}`);
  const chosen = [...found].filter(([v]) => !targets || targets.some(pattern => matches(pattern, v.name)));
  if (chosen.length === 0) throw fail('E3001', 'the model has no Linear layer with a weight that could get an adapter');
  const replaced = new Map<Value, Value>();
  const nodes: Node[] = [];
  const adapted = chosen.map(([weight, isOutputsFirst], i): Adapted => {
    const module = weight.name.replace(/\.weight$/, '');
    const { type, dims } = weight.tensor!;
    const [outputs, inputs] = isOutputsFirst ? (dims as [number, number]) : (dims.toReversed() as [number, number]);
    // As PEFT begins: A by chance, B zero, so that the model computes what it did.
    const A = constant(nameA(module), noise(type, [rank, inputs], 1 / Math.sqrt(inputs), seed + i));
    const B = constant(nameB(module), noise(type, [outputs, rank], 0, 0));
    copy.graph.initializers.push(A, B);
    const add = (op: string, given: readonly Value[], sizes: readonly number[], attributes = new Map<string, Attribute>()): Value => {
      const node = new Node({ op, inputs: given, attributes }, [{ name: `${module}.lora_${op}`, type: tensorType(type, sizes) }]);
      nodes.push(node);
      return node.outputs[0]!;
    };
    const product = add('MatMul', [B, A], [outputs, inputs]);
    const perm: Attribute = { kind: 'ints', value: [1, 0] };
    const turned = isOutputsFirst ? product : add('Transpose', [product], [inputs, outputs], new Map([['perm', perm]]));
    const scaled = add(
      'Mul',
      [turned, new Value(`${module}.lora_scale`, undefined, { tensor: tensorOfNumbers(type, Float64Array.of(alpha / rank), []) })],
      dims,
    );
    replaced.set(weight, add('Add', [weight, scaled], dims));
    return { name: weight.name, module, isOutputsFirst };
  });
  for (const node of allNodes(copy.graph)) node.inputs = node.inputs.map(v => v && (replaced.get(v) ?? v));
  copy.graph.nodes = [...nodes, ...copy.graph.nodes];
  const trainable = adapted.flatMap(({ module }) => [nameA(module), nameB(module)]);
  return { model: copy, adapted, trainable, options, findings: [] };
}

const constant = (name: string, tensor: Tensor): Value => new Value(name, undefined, { tensor, parameter: true });

/** Weights of products with a constant side of two axes, and whether their outputs come first. */
function linearWeights({ graph }: Model): ReadonlyMap<Value, boolean> {
  const found = new Map<Value, boolean>();
  for (const { op, domain, inputs, attributes } of allNodes(graph)) {
    const weight = inputs[1];
    const isProduct = domain === '' && (op === 'MatMul' || op === 'Gemm');
    if (!isProduct || weight?.tensor?.dims.length !== 2 || !weight.name || !/^(bfloat16|float)/.test(weight.tensor.type)) continue;
    const transposed = attributes.get('transB');
    found.set(weight, op === 'Gemm' && transposed?.kind === 'int' && Number(transposed.value) === 1);
  }
  return found;
}

/** The adapters as a checkpoint with PEFT's names. */
export function adapterWeights({ adapted, options }: LoraModel, tensors: ReadonlyMap<string, Tensor>): Weights {
  const entries = adapted.flatMap(({ module }) =>
    [nameA(module), nameB(module)].map((name): [string, Tensor] => [`base_model.model.${name}`, tensors.get(name)!]),
  );
  const metadata = new Map([
    ['format', 'pt'],
    ['r', String(options.rank)],
    ['lora_alpha', String(options.alpha)],
  ]);
  return { tensors: new Map(entries), metadata };
}

/** The model with its adapters in its weights: what they add is added once and for all. */
export async function mergedLora(model: Model, { adapted, options }: LoraModel, tensors: ReadonlyMap<string, Tensor>): Promise<Model> {
  const byName = new Map(adapted.map(a => [a.name, a]));
  const factor = options.alpha / options.rank;
  const replaced = new Map<Tensor, Tensor>();
  for (const weight of linearWeights(model).keys()) {
    const one = byName.get(weight.name);
    if (!one) continue;
    const [A, B] = [tensors.get(nameA(one.module))!, tensors.get(nameB(one.module))!];
    replaced.set(weight.tensor!, merged(await resident(weight.tensor!), A, B, factor, one));
  }
  return new Copy({ tensor: tensor => replaced.get(tensor) ?? tensor }).model(model);
}

function merged(weight: Tensor, A: Tensor, B: Tensor, factor: number, { isOutputsFirst }: Adapted): Tensor {
  const [w, a, b] = [weight, A, B].map(asNumbers) as [Float64Array, Float64Array, Float64Array];
  const [rank, inputs] = A.dims as [number, number];
  const outputs = B.dims[0]!;
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += b[o * rank + r]! * a[r * inputs + i]!;
      w[isOutputsFirst ? o * inputs + i : i * outputs + o]! += factor * sum;
    }
  return tensorOfNumbers(weight.type, w, weight.dims);
}
