// Copies of graphs that keep everything an edit does not change. Values and nodes are made anew, contents of tensors are shared.
// Nothing is inferred, so a model keeps its opset. Of operators it knows only which attributes name values.
import { fail } from '../errors.ts';
import { type Attribute, type Attributes, Graph, type Meta, Model, Node, type Output, Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { ValueType } from '../ir/types.ts';
import { namingAttributes } from '../ops/index.ts';

/** What is different in the copy. */
export interface Changes {
  /** The name of a value or an output, wherever it is written. */
  readonly name?: (name: string) => string;
  readonly nodeName?: (name: string) => string;
  /** The operator that a node calls, where that is a function with another name. */
  readonly op?: (node: Node) => string;
  /** The type of a value, or the one that `output` declares of it. */
  readonly type?: (type: ValueType | undefined, value: Value, output?: Output) => ValueType | undefined;
  /** The content of an initializer or constant. */
  readonly tensor?: (tensor: Tensor, value: Value) => Tensor;
}

export class Copy {
  /** What stands for each value; undefined for one that was left out. */
  readonly values = new Map<Value, Value | undefined>();
  readonly #changes: Required<Changes>;

  constructor({ name = same, nodeName = same, op = node => node.op, type = t => t, tensor = t => t }: Changes = {}) {
    this.#changes = { name, nodeName, op, type, tensor };
  }

  /** The model with another graph; functions are shared. */
  model(model: Model, graph: Graph = this.graph(model.graph)): Model {
    const { irVersion, opsets, functions, producer, meta } = model;
    return new Model(graph, { irVersion, opsets: new Map(opsets), functions: [...functions], producer, meta });
  }

  graph(graph: Graph): Graph {
    const inputs = graph.inputs.map(v => this.input(v));
    const initializers = graph.initializers.map(v => this.value(v)!);
    const nodes = this.nodes(graph.nodes);
    const outputs = graph.outputs.map(output => this.output(output));
    return new Graph(graph.name, { inputs, outputs, nodes, initializers, meta: this.graphMeta(graph) });
  }

  input(v: Value): Value {
    const copy = this.#like(v);
    this.values.set(v, copy);
    return copy;
  }

  output(output: Output): Output {
    const { name, value, type, meta } = output;
    const declared = type && this.#changes.type(type, value, output);
    return { name: this.#changes.name(name), value: this.value(value)!, ...(declared && { type: declared }), ...(meta && { meta }) };
  }

  nodes(nodes: readonly Node[]): Node[] {
    return nodes.map(node => this.node(node));
  }

  node(node: Node): Node {
    const copy = new Node(
      {
        op: this.#changes.op(node),
        domain: node.domain,
        overload: node.overload,
        name: this.#changes.nodeName(node.name),
        inputs: node.inputs.map(v => v && this.value(v)),
        attributes: this.#withNames(node, this.attributes(node.attributes)),
        meta: this.#nodeMeta(node.meta),
      },
      node.outputs.map(v => v && { name: this.#changes.name(v.name), type: this.#changes.type(v.type, v) }),
    );
    node.outputs.forEach((v, i) => {
      const made = copy.outputs[i];
      if (v && made) this.#passOn(v, made);
    });
    return copy;
  }

  attributes(attributes: Attributes): Attributes {
    const copied = (a: Attribute): Attribute =>
      a.kind === 'graph'
        ? { ...a, value: this.graph(a.value) }
        : a.kind === 'graphs'
          ? { ...a, value: a.value.map(g => this.graph(g)) }
          : a;
    return new Map([...attributes].map(([name, a]) => [name, copied(a)]));
  }

  #withNames(node: Node, attributes: Attributes): Attributes {
    const naming = namingAttributes(node);
    if (naming.length === 0) return attributes;
    const { name } = this.#changes;
    const renamed = (key: string, a: Attribute): Attribute => {
      if (!naming.includes(key)) return a;
      if (a.kind === 'string') return { ...a, value: name(a.value) };
      return a.kind === 'strings' ? { ...a, value: a.value.map(name) } : a;
    };
    return new Map([...attributes].map(([key, a]) => [key, renamed(key, a)]));
  }

  /** What stands for a value that is read; constants are copied where they are met. */
  value(v: Value): Value | undefined {
    if (this.values.has(v)) return this.values.get(v);
    if (v.producer) throw fail('E9001', `${v.name} is read before it is copied`);
    return this.input(v);
  }

  /** The meta of a graph whose nodes have been copied: entries about values are about their copies, or go with the values. */
  graphMeta({ meta }: Graph): Meta {
    if (!meta.rest) return meta;
    const rest: Record<string | symbol, unknown> = { ...meta.rest };
    for (const key of Reflect.ownKeys(rest)) {
      const entries = rest[key];
      if (Array.isArray(entries) && entries.some(isAboutValue)) rest[key] = entries.flatMap(entry => this.#entry(entry));
    }
    const annotations = rest['quantization_annotation'] as readonly Annotation[] | undefined;
    if (annotations) rest['quantization_annotation'] = this.#annotations(annotations);
    return { ...meta, rest };
  }

  #entry(entry: unknown): unknown[] {
    if (!isAboutValue(entry)) return [entry];
    const copy = this.values.get(entry.value);
    // A value that became an input is declared there.
    return copy && !copy.producer === !entry.value.producer ? [{ ...entry, value: copy }] : [];
  }

  #annotations(annotations: readonly Annotation[]): readonly Annotation[] {
    const names = new Set([...this.values.keys()].map(v => v.name));
    const { name } = this.#changes;
    return annotations
      .filter(a => [a.tensor_name, ...(a.quant_parameter_tensor_names ?? []).map(e => e.value)].every(n => !n || names.has(n)))
      .map(a => ({
        ...a,
        ...(a.tensor_name !== undefined && { tensor_name: name(a.tensor_name) }),
        ...(a.quant_parameter_tensor_names && {
          quant_parameter_tensor_names: a.quant_parameter_tensor_names.map(e => ({ ...e, value: name(e.value ?? '') })),
        }),
      }));
  }

  /** How a node is spread over devices names its values. */
  #nodeMeta(meta: Meta): Meta {
    const configurations = (meta.rest as { device_configurations?: readonly Spread[] } | undefined)?.device_configurations;
    if (!configurations) return meta;
    const { name } = this.#changes;
    const renamed = configurations.map(c => ({
      ...c,
      ...(c.sharding_spec && { sharding_spec: c.sharding_spec.map(s => ({ ...s, tensor_name: name(s.tensor_name ?? '') })) }),
    }));
    return { ...meta, rest: { ...meta.rest, device_configurations: renamed } };
  }

  #like(v: Value): Value {
    const { name, type } = this.#changes;
    const { sparse, parameter, meta } = v;
    const tensor = v.tensor && this.#changes.tensor(v.tensor, v);
    const copy = new Value(name(v.name), type(v.type, v), { tensor, ...(sparse && { sparse }), parameter, meta });
    if (tensor === v.tensor) copy.contents = v.contents;
    return copy;
  }

  #passOn(v: Value, made: Value): void {
    made.meta = v.meta;
    // Something else may stand for it already.
    if (!this.values.has(v)) this.values.set(v, made);
  }
}

const same = (name: string): string => name;

interface Annotation {
  readonly tensor_name?: string;
  readonly quant_parameter_tensor_names?: readonly { readonly value?: string }[];
}
interface Spread {
  readonly sharding_spec?: readonly { readonly tensor_name?: string }[];
}

const isAboutValue = (entry: unknown): entry is { readonly value: Value } =>
  typeof entry === 'object' && entry !== null && (entry as { value?: unknown }).value instanceof Value;

/** @throws ModelError E2002 where the model has training graphs: they name values of its graph */
export function refuseTraining(model: Model): void {
  const training = (model.meta.rest as { training_info?: readonly unknown[] } | undefined)?.training_info;
  if (training && training.length > 0)
    throw fail('E2002', 'the model has training graphs, which name values of its graph and cannot be edited with it');
}
