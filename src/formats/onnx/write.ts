// The bytes of an .onnx file from a model. What was read and not changed is written as it stood; equal models give equal bytes.
import { type Encoded, encode } from '../../codec/protobuf.ts';
import { type Finding, fail } from '../../errors.ts';
import {
  type Attribute,
  type FunctionDefinition,
  type Graph,
  type Meta,
  type Model,
  type Node,
  type Output,
  subgraphs,
  type Value,
} from '../../ir/graph.ts';
import type { ValueType } from '../../ir/types.ts';
import type { TargetNames } from '../format.ts';
import { writeAttributes } from './attributes.ts';
import { ExternalFile, type ExternalOptions } from './external.ts';
import { type Names, nameValues } from './names.ts';
import { writeOpsets } from './opsets.ts';
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  onnxSchema,
  type SparseTensorProto,
  type TensorProto,
  TensorProto_DataLocation,
  type TypeProto,
  type ValueInfoProto,
} from './proto.gen.ts';
import { declarationsOf, writeMeta } from './rest.ts';
import type { Spelling } from './spelling.ts';
import { writeSparse, writeTensor } from './tensors.ts';
import { writeType } from './types.ts';

export interface WriteOptions {
  /** Put large initializers into a file beside the model; without it the model is one file, wherever its data came from. */
  readonly external?: ExternalOptions | undefined;
  readonly names?: TargetNames | undefined;
}

/** What to write: chunks that are not in memory are read when they are written. */
export interface OnnxFiles {
  readonly model: Encoded;
  /** The content of the data file, where external data was asked for and an initializer is large enough. */
  readonly data?: Encoded | undefined;
}

/**
 * Write a model under its own IR version and opsets. Errors: E2005 more than 2 GiB in the model file; E2002 training graphs whose
 * data is external; E1401 and E4001 for the options; E1008, E1110 as `encode`.
 */
export function writeOnnx(model: Model, { external, names }: WriteOptions = {}): OnnxFiles {
  const file = external && new ExternalFile(external);
  const proto = modelMessage(model, { file, names });
  const data = file?.finish();
  return { model: encode(onnxSchema, 'ModelProto', proto), ...(data && data.length > 0 ? { data } : {}) };
}

/** The same in another spelling, with warnings of what it has no place for. Errors: those of the spelling too. */
export async function writeSpelt(
  model: Model,
  spelling: Spelling,
  { external, names }: WriteOptions = {},
): Promise<OnnxFiles & { readonly findings: readonly Finding[] }> {
  const file = external && new ExternalFile(external);
  const { encoded, findings } = await spelling.encode(modelMessage(model, { file, names }));
  const data = file?.finish();
  return { model: encoded, findings, ...(data && data.length > 0 ? { data } : {}) };
}

/** The graph of a model as a message, for what holds graphs beside the model's own; its contents are shared with the model. */
export const graphMessage = (model: Model): GraphProto => modelMessage(model, {}).graph!;

/** The message of a model; its contents are shared with the model. */
function modelMessage(model: Model, takers: Takers): ModelProto {
  const rest = writeMeta(model.meta) as ModelProto;
  refuseExternalTraining(rest);
  const { hoisted, dropped } = strayConstants(model.graph);
  const constants = (graph: Graph): readonly Value[] => {
    const listed = dropped.size > 0 && graph !== model.graph ? graph.initializers.filter(v => !dropped.has(v)) : graph.initializers;
    return graph === model.graph && hoisted.length > 0 ? [...listed, ...hoisted] : listed;
  };
  const writer = new GraphWriter(nameValues(model.graph, constants), constants, takers);
  return {
    ...rest,
    ir_version: rest.ir_version ?? (model.irVersion || undefined),
    opset_import: writeOpsets(model.opsets, rest.opset_import),
    producer_name: model.producer.name,
    producer_version: model.producer.version,
    graph: writer.graph(model.graph),
    functions: model.functions.map(f => writeFunction(f, takers)),
  };
}

