// sizes: vectors and numbers that are computed from sizes and come to the same are computed once. Programs ask for a size wherever they need
// it, in chains of their own; what such a chain comes to is known as an expression of open sizes.
import { isUnknownDim } from '../ir/dims.ts';
import { type Graph, subgraphs, type Value } from '../ir/graph.ts';
import { contentsOf } from '../ops/shapes.ts';
import type { Pass } from './rewrite.ts';

export const sizes: Pass = { name: 'sizes', rules: {}, same: sameSizes };

/** The earlier value that each later one equals. What nested graphs compute is seen there and in graphs nested in them only. */
function sameSizes(graph: Graph): Map<Value, Value> {
  const same = new Map<Value, Value>();
  const walk = (g: Graph, outer: (key: string) => Value | undefined): void => {
    const seen = new Map<string, Value>();
    const find = (key: string): Value | undefined => seen.get(key) ?? outer(key);
    for (const node of g.nodes) {
      for (const [, inner] of subgraphs(node)) walk(inner, find);
      for (const v of node.outputs) {
        const key = v && keyOf(v);
        if (!v || key === undefined) continue;
        const before = find(key);
        if (before) same.set(v, before);
        else seen.set(key, v);
      }
    }
  };
  walk(graph, () => undefined);
  return same;
}

/** Text that only values of the same type and content share; undefined where something in it is unknown, or all of it is. */
function keyOf(v: Value): string | undefined {
  const contents = v.tensor ? undefined : contentsOf(v);
  if (!contents?.some(d => typeof d !== 'number') || contents.some(d => typeof d !== 'number' && isUnknownDim(d))) return undefined;
  return [v.element, v.shape?.length, ...contents.map(d => (typeof d === 'number' ? d : d.key))].join(' ');
}
