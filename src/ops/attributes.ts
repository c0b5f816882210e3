// Attributes between their wire kinds and the plain values that rows read, by the schema's types.
import { fail } from '../errors.ts';
import { type Attribute, type Attributes, Graph, type Node } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { keyed } from './once.ts';
import type { AttrSchema, OpSchema } from './schema.ts';

/** What callers of a builder may give for an attribute. */
export type AttributeInput =
  | number
  | bigint
  | string
  | Tensor
  | Graph
  | readonly (number | bigint)[]
  | readonly string[]
  | Attribute
  | undefined;

/** Attributes as rows read them: plain values, with the standard's defaults filled in. */
export function valuesOf(attributes: Attributes, schema: OpSchema): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = Object.create(null);
  for (const [name, facts] of schema.attributes) {
    const given = attributes.get(name);
    const value = given ? plainValue(given, name, exactDomains.has(schema.domain)) : facts.default;
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** The same for a node, made once, so that rows may keep what they derive from it. */
export const attributesOf = (node: Node, schema: OpSchema): Readonly<Record<string, unknown>> => readBy(schema)(node);
const readBy = keyed((schema: OpSchema) => keyed((node: Node) => valuesOf(node.attributes, schema)));

/** Domains whose integers may be labels: any int64, so rows take `number | bigint`. */
const exactDomains: ReadonlySet<string> = new Set(['ai.onnx.ml']);

function plainValue(attribute: Attribute, name: string, exact: boolean): unknown {
  if (attribute.kind === 'reference') throw fail('E1303', `attribute ${name} refers to a function's attribute outside a function`);
  if (exact) return attribute.value;
  if (attribute.kind === 'int') return safe(attribute.value, name);
  if (attribute.kind === 'ints') return attribute.value.map(v => safe(v, name));
  return attribute.value;
}

function safe(value: number | bigint, name: string): number {
  if (typeof value === 'number') return value;
  throw fail('E1303', `attribute ${name}: the integer ${value} is beyond 2^53`);
}

/** Wire attributes from plain values, in the order of the schema; absent ones and those equal to a scalar default are left out. */
export function attributesFrom(given: Readonly<Record<string, AttributeInput>>, schema: OpSchema | undefined): Attributes {
  const made = new Map<string, Attribute>();
  for (const [name, value] of Object.entries(given)) {
    const facts = schema?.attributes.get(name);
    if (value === undefined || (facts && isDefault(value, facts))) continue;
    made.set(name, attributeFrom(value, facts));
  }
  return made;
}

const isDefault = (value: AttributeInput, facts: AttrSchema): boolean =>
  (typeof value === 'number' || typeof value === 'string') && value === facts.default;

function attributeFrom(value: Exclude<AttributeInput, undefined>, facts: AttrSchema | undefined): Attribute {
  const wanted = facts?.type;
  if (typeof value === 'number' || typeof value === 'bigint')
    return wanted === 'FLOAT' ? { kind: 'float', value: Number(value) } : { kind: 'int', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if (value instanceof Tensor) return { kind: 'tensor', value };
  if (value instanceof Graph) return { kind: 'graph', value };
  if (!Array.isArray(value)) return value as Attribute;
  if (wanted === 'FLOATS') return { kind: 'floats', value: value.map(Number) };
  if (wanted === 'STRINGS') return { kind: 'strings', value: value as readonly string[] };
  return { kind: 'ints', value: value as readonly (number | bigint)[] };
}
