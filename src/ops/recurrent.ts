// Recurrent layers: bodies that scan over time.
import type { Family } from './row.ts';

export const recurrent = {} satisfies Family;
