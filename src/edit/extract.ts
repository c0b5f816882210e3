// extract: the part of a graph between some values and others, as a model of its own.
import { allNodes, type FunctionDefinition, Graph, type Meta, type Model, type Node, type Output, subgraphs, Value } from '../ir/graph.ts';
import { readsOf } from '../ir/order.ts';
import { quoted } from '../ir/text.ts';
import { formatType, type ValueType } from '../ir/types.ts';
import { inferTypes } from '../opset/infer.ts';
import { callsOf } from '../passes/inline.ts';
import { Copy, refuseTraining } from './copy.ts';
import { Findings, namesIn, valuesOf } from './names.ts';
import { isSized, retype } from './set-shapes.ts';

export interface ExtractOptions {
  /** Names of values that become the inputs; those inputs of the model that the outputs need otherwise. */
  readonly inputs?: readonly string[] | undefined;
  /** Names of values that become the outputs; those of the model otherwise. */
  readonly outputs?: readonly string[] | undefined;
  /** Types of inputs by name, where they are not to be the declared or inferred ones. */
  readonly types?: Readonly<Record<string, ValueType>> | undefined;
}

/**
 * A model of the nodes that make `outputs` out of `inputs`. It keeps opset, IR version, names, the functions it calls and the constants
 * it reads. Defaults of inputs that are not asked for become constants.
 * @throws ModelError E3001 for every name that there is none of, and for every output that needs more than the inputs, with what it
 * needs; E3002 and E3003 for types that contradict the model; E1307 for a value whose type is neither declared nor inferred; E2002 for a
 * model with training graphs
 */
export function extract(model: Model, { inputs, outputs, types = {} }: ExtractOptions): Model {
  refuseTraining(model);
  const findings = new Findings();
  const find = finder(model.graph, findings);
  const cuts = inputs?.map(name => find('input', name));
  const ends = (outputs ?? model.graph.outputs.map(o => o.name)).map(name => find('output', name));
  for (const name of Object.keys(types)) if (!inputs?.includes(name)) findings.unknown('extracted input', name, inputs ?? []);
  findings.throw();
  // The casts: every name was found, or the findings were thrown.
  return new Extraction(model, types, {
    ...(inputs && { cuts: inputs.map((name, i) => [name, cuts![i]!] as const) }),
    ends: (outputs ?? model.graph.outputs.map(o => o.name)).map((name, i) => [name, ends[i]!] as const),
  }).model();
}

function finder(graph: Graph, findings: Findings): (what: string, name: string) => Value | undefined {
  const values = valuesOf(graph);
  return (what, name) => {
    const v = values.get(name);
    if (!v && namesIn(graph).has(name))
      findings.add('E3001', `${what} ${quoted(name)} is a value of a nested graph, which has no place outside of it`);
    else if (!v) findings.unknown('value', name, values.keys());
    return v;
  };
}

interface Part {
  readonly nodes: readonly Node[];
  /** Everything that the nodes and the outputs read. */
  readonly read: ReadonlySet<Value>;
}

/** The nodes that the ends need down to the cuts. Errors: E3001. */
function partOf(graph: Graph, cuts: readonly Value[] | undefined, ends: readonly Value[]): Part {
  const stop = new Set(cuts);
  const inputs = new Set(graph.inputs.filter(v => !v.tensor));
  const needs = cuts ? (v: Value): boolean => inputs.has(v) && !stop.has(v) : () => false;
  const findings = new Findings();
  const [read, made] = [new Set<Value>(), new Set<Node>()];
  for (const end of ends) {
    const reached = reach(end, stop);
    const missing = [...reached.values].filter(needs);
    if (missing.length > 0)
      findings.add(
        'E3001',
        `output ${quoted(end.name)} cannot be made of the inputs given: it needs ${missing.map(v => quoted(v.name)).join(', ')} too`,
      );
    for (const v of reached.values) read.add(v);
    for (const node of reached.nodes) made.add(node);
  }
  findings.throw();
  return { nodes: graph.nodes.filter(node => made.has(node)), read };
}

/** What an end is made of. Nothing before a value in `stop` counts. */
function reach(end: Value, stop: ReadonlySet<Value>): { readonly values: Set<Value>; readonly nodes: Set<Node> } {
  const [values, nodes] = [new Set<Value>(), new Set<Node>()];
  const pending = [end];
  for (let v = pending.pop(); v; v = pending.pop()) {
    if (values.has(v)) continue;
    values.add(v);
    const { producer } = v;
    if (stop.has(v) || !producer || nodes.has(producer)) continue;
    nodes.add(producer);
    pending.push(...outerReads(producer));
  }
  return { values, nodes };
}

/** What a node reads of the graph it is in: values made within its nested graphs are no concern of that. */
function outerReads(node: Node): Value[] {
  const within = new Set<Value>();
  const collect = (graph: Graph): void => {
    for (const v of graph.inputs) within.add(v);
    for (const inner of graph.nodes) {
      for (const v of inner.outputs) if (v) within.add(v);
      for (const [, g] of subgraphs(inner)) collect(g);
    }
  };
  for (const [, graph] of subgraphs(node)) collect(graph);
  return [...readsOf(node)].filter(v => !within.has(v));
}

type Named = readonly [name: string, v: Value];

