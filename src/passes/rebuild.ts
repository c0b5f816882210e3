// Copies of graphs through the builder: nodes are made again in order, so that every type and known content is inferred anew.
import { type Attribute, type Attributes, Graph, type Node, type Output, Value } from '../ir/graph.ts';
import type { ValueType } from '../ir/types.ts';
import { type Builder, newBuilder } from '../ops/builder.ts';

/** What is put in the place of graph inputs: another type, or a whole value such as a constant. One that is typed so has no default. */
export type Bindings = ReadonlyMap<Value, ValueType | Value>;

/** Makes the copy of a node with `b`; values of its outputs. `attributes` hold copies of nested graphs. */
export type Visit = (
  node: Node,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  b: Builder,
) => readonly (Value | undefined)[];

export const emitAgain: Visit = (node, inputs, attributes, b) =>
  b.emit(node.op, inputs, attributes, {
    domain: node.domain,
    overload: node.overload,
    name: node.name,
    meta: node.meta,
    outputs: node.outputs.map(v => v?.name),
  });

/** A graph whose nodes and outputs stand for a node's: the branch of an If whose condition is known. Not typed before. */
export type Choose = (node: Node, inputs: readonly (Value | undefined)[]) => Graph | undefined;

/** Copies a graph nested in a node with `copy`, which may be told types for its inputs, and asked again. */
export type Nest = (node: Node, inputs: readonly (Value | undefined)[], inner: Graph, copy: (bindings?: Bindings) => Graph) => Graph;

export interface CopyOptions {
  readonly choose?: Choose | undefined;
  readonly nest?: Nest | undefined;
}

/** Copy `graph` with its inputs typed as `bindings` says. Inputs bound to values leave the signature. */
export function rebuild(
  graph: Graph,
  bindings: Bindings = new Map(),
  visit: Visit = emitAgain,
  outer: ReadonlyMap<Value, Value> = new Map(),
  options: CopyOptions = {},
): Graph {
  const b = newBuilder();
  const now = new Map<Value, Value>(outer);
  const inputs: Value[] = [];
  for (const v of graph.inputs) {
    const bound = bindings.get(v);
    const copy = bound instanceof Value ? bound : v.tensor && !bound ? v : new Value(v.name, bound ?? v.type, { meta: v.meta });
    if (!(bound instanceof Value)) inputs.push(copy);
    now.set(v, copy);
  }
  copyNodes(graph.nodes, now, visit, b, options);
  const current = (v: Value): Value => now.get(v) ?? v;
  const isRetyped = bindings.size > 0 || outer.size > 0;
  const outputs = graph.outputs.map((o): Output => {
    const value = current(o.value);
    const type = o.type ?? (!isRetyped && saysLess(value.type, o.value.type) ? o.value.type : undefined);
    return { ...o, value, ...(type && { type }) };
  });
  return new Graph(graph.name, {
    inputs,
    outputs,
    nodes: b.nodes,
    // A default of an input goes where the input went or got another type.
    initializers: graph.initializers.filter(v => !graph.inputs.includes(v) || inputs.includes(v)),
    meta: graph.meta,
  });
}

/**
 * Copy nodes into `b`, in order. `now` says what stands for the values that they read, and gets what stands for those they make; a value
 * that it holds as undefined is left out. Graphs nested in them are copied with the same `visit`.
 */
export function copyNodes(
  nodes: readonly Node[],
  now: Map<Value, Value | undefined>,
  visit: Visit,
  b: Builder,
  options: CopyOptions = {},
): void {
  const { choose = () => undefined, nest = (_node, _inputs, _inner, copy) => copy() } = options;
  const current = (v: Value): Value | undefined => (now.has(v) ? now.get(v) : v);
  // The cast: what a nested graph captures is there; only inputs that a caller left out are not, and reading those is its own error.
  const scope = now as Map<Value, Value>;
  for (const node of nodes) {
    const inputs = node.inputs.map(v => v && current(v));
    const chosen = choose(node, inputs);
    if (chosen) copyNodes(chosen.nodes, now, visit, b, options);
    b.meta = node.meta;
    const made = chosen
      ? chosen.outputs.map(o => current(o.value))
      : visit(
          node,
          inputs,
          nestedCopies(node.attributes, inner => nest(node, inputs, inner, bindings => rebuild(inner, bindings, visit, scope, options))),
          b,
        );
    node.outputs.forEach((v, i) => {
      const copy = made[i];
      if (!v || !copy) return;
      if (!copy.type && v.type) copy.type = v.type;
      now.set(v, copy);
    });
  }
}

/** Whether a declared type says more than the one that was inferred: a rank or an element. */
function saysLess(inferred: ValueType | undefined, declared: ValueType | undefined): boolean {
  if (!inferred || !declared) return declared !== undefined;
  if (inferred.kind === 'tensor' && declared.kind === 'tensor')
    return inferred.element === declared.element && !inferred.shape && !!declared.shape;
  if ((inferred.kind === 'sequence' || inferred.kind === 'optional') && declared.kind === inferred.kind)
    return saysLess(inferred.of, declared.of);
  return false;
}

function nestedCopies(attributes: Attributes, copy: (graph: Graph) => Graph): Attributes {
  const hasGraphs = [...attributes.values()].some(a => a.kind === 'graph' || a.kind === 'graphs');
  if (!hasGraphs) return attributes;
  const mapped = (a: Attribute): Attribute =>
    a.kind === 'graph' ? { ...a, value: copy(a.value) } : a.kind === 'graphs' ? { ...a, value: a.value.map(copy) } : a;
  return new Map([...attributes].map(([name, a]) => [name, mapped(a)]));
}
