// node dist/test/interop/gradients.js FOLDER: for every case that gradients.py wrote (model.onnx, case.json with the names of `wrt`) the
// models of its gradients: plain.onnx in operators of the standard alone, and functions.onnx.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, save } from '../../src/node/index.ts';
import { modelGradients } from '../../src/train/gradient/index.ts';

const folder = process.argv[2]!;
let failed = 0;
for (const name of readdirSync(folder)) {
  const at = join(folder, name);
  // Without names all weights are meant, of the sum of the outputs.
  const { wrt, opset } = JSON.parse(readFileSync(join(at, 'case.json'), 'utf8')) as { wrt?: string[]; opset: number };
  for (const [file, inline] of [
    ['plain', true],
    ['functions', false],
  ] as const)
    try {
      const model = await load(join(at, 'model.onnx'));
      await save(modelGradients(model, { wrt, seeds: wrt ? 'inputs' : 'ones', inline, opset }), join(at, `${file}.onnx`), {
        overwrite: true,
        opset,
        fuse: false,
      });
    } catch (error) {
      failed++;
      writeFileSync(join(at, `${file}.error`), (error as Error).message);
    }
}
console.log(`${failed} without a gradient`);
