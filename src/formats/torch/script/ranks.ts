// Programs that do the same whatever the ranks of their inputs: two graphs, made for different ranks, are compared.
import { type Attribute, type Graph, type Node, subgraphs, type Value } from '../../../ir/graph.ts';
import type { Tensor } from '../../../ir/tensor.ts';
import { tensorType } from '../../../ir/types.ts';

/**
 * Take back the ranks in `graph` where `other`, which was made for other ranks, has the same nodes.
 * @returns whether it has
 */
export function openRanks(graph: Graph, other: Graph): boolean {
  if (!sameNodes(graph, other)) return false;
  const values = (g: Graph): Value[] => [...g.inputs, ...g.nodes.flatMap(node => node.outputs.filter(v => v !== undefined))];
  const others = values(other);
  values(graph).forEach((v, i) => {
    if (v.element && v.shape?.length !== others[i]?.shape?.length) v.type = tensorType(v.element);
  });
  return true;
}

/** Whether two graphs are the same but for the names and types of values. */
function sameNodes(a: Graph, c: Graph): boolean {
  const pairs = new Map<Value, Value>();
  const sameValue = (x: Value | undefined, y: Value | undefined): boolean => {
    if (!x || !y) return x === y;
    const paired = pairs.get(x);
    return paired ? paired === y : x === y || (x.tensor !== undefined && y.tensor !== undefined && sameTensor(x.tensor, y.tensor));
  };
  const sameList = (xs: readonly (Value | undefined)[], ys: readonly (Value | undefined)[]): boolean =>
    xs.length === ys.length && xs.every((x, i) => sameValue(x, ys[i]));
  const pair = (xs: readonly (Value | undefined)[], ys: readonly (Value | undefined)[]): boolean => {
    for (const [i, x] of xs.entries()) if (x && ys[i]) pairs.set(x, ys[i]);
    return xs.length === ys.length;
  };
  const sameNode = (x: Node, y: Node): boolean => {
    if (x.op !== y.op || x.domain !== y.domain || x.attributes.size !== y.attributes.size || !sameList(x.inputs, y.inputs)) return false;
    if (![...x.attributes].every(([name, value]) => sameAttribute(value, y.attributes.get(name)))) return false;
    const [inner, outer] = [[...subgraphs(x)], [...subgraphs(y)]];
    return inner.every(([, graph], i) => sameGraph(graph, outer[i]![1])) && pair(x.outputs, y.outputs);
  };
  const sameGraph = (x: Graph, y: Graph): boolean =>
    pair(x.inputs, y.inputs) &&
    x.nodes.length === y.nodes.length &&
    x.nodes.every((node, i) => sameNode(node, y.nodes[i]!)) &&
    sameList(
      x.outputs.map(o => o.value),
      y.outputs.map(o => o.value),
    );
  return sameGraph(a, c);
}

function sameAttribute(a: Attribute, c: Attribute | undefined): boolean {
  if (a.kind !== c?.kind) return false;
  if (a.kind === 'graph' || a.kind === 'graphs') return true;
  if (a.kind === 'tensor' && c.kind === 'tensor') return sameTensor(a.value, c.value);
  const text = (value: unknown): string => JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v));
  return text(a.value) === text(c.value);
}

function sameTensor(a: Tensor, c: Tensor): boolean {
  if (a === c) return true;
  if (a.type !== c.type || a.dims.length !== c.dims.length || !a.dims.every((d, i) => d === c.dims[i])) return false;
  if (!a.isResident || !c.isResident || a.byteLength > 65536) return false;
  const [x, y] = [a.bytes(), c.bytes()];
  return x.every((byte, i) => byte === y[i]);
}
