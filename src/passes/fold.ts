// fold: nodes over constants become constants. Parameters are left alone, so that new weights can be put in their place.

import { Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { newBuilder } from '../ops/builder.ts';
import type { Pass, Rule } from './rewrite.ts';

/** Most elements of a constant that folding makes. */
const budget = 65536;

const constantNode: Rule = node => {
  const attribute = node.attributes.get('value');
  const tensor = attribute?.kind === 'tensor' ? attribute.value : scalarOf(node.attributes);
  if (!tensor) return undefined;
  return new Value(node.outputs[0]!.name, undefined, { tensor });
};

/** The other spellings of Constant: value_float, value_ints and so on. */
function scalarOf(attributes: ReadonlyMap<string, { kind: string; value: unknown }>): Tensor | undefined {
  const get = (name: string): unknown => attributes.get(name)?.value;
  if (get('value_float') !== undefined) return new Tensor('float32', [get('value_float') as number], []);
  if (get('value_int') !== undefined) return new Tensor('int64', [get('value_int') as number], []);
  if (get('value_floats') !== undefined) return new Tensor('float32', get('value_floats') as number[]);
  if (get('value_ints') !== undefined) return new Tensor('int64', get('value_ints') as number[]);
  if (get('value_string') !== undefined) return new Tensor('string', [get('value_string') as string], []);
  if (get('value_strings') !== undefined) return new Tensor('string', get('value_strings') as string[]);
  return undefined;
}

const foldAny: Rule = node => {
  if (node.domain !== '' || node.inputs.length === 0 || !node.inputs.every(v => v === undefined || v.tensor || v.contents))
    return undefined;
  const trial = newBuilder({ fold: { elements: budget, floats: true } });
  const made = trial.emit(node.op, node.inputs, node.attributes, { outputs: node.outputs.map(v => v?.name) });
  return trial.nodes.length === 0 ? made : undefined;
};

export const fold: Pass = { name: 'fold', rules: { Constant: constantNode, '*': foldAny } };
