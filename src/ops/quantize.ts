// Quantised operators.
import type { Family } from './row.ts';

export const quantized = {} satisfies Family;
