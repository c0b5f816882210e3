// ATen overloads: attention.
import type { AtenRows } from './row.ts';

export const attention: AtenRows = {};
