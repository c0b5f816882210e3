// ATen overloads that read and write at positions.
import { advanced } from './advanced.ts';
import { embeddings } from './embedding.ts';
import { replace } from './replace.ts';
import type { AtenRows } from './row.ts';
import { scatters } from './scatter.ts';

export const indexing: AtenRows = { ...advanced, ...scatters, ...replace, ...embeddings };
