// Operations of keras.ops, which functional models record like layers.
import type { LayerRow } from '../layers/row.ts';
import { activationOperations } from './activation.ts';
import { arrangements } from './arrange.ts';
import { elementwise } from './elementwise.ts';
import { images } from './image.ts';
import { networks } from './network.ts';
import { orders } from './order.ts';
import { pairs } from './pairs.ts';
import { picking } from './pick.ts';
import { products } from './products.ts';
import { rearrangements } from './rearrange.ts';
import { reductions } from './reduce.ts';
import { scatters } from './scatter.ts';
import { shapeOperations } from './shape.ts';
import { transforms } from './transform.ts';
import { warps } from './warp.ts';

const families = [
  elementwise,
  pairs,
  reductions,
  shapeOperations,
  arrangements,
  orders,
  products,
  activationOperations,
  networks,
  images,
  picking,
  scatters,
  transforms,
  warps,
  rearrangements,
];
const rows = new Map<string, LayerRow>(families.flatMap(family => Object.entries(family)));

/** Names of classes that have a row. */
export const operationNames = (): string[] => [...rows.keys()].sort();
export const operationRow = (className: string): LayerRow | undefined => rows.get(className);
