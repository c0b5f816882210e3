// Operators over strings, evaluated on the host.
import type { Family } from './row.ts';

export const strings = {} satisfies Family;
