// The table of TensorFlow's operators: one row each, by families.
import type { TfRow, TfRows } from '../call.ts';
import { binary } from './binary.ts';
import { boxes } from './boxes.ts';
import { convolutions } from './convolution.ts';
import { elementwise } from './elementwise.ts';
import { fakeQuants } from './fake-quant.ts';
import { gatherRows } from './gather.ts';
import { images } from './image.ts';
import { layout } from './layout.ts';
import { matrices } from './matrices.ts';
import { norms } from './norm.ts';
import { parts } from './parts.ts';
import { pooling } from './pooling.ts';
import { products } from './products.ts';
import { quantizeAndDequantize } from './quantize-and-dequantize.ts';
import { reduce } from './reduce.ts';
import { resizes } from './resize.ts';
import { segmentRows } from './segments.ts';
import { shapeRows } from './shape.ts';
import { strings } from './strings.ts';

const families: readonly TfRows[] = [
  elementwise,
  binary,
  reduce,
  shapeRows,
  parts,
  gatherRows,
  products,
  convolutions,
  pooling,
  norms,
  layout,
  segmentRows,
  resizes,
  images,
  matrices,
  boxes,
  fakeQuants,
  quantizeAndDequantize,
  strings,
];

const rows = new Map(families.flatMap(family => Object.entries(family)));

/** The row of an operator; undefined where it has none. */
export const tfRow = (op: string): TfRow | undefined => rows.get(op);

export const tfRowNames = (): readonly string[] => [...rows.keys()];
