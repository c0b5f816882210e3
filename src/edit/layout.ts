// layout: images in the order that callers want, and transposes inside where they move the fewest elements. The opset stays.
import { type Graph, type Model, Node, type Output, type Value } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import type { ValueType } from '../ir/types.ts';
import { type ChannelOrder, type Images, imagesOf, intoOrder } from '../passes/layout/images.ts';
import { flowsFor, layout as layoutPass } from '../passes/layout/index.ts';
import { inverse, isIdentity, type Layout, plain } from '../passes/layout/layout.ts';
import { Copy, refuseTraining } from './copy.ts';
import { Findings } from './names.ts';
import { Work } from './work.ts';

export type { ChannelOrder } from '../passes/layout/images.ts';

export interface LayoutOptions {
  /** The order of all inputs and outputs that are images: which lead to, or come from, operators such as convolutions. */
  readonly to?: ChannelOrder | undefined;
  /** The order of single inputs by name. */
  readonly inputs?: Readonly<Record<string, ChannelOrder>> | undefined;
  readonly outputs?: Readonly<Record<string, ChannelOrder>> | undefined;
}

/**
 * A copy of the model that computes the same with transposes that move the fewest elements, its inputs and outputs in the orders asked
 * for. An image that is asked for in the order that it has stays; other tensors are taken to have the other order.
 * @throws ModelError E3001 for names that are no inputs or outputs, E3003 for tensors that can be no images, E2002 for a model with
 * training graphs
 */
export function layout(model: Model, options: LayoutOptions = {}): Model {
  refuseTraining(model);
  const wanted = wantedLayouts(model, options);
  const work = new Work(isEmpty(wanted) ? model : new Relaid(model.graph, wanted).model(model), { keepsWeights: true });
  for (const graph of work.graphs()) work.settle(graph, [graph.newest.pass(layoutPass)]);
  return work.finish();
}

const isEmpty = ({ inputs, outputs }: Images): boolean => inputs.size === 0 && outputs.size === 0;

/** Layouts of inputs and outputs that change. Errors: E3001, E3003. */
function wantedLayouts(model: Model, { to, inputs: byInput = {}, outputs: byOutput = {} }: LayoutOptions): Images {
  const { graph } = model;
  const findings = new Findings();
  const found = new Map<ChannelOrder, Images>();
  const images = (order: ChannelOrder): Images => {
    const known = found.get(order) ?? imagesIn(model, order);
    found.set(order, known);
    return known;
  };
  const inputs = new Map<Value, Layout>();
  const outputs = new Map<number, Layout>();
  const given = graph.inputs.filter(v => !v.tensor);
  for (const v of given) {
    const order = Object.hasOwn(byInput, v.name) ? byInput[v.name] : undefined;
    const layout = order
      ? (images(order).inputs.get(v) ?? orderOf('input', v.name, v.type, order, findings))
      : to && images(to).inputs.get(v);
    if (layout && !isIdentity(layout)) inputs.set(v, layout);
  }
  for (const [i, { name, value, type }] of graph.outputs.entries()) {
    const order = Object.hasOwn(byOutput, name) ? byOutput[name] : undefined;
    const layout = order
      ? (images(order).outputs.get(i) ?? orderOf('output', name, type ?? value.type, order, findings))
      : to && images(to).outputs.get(i);
    if (layout && !isIdentity(layout)) outputs.set(i, layout);
  }
  const names = { input: given.map(v => v.name), output: graph.outputs.map(o => o.name) };
  for (const name of Object.keys(byInput)) if (!names.input.includes(name)) findings.unknown('input', name, names.input);
  for (const name of Object.keys(byOutput)) if (!names.output.includes(name)) findings.unknown('output', name, names.output);
  findings.throw();
  return { inputs, outputs };
}

/** The images of a model by its own inputs. They are found in a copy whose types are inferred. */
function imagesIn(model: Model, order: ChannelOrder): Images {
  const work = new Work(model, { keepsWeights: true });
  const [typed] = [...work.graphs()].slice(-1);
  work.settle(typed!, []);
  const { inputs, outputs } = imagesOf(
    work.model.graph,
    flowsFor(node => typed!.newest.form(node)),
    order,
  );
  const byName = new Map([...inputs].map(([v, layout]) => [v.name, layout]));
  return { inputs: new Map(model.graph.inputs.flatMap(v => (byName.has(v.name) ? [[v, byName.get(v.name)!]] : []))), outputs };
}

/** The layout of a tensor that is known to be an image by its name only. */
function orderOf(what: string, name: string, type: ValueType | undefined, order: ChannelOrder, findings: Findings): Layout | undefined {
  const rank = type?.kind === 'tensor' ? type.shape?.length : undefined;
  if (rank !== undefined && rank >= 3) return plain(intoOrder(order, rank));
  findings.add(
    'E3003',
    `${what} ${quoted(name)} ${rank === undefined ? 'has no known rank' : `has rank ${rank}`}, an image has 3 axes or more`,
  );
  return undefined;
}

function permuted(type: ValueType | undefined, { perm }: Layout): ValueType | undefined {
  if (type?.kind !== 'tensor' || !type.shape) return type;
  return { ...type, shape: perm.map(axis => type.shape![axis]!) };
}

const transposed = (x: Value, { perm }: Layout, output: { readonly name: string; readonly type: ValueType | undefined }): Node =>
  new Node({ op: 'Transpose', inputs: [x], attributes: new Map([['perm', { kind: 'ints', value: perm }]]) }, [output]);

/** A copy with some inputs and outputs in other layouts, behind transposes. */
class Relaid extends Copy {
  readonly #graph: Graph;
  readonly #images: Images;
  readonly #before: Node[] = [];
  readonly #after: Node[] = [];

  constructor(graph: Graph, images: Images) {
    super({ type: (type, v) => (images.inputs.has(v) ? permuted(type, images.inputs.get(v)!) : type) });
    this.#graph = graph;
    this.#images = images;
  }

  override graph(graph: Graph): Graph {
    const made = super.graph(graph);
    if (graph === this.#graph) made.nodes = [...this.#before, ...made.nodes, ...this.#after];
    return made;
  }

  override input(v: Value): Value {
    const copy = super.input(v);
    const layout = this.#images.inputs.get(v);
    if (!layout) return copy;
    const back = transposed(copy, plain(inverse(layout.perm)), { name: `${v.name}_given`, type: v.type });
    this.#before.push(back);
    this.values.set(v, back.outputs[0]);
    return copy;
  }

  override output(output: Output): Output {
    const copy = super.output(output);
    const layout = this.#images.outputs.get(this.#graph.outputs.indexOf(output));
    if (!layout) return copy;
    const node = transposed(copy.value, layout, { name: copy.name, type: permuted(copy.type ?? copy.value.type, layout) });
    this.#after.push(node);
    const { type: _, ...rest } = copy;
    return { ...rest, value: node.outputs[0]!, ...(copy.type && { type: permuted(copy.type, layout)! }) };
  }
}
