// The one driver that edits graphs. A rule is a pure function from a node to its replacement; the driver threads replacements
// through nested graphs, drops what is no longer read, and stops rules that undo each other.
import { fail, ModelError } from '../errors.ts';
import { allNodes, countUses, type Graph, type Model, Node, subgraphs, Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { type Builder, type BuilderOptions, newBuilder } from '../ops/builder.ts';
import { namedValues } from '../ops/index.ts';
import { newestSchema } from '../ops/schema.ts';

/** What stands for each output of a node; `undefined` for one that nothing reads. */
export type Replacement = Value | readonly (Value | undefined)[];

/** Looks at a node and returns what replaces it, built with `b`; `undefined` leaves it. */
export type Rule = (node: Node, b: Builder, context: Context) => Replacement | undefined;

/** Facts of the sweep that a rule may ask for. */
export interface Context {
  /** How many readers a value had when the sweep began. */
  uses(v: Value): number;
  /** The node that makes a value, in the form in which rules are given nodes. */
  producer(v: Value | undefined): Node | undefined;
}

/** What a choice over a whole graph may ask. */
export interface View {
  /** A node in the form in which rules are given nodes; undefined for one that they do not see. */
  form(node: Node): Node | undefined;
  /** Whether a rule has a replacement for the node. */
  applies(rule: Rule, node: Node): boolean;
}

/** Rules for single nodes. */
export type Choice = (node: Node) => Rule | undefined;

export interface Pass {
  readonly name: string;
  /** Rules by operator, `*` for all others. */
  readonly rules: Readonly<Record<string, Rule>>;
  readonly builder?: BuilderOptions;
  /** Rules for nodes chosen from the whole graph before the sweep; they come before those of the table. */
  readonly choose?: (graph: Graph, view: View) => Choice;
  /** Values of the graph that others stand for, wherever they are read; found before the sweep. */
  readonly same?: (graph: Graph) => ReadonlyMap<Value, Value>;
}

/** The first of some rules that has a replacement. */
export const firstOf =
  (...rules: readonly Rule[]): Rule =>
  (node, b, context) => {
    for (const rule of rules) {
      const result = rule(node, b, context);
      if (result !== undefined) return result;
      b.nodes.length = 0;
    }
    return undefined;
  };

/** How many nodes one sweep may make before the rules are taken to undo each other. */
const fuelFor = (nodes: number): number => 1000 + 200 * nodes;

/**
 * Apply a pass once to a graph and those nested in it. Returns how many nodes were replaced. A graph with nodes that name what they depend
 * on, as Gradient does, is left as it is: what is read by name alone would seem unread.
 */
export function rewrite(graph: Graph, pass: Pass): number {
  for (const node of allNodes(graph)) if (namedValues(node).length > 0) return 0;
  const uses = countUses(graph);
  const context: Context = { uses: v => uses.get(v) ?? 0, producer: v => v?.producer };
  const sweep = new Sweep(pass, context, uses, fuelFor(graph.nodes.length));
  sweep.choice = pass.choose?.(graph, viewFor(pass, context));
  if (pass.same) sweep.replaceAll(pass.same(graph), uses);
  sweep.run(graph);
  removeUnread(graph);
  requireNone(sweep.leftOut, graph);
  return sweep.edits;
}

const viewFor = ({ builder }: Pass, context: Context): View => ({
  form: node => node,
  applies: (rule, node) => rule(node, newBuilder(builder), context) !== undefined,
});

/** @throws ModelError E3004 where an output that its node's replacement left out is read all the same */
function requireNone(leftOut: ReadonlyMap<Value, Node>, graph: Graph): void {
  if (leftOut.size === 0) return;
  const uses = countUses(graph);
  for (const [v, node] of leftOut) {
    if (!uses.has(v)) continue;
    const place = node.outputs.indexOf(v);
    const name = newestSchema(node.domain, node.op)?.outputs[place]?.name ?? place;
    throw fail('E3004', `${node.op}: the output ${name} has no meaning here`, { node: { op: node.qualifiedName, name: node.name } });
  }
}

/** Apply passes in order, again and again until none edits the graph. Returns the number of edits by pass. */
export function rewriteAll(graph: Graph, passes: readonly Pass[], rounds = 20): Map<string, number> {
  const edits = new Map<string, number>();
  for (let round = 0; ; round++) {
    let changed = 0;
    for (const pass of passes) {
      const n = rewrite(graph, pass);
      edits.set(pass.name, (edits.get(pass.name) ?? 0) + n);
      changed += n;
    }
    if (changed === 0) return edits;
    if (round === rounds) throw fail('E9001', `passes ${passes.map(p => p.name).join(', ')} undo each other`);
  }
}

/** Apply passes to the model's graph until none edits it. Functions are left as they are. */
export const rewriteModel = (model: Model, passes: readonly Pass[]): Map<string, number> => rewriteAll(model.graph, passes);

class Sweep {
  edits = 0;
  choice: Choice | undefined;
  /** Outputs without a replacement, and whose they were. */
  readonly leftOut = new Map<Value, Node>();
  readonly #pass: Pass;
  readonly #context: Context;
  /** How often each value is read, kept true while nodes are replaced. */
  readonly #uses: Map<Value, number>;
  readonly #replaced = new Map<Value, Value>();
  readonly #applied = new Map<string, number>();
  #fuel: number;

  constructor(pass: Pass, context: Context, uses: Map<Value, number>, fuel: number) {
    this.#pass = pass;
    this.#context = context;
    this.#uses = uses;
    this.#fuel = fuel;
  }

  /** Let values stand for others; each that is read counts as an edit. */
  replaceAll(same: ReadonlyMap<Value, Value>, uses: ReadonlyMap<Value, number>): void {
    for (const [before, after] of same) {
      this.#replaced.set(before, after);
      if (!uses.has(before)) continue;
      this.edits++;
      // Constants stand for each other because they are equal.
      for (const { tensor } of [before, after]) if (tensor) tensor.isDecisive = true;
    }
  }

  run(graph: Graph): void {
    const out: Node[] = [];
    const pending = [...graph.nodes].reverse();
    for (let node = pending.pop(); node; node = pending.pop()) {
      this.#visit(node, out, pending);
    }
    graph.nodes = out;
    for (const output of graph.outputs) output.value = this.#now(output.value);
  }

  #visit(node: Node, out: Node[], pending: Node[]): void {
    node.inputs = node.inputs.map(v => v && this.#now(v));
    for (const [, inner] of subgraphs(node)) this.run(inner);
    const rule = this.choice?.(node) ?? (node.domain === '' ? this.#pass.rules[node.op] : undefined) ?? this.#pass.rules['*'];
    const b = newBuilder({ ...this.#pass.builder, meta: node.meta });
    const result = rule?.(node, b, this.#context);
    if (result === undefined) {
      out.push(node);
      return;
    }
    this.edits++;
    this.#spend(node);
    const values = result instanceof Value ? [result] : result;
    noteDecisive(node, b.nodes, values);
    this.#count(node, b.nodes);
    this.#replace(node, values, new Set(b.nodes));
    for (let i = b.nodes.length - 1; i >= 0; i--) pending.push(b.nodes[i]!);
  }

  #replace(node: Node, values: readonly (Value | undefined)[], made: ReadonlySet<Node>): void {
    node.outputs.forEach((before, i) => {
      const after = values[i];
      if (before && !after) this.leftOut.set(before, node);
      if (!before || !after) return;
      if (!after.type && before.type) after.type = before.type;
      if (after.producer && made.has(after.producer) && before.name) after.name = before.name;
      this.#replaced.set(before, after);
      this.#use(after, this.#uses.get(before) ?? 0);
    });
  }

  /** What the new nodes read, in the place of what the old one did. */
  #count(node: Node, made: readonly Node[]): void {
    for (const v of node.inputs) if (v) this.#use(v, -1);
    for (const { inputs } of made) for (const v of inputs) if (v) this.#use(v, 1);
    for (const inner of made.flatMap(n => [...subgraphs(n)])) for (const [v, n] of countUses(inner[1])) this.#use(v, n);
  }

  #use(v: Value, times: number): void {
    this.#uses.set(v, (this.#uses.get(v) ?? 0) + times);
  }

  #now(v: Value): Value {
    let current = v;
    for (let next = this.#replaced.get(current); next; next = this.#replaced.get(current)) current = next;
    return current;
  }

  #spend(node: Node): void {
    this.#applied.set(node.op, (this.#applied.get(node.op) ?? 0) + 1);
    if (--this.#fuel > 0) return;
    const busiest = [...this.#applied].sort((a, b) => b[1] - a[1]).slice(0, 3);
    throw fail('E9001', `pass ${this.#pass.name} does not end: its rules for ${busiest.map(([op]) => op).join(', ')} undo each other`);
  }
}

/** Constants that a node reads and what replaces it is not made of have decided what that is. */
function noteDecisive(node: Node, made: readonly Node[], values: readonly (Value | undefined)[]): void {
  const given = node.inputs.flatMap(v => v?.tensor ?? []);
  if (given.length === 0) return;
  const kept = new Set<Tensor>();
  const keep = (tensor: Tensor): void => {
    if (kept.has(tensor)) return;
    kept.add(tensor);
    for (const input of tensor.recipe?.inputs ?? []) if (input) keep(input);
  };
  for (const v of [...values, ...made.flatMap(n => n.inputs)]) if (v?.tensor) keep(v.tensor);
  for (const [, inner] of made.flatMap(n => [...subgraphs(n)])) for (const v of countUses(inner).keys()) if (v.tensor) keep(v.tensor);
  const decide = (tensor: Tensor): void => {
    if (tensor.isDecisive) return;
    tensor.isDecisive = true;
    for (const input of tensor.recipe?.inputs ?? []) if (input) decide(input);
  };
  for (const tensor of given) if (!kept.has(tensor)) decide(tensor);
}

/** Remove nodes, and constants, that nothing reads or names, in nested graphs too. Graph inputs stay. */
export function removeUnread(graph: Graph): void {
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) removeUnread(inner);
  const needed = new Set<Value>(graph.outputs.map(o => o.value));
  const named = new Set([...allNodes(graph)].flatMap(namedValues));
  const isNeeded = (v: Value): boolean => needed.has(v) || named.has(v.name);
  const kept: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some(v => v && isNeeded(v))) continue;
    kept.push(node);
    for (const v of node.inputs) if (v) needed.add(v);
    for (const [, inner] of subgraphs(node)) for (const v of countUses(inner).keys()) needed.add(v);
  }
  graph.nodes = kept.reverse();
  graph.initializers = graph.initializers.filter(isNeeded);
}

/** Outputs of nested graphs that are constants or values of outer graphs are made there by an Identity: files ask for it. */
export function ownOutputs(graph: Graph): void {
  for (const [, inner] of graph.nodes.flatMap(node => [...subgraphs(node)])) {
    ownOutputs(inner);
    const own = new Set([...inner.inputs, ...inner.initializers, ...inner.nodes.flatMap(node => node.outputs)]);
    for (const output of inner.outputs) {
      const { value } = output;
      if (own.has(value)) continue;
      const node = new Node({ op: 'Identity', inputs: [value] }, [{ name: value.name, type: value.type }]);
      inner.nodes.push(node);
      output.value = node.outputs[0]!;
    }
  }
}

/** Whether an error says only that something is not known yet, so that a rule can leave its node as it is. */
export const isUnknown = (error: unknown): boolean => error instanceof ModelError && error.code === 'E3009';
