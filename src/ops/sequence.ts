// Sequences and optionals, evaluated on the host.
import type { Family } from './row.ts';

export const sequences = {} satisfies Family;
