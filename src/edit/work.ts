// The copy that edits with passes work on: its opset stays, types are those that follow from the inputs, and what the file says is put
// back at the end.
import { allNodes, constantsOf, type FunctionDefinition, type Graph, type Model, Node, subgraphs, Value } from '../ir/graph.ts';
import type { ValueType } from '../ir/types.ts';
import { rowOf } from '../ops/index.ts';
import { inferTypes } from '../opset/infer.ts';
import { Newest, type NewestOptions } from '../opset/newest.ts';
import { callsOf } from '../passes/inline.ts';
import { ownOutputs, type Pass, removeUnread, rewrite } from '../passes/rewrite.ts';
import { Copy } from './copy.ts';

/** A graph that is worked on: the model's, or the body of a function. */
export interface WorkGraph {
  readonly graph: Graph;
  readonly newest: Newest;
  readonly isFunction: (node: Node) => boolean;
  /** Types are known in the model's graph only: bodies are templates. */
  readonly isTyped: boolean;
}

export interface WorkOptions {
  /** What a node over constants may be folded to; small integers otherwise. */
  readonly fold?: NewestOptions['fold'];
  /** Weights are no constants like any other: what becomes of them is written down with them. */
  readonly keepsWeights?: boolean;
}

/** Rounds of inference and rewriting before what is left is left. */
const maxRounds = 10;

/** While it is worked on, types are those that follow from the inputs, not those that the file declares. */
export class Work {
  readonly model: Model;
  readonly #source: Model;
  readonly #copy: WorkCopy;
  readonly #fold: NewestOptions['fold'];

  constructor(source: Model, { fold, keepsWeights = false }: WorkOptions = {}) {
    this.#source = source;
    this.#fold = fold;
    this.#copy = new WorkCopy(source, keepsWeights);
    this.model = this.#copy.model(source);
    this.model.functions = source.functions.map(f => ({ ...f, body: new Copy().graph(f.body) }));
  }

