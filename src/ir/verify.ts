// The invariants of the graph that every pass must keep. Names are not looked at: a value is itself wherever it is read.
import type { Finding, Place } from '../errors.ts';
import { type Graph, type Model, type Node, subgraphs, type Value } from './graph.ts';
import { sortedNodes } from './order.ts';
import { escaped, quoted } from './text.ts';

/**
 * Everything wrong with how nodes and values hang together: E1102 produced or listed twice, E1103 read before it is made, E1104
 * made by nothing that is visible there, E1105 circles. Empty for a sound model.
 */
export function verifyModel(model: Model): Finding[] {
  const verifier = new Verifier();
  verifier.graph(model.graph, 'graph');
  model.functions.forEach((f, i) => {
    verifier.graph(f.body, `functions[${i}]`);
  });
  return verifier.findings;
}

class Verifier {
  readonly findings: Finding[] = [];
  readonly #nodes = new Set<Node>();
  /** Values that can be read at the current place. */
  readonly #visible = new Set<Value>();
  /** Values that nodes further down in the open graphs make. */
  readonly #later = new Set<Value>();
  #unordered = 0;

  graph(graph: Graph, path: string): void {
    const own: Value[] = [];
    const define = (v: Value, where: string): void => {
      if (this.#visible.has(v)) this.#add('E1102', `${quoted(v.name)} is defined twice`, { path: where });
      this.#visible.add(v);
      this.#later.delete(v);
      own.push(v);
    };
    const before = this.#unordered;
    for (const node of graph.nodes) for (const v of node.outputs) if (v) this.#later.add(v);
    this.#signature(graph, path, define);
    graph.nodes.forEach((node, index) => {
      this.#node(node, index, `${path}.node[${index}]`);
      for (const v of node.outputs) if (v) define(v, `${path}.node[${index}]`);
    });
    graph.outputs.forEach(({ value }, i) => {
      if (!this.#readable(value)) this.#add('E1104', `nothing produces the output ${quoted(value.name)}`, { path: `${path}.output[${i}]` });
    });
    if (this.#unordered > before) this.#circle(graph, path);
    for (const v of own) this.#visible.delete(v);
  }

  #signature(graph: Graph, path: string, define: (v: Value, where: string) => void): void {
    this.#distinct(graph.initializers, `${path}.initializer`);
    graph.inputs.forEach((v, i) => {
      if (v.producer) this.#add('E1102', `the input ${quoted(v.name)} is the output of a node too`, { path: `${path}.input[${i}]` });
      define(v, `${path}.input[${i}]`);
    });
    graph.initializers.forEach((v, i) => {
      if (!v.tensor && !v.sparse)
        this.#add('E1104', `the initializer ${quoted(v.name)} has no content`, { path: `${path}.initializer[${i}]` });
    });
  }

  #node(node: Node, index: number, path: string): void {
    const place = { node: { index, op: node.op, name: node.name, domain: node.domain } };
    if (this.#nodes.has(node)) this.#add('E1102', 'the node is listed twice', { path, ...place });
    this.#nodes.add(node);
    node.outputs.forEach((v, i) => {
      if (v && (v.producer !== node || v.index !== i))
        this.#add('E1102', `output ${i} is the value of another node`, { path: `${path}.output[${i}]`, ...place });
    });
    node.inputs.forEach((v, i) => {
      if (!v || this.#readable(v)) return;
      const order = this.#later.has(v);
      if (order) this.#unordered++;
      const why = order ? 'which is made later' : 'which nothing makes here';
      this.#add(order ? 'E1103' : 'E1104', `${node.qualifiedName} reads ${quoted(v.name)}, ${why}`, {
        path: `${path}.input[${i}]`,
        ...place,
      });
    });
    for (const [name, inner] of subgraphs(node)) this.graph(inner, `${path}.attribute[${escaped(name)}]`);
  }

  #circle(graph: Graph, path: string): void {
    const sorted = sortedNodes(graph);
    if ('cycle' in sorted) this.#add('E1105', circleText(sorted.cycle), { path });
  }

  #readable(v: Value): boolean {
    return this.#visible.has(v) || v.tensor !== undefined || v.sparse !== undefined;
  }

  #distinct(values: readonly Value[], path: string): void {
    if (new Set(values).size !== values.length) this.#add('E1102', 'a value is listed twice', { path });
  }

  #add(code: Finding['code'], message: string, place: Place): void {
    this.findings.push({ code, severity: 'error', message, ...place });
  }
}

/** The first ten nodes of a circle, each of which reads from the next. */
export function circleText(cycle: readonly Node[]): string {
  const names = cycle.slice(0, 10).map(node => quoted(node.name || node.outputs.find(v => v)?.name || node.op));
  const rest = cycle.length > 10 ? `, and ${cycle.length - 10} more` : '';
  return `${cycle.length} ${cycle.length === 1 ? 'node reads its own output' : 'nodes read each other in a circle'}: ${names.join(' ← ')}${rest}`;
}
