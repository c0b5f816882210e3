// From the newest opset to an older one: through the steps between versions, by wider types, or by an operator's body, until the older
// opset can say it. What it cannot say is told, all at once.
import type { Finding } from '../errors.ts';
import { ModelError } from '../errors.ts';
import { allNodes, type Graph, type Node, type Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { newestOpset, newestSchema, type OpSchema, schemaOf, schemaVersions } from '../ops/schema.ts';
import { range } from '../ops/shapes.ts';
import { schemaTypeName } from '../ops/signature.ts';
import { bodyValues, isUnknown, type Rule, rewriteAll } from '../passes/index.ts';
import { downgradeSteps } from './downgrade-steps.ts';
import { type Form, isForm, signatureGrew, versionBefore, without } from './form.ts';
import { widened } from './widen.ts';

/** How a node is said in an older opset: as it is, in another form, by other nodes, or not, with the reason. */
type Said = { readonly form: Form } | { readonly values: readonly (Value | undefined)[] } | { readonly why: string };

/**
 * Say every node of the graphs in `opset`, in place.
 * @throws ModelError E2004 with every node that cannot be said, and why
 */
export function downgrade(graphs: readonly Graph[], opset: number): void {
  const refused = new Map<Node, string>();
  const done = new WeakSet<Node>();
  const rule: Rule = (node, b) => {
    if (done.has(node) || node.domain !== '') return undefined;
    const said = say(node, b, opset);
    if ('values' in said) return said.values;
    if ('why' in said) refused.set(node, said.why);
    done.add(node);
    if ('why' in said || isUnchanged(said.form, node)) return undefined;
    const made = b.older(node, said.form);
    done.add(made);
    return made.outputs;
  };
  for (const graph of graphs) rewriteAll(graph, [{ name: 'downgrade', rules: { '*': rule } }]);
  const findings = graphs.flatMap(graph => [...allNodes(graph)]).flatMap((node, index) => finding(node, index, opset, refused.get(node)));
  if (findings.length > 0) throw new ModelError(findings);
}

/** Why a node of the newest opset cannot be written in `opset` as it is; undefined where it can. */
export function obstacle(node: Node, b: Builder, opset: number): string | undefined {
  if (node.domain !== '') return undefined;
  const said = throughVersions(node, b, opset);
  if ('why' in said) return said.why;
  return 'form' in said && isUnchanged(said.form, node) ? undefined : `${node.op} has another form in opset ${opset}`;
}

/** A node of the newest opset as one node of `opset`, appended to `b`; undefined where it is more than one there, or none. */
export function sayInOne(node: Node, b: Builder, opset: number): Node | undefined {
  const before = b.nodes.length;
  if (node.domain !== '') return undefined;
  const said = throughVersions(node, b, opset);
  if (!('form' in said) || b.nodes.length > before) {
    b.nodes.length = before;
    return undefined;
  }
  if (!isUnchanged(said.form, node)) return b.older(node, said.form);
  b.nodes.push(node);
  return node;
}

function say(node: Node, b: Builder, opset: number): Said {
  const said = throughVersions(node, b, opset);
  if (!('why' in said)) return said;
  b.nodes.length = 0;
  const values = widened(node, opset, b) ?? body(node, b);
  return values ? { values } : said;
}

/** The body of an operator, where it has one for these attributes. */
function body(node: Node, b: Builder): readonly (Value | undefined)[] | undefined {
  try {
    return bodyValues(node, b);
  } catch (error) {
    if (error instanceof ModelError && ['E2002', 'E3004'].includes(error.code)) return undefined;
    throw error;
  }
}

/** The form of a node in `opset`, one version after the other. */
function throughVersions(node: Node, b: Builder, opset: number): Said {
  const newest = schemaOf('', node.op, newestOpset('')!);
  if (!newest) return { form: node };
  let form: Form = { op: node.op, inputs: node.inputs, attributes: node.attributes };
  let op = node.op;
  let version = newest.since;
  while (version > opset) {
    const before = versionBefore('', op, version);
    const result = cross(form, { op, version, before }, b, node);
    if (typeof result === 'string') return { why: result };
    if (!isForm(result)) return { values: result };
    form = result;
    const renamed = form.op !== undefined && form.op !== op;
    op = form.op ?? op;
    version = renamed ? schemaVersions('', op).findLast(v => v < version)! : before!;
  }
  const then = schemaOf('', op, opset)!;
  const why = misfit({ ...form, op }, node, then);
  return why ? { why } : { form: { ...form, op } };
}

interface Crossing {
  readonly op: string;
  readonly version: number;
  readonly before: number | undefined;
}

/** From one version to the one before. */
function cross(form: Form, { op, version, before }: Crossing, b: Builder, node: Node): ReturnType<(typeof downgradeSteps)[string][number]> {
  const step = Object.hasOwn(downgradeSteps, op) ? downgradeSteps[op]![version] : undefined;
  if (!step && before === undefined) return `${op} is new in opset ${version}`;
  const [older, newer] = [before === undefined ? undefined : schemaOf('', op, before)!, schemaOf('', op, version)!];
  if (!step) return older && signatureGrew(older, newer) ? withoutDefaults(form, older, newer) : `${op} changed in opset ${version}`;
  try {
    const result = step(form, b, node);
    return typeof result === 'string' || !isForm(result) || !older ? result : withoutDefaults(result, older, newer);
  } catch (error) {
    if (isUnknown(error)) return (error as ModelError).message;
    throw error;
  }
}

/** Attributes that the older version lacks go where they say what it does anyway. */
function withoutDefaults(form: Form, older: OpSchema, newer: OpSchema): Form {
  const gone = [...form.attributes].filter(([name, given]) => {
    const facts = newer.attributes.get(name);
    return !older.attributes.has(name) && 'value' in given && String(given.value) === String(facts?.default);
  });
  return gone.length === 0 ? form : { ...form, attributes: without(form.attributes, ...gone.map(([name]) => name)) };
}

/** Why a form does not fit the signature of its version. */
export function misfit({ op, inputs, attributes }: Form, node: Node, then: OpSchema): string | undefined {
  // What no version knows is no business of opsets.
  const now = newestSchema(node.domain, node.op)!;
  for (const [name] of attributes) if (!then.attributes.has(name) && now.attributes.has(name)) return `attribute ${name} of ${op} is newer`;
  if (inputs.findLastIndex(v => v) >= then.maxInputs) return `${op} takes only ${then.maxInputs} inputs there`;
  if (node.outputs.findLastIndex(v => v) >= then.maxOutputs) return `${op} has only ${then.maxOutputs} outputs there`;
  const required = then.inputs.findIndex((param, i) => param.option === 'single' && !inputs[i]);
  if (required >= 0) return `${op} needs its input ${then.inputs[required]!.name} there`;
  return typeMisfit(op!, inputs, then.inputs, then, 'takes') ?? typeMisfit(op!, node.outputs, then.outputs, then, 'gives');
}

function typeMisfit(
  op: string,
  values: readonly (Value | undefined)[],
  params: OpSchema['inputs'],
  schema: OpSchema,
  verb: string,
): string | undefined {
  const bound = new Map<string, string>();
  for (const [i, v] of values.entries()) {
    const param = params[Math.min(i, params.length - 1)];
    const type = schemaTypeName(v?.type);
    if (!param || !type) continue;
    const allowed = schema.constraints.get(param.type) ?? [param.type];
    if (!allowed.includes(type)) return `${op} ${verb} no ${v?.element ?? type} there`;
    const other = bound.get(param.type);
    if (other !== undefined && other !== type && param.homogeneous) return `${op} ${verb} one type only there`;
    if (param.homogeneous) bound.set(param.type, type);
  }
  return undefined;
}

const isUnchanged = (form: Form, node: Node): boolean =>
  (form.op ?? node.op) === node.op &&
  range(Math.max(form.inputs.length, node.inputs.length)).every(i => form.inputs[i] === node.inputs[i]) &&
  form.attributes.size === node.attributes.size &&
  [...form.attributes].every(([name, value]) => node.attributes.get(name) === value);

function finding(node: Node, index: number, opset: number, why: string | undefined): Finding[] {
  if (!why) return [];
  const message = `opset ${opset} cannot say it: ${why}`;
  return [{ code: 'E2004', severity: 'error', message, node: { index, op: node.op, name: node.name } }];
}
