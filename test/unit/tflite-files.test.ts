// Files of the real converter (test/fixtures/tflite/make.py), run beside what TensorFlow's interpreter computes on them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MemorySource, read, readArrays, Session, type Tensor } from '../../src/node/index.ts';

const folder = fileURLToPath(new URL('../fixtures/tflite/', import.meta.url));
const numbers = await readArrays(new MemorySource(readFileSync(`${folder}numbers.npz`)));

/** The largest difference: a step of quantisation where the file has one. */
test.each([
  ['float', 'image', 1e-6],
  ['float16', 'image', 1e-6],
  ['int8', 'image', 1 / 256],
  ['int16x8', 'image', 1e-3],
  ['flow', 'x', 1e-4],
] as const)('%s', async (name, input, most) => {
  const { model, format } = await read(`${folder}${name}.tflite`);
  expect(format.name).toBe('tflite');
  const session = await Session.create(model);
  const [y] = Object.values(await session.run({ [model.graph.inputs[0]!.name]: numbers[input]! })) as Tensor[];
  const want = numbers[name]!;
  expect(y!.dims).toEqual(want.dims);
  const apart = Array.from(
    y!.data as Float32Array,
    (v, i) => Math.abs(v - Number(want.data[i])) / Math.max(1, Math.abs(Number(want.data[i]))),
  );
  expect(Math.max(...apart)).toBeLessThanOrEqual(most * 1.001);
});
