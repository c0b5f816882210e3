// What a device runs as one dispatch, or a few: each step by itself, and runs of steps that are fused. Which of them is taken is decided where it
// can be, and otherwise once sizes are bound.
import { memoryLength } from '../../kernels/memory.ts';
import type { BoundPlan, BoundStep } from '../bind.ts';
import { aloneStep, type Fused, fuseJoined, fuseProducts, fuseRows, fuseSteps } from '../gpu/fused.ts';
import { fitsAll, type Program, programOf } from '../gpu/kernels/index.ts';
import { type Placement, placeSteps } from '../gpu/placement.ts';
import type { Written } from '../gpu/writer.ts';
import type { BufferFacts, Plan, Step } from '../plan.ts';
import { groupRows, insideOf, type RowGroup } from '../rows.ts';
import type { Abilities } from './device.ts';
import type { Ways } from './ways.ts';

export interface Unit {
  readonly first: number;
  readonly fused: Fused;
  /** Its steps as one. */
  readonly step: Step;
  readonly program: Program;
  /** Buffers that only its steps see. */
  readonly inside: ReadonlySet<number>;
}

/** The units that begin with each step, the first that fits being taken. */
export type Units = ReadonlyMap<number, readonly Unit[]>;

/** A step as kernels are written for it: buffers whose size is known to exceed a binding are bound in parts. */
export const writtenOn = (
  device: Abilities,
  buffers: readonly BufferFacts[],
  step: Step,
  { joined, chain }: Pick<Fused, 'joined' | 'chain'> = {},
  ways: Ways = device.ways,
): Written => ({
  step,
  joined,
  chain,
  isConstant: at => buffers[at]!.role === 'constant',
  partBytes: device.mostBytes,
  sharesMemory: ways.products === 'tiles',
  partsOf: at => {
    const { type, size } = buffers[at]!;
    return typeof size === 'number' ? Math.max(1, Math.ceil(memoryLength(type, size) / device.mostBytes)) : 1;
  },
});

/** The program of a step, or what the device lacks for it. */
export function programOn(device: Abilities, written: Written): Program | string {
  const program = programOf(written, device.language);
  if (typeof program === 'string') return `WGSL lacks ${program}`;
  const most = device.mostBindings;
  const bound = Math.max(0, ...program.flatMap(way => way.passes.map(p => p.slots.reduce((n, s) => n + s.parts, 0))));
  return bound <= most ? program : `${bound} buffers, the device binds ${most}`;
}

/** What the device lacks for a step of a plan. */
export function lackOn(device: Abilities, { buffers }: Plan, step: Step): string | undefined {
  const program = programOn(device, writtenOn(device, buffers, step));
  return typeof program === 'string' ? program : undefined;
}

/** Where each step of a plan runs, and what the device runs as one. */
export const placeOn = (device: Abilities, plan: Plan): ReturnType<typeof unitsOn> =>
  unitsOn(
    device,
    placeSteps(plan, step => lackOn(device, plan, step)),
  );

/** The placement with steps that share rows together, and the units that its device may take. */
function unitsOn(device: Abilities, placed: Placement): { readonly placement: Placement; readonly units: Units } {
  const spans = placed.phases.flatMap(({ on, from, to }) =>
    on === 'device' ? [{ from, to }] : Array.from({ length: to - from }, (_, k) => ({ from: from + k, to: from + k + 1 })),
  );
  const { plan, groups } = groupRows(placed.plan, spans);
  const placement = { ...placed, plan };
  const units = new Map<number, readonly Unit[]>();
  const finder = new Finder(device, plan, groups);
  for (const { on, from, to } of placement.phases) {
    const reached = new Set(on === 'device' ? [from] : []);
    for (const at of reached) {
      if (at === to) continue;
      const found = finder.unitsAt(at, to);
      units.set(at, found);
      for (const { fused } of found) reached.add(at + fused.count);
    }
  }
  return { placement, units };
}

class Finder {
  readonly #device: Abilities;
  readonly #plan: Plan;
  readonly #inside: ReturnType<typeof insideOf>;
  /** Where the group ends that a step is in. */
  readonly #ends = new Map<number, number>();

  constructor(device: Abilities, plan: Plan, groups: readonly RowGroup[]) {
    this.#device = device;
    this.#plan = plan;
    this.#inside = insideOf(plan);
    for (const { first, count } of groups) for (let k = 0; k < count; k++) this.#ends.set(first + k, first + count);
  }

