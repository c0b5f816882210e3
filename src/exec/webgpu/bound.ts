// A plan with its sizes bound on a WebGPU device: everything that a run replays is made here once.
import { fail, ModelError } from '../../errors.ts';
import { arrayFor, bytesOf, resident, Tensor, type TypedArray } from '../../ir/tensor.ts';
import { elementTypes } from '../../ir/types.ts';
import { runKernel } from '../../kernels/index.ts';
import { elementsOf, fromElements, memoryLength } from '../../kernels/memory.ts';
import type { Bound, Watch } from '../backend.ts';
import { type BoundPlan, type BoundStep, bindPlan, type Sizes } from '../bind.ts';
import { type Program, programOf } from '../gpu/kernels/index.ts';
import { type Phase, type Placement, touchedBy } from '../gpu/placement.ts';
import { type Pass, stepNumber, type Written } from '../gpu/writer.ts';
import type { BufferFacts, Step } from '../plan.ts';
import { type Device, type Pipeline, usage } from './device.ts';
import { contentOn, DeviceContent } from './kept.ts';
import { alignment, type Range, Segments, write } from './memory.ts';
import { statusWords, wgsl } from './wgsl.ts';

/** A plan on a device before its sizes are bound. */
export interface Compiled {
  readonly device: Device;
  readonly placement: Placement;
  /** Nothing for steps of the host. */
  readonly programs: readonly (Program | undefined)[];
  /** In the order of the ways and passes of each step. */
  readonly pipelines: readonly (readonly (readonly Pipeline[])[] | undefined)[];
  readonly constants: ReadonlyMap<number, readonly Range[]>;
  readonly hostConstants: ReadonlyMap<number, TypedArray>;
}

/** A step as kernels are written for it: buffers whose size is known to exceed a binding are bound in parts. */
export const writtenOn = (device: Device, buffers: readonly BufferFacts[], step: Step): Written => ({
  step,
  isConstant: at => buffers[at]!.role === 'constant',
  partBytes: device.mostBytes,
  partsOf: at => {
    const { type, size } = buffers[at]!;
    return typeof size === 'number' ? Math.max(1, Math.ceil(memoryLength(type, size) / device.mostBytes)) : 1;
  },
});

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly [number, number];
}

/** A dispatch as it is before there is memory. */
interface Planned {
  readonly pass: Pass;
  readonly pipeline: Pipeline;
  readonly step: BoundStep;
  readonly groups: number;
  readonly parameters: () => Range;
  readonly words: Int32Array<ArrayBuffer>;
  readonly lists: readonly { readonly place: () => Range; readonly words: Int32Array<ArrayBuffer> }[];
}

export async function bindOn(compiled: Compiled, sizes: Sizes, memory: number | undefined): Promise<Bound> {
  const { device, placement } = compiled;
  const segment = device.gpu.limits.maxBufferSize;
  const plan = bindPlan(placement.plan, sizes, { alignment, segment, largest: device.mostBytes, ...(memory !== undefined && { memory }) });
  const all = new Segments(device, usage.storage | usage.copyTarget | usage.copySource);
  const facts = new Segments(device, usage.storage | usage.uniform | usage.copyTarget);
  const ready = await inParts(compiled, plan);
  const planned = plan.steps.map((step, i) => planStep(ready, step, i, facts));
  const buffers = placeBuffers(compiled, plan, all);
  const scratch = all.place(4 * scratchWords(planned.flat()));
  const status = all.place(4 * statusWords);
  const readings = [...placement.phases.filter(p => p.on === 'host').map(p => p.fetched), outputsOf(placement, plan)];
  const longest = Math.max(...readings.map(list => statusLength + list.reduce((n, b) => n + stagedLength(plan, b), 0)));
  if (longest > segment)
    throw fail('E3007', `outputs take ${longest} bytes, the device's limit is ${segment}`, { limit: { name: 'buffer', value: segment } });

  device.gpu.pushErrorScope('out-of-memory');
  all.allocate();
  facts.allocate();
  const staging = device.gpu.createBuffer({ size: longest, usage: usage.mapRead | usage.copyTarget });
  const error = await device.gpu.popErrorScope();
  if (error) throw fail('E3007', `the device has no memory for ${all.bytes + facts.bytes + longest} bytes: ${error.message}`);

  const rangesOf = (buffer: number): readonly Range[] => compiled.constants.get(buffer) ?? buffers.get(buffer)?.() ?? [];
  const readByHost = new Set([...touchedBy(placement, 'host'), ...plan.outputs.map(p => p.view.buffer)]);
  const dispatches = planned.map(list => list.map(p => dispatchOf(device, p, rangesOf, scratch(), status())));
  const run = new Runner({ compiled, plan, dispatches, rangesOf, readByHost, staging, status: status() });
  let last: Promise<unknown> = Promise.resolve();
  return {
    plan,
    run(inputs, watch, kept) {
      // Memory belongs to the binding, so its runs follow each other.
      const next = last.then(() => run.once(inputs, watch, kept));
      last = next.catch(() => {});
      return next;
    },
    async dispose() {
      await last;
      all.destroy();
      facts.destroy();
      staging.destroy();
    },
  };
}

