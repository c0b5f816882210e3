// Types and shape contents of one node's outputs, from its row.
import { fail, ModelError } from '../errors.ts';
import { type Dim, isStatic, unknownDim } from '../ir/dims.ts';
import type { Node, Value } from '../ir/graph.ts';
import { isInteger, type ValueType } from '../ir/types.ts';
import { computeType } from '../kernels/storage.ts';
import { valuesOf } from './attributes.ts';
import { newBuilder } from './builder.ts';
import { rowOf } from './index.ts';
import type { OpName } from './names.gen.ts';
import { expressionOf, followContents, isKnownInput, named, storedType } from './plan-node.ts';
import { bodyOf, type CompositeRow, type Row } from './row.ts';
import type { OpSchema } from './schema.ts';
import { broadcastType, contentsOf, maxContents, typeOf } from './shapes.ts';
import { typeBySignature } from './signature.ts';

/**
 * Set the types of a node's outputs, and the contents of small integer ones. Without a row, where a type or content that decides
 * them is not known (E3009), or where a body does not say this form of the operator (E3004), they stay as they are, or get the
 * element type that the signature alone decides.
 */
export function inferNode(node: Node, schema: OpSchema | undefined): void {
  const row = schema && rowOf(node.op, node.domain);
  if (!row) return;
  try {
    const types = typesOf(row, schema, node);
    for (const type of types) requireSizes(node.op, type);
    node.outputs.forEach((v, i) => {
      if (v && types[i]) v.type = types[i];
    });
    inferContents(row, schema, node);
  } catch (error) {
    if (!(error instanceof ModelError && (error.code === 'E3009' || error.code === 'E3004'))) throw error;
    node.outputs.forEach((v, i) => {
      if (v && !v.type) v.type = typeBySignature(schema, node.inputs, i);
    });
  }
}

/** That no size is negative, to which an attribute or a content can come, and none of an axis that an input lacks. */
function requireSizes(op: string, type: ValueType | undefined): void {
  if (type?.kind !== 'tensor' || !type.shape) return;
  // The cast: rows take the rank that their operator asks for as given.
  if ((type.shape as readonly (Dim | undefined)[]).includes(undefined)) throw fail('E1305', `${op}: an input has too few axes`);
  const negative = type.shape.find(d => typeof d === 'number' && d < 0);
  if (negative !== undefined) throw fail('E1305', `${op}: a size comes to ${negative}`);
}

function typesOf(row: Row<OpName>, schema: OpSchema, node: Node): readonly (ValueType | undefined)[] {
  const at = valuesOf(node.attributes, schema);
  const x = named(schema, node.inputs) as never;
  if ('map' in row) {
    const inputs = node.inputs as readonly Value[];
    const elements = inputs.map(v => typeOf(v).element);
    if (row.inferOff && elements.some(type => !computeType(type))) return [row.inferOff(x)];
    return [broadcastType(storedType(expressionOf(row, elements, at).type, elements), inputs)];
  }
  if ('plan' in row || 'host' in row) return row.infer(x, at as never, node.outputs.length);
  if ('gap' in row) return row.infer?.(x, at as never, node.outputs.length) ?? [];
  return row.infer?.(x, at as never, node.outputs.length) ?? lowered(row, schema, node).map(v => v?.type);
}

/** The outputs of a composite's body, built where nobody keeps it. */
const lowered = (row: CompositeRow<OpName>, schema: OpSchema, node: Node): readonly (Value | undefined)[] =>
  lowerNode(row, schema, node, newBuilder()) ?? [];

/**
 * Build an operator's body with `b`; values of the node's outputs, in order; undefined where it has none. A body over float16 or bfloat16 is computed in
 * float32 between one Cast up and one Cast down.
 */
export function lowerNode(
  row: Row<OpName>,
  schema: OpSchema,
  node: Node,
  b: ReturnType<typeof newBuilder>,
): readonly (Value | undefined)[] | undefined {
  const body = bodyOf(row);
  if (!body) return undefined;
  const half = 'keepsHalves' in row ? undefined : halfOf(node);
  const inputs = node.inputs.map(v => (v && half && v.element === half ? b.Cast(v, 'float32') : v));
  const result = body(named(schema, inputs) as never, valuesOf(node.attributes, schema) as never, b) as unknown;
  const list = Array.isArray(result)
    ? result
    : isSingle(schema)
      ? [result]
      : schema.outputs.map(o => (result as Record<string, unknown>)[o.name]);
  return (list as (Value | undefined)[]).map(v => (v && half && v.element === 'float32' ? b.Cast(v, half) : v));
}

const halfOf = (node: Node) => node.inputs.find(v => v?.element === 'float16' || v?.element === 'bfloat16')?.element;
const isSingle = (schema: OpSchema): boolean => schema.outputs.length === 1;

function inferContents(row: Row<OpName>, schema: OpSchema, node: Node): void {
  if (!node.outputs.some(v => v?.element && (isInteger(v.element) || v.element === 'bool'))) return;
  if (('plan' in row || 'host' in row) && row.contents) {
    const contents = row.contents(named(schema, node.inputs) as never, valuesOf(node.attributes, schema) as never);
    node.outputs.forEach((v, i) => v && (v.contents = contents[i]));
    return;
  }
  const isOpen = (i: number): boolean => !isKnownInput(row, schema, i);
  const given = node.inputs.map(v => v && contentsOf(v));
  // What elements are moved beside known ones need not be known. Rows look at what they must know themselves.
  const isPartial = 'plan' in row && given.some((c, i) => c && isOpen(i));
  const inputs = given.map((c, i) => c ?? (isPartial && isOpen(i) && node.inputs[i] ? unknownContents(node.inputs[i]) : undefined));
  if (node.inputs.some((v, i) => v && !inputs[i] && isOpen(i))) return;
  followContents(row, schema, node, inputs).forEach((c, i) => {
    const v = node.outputs[i];
    if (v && c) v.contents = c;
  });
}

/** As many unknown elements as a small integer tensor has. */
function unknownContents({ type }: Value): readonly Dim[] | undefined {
  if (type?.kind !== 'tensor' || !isInteger(type.element) || !isStatic(type.shape)) return undefined;
  const count = type.shape.reduce((n, d) => n * d, 1);
  return count <= maxContents ? Array.from({ length: count }, unknownDim) : undefined;
}
