// The weights of a model: taken out by name, and replaced by those of a checkpoint of the same architecture.
import type { Finding } from '../errors.ts';
import { constantsOf, type Graph, type Model, subgraphs, Value } from '../ir/graph.ts';
import { resident, type Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { elementTypes, formatShape } from '../ir/types.ts';
import type { Weights } from '../ir/weights.ts';
import { newBuilder } from '../ops/builder.ts';
import { Copy } from './copy.ts';
import { Findings } from './names.ts';

/** The named tensors of the model: its parameters and buffers where the source tells them apart, every initializer otherwise. */
export function weightsOf(model: Model): Weights {
  return { tensors: new Map([...namedConstants(model.graph)].map(([name, v]) => [name, v.tensor!])), metadata: new Map() };
}

/** The same as values. */
export function namedConstants(graph: Graph): ReadonlyMap<string, Value> {
  const found = allConstants(graph);
  const parameters = [...found].filter(([, v]) => v.parameter);
  return parameters.length > 0 ? new Map(parameters) : found;
}

/** Every constant that has a name, the first of each. */
export function allConstants(graph: Graph): ReadonlyMap<string, Value> {
  const found = new Map<string, Value>();
  const collect = (g: Graph): void => {
    for (const v of constantsOf(g)) if (v.tensor && v.name !== '' && !found.has(v.name)) found.set(v.name, v);
    for (const node of g.nodes) for (const [, inner] of subgraphs(node)) collect(inner);
  };
  collect(graph);
  return found;
}

/** A pattern for names and what they become: `*` stands for any text, which the `*` in the other one repeats in order. */
export interface NameRule {
  readonly from: string;
  readonly to: string;
}

export interface ReplaceWeightsOptions {
  /** Applied to the names of the new weights; the first that fits. */
  readonly rename?: readonly NameRule[] | undefined;
}

export interface ReplacedWeights {
  readonly model: Model;
  /** How many tensors were replaced. */
  readonly count: number;
  /** Warnings: tensors of the file that the model does not have. */
  readonly findings: readonly Finding[];
}

/**
 * A copy of the model with other weights, each found by its name. Floats of another width are converted.
 * @throws ModelError E3001 for each weight of the model that is not given, E3003 for each of another shape, E3002 for each of another
 * element type
 */
export async function replaceWeights(model: Model, { tensors }: Weights, options: ReplaceWeightsOptions = {}): Promise<ReplacedWeights> {
  const given = renamed(tensors, options.rename ?? []);
  const wanted = namedConstants(model.graph);
  const findings = new Findings();
  const replaced = new Map<Tensor, Tensor>();
  for (const [name, { tensor: before }] of wanted) {
    const after = given.get(name);
    const why = after && misfit(name, after, before!);
    if (!after) findings.unknown('tensor', name, given.keys(), 'the file of weights');
    else if (why) findings.add(...why);
    else replaced.set(before!, after);
  }
  findings.throw();
  const converted = new Map<Tensor, Tensor>();
  for (const [before, after] of replaced) converted.set(before, await inType(after, before));
  const left = [...given.keys()].filter(name => !wanted.has(name));
  return {
    model: new Copy({ tensor: tensor => converted.get(tensor) ?? tensor }).model(model),
    count: wanted.size,
    findings: left.map(name => ({ code: 'E3001', severity: 'warning', message: `the model has no weight ${quoted(name)}`, tensor: name })),
  };
}

/** What a model says of a weight. */
type Facts = Pick<Tensor, 'type' | 'dims'>;

/** Why a tensor cannot be in the place of another; undefined where it can. */
export function misfit(name: string, after: Tensor, before: Facts): readonly [Finding['code'], string] | undefined {
  if (!sameSizes(before, after))
    return ['E3003', `${quoted(name)} has the shape ${formatShape(after.dims)}, the model has ${formatShape(before.dims)}`];
  if (before.type !== after.type && !(isFloat(before) && isFloat(after)))
    return ['E3002', `${quoted(name)} is ${after.type}, the model has ${before.type}`];
  return undefined;
}

const sameSizes = (a: Facts, b: Facts): boolean => a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]);
const isFloat = ({ type }: Facts): boolean => elementTypes[type].class === 'float';

/** A tensor in an element type, floats converted. */
export async function inType(tensor: Tensor, { type }: Facts): Promise<Tensor> {
  if (tensor.type === type) return tensor;
  const b = newBuilder({ fold: { elements: Number.POSITIVE_INFINITY, floats: true, parameters: true } });
  return b.Cast(new Value('weight', undefined, { tensor: await resident(tensor) }), type).tensor!;
}

/** Tensors by their names after the first rule that fits each. */
export function renamed(tensors: ReadonlyMap<string, Tensor>, rules: readonly NameRule[]): Map<string, Tensor> {
  const split = rules.map(({ from, to }) => ({ from: from.split('*'), to: to.split('*') }));
  return new Map([...tensors].map(([name, tensor]) => [newName(name, split), tensor]));
}

interface SplitRule {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

function newName(name: string, rules: readonly SplitRule[]): string {
  for (const { from, to } of rules) {
    const found = starsIn(name, from);
    if (found) return to.map((part, i) => (i === 0 ? part : `${found[i - 1] ?? ''}${part}`)).join('');
  }
  return name;
}

/** What the stars between the parts of a pattern stand for, each for as little as it can; undefined where it does not fit. */
function starsIn(name: string, parts: readonly string[]): string[] | undefined {
  const [first, ...rest] = parts as [string, ...string[]];
  if (rest.length === 0) return name === first ? [] : undefined;
  if (!name.startsWith(first)) return undefined;
  const found: string[] = [];
  let at = first.length;
  for (const [i, part] of rest.entries()) {
    const end = i === rest.length - 1 ? name.length - part.length : name.indexOf(part, at);
    if (end < at || !name.startsWith(part, end)) return undefined;
    found.push(name.slice(at, end));
    at = end + part.length;
  }
  return found;
}
