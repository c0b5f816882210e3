// The order of nodes: what a node reads comes before it. Sorting keeps the order of the file wherever that is possible.
import { type Graph, type Node, subgraphs, type Value } from './graph.ts';

/** Every value a node reads: its inputs, and what the graphs in its attributes read or return. */
export function* readsOf(node: Node): Generator<Value> {
  for (const v of node.inputs) if (v) yield v;
  for (const [, inner] of subgraphs(node)) {
    for (const n of inner.nodes) yield* readsOf(n);
    for (const output of inner.outputs) yield output.value;
  }
}

/**
 * The graph's own nodes, each after the nodes it reads from, or the nodes of one circle in the order in which they read each
 * other. Stable: a node moves only in front of one that reads it. Linear time, no recursion over nodes. `named` gives the values that a node
 * depends on by their names alone.
 */
export function sortedNodes(
  graph: Graph,
  named: (node: Node) => readonly string[] = () => [],
): { readonly nodes: Node[] } | { readonly cycle: Node[] } {
  const makers = new Map(graph.nodes.flatMap(node => node.outputs.flatMap(v => (v ? [[v.name, node] as const] : []))));
  const before = (node: Node): readonly Node[] => named(node).flatMap(name => makers.get(name) ?? []);
  const state = new Map<Node, 'waiting' | 'open' | 'done'>(graph.nodes.map(node => [node, 'waiting']));
  const nodes: Node[] = [];
  for (const start of graph.nodes) {
    if (state.get(start) !== 'waiting') continue;
    const path = [open(start, state, before(start))];
    while (path.length > 0) {
      const { node, sources } = path.at(-1)!;
      const next = sources.pop();
      if (next === undefined) {
        state.set(node, 'done');
        nodes.push(node);
        path.pop();
      } else if (state.get(next) === 'open') return { cycle: circle(path, next) };
      else if (state.get(next) === 'waiting') path.push(open(next, state, before(next)));
    }
  }
  return { nodes };
}

interface Step {
  readonly node: Node;
  /** Nodes that must come first, the first one last. */
  readonly sources: Node[];
}

function open(node: Node, state: Map<Node, 'waiting' | 'open' | 'done'>, more: readonly Node[]): Step {
  state.set(node, 'open');
  const sources: Node[] = [];
  const add = (source: Node): void => {
    if (state.has(source) && state.get(source) !== 'done') sources.push(source);
  };
  for (const { producer } of readsOf(node)) if (producer) add(producer);
  more.forEach(add);
  return { node, sources: sources.reverse() };
}

const circle = (path: readonly Step[], first: Node): Node[] =>
  path.slice(path.findIndex(step => step.node === first)).map(step => step.node);
