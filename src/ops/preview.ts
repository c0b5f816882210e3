// ai.onnx.preview: operators that may still change.
import type { OtherFamily } from './row.ts';

export const preview: OtherFamily = {};
