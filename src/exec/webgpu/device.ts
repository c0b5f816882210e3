// A WebGPU device as the backend uses it: opened with all that its adapter allows, with one pipeline for each text of a shader.
import { fail } from '../../errors.ts';
import type { Program } from '../gpu/kernels/index.ts';
import type { Language } from '../gpu/language.ts';
import type { Pass } from '../gpu/writer.ts';
import { likelyWays, type Measured, type Question, type Ways } from './ways.ts';
import { wgslOf } from './wgsl.ts';

// The standard's numbers; the objects that name them exist only where WebGPU does.
export const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, uniform: 0x40, storage: 0x80, queryResolve: 0x200 };
const computeStage = 4;

export interface Pipeline {
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

/** What opens devices, or why there is none. */
export type LoadGpu = () => Promise<GPU | string>;

export const pageGpu: LoadGpu = async () =>
  (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu ?? 'there is no WebGPU in this environment';

/** Limits that are asked for as high as the adapter goes. */
const wanted = ['maxStorageBuffersPerShaderStage', 'maxStorageBufferBindingSize', 'maxBufferSize'] as const;

/** Features that are asked for where the adapter has them. */
const useful = ['timestamp-query', 'shader-f16', 'subgroups'] as const;

export async function openDevice(load: LoadGpu, ways?: Partial<Ways>): Promise<Device | string> {
  const gpu = await load();
  if (typeof gpu === 'string') return gpu;
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return 'no WebGPU adapter was found';
  try {
    return new Device(
      await adapter.requestDevice({
        requiredLimits: Object.fromEntries(wanted.map(name => [name, adapter.limits[name]])),
        requiredFeatures: useful.filter(name => adapter.features.has(name)),
      }),
      ways,
    );
  } catch (error) {
    return `the WebGPU adapter gives no device: ${String(error)}`;
  }
}

/** Buffers of one size that wait to be used again. */
const mostSpare = 4;

/** What kernels are written by. */
export interface Abilities {
  /** How it does what can be done in several ways. */
  readonly ways: Ways;
  readonly language: Language;
  /** Bytes that one binding holds; all places in memory are multiples of 256. */
  readonly mostBytes: number;
  /** Bindings of memory that a shader has. */
  readonly mostBindings: number;
}

export class Device implements Abilities {
  readonly gpu: GPUDevice;
  /** Why the device is gone. */
  lost: string | undefined;
  ways: Ways;
  /** What the caller said of that, which nothing changes. */
  readonly said: Partial<Ways>;
  /** What was found, or is being found, by measuring. */
  readonly measured = new Map<Question, Promise<Measured | undefined>>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  #defect: string | undefined;
  /** Memory that kept tensors had, by its size. */
  readonly #spare = new Map<number, GPUBuffer[]>();

  constructor(gpu: GPUDevice, said: Partial<Ways> = {}) {
    this.gpu = gpu;
    this.said = said;
    this.ways = { ...likelyWays(gpu), ...said };
    void gpu.lost.then(({ message, reason }) => {
      this.lost = message || String(reason);
    });
    gpu.addEventListener('uncapturederror', e => {
      this.#defect ??= (e as GPUUncapturedErrorEvent).error.message;
    });
  }

  get language(): Language {
    return wgslOf(this.ways);
  }

  get mostBytes(): number {
    return Math.min(this.gpu.limits.maxStorageBufferBindingSize, this.gpu.limits.maxBufferSize) & ~255;
  }
  get mostBindings(): number {
    return this.gpu.limits.maxStorageBuffersPerShaderStage;
  }

  /** Memory for a tensor that stays here, used again where it was given back. */
  spare(size: number): GPUBuffer {
    return this.#spare.get(size)?.pop() ?? this.gpu.createBuffer({ size, usage: usage.copySource | usage.copyTarget });
  }
  giveBack(buffer: GPUBuffer): void {
    const { size } = buffer;
    const others = this.#spare.get(size) ?? [];
    this.#spare.set(size, others);
    if (others.length < mostSpare) others.push(buffer);
    else buffer.destroy();
  }

  /** The pipeline of a shader; equal ones are made once. @throws ModelError E3008 where it does not compile */
  pipeline(pass: Pass): Promise<Pipeline> {
    let made = this.#pipelines.get(pass.text);
    if (!made) {
      made = this.#make(pass);
      this.#pipelines.set(pass.text, made);
    }
    return made;
  }

  /** Those of a program, in the order of its ways and passes. */
  pipelines(program: Program): Promise<readonly (readonly Pipeline[])[]> {
    return Promise.all(program.map(way => Promise.all(way.passes.map(pass => this.pipeline(pass)))));
  }

  async #make({ text, slots }: Pass): Promise<Pipeline> {
    const types: GPUBufferBindingType[] = [
      'uniform',
      ...slots.flatMap(s => Array<GPUBufferBindingType>(s.parts).fill(s.isWritten ? 'storage' : 'read-only-storage')),
    ];
    // What is wrong with a module is said when its pipeline is made; the scope keeps it from being said twice.
    this.gpu.pushErrorScope('validation');
    const layout = this.gpu.createBindGroupLayout({
      entries: types.map((type, binding) => ({ binding, visibility: computeStage, buffer: { type } })),
    });
    const module = this.gpu.createShaderModule({ code: text });
    const pipelineLayout = this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] });
    const refused = this.gpu.popErrorScope();
    try {
      return {
        layout,
        pipeline: await this.gpu.createComputePipelineAsync({ layout: pipelineLayout, compute: { module, entryPoint: 'main' } }),
      };
    } catch (error) {
      const first = (await module.getCompilationInfo()).messages.find(m => m.type === 'error');
      const reason = first
        ? `line ${first.lineNum}: ${first.message}\n${marked(text, first.lineNum)}`
        : ((await refused)?.message ?? String(error));
      throw fail('E3008', `backend webgpu: a shader does not compile: ${reason}`, {}, { cause: error });
    }
  }

  /** @throws ModelError E3008 where the device is lost, E9001 where it refused a command */
  check(): void {
    if (this.lost !== undefined) throw fail('E3008', `backend webgpu: the device was lost: ${this.lost}`);
    const defect = this.#defect;
    this.#defect = undefined;
    if (defect !== undefined) throw fail('E9001', `backend webgpu: the device refuses a command: ${defect}`);
  }
}

/** The lines of a source around one, which is marked. */
function marked(text: string, line: number): string {
  const lines = text.split('\n');
  const from = Math.max(0, line - 3);
  return lines
    .slice(from, line + 2)
    .map((l, i) => `${from + i + 1 === line ? '>' : ' '} ${from + i + 1}  ${l}`)
    .join('\n');
}
