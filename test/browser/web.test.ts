// The page of examples/web, clicked through in a headless Chromium, and the library as a plain module script.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { readArrays } from '../../src/formats/arrays.ts';
import { load } from '../../src/node/index.ts';
import { installed, type Opened, openPage, ownOnly, type Served } from './chromium.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pictures = join(root, 'build/screenshots');
const model = (path: string): string => join(root, 'models', path);

const types: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.html': 'text/html', '.css': 'text/css' };
const filesIn = (folder: string): Record<string, Served> =>
  Object.fromEntries(
    readdirSync(folder).map(name => [`/${name}`, { type: types[extname(name)] ?? 'text/plain', body: readFileSync(join(folder, name)) }]),
  );

describe.skipIf(!installed)('in a page', () => {
  let opened: Opened;
  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, 'scripts/build-web.mjs')]);
    mkdirSync(pictures, { recursive: true });
    const files = filesIn(join(root, 'build/web'));
    // The page's own policy, in its head, is the one that holds.
    opened = await openPage({ ...files, '/': files['/index.html']! }, "default-src 'self' blob: data:");
    await opened.page.setViewportSize({ width: 1180, height: 860 });
  });
  afterAll(async () => opened?.close());

  /** Back to the beginning, with these files chosen. */
  async function choose(...paths: readonly string[]): Promise<void> {
    await opened.page.goto(opened.address);
    await opened.page.locator('.drop input').setInputFiles([...paths]);
  }
  const tab = (name: string): Promise<void> => opened.page.getByRole('tab', { name }).click();
  const picture = (name: string): Promise<unknown> => opened.page.screenshot({ path: join(pictures, `${name}.png`) });

  test('says what it is, and that there is WebGPU', async () => {
    const { page } = opened;
    await page.locator('#device.good').waitFor();
    expect(await page.locator('.drop strong').textContent()).toBe('Drop a model here, or choose its files');
    await picture('start');
  });

  test.each([
    ['bert-block/model.onnx', 'ONNX'],
    ['slim-resnet18/model.pt2', 'PyTorch exported program'],
  ])('shows %s', async (path, format) => {
    await choose(model(path));
    const { page } = opened;
    await page.locator('.facts').waitFor();
    expect(await page.locator('.title .chip').textContent()).toContain(format);
    await picture(`overview-${format.split(' ')[0]}`);
    await tab('Layers');
    await page.locator('tbody tr').first().waitFor();
    expect(await page.locator('tbody tr').count()).toBeGreaterThan(10);
    await page.getByRole('searchbox').fill('Relu');
    await tab('Graph');
    await page.locator('svg rect').first().waitFor();
    expect(await page.locator('svg path').count()).toBeGreaterThan(10);
    await picture(`graph-${format.split(' ')[0]}`);
  });

  test.each([
    ['WebGPU', 'webgpu'],
    ['TypeScript', 'reference'],
  ])('runs on %s with dropped arrays, and compares', async (_, backend) => {
    const { page } = opened;
    await choose(model('bert-block/model.pt2'));
    await tab('Run');
    await page.locator('#drop-inputs input').setInputFiles(model('bert-block/inputs.npz'));
    await page.locator('#drop-expected input').setInputFiles(model('bert-block/outputs.npz'));
    await page.locator('#choose-backend').selectOption(backend);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('.ran').waitFor({ timeout: 100_000 });
    expect(await page.locator('td.ok').count()).toBe(2);
    expect(await page.locator('td.no').count()).toBe(0);
    await picture(`run-${backend}`);
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Download outputs.npz').click()]);
    const bytes = readFileSync((await download.path())!);
    expect(Object.keys(await readArrays(new MemorySource(bytes, 'outputs.npz')))).toEqual(['layer_norm_2', 'tanh']);
  });

  test('runs with generated arrays', async () => {
    const { page } = opened;
    await choose(model('slim-resnet18/model.pt2'));
    await tab('Run');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('.ran').waitFor({ timeout: 100_000 });
    expect(await page.locator('.ran').textContent()).toContain('by WebGPU');
  });

  test('converts, and what is downloaded is the model', async () => {
    const { page } = opened;
    await choose(model('slim-resnet18/model.pt2'));
    await tab('Convert');
    await page.getByRole('button', { name: 'Convert', exact: true }).click();
    const link = page.getByText('Download model.onnx');
    await link.waitFor();
    await picture('convert');
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const { graph } = await load(readFileSync((await download.path())!));
    expect(graph.nodes.filter(n => n.op === 'Conv').length).toBe(20);
  });

  test('a dropped file opens, and arrows move between tabs', async () => {
    const { page } = opened;
    await page.goto(opened.address);
    const bytes = readFileSync(model('bert-block/model.onnx')).toString('base64');
    const transfer = await page.evaluateHandle(data => {
      const list = new DataTransfer();
      list.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], 'dropped.onnx'));
      return list;
    }, bytes);
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer: transfer });
    await page.locator('.facts').waitFor();
    expect(await page.locator('.title h2').textContent()).toBe('dropped.onnx');
    await page.getByRole('tab', { name: 'Overview' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('tbody tr').first().waitFor();
    expect(await page.locator('[aria-selected="true"]').textContent()).toBe('Layers');
    await page.locator('#theme').click();
    const theme = await page.locator('html').getAttribute('data-theme');
    expect(theme).toBe('dark');
    await picture('layers-dark');
  });

  test.each<[string, string, Uint8Array | string, RegExp]>([
    ['no model', 'notes.txt', 'hello, this is no model at all', /E1002 this is a text file, which is not read here/],
    ['an empty file', 'model.onnx', '', /E1001 the file is empty/],
    ['half of a model', 'half.onnx', readFileSync(model('bert-block/model.onnx')).subarray(0, 5000), /E10\d\d .*half\.onnx/s],
    ['a page', 'model.pt2', '<!doctype html><script>alert(1)</script>', /E1004 this is an HTML page/],
  ])('%s is an error that says so', async (_, name, content, message) => {
    const { page } = opened;
    await page.goto(opened.address);
    await page.locator('.drop input').setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) });
    await page.locator('.problems').waitFor();
    expect(await page.locator('.problems').textContent()).toMatch(message);
    expect(await page.locator('.drop').count()).toBe(1);
    await picture('error');
  });

  test('names that would be markup are text', async () => {
    const { page } = opened;
    const name = '<img src=x onerror="document.title=1">';
    const text = `<ir_version: 8, opset_import: ["" : 18]>\n"${name.replaceAll('"', '\\"')}" (float[2] x) => (float[2] y) { y = Relu (x) }`;
    await page.goto(opened.address);
    const title = await page.title();
    await page
      .locator('.drop input')
      .setInputFiles({ name: `${name.replaceAll('/', '')}.onnxtxt`, mimeType: 'text/plain', buffer: Buffer.from(text) });
    await page.locator('.facts, .problems').first().waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    expect(await page.title()).toBe(title);
  });

  test('nothing was asked of any other server, and nothing went wrong unseen', () => {
    const outside = opened.requests.filter(url => !url.startsWith(opened.address) && !url.startsWith('blob:') && !url.startsWith('data:'));
    expect(outside).toEqual([]);
    expect(opened.problems).toEqual([]);
  });
});

describe.skipIf(!installed)('as a plain module script', () => {
  test("the bundle runs under script-src 'self'", async () => {
    const script = `import { load, Session, webgpuBackend } from './omnix.js';
const model = await load(await (await fetch('/model.onnx')).blob());
const session = await Session.create(model, { backend: webgpuBackend() });
document.title = session.inputNames.join();`;
    const opened = await openPage(
      {
        ...filesIn(join(root, 'dist/browser')),
        '/': { type: 'text/html', body: '<!doctype html><title>…</title><script type="module" src="/own.js"></script>' },
        '/own.js': { type: 'text/javascript', body: script },
        '/model.onnx': { type: 'application/octet-stream', body: readFileSync(model('bert-block/model.onnx')) },
      },
      ownOnly,
    );
    await opened.page.waitForFunction(() => document.title !== '…', undefined, { timeout: 30_000 });
    expect(await opened.page.title()).toBe('input_ids,token_type_ids,attention_mask');
    expect(opened.problems).toEqual([]);
    await opened.close();
  });
});
