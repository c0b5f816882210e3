// Converts pairs of files in one process: every line of standard input is an input and an output with a tab between. For each, a line
// with JSON: what was left out, or why it was not converted. Files are not synced to the disk, which `convert` does and takes long.
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { bytesOfFile, read, write } from '../../dist/src/node/index.js';

for await (const line of createInterface({ input: process.stdin })) {
  const [input, output] = line.split('\t');
  try {
    const { model } = await read(input);
    const { files, findings } = await write(model, { name: basename(output), externalData: false });
    const chunks = [];
    for await (const chunk of bytesOfFile(files[0])) chunks.push(chunk);
    await writeFile(output, Buffer.concat(chunks));
    console.log(JSON.stringify({ dropped: findings.map(f => f.message) }));
  } catch (error) {
    if (error.name !== 'ModelError') console.log(JSON.stringify({ crashed: error.stack }));
    else console.log(JSON.stringify({ refused: error.findings.map(f => `${f.code} ${f.message}`) }));
  }
}
