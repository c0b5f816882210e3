// node bench/training.mjs MODEL DATA.npz LOSS BACKEND THREADS: trains on one batch, so many steps as each line of standard input asks for,
// and answers with their milliseconds and the most memory so far. bench/training.py measures PyTorch beside it.
import { createInterface } from 'node:readline';
import { cpuBackend } from '../dist/src/node/addon.js';
import { load, loadArrays, referenceBackend, resident } from '../dist/src/node/index.js';
import { Trainer } from '../dist/src/train/loop/trainer.js';

const [model, data, loss, name, threads] = process.argv.slice(2);
const backend = name === 'cpu' ? cpuBackend({ threads: Number(threads) }) : referenceBackend();
const started = performance.now();
const trainer = await Trainer.create(await load(model), { backend, loss, optimizer: 'adamw', predictions: false });
const arrays = {};
for (const [key, tensor] of Object.entries(await loadArrays(data))) arrays[key] = await resident(tensor);
const batch = trainer.prepare(arrays);
console.log(JSON.stringify({ ready: performance.now() - started }));

for await (const line of createInterface({ input: process.stdin })) {
  const times = [];
  let last = 0;
  for (let i = 0; i < Number(line); i++) {
    const from = performance.now();
    last = (await trainer.step([batch], rate => rate)).loss;
    times.push(performance.now() - from);
  }
  console.log(JSON.stringify({ times, loss: last, peak: process.resourceUsage().maxRSS * 1024 }));
}
