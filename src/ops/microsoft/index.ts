// com.microsoft: operators of ONNX Runtime that optimised and quantised files use.
import type { OtherFamily } from '../row.ts';

export const microsoft: OtherFamily = {};
