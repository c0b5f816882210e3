// The file of a map: what became of nodes and weights, as JSON.
import { decodeBase64, encodeBase64 } from '../codec/base64.ts';
import { type Json, type JsonObject, parseJson, writeJson } from '../codec/json.ts';
import { fail, ModelError } from '../errors.ts';
import type { Attribute, Attributes } from '../ir/graph.ts';
import {
  type ConversionMap,
  type Expression,
  type FileFacts,
  type MappedNode,
  type MappedTensor,
  type MappedWeight,
  type Removal,
  removals,
} from '../ir/provenance.ts';
import { Tensor } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import { Cursor } from './torch/json.ts';

/** What the file says it is; grows where older readers would misunderstand it. */
const version = 1;

/** The text of a map. Content that is no text is in base64. */
export function printMap({ source, target, nodes, weights, tensors }: ConversionMap): string {
  const files = (side: ConversionMap['source']): Json => ({ format: side.format, files: side.files.map(f => ({ ...f })) });
  const map = {
    omnix_map: version,
    source: files(source),
    target: files(target),
    nodes: nodes.map(node => withReason({ ...node }, node.removed)),
    weights: weights.map(weight => withReason({ ...weight, targets: weight.targets.map(t => ({ ...t })) }, weight.removed)),
    tensors: tensors.map(t => ({ ...t, from: expressionJson(t.from) })),
  };
  return `${writeJson(map, { indent: 1 })}\n`;
}

function withReason(fields: Readonly<Record<string, unknown>>, removed: Removal | undefined): Json {
  const said = Object.entries({ ...fields, reason: removed && removals[removed] }).filter(([, value]) => value !== undefined);
  // The cast: fields of the map are plain data.
  return Object.fromEntries(said) as JsonObject;
}

function expressionJson(e: Expression): Json {
  if ('weight' in e) return { weight: e.weight };
  if ('constant' in e) return { constant: tensorJson(e.constant) };
  const { op, attributes, inputs, output, outputs } = e;
  return {
    op,
    ...(attributes.size > 0 && { attributes: Object.fromEntries([...attributes].map(([name, a]) => [name, attributeJson(a)])) }),
    inputs: inputs.map(input => (input ? expressionJson(input) : null)),
    ...(outputs > 1 && { output, outputs }),
  };
}

const tensorJson = (t: Tensor): Json => ({ type: t.type, dims: [...t.dims], data: [...encodeBase64(t.bytes())].join('') });

const attributeJson = (a: Attribute): Json => ({ [a.kind]: a.kind === 'tensor' ? tensorJson(a.value) : (a.value as Json) });

/**
 * The map in a file.
 * @throws ModelError E1002 for what is no map, E2002 for one of a version from the future, E1006 and E1101 with the path of what is wrong
 */
export function parseMap(bytes: Uint8Array, file: string): ConversionMap {
  try {
    const root = new Cursor(parseJson(bytes, { file, depth: 1000 }), 'map');
    const found = root.value && typeof root.value === 'object' ? root.find('omnix_map')?.value : undefined;
    if (found === undefined) throw fail('E1002', 'this is no map of a conversion');
    if (found !== version) throw fail('E2002', `omnix_map: expected ${version}, found ${JSON.stringify(found)}`, { path: 'omnix_map' });
    const list = <T>(key: string, read: (c: Cursor) => T): T[] => root.get(key).items.map(read);
    const side = (c: Cursor): ConversionMap['source'] => ({ format: c.get('format').text, files: c.get('files').items.map(fileFacts) });
    return {
      source: side(root.get('source')),
      target: side(root.get('target')),
      nodes: list('nodes', mappedNode),
      weights: list('weights', mappedWeight),
      tensors: list('tensors', mappedTensor),
    };
  } catch (error) {
    throw error instanceof ModelError ? error.within({ file }) : error;
  }
}

const fileFacts = (c: Cursor): FileFacts => ({ name: c.get('name').text, size: whole(c.get('size')), sha256: c.get('sha256').text });

