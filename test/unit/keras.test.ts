// Models of Keras that Keras itself saved (test/fixtures/keras/make.py), beside its numbers; TensorFlow.js models written here; and what
// broken files get.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MemorySource, type Source } from '../../src/codec/source.ts';
import { openZip } from '../../src/codec/zip.ts';
import { writeZip } from '../../src/codec/zip-write.ts';
import { ModelError } from '../../src/errors.ts';
import { keras, kerasHdf5 } from '../../src/formats/keras/index.ts';
import { tfjsLayers } from '../../src/formats/tfjs/index.ts';
import { formatType, load, loadArrays, loadWeights, Session, type Tensor } from '../../src/node/index.ts';

const folder = fileURLToPath(new URL('../fixtures/keras/', import.meta.url));
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name)));

/** The codes and messages of everything that a file gets. */
async function refused(reading: Promise<unknown>): Promise<string[]> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof ModelError) return error.findings.map(f => `${f.code} ${f.message}`);
    throw error;
  }
  return [];
}

describe.each(['both.keras', 'both.h5'])('%s', file => {
  test('computes what Keras computed', async () => {
    const { words, image, kind } = (await loadArrays(join(folder, 'numbers.npz'))) as Record<string, Tensor>;
    const session = await Session.create(await load(join(folder, file)));
    expect(session.inputNames).toEqual(['words', 'image']);
    const outputs = await session.run({ words: words!, image: image! });
    const [got, wanted] = [outputs['kind']!.data, kind!.data].map(data => [...(data as Float32Array)]);
    expect(got).toHaveLength(6);
    got!.forEach((x, i) => {
      expect(x).toBeCloseTo(wanted![i]!, 5);
    });
  });
});

test('sizes that a file leaves open stay open, under one name for the batch', async () => {
  const { model } = await kerasHdf5.read!(new MemorySource(bytesOf('both.h5'), 'both.h5'), {});
  expect(model.graph.inputs.map(v => formatType(v.type))).toEqual(['int32[batch,words_1]', 'float32[batch,6,6,2]']);
});

/** The archive with another configuration. */
async function withConfig(change: (text: string) => string): Promise<Source> {
  const zip = await openZip(new MemorySource(bytesOf('both.keras')));
  const parts: Uint8Array[] = [];
  const entries: { name: string; data: Uint8Array }[] = [];
  for (const entry of zip.entries.values()) {
    const content = await entry.bytes();
    const changed = entry.name === 'config.json' ? new TextEncoder().encode(change(new TextDecoder().decode(content))) : content;
    entries.push({ name: entry.name, data: changed });
  }
  for await (const chunk of writeZip(entries)) parts.push(chunk);
  return new MemorySource(new Uint8Array(Buffer.concat(parts)), 'changed.keras');
}
const refusedWith = async (change: (text: string) => string): Promise<string[]> => refused(keras.read!(await withConfig(change), {}));