/** Training graphs are carried as they were read, and their external data would stay behind. */
function refuseExternalTraining({ training_info }: ModelProto): void {
  for (const { initialization, algorithm } of training_info ?? [])
    for (const tensor of [...(initialization?.initializer ?? []), ...(algorithm?.initializer ?? [])])
      if (tensor.data_location === TensorProto_DataLocation.EXTERNAL)
        throw fail('E2002', 'the training graphs of the model have external data, which cannot be written elsewhere', {
          tensor: tensor.name,
        });
}

/**
 * Constants that nodes read where no graph around them lists them, and defaults of inputs that are not listed: they go to the outermost
 * graph, in the order of their use.
 * `dropped` are those that some other graph lists.
 */
function strayConstants(graph: Graph): { hoisted: readonly Value[]; dropped: ReadonlySet<Value> } {
  const visible = new Set<Value>();
  const hoisted = new Set<Value>();
  const listed = new Set<Value>();
  const read = (v: Value | undefined): void => {
    if (v && (v.tensor || v.sparse) && !visible.has(v)) hoisted.add(v);
  };
  const walk = (g: Graph): void => {
    const own = (g === graph ? g.initializers : [...g.inputs, ...g.initializers]).filter(v => !visible.has(v));
    for (const v of own) visible.add(v);
    if (g === graph) g.inputs.forEach(read);
    for (const v of g.initializers) listed.add(v);
    for (const node of g.nodes) {
      node.inputs.forEach(read);
      for (const [, inner] of subgraphs(node)) walk(inner);
    }
    for (const output of g.outputs) read(output.value);
    for (const v of own) visible.delete(v);
  };
  walk(graph);
  return { hoisted: [...hoisted], dropped: new Set([...hoisted].filter(v => listed.has(v))) };
}

/** Who takes parts of what is written. */
interface Takers {
  /** Contents of large initializers. */
  readonly file?: ExternalFile | undefined;
  readonly names?: TargetNames | undefined;
}

class GraphWriter {
  readonly #names: Names;
  readonly #constants: (graph: Graph) => readonly Value[];
  readonly #takers: Takers;

  constructor(names: Names, constants: (graph: Graph) => readonly Value[], takers: Takers) {
    this.#names = names;
    this.#constants = constants;
    this.#takers = takers;
  }

