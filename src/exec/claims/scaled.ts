// Weights of few bits under a product in float32: whole numbers stay as they are, and are decoded while they are multiplied.
import { Tensor } from '../../ir/tensor.ts';
import type { Claim } from './index.ts';
import { matrixOf, scaledWeights } from './weights.ts';

export const scaled: Claim = async (step, draft) => {
  const [a, b] = step.inputs;
  if (step.kernel.kind !== 'matmul' || step.outputs[0]!.type !== 'float32' || !b || !draft.isKnown(b) || draft.isConstant(b))
    return undefined;
  const matrix = matrixOf(b);
  if (typeof matrix === 'string') return matrix;
  const weights = await scaledWeights(matrix, draft);
  if (typeof weights === 'string') return weights;
  const { block, codes } = weights;
  if (block % 8 !== 0 && block < matrix.depth) return `a scale for ${block} steps, and blocks are multiples of 8`;
  const scales = draft.constant(new Tensor('float32', weights.scales, [weights.scales.length / matrix.columns, matrix.columns]));
  return [{ ...step, kernel: { kind: 'matmul', block }, inputs: [a, codes, scales] }];
};
