// A graph is run in stages. A plan takes what kernels can compute; then the host evaluates the nodes that wait for nothing else;
// the rest is a graph of its own, whose inputs are what was made so far, and which is typed and divided again by what these are.
import { hasUnknown } from '../ir/dims.ts';
import { Graph, type Node, type Output, type Value } from '../ir/graph.ts';
import { rowOf } from '../ops/index.ts';
import { isKnownInput } from '../ops/plan-node.ts';
import { newestSchema } from '../ops/schema.ts';
import { hasKernels, isHosted, readsOf } from './host.ts';

export interface Split {
  /** What can be planned: outputs of the graph, then values that others read, under names that begin with a zero character. */
  readonly ready: Graph;
  readonly handed: readonly Value[];
  /** Nodes that the host evaluates once that is done, in order. */
  readonly hosts: readonly Node[];
  /** What waits for those, with the values that it reads as inputs. */
  readonly rest: Graph | undefined;
  /** Inputs of the rest whose content must be known. */
  readonly known: ReadonlySet<Value>;
}

export interface SplitOptions {
  /** Evaluate nodes on the host that wait for a content, rather than planning the rest anew for each content. */
  readonly evaluateLate: boolean;
}

/** Divide a graph of core operators at what only the run knows. */
export function splitAtUnknown(graph: Graph, { evaluateLate }: SplitOptions): Split {
  const place = new Map<Value, 'host' | 'late'>();
  const known = new Set<Value>();
  const parts: { ready: Node[]; hosts: Node[]; late: Node[] } = { ready: [], hosts: [], late: [] };
  for (const node of graph.nodes) {
    const reads = readsOf(node);
    const missing = isHosted(node) ? [] : missingContents(node);
    const isHost = isHosted(node) || (evaluateLate && missing.length > 0 && !isComposite(node));
    const waitsForHost = reads.some(v => place.get(v) === 'host');
    const isLate = reads.some(v => place.get(v) === 'late') || (waitsForHost && !isHost) || (!isHost && missing.length > 0);
    const part = isLate ? 'late' : isHost ? 'hosts' : 'ready';
    if (isLate && !waitsForHost) for (const v of missing) known.add(v);
    parts[part].push(node);
    if (part !== 'ready') for (const v of node.outputs) if (v) place.set(v, part === 'late' ? 'late' : 'host');
  }
  return { known, hosts: parts.hosts, ...borders(graph, parts, place) };
}

function borders(
  graph: Graph,
  { ready, hosts, late }: { ready: Node[]; hosts: Node[]; late: Node[] },
  place: ReadonlyMap<Value, 'host' | 'late'>,
): Pick<Split, 'ready' | 'handed' | 'rest'> {
  const inputs = new Set(graph.inputs);
  const isHere = (v: Value): boolean => !inputs.has(v) && !place.has(v) && !v.tensor;
  const handed = new Set<Value>();
  for (const node of [...hosts, ...late]) for (const v of readsOf(node)) if (isHere(v)) handed.add(v);
  const live = new Set<Value>();
  for (const node of late) for (const v of readsOf(node)) if (place.get(v) !== 'late') live.add(v);
  const outputs = graph.outputs.filter(o => isHere(o.value) || (o.value.tensor !== undefined && hasKernels(o.value.tensor.type)));
  const list = [...handed];
  return {
    handed: list,
    ready: new Graph(graph.name, {
      inputs: graph.inputs.filter(v => !v.tensor && v.element !== undefined && hasKernels(v.element) && v.shape !== undefined),
      nodes: ready,
      outputs: [...outputs, ...list.map((value, i): Output => ({ name: `\u0000${i}`, value }))],
    }),
    rest:
      late.length === 0
        ? undefined
        : new Graph(graph.name, { inputs: [...live], nodes: late, outputs: graph.outputs.filter(o => place.get(o.value) === 'late') }),
  };
}

const isComposite = (node: Node): boolean => {
  const row = rowOf(node.op, node.domain);
  return row !== undefined && 'lower' in row;
};

function missingContents(node: Node): Value[] {
  const row = rowOf(node.op, node.domain);
  const schema = newestSchema(node.domain, node.op);
  if (!row || !schema) return [];
  const isMissing = (v: Value): boolean => !v.tensor && (!v.contents || v.contents.some(hasUnknown));
  return node.inputs.filter((v, i): v is Value => v !== undefined && isKnownInput(row, schema, i) && isMissing(v));
}
