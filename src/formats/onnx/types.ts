// Value types and their messages, in both directions.
import { at } from '../../codec/protobuf.ts';
import type { Place } from '../../errors.ts';
import { type Dim, hasUnknown, unknownDim } from '../../ir/dims.ts';
import { type DataType, dataTypeOfCode, elementTypes, type Shape, type ValueType } from '../../ir/types.ts';
import type { TensorShapeProto, TensorShapeProto_Dimension, TypeProto, TypeProto_Tensor } from './proto.gen.ts';
import type { Reading } from './reading.ts';
import { sameMessage } from './rest.ts';

/** How a type was spelt where it says more than the type: denotations of axes, sizes of negative value. Types never change. */
const spellings = new WeakMap<ValueType, TypeProto>();

/** Whether the file says more of the type than the type does. */
export const isSpelt = (type: ValueType): boolean => spellings.has(type);

/** The type a message says; undefined where it says none. Adds E1307, E1201 and E1202 for what is no type. */
export function readType(proto: TypeProto | undefined, path: string, reading: Reading): ValueType | undefined {
  if (!proto) return undefined;
  const said = kinds.filter(kind => proto[kind] !== undefined);
  if (said.length > 1) reading.add('E1307', `the type is ${said.length} types at once: ${said.join(', ')}`, { path, offset: proto[at] });
  const type = said[0] && readers[said[0]](proto, `${path}.${said[0]}`, reading);
  if (type && !sameMessage(spell(type), proto)) spellings.set(type, proto);
  return type;
}

const kinds = ['tensor_type', 'sequence_type', 'map_type', 'optional_type', 'sparse_tensor_type', 'opaque_type'] as const;
type Kind = (typeof kinds)[number];

const denoted = (proto: TypeProto): { denotation?: string } => (proto.denotation === undefined ? {} : { denotation: proto.denotation });

const readers: Record<Kind, (proto: TypeProto, path: string, reading: Reading) => ValueType> = {
  tensor_type: (p, path, r) => ({ kind: 'tensor', ...readTensorType(p.tensor_type!, path, r), ...denoted(p) }),
  sparse_tensor_type: (p, path, r) => ({ kind: 'sparse', ...readTensorType(p.sparse_tensor_type!, path, r), ...denoted(p) }),
  sequence_type: (p, path, r) => ({ kind: 'sequence', of: readType(p.sequence_type!.elem_type, `${path}.elem_type`, r), ...denoted(p) }),
  optional_type: (p, path, r) => ({ kind: 'optional', of: readType(p.optional_type!.elem_type, `${path}.elem_type`, r), ...denoted(p) }),
  map_type: (p, path, r) => {
    const { key_type, value_type } = p.map_type!;
    return {
      kind: 'map',
      key: readElement(key_type, { path, offset: p.map_type![at] }, r),
      of: readType(value_type, `${path}.value_type`, r),
      ...denoted(p),
    };
  },
  opaque_type: p => ({ kind: 'opaque', domain: p.opaque_type!.domain ?? '', name: p.opaque_type!.name ?? '', ...denoted(p) }),
};

function readTensorType(proto: TypeProto_Tensor, path: string, reading: Reading): { element: DataType; shape?: Shape } {
  const element = readElement(proto.elem_type, { path, offset: proto[at] }, reading);
  const shape = proto.shape && readShape(proto.shape, `${path}.shape`, reading);
  return shape ? { element, shape } : { element };
}

function readElement(code = 0, place: Place, reading: Reading): DataType {
  const element = dataTypeOfCode(code);
  if (element === undefined) reading.add('E1201', `the element type ${code} does not exist`, place);
  return element ?? 'undefined';
}

function readShape(proto: TensorShapeProto, path: string, reading: Reading): Shape | undefined {
  const dims = proto.dim ?? [];
  const limit = { name: 'rank', value: reading.limits.rank };
  if (dims.length > limit.value) {
    reading.add('E1202', `the type has rank ${dims.length}, the limit is ${limit.value}`, { path, offset: proto[at], limit });
    return undefined;
  }
  return dims.map((dim, i) => readDim(dim, `${path}.dim[${i}]`, reading));
}

function readDim(proto: TensorShapeProto_Dimension, path: string, reading: Reading): Dim {
  const { dim_value: value, dim_param: text } = proto;
  const place = { path, offset: proto[at] };
  if (value !== undefined && text !== undefined) reading.add('E1307', `the size is both ${value} and ${reading.quoted(text)}`, place);
  if (text) return reading.dim(text);
  if (value === undefined) return unknownDim();
  if (typeof value === 'number' && value >= 0) return value;
  reading.add('E1307', `the size ${value} is ${value < 0 ? 'negative' : 'beyond 2^53'}`, place);
  return unknownDim();
}

/** The message of a type, as its file spelt it where the type came from one. */
export const writeType = (type: ValueType): TypeProto => spellings.get(type) ?? spell(type);

function spell(type: ValueType): TypeProto {
  const denotation = type.denotation;
  switch (type.kind) {
    case 'tensor':
      return { tensor_type: spellTensor(type.element, type.shape), denotation };
    case 'sparse':
      return { sparse_tensor_type: spellTensor(type.element, type.shape), denotation };
    case 'sequence':
      return { sequence_type: { elem_type: type.of && writeType(type.of) }, denotation };
    case 'optional':
      return { optional_type: { elem_type: type.of && writeType(type.of) }, denotation };
    case 'map':
      return { map_type: { key_type: elementTypes[type.key].code, value_type: type.of && writeType(type.of) }, denotation };
    case 'opaque':
      return { opaque_type: { domain: type.domain || undefined, name: type.name || undefined }, denotation };
    default:
      return type satisfies never;
  }
}

const spellTensor = (element: DataType, shape: Shape | undefined): TypeProto_Tensor => ({
  elem_type: elementTypes[element].code,
  shape: shape && (shape.length === 0 ? {} : { dim: shape.map(writeDim) }),
});

const writeDim = (d: Dim): TensorShapeProto_Dimension =>
  typeof d === 'number' ? { dim_value: d } : hasUnknown(d) ? {} : { dim_param: d.key };
