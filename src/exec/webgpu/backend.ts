// The WebGPU backend: one pipeline a kernel, made when the plan is compiled; buffers and bind groups made when sizes are bound;
// a run uploads, records one pass and reads the outputs back.
import { fail } from '../../errors.ts';
import { resident, Tensor, type TypedArray } from '../../ir/tensor.ts';
import type { DataType } from '../../ir/types.ts';
import type { Backend, Bound, Executable } from '../backend.ts';
import { type BoundPlan, type BoundStep, bindPlan, type Sizes } from '../bind.ts';
import { refuseLacking } from '../lacking.ts';
import type { Plan } from '../plan.ts';
import { headWords, layoutOf, type Shader, shaderOf, workgroupSize } from './wgsl.ts';

export interface WebGpuOptions {
  /** The device to run on; one of the default adapter otherwise. It stays the caller's. */
  readonly device?: GPUDevice;
}

// The standard's numbers; the objects that name them exist only where WebGPU does.
const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, storage: 0x80 };
const readMode = 1;
const computeStage = 4;
/** Most results of one step, so that positions stay within 32 bits on the device. */
const maxElements = 2 ** 30;

/** Kernels in WGSL for float32, int32, uint32 and bool. */
export function webgpuBackend({ device }: WebGpuOptions = {}): Backend {
  let opened: Promise<GPUDevice | string> | undefined;
  const open = (): Promise<GPUDevice | string> => {
    opened ??= device ? Promise.resolve(device) : openDevice();
    return opened;
  };
  return {
    name: 'webgpu',
    async available() {
      const found = await open();
      return typeof found === 'string' ? found : true;
    },
    async compile(plan) {
      const found = await open();
      if (typeof found === 'string') throw fail('E3008', `backend webgpu: ${found}`);
      return await compileOn(found, plan);
    },
  };
}

