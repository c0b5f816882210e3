// One node against the schema of its operator, or against the function it calls: signature and element types.
import type { FunctionDefinition, Node } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import type { OpSchema } from '../ops/schema.ts';
import { checkCount, checkSignature, checkTypes, type Report } from '../ops/signature.ts';

/** Check a node of the standard. Reports E1302, E1303, E1304 and E1306. */
export function checkNode(node: Node, schema: OpSchema, report: Report): void {
  checkSignature(node, schema, report);
  checkTypes(node, schema, report);
}

/** Check a call of a model-local function: at most its inputs and outputs, and every attribute without a default. */
export function checkCall(node: Node, called: FunctionDefinition, report: Report): void {
  checkCount('input', node.inputs.length, 0, called.body.inputs.length, report);
  checkCount('output', node.outputs.length, 0, called.body.outputs.length, report);
  for (const name of called.attributes)
    if (!node.attributes.has(name))
      report('E1303', `lacks the attribute ${quoted(name)} of the function`, '.attribute', { severity: 'warning' });
}
