// Operations of keras.ops, which functional models record like layers.
import type { LayerRow } from '../layers/row.ts';
import { activationOperations } from './activation.ts';
import { elementwise } from './elementwise.ts';
import { picking } from './pick.ts';
import { shapeOperations } from './shape.ts';

const rows = new Map<string, LayerRow>([
  ...Object.entries(elementwise),
  ...Object.entries(shapeOperations),
  ...Object.entries(activationOperations),
  ...Object.entries(picking),
]);

/** Names of classes that have a row. */
export const operationNames = (): string[] => [...rows.keys()].sort();
export const operationRow = (className: string): LayerRow | undefined => rows.get(className);