async function openDevice(): Promise<GPUDevice | string> {
  const gpu = (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu;
  const adapter = await gpu?.requestAdapter();
  if (!adapter) return gpu ? 'no WebGPU adapter was found' : 'there is no WebGPU in this environment';
  const { maxStorageBuffersPerShaderStage, maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  try {
    return await adapter.requestDevice({ requiredLimits: { maxStorageBuffersPerShaderStage, maxStorageBufferBindingSize, maxBufferSize } });
  } catch (error) {
    return `the WebGPU adapter gives no device: ${String(error)}`;
  }
}

interface Stage {
  readonly shader: Shader;
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

async function compileOn(device: GPUDevice, plan: Plan): Promise<Executable> {
  const most = device.limits.maxStorageBuffersPerShaderStage;
  const shaders: Shader[] = [];
  refuseLacking('webgpu', plan, step => {
    const shader = shaderOf(step);
    if (typeof shader === 'string') return shader;
    shaders.push(shader);
    return shader.buffers.length < most ? undefined : `${step.kernel.kind} over ${shader.buffers.length} buffers`;
  });
  const owned: GPUBuffer[] = [];
  const stages = await makeStages(device, shaders);
  const constants = await uploadConstants(device, plan, owned);
  const bounds = new Set<Bound>();
  return {
    async bind(sizes) {
      const bound = await bindOn(device, plan, sizes, stages, constants);
      bounds.add(bound);
      return bound;
    },
    async dispose() {
      for (const bound of bounds) await bound.dispose();
      for (const buffer of owned.splice(0)) buffer.destroy();
    },
  };
}

/** Pipelines for shaders, all compiled at the same time, equal ones once. */
async function makeStages(device: GPUDevice, shaders: readonly Shader[]): Promise<Stage[]> {
  const made = new Map<string, Promise<Omit<Stage, 'shader'>>>();
  const make = async (shader: Shader): Promise<Omit<Stage, 'shader'>> => {
    const types = ['read-only-storage', ...shader.buffers.map(b => (b.written ? 'storage' : 'read-only-storage'))] as const;
    const entries = types.map((type, binding) => ({ binding, visibility: computeStage, buffer: { type: type as GPUBufferBindingType } }));
    const layout = device.createBindGroupLayout({ entries });
    const module = device.createShaderModule({ code: shader.code });
    try {
      const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
      return {
        layout,
        pipeline: await device.createComputePipelineAsync({ layout: pipelineLayout, compute: { module, entryPoint: 'main' } }),
      };
    } catch (error) {
      const first = (await module.getCompilationInfo()).messages.find(m => m.type === 'error');
      const reason = first ? `line ${first.lineNum}: ${first.message}` : String(error);
      throw fail('E3008', `backend webgpu: a shader does not compile: ${reason}`, {}, { cause: error });
    }
  };
  return Promise.all(
    shaders.map(async shader => {
      let pipeline = made.get(shader.code);
      if (!pipeline) {
        pipeline = make(shader);
        made.set(shader.code, pipeline);
      }
      return { shader, ...(await pipeline) };
    }),
  );
}

async function uploadConstants(device: GPUDevice, plan: Plan, owned: GPUBuffer[]): Promise<ReadonlyMap<number, GPUBuffer>> {
  const used = new Set(plan.steps.flatMap(s => s.inputs.map(v => v?.buffer)));
  const constants = new Map<number, GPUBuffer>();
  for (const [i, b] of plan.buffers.entries()) {
    if (!b.tensor || !used.has(i)) continue;
    const words = toWords((await resident(b.tensor)).data as TypedArray, b.type);
    checkFits(device, { buffers: [{ ...b, size: words.length }] });
    const buffer = newBuffer(device, words.length, usage.storage | usage.copyTarget, owned);
    device.queue.writeBuffer(buffer, 0, words);
    constants.set(i, buffer);
  }
  return constants;
}

/** Device memory for so many words of 4 bytes. */
function newBuffer(device: GPUDevice, words: number, use: number, owned: GPUBuffer[]): GPUBuffer {
  const buffer = device.createBuffer({ size: Math.max(4, words * 4), usage: use });
  owned.push(buffer);
  return buffer;
}

/** @throws ModelError E3007 where a buffer is larger than the device binds, or than 32 bits address */
function checkFits(device: GPUDevice, plan: Pick<BoundPlan, 'buffers'>): void {
  const value = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize, maxElements * 4);
  const largest = plan.buffers.reduce((most, b) => Math.max(most, b.size * 4), 0);
  if (largest <= value) return;
  throw fail('E3007', `a buffer of ${largest} bytes exceeds the device's limit of ${value}`, { limit: { name: 'buffer', value } });
}

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly [number, number];
}

async function bindOn(
  device: GPUDevice,
  plan: Plan,
  sizes: Sizes,
  stages: readonly Stage[],
  constants: ReadonlyMap<number, GPUBuffer>,
): Promise<Bound> {
  const owned: GPUBuffer[] = [];
  const bound = bindPlan(plan, sizes);
  const memory = new Map(constants);
  const memoryOf = (at: number): GPUBuffer => {
    const use = usage.storage | usage.copyTarget | usage.copySource;
    const buffer = memory.get(at) ?? newBuffer(device, bound.buffers[at]!.size, use, owned);
    memory.set(at, buffer);
    return buffer;
  };
  checkFits(device, bound);
  device.pushErrorScope('out-of-memory');
  const dispatches = bound.steps.flatMap((step, i) => dispatchOf(device, step, stages[i]!, memoryOf, owned));
  const results = bound.outputs.map(p => newBuffer(device, bound.buffers[p.view.buffer]!.size, usage.mapRead | usage.copyTarget, owned));
  const error = await device.popErrorScope();
  if (error) throw fail('E3007', `the device is out of memory: ${error.message}`);
  const read = new Set(bound.steps.flatMap(s => s.inputs.map(v => v?.buffer)));
  const work = { device, bound, dispatches, memoryOf, results, read };
  let last: Promise<unknown> = Promise.resolve();
  return {
    plan: bound,
    run(inputs) {
      const next = last.then(() => runOnce(work, inputs));
      last = next.catch(() => {});
      return next;
    },
    dispose: async () => {
      await last;
      for (const buffer of owned.splice(0)) buffer.destroy();
    },
  };
}

function dispatchOf(device: GPUDevice, step: BoundStep, stage: Stage, memoryOf: (at: number) => GPUBuffer, owned: GPUBuffer[]): Dispatch[] {
  const count = step.outputs[0]!.shape.reduce((n, d) => n * d, 1);
  if (count === 0) return [];
  const layout = layoutOf(step);
  if (count > maxElements || layout.some(n => Math.abs(n) >= 2 ** 31))
    throw fail('E3007', `${step.label}: sizes exceed what 32 bits address`, { limit: { name: 'elements', value: maxElements } });
  const groups = Math.ceil(count / workgroupSize);
  const across = Math.min(groups, device.limits.maxComputeWorkgroupsPerDimension);
  const words = new Int32Array(headWords + layout.length);
  words.set([count, across * workgroupSize, ...layout]);
  const sizes = newBuffer(device, words.length, usage.storage | usage.copyTarget, owned);
  device.queue.writeBuffer(sizes, 0, words);
  const buffers = [sizes, ...stage.shader.buffers.map(b => memoryOf(b.buffer))];
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: stage.layout, entries });
  return [{ pipeline: stage.pipeline, group, groups: [across, Math.ceil(groups / across)] }];
}

