// duplicates: nodes that compute the same from the same, and constants of the same content, are kept once.
import { type Attribute, type Attributes, type Graph, type Node, subgraphs, type Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { randomOperators } from '../ops/random.ts';

/** Text that tensors share only where they are equal; undefined where that is not known. */
export type TensorKey = (tensor: Tensor) => string | undefined;

/** Whether the operator is known to make the same of the same whenever it runs. Draws of random numbers do not. */
const isPure = ({ op, domain }: Node): boolean => rowOf(op, domain) !== undefined && !(domain === '' && randomOperators.has(op));

/** The earlier value that each later one equals. What nested graphs compute is seen there and in graphs nested in them only. */
export function duplicateNodes(graph: Graph, keyOf: TensorKey, isFunction: (node: Node) => boolean = () => false): Map<Value, Value> {
  const same = new Map<Value, Value>();
  const ids = new Map<Value, number>();
  const idOf = (v: Value | undefined): string => {
    const value = v && (same.get(v) ?? v);
    if (!value) return '-';
    if (!ids.has(value)) ids.set(value, ids.size);
    return String(ids.get(value));
  };
  const walk = (g: Graph, outer: (key: string) => Node | undefined): void => {
    const seen = new Map<string, Node>();
    const find = (key: string): Node | undefined => seen.get(key) ?? outer(key);
    for (const node of g.nodes) {
      for (const [, inner] of subgraphs(node)) walk(inner, find);
      const attributes = isPure(node) && !isFunction(node) ? attributesKey(node.attributes, keyOf) : undefined;
      if (attributes === undefined) continue;
      const key = [node.domain, node.op, node.outputs.map(v => (v ? 1 : 0)).join(''), node.inputs.map(idOf), attributes].join('\u0001');
      const before = find(key);
      if (before) node.outputs.forEach((v, i) => v && same.set(v, before.outputs[i]!));
      else seen.set(key, node);
    }
  };
  walk(graph, () => undefined);
  return same;
}

/** The constant that stands for others of its content; inputs and what other graphs list stay. */
export function duplicateConstants(graph: Graph, keyOf: TensorKey): Map<Value, Value> {
  const same = new Map<Value, Value>();
  const first = new Map<string, Value>();
  const inputs = new Set(graph.inputs);
  const see = (v: Value | undefined): void => {
    if (!v?.tensor || inputs.has(v) || same.has(v)) return;
    const content = keyOf(v.tensor);
    if (content === undefined) return;
    const key = `${v.tensor.type} ${v.tensor.dims} ${content}`;
    const before = first.get(key);
    if (before && before !== v) same.set(v, before);
    else first.set(key, v);
  };
  const walk = (g: Graph): void => {
    for (const node of g.nodes) {
      node.inputs.forEach(see);
      for (const [, inner] of subgraphs(node)) walk(inner);
    }
  };
  walk(graph);
  return same;
}

/** Undefined for attributes whose equality is not looked for: graphs, sparse tensors, references. */
export function attributesKey(attributes: Attributes, keyOf: TensorKey): string | undefined {
  const parts = [...attributes].map(([name, a]) => attributeKey(name, a, keyOf));
  return parts.includes(undefined) ? undefined : parts.sort().join('\u0002');
}

function attributeKey(name: string, a: Attribute, keyOf: TensorKey): string | undefined {
  switch (a.kind) {
    case 'tensor': {
      const content = keyOf(a.value);
      return content === undefined ? undefined : `${name}=${a.value.type} ${a.value.dims} ${content}`;
    }
    case 'float':
    case 'int':
    case 'string':
      return `${name}=${a.kind} ${a.value}`;
    case 'floats':
    case 'ints':
    case 'strings':
      return `${name}=${a.kind} ${a.value.map(x => JSON.stringify(String(x)))}`;
    default:
      return undefined;
  }
}
