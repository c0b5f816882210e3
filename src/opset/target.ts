// Which opset a model is written in: the lowest that says it exactly. Operators that it lacks are said by their bodies.
import { type Finding, fail, ModelError } from '../errors.ts';
import { allNodes, type Graph, type Model, type Node } from '../ir/graph.ts';
import { irVersionFor, newestOpset, type OpSchema, releasedOpset, schemaOf } from '../ops/schema.ts';
import { schemaTypeName } from '../ops/signature.ts';
import { lowerWhere, rewriteAll } from '../passes/index.ts';
import { onlyGrew } from './form.ts';

/** The lowest opset that is chosen without being asked for. */
export const lowestDefault = 18;
/** The highest that is chosen for operators that have a body of older ones: many runtimes do not know the opsets after it. */
const highestDefault = 22;

/** Why a node of the newest opset cannot be written in `opset` of a domain; undefined where it can, and for nodes of other domains. */
function obstacle(node: Node, opset: number, domain = ''): string | undefined {
  if (node.domain !== domain) return undefined;
  const now = schemaOf(domain, node.op, newestOpset(domain)!);
  const then = schemaOf(domain, node.op, opset);
  if (!now) return undefined;
  if (!then) return `${node.op} is new in opset ${now.since}`;
  if (then !== now && !onlyGrew(then, now)) return `${node.op} changed in opset ${now.since}`;
  for (const [name] of node.attributes) if (!then.attributes.has(name)) return `attribute ${name} of ${node.op} is newer`;
  if (node.inputs.length > then.maxInputs) return `${node.op} takes only ${then.maxInputs} inputs there`;
  return meanings[node.qualifiedName]?.(node, opset) ?? typeObstacle(node, then);
}

const textOf = (node: Node, name: string): string | undefined => {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'string' ? attribute.value : undefined;
};

/** Changes of meaning under one signature: why a node cannot be written in `opset`. */
const meanings: Readonly<Record<string, (node: Node, opset: number) => string | undefined>> = {
  GroupNormalization: (_node, opset) => (opset < 21 ? 'GroupNormalization scaled groups, not channels, before opset 21' : undefined),
  Pad: (node, opset) => (opset < 19 && textOf(node, 'mode') === 'wrap' ? 'Pad knows no mode wrap before opset 19' : undefined),
  Resize: (node, opset) =>
    opset < 19 && textOf(node, 'coordinate_transformation_mode') === 'half_pixel_symmetric'
      ? 'Resize knows no half_pixel_symmetric before opset 19'
      : undefined,
  /** Since 25 the keys that were there before count in the causal order. */
  Attention: (node, opset) =>
    opset < 25 && node.attributes.has('is_causal') && (node.inputs[4] ?? node.inputs[6])
      ? 'Attention counted causal places differently before opset 25'
      : undefined,
};

function typeObstacle(node: Node, schema: OpSchema): string | undefined {
  for (const [i, v] of node.inputs.entries()) {
    const param = schema.inputs[Math.min(i, schema.inputs.length - 1)];
    const allowed = param && schema.constraints.get(param.type);
    const type = schemaTypeName(v?.type);
    if (allowed && type && !allowed.includes(type)) return `${node.op} takes no ${v?.element} there`;
  }
  return undefined;
}

/**
 * Set the opset and IR version that a model of the newest opset is written in. Operators that the opset lacks become their bodies,
 * where they have one.
 * @param wanted the opset asked for; otherwise the lowest exact one, above 22 only for operators without a body
 * @param from where to begin to look for that
 * @throws ModelError E2004 with every node that the wanted opset cannot say
 */
export function target(model: Model, wanted?: number, from = lowestDefault): void {
  const newest = newestOpset('')!;
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= newest))
    throw fail('E1106', `opset ${wanted} does not exist; the newest known is ${newest}`);
  const graphs = [model.graph, ...model.functions.map(f => f.body)];
  lowerFor(graphs, wanted ?? Math.max(from, highestDefault));
  const nodes = graphs.flatMap(graph => [...allNodes(graph)]);
  let opset = wanted ?? from;
  if (wanted === undefined) while (opset < newest && nodes.some(node => obstacle(node, opset))) opset++;
  const findings = nodes.flatMap((node, index) => finding(node, index, opset));
  if (findings.length > 0) throw new ModelError(findings);
  const lowest = (opsets: ReadonlyMap<string, number>): Map<string, number> =>
    new Map([...opsets].map(([domain, version]) => [domain, domain === '' ? opset : (lowestFor(nodes, domain) ?? version)]));
  model.opsets = lowest(model.opsets).set('', opset);
  model.functions = model.functions.map(f => ({ ...f, opsets: lowest(f.opsets) }));
  model.irVersion = Math.max(irVersionFor(model.opsets), leastIrVersion);
}

/** The lowest opset of a domain that says all its nodes; undefined where the domain is not the standard's. */
function lowestFor(nodes: readonly Node[], domain: string): number | undefined {
  const newest = releasedOpset(domain);
  if (newest === undefined) return undefined;
  let opset = 1;
  while (opset < newest && nodes.some(node => obstacle(node, opset, domain))) opset++;
  return opset;
}

/** Replace what `opset` cannot say by its body, again and again: bodies may hold such operators too. */
function lowerFor(graphs: readonly Graph[], opset: number): void {
  const cannot = (node: Node): boolean => obstacle(node, opset) !== undefined;
  const pass = lowerWhere(cannot);
  for (const graph of graphs) if ([...allNodes(graph)].some(cannot)) rewriteAll(graph, [pass]);
}

function finding(node: Node, index: number, opset: number): Finding[] {
  const why = obstacle(node, opset);
  if (!why) return [];
  const message = `opset ${opset} cannot say it: ${why}`;
  return [{ code: 'E2004', severity: 'error', message, node: { index, op: node.op, name: node.name } }];
}

/** Initializers that are no inputs are allowed from IR version 4 on. */
const leastIrVersion = 8;
