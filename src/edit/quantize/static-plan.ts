// Scheme static, the decision: which nodes run between quantised values, and which values have steps of their own.
import { countUses, type Graph, type Model, type Node, type Value } from '../../ir/graph.ts';
import type { ValueType } from '../../ir/types.ts';
import { type Choice, type Kept, type Layer, labelOf, residentConstant } from './layers.ts';

/** How an operator without a weight behaves between quantised values. */
type Kind =
  /** Gives elements of its first input, so that both have the same steps. */
  | 'carries'
  /** Ends the range of what it reads, so that the node before it needs no steps of its own. */
  | 'bounds'
  /** Computes other numbers. */
  | 'computes';

const kinds: Readonly<Record<string, Kind>> = {
  ...all('carries', 'DepthToSpace', 'Expand', 'Flatten', 'Gather', 'Identity', 'MaxPool', 'Reshape', 'Slice', 'SpaceToDepth'),
  ...all('carries', 'Split', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'),
  ...all('bounds', 'Clip', 'Relu'),
  ...all('computes', 'Add', 'AveragePool', 'Concat', 'GlobalAveragePool', 'LeakyRelu', 'Mul', 'Sigmoid'),
};

function all(kind: Kind, ...ops: readonly string[]): Record<string, Kind> {
  return Object.fromEntries(ops.map(op => [op, kind]));
}

/** Operators between layers that the scheme takes along. */
export const staticOps: readonly string[] = Object.keys(kinds);
export const staticLayerOps: readonly string[] = ['Conv', 'MatMul', 'Gemm'];

export interface StaticPlan {
  /** Nodes that read and make quantised values. */
  readonly nodes: ReadonlySet<Node>;
  /** Values that are quantised, and the one whose range gives their steps. */
  readonly steps: ReadonlyMap<Value, Value>;
  /** Values whose range has to be measured. */
  readonly measured: readonly Value[];
  /** Which inputs of a node are numbers to compute with: of a layer what is multiplied with the weight, of others the floats. */
  places(node: Node): readonly number[];
}

export interface StaticFacts extends Pick<Choice, 'between'> {
  readonly types: ReadonlyMap<Value, ValueType>;
  readonly layers: ReadonlyMap<Node, Layer>;
  readonly isExcluded: (node: Node) => boolean;
  readonly kept: Kept[];
}

/** Decide what of a model runs on integers. Nodes that could and do not are added to `kept`. */
export function planStatic({ graph }: Model, facts: StaticFacts): StaticPlan {
  const plan = new Planning(graph, facts);
  for (const node of graph.nodes) plan.decide(node);
  for (const node of plan.nodes) plan.place(node);
  return plan;
}

class Planning implements StaticPlan {
  readonly nodes = new Set<Node>();
  readonly steps = new Map<Value, Value>();
  readonly #facts: StaticFacts;
  readonly #uses: ReadonlyMap<Value, number>;
  /** The node that reads a value, where only one does. */
  readonly #reader = new Map<Value, Node>();

  constructor(graph: Graph, facts: StaticFacts) {
    this.#facts = facts;
    this.#uses = countUses(graph);
    for (const node of graph.nodes) for (const v of node.inputs) if (v && this.#uses.get(v) === 1) this.#reader.set(v, node);
  }

  get measured(): readonly Value[] {
    return [...new Set(this.steps.values())].filter(v => !residentConstant(v));
  }

  decide(node: Node): void {
    const { layers, between, isExcluded, kept } = this.#facts;
    if (layers.has(node)) {
      this.nodes.add(node);
      return;
    }
    const kind = node.domain === '' && between.has(node.op) ? kinds[node.op] : undefined;
    if (!kind || this.places(node).length === 0) return;
    if (isExcluded(node)) kept.push({ name: labelOf(node), op: node.op, reason: 'excluded' });
    else if (this.#isAmongQuantized(node, kind)) this.nodes.add(node);
    else if (this.#floats(node).some(v => this.#isMade(v)))
      kept.push({ name: labelOf(node), op: node.op, reason: 'it also reads what is not quantised' });
  }

  place(node: Node): void {
    for (const v of this.#floats(node)) if (!this.#isFused(v)) this.#root(v);
    for (const v of node.outputs) if (v && this.#isFloat(v) && !this.#isFused(v)) this.#root(v);
  }

  /** What gives a value its steps, and so on for what it is made of. */
  #root(v: Value): Value {
    const known = this.steps.get(v);
    if (known) return known;
    const { producer } = v;
    const carried = producer && this.nodes.has(producer) && this.#kind(producer) === 'carries' ? producer.inputs[0] : undefined;
    const root = carried ? this.#root(carried) : v;
    this.steps.set(v, root);
    return root;
  }

  #kind(node: Node): Kind | undefined {
    return this.#facts.layers.has(node) ? undefined : kinds[node.op];
  }

  #floats(node: Node): Value[] {
    return this.places(node).map(i => node.inputs[i]!);
  }

  places(node: Node): readonly number[] {
    const layer = this.#facts.layers.get(node);
    const places = layer ? [layer.row.x!] : this.#kind(node) === 'computes' ? [...node.inputs.keys()] : [0];
    return places.filter(i => node.inputs[i] && this.#isFloat(node.inputs[i]));
  }

  #isFloat(v: Value): boolean {
    const type = this.#facts.types.get(v) ?? v.type;
    return type?.kind === 'tensor' && type.element === 'float32';
  }

  #isMade(v: Value): boolean {
    return v.producer !== undefined && this.nodes.has(v.producer);
  }

  #isAmongQuantized(node: Node, kind: Kind): boolean {
    const floats = this.#floats(node);
    if (kind !== 'computes') return this.#isMade(floats[0]!);
    return floats.some(v => this.#isMade(v)) && floats.every(v => this.#isMade(v) || residentConstant(v) !== undefined);
  }

  /** Whether a value only lies between a node and what bounds it. */
  #isFused(v: Value): boolean {
    const reader = this.#reader.get(v);
    return reader !== undefined && this.nodes.has(reader) && this.#kind(reader) === 'bounds' && this.#isMade(v) && reader.inputs[0] === v;
  }
}
