// The messages of ONNX over the wire writer: field numbers of onnx.proto, and a small sound model whose parts can be replaced.
import { float, int, join, mark, msg, none, type Piece, text, varint } from './wire.ts';

type Name = string | Iterable<number>;

/** A dimension: a size, a name, or a message. */
type Size = number | bigint | string | Piece;

const dimension = (size: Size): Piece =>
  typeof size === 'object' ? size : msg(1, typeof size === 'string' ? text(2, size) : int(1, size));
export const shape = (dims: readonly Size[]): Piece => msg(2, ...dims.map(dimension));
export const tensorType = (element: number, dims?: readonly Size[]): Piece => msg(1, int(1, element), dims ? shape(dims) : none);

interface Value {
  /** Of `ValueInfoProto`; a float32[2,3] unless it is said. */
  readonly type?: Piece;
  /** A mark for the place that findings on the value name. */
  readonly at?: string;
}
const value = (field: number, name: Name | undefined, { type = msg(2, tensorType(1, [2, 3])), at }: Value = {}): Piece =>
  msg(field, at === undefined ? none : mark(at), name === undefined ? none : text(1, name), type);
export const input = (name?: Name, options?: Value): Piece => value(11, name, options);
export const output = (name?: Name, options?: Value): Piece => value(12, name, options);
export const valueInfo = (name?: Name, options?: Value): Piece => value(13, name, options);
/** The type of a value whose first size is a message. */
export const msgType = (element: number, first: Piece, ...rest: readonly Size[]): Value => ({
  type: msg(2, tensorType(element, [first, ...rest])),
});
/** The type of a value: element type and sizes. */
export const typed = (element: number, dims?: readonly Size[]): Value => ({ type: msg(2, tensorType(element, dims)) });

interface NodeParts {
  readonly at?: string;
  readonly name?: Name;
  readonly domain?: string;
  readonly overload?: string;
  readonly more?: Piece;
}
export const node = (op: Name, inputs: readonly Name[], outputs: readonly Name[], parts: NodeParts = {}): Piece =>
  msg(1, nodeFields(op, inputs, outputs, parts));
export const nodeFields = (op: Name, inputs: readonly Name[], outputs: readonly Name[], parts: NodeParts = {}): Piece =>
  join(
    parts.at === undefined ? none : mark(parts.at),
    ...inputs.map(name => text(1, name)),
    ...outputs.map(name => text(2, name)),
    parts.name === undefined ? none : text(3, parts.name),
    text(4, op),
    parts.domain === undefined ? none : text(7, parts.domain),
    parts.overload === undefined ? none : text(8, parts.overload),
    parts.more ?? none,
  );

/** An attribute of a node: its type's number and its fields. */
export const attribute = (name: Name | undefined, type: number | undefined, ...fields: readonly Piece[]): Piece =>
  msg(5, ...marked(fields), name === undefined ? none : text(1, name), ...unmarked(fields), typeField(type));
const typeField = (type: number | undefined): Piece => (type === undefined ? none : int(20, type));
/** Marks come first, so that they name the start of the message. */
const marked = (fields: readonly Piece[]): readonly Piece[] => fields.filter(f => f.bytes.length === 0);
const unmarked = (fields: readonly Piece[]): readonly Piece[] => fields.filter(f => f.bytes.length > 0);

export const intAttribute = (name: Name, i: number | bigint, ...more: readonly Piece[]): Piece => attribute(name, 2, int(3, i), ...more);
export const intsAttribute = (name: Name, ...values: readonly (number | bigint)[]): Piece =>
  attribute(name, 7, ...values.map(v => int(8, v)));
export const floatAttribute = (name: Name, f: number): Piece => attribute(name, 1, float(2, f));
export const stringAttribute = (name: Name, s: Name): Piece => attribute(name, 3, text(4, s));
export const tensorAttribute = (name: Name, ...tensor: readonly Piece[]): Piece => attribute(name, 4, msg(5, ...tensor));
export const graphAttribute = (name: Name, ...fields: readonly Piece[]): Piece => attribute(name, 5, msg(6, ...fields));
export const reference = (name: Name, to: Name, type: number, ...more: readonly Piece[]): Piece =>
  attribute(name, type, text(21, to), ...more);

