// The WebGPU backend. Compiling divides a plan between device and host, writes kernels for the device's steps, has their pipelines made all at
// the same time, and uploads the constants. Binding makes buffers and bind groups. A run uploads, encodes and reads back.
import { fail, ModelError } from '../../errors.ts';
import type { TypedArray } from '../../ir/tensor.ts';
import { resident } from '../../ir/tensor.ts';
import { elementsOf, memoryLength } from '../../kernels/memory.ts';
import type { Backend, Bound, Executable } from '../backend.ts';
import { halves } from '../claims/halves.ts';
import { claimProducts } from '../claims/index.ts';
import { wholes } from '../claims/whole.ts';
import { type Placement, touchedBy } from '../gpu/placement.ts';
import type { Plan } from '../plan.ts';
import { Bindings, bindOn, type Compiled } from './bound.ts';
import { Device, type LoadGpu, openDevice, pageGpu, usage } from './device.ts';
import { contentOn } from './kept.ts';
import { alignment, type Range, Segments, upload } from './memory.ts';
import { chooseWays, describeDevice, questionsOf } from './probe.ts';
import { recovering } from './recovery.ts';
import { groupsOf, placeOn, type Unit, type Units } from './units.ts';
import type { Ways } from './ways.ts';

export interface WebGpuOptions {
  /** The device to run on; one of the default adapter otherwise. It stays the caller's. */
  readonly device?: GPUDevice | undefined;
  /** Where WebGPU is; in the page otherwise. */
  readonly gpu?: LoadGpu | undefined;
  /** Most bytes that a bound plan may take. */
  readonly memory?: number | undefined;
  /** How the device does what can be done in several ways; measured otherwise, once on a device. */
  readonly ways?: Partial<Ways> | undefined;
  /** Told that the device was lost and is made anew; a warning on the console otherwise. */
  readonly onNotice?: ((message: string) => void) | undefined;
}

/** Kernels in WGSL; what no shader can do runs on the host. */
export function webgpuBackend({ device, gpu = pageGpu, memory, ways, onNotice = console.warn }: WebGpuOptions = {}): Backend {
  let opened: Promise<Device | string> | undefined;
  const find = (): Promise<Device | string> => {
    opened ??= device ? Promise.resolve(new Device(device, ways)) : openDevice(gpu, ways);
    return opened;
  };
  let current: Device | undefined;
  const open = async (): Promise<Device> => {
    const found = await find();
    if (typeof found === 'string') throw fail('E3008', `backend webgpu: ${found}`);
    current = found;
    return found;
  };
  /** The device in place of one that was lost. */
  const reopen = async (lost: Device): Promise<Device> => {
    if (device) lost.check();
    if (current === lost) {
      onNotice(`the WebGPU device was lost (${lost.lost}); the session is made anew on another`);
      current = undefined;
      opened = undefined;
    }
    return open();
  };
  const backend: Backend = {
    name: 'webgpu',
    async available() {
      const found = await find();
      return typeof found === 'string' ? found : true;
    },
    compile: async plan => recovering(await open(), reopen, on => compileOn(on, plan, memory)),
    describe: async () => describeDevice(await open()),
    holds: tensor => contentOn(current, tensor) !== undefined,
    async placement(plan) {
      const found = await open();
      await chooseWays(found, questionsOf(plan));
      const { placement, units } = placeOn(found, plan);
      return { plan: placement.plan, reasons: placement.reasons, groups: groupsOf(placement, units) };
    },
    async claim(plan) {
      const on = await open();
      await chooseWays(on, questionsOf(plan));
      return claimProducts(plan, backend, on.ways.halves === 'bits' ? [wholes] : [wholes, halves]);
    },
  };
  return backend;
}

async function compileOn(device: Device, plan: Plan, memory: number | undefined): Promise<Executable> {
  await chooseWays(device, questionsOf(plan));
  const { placement, units } = placeOn(device, plan);
  const segments = new Segments(device, usage.storage | usage.copyTarget);
  const bounds = new Set<Bound>();
  const dispose = async (): Promise<void> => {
    for (const bound of bounds) await bound.dispose();
    segments.destroy();
  };
  try {
    const [, constants, hostConstants] = await Promise.all([
      makePipelines(device, units),
      uploadConstants(device, placement, segments),
      loadConstants(placement),
    ]);
    const bindings = new Bindings(placement, {
      alignment,
      segment: device.gpu.limits.maxBufferSize,
      largest: device.mostBytes,
      ...(memory !== undefined && { memory }),
    });
    const compiled: Compiled = { device, placement, units, constants, hostConstants, bindings };
    return {
      async bind(sizes) {
        const bound = await bindOn(compiled, sizes);
        bounds.add(bound);
        return bound;
      },
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Pipelines for every pass, all at the same time; an error names the step. */
async function makePipelines(device: Device, units: Units): Promise<void> {
  const make = async ({ step, program }: Unit): Promise<void> => {
    try {
      await device.pipelines(program);
    } catch (error) {
      throw error instanceof ModelError ? error.within({ node: { op: step.label } }) : error;
    }
  };
  await Promise.all([...units.values()].flat().map(make));
}

async function uploadConstants(device: Device, placement: Placement, segments: Segments): Promise<ReadonlyMap<number, readonly Range[]>> {
  const used = touchedBy(placement, 'device');
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
  const used = touchedBy(placement, 'host');
  const found = new Map<number, TypedArray>();
  for (const [i, { tensor }] of placement.plan.buffers.entries())
    if (tensor && used.has(i)) found.set(i, elementsOf(await resident(tensor)) as TypedArray);
  return found;
}
