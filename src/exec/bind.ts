// Binding: a plan's sizes become numbers, every view is proved to lie in its buffer, and buffers get places in one arena.
import { fail } from '../errors.ts';
import { type Dim, SymbolicDim, substitute } from '../ir/dims.ts';
import { elementTypes, formatShape } from '../ir/types.ts';
import type { Kernel, View } from '../kernels/kernel.ts';
import { memoryLength } from '../kernels/memory.ts';
import type { BufferFacts, Plan, Port } from './plan.ts';
import type { RowGroup } from './rows.ts';

/** Values of the input symbols. */
export type Sizes = ReadonlyMap<string, number>;

export interface BoundBuffer extends Omit<BufferFacts, 'size'> {
  readonly size: number;
  /** Bytes from the start of the arena, for temporaries; others have memory of their own. */
  readonly offset?: number;
}

export interface BoundStep {
  readonly kernel: Kernel<number>;
  readonly inputs: readonly (View<number> | undefined)[];
  readonly outputs: readonly View<number>[];
  readonly label: string;
  readonly joins?: true | undefined;
  /** The group that it begins. */
  readonly rows?: RowGroup | undefined;
}

export interface BoundPort {
  readonly name: string;
  readonly view: View<number>;
}

export interface BoundPlan {
  readonly inputs: readonly BoundPort[];
  readonly outputs: readonly BoundPort[];
  readonly buffers: readonly BoundBuffer[];
  readonly steps: readonly BoundStep[];
  /** Bytes of memory that all temporaries share. */
  readonly arena: number;
}

export interface BindOptions {
  /** Give every temporary memory of its own, as the oracle does. */
  readonly reuse?: boolean;
  /** Most bytes that all buffers together may take. */
  readonly memory?: number;
  /** Temporaries begin at multiples of so many bytes. */
  readonly alignment?: number;
  /** No temporary crosses a multiple of so many bytes, so that the arena can be several pieces of memory. */
  readonly segment?: number;
  /** Temporaries of more bytes have memory of their own. */
  readonly largest?: number;
  /** Steps that the backend runs row by row: what lies between them takes no place in the arena. */
  readonly rows?: readonly RowGroup[];
  /** Whether a map may write where it reads; not where one kernel cannot have the same memory twice. */
  readonly inPlace?: boolean;
}

/** @throws ModelError E3005 where a size is negative or a view leaves its buffer, E3007 over the memory limit */
export function bindPlan(plan: Plan, sizes: Sizes, options: BindOptions = {}): BoundPlan {
  const { memory = Number.POSITIVE_INFINITY } = options;
  for (const {
    sizes: [a, b],
    label,
  } of plan.guards) {
    const found = [bindDim(a, sizes), bindDim(b, sizes)];
    if (found[0] !== found[1]) throw fail('E3005', `${label}: sizes ${found[0]} and ${found[1]} must be equal`);
  }
  const { rows = [] } = options;
  const begun = new Map(rows.map(group => [group.first, group]));
  const grouped = new Set(rows.flatMap(({ first, count }) => Array.from({ length: count }, (_, k) => first + k)));
  const inside = new Set(rows.flatMap(group => [...group.inside]));
  const steps = plan.steps.map((s, at) => ({
    label: s.label,
    joins: grouped.has(at) ? undefined : s.joins,
    rows: begun.get(at),
    kernel: bindKernel(s.kernel, sizes),
    inputs: s.inputs.map(v => v && bindView(v, sizes)),
    outputs: s.outputs.map(v => bindView(v, sizes)),
  }));
  const buffers = plan.buffers.map(b => ({ ...b, size: bindSize(b.size, sizes) }));
  for (const s of steps) for (const v of [...s.inputs, ...s.outputs]) if (v) checkInside(v, buffers[v.buffer]!.size, s.label);
  const arena = placeTemporaries(buffers, steps, inside, options);
  const total =
    arena.bytes + arena.buffers.reduce((n, b, i) => n + (b.offset !== undefined || inside.has(i) ? 0 : memoryLength(b.type, b.size)), 0);
  if (total > memory) {
    const lengths = buffers.map(b => memoryLength(b.type, b.size));
    const largest = lengths.reduce((at, length, i) => (length > lengths[at]! ? i : at), 0);
    const most = `the largest tensor, ${nameOf(plan, largest)}, takes ${lengths[largest]}`;
    throw fail('E3007', `the run needs ${total} bytes, the limit is ${memory}; ${most}`, { limit: { name: 'memory', value: memory } });
  }
  const port = (p: Port): BoundPort => ({ name: p.name, view: bindView(p.view, sizes) });
  return { steps, arena: arena.bytes, buffers: arena.buffers, inputs: plan.inputs.map(port), outputs: plan.outputs.map(port) };
}

