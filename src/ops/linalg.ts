// Linear algebra beyond products.
import type { Family } from './row.ts';

export const linear = {} satisfies Family;
