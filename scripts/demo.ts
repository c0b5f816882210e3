// `npm start`: the models of this checkout, made by real PyTorch, become ONNX, run, and are compared with PyTorch's own numbers.
import { mkdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { columns } from '../cli/terminal.ts';
import { compareArrays, convert, load, loadArrays, matchArrays, Session } from '../src/node/index.ts';

interface Row {
  readonly name: string;
  readonly what: string;
  readonly files: readonly string[];
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const models = join(root, 'models');
const out = join(root, 'build', 'start');
// The cast: the manifest is written by models/export.py.
const manifest = JSON.parse(readFileSync(join(models, 'manifest.json'), 'utf8')) as readonly Row[];

const rows: string[][] = [];
let failed = 0;
for (const { name, files } of manifest)
  for (const file of files) {
    const source = join(models, name, file);
    const target = join(out, name, file.endsWith('.onnx') ? 'rewritten.onnx' : 'model.onnx');
    mkdirSync(join(out, name), { recursive: true });
    const start = performance.now();
    const { model } = await convert(source, target, { overwrite: true });
    const converted = performance.now();
    const session = await Session.create(await load(target));
    const inputs = matchArrays(await loadArrays(join(models, name, 'inputs.npz')), session.inputNames, 'input').arrays;
    const outputs = await session.run(inputs);
    const ran = performance.now();
    for (const c of compareArrays(outputs, await loadArrays(join(models, name, 'outputs.npz')))) {
      if (!c.ok) failed++;
      const opset = `${model.graph.nodes.length} nodes, opset ${model.opsets.get('')}`;
      const times = `${(converted - start).toFixed(0)} + ${(ran - converted).toFixed(0)} ms`;
      rows.push([
        `models/${name}/${file}`,
        opset,
        c.name,
        c.maxAbs.toExponential(1),
        c.relativeToLargest.toExponential(1),
        c.ok ? 'ok' : (c.reason ?? 'FAIL'),
        times,
      ]);
    }
  }

console.log('Converted to ONNX, run on the reference inputs, and compared with what PyTorch computed:\n');
const head = ['source', 'written', 'output', 'max |Δ|', '÷ largest', 'verdict', 'convert + run'];
console.log(columns([head, ...rows]).join('\n'));
console.log(
  `\nThe ONNX files are in ${relative(process.cwd(), out) || out}. Try: npx omnix info ${relative(process.cwd(), join(out, manifest[0]!.name, 'model.onnx'))}`,
);
if (failed > 0) process.exitCode = 1;
