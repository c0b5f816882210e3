// Runs of a bound plan: inputs go up, commands are encoded as they were prepared, results come back.
import { fail, ModelError } from '../../errors.ts';
import { arrayFor, bytesOf, resident, Tensor, type TypedArray } from '../../ir/tensor.ts';
import { elementTypes } from '../../ir/types.ts';
import { runKernel } from '../../kernels/index.ts';
import { elementsOf, fromElements, memoryLength } from '../../kernels/memory.ts';
import type { Watch } from '../backend.ts';
import type { BoundPlan } from '../bind.ts';
import type { Phase, Placement } from '../gpu/placement.ts';
import type { Compiled } from './bound.ts';
import { contentOn, DeviceContent } from './kept.ts';
import { type Range, write } from './memory.ts';
import { statusWords } from './wgsl.ts';

export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly [number, number];
}

/** Bytes in front of what is read back, for what kernels report. */
export const statusLength = 32;
export const stagedLength = (plan: BoundPlan, buffer: number): number => {
  const { type, size } = plan.buffers[buffer]!;
  return Math.ceil(memoryLength(type, size) / 8) * 8;
};

/** Buffers of outputs that are on the device in the end. */
export const outputsOf = ({ outputsOn }: Placement, plan: BoundPlan): number[] => [
  ...new Set(plan.outputs.flatMap((p, i) => (outputsOn[i] === 'device' ? [p.view.buffer] : []))),
];

export interface Work {
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

export class Runner {
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
        await this.#readBack(phase.fetched, watch);
        this.#runOnHost(phase, watch);
      }
    }
    const stay = new Map(
      plan.outputs.flatMap((p, i) => (kept.has(i) && this.#canStay(i) ? [[p.view.buffer, this.#keep(i)] as const] : [])),
    );
    await this.#readBack(
      outputsOf(placement, plan).filter(buffer => !stay.has(buffer)),
      watch,
    );
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
  async #readBack(buffers: readonly number[], { proceed }: Watch): Promise<void> {
    const { compiled, plan, rangesOf, staging, status } = this.#work;
    const { device } = compiled;
    if (!compiled.placement.phases.some(p => p.on === 'device')) return;
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
    // While the device computed, time went by.
    proceed?.();
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
