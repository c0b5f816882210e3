// One node against the schema of its operator, or against the function it calls: signature and element types.
import type { FunctionDefinition, Node, Value } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import type { OpSchema, Param } from '../ops/schema.ts';
import { checkCount, checkSignature, type Report, schemaTypeName } from '../ops/signature.ts';

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

interface Bound {
  readonly type: string;
  readonly by: string;
}

/** Types of inputs and outputs, as far as they are declared, are allowed and the same wherever the schema has one variable. */
function checkTypes(node: Node, schema: OpSchema, report: Report): void {
  const bound = new Map<string, Bound>();
  const check = (what: 'input' | 'output', params: readonly Param[]) => (v: Value | undefined, i: number) => {
    const param = params[Math.min(i, params.length - 1)];
    const type = schemaTypeName(v?.type);
    if (!v || !param || type === undefined) return;
    const allowed = schema.constraints.get(param.type) ?? [param.type];
    const code = what === 'input' ? 'E1304' : 'E1306';
    const said = `${what} ${param.name} ${quoted(v.name)} is ${type}`;
    const before = param.homogeneous ? bound.get(param.type) : undefined;
    if (!allowed.includes(type)) report(code, `${said}, expected ${oneOf(allowed)}`, `.${what}[${i}]`);
    else if (before && before.type !== type)
      report(code, `${said}, but ${before.by} is ${before.type}, and both are ${param.type}`, `.${what}[${i}]`);
    else if (!before && schema.constraints.has(param.type) && param.homogeneous)
      bound.set(param.type, { type, by: `${what} ${param.name}` });
  };
  node.inputs.forEach(check('input', schema.inputs));
  node.outputs.forEach(check('output', schema.outputs));
}

const oneOf = (types: readonly string[]): string =>
  types.length === 1 ? types[0]! : `one of ${types.slice(0, 12).join(', ')}${types.length > 12 ? `, … (${types.length})` : ''}`;
