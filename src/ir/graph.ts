// The graph: identity objects that mirror ONNX. A value knows its producer for life; who uses it is derived, never stored.
import type { Dim } from './dims.ts';
import type { Tensor } from './tensor.ts';
import { type DataType, tensorType, type ValueType } from './types.ts';

/** What the standard carries on every level beside the meaning. `rest` are fields of the source message with no other place. */
export interface Meta {
  readonly doc?: string | undefined;
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  readonly rest?: object | undefined;
  /** Byte offset of the source message in its file. */
  readonly at?: number | undefined;
  /** Of a model: the most nodes that calls of its functions may become; 1,000,000 where it is not said. */
  readonly inlined?: number | undefined;
  /** The node of the source file, where that is none of ONNX. */
  readonly node?: { readonly name: string; readonly op: string } | undefined;
  /** Of a model: what its file holds, where that is more than the graph says. */
  readonly program?: SourceProgram | undefined;
}

/** Nodes and weights of a file that is no graph of ONNX. */
export interface SourceProgram {
  /** Of each node what those made of it carry; it has a `node`. Those of the graph, where absent. */
  readonly nodes?: readonly Meta[];
  readonly weights: readonly SourceWeight[];
}

export interface SourceWeight {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  /** The name under which the graph has it, where another weight is the same memory. */
  readonly same?: string | undefined;
  /** Whether its module does not train it. */
  readonly isBuffer?: boolean | undefined;
}

/** A dense tensor, or a sparse one in coordinate form. */
export interface SparseTensor {
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly dims: readonly number[];
  readonly rest?: object | undefined;
}

/** One for all that say nothing of themselves: files of a million values are held in memory. */
const noMeta: Meta = {};

export class Value {
  /** Unique in its scope once written; before that a wish. */
  name: string;
  type: ValueType | undefined;
  readonly producer: Node | undefined;
  /** Which output of `producer` it is; 0 for others. */
  readonly index: number;
  /** The content of an initializer or constant. */
  readonly tensor: Tensor | undefined;
  readonly sparse: SparseTensor | undefined;
  /** A named weight: never folded unless a pass is asked to. */
  readonly parameter: boolean;
  /** Elements of an integer tensor as far as they are known before execution, in row-major order. */
  contents: readonly Dim[] | undefined;
  meta: Meta;

  constructor(
    name: string,
    type?: ValueType,
    from: {
      producer?: Node;
      index?: number;
      tensor?: Tensor | undefined;
      sparse?: SparseTensor;
      parameter?: boolean;
      meta?: Meta;
    } = {},
  ) {
    this.name = name;
    this.type = type ?? (from.tensor && tensorType(from.tensor.type, from.tensor.dims));
    this.producer = from.producer;
    this.index = from.index ?? 0;
    this.tensor = from.tensor;
    this.sparse = from.sparse;
    this.parameter = from.parameter ?? false;
    this.meta = from.meta ?? noMeta;
  }

  /** The element type of a tensor value. */
  get element(): DataType | undefined {
    return this.type?.kind === 'tensor' ? this.type.element : undefined;
  }
  /** The sizes of a tensor value, where the rank is known. */
  get shape(): readonly Dim[] | undefined {
    return this.type?.kind === 'tensor' ? this.type.shape : undefined;
  }
}

/** An attribute's value by kind; the kinds are those of `AttributeProto.AttributeType` in lower case. */
export type Attribute = { readonly meta?: Meta | undefined } & (
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number | bigint }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: Tensor; readonly name?: string | undefined }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'sparse_tensor'; readonly value: SparseTensor }
  | { readonly kind: 'type_proto'; readonly value: ValueType }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  | { readonly kind: 'sparse_tensors'; readonly value: readonly SparseTensor[] }
  | { readonly kind: 'type_protos'; readonly value: readonly ValueType[] }
  /** In a function body: the attribute of that name of the calling node, of kind `of`. */
  | { readonly kind: 'reference'; readonly value: string; readonly of: string }
);

export type Attributes = ReadonlyMap<string, Attribute>;

/** The attributes of all nodes that have none. */
export const noAttributes: Attributes = new Map();

export interface NodeFields {
  readonly op: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes?: Attributes;
  readonly meta?: Meta;
}

export class Node {
  readonly op: string;
  /** Empty for the standard's own operators. */
  readonly domain: string;
  readonly overload: string;
  name: string;
  /** `undefined` where an optional input is absent. */
  inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** `undefined` where an optional output is absent. */
  readonly outputs: readonly (Value | undefined)[];
  meta: Meta;

