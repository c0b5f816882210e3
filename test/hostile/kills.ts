// Processes that are killed while they save a model with its weights beside it: what is left is the old pair or the new one.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { resident } from '../../src/ir/tensor.ts';
import { load } from '../../src/node/index.ts';

const library = resolve('dist/src/node/index.js');

/** Saves the model again and again, each time with another number in all of its weights, and says each number that is safe. */
const writer = `
const { Graph, Model, Tensor, Value, newBuilder, save } = await import(process.argv[1]);
const [path, first] = [process.argv[2], Number(process.argv[3])];
const last = Number(process.argv[4]);
for (let g = first; g <= last; g++) {
  const x = new Value('x', { kind: 'tensor', element: 'float32', shape: [1, 256] });
  const b = newBuilder();
  let y = x;
  for (let i = 0; i < 4; i++) y = b.MatMul(y, new Value('w' + i, undefined, { tensor: new Tensor('float32', new Float32Array(65536).fill(g), [256, 256]), parameter: true }));
  const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
  await save(new Model(graph, { irVersion: 10, opsets: new Map([['', 21]]) }), path, { externalData: true, overwrite: true, opset: 21 });
  console.log(g);
}`;

const start = (path: string, first: number, last: number) =>
  spawn(process.execPath, ['--input-type=module', '-e', writer, library, path, String(first), String(last)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** The one number that all weights of the model hold, or why it is no sound model. */
async function generation(path: string): Promise<number | string> {
  try {
    const model = await load(path);
    const seen = new Set<number>();
    for (const { tensor } of model.graph.initializers) for (const x of (await resident(tensor!)).data as Float32Array) seen.add(x);
    return seen.size === 1 ? [...seen][0]! : `a mixture of ${[...seen].join(', ')}`;
  } catch (error) {
    return String(error);
  }
}

const temporaries = (folder: string): string[] => readdirSync(folder).filter(name => name.startsWith('.omnix-'));

/** Kill `count` writers at random moments; the number of problems. */
export async function runKills(count: number, root: string): Promise<number> {
  const folder = join(root, 'kills');
  const path = join(folder, 'model.onnx');
  mkdirSync(folder);
  const problems: string[] = [];
  let safe = 0;
  let kept = 0;
  for (let run = 0; run < count; run++) {
    const child = start(path, safe + 1, safe + 100_000);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const ended = new Promise(done => child.on('close', done));
    while (said === '') await sleep(2);
    // The first save of a process clears away what the one before it left.
    const strangers = temporaries(folder).filter(name => !name.includes(`-${child.pid}-`));
    if (strangers.length > 0) problems.push(`run ${run}: ${strangers.length} temporary files of an earlier run`);
    await sleep(Math.random() * 60);
    child.kill('SIGKILL');
    await ended;
    kept += temporaries(folder).length > 0 ? 1 : 0;
    const said1 = Number(said.trim().split('\n').at(-1));
    const found = await generation(path);
    // What was said to be safe is there; one more may have come into place before it could be said.
    if (found !== said1 && found !== said1 + 1) problems.push(`run ${run}: ${said1} was saved, found ${found}`);
    safe = typeof found === 'number' ? found : said1 + 1;
  }
  await new Promise(done => start(path, safe + 1, safe + 1).on('close', done));
  const left = readdirSync(folder);
  if ((await generation(path)) !== safe + 1) problems.push('the last save is not there');
  if (left.length !== 2) problems.push(`beside the model and its weights there are ${left.join(', ')}`);
  problems.push(...fullDisk(folder));
  for (const problem of problems) console.log(`FAILED ${problem}`);
  console.log(`${count} kills, ${safe} saves, ${kept} killed in the middle of a write; ${problems.length} problems`);
  return problems.length;
}

/** A conversion onto an existing file, on a disk that takes less than it needs. */
function fullDisk(folder: string): string[] {
  const target = join(folder, 'target.onnx');
  writeFileSync(target, 'the old file');
  const command = 'ulimit -f 64 && exec "$0" "$@"';
  const args = [resolve('dist/cli/main.js'), 'convert', join(folder, 'model.onnx'), '-o', target, '--overwrite'];
  const { status, stderr } = spawnSync('bash', ['-c', command, process.execPath, ...args], { encoding: 'utf8' });
  const problems: string[] = [];
  if (status !== 5) problems.push(`a full disk gives exit ${status}: ${stderr}`);
  if (!/E5003 disk-full: .*target\.onnx.*: the file size limit is reached after \d+ bytes/.test(stderr))
    problems.push(`a full disk says ${stderr}`);
  if (readFileSync(target, 'utf8') !== 'the old file') problems.push('a full disk destroyed the file that was there');
  if (temporaries(folder).length > 0) problems.push('a full disk left temporary files');
  return problems;
}
