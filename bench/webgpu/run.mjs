// node bench/webgpu/run.mjs MODELS [NAME…]: models on WebGPU in one headless Chromium, by omnix and by onnxruntime-web, run by run. MODELS is what
// bench/executor_models.py made; ORT_WEB names the folder of the package onnxruntime-web. CHROMIUM_ARGS are for the browser: without them
// it computes in software, which says little of graphics processors, and the table says so. Dispatches are those of one run, the peak is that
// of the bytes of all buffers that an engine held.

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const [folder, ...names] = process.argv.slice(2);
if (!folder) {
  console.error('Give the folder that bench/executor_models.py made.');
  process.exit(2);
}
const wanted = names.length > 0 ? names : ['resnet18', 'mobilenet_v2', 'bert_4_128', 'gpt2_4_decode'];
const ort = process.env.ORT_WEB && join(process.env.ORT_WEB, 'dist');
const software = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const args = ['--no-sandbox', '--no-first-run', ...(process.env.CHROMIUM_ARGS?.split(' ') ?? software)];
const runs = Number(process.env.BENCH_RUNS ?? 5);

const entry = fileURLToPath(new URL('./page.ts', import.meta.url));
const { outputFiles } = await build({
  entryPoints: [entry],
  bundle: true,
  write: false,
  format: 'esm',
  target: 'es2022',
  external: ['/ort/*'],
});
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://x').pathname;
  const send = (type, body) => {
    response.writeHead(200, {
      'Content-Type': type,
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    });
    response.end(body);
  };
  if (path === '/') return send('text/html', '<!doctype html><title>bench</title><script type="module" src="/page.js"></script>');
  if (path === '/page.js') return send('text/javascript', outputFiles[0].text);
  const [, place, name] = path.split('/');
  const file = place === 'models' ? join(folder, basename(name)) : place === 'ort' && ort ? join(ort, basename(name)) : undefined;
  if (file && existsSync(file)) return send(types[extname(file)] ?? 'application/octet-stream', readFileSync(file));
  response.writeHead(404).end();
});
await new Promise(done => server.listen(0, '127.0.0.1', done));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  headless: true,
  args,
  ignoreDefaultArgs: ['--disable-gpu'],
});
const said = [];
/** A page of its own for each measurement: what an engine leaves behind is gone. */
async function openPage() {
  const page = await browser.newPage();
  page.on('console', m => said.push(m.text()));
  page.on('pageerror', e => said.push(String(e)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction(() => 'bench' in globalThis, undefined, { timeout: 30_000 });
  return page;
}
const first = await openPage();
const adapter = await first.evaluate(async () => {
  const { info } = (await navigator.gpu.requestAdapter()) ?? {};
  return info ? `${info.vendor} ${info.architecture} ${info.description}`.trim() : 'none';
});

const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(
  `adapter: ${adapter}${process.env.CHROMIUM_ARGS ? '' : ' (software)'}; Chromium ${browser.version()}; ${runs} runs after the first`,
);
console.log(
  `${'model'.padEnd(20)} ${'engine'.padEnd(16)} ${'first'.padStart(10)} ${'median'.padStart(10)} ${'fastest'.padStart(10)} ${'dispatches'.padStart(10)} ${'pipelines'.padStart(9)} ${'peak'.padStart(8)}  first elements`,
);
for (const name of wanted)
  for (const engine of ['omnix', ...(ort ? ['ort'] : [])]) {
    const page = await openPage();
    try {
      const r = await page.evaluate(([e, n, k]) => globalThis.bench[e](n, k), [engine, name, runs]);
      const ms = x => `${x.toFixed(1)} ms`.padStart(10);
      const head = r.head.map(x => x.toPrecision(4)).join(' ');
      console.log(
        `${name.padEnd(20)} ${(engine === 'ort' ? 'onnxruntime-web' : engine).padEnd(16)} ${ms(r.first)} ${ms(median(r.runs))} ${ms(Math.min(...r.runs))} ${String(r.dispatches).padStart(10)} ${String(r.pipelines).padStart(9)} ${`${(r.peak / 2 ** 20).toFixed(0)} MiB`.padStart(8)}  ${head}`,
      );
    } catch (error) {
      console.log(
        `${name.padEnd(20)} ${engine.padEnd(16)} failed: ${String(error).slice(0, 300)}; ${said.slice(-2).join('; ').slice(0, 300)}`,
      );
    }
    await page.close().catch(() => {});
  }
await browser.close();
server.close();
