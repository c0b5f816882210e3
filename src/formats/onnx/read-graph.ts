// Graphs and function bodies from their messages: names become values, nodes hold the values they read. What is wrong becomes a
// finding, and the graph is built as far as it can be.
import { at } from '../../codec/protobuf.ts';
import type { Place } from '../../errors.ts';
import { type Attribute, Graph, type Meta, Node, noAttributes, type Output, type SparseTensor, Value } from '../../ir/graph.ts';
import { sortedNodes } from '../../ir/order.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { escaped } from '../../ir/text.ts';
import { formatType, isFloat, tensorType, type ValueType } from '../../ir/types.ts';
import { circleText } from '../../ir/verify.ts';
import { namedValues } from '../../ops/index.ts';
import { normaliseDomain } from '../../ops/schema.ts';
import { readAttributes } from './attributes.ts';
import type { FunctionProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto } from './proto.gen.ts';
import type { Reading } from './reading.ts';
import { type Declaration, declarations, described, type Places, readMeta } from './rest.ts';
import { Scope } from './scope.ts';
import { readSparse, readTensor } from './tensors.ts';
import { isSpelt, readType } from './types.ts';

const graphPlaces: Places<GraphProto> = {
  ...described,
  node: 'own',
  name: 'text',
  initializer: 'own',
  sparse_initializer: 'own',
  input: 'own',
  output: 'own',
  value_info: 'own',
};
const nodePlaces: Places<NodeProto> = {
  ...described,
  input: 'own',
  output: 'own',
  name: 'text',
  op_type: 'text',
  domain: 'text',
  overload: 'text',
  attribute: 'own',
};
export const functionPlaces: Places<FunctionProto> = {
  ...described,
  name: 'text',
  input: 'own',
  output: 'own',
  attribute: 'own',
  attribute_proto: 'own',
  node: 'own',
  opset_import: 'own',
  domain: 'text',
  overload: 'text',
  value_info: 'own',
};
const infoPlaces: Places<ValueInfoProto> = { ...described, name: 'text', type: 'own' };
/** The type of an entry that says none stays with it. */
const untypedPlaces: Places<ValueInfoProto> = { ...described, name: 'text' };

/** The graph of a message; `path` is where the message is in the model. */
export function readGraph(proto: GraphProto, path: string, reading: Reading, outer?: Scope): Graph {
  const reader = new GraphReader(path, reading, new Scope(outer));
  if (!proto.name) reading.add('E1101', 'the graph has no name', { path, offset: proto[at] });
  const constants = reader.constants(proto);
  const inputs = (proto.input ?? []).map((info, i) => reader.input(info, `${path}.input[${i}]`, constants.get(info.name ?? '')));
  const initializers = reader.initializers(constants);
  const nodes = reader.nodes(proto.node ?? [], proto.value_info ?? []);
  const outputs = (proto.output ?? []).map((info, i) => reader.output(info, `${path}.output[${i}]`));
  reader.distinctOutputs(outputs);
  const meta = reader.meta(readMeta(proto, graphPlaces, path, reading));
  return reader.finish(new Graph(proto.name ?? '', { inputs, outputs, nodes, initializers, meta }));
}

/** The body of a function: values without types, attributes that refer to those of the call. */
export function readBody(proto: FunctionProto, path: string, reading: Reading): Graph {
  const reader = new GraphReader(path, reading, new Scope());
  const inputs = (proto.input ?? []).map((name, i) => reader.input({ name, [at]: proto[at] }, `${path}.input[${i}]`));
  const nodes = reader.nodes(proto.node ?? [], proto.value_info ?? []);
  const outputs = (proto.output ?? []).map((name, i) => reader.output({ name, [at]: proto[at] }, `${path}.output[${i}]`));
  reader.distinctOutputs(outputs);
  return reader.finish(new Graph(proto.name ?? '', { inputs, outputs, nodes, meta: reader.meta({}) }));
}

interface Constant {
  readonly name: string;
  readonly tensor?: Tensor | undefined;
  readonly sparse?: SparseTensor | undefined;
}