interface Signature {
  readonly cuts?: readonly Named[];
  readonly ends: readonly Named[];
}

/** Inputs had to list every constant before this IR version. */
const firstWithoutConstants = 4;

class Extraction {
  readonly #model: Model;
  readonly #part: Part;
  readonly #given: Readonly<Record<string, ValueType>>;
  readonly #cuts: readonly Named[];
  readonly #ends: readonly Named[];
  readonly #copy = new Copy();
  readonly #findings = new Findings();
  #inferred: ReadonlyMap<Value, ValueType> | undefined;

  constructor(model: Model, given: Readonly<Record<string, ValueType>>, { cuts, ends }: Signature) {
    const { graph } = model;
    const own = cuts?.map(([, v]) => v);
    this.#model = model;
    this.#given = given;
    this.#ends = ends;
    this.#part = partOf(
      graph,
      own,
      ends.map(([, v]) => v),
    );
    const stays = (v: Value): boolean =>
      this.#part.read.has(v) && (!own || (model.irVersion < firstWithoutConstants && !!v.tensor && !own.includes(v)));
    this.#cuts = [...(cuts ?? []), ...graph.inputs.filter(stays).map((v): Named => [v.name, v])];
  }

  model(): Model {
    const { graph } = this.#model;
    const copy = this.#copy;
    const inputs = this.#cuts.map(cut => this.#input(cut));
    this.#findings.throw();
    const listed = graph.initializers.filter(v => this.#part.read.has(v)).map(v => copy.value(v)!);
    const nodes = this.#part.nodes.map(node => copy.node(node));
    const outputs = this.#ends.map(end => this.#output(end));
    const part = copy.model(
      this.#model,
      new Graph(graph.name, { inputs, outputs, nodes, initializers: listed.filter(v => v.tensor ?? v.sparse), meta: this.#meta() }),
    );
    part.functions = calledIn(this.#model, part.graph);
    const bindings = this.#bindings(inputs);
    const typed = bindings.size > 0 ? retype(part, bindings) : part;
    for (const o of typed.graph.outputs) if (!o.type && !o.value.type) this.#untyped(o.name);
    this.#findings.throw();
    return typed;
  }

  #input([name, v]: Named): Value {
    const isOwn = this.#model.graph.inputs.includes(v);
    const known = isSized(v.type) ? v.type : (this.#infer(name).get(v) ?? v.type);
    if (!known && !this.#given[name]) this.#untyped(name);
    const constant = isOwn && v.tensor ? { tensor: v.tensor, parameter: v.parameter } : {};
    const input = new Value(name, known, { meta: v.meta, ...constant });
    this.#copy.values.set(v, input);
    return input;
  }

  #output([name, v]: Named): Output {
    const own = this.#model.graph.outputs.find(o => o.name === name);
    if (own) return this.#copy.output(own);
    const value = this.#copy.value(v)!;
    value.type ??= Object.keys(this.#given).length > 0 ? undefined : this.#infer('').get(v);
    return { name, value };
  }

  #meta(): Meta {
    return this.#copy.graphMeta(this.#model.graph);
  }

  /** The types given, where the model does not say the same. Errors: E3002 and E3003. */
  #bindings(inputs: readonly Value[]): ReadonlyMap<Value, ValueType> {
    const bindings = new Map<Value, ValueType>();
    for (const v of inputs) {
      const type = Object.hasOwn(this.#given, v.name) ? this.#given[v.name] : undefined;
      if (!type || (v.type && formatType(type) === formatType(v.type))) continue;
      const code = contradiction(type, v.type);
      if (code) this.#findings.add(code, `input ${quoted(v.name)} is ${formatType(v.type)} in the model, not ${formatType(type)}`);
      bindings.set(v, type);
    }
    this.#findings.throw();
    return bindings;
  }

  /** The types that follow from the model's inputs; none where one is given for this input. */
  #infer(name: string): ReadonlyMap<Value, ValueType> {
    if (Object.hasOwn(this.#given, name)) return new Map();
    this.#inferred ??= inferTypes(this.#model).types;
    return this.#inferred;
  }

  #untyped(name: string): void {
    this.#findings.add(
      'E1307',
      `the type of ${quoted(name)} is neither declared nor inferred; give the inputs types, such as x:float32[1,3]`,
    );
  }
}

function contradiction(given: ValueType, known: ValueType | undefined): 'E3002' | 'E3003' | undefined {
  if (!known) return undefined;
  if (given.kind !== 'tensor' || known.kind !== 'tensor') return 'E3002';
  if (given.element !== known.element) return 'E3002';
  return given.shape && known.shape && given.shape.length !== known.shape.length ? 'E3003' : undefined;
}

/** The functions that nodes of the graph call, and those that these call, in the order of the model. */
function calledIn(model: Model, graph: Graph): FunctionDefinition[] {
  const calledBy = callsOf(model);
  const called = new Set<FunctionDefinition>();
  const collect = (g: Graph): void => {
    for (const node of allNodes(g)) {
      const f = calledBy(node);
      if (!f || called.has(f)) continue;
      called.add(f);
      collect(f.body);
    }
  };
  if (model.functions.length > 0) collect(graph);
  return model.functions.filter(f => called.has(f));
}
