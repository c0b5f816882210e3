// ATen overloads: indexing.
import type { AtenRows } from './row.ts';

export const indexing: AtenRows = {};
