// What has to be read before a model can be built: strings and sparse indices that stayed in the file, and external files.
import type { Bytes } from '../../codec/protobuf.ts';
import { locationOf, type OpenExternal, openLocations } from './external.ts';
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  type TensorProto,
  TensorProto_DataLocation,
} from './proto.gen.ts';
import type { Reading } from './reading.ts';

/** Load into the messages what the graph holds in memory, and open each external file once. */
export async function fetchParts(model: ModelProto, open: OpenExternal | undefined, reading: Reading): Promise<void> {
  const parts = new Parts();
  if (model.graph) parts.graph(model.graph);
  for (const f of model.functions ?? []) {
    parts.nodes(f.node);
    parts.attributes(f.attribute_proto);
  }
  for (const load of parts.loads) await load();
  await openLocations(parts.locations, open, reading);
}

/** An attribute longer than JavaScript's strings can be stays where it is and becomes a finding. */
const longest = 2 ** 28;

class Parts {
  readonly loads: (() => Promise<void>)[] = [];
  readonly locations = new Set<string>();

  graph(graph: GraphProto): void {
    for (const tensor of graph.initializer ?? []) this.tensor(tensor);
    for (const sparse of graph.sparse_initializer ?? []) this.sparse(sparse);
    this.nodes(graph.node);
  }
  nodes(nodes: readonly NodeProto[] = []): void {
    for (const node of nodes) this.attributes(node.attribute);
  }
  attributes(attributes: readonly AttributeProto[] = []): void {
    for (const attribute of attributes) this.attribute(attribute);
  }
  attribute(a: AttributeProto): void {
    if ((a.s?.length ?? 0) <= longest)
      this.load(a.s, bytes => {
        a.s = bytes;
      });
    this.list((a.strings ?? []).every(s => s.length <= longest) ? a.strings : []);
    for (const tensor of [a.t, ...(a.tensors ?? [])]) if (tensor) this.tensor(tensor);
    for (const sparse of [a.sparse_tensor, ...(a.sparse_tensors ?? [])]) if (sparse) this.sparse(sparse);
    for (const graph of [a.g, ...(a.graphs ?? [])]) if (graph) this.graph(graph);
  }
  tensor(tensor: TensorProto): void {
    this.list(tensor.string_data);
    const location = tensor.data_location === TensorProto_DataLocation.EXTERNAL ? locationOf(tensor) : undefined;
    if (location !== undefined) this.locations.add(location);
  }
  sparse({ values, indices }: SparseTensorProto): void {
    if (values) this.tensor(values);
    if (!indices) return;
    this.tensor(indices);
    this.load(indices.raw_data, bytes => {
      indices.raw_data = bytes;
    });
  }
  list(items: Bytes[] = []): void {
    for (const [i, item] of items.entries())
      this.load(item, bytes => {
        items[i] = bytes;
      });
  }
  load(bytes: Bytes | undefined, store: (bytes: Uint8Array) => void): void {
    if (bytes === undefined || bytes instanceof Uint8Array) return;
    this.loads.push(async () => store(await bytes.read(0, bytes.length)));
  }
}
