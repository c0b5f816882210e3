// Steps that run together row by row: what one of them makes of a row is read by the next while it lies in a cache, and is never stored as a
// whole. Softmax, normalisations and attention become such groups.
import { type Dim, sameDim } from '../ir/dims.ts';
import type { View } from '../kernels/kernel.ts';
import { isContiguous } from '../kernels/views.ts';
import { withoutJoin } from './joins.ts';
import type { Plan, Step } from './plan.ts';

export interface RowGroup {
  /** Its steps are those from `first` on, so many. */
  readonly first: number;
  readonly count: number;
  /** Rows are the positions of so many leading axes, which all outputs share. */
  readonly axes: number;
  /** Temporaries that only its steps see. */
  readonly inside: ReadonlySet<number>;
}

/** A plan whose groups are together, in order. */
export interface GroupedPlan {
  readonly plan: Plan;
  readonly groups: readonly RowGroup[];
}

/** Steps from the first to before the last. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Groups of at least two steps, one of them a reduction, each within one of the spans, which follow each other; without them the plan is one.
 * Steps between those of a group that need none of it come before it.
 */
export function groupRows(plan: Plan, spans: readonly Span[] = [{ from: 0, to: plan.steps.length }]): GroupedPlan {
  const groups: Omit<RowGroup, 'inside'>[] = [];
  const steps: Step[] = [];
  const order = (given: readonly Step[]): void => {
    for (let left = given; left.length > 0; ) {
      // A map that joins a product stays with it.
      const { members, hoisted, axes } = left[0]!.joins ? alone(left[0]!) : grow(plan, left);
      const isGroup = members.length > 1 && members.some(s => s.kernel.kind === 'reduce');
      if (isGroup) {
        order(hoisted);
        groups.push({ first: steps.length, count: members.length, axes });
        steps.push(...members);
      } else steps.push(left[0]!);
      left = left.slice(isGroup ? hoisted.length + members.length : 1);
    }
  };
  for (const { from, to } of spans) order(plan.steps.slice(from, to));
  const ordered = { ...plan, steps: steps.map((s, at) => (s.joins && !follows(s, steps[at - 1]) ? withoutJoin(s) : s)) };
  const inside = insideOf(ordered);
  return { plan: ordered, groups: groups.map(g => ({ ...g, inside: inside(g.first, g.count) })) };
}

const follows = (map: Step, before: Step | undefined): boolean =>
  map.inputs.some(v => v && before?.outputs.some(y => y.buffer === v.buffer)) && before?.kernel.kind !== 'map';

/** The last step that reads each buffer. */
function lastReaders({ steps }: Plan): ReadonlyMap<number, number> {
  const last = new Map<number, number>();
  for (const [at, s] of steps.entries()) for (const v of s.inputs) if (v) last.set(v.buffer, at);
  return last;
}

/** The first step that writes to each buffer. */
function firstWriters({ steps }: Plan): ReadonlyMap<number, number> {
  const begun = new Map<number, number>();
  for (const [at, s] of steps.entries()) for (const { buffer } of s.outputs) if (!begun.has(buffer)) begun.set(buffer, at);
  return begun;
}

/** Tells of so many steps from one on what only these write and read. */
export function insideOf(plan: Plan): (first: number, count: number) => ReadonlySet<number> {
  const [begun, last] = [firstWriters(plan), lastReaders(plan)];
  return (first, count) => {
    const made = plan.steps.slice(first, first + count).flatMap(s => s.outputs.map(y => y.buffer));
    return new Set(
      made.filter(b => plan.buffers[b]!.role === 'temporary' && begun.get(b)! >= first && last.has(b) && last.get(b)! < first + count),
    );
  };
}

interface Growth {
  readonly members: readonly Step[];
  /** What lies between the members. */
  readonly hoisted: readonly Step[];
  readonly axes: number;
}

const alone = (step: Step): Growth => ({ members: [step], hoisted: [], axes: 0 });

/** Most steps that are looked at after the last that shares rows. */
const farthest = 24;

