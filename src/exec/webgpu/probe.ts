// Measures which way of several a device takes least time for: small plans, by the very kernels that models run, timed by the device's
// own clock. A question is asked once on a device, when the first plan comes that the answer matters to.
import { bytesOf } from '../../ir/tensor.ts';
import { memoryLength } from '../../kernels/memory.ts';
import { bindPlan } from '../bind.ts';
import { type Program, programOf } from '../gpu/kernels/index.ts';
import type { Plan } from '../plan.ts';
import { dispatchOf, planStep } from './bound.ts';
import { type Device, type Pipeline, usage } from './device.ts';
import { type Range, Segments, write } from './memory.ts';
import type { Dispatch } from './runner.ts';
import { examples, plans } from './trials.ts';
import { writtenOn } from './units.ts';
import { answered, fastestOf, type Measured, possible, type Question, type Ways } from './ways.ts';
import { statusWords, wgslOf } from './wgsl.ts';

/** Work of one way at one size, and how often it is done. */
export interface Trial {
  readonly way: string;
  readonly size: number;
  readonly repeats: number;
  readonly dispatches: readonly Dispatch[];
}

/** Milliseconds that each trial takes on the device; nothing where that cannot be told. */
export type Clock = (device: Device, trials: readonly Trial[]) => Promise<readonly number[] | undefined>;

/** Find out what is not known of the device yet; each question is measured once. */
export async function chooseWays(device: Device, questions: readonly Question[], clock = clockOn(device)): Promise<void> {
  for (const question of questions) {
    if (device.said[question] !== undefined) continue;
    let asked = device.measured.get(question);
    if (!asked) {
      asked = measure(device, question, clock);
      device.measured.set(question, asked);
    }
    const found = await asked;
    if (found) device.ways = answered(device.ways, question, found.way);
  }
}

/** Questions whose answers matter to a plan. */
export function questionsOf({ steps, buffers }: Plan): readonly Question[] {
  const hasProducts = steps.some(s => s.kernel.kind === 'matmul' || s.kernel.kind === 'conv');
  const hasHalves = hasProducts && buffers.some(b => b.type === 'float16');
  // Of products, those of few rows or columns are such sums.
  const hasSums = hasProducts || steps.some(s => s.kernel.kind === 'reduce' || s.kernel.kind === 'argreduce');
  return [
    ...(hasProducts ? (['products'] as const) : []),
    ...(hasHalves ? (['halves'] as const) : []),
    ...(hasSums ? (['sums'] as const) : []),
  ];
}

/** The device and its ways, for people: milliseconds where they were measured. */
export async function describeDevice(device: Device): Promise<string> {
  await chooseWays(device, Object.keys(possible) as Question[]);
  const { vendor, architecture, description } = device.gpu.adapterInfo ?? {};
  const ways = Object.entries(device.ways).map(async ([question, way]) => {
    const times = [...((await device.measured.get(question as Question))?.times ?? [])];
    return `${question} by ${way}${times.length > 1 ? ` (${times.map(([w, ms]) => `${w} ${ms.toFixed(2)} ms`).join(', ')})` : ''}`;
  });
  return [[vendor, architecture, description].filter(Boolean).join(' '), ...(await Promise.all(ways))].filter(Boolean).join('; ');
}

async function isExact(device: Device, question: Question, way: string): Promise<boolean> {
  const example = examples[question]?.();
  if (!example) return true;
  const { plan, given, result } = example;
  const bound = await bindWay(device, answered(device.ways, question, way), way, plan);
  if (!bound) return false;
  const [x, y] = bound.places as readonly [Range, Range];
  const staging = device.gpu.createBuffer({ size: y.size, usage: usage.mapRead | usage.copyTarget });
  write(device, [x], bytesOf(given));
  const encoder = device.gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, bound.dispatches);
  pass.end();
  encoder.copyBufferToBuffer(y.buffer, y.offset, staging, 0, y.size);
  device.gpu.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(1);
    const got = new Float32Array(staging.getMappedRange());
    return Array.prototype.every.call(result, (n: number, i) => Object.is(n, got[i]));
  } catch {
    // The device is lost, which the plan of the model meets too.
    return false;
  } finally {
    staging.destroy();
    bound.destroy();
  }
}

function encode(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[]): void {
  for (const d of dispatches) {
    pass.setPipeline(d.pipeline);
    pass.setBindGroup(0, d.group);
    pass.dispatchWorkgroups(...d.groups);
  }
}

/** Sizes grow until the fastest way takes so many milliseconds: browsers round times to a tenth of one. */
const enough = 1;
const firstSize = 64;
const mostSize = 1024;
const mostRepeats = 16;
/** Timings at the last size; the least of each way counts. */
const rounds = 3;

