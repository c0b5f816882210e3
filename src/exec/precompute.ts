// Steps of a plan that depend on constants alone are run once, when the plan is compiled: weights that a graph brings into another order.
import { SymbolicDim } from '../ir/dims.ts';
import type { Tensor } from '../ir/tensor.ts';
import { byteLength } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import type { Backend } from './backend.ts';
import { withoutJoin } from './joins.ts';
import { type BufferFacts, fuseMaps, type Plan, type Step } from './plan.ts';
import { inlineScalars } from './scalars.ts';

/** Results may take so many bytes more than the constants that they come from: weights that a graph unpacks stay packed. */
const mostGrowth = 2 ** 16;

/** The same plan with the results of such steps as constants, where these take no more memory than what they are made of. */
export async function precompute(plan: Plan, backend: Backend): Promise<Plan> {
  const steps = constantSteps(plan);
  if (steps.size === 0) return plan;
  const made = new Set([...steps].flatMap(s => s.outputs.map(y => y.buffer)));
  const read = new Set(
    plan.steps.filter(s => !steps.has(s)).flatMap(s => s.inputs.flatMap(v => (v && made.has(v.buffer) ? [v.buffer] : []))),
  );
  if (read.size === 0 || bytesOf(plan, read) > bytesOf(plan, constantsOf(plan, steps)) + mostGrowth) return plan;
  const outputs = [...read];
  const tensors = await runEarly(plan, steps, outputs, backend);
  const content = new Map(outputs.map((buffer, i) => [buffer, tensors[i]!]));
  const buffers = plan.buffers.map((b, i): BufferFacts => (content.has(i) ? { ...b, role: 'constant', tensor: content.get(i)! } : b));
  // A map whose product is a constant now joins nothing.
  const left = plan.steps.flatMap((s, at) => (steps.has(s) ? [] : [s.joins && steps.has(plan.steps[at - 1]!) ? withoutJoin(s) : s]));
  return withoutUnused({ ...plan, buffers, steps: left });
}

/** What such steps make of some buffers, each as a whole. */
export async function runEarly(
  plan: Plan,
  steps: ReadonlySet<Step>,
  outputs: readonly number[],
  backend: Backend,
): Promise<readonly Tensor[]> {
  const read = new Set(outputs);
  const used = new Set([...steps].flatMap(s => [...s.inputs, ...s.outputs].map(v => v?.buffer)));
  const early = fuseMaps(
    inlineScalars({
      inputs: [],
      // Whole buffers: how they are read is the matter of each view.
      outputs: outputs.map(buffer => ({
        name: String(buffer),
        view: { buffer, type: plan.buffers[buffer]!.type, offset: 0, shape: [plan.buffers[buffer]!.size], strides: [1] },
      })),
      buffers: plan.buffers.map((b, i) =>
        read.has(i) ? { ...b, role: 'output' } : used.has(i) ? b : { type: b.type, role: 'temporary', size: 0 },
      ),
      steps: plan.steps.filter(s => steps.has(s)).map(withoutJoin),
      guards: [],
    }),
  );
  const executable = await backend.compile(early);
  const tensors = await (await executable.bind(new Map())).run([]);
  await executable.dispose();
  return tensors;
}

/** Constants that nothing reads any more are not kept. */
function withoutUnused(plan: Plan): Plan {
  const read = new Set(plan.steps.flatMap(s => s.inputs.map(v => v?.buffer)));
  const isUnused = (b: BufferFacts, i: number): boolean => b.role === 'constant' && !read.has(i);
  return { ...plan, buffers: plan.buffers.map((b, i) => (isUnused(b, i) ? { type: b.type, role: b.role, size: 0 } : b)) };
}

/** Steps with fixed sizes whose inputs are constants or made by such steps alone. */
export function constantSteps(plan: Plan): ReadonlySet<Step> {
  const known = new Set(plan.buffers.flatMap((b, i) => (b.role === 'constant' ? [i] : [])));
  /** Steps that write each buffer and have not been found. */
  const open = new Map<number, number>();
  for (const s of plan.steps) for (const y of s.outputs) open.set(y.buffer, (open.get(y.buffer) ?? 0) + 1);
  const found: Step[] = [];
  for (const s of plan.steps) {
    const isKnown = s.inputs.some(v => v) && s.inputs.every(v => !v || known.has(v.buffer));
    const isOwn = s.outputs.every(y => plan.buffers[y.buffer]!.role === 'temporary');
    if (!isKnown || !isOwn || !isFixed(s)) continue;
    found.push(s);
    for (const y of s.outputs) {
      open.set(y.buffer, open.get(y.buffer)! - 1);
      if (open.get(y.buffer) === 0) known.add(y.buffer);
    }
  }
  // What others write a part of is made in the run.
  return new Set(found.filter(s => s.outputs.every(y => known.has(y.buffer))));
}

/** Whether every size of a step is a number. */
function isFixed({ kernel, inputs, outputs }: Step): boolean {
  const isNumber = (d: unknown): boolean => !(d instanceof SymbolicDim);
  const isFixedView = (v: View | undefined): boolean => !v || (isNumber(v.offset) && [...v.shape, ...v.strides].every(isNumber));
  return (
    [...inputs, ...outputs].every(isFixedView) && Object.values(kernel).every(x => (Array.isArray(x) ? x.every(isNumber) : isNumber(x)))
  );
}

const constantsOf = (plan: Plan, steps: ReadonlySet<Step>): ReadonlySet<number> =>
  new Set([...steps].flatMap(s => s.inputs.flatMap(v => (v && plan.buffers[v.buffer]!.role === 'constant' ? [v.buffer] : []))));

const bytesOf = (plan: Plan, buffers: ReadonlySet<number>): number =>
  [...buffers].reduce((n, b) => n + byteLength(plan.buffers[b]!.type, plan.buffers[b]!.size as number), 0);
