// Parts of one model put into another: what a reader, the checker and the passes then see was never written together.
import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto } from '../../src/formats/onnx/proto.gen.ts';
import { graphsOf, type Mutable, namesOf, nodesOf } from './messages.ts';
import { pick, type Random } from './random.ts';

/** Puts a part of the donor into the model; false where one of them has nothing for it. */
export type Crossover = (model: Mutable<ModelProto>, random: Random, donor: ModelProto) => boolean;

const constantsOf = (model: ModelProto): readonly TensorProto[] => model.graph?.initializer ?? [];

/** A graph of the model with `change` made to it. */
function intoGraph(model: Mutable<ModelProto>, random: Random, change: (graph: Mutable<GraphProto>) => void): boolean {
  const graph = pick(random, [...graphsOf(model.graph)]);
  if (!graph) return false;
  change(graph as Mutable<GraphProto>);
  return true;
}

/** The opsets and functions of the donor that the model lacks. */
function joinImports(model: Mutable<ModelProto>, donor: ModelProto): void {
  const known = new Set((model.opset_import ?? []).map(o => o.domain ?? ''));
  model.opset_import = [...(model.opset_import ?? []), ...(donor.opset_import ?? []).filter(o => !known.has(o.domain ?? ''))];
  if (donor.functions?.length) model.functions = [...(model.functions ?? []), ...donor.functions];
}

/** Nodes read what they read, or something of the model; their constants come with them. */
function graft(graph: Mutable<GraphProto>, nodes: readonly NodeProto[], random: Random, model: ModelProto, donor: ModelProto): void {
  const names = namesOf(model);
  const taken = new Set(names);
  const renamed = new Map<string, string>();
  for (const node of nodes) for (const name of node.output ?? []) if (name !== '') renamed.set(name, taken.has(name) ? `${name}_` : name);
  const wired = (name: string): string => renamed.get(name) ?? (name !== '' && random(2) && names.length > 0 ? pick(random, names)! : name);
  const copies = nodes.map(node => ({
    ...node,
    input: (node.input ?? []).map(wired),
    output: (node.output ?? []).map(name => renamed.get(name) ?? name),
  }));
  const read = new Set(copies.flatMap(node => node.input));
  graph.initializer = [...(graph.initializer ?? []), ...constantsOf(donor).filter(t => read.has(t.name ?? '') && !taken.has(t.name ?? ''))];
  const at = random((graph.node?.length ?? 0) + 1);
  graph.node = [...(graph.node ?? []).slice(0, at), ...copies, ...(graph.node ?? []).slice(at)];
  const last = copies.at(-1)?.output[0];
  // What nobody reads is dropped before it is looked at.
  if (last && graph.output?.length && random(2)) graph.output = [{ ...graph.output[0], name: last }, ...graph.output.slice(1)];
}

export const crossovers: Readonly<Record<string, Crossover>> = {
  nodesSpliced(model, random, donor) {
    const nodes = donor.graph?.node ?? [];
    if (nodes.length === 0) return false;
    const from = random(nodes.length);
    joinImports(model, donor);
    return intoGraph(model, random, graph => graft(graph, nodes.slice(from, from + 1 + random(4)), random, model, donor));
  },
  nodeExchanged(model, random, donor) {
    const theirs = pick(random, nodesOf(donor));
    const ours = pick(random, nodesOf(model)) as Mutable<NodeProto> | undefined;
    if (!theirs || !ours) return false;
    joinImports(model, donor);
    ours.op_type = theirs.op_type!;
    ours.domain = theirs.domain!;
    ours.attribute = theirs.attribute ?? [];
    return true;
  },
  attributeSpliced(model, random, donor) {
    const theirs = pick(
      random,
      nodesOf(donor).flatMap(n => n.attribute ?? []),
    );
    const node = pick(random, nodesOf(model)) as Mutable<NodeProto> | undefined;
    if (!theirs || !node) return false;
    const own = node.attribute ?? [];
    const at = random(own.length + 1);
    const named: AttributeProto = own[at] && random(2) ? { ...theirs, name: own[at].name! } : theirs;
    node.attribute = own.toSpliced(at, 1, named);
    return true;
  },
  graphSpliced(model, random, donor) {
    const theirs = [...graphsOf(donor.graph)].slice(random(2));
    const nested = nodesOf(model).flatMap(n => (n.attribute ?? []).filter(a => a.g)) as Mutable<AttributeProto>[];
    const [attribute, graph] = [pick(random, nested), pick(random, theirs)];
    if (!attribute || !graph) return false;
    attribute.g = graph;
    joinImports(model, donor);
    return true;
  },
  initializerSpliced(model, random, donor) {
    const theirs = pick(random, constantsOf(donor));
    const own = constantsOf(model);
    if (!theirs || own.length === 0) return false;
    const at = random(own.length);
    (model.graph as Mutable<GraphProto>).initializer = own.toSpliced(at, 1, { ...theirs, name: own[at]!.name! });
    return true;
  },
  inputConstant(model, random, donor) {
    const theirs = pick(random, constantsOf(donor));
    const input = pick(random, model.graph?.input ?? []);
    if (!theirs || !input || !model.graph) return false;
    (model.graph as Mutable<GraphProto>).initializer = [...constantsOf(model), { ...theirs, name: input.name! }];
    return true;
  },
  functionsSpliced(model, random, donor) {
    const theirs = pick(random, donor.functions ?? []);
    const node = pick(random, nodesOf(model)) as Mutable<NodeProto> | undefined;
    if (!theirs || !node) return false;
    joinImports(model, donor);
    node.op_type = theirs.name!;
    node.domain = theirs.domain!;
    return true;
  },
  outputsSpliced(model, random, donor) {
    const theirs = pick(random, [...(donor.graph?.input ?? []), ...(donor.graph?.output ?? []), ...(donor.graph?.value_info ?? [])]);
    const own = model.graph?.output ?? [];
    if (!theirs || own.length === 0) return false;
    const at = random(own.length);
    (model.graph as Mutable<GraphProto>).output = own.toSpliced(at, 1, { ...theirs, name: own[at]!.name! });
    return true;
  },
};
