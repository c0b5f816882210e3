// The native CPU backend: a bound plan goes to the addon once, which proves it, and runs happen there on other threads. How the
// addon is found is the caller's matter, so that this file runs where there is no file system.
import { type Code, codes, fail, ModelError } from '../errors.ts';
import { isScalarType } from '../expr/primitives.ts';
import { arrayFor, bytesOf, resident, type Stored, Tensor, type TypedArray } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import type { KernelKind } from '../kernels/kernel.ts';
import { elementsOf, fromElements, memoryLength } from '../kernels/memory.ts';
import { computeType } from '../kernels/storage.ts';
import type { Backend, Bound, Places, Watch } from './backend.ts';
import { Binding, type BindOptions, type BoundPlan, type BoundPort } from './bind.ts';
import { blockChannels } from './blocks.ts';
import { RoomContent } from './cache.ts';
import { claimProducts } from './claims/index.ts';
import { encodePlan, WordsOf } from './cpu-wire.ts';
import { onTypes, refuseLacking } from './lacking.ts';
import { type Plan, type Step, withoutContents } from './plan.ts';
import { groupRows } from './rows.ts';
import { mayShare } from './sharing.ts';

/** What the addon exports. Handles are opaque; its errors carry `code` and the number of the `step`. */
export interface CpuAddon {
  /** Of the words of a plan. */
  readonly version?: number;
  /** A place for the constants among so many buffers, which `constant` fills. */
  constants(buffers: number): object;
  /** Copies the bytes of a constant buffer, before anything is bound. */
  constant(constants: object, buffer: number, bytes: Uint8Array): void;
  /** A plan, after every view, type and count in it has been checked; it runs on at most so many threads, 0 for all, in so many bytes. */
  bind(words: Float64Array, names: readonly string[], constants: object, threads: number, memory: number): object;
  /**
   * Writes to the memory of outputs, in the order of the ports. Inputs are copied before it returns, but for those whose entry in `lent` is
   * not 0. The run ends soon after `stop[0]` is no longer 0, with E3011; `times` gets the milliseconds of each step.
   */
  run(
    plan: object,
    inputs: readonly Uint8Array[],
    lent: Uint8Array,
    outputs: readonly Uint8Array[],
    stop?: Int32Array,
    times?: Float64Array,
  ): Promise<void>;
  /** Forgets a plan, which is not run again. */
  release(plan: object): void;
  /** What so many threads reach at best, 0 for all: multiplications and additions, and bytes read from memory, in a second. */
  measure(threads: number): { readonly flops: number; readonly bytes: number };
}

/** As many bytes as the addon counts. */
const mostMemory = Number.MAX_SAFE_INTEGER;

/** The addon, or why there is none. */
export type LoadAddon = () => CpuAddon | string;

export interface NativeOptions extends BindOptions {
  /** The most threads that a run takes; as many as there are processors otherwise. */
  readonly threads?: number | undefined;
  /**
   * Convolutions of 3 x 3 taps by Winograd's F(4 x 4, 3 x 3), with a quarter of the multiplications. Results differ by up to some 1e-5 of the
   * largest one, where they otherwise differ by 1e-6.
   */
  readonly winograd?: boolean | undefined;
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
      const { plan: grouped, groups } = groupRows(blockChannels(plan, options));
      return { plan: grouped, reasons: [], groups };
    },
    async compile(plan) {
      const addon = load();
      if (typeof addon === 'string') throw fail('E3008', `backend cpu: ${addon}`);
      refuseLacking('cpu', plan, lackOf);
      const odd = plan.inputs.find(p => !isComputed(p.view.type));
      if (odd) throw fail('E3008', `backend cpu lacks ${odd.view.type} (input ${odd.name})`);
      const blocked = blockChannels(plan, options);
      const constants = await constantsOf(addon, blocked);
      const { plan: grouped, groups: rows } = groupRows(blocked);
      const bare = withoutContents(grouped);
      const binding = new Binding(bare, { rows, ...options });
      const words = new WordsOf({ ...bare, steps: binding.steps });
      return {
        async bind(sizes) {
          const bound = binding.bind(sizes);
          return bindNative(addon, bound, constants, options, () => words.of(bound, sizes));
        },
        dispose: async () => {},
      };
    },
    takesRoom: true,
    holds: ({ content }) => content instanceof NativeContent || content instanceof RoomContent,
  };
  return backend;
}

/** What kernels compute with: one entry an element, booleans as 0 and 1. */
const computedBytes = (t: Tensor): Uint8Array => bytesOf(elementsOf(t) as TypedArray);

