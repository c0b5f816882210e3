// Whether a node fits the signature of its operator: what rows may then rely on.
import { fail, type ModelError } from '../errors.ts';
import type { Node } from '../ir/graph.ts';
import type { AttrSchema, OpSchema } from './schema.ts';

/** @throws ModelError E1302 for missing or surplus inputs and outputs, E1303 for missing attributes and those of another type */
export function requireSignature(node: Node, schema: OpSchema): void {
  const count = node.inputs.length;
  if (count < schema.minInputs || count > schema.maxInputs)
    throw fail('E1302', `${node.op}: expected ${rangeText(schema.minInputs, schema.maxInputs)} inputs, found ${count}`);
  for (const [i, v] of node.inputs.entries()) {
    const param = schema.inputs[Math.min(i, schema.inputs.length - 1)]!;
    if (!v && param.option !== 'optional') throw fail('E1302', `${node.op}: input ${i} (${param.name}) is missing`);
  }
  if (node.outputs.length > schema.maxOutputs || node.outputs.length < schema.minOutputs)
    throw fail('E1302', `${node.op}: expected ${rangeText(schema.minOutputs, schema.maxOutputs)} outputs, found ${node.outputs.length}`);
  for (const facts of schema.attributes.values()) {
    const wrong = attributeProblem(node, facts);
    if (wrong) throw wrong;
  }
}

function attributeProblem(node: Node, facts: AttrSchema): ModelError | undefined {
  const given = node.attributes.get(facts.name);
  if (!given) return facts.required ? fail('E1303', `${node.op}: attribute ${facts.name} is missing`) : undefined;
  const kind = given.kind === 'reference' ? given.of : given.kind;
  if (kind === facts.type.toLowerCase()) return undefined;
  return fail('E1303', `${node.op}: attribute ${facts.name}: expected ${facts.type.toLowerCase()}, found ${kind}`);
}

const rangeText = (least: number, most: number): string =>
  least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
