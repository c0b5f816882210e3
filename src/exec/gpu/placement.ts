// Which steps of a plan a device runs and which the host does, in an order with as few crossings between them as they allow.

import { isInteger } from '../../ir/types.ts';
import type { KernelKind } from '../../kernels/kernel.ts';
import type { Plan, Step } from '../plan.ts';

export interface Phase {
  readonly on: 'device' | 'host';
  /** From the first step to before the last. */
  readonly from: number;
  readonly to: number;
  /** Buffers that must come over from the other side first. */
  readonly fetched: readonly number[];
}

export interface Placement {
  /** The plan with its steps in the order of the phases. */
  readonly plan: Plan;
  readonly phases: readonly Phase[];
  /** Why the host runs a step; nothing where the device does. */
  readonly reasons: readonly (string | undefined)[];
  /** Where each output is in the end. */
  readonly outputsOn: readonly Phase['on'][];
}

/** Integers that sizes are made of: fewer than a dispatch is worth. */
const fewElements = 64;

/** @param lackOf what of a step the device cannot do */
export function placeSteps(plan: Plan, lackOf: (step: Step) => string | undefined): Placement {
  const onHost = new Set(plan.buffers.flatMap((b, i) => (b.role === 'input' || b.role === 'constant' ? [i] : [])));
  const reasons = plan.steps.map(step => {
    const reason = lackOf(step) ?? (isSmall(step, plan, onHost) ? 'a few integers' : undefined);
    for (const v of step.outputs)
      if (reason) onHost.add(v.buffer);
      else onHost.delete(v.buffer);
    return reason;
  });
  const levels = levelsOf(plan.steps, reasons);
  const order = [...plan.steps.keys()].sort((a, b) => levels[a]! - levels[b]! || a - b);
  const steps = order.map(i => plan.steps[i]!);
  const ordered = { ...plan, steps };
  const sides = new Sides(plan);
  const phases: Phase[] = [];
  for (let from = 0; from < steps.length; ) {
    const level = levels[order[from]!]!;
    let to = from;
    while (to < steps.length && levels[order[to]!] === level) to++;
    const on = isHostLevel(level) ? 'host' : 'device';
    phases.push({ on, from, to, fetched: sides.run(steps.slice(from, to), on) });
    from = to;
  }
  return { plan: ordered, phases, reasons: order.map(i => reasons[i]), outputsOn: plan.outputs.map(p => sides.sideOf(p.view.buffer)) };
}

const moving: ReadonlySet<KernelKind> = new Set(['map', 'copy', 'fill', 'values', 'reduce', 'gather']);

/** A few integers that follow from what the host has. */
function isSmall(step: Step, plan: Plan, onHost: ReadonlySet<number>): boolean {
  if (!moving.has(step.kernel.kind)) return false;
  const views = [...step.inputs, ...step.outputs];
  return (
    views.every(v => {
      const size = v && plan.buffers[v.buffer]!.size;
      return !v || ((isInteger(v.type) || v.type === 'bool') && typeof size === 'number' && size <= fewElements);
    }) && step.inputs.every(v => !v || onHost.has(v.buffer))
  );
}

const isHostLevel = (level: number): boolean => level % 2 === 0;

/** A step comes after what it depends on: even levels are the host's, odd ones the device's. */
function levelsOf(steps: readonly Step[], reasons: readonly (string | undefined)[]): number[] {
  const written = new Map<number, number>();
  const read = new Map<number, number>();
  return steps.map((step, i) => {
    let level = 0;
    for (const v of step.inputs) if (v) level = Math.max(level, written.get(v.buffer) ?? 0);
    for (const v of step.outputs) level = Math.max(level, written.get(v.buffer) ?? 0, read.get(v.buffer) ?? 0);
    if (isHostLevel(level) !== (reasons[i] !== undefined)) level++;
    for (const v of step.inputs) if (v) read.set(v.buffer, Math.max(level, read.get(v.buffer) ?? 0));
    for (const v of step.outputs) written.set(v.buffer, level);
    return level;
  });
}

/** On which sides each buffer is as it was last written. */
class Sides {
  readonly #valid: Map<number, Set<Phase['on']>>;

  constructor(plan: Plan) {
    this.#valid = new Map(
      plan.buffers.flatMap((b, i) =>
        b.role === 'input' ? [[i, new Set(['host'] as const)]] : b.role === 'constant' ? [[i, new Set(['host', 'device'] as const)]] : [],
      ),
    );
  }

  /** The buffers that come over first. */
  run(steps: readonly Step[], on: Phase['on']): number[] {
    const fetched: number[] = [];
    for (const step of steps) {
      for (const v of [...step.inputs, ...step.outputs]) {
        const valid = v && this.#valid.get(v.buffer);
        if (!valid || valid.has(on)) continue;
        valid.add(on);
        fetched.push(v.buffer);
      }
      for (const v of step.outputs) this.#valid.set(v.buffer, new Set([on]));
    }
    return fetched;
  }

  sideOf(buffer: number): Phase['on'] {
    return this.#valid.get(buffer)?.has('host') === false ? 'device' : 'host';
  }
}

/** Buffers that steps of one side touch. */
export const touchedBy = ({ plan, phases }: Placement, on: Phase['on']): ReadonlySet<number> =>
  new Set(
    phases
      .filter(p => p.on === on)
      .flatMap(p => plan.steps.slice(p.from, p.to))
      .flatMap(s => [...s.inputs, ...s.outputs].flatMap(v => (v ? [v.buffer] : []))),
  );
