import { describe, expect, it } from 'vitest';
import { type NpyArray, readNpy, readNpz, writeNpy, writeNpz } from '../../src/codec/npy.ts';
import { ByteRange, MemorySource, type Source } from '../../src/codec/source.ts';
import { writeZip } from '../../src/codec/zip-write.ts';
import { ModelError } from '../../src/errors.ts';

const memory = (bytes: Uint8Array): MemorySource => new MemorySource(bytes, 'a.npy');
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, c => c.charCodeAt(0));
const base64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
const concat = (parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

/** A source that is read like a file: nothing of it lies in memory. */
const onDisk = (bytes: Uint8Array): Source => ({ name: 'disk', size: bytes.length, read: async (at, n) => bytes.slice(at, at + n) });

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return concat(parts);
}

function npy(header: string, data: Uint8Array = new Uint8Array(0), version = 1): Uint8Array {
  const length = version === 1 ? [header.length & 255, header.length >> 8] : [header.length & 255, header.length >> 8, 0, 0];
  return concat([latin1('\x93NUMPY'), Uint8Array.of(version, 0, ...length), latin1(header), data]);
}

async function failure(bytes: Uint8Array): Promise<string> {
  const error = await readNpy(memory(bytes)).catch(error => error);
  if (!(error instanceof ModelError)) throw new Error(`gave ${JSON.stringify(error)}`);
  expect(error.findings[0]?.file).toBe('a.npy');
  return `${error.code} ${error.message}`;
}

const bytesOf = async ({ data }: NpyArray): Promise<number[]> => [...(data instanceof Uint8Array ? data : await data.read())];

