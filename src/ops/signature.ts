// Whether a node fits the signature of its operator: counts, absent inputs, attributes. What rows may then rely on.
import { type Code, type Finding, fail, type Place } from '../errors.ts';
import type { Attribute, Node, Value } from '../ir/graph.ts';
import { escaped, quoted } from '../ir/text.ts';
import { type DataType, elementTypes, tensorType, type ValueType } from '../ir/types.ts';
import { nearestName } from './nearest.ts';
import type { OpSchema, Param } from './schema.ts';

/** Adds a finding on the node; `step` leads from the node to the place, such as `.input[1]`. */
export type Report = (
  code: Code,
  message: string,
  step?: string,
  more?: { hint?: string; severity?: Finding['severity']; unknown?: true } & Place,
) => void;

/** Report E1302 and E1303: wrong counts, empty names where an input is required, attributes that are missing, unknown or of another type. */
export function checkSignature(node: Node, schema: OpSchema, report: Report): void {
  checkCount('input', node.inputs.length, schema.minInputs, schema.maxInputs, report);
  checkCount('output', node.outputs.length, schema.minOutputs, schema.maxOutputs, report);
  checkEmpty(node.inputs, schema, report);
  checkAttributes(node, schema, report);
}

/**
 * The first problem as an error. Attributes that the operator does not have are passed over: older versions had some that mean
 * nothing now.
 * @throws ModelError E1302 or E1303
 */
export function requireSignature(node: Node, schema: OpSchema): void {
  checkSignature(node, schema, (code, message, _step, more) => {
    if (more?.unknown) return;
    throw fail(code, `${node.op}: ${message}`);
  });
}

