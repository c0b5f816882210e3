// inline: the nodes of model-local functions in the place of their calls, in the opset of the model.
import { type Attributes, allNodes, type FunctionDefinition, type Graph, type Model, type Node, type Value } from '../ir/graph.ts';
import { schemaOf } from '../ops/schema.ts';
import { retarget } from '../opset/target.ts';
import { upgrade } from '../opset/upgrade.ts';
import { type Called, callsOf, resolve } from '../passes/inline.ts';
import { Copy, refuseTraining } from './copy.ts';
import { namesIn } from './names.ts';

/**
 * A copy of the model without functions. Values keep their names; those of a body are named after the call. The opset stays where it
 * has the operators of the bodies as they are written, otherwise the next that can say the model is taken.
 * @throws ModelError E1108 for a function that calls itself, E1009 for more than a million nodes, E2002 for a model with training
 * graphs, and what upgrading throws where functions are of another opset than the model
 */
export function inlineFunctions(model: Model): Model {
  refuseTraining(model);
  if (isSaidByModel(model)) return inlined(model);
  const copy = inlined(upgrade(model));
  retarget(copy, model);
  return copy;
}

function inlined(model: Model): Model {
  const { graph } = model;
  const copy = new Inlining(callsOf(model), namesIn(graph));
  const made = copy.model(model);
  made.functions = [];
  made.opsets = importsOf(model, made.graph);
  return made;
}

/** Whether every body means under the model's opsets what it means under its own. */
function isSaidByModel({ functions, opsets }: Model): boolean {
  const imported = new Map(opsets);
  return functions.every(f =>
    [...allNodes(f.body)].every(({ domain, op }) => {
      const own = f.opsets.get(domain);
      const outer = imported.get(domain);
      if (own === undefined || own === outer) return true;
      if (outer !== undefined) return schemaOf(domain, op, own)?.since === schemaOf(domain, op, outer)?.since;
      imported.set(domain, own);
      return true;
    }),
  );
}

/** The model's imports, those that bodies bring, and none of domains that had nothing but functions. */
function importsOf({ functions, opsets }: Model, graph: Graph): Map<string, number> {
  const used = new Set([...allNodes(graph)].map(node => node.domain));
  const imports = new Map([...opsets].filter(([domain]) => domain === '' || used.has(domain) || functions.every(f => f.domain !== domain)));
  for (const f of functions)
    for (const [domain, version] of f.opsets) if (used.has(domain) && !imports.has(domain)) imports.set(domain, version);
  return imports;
}

/** A call, as far as the copy of its body depends on it. */
interface Call {
  readonly node: Node;
  readonly called: FunctionDefinition;
  readonly attributes: Attributes;
}

class Inlining extends Copy {
  readonly #calledBy: Called;
  /** Names of the model, and those made up so far. */
  readonly #taken: Set<string>;
  readonly #call: Call | undefined;

  constructor(calledBy: Called, taken: Set<string>, call?: Call) {
    super(call && { name: namesFor(call, taken), nodeName: name => name && `${labelOf(call.node)}/${name}`, type: () => undefined });
    this.#calledBy = calledBy;
    this.#taken = taken;
    this.#call = call;
  }

  override nodes(nodes: readonly Node[]): Node[] {
    return nodes.flatMap(node => {
      const called = this.#calledBy(node);
      return called ? this.#expand(node, called) : [this.node(node)];
    });
  }

  override attributes(attributes: Attributes): Attributes {
    return super.attributes(this.#call ? resolve(attributes, this.#call.attributes) : attributes);
  }

  #expand(node: Node, called: FunctionDefinition): Node[] {
    const attributes = new Map([...called.defaults, ...this.attributes(node.attributes)]);
    const place = this.#named(node);
    const body = new Inlining(this.#calledBy, this.#taken, { node: place, called, attributes });
    called.body.inputs.forEach((v, i) => {
      const given = node.inputs[i];
      body.values.set(v, given && this.value(given));
    });
    const nodes = body.nodes(called.body.nodes);
    node.outputs.forEach((v, i) => {
      const end = called.body.outputs[i]?.value;
      if (v && end) this.values.set(v, takeOver(v, body.value(end)));
    });
    return nodes;
  }

  /** The call under the names that it has in the copy. */
  #named(node: Node): Node {
    const { values } = this;
    const copy = this.node(node);
    // Only its names are wanted: what the calls make is made by the body.
    for (const v of node.outputs) if (v) values.delete(v);
    return copy;
  }
}

/** What a call made, made by its body: the declaration goes with it. */
function takeOver(v: Value, made: Value | undefined): Value | undefined {
  if (made && !made.type && v.type) made.type = v.type;
  if (made?.producer && !made.meta.rest) made.meta = v.meta;
  return made;
}

const labelOf = (node: Node): string => node.name || node.outputs.find(v => v)?.name || node.op;

/** Names of a body's values in the graph: what the call makes keeps the name it has there. */
function namesFor({ node, called }: Call, taken: Set<string>): (name: string) => string {
  const names = new Map<string, string>();
  called.body.outputs.forEach(({ value }, i) => {
    const outer = node.outputs[i]?.name;
    if (outer !== undefined && value.producer && !names.has(value.name)) names.set(value.name, outer);
  });
  return name => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const wish = `${labelOf(node)}/${name}`;
    let free = wish;
    for (let i = 1; taken.has(free); i++) free = `${wish}_${i}`;
    taken.add(free);
    names.set(name, free);
    return free;
  };
}