describe('readNpy', () => {
  it('converts the big-endian Fortran-ordered array that NumPy wrote', async () => {
    const array = await readNpy(
      memory(
        base64(
          'k05VTVBZAQB2AHsnZGVzY3InOiAnPmkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAADAAEABAACAAU=',
        ),
      ),
    );
    expect(array).toMatchObject({ descr: '<i2', shape: [2, 3] });
    expect(await bytesOf(array)).toEqual([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
  });

  it.each(['b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8', 'c8', 'c16'])('reads %s in every order', async kind => {
    const item = Number(kind.slice(1));
    const component = kind.startsWith('c') ? item / 2 : item;
    // Element k of the C-ordered 2 × 3 array has the bytes k·16, k·16 + 1, ….
    const element = (k: number, big: boolean): number[] => {
      const bytes = Array.from({ length: item }, (_, i) => k * 16 + i);
      if (!big) return bytes;
      return bytes.map((_, i) => bytes[i - (i % component) + component - 1 - (i % component)]!);
    };
    const expected = [0, 1, 2, 3, 4, 5].flatMap(k => element(k, false));
    for (const order of item === 1 ? ['|', '>', '<'] : ['<', '>'])
      for (const fortran of [false, true]) {
        const ks = fortran ? [0, 3, 1, 4, 2, 5] : [0, 1, 2, 3, 4, 5];
        const data = Uint8Array.from(ks.flatMap(k => element(k, order === '>')));
        const header = `{'descr': '${order}${kind}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (2, 3), }\n`;
        for (const version of [1, 2, 3]) {
          const array = await readNpy(memory(npy(header, data, version)));
          expect(array.descr).toBe((item === 1 ? '|' : '<') + kind);
          expect(await bytesOf(array)).toEqual(expected);
        }
      }
  });

  it.each([
    ["{'descr': '|u1', 'fortran_order': False, 'shape': ()}", [], 1],
    ["{'descr': '|u1', 'fortran_order': True, 'shape': (3,)}", [3], 3],
    ["{'shape': (2L, 1L), 'descr': '|u1', 'fortran_order': False}", [2, 1], 2],
    ['{"descr": "|u1", "fortran_order": False, "shape": (0, 4), }   \n', [0, 4], 0],
    ["{'descr':'|u1','fortran_order':False,'shape':(1,1,1,)}", [1, 1, 1], 1],
  ])('reads the header %s', async (header, shape, size) => {
    expect(await readNpy(memory(npy(header, new Uint8Array(size))))).toMatchObject({ shape });
  });

  it('leaves large data of a file as a range', async () => {
    const data = Uint8Array.from({ length: 100_000 }, (_, i) => i);
    const bytes = concat(writeNpy({ descr: '|u1', shape: [100_000], data }));
    const onFile = await readNpy(onDisk(bytes));
    expect(onFile.data).toBeInstanceOf(ByteRange);
    expect(await bytesOf(onFile)).toEqual([...data]);
    expect((await readNpy(memory(bytes))).data).toBeInstanceOf(Uint8Array);
  });

  const ok = "'descr': '<f4', 'fortran_order': False";
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'E1005'],
    ['another magic', latin1('\x93NUMPX\x01\x00\x00\x00'), 'E1006'],
    ['version 9', npy('{}', undefined, 9), 'E2002'],
    ['a header longer than the file', npy('').fill(255, 8), 'E1005'],
    ['a long header', concat([latin1('\x93NUMPY\x02\x00'), Uint8Array.of(1, 0, 16, 0), new Uint8Array(2 ** 20 + 1)]), 'E1009'],
    ['code', npy("__import__('os').system('true')"), 'E1006'],
    ['a call as value', npy(`{${ok}, 'shape': tuple()}`), 'E1006'],
    ['a negative dimension', npy(`{${ok}, 'shape': (-1,)}`), 'E1202'],
    ['an overflow', npy(`{${ok}, 'shape': (4294967296, 4294967296)}`), 'E1202'],
    ['an overflow beside zero', npy(`{${ok}, 'shape': (0, 4294967296, 4294967296)}`), 'E1202'],
    ['a dimension beyond 2^53', npy(`{${ok}, 'shape': (9007199254740993,)}`), 'E1202'],
    ['65 dimensions', npy(`{${ok}, 'shape': (${'1,'.repeat(65)})}`), 'E1202'],
    ['a float dimension', npy(`{${ok}, 'shape': (1.5,)}`), 'E1006'],
    ['a number as shape', npy(`{${ok}, 'shape': (3)}`, new Uint8Array(12)), 'E1006'],
    ['short data', npy(`{${ok}, 'shape': (2,)}`, new Uint8Array(7)), 'E1005'],
    ['bytes behind the data', npy(`{${ok}, 'shape': (2,)}`, new Uint8Array(9)), 'E1007'],
    ['a missing key', npy(`{${ok}}`), 'E1006'],
    ['an unknown key', npy(`{${ok}, 'shape': (), 'x': 1}`), 'E1006'],
    ['a key twice', npy(`{${ok}, 'shape': (), 'shape': ()}`), 'E1010'],
    ['text behind the header', npy(`{${ok}, 'shape': ()} + 1`), 'E1006'],
    ['an open header', npy(`{${ok}, 'shape': (`), 'E1006'],
    ['an escape', npy("{'descr': '\\x3cf4'}"), 'E1006'],
    [
      'objects',
      npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
      'E2002 .npy type "|O" holds Python objects, which needs pickle',
    ],
    ['records', npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), 'E2002'],
    ['text longer than 2^24', npy("{'descr': '<U16777217', 'fortran_order': False, 'shape': (0,)}"), 'E2002'],
    ['dates', npy("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}"), 'E2002'],
    ['extended floats', npy("{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}"), 'E2002'],
    ['a type that does not exist', npy("{'descr': '<i3', 'fortran_order': False, 'shape': (1,)}"), 'E1006'],
    ['a type without order', npy("{'descr': '|f4', 'fortran_order': False, 'shape': (1,)}"), 'E1006'],
  ])('refuses %s', async (_, bytes, expected) => {
    expect(await failure(bytes)).toContain(expected);
  });

  it('says where the header breaks', async () => {
    const error = await readNpy(memory(npy("{'descr': '<f4', 'shape': (x,)}"))).catch(error => error);
    expect(error.findings[0].offset).toBe(10 + "{'descr': '<f4', 'shape': (".length);
  });

  it('gives a finding or an array for every cut and changed byte', async () => {
    const whole = concat(writeNpy({ descr: '<f4', shape: [2, 3], data: new Uint8Array(24) }));
    for (let i = 0; i < whole.length; i++) {
      await failure(whole.subarray(0, i));
      for (const flip of [1, 4, 0x80]) {
        const changed = Uint8Array.from(whole);
        changed[i]! ^= flip;
        await readNpy(memory(changed)).catch(error => expect(error).toBeInstanceOf(ModelError));
      }
    }
  });
});

