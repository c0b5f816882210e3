// Operators that read at computed coordinates: resizing, grids, regions.
import type { Family } from './row.ts';

export const samplings = {} satisfies Family;
