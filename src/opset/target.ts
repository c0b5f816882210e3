// Which opset a model is written in: the lowest that says it exactly.
import { type Finding, fail, ModelError } from '../errors.ts';
import { allNodes, type Model, type Node } from '../ir/graph.ts';
import { irVersionFor, newestOpset, type OpSchema, schemaOf } from '../ops/schema.ts';
import { schemaTypeName } from '../ops/signature.ts';
import { onlyGrew } from './upgrade.ts';

/** The lowest opset that is chosen without being asked for. */
export const lowestDefault = 18;

/** Why a node of the newest opset cannot be written in `opset`; undefined where it can. */
function obstacle(node: Node, opset: number): string | undefined {
  if (node.domain !== '') return undefined;
  const now = schemaOf('', node.op, newestOpset('')!);
  const then = schemaOf('', node.op, opset);
  if (!now) return undefined;
  if (!then) return `${node.op} is new in opset ${now.since}`;
  if (then !== now && !onlyGrew(then, now)) return `${node.op} changed in opset ${now.since}`;
  for (const [name] of node.attributes) if (!then.attributes.has(name)) return `attribute ${name} of ${node.op} is newer`;
  if (node.inputs.length > then.maxInputs) return `${node.op} takes only ${then.maxInputs} inputs there`;
  return typeObstacle(node, then);
}

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
 * Set the opset and IR version that a model of the newest opset is written in.
 * @param wanted the opset asked for; the lowest exact one otherwise
 * @param from where to begin to look for that
 * @throws ModelError E2004 with every node that the wanted opset cannot say
 */
export function target(model: Model, wanted?: number, from = lowestDefault): void {
  const newest = newestOpset('')!;
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= newest))
    throw fail('E1106', `opset ${wanted} does not exist; the newest known is ${newest}`);
  const nodes = [...allNodes(model.graph)];
  let opset = wanted ?? from;
  if (wanted === undefined) while (opset < newest && nodes.some(node => obstacle(node, opset))) opset++;
  const findings = nodes.flatMap((node, index): Finding[] => {
    const why = obstacle(node, opset);
    return why
      ? [
          {
            code: 'E2004',
            severity: 'error',
            message: `opset ${opset} cannot say it: ${why}`,
            node: { index, op: node.op, name: node.name },
          },
        ]
      : [];
  });
  if (findings.length > 0) throw new ModelError(findings);
  model.opsets.set('', opset);
  model.irVersion = Math.max(irVersionFor(model.opsets), leastIrVersion);
}

/** Initializers that are no inputs are allowed from IR version 4 on. */
const leastIrVersion = 8;
