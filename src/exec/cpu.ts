// The native CPU backend: a bound plan goes to the addon once, which proves it, and runs happen there on other threads. How the
// addon is found is the caller's matter, so that this file runs where there is no file system.
import { type Code, codes, fail, ModelError } from '../errors.ts';
import { isScalarType } from '../expr/primitives.ts';
import { arrayFor, bytesOf, resident, type Tensor, type TypedArray } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';
import type { KernelKind } from '../kernels/kernel.ts';
import { elementsOf, fromElements } from '../kernels/memory.ts';
import { computeType } from '../kernels/storage.ts';
import type { Backend, Bound, Watch } from './backend.ts';
import { type BindOptions, type BoundPlan, bindPlan } from './bind.ts';
import { claimProducts } from './claims/index.ts';
import { encodePlan } from './cpu-wire.ts';
import { onTypes, refuseLacking } from './lacking.ts';
import { type Plan, type Step, withoutContents } from './plan.ts';
import { groupRows } from './rows.ts';

/** What the addon exports. Handles are opaque; its errors carry `code` and the number of the `step`. */
export interface CpuAddon {
  /** Of the words of a plan. */
  readonly version?: number;
  /** Copies of the bytes of constant buffers, at their indexes. */
  constants(bytes: readonly (Uint8Array | undefined)[]): object;
  /** A plan, after every view, type and count in it has been checked; it runs on at most so many threads, 0 for all. */
  bind(words: Float64Array, names: readonly string[], constants: object, threads: number): object;
  /**
   * Outputs in the order of the ports. Inputs are copied before it returns. The run ends soon after `stop[0]` is no longer 0, with E3011;
   * `times` gets the milliseconds of each step.
   */
  run(plan: object, inputs: readonly Uint8Array[], stop?: Int32Array, times?: Float64Array): Promise<readonly ArrayBuffer[]>;
  /** What so many threads reach at best, 0 for all: multiplications and additions, and bytes read from memory, in a second. */
  measure(threads: number): { readonly flops: number; readonly bytes: number };
}

/** The addon, or why there is none. */
export type LoadAddon = () => CpuAddon | string;

export interface NativeOptions extends BindOptions {
  /** The most threads that a run takes; as many as there are processors otherwise. */
  readonly threads?: number | undefined;
}

/** The kernels in C++, on whole plans and off the JavaScript thread. */
export function nativeBackend(load: LoadAddon, options: NativeOptions = {}): Backend {
  const backend: Backend = {
    name: 'cpu',
    async available() {
      const addon = load();
      return typeof addon === 'string' ? addon : true;
    },
    claim: plan => claimProducts(plan, backend),
    async placement(plan) {
      const { plan: grouped, groups } = groupRows(plan);
      return { steps: grouped.steps, reasons: [], groups };
    },
    async compile(plan) {
      const addon = load();
      if (typeof addon === 'string') throw fail('E3008', `backend cpu: ${addon}`);
      refuseLacking('cpu', plan, lackOf);
      const odd = plan.inputs.find(p => !isComputed(p.view.type));
      if (odd) throw fail('E3008', `backend cpu lacks ${odd.view.type} (input ${odd.name})`);
      const constants = addon.constants(await bytesOfConstants(plan));
      const { plan: grouped, groups: rows } = groupRows(plan);
      const bare = withoutContents(grouped);
      return {
        bind: async sizes => bindNative(addon, bindPlan(bare, sizes, { rows, ...options }), constants, options.threads),
        dispose: async () => {},
      };
    },
  };
  return backend;
}

/** What kernels compute with: one entry an element, booleans as 0 and 1. */
const computedBytes = (t: Tensor): Uint8Array => bytesOf(elementsOf(t) as TypedArray);

/** Bytes of each constant of a plan, at its buffer's index. */
export const bytesOfConstants = (plan: Pick<Plan, 'buffers'>): Promise<readonly (Uint8Array | undefined)[]> =>
  Promise.all(plan.buffers.map(async b => b.tensor && computedBytes(await resident(b.tensor))));

/** @throws ModelError E3005 or E3008 where the addon's own check refuses the plan */
export function bindNative(addon: CpuAddon, plan: BoundPlan, constants: object, threads = 0): Bound {
  const { words, names } = encodePlan(plan);
  let handle: object;
  try {
    handle = addon.bind(words, names, constants, threads);
  } catch (error) {
    throw toModelError(error, plan);
  }
  return {
    plan,
    async run(inputs, { proceed, stop, record }: Watch = {}) {
      proceed?.();
      const ends = stop && new Int32Array(1);
      const end = (): void => void Atomics.store(ends!, 0, 1);
      stop?.addEventListener('abort', end);
      const times = record && new Float64Array(plan.steps.length);
      try {
        const outputs = await addon.run(handle, inputs.map(computedBytes), ends, times);
        times?.forEach((ms, i) => void record?.(plan.steps[i]!, ms));
        return plan.outputs.map(({ view: { type, shape } }, i) => fromElements(type, new (arrayFor(type))(outputs[i]!), shape));
      } catch (error) {
        // Why the run was stopped is known here.
        if (stop?.aborted) proceed?.();
        throw toModelError(error, plan);
      } finally {
        stop?.removeEventListener('abort', end);
      }
    },
    // The handle goes with its last reference.
    dispose: async () => {},
  };
}

function toModelError(error: unknown, plan: BoundPlan): unknown {
  const { code, step } = error as { readonly code?: unknown; readonly step?: unknown };
  if (error instanceof ModelError || !(error instanceof Error) || typeof code !== 'string' || !Object.hasOwn(codes, code)) return error;
  const label = typeof step === 'number' ? plan.steps[step]?.label : undefined;
  return fail(code as Code, error.message, label === undefined ? {} : { node: { op: label } }, { cause: error });
}

const isComputed = (type: DataType): boolean => computeType(type) !== undefined;
const isDouble = (type: DataType): boolean => type === 'float32' || type === 'float64';

/** Element types each kernel takes. Places and indices of argreduce, pool, gather, topk and scatter are not asked. */
const takes: Readonly<Record<KernelKind, (type: DataType, step: Step) => boolean>> = {
  map: isComputed,
  reduce: isScalarType,
  argreduce: isScalarType,
  matmul: isScalarType,
  conv: (type, { outputs: [y] }) => isDouble(type) || (y!.type === 'int32' && (type === 'int8' || type === 'uint8')),
  pool: (type, { kernel }) => isDouble(type) || (kernel.kind === 'pool' && kernel.by === 'max' && (type === 'int8' || type === 'uint8')),
  copy: isComputed,
  fill: isComputed,
  values: isScalarType,
  gather: isComputed,
  topk: isComputed,
  scatter: (type, { kernel }) => (kernel.kind === 'scatter' && kernel.by === 'none' ? isComputed(type) : isScalarType(type)),
};

function lackOf(step: Step): string | undefined {
  const { kind } = step.kernel;
  const views =
    kind === 'map' || kind === 'copy'
      ? [...step.inputs, ...step.outputs]
      : [kind === 'scatter' ? step.outputs[0] : (step.inputs[0] ?? step.outputs[0])];
  return views.every(v => !v || takes[kind](v.type, step)) ? undefined : onTypes(kind, step);
}
