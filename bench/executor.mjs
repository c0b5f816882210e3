// Models in the native backend and in onnxruntime-node: one process a model, a few runs each in turns, with what the machine reaches beside it.
//   python bench/executor_models.py FOLDER
//   node bench/executor.mjs FOLDER [--threads 1,2] [--seconds 5] [--only resnet18,lstm] [--json FILE]
// Needs a build with the addon, and onnxruntime-node. Each turn waits until the machine is idle, for ten seconds at most; rows of
// a busy machine say so. Memory is the peak of a process that creates a session and runs once.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
    json: { type: 'string' },
    child: { type: 'string' },
  },
});
const library = path => import(new URL(`../dist/src/${path}`, import.meta.url));

async function feedsOf(model) {
  const { readArrays } = await library('formats/arrays.js');
  const { FileSource } = await library('node/files.js');
  const { resident } = await library('ir/tensor.js');
  const arrays = await readArrays(await FileSource.open(model.replace(/\.onnx$/, '.npz')));
  return Object.fromEntries(await Promise.all(Object.entries(arrays).map(async ([name, t]) => [name, await resident(t)])));
}

const engines = {
  async omnix(model, threads) {
    const { load } = await library('node/index.js');
    const { Session } = await library('exec/session.js');
    const { cpuBackend } = await library('node/addon.js');
    const session = await Session.create(await load(model), { backend: cpuBackend({ threads }) });
    return feeds => session.run(feeds);
  },
  async ort(model, threads) {
    const { InferenceSession, Tensor } = (await import('onnxruntime-node')).default;
    const session = await InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 });
    return feeds => session.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, new Tensor(t.type, t.data, t.dims)])));
  },
};

const processorTimes = () => readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);

/** Whether the machine came to rest: 93 % idle for 100 ms. */
async function idle(deadline) {
  if (!existsSync('/proc/stat')) return false;
  while (performance.now() < deadline) {
    const before = processorTimes();
    await sleep(100);
    const passed = processorTimes().map((t, i) => t - before[i]);
    if ((passed[3] + passed[4]) / passed.reduce((a, b) => a + b, 0) >= 0.93) return true;
  }
  return false;
}

const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

async function time(model, threads) {
  const { loadCpuAddon } = await library('node/addon.js');
  const feeds = await feedsOf(model);
  const rows = {};
  // What is imported is no part of creating a session.
  await Promise.all([
    ...['node/index.js', 'exec/session.js', 'formats/onnx/read.js'].map(path => library(path).catch(() => {})),
    import('onnxruntime-node'),
  ]);
  for (const [name, create] of Object.entries(engines)) {
    const started = performance.now();
    const run = await create(model, threads);
    const created = performance.now() - started;
    const first = performance.now();
    await run(feeds);
    rows[name] = { create: created, first: performance.now() - first, times: [], run };
  }
  let quiet = 0;
  let rounds = 0;
  const end = performance.now() + 1000 * Number(options.seconds);
  const patience = performance.now() + 10_000;
  do
    for (const row of Object.values(rows)) {
      // Threads of the other engine wait awake for a while after its run.
      quiet += (await idle(Math.min(patience, end))) ? 1 : 0;
      rounds++;
      // Several runs after each wait, so that caches are as warm as they are in use.
      for (let i = 0; i < 3; i++) {
        const started = performance.now();
        await row.run(feeds);
        row.times.push(performance.now() - started);
      }
    }
  while (performance.now() < end);
  const limits = loadCpuAddon().measure(threads);
  const result = Object.entries(rows).map(([name, { create, first, times }]) => [
    name,
    { create, first, median: median(times), min: Math.min(...times) },
  ]);
  return { ...Object.fromEntries(result), runs: rows.omnix.times.length, quiet: quiet / rounds, limits };
}

async function memory(model, engine) {
  const run = await engines[engine](model, 1);
  await run(await feedsOf(model));
  const peak = existsSync('/proc/self/status') ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024 : 0;
  return { peak };
}

const self = fileURLToPath(import.meta.url);
const child = (what, model, extra) =>
  JSON.parse(
    execFileSync(process.execPath, [self, '--child', what, '--seconds', options.seconds, model, String(extra)], {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
      .trim()
      .split('\n')
      .at(-1),
  );

if (options.child) {
  const [model, extra] = positionals;
  console.log(JSON.stringify(options.child === 'time' ? await time(model, Number(extra)) : await memory(model, extra)));
  process.exit(0);
}

const [folder] = positionals;
const wanted = options.only?.split(',');
const models = readdirSync(folder).filter(name => name.endsWith('.onnx') && existsSync(`${folder}/${name.replace(/\.onnx$/, '.npz')}`));
const results = [];
const columns = [
  'model',
  'threads',
  'ms',
  'ORT ms',
  'time ÷ ORT',
  'create ms',
  'create ÷ ORT',
  'create and first run ÷ ORT',
  'peak MB',
  'peak ÷ ORT',
  'FLOP/s of peak',
  'idle',
];
console.log(`| ${columns.join(' | ')} |\n| --- ${'| --: '.repeat(columns.length - 1)}|`);
for (const name of models.sort()) {
  if (wanted && !wanted.includes(name.replace(/\.onnx$/, ''))) continue;
  const model = `${folder}/${name}`;
  const peaks = { omnix: child('memory', model, 'omnix').peak, ort: child('memory', model, 'ort').peak };
  for (const threads of options.threads.split(',')) {
    const r = child('time', model, threads);
    results.push({ model: name, threads: Number(threads), ...r, peaks });
    const ratio = (a, b) => (a / b).toFixed(2);
    const cells = [
      name.replace(/\.onnx$/, ''),
      threads,
      r.omnix.median.toFixed(2),
      r.ort.median.toFixed(2),
      ratio(r.omnix.median, r.ort.median),
      r.omnix.create.toFixed(0),
      ratio(r.omnix.create, r.ort.create),
      // Ours compiles for the sizes of the first run.
      ratio(r.omnix.create + r.omnix.first, r.ort.create + r.ort.first),
      (peaks.omnix / 1e6).toFixed(0),
      ratio(peaks.omnix, peaks.ort),
      `${(r.limits.flops / 1e9).toFixed(0)} G`,
      `${Math.round(100 * r.quiet)} %`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}
for (const threads of new Set(results.map(r => r.threads))) {
  const logs = results.filter(r => r.threads === threads).map(r => Math.log(r.ort.median / r.omnix.median));
  console.log(
    `\n${threads} thread${threads === 1 ? '' : 's'}: geometric mean of ORT's time ÷ ours ${Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length).toFixed(2)} over ${logs.length} models`,
  );
}
if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 1));
