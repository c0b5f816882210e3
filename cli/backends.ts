// The backends that commands offer, by the name that --backend takes.
import { fail } from '../src/errors.ts';
import type { Backend } from '../src/exec/backend.ts';
import type { NativeOptions } from '../src/exec/cpu.ts';
import { nearestName } from '../src/ops/nearest.ts';
import type { Output } from './output.ts';
import { shown } from './terminal.ts';

/** Each is loaded when it is asked for, as one may come with native code. */
export const backends: Readonly<Record<'reference' | 'cpu' | 'webgpu', (options?: NativeOptions) => Promise<Backend>>> = {
  reference: async options => (await import('../src/exec/reference.ts')).referenceBackend(options),
  cpu: async options => (await import('../src/node/addon.ts')).cpuBackend(options),
  webgpu: async options => (await import('../src/node/webgpu.ts')).nodeWebgpuBackend(options),
};

/** The backend of a name. Errors: E4001 no such name, E3008 it cannot be used here. */
export async function backendNamed(name: string, options: NativeOptions = {}): Promise<Backend> {
  const names = Object.keys(backends);
  if (!Object.hasOwn(backends, name)) {
    const near = nearestName(name, names);
    const hint = near ? `did you mean ${near}?` : `backends are ${names.join(', ')}`;
    throw fail('E4001', `there is no backend ${name}; ${hint}`);
  }
  const backend = await backends[name as keyof typeof backends](options);
  const usable = await backend.available();
  if (usable !== true) throw fail('E3008', `backend ${name} is not available: ${usable}`);
  return backend;
}

/** What a command says of what computes. */
export interface BackendChoice {
  readonly backend: string;
  readonly threads?: number | undefined;
  readonly winograd?: boolean | undefined;
  /** Bytes. */
  readonly maxMemory?: number | undefined;
}

/** The backend of a command: where there is no addon that can be used, a line says why, and the reference backend computes. */
export async function backendFor({ backend: name, threads, winograd, maxMemory: memory }: BackendChoice, out: Output): Promise<Backend> {
  const options = { threads, winograd, ...(memory !== undefined && { memory }) };
  const usable = name === 'cpu' ? await (await backends.cpu()).available() : true;
  if (usable === true) return backendNamed(name, options);
  out.note(`backend cpu is not available: ${shown(usable, 400)}; the reference backend computes`);
  return backendNamed('reference', options);
}
