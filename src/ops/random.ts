// Random operators, evaluated on the host by a counter-based generator.
import type { Family } from './row.ts';

export const randoms = {} satisfies Family;
