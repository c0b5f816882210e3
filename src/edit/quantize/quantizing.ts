// The copy of a model in which a scheme puts integers in the place of floats. Nodes are made in a form that every opset has from the one
// that the scheme asks for, so that the model's own stays.
import { type Attribute, countUses, type Graph, type Model, Node, subgraphs, Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { type DataType, elementTypes, type ValueType } from '../../ir/types.ts';
import { irVersionFor } from '../../ops/schema.ts';
import { int } from '../../opset/form.ts';
import { Copy } from '../copy.ts';
import type { Layer } from './layers.ts';
import type { QuantizedTensor, Sharing } from './numbers.ts';

/** A weight of a layer as integers. */
export interface QuantizedWeight extends QuantizedTensor {
  readonly sharing: Sharing;
}
export type QuantizedWeights = ReadonlyMap<Layer, QuantizedWeight>;

export interface Quantizing {
  readonly model: Model;
  /** What stands in the model for a value of the source. */
  readonly valueOf: (v: Value) => Value | undefined;
}

export abstract class QuantizingCopy extends Copy {
  protected readonly layers: ReadonlyMap<Node, Layer>;
  protected readonly weights: QuantizedWeights;
  protected readonly types: ReadonlyMap<Value, ValueType>;
  /** Nodes of the graph that is being made. */
  #nodes: Node[] = [];
  /** What was made once for all readers in this graph, and in those around it. */
  #shared = new Map<unknown, Value>();
  readonly #constants = new Map<Tensor, Value>();

  constructor(layers: ReadonlyMap<Node, Layer>, weights: QuantizedWeights, types: ReadonlyMap<Value, ValueType>) {
    super();
    this.layers = layers;
    this.weights = weights;
    this.types = types;
  }

  /** The model with nodes and constants that nothing reads any more left out. */
  quantized(source: Model): Quantizing {
    const model = this.model(source);
    const { graph } = model;
    dropUnread(graph, source.graph, this.values);
    model.irVersion = Math.max(source.irVersion, irVersionFor(model.opsets), firstWithConstants);
    listNoConstants(model, source.irVersion);
    return { model, valueOf: v => this.values.get(v) };
  }

  override graph(graph: Graph): Graph {
    const outer = { nodes: this.#nodes, shared: this.#shared };
    this.#nodes = [];
    this.#shared = new Map(outer.shared);
    const made = super.graph(graph);
    made.nodes = this.#nodes;
    this.#nodes = outer.nodes;
    this.#shared = outer.shared;
    return made;
  }

  override nodes(nodes: readonly Node[]): Node[] {
    for (const node of nodes) {
      const layer = this.layers.get(node);
      if (!layer || !this.weights.has(layer) || !this.layer(layer)) this.plain(node);
    }
    return this.#nodes;
  }

  /** Make a layer; false where it is to stay as it is. */
  protected abstract layer(layer: Layer): boolean;

  /** Make any other node. */
  protected plain(node: Node): void {
    this.append(this.node(node));
  }

  protected append(node: Node): Node {
    this.#nodes.push(node);
    return node;
  }

  /** Make a node with one output; types are inferred by those who read the model, where they are not given. */
  protected emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    { name, type, attributes = {} }: { name: string; type?: ValueType | undefined; attributes?: Readonly<Record<string, Attribute>> },
  ): Value {
    return this.append(new Node({ op, inputs, attributes: new Map(Object.entries(attributes)) }, [{ name, type }])).outputs[0]!;
  }

  /** One value for a key, made where it is first asked for. */
  protected once(key: unknown, make: () => Value): Value {
    const known = this.#shared.get(key);
    if (known) return known;
    const made = make();
    this.#shared.set(key, made);
    return made;
  }

  protected constant(name: string, tensor: Tensor): Value {
    const known = this.#constants.get(tensor);
    if (known) return known;
    const made = new Value(name, undefined, { tensor, parameter: true });
    this.#constants.set(tensor, made);
    return made;
  }

  /** The numbers that a quantised weight stands for, computed when the model runs. */
  protected dequantized(layer: Layer): Value {
    const { q, scale, zero, sharing } = this.weights.get(layer)!;
    const { name } = layer.weight;
    return this.once(q, () =>
      this.emit('DequantizeLinear', this.constants(name, [q, scale, zero]), {
        name: `${name}_dequantized`,
        type: layer.weight.type,
        attributes: {
          ...(sharing.of !== 'tensor' && { axis: int(sharing.axis) }),
          ...(sharing.of === 'block' && { block_size: int(sharing.size) }),
        },
      }),
    );
  }

  /** Constants for integers, their scale and their zero point, or the first of these. */
  protected constants(name: string, tensors: readonly Tensor[]): Value[] {
    return tensors.map((t, i) => this.constant(`${name}_${suffixes[i]}`, t));
  }

  /** The copy of a layer that reads other values in some places. */
  protected reading(node: Node, inputs: ReadonlyMap<number, Value>): Node {
    const made = this.node(node);
    made.inputs = made.inputs.map((v, i) => inputs.get(i) ?? v);
    return this.append(made);
  }

  protected cast(v: Value, element: DataType, name: string): Value {
    return this.emit('Cast', [v], { name, attributes: { to: int(elementTypes[element].code) } });
  }
}

const suffixes = ['quantized', 'scale', 'zero_point'] as const;

/** The first IR version in which constants need not be inputs. */
const firstWithConstants = 4;

/** In a model that had to list its constants as inputs, they would become defaults that callers may replace. */
export function listNoConstants({ graph }: Model, irVersion: number): void {
  if (irVersion < firstWithConstants) graph.inputs = graph.inputs.filter(v => !v.tensor);
}

/** Constants that had readers before and have none now. */
function dropUnread(graph: Graph, source: Graph, values: ReadonlyMap<Value, Value | undefined>): void {
  const [before, now] = [countUses(source), countUses(graph)];
  const lost = new Set([...values].filter(([v, copy]) => copy && before.has(v) && !now.has(copy)).map(([, copy]) => copy));
  const visit = (g: Graph): void => {
    g.initializers = g.initializers.filter(v => !lost.has(v) || g.inputs.includes(v));
    g.nodes = g.nodes.filter(node => node.op !== 'Constant' || node.domain !== '' || !node.outputs.some(v => lost.has(v)));
    for (const node of g.nodes) for (const [, inner] of subgraphs(node)) visit(inner);
  };
  visit(graph);
}
