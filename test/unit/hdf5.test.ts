// HDF5 files that h5py wrote (test/fixtures/hdf5/make.py), whose elements count from 0.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type HdfDataset, openHdf } from '../../src/codec/hdf5.ts';
import { MemorySource, type Source } from '../../src/codec/source.ts';
import { numbersOf, Tensor } from '../../src/ir/tensor.ts';
import type { DataType } from '../../src/ir/types.ts';

const bytesOf = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../fixtures/hdf5/${name}`, import.meta.url))));

/** The same bytes, none of them in memory at once. */
const ranged = (bytes: Uint8Array): Source => ({ name: 'x.h5', size: bytes.length, read: async (at, n) => bytes.slice(at, at + n) });

const half: Readonly<Record<number, number>> = { 0: 0, 15360: 1, 16384: 2, 16896: 3, 17408: 4, 17664: 5 };
async function elements(dataset: HdfDataset): Promise<number[]> {
  // The cast: names of types in these files are those of tensors.
  const tensor = new Tensor(dataset.type as DataType, (await dataset.bytes()).slice(), dataset.dims);
  return dataset.type === 'float16' ? Array.from(tensor.data as Uint16Array, bits => half[bits]!) : [...numbersOf(tensor)];
}

describe.each(['earliest.h5', 'latest.h5'])('%s', file => {
  test('has every element, from memory and by range', async () => {
    for (const source of [new MemorySource(bytesOf(file)), ranged(bytesOf(file))]) {
      const { datasets } = await openHdf(source);
      expect(datasets.size).toBe(file === 'earliest.h5' ? 53 : 55);
      for (const [path, dataset] of datasets) {
        const found = await elements(dataset);
        const expected = path === 'filled' ? [0, 1, 2, 2] : found.map((_, i) => i);
        expect([path, found]).toEqual([path, expected]);
        expect(found.length).toBe(dataset.dims.reduce((n, d) => n * d, 1));
      }
    }
  });
  test('has texts beside groups, also very many', async () => {
    const hdf = await openHdf(new MemorySource(bytesOf(file)));
    expect(await hdf.texts('', 'text')).toEqual(['one text']);
    expect(await hdf.texts('', 'texts')).toEqual(['ab', 'cde']);
    expect(await hdf.texts('', 'number')).toBeUndefined();
    expect(await hdf.texts('many', 'a39')).toEqual(['text 39']);
  });
});

test('types and sizes are those of the file, and ranges where elements lie in order', async () => {
  const { datasets } = await openHdf(new MemorySource(bytesOf('earliest.h5')));
  const said = ['types/float64', 'types/int32', 'types/bool', 'types/scalar', 'chunked/all'].map(path => {
    const { type, dims, range } = datasets.get(path)!;
    return `${type}[${dims}] ${range ? 'range' : 'made'}`;
  });
  expect(said).toEqual(['float64[2,3] made', 'int32[2,3] range', 'bool[2] range', 'float32[] range', 'float32[7,5,3] made']);
});

test('broken bytes anywhere are errors of the file', async () => {
  for (const file of ['earliest.h5', 'latest.h5'])
    for (let at = 8; at < 9000; at += 61) {
      const bytes = bytesOf(file);
      bytes.fill(0xfe, at, at + 8);
      try {
        for (const dataset of (await openHdf(new MemorySource(bytes))).datasets.values()) await dataset.bytes();
      } catch (error) {
        expect(error).toMatchObject({ name: 'ModelError' });
      }
    }
});
