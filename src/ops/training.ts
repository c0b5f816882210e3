// ai.onnx.preview.training: optimizer steps.
import type { OtherFamily } from './row.ts';

export const training: OtherFamily = {};
