// A model with the weights that training gave it, in the form in which it is used.
import { Copy } from '../../edit/copy.ts';
import { allNodes, type Model } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { valuesOf } from '../../ops/attributes.ts';
import { newestSchema } from '../../ops/schema.ts';
import { retarget } from '../../opset/target.ts';
import { upgrade } from '../../opset/upgrade.ts';
import { type Pass, rewriteAll } from '../../passes/index.ts';
import type { TrainingSignature } from '../graphs.ts';

/** Operators of training as they are in use: nothing is dropped, and batch normalisation takes what it remembers. */
const inUse: Pass = {
  name: 'in-use',
  rules: {
    BatchNormalization({ inputs: [X, scale, B, input_mean, input_var], attributes }, b) {
      const { epsilon, momentum, training_mode } = valuesOf(attributes, newestSchema('', 'BatchNormalization')!) as Record<string, number>;
      if (!training_mode) return undefined;
      const x = { X: X!, scale: scale!, B: B!, input_mean: input_mean!, input_var: input_var! };
      return [b.BatchNormalization(x, { epsilon, momentum }).Y, input_mean, input_var];
    },
    Dropout: ({ inputs: [data, ratio, training] }, b) => (training ? [b.Dropout({ data: data!, ratio }).output, undefined] : undefined),
  },
};

const isInTraining = (model: Model): boolean =>
  [...allNodes(model.graph)].some(
    ({ op, domain, inputs, attributes }) =>
      domain === '' && ((op === 'BatchNormalization' && attributes.has('training_mode')) || (op === 'Dropout' && inputs[2] !== undefined)),
  );

/**
 * A copy of the model with trained weights. What the model has in the form of training becomes that of use; otherwise nothing but weights
 * changes.
 */
export function withTrained(model: Model, { parameters, buffers }: TrainingSignature, tensors: ReadonlyMap<string, Tensor>): Model {
  const replaced = new Map<Tensor, Tensor>([...parameters, ...buffers].map(({ name, initial }) => [initial, tensors.get(name)!]));
  const copy = new Copy({ tensor: tensor => replaced.get(tensor) ?? tensor }).model(model);
  if (!isInTraining(copy)) return copy;
  const newest = upgrade(copy);
  rewriteAll(newest.graph, [inUse]);
  if (model.meta.at !== undefined) retarget(newest, model);
  return newest;
}
