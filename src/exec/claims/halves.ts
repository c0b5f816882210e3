// Weights in float16 or bfloat16 under a product in float32: they are read as they are.
import { through } from './draft.ts';
import type { Claim } from './index.ts';
import { matrixOf } from './weights.ts';

export const halves: Claim = async (step, draft) => {
  const [x, w, ...others] = step.inputs;
  const widened = w && step.outputs[0]!.type === 'float32' ? draft.operationOf(w) : undefined;
  const from = widened?.op === 'cast' ? widened.inputs[0] : undefined;
  if (!from || !draft.isConstant(from) || (from.type !== 'float16' && from.type !== 'bfloat16')) return undefined;
  if (step.kernel.kind !== 'matmul') return 'filters of halves';
  const weights = through(w!, widened!, from);
  if (!weights) return 'halves in another order';
  const matrix = matrixOf(weights);
  return typeof matrix === 'string' ? matrix : [{ ...step, inputs: [x, weights, ...others] }];
};
