// What the standard asks of models beyond what reading them needs: shapes in the signature, names of nodes, versions that go together.
import { type Finding, warning } from '../errors.ts';
import { type Graph, type Model, nestedPlaces } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import { irVersionFor } from '../ops/schema.ts';

/** Opsets are imported since. */
const firstWithOpsets = 3;

/**
 * E1307 inputs and outputs of the model whose type says no rank; E1102 nodes of one graph with the same name; E1106 imports before IR
 * version 3; E1107 (a warning) an IR version that is older than an opset.
 */
export function checkGraph(model: Model, file?: string): Finding[] {
  const findings: Finding[] = [];
  signature(model.graph, findings);
  nodeNames(model.graph, 'graph', findings);
  model.functions.forEach((f, i) => {
    nodeNames(f.body, `functions[${i}]`, findings);
  });
  findings.push(...versions(model));
  return findings.map(f => ({ ...f, file }));
}

function signature(graph: Graph, findings: Finding[]): void {
  const check = (what: 'input' | 'output', name: string, type: Graph['inputs'][number]['type'], i: number): void => {
    // An element type that does not exist is a finding of its own.
    if (type?.kind === 'tensor' && !type.shape && type.element !== 'undefined')
      findings.push({
        code: 'E1307',
        severity: 'error',
        message: `the ${what} ${quoted(name)} has a type without a shape; the signature of a model gives at least the rank`,
        path: `graph.${what}[${i}].type.tensor_type`,
      });
  };
  graph.inputs.forEach((v, i) => {
    check('input', v.name, v.type, i);
  });
  graph.outputs.forEach((o, i) => {
    check('output', o.name, o.type ?? o.value.type, i);
  });
}

function nodeNames(graph: Graph, path: string, findings: Finding[]): void {
  const seen = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    const first = node.name ? seen.get(node.name) : undefined;
    if (first !== undefined)
      findings.push({
        code: 'E1102',
        severity: 'error',
        message: `the node name ${quoted(node.name)} is that of node #${first} too`,
        path: `${path}.node[${index}].name`,
        offset: node.meta.at,
        node: { index, op: node.op, name: node.name, domain: node.domain },
      });
    else if (node.name) seen.set(node.name, index);
    for (const [step, inner] of nestedPlaces(node)) nodeNames(inner, `${path}.node[${index}].${step}`, findings);
  });
}

function versions({ irVersion, opsets, meta }: Model): Finding[] {
  const isImplied = (meta.rest as { opset_import?: readonly unknown[] } | undefined)?.opset_import?.length === 0;
  if (irVersion > 0 && irVersion < firstWithOpsets && opsets.size > 0 && !isImplied)
    return [
      {
        code: 'E1106',
        severity: 'error',
        message: `opsets are imported since IR version 3, the model has ${irVersion}`,
        path: 'opset_import',
      },
    ];
  const needed = leastIrVersion(opsets);
  if (irVersion >= firstWithOpsets && needed !== undefined && needed > irVersion)
    return [warning('E1107', `the IR version is ${irVersion}, the opsets came with ${needed}`, { path: 'ir_version' })];
  return [];
}

/** Undefined where an opset does not exist, which is a finding of its own. */
function leastIrVersion(opsets: ReadonlyMap<string, number>): number | undefined {
  try {
    return irVersionFor(opsets);
  } catch {
    return undefined;
  }
}
