// Steps of a plan that depend on constants alone are run once, when the plan is compiled: weights that a graph brings into another order.
import { SymbolicDim } from '../ir/dims.ts';
import type { Tensor } from '../ir/tensor.ts';
import { byteLength } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import type { Backend } from './backend.ts';
import { withoutJoin } from './joins.ts';
import { type BufferFacts, fuseMaps, type Plan, type Step, withoutUnread } from './plan.ts';
import { inlineScalars } from './scalars.ts';

/** Results may take so many bytes more than the constants that they come from: weights that a graph unpacks stay packed. */
const mostGrowth = 2 ** 16;

/** The same plan with the results of such steps as constants, where these take no more memory than what they are made of. */
export async function precompute(plan: Plan, backend: Backend): Promise<Plan> {
  const steps = constantSteps(plan);
  if (steps.size === 0) return plan;
  const made = new Set([...steps].flatMap(s => s.outputs.map(y => y.buffer)));
  const read = new Set(plan.steps.flatMap(s => (steps.has(s) ? [] : s.inputs.flatMap(v => (v && made.has(v.buffer) ? [v.buffer] : [])))));
  const chosen = worthIt(plan, steps, read);
  if (chosen.outputs.length === 0) return plan;
  const tensors = await runEarly(plan, chosen.steps, chosen.outputs, backend);
  // Constants of their own: what makes the buffers stays where something else that it makes is read.
  const constants = new Map(chosen.outputs.map((buffer, i) => [buffer, plan.buffers.length + i]));
  const buffers = chosen.outputs.map((buffer, i): BufferFacts => ({ ...plan.buffers[buffer]!, role: 'constant', tensor: tensors[i]! }));
  const placed = (v: View | undefined): View | undefined => v && { ...v, buffer: constants.get(v.buffer) ?? v.buffer };
  // A map whose product is a constant now joins nothing.
  const isDone = (s: Step | undefined): boolean => s?.outputs.some(y => constants.has(y.buffer)) ?? false;
  const left = plan.steps.map((s, at) => ({
    ...(s.joins && isDone(plan.steps[at - 1]) ? withoutJoin(s) : s),
    inputs: s.inputs.map(placed),
  }));
  return withoutUnread({ ...plan, buffers: [...plan.buffers, ...buffers], steps: left });
}

/** Of what others read: the buffers that pay, each byte of a constant counted once, and the steps that make them. */
function worthIt(plan: Plan, constant: ReadonlySet<Step>, read: ReadonlySet<number>) {
  const writers = new Map<number, Step[]>();
  for (const s of constant) for (const y of s.outputs) writers.set(y.buffer, [...(writers.get(y.buffer) ?? []), s]);
  const steps = new Set<Step>();
  /** Bytes of constants that no result was set off against. */
  const left = new Map<number, number>();
  let growth = mostGrowth;
  const outputs = [...read].filter(buffer => {
    const own = makersOf(buffer, writers);
    const from = [...constantsOf(plan, own)];
    const leftOf = (c: number): number => left.get(c) ?? bytesOf(plan, [c]);
    let more = bytesOf(plan, [buffer]);
    if (from.reduce((n, c) => n - leftOf(c), more) > growth) return false;
    for (const c of from) {
      const taken = Math.min(more, leftOf(c));
      left.set(c, leftOf(c) - taken);
      more -= taken;
    }
    growth -= more;
    for (const s of own) steps.add(s);
    return true;
  });
  return { outputs, steps };
}

/** The steps that a buffer follows from. */
function makersOf(buffer: number, writers: ReadonlyMap<number, readonly Step[]>): ReadonlySet<Step> {
  const found = new Set<Step>();
  const open = [buffer];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const s of writers.get(at) ?? []) {
      if (found.has(s)) continue;
      found.add(s);
      open.push(...s.inputs.flatMap(v => (v ? [v.buffer] : [])));
    }
  return found;
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

const bytesOf = (plan: Plan, buffers: Iterable<number>): number =>
  [...buffers].reduce((n, b) => n + byteLength(plan.buffers[b]!.type, plan.buffers[b]!.size as number), 0);
