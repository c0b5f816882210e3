// ATen overloads: linalg.
import type { AtenRows } from './row.ts';

export const linalg: AtenRows = {};
