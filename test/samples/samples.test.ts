// The sample table against the reference backend: every row, every check.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { readArrays } from '../../src/formats/arrays.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { cpuBackend } from '../../src/node/addon.ts';
import { rows } from '../../src/ops/index.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { modelOf, samples } from './samples.ts';

// Made by real ONNX Runtime from these very samples: test/samples/expected.py.
const expected = await readArrays(new MemorySource(readFileSync(new URL('expected.npz', import.meta.url)), 'expected.npz'));

const oracle = referenceBackend({ reuse: false });
const run = async (at: ReturnType<typeof modelOf>, optimize: boolean): Promise<Record<string, Tensor>> =>
  (await Session.create(at.model, { backend: optimize ? referenceBackend() : oracle, optimize })).run(at.feeds);

function expectClose(got: Record<string, Tensor>, want: Record<string, Tensor>, tolerance: number): void {
  expect(Object.keys(got)).toEqual(Object.keys(want));
  for (const name of Object.keys(want)) {
    const comparison = compareTensors(name, got[name]!, want[name]!, { rtol: tolerance, atol: tolerance });
    expect({ ok: comparison.ok, reason: comparison.reason, worst: comparison.ok || comparison.worst }).toEqual({
      ok: true,
      reason: undefined,
      worst: true,
    });
  }
}

// Operators that the host evaluates take what no sample can say; the standard's own cases judge them (test/conformance).
test('every operator with a meaning in kernels has a sample', () => {
  const sampled = new Set<string>(samples.map(s => s.op));
  const missing = Object.entries(rows).flatMap(([op, row]) => ('gap' in row || 'host' in row || sampled.has(op) ? [] : [op]));
  expect(missing).toEqual([]);
});

test('names of samples are unique', () => {
  expect(new Set(samples.map(s => s.name)).size).toBe(samples.length);
});

describe.each(samples.map(s => [s.name, s] as const))('%s', (name, sample) => {
  test('equals ONNX Runtime', async () => {
    const outputs = await run(modelOf(sample), false);
    const want = Object.fromEntries(Object.keys(outputs).map(o => [o, expected[`${name}/${o}`]!]));
    expect(want[Object.keys(outputs)[0]!], 'no expected numbers: run test/samples/expected.py').toBeDefined();
    expectClose(outputs, want, sample.tolerance);
  });
  test('has the inferred types', async () => {
    const { model, feeds } = modelOf(sample);
    const outputs = await run({ model, feeds }, false);
    for (const o of model.graph.outputs) {
      expect(o.value.type).toMatchObject({ kind: 'tensor', element: outputs[o.name]!.type });
      expect(o.value.shape).toEqual(outputs[o.name]!.dims);
    }
  });
  test('is the same when optimised, and with an open first axis', async () => {
    const plain = await run(modelOf(sample), false);
    expectClose(await run(modelOf(sample), true), plain, 1e-6);
    expectClose(await run(modelOf(sample, { open: true }), true), plain, 1e-6);
  });
});

describe('on the native addon', async () => {
  const cpu = cpuBackend();
  const usable = await cpu.available();
  if (usable !== true) console.log(`samples are not run on the native addon: ${usable}`);
  test.skipIf(usable !== true).each(samples.map(s => [s.name, s] as const))('%s', async (_, sample) => {
    const at = modelOf(sample);
    const want = await run(at, false);
    const session = await Session.create(at.model, { backend: cpu });
    expectClose(await session.run(at.feeds), want, sample.tolerance);
    await session.dispose();
  });
});
