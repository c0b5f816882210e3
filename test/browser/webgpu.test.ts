// WebGPU in a headless Chromium on its software adapter, compared with the reference backend in the same page.
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Compared } from './webgpu-page.ts';

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const installed = existsSync(executablePath);
if (!installed) console.log(`WebGPU tests are skipped: there is no ${executablePath}; CHROMIUM_PATH names another`);

const flags = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

let browser: Browser | undefined;
let server: Server | undefined;
let page: Page;

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

/** A page on this machine whose policy allows its own script and nothing else, `eval` included. */
async function serve(script: string): Promise<string> {
  const headers = { 'Content-Security-Policy': "default-src 'none'; script-src 'self'" };
  server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.writeHead(200, { ...headers, 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? script : '<!doctype html><title>omnix</title><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>(done => server!.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const call = <T>(name: string): Promise<T> =>
  page.evaluate(n => (globalThis as unknown as { omnixTest: Record<string, () => Promise<unknown>> }).omnixTest[n]!(), name) as Promise<T>;

describe.skipIf(!installed)('WebGPU', () => {
  beforeAll(async () => {
    const address = await serve(await bundle());
    browser = await chromium.launch({ executablePath, headless: true, args: [...flags, ...quiet], ignoreDefaultArgs: ['--disable-gpu'] });
    page = await browser.newPage();
    const problems: string[] = [];
    page.on('console', m => problems.push(m.text()));
    page.on('pageerror', e => problems.push(String(e)));
    await page.goto(address);
    await page
      .waitForFunction(() => 'omnixTest' in globalThis, undefined, { timeout: 30_000 })
      .catch(() => {
        throw new Error(`the page did not start: ${problems.join('; ')}`);
      });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

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

  test('what is lacking is refused, all of it', async () => {
    const { code, message } = await call<{ code: string; message: string }>('refused');
    expect(code).toBe('E3008');
    expect(message).toMatch(/^backend webgpu lacks map on float16 \(Neg\), matmul on float64 \(MatMul\)$/);
  });
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
  const [actual, expected] = [Number(webgpu[i]), Number(reference[i])];
  const close = type === 'float32' && Number.isFinite(expected) && Math.abs(actual - expected) <= tolerance * (1e-3 + Math.abs(expected));
  if (actual === expected || close || (Number.isNaN(actual) && Number.isNaN(expected))) return undefined;
  return `${name}(${args?.map(a => a[i]).join(', ') ?? `element ${i}`}) = ${actual}, expected ${expected}`;
}
