// Mutants of NumPy's files: of their headers as text, of archives entry by entry and record by record, and of bytes.
import { readArrays, writeArray, writeArrays } from '../../src/formats/arrays.ts';
import { MemorySource, ModelError, resident, Tensor } from '../../src/index.ts';
import { bytesChanged, joined, textChanged } from './bytes.ts';
import type { Mutant, Mutants } from './mutants.ts';
import { pick, type Random } from './random.ts';
import { type Entry, entriesChanged, entriesOf, packed, recordsChanged } from './zips.ts';

const tensors: Readonly<Record<string, Tensor>> = {
  floats: new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]),
  doubles: new Tensor('float64', [0.1, -0, 1e300], [3]),
  integers: new Tensor('int64', [1n, -1n, 2n ** 63n - 1n, 0n], [2, 2]),
  bytes: new Tensor('uint8', [0, 255], [2, 1]),
  booleans: new Tensor('bool', [1, 0, 1], [3]),
  halves: new Tensor('float16', new Uint16Array(4), [4]),
  complex: new Tensor('complex64', new Float32Array([1, 2, 3, 4]), [2]),
  texts: new Tensor('string', ['', 'a', 'né😀'], [3]),
  scalar: new Tensor('int32', [7], []),
  empty: new Tensor('float32', [], [0, 3]),
};

/** A header as NumPy writes others: in Fortran order, big-endian, of a later version. */
const others = [
  "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }",
  "{'descr': '<i2', 'fortran_order': True, 'shape': (3, 4), }",
];

async function collected(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const list: Uint8Array[] = [];
  for await (const part of parts) list.push(part.slice());
  return joined(...list);
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, c => c.charCodeAt(0));

function npy(header: string, data: Uint8Array, version = 1): Uint8Array {
  const text = latin1(header);
  const length = new Uint8Array(version === 1 ? 2 : 4);
  for (let i = 0; i < length.length; i++) length[i] = text.length >>> (8 * i);
  return joined(Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0), length, text, data);
}

/** The header as text with some of its tokens changed, and a length that fits it; or bytes changed anywhere. */
function npyChanged(file: Uint8Array, random: Random): Uint8Array {
  if (random(3) === 0 || file.length < 10) return bytesChanged(file, random);
  const start = file[6] === 1 ? 10 : 12;
  const length = file[8]! + 256 * file[9]!;
  const header = String.fromCharCode(...file.subarray(start, start + length));
  const changed = textChanged(header, random, pick(random, others)!);
  return npy(changed, random(4) === 0 ? bytesChanged(file.subarray(start + length), random) : file.subarray(start + length), 1 + random(3));
}

/** Read, written and read again; what was written must be the same both times. */
async function drive(bytes: Uint8Array): ReturnType<Mutant['drive']> {
  try {
    const read = await residents(bytes);
    if (Object.values(read).some(tensor => tensor.type === 'bfloat16')) return { ended: 'ran' };
    const written = await collected(writeArrays(read));
    const again = await collected(writeArrays(await residents(written)));
    if (Buffer.compare(written, again) !== 0) throw new Error('arrays that are read again are written otherwise');
    return { ended: 'ran' };
  } catch (error) {
    if (error instanceof ModelError && error.code !== 'E9001') return { ended: 'refused' };
    throw error;
  }
}

async function residents(bytes: Uint8Array): Promise<Record<string, Tensor>> {
  const arrays: Record<string, Tensor> = Object.create(null);
  for (const [name, tensor] of Object.entries(await readArrays(new MemorySource(bytes, 'mutant.npz'))))
    arrays[name] = await resident(tensor);
  return arrays;
}

export async function arrayMutants(): Promise<Mutants> {
  const files: Uint8Array[] = others.map(header => npy(header, new Uint8Array(24)));
  for (const tensor of Object.values(tensors)) files.push(await collected(writeArray(tensor)));
  const archives = [await collected(writeArrays(tensors)), await collected(writeArrays(tensors, { compressed: true }))];
  const entries: readonly Entry[] = await entriesOf(archives[0]!);
  return async random => {
    const kind = random(3);
    const method = random(2) ? 'store' : 'deflate';
    const changed = (entry: Entry): Uint8Array => npyChanged(entry.data, random);
    const bytes =
      kind === 0
        ? npyChanged(pick(random, files)!, random)
        : kind === 1
          ? recordsChanged(pick(random, archives)!, random)
          : await packed(entriesChanged(entries, random, changed), method);
    return { name: kind === 0 ? 'npy' : 'npz', changes: [['header', 'records', 'entries'][kind]!], bytes, drive: () => drive(bytes) };
  };
}
