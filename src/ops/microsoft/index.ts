// com.microsoft: operators of ONNX Runtime that optimised and quantised files use.
import type { OtherFamily } from '../row.ts';
import { activations } from './activations.ts';
import { attention } from './attention.ts';
import { GroupQueryAttention } from './grouped.ts';
import { linear } from './linear.ts';
import { norms, simplified } from './norm.ts';

export const microsoft: OtherFamily = {
  ...activations,
  ...attention,
  ...linear,
  ...norms,
  GroupQueryAttention,
};

/** What ONNX Runtime's optimiser writes in the standard's own domain without being of the standard. */
export const strays: OtherFamily = { SimplifiedLayerNormalization: simplified };
