// Attributes and their messages, in both directions: one row for each kind says which field holds its value.
import { at, type Bytes } from '../../codec/protobuf.ts';
import { decodeUtf8, encodeUtf8 } from '../../codec/utf8.ts';
import { type Attribute, type Attributes, Graph, type SparseTensor } from '../../ir/graph.ts';
import { Tensor } from '../../ir/tensor.ts';
import type { ValueType } from '../../ir/types.ts';
import { type AttributeProto, type GraphProto, AttributeProto_AttributeType as Type } from './proto.gen.ts';
import type { Reading } from './reading.ts';
import { type Places, restOf } from './rest.ts';
import { readSparse, readTensor, writeSparse, writeTensor } from './tensors.ts';
import { readType, writeType } from './types.ts';

export type Kind = Exclude<Attribute['kind'], 'reference'>;
type ValueOf<K extends Kind> = Extract<Attribute, { kind: K }>['value'];

const payloads = [
  'f',
  'i',
  's',
  't',
  'g',
  'sparse_tensor',
  'tp',
  'floats',
  'ints',
  'strings',
  'tensors',
  'graphs',
  'sparse_tensors',
  'type_protos',
] as const;
type Payload = (typeof payloads)[number];

/** How a graph inside an attribute is read and written: only the graph around it knows the names. */
export type ReadGraph = (proto: GraphProto, path: string) => Graph | undefined;
export type WriteGraph = (graph: Graph) => GraphProto;

interface Context {
  readonly reading: Reading;
  readonly graph: ReadGraph;
}

interface Row<K extends Kind> {
  readonly code: number;
  readonly field: Payload;
  /** The value, or undefined after a finding. */
  read(proto: AttributeProto, path: string, context: Context): ValueOf<K> | undefined;
  write(value: ValueOf<K>, graph: WriteGraph, name?: string): AttributeProto;
  /** What stands in for a value that could not be read. */
  readonly none: () => ValueOf<K>;
}

const noTensor = (): Tensor => new Tensor('undefined', new Uint8Array(0), [0]);
const noSparse = (): SparseTensor => ({ values: noTensor(), indices: noTensor(), dims: [] });
const noType = (): ValueType => ({ kind: 'tensor', element: 'undefined' });

/** Every item of a list, or undefined where one could not be read. */
function all<T, U>(items: readonly T[] | undefined, path: string, read: (item: T, path: string) => U | undefined): U[] | undefined {
  const values = (items ?? []).map((item, i) => read(item, `${path}[${i}]`));
  return values.every(value => value !== undefined) ? (values as U[]) : undefined;
}

/** JavaScript's strings end not far above this. */
const longestText = 2 ** 28;

function text(bytes: Bytes | undefined, path: string, { reading }: Context): string | undefined {
  if (bytes === undefined) return '';
  if (bytes instanceof Uint8Array && bytes.length <= longestText) return decodeUtf8(bytes);
  const limit = { name: 'string.bytes', value: longestText };
  reading.add('E1009', `a string of ${bytes.length} bytes, the limit is ${longestText}`, { path, limit });
  return undefined;
}

const rows: { readonly [K in Kind]: Row<K> } = {
  float: { code: Type.FLOAT, field: 'f', read: p => p.f ?? 0, write: f => ({ f }), none: () => 0 },
  int: { code: Type.INT, field: 'i', read: p => p.i ?? 0, write: i => ({ i }), none: () => 0 },
  string: { code: Type.STRING, field: 's', read: (p, path, c) => text(p.s, path, c), write: s => ({ s: encodeUtf8(s) }), none: () => '' },
  tensor: {
    code: Type.TENSOR,
    field: 't',
    read: (p, path, c) => p.t && readTensor(p.t, path, c.reading, true),
    write: (t, _, name) => ({ t: writeTensor(t, name) }),
    none: noTensor,
  },
  graph: {
    code: Type.GRAPH,
    field: 'g',
    read: (p, path, c) => p.g && c.graph(p.g, path),
    write: (g, write) => ({ g: write(g) }),
    none: () => new Graph(''),
  },
  sparse_tensor: {
    code: Type.SPARSE_TENSOR,
    field: 'sparse_tensor',
    read: (p, path, c) => p.sparse_tensor && readSparse(p.sparse_tensor, path, c.reading),
    write: s => ({ sparse_tensor: writeSparse(s) }),
    none: noSparse,
  },
  type_proto: {
    code: Type.TYPE_PROTO,
    field: 'tp',
    read: (p, path, c) => readType(p.tp, path, c.reading),
    write: t => ({ tp: writeType(t) }),
    none: noType,
  },
  floats: { code: Type.FLOATS, field: 'floats', read: p => p.floats ?? [], write: v => ({ floats: [...v] }), none: () => [] },
  ints: { code: Type.INTS, field: 'ints', read: p => p.ints ?? [], write: v => ({ ints: [...v] }), none: () => [] },
  strings: {
    code: Type.STRINGS,
    field: 'strings',
    read: (p, path, c) => all(p.strings, path, (s, at) => text(s, at, c)),
    write: v => ({ strings: v.map(encodeUtf8) }),
    none: () => [],
  },
  tensors: {
    code: Type.TENSORS,
    field: 'tensors',
    read: (p, path, c) => all(p.tensors, path, (t, at) => readTensor(t, at, c.reading)),
    write: v => ({ tensors: v.map(t => writeTensor(t)) }),
    none: () => [],
  },
  graphs: {
    code: Type.GRAPHS,
    field: 'graphs',
    read: (p, path, c) => all(p.graphs, path, c.graph),
    write: (v, write) => ({ graphs: v.map(write) }),
    none: () => [],
  },
  sparse_tensors: {
    code: Type.SPARSE_TENSORS,
    field: 'sparse_tensors',
    read: (p, path, c) => all(p.sparse_tensors, path, (s, at) => readSparse(s, at, c.reading)),
    write: v => ({ sparse_tensors: v.map(s => writeSparse(s)) }),
    none: () => [],
  },
  type_protos: {
    code: Type.TYPE_PROTOS,
    field: 'type_protos',
    read: (p, path, c) => all(p.type_protos, path, (t, at) => readType(t, at, c.reading)),
    write: v => ({ type_protos: v.map(writeType) }),
    none: () => [],
  },
};

