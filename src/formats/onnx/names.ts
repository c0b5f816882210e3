// Names for writing: inside, a value is itself and its name a wish; in a file, names are what holds a graph together.
import { type Graph, type Output, subgraphs, type Value } from '../../ir/graph.ts';

export interface Names {
  /** The name of every value that is defined. Others are written under their wish, as they were read. */
  of(value: Value): string;
  /** Outputs whose value has another name, so that an Identity has to copy it, and the names of the copies. */
  copiesIn(graph: Graph): ReadonlyMap<Output, string>;
}

/**
 * One name for each value, unique in its graph and the graphs around it. Inputs keep theirs, a node's value behind an output takes
 * the output's name, and every other value keeps its wish where that is free. `constantsOf` gives the initializers of a graph.
 * Linear in values.
 */
export function nameValues(graph: Graph, constantsOf: (graph: Graph) => readonly Value[]): Names {
  const naming = new Naming(constantsOf);
  naming.collect(graph);
  naming.graph(graph, undefined);
  return naming;
}

type Taken = { readonly names: Set<string>; readonly outer: Taken | undefined };

class Naming implements Names {
  readonly #names = new Map<Value, string>();
  readonly #copies = new Map<Graph, ReadonlyMap<Output, string>>();
  /** Every wish of the model: made-up names keep clear of them. */
  readonly #wishes = new Set<string>();
  readonly #counters = new Map<string, number>();
  readonly #constantsOf: (graph: Graph) => readonly Value[];

  constructor(constantsOf: (graph: Graph) => readonly Value[]) {
    this.#constantsOf = constantsOf;
  }

  of(value: Value): string {
    return this.#names.get(value) ?? value.name;
  }
  copiesIn(graph: Graph): ReadonlyMap<Output, string> {
    return this.#copies.get(graph) ?? new Map();
  }

  collect(graph: Graph): void {
    for (const v of [...graph.inputs, ...this.#constantsOf(graph)]) this.#wishes.add(v.name);
    for (const output of graph.outputs) this.#wishes.add(output.name).add(output.value.name);
    for (const node of graph.nodes) {
      for (const v of node.inputs) if (v) this.#wishes.add(v.name);
      for (const v of node.outputs) if (v) this.#wishes.add(v.name);
      for (const [, inner] of subgraphs(node)) this.collect(inner);
    }
  }

  graph(graph: Graph, outer: Taken | undefined): void {
    const taken: Taken = { names: new Set(), outer };
    const constants = this.#constantsOf(graph);
    for (const v of graph.inputs) this.#name(v, v.name, taken);
    this.#outputs(graph, new Set(constants), taken);
    for (const v of constants) this.#name(v, v.name, taken);
    for (const node of graph.nodes) for (const v of node.outputs) if (v) this.#name(v, v.name, taken);
    for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) this.graph(inner, taken);
  }

  #outputs(graph: Graph, constants: ReadonlySet<Value>, taken: Taken): void {
    const own = new Set(graph.nodes);
    const copies: Output[] = [];
    for (const output of graph.outputs) {
      const { name, value } = output;
      const made = value.producer !== undefined && own.has(value.producer);
      const here = made || (constants.has(value) && value.name === name);
      // Outputs of nested graphs are told by their places: where the name is taken outside, both get another.
      const isFree = !isTaken(name, taken) || (taken.outer && !taken.names.has(name));
      if (!this.#names.has(value) && here && isFree) this.#name(value, name, taken);
      else if (this.of(value) !== name || (here && !this.#names.has(value))) copies.push(output);
    }
    if (copies.length > 0) this.#copies.set(graph, new Map(copies.map(output => [output, this.#take(output.name, taken)])));
  }

  #name(value: Value, wish: string, taken: Taken): void {
    if (!this.#names.has(value)) this.#names.set(value, this.#take(wish, taken));
  }

  #take(wish: string, taken: Taken): string {
    const base = wish || 'v';
    let name = base;
    if (isTaken(name, taken)) {
      let count = this.#counters.get(base) ?? 0;
      do name = `${base}_${++count}`;
      while (isTaken(name, taken) || this.#wishes.has(name));
      this.#counters.set(base, count);
    }
    taken.names.add(name);
    return name;
  }
}

function isTaken(name: string, taken: Taken): boolean {
  for (let t: Taken | undefined = taken; t; t = t.outer) if (t.names.has(name)) return true;
  return false;
}
