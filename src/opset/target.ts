// Which opset a model is written in: the one asked for, or the lowest that says it exactly.
import { fail, ModelError } from '../errors.ts';
import { allNodes, type Graph, type Model, type Node } from '../ir/graph.ts';
import { newBuilder } from '../ops/builder.ts';
import { irVersionFor, newestOpset, releasedOpset, schemaOf } from '../ops/schema.ts';
import { lowerWhere, ownOutputs, rewriteAll } from '../passes/index.ts';
import { rebuild } from '../passes/rebuild.ts';
import { downgrade, misfit, obstacle } from './downgrade.ts';

/** The lowest opset that is chosen without being asked for. */
export const lowestDefault = 18;
/** The highest that is chosen for operators that have a body of older ones: many runtimes do not know the opsets after it. */
const highestDefault = 22;
/** Initializers that are no inputs are allowed from IR version 4 on. */
export const leastIrVersion = 8;

export interface TargetOptions {
  /** The highest opset to choose, where none is asked for. */
  readonly atMost?: number | undefined;
  /** Opsets that other domains had; each is kept where it says the model. */
  readonly had?: ReadonlyMap<string, number> | undefined;
}

/**
 * Bring a model of the newest opset to the one it is written in, and set that and the IR version.
 * @param wanted the opset asked for; otherwise the lowest exact one from 18 up, above 22 only for operators without a body
 * @throws ModelError E2004 with every node that the opset cannot say
 */
export function target(model: Model, wanted?: number, { atMost = newestOpset('')!, had }: TargetOptions = {}): void {
  const newest = newestOpset('')!;
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= newest))
    throw fail('E1106', `opset ${wanted} does not exist; the newest known is ${newest}`);
  const graphs = graphsOf(model);
  const opset = wanted ?? Math.min(lowest(graphs), atMost);
  downgrade(graphs, opset);
  graphs.forEach(ownOutputs);
  const opsets = new Map([...otherDomains(model, graphs, had), ['', opset] as const]);
  const inModel = (own: ReadonlyMap<string, number>): Map<string, number> =>
    new Map([...own].map(([domain, version]) => [domain, opsets.get(domain) ?? version]));
  model.opsets = new Map([...inModel(model.opsets), ['', opset]]);
  model.functions = model.functions.map(f => ({ ...f, opsets: inModel(f.opsets) }));
  model.irVersion = Math.max(irVersionFor(model.opsets), leastIrVersion);
}

/** The same with the opset that a model had, or the next that can say it. */
export function retarget(model: Model, { opsets }: Pick<Model, 'opsets'>): void {
  const newest = newestOpset('')!;
  const source = { graph: model.graph, functions: model.functions };
  for (let opset = opsets.get('') ?? newest; ; opset++) {
    model.graph = rebuild(source.graph);
    model.functions = source.functions.map(f => ({ ...f, body: rebuild(f.body) }));
    try {
      target(model, opset, { had: opsets });
      return;
    } catch (error) {
      if (!(error instanceof ModelError && error.code === 'E2004') || opset >= newest) throw error;
    }
  }
}

const graphsOf = (model: Model): Graph[] => [model.graph, ...model.functions.map(f => f.body)];

/** The lowest opset from 18 up in which every node is itself, after operators newer than 22 became their bodies where they have one. */
function lowest(graphs: readonly Graph[]): number {
  const cannot = (node: Node, opset: number): boolean => obstacle(node, newBuilder(), opset) !== undefined;
  const tooNew = (node: Node): boolean => cannot(node, highestDefault);
  const pass = lowerWhere(tooNew);
  for (const graph of graphs) if ([...allNodes(graph)].some(tooNew)) rewriteAll(graph, [pass]);
  const nodes = graphs.flatMap(graph => [...allNodes(graph)]);
  let opset = lowestDefault;
  while (opset < newestOpset('')! && nodes.some(node => cannot(node, opset))) opset++;
  return opset;
}

/** For each other domain of the standard the opset it had, or else the lowest, that has all its operators as they are. */
function otherDomains(model: Model, graphs: readonly Graph[], had?: ReadonlyMap<string, number>): Map<string, number> {
  const nodes = graphs.flatMap(graph => [...allNodes(graph)]);
  const chosen = new Map<string, number>();
  for (const domain of model.opsets.keys()) {
    const newest = releasedOpset(domain);
    if (domain === '' || newest === undefined) continue;
    const own = nodes.filter(node => node.domain === domain);
    const says = (opset: number): boolean => own.every(node => isSaid(node, opset));
    const candidates = [had?.get(domain) ?? newest, ...Array.from({ length: newest }, (_, i) => i + 1)];
    chosen.set(domain, candidates.find(says) ?? newest);
  }
  return chosen;
}

function isSaid(node: Node, opset: number): boolean {
  const schema = schemaOf(node.domain, node.op, opset);
  return schema !== undefined && !schema.deprecated && misfit(node, node, schema) === undefined;
}
