// What became of the nodes and weights of a model that was written: nodes are followed by what they carry, weights by how tensors say
// they were made.
import { allNodes, type Graph, type Meta, type Model, type Node, subgraphs, type Value } from '../ir/graph.ts';
import { readsOf } from '../ir/order.ts';
import type { ConversionMap, Expression, MappedNode, MappedTensor, MappedWeight, Removal } from '../ir/provenance.ts';
import { resident, type Tensor } from '../ir/tensor.ts';
import { isInteger } from '../ir/types.ts';
import { rowOf } from '../ops/index.ts';
import { isKnownInput } from '../ops/plan-node.ts';
import { newestSchema } from '../ops/schema.ts';
import { maxContents } from '../ops/shapes.ts';
import { namedConstants } from './weights.ts';

/** What a file calls the tensors and nodes in it, in its order. */
export interface Named {
  readonly weights: readonly (readonly [Tensor, string])[];
  readonly nodes: readonly (readonly [Meta, string])[];
}

/** Let every node carry something of its own, by which those that are made of it are known. */
export function markNodes({ graph, functions, meta }: Model): void {
  if (meta.program?.nodes) return;
  const seen = new Set<Meta>();
  for (const g of [graph, ...functions.map(f => f.body)])
    for (const node of allNodes(g)) {
      if (seen.has(node.meta)) node.meta = { ...node.meta };
      seen.add(node.meta);
    }
}

/** The part of a map that the model alone decides. */
export type Whereabouts = Pick<ConversionMap, 'nodes' | 'weights' | 'tensors'>;

/** Where the nodes and weights of a model went that `markNodes` was given before it was converted. `digest` is of their content. */
export async function whereabouts(source: Model, written: Named, digest: (tensor: Tensor) => Promise<string>): Promise<Whereabouts> {
  const program = source.meta.program?.weights;
  const own = program && new Set(program.map(w => w.name));
  const constants = new Map([...namedConstants(source.graph)].filter(([name]) => own?.has(name) ?? true));
  const live = liveIn(source.graph);
  const origins = new Map([...constants].map(([name, v]) => [v.tensor!, name]));
  const { tensors, lost } = await mappedTensors(written, origins);
  const places = new Map<string, { name: string; transform: string }[]>();
  for (const { name, from } of tensors)
    for (const weight of new Set(weightsIn(from)))
      places.set(weight, [...(places.get(weight) ?? []), { name, transform: transformText(from) }]);
  const fixedInputs = knownInputs(source.graph);
  const weights: MappedWeight[] = [];
  for (const [name, v] of constants) {
    const tensor = v.tensor!;
    const targets = places.get(name) ?? [];
    const isUsed = targets.length > 0 || live.values.has(v);
    const isFixed = isUsed && (targets.length === 0 || tensor.isDecisive || isSize(tensor) || fixedInputs.has(v) || lost.has(name));
    const { type, dims } = tensor;
    const removed: Removal | undefined = targets.length > 0 ? undefined : isUsed ? 'consumed' : 'unused';
    weights.push({ name, type, dims, targets, removed, fixed: isFixed ? await digest(tensor) : undefined });
  }
  for (const { name, type, dims, same } of program ?? []) {
    if (constants.has(name)) continue;
    const shared = same !== undefined && constants.has(same) ? same : undefined;
    weights.push({ name, type, dims, targets: [], removed: shared ? 'same' : 'unused', same: shared });
  }
  return { nodes: mappedNodes(source, written, live, places), weights, tensors };
}

/** Whether sizes and indices may have been taken from it. */
const isSize = ({ isResident, size, type }: Tensor): boolean => isResident && size <= maxContents && (isInteger(type) || type === 'bool');

