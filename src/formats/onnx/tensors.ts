// Tensors and their messages, in both directions. Contents are shared or stay in the file; typed fields become stored bytes.
import { at, type Bytes } from '../../codec/protobuf.ts';
import { type Code, fail, ModelError, type Place } from '../../errors.ts';
import type { SparseTensor } from '../../ir/graph.ts';
import { requireRank, Tensor, type TensorOrigin } from '../../ir/tensor.ts';
import { byteLength, type DataType, dataTypeOfCode, elementTypes } from '../../ir/types.ts';
import { externalRange } from './external.ts';
import { type SparseTensorProto, type TensorProto, TensorProto_DataLocation } from './proto.gen.ts';
import type { Reading } from './reading.ts';
import { type Places, restOf } from './rest.ts';
import { bytesOfField, type DataField, dataFields, fieldOf, fieldOfBytes, sameEntries } from './tensor-fields.ts';

const tensorPlaces: Places<TensorProto> = {
  dims: 'own',
  data_type: 'own',
  raw_data: 'own',
  float_data: 'own',
  int32_data: 'own',
  string_data: 'own',
  int64_data: 'own',
  double_data: 'own',
  uint64_data: 'own',
};
const externalPlaces: Places<TensorProto> = { ...tensorPlaces, external_data: 'own', data_location: 'own' };

/**
 * The tensor of a message, or undefined where it says none; then a finding says why: E1201 type, E1202 shape, E1203 size, E1204
 * field, E1401 to E1403 external data. `named` says that the name has another place than the tensor.
 */
export function readTensor(proto: TensorProto, path: string, reading: Reading, named = false): Tensor | undefined {
  const place: Place = { path, offset: proto[at], tensor: proto.name };
  if (proto.name) reading.name(proto.name, `${path}.name`, proto);
  return reading.attempt(place, () => {
    const type = typeOf(proto);
    const dims = dimsOf(proto.dims ?? []);
    requireRank(type, dims, reading.limits.rank);
    if (proto.segment) throw fail('E1204', 'the tensor is a segment of a larger one, and nothing says how to join them');
    const external = proto.data_location === TensorProto_DataLocation.EXTERNAL;
    const field = external ? 'external' : dataField(proto, type);
    if (external && presentFields(proto).length > 0)
      throw fail('E1204', `the data is external and in ${presentFields(proto).join(', ')} too`);
    const places = external ? externalPlaces : tensorPlaces;
    const rest = restOf(proto, named ? { ...places, name: 'text' } : places);
    return makeTensor(proto, type, dims, { field, at: proto[at], ...(rest && { rest }) }, path, reading);
  });
}

function typeOf(proto: TensorProto): DataType {
  const type = dataTypeOfCode(proto.data_type ?? 0);
  if (type === undefined || type === 'undefined') throw fail('E1201', `the element type ${proto.data_type ?? 0} does not exist`);
  return type;
}

function dimsOf(dims: readonly (number | bigint)[]): number[] {
  if (dims.some(d => typeof d === 'bigint')) throw fail('E1202', `the size ${dims.find(d => typeof d === 'bigint')} is beyond 2^53`);
  return dims as number[];
}

function presentFields(proto: TensorProto): string[] {
  const typed = dataFields.filter(field => (proto[field]?.length ?? 0) > 0);
  return proto.raw_data === undefined ? typed : ['raw_data', ...typed];
}

/** The field that holds the data; E1204 where that is another than the type's, or where there are two. */
function dataField(proto: TensorProto, type: DataType): DataField | 'raw_data' {
  const present = presentFields(proto);
  const typed = fieldOf(type);
  if (present.length > 1) throw fail('E1204', `the data is in ${present.join(' and ')}`);
  if (present[0] === 'raw_data' && type !== 'string') return 'raw_data';
  if (present[0] !== undefined && present[0] !== typed) throw fail('E1204', `${type} data belongs in ${typed}, found it in ${present[0]}`);
  return typed;
}

function makeTensor(proto: TensorProto, type: DataType, dims: number[], origin: TensorOrigin, path: string, reading: Reading): Tensor {
  const { field } = origin;
  if (field === 'external') return new Tensor(type, externalRange(proto, storedSize(type, dims), path, reading), dims, origin);
  // The casts: `fetchParts` has loaded every string, and ranges read like `Stored`.
  if (field === 'string_data') return build(field, () => new Tensor(type, (proto.string_data ?? []) as Uint8Array[], dims, origin));
  if (field === 'raw_data') return build(field, () => new Tensor(type, proto.raw_data as Uint8Array, dims, origin));
  const tensor = build(field, () => new Tensor(type, bytesOfField(type, field, proto), dims, origin));
  const entries = proto[field];
  if (entries === undefined || sameEntries(entries, fieldOfBytes(tensor, field))) return tensor;
  if (needsWarning(type, entries))
    reading.warn('E1204', `${field} holds numbers that ${type} cannot; their low bits are taken`, {
      path,
      offset: proto[at],
      tensor: proto.name,
    });
  return new Tensor(type, tensor.content as Uint8Array, dims, { ...origin, rest: { ...origin.rest, [field]: entries } });
}

/** Writers store the bits of unsigned and signed bytes either way; only what fits neither is worth a warning. */
function needsWarning(type: DataType, entries: ArrayLike<number | bigint>): boolean {
  const span = 2 ** Math.max(elementTypes[type].bits, 8);
  return Array.from(entries, Number).some(x => x >= span || x < -span / 2);
}