const statusLength = 32;
const stagedLength = (plan: BoundPlan, buffer: number): number => {
  const { type, size } = plan.buffers[buffer]!;
  return Math.ceil(memoryLength(type, size) / 8) * 8;
};

/** Buffers of outputs that are on the device in the end. */
const outputsOf = ({ outputsOn }: Placement, plan: BoundPlan): number[] => [
  ...new Set(plan.outputs.flatMap((p, i) => (outputsOn[i] === 'device' ? [p.view.buffer] : []))),
];

/** Kernels for steps whose buffers turn out to be larger than a binding. */
async function inParts(compiled: Compiled, plan: BoundPlan): Promise<Compiled> {
  const { device, placement } = compiled;
  const isLarge = plan.buffers.map(
    (b, i) => typeof placement.plan.buffers[i]!.size !== 'number' && memoryLength(b.type, b.size) > device.mostBytes,
  );
  if (!isLarge.includes(true)) return compiled;
  const programs = [...compiled.programs];
  const pipelines = [...compiled.pipelines];
  for (const [i, step] of placement.plan.steps.entries()) {
    if (!programs[i] || ![...step.inputs, ...step.outputs].some(v => v && isLarge[v.buffer])) continue;
    const program = programOf(writtenOn(device, plan.buffers, step), wgsl) as Program;
    programs[i] = program;
    pipelines[i] = await Promise.all(program.map(way => Promise.all(way.passes.map(pass => device.pipeline(pass)))));
  }
  return { ...compiled, programs, pipelines };
}

function planStep({ device, programs, pipelines }: Compiled, step: BoundStep, at: number, facts: Segments): Planned[] {
  const program = programs[at];
  if (!program || step.outputs[0]!.shape.some(d => d === 0)) return [];
  const way = program.findIndex(w => w.fits(step));
  return program[way]!.passes.flatMap((pass, k) => {
    const groups = pass.groups(step);
    if (groups === 0) return [];
    const numbers = pass.parameters.map(p => (p === stepNumber ? at : p(step)));
    const odd = numbers.find(n => !(Math.abs(n) <= 2 ** 31));
    if (odd !== undefined || groups > device.gpu.limits.maxComputeWorkgroupsPerDimension ** 2)
      throw fail('E3007', `${step.label}: a size of ${odd} exceeds what 32 bits address`, { limit: { name: 'elements', value: 2 ** 31 } });
    const lists = pass.slots.flatMap(({ source }) => {
      if (source.kind !== 'list') return [];
      const words = pairsOf(source.numbers(step));
      return [{ words, place: facts.place(words.byteLength) }];
    });
    const words = Int32Array.from(numbers);
    return [{ pass, step, groups, words, lists, pipeline: pipelines[at]![way]![k]!, parameters: facts.place(words.byteLength) }];
  });
}

/** Numbers as two words each, the low one first. */
function pairsOf(numbers: readonly number[]): Int32Array<ArrayBuffer> {
  return new Int32Array(BigInt64Array.from(numbers, BigInt).buffer);
}

const scratchWords = (planned: readonly Planned[]): number =>
  planned.reduce(
    (most, { pass, step }) => pass.slots.reduce((n, { source }) => (source.kind === 'scratch' ? Math.max(n, source.words(step)) : n), most),
    0,
  );

/** Places for inputs, outputs and temporaries that device steps touch or that are read back. */
function placeBuffers({ placement }: Compiled, plan: BoundPlan, all: Segments): ReadonlyMap<number, () => readonly Range[]> {
  const places = new Map<number, () => readonly Range[]>();
  const needed = new Set(outputsOf(placement, plan));
  for (const { on, from, to } of placement.phases)
    if (on === 'device')
      for (const s of plan.steps.slice(from, to)) for (const v of [...s.inputs, ...s.outputs]) if (v) needed.add(v.buffer);
  const arena = plan.arena > 0 ? all.placeArena(plan.arena) : undefined;
  for (const at of needed) {
    const { role, type, size, offset } = plan.buffers[at]!;
    const bytes = memoryLength(type, size);
    if (role === 'constant') continue;
    if (offset !== undefined && arena) places.set(at, () => [arena(offset, bytes)]);
    else places.set(at, all.placeParts(bytes));
  }
  return places;
}

