// Nodes that the host evaluates rather than a plan: rows of the host, strings and complex numbers, and whatever waits for a content
// that only the run knows.
import { fail, ModelError } from '../errors.ts';
import { type Datum, tensorOf } from '../ir/datum.ts';
import { type Graph, Node, subgraphs, Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';
import { computeType } from '../kernels/storage.ts';
import { attributesOf } from '../ops/attributes.ts';
import { rowOf } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import { evaluate, evaluateOff, named } from '../ops/plan-node.ts';
import type { HostContext } from '../ops/row.ts';
import { newestSchema, type OpSchema } from '../ops/schema.ts';

/** Whether a node is evaluated here wherever it stands: by its row, or because no kernel takes the elements that it touches. */
export function isHosted(node: Node): boolean {
  const row = rowOf(node.op, node.domain);
  if (!row || 'host' in row) return true;
  // A body that could not be built waits for the stage that knows the rank.
  if ('lower' in row) return false;
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

/** A copy of the node whose inputs are these tensors, so that its output types have numbers for sizes. */
function typedFor(node: Node, schema: OpSchema, tensors: readonly (Tensor | undefined)[]): Node {
  const inputs = tensors.map((tensor, i) => tensor && new Value(node.inputs[i]?.name ?? '', undefined, { tensor }));
  const { op, domain, overload, name, attributes, meta } = node;
  const copy = new Node(
    { op, domain, overload, name, inputs, attributes, meta },
    node.outputs.map(v => v && { name: v.name }),
  );
  inferNode(copy, schema);
  return copy;
}

/**
 * Evaluate a node on what its inputs hold.
 * @throws ModelError E3004 where its operator has no meaning here
 */
export async function evaluateNode(
  node: Node,
  inputs: readonly (Datum | undefined)[],
  context: Omit<HostContext, 'outputs' | 'types'>,
): Promise<readonly (Datum | undefined)[]> {
  const place = { node: { op: node.qualifiedName, name: node.name } };
  const row = rowOf(node.op, node.domain);
  const schema = newestSchema(node.domain, node.op);
  if (!row || !schema) throw fail('E3004', `${node.qualifiedName} has no meaning here`, place);
  try {
    if ('host' in row) {
      const x = named(schema, inputs) as never;
      const types = node.outputs.map(v => v?.type);
      return await row.host(x, attributesOf(node, schema) as never, { ...context, outputs: node.outputs.length, types });
    }
    const off = evaluateOff(row, schema, node, inputs);
    if (off) return off;
    const tensors = inputs.map(datum => (datum === undefined ? undefined : tensorOf(datum)));
    const made = evaluate(row, schema, typedFor(node, schema, tensors), tensors, context.reserve);
    if (made) return made;
  } catch (error) {
    if (error instanceof ModelError) throw error.within(place);
    throw error;
  }
  throw fail('E3004', `${node.op} ${'gap' in row ? row.gap : 'cannot be evaluated on the host'}`, place);
}
