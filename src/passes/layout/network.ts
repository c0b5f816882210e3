// A graph without its transposes: who reads each value, in which layout, and what it costs to bring it there.
import { type Dim, substitute, symbolsOf } from '../../ir/dims.ts';
import { countUses, type Graph, type Node, subgraphs, type Value } from '../../ir/graph.ts';
import { range } from '../../ops/shapes.ts';
import { permOf } from '../identities.ts';
import { isIdentity, keyOf, type Layout, movesNothing, plain, through } from './layout.ts';

/** Somebody who reads a value; without a node an output, or a graph nested in a node. */
export interface Reader {
  readonly node: Node | undefined;
  readonly input: number;
  /** What the transposes between do. */
  readonly perm: readonly number[] | undefined;
}

/** A value that no transpose makes. */
export interface Source {
  readonly value: Value;
  readonly readers: Reader[];
}

/** The sources of one graph, and where values that transposes make come from. */
export class Sources {
  readonly all = new Map<Value, Source>();
  readonly #nodes: ReadonlySet<Node>;
  readonly #roots = new Map<Value, { readonly root: Value; readonly perm: readonly number[] }>();

  constructor(graph: Graph) {
    this.#nodes = new Set(graph.nodes);
    for (const node of graph.nodes) {
      const perm = permOf(node);
      const [x] = node.inputs;
      if (node.op === 'Transpose' && node.domain === '' && perm && x && node.outputs[0]) {
        const { root, perm: before } = this.rootOf(x);
        this.#roots.set(node.outputs[0], { root, perm: before ? perm.map(axis => before[axis]!) : perm });
        continue;
      }
      node.inputs.forEach((v, input) => v && this.#read(v, node, input));
      for (const [, inner] of subgraphs(node)) for (const v of countUses(inner).keys()) this.#read(v, undefined, 0);
    }
    for (const { value } of graph.outputs) this.#read(value, undefined, 0);
  }

  rootOf(v: Value): { readonly root: Value; readonly perm: readonly number[] | undefined } {
    return this.#roots.get(v) ?? { root: v, perm: undefined };
  }

  /** The node of this graph that makes a value. */
  producer(v: Value): Node | undefined {
    return v.producer && this.#nodes.has(v.producer) ? v.producer : undefined;
  }

  #read(v: Value, node: Node | undefined, input: number): void {
    const { root, perm } = this.rootOf(v);
    const source = this.all.get(root) ?? { value: root, readers: [] };
    this.all.set(root, source);
    source.readers.push({ node, input, perm });
  }
}

/** The layout of the source in which a reader has a layout. */
export const behind = ({ perm }: Reader, layout: Layout): Layout => (perm ? through(perm, layout) : layout);

/** What size an open one is taken to be, to weigh it against others. */
const openSize = 32;

function estimate(d: Dim): number {
  if (typeof d === 'number') return d;
  const known = substitute(d, new Map([...symbolsOf(d)].map(name => [name, openSize])));
  return typeof known === 'number' && known > 0 ? known : openSize;
}

/** What it costs to have a value in another layout: the elements that move, and one for the node. */
export class Costs {
  readonly #given: ReadonlySet<Value>;
  readonly #sizes = new Map<Value, number>();

  constructor({ inputs }: Graph) {
    this.#given = new Set(inputs);
  }

  /** Whether its transposes are made before the model runs. */
  isFree(v: Value): boolean {
    return (v.tensor !== undefined && !this.#given.has(v)) || (v.producer?.op === 'Constant' && v.producer.domain === '');
  }

  of(v: Value, from: Layout, to: Layout): number {
    if (keyOf(from) === keyOf(to) || this.isFree(v)) return 0;
    if (movesNothing(from, to, v.shape)) return 1;
    // Only transposes of whole axes become one: between others the value is brought back first.
    const isDirect = from.mixed.size + to.mixed.size === 0 || isIdentity(from) || isIdentity(to);
    return (isDirect ? 1 : 2) * (this.#size(v, to) + 1);
  }

  #size(v: Value, { perm }: Layout): number {
    const known = this.#sizes.get(v);
    if (known !== undefined) return known;
    const size = (v.shape ?? perm.map(() => openSize)).reduce<number>((n, d) => n * estimate(d), 1);
    this.#sizes.set(v, Math.min(size, largest));
    return Math.min(size, largest);
  }
}
/** Sums of costs stay exact. */
const largest = 2 ** 40;

/** What the transposes of a graph and of those nested in it cost. */
export function transposeCost(graph: Graph): number {
  const costs = new Costs(graph);
  let total = 0;
  for (const { value, readers } of new Sources(graph).all.values()) {
    const wanted = new Map(readers.flatMap(({ perm }) => (perm ? [[String(perm), perm] as const] : [])));
    for (const perm of wanted.values()) total += costs.of(value, plain(range(perm.length)), plain(perm));
  }
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) total += transposeCost(inner);
  return total;
}
