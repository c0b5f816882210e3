// The WebGPU backend. Compiling divides a plan between device and host, writes kernels for the device's steps, has their pipelines made all at
// the same time, and uploads the constants. Binding makes buffers and bind groups. A run uploads, encodes and reads back.
import { fail } from '../../errors.ts';
import type { TypedArray } from '../../ir/tensor.ts';
import { resident } from '../../ir/tensor.ts';
import { elementsOf, memoryLength } from '../../kernels/memory.ts';
import type { Backend, Bound, Executable } from '../backend.ts';
import { programOf } from '../gpu/kernels/index.ts';
import { type Placement, placeSteps } from '../gpu/placement.ts';
import type { Written } from '../gpu/writer.ts';
import type { Plan } from '../plan.ts';
import { bindOn, type Compiled, writtenOn } from './bound.ts';
import { type Device, type LoadGpu, openDevice, pageGpu, usage, Device as WebGpuDevice } from './device.ts';
import { type Range, Segments, upload } from './memory.ts';
import { wgsl } from './wgsl.ts';

export interface WebGpuOptions {
  /** The device to run on; one of the default adapter otherwise. It stays the caller's. */
  readonly device?: GPUDevice;
  /** Where WebGPU is; in the page otherwise. */
  readonly gpu?: LoadGpu | undefined;
  /** Most bytes that a bound plan may take. */
  readonly memory?: number;
}

/** Kernels in WGSL; what no shader can do runs on the host. */
export function webgpuBackend({ device, gpu = pageGpu, memory }: WebGpuOptions = {}): Backend {
  let opened: Promise<Device | string> | undefined;
  const open = async (): Promise<Device> => {
    opened ??= device ? Promise.resolve(new WebGpuDevice(device)) : openDevice(gpu);
    const found = await opened;
    if (typeof found === 'string') throw fail('E3008', `backend webgpu: ${found}`);
    return found;
  };
  return {
    name: 'webgpu',
    async available() {
      opened ??= device ? Promise.resolve(new WebGpuDevice(device)) : openDevice(gpu);
      const found = await opened;
      return typeof found === 'string' ? found : true;
    },
    async compile(plan) {
      return compileOn(await open(), plan, memory);
    },
    async placement(plan) {
      const found = await open();
      const { reasons, plan: placed } = placeSteps(plan, step => lackOf(found, writtenOn(found, plan.buffers, step)));
      return { steps: placed.steps, reasons };
    },
  };
}

/** What of a step the device cannot do. */
function lackOf(device: Device, written: Written): string | undefined {
  const program = programOf(written, wgsl);
  if (typeof program === 'string') return `WGSL lacks ${program}`;
  const most = device.gpu.limits.maxStorageBuffersPerShaderStage;
  const bound = Math.max(...program.flatMap(way => way.passes.map(p => p.slots.reduce((n, s) => n + s.parts, 0))));
  return bound <= most ? undefined : `${bound} buffers, the device binds ${most}`;
}

async function compileOn(device: Device, plan: Plan, memory: number | undefined): Promise<Executable> {
  const placement = placeSteps(plan, step => lackOf(device, writtenOn(device, plan.buffers, step)));
  const programs = placement.plan.steps.map((step, i) => {
    const program = placement.reasons[i] === undefined ? programOf(writtenOn(device, plan.buffers, step), wgsl) : undefined;
    return typeof program === 'string' ? undefined : program;
  });
  const pipelines = Promise.all(
    programs.map(async p => p && Promise.all(p.map(way => Promise.all(way.passes.map(pass => device.pipeline(pass)))))),
  );
  const segments = new Segments(device, usage.storage | usage.copyTarget);
  const [constants, hostConstants] = await Promise.all([uploadConstants(device, placement, segments), loadConstants(placement)]);
  const compiled: Compiled = { device, placement, programs, pipelines: await pipelines, constants, hostConstants };
  const bounds = new Set<Bound>();
  return {
    async bind(sizes) {
      const bound = await bindOn(compiled, sizes, memory);
      bounds.add(bound);
      return bound;
    },
    async dispose() {
      for (const bound of bounds) await bound.dispose();
      segments.destroy();
    },
  };
}

/** Buffers that steps of one side touch. */
const touched = ({ plan, phases }: Placement, on: 'device' | 'host'): ReadonlySet<number> =>
  new Set(
    phases
      .filter(p => p.on === on)
      .flatMap(p => plan.steps.slice(p.from, p.to))
      .flatMap(s => [...s.inputs, ...s.outputs].flatMap(v => (v ? [v.buffer] : []))),
  );

async function uploadConstants(device: Device, placement: Placement, segments: Segments): Promise<ReadonlyMap<number, readonly Range[]>> {
  const used = touched(placement, 'device');
  const places = placement.plan.buffers.flatMap(({ tensor, type }, i) =>
    tensor && used.has(i) ? [{ i, tensor, place: segments.placeParts(memoryLength(type, tensor.size)) }] : [],
  );
  device.gpu.pushErrorScope('out-of-memory');
  segments.allocate();
  const error = await device.gpu.popErrorScope();
  if (error) throw fail('E3007', `the device has no memory for ${segments.bytes} bytes of weights: ${error.message}`);
  for (const { tensor, place } of places) await upload(device, tensor, place());
  return new Map(places.map(({ i, place }) => [i, place()]));
}

async function loadConstants(placement: Placement): Promise<ReadonlyMap<number, TypedArray>> {
  const used = touched(placement, 'host');
  const found = new Map<number, TypedArray>();
  for (const [i, { tensor }] of placement.plan.buffers.entries())
    if (tensor && used.has(i)) found.set(i, elementsOf(await resident(tensor)) as TypedArray);
  return found;
}
