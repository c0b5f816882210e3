// fold: nodes over constants become constants. Parameters are left alone, so that new weights can be put in their place.

import { type Attributes, Value } from '../ir/graph.ts';
import { valuesOf } from '../ops/attributes.ts';
import { newBuilder } from '../ops/builder.ts';
import { constantTensor } from '../ops/constant.ts';
import { newestSchema } from '../ops/schema.ts';
import type { Pass, Rule } from './rewrite.ts';

/** Most elements of a constant that folding makes. */
const budget = 65536;

/** The value of a Constant of these attributes. @throws ModelError E1303 where it has none */
export const constantValue = (name: string, attributes: Attributes): Value =>
  new Value(name, undefined, { tensor: constantTensor(valuesOf(attributes, newestSchema('', 'Constant')!)) });

const constantNode: Rule = node => constantValue(node.outputs[0]!.name, node.attributes);

const foldAny: Rule = node => {
  if (node.domain !== '' || node.inputs.length === 0 || !node.inputs.every(v => v === undefined || v.tensor || v.contents))
    return undefined;
  const trial = newBuilder({ fold: { elements: budget, floats: true } });
  const made = trial.emit(node.op, node.inputs, node.attributes, { outputs: node.outputs.map(v => v?.name) });
  return trial.nodes.length === 0 ? made : undefined;
};

export const fold: Pass = { name: 'fold', rules: { Constant: constantNode, '*': foldAny } };