describe('writeNpy', () => {
  it.each([[[]], [[0]], [[5]], [[2, 3]], [[1, 2, 1, 4]]])('writes shape %j as NumPy lays it out', async shape => {
    const data = Uint8Array.from({ length: 8 * shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
    const [header, body] = writeNpy({ descr: '<f8', shape, data });
    expect(header!.length % 64).toBe(0);
    expect(header!.at(-1)).toBe(10);
    expect(body).toBe(data);
    expect(await readNpy(memory(concat([header!, body!])))).toEqual({ descr: '<f8', shape, data });
  });

  it('refuses what is not an array', () => {
    const data = new Uint8Array(8);
    const code = (array: NpyArray & { data: Uint8Array }): string => {
      try {
        writeNpy(array);
      } catch (error) {
        return (error as ModelError).code;
      }
      return 'written';
    };
    expect(code({ descr: '>f8', shape: [1], data })).toBe('E2002');
    expect(code({ descr: '<i1', shape: [8], data })).toBe('E2002');
    expect(code({ descr: '<f4', shape: [3], data })).toBe('E1203');
    expect(code({ descr: '<f4', shape: [-1], data })).toBe('E4001');
    expect(code({ descr: '<f4', shape: [1.5], data })).toBe('E4001');
  });
});

describe('npz', () => {
  it('reads what numpy.savez_compressed wrote, with names that differ by case', async () => {
    const arrays = await readNpz(
      memory(
        base64(
          'UEsDBC0AAAAIAAAAIQDWQ0sF//////////8FABQAdy5ucHkBABAAiAAAAAAAAABLAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC4GhgP2DEACAFBLAwQtAAAACAAAACEAgi340///////////BQAUAFcubnB5AQAQAIEAAAAAAAAAQwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBek2SorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqaOgq1ChQBLkYAUEsBAi0DLQAAAAgAAAAhANZDSwVLAAAAiAAAAAUAAAAAAAAAAAAAAIABAAAAAHcubnB5UEsBAi0DLQAAAAgAAAAhAIIt+NNDAAAAgQAAAAUAAAAAAAAAAAAAAIABggAAAFcubnB5UEsFBgAAAAACAAIAZgAAAPwAAAAAAA==',
        ),
      ),
    );
    expect([...arrays.keys()]).toEqual(['w', 'W']);
    expect(await bytesOf(arrays.get('w')!)).toEqual([...new Uint8Array(Float32Array.of(1.5, -2).buffer)]);
    expect(arrays.get('W')).toEqual({ descr: '|b1', shape: [], data: Uint8Array.of(1) });
  });

  it.each([true, false])('writes arrays and reads them back, compressed: %s', async compressed => {
    const large = Uint8Array.from({ length: 300_000 }, (_, i) => i >> 3);
    const arrays = new Map<string, NpyArray>([
      ['b/c', { descr: '<f4', shape: [2], data: new Uint8Array(8).fill(7) }],
      ['a', { descr: '|u1', shape: [300_000], data: large }],
      ['ranged', { descr: '<i8', shape: [37_500], data: new ByteRange(memory(large), 0, 300_000) }],
      ['none', { descr: '<f2', shape: [0, 3], data: new Uint8Array(0) }],
    ]);
    const bytes = await collect(writeNpz(arrays, { compressed }));
    expect(bytes.length < 300_000).toBe(compressed);
    for (const source of [memory(bytes), onDisk(bytes)]) {
      const back = await readNpz(source);
      expect([...back.keys()]).toEqual([...arrays.keys()]);
      for (const [name, array] of arrays) {
        const other = back.get(name)!;
        expect(other).toMatchObject({ descr: array.descr, shape: array.shape });
        expect(await bytesOf(other)).toEqual(await bytesOf(array));
      }
      expect(back.get('a')!.data instanceof ByteRange).toBe(!compressed && !source.bytes);
    }
  });

  it('refuses two arrays of one name, and members that are no arrays', async () => {
    const [header] = writeNpy({ descr: '<f4', shape: [0], data: new Uint8Array(0) });
    const twice = await collect(writeZip(['a', 'a.npy'].map(name => ({ name, data: header! }))));
    await expect(readNpz(memory(twice))).rejects.toMatchObject({ code: 'E1010' });
    const other = await collect(writeZip([{ name: 'a.txt', data: latin1('hello, world') }]));
    const error = await readNpz(memory(other)).catch(error => error);
    expect(error).toMatchObject({ code: 'E1006', findings: [{ file: 'a.npy', path: 'a.txt' }] });
  });
});
