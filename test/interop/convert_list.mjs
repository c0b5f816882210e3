// Converts pairs of files in one process: every line of standard input is an input and an output with a tab between. For each, a line
// with JSON: what was left out, or why it was not converted.
import { createInterface } from 'node:readline';
import { convert } from '../../dist/src/node/index.js';

for await (const line of createInterface({ input: process.stdin })) {
  const [input, output] = line.split('\t');
  try {
    const { findings } = await convert(input, output, { overwrite: true, externalData: false });
    console.log(JSON.stringify({ dropped: findings.map(f => f.message) }));
  } catch (error) {
    if (error.name !== 'ModelError') console.log(JSON.stringify({ crashed: error.stack }));
    else console.log(JSON.stringify({ refused: error.findings.map(f => `${f.code} ${f.message}`) }));
  }
}
