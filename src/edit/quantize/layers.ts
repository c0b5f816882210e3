// Which nodes of a model can be quantised, and why others stay as they are.
import type { Attribute, Attributes, Graph, Model, Node, Value } from '../../ir/graph.ts';
import { subgraphs } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import type { ValueType } from '../../ir/types.ts';
import { numberOf } from '../../opset/form.ts';
import { Findings } from '../names.ts';

/** An operator with a weight. Places are those among the inputs of a node. */
interface LayerRow {
  /** What is multiplied with the weight; a table that is only read has none. */
  readonly x?: number;
  readonly weight: number;
  readonly bias?: number;
  /** The axis of the weight whose indices have numbers of very different size, and the one along which products are summed. */
  readonly axes: (attributes: Attributes, rank: number) => { readonly channel: number; readonly depth: number };
}

const isSet = (attribute: Attribute | undefined): boolean => (numberOf(attribute) ?? 0) !== 0;

const layerRows = {
  Conv: { x: 0, weight: 1, bias: 2, axes: () => ({ channel: 0, depth: 1 }) },
  ConvTranspose: { x: 0, weight: 1, bias: 2, axes: () => ({ channel: 1, depth: 0 }) },
  MatMul: { x: 0, weight: 1, axes: (_, rank) => ({ channel: rank - 1, depth: rank - 2 }) },
  Gemm: {
    x: 0,
    weight: 1,
    bias: 2,
    axes: attributes => (isSet(attributes.get('transB')) ? { channel: 0, depth: 1 } : { channel: 1, depth: 0 }),
  },
  Gather: { weight: 0, axes: () => ({ channel: 0, depth: 1 }) },
} as const satisfies Readonly<Record<string, LayerRow>>;

type LayerOp = keyof typeof layerRows;

/** Operators of which people expect to be told: most of what a model weighs is in them. */
export const weightedOps: readonly string[] = ['Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'GRU', 'LSTM', 'RNN'];

export interface Layer {
  readonly node: Node;
  readonly row: LayerRow;
  readonly weight: Value;
  readonly tensor: Tensor;
  readonly channel: number;
  readonly depth: number;
  /** It is in the graph of an attribute, which no output of the model can show. */
  readonly isNested: boolean;
}

/** A node that computes with floats as before. */
export interface Kept {
  readonly name: string;
  readonly op: string;
  readonly reason: string;
}

export interface Choice {
  /** Operators whose weights are quantised. */
  readonly layers: ReadonlySet<string>;
  /** Operators with weights that the scheme has no form of. */
  readonly foreign: ReadonlySet<string>;
  /** Operators without a weight that are too, where they stand between layers. */
  readonly between: ReadonlySet<string>;
  /** Names of nodes, `*` for any part, that are not. */
  readonly exclude: readonly string[];
}

/** What a node is called in reports: its name, or that of what it makes. */
export const labelOf = (node: Node): string => node.name || node.outputs.find(v => v)?.name || node.op;

/** Whether a node is left out by its name. Errors: E3001 for a name that no node has. */
export function excluder({ exclude }: Choice, nodes: Iterable<Node>): (node: Node) => boolean {
  const names = [...nodes].map(labelOf);
  const patterns = exclude.map(patternOf);
  const findings = new Findings();
  for (const [i, pattern] of patterns.entries()) if (!names.some(pattern)) findings.unknown('node', exclude[i]!, names);
  findings.throw();
  return node => patterns.some(matches => matches(labelOf(node)));
}

/** A name, or the parts of one with anything between them. */
function patternOf(pattern: string): (name: string) => boolean {
  const [first = '', ...parts] = pattern.split('*');
  const last = parts.pop();
  if (last === undefined) return name => name === pattern;
  return name => {
    if (!name.startsWith(first)) return false;
    let at = first.length;
    for (const part of parts) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return name.length - last.length >= at && name.endsWith(last);
  };
}

export interface FoundLayers {
  readonly layers: ReadonlyMap<Node, Layer>;
  readonly kept: Kept[];
}

/** Every layer of the model and of graphs nested in it that has a weight to quantise. */
export function findLayers(
  model: Model,
  types: ReadonlyMap<Value, ValueType>,
  { layers: ops, foreign }: Choice,
  isExcluded: (node: Node) => boolean,
): FoundLayers {
  // Before IR version 4 every constant is an input too, and no less constant.
  const open = new Set(model.irVersion >= 4 ? model.graph.inputs : []);
  const layers = new Map<Node, Layer>();
  const kept: Kept[] = [];
  const visit = (graph: Graph, isNested: boolean): void => {
    for (const node of graph.nodes) {
      for (const [, inner] of subgraphs(node)) visit(inner, true);
      if (node.domain !== '') continue;
      if (foreign.has(node.op)) kept.push({ name: labelOf(node), op: node.op, reason: 'the scheme has no form of it' });
      if (!ops.has(node.op)) continue;
      const found = isExcluded(node) ? 'excluded' : layerOf(node, { types, open, isNested });
      if (typeof found === 'string') kept.push({ name: labelOf(node), op: node.op, reason: found });
      else layers.set(node, found);
    }
  };
  visit(model.graph, false);
  return { layers, kept };
}

interface Facts {
  readonly types: ReadonlyMap<Value, ValueType>;
  readonly open: ReadonlySet<Value>;
  readonly isNested: boolean;
}

/** The layer that a node is, or why it is none. */
function layerOf(node: Node, { types, open, isNested }: Facts): Layer | string {
  // The cast: the operators of schemes are rows.
  const row: LayerRow = layerRows[node.op as LayerOp];
  const weight = node.inputs[row.weight];
  const tensor = weight && constantOf(weight);
  if (!weight || !tensor) return whyOpen(weight);
  if (open.has(weight)) return `its weight ${quoted(weight.name)} is an input, with a default that callers may replace`;
  if (tensor.type !== 'float32') return `its weight is ${tensor.type}`;
  const rank = tensor.dims.length;
  const { channel, depth } = row.axes(node.attributes, rank);
  if (rank < 2) return `its weight has ${rank === 0 ? 'no axis' : 'one axis'}`;
  if (tensor.size === 0) return 'its weight has no elements';
  const x = row.x === undefined ? undefined : node.inputs[row.x];
  const type = x && (types.get(x) ?? x.type);
  if (type?.kind === 'tensor' && type.element !== 'float32') return `its input is ${type.element}`;
  return { node, row, weight, tensor, channel, depth, isNested };
}

/** The content of an initializer, or of what a Constant makes. */
export function constantOf(v: Value): Tensor | undefined {
  const { tensor, producer } = v;
  if (tensor || producer?.op !== 'Constant' || producer.domain !== '') return tensor;
  const value = producer.attributes.get('value');
  return value?.kind === 'tensor' ? value.value : undefined;
}

/** The same where it is in memory. */
export function residentConstant(v: Value): Tensor | undefined {
  const tensor = constantOf(v);
  return tensor?.isResident ? tensor : undefined;
}

function whyOpen(weight: Value | undefined): string {
  const producer = weight?.producer;
  if (!producer) return 'its weight is an input';
  if (producer.inputs.length > 0 && producer.inputs.every(v => !v || constantOf(v)))
    return `its weight is computed from constants by ${producer.op}; simplify makes it a constant`;
  return `its weight is computed by ${producer.op}`;
}