/** As many of the steps as share rows with the first. */
function grow(plan: Plan, steps: readonly Step[]): Growth {
  const made = new Map<number, View>();
  const members: Step[] = [];
  const between: Step[] = [];
  let best = alone(steps[0]!);
  let axes = Number.POSITIVE_INFINITY;
  for (const step of steps) {
    const isConnected = step.inputs.some(v => v && made.has(v.buffer));
    if (members.length > 0 && !isConnected) {
      const isFree = step.outputs.every(v => !made.has(v.buffer) && !members.some(m => m.inputs.some(x => x?.buffer === v.buffer)));
      if (!isFree || between.length - best.hoisted.length >= farthest) break;
      between.push(step);
      continue;
    }
    const y = step.outputs[0]!;
    const own = Math.min(axes, sharedAxes(step, plan, made));
    const [before] = made.values();
    axes = before ? Math.min(own, equalAxes(before.shape, y.shape)) : own;
    if (axes < 1 || step.outputs.some(v => made.has(v.buffer))) break;
    for (const v of step.outputs) made.set(v.buffer, v);
    members.push(step);
    best = { members: [...members], hoisted: [...between], axes: withoutLastOnes(y.shape, axes) };
  }
  return best;
}

/** Axes of one position at the end would make each part a single row. */
const withoutLastOnes = (shape: readonly Dim[], axes: number): number => {
  let kept = axes;
  while (kept > 1 && shape[kept - 1] === 1) kept--;
  return kept;
};

/** Along how many leading axes a step makes each position from the same position of what the group has made; 0 for none. */
function sharedAxes(step: Step, plan: Plan, made: ReadonlyMap<number, View>): number {
  const y = step.outputs[0]!;
  const rank = y.shape.length;
  if (step.outputs.some(v => !isContiguous(v) || v.offset !== 0 || plan.buffers[v.buffer]!.role === 'constant')) return 0;
  const along = (v: View, axes: number): number => {
    const from = made.get(v.buffer);
    if (!from) return axes;
    return v.offset === 0 ? Math.min(axes, alignedAxes(v, from)) : 0;
  };
  const inputs = step.inputs.filter(v => v !== undefined);
  switch (step.kernel.kind) {
    case 'map':
    case 'copy':
      return inputs.reduce((axes, v) => along(v, axes), rank);
    case 'reduce':
      return along(inputs[0]!, equalAxes(inputs[0]!.shape, y.shape));
    case 'matmul': {
      const [a, b] = inputs as [View, View];
      // A product with weights has tiles of its own, and rows of the other side are read by all rows.
      if (plan.buffers[b.buffer]!.role === 'constant' || made.has(b.buffer)) return 0;
      return along(a, rank - 1);
    }
    default:
      return 0;
  }
}

const equalAxes = (a: readonly Dim[], b: readonly Dim[]): number => {
  const at = a.findIndex((d, axis) => b[axis] === undefined || !sameDim(d, b[axis]));
  return at < 0 ? a.length : at;
};

/** Leading axes along which a view moves as what was written, with the rest inside of a row. */
function alignedAxes(v: View, from: View): number {
  let axes = 0;
  while (axes < from.shape.length && axes < v.shape.length && isAligned(v, from, axes)) axes++;
  while (axes > 0 && !staysInRow(v, from, axes)) axes--;
  return axes;
}

const isAligned = (v: View, from: View, axis: number): boolean =>
  sameDim(v.shape[axis]!, from.shape[axis]!) && (v.shape[axis] === 1 || sameDim(v.strides[axis]!, from.strides[axis]!));

/** Every other axis either repeats, or is one of the row's own. */
const staysInRow = (v: View, from: View, axes: number): boolean =>
  v.shape.every(
    (d, axis) =>
      axis < axes ||
      d === 1 ||
      v.strides[axis] === 0 ||
      (axis < from.shape.length && sameDim(d, from.shape[axis]!) && sameDim(v.strides[axis]!, from.strides[axis]!)),
  );