/** Constants that nodes ask to be known before they run. */
function knownInputs(graph: Graph): Set<Value> {
  const found = new Set<Value>();
  for (const node of allNodes(graph)) {
    const [row, schema] = [rowOf(node.op, node.domain), newestSchema(node.domain, node.op)];
    if (row && schema) node.inputs.forEach((v, i) => v?.tensor && isKnownInput(row, schema, i) && found.add(v));
  }
  return found;
}

interface Live {
  readonly nodes: ReadonlySet<Node>;
  readonly values: ReadonlySet<Value>;
}

/** What outputs depend on, graphs nested in such nodes whole. */
function liveIn(graph: Graph): Live {
  const values = new Set<Value>(graph.outputs.map(o => o.value));
  const nodes = new Set<Node>();
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(v => v && values.has(v))) continue;
    nodes.add(node);
    for (const v of readsOf(node)) values.add(v);
    for (const [, inner] of subgraphs(node))
      for (const n of allNodes(inner)) {
        nodes.add(n);
        for (const v of n.inputs) if (v) values.add(v);
      }
  }
  return { nodes, values };
}

/** Most operators in the expression of one tensor, in all and in a row, and most bytes of a constant in it. */
const mostOperators = 1000;
const mostInARow = 200;
const mostBytes = 65536;

/** Tensors that follow from weights; `lost` are weights in tensors of which this cannot be said. */
async function mappedTensors(
  { weights }: Named,
  origins: ReadonlyMap<Tensor, string>,
): Promise<{ readonly tensors: readonly MappedTensor[]; readonly lost: ReadonlySet<string> }> {
  const counts = new Map<string, Set<Tensor>>();
  for (const [tensor, name] of weights) counts.set(name, (counts.get(name) ?? new Set()).add(tensor));
  const lost = new Set<string>();
  const tensors = new Map<string, MappedTensor>();
  for (const [tensor, name] of weights) {
    const sources = sourcesOf(tensor, origins);
    if (sources.size === 0) continue;
    // Two graphs side by side may use one name twice.
    const from = counts.get(name)!.size === 1 ? await expressionOf(tensor, origins) : undefined;
    if (from) tensors.set(name, { name, type: tensor.type, dims: tensor.dims, from });
    else for (const source of sources) lost.add(source);
  }
  return { tensors: [...tensors.values()], lost };
}

/** The weights that a tensor is made of. */
function sourcesOf(tensor: Tensor, origins: ReadonlyMap<Tensor, string>): Set<string> {
  const found = new Set<string>();
  const seen = new Set<Tensor>();
  const open = [tensor];
  for (let t = open.pop(); t; t = open.pop()) {
    if (seen.has(t)) continue;
    seen.add(t);
    const name = origins.get(t);
    if (name !== undefined) found.add(name);
    else for (const input of t.recipe?.inputs ?? []) if (input) open.push(input);
  }
  return found;
}

/** Undefined where it would be too long, or would hold a large constant. */
async function expressionOf(tensor: Tensor, origins: ReadonlyMap<Tensor, string>): Promise<Expression | undefined> {
  let operators = 0;
  const walk = async (t: Tensor, depth: number): Promise<Expression | undefined> => {
    const weight = origins.get(t);
    if (weight !== undefined) return { weight };
    if (!t.recipe) return t.type !== 'string' && t.byteLength <= mostBytes ? { constant: await resident(t) } : undefined;
    if (++operators > mostOperators || depth > mostInARow) return undefined;
    const { op, attributes, output, outputs } = t.recipe;
    if (![...attributes.values()].every(a => plainKinds.has(a.kind))) return undefined;
    const inputs: (Expression | undefined)[] = [];
    for (const input of t.recipe.inputs) {
      const made = input && (await walk(input, depth + 1));
      if (input && !made) return undefined;
      inputs.push(made);
    }
    return op === 'Identity' ? inputs[0] : { op, attributes, inputs, output, outputs };
  };
  return walk(tensor, 0);
}

/** Kinds of attributes that have a place in a file of the map. */
const plainKinds: ReadonlySet<string> = new Set(['int', 'ints', 'float', 'floats', 'string', 'strings', 'tensor']);

