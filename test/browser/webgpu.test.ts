// WebGPU in a headless Chromium on its software adapter, compared with the reference backend in the same page.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installed, type Opened, openPage } from './chromium.ts';
import type { Compared } from './webgpu-page.ts';

let opened: Opened | undefined;

async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL('./webgpu-page.ts', import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
  });
  return outputFiles[0]!.text;
}

const call = <T>(name: string): Promise<T> =>
  opened!.page.evaluate(
    n => (globalThis as unknown as { omnixTest: Record<string, () => Promise<unknown>> }).omnixTest[n]!(),
    name,
  ) as Promise<T>;

describe.skipIf(!installed)('WebGPU', () => {
  beforeAll(async () => {
    opened = await openPage({
      '/': { type: 'text/html', body: '<!doctype html><title>omnix</title><script type="module" src="/page.js"></script>' },
      '/page.js': { type: 'text/javascript', body: await bundle() },
      '/selection.zip': { type: 'application/zip', body: readFileSync(new URL('../conformance/selection.zip', import.meta.url)) },
    });
    await opened.page
      .waitForFunction(() => 'omnixTest' in globalThis, undefined, { timeout: 30_000 })
      .catch(() => {
        throw new Error(`the page did not start: ${opened!.problems.join('; ')}`);
      });
  });
  afterAll(async () => opened?.close());

  test('is available', async () => {
    expect(await call('available')).toBe(true);
  });

  test('plans give what the reference gives', async () => {
    const results = await call<Compared[]>('plans');
    expect(results.length).toBe(17);
    for (const r of results) expectClose(r, 1e-5);
  });

  test('primitives and conversions on edge values', async () => {
    const results = await call<Compared[]>('primitivesOnEdges');
    expect(results.length).toBeGreaterThan(100);
    const wrong = results.flatMap(r => r.reference.flatMap((_, i) => mismatch(r, i, 1e-5) ?? []));
    expect(wrong).toEqual([]);
  });

  test('what no shader can do runs on the host', async () => {
    for (const r of await call<Compared[]>('hosted')) expectClose(r, 1e-6);
  });

  test("the standard's own cases, fetched as a Blob that is read by ranges", async () => {
    const { count, wrong } = await call<{ count: number; wrong: string[] }>('standardCases');
    expect(count).toBeGreaterThan(250);
    // Only Node has the library that decodes these images.
    expect(wrong.filter(line => !/^test_image_decoder_\w+: ImageDecoder needs the package sharp/.test(line))).toEqual([]);
  }, 600_000);

  test('every operator sample in a session', async () => {
    const { count, wrong } = await call<{ count: number; wrong: string[] }>('operators');
    expect(count).toBeGreaterThan(300);
    expect(wrong).toEqual([]);
  }, 600_000);
});

function expectClose(r: Compared, tolerance: number): void {
  expect(r.webgpu.length, r.name).toBe(r.reference.length);
  expect(
    r.reference.flatMap((_, i) => mismatch(r, i, tolerance) ?? []),
    r.name,
  ).toEqual([]);
}

/** What differs at an element. Integers and non-finite values are exact; the sign of zero is WGSL's own. */
function mismatch({ name, type, webgpu, reference, arguments: args }: Compared, i: number, tolerance: number): string | undefined {
  if (type !== 'float32' && webgpu[i] !== reference[i])
    return `${name}(${args?.map(a => a[i]).join(', ') ?? i}) = ${webgpu[i]}, expected ${reference[i]}`;
  const [actual, expected] = [Number(webgpu[i]), Number(reference[i])];
  const close = type === 'float32' && Number.isFinite(expected) && Math.abs(actual - expected) <= tolerance * (1e-3 + Math.abs(expected));
  if (actual === expected || close || (Number.isNaN(actual) && Number.isNaN(expected))) return undefined;
  return `${name}(${args?.map(a => a[i]).join(', ') ?? `element ${i}`}) = ${actual}, expected ${expected}`;
}
