// Maps that follow a product: a backend may run them on each part of it, while that part is in a cache.
import { sameDim, sameShape } from '../ir/dims.ts';
import type { View } from '../kernels/kernel.ts';
import { withOnesOf, withoutOnes } from '../kernels/views.ts';
import type { Plan, Step } from './plan.ts';

/**
 * Mark each map that is the only one to read a product, at the very positions that it writes, and move the product before it. What lies
 * between them depends on neither.
 */
export function joinFollowing(plan: Plan): Plan {
  const readers = new Map<number, Set<Step>>();
  for (const step of plan.steps)
    for (const v of step.inputs) if (v) readers.set(v.buffer, (readers.get(v.buffer) ?? new Set<Step>()).add(step));
  const steps: Step[] = [];
  for (const step of plan.steps) {
    const at = step.kernel.kind === 'map' ? lastProduct(steps, step, plan, readers) : -1;
    const product = steps[at];
    if (!product) {
      steps.push(step);
      continue;
    }
    steps.splice(at, 1);
    const made = product.outputs[0]!;
    const inputs = step.inputs.map(v => v && (v.buffer === made.buffer ? made : withOnesOf(v, made.shape)));
    steps.push(product, { ...step, inputs, outputs: step.outputs.map(v => withOnesOf(v, made.shape)), joins: true });
  }
  return { ...plan, steps };
}

export const withoutJoin = ({ joins: _, ...step }: Step): Step => step;

/** Where the latest product is that the map may join; -1 for none. */
function lastProduct(steps: readonly Step[], map: Step, plan: Plan, readers: ReadonlyMap<number, ReadonlySet<Step>>): number {
  for (let at = steps.length - 1; at >= 0; at--) {
    const step = steps[at]!;
    const made = step.outputs[0]!;
    if (!map.inputs.some(v => v?.buffer === made.buffer)) continue;
    const isProduct = step.kernel.kind === 'matmul' || step.kernel.kind === 'conv';
    const isAlone = readers.get(made.buffer)?.size === 1 && plan.buffers[made.buffer]!.role === 'temporary';
    const isInStep =
      sameShape(withoutOnes(map.outputs[0]!.shape), withoutOnes(made.shape)) &&
      map.inputs.every(v => v?.buffer !== made.buffer || sameView(withOnesOf(v, made.shape), withOnesOf(made, made.shape)));
    if (isProduct && isAlone && isInStep && !steps[at + 1]?.joins && canMove(steps, at)) return at;
  }
  return -1;
}

/** Whether a step may run after all others: none of them writes over what it reads. */
const canMove = (steps: readonly Step[], at: number): boolean => {
  const read = new Set(steps[at]!.inputs.map(v => v?.buffer));
  return !steps.slice(at + 1).some(s => s.outputs.some(v => read.has(v.buffer)));
};

const sameView = (a: View, b: View): boolean =>
  sameDim(a.offset, b.offset) && sameShape(a.shape, b.shape) && a.strides.every((s, axis) => sameDim(s, b.strides[axis]!));
