// com.microsoft: operators of ONNX Runtime that optimised and quantised files use.
import type { OtherFamily } from '../row.ts';
import { activations } from './activations.ts';
import { attention } from './attention.ts';
import { GroupQueryAttention } from './grouped.ts';
import { hosted } from './hosted.ts';
import { layout } from './layout.ts';
import { linear } from './linear.ts';
import { mixtures } from './moe.ts';
import { nbits } from './nbits.ts';
import { norms, simplified } from './norm.ts';
import { quantizedOperators } from './quantized.ts';
import { quantizedProducts } from './quantized-products.ts';
import { states } from './states.ts';
import { Tokenizer } from './tokens.ts';

export const microsoft: OtherFamily = {
  ...activations,
  ...attention,
  ...hosted,
  ...layout,
  ...linear,
  ...mixtures,
  ...nbits,
  ...norms,
  ...quantizedOperators,
  ...quantizedProducts,
  ...states,
  GroupQueryAttention,
  Tokenizer,
};

/** What ONNX Runtime's optimiser writes in the standard's own domain without being of the standard. */
export const strays: OtherFamily = { SimplifiedLayerNormalization: simplified };
