// Where a content that kernels must know (axes, shapes, pads) arrives only at run time, a graph is run in stages: the part that
// does not need it, then the rest with the content as a constant.
import { hasUnknown } from '../ir/dims.ts';
import { Graph, type Node, type Output, type Value } from '../ir/graph.ts';
import { rowOf } from '../ops/index.ts';
import { knownInputs } from '../ops/plan-node.ts';
import { newestOpset, schemaOf } from '../ops/schema.ts';

export interface Split {
  /** What can be planned: outputs of the graph, then values that the rest reads. */
  readonly ready: Graph;
  /** The rest, whose inputs are values of `ready`. */
  readonly rest?: Graph;
  /** Those inputs of the rest whose content must be known. */
  readonly known: ReadonlySet<Value>;
}

/** Divide a graph of core operators at the first contents that are not known. */
export function splitAtUnknown(graph: Graph): Split {
  const late = new Set<Value>();
  const known = new Set<Value>();
  const ready: Node[] = [];
  const rest: Node[] = [];
  for (const node of graph.nodes) {
    const waits = node.inputs.some(v => v && late.has(v));
    const missing = waits ? [] : missingContents(node);
    for (const v of missing) known.add(v);
    if (!waits && missing.length === 0) ready.push(node);
    else {
      rest.push(node);
      for (const v of node.outputs) if (v) late.add(v);
    }
  }
  if (rest.length === 0) return { ready: graph, known };
  const live = new Set<Value>();
  for (const node of rest) for (const v of node.inputs) if (v && !late.has(v) && !v.tensor) live.add(v);
  const outputs: Output[] = graph.outputs.filter(o => !late.has(o.value));
  const handed = [...live].map((value, i): Output => ({ name: `\u0000${i}`, value }));
  return {
    ready: new Graph(graph.name, { inputs: graph.inputs, nodes: ready, outputs: [...outputs, ...handed] }),
    rest: new Graph(graph.name, { inputs: [...live], nodes: rest, outputs: graph.outputs.filter(o => late.has(o.value)) }),
    known,
  };
}

function missingContents(node: Node): Value[] {
  const row = node.domain === '' ? rowOf(node.op) : undefined;
  const schema = node.domain === '' ? schemaOf('', node.op, newestOpset('')!) : undefined;
  if (!row || !schema) return [];
  return knownInputs(row, schema, node.inputs).filter(v => !v.tensor && (!v.contents || v.contents.some(hasUnknown)));
}
