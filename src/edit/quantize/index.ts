// quantize: integers of few bits in the place of weights, and where the scheme says so of what layers read and make. This is the edit; what
// it has to know of data is given to it.
import { fail, type ModelError } from '../../errors.ts';
import { allNodes, type Model, type Node, type Value } from '../../ir/graph.ts';
import { resident, Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { inferTypes } from '../../opset/infer.ts';
import { target } from '../../opset/target.ts';
import { upgrade } from '../../opset/upgrade.ts';
import { refuseTraining } from '../copy.ts';
import { inlineFunctions } from '../inline.ts';
import { Dynamic, dynamicObstacle, dynamicOps } from './dynamic.ts';
import { type Choice, excluder, findLayers, type Kept, type Layer, labelOf, residentConstant, weightedOps } from './layers.ts';
import { quantizeTensor, type Range, type Sharing, type Step, type StepOptions, type StepType, stepFor } from './numbers.ts';
import { listNoConstants, type QuantizedWeight, type Quantizing } from './quantizing.ts';
import { type ActivationType, Static } from './static.ts';
import { planStatic, type StaticFacts, type StaticPlan, staticLayerOps, staticOps } from './static-plan.ts';
import { WeightsOnly } from './weights-only.ts';

export type { Kept } from './layers.ts';
export type { Range } from './numbers.ts';
export type { Quantizing } from './quantizing.ts';
export type { ActivationType } from './static.ts';

export interface SchemeOptions {
  readonly scheme: Scheme;
  /** Operators to quantise; those of the scheme otherwise. Gather, for tables of int8 and int4, only where it is named. */
  readonly ops?: readonly string[] | undefined;
  /** Names of nodes to leave as they are; `*` stands for any part. */
  readonly exclude?: readonly string[] | undefined;
  /** One scale for a whole weight, instead of one for each of its channels. */
  readonly perTensor?: boolean | undefined;
  /** With int4: how many weights share a scale; 32 otherwise. */
  readonly block?: number | undefined;
  /** Of what is not fixed by the scheme: weights of int8 and int4 (true otherwise), activations of static (false otherwise). */
  readonly symmetric?: boolean | undefined;
  /** With static; uint8 otherwise. */
  readonly activationType?: ActivationType | undefined;
  /** Weights of 7 bits, for processors that add two products in 16 bits; with dynamic and static. */
  readonly reduceRange?: boolean | undefined;
  /** The opset to bring the model to first; its own otherwise. */
  readonly opset?: number | undefined;
}

interface SchemeRow {
  readonly title: string;
  /** Operators whose weights are quantised. */
  readonly layers: readonly string[];
  /** Operators between them that are too. */
  readonly between?: readonly string[];
  /** Operators whose weights are quantised only where they are asked for. */
  readonly onRequest?: readonly string[];
  /** The first opset that has what the scheme writes, and the first where scales may differ by channel. */
  readonly opset: number;
  readonly perChannel: number;
  readonly takes: readonly (keyof SchemeOptions)[];
}

const schemeRows = {
  dynamic: {
    title: 'integers in layers, whose input is quantised when it runs',
    layers: dynamicOps,
    opset: 11,
    perChannel: 11,
    takes: ['perTensor', 'reduceRange'],
  },
  static: {
    title: 'integers between layers, in steps that data decides',
    layers: staticLayerOps,
    between: staticOps,
    opset: 10,
    perChannel: 13,
    takes: ['perTensor', 'reduceRange', 'symmetric', 'activationType'],
  },
  int8: {
    title: 'weights of 8 bits',
    layers: ['Conv', 'ConvTranspose', 'MatMul', 'Gemm'],
    onRequest: ['Gather'],
    opset: 10,
    perChannel: 13,
    takes: ['perTensor', 'symmetric'],
  },
  int4: {
    title: 'weights of 4 bits in blocks',
    layers: ['MatMul', 'Gemm'],
    onRequest: ['Gather'],
    opset: 21,
    perChannel: 21,
    takes: ['block', 'symmetric'],
  },
} as const satisfies Readonly<Record<string, SchemeRow>>;

export type Scheme = keyof typeof schemeRows;
export const schemes = Object.keys(schemeRows) as readonly Scheme[];
const rowOf = (scheme: Scheme): SchemeRow => schemeRows[scheme];

/** A model on the way to being quantised. */
export interface Prepared {
  /** The model that is quantised: without functions, in the opset that was asked for. */
  readonly model: Model;
  /** Values whose ranges `quantizePrepared` has to know. */
  readonly measured: readonly Value[];
  readonly kept: readonly Kept[];
  /** Nodes that become quantised, in their order. */
  readonly nodes: readonly Node[];
  /** Those with a weight, and what they make, where an output can show it. */
  readonly layers: readonly { readonly name: string; readonly op: string; readonly output: Value | undefined }[];
  /** The ranges of `measured`. */
  apply(ranges: ReadonlyMap<Value, Range>): Quantizing;
}

/**
 * Decide what of a model is quantised, and do it with its weights.
 * @throws ModelError E4001 for options that do not go with the scheme, E2004 for an opset that cannot say it, E2011 for a model that is
 * quantised, E2012 where there is nothing to quantise, E3001 for names that no node has, E2002 for a model with training graphs
 */
export async function prepare(source: Model, options: SchemeOptions): Promise<Prepared> {
  const row = checkOptions(options);
  refuseTraining(source);
  const model = inOpset(source.functions.length > 0 ? inlineFunctions(source) : source, row, options);
  refuseQuantized(model);
  const { types } = inferTypes(model);
  const choice = chosen(row, options);
  const isExcluded = excluder(choice, allNodes(model.graph));
  const { layers: all, kept } = findLayers(model, types, choice, isExcluded);
  const layers = new Map<Node, Layer>();
  const weights = new Map<Layer, QuantizedWeight>();
  const quantizer = new Quantizer(options);
  for (const [node, layer] of all) {
    const made = obstacle(layer, options.scheme) ?? (await quantizer.weight(layer));
    if (typeof made === 'string') kept.push({ name: labelOf(node), op: node.op, reason: made });
    else {
      layers.set(node, layer);
      weights.set(layer, made);
    }
  }
  if (layers.size === 0) throw nothing(options.scheme, kept);
  const facts: StaticFacts = { between: choice.between, types, layers, isExcluded, kept };
  const plan = options.scheme === 'static' ? planStatic(model, facts) : undefined;
  return {
    model,
    kept,
    measured: plan?.measured ?? [],
    nodes: [...allNodes(model.graph)].filter(node => (plan?.nodes ?? layers).has(node)),
    layers: [...layers].map(([node, { isNested }]) => ({
      name: labelOf(node),
      op: node.op,
      output: isNested ? undefined : node.outputs[0],
    })),
    apply: ranges => {
      if (plan) return new Static(plan, facts, weights, activations(plan, ranges, options)).quantized(model);
      const scheme = options.scheme === 'dynamic' ? Dynamic : WeightsOnly;
      return new scheme(layers, weights, types).quantized(model);
    },
  };
}

/** Errors: E4001. */
function checkOptions(options: SchemeOptions): SchemeRow {
  const { scheme, ops = [], block, activationType } = options;
  if (!Object.hasOwn(schemeRows, scheme)) throw fail('E4001', `there is no scheme ${scheme}; schemes are ${schemes.join(', ')}`);
  const row = rowOf(scheme);
  const foreign = schemeOptions.find(name => options[name] !== undefined && !row.takes.includes(name));
  if (foreign) throw fail('E4001', `scheme ${scheme} has no option ${optionNames[foreign]}; those with it are ${schemesWith(foreign)}`);
  const known = opsOf(row);
  const unknown = ops.find(op => !known.includes(op));
  if (unknown !== undefined) throw fail('E4001', `scheme ${scheme} does not quantise ${unknown}, but ${known.join(', ')}`);
  if (block !== undefined && !blockSizes.includes(block))
    throw fail('E4001', `blocks are of ${blockSizes.join(', ')} weights, not ${block}`);
  if (activationType !== undefined && !activationTypes.includes(activationType))
    throw fail('E4001', `activations are ${activationTypes.join(' or ')}, not ${activationType}`);
  return row;
}

export const blockSizes: readonly number[] = [16, 32, 64, 128, 256];
export const activationTypes: readonly ActivationType[] = ['uint8', 'int8'];

/** Options that some schemes have, as the command line calls them. */
const optionNames = {
  perTensor: '--per-tensor',
  block: '--block',
  symmetric: '--symmetric or --asymmetric',
  activationType: '--activation-type',
  reduceRange: '--reduce-range',
} as const;
const schemeOptions = Object.keys(optionNames) as (keyof typeof optionNames)[];
const schemesWith = (option: keyof SchemeOptions): string => schemes.filter(s => rowOf(s).takes.includes(option)).join(', ');

const opsOf = ({ layers, between = [], onRequest = [] }: SchemeRow): readonly string[] => [...layers, ...onRequest, ...between];

/** The operators that are quantised: those with weights, and those between them. */
function chosen({ layers, between = [], onRequest = [] }: SchemeRow, { ops, exclude = [] }: SchemeOptions): Choice {
  const isAsked = (op: string): boolean => !ops || ops.includes(op);
  return {
    layers: new Set([...layers.filter(isAsked), ...onRequest.filter(op => ops?.includes(op))]),
    foreign: new Set(ops ? [] : weightedOps.filter(op => !layers.includes(op))),
    between: new Set(between.filter(isAsked)),
    exclude,
  };
}

/** The model in an opset that has the operators of the scheme. Errors: E2004. */
function inOpset(model: Model, row: SchemeRow, { scheme, opset, perTensor = false }: SchemeOptions): Model {
  const own = model.opsets.get('') ?? 1;
  const wanted = opset ?? own;
  const least = perTensor ? row.opset : row.perChannel;
  if (wanted < least)
    throw fail('E2004', `scheme ${scheme} writes operators of opset ${least}, and ${opset ? 'asked for' : 'the model'} is ${wanted}`, {
      hint: `${opset ? 'Ask for a newer one' : 'Bring the model to a newer one'}: --opset ${Math.max(least, 13)}${row.opset <= wanted ? ', or --per-tensor' : ''}`,
    });
  if (wanted === own) return model;
  const newest = upgrade(model);
  target(newest, wanted, { had: model.opsets });
  listNoConstants(newest, model.irVersion);
  return newest;
}

const quantizedOp =
  /^(QuantizeLinear|DequantizeLinear|DynamicQuantizeLinear|QLinear\w+|QGemm|QAttention|\w+Integer|MatMulNBits|MatMulBnb4)$/;

/** Errors: E2011. */
function refuseQuantized({ graph }: Model): void {
  const found = [...allNodes(graph)].find(node => quantizedOp.test(node.op));
  if (found)
    throw fail('E2011', `${found.qualifiedName} shows that the model is quantised already`, {
      node: { op: found.qualifiedName, name: labelOf(found) },
    });
}

/** Why a scheme leaves a layer as it is, beyond what is true of all. */
const obstacle = (layer: Layer, scheme: Scheme): string | undefined => {
  if (scheme === 'dynamic') return dynamicObstacle(layer);
  return scheme === 'static' && layer.isNested ? 'it is in a nested graph, whose values cannot be measured' : undefined;
};

/** The most reasons that an error repeats. */
const listed = 5;

function nothing(scheme: Scheme, kept: readonly Kept[]): ModelError {
  const reasons = kept.slice(0, listed).map(({ name, op, reason }) => `${op} ${quoted(name)}: ${reason}`);
  const more = kept.length > listed ? `, and ${kept.length - listed} more` : '';
  const why = kept.length === 0 ? `it has no ${rowOf(scheme).layers.join(', ')}` : `${reasons.join('; ')}${more}`;
  return fail('E2012', `nothing can be quantised: ${why}`);
}

/** Weights as integers; one that several layers read in the same way is one. */
class Quantizer {
  readonly #options: SchemeOptions;
  readonly #made = new Map<Tensor, Map<string, QuantizedWeight | undefined>>();

  constructor(options: SchemeOptions) {
    this.#options = options;
  }

  /** The weight of a layer, or why it stays. */
  async weight(layer: Layer): Promise<QuantizedWeight | string> {
    const form = this.#form(layer);
    const key = JSON.stringify(form);
    const known = this.#made.get(layer.tensor) ?? new Map<string, QuantizedWeight | undefined>();
    this.#made.set(layer.tensor, known);
    if (!known.has(key)) {
      const tensor = await resident(layer.tensor);
      const made = quantizeTensor(form.transposed ? transposed(tensor) : tensor, form.sharing, form);
      known.set(key, made && { ...made, sharing: form.sharing });
    }
    return known.get(key) ?? 'its weight has elements that are NaN or infinite';
  }

  #form({ node, channel, depth }: Layer): StepOptions & { readonly sharing: Sharing; readonly transposed: boolean } {
    const { scheme, perTensor = false, block = 32, symmetric = true, reduceRange = false } = this.#options;
    // MatMulInteger has no transposition.
    const turns = scheme === 'dynamic' && node.op === 'Gemm' && channel === 0;
    const sharing: Sharing =
      scheme === 'int4'
        ? { of: 'block', axis: depth, size: block }
        : perTensor
          ? { of: 'tensor' }
          : { of: 'axis', axis: turns ? 1 : channel };
    return { type: weightType(scheme, symmetric), sharing, transposed: turns, symmetric: scheme === 'static' || symmetric, reduceRange };
  }
}