  *graphs(): Generator<WorkGraph> {
    const called = callsOf(this.model);
    const isFunction = (node: Node): boolean => called(node) !== undefined;
    const newest = (opsets: ReadonlyMap<string, number>): Newest =>
      new Newest(opsets, { isOpaque: isFunction, ...(this.#fold && { fold: this.#fold }) });
    for (const { body, opsets } of this.model.functions) yield { graph: body, newest: newest(opsets), isFunction, isTyped: false };
    yield { graph: this.model.graph, newest: newest(this.model.opsets), isFunction, isTyped: true };
  }

  /** Apply passes until none edits the graph; what follows from edits is inferred again. */
  settle({ graph, newest, isTyped }: WorkGraph, passes: readonly Pass[]): void {
    for (let round = 0; round < maxRounds; round++) {
      if (isTyped) this.#infer();
      newest.forget();
      let edits = 0;
      for (let again = true, k = 0; again && k < maxRounds; k++) {
        const n = passes.reduce((count, pass) => count + rewrite(graph, pass), 0);
        again = n > 0;
        edits += n;
      }
      if (edits === 0) break;
    }
    removeUnread(graph);
  }

  #infer(): void {
    const { types, contents } = inferTypes(this.model);
    for (const [v, type] of types) if (v.producer) v.type = type;
    for (const [v, known] of contents) if (v.producer) v.contents = known;
  }

  finish(): Model {
    const { model } = this;
    const { graph } = model;
    const used = usedFunctions(model);
    model.functions = model.functions.filter(f => used.has(f));
    for (const g of [graph, ...model.functions.map(f => f.body)]) {
      freeOutputNames(g);
      ownOutputs(g);
    }
    this.#copy.declareAgain(graph);
    copyOutputs(graph);
    if (model.irVersion < firstWithDefaults) listConstants(graph, this.#source.graph);
    return this.#copy.opened.size > 0 ? new Closing(this.#copy.opened).model(model) : model;
  }
}

/** Functions that are still called, from the graph or from such functions. */
function usedFunctions(model: Model): ReadonlySet<FunctionDefinition> {
  const called = callsOf(model);
  const used = new Set<FunctionDefinition>();
  const pending = [model.graph];
  for (let graph = pending.pop(); graph; graph = pending.pop())
    for (const node of allNodes(graph)) {
      const f = called(node);
      if (!f || used.has(f)) continue;
      used.add(f);
      pending.push(f.body);
    }
  return used;
}

/** Constants that took the name of what they replaced leave it to the outputs of nested graphs that have it. */
function freeOutputNames(graph: Graph): void {
  const taken = new Set<string>();
  for (const node of allNodes(graph)) for (const [, inner] of subgraphs(node)) for (const o of inner.outputs) taken.add(o.name);
  for (const v of constantsOf(graph)) if (taken.has(v.name)) v.name = `${v.name}_value`;
}

/** Outputs that are inputs, or another output, are made by an Identity: files have one name for a value. */
function copyOutputs(graph: Graph): void {
  const seen = new Set<Value>();
  for (const output of graph.outputs) {
    const { value, name, type } = output;
    const isNamed = value.producer !== undefined || (value.tensor !== undefined && value.name === name);
    if (isNamed && !seen.has(value)) {
      seen.add(value);
      continue;
    }
    const node = new Node({ op: 'Identity', inputs: [value] }, [{ name, type: type ?? value.type }]);
    graph.nodes.push(node);
    output.value = node.outputs[0]!;
  }
}

/** The first IR version in which an input's initializer is a default; before that, inputs list every constant. */
const firstWithDefaults = 4;

/** A copy without declared types of what nodes make, whose inputs have no defaults: neither is to be relied on. */
class WorkCopy extends Copy {
  /** Inputs that lost their default, and what they were. */
  readonly opened = new Map<Value, Value>();
  readonly #declared = new Map<Value, ValueType | undefined>();
  /** What graphs declare of their outputs, in their order. */
  readonly #promised = new Map<Graph, readonly (ValueType | undefined)[]>();
  /** Inputs that may have a default. */
  readonly #open: ReadonlySet<Value>;
  readonly #keepsWeights: boolean;

  constructor({ graph, irVersion }: Model, keepsWeights: boolean) {
    super();
    this.#keepsWeights = keepsWeights;
    this.#open = new Set(irVersion >= firstWithDefaults ? graph.inputs : []);
  }

  override graph(graph: Graph): Graph {
    const made = super.graph(graph);
    this.#promised.set(
      made,
      graph.outputs.map(o => o.type ?? o.value.type),
    );
    made.outputs = made.outputs.map(o => (o.value.producer && hasMeaning(o.value.producer) ? { ...o, type: undefined } : o));
    made.inputs = made.inputs.filter(v => !v.tensor);
    made.initializers = made.initializers.filter(v => !this.opened.has(v));
    for (const node of graph.nodes)
      for (const v of node.outputs) {
        const copy = v && this.values.get(v);
        if (!copy) continue;
        this.#declared.set(copy, v.type);
        // What has a meaning here is inferred; of the rest the declaration is all there is.
        if (hasMeaning(node)) copy.type = undefined;
      }
    return made;
  }

  override input(v: Value): Value {
    if (!v.tensor) return super.input(v);
    const isDefault = this.#open.has(v);
    const parameter = this.#keepsWeights && v.parameter;
    const copy = new Value(v.name, v.type, { tensor: isDefault ? undefined : v.tensor, parameter, meta: v.meta });
    if (isDefault) this.opened.set(copy, v);
    this.values.set(v, copy);
    return copy;
  }

  /** Values have the types that the file declared; those that are new keep what was inferred. */
  declareAgain(graph: Graph): void {
    const types = this.#promised.get(graph);
    graph.outputs = graph.outputs.map((o, i) => (types?.[i] ? { ...o, type: types[i] } : o));
    for (const node of graph.nodes) {
      for (const v of node.outputs) if (v && this.#declared.has(v)) v.type = this.#declared.get(v);
      for (const [, inner] of subgraphs(node)) this.declareAgain(inner);
    }
  }
}

const hasMeaning = ({ op, domain }: Node): boolean => {
  const row = rowOf(op, domain);
  return row !== undefined && !('gap' in row);
};

/** A copy whose inputs have their defaults again. */
class Closing extends Copy {
  readonly #opened: ReadonlyMap<Value, Value>;

  constructor(opened: ReadonlyMap<Value, Value>) {
    super();
    this.#opened = opened;
  }

  override graph(graph: Graph): Graph {
    const made = super.graph(graph);
    made.initializers = [...made.inputs.filter(v => v.tensor), ...made.initializers];
    return made;
  }

  override input(v: Value): Value {
    const { name, type, tensor, meta } = this.#opened.get(v) ?? v;
    const copy = new Value(name, type, { tensor, ...(v.sparse && { sparse: v.sparse }), meta });
    copy.contents = v.contents;
    this.values.set(v, copy);
    return copy;
  }
}

/** Before IR version 4 every constant is an input too; those of the source keep their place. */
function listConstants(graph: Graph, source: Graph): void {
  const constants = new Map(constantsOf(graph).map(v => [v.name, v]));
  const given = new Map(graph.inputs.map(v => [v.name, v]));
  const before = source.inputs.flatMap(v => given.get(v.name) ?? constants.get(v.name) ?? []);
  const listed = new Set(before);
  graph.initializers = [...constants.values()];
  graph.inputs = [...before, ...graph.initializers.filter(v => !listed.has(v))];
}
