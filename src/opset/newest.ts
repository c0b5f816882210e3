// Nodes of a model in any opset as rules see them: in the newest form, made off the graph; and what rules make, in the opset of the model.
import { ModelError } from '../errors.ts';
import { agreed } from '../ir/agree.ts';
import type { Graph, Node, Value } from '../ir/graph.ts';
import { type Builder, type BuilderOptions, newBuilder } from '../ops/builder.ts';
import type { Choice, Context, Pass, Replacement, Rule, View } from '../passes/rewrite.ts';
import { sayInOne } from './downgrade.ts';
import { upgradeNode } from './upgrade.ts';

/** A node in the newest opset: one node that reads the same values, or what it comes to. */
export type Form = { readonly node: Node } | { readonly values: readonly (Value | undefined)[] };

interface Seen {
  readonly inputs: readonly (Value | undefined)[];
  readonly form: Form | undefined;
}

export interface NewestOptions {
  /** Nodes that have no form here, such as calls of functions. */
  readonly isOpaque?: (node: Node) => boolean;
  /** What a node over constants may be folded to; what the builder folds otherwise. */
  readonly fold?: (node: Node) => BuilderOptions['fold'];
}

export class Newest {
  readonly opsets: ReadonlyMap<string, number>;
  readonly #options: NewestOptions;
  #seen = new WeakMap<Node, Seen>();

  constructor(opsets: ReadonlyMap<string, number>, options: NewestOptions = {}) {
    this.opsets = opsets;
    this.#options = options;
  }

  /** Look at every node again: types have changed. */
  forget(): void {
    this.#seen = new WeakMap();
  }

  /** The node in its newest form; undefined where it has none, or more than one node there. */
  of(node: Node): Form | undefined {
    const seen = this.#seen.get(node);
    if (seen && seen.inputs.length === node.inputs.length && seen.inputs.every((v, i) => v === node.inputs[i])) return seen.form;
    const form = this.#formOf(node);
    this.#seen.set(node, { inputs: node.inputs, form });
    return form;
  }

  /** The newest form of a node, where it is one node. */
  form(node: Node): Node | undefined {
    const form = this.of(node);
    return form && 'node' in form ? form.node : undefined;
  }

  /** The node that makes a value, in its newest form. */
  producer(v: Value | undefined): Node | undefined {
    return v?.producer && this.form(v.producer);
  }

  /** The pass for graphs of this opset. A rule whose nodes the opset cannot say one by one leaves its node as it is. */
  pass({ rules, choose, ...pass }: Pass): Pass {
    const inTable = (node: Node): Rule | undefined => (node.domain === '' ? rules[node.op] : undefined) ?? rules['*'];
    const view: View = {
      form: node => this.form(node),
      applies: (rule, node) =>
        this.#inForm(() => rule)(node, newBuilder({ meta: node.meta }), { uses: () => 1, producer: v => v?.producer }) !== undefined,
    };
    const chosen = (graph: Graph): Choice => {
      const choice = choose!(graph, view);
      return node => {
        const rule = choice(node);
        return rule && this.#inForm(() => rule);
      };
    };
    return { ...pass, rules: { '*': this.#inForm(inTable) }, ...(choose && { choose: chosen }) };
  }

  /** A rule that is found for the newest form of a node, and given it. */
  #inForm(find: (node: Node) => Rule | undefined): Rule {
    return (node, b, { uses }) => {
      const form = this.form(node);
      const rule = form && find(form);
      return rule && this.#applied(rule, form, b, { uses, producer: v => this.producer(v) });
    };
  }

  #applied(rule: Rule, node: Node, b: Builder, context: Context): Replacement | undefined {
    const trial = newBuilder({ meta: b.meta, fold: { elements: largestTable, floats: true } });
    const made = attempted(() => rule(node, trial, context));
    return made && this.#said(made, trial.nodes, b);
  }

  /** The nodes in the model's opset, and the values of the replacement among theirs. */
  #said(made: Replacement, nodes: readonly Node[], b: Builder): Replacement | undefined {
    const opset = this.opsets.get('') ?? 1;
    const now = new Map<Value, Value>();
    const current = (v: Value | undefined): Value | undefined => v && (now.get(v) ?? v);
    for (const node of nodes) {
      node.inputs = node.inputs.map(current);
      const own = sayInOne(node, b, opset);
      if (!own) {
        b.nodes.length = 0;
        return undefined;
      }
      node.outputs.forEach((v, i) => v && now.set(v, own.outputs[i]!));
    }
    return Array.isArray(made) ? made.map(current) : current(made as Value);
  }

  #formOf(node: Node): Form | undefined {
    if (this.#options.isOpaque?.(node) || [...node.attributes.values()].some(a => a.kind === 'reference')) return undefined;
    const trial = newBuilder({ meta: node.meta, ...foldOption(this.#options.fold?.(node)) });
    const values = attempted(() => upgradeNode(this.opsets)(node, node.inputs, node.attributes, trial));
    if (!values) return undefined;
    const [only, ...others] = trial.nodes;
    if (!only) return { values };
    if (others.length > 0 || only.outputs.length !== values.length || values.some((v, i) => v !== only.outputs[i])) return undefined;
    only.outputs.forEach((v, i) => v && share(v, node.outputs[i]));
    return { node: only };
  }
}

/** Most elements of what a rule computes of constants at once. */
const largestTable = 2 ** 22;

const foldOption = (fold: BuilderOptions['fold']): BuilderOptions => (fold ? { fold } : {});

/** What is known of one is known of the other. */
function share(form: Value, own: Value | undefined): void {
  if (!own) return;
  const both = agreed(own.type, form.type);
  if (both && both !== 'contradiction') {
    form.type = both;
    own.type = both;
  }
  form.contents ??= own.contents;
  own.contents ??= form.contents;
}

/** Undefined for what has no meaning here: the node is left as it is. */
function attempted<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof ModelError && error.code !== 'E9001') return undefined;
    throw error;
  }
}