/** What people know a buffer by. */
function nameOf({ inputs, steps }: Plan, buffer: number): string {
  const input = inputs.find(p => p.view.buffer === buffer);
  if (input) return `input ${input.name}`;
  const step = steps.find(s => s.outputs.some(v => v.buffer === buffer));
  return step ? `made by ${step.label}` : 'a constant';
}

export function bindDim(d: Dim, sizes: Sizes): number {
  const n = substitute(d, sizes);
  if (typeof n === 'number') return n;
  throw fail('E9001', `the size ${n.key} is not decided by the inputs`);
}

function bindSize(d: Dim, sizes: Sizes): number {
  const n = bindDim(d, sizes);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw fail('E3005', `a size comes to ${n}`);
}

/** Views and kernels without symbols: binding gives them as they are. */
const fixed = new WeakSet<object>();

function bindView(v: View, sizes: Sizes): View<number> {
  // The cast: every size of it was found to be a number.
  if (fixed.has(v)) return v as View<number>;
  const shape = v.shape.map(d => bindSize(d, sizes));
  if ([v.offset, ...v.shape, ...v.strides].every(d => typeof d === 'number')) {
    fixed.add(v);
    return v as View<number>;
  }
  return { ...v, offset: bindDim(v.offset, sizes), shape, strides: v.strides.map(d => bindDim(d, sizes)) };
}

function bindKernel(kernel: Kernel, sizes: Sizes): Kernel<number> {
  // The cast: as above.
  if (fixed.has(kernel)) return kernel as Kernel<number>;
  if (hasSymbols(kernel)) return bindDims(kernel, sizes) as Kernel<number>;
  fixed.add(kernel);
  return kernel as Kernel<number>;
}

/** Whether plain data has a size that only binding knows; programs have none. */
function hasSymbols(data: unknown): boolean {
  if (data instanceof SymbolicDim) return true;
  if (Array.isArray(data)) return data.some(hasSymbols);
  return isData(data) && Object.entries(data).some(([k, v]) => k !== 'program' && hasSymbols(v));
}

/** Every size inside plain data becomes a number. */
function bindDims(data: unknown, sizes: Sizes): unknown {
  if (data instanceof SymbolicDim) return bindDim(data, sizes);
  if (Array.isArray(data)) return data.some(isData) ? data.map(x => bindDims(x, sizes)) : data;
  if (!isData(data)) return data;
  return Object.fromEntries(Object.entries(data).map(([k, v]) => [k, k === 'program' ? v : bindDims(v, sizes)]));
}
const isData = (x: unknown): x is object => typeof x === 'object' && x !== null;

function checkInside(v: View<number>, size: number, label: string): void {
  if (v.shape.some(d => d === 0)) return;
  let low = v.offset;
  let high = v.offset;
  for (const [axis, d] of v.shape.entries()) {
    const reach = (d - 1) * v.strides[axis]!;
    if (reach < 0) low += reach;
    else high += reach;
  }
  if (low < 0 || high >= size)
    throw fail('E3005', `${label}: sizes contradict each other: ${formatShape(v.shape)} does not fit a buffer of ${size} elements`);
}

/**
 * First fit by the first use: memory of a temporary is free again after the last step that reads it. A map may write where it reads. A step
 * that joins runs while the step before it does, so what that one reads is not free yet; steps of a group run as one.
 */
