// Operators whose output sizes depend on the data, and what sorts, evaluated on the host.
import type { Family } from './row.ts';

export const selections = {} satisfies Family;
