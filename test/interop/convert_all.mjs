// Converts every .pt2 and .pb of a folder to ONNX beside it; the last line is JSON: what failed, and the rows of the operator tables.
import { readdir } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { complexNames } from '../../dist/src/formats/tensorflow/complex.js';
import { tfRowNames } from '../../dist/src/formats/tensorflow/ops/index.js';
import { atenRowNames } from '../../dist/src/formats/torch/aten/index.js';
import { convert } from '../../dist/src/node/index.js';

const folder = process.argv[2];
const errors = {};
for (const file of await readdir(folder)) {
  const { name, ext } = parse(file);
  if (ext !== '.pt2' && ext !== '.pb') continue;
  try {
    await convert(join(folder, file), join(folder, `${name}.onnx`), { overwrite: true });
  } catch (error) {
    errors[name] = `${error.code}: ${String(error.message).split('\n').slice(0, 3).join(' | ')}`;
    if (error.name !== 'ModelError') errors[name] = `crashed: ${error.stack}`;
  }
}
console.log(JSON.stringify({ errors, rows: atenRowNames(), tensorflow: [...new Set([...tfRowNames(), ...complexNames])] }));
