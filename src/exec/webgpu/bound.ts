// A plan with its sizes bound on a WebGPU device: everything that a run replays is made here once.
import { fail } from '../../errors.ts';
import type { TypedArray } from '../../ir/tensor.ts';
import { memoryLength } from '../../kernels/memory.ts';
import type { Bound } from '../backend.ts';
import { Binding, type BindOptions, type BoundPlan, type BoundStep } from '../bind.ts';
import type { Program } from '../gpu/kernels/index.ts';
import { type Placement, touchedBy } from '../gpu/placement.ts';
import { type Pass, stepNumber } from '../gpu/writer.ts';
import type { Sizes } from '../numbers.ts';
import { type Device, type Pipeline, usage } from './device.ts';
import { type Range, Segments, write } from './memory.ts';
import { type Dispatch, outputsOf, Runner, stagedLength, statusLength } from './runner.ts';
import { type Chosen, chooseUnits, type Unit, type Units } from './units.ts';
import { statusWords } from './wgsl.ts';

/** A plan on a device before its sizes are bound. Pipelines of its units are made. */
export interface Compiled {
  readonly device: Device;
  readonly placement: Placement;
  readonly units: Units;
  readonly constants: ReadonlyMap<number, readonly Range[]>;
  readonly hostConstants: ReadonlyMap<number, TypedArray>;
  /** Memory is laid out for what runs as one, which sizes decide. */
  readonly bindings: Bindings;
}

/** The plan as it is bound: for its sizes alone, and for each choice of units that these lead to. */
export class Bindings {
  readonly sizes: Binding;
  readonly #placement: Placement;
  readonly #options: BindOptions;
  readonly #byUnits = new Map<string, Binding>();

  constructor(placement: Placement, options: BindOptions) {
    this.#placement = placement;
    this.#options = { ...options, inPlace: false };
    this.sizes = new Binding(placement.plan, { inPlace: false });
  }

  of(chosen: readonly Chosen[]): Binding {
    const rows = chosen.flatMap(({ unit: { first, fused, inside } }) =>
      fused.count > 1 ? [{ first, count: fused.count, axes: 0, inside }] : [],
    );
    const key = rows.map(({ first, count }) => `${first}+${count}`).join();
    const binding = this.#byUnits.get(key) ?? new Binding(this.#placement.plan, { ...this.#options, rows });
    this.#byUnits.set(key, binding);
    return binding;
  }
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

export async function bindOn(compiled: Compiled, sizes: Sizes): Promise<Bound> {
  const { device, placement, units, bindings } = compiled;
  const segment = device.gpu.limits.maxBufferSize;
  // Sizes come first: what is run as one depends on them, and takes memory as one.
  const chosen = chooseUnits(device, placement, units, bindings.sizes.bind(sizes));
  const plan = bindings.of(chosen).bind(sizes);
  const all = new Segments(device, usage.storage | usage.copyTarget | usage.copySource);
  const facts = new Segments(device, usage.storage | usage.uniform | usage.copyTarget);
  const planned = new Map<number, Planned[]>();
  for (const { unit, step } of chosen) planned.set(unit.first, planStep(device, await readyUnit(device, unit), step, unit.first, facts));
  const buffers = placeBuffers(chosen, plan, outputsOf(placement, plan), all);
  const scratch = all.place(4 * scratchWords([...planned.values()].flat()));
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
  const dispatches = plan.steps.map((_, i) => (planned.get(i) ?? []).map(p => dispatchOf(device, p, rangesOf, scratch(), status())));
  const run = new Runner({ compiled, plan, dispatches, rangesOf, readByHost, staging, status: status() });
  let last: Promise<unknown> = Promise.resolve();
  return {
    plan,
    run(inputs, watch, places) {
      // Memory belongs to the binding, so its runs follow each other.
      const next = last.then(() => run.once(inputs, watch, places?.kept));
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

/** A program whose pipelines are made. */
interface Ready {
  readonly program: Program;
  readonly pipelines: readonly (readonly Pipeline[])[];
}

const readyUnit = async (device: Device, { program }: Unit): Promise<Ready> => ({ program, pipelines: await device.pipelines(program) });

export function planStep(device: Device, { program, pipelines }: Ready, step: BoundStep, at: number, facts: Segments): Planned[] {
  if (step.outputs.every(y => y.shape.includes(0))) return [];
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
    return [{ pass, step, groups, words, lists, pipeline: pipelines[way]![k]!, parameters: facts.place(words.byteLength) }];
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
function placeBuffers(
  chosen: readonly Chosen[],
  plan: BoundPlan,
  outputs: readonly number[],
  all: Segments,
): ReadonlyMap<number, () => readonly Range[]> {
  const places = new Map<number, () => readonly Range[]>();
  const needed = new Set(outputs);
  for (const { step } of chosen) for (const v of [...step.inputs, ...step.outputs]) if (v) needed.add(v.buffer);
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

export function dispatchOf(
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