export function checkCount(what: 'input' | 'output', found: number, least: number, most: number, report: Report): void {
  if (found >= least && found <= most) return;
  const range = least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`;
  report('E1302', `has ${found} ${what}${found === 1 ? '' : 's'}, expected ${range}`, `.${what}`);
}

/**
 * That no input is absent which the operator needs, also at the end of the list.
 * @throws ModelError E1302
 */
export function requireInputs(op: string, inputs: Node['inputs'], schema: OpSchema): void {
  checkEmpty(inputs, schema, (code, message) => {
    throw fail(code, `${op}: ${message}`);
  });
}

/** An empty name says that an optional input is absent; others cannot be. */
function checkEmpty(inputs: Node['inputs'], { inputs: params }: OpSchema, report: Report): void {
  inputs.forEach((v, i) => {
    const param = params[Math.min(i, params.length - 1)];
    if (v || !param || param.option === 'optional') return;
    report(
      'E1302',
      `has an empty name for ${param.option === 'variadic' ? 'the variadic' : 'the required'} input ${param.name}`,
      `.input[${i}]`,
    );
  });
}

/** `SPARSE_TENSOR` of the schemas as the kinds of attributes are called. */
const kindOf = (type: string): string => type.toLowerCase();
const typeOf = (attribute: Attribute): string => (attribute.kind === 'reference' ? attribute.of : attribute.kind);

function checkAttributes(node: Node, { attributes: known }: OpSchema, report: Report): void {
  let index = 0;
  for (const [name, attribute] of node.attributes) {
    const step = `.attribute[${index++}]`;
    const schema = known.get(name);
    // Names that begin like this belong to tools.
    if (!schema && name.startsWith('__')) continue;
    const at = attribute.meta?.at;
    const offset = at === undefined ? {} : { offset: at };
    if (!schema) {
      const near = nearestName(name, known.keys());
      report('E1303', `has no attribute ${quoted(name)}`, step, {
        ...offset,
        unknown: true,
        ...(near === undefined ? {} : { hint: `nearest name: ${near}` }),
      });
    } else if (typeOf(attribute) !== kindOf(schema.type))
      report('E1303', `attribute ${name} is of type ${escaped(typeOf(attribute))}, expected ${kindOf(schema.type)}`, step, offset);
  }
  for (const [name, { required }] of known)
    if (required && !node.attributes.has(name)) report('E1303', `lacks the required attribute ${name}`, '.attribute');
}

const schemaNames: Partial<Record<DataType, string>> = { float32: 'float', float64: 'double' };
const elementName = (type: DataType): string | undefined => (type === 'undefined' ? undefined : (schemaNames[type] ?? type));

/** The type as the schemas write it, such as `tensor(float)`; undefined where a part of it is not known. */
export function schemaTypeName(type: ValueType | undefined): string | undefined {
  const wrap = (text: string, inner: string | undefined): string | undefined => inner && `${text}(${inner})`;
  switch (type?.kind) {
    case undefined:
    case 'opaque':
      return undefined;
    case 'tensor':
      return wrap('tensor', elementName(type.element));
    case 'sparse':
      return wrap('sparse_tensor', elementName(type.element));
    case 'sequence':
      return wrap('seq', schemaTypeName(type.of));
    case 'optional':
      return wrap('optional', schemaTypeName(type.of));
    case 'map':
      return wrap('map', type.of?.kind === 'tensor' ? `${elementName(type.key)}, ${elementName(type.of.element)}` : undefined);
    default:
      return type satisfies never;
  }
}

const elementOfName = new Map(Object.keys(elementTypes).map(type => [elementName(type as DataType), type as DataType]));

/** What a signature says of an output: the one type it has, or that of an input which it shares a variable with; without sizes. */
export function typeBySignature(schema: OpSchema, inputs: readonly (Value | undefined)[], output: number): ValueType | undefined {
  const param = schema.outputs[Math.min(output, schema.outputs.length - 1)];
  if (!param || (param.option === 'variadic' && !param.homogeneous)) return undefined;
  const allowed = schema.constraints.get(param.type) ?? [param.type];
  const only = allowed.length === 1 ? /^tensor\((.*)\)$/.exec(allowed[0]!)?.[1] : undefined;
  const element = only === undefined ? undefined : elementOfName.get(only);
  if (element) return tensorType(element);
  const shared = inputs.find((v, i) => v?.element && schema.inputs[Math.min(i, schema.inputs.length - 1)]?.type === param.type);
  return shared?.element && tensorType(shared.element);
}

type Allows = (allowed: readonly string[], type: string) => boolean;
const includes: Allows = (allowed, type) => allowed.includes(type);

interface Bound {
  readonly type: string;
  readonly by: string;
}

/** Report E1304 and E1306: types of inputs and outputs, as far as they are declared, are allowed and the same wherever the schema has one variable. */
export function checkTypes(node: Pick<Node, 'inputs' | 'outputs'>, schema: OpSchema, report: Report, allows: Allows = includes): void {
  const bound = new Map<string, Bound>();
  const check = (what: 'input' | 'output', params: readonly Param[]) => (v: Value | undefined, i: number) => {
    const param = params[Math.min(i, params.length - 1)];
    const type = schemaTypeName(v?.type);
    if (!v || !param || type === undefined) return;
    const allowed = schema.constraints.get(param.type) ?? [param.type];
    const code = what === 'input' ? 'E1304' : 'E1306';
    const said = `${what} ${param.name} ${quoted(v.name)} is ${type}`;
    const before = param.homogeneous ? bound.get(param.type) : undefined;
    if (!allows(allowed, type)) report(code, `${said}, expected ${oneOf(allowed)}`, `.${what}[${i}]`);
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

/** A variable that takes text and numbers alike is moved, not computed with: rows move every element type, listed or not. */
const allowsOrMoves: Allows = (allowed, type) =>
  allowed.includes(type) || (type.startsWith('tensor(') && allowed.includes('tensor(string)') && allowed.includes('tensor(float)'));

/** The first input whose type no row takes. @throws ModelError E1304 */
export function requireTypes(op: string, inputs: readonly (Value | undefined)[], schema: OpSchema): void {
  const report: Report = (code, message) => {
    throw fail(code, `${op}: ${message}`);
  };
  checkTypes({ inputs, outputs: [] }, schema, report, allowsOrMoves);
}
