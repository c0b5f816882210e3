// Tensors of a subgraph: what the file says of each, checked, and the contents of constants.
import type { ByteRange } from '../../codec/source.ts';
import { type Code, fail } from '../../errors.ts';
import { type Dim, symbol, unknownDim } from '../../ir/dims.ts';
import { Tensor } from '../../ir/tensor.ts';
import { byteLength, type DataType, elementTypes } from '../../ir/types.ts';
import type { Opened } from './container.ts';
import type { QuantizationParameters, SubGraph, Tensor as TensorTable, TensorType } from './schema.gen.ts';
import { densified } from './sparsity.ts';
import { stringsIn } from './strings.ts';

/** What a file says of a tensor. */
export interface TensorInfo {
  readonly index: number;
  readonly name: string;
  /** Undefined for handles of variables and tables, and for lists. */
  readonly element: DataType | undefined;
  /** Undefined where the rank is not known. */
  readonly shape: readonly Dim[] | undefined;
  readonly quantization: Quantization | undefined;
  readonly isVariable: boolean;
  /** The content of a constant. */
  readonly tensor: Tensor | undefined;
}

/** real = scale * (quantized - zeroPoint), with a scale for all, for each place on an axis, or for each block along the last axis. */
export type Quantization =
  | { readonly kind: 'tensor' | 'axis'; readonly scales: Float32Array; readonly zeroPoints: readonly number[]; readonly axis: number }
  | { readonly kind: 'blocks'; readonly scales: number; readonly zeroPoints: number | undefined; readonly blockSize: number };

const elements: Readonly<Record<TensorType, DataType | undefined>> = {
  FLOAT32: 'float32',
  FLOAT16: 'float16',
  INT32: 'int32',
  UINT8: 'uint8',
  INT64: 'int64',
  STRING: 'string',
  BOOL: 'bool',
  INT16: 'int16',
  COMPLEX64: 'complex64',
  INT8: 'int8',
  FLOAT64: 'float64',
  COMPLEX128: 'complex128',
  UINT64: 'uint64',
  RESOURCE: undefined,
  VARIANT: undefined,
  UINT32: 'uint32',
  UINT16: 'uint16',
  INT4: 'int4',
  BFLOAT16: 'bfloat16',
  INT2: 'int2',
  UINT4: 'uint4',
};

/** The element type of a `TensorType`. @throws ModelError E2001 for one that no tensor of ONNX has */
export function elementNamed(type: TensorType): DataType {
  const element = elements[type];
  if (element === undefined) throw fail('E2001', `the type ${type} has no conversion`);
  return element;
}

/** Contents up to so many bytes are read at once. */
const residentUpTo = 65536;

/**
 * The tensors of a subgraph.
 * @param openSizes names open sizes of tensors that the subgraph takes
 * @throws ModelError E1202, E1203, E1205 with the tensor for what contradicts itself, E2002 for content outside of the file
 */
export async function readTensors(opened: Opened, subgraph: SubGraph, path: string): Promise<TensorInfo[]> {
  const infos: TensorInfo[] = [];
  for (const [index, table] of subgraph.tensors.entries()) {
    const name = table.name ?? `tensor_${index}`;
    const wrong: Wrong = (code, message) =>
      fail(code, `${path}.tensors[${index}] ${name}: ${message}`, { path: `${path}.tensors[${index}]`, tensor: name });
    const shape = shapeOf(table, wrong);
    const element = elements[table.type];
    const quantization = table.quantization && element && quantizationOf(table.quantization, element, table, subgraph, wrong);
    if (table.external_buffer !== 0) throw externalContent(opened, table, wrong);
    const range = opened.buffers[table.buffer];
    const tensor = range && element && (await contentOf(table, element, range, wrong));
    infos.push({ index, name, element, shape, quantization, isVariable: table.is_variable, tensor: tensor || undefined });
  }
  return infos;
}

type Wrong = (code: Code, message: string) => Error;

/** An open size of a tensor that a graph takes: the first axis of all of them is the batch. */
export const openSize = (name: string, axis: number): Dim => symbol(axis === 0 ? 'batch' : `${name}_${axis}`);