interface Work {
  readonly device: GPUDevice;
  readonly bound: BoundPlan;
  readonly dispatches: readonly Dispatch[];
  readonly memoryOf: (at: number) => GPUBuffer;
  readonly results: readonly GPUBuffer[];
  /** Buffers that a step reads; inputs that none reads are not uploaded. */
  readonly read: ReadonlySet<number | undefined>;
}

/** Buffers belong to the binding, so runs of one binding follow each other. */
async function runOnce({ device, bound, dispatches, memoryOf, results, read }: Work, inputs: readonly Tensor[]): Promise<Tensor[]> {
  for (const [i, p] of bound.inputs.entries()) {
    if (!read.has(p.view.buffer)) continue;
    const words = toWords(inputs[i]!.data as TypedArray, p.view.type);
    if (words.length !== bound.buffers[p.view.buffer]!.size)
      throw fail('E3003', `input ${p.name} has ${words.length} elements, ${bound.buffers[p.view.buffer]!.size} are expected`);
    device.queue.writeBuffer(memoryOf(p.view.buffer), 0, words);
  }
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const d of dispatches) {
    pass.setPipeline(d.pipeline);
    pass.setBindGroup(0, d.group);
    pass.dispatchWorkgroups(...d.groups);
  }
  pass.end();
  for (const [i, p] of bound.outputs.entries()) encoder.copyBufferToBuffer(memoryOf(p.view.buffer), 0, results[i]!, 0, results[i]!.size);
  device.queue.submit([encoder.finish()]);
  try {
    await Promise.all(results.map(r => r.mapAsync(readMode)));
  } catch (error) {
    throw fail('E3008', `backend webgpu: the device gave no results: ${String(error)}`, {}, { cause: error });
  }
  return bound.outputs.map((p, i) => {
    const bytes = results[i]!.getMappedRange().slice(0);
    results[i]!.unmap();
    return new Tensor(p.view.type, fromWords(bytes, p.view.type, bound.buffers[p.view.buffer]!.size), p.view.shape);
  });
}

type Words = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Elements as the device holds them: a truth value takes a word. */
const toWords = (data: TypedArray, type: DataType): Words =>
  type === 'bool' ? Uint32Array.from(data as Uint8Array, x => (x === 0 ? 0 : 1)) : (data as Words);

function fromWords(bytes: ArrayBuffer, type: DataType, count: number): TypedArray {
  if (type === 'bool') return Uint8Array.from(new Uint32Array(bytes, 0, count));
  if (type === 'float32') return new Float32Array(bytes, 0, count);
  return type === 'int32' ? new Int32Array(bytes, 0, count) : new Uint32Array(bytes, 0, count);
}
