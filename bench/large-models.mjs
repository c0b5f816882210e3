// Writes the models that are measured: zeros as weights, streamed, so that making them needs no memory.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Graph, Model, newBuilder, save, Tensor, Value } from '../dist/src/node/index.js';

const zeros = length => ({ length, read: async (offset = 0, count = length - offset) => new Uint8Array(count) });

/** A chain of MatMul nodes whose weights take about `bytes`. */
function chain(bytes, layers) {
  const width = Math.floor(Math.sqrt(bytes / layers / 4));
  const b = newBuilder();
  const x = new Value('x', { kind: 'tensor', element: 'float32', shape: [1, width] });
  let y = x;
  for (let i = 0; i < layers; i++) {
    const tensor = new Tensor('float32', zeros(width * width * 4), [width, width]);
    y = b.MatMul(y, new Value(`layer${i}.weight`, undefined, { tensor, parameter: true }));
  }
  return new Model(new Graph('chain', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes }), {
    irVersion: 10,
    opsets: new Map([['', 21]]),
  });
}

/** Paths of a 500 MB single file and a 3 GB model with external data, made where they are missing. */
export async function largeModels(folder) {
  mkdirSync(join(folder, 'external'), { recursive: true });
  const single = join(folder, 'single.onnx');
  const external = join(folder, 'external', 'model.onnx');
  if (!existsSync(single)) await save(chain(500e6, 300), single);
  if (!existsSync(external)) await save(chain(3e9, 96), external, { externalData: true });
  return { single, external, singleBytes: statSync(single).size };
}