function dispatchOf(
  device: Device,
  { pass, pipeline, groups, parameters, words, lists }: Planned,
  rangesOf: (buffer: number) => readonly Range[],
  scratch: Range,
  status: Range,
): Dispatch {
  const own = parameters();
  write(device, [own], new Uint8Array(words.buffer));
  for (const { place, words } of lists) write(device, [place()], new Uint8Array(words.buffer));
  let list = 0;
  const ranges = pass.slots.flatMap(({ source }) => {
    if (source.kind === 'buffer') return rangesOf(source.buffer);
    if (source.kind === 'list') return [lists[list++]!.place()];
    return [source.kind === 'scratch' ? scratch : status];
  });
  const entries = [own, ...ranges].map((resource, binding) => ({ binding, resource }));
  const across = Math.min(groups, device.gpu.limits.maxComputeWorkgroupsPerDimension);
  return {
    pipeline: pipeline.pipeline,
    group: device.gpu.createBindGroup({ layout: pipeline.layout, entries }),
    groups: [across, Math.ceil(groups / across)],
  };
}

interface Work {
  readonly compiled: Compiled;
  readonly plan: BoundPlan;
  /** Of each step. */
  readonly dispatches: readonly (readonly Dispatch[])[];
  readonly rangesOf: (buffer: number) => readonly Range[];
  /** Buffers that the host reads or returns, inputs among them. */
  readonly readByHost: ReadonlySet<number>;
  readonly staging: GPUBuffer;
  readonly status: Range;
}

const readMode = 1;
/** Dispatches of one submission: few enough that the device begins while the rest is encoded. */
const perSubmit = 64;

class Runner {
  readonly #work: Work;
  /** What the host has, by buffer; results leave with it, so that each run has its own. */
  #memory = new Map<number, TypedArray>();
  /** Inputs that are on the device already. */
  #onDevice = new Map<number, DeviceContent>();

  constructor(work: Work) {
    this.#work = work;
  }

