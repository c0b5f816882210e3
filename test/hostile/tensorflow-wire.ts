// The messages of TensorFlow over the wire writer: field numbers of proto/tensorflow.proto, and small sound models whose parts can be
// replaced.
import { float32, int, join, mark, msg, none, type Piece, text, varint } from './wire.ts';

/** An entry of a map from names. */
const entry = (field: number, key: string, ...value: readonly Piece[]): Piece => msg(field, text(1, key), msg(2, ...value));

const dims = (sizes: readonly (number | bigint)[]): Piece => join(...sizes.map(size => msg(2, int(1, size))));

/** Values of attributes. */
export const type = (element: number): Piece => int(6, element);
export const shape = (...sizes: readonly (number | bigint)[]): Piece => msg(7, dims(sizes));
export const string = (value: string): Piece => text(2, value);
export const integer = (value: number | bigint): Piece => int(3, value);
export const tensor = (...fields: readonly Piece[]): Piece => msg(8, ...fields);
export const func = (name: string, ...attributes: readonly Piece[]): Piece => msg(10, text(1, name), ...attributes);

/** An attribute of a node, or of a function that an attribute names. */
export const attribute = (name: string, ...value: readonly Piece[]): Piece => entry(5, name, ...value);
export const argument = (name: string, ...value: readonly Piece[]): Piece => entry(2, name, ...value);

interface NodeParts {
  readonly at?: string;
  readonly field?: number;
}
/** A node; the field is 3 in functions. */
export const node = (
  name: string,
  op: string,
  inputs: readonly string[] = [],
  attributes: readonly Piece[] = [],
  { at, field = 1 }: NodeParts = {},
): Piece => msg(field, at === undefined ? none : mark(at), text(1, name), text(2, op), ...inputs.map(i => text(3, i)), ...attributes);

const float = attribute('T', type(1));
export const placeholder = (name = 'x', ...sizes: readonly number[]): Piece =>
  node(name, 'Placeholder', [], [attribute('dtype', type(1)), attribute('shape', shape(...(sizes.length > 0 ? sizes : [2])))]);
export const unary = (name: string, input: string, op = 'Relu', parts: NodeParts = {}): Piece => node(name, op, [input], [float], parts);
export const binary = (name: string, first: string, second: string, parts: NodeParts = {}): Piece =>
  node(name, 'AddV2', [first, second], [float], parts);

/** A tensor: element type, sizes and the fields that hold elements. */
export const elements = (element: number, sizes: readonly (number | bigint)[], ...fields: readonly Piece[]): Piece =>
  join(int(1, element), msg(2, dims(sizes)), ...fields);
export const content = (bytes: Iterable<number>): Piece => text(4, bytes);
export const floats = (...values: readonly number[]): Piece => msg(5, ...values.map(float32));
export const packed = (field: number, ...values: readonly number[]): Piece => msg(field, ...values.map(varint));

export const constant = (value: Piece, parts: NodeParts = {}, name = 'k'): Piece =>
  node(name, 'Const', [], [attribute('dtype', type(1)), attribute('value', tensor(value))], parts);

/** A function of floats: its arguments, its results by name, and its nodes, which are of field 3. Its mark is `function` and its name. */
export const fn = (name: string, inputs: readonly string[], results: Readonly<Record<string, string>>, ...nodes: readonly Piece[]): Piece =>
  msg(
    1,
    mark(`function ${name}`),
    msg(
      1,
      text(1, name),
      ...inputs.map(i => msg(2, text(1, i), int(3, 1))),
      ...Object.keys(results).map(r => msg(3, text(1, r), int(3, 1))),
    ),
    ...nodes,
    ...Object.entries(results).map(([key, value]) => msg(4, text(1, key), text(2, value))),
  );
export const library = (...functions: readonly Piece[]): Piece => msg(2, ...functions);
/** A node that calls a function with one argument. */
export const call = (name: string, fn: string, input: string, parts: NodeParts = {}): Piece =>
  node(
    name,
    'PartitionedCall',
    [input],
    [attribute('Tin', msg(1, int(6, 1))), attribute('Tout', msg(1, int(6, 1))), attribute('f', func(fn))],
    parts,
  );

/** The tensor of a signature, by the name of its node. */
export const info = (name: string, size = 2, more: Piece = none): Piece => join(text(1, name), int(2, 1), msg(3, dims([size])), more);
export const signature = (
  inputs: Readonly<Record<string, Piece>> = { x: info('x:0') },
  outputs: Readonly<Record<string, Piece>> = { y: info('y:0') },
  name = 'serving_default',
): Piece =>
  entry(5, name, ...Object.entries(inputs).map(([k, v]) => entry(1, k, v)), ...Object.entries(outputs).map(([k, v]) => entry(2, k, v)));

/** A file of the folder `assets` whose path the node gives. */
export const asset = (filename: string, node = 'path'): Piece => msg(6, msg(1, text(1, `${node}:0`)), text(2, filename));

interface SavedParts {
  readonly nodes?: Piece;
  readonly tags?: readonly string[];
  readonly signatures?: Piece;
  /** Further fields of the graph with its tags. */
  readonly more?: Piece;
}
/** A graph with its tags: y = Relu(x). */
export const metaGraph = ({
  nodes = join(placeholder(), unary('y', 'x')),
  tags = ['serve'],
  signatures = signature(),
  more = none,
}: SavedParts = {}): Piece => msg(2, msg(1, ...tags.map(tag => text(4, tag))), msg(2, nodes), signatures, more);
export const savedModel = (...graphs: readonly Piece[]): Piece => join(int(1, 1), ...graphs);
