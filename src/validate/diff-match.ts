// Which node of one graph is which of another: first by what they compute, from the inputs on, then by the names of what they make,
// by the weights that they read, and by who reads them. Knows no model.
import { type Attribute, type Attributes, constantsOf, type Graph, type Node, subgraphs, type Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { formatType, isFloat, type ValueType } from '../ir/types.ts';
import { schemaOf } from '../ops/schema.ts';

/** What was found to be the same thing in two graphs and all those nested in them. */
export interface Matching {
  readonly nodes: ReadonlyMap<Node, Node>;
  readonly values: ReadonlyMap<Value, Value>;
  readonly opsets: ReadonlyMap<string, number>;
  /** Graphs that were compared, with where they are; outer ones first. */
  readonly graphs: readonly { readonly a: Graph; readonly b: Graph; readonly path: string }[];
}

export interface MatchOptions {
  /** Inputs and outputs go by their place, as those of nested graphs do, and not by name. */
  readonly byPlace?: boolean;
  readonly path?: string;
  readonly opsets: ReadonlyMap<string, number>;
}

export function matchGraphs(a: Graph, b: Graph, { byPlace = false, path = '', opsets }: MatchOptions): Matching {
  const matcher = new Matcher(opsets);
  matcher.graphs(a, b, byPlace, path);
  return { nodes: matcher.nodes, values: matcher.values, graphs: matcher.compared, opsets };
}

/** Pairs by name, and of what is left those of one text in their order. */
export function pairUp<T>(a: readonly T[], b: readonly T[], nameOf: (item: T) => string, textOf: (item: T) => string): [T, T][] {
  const byName = new Map(b.map(item => [nameOf(item), item]));
  const pairs = a.flatMap((item): [T, T][] => {
    const other = byName.get(nameOf(item));
    return other === undefined ? [] : [[item, other]];
  });
  const [usedA, usedB] = [new Set(pairs.map(p => p[0])), new Set(pairs.map(p => p[1]))];
  const left = b.filter(item => !usedB.has(item));
  for (const item of a.filter(i => !usedA.has(i))) {
    const at = left.findIndex(other => textOf(other) === textOf(item));
    if (at >= 0) pairs.push([item, ...(left.splice(at, 1) as [T])]);
  }
  return pairs;
}

/** A type but for the names of its open sizes, which every exporter makes up by itself. */
export const kindOfType = (type: ValueType | undefined): string =>
  type?.kind === 'tensor' ? `${type.element}[${type.shape?.map(d => (typeof d === 'number' ? d : '?')) ?? '*'}]` : formatType(type);

/** The most elements of a constant that tell it from others. */
const telling = 64;
/** Each round matches something; far fewer than this are ever needed, and what is left is said to be another node. */
const mostRounds = 20;

class Matcher {
  readonly nodes = new Map<Node, Node>();
  readonly values = new Map<Value, Value>();
  readonly compared: { a: Graph; b: Graph; path: string }[] = [];
  readonly #opsets: ReadonlyMap<string, number>;
  readonly #reverse = new Map<Value, Value>();
  readonly #taken = new Set<Node>();
  /** Numbers of what a value is computed from; matched values have one number. */
  readonly #numbers = new Map<Value, number>();
  readonly #interned = new Map<string, number>();

  constructor(opsets: ReadonlyMap<string, number>) {
    this.#opsets = opsets;
  }

  graphs(a: Graph, b: Graph, byPlace: boolean, path: string): void {
    this.compared.push({ a, b, path });
    this.#ends(a, b, byPlace);
    this.#constants(a, b);
    for (let round = 0; round < mostRounds; round++) {
      const before = this.nodes.size;
      this.#forward(a, b);
      this.#byName(a, b, true);
      this.#byWeight(a, b);
      this.#backward(a, b, byPlace);
      if (this.nodes.size === before) break;
    }
    this.#byName(a, b, false);
    this.#nested(a, path);
  }

  #ends(a: Graph, b: Graph, byPlace: boolean): void {
    const [x, y] = [a, b].map(g => g.inputs.filter(v => !v.tensor)) as [Value[], Value[]];
    const pairs = byPlace ? zip(x, y) : pairUp(x, y, nameOf, v => kindOfType(v.type));
    for (const [v, w] of pairs) this.#pair(v, w);
  }

  /** Constants go by name, where a name is one constant's only. */
  #constants(a: Graph, b: Graph): void {
    const [x, y] = [byUniqueName(constantsOf(a)), byUniqueName(constantsOf(b))];
    for (const [name, v] of x) {
      const w = y.get(name);
      if (w) this.#pair(v, w);
    }
  }

  #pair(v: Value, w: Value): void {
    if (this.values.has(v) || this.#reverse.has(w)) return;
    this.values.set(v, w);
    this.#reverse.set(w, v);
    const number = this.#numbers.get(v) ?? this.#intern(`pair ${this.values.size}`);
    this.#numbers.set(v, number);
    this.#numbers.set(w, number);
  }

  /** Match nodes that do the same to the same. */
  #forward(a: Graph, b: Graph): void {
    const waiting = new Map<string, Node[]>();
    for (const node of b.nodes) {
      if (this.#taken.has(node)) continue;
      const key = this.#number(node);
      const same = waiting.get(key);
      if (same) same.push(node);
      else waiting.set(key, [node]);
    }
    for (const node of a.nodes) {
      if (this.nodes.has(node)) continue;
      const candidates = waiting.get(this.#number(node)) ?? [];
      const named = candidates.findIndex(other => madeBy(other) === madeBy(node));
      const [match] = candidates.splice(Math.max(named, 0), 1);
      if (match) this.#match(node, match);
    }
  }

  /** What a node computes as a text, and the numbers of its outputs. */
  #number(node: Node): string {
    const inputs = node.inputs.map(v => (v ? this.#numberOf(v) : ''));
    const key = [node.qualifiedName, node.overload, this.#attributesKey(node), ...inputs].join('\u0000');
    const number = this.#intern(key);
    node.outputs.forEach((v, i) => {
      if (v && !this.values.has(v) && !this.#reverse.has(v)) this.#numbers.set(v, this.#intern(`${number} ${i}`));
    });
    return key;
  }

  #numberOf(v: Value): string | number {
    const known = this.#numbers.get(v);
    if (known !== undefined) return known;
    return v.tensor ? constantKey(v.tensor) : `unknown ${v.name}`;
  }

  #attributesKey(node: Node): string {
    return [...saidAttributes(node, this.#opsets)]
      .map(([name, a]) => `${name}=${attributeKey(a)}`)
      .sort()
      .join('\u0001');
  }

  #intern(key: string): number {
    const known = this.#interned.get(key);
    if (known !== undefined) return known;
    this.#interned.set(key, this.#interned.size);
    return this.#interned.size - 1;
  }

  #match(node: Node, other: Node): void {
    this.nodes.set(node, other);
    this.#taken.add(other);
    for (const [v, w] of zip(node.outputs, other.outputs)) if (v && w) this.#pair(v, w);
    for (const [v, w] of zip(node.inputs, other.inputs)) if (isConstant(v) && isConstant(w)) this.#pair(v, w);
  }

  #canMatch(node: Node | undefined, other: Node | undefined, sameOp = true): boolean {
    if (!node || !other || this.nodes.has(node) || this.#taken.has(other)) return false;
    return !sameOp || (node.op === other.op && node.domain === other.domain);
  }

  #byName(a: Graph, b: Graph, sameOp: boolean): void {
    for (const of of [madeBy, (node: Node) => node.name]) {
      const named = new Map(b.nodes.filter(node => !this.#taken.has(node)).map(node => [of(node), node]));
      for (const node of a.nodes) {
        const other = of(node) === '' ? undefined : named.get(of(node));
        if (this.#canMatch(node, other, sameOp)) this.#match(node, other!);
      }
    }
  }

  /** Nodes of one operator that are the only ones left to read the same constant. */
  #byWeight(a: Graph, b: Graph): void {
    const readers = (graph: Graph, isLeft: (node: Node) => boolean): Map<Value, Node[]> => {
      const found = new Map<Value, Node[]>();
      for (const node of graph.nodes)
        if (isLeft(node)) for (const v of node.inputs) if (isConstant(v)) found.set(v, [...(found.get(v) ?? []), node].slice(0, 2));
      return found;
    };
    const others = readers(b, node => !this.#taken.has(node));
    for (const [v, nodes] of readers(a, node => !this.nodes.has(node))) {
      const w = this.values.get(v);
      const [node, other] = [nodes, (w && others.get(w)) ?? []].map(list => (list.length === 1 ? list[0] : undefined));
      if (this.#canMatch(node, other)) this.#match(node!, other!);
    }
  }

  /** What matched nodes and outputs read at one place is the same node, where its operator is. */
  #backward(a: Graph, b: Graph, byPlace: boolean): void {
    const [ofA, ofB] = [new Set(a.nodes), new Set(b.nodes)];
    const consider = (v: Value | undefined, w: Value | undefined): void => {
      const [node, other] = [v?.producer, w?.producer];
      if (node && other && v!.index === w!.index && ofA.has(node) && ofB.has(other) && this.#canMatch(node, other))
        this.#match(node, other);
    };
    const outputs = byPlace ? zip(a.outputs, b.outputs) : pairUp(a.outputs, b.outputs, nameOf, o => kindOfType(o.type ?? o.value.type));
    for (const [o, p] of outputs) consider(o.value, p.value);
    for (const node of a.nodes.toReversed()) {
      const other = this.nodes.get(node);
      if (other) for (const [v, w] of zip(node.inputs, other.inputs)) consider(v, w);
    }
  }

  #nested(a: Graph, path: string): void {
    for (const node of a.nodes) {
      const other = this.nodes.get(node);
      if (!other) continue;
      const inner = [...subgraphs(other)];
      for (const [i, [name, graph]] of [...subgraphs(node)].entries())
        if (inner[i]) this.graphs(graph, inner[i]![1], true, `${path}${path && '/'}${node.name || madeBy(node)}.${name}`);
    }
  }
}

const zip = <T>(a: readonly T[], b: readonly T[]): [T, T][] => a.slice(0, b.length).map((item, i) => [item, b[i]!]);
const nameOf = (item: { readonly name: string }): string => item.name;
const isConstant = (v: Value | undefined): v is Value => v !== undefined && (v.tensor !== undefined || v.sparse !== undefined);

/** The name of the first thing that a node makes. */
export const madeBy = (node: Node): string => node.outputs.find(v => v)?.name ?? '';

function byUniqueName(values: readonly Value[]): Map<string, Value> {
  const found = new Map<string, Value>();
  const repeated = new Set<string>();
  for (const v of values) {
    if (found.has(v.name)) repeated.add(v.name);
    found.set(v.name, v);
  }
  for (const name of ['', ...repeated]) found.delete(name);
  return found;
}

/** The attributes of a node without those that say their default. */
export function saidAttributes(node: Node, opsets: ReadonlyMap<string, number>): Attributes {
  const schema = schemaOf(node.domain, node.op, opsets.get(node.domain) ?? 1);
  const isDefault = (name: string, a: Attribute): boolean => {
    const value = schema?.attributes.get(name)?.default;
    return value !== undefined && a.kind !== 'reference' && String(a.value) === String(value);
  };
  return new Map([...node.attributes].filter(([name, a]) => !isDefault(name, a)));
}

/** A tensor as far as it tells nodes apart: axes, shapes and single numbers do, weights do not. */
function constantKey(t: Tensor): string {
  const tells = t.isResident && (t.size === 1 || (t.size <= telling && !isFloat(t.type)));
  return `${t.type}[${t.dims}]${tells ? Array.from<unknown>(t.data).map(String).join() : ''}`;
}

function attributeKey(a: Attribute): string {
  switch (a.kind) {
    case 'tensor':
      return constantKey(a.value);
    case 'tensors':
      return a.value.map(constantKey).join(';');
    case 'graph':
      return graphKey(a.value);
    case 'graphs':
      return a.value.map(graphKey).join(';');
    case 'type_proto':
      return formatType(a.value);
    case 'type_protos':
      return a.value.map(formatType).join(';');
    case 'sparse_tensor':
      return `sparse[${a.value.dims}]`;
    case 'sparse_tensors':
      return a.value.map(s => `sparse[${s.dims}]`).join(';');
    default:
      return `${a.kind}:${a.value}`;
  }
}

const graphKey = (graph: Graph): string => `{${graph.nodes.map(node => node.qualifiedName).join()}}`;
