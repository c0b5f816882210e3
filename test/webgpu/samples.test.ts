// The sample table on WebGPU beside the reference: as the device is, and with bindings so small that every tensor takes several.
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/exec/backend.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { webgpuBackend } from '../../src/exec/webgpu/backend.ts';
import { nodeWebgpuBackend } from '../../src/node/webgpu.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { modelOf, type Sample, samples } from '../samples/samples.ts';
import { changedGpu, whyNot } from './adapters.ts';

const reason = await whyNot();
if (reason) console.log(`samples are not run on WebGPU: ${reason}`);

const oracle = referenceBackend({ reuse: false });

async function expectAsReference(sample: Sample, backend: Backend, open = false): Promise<void> {
  const at = modelOf(sample, { open });
  const plain = await Session.create(at.model, { backend: oracle, optimize: false });
  const want = await plain.run(at.feeds);
  const session = await Session.create(at.model, { backend });
  const got = await session.run(at.feeds);
  await session.dispose();
  for (const name of Object.keys(want)) {
    const { ok, worst } = compareTensors(name, got[name]!, want[name]!, { rtol: sample.tolerance, atol: sample.tolerance });
    expect({ name, ok, worst: ok || worst }).toEqual({ name, ok: true, worst: true });
  }
}

const rows = samples.map(s => [s.name, s] as const);

describe.skipIf(reason !== undefined)('samples', () => {
  const whole = nodeWebgpuBackend();
  test.each(rows)('%s', async (_, sample) => {
    await expectAsReference(sample, whole);
    await expectAsReference(sample, whole, true);
  });
  const limits = { maxStorageBufferBindingSize: 256, maxBufferSize: 2 ** 20 };
  const narrow = webgpuBackend({ gpu: changedGpu({ limits }), ways: { products: 'tiles', halves: 'bits', sums: 'memory' } });
  test.each(rows.filter((_, i) => i % 3 === 0))('%s with bindings of 256 bytes', (_, sample) => expectAsReference(sample, narrow));
});