const kinds = Object.keys(rows) as Kind[];
const kindOfCode = new Map<number, Kind>(kinds.map(kind => [rows[kind].code, kind]));
const ownPlaces: Places<AttributeProto> = { name: 'text', type: 'own', doc_string: 'own', ref_attr_name: 'text' };
const placesOf = new Map<Kind, Places<AttributeProto>>(kinds.map(kind => [kind, { ...ownPlaces, [rows[kind].field]: 'own' }]));

/** The attributes of a node by name, and the messages of repeated names. Adds E1303 and what their values add. */
export function readAttributes(
  protos: readonly AttributeProto[],
  path: string,
  context: Context,
  into: Map<string, Attribute> = new Map(),
): AttributeProto[] {
  const repeated: AttributeProto[] = [];
  for (const [i, proto] of protos.entries()) {
    const name = proto.name ?? '';
    const where = `${path}[${i}]`;
    context.reading.name(name, `${where}.name`, proto);
    if (name === '') context.reading.add('E1303', 'the attribute has no name', { path: where, offset: proto[at] });
    if (into.has(name)) {
      context.reading.add('E1303', `the attribute ${context.reading.quoted(name)} occurs twice`, { path: where, offset: proto[at] });
      repeated.push(proto);
    } else into.set(name, readAttribute(proto, where, context));
  }
  return repeated;
}

function readAttribute(proto: AttributeProto, path: string, context: Context): Attribute {
  const kind = kindOf(proto, path, context.reading);
  if (proto.ref_attr_name) {
    const rest = restOf(proto, ownPlaces);
    return { kind: 'reference', value: proto.ref_attr_name, of: kind ?? 'undefined', meta: { doc: proto.doc_string, rest, at: proto[at] } };
  }
  const row = rows[kind ?? 'int'] as Row<Kind>;
  const value = kind && row.read(proto, `${path}.${row.field}`, context);
  let rest = restOf(proto, kind && value !== undefined ? placesOf.get(kind)! : ownPlaces);
  // A value that the file leaves out, and a type that it does not say, stay so.
  if (value === undefined || proto[row.field] === undefined) rest = { ...rest, [row.field]: proto[row.field] };
  if (proto.type === undefined || kind === undefined) rest = { ...rest, type: proto.type };
  const name = kind === 'tensor' ? { name: proto.t?.name || undefined } : {};
  if (value === undefined && kind && proto[row.field] === undefined)
    context.reading.add('E1303', `the attribute is of type ${kind} and has no value of it`, { path, offset: proto[at] });
  // The cast: the row was looked up by the kind.
  return { kind: kind ?? 'int', value: value ?? row.none(), ...name, meta: { doc: proto.doc_string, rest, at: proto[at] } } as Attribute;
}

/** The kind an attribute says, or the one its only payload shows. */
function kindOf(proto: AttributeProto, path: string, reading: Reading): Kind | undefined {
  const place = { path, offset: proto[at] };
  const present = payloads.filter(field => proto[field] !== undefined);
  if (present.length > 1) reading.add('E1303', `the attribute has ${present.length} values: ${present.join(', ')}`, place);
  if (present.length > 0 && proto.ref_attr_name) reading.add('E1303', `the attribute has a value and refers to another`, place);
  const kind = kindOfCode.get(proto.type ?? 0);
  if (kind) {
    if (present.length === 1 && present[0] !== rows[kind].field)
      reading.add('E1303', `the attribute is of type ${kind}, its value is in ${present[0]}`, place);
    return kind;
  }
  reading.add('E1303', proto.type ? `the attribute type ${proto.type} does not exist` : 'the attribute has no type', place);
  return kinds.find(k => rows[k].field === present[0]);
}

/** The messages of attributes, in order. */
export function writeAttributes(attributes: Attributes, graph: WriteGraph): AttributeProto[] {
  return [...attributes].map(([name, attribute]) => writeAttribute(name, attribute, graph));
}

function writeAttribute(name: string, attribute: Attribute, graph: WriteGraph): AttributeProto {
  const { meta } = attribute;
  const own: AttributeProto = { name: name || undefined, doc_string: meta?.doc };
  if (attribute.kind === 'reference')
    return {
      ...own,
      ref_attr_name: attribute.value,
      type: rows[attribute.of as Kind]?.code,
      ...(meta?.rest as AttributeProto | undefined),
    };
  const row = rows[attribute.kind] as Row<Kind>;
  const payload = row.write(attribute.value, graph, attribute.kind === 'tensor' ? attribute.name : undefined);
  // What the file left out overrides: the rest of an attribute is as fixed as its value.
  return { ...own, type: row.code, ...payload, ...(meta?.rest as AttributeProto | undefined) };
}