function placeTemporaries(
  buffers: readonly (BoundBuffer & { size: number })[],
  steps: readonly BoundStep[],
  inside: ReadonlySet<number>,
  { reuse = true, alignment = 64, segment = Number.POSITIVE_INFINITY, largest = segment, inPlace: mayReuse = reuse }: BindOptions,
): { bytes: number; buffers: BoundBuffer[] } {
  const last = new Map<number, number>();
  /** The last step of the group. */
  let over = 0;
  steps.forEach((s, at) => {
    over = s.rows ? at + s.rows.count - 1 : Math.max(over, at);
    for (const v of [...s.inputs, ...s.outputs]) if (v) last.set(v.buffer, over);
  });
  const placed: BoundBuffer[] = [...buffers];
  const arena = new Arena(segment);
  /** What ends with a step. */
  const ending = new Map<number, Gap[]>();
  const end = (until: number, gap: Gap): void => {
    const others = ending.get(until);
    if (others) others.push(gap);
    else ending.set(until, [gap]);
  };
  steps.forEach((s, at) => {
    const ended = ending.get(at - 1) ?? [];
    ending.delete(at - 1);
    for (const gap of ended) {
      if (s.joins) end(at, gap);
      else arena.free(gap);
    }
    const made = s.rows ? steps.slice(at, at + s.rows.count).flatMap(k => k.outputs) : s.outputs;
    for (const v of made) {
      const b = placed[v.buffer]!;
      if (b.role !== 'temporary' || b.offset !== undefined || inside.has(v.buffer)) continue;
      const length = Math.ceil(Math.max(1, memoryLength(b.type, b.size)) / alignment) * alignment;
      if (length > largest) continue;
      const until = last.get(v.buffer)!;
      // A step that joins runs beside the one before, which still reads.
      const beside = s.joins ? steps[at - 1]!.inputs : [];
      const inPlace =
        reuse && mayReuse
          ? (ending.get(at) ?? []).find(
              ({ start, end }) =>
                end - start === length && isReadBy(s, v, start, placed) && !beside.some(x => x && placed[x.buffer]!.offset === start),
            )
          : undefined;
      if (inPlace)
        ending.set(
          at,
          ending.get(at)!.filter(gap => gap !== inPlace),
        );
      const start = inPlace?.start ?? arena.take(length);
      placed[v.buffer] = { ...b, offset: start };
      if (reuse) end(until, { start, end: start + length });
    }
  });
  return { bytes: arena.bytes, buffers: placed };
}

/** Whether a map with one output reads what lies there at the very positions that it writes, and nothing else of it. */
function isReadBy(s: BoundStep, y: View<number>, start: number, buffers: readonly BoundBuffer[]): boolean {
  const there = s.inputs.filter(v => v && buffers[v.buffer]!.role === 'temporary' && buffers[v.buffer]!.offset === start);
  const isSame = (v: View<number>): boolean =>
    elementTypes[v.type].bits === elementTypes[y.type].bits &&
    v.offset === y.offset &&
    v.strides.every((stride, axis) => v.shape[axis] === 1 || stride === y.strides[axis]);
  return s.kernel.kind === 'map' && s.outputs.length === 1 && there.length > 0 && there.every(v => isSame(v!));
}

interface Gap {
  readonly start: number;
  readonly end: number;
}

/** Memory as the gaps in it. Only gaps are searched, so that what is in use costs nothing. */
class Arena {
  /** In order of place, no two of them side by side. */
  readonly #gaps: Gap[] = [];
  readonly #segment: number;
  /** The most that was in use. */
  bytes = 0;

  constructor(segment: number) {
    this.#segment = segment;
  }

  /** The first place for so many bytes. */
  take(length: number): number {
    const i = this.#gaps.findIndex(g => this.#startIn(g.start, length) + length <= g.end);
    // A gap at the end grows.
    const gap = this.#gaps[i] ?? (this.#gaps.at(-1)?.end === this.bytes ? this.#gaps.pop() : undefined);
    const from = gap?.start ?? this.bytes;
    const start = this.#startIn(from, length);
    const end = Math.max(gap?.end ?? 0, start + length);
    const left = [
      { start: from, end: start },
      { start: start + length, end },
    ].filter(g => g.end > g.start);
    if (i >= 0) this.#gaps.splice(i, 1, ...left);
    else this.#gaps.push(...left);
    this.bytes = Math.max(this.bytes, end);
    return start;
  }

  /** The first place from `from` on where so many bytes lie in one segment. */
  #startIn(from: number, length: number): number {
    const next = Math.ceil((from + 1) / this.#segment) * this.#segment;
    return length <= this.#segment && from + length > next ? next : from;
  }

  free({ start, end }: Gap): void {
    const gaps = this.#gaps;
    let low = 0;
    for (let high = gaps.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (gaps[middle]!.start < start) low = middle + 1;
      else high = middle;
    }
    const joinsBefore = low > 0 && gaps[low - 1]!.end === start;
    const joinsAfter = low < gaps.length && gaps[low]!.start === end;
    const from = joinsBefore ? low - 1 : low;
    const joined = { start: joinsBefore ? gaps[from]!.start : start, end: joinsAfter ? gaps[low]!.end : end };
    gaps.splice(from, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
  }
}