/** The fields of a tensor: sizes, type, and whatever holds the data. */
export const tensorFields = (
  name: Name | undefined,
  type: number | undefined,
  dims: readonly (number | bigint)[],
  ...data: Piece[]
): Piece =>
  join(
    ...marked(data),
    ...dims.map(d => int(1, d)),
    type === undefined ? none : int(2, type),
    ...unmarked(data),
    name === undefined ? none : text(8, name),
  );
export const initializer = (
  name: Name | undefined,
  type: number | undefined,
  dims: readonly (number | bigint)[],
  ...data: Piece[]
): Piece => msg(5, tensorFields(name, type, dims, ...data));
/** `raw_data`. */
export const rawData = (bytes: Iterable<number>): Piece => text(9, bytes);
export const zeros = (count: number): Piece => rawData(new Uint8Array(count));
export const floatBytes = (...values: readonly number[]): Piece => rawData(new Uint8Array(Float32Array.from(values).buffer));
export const int64Data = (...values: readonly (number | bigint)[]): Piece => msg(7, ...values.map(varint));

/** A sparse initializer: values, indices and dense sizes. */
export const sparse = (values: Piece, indices: Piece, dims: readonly number[], at = 'sparse'): Piece =>
  msg(15, mark(at), msg(1, values), msg(2, indices), ...dims.map(d => int(3, d)));

export const entry = (field: number, key: Name, value: Name, at?: string): Piece =>
  msg(field, at === undefined ? none : mark(at), text(1, key), text(2, value));
/** An entry of `external_data`. */
export const external = (key: Name, value: Name, at?: string): Piece => entry(13, key, value, at);
/** `data_location` is external. */
export const isExternal: Piece = int(14, 1);

export const opset = (version: number | bigint | undefined, domain?: Name, at = 'opset'): Piece =>
  msg(8, mark(at), domain === undefined ? none : text(1, domain), version === undefined ? none : int(2, version));

interface FunctionParts {
  readonly domain?: string;
  readonly opsets?: Piece;
  readonly more?: Piece;
  readonly at?: string;
}
/** Import of a function. */
export const functionOpset = (version: number, domain?: string): Piece =>
  msg(9, domain === undefined ? none : text(1, domain), int(2, version));
export const fn = (
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  nodes: readonly Piece[],
  parts: FunctionParts = {},
): Piece =>
  msg(
    25,
    parts.at === undefined ? none : mark(parts.at),
    text(1, name),
    ...inputs.map(i => text(4, i)),
    ...outputs.map(o => text(5, o)),
    ...nodes.map(fields => msg(7, fields)),
    parts.opsets ?? join(functionOpset(21), functionOpset(1, 'local')),
    text(10, parts.domain ?? 'local'),
    parts.more ?? none,
  );

export interface GraphParts {
  readonly name?: Piece;
  readonly nodes?: Piece;
  readonly initializers?: Piece;
  readonly inputs?: Piece;
  readonly outputs?: Piece;
  readonly more?: Piece;
}
/** The fields of a graph: y = Relu(x) on float32[2,3] but for the parts that are given. */
export const graphFields = ({ name, nodes, initializers, inputs, outputs, more }: GraphParts = {}): Piece =>
  join(
    mark('graph'),
    nodes ?? node('Relu', ['x'], ['y'], { at: 'node' }),
    name ?? text(2, 'g'),
    initializers ?? none,
    inputs ?? input('x', { at: 'x' }),
    outputs ?? output('y', { at: 'y' }),
    more ?? none,
  );

export interface ModelParts extends GraphParts {
  readonly ir?: Piece;
  /** Before the graph, so that what is appended to the file follows the graph. */
  readonly opsets?: Piece;
  readonly graph?: Piece;
  readonly functions?: Piece;
  readonly after?: Piece;
}
export const model = ({ ir, opsets, graph, functions, after, ...parts }: ModelParts = {}): Piece =>
  join(ir ?? int(1, 10), opsets ?? opset(21), graph ?? msg(7, graphFields(parts)), functions ?? none, after ?? none);

/** A nested graph without inputs that makes `out` by one node. */
export const branch = (out: string, nodes: Piece, more: Piece = none): Piece => join(nodes, text(2, 'b'), output(out), more);
/** An If over two nested graphs. */
export const iff = (condition: string, out: string, then: Piece, otherwise: Piece, at?: string): Piece =>
  node('If', [condition], [out], {
    ...(at !== undefined && { at }),
    more: join(graphAttribute('then_branch', then), graphAttribute('else_branch', otherwise)),
  });
/** A boolean input. */
export const condition = (name = 'c'): Piece => input(name, typed(9, []));
