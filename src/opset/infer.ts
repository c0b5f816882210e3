// The types of a whole model in its own opset, from those of its inputs: every node is copied into the newest opset off the graph,
// where rows know its types and the contents of shapes, and what the copies are is true of the originals. Nothing is changed.
import { type Code, type Finding, ModelError } from '../errors.ts';
import { agreed, contentMisfit, sameType } from '../ir/agree.ts';
import type { Dim } from '../ir/dims.ts';
import {
  type Attributes,
  type FunctionDefinition,
  type Graph,
  type Model,
  type Node,
  nestedPlaces,
  subgraphs,
  Value,
} from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import { formatType, tensorType, type ValueType } from '../ir/types.ts';
import type { Builder } from '../ops/builder.ts';
import { bodyInputsOf, takenBranch } from '../ops/control-types.ts';
import { schemaOf } from '../ops/schema.ts';
import { constantValue } from '../passes/fold.ts';
import { keyOf, resolve } from '../passes/inline.ts';
import { type Bindings, copyNodes, type Nest, rebuild, type Visit } from '../passes/rebuild.ts';
import { settled } from './bodies.ts';
import { callKey, type Known, renamed } from './calls.ts';
import { upgradeNode } from './upgrade.ts';

export interface InferredTypes {
  /** Of every value whose type is known: declared, inferred, or what both say together. */
  readonly types: ReadonlyMap<Value, ValueType>;
  /** Contents of small integer tensors, as far as they are known. */
  readonly contents: ReadonlyMap<Value, readonly Dim[]>;
  /** Contradictions, one a node: E1302 to E1306, E3006. */
  readonly findings: readonly Finding[];
}

/** Infer the types of all values of a sound model (see `verifyModel`), nested graphs included. Functions are followed from their calls. */
export function inferTypes(model: Model): InferredTypes {
  const inference = new Inference(model);
  inference.run();
  return inference;
}

/** What is not known, or not said here, is no contradiction. */
const silent: ReadonlySet<Code> = new Set(['E3009', 'E3004', 'E2001', 'E2002', 'E2004']);
/** How many nodes of function bodies are looked at; what would be beyond stays unknown. */
const maxCalled = 1_000_000;

class Inference implements InferredTypes {
  readonly types = new Map<Value, ValueType>();
  readonly contents = new Map<Value, readonly Dim[]>();
  readonly #model: Model;
  readonly #problems = new Map<Node, Finding & { readonly step?: string }>();
  readonly #functions: ReadonlyMap<string, FunctionDefinition>;
  readonly #calls = new Map<string, readonly (Known | undefined)[]>();
  /** Types that outputs of graphs are declared to have, where their values are not. */
  readonly #promised = new Map<Value, ValueType>();
  /** What stands for values whose content contradicts their declaration. */
  readonly #contentless = new Map<Value, Value>();
  #called = 0;
  /** Bodies that do not take what they are given. */
  readonly #misfits = new Map<Node, string>();
  /** In how many branches we are that are never taken: what contradicts itself there does no harm. */
  #dead = 0;

  constructor(model: Model) {
    this.#model = model;
    this.#functions = new Map(model.functions.map(f => [keyOf(f.domain, f.name, f.overload), f]));
  }