function* weightsIn(e: Expression): Generator<string> {
  if ('weight' in e) yield e.weight;
  else if ('op' in e) for (const input of e.inputs) if (input) yield* weightsIn(input);
}

/** The same for people: `Transpose(fc.weight, perm=[1,0])`. */
function transformText(e: Expression): string {
  const text = (x: Expression | undefined): string => {
    if (!x) return '';
    if ('weight' in x) return x.weight;
    if ('constant' in x) return x.constant.size <= 8 ? `[${Array.from(x.constant.data as ArrayLike<unknown>).join()}]` : '[…]';
    const attributes = [...x.attributes].map(([name, { value }]) => `${name}=${Array.isArray(value) ? `[${value}]` : String(value)}`);
    return `${x.op}(${[...x.inputs.map(text), ...attributes].join(', ')})`;
  };
  return 'weight' in e ? 'identity' : text(e);
}

function mappedNodes(
  source: Model,
  { nodes: written }: Named,
  live: Live,
  places: ReadonlyMap<string, readonly { readonly name: string }[]>,
): MappedNode[] {
  const targets = new Map<Meta, string[]>();
  for (const [meta, name] of written) if (name !== '') targets.set(meta, [...(targets.get(meta) ?? []), name]);
  const graphs = [source.graph, ...source.functions.map(f => f.body)];
  const nodes = graphs.flatMap(graph => [...allNodes(graph)]);
  const own = new Map<Meta, Node[]>();
  for (const node of nodes) own.set(node.meta, [...(own.get(node.meta) ?? []), node]);
  const fate = (meta: Meta): Pick<MappedNode, 'targets' | 'removed' | 'into'> => {
    const found = targets.get(meta);
    if (found) return { targets: [...new Set(found)] };
    const made = own.get(meta) ?? [];
    if (made.length === 0) return { targets: [], removed: 'known' };
    if (!made.some(node => live.nodes.has(node)) && source.functions.length === 0) return { targets: [], removed: 'unused' };
    const weights = made.flatMap(weightsOnly);
    if (weights.length > 0)
      return { targets: [], removed: 'folded', into: [...new Set(weights.flatMap(w => (places.get(w) ?? []).map(p => p.name)))] };
    const into = near(made, node => targets.get(node.meta));
    return { targets: [], removed: into.length > 0 ? 'joined' : 'known', ...(into.length > 0 && { into }) };
  };
  const facts = (meta: Meta, node?: Node): Pick<MappedNode, 'name' | 'op' | 'module' | 'source'> => ({
    name: meta.node?.name ?? (node?.name || (node?.outputs.find(v => v)?.name ?? '')),
    op: meta.node?.op ?? node?.qualifiedName ?? '',
    module: meta.metadata?.get('module'),
    source: meta.metadata?.get('source'),
  });
  const program = source.meta.program?.nodes;
  return program
    ? program.map(meta => ({ ...facts(meta), ...fate(meta) }))
    : nodes.map(node => ({ ...facts(node.meta, node), ...fate(node.meta) }));
}

/** The weights that a node reads, where it reads nothing but constants. */
const weightsOnly = (node: Node): string[] =>
  node.inputs.every(v => !v || v.tensor) ? node.inputs.flatMap(v => (v && v.name !== '' ? [v.name] : [])) : [];

/** What the nearest nodes before some, that are in the result, are called there. */
function near(nodes: readonly Node[], targetsOf: (node: Node) => readonly string[] | undefined): string[] {
  const found = new Set<string>();
  const seen = new Set<Node>();
  const open = [...nodes];
  for (let node = open.pop(); node; node = open.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const v of node.inputs) {
      const before = v?.producer;
      const names = before && targetsOf(before);
      if (names) for (const name of names) found.add(name);
      else if (before) open.push(before);
    }
  }
  return [...found];
}
