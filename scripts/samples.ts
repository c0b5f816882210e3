// Writes every operator sample as an ONNX file with its inputs, for judges in other languages:
// node dist/scripts/samples.js FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { save, saveArrays } from '../src/node/index.ts';
import { modelOf, samples } from '../test/samples/samples.ts';

const folder = process.argv[2];
if (!folder) throw new Error('usage: samples.js FOLDER');
for (const [i, sample] of samples.entries()) {
  const { model, feeds } = modelOf(sample);
  const into = join(folder, String(i));
  mkdirSync(into, { recursive: true });
  await save(model, join(into, 'model.onnx'), { overwrite: true });
  await saveArrays(join(into, 'inputs.npz'), feeds, { overwrite: true });
  writeFileSync(join(into, 'name.txt'), sample.name);
}
console.error(`${samples.length} samples in ${folder}`);
