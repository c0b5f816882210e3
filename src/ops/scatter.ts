// Operators that write at computed positions.
import type { Family } from './row.ts';

export const scatters = {} satisfies Family;
