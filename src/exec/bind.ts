// Binding: a plan's sizes become numbers, every view is proved to lie in its buffer, and buffers get places in one arena.
import { fail } from '../errors.ts';
import { type Dim, SymbolicDim, substitute } from '../ir/dims.ts';
import { elementTypes, formatShape } from '../ir/types.ts';
import type { Kernel, View } from '../kernels/kernel.ts';
import { memoryLength } from '../kernels/memory.ts';
import type { BufferFacts, Plan, Port, Step } from './plan.ts';
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

/** A step as binding takes it: with its group, and joining where that group leaves it to. */
export interface PlannedStep extends Pick<Step, 'kernel' | 'inputs' | 'outputs' | 'label'> {
  readonly joins?: true | undefined;
  readonly rows?: RowGroup | undefined;
}

/** @throws ModelError E3005 where a size is negative or a view leaves its buffer, E3007 over the memory limit */
export const bindPlan = (plan: Plan, sizes: Sizes, options: BindOptions = {}): BoundPlan => new Binding(plan, options).bind(sizes);

/** A plan that is bound many times: what its sizes do not decide is found once. */
export class Binding {
  readonly steps: readonly PlannedStep[];
  readonly #plan: Plan;
  readonly #options: BindOptions;
  readonly #numbers = new Numbers();
  readonly #bindSteps: readonly ((numbers: readonly number[]) => BoundStep)[];
  readonly #bindPorts: (ports: readonly Port[], numbers: readonly number[]) => BoundPort[];
  /** Of buffers and guards, the places of their sizes. */
  readonly #sizes: readonly number[];
  readonly #guards: readonly (readonly [number, number])[];
  readonly #places: Places;
  /** Steps whose views are to be proved at the next binding: at first all, then those that sizes change. */
  #unproved: readonly number[];
  /** Of a plan without symbols. */
  #fixed: BoundPlan | undefined;

  constructor(plan: Plan, options: BindOptions = {}) {
    const { rows = [] } = options;
    this.#plan = plan;
    this.#options = options;
    const begun = new Map(rows.map(group => [group.first, group]));
    const grouped = new Set(rows.flatMap(({ first, count }) => Array.from({ length: count }, (_, k) => first + k)));
    this.steps = plan.steps.map(({ kernel, inputs, outputs, label, joins }, at) => ({
      label,
      joins: grouped.has(at) ? undefined : joins,
      rows: begun.get(at),
      kernel,
      inputs,
      outputs,
    }));
    const numbers = this.#numbers;
    this.#bindSteps = this.steps.map(s => stepBinder(s, numbers));
    const binders = new Map([...plan.inputs, ...plan.outputs].map(p => [p, viewBinder(p.view, numbers)]));
    this.#bindPorts = (ports, found) => ports.map(p => ({ name: p.name, view: binders.get(p)!(found) }));
    this.#sizes = plan.buffers.map(b => numbers.sizeOf(b.size));
    this.#guards = plan.guards.map(({ sizes: [a, b] }) => [numbers.placeOf(a), numbers.placeOf(b)]);
    this.#places = new Places(plan.buffers, this.steps, options);
    this.#unproved = [...plan.steps.keys()];
  }

