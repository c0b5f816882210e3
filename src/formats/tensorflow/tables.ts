// Lookup tables: what their initializers put into them is known, so that a lookup is a search among constants.
import type { StructureRow } from './step.ts';

export const tables: Readonly<Record<string, StructureRow>> = {};
