// Converts TensorFlow Lite models in one process: every line of standard input is JSON with an input, an output and reading options.
// For each, a line with JSON: nothing, or why it was not converted. With --rows the table of operators follows, as one more line.
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { builtinCoverage } from '../../dist/src/formats/tflite/ops/index.js';
import { bytesOfFile, read, write } from '../../dist/src/node/index.js';

for await (const line of createInterface({ input: process.stdin })) {
  const { input, output, options } = JSON.parse(line);
  try {
    const { model } = await read(input, options);
    const { files } = await write(model, { name: basename(output), externalData: false });
    const chunks = [];
    for await (const chunk of bytesOfFile(files[0])) chunks.push(chunk);
    await writeFile(output, Buffer.concat(chunks));
    console.log('{}');
  } catch (error) {
    const refused = error.name === 'ModelError' ? error.findings.map(f => `${f.code} ${f.message}`).join(' | ') : `crashed: ${error.stack}`;
    console.log(JSON.stringify({ refused }));
  }
}
if (process.argv.includes('--rows')) console.log(JSON.stringify(builtinCoverage()));
