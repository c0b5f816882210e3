// Products that a backend computes without making floats of their weights first. The plan that a graph becomes says how weights are decoded;
// each row here knows products by what feeds them, and puts in their place steps that read the weights as they are stored. It looks at
// maps before they are joined.
import type { Backend } from '../backend.ts';
import { type Plan, type Step, withoutUnread } from '../plan.ts';
import { Draft } from './draft.ts';
import { halves } from './halves.ts';
import { integers } from './integers.ts';
import { scaled } from './scaled.ts';

/** Steps for a product, why it stays, or nothing where it is none of the kind. */
export type Claim = (step: Step, draft: Draft) => Promise<readonly Step[] | string | undefined>;

/** The first that takes a product has it. */
const all: readonly Claim[] = [integers, halves, scaled];

/** The same plan with products claimed by those that a backend has; the others of these kinds say why they are not. */
export async function claimProducts(plan: Plan, backend: Backend, claims = all): Promise<Plan> {
  const draft = new Draft(plan, backend);
  const steps: Step[] = [];
  for (const step of plan.steps)
    steps.push(...(step.kernel.kind === 'matmul' || step.kernel.kind === 'conv' ? await claimed(step, draft, claims) : [step]));
  return withoutUnread({ ...plan, buffers: draft.buffers, steps });
}

async function claimed(step: Step, draft: Draft, claims: readonly Claim[]): Promise<readonly Step[]> {
  const reasons: string[] = [];
  for (const claim of claims) {
    const found = await claim(step, draft);
    if (typeof found === 'object') return found;
    if (found) reasons.push(found);
  }
  return [reasons.length > 0 ? { ...step, unclaimed: reasons.join('; ') } : step];
}