  /** @param outputs names and types of the outputs; `undefined` for one that is left out */
  constructor(fields: NodeFields, outputs: readonly ({ readonly name: string; readonly type?: ValueType | undefined } | undefined)[]) {
    this.op = fields.op;
    this.domain = fields.domain ?? '';
    this.overload = fields.overload ?? '';
    this.name = fields.name ?? '';
    this.inputs = fields.inputs;
    this.attributes = fields.attributes ?? noAttributes;
    this.meta = fields.meta ?? noMeta;
    this.outputs = outputs.map((o, index) => o && new Value(o.name, o.type, { producer: this, index }));
  }

  /** `Conv`, or `com.microsoft.FusedConv` outside the standard's domain. */
  get qualifiedName(): string {
    return this.domain ? `${this.domain}.${this.op}` : this.op;
  }
}

/** A name in the signature and the value behind it, so that replacing a value renames nothing. */
export interface Output {
  readonly name: string;
  value: Value;
  /** The type the file declares, where it is not that of the value. */
  readonly type?: ValueType | undefined;
  readonly meta?: Meta | undefined;
}

export class Graph {
  name: string;
  inputs: Value[];
  outputs: Output[];
  nodes: Node[];
  /** Constants in the order of the file; others are found where nodes read them. Some are graph inputs with a default too. */
  initializers: Value[];
  meta: Meta;
  constructor(
    name: string,
    parts: {
      inputs?: Value[];
      outputs?: Output[];
      nodes?: Node[];
      initializers?: Value[];
      meta?: Meta;
    } = {},
  ) {
    this.name = name;
    this.inputs = parts.inputs ?? [];
    this.outputs = parts.outputs ?? [];
    this.nodes = parts.nodes ?? [];
    this.initializers = parts.initializers ?? [];
    this.meta = parts.meta ?? {};
  }
}

/** A model-local function: an untyped template of nodes. */
export interface FunctionDefinition {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly body: Graph;
  /** Attributes without a default, then those with one. */
  readonly attributes: readonly string[];
  readonly defaults: Attributes;
  readonly opsets: ReadonlyMap<string, number>;
  readonly meta: Meta;
}

export class Model {
  irVersion: number;
  /** Version of each imported domain; '' is the standard's own. */
  opsets: Map<string, number>;
  graph: Graph;
  functions: FunctionDefinition[];
  producer: { readonly name?: string | undefined; readonly version?: string | undefined };
  meta: Meta;
  constructor(
    graph: Graph,
    parts: {
      irVersion: number;
      opsets: Map<string, number>;
      functions?: FunctionDefinition[];
      producer?: Model['producer'];
      meta?: Meta;
    },
  ) {
    this.graph = graph;
    this.irVersion = parts.irVersion;
    this.opsets = parts.opsets;
    this.functions = parts.functions ?? [];
    this.producer = parts.producer ?? {};
    this.meta = parts.meta ?? {};
  }
}

type NamedGraph = readonly [string, Graph];
const noGraphs: readonly NamedGraph[] = [];

/** The graphs that a node's attributes hold, with the attribute's name. Every pass asks every node, and few have any. */
export function subgraphs(node: Node): readonly NamedGraph[] {
  let found: NamedGraph[] | undefined;
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind === 'graph') (found ??= []).push([name, attribute.value]);
    else if (attribute.kind === 'graphs') for (const graph of attribute.value) (found ??= []).push([name, graph]);
  }
  return found ?? noGraphs;
}

/** The graphs that a node's attributes hold, with the step that leads there in the file, such as `attribute[0].g`. */
export function* nestedPlaces(node: Node): Generator<readonly [string, Graph]> {
  let index = 0;
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'graph') yield [`attribute[${index}].g`, attribute.value];
    else if (attribute.kind === 'graphs')
      for (const [k, graph] of attribute.value.entries()) yield [`attribute[${index}].graphs[${k}]`, graph];
    index++;
  }
}

/** Every node of the graph and of the graphs nested in it, outer ones first. */
export function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const [, inner] of subgraphs(node)) yield* allNodes(inner);
  }
}

/** How often each value is read: by nodes, by captures in nested graphs, and by outputs of any of these graphs. */
export function countUses(graph: Graph, uses: Map<Value, number> = new Map()): Map<Value, number> {
  const use = (v: Value | undefined): void => {
    if (v) uses.set(v, (uses.get(v) ?? 0) + 1);
  };
  for (const node of graph.nodes) {
    node.inputs.forEach(use);
    for (const [, inner] of subgraphs(node)) countUses(inner, uses);
  }
  for (const output of graph.outputs) use(output.value);
  return uses;
}

/** Constants the graph reads, in the order of first use after those it lists. */
export function constantsOf(graph: Graph): Value[] {
  const found = new Set(graph.initializers);
  for (const v of countUses(graph).keys()) if (v.tensor) found.add(v);
  return [...found];
}