describe('a configuration', () => {
  test('with code in a layer is refused, all of it at once', async () => {
    const found = await refusedWith(text =>
      text.replace('"class_name": "Flatten"', '"class_name": "Lambda"').replace('"class_name": "Conv2D"', '"class_name": "Swirl"'),
    );
    expect(found).toEqual([
      expect.stringMatching(/^E2001 Swirl: no conversion/),
      expect.stringMatching(/^E2001 Lambda: code inside a Lambda layer is never executed/),
    ]);
  });
  test('with a class of users names it, whatever it is called', async () => {
    const found = await refusedWith(text =>
      text.replace('"module": "keras.layers", "class_name": "Flatten"', '"module": "mine", "class_name": "Flatten"'),
    );
    expect(found).toEqual([expect.stringMatching(/^E2001 Flatten: a class of its own, whose code the file does not hold/)]);
  });
  test('with other sizes than the weights lists every one', async () => {
    const found = await refusedWith(text => text.replace('"units": 3, "activation": "softmax"', '"units": 4, "activation": "softmax"'));
    expect(found).toEqual([
      'E1305 kind/kernel has the sizes [42,3], the layer expects [42,4]',
      'E1305 kind/bias has the sizes [3], the layer expects [4]',
    ]);
  });
  test('with a circle is refused', async () => {
    const found = await refusedWith(text =>
      text.replaceAll('"keras_history": ["words", 0, 0]', '"keras_history": ["bidirectional", 0, 0]'),
    );
    expect(found).toEqual([expect.stringMatching(/^E1105 /)]);
  });
  test('with a size that is none is refused', async () => {
    const found = await refusedWith(text => text.replace(/"batch_shape": \[null/, '"batch_shape": [99999999999999999999'));
    expect(found).toEqual(['E1202 the input image has a size that is no size: 99999999999999999999']);
  });
  test('that reads what is not there is refused', async () => {
    const found = await refusedWith(text => text.replaceAll('"keras_history": ["words", 0, 0]', '"keras_history": ["words", 7, 0]'));
    expect(found).toEqual([expect.stringMatching(/^E1104 nothing produces call 7 of words/)]);
  });
});

describe('an HDF5 file', () => {
  const open = (bytes: Uint8Array): Promise<string[]> => refused(kerasHdf5.read!(new MemorySource(bytes, 'x.h5'), {}));

  test('that is cut off says how long it was', async () => {
    expect(await open(bytesOf('both.h5').subarray(0, 20000))).toEqual([
      expect.stringMatching(/^E1005 the header says that the file ends at byte \d+, it has 20000/),
    ]);
  });
  test('of an unknown version is refused', async () => {
    const bytes = bytesOf('both.h5');
    bytes[8] = 255;
    expect(await open(bytes)).toEqual(['E1006 superblock version 255, expected 0 to 3']);
  });
  test('with broken bytes inside is an error of the file, never of the library', async () => {
    for (let at = 100; at < 12000; at += 397) {
      const bytes = bytesOf('both.h5');
      bytes.fill(0xff, at, at + 16);
      for (const line of await open(bytes)) expect(line).toMatch(/^E[12]\d{3} /);
    }
  });
});

describe('a TensorFlow.js model of layers', () => {
  const layer = (className: string, config: object): object => ({ class_name: className, config });
  const model = (weights: object[], paths = ['a.bin']): Source =>
    new MemorySource(
      new TextEncoder().encode(
        JSON.stringify({
          format: 'layers-model',
          modelTopology: {
            keras_version: 'tfjs-layers 4.22.0',
            model_config: layer('Sequential', {
              name: 'net',
              layers: [layer('Dense', { name: 'd', units: 2, use_bias: false, batch_input_shape: [null, 1] })],
            }),
          },
          weightsManifest: [{ paths, weights }],
        }),
      ),
      'model.json',
    );
  const files: Record<string, Uint8Array> = { 'a.bin': new Uint8Array(new Float32Array([2, 3]).buffer), 'q.bin': new Uint8Array([0, 10]) };
  const open = async (name: string): Promise<Source> => new MemorySource(files[name]!, name);
  const kernel = { name: 'd/kernel', shape: [1, 2], dtype: 'float32' };
  const weightOf = async (source: Source): Promise<number[]> => {
    const { model: read } = await tfjsLayers.read!(source, { open });
    return [...(read.graph.nodes[0]!.inputs[1]!.tensor!.data as Float32Array)];
  };

  test('takes its weights from shards', async () => expect(await weightOf(model([kernel]))).toEqual([2, 3]));
  test('with numbers that stand for floats', async () => {
    const quantised = { ...kernel, quantization: { dtype: 'uint8', scale: 0.5, min: -1 } };
    expect(await weightOf(model([quantised], ['q.bin']))).toEqual([-1, 4]);
  });
  test.each([
    ['another folder', model([kernel], ['../a.bin']), 'E1401'],
    ['an address', model([kernel], ['http://x/a.bin']), 'E1401'],
    ['a shard that is too short', model([kernel], ['q.bin']), 'E1203'],
    ['an unknown type', model([{ ...kernel, dtype: 'int64' }]), 'E1201'],
    ['a scale that is no number', model([{ ...kernel, quantization: { dtype: 'uint8', scale: 'x', min: 0 } }], ['q.bin']), 'E1205'],
  ])('with %s is refused', async (_, source, code) => {
    expect((await refused(tfjsLayers.read!(source, { open })))[0]).toMatch(new RegExp(`^${code} `));
  });
});

test('variables of a whole model are weights by their names', async () => {
  const { tensors, title } = await loadWeights(join(folder, 'both.h5'));
  expect(title).toBe('Keras weights in HDF5');
  expect(tensors.get('kind/kind/kernel')?.dims).toEqual([42, 3]);
  expect(tensors.size).toBe(15);
});
