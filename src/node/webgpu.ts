// WebGPU in Node: the package `webgpu`, which is Dawn, where it is installed. Whatever goes wrong is a reason, never an exception.
import type { Backend } from '../exec/backend.ts';
import { type WebGpuOptions, webgpuBackend } from '../exec/webgpu/backend.ts';
import { pageGpu } from '../exec/webgpu/device.ts';

export const nodeWebgpuBackend = (options: WebGpuOptions = {}): Backend => webgpuBackend({ gpu: nodeGpu, ...options });

let found: Promise<GPU | string> | undefined;

/** The one WebGPU of the process: that of the runtime, or that of the package. */
export function nodeGpu(): Promise<GPU | string> {
  found ??= load();
  return found;
}

interface DawnModule {
  create(options: readonly string[]): GPU;
}

async function load(): Promise<GPU | string> {
  const own = await pageGpu();
  if (typeof own !== 'string') return own;
  try {
    const name = 'webgpu';
    return ((await import(name)) as DawnModule).create([]);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND') return 'there is no WebGPU in Node itself: npm install webgpu';
    return `the package webgpu does not load: ${message}`;
  }
}
