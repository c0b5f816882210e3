// Strings of constants that were left in the file: they are needed whole, as no other tensor is.
import type { GraphDef, NodeDef, TensorProto } from './proto.gen.ts';

/** Read the strings of all constants into memory. */
export async function fetchStrings(graph: GraphDef): Promise<void> {
  const functions = graph.library?.function ?? [];
  for (const nodes of [graph.node ?? [], ...functions.map(f => f.node_def ?? [])]) await fetchOf(nodes);
}

async function fetchOf(nodes: readonly NodeDef[]): Promise<void> {
  for (const node of nodes) for (const { value } of node.attr ?? []) if (value?.tensor) await fetchTensor(value.tensor);
}

async function fetchTensor(tensor: TensorProto): Promise<void> {
  if (!tensor.string_val?.some(s => !(s instanceof Uint8Array))) return;
  tensor.string_val = await Promise.all(tensor.string_val.map(s => (s instanceof Uint8Array ? s : s.read(0, s.length))));
}
