// What a backend lacks for a plan, said at once for all its steps.
import { fail } from '../errors.ts';
import type { KernelKind } from '../kernels/kernel.ts';
import type { Plan, Step } from './plan.ts';

/** What of a step the backend cannot run, such as `conv on float16`; undefined where it can. */
export type Lack = (step: Step, plan: Plan) => string | undefined;

/** @throws ModelError E3008 with everything the backend lacks */
export function refuseLacking(backend: string, plan: Plan, lack: Lack): void {
  const found = new Map<string, string>();
  for (const step of plan.steps) {
    const what = lack(step, plan);
    if (what !== undefined && !found.has(what)) found.set(what, step.label);
  }
  if (found.size === 0) return;
  const list = [...found].map(([what, label]) => `${what} (${label})`).join(', ');
  throw fail('E3008', `backend ${backend} lacks ${list}`);
}

/** `kind on types`, for a lack of element types. */
export const onTypes = (kind: KernelKind, step: Step): string => {
  const types = new Set([...step.inputs, ...step.outputs].flatMap(v => (v ? [v.type] : [])));
  return `${kind} on ${[...types].join(' and ')}`;
};