const mappedNode = (c: Cursor): MappedNode => ({
  name: c.get('name').text,
  op: c.get('op').text,
  module: c.find('module')?.text,
  source: c.find('source')?.text,
  targets: c.get('targets').items.map(t => t.text),
  removed: removal(c.find('removed')),
  into: c.find('into')?.items.map(t => t.text),
});

const mappedWeight = (c: Cursor): MappedWeight => ({
  name: c.get('name').text,
  ...typeAndDims(c),
  targets: c.get('targets').items.map(t => ({ name: t.get('name').text, transform: t.get('transform').text })),
  removed: removal(c.find('removed')),
  same: c.find('same')?.text,
  fixed: c.find('fixed')?.text,
});

const mappedTensor = (c: Cursor): MappedTensor => ({
  name: c.get('name').text,
  ...typeAndDims(c),
  from: expression(c.get('from')),
});

function removal(c: Cursor | undefined): Removal | undefined {
  if (!c) return undefined;
  if (Object.hasOwn(removals, c.text)) return c.text as Removal;
  throw c.wrong(`one of ${Object.keys(removals).join(', ')}`);
}

function typeAndDims(c: Cursor): { readonly type: DataType; readonly dims: readonly number[] } {
  const type = c.get('type');
  if (!Object.hasOwn(elementTypes, type.text)) throw type.wrong('an element type');
  return { type: type.text as DataType, dims: c.get('dims').items.map(whole) };
}

function whole(c: Cursor): number {
  if (Number.isSafeInteger(c.number) && c.number >= 0) return c.number;
  throw c.wrong('a size');
}

function expression(c: Cursor): Expression {
  const [weight, constant] = [c.find('weight'), c.find('constant')];
  if (weight) return { weight: weight.text };
  if (constant) return { constant: tensor(constant) };
  const [output, outputs] = [c.find('output'), c.find('outputs')];
  return {
    op: c.get('op').text,
    attributes: attributes(c.find('attributes')),
    inputs: c.get('inputs').items.map(input => (input.isNull ? undefined : expression(input))),
    output: output ? whole(output) : 0,
    outputs: outputs ? whole(outputs) : 1,
  };
}

function tensor(c: Cursor): Tensor {
  const { type, dims } = typeAndDims(c);
  const data = c.get('data');
  const bytes = decodeBase64(data.text);
  if (!bytes) throw data.wrong('base64');
  try {
    return new Tensor(type, bytes, dims);
  } catch (error) {
    throw error instanceof ModelError ? error.within({ path: c.path }) : error;
  }
}

const attributes = (c: Cursor | undefined): Attributes => new Map(c?.keys.map(name => [name, attribute(c.get(name))]) ?? []);

/** How the value of each kind of attribute is read. */
const kinds: Readonly<Record<string, (c: Cursor) => Attribute>> = {
  int: c => ({ kind: 'int', value: integer(c) }),
  ints: c => ({ kind: 'ints', value: c.items.map(integer) }),
  float: c => ({ kind: 'float', value: float(c) }),
  floats: c => ({ kind: 'floats', value: c.items.map(float) }),
  string: c => ({ kind: 'string', value: c.text }),
  strings: c => ({ kind: 'strings', value: c.items.map(item => item.text) }),
  tensor: c => ({ kind: 'tensor', value: tensor(c) }),
};

function attribute(c: Cursor): Attribute {
  const { tag, of } = c.union();
  const read = Object.hasOwn(kinds, tag) ? kinds[tag] : undefined;
  if (!read) throw c.wrong(`a value of a kind among ${Object.keys(kinds).join(', ')}`);
  return read(of);
}

function integer(c: Cursor): number | bigint {
  if (typeof c.value === 'bigint' || Number.isSafeInteger(c.value)) return c.value as number | bigint;
  throw c.wrong('a whole number');
}

/** Infinities and NaN are texts. */
function float(c: Cursor): number {
  const value = typeof c.value === 'string' ? words.get(c.value) : c.number;
  if (value === undefined) throw c.wrong('a number');
  return value;
}
const words: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);
