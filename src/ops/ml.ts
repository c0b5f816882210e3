// ai.onnx.ml: classical models over tables, evaluated on the host.
import type { OtherFamily } from './row.ts';

export const ml: OtherFamily = {};