  async once(inputs: readonly Tensor[], watch: Watch = {}, kept: ReadonlySet<number> = new Set()): Promise<Tensor[]> {
    const { compiled, plan, status } = this.#work;
    const { device, placement } = compiled;
    device.check();
    this.#memory = new Map(compiled.hostConstants);
    this.#onDevice = new Map();
    for (const [i, p] of plan.inputs.entries()) await this.#takeInput(p.name, p.view.buffer, inputs[i]!);
    write(device, [status], new Uint8Array(4 * statusWords));
    for (const phase of placement.phases) {
      if (phase.on === 'device') await this.#runOnDevice(phase, watch);
      else {
        await this.#readBack(phase.fetched);
        this.#runOnHost(phase, watch);
      }
    }
    const stay = new Map(
      plan.outputs.flatMap((p, i) => (kept.has(i) && this.#canStay(i) ? [[p.view.buffer, this.#keep(i)] as const] : [])),
    );
    await this.#readBack(outputsOf(placement, plan).filter(buffer => !stay.has(buffer)));
    return plan.outputs.map(({ view: { type, shape, buffer } }) => {
      const content = stay.get(buffer);
      return content ? new Tensor(type, content, shape) : fromElements(type, this.#hostArray(buffer), shape);
    });
  }

  /** Whether an output is on the device as a tensor holds it, and in one piece. */
  #canStay(output: number): boolean {
    const { compiled, plan, rangesOf } = this.#work;
    const { type, buffer } = plan.outputs[output]!.view;
    return compiled.placement.outputsOn[output] === 'device' && elementTypes[type].bits >= 8 && rangesOf(buffer).length === 1;
  }

  #keep(output: number): DeviceContent {
    const { compiled, plan, rangesOf } = this.#work;
    const { type, buffer } = plan.outputs[output]!.view;
    const [range] = rangesOf(buffer) as readonly [Range];
    const content = new DeviceContent(compiled.device, memoryLength(type, plan.buffers[buffer]!.size));
    this.#copy({ buffer: range.buffer, offset: range.offset }, { buffer: content.buffer, offset: 0 }, content.length);
    return content;
  }

  #copy(from: Omit<Range, 'size'>, to: Omit<Range, 'size'>, length: number): void {
    const { gpu } = this.#work.compiled.device;
    const encoder = gpu.createCommandEncoder();
    if (length > 0) encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, Math.ceil(length / 4) * 4);
    gpu.queue.submit([encoder.finish()]);
  }

  async #takeInput(name: string, buffer: number, tensor: Tensor): Promise<void> {
    const { compiled, plan, rangesOf } = this.#work;
    const { size } = plan.buffers[buffer]!;
    if (tensor.size !== size) throw fail('E3003', `input ${name} has ${tensor.size} elements, ${size} are expected`);
    const content = contentOn(compiled.device, tensor);
    if (content && !this.#work.readByHost.has(buffer) && rangesOf(buffer).length === 1) this.#onDevice.set(buffer, content);
    else this.#memory.set(buffer, elementsOf(await resident(tensor)) as TypedArray);
  }

  #hostArray(buffer: number): TypedArray {
    let array = this.#memory.get(buffer);
    if (!array) {
      const { type, size } = this.#work.plan.buffers[buffer]!;
      array = new (arrayFor(type))(size);
      this.#memory.set(buffer, array);
    }
    return array;
  }

  async #runOnDevice({ from, to, fetched }: Phase, { proceed, record }: Watch): Promise<void> {
    const { compiled, plan, dispatches, rangesOf } = this.#work;
    const { gpu } = compiled.device;
    for (const buffer of fetched) {
      const content = this.#onDevice.get(buffer);
      if (content) this.#copy({ buffer: content.buffer, offset: 0 }, rangesOf(buffer)[0]!, content.length);
      else write(compiled.device, rangesOf(buffer), bytesOf(this.#hostArray(buffer)));
    }
    for (let first = from; first < to; ) {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      let encoded = 0;
      const [begin, started] = [first, performance.now()];
      // A step that is measured is a submission of its own.
      for (; first < to && encoded < perSubmit && !(record && first > begin); first++) {
        proceed?.({ step: first, steps: plan.steps.length, label: plan.steps[first]!.label });
        for (const d of dispatches[first]!) {
          pass.setPipeline(d.pipeline);
          pass.setBindGroup(0, d.group);
          pass.dispatchWorkgroups(...d.groups);
          encoded++;
        }
      }
      pass.end();
      gpu.queue.submit([encoder.finish()]);
      if (!record) continue;
      await gpu.queue.onSubmittedWorkDone();
      record(plan.steps[begin]!, performance.now() - started);
    }
  }

  #runOnHost({ from, to }: Phase, { proceed, record }: Watch): void {
    const { plan } = this.#work;
    for (let at = from; at < to; at++) {
      const { kernel, inputs, outputs, label } = plan.steps[at]!;
      proceed?.({ step: at, steps: plan.steps.length, label });
      const started = performance.now();
      try {
        runKernel(
          kernel,
          inputs.map(v => v && { ...v, data: this.#hostArray(v.buffer) }),
          outputs.map(v => ({ ...v, data: this.#hostArray(v.buffer) })),
        );
      } catch (error) {
        throw error instanceof ModelError ? error.within({ node: { op: label } }) : error;
      }
      record?.(plan.steps[at]!, performance.now() - started);
    }
  }

  /** Buffers of the device as arrays of the host, all of them at once, and what kernels reported. */
  async #readBack(buffers: readonly number[]): Promise<void> {
    const { compiled, plan, rangesOf, staging, status } = this.#work;
    const { device } = compiled;
    if (!compiled.programs.some(Boolean)) return;
    const encoder = device.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(status.buffer, status.offset, staging, 0, statusWords * 4);
    let at = statusLength;
    const parts = buffers.map(buffer => {
      const length = stagedLength(plan, buffer);
      const start = at;
      for (const { buffer: from, offset, size } of rangesOf(buffer)) {
        const part = Math.min(size, start + length - at);
        if (part > 0) encoder.copyBufferToBuffer(from, offset, staging, at, part);
        at += part;
      }
      return { buffer, at: start };
    });
    device.gpu.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(readMode, 0, at);
    } catch (error) {
      device.check();
      throw fail('E3008', `backend webgpu: the device gave no results: ${String(error)}`, {}, { cause: error });
    }
    const bytes = staging.getMappedRange(0, at).slice(0);
    staging.unmap();
    device.check();
    this.#refuseReport(new Int32Array(bytes, 0, statusWords));
    for (const { buffer, at } of parts) {
      const { type, size } = plan.buffers[buffer]!;
      // A copy, so that the result of one output does not hold the memory of all.
      this.#memory.set(buffer, new (arrayFor(type))(bytes.slice(at, at + memoryLength(type, size))));
    }
  }

  #refuseReport(words: Int32Array<ArrayBuffer>): void {
    const step = words[0]! - 1;
    if (step < 0) return;
    const index = new BigInt64Array(words.slice(1, 3).buffer)[0]!;
    throw fail('E3006', `index ${index} is outside axis ${words[4]} of size ${words[3]}`, {
      node: { op: this.#work.plan.steps[step]!.label },
    });
  }
}