/** The most elements of a constant of another kind than a named weight. */
const smallConstant = 1024;

class GraphReader {
  readonly path: string;
  readonly reading: Reading;
  readonly scope: Scope;
  readonly #declarations: Declaration[] = [];
  /** Messages of initializers that are no tensors or repeat a name. */
  readonly #unread: { initializer: TensorProto[]; sparse_initializer: SparseTensorProto[] } = { initializer: [], sparse_initializer: [] };

  constructor(path: string, reading: Reading, scope: Scope) {
    this.path = path;
    this.reading = reading;
    this.scope = scope;
  }

  /** Only the model's own graph has to say its types. */
  get #isOutermost(): boolean {
    return this.path === 'graph';
  }

  /** The initializers by name, dense ones first. Adds E1101, E1102 and what their tensors add. */
  constants(proto: GraphProto): Map<string, Constant> {
    const constants = new Map<string, Constant>();
    for (const [i, message] of (proto.initializer ?? []).entries()) {
      const path = `${this.path}.initializer[${i}]`;
      const name = message.name ?? '';
      const tensor = readTensor(message, path, this.reading, true);
      if (!this.#addConstant(constants, { name, tensor }, path, message[at])) this.#unread.initializer.push(message);
    }
    for (const [i, message] of (proto.sparse_initializer ?? []).entries()) {
      const path = `${this.path}.sparse_initializer[${i}]`;
      const name = message.values?.name ?? '';
      const sparse = readSparse(message, path, this.reading, true);
      if (!this.#addConstant(constants, { name, sparse }, path, message[at])) this.#unread.sparse_initializer.push(message);
    }
    return constants;
  }

  /** Returns whether the graph will hold the content. */
  #addConstant(constants: Map<string, Constant>, constant: Constant, path: string, offset: number | undefined): boolean {
    const { name, tensor, sparse } = constant;
    if (name === '') this.reading.add('E1101', 'the initializer has no name', { path, offset });
    if (constants.has(name)) {
      this.reading.add('E1102', `the initializer ${this.reading.quoted(name)} occurs twice`, { path, offset, tensor: name });
      return false;
    }
    constants.set(name, constant);
    return tensor !== undefined || sparse !== undefined;
  }

  input(info: ValueInfoProto, path: string, constant?: Constant): Value {
    const name = info.name ?? '';
    const place = { path, offset: info[at] };
    this.#checkName(name, path, info);
    const type = readType(info.type, `${path}.type`, this.reading);
    const value = this.#constantValue(name, type, constant, readInfo(info, path, this.reading, type !== undefined));
    if (!type && this.#isOutermost) this.reading.add('E1307', `the input ${this.reading.quoted(name)} has no type`, place);
    else if (value.element === 'undefined') this.reading.add('E1307', `the input ${this.reading.quoted(name)} has no element type`, place);
    if (name !== '') this.#define(name, value, path, info[at]);
    return value;
  }

  #constantValue(name: string, type: ValueType | undefined, constant: Constant | undefined, meta: Meta): Value {
    const { tensor, sparse } = constant ?? {};
    const element = tensor?.type ?? sparse?.values.type;
    const size = tensor?.size ?? sparse?.dims.reduce((n, d) => n * d, 1) ?? 0;
    const rank = tensor?.dims.length ?? sparse?.dims.length ?? 0;
    const parameter = element !== undefined && ((isFloat(element) && rank > 0) || size > smallConstant);
    return new Value(name, type ?? (sparse && tensorType(sparse.values.type, sparse.dims)), {
      tensor,
      ...(sparse && { sparse }),
      parameter,
      meta,
    });
  }

  /** A value for each initializer; one that is an input too is that input. */
  initializers(constants: ReadonlyMap<string, Constant>): Value[] {
    const values: Value[] = [];
    for (const [name, constant] of constants) {
      const known = this.scope.own(name);
      const value = known ?? this.#constantValue(name, undefined, constant, {});
      if (!known && name !== '') this.#define(name, value, `${this.path}.initializer`, undefined);
      if (constant.tensor || constant.sparse) values.push(value);
    }
    return values;
  }

  nodes(protos: readonly NodeProto[], infos: readonly ValueInfoProto[]): Node[] {
    this.reading.count(protos.length);
    const attributes = protos.map(proto => (proto.attribute ? new Map<string, Attribute>() : undefined));
    const nodes = protos.map((proto, i) => this.#shell(proto, attributes[i], `${this.path}.node[${i}]`));
    nodes.forEach((node, i) => {
      node.outputs.forEach((v, k) => {
        if (v)
          this.#define(v.name, v, `${this.path}.node[${i}].output[${k}]`, node.meta.at, {
            index: i,
            op: node.op,
            name: node.name,
            domain: node.domain,
          });
      });
    });
    for (const [i, info] of infos.entries()) this.#declare(info, `${this.path}.value_info[${i}]`);
    nodes.forEach((node, i) => {
      this.#link(node, protos[i]!, attributes[i], i);
      for (const v of node.outputs) if (v) this.scope.pass(v);
    });
    return nodes;
  }

  /** The node without its inputs and attributes: names further down may stand for values of later nodes. */
  #shell(proto: NodeProto, attributes: Map<string, Attribute> | undefined, path: string): Node {
    const { name = '', op_type: op = '', overload = '' } = proto;
    const domain = normaliseDomain(proto.domain ?? '');
    for (const [text, field] of [
      [name, 'name'],
      [op, 'op_type'],
      [domain, 'domain'],
    ] as const)
      this.reading.name(text, `${path}.${field}`, proto);
    if (op === '') this.reading.add('E1101', 'the node has no op_type', { path, offset: proto[at] });
    const meta = readMeta(proto, domain === proto.domain ? nodePlaces : spelledOut, path, this.reading);
    const outputs = (proto.output ?? []).map((text, k) => {
      this.reading.name(text, `${path}.output[${k}]`, proto);
      return text === '' ? undefined : { name: text };
    });
    return new Node({ op, domain, overload, name, inputs: [], attributes: attributes ?? noAttributes, meta }, outputs);
  }

  #link(node: Node, proto: NodeProto, attributes: Map<string, Attribute> | undefined, index: number): void {
    const path = `${this.path}.node[${index}]`;
    const place = (): Place => ({ offset: proto[at], node: { index, op: node.op, name: node.name, domain: node.domain } });
    const reader = (): string => `node #${index} ${escaped(node.qualifiedName)}`;
    node.inputs = (proto.input ?? []).map((name, k) =>
      name === '' ? undefined : this.#find(name, reader, () => ({ path: `${path}.input[${k}]`, ...place() })),
    );
    if (!proto.attribute || !attributes) return;
    const repeated = readAttributes(
      proto.attribute,
      `${path}.attribute`,
      { reading: this.reading, graph: (graph, where) => this.#subgraph(graph, where) },
      attributes,
    );
    if (repeated.length > 0) node.meta = { ...node.meta, rest: { ...node.meta.rest, attribute: repeated } };
  }

  #subgraph(proto: GraphProto, path: string): Graph | undefined {
    const value = this.reading.limits.graphs;
    if (this.scope.depth < value) return readGraph(proto, path, this.reading, this.scope);
    this.reading.add('E1008', `graphs are nested deeper than ${value}`, { path, offset: proto[at], limit: { name: 'graphs', value } });
    return undefined;
  }

  /** The value of a name. Adds E1103 for one that is made later and E1104 for one that nothing makes. */
  #find(name: string, reader: () => string, place: () => Place): Value {
    const { value, state } = this.scope.find(name);
    if (state === 'later') {
      const maker = value.producer?.qualifiedName ?? '';
      this.reading.add('E1103', `${reader()} reads ${this.reading.quoted(name)} before ${escaped(maker)} makes it`, place());
    } else if (state === 'undefined') {
      const near = this.reading.nearest(name, () => this.scope.names());
      const hint = near === undefined ? {} : { hint: `nearest name: ${this.reading.quoted(near)}` };
      this.reading.add('E1104', `${reader()} reads ${this.reading.quoted(name)}, which nothing produces`, { ...place(), ...hint });
    }
    return value;
  }

  #define(name: string, value: Value, path: string, offset: number | undefined, node?: Place['node']): void {
    const place: Place = { path, offset, node };
    if (!this.scope.define(name, value, node !== undefined))
      this.reading.add('E1102', `the name ${this.reading.quoted(name)} is taken by another value of the graph`, place);
    else if (this.scope.shadows(name))
      this.reading.add('E1111', `the name ${this.reading.quoted(name)} hides one of the graph around it`, place);
  }

  /** An entry of `value_info`: the type of a value that a node makes, or a message to keep. */
  #declare(info: ValueInfoProto, path: string): void {
    const name = info.name ?? '';
    this.#checkName(name, path, info);
    const value = this.scope.own(name);
    if (!value?.producer || value.type || value.meta.at !== undefined) {
      readType(info.type, `${path}.type`, this.reading);
      this.#declarations.push({ value, message: info });
      return;
    }
    value.type = readType(info.type, `${path}.type`, this.reading);
    value.meta = readInfo(info, path, this.reading, value.type !== undefined);
    this.#declarations.push({ value });
  }

  output(info: ValueInfoProto, path: string): Output {
    const name = info.name ?? '';
    this.#checkName(name, path, info);
    const type = readType(info.type, `${path}.type`, this.reading);
    if (!type && this.#isOutermost)
      this.reading.add('E1307', `the output ${this.reading.quoted(name)} has no type`, { path, offset: info[at] });
    const value = this.#find(
      name,
      () => 'the graph',
      () => ({ path, offset: info[at] }),
    );
    const meta = readInfo(info, path, this.reading, type !== undefined);
    if (type && !value.type && value.producer && this.scope.own(name) === value) value.type = type;
    return { name, value, meta, ...(type && !sameType(type, value.type) ? { type } : {}) };
  }

  distinctOutputs(outputs: readonly Output[]): void {
    const names = new Set<string>();
    for (const [i, { name, meta }] of outputs.entries()) {
      if (names.has(name))
        this.reading.add('E1102', `the output ${this.reading.quoted(name)} occurs twice`, {
          path: `${this.path}.output[${i}]`,
          offset: meta?.at,
        });
      names.add(name);
    }
  }

  #checkName(name: string, path: string, info: ValueInfoProto): void {
    if (name === '') this.reading.add('E1101', 'the value has no name', { path, offset: info[at] });
    else this.reading.name(name, `${path}.name`, info);
  }

  /** The meta of the graph with what only the way back needs. */
  meta(meta: Meta): Meta {
    const { initializer, sparse_initializer } = this.#unread;
    const rest: Record<string | symbol, unknown> = { ...meta.rest };
    if (initializer.length > 0) rest['initializer'] = initializer;
    if (sparse_initializer.length > 0) rest['sparse_initializer'] = sparse_initializer;
    if (this.#declarations.length > 0) rest[declarations] = this.#declarations;
    return Reflect.ownKeys(rest).length > 0 ? { ...meta, rest } : meta;
  }

  /** Adds E1105 where the nodes cannot be put in order. */
  finish(graph: Graph): Graph {
    if (!this.scope.unordered) return graph;
    const sorted = sortedNodes(graph, namedValues);
    if ('cycle' in sorted) this.reading.add('E1105', circleText(sorted.cycle), { path: this.path, offset: graph.meta.at });
    else this.reading.hint('E1103', this.path, 'omnix convert writes the nodes in order');
    return graph;
  }
}

/** The places of a node whose domain is written in another way than the graph has it. */
const { domain: _, ...spelledOut } = nodePlaces;

/** The meta of an entry of values. */
function readInfo(info: ValueInfoProto, path: string, reading: Reading, typed: boolean): Meta {
  return readMeta(info, typed ? infoPlaces : untypedPlaces, path, reading);
}

const sameType = (a: ValueType, b: ValueType | undefined): boolean =>
  a === b || (b !== undefined && !isSpelt(a) && a.denotation === b.denotation && formatType(a) === formatType(b));