  run(): void {
    const { graph, opsets } = this.#model;
    this.#declared(graph);
    rebuild(graph, this.#contentless, this.#visit(opsets), this.#contentless, { nest: this.#nest(false) });
    this.#outputs(graph);
  }

  get findings(): readonly Finding[] {
    if (this.#problems.size === 0) return this.#graphFindings;
    const places = placesOf(this.#model);
    const list = [...this.#problems].map(([node, { step = '', ...finding }]) => {
      const { index, path } = places.get(node)!;
      const { op, name, domain } = node;
      return { ...finding, path: path + step, offset: finding.offset ?? node.meta.at, node: { index, op, name, domain } };
    });
    return [...list, ...this.#graphFindings];
  }
  readonly #graphFindings: Finding[] = [];

  /** Types of inputs and constants are what the file says. */
  #declared(graph: Graph): void {
    for (const { value, type } of graph.outputs) if (type) this.#promised.set(value, type);
    for (const v of new Set([...graph.inputs, ...graph.initializers])) {
      const misfit = contentMisfit(v);
      const type = agreed(v.tensor && tensorType(v.tensor.type, v.tensor.dims), v.type);
      if (misfit !== undefined) {
        this.#graphFindings.push({ code: 'E1306', severity: 'error', message: misfit, tensor: v.name });
        this.#contentless.set(v, new Value(v.name, v.type));
      } else if (type && type !== 'contradiction') this.types.set(v, type);
    }
    for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) this.#declared(inner);
  }

  #visit(opsets: ReadonlyMap<string, number>, caller?: Attributes): Visit {
    const upgrade = upgradeNode(opsets);
    return (node, inputs, given, b) => {
      let made: readonly (Value | undefined)[] = [];
      try {
        const attributes = caller ? resolve(given, caller) : given;
        const called = this.#functions.get(keyOf(node.domain, node.op, node.overload));
        made = called
          ? this.#call(called, inputs, attributes, b)
          : isConstant(node)
            ? [constantValue(node.outputs[0]!.name, attributes)]
            : upgrade(node, inputs, attributes, b);
        this.#problems.delete(node);
        const misfit = this.#misfits.get(node);
        if (misfit) this.#problems.set(node, { code: 'E1306', severity: 'error', message: misfit });
      } catch (error) {
        this.#note(node, error, opsets);
      }
      return node.outputs.map((v, i) => v && this.#settled(node, v, made[i], caller !== undefined));
    };
  }

  #note(node: Node, error: unknown, opsets: ReadonlyMap<string, number>): void {
    if (!(error instanceof ModelError)) throw error;
    const first = error.findings[0]!;
    if (silent.has(first.code) || this.#dead > 0) return;
    const code = first.code === 'E3005' ? 'E1305' : first.code;
    const message = `${node.qualifiedName}: ${first.message.replace(`${node.op}: `, '')}`;
    this.#problems.set(node, { code, severity: 'error', message, ...argumentPlace(node, first.argument, opsets) });
  }

  /** What a value is by its copy and by its declaration together. */
  #settled(node: Node, v: Value, copy: Value | undefined, isTemplate: boolean): Value {
    const declared = isTemplate ? undefined : (v.type ?? this.#promised.get(v));
    const found = copy ?? new Value(v.name, declared);
    const both = agreed(found.type, declared);
    if (both === 'contradiction' && this.#dead > 0) found.type = declared;
    else if (both === 'contradiction') {
      const text = `declares ${quoted(v.name)} as ${formatType(declared)}, its inputs make it ${formatType(found.type)}`;
      this.#problems.set(node, { code: 'E1306', severity: 'error', message: `${node.qualifiedName} ${text}` });
    } else if (both && !found.tensor && !sameType(both, found.type)) found.type = both;
    if (!isTemplate) this.#keep(v, found);
    return found;
  }

  #keep(v: Value, { type, contents, tensor }: Value): void {
    if (type) this.types.set(v, type);
    if (contents && !tensor) this.contents.set(v, contents);
  }

  #outputs(graph: Graph): void {
    graph.outputs.forEach(({ name, type, value }, i) => {
      const found = this.types.get(value);
      if (agreed(found, type) === 'contradiction')
        this.#graphFindings.push({
          code: 'E1306',
          severity: 'error',
          message: `the output ${quoted(name)} is declared as ${formatType(type)}, the model makes ${formatType(found)}`,
          path: `graph.output[${i}]`,
        });
    });
  }

  /** Bodies of loops get the types of what they are given; sizes of states that a round changes are not known. */
  readonly #nest =
    (isTemplate: boolean): Nest =>
    (node, inputs, inner, copy) => {
      const taken = takenBranch(node, inputs);
      if (taken && taken !== inner) {
        this.#dead++;
        const graph = copy();
        this.#dead--;
        return graph;
      }
      const given = bodyInputsOf(node, inputs);
      if (!given || given.types.length !== inner.inputs.length) return copy();
      return settled(given, types => copy(this.#bindings(node, inner, types, isTemplate)));
    };

  #bindings(node: Node, inner: Graph, types: readonly (ValueType | undefined)[], isTemplate: boolean): Bindings {
    const bindings = new Map<Value, ValueType>();
    inner.inputs.forEach((v, i) => {
      const type = agreed(types[i], v.type);
      if (type === 'contradiction') {
        const text = `gives ${formatType(types[i])} to the input ${quoted(v.name)} of its body, which is declared as ${formatType(v.type)}`;
        this.#misfits.set(node, `${node.qualifiedName} ${text}`);
      }
      if (!type || type === 'contradiction') return;
      bindings.set(v, type);
      if (!isTemplate) this.types.set(v, type);
    });
    return bindings;
  }

  /** What a call makes. The same function on the same types is followed once. */
  #call(
    called: FunctionDefinition,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    b: Builder,
  ): readonly (Value | undefined)[] {
    const key = callKey(called, inputs, attributes);
    const before = key === undefined ? undefined : this.#calls.get(key);
    if (before) return valuesOf(called, renamed(before, inputs));
    const made = this.#follow(called, inputs, attributes, b).map(v => v && { type: v.type, contents: v.contents });
    if (key !== undefined) this.#calls.set(key, made);
    return valuesOf(called, made);
  }

  #follow(
    called: FunctionDefinition,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    b: Builder,
  ): readonly (Value | undefined)[] {
    this.#called += called.body.nodes.length;
    if (this.#called > maxCalled) return [];
    const now = new Map<Value, Value | undefined>(called.body.inputs.map((v, i) => [v, inputs[i]]));
    const visit = this.#visit(called.opsets, new Map([...called.defaults, ...attributes]));
    copyNodes(called.body.nodes, now, visit, b, { nest: this.#nest(true) });
    return called.body.outputs.map(o => (now.has(o.value) ? now.get(o.value) : o.value));
  }
}

/** Where a node says an argument that its newest form has: it may be an attribute, an input, or nothing of its own. */
function argumentPlace(node: Node, argument: string | undefined, opsets: ReadonlyMap<string, number>): { step?: string; offset?: number } {
  if (argument === undefined) return {};
  const attribute = [...node.attributes.keys()].indexOf(argument);
  if (attribute >= 0) {
    const at = node.attributes.get(argument)!.meta?.at;
    return { step: `.attribute[${attribute}]`, ...(at !== undefined && { offset: at }) };
  }
  const schema = schemaOf(node.domain, node.op, opsets.get(node.domain) ?? 1);
  const input = schema?.inputs.findIndex(param => param.name === argument) ?? -1;
  return input >= 0 && node.inputs[input] ? { step: `.input[${input}]` } : {};
}

/** Constants keep their content, however large its numbers are. */
const isConstant = (node: Node): boolean => node.op === 'Constant' && node.domain === '' && node.outputs[0] !== undefined;

const valuesOf = (called: FunctionDefinition, known: readonly (Known | undefined)[]): readonly (Value | undefined)[] =>
  known.map((k, i) => {
    const v = k && new Value(called.body.outputs[i]!.name, k.type);
    if (v) v.contents = k.contents;
    return v;
  });

/** What is true of a state before a round and after it. Sizes that were given up stay as they are, so that rounds come to an end. */
/** Where every node stands, found when there is something to say. */
function placesOf(model: Model): Map<Node, { index: number; path: string }> {
  const places = new Map<Node, { index: number; path: string }>();
  const walk = (graph: Graph, path: string): void => {
    graph.nodes.forEach((node, index) => {
      const own = `${path}.node[${index}]`;
      places.set(node, { index, path: own });
      for (const [step, inner] of nestedPlaces(node)) walk(inner, `${own}.${step}`);
    });
  };
  walk(model.graph, 'graph');
  model.functions.forEach((f, i) => {
    walk(f.body, `functions[${i}]`);
  });
  return places;
}
