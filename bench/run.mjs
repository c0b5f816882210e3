// npm run bench: opening and copying large models, and start-up times, beside peers in the same run.
// A peer in Python (onnx.load) takes part where BENCH_PYTHON names an interpreter that has the onnx package.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { largeModels } from './large-models.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = join(root, 'dist', 'cli', 'main.js');
const reporter = pathToFileURL(join(root, 'bench', 'report-memory.mjs')).href;
const python = process.env.BENCH_PYTHON;
const folder = process.env.BENCH_FOLDER ?? join(tmpdir(), 'omnix-bench');

const median = numbers => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Run node with the memory reporter; medians over some runs. */
function node(args, runs = 3) {
  const samples = [];
  for (let i = 0; i < runs; i++) {
    const work = mkdtempSync(join(tmpdir(), 'omnix-bench-run-'));
    const report = join(work, 'report.json');
    const start = performance.now();
    const result = spawnSync(process.execPath, ['--import', reporter, ...args.map(a => a.replace('{work}', work))], {
      env: { ...process.env, BENCH_REPORT: report },
      encoding: 'utf8',
    });
    const wall = performance.now() - start;
    if (result.status !== 0) throw new Error(`${args.join(' ')}: ${result.stderr}`);
    samples.push({ ...JSON.parse(readFileSync(report, 'utf8')), wall, said: Number(result.stdout.trim().split('\n').at(-1)) });
    rmSync(work, { recursive: true });
  }
  return { peak: median(samples.map(s => s.peak)), wall: median(samples.map(s => s.wall)), said: median(samples.map(s => s.said)) };
}

const MB = bytes => `${(bytes / 1e6).toFixed(0)} MB`;
const ms = x => `${x.toFixed(0)} ms`;
const rows = [];
const { single, external, singleBytes } = await largeModels(folder);

/** Time and memory of one expression after a warm-up import, in a process of its own. */
const script = body => ['--input-type=module', '-e', body];
const library = pathToFileURL(join(root, 'dist', 'src', 'node', 'index.js')).href;
const opening = `const { load } = await import(${JSON.stringify(library)}); await load(${JSON.stringify(join(root, 'models', 'simple-nn', 'model.onnx'))});
const t = performance.now(); const m = await load(${JSON.stringify(single)}); console.log(performance.now() - t); if (m.graph.nodes.length !== 300) throw 1;`;
const idle = node(script(`await import(${JSON.stringify(library)}); console.log(0)`));
const ours = node(script(opening));
rows.push([
  'open 500 MB ONNX: omnix',
  ms(ours.said),
  `${MB(ours.peak - idle.peak)} over the idle library`,
  'goal: under 50 ms, under 80 MB',
]);
const peer = `const onnx = (await import('onnx-proto')).default.onnx; const { readFileSync } = await import('node:fs');
const t = performance.now(); const m = onnx.ModelProto.decode(readFileSync(${JSON.stringify(single)})); console.log(performance.now() - t); if (m.graph.node.length !== 300) throw 1;`;
const theirs = node(script(peer));
rows.push([
  'open 500 MB ONNX: onnx-proto',
  ms(theirs.said),
  `${MB(theirs.peak - idle.peak)} with the file's ${MB(singleBytes)}`,
  `omnix takes ${(ours.said / theirs.said).toFixed(2)} of its time`,
]);
if (python) {
  const code = `import onnx,time,resource; b=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; t=time.time(); m=onnx.load(${JSON.stringify(single)}); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss-b); print((time.time()-t)*1000)`;
  const [peak, time] = spawnSync(python, ['-c', code], { encoding: 'utf8' }).stdout.trim().split('\n').map(Number);
  rows.push([
    'open 500 MB ONNX: onnx.load',
    ms(time),
    `${MB(peak * 1024)} with the file's`,
    `omnix takes ${(ours.said / time).toFixed(2)} of its time`,
  ]);
}

const info = node([cli, 'info', external]);
rows.push(['info, 3 GB external data', ms(info.wall), `${MB(info.peak)} resident`, 'goal: under 300 MB']);
const convert = node([cli, 'convert', external, '-o', '{work}/copy.onnx', '--external-data'], 1);
rows.push(['convert it to another folder', ms(convert.wall), `${MB(convert.peak)} resident`, 'goal: under 600 MB']);

const bare = node(script('0'), 7);
const start = (name, args) => {
  const r = node(args, 7);
  rows.push([name, ms(r.wall), `${MB(r.peak)} resident`, `${(r.wall / bare.wall).toFixed(1)} × bare node (${ms(bare.wall)})`]);
};
const small = join(root, 'models', 'simple-nn');
start('omnix --help', [cli, '--help']);
start('omnix info', [cli, 'info', join(small, 'model.onnx')]);
start('omnix check', [cli, 'check', join(small, 'model.onnx')]);
start('omnix convert', [cli, 'convert', join(small, 'model.pt2'), '-o', '{work}/m.onnx']);
start('omnix run', [cli, 'run', join(small, 'model.onnx'), '--inputs', join(small, 'inputs.npz'), '-o', '{work}/o.npz']);

const widths = rows[0].map((_, i) => Math.max(...rows.map(r => r[i].length)));
for (const r of rows)
  console.log(
    r
      .map((c, i) => c.padEnd(widths[i]))
      .join('   ')
      .trimEnd(),
  );