/** Nothing where there is one way, or no clock. */
async function measure(device: Device, question: Question, clock: Clock | undefined): Promise<Measured | undefined> {
  const all: readonly string[] = possible[question](device.gpu);
  if (all.length < 2 || !clock) return undefined;
  const exact = await Promise.all(all.map((way, k) => k === 0 || isExact(device, question, way)));
  const ways = all.filter((_, k) => exact[k]);
  let names: readonly string[] = [];
  let times: readonly number[] | undefined;
  for (let [size, repeats] = [firstSize, 1]; ; size < mostSize ? (size *= 2) : (repeats *= 2)) {
    const bound = (
      await Promise.all(ways.map(way => bindWay(device, answered(device.ways, question, way), way, plans[question](size, way))))
    ).filter(b => b !== undefined);
    names = bound.map(b => b.way);
    const trials = bound.map(({ way, dispatches }) => ({ way, size, repeats, dispatches }));
    const run = (): ReturnType<Clock> => clock(device, trials);
    try {
      // The first run of a pipeline may compile it.
      times = (await run()) && (await run());
      const isLast = times && (Math.min(...times) >= enough || (size >= mostSize && repeats >= mostRepeats));
      for (let round = 1; isLast && round < rounds && times; round++) {
        const again = await run();
        times = times.map((t, i) => Math.min(t, again?.[i] ?? t));
      }
      if (!times || isLast) break;
    } finally {
      for (const b of bound) b.destroy();
    }
  }
  if (!times) return undefined;
  const byWay = new Map(names.map((way, i) => [way, times[i]!]));
  return { way: fastestOf(ways, byWay), times: byWay };
}

interface BoundWay {
  readonly way: string;
  readonly dispatches: readonly Dispatch[];
  /** Where the buffers of its plan are. */
  readonly places: readonly Range[];
  destroy(): void;
}

/** Nothing where the device does not compile it. */
async function bindWay(device: Device, ways: Ways, way: string, plan: Plan): Promise<BoundWay | undefined> {
  const bound = bindPlan(plan, new Map(), {});
  const programs = plan.steps.map(step => programOf(writtenOn(device, plan.buffers, step, {}, ways), wgslOf(ways)) as Program);
  let ready: { readonly program: Program; readonly pipelines: readonly (readonly Pipeline[])[] }[];
  try {
    ready = await Promise.all(programs.map(async program => ({ program, pipelines: await device.pipelines(program) })));
  } catch {
    // Another way compiles, or the plan of the model says what is wrong.
    return undefined;
  }
  // What is never written lies apart: one buffer is not bound both ways in a pass.
  const [data, constants] = [usage.storage | usage.copySource | usage.copyTarget, usage.storage].map(u => new Segments(device, u)) as [
    Segments,
    Segments,
  ];
  const facts = new Segments(device, usage.storage | usage.uniform | usage.copyTarget);
  const all = [data, constants, facts];
  const planned = bound.steps.flatMap((step, i) => planStep(device, ready[i]!, step, i, facts));
  const places = bound.buffers.map(({ type, size, role }) => (role === 'constant' ? constants : data).place(memoryLength(type, size)));
  const status = data.place(4 * statusWords);
  for (const segments of all) segments.allocate();
  return {
    way,
    dispatches: planned.map(p => dispatchOf(device, p, buffer => [places[buffer]!()], status(), status())),
    places: places.map(place => place()),
    destroy() {
      for (const segments of all) segments.destroy();
    },
  };
}

/** Bytes of a time, and where a query's result may begin. */
const timeLength = 8;
const resolveAlignment = 256;

/** The device's own clock, where it has one. */
export const clockOn = ({ gpu }: Device): Clock | undefined => (gpu.features.has('timestamp-query') ? timestamps : undefined);

/** Nothing where the device is lost, or its clock stands still. */
const timestamps: Clock = async ({ gpu }, trials) => {
  const count = 2 * trials.length;
  const querySet = gpu.createQuerySet({ type: 'timestamp', count });
  const size = Math.ceil((count * timeLength) / resolveAlignment) * resolveAlignment;
  const resolved = gpu.createBuffer({ size, usage: usage.queryResolve | usage.copySource });
  const staging = gpu.createBuffer({ size, usage: usage.mapRead | usage.copyTarget });
  const encoder = gpu.createCommandEncoder();
  for (const [i, { dispatches, repeats }] of trials.entries()) {
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
    });
    for (let n = 0; n < repeats; n++) encode(pass, dispatches);
    pass.end();
  }
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
  gpu.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(1);
    const at = new BigUint64Array(staging.getMappedRange(0, count * timeLength));
    const times = trials.map((_, i) => Number(at[2 * i + 1]! - at[2 * i]!) / 1e6);
    return times.every(t => t >= 0) && times.some(t => t > 0) ? times : undefined;
  } catch {
    return undefined;
  } finally {
    querySet.destroy();
    resolved.destroy();
    staging.destroy();
  }
};
