// Results that several invocations share: each takes every so many terms, and what they found is joined in a tree. How many share one
// is decided when sizes are bound, and so is whether neighbours share a result or stand beside each other in different ones.
import type { ScalarType } from '../../../expr/primitives.ts';
import type { BoundStep } from '../../bind.ts';
import { workgroupSize } from '../language.ts';
import type { Pass, Size, Writer } from '../writer.ts';

export interface Sharing {
  /** How many results there are. */
  readonly count: Size;
  /** How many terms each has. */
  readonly length: Size;
  /** Whether terms that follow each other lie side by side in memory, so that neighbours should take them. */
  readonly isDense: (s: BoundStep) => boolean;
}

/** Enough invocations to keep a device busy. */
const busy = 2 ** 14;

/** How many invocations share a result: a power of two. */
function shareOf(s: BoundStep, { count, length }: Sharing): number {
  const wanted = Math.min(length(s) / 4, Math.max(busy / Math.max(1, count(s)), length(s) / 1024));
  return wanted < 2 ? 1 : Math.min(workgroupSize, 2 ** Math.floor(Math.log2(wanted)));
}

export interface Partial {
  readonly parts: readonly (ScalarType | 'index')[];
  /** What each part is before any term. */
  readonly start: readonly string[];
  /** Says once where result `at` has its terms, and gives what takes term `r` into a partial result. */
  readonly terms: (at: string) => (r: string, partial: readonly string[]) => void;
  /** Takes another partial result into one. */
  readonly join: (partial: readonly string[], other: readonly string[]) => void;
  readonly end: (at: string, result: readonly string[]) => void;
}

/** Which of the results that a workgroup has is an invocation's own, and which of its terms. */
export interface Lanes {
  /** How many share a result. */
  readonly many: string;
  /** The number of the invocation among these; its terms are every so many from there on. */
  readonly own: string;
  readonly result: string;
  /** Whether there is such a result, as a condition. */
  readonly isOne: string;
  readonly laneStep: string;
  readonly groups: Size;
}

/** Divides the results among invocations. */
export function shareLanes(w: Writer, sharing: Sharing): Lanes {
  const share: Size = s => shareOf(s, sharing);
  const others: Size = s => workgroupSize / share(s);
  const many = w.parameter('share', share);
  const results = w.parameter('results', others);
  const laneStep = w.parameter('lane step', s => (sharing.isDense(s) ? 1 : others(s)));
  const resultStep = w.parameter('result step', s => (sharing.isDense(s) ? share(s) : 1));
  const own = w.let('index', `(lane / ${laneStep}) % ${many}`);
  const result = w.let('index', `group * ${results} + (lane / ${resultStep}) % ${results}`);
  const isOne = w.let('index', w.language.choose(`${result} < ${w.parameter('results in all', sharing.count)}`, '1', '0'));
  return { many, own, result, isOne: `${isOne} == 1`, laneStep, groups: s => Math.ceil(sharing.count(s) / others(s)) };
}

type Joining = Pick<Partial, 'parts' | 'join'> & { readonly partial: readonly string[] };

/** Joins what those that share a result have found: the first of them has all of it then, in the memory that is given too. */
export function joinLanes(w: Writer, { many, own, laneStep }: Pick<Lanes, 'many' | 'own' | 'laneStep'>, joining: Joining): string[] {
  const { parts, partial, join } = joining;
  const near = joinNear(w, { ...joining, many, laneStep });
  const memory = parts.map(type => w.shared(type, workgroupSize));
  for (const [k, name] of memory.entries()) w.emit(`${name}[lane] = ${partial[k]};`);
  const half = w.name();
  w.emit(w.language.halving(half, `${many} / 2`, near));
  w.emit(w.language.barrier);
  w.if(`${own} < ${half}`, () => {
    const other = memory.map((name, k) => w.let(parts[k]!, `${name}[lane + ${half} * ${laneStep}]`));
    join(partial, other);
    for (const [k, name] of memory.entries()) w.emit(`${name}[lane] = ${partial[k]};`);
  });
  w.emit('}');
  return memory;
}

/** The same, and all of them have it. */
export function joinForAll(w: Writer, lanes: Pick<Lanes, 'many' | 'own' | 'laneStep'>, joining: Joining): void {
  const memory = joinLanes(w, lanes, joining);
  w.if(`${lanes.many} > 1`, () => {
    w.emit(w.language.barrier);
    for (const [k, name] of memory.entries()) w.set(joining.partial[k]!, `${name}[lane - ${lanes.own} * ${lanes.laneStep}]`);
  });
}

export function sharedResults(w: Writer, sharing: Sharing, { parts, start, terms, join, end }: Partial): Pass {
  const lanes = shareLanes(w, sharing);
  const { result, own, many, isOne } = lanes;
  const partial = start.map((text, k) => w.variable(parts[k]!, text));
  w.if(isOne, () => {
    const take = terms(result);
    w.loop(w.parameter('terms', sharing.length), r => take(r, partial), { from: own, by: many });
  });
  joinLanes(w, lanes, { parts, partial, join });
  w.if(`${isOne} && ${own} == 0`, () => end(result, partial));
  return w.finish(lanes.groups);
}

interface Near extends Joining, Pick<Lanes, 'many' | 'laneStep'> {}

/**
 * Where neighbours share a result, those of a subgroup join what they have without memory or barriers. Gives how many have the same then:
 * 1 where they stand apart, or the language knows no subgroups.
 */
function joinNear(w: Writer, { parts, partial, join, many, laneStep }: Near): string {
  const { subgroup, choose } = w.language;
  if (!subgroup) return '1';
  const size = w.let('index', subgroup.size);
  const near = w.let('index', choose(`${laneStep} == 1`, choose(`${many} < ${size}`, many, size), '1'));
  const by = w.name();
  w.emit(w.language.halving(by, `${near} / 2`, '1'));
  join(
    partial,
    partial.map((name, k) => w.let(parts[k]!, subgroup.other(name, by))),
  );
  w.emit('}');
  return near;
}