  /** Up to one that fits all sizes. */
  unitsAt(at: number, end: number): Unit[] {
    const found: Unit[] = [];
    for (const find of [this.#products, this.#rows, this.#joined, this.#alone]) {
      const unit = find.call(this, at, end);
      if (unit) found.push(unit);
      if (unit && fitsAll(unit.program)) break;
    }
    return found;
  }

  #products(at: number): Unit | undefined {
    const group = this.#groupFrom(at);
    return group.length > 0
      ? this.#unit(
          at,
          fuseProducts(group, count => this.#inside(at, count)),
        )
      : undefined;
  }

  /** Rows of as many steps as the device can run as one. */
  #rows(at: number): Unit | undefined {
    for (let group = this.#groupFrom(at); group.length > 1; ) {
      const fused = fuseRows(group, count => this.#inside(at, count));
      if (!fused) return undefined;
      const unit = this.#unit(at, fused);
      if (unit) return unit;
      group = group.slice(0, fused.count - 1);
    }
    return undefined;
  }

  #joined(at: number, end: number): Unit | undefined {
    const { steps } = this.#plan;
    return this.#unit(at, at + 1 < end ? fuseJoined(steps[at]!, steps[at + 1]!) : undefined);
  }

  #alone(at: number): Unit | undefined {
    return this.#unit(at, aloneStep);
  }

  /** What is left of its group, where a step is in one. */
  #groupFrom(at: number): readonly Step[] {
    return this.#plan.steps.slice(at, this.#ends.get(at) ?? at);
  }

  #unit(first: number, fused: Fused | undefined): Unit | undefined {
    if (!fused) return undefined;
    const { steps, buffers } = this.#plan;
    const step = fuseSteps(steps.slice(first, first + fused.count), fused);
    const program = programOn(this.#device, writtenOn(this.#device, buffers, step, fused));
    if (typeof program === 'string' || program.length === 0) return undefined;
    return { first, fused, step, program, inside: this.#inside(first, fused.count) };
  }
}

/** A unit as it is run, and its step with sizes bound. */
export interface Chosen {
  readonly unit: Unit;
  readonly step: BoundStep;
}

/** The units that fit bound steps; kernels are written anew where buffers turn out to be larger than a binding. */
export function chooseUnits(
  device: Abilities,
  { phases, plan }: Placement,
  units: Units,
  { steps, buffers }: Pick<BoundPlan, 'steps' | 'buffers'>,
): Chosen[] {
  const isLarge = buffers.map((b, i) => typeof plan.buffers[i]!.size !== 'number' && memoryLength(b.type, b.size) > device.mostBytes);
  const hasLarge = isLarge.includes(true);
  const inParts = (unit: Unit): Unit | undefined => {
    const { step, fused } = unit;
    if (!hasLarge || ![...step.inputs, ...step.outputs].some(v => v && isLarge[v.buffer])) return unit;
    const program = programOn(device, writtenOn(device, buffers, step, fused));
    if (typeof program !== 'string') return { ...unit, program };
    // What is fused may bind too much; each step by itself says so when its pipeline is made.
    return fused.count > 1 ? undefined : { ...unit, program: programOf(writtenOn(device, buffers, step), device.language) as Program };
  };
  const chosen: Chosen[] = [];
  for (const { on, from, to } of phases)
    for (let at = from; on === 'device' && at < to; ) {
      const fitting = firstOf(units.get(at)!, unit => {
        const step = fuseSteps(steps.slice(at, at + unit.fused.count), unit.fused);
        const own = inParts(unit);
        return own?.program.some(way => way.fits(step)) ? { unit: own, step } : undefined;
      });
      chosen.push(fitting);
      at += fitting.unit.fused.count;
    }
  return chosen;
}

/** What the first gives for which there is something; for one there is. */
function firstOf<T, R>(all: readonly T[], find: (x: T) => R | undefined): R {
  for (const x of all) {
    const found = find(x);
    if (found !== undefined) return found;
  }
  throw new Error('no unit fits');
}

/** Units of several steps as groups, those that are preferred. */
export function groupsOf({ phases }: Placement, units: Units): RowGroup[] {
  const groups: RowGroup[] = [];
  for (const { on, from, to } of phases)
    for (let at = from; on === 'device' && at < to; ) {
      const { fused, inside } = units.get(at)![0]!;
      if (fused.chain) groups.push({ first: at, count: fused.count, axes: 0, inside });
      at += fused.count;
    }
  return groups;
}