/**
 * Weights of dynamic layers are unsigned around 128: ONNX Runtime's ConvInteger takes no others, and on processors that add two products in
 * 16 bits signed ones would saturate.
 */
function weightType(scheme: Scheme, symmetric: boolean): StepType {
  if (scheme === 'dynamic') return 'uint8';
  if (scheme === 'int4') return symmetric ? 'int4' : 'uint4';
  return 'int8';
}

/** A float32 matrix with its axes swapped. */
function transposed(tensor: Tensor): Tensor {
  const [rows, columns] = tensor.dims as [number, number];
  const [from, to] = [tensor.data as Float32Array, new Float32Array(rows * columns)];
  for (let i = 0; i < rows; i++) for (let k = 0; k < columns; k++) to[k * rows + i] = from[i * columns + k]!;
  return new Tensor('float32', to, [columns, rows]);
}

/** The steps of every value that has its own: of constants by what they hold, of others by what was measured. */
function activations(
  plan: StaticPlan,
  ranges: ReadonlyMap<Value, Range>,
  { activationType: type = 'uint8', symmetric = false }: SchemeOptions,
) {
  const steps = new Map<Value, Step>();
  for (const root of new Set(plan.steps.values())) {
    const tensor = residentConstant(root);
    // The cast: only constants of float32 are among them.
    const range = tensor ? rangeOf(tensor.data as Float32Array) : ranges.get(root);
    if (!range) throw fail('E9001', `${root.name} was not measured`);
    steps.set(root, stepFor(range, { type, symmetric }));
  }
  return { type, symmetric, steps };
}

function rangeOf(data: Float32Array): Range {
  let [low, high] = [0, 0];
  for (const x of data) if (Number.isFinite(x)) [low, high] = [Math.min(low, x), Math.max(high, x)];
  return { low, high };
}
