// Converts every .pt2 of a folder to ONNX beside it; the last line is JSON: what failed, and the rows of the ATen table.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { atenRowNames } from '../../dist/src/formats/torch/aten/index.js';
import { convert } from '../../dist/src/node/index.js';

const folder = process.argv[2];
const errors = {};
for (const name of await readdir(folder)) {
  if (!name.endsWith('.pt2')) continue;
  const stem = name.slice(0, -4);
  try {
    await convert(join(folder, name), join(folder, `${stem}.onnx`), { overwrite: true });
  } catch (error) {
    errors[stem] = `${error.code}: ${String(error.message).split('\n').slice(0, 3).join(' | ')}`;
    if (error.name !== 'ModelError') errors[stem] = `crashed: ${error.stack}`;
  }
}
console.log(JSON.stringify({ errors, rows: atenRowNames() }));
