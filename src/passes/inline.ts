// inline: calls of model-local functions become the nodes of their bodies.
import { fail } from '../errors.ts';
import {
  type Attribute,
  type Attributes,
  allNodes,
  type FunctionDefinition,
  type Graph,
  type Model,
  type Node,
  type Value,
} from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { copyNodes, rebuild, type Visit } from './rebuild.ts';

/** What a call finds its function by. */
export const keyOf = (domain: string, name: string, overload: string): string => `${domain}\u0000${name}\u0000${overload}`;

/** The function of the model that a node calls. */
export type Called = (node: Node) => FunctionDefinition | undefined;

/**
 * How calls are told from other nodes.
 * @throws ModelError E1108 for a function that calls itself, E1009 where there would be more nodes without calls than the model's limit, a million otherwise
 */
export function callsOf(model: Model): Called {
  const functions = new Map(model.functions.map(f => [keyOf(f.domain, f.name, f.overload), f]));
  if (functions.size > 0) refuseExplosion(model, functions);
  return node => functions.get(keyOf(node.domain, node.op, node.overload));
}

/** A copy of the graph without calls of the model's functions. */
export function inline(model: Model): Graph {
  if (model.functions.length === 0) return model.graph;
  const calledBy = callsOf(model);
  const visitIn =
    (caller: Attributes | undefined): Visit =>
    (node, inputs, given, b) => {
      const attributes = caller ? resolve(given, caller) : given;
      const called = calledBy(node);
      if (!called) return b.emit(node.op, inputs, attributes, outputsOf(node));
      return callBody(called, inputs, visitIn(new Map([...called.defaults, ...attributes])), b);
    };
  return rebuild(model.graph, new Map(), visitIn(undefined));
}

/** Count what inlining would make, each function once, before anything is made. */
function refuseExplosion(model: Model, functions: ReadonlyMap<string, FunctionDefinition>): void {
  const sizes = new Map<string, number>();
  const open: string[] = [];
  const sizeOf = (graph: Graph): number => {
    let count = 0;
    for (const node of allNodes(graph)) {
      const key = keyOf(node.domain, node.op, node.overload);
      const called = functions.get(key);
      if (called && open.includes(key)) throw fail('E1108', `the function ${called.name} calls itself`);
      if (called && !sizes.has(key)) {
        open.push(key);
        sizes.set(key, sizeOf(called.body));
        open.pop();
      }
      count += called ? sizes.get(key)! : 1;
    }
    return count;
  };
  const total = sizeOf(model.graph);
  const value = model.meta.inlined ?? 1_000_000;
  if (total > value)
    throw fail('E1009', `inlining functions makes ${total} nodes, more than ${value}`, { limit: { name: 'inlined', value } });
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
  visit: Visit,
  b: Builder,
): readonly (Value | undefined)[] {
  const now = new Map<Value, Value | undefined>(called.body.inputs.map((v, i) => [v, inputs[i]]));
  copyNodes(called.body.nodes, now, visit, b);
  return called.body.outputs.map(o => (now.has(o.value) ? now.get(o.value) : o.value));
}

/** References to the caller's attributes become those; absent ones are left out. */
export function resolve(attributes: Attributes, caller: Attributes): Attributes {
  const resolved = new Map<string, Attribute>();
  for (const [name, a] of attributes) {
    const actual = a.kind === 'reference' ? caller.get(a.value) : a;
    if (actual) resolved.set(name, actual);
  }
  return resolved;
}
