// What the converter of TensorFlow.js leaves untrue in a graph, put right.
import type { AttrValue, FunctionDef, GraphDef, NodeDef } from '../tensorflow/proto.gen.ts';

/** The graph as TensorFlow would have it. Constants have their weights by now, which go by the names that the converter gave. */
export function repaired(graph: GraphDef): GraphDef {
  const functions = (graph.library?.function ?? []).map(fn => withOwnNames({ ...fn, node_def: fn.node_def?.map(withAllArguments) }));
  return { ...graph, node: graph.node?.map(withAllArguments), library: { ...graph.library, function: functions } };
}

/** Activations that are fused into a node bring arguments that are counted, but have no types. */
function withAllArguments(node: NodeDef): NodeDef {
  const attrs = new Map((node.attr ?? []).map(({ key = '', value = {} }) => [key, value]));
  const [types, count, type] = [attrs.get('TArgs')?.list?.type, Number(attrs.get('num_args')?.i ?? 0), attrs.get('T')?.type];
  if (!types || type === undefined || types.length >= count || count > (node.input?.length ?? 0)) return node;
  const all: AttrValue = { list: { type: Int32Array.from({ length: count }, (_, i) => types[i] ?? type) } };
  return { ...node, attr: node.attr!.map(entry => (entry.key === 'TArgs' ? { ...entry, value: all } : entry)) };
}

/** The converter puts the name of a function before those of its constants, and of some that read them. */
function withOwnNames(fn: FunctionDef): FunctionDef {
  const prefix = `${fn.signature?.name ?? ''}/`;
  const own = (text: string): string => (text.startsWith(prefix) ? text.slice(prefix.length) : text);
  const nodes = (fn.node_def ?? []).map(n => (n.op === 'Const' && n.name !== undefined ? { ...n, name: own(n.name) } : n));
  const names = new Set([...nodes, ...(fn.signature?.input_arg ?? [])].map(({ name }) => name));
  const source = (text: string): string => (names.has(own(text).replace(/:.*/, '')) ? own(text) : text);
  return { ...fn, node_def: nodes.map(n => ({ ...n, input: n.input?.map(source) })) };
}
