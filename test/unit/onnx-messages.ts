// Small ONNX messages for tests.
import { type Encoded, encodeBytes } from '../../src/codec/protobuf.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { ModelError } from '../../src/errors.ts';
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  onnxSchema,
  type TensorProto,
  type ValueInfoProto,
} from '../../src/formats/onnx/proto.gen.ts';

/** float32 unless said otherwise; a string is a symbolic size. */
export const info = (name: string, dims: readonly (number | string)[] = [2, 3], type = 1): ValueInfoProto => ({
  name,
  type: { tensor_type: { elem_type: type, shape: { dim: dims.map(d => (typeof d === 'number' ? { dim_value: d } : { dim_param: d })) } } },
});
export const node = (op: string, inputs: string[], outputs: string[], attribute: AttributeProto[] = []): NodeProto => ({
  op_type: op,
  input: inputs,
  output: outputs,
  attribute,
});
export const floats = (name: string, dims: number[], values = new Array(dims.reduce((n, d) => n * d, 1)).fill(1)): TensorProto => ({
  name,
  dims,
  data_type: 1,
  raw_data: new Uint8Array(Float32Array.from(values).buffer),
});

/** x and y are [2, 3]; the graph computes y = Relu(x) unless `graph` says otherwise. */
export const graphOf = (graph: GraphProto = {}): GraphProto => ({
  name: 'g',
  input: [info('x')],
  output: [info('y')],
  node: [node('Relu', ['x'], ['y'])],
  ...graph,
});
export const modelOf = (graph: GraphProto = {}, model: ModelProto = {}): ModelProto => ({
  ir_version: 10,
  opset_import: [{ domain: '', version: 21 }],
  graph: graphOf(graph),
  ...model,
});
export const bytesOfModel = (proto: ModelProto): Uint8Array => encodeBytes(onnxSchema, 'ModelProto', proto);
export const sourceOf = (proto: ModelProto): MemorySource => new MemorySource(bytesOfModel(proto), 'm.onnx');

export async function join(encoded: Encoded): Promise<Uint8Array> {
  const bytes = new Uint8Array(encoded.length);
  let end = 0;
  for (const chunk of encoded.chunks) {
    bytes.set(chunk instanceof Uint8Array ? chunk : await chunk.read(0, chunk.length), end);
    end += chunk.length;
  }
  return bytes;
}

/** The error that is thrown; fails where none is. */
export async function errorOf(run: () => unknown): Promise<ModelError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