  /** @throws as `bindPlan` */
  bind(sizes: Sizes): BoundPlan {
    const bound = this.#fixed ?? this.#bound(sizes);
    if (this.#numbers.areFixed) this.#fixed = bound;
    return bound;
  }

  #bound(sizes: Sizes): BoundPlan {
    const plan = this.#plan;
    const numbers = this.#numbers.valuesFor(sizes);
    for (const [i, [a, b]] of this.#guards.entries())
      if (numbers[a] !== numbers[b]) throw fail('E3005', `${plan.guards[i]!.label}: sizes ${numbers[a]} and ${numbers[b]} must be equal`);
    this.#numbers.proveSizes(numbers);
    const steps = this.#bindSteps.map(bind => bind(numbers));
    const buffers = plan.buffers.map(
      (b, i): BoundBuffer => (typeof b.size === 'number' ? (b as BoundBuffer) : { ...b, size: numbers[this.#sizes[i]!]! }),
    );
    this.#prove(steps, buffers);
    const arena = this.#places.placed(buffers, steps);
    this.#limit(arena);
    const [inputs, outputs] = [this.#bindPorts(plan.inputs, numbers), this.#bindPorts(plan.outputs, numbers)];
    return { steps, arena: arena.bytes, buffers: arena.buffers, inputs, outputs };
  }

  #prove(steps: readonly BoundStep[], buffers: readonly BoundBuffer[]): void {
    for (const at of this.#unproved) {
      const { inputs, outputs, label } = steps[at]!;
      for (const v of inputs) if (v) checkInside(v, buffers[v.buffer]!.size, label);
      for (const v of outputs) checkInside(v, buffers[v.buffer]!.size, label);
    }
    const isOpen = ({ inputs, outputs }: PlannedStep): boolean =>
      [...inputs, ...outputs].some(v => v && !(isFixed(v) && typeof this.#plan.buffers[v.buffer]!.size === 'number'));
    if (this.#unproved.length === steps.length) this.#unproved = this.#unproved.filter(at => isOpen(this.steps[at]!));
  }

  #limit({ bytes, buffers }: Placed): void {
    const { memory = Number.POSITIVE_INFINITY } = this.#options;
    const { inside } = this.#places;
    let total = bytes;
    for (const [i, b] of buffers.entries()) if (b.offset === undefined && !inside.has(i)) total += memoryLength(b.type, b.size);
    if (total <= memory) return;
    const lengths = buffers.map(b => memoryLength(b.type, b.size));
    const largest = lengths.reduce((at, length, i) => (length > lengths[at]! ? i : at), 0);
    const most = `the largest tensor, ${nameOf(this.#plan, largest)}, takes ${lengths[largest]}`;
    throw fail('E3007', `the run needs ${total} bytes, the limit is ${memory}; ${most}`, { limit: { name: 'memory', value: memory } });
  }
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

/** The numbers that a plan's sizes come to, each size once, so that binding computes it once. */
export class Numbers {
  readonly #places = new Map<number | string, number>();
  readonly #values: number[] = [];
  /** What only binding knows, and where it goes. */
  readonly #open: { readonly dim: Dim; readonly at: number }[] = [];
  /** Places of what is a size and not a stride or an offset. */
  readonly #sizes = new Set<number>();

  placeOf(d: Dim): number {
    const key = typeof d === 'number' ? d : d.key;
    const found = this.#places.get(key);
    if (found !== undefined) return found;
    const at = this.#values.push(typeof d === 'number' ? d : Number.NaN) - 1;
    this.#places.set(key, at);
    if (typeof d !== 'number') this.#open.push({ dim: d, at });
    return at;
  }

  sizeOf(d: Dim): number {
    const at = this.placeOf(d);
    this.#sizes.add(at);
    return at;
  }

  get areFixed(): boolean {
    return this.#open.length === 0;
  }

  /** The number at each place. */
  valuesFor(sizes: Sizes): readonly number[] {
    const values = this.#values.slice();
    for (const { dim, at } of this.#open) values[at] = bindDim(dim, sizes);
    return values;
  }

  /** @throws ModelError E3005 where what is a size comes to less than 0, or to no whole number */
  proveSizes(values: readonly number[]): void {
    for (const at of this.#sizes) {
      const n = values[at]!;
      if (!Number.isSafeInteger(n) || n < 0) throw fail('E3005', `a size comes to ${n}`);
    }
  }
}

const isFixed = ({ offset, shape, strides }: View): boolean =>
  typeof offset === 'number' && shape.every(d => typeof d === 'number') && strides.every(d => typeof d === 'number');

/** What has no symbols is bound as it is. */
function viewBinder(v: View, numbers: Numbers): (found: readonly number[]) => View<number> {
  const shape = v.shape.map(d => numbers.sizeOf(d));
  // The cast: every size of it was found to be a number.
  if (isFixed(v)) return () => v as View<number>;
  const strides = v.strides.map(d => numbers.placeOf(d));
  const offset = numbers.placeOf(v.offset);
  const { buffer, type } = v;
  return found => ({ buffer, type, offset: found[offset]!, shape: shape.map(at => found[at]!), strides: strides.map(at => found[at]!) });
}

function stepBinder(s: PlannedStep, numbers: Numbers): (found: readonly number[]) => BoundStep {
  const { label, joins, rows } = s;
  const kernel = kernelBinder(s.kernel, numbers);
  const inputs = s.inputs.map(v => v && viewBinder(v, numbers));
  const outputs = s.outputs.map(v => viewBinder(v, numbers));
  const isOpen = hasSymbols(s.kernel) || [...s.inputs, ...s.outputs].some(v => v && !isFixed(v));
  // The cast: as above.
  if (!isOpen) return () => s as BoundStep;
  return found => ({ label, joins, rows, kernel: kernel(found), inputs: inputs.map(v => v?.(found)), outputs: outputs.map(v => v(found)) });
}

/** Whether plain data has a size that only binding knows; programs have none. */
function hasSymbols(data: unknown): boolean {
  if (data instanceof SymbolicDim) return true;
  if (Array.isArray(data)) return data.some(hasSymbols);
  return isData(data) && Object.entries(data).some(([k, v]) => k !== 'program' && hasSymbols(v));
}

function kernelBinder(kernel: Kernel, numbers: Numbers): (found: readonly number[]) => Kernel<number> {
  // The casts: every size inside becomes a number.
  if (!hasSymbols(kernel)) return () => kernel as Kernel<number>;
  const bind = dataBinder(kernel, numbers);
  return found => bind(found) as Kernel<number>;
}

/** Every size inside plain data becomes a number. */
function dataBinder(data: unknown, numbers: Numbers): (found: readonly number[]) => unknown {
  if (data instanceof SymbolicDim) {
    const at = numbers.placeOf(data);
    return found => found[at];
  }
  if (!hasSymbols(data)) return () => data;
  if (Array.isArray(data)) {
    const items = data.map(x => dataBinder(x, numbers));
    return found => items.map(bind => bind(found));
  }
  const entries = Object.entries(data as object).map(([k, v]) => [k, dataBinder(k === 'program' ? undefined : v, numbers), v] as const);
  return found => Object.fromEntries(entries.map(([k, bind, v]) => [k, k === 'program' ? v : bind(found)]));
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

interface Placed {
  readonly bytes: number;
  readonly buffers: readonly BoundBuffer[];
}

/**
 * First fit by the first use: memory of a temporary is free again after the last step that reads it. A map may write where it reads. A step
 * that joins runs while the step before it does, so what that one reads is not free yet; steps of a group run as one.
 */
class Places {
  /** Temporaries that lie between steps of a group. */
  readonly inside: ReadonlySet<number>;
  readonly #options: BindOptions;
  /** The last step that reads a buffer, or the last of its group. */
  readonly #last: readonly number[];
  /** Temporaries that each step is the first to write. */
  readonly #made: readonly (readonly View[])[];

  constructor(buffers: readonly BufferFacts[], steps: readonly PlannedStep[], options: BindOptions) {
    this.#options = options;
    this.inside = new Set((options.rows ?? []).flatMap(group => [...group.inside]));
    const last = new Array<number>(buffers.length).fill(-1);
    /** The last step of the group. */
    let over = 0;
    steps.forEach((s, at) => {
      over = s.rows ? at + s.rows.count - 1 : Math.max(over, at);
      for (const v of [...s.inputs, ...s.outputs]) if (v) last[v.buffer] = over;
    });
    this.#last = last;
    const seen = new Set<number>(this.inside);
    this.#made = steps.map((s, at) => {
      const views = s.rows ? steps.slice(at, at + s.rows.count).flatMap(k => k.outputs) : s.outputs;
      const made = views.filter(v => buffers[v.buffer]!.role === 'temporary' && !seen.has(v.buffer));
      for (const v of made) seen.add(v.buffer);
      return made;
    });
  }

  placed(buffers: readonly BoundBuffer[], steps: readonly BoundStep[]): Placed {
    const { reuse = true, alignment = 64, segment = Number.POSITIVE_INFINITY, largest = segment, inPlace = reuse } = this.#options;
    const placed = [...buffers];
    const arena = new Arena(segment);
    /** What ends with each step. */
    const ending: (Gap[] | undefined)[] = new Array(steps.length);
    const end = (until: number, gap: Gap): void => void (ending[until] ??= []).push(gap);
    for (const [at, s] of steps.entries()) {
      for (const gap of ending[at - 1] ?? []) {
        if (s.joins) end(at, gap);
        else arena.free(gap);
      }
      for (const { buffer } of this.#made[at]!) {
        const b = placed[buffer]!;
        if (b.offset !== undefined) continue;
        const length = Math.ceil(Math.max(1, memoryLength(b.type, b.size)) / alignment) * alignment;
        if (length > largest) continue;
        const over = reuse && inPlace ? takeOver(steps, at, { placed, ending: ending[at] ?? [], length }) : undefined;
        const start = over?.start ?? arena.take(length);
        placed[buffer] = { ...b, offset: start };
        if (reuse) end(this.#last[buffer]!, { start, end: start + length });
      }
    }
    return { bytes: arena.bytes, buffers: placed };
  }
}

/** The memory that a step may write where it reads it, which goes from what ends with the step. */
function takeOver(
  steps: readonly BoundStep[],
  at: number,
  { placed, ending, length }: { readonly placed: readonly BoundBuffer[]; readonly ending: Gap[]; readonly length: number },
): Gap | undefined {
  const s = steps[at]!;
  if (s.kernel.kind !== 'map' || s.outputs.length !== 1 || s.rows) return undefined;
  // A step that joins runs beside the one before, which still reads.
  const beside = s.joins ? steps[at - 1]!.inputs : [];
  const found = ending.findIndex(
    gap =>
      gap.end - gap.start === length &&
      isReadBy(s, s.outputs[0]!, gap.start, placed) &&
      !beside.some(x => x && placed[x.buffer]!.offset === gap.start),
  );
  return found < 0 ? undefined : ending.splice(found, 1)[0];
}

/** Whether a map reads what lies there at the very positions that it writes, and nothing else of it. */
function isReadBy(s: BoundStep, y: View<number>, start: number, buffers: readonly BoundBuffer[]): boolean {
  const there = s.inputs.filter(v => v && buffers[v.buffer]!.role === 'temporary' && buffers[v.buffer]!.offset === start);
  const isSame = (v: View<number>): boolean =>
    elementTypes[v.type].bits === elementTypes[y.type].bits &&
    v.offset === y.offset &&
    v.strides.every((stride, axis) => v.shape[axis] === 1 || stride === y.strides[axis]);
  return there.length > 0 && there.every(v => isSame(v!));
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
