// ATen overloads: create.
import type { AtenRows } from './row.ts';

export const create: AtenRows = {};
