// Losses as bodies over the core.
import type { Family } from './row.ts';

export const losses = {} satisfies Family;
