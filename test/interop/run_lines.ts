// node dist/test/interop/run_lines.js BACKEND: runs models for another process. Each line of the input is {"model", "inputs", "outputs"}, the
// paths of a model, of an archive of arrays and of the one to write; the answer is a line, {} or {"error"}.
import { createInterface } from 'node:readline';
import { backendNamed } from '../../cli/backends.ts';
import { FileSource, load, readArrays, Session, writeArrays, writeFileAtomic } from '../../src/node/index.ts';

const backend = await backendNamed(process.argv[2]!);
for await (const line of createInterface({ input: process.stdin })) {
  const { model, inputs, outputs } = JSON.parse(line) as Record<'model' | 'inputs' | 'outputs', string>;
  const answer = await run(model, inputs, outputs).catch(error => ({ error: (error as Error).message }));
  console.log(JSON.stringify(answer));
}

async function run(model: string, inputs: string, outputs: string): Promise<object> {
  const session = await Session.create(await load(model), { backend });
  try {
    const made = await session.run(await readArrays(await FileSource.open(inputs)));
    await writeFileAtomic(outputs, writeArrays(made), { overwrite: true });
    return {};
  } finally {
    await session.dispose();
  }
}
