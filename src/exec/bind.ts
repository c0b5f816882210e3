// Binding: a plan's sizes become numbers, every view is proved to lie in its buffer, and buffers get places in one arena.
import { fail } from '../errors.ts';
import { SymbolicDim } from '../ir/dims.ts';
import { formatShape } from '../ir/types.ts';
import type { Kernel, View } from '../kernels/kernel.ts';
import { memoryLength } from '../kernels/memory.ts';
import { Places } from './arena.ts';
import { type Geometries, type Geometry, Numbers, Patterns, type Sizes } from './numbers.ts';
import type { BufferFacts, Plan, Step } from './plan.ts';
import type { RowGroup } from './rows.ts';

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
  readonly #patterns = new Patterns(this.#numbers);
  /** By step, kernels that only binding knows whole. */
  readonly #kernels: ReadonlyMap<number, (numbers: readonly number[]) => Kernel<number>>;
  /** Of buffers and guards, the places of their sizes. */
  readonly #sizes: readonly number[];
  readonly #guards: readonly (readonly [number, number])[];
  readonly #claims: readonly Claim[];
  readonly #places: Places;
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
    this.#kernels = new Map(
      plan.steps.flatMap(({ kernel }, at) => (hasSymbols(kernel) ? [[at, kernelBinder(kernel, numbers)] as const] : [])),
    );
    // Ports add to the patterns, and have none that binding proves.
    for (const { view } of [...plan.inputs, ...plan.outputs]) this.#patterns.placeOf(view);
    this.#sizes = plan.buffers.map(b => numbers.sizeOf(b.size));
    this.#guards = plan.guards.map(({ sizes: [a, b] }) => [numbers.placeOf(a), numbers.placeOf(b)]);
    this.#claims = claimsOf(this.steps, v => [this.#patterns.placeOf(v), this.#sizes[v.buffer]!]);
    this.#places = new Places(plan.buffers, this.steps, options, v => this.#patterns.placeOf(v));
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
    const geometries = this.#patterns.boundFor(numbers);
    for (const { geometry, size, label } of this.#claims) checkInside(geometries[geometry]!, numbers[size]!, label);
    const lengths = Float64Array.from(plan.buffers, (b, i) => memoryLength(b.type, numbers[this.#sizes[i]!]!));
    const { bytes, offsets } = this.#places.placed(lengths, geometries);
    this.#limit(bytes, lengths, offsets);
    const viewOf = (v: View): View<number> => this.#viewOf(v, geometries);
    const stepsFor = (): readonly BoundStep[] => this.steps.map((s, at) => this.#stepOf(s, this.#kernels.get(at)?.(numbers), viewOf));
    let steps: readonly BoundStep[] | undefined;
    return {
      inputs: plan.inputs.map(({ name, view }) => ({ name, view: viewOf(view) })),
      outputs: plan.outputs.map(({ name, view }) => ({ name, view: viewOf(view) })),
      buffers: plan.buffers.map(({ type, role, tensor }, i) => boundBuffer(type, role, tensor, numbers[this.#sizes[i]!]!, offsets[i]!)),
      arena: bytes,
      // The addon has words instead, and a growing cache binds anew for every token: they are made for who asks.
      get steps() {
        steps ??= stepsFor();
        return steps;
      },
    };
  }

  /** What has no symbols is bound as it is. */
  #viewOf(v: View, geometries: Geometries): View<number> {
    // The cast: every size of it was found to be a number.
    return isFixed(v) ? (v as View<number>) : { buffer: v.buffer, type: v.type, ...geometries[this.#patterns.placeOf(v)]! };
  }

  #stepOf(s: PlannedStep, kernel: Kernel<number> | undefined, viewOf: (v: View) => View<number>): BoundStep {
    const { label, joins, rows, inputs, outputs } = s;
    // The casts: as above.
    if (!kernel && [...inputs, ...outputs].every(v => !v || isFixed(v))) return s as BoundStep;
    return {
      label,
      joins,
      rows,
      kernel: kernel ?? (s.kernel as Kernel<number>),
      inputs: inputs.map(v => v && viewOf(v)),
      outputs: outputs.map(viewOf),
    };
  }

  #limit(arena: number, lengths: Float64Array, offsets: Float64Array): void {
    const { memory = Number.POSITIVE_INFINITY } = this.#options;
    const total = lengths.reduce((n, length, i) => n + (offsets[i]! >= 0 || this.#places.inside.has(i) ? 0 : length), arena);
    if (total <= memory) return;
    const largest = lengths.reduce((at, length, i) => (length > lengths[at]! ? i : at), 0);
    const most = `the largest tensor, ${nameOf(this.#plan, largest)}, takes ${lengths[largest]}`;
    throw fail('E3007', `the run needs ${total} bytes, the limit is ${memory}; ${most}`, { limit: { name: 'memory', value: memory } });
  }
}

/** That views of a pattern lie in a buffer of a size, both by their places; of many equal ones the first says whose it is. */
interface Claim {
  readonly geometry: number;
  readonly size: number;
  readonly label: string;
}

function claimsOf(steps: readonly PlannedStep[], placesOf: (v: View) => readonly [number, number]): Claim[] {
  const claims = new Map<string, Claim>();
  for (const { inputs, outputs, label } of steps)
    for (const v of [...inputs, ...outputs]) {
      if (!v) continue;
      const [geometry, size] = placesOf(v);
      const key = `${geometry} ${size}`;
      if (!claims.has(key)) claims.set(key, { geometry, size, label });
    }
  return [...claims.values()];
}

function boundBuffer(
  type: BufferFacts['type'],
  role: BufferFacts['role'],
  tensor: BufferFacts['tensor'],
  size: number,
  offset: number,
): BoundBuffer {
  if (tensor) return { type, role, size, tensor };
  return offset >= 0 ? { type, role, size, offset } : { type, role, size };
}

/** What people know a buffer by. */
function nameOf({ inputs, steps }: Plan, buffer: number): string {
  const input = inputs.find(p => p.view.buffer === buffer);
  if (input) return `input ${input.name}`;
  const step = steps.find(s => s.outputs.some(v => v.buffer === buffer));
  return step ? `made by ${step.label}` : 'a constant';
}

/** Whether plain data has a size that only binding knows; programs have none. */
function hasSymbols(data: unknown): boolean {
  if (data instanceof SymbolicDim) return true;
  if (Array.isArray(data)) return data.some(hasSymbols);
  return isData(data) && Object.entries(data).some(([k, v]) => k !== 'program' && hasSymbols(v));
}

const isFixed = ({ offset, shape, strides }: View): boolean =>
  typeof offset === 'number' && shape.every(d => typeof d === 'number') && strides.every(d => typeof d === 'number');

function kernelBinder(kernel: Kernel, numbers: Numbers): (found: readonly number[]) => Kernel<number> {
  const bind = dataBinder(kernel, numbers);
  // The cast: every size inside becomes a number.
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

function checkInside({ offset, shape, strides }: Geometry<number>, size: number, label: string): void {
  if (shape.includes(0)) return;
  let low = offset;
  let high = offset;
  for (const [axis, d] of shape.entries()) {
    const reach = (d - 1) * strides[axis]!;
    if (reach < 0) low += reach;
    else high += reach;
  }
  if (low < 0 || high >= size)
    throw fail('E3005', `${label}: sizes contradict each other: ${formatShape(shape)} does not fit a buffer of ${size} elements`);
}
