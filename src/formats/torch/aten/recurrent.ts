// ATen overloads: recurrent.
import type { AtenRows } from './row.ts';

export const recurrent: AtenRows = {};