/** The constants of a plan, as the addon keeps them. They are read one by one, so that only one is here and there. */
export async function constantsOf(addon: CpuAddon, { buffers }: Pick<Plan, 'buffers'>): Promise<object> {
  const constants = addon.constants(buffers.length);
  for (const [at, { tensor }] of buffers.entries()) if (tensor) addon.constant(constants, at, computedBytes(await resident(tensor)));
  return constants;
}

/** @throws ModelError E3005 or E3008 where the addon's own check refuses the plan */
export function bindNative(
  addon: CpuAddon,
  plan: BoundPlan,
  constants: object,
  { threads = 0, memory = mostMemory }: NativeOptions = {},
  encode = () => encodePlan(plan),
): Bound {
  const bind = (): object => {
    const { words, names } = encode();
    try {
      return addon.bind(words, names, constants, threads, Math.min(memory, mostMemory));
    } catch (error) {
      throw toModelError(error, plan);
    }
  };
  let handle: object | undefined = bind();
  return {
    plan,
    async run(inputs, { proceed, stop, record }: Watch = {}, places: Places = {}) {
      proceed?.();
      const ends = stop && new Int32Array(1);
      const end = (): void => void Atomics.store(ends!, 0, 1);
      stop?.addEventListener('abort', end);
      const times = record && new Float64Array(plan.steps.length);
      try {
        const outputs = plan.outputs.map((port, i) => memoryFor(plan, port, places.into?.get(i)));
        const given = inputs.map((t, i) => inputOf(plan, t, i, outputs));
        // A run may have been on its way here when another one needed the place for its sizes.
        handle ??= bind();
        await addon.run(
          handle,
          given.map(input => input.bytes),
          Uint8Array.from(given, input => Number(input.isLent)),
          outputs,
          ends,
          times,
        );
        times?.forEach((ms, i) => void record?.(plan.steps[i]!, ms));
        return plan.outputs.map((port, i) => {
          const target = places.into?.get(i);
          return target && isWhole(port) ? target : resultOf(port, outputs[i]!, places.kept?.has(i) ?? false);
        });
      } catch (error) {
        // Why the run was stopped is known here.
        if (stop?.aborted) proceed?.();
        throw toModelError(error, plan);
      } finally {
        stop?.removeEventListener('abort', end);
      }
    },
    async dispose() {
      if (handle) addon.release(handle);
      handle = undefined;
    },
  };
}

/** Whether elements lie in memory as a tensor holds them. */
const isWhole = ({ view }: BoundPort): boolean => elementTypes[view.type].bits >= 8;

/** Where an output is written: memory of the caller, which fits, or new memory. */
function memoryFor({ buffers }: BoundPlan, port: BoundPort, target: Tensor | undefined): Uint8Array {
  const { type, buffer } = port.view;
  if (target && isWhole(port)) return target.content instanceof RoomContent ? target.content.room.bytes : target.bytes();
  const bytes = memoryLength(type, buffers[buffer]!.size);
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw fail('E3007', `there is no memory for ${port.name}, ${bytes} bytes`, {}, { cause });
  }
}

/** The bytes of an input. What stays as it is while the run lasts is lent, and so is what an output may be written over. */
function inputOf(plan: BoundPlan, tensor: Tensor, input: number, outputs: readonly Uint8Array[]): { bytes: Uint8Array; isLent: boolean } {
  if (tensor.content instanceof NativeContent) return { bytes: tensor.content.bytes, isLent: true };
  const bytes = tensor.content instanceof RoomContent ? tensor.content.room.bytes : computedBytes(tensor);
  const over = outputs.flatMap((memory, i) => (memory.buffer === bytes.buffer ? [i] : []));
  const isLent = over.length === 1 && outputs[over[0]!]!.byteOffset === bytes.byteOffset && mayShare(plan, input, over[0]!);
  return { bytes, isLent };
}

function resultOf(port: BoundPort, bytes: Uint8Array, isKept: boolean): Tensor {
  const { type, shape } = port.view;
  if (isKept && isWhole(port)) return new Tensor(type, new NativeContent(bytes), shape);
  return fromElements(type, new (arrayFor(type))(bytes.buffer as ArrayBuffer), shape);
}

/** Memory that a run made and that nobody changes, so that the next run reads it where it lies. */
class NativeContent implements Stored {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  get length(): number {
    return this.bytes.length;
  }
  async read(offset = 0, length = this.length - offset): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length);
  }
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
