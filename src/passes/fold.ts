// fold: nodes over constants become constants. Parameters are left alone, so that new weights can be put in their place.

import { Value } from '../ir/graph.ts';
import { valuesOf } from '../ops/attributes.ts';
import { newBuilder } from '../ops/builder.ts';
import { constantTensor } from '../ops/constant.ts';
import { newestSchema } from '../ops/schema.ts';
import type { Pass, Rule } from './rewrite.ts';

/** Most elements of a constant that folding makes. */
const budget = 65536;

const constantNode: Rule = node => {
  const tensor = constantTensor(valuesOf(node.attributes, newestSchema('', 'Constant')!));
  return new Value(node.outputs[0]!.name, undefined, { tensor });
};

const foldAny: Rule = node => {
  if (node.domain !== '' || node.inputs.length === 0 || !node.inputs.every(v => v === undefined || v.tensor || v.contents))
    return undefined;
  const trial = newBuilder({ fold: { elements: budget, floats: true } });
  const made = trial.emit(node.op, node.inputs, node.attributes, { outputs: node.outputs.map(v => v?.name) });
  return trial.nodes.length === 0 ? made : undefined;
};

export const fold: Pass = { name: 'fold', rules: { Constant: constantNode, '*': foldAny } };
