// inline: calls of model-local functions become the nodes of their bodies.
import { fail } from '../errors.ts';
import type { Attribute, Attributes, FunctionDefinition, Graph, Model, Node, Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { rebuild, type Visit } from './rebuild.ts';

const keyOf = (domain: string, name: string, overload: string): string => `${domain}\u0000${name}\u0000${overload}`;

/** Most nodes that inlining may make. */
const maxNodes = 1_000_000;

/** A copy of the graph without calls of the model's functions. */
export function inline(model: Model): Graph {
  const functions = new Map(model.functions.map(f => [keyOf(f.domain, f.name, f.overload), f]));
  if (functions.size === 0) return model.graph;
  let made = 0;
  const visitIn =
    (caller: Attributes | undefined): Visit =>
    (node, inputs, given, b) => {
      const attributes = caller ? resolve(given, caller) : given;
      const called = functions.get(keyOf(node.domain, node.op, node.overload));
      if (called) return callBody(called, inputs, new Map([...called.defaults, ...attributes]), b, visitIn);
      if (++made > maxNodes)
        throw fail('E1009', `inlining functions makes more than ${maxNodes} nodes`, { limit: { name: 'nodes', value: maxNodes } });
      return b.emit(node.op, inputs, attributes, outputsOf(node));
    };
  return rebuild(model.graph, new Map(), visitIn(undefined));
}

const outputsOf = (node: Node) => ({
  domain: node.domain,
  overload: node.overload,
  name: node.name,
  meta: node.meta,
  outputs: node.outputs.map(v => v?.name),
});

function callBody(
  called: FunctionDefinition,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  b: Builder,
  visitIn: (caller: Attributes) => Visit,
): readonly (Value | undefined)[] {
  const now = new Map<Value, Value | undefined>(called.body.inputs.map((v, i) => [v, inputs[i]]));
  const visit = visitIn(attributes);
  for (const node of called.body.nodes) {
    const made = visit(
      node,
      node.inputs.map(v => (v && now.has(v) ? now.get(v) : v)),
      node.attributes,
      b,
    );
    node.outputs.forEach((v, i) => v && now.set(v, made[i]));
  }
  return called.body.outputs.map(o => now.get(o.value));
}

/** References to the caller's attributes become those; absent ones are left out. */
function resolve(attributes: Attributes, caller: Attributes): Attributes {
  const resolved = new Map<string, Attribute>();
  for (const [name, a] of attributes) {
    const actual = a.kind === 'reference' ? caller.get(a.value) : a;
    if (actual) resolved.set(name, actual);
  }
  return resolved;
}
