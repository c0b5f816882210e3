// Arrays of tensors: text, and what is no array, in the forms NumPy has for them.
import { expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { flattened, readArrays, writeArrays } from '../../src/formats/arrays.ts';
import { Tensor } from '../../src/ir/tensor.ts';

async function bytesOf(tensors: Readonly<Record<string, Tensor>>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of writeArrays(tensors)) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

test('text survives an .npz: empty, beyond the basic plane, of several lengths', async () => {
  const words = ['', 'a', 'né😀', 'long word', '\u0000x', 'tab\t'];
  const back = await readArrays(new MemorySource(await bytesOf({ words: new Tensor('string', words, [2, 3]) })));
  expect(back['words']!.dims).toEqual([2, 3]);
  expect(back['words']!.data).toEqual(words);
});

// The bytes of numpy.save(f, numpy.array(['ab', 'é'], dtype='>U2')): big-endian code points.
test('text of big-endian NumPy files is read', async () => {
  const header = `${"{'descr': '>U2', 'fortran_order': False, 'shape': (2,), }".padEnd(117)}\n`;
  const bytes = new Uint8Array(10 + header.length + 16);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  bytes.set(new TextEncoder().encode(header), 10);
  for (const [i, point] of [0x61, 0x62, 0xe9, 0].entries()) new DataView(bytes.buffer).setUint32(10 + header.length + 4 * i, point);
  expect((await readArrays(new MemorySource(bytes)))['array']!.data).toEqual(['ab', 'é']);
});

test('code points that do not exist are refused', async () => {
  const bytes = await bytesOf({ t: new Tensor('string', ['~~~~'], [1]) });
  const at = bytes.findIndex((b, i) => b === 0x7e && bytes[i + 1] === 0);
  bytes[at + 2] = 0x11;
  await expect(readArrays(new MemorySource(bytes))).rejects.toThrow();
});

test('sequences, maps and empty optionals are arrays under names of their own', () => {
  const x = new Tensor('float32', [1, 2], [2]);
  const arrays = flattened({
    list: [x, [x]],
    words: new Map([
      ['a', 1.5],
      ['b', 2],
    ]),
    counts: new Map([[7n, 'seven']]),
    none: null,
  });
  expect(Object.keys(arrays)).toEqual(['list[0]', 'list[1][0]', 'words.keys', 'words.values', 'counts.keys', 'counts.values']);
  expect(arrays['words.keys']!.data).toEqual(['a', 'b']);
  expect([...(arrays['words.values']!.data as Float32Array)]).toEqual([1.5, 2]);
  expect([...(arrays['counts.keys']!.data as BigInt64Array)]).toEqual([7n]);
});
