// branches: an If whose condition is known becomes the branch that is taken.
import { contentsOf } from '../ops/shapes.ts';
import type { Rule } from './rewrite.ts';

const chosen: Rule = (node, b) => {
  const [condition] = node.inputs;
  const known = condition && contentsOf(condition)?.[0];
  if (typeof known !== 'number') return undefined;
  const branch = node.attributes.get(known ? 'then_branch' : 'else_branch');
  if (branch?.kind !== 'graph') return undefined;
  // The nodes themselves: nothing else holds them once the If is gone.
  b.nodes.push(...branch.value.nodes);
  return branch.value.outputs.map(o => o.value);
};

export const branches = { If: chosen } as const;
