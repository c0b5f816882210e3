// What of each operator runs in shaders: its samples are planned for a device that has what every WebGPU device has.
import type { Backend } from '../src/exec/backend.ts';
import { claimProducts } from '../src/exec/claims/index.ts';
import { wholes } from '../src/exec/claims/whole.ts';
import { referenceBackend } from '../src/exec/reference.ts';
import { Session } from '../src/exec/session.ts';
import type { Abilities } from '../src/exec/webgpu/device.ts';
import { lackOn } from '../src/exec/webgpu/units.ts';
import type { Ways } from '../src/exec/webgpu/ways.ts';
import { wgslOf } from '../src/exec/webgpu/wgsl.ts';
import { modelOf, samples } from '../test/samples/samples.ts';

const ways: Ways = { products: 'tiles', halves: 'bits', sums: 'memory' };
/** The default limits of the specification (WebGPU, 3.6.2 Limits). */
const least: Abilities = { ways, language: wgslOf(ways), mostBytes: 2 ** 27, mostBindings: 8 };

const reference = referenceBackend();
/** Plans as for the device, without one. */
const backend: Backend = { ...reference, claim: plan => claimProducts(plan, reference, [wholes]) };

/** For each operator with samples: `device`, `host`, or both with the reasons. */
export type Coverage = ReadonlyMap<string, string>;

export async function webgpuCoverage(): Promise<Coverage> {
  const lacks = new Map<string, Set<string>>();
  /** Operators of which a sample runs in shaders alone. */
  const whole = new Set<string>();
  for (const sample of samples) {
    const found = lacks.get(sample.op) ?? new Set();
    lacks.set(sample.op, found);
    const { model, feeds } = modelOf(sample);
    const session = await Session.create(model, { backend });
    const plan = await session.plan(feeds);
    const missing = plan.steps.map(step => lackOn(least, plan, step)).filter(lack => lack !== undefined);
    if (missing.length === 0) whole.add(sample.op);
    for (const lack of missing) found.add(lack);
    await session.dispose();
  }
  const text = (op: string, found: ReadonlySet<string>): string =>
    [...(whole.has(op) ? ['device'] : []), ...(found.size > 0 ? [`host: ${[...found].join(', ')}`] : [])].join('; ');
  return new Map([...lacks].map(([op, found]) => [op, text(op, found)]));
}
