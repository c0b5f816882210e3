// Inputs and outputs of a graph model: those of its signature, with the names that users know.
import { isJsonArray, isJsonObject, type Json } from '../../codec/json.ts';
import { fail } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import { type Body, type Library, plainRef, type Ref } from '../tensorflow/body.ts';
import { endsOf, type GraphOptions } from '../tensorflow/graph-def.ts';
import type { SignatureDef, TensorInfo } from '../tensorflow/proto.gen.ts';
import type { Wanted } from '../tensorflow/translate.ts';
import { resourceType, sizesOf } from '../tensorflow/types.ts';

/** Inputs and outputs of a graph. */
export type Ends = Pick<Wanted, 'inputs' | 'outputs'>;
export const noEnds: Ends = { inputs: [], outputs: [] };

type Entries = NonNullable<SignatureDef['inputs']>;

/** Inputs that are no tensors are tables, which the initializer fills. The results of a function have numbers in the order that it gives them. */
export function endsOfSignature({ inputs = [], outputs = [] }: SignatureDef, keys: Json | undefined): Ends {
  const found = inOrder(outputs.map(end));
  const names = isJsonArray(keys) && keys.length === found.length ? keys : [];
  return {
    inputs: inputs
      .map(end)
      .filter(({ info }) => info.dtype !== resourceType)
      .map(({ name, ref, info }) => {
        const { dtype: type = 0, tensor_shape: shape = { unknown_rank: true } } = info;
        return { name, ref, type, sizes: sizesOf(shape) };
      })
      .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })),
    outputs: found.map(({ name, ref }, i) => ({ name: typeof names[i] === 'string' ? names[i] : name, ref })),
  };
}

/** The converter calls a tensor by its own name where several have the same type and shape. */
const end = ({ key = '', value = {} }: Entries[number]): { readonly name: string; readonly ref: Ref; readonly info: TensorInfo } => {
  const text = value.name || key;
  return { name: key === text ? key.replace(/:0$/, '') : key, ref: plainRef(text), info: value };
};

function inOrder<T extends { readonly ref: Ref }>(outputs: readonly T[]): readonly T[] {
  const place = ({ ref }: T): number => Number(/^Identity(?:_(\d+))?$/.exec(ref.node)?.[1] ?? 0);
  return outputs.every(({ ref }) => /^Identity(_\d+)?$/.test(ref.node)) ? outputs.toSorted((a, b) => place(a) - place(b)) : outputs;
}

/**
 * Ends that are asked for, else those of the signature, else what the graph shows by itself.
 * @throws ModelError E1104 for an output that is no node, and as `endsOf` does
 */
export function chosenEnds(said: Ends, { inputs, outputs }: GraphOptions, body: Body, library: Library): Ends {
  for (const { name, ref } of said.outputs)
    if (!body.nodes.has(ref.node)) throw fail('E1104', `the signature's ${quoted(name)} is ${quoted(ref.node)}, which is no node`);
  const [hasInputs, hasOutputs] = [!inputs && said.inputs.length > 0, !outputs && said.outputs.length > 0];
  if (hasInputs && hasOutputs) return said;
  const found = endsOf(body, library, {
    inputs,
    outputs: hasOutputs ? said.outputs.map(({ ref }) => `${ref.node}:${ref.index}`) : outputs,
  });
  return { inputs: hasInputs ? said.inputs : found.inputs, outputs: hasOutputs ? said.outputs : found.outputs };
}

/** The numbers that a signature gives to resources, by the nodes that they are outputs of. */
export function resourceIds(signature: Json | undefined, side: 'inputs' | 'outputs'): Map<string, number> {
  const all = isJsonObject(signature) ? signature[side] : undefined;
  const ids = new Map<string, number>();
  for (const [key, info] of Object.entries(isJsonObject(all) ? all : {})) {
    if (!isJsonObject(info) || typeof info['resourceId'] !== 'number') continue;
    const name = info['name'];
    ids.set(plainRef(typeof name === 'string' && name !== '' ? name : key).node, info['resourceId']);
  }
  return ids;
}
