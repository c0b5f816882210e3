// Operators without a conversion, kept as nodes of a domain of their own.
import type { Attribute, Value } from '../../ir/graph.ts';
import { elementTypes, tensorType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { type BodyNode, lengthOf } from './body.ts';
import { unsupported } from './call.ts';
import type { ArgDef, OpDef } from './op-defs.ts';
import type { AttrValue } from './proto.gen.ts';
import { readTensor } from './tensors.ts';
import { elementIfAny, elementOf } from './types.ts';

export const customDomain = 'tensorflow';

/** A node for an operator: its inputs in order, its attributes as far as ONNX has them, element types as ONNX numbers them. */
export function customNode(node: BodyNode, inputs: readonly Value[], def: OpDef | undefined, b: Builder): readonly Value[] {
  if (!def) throw unsupported('no conversion, and its outputs are not known');
  const attributes = new Map<string, Attribute>();
  for (const [name, value] of node.attrs) {
    const made = name.startsWith('_') ? undefined : attributeOf(value);
    if (made) attributes.set(name, made);
  }
  const types = def.outputs.flatMap(arg => typesOf(arg, node));
  const made = b.emit(node.op, inputs, attributes, { domain: customDomain, outputs: types.map((_, i) => `${node.op}_${i}`) });
  return made.map((v, i) => {
    const type = elementIfAny(types[i]!);
    if (!type) throw unsupported('no conversion, and an output is no tensor');
    v!.type ??= tensorType(type);
    return v!;
  });
}

function typesOf(arg: ArgDef, node: BodyNode): number[] {
  if (arg.list !== undefined) return Array.from(node.attrs.get(arg.list)?.list?.type ?? []);
  const type = typeof arg.type === 'number' ? arg.type : (node.attrs.get(arg.type ?? '')?.type ?? 0);
  return new Array<number>(lengthOf(arg, node.attrs)).fill(type);
}

function attributeOf({ s, i, f, b, type, tensor, list }: AttrValue): Attribute | undefined {
  if (s instanceof Uint8Array) return { kind: 'string', value: new TextDecoder().decode(s) };
  if (i !== undefined) return { kind: 'int', value: i };
  if (f !== undefined) return { kind: 'float', value: f };
  if (b !== undefined) return { kind: 'int', value: b ? 1 : 0 };
  if (type !== undefined) return { kind: 'int', value: elementTypes[elementOf(type)].code };
  if (tensor) return { kind: 'tensor', value: readTensor(tensor) };
  if (list?.i) return { kind: 'ints', value: Array.from(list.i as ArrayLike<number | bigint>) };
  if (list?.f) return { kind: 'floats', value: Array.from(list.f) };
  return undefined;
}
