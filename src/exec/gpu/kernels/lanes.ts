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

export function sharedResults(w: Writer, sharing: Sharing, { parts, start, terms, join, end }: Partial): Pass {
  const share: Size = s => shareOf(s, sharing);
  const others: Size = s => workgroupSize / share(s);
  const many = w.parameter('share', share);
  const results = w.parameter('results', others);
  const laneStep = w.parameter('lane step', s => (sharing.isDense(s) ? 1 : others(s)));
  const resultStep = w.parameter('result step', s => (sharing.isDense(s) ? share(s) : 1));
  const own = w.let('index', `(lane / ${laneStep}) % ${many}`);
  const at = w.let('index', `group * ${results} + (lane / ${resultStep}) % ${results}`);
  const isOne = w.let('index', w.language.choose(`${at} < ${w.parameter('results in all', sharing.count)}`, '1', '0'));
  const partial = start.map((text, k) => w.variable(parts[k]!, text));
  w.if(`${isOne} == 1`, () => {
    const take = terms(at);
    w.loop(w.parameter('terms', sharing.length), r => take(r, partial), { from: own, by: many });
  });
  const near = joinNear(w, { parts, partial, join, many, laneStep });
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
  w.if(`${isOne} == 1 && ${own} == 0`, () => end(at, partial));
  return w.finish(s => Math.ceil(sharing.count(s) / others(s)));
}

interface Near extends Pick<Partial, 'parts' | 'join'> {
  readonly partial: readonly string[];
  readonly many: string;
  readonly laneStep: string;
}

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