function shapeOf({ shape, shape_signature: signature, has_rank }: TensorTable, wrong: Wrong): readonly Dim[] | undefined {
  if (shape.some(d => d < 0)) throw wrong('E1202', `the shape [${shape}] has a negative size`);
  if (signature.length === 0) return shape.length === 0 && !has_rank ? undefined : shape;
  const fits = signature.length === shape.length && signature.every((d, i) => d === -1 || d === shape[i]);
  if (!fits) throw wrong('E1202', `the shape [${shape}] contradicts its signature [${signature}]`);
  return signature.map(d => (d === -1 ? unknownDim() : d));
}

/** Element types in which numbers are quantised. */
const quantized: ReadonlySet<DataType> = new Set(['int8', 'uint8', 'int16', 'int32', 'int64', 'int4', 'uint4', 'int2']);

function quantizationOf(
  { scale, zero_point: zeroPoint, details, details_type, quantized_dimension: axis }: QuantizationParameters,
  element: DataType,
  { shape }: TensorTable,
  { tensors }: SubGraph,
  wrong: Wrong,
): Quantization | undefined {
  if (!quantized.has(element)) return undefined;
  if (details_type === 'CustomQuantization') throw wrong('E2002', 'a quantisation of a kind of its own has no conversion');
  if (details && details_type === 'BlockwiseQuantization') {
    const blocks = details as { scales: number; zero_points: number; block_size: number };
    for (const index of [blocks.scales, blocks.zero_points])
      if (index >= tensors.length || index < -1) throw wrong('E1104', `tensor ${index} does not exist, there are ${tensors.length}`);
    if (blocks.block_size <= 0 || (shape.at(-1) ?? 0) % blocks.block_size !== 0)
      throw wrong('E1202', `blocks of ${blocks.block_size} do not divide the last axis of [${shape}]`);
    const zeroPoints = blocks.zero_points > 0 ? blocks.zero_points : undefined;
    return { kind: 'blocks', scales: blocks.scales, zeroPoints, blockSize: blocks.block_size };
  }
  if (scale.length === 0 || zeroPoint.length === 0) return undefined;
  if (scale.length !== zeroPoint.length) throw wrong('E1202', `${scale.length} scales and ${zeroPoint.length} zero points`);
  const odd = scale.find(s => !(s > 0 && Number.isFinite(s)));
  if (odd !== undefined) throw wrong('E1205', `a scale of ${odd}`);
  const { bits } = elementTypes[element];
  const least = elementTypes[element].class === 'uint' ? 0 : -(2 ** (bits - 1));
  const beyond = zeroPoint.find(z => z < least || z >= least + 2 ** bits);
  if (beyond !== undefined) throw wrong('E1205', `the zero point ${beyond} is no ${element}`);
  if (scale.length === 1) return { kind: 'tensor', scales: Float32Array.from(scale), zeroPoints: zeroPoint, axis: 0 };
  if (axis < 0 || axis >= shape.length) throw wrong('E1202', `the quantised axis ${axis} of a tensor of rank ${shape.length}`);
  if (shape[axis] !== scale.length) throw wrong('E1202', `${scale.length} scales for an axis of ${shape[axis]}`);
  return { kind: 'axis', scales: Float32Array.from(scale), zeroPoints: zeroPoint, axis };
}

function externalContent({ model }: Opened, { external_buffer: id }: TensorTable, wrong: Wrong): Error {
  const buffer = model.external_buffers.find(b => b.id === id)!;
  const group = model.external_buffer_groups[buffer.group]?.name ?? String(buffer.group);
  return wrong(
    'E2002',
    `the content is outside of the file, in the group ${JSON.stringify(group)} of external buffers, which are not read`,
  );
}

async function contentOf(table: TensorTable, element: DataType, range: ByteRange, wrong: Wrong): Promise<Tensor | undefined> {
  const { shape, sparsity } = table;
  if (element === 'string') {
    const strings = stringsIn(await range.read(), wrong);
    return new Tensor('string', strings, shape);
  }
  const count = shape.reduce((n, d) => n * d, 1);
  if (!Number.isSafeInteger(count * elementTypes[element].bits)) throw wrong('E1202', `the size of [${shape}] overflows`);
  if (sparsity) return densified(sparsity, element, shape, range, wrong);
  const expected = byteLength(element, count);
  if (range.length !== expected) throw wrong('E1203', `${element}[${shape}] takes ${expected} bytes, its buffer has ${range.length}`);
  const content = expected <= residentUpTo ? await range.read() : range;
  return new Tensor(element, content, shape);
}
