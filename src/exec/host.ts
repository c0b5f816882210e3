// Nodes that the host evaluates rather than a plan: rows of the host, strings and complex numbers, and whatever waits for a content
// that only the run knows.
import { fail, ModelError } from '../errors.ts';
import type { Datum } from '../ir/datum.ts';
import { type Graph, type Node, subgraphs, type Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';
import { computeType } from '../kernels/storage.ts';
import { valuesOf } from '../ops/attributes.ts';
import { rowOf } from '../ops/index.ts';
import { evaluate, named } from '../ops/plan-node.ts';
import type { HostContext } from '../ops/row.ts';
import { newestSchema } from '../ops/schema.ts';

/** Whether a node is evaluated here wherever it stands: by its row, or because no kernel takes the elements that it touches. */
export function isHosted(node: Node): boolean {
  const row = rowOf(node.op, node.domain);
  if (!row || 'host' in row) return true;
  return [...node.inputs, ...node.outputs].some(v => v && !isPlannable(v));
}

const isPlannable = (v: Value): boolean => (v.type === undefined ? true : v.type.kind === 'tensor' && hasKernels(v.type.element));

/** Whether kernels take elements of this type. */
export const hasKernels = (type: DataType): boolean => computeType(type) !== undefined;

/** What a node reads: its inputs, and what the graphs in its attributes read of the graph around them. Constants are left out. */
export function readsOf(node: Node): Value[] {
  const reads = new Set<Value>();
  for (const v of node.inputs) if (v && !v.tensor) reads.add(v);
  for (const [, graph] of subgraphs(node)) for (const v of capturesOf(graph)) reads.add(v);
  return [...reads];
}

/** Values of the graphs around that a graph reads. Constants are left out. */
export function capturesOf(graph: Graph): Value[] {
  const own = new Set<Value>(graph.inputs);
  const found = new Set<Value>();
  const read = (v: Value | undefined): void => {
    if (v && !v.tensor && !own.has(v)) found.add(v);
  };
  for (const node of graph.nodes) {
    for (const v of readsOf(node)) read(v);
    for (const v of node.outputs) if (v) own.add(v);
  }
  for (const o of graph.outputs) read(o.value);
  return [...found];
}

/**
 * Evaluate a node on what its inputs hold.
 * @throws ModelError E3004 where its operator has no meaning here
 */
export async function evaluateNode(
  node: Node,
  inputs: readonly (Datum | undefined)[],
  context: Omit<HostContext, 'outputs'>,
): Promise<readonly (Datum | undefined)[]> {
  const place = { node: { op: node.qualifiedName, name: node.name } };
  const row = rowOf(node.op, node.domain);
  const schema = newestSchema(node.domain, node.op);
  if (!row || !schema) throw fail('E3004', `${node.qualifiedName} has no meaning here`, place);
  try {
    if ('host' in row) {
      const x = named(schema, inputs) as never;
      return await row.host(x, valuesOf(node.attributes, schema) as never, { ...context, outputs: node.outputs.length });
    }
    const tensors = inputs.map(datum => {
      if (datum === undefined || datum instanceof Tensor) return datum;
      throw fail('E3002', 'expected a tensor', place);
    });
    const made = evaluate(row, schema, node, tensors);
    if (made) return made;
  } catch (error) {
    if (error instanceof ModelError) throw error.within(place);
    throw error;
  }
  throw fail('E3004', `${node.op} ${'gap' in row ? row.gap : 'cannot be evaluated on the host'}`, place);
}
