// From the opset of a file to the newest: a copy, node by node, through the steps that lie between.
import { fail, ModelError } from '../errors.ts';
import { contentMisfit } from '../ir/agree.ts';
import { type Graph, Model, type Node, subgraphs, type Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { newestOpset, newestSchema, type OpSchema, releasedOpset, schemaOf, schemaVersions } from '../ops/schema.ts';
import { requireSignature, requireTypes } from '../ops/signature.ts';
import { type CopyOptions, rebuild, type Visit } from '../passes/rebuild.ts';
import { experimental, requireDefined } from './experimental.ts';
import { type Form, isForm, leftovers, onlyGrew, stepOf, versionBefore, without } from './form.ts';
import { upgradeSteps } from './upgrade-steps.ts';

type Opsets = ReadonlyMap<string, number>;

/** The copy of a node of older opsets in the newest. */
export const upgradeNode =
  (opsets: Opsets): Visit =>
  (node, inputs, attributes, b) => {
    const { op, domain, overload, name } = node;
    const opset = opsets.get(domain) ?? 1;
    const place = { domain, overload, name, outputs: node.outputs.map(v => v?.name) };
    try {
      const result = upgradeForm({ inputs, attributes: without(attributes, ...leftovers) }, b, node, opset);
      if (!isForm(result)) return result;
      return b.emit(result.op ?? op, result.inputs, result.attributes, place);
    } catch (error) {
      throw error instanceof ModelError ? error.within({ offset: node.meta.at, node: { op: node.qualifiedName, name: node.name } }) : error;
    }
  };

function upgradeForm(given: Form, b: Builder, node: Node, opset: number): Form | readonly (Value | undefined)[] {
  const { domain } = node;
  if (domain === '' && !schemaOf('', node.op, opset)) {
    requireDefined(node.op);
    const old = Object.hasOwn(experimental, node.op) ? experimental[node.op] : undefined;
    const replaced = old?.(given, b, node);
    if (replaced) return replaced;
    const newest = newestSchema('', node.op);
    if (newest) requireTypes(node.op, given.inputs, newest);
    return given;
  }
  // Steps take apart what they are given, as the version it is of has it.
  const written = schemaOf(domain, node.op, opset);
  if (written) {
    requireSignature(node, written);
    requireTypes(node.op, given.inputs, written);
  }
  let form = given;
  for (const version of versionsAfter(domain, node.op, opset)) {
    const step = stepOf(upgradeSteps, { domain, op: node.op }, version);
    if (!step) {
      requireGrown(node, opset, domain, version);
      continue;
    }
    const result = step(form, b, node);
    if (!isForm(result)) return result;
    form = result;
  }
  return form;
}

/** The versions that a node goes through; where the last only says that the operator is deprecated, it is among them. */
const versionsAfter = (domain: string, op: string, opset: number): readonly number[] =>
  schemaVersions(domain, op).filter(
    (version, i, all) => version > opset || (i === all.length - 1 && domain === '' && schemaOf(domain, op, version)!.deprecated),
  );

function requireGrown(node: Node, opset: number, domain: string, version: number): void {
  const before = versionBefore(domain, node.op, version);
  const schemas = [before, version].map(v => (v === undefined ? undefined : schemaOf(domain, node.op, v)));
  if (schemas.every((schema): schema is OpSchema => schema !== undefined) && onlyGrew(schemas[0]!, schemas[1]!)) return;
  throw fail('E2002', `${node.qualifiedName} of opset ${opset} cannot be said as the ${node.qualifiedName} of opset ${version} yet`);
}

/** That what tensors hold is what is declared of them: folding and planning rely on either. */
function requireContents(graph: Graph): void {
  for (const v of new Set([...graph.inputs, ...graph.initializers])) {
    const misfit = contentMisfit(v);
    if (misfit !== undefined) throw fail('E1306', misfit, { tensor: v.name });
  }
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) requireContents(inner);
}

/** A copy of the model with the operators of all domains of the standard in their newest opsets, nested graphs and functions included. */
export function upgrade(model: Model, options: CopyOptions = {}): Model {
  const upgraded = (opsets: Opsets, graph: Graph): Graph => {
    requireContents(graph);
    for (const [domain, opset] of opsets) {
      const newest = releasedOpset(domain) ?? opset;
      if (opset > newest) throw fail('E1106', `opset ${opset}${domain && ` of ${domain}`} is newer than ${newest}, the newest known`);
    }
    return rebuild(graph, new Map(), upgradeNode(opsets), new Map(), options);
  };
  const current = (opsets: Opsets): Map<string, number> =>
    new Map([...opsets, ['', newestOpset('')!] as const].map(([domain, opset]) => [domain, releasedOpset(domain) ?? opset]));
  return new Model(upgraded(model.opsets, model.graph), {
    irVersion: model.irVersion,
    opsets: current(model.opsets),
    functions: model.functions.map(f => ({ ...f, opsets: current(f.opsets), body: upgraded(f.opsets, f.body) })),
    producer: model.producer,
    meta: model.meta,
  });
}