  graph(graph: Graph): GraphProto {
    const rest = writeMeta(graph.meta) as GraphProto;
    const proto: GraphProto = {
      ...rest,
      name: graph.name || rest.name,
      input: graph.inputs.map(v => this.info(v, v.type, v.meta)),
      output: graph.outputs.map(output => this.output(graph, output)),
      value_info: this.declarations(graph),
      node: this.nodes(graph),
    };
    const constants = this.#constants(graph);
    proto.initializer = [...constants.filter(v => v.tensor).map(v => this.initializer(v)), ...((rest.initializer ?? []) as TensorProto[])];
    const sparse = constants.filter(v => v.sparse).map(v => writeSparse(v.sparse!, this.#names.of(v)));
    proto.sparse_initializer = [...sparse, ...((rest.sparse_initializer ?? []) as SparseTensorProto[])];
    return proto;
  }

  private initializer(v: Value): TensorProto {
    const tensor = v.tensor!;
    const { file, names } = this.#takers;
    names?.weight(tensor, this.#names.of(v));
    return writeTensor(tensor, this.#names.of(v), file?.takes(tensor) ? file.add(tensor) : undefined);
  }

  private info(v: Value, type: ValueType | undefined, meta: Meta | undefined, name = this.#names.of(v)): ValueInfoProto {
    const rest = writeMeta(meta) as ValueInfoProto;
    const written: TypeProto | undefined = type ? writeType(type) : rest.type;
    return { ...rest, name: name || rest.name, type: written };
  }

  private output(graph: Graph, output: Output): ValueInfoProto {
    const { value, type, meta } = output;
    return this.info(value, type ?? value.type, meta, this.#names.copiesIn(graph).get(output) ?? this.#names.of(value));
  }

  /** Types of values in between: in the order of the file, then those that became known. */
  declarations(graph: Graph): ValueInfoProto[] {
    const made = new Set<Value>();
    for (const node of graph.nodes) for (const v of node.outputs) if (v) made.add(v);
    const here = new Set([...made, ...graph.inputs, ...graph.initializers]);
    const infos: ValueInfoProto[] = [];
    for (const { value, message } of declarationsOf(graph.meta)) {
      if (value && !here.has(value)) continue;
      if (message) infos.push(value ? { ...message, name: this.#names.of(value) || message.name } : message);
      else if (value && (value.type || (value.meta.rest as ValueInfoProto | undefined)?.type !== undefined || value.meta.at !== undefined))
        infos.push(this.info(value, value.type, value.meta));
      if (value) made.delete(value);
    }
    for (const { value } of graph.outputs) made.delete(value);
    for (const v of made) if (v.type) infos.push(this.info(v, v.type, v.meta));
    return infos;
  }

  nodes(graph: Graph): NodeProto[] {
    const copy = (value: Value, name: string): NodeProto => ({ op_type: 'Identity', input: [this.#names.of(value)], output: [name] });
    const copies = [...this.#names.copiesIn(graph)].map(([{ value }, name]) => copy(value, name));
    return [...graph.nodes.map(node => this.node(node)), ...copies];
  }

  private node(node: Node): NodeProto {
    const rest = writeMeta(node.meta) as NodeProto;
    const names = (values: readonly (Value | undefined)[]): string[] => values.map(v => (v ? this.#names.of(v) : ''));
    const output = node.outputs.find(v => v);
    this.#takers.names?.node(node.meta, node.name || (output ? this.#names.of(output) : ''));
    const attributes = writeAttributes(node.attributes, inner => this.graph(inner));
    return {
      ...rest,
      input: names(node.inputs),
      output: names(node.outputs),
      name: node.name || rest.name,
      op_type: node.op || rest.op_type,
      domain: node.domain || rest.domain,
      overload: node.overload || rest.overload,
      attribute: rest.attribute ? [...attributes, ...(rest.attribute as AttributeProto[])] : attributes,
    };
  }
}

/** The message of a function. Constants of its body become nodes: a function has no initializers. */
function writeFunction(f: FunctionDefinition, { names: takesNames }: Takers): FunctionProto {
  const rest = writeMeta(f.meta) as FunctionProto;
  const { hoisted, dropped } = strayConstants(f.body);
  const constants = (graph: Graph): readonly Value[] =>
    graph === f.body
      ? [...f.body.initializers, ...hoisted]
      : dropped.size > 0
        ? graph.initializers.filter(v => !dropped.has(v))
        : graph.initializers;
  const names = nameValues(f.body, constants);
  const writer = new GraphWriter(names, constants, { names: takesNames });
  const outputs = names.copiesIn(f.body);
  return {
    ...rest,
    name: f.name || rest.name,
    domain: f.domain || rest.domain,
    overload: f.overload || rest.overload,
    input: f.body.inputs.map(v => names.of(v)),
    output: f.body.outputs.map(o => outputs.get(o) ?? o.name),
    attribute: [...f.attributes],
    attribute_proto: [...writeAttributes(f.defaults, inner => writer.graph(inner)), ...((rest.attribute_proto ?? []) as AttributeProto[])],
    node: [...constants(f.body).map(v => constantNode(v, names.of(v))), ...writer.nodes(f.body)],
    opset_import: writeOpsets(f.opsets, rest.opset_import as OperatorSetIdProto[] | undefined),
    value_info: writer.declarations(f.body),
  };
}

function constantNode(v: Value, name: string): NodeProto {
  const attribute: [string, Attribute] = v.sparse
    ? ['sparse_value', { kind: 'sparse_tensor', value: v.sparse }]
    : ['value', { kind: 'tensor', value: v.tensor! }];
  const attributes = writeAttributes(new Map([attribute]), inner => ({ name: inner.name }));
  return { op_type: 'Constant', output: [name], attribute: attributes };
}