/** Run `make`; a size that does not fit names the field. */
function build(field: string, make: () => Tensor): Tensor {
  try {
    return make();
  } catch (error) {
    if (error instanceof ModelError && error.code === 'E1203') throw fail('E1203', `${field}: ${error.message}`, {}, { cause: error });
    throw error;
  }
}

/** Bytes of a tensor of these sizes; the sizes themselves are checked as a tensor's are (E1202). */
function storedSize(type: DataType, dims: number[]): number {
  if (type === 'string') throw fail('E1204', 'strings cannot be external');
  const count = dims.reduce((n, d) => n * d, 1);
  const size = byteLength(type, count);
  const probe = { length: Number.isSafeInteger(size) && size >= 0 ? size : 0, read: async () => new Uint8Array(0) };
  return new Tensor(type, probe, dims).byteLength;
}

/** The message of a tensor: its data in the field it came from, or as raw bytes. `external` replaces the data by its place. */
export function writeTensor(tensor: Tensor, name?: string, external?: TensorProto['external_data']): TensorProto {
  const rest = tensor.origin?.rest as TensorProto | undefined;
  const proto: TensorProto = { ...rest, dims: [...tensor.dims], data_type: elementTypes[tensor.type].code };
  if (name) proto.name = name;
  if (external) {
    for (const field of dataFields) delete proto[field];
    return { ...proto, external_data: external, data_location: TensorProto_DataLocation.EXTERNAL };
  }
  const field = tensor.origin?.field;
  if (tensor.type === 'string') return { ...proto, string_data: [...tensor.strings()] };
  if (field === undefined || field === 'raw_data' || field === 'external' || field === 'string_data' || !tensor.isResident)
    return { ...proto, raw_data: tensor.content as Bytes };
  return { ...proto, [field]: rest?.[field] ?? fieldOfBytes(tensor, field) };
}

const sparsePlaces: Places<SparseTensorProto> = { values: 'own', indices: 'own', dims: 'own' };

/** The sparse tensor of a message, or undefined with a finding: E1202 or E1203 where its parts contradict each other. */
export function readSparse(proto: SparseTensorProto, path: string, reading: Reading, named = false): SparseTensor | undefined {
  const place: Place = { path, offset: proto[at], tensor: proto.values?.name };
  if (!proto.values || !proto.indices) {
    reading.add('E1101', `a sparse tensor needs values and indices, ${proto.values ? 'indices' : 'values'} are absent`, place);
    return undefined;
  }
  const values = readTensor(proto.values, `${path}.values`, reading, named);
  const indices = readTensor(proto.indices, `${path}.indices`, reading);
  if (!values || !indices) return undefined;
  return reading.attempt(place, () => {
    const dims = dimsOf(proto.dims ?? []);
    checkSparse(values, indices, dims);
    const rest = restOf(proto, sparsePlaces);
    return { values, indices, dims, ...(rest && { rest }) };
  });
}

function checkSparse(values: Tensor, indices: Tensor, dims: readonly number[]): void {
  const refuse = (code: Code, message: string): ModelError => fail(code, `sparse tensor: ${message}`);
  const count = dims.reduce((n, d) => n * d, 1);
  if (dims.length === 0 || dims.length > 64 || dims.some(d => d < 0) || !Number.isSafeInteger(count))
    throw refuse('E1202', `[${dims.slice(0, 8).join(',')}] is no dense shape`);
  if (values.dims.length !== 1) throw refuse('E1202', `the values have rank ${values.dims.length}, expected 1`);
  if (indices.type !== 'int64') throw refuse('E1201', `the indices are ${indices.type}, expected int64`);
  const n = values.size;
  const linear = indices.dims.length === 1;
  const fits = indices.dims[0] === n && (linear || (indices.dims.length === 2 && indices.dims[1] === dims.length));
  if (!fits) throw refuse('E1202', `the indices are [${indices.dims.join(',')}], expected [${n}] or [${n},${dims.length}]`);
  if (n > count) throw refuse('E1203', `${n} values, the dense tensor has ${count}`);
  if (indices.isResident) checkPositions(indices, dims, linear, refuse);
}

/** Positions lie inside the dense tensor and ascend. */
function checkPositions(
  indices: Tensor,
  dims: readonly number[],
  linear: boolean,
  refuse: (code: Code, message: string) => ModelError,
): void {
  const data = indices.data as BigInt64Array;
  const sizes = (linear ? [dims.reduce((n, d) => n * d, 1)] : dims).map(BigInt);
  let before = -1n;
  for (let i = 0; i < data.length; i += sizes.length) {
    let position = 0n;
    for (const [axis, size] of sizes.entries()) {
      const index = data[i + axis]!;
      if (index < 0n || index >= size) throw refuse('E1203', `index ${index} at ${i + axis} lies outside 0 to ${size - 1n}`);
      position = position * size + index;
    }
    if (position <= before) throw refuse('E1203', `the index at ${i} is ${position === before ? 'repeated' : 'not in ascending order'}`);
    before = position;
  }
}

/** The message of a sparse tensor. */
export const writeSparse = (sparse: SparseTensor, name?: string): SparseTensorProto => ({
  ...(sparse.rest as SparseTensorProto | undefined),
  values: writeTensor(sparse.values, name),
  indices: writeTensor(sparse.indices),
  dims: [...sparse.dims],
});
