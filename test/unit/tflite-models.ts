// Small TensorFlow Lite models for tests, by the names of the schema.
import { BuiltinOperator } from '../../src/formats/tflite/schema.gen.ts';
import type { Model } from '../../src/ir/graph.ts';
import { formatType } from '../../src/ir/types.ts';
import { load, MemorySource, Session, type Tensor } from '../../src/node/index.ts';
import { type FlatTable, tfliteBytes } from '../hostile/flat-wire.ts';

export const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
export const ints = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

export interface Graph {
  readonly tensors: readonly FlatTable[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly FlatTable[];
}
export interface Parts {
  readonly codes: readonly FlatTable[];
  readonly graphs: readonly Graph[];
  readonly buffers?: readonly FlatTable[];
  readonly more?: FlatTable;
}

export const modelOf = ({ codes, graphs, buffers = [], more = {} }: Parts, behind?: Uint8Array): Uint8Array =>
  tfliteBytes({ version: 3, operator_codes: codes, subgraphs: graphs, buffers: [{}, ...buffers], ...more }, behind).bytes;

export const tensor = (name: string, shape: readonly number[], more: FlatTable = {}): FlatTable => ({
  name,
  shape,
  has_rank: true,
  ...more,
});
export const loaded = (bytes: Uint8Array, options = {}): Promise<Model> => load(new MemorySource(bytes, 'model.tflite'), options);
export const operators = (model: Model): string[] => model.graph.nodes.map(n => n.op);
export const signature = (model: Model): string[] => [
  ...model.graph.inputs.map(v => `${v.name}: ${formatType(v.type)}`),
  ...model.graph.outputs.map(o => `${o.name}: ${formatType(o.value.type)}`),
];

export async function run(model: Model, inputs: Record<string, Tensor>): Promise<Record<string, number[]>> {
  const session = await Session.create(model);
  const made = await session.run(inputs);
  return Object.fromEntries(Object.entries(made).map(([name, t]) => [name, Array.from((t as Tensor).data as Float32Array, Number)]));
}

export const code = (name: BuiltinOperator, more: FlatTable = {}): FlatTable => ({ builtin_code: BuiltinOperator[name], ...more });

export const adding = (x: FlatTable, k: FlatTable, y: FlatTable): Graph => ({
  tensors: [x, k, y],
  inputs: [0],
  outputs: [2],
  operators: [{ opcode_index: 0, inputs: [0, 1], outputs: [2] }],
});
