// Where the kernels of what a backend compiles run.
import type { Backend } from '../src/exec/backend.ts';

/** The same backend; where it divides plans between a device and the host, each step is told with the reason why the host has it. */
export function placing(of: Backend, note: (label: string, reason: string | undefined) => void): Backend {
  if (!of.placement) return of;
  return {
    ...of,
    async compile(plan) {
      const { plan: placed, reasons } = await of.placement!(plan);
      for (const [i, reason] of reasons.entries()) note(placed.steps[i]!.label, reason);
      return of.compile(plan);
    },
  };
}
