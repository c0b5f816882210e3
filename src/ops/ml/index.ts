// ai.onnx.ml: classical models over tables.
import type { OtherFamily } from '../row.ts';
import { features } from './features.ts';
import { labels } from './labels.ts';
import { linear } from './linear.ts';
import { maps } from './maps.ts';
import { svm } from './svm.ts';
import { trees } from './trees.ts';

export const ml: OtherFamily = { ...features, ...labels, ...linear, ...maps, ...svm, ...trees };
