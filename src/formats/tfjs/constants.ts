// Constants of a graph out of the weights of its manifest, in the types that the graph says.
import type { Bytes } from '../../codec/protobuf.ts';
import { fail } from '../../errors.ts';
import { arrayFor, resident, storedOf, Tensor, type TypedArray } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import type { DataType } from '../../ir/types.ts';
import { load, store } from '../../kernels/storage.ts';
import type { GraphDef, NodeDef, TensorProto } from '../tensorflow/proto.gen.ts';
import { elementOf } from '../tensorflow/types.ts';

/** Put the weights into the constants of a graph and of its functions. @throws ModelError E1013 for a constant without one */
export async function giveConstants(graph: GraphDef, weights: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
  const lists = [graph.node ?? [], ...(graph.library?.function ?? []).map(f => f.node_def ?? [])];
  for (const node of lists.flat()) {
    if (node.op !== 'Const' || node.name === undefined) continue;
    const weight = weights.get(node.name);
    if (weight) await give(node, weight);
    else if (!isWhole(protoOf(node)))
      throw fail('E1013', `${path}: no weight is the constant ${quoted(node.name)}`, { path, tensor: node.name });
  }
}

const attributeOf = (node: NodeDef, name: string) => node.attr?.find(({ key }) => key === name)?.value;
const protoOf = (node: NodeDef): TensorProto | undefined => attributeOf(node, 'value')?.tensor;

/** Whether a constant has its content with it. */
const isWhole = (proto: TensorProto | undefined): boolean =>
  proto !== undefined && Object.keys(proto).some(key => /_val$|^tensor_content$/.test(key));

async function give(node: NodeDef, weight: Tensor): Promise<void> {
  const type = protoOf(node)?.dtype ?? attributeOf(node, 'dtype')?.type ?? 0;
  const tensor = type === 0 ? weight : await as(elementOf(type), weight);
  const { dims } = tensor;
  const proto: TensorProto = { dtype: type || undefined, tensor_shape: { dim: dims.map(size => ({ size })) } };
  if (tensor.type === 'string') proto.string_val = [...tensor.strings()];
  else proto.tensor_content = contentOf(tensor);
  const attr = (node.attr ?? []).filter(({ key }) => key !== 'value');
  node.attr = [...attr, { key: 'value', value: { tensor: proto } }];
}

function contentOf(tensor: Tensor): Bytes {
  if (tensor.isResident) return tensor.bytes();
  const stored = storedOf(tensor);
  return { length: stored.length, read: (offset, length) => stored.read(offset, length) };
}

/** Weights have 32 bits where programs compute with more or fewer. */
async function as(type: DataType, weight: Tensor): Promise<Tensor> {
  if (weight.type === type) return weight;
  const { data, dims, size } = await resident(weight);
  if (type === 'string' || weight.type === 'string') throw fail('E1201', `${weight.type} is stored for a constant of ${type}`);
  const numbers = new Float64Array(size);
  load(numbers, 0, data as TypedArray, weight.type, 0, 1, size);
  const entries = new (arrayFor(type))(size) as TypedArray;
  if (entries instanceof BigInt64Array || entries instanceof BigUint64Array) entries.set(Array.from(numbers, BigInt));
  else store(entries, type, 0, 1, numbers, 0, size);
  return new Tensor(type, entries, dims);
}
