// The passes by name.
import { fold } from './fold.ts';
import { bodyValues, lower, lowerWhere } from './lower.ts';
import type { Pass } from './rewrite.ts';
import { simplify } from './simplify.ts';

export const passes = { fold, simplify, lower } as const satisfies Record<string, Pass>;
export { fuse } from './fuse.ts';
export { isUnknown, ownOutputs, type Pass, type Rule, rewrite, rewriteAll, rewriteModel } from './rewrite.ts';
export { sequences } from './sequences.ts';
export { unroll, unrollWith } from './unroll.ts';
export { bodyValues, fold, lower, lowerWhere, simplify };
