// WebGPU for tests in Node: the software adapter that comes with Debian's Chromium where nothing else is named, and what watches or
// narrows a device.
import { existsSync } from 'node:fs';
import type { LoadGpu } from '../../src/exec/webgpu/device.ts';
import { nodeGpu } from '../../src/node/webgpu.ts';

const software = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (!process.env['VK_ICD_FILENAMES'] && existsSync(software)) process.env['VK_ICD_FILENAMES'] = software;

/** Why the tests cannot run here. */
export async function whyNot(): Promise<string | undefined> {
  const gpu = await nodeGpu();
  if (typeof gpu === 'string') return gpu;
  return (await gpu.requestAdapter()) ? undefined : 'no WebGPU adapter was found';
}

/** Dawn's adapter that computes nothing, but has every feature and checks every shader; undefined where the package is not there. */
export async function checkingGpu(onShader: (code: string) => void): Promise<GPU | undefined> {
  let gpu: GPU;
  try {
    const name = 'webgpu';
    gpu = ((await import(name)) as { create(options: readonly string[]): GPU }).create(['backend=null']);
  } catch {
    return undefined;
  }
  // An adapter gives one device.
  const requestDevice = async (adapter: GPUAdapter, wanted: GPUDeviceDescriptor): Promise<GPUDevice> => {
    const device = await adapter.requestDevice(wanted);
    changeShaders(device, code => {
      onShader(code);
      return code;
    });
    return device;
  };
  // What the package makes ends with the instance that made it, which nothing else holds.
  const requestAdapter = async (): Promise<unknown> => {
    const adapter = (await gpu.requestAdapter())!;
    const { features, limits } = adapter;
    return { features, limits, requestDevice: (wanted: GPUDeviceDescriptor) => requestDevice(adapter, wanted) };
  };
  return { instance: gpu, requestAdapter } as unknown as GPU;
}

/** Compiles other text than it is given. */
function changeShaders(device: GPUDevice, changed: (code: string) => string): void {
  const { createShaderModule } = device;
  Object.defineProperty(device, 'createShaderModule', {
    value: (descriptor: GPUShaderModuleDescriptor) => createShaderModule.call(device, { ...descriptor, code: changed(descriptor.code) }),
  });
}

/** What a device was asked to make. */
export interface Made {
  pipelines: number;
  buffers: number;
  groups: number;
}

export interface Changes {
  /** Limits that the device says it has. */
  readonly limits?: Readonly<Record<string, number>>;
  /** Features that the adapter says it has; those of the machine otherwise. */
  readonly features?: readonly GPUFeatureName[];
  /** Counts what is made. */
  readonly made?: Made;
  /** Gives the text that is compiled in the place of that of a shader. */
  readonly shader?: (code: string) => string;
  /** Told of each device. */
  readonly onDevice?: (device: GPUDevice) => void;
}

/** The machine's WebGPU with devices that are changed so. */
export const changedGpu =
  ({ limits = {}, features, made, shader, onDevice }: Changes): LoadGpu =>
  async () => {
    const gpu = await nodeGpu();
    if (typeof gpu === 'string') return gpu;
    const requestDevice = async (adapter: GPUAdapter, wanted: GPUDeviceDescriptor): Promise<GPUDevice> => {
      const device = await adapter.requestDevice({
        requiredFeatures: wanted.requiredFeatures ?? [],
        requiredLimits: Object.fromEntries(Object.entries(wanted.requiredLimits ?? {}).filter(([name]) => !(name in limits))),
      });
      const own = device.limits as unknown as Record<string, number>;
      const said = new Proxy(own, { get: (_, name) => limits[String(name)] ?? own[String(name)] });
      Object.defineProperty(device, 'limits', { value: said });
      if (made) count(device, made);
      if (shader) changeShaders(device, shader);
      onDevice?.(device);
      return device;
    };
    return {
      async requestAdapter() {
        const adapter = await gpu.requestAdapter();
        if (!adapter) return null;
        return {
          features: features ? new Set(features) : adapter.features,
          limits: { ...copyOf(adapter.limits), ...limits },
          requestDevice: (wanted: GPUDeviceDescriptor) => requestDevice(adapter, wanted),
        };
      },
    } as unknown as GPU;
  };

function copyOf(limits: GPUSupportedLimits): Record<string, number> {
  const all: Record<string, number> = {};
  for (const name in limits) all[name] = (limits as unknown as Record<string, number>)[name]!;
  return all;
}

function count(device: GPUDevice, made: Made): void {
  const watch = <K extends 'createComputePipelineAsync' | 'createBuffer' | 'createBindGroup'>(name: K, field: keyof Made): void => {
    const original = (device[name] as (...args: unknown[]) => unknown).bind(device);
    Object.defineProperty(device, name, {
      value: (...args: unknown[]) => {
        made[field]++;
        return original(...args);
      },
    });
  };
  watch('createComputePipelineAsync', 'pipelines');
  watch('createBuffer', 'buffers');
  watch('createBindGroup', 'groups');
}
