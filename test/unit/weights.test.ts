// Weights: safetensors and checkpoints of PyTorch there and back, what is wrong with them to the letter, and weights put into models.
import { describe, expect, test } from 'vitest';
import { Call, Global, Persistent, type PickleValue, Tuple } from '../../src/codec/pickle.ts';
import { writePickle } from '../../src/codec/pickle-write.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { writeZip } from '../../src/codec/zip-write.ts';
import { replaceWeights, weightsOf } from '../../src/edit/weights.ts';
import { ModelError } from '../../src/errors.ts';
import { readOnnx } from '../../src/formats/onnx/index.ts';
import { readWeights, weightFormatNamed } from '../../src/formats/weights/index.ts';
import type { Model } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import type { DataType } from '../../src/ir/types.ts';
import type { Weights } from '../../src/ir/weights.ts';
import { info, modelOf, node, sourceOf } from './onnx-messages.ts';

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}
const bytesIn = (format: string, weights: Weights): Promise<Uint8Array> => joined(weightFormatNamed(format)!.write!(weights, 'w.bin'));
const weightsWith = (tensors: Record<string, Tensor>, metadata: Record<string, string> = {}): Weights => ({
  tensors: new Map(Object.entries(tensors)),
  metadata: new Map(Object.entries(metadata)),
});
const readBytes = (bytes: Uint8Array, name = 'w.bin') => readWeights(new MemorySource(bytes, name));
const errorsOf = async (bytes: Uint8Array, name?: string): Promise<string[]> => {
  try {
    await readBytes(bytes, name);
  } catch (error) {
    if (error instanceof ModelError) return error.findings.map(f => `${f.code} ${f.message}`);
    throw error;
  }
  return [];
};

const bits = (type: DataType, count: number, width: number): Tensor =>
  new Tensor(
    type,
    Uint8Array.from({ length: (count * width) / 8 }, (_, i) => (37 * i + 11) & (type === 'bool' ? 1 : 0x3f)),
    [count],
  );
const inTorch: readonly [DataType, number][] = [
  ['float32', 32],
  ['float64', 64],
  ['float16', 16],
  ['bfloat16', 16],
  ['int8', 8],
  ['int16', 16],
  ['int32', 32],
  ['int64', 64],
  ['uint8', 8],
  ['uint16', 16],
  ['uint32', 32],
  ['uint64', 64],
  ['bool', 8],
  ['complex64', 64],
  ['float8e4m3fn', 8],
  ['float8e5m2', 8],
  ['float8e4m3fnuz', 8],
  ['float8e5m2fnuz', 8],
  ['float8e8m0', 8],
];

describe.each([
  ['safetensors', [...inTorch, ['float4e2m1', 4]]],
  ['torch', [...inTorch, ['complex128', 128]]],
] as [string, [DataType, number][]][])('%s', (format, types) => {
  test.each(types)('%s there and back', async (type, width) => {
    const tensor = bits(type, 6, width);
    const read = await readBytes(await bytesIn(format, weightsWith({ 'a.b': tensor, empty: new Tensor(type, new Uint8Array(0), [0, 3]) })));
    expect(read!.format.name).toBe(format);
    const found = await resident(read!.tensors.get('a.b')!);
    expect([found.type, found.dims, [...found.bytes()]]).toEqual([type, [6], [...tensor.bytes()]]);
    expect(read!.tensors.get('empty')).toMatchObject({ type, dims: [0, 3] });
  });
  test('a type that it lacks is refused', async () => {
    await expect(bytesIn(format, weightsWith({ s: new Tensor('string', ['a']) }))).rejects.toMatchObject({ code: 'E2002' });
  });
});

describe('safetensors', () => {
  const file = (header: string, data = 0, length?: bigint): Uint8Array => {
    const text = Buffer.from(header);
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(length ?? BigInt(text.length));
    return Buffer.concat([head, text, Buffer.alloc(data)]);
  };
  const entry = (name: string, dtype: string, shape: string, offsets: string): string =>
    `"${name}":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

  test('is written as the reference does: wide elements first, by name among equals, data aligned', async () => {
    const bytes = await bytesIn(
      'safetensors',
      weightsWith({ z: new Tensor('uint8', [1]), b: new Tensor('float32', [1]), a: new Tensor('float32', [2]) }, { format: 'pt' }),
    );
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
      __metadata__: { format: 'pt' },
      a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
      b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
      z: { dtype: 'U8', shape: [1], data_offsets: [8, 9] },
    });
    expect((await readBytes(bytes))!.metadata).toEqual(new Map([['format', 'pt']]));
  });

  test.each([
    ['shorter than the length', Uint8Array.of(1, 0), ['E1005 2 bytes, expected at least 8 for the length of the header']],
    ['a header beyond the file', file('{}', 0, 10n), ['E1005 a header of 10 bytes is announced, 2 follow']],
    ['the longest length', file('{}', 0, 2n ** 64n - 1n), ['E1005 a header of 18446744073709551615 bytes is announced, 2 follow']],
    ['no brace', file('[]'), ['E1006 the header must begin with {, found byte 0x5b']],
    ['no UTF-8', file('{"\xff":1}').with(10, 0xff), ['E1110 JSON text is not valid UTF-8']],
    ['an offset with a fraction', file(`{${entry('a', 'U8', '[1]', '[0,1.5]')}}`, 1), ['E1006 expected an integer, found 1.5']],
    ['an offset as text', file(`{${entry('a', 'U8', '[1]', '[0,"1"]')}}`, 1), ['E1006 "a": data_offsets must be two offsets']],
    [
      'a tensor twice',
      file(`{${entry('a', 'U8', '[1]', '[0,1]')},${entry('a', 'U8', '[1]', '[0,1]')}}`, 1),
      ['E1010 JSON object has the key "a" twice'],
    ],
    ['begin behind end', file(`{${entry('a', 'U8', '[1]', '[2,1]')}}`, 2), ['E1006 "a": data_offsets begin at 2 and end at 1']],
    [
      'a hole',
      file(`{${entry('a', 'U8', '[1]', '[0,1]')},${entry('b', 'U8', '[1]', '[3,4]')}}`, 4),
      ['E1006 2 bytes lie unused between "a" and "b"'],
    ],
    [
      'an overlap',
      file(`{${entry('a', 'U8', '[2]', '[0,2]')},${entry('b', 'U8', '[2]', '[1,3]')}}`, 3),
      ['E1006 "a" and "b" overlap by 1 bytes'],
    ],
    ['bytes behind the last', file(`{${entry('a', 'U8', '[1]', '[0,1]')}}`, 3), ['E1007 2 bytes follow the last tensor']],
    ['data that end early', file(`{${entry('a', 'U8', '[4]', '[0,4]')}}`, 3), ['E1005 "a" ends at byte 4 of the data, which has 3']],
    [
      'a shape that takes more',
      file(`{${entry('a', 'F32', '[2]', '[0,4]')}}`, 4),
      ['E1203 "a": F32[2] takes 8 bytes, its data_offsets span 4'],
    ],
    [
      'sizes whose product overflows',
      file(`{${entry('a', 'F32', '[4294967296,4294967296]', '[0,4]')}}`, 4),
      ['E1203 "a": F32[4294967296,4294967296] takes 73786976294838206464 bytes, its data_offsets span 4'],
    ],
    ['a size beyond 2^53', file(`{${entry('a', 'U8', '[9007199254740993]', '[0,1]')}}`, 1), ['E1202 "a": shape must be a list of sizes']],
    ['a negative size', file(`{${entry('a', 'U8', '[-1]', '[0,1]')}}`, 1), ['E1202 "a": shape must be a list of sizes']],
    ['half a byte', file(`{${entry('a', 'F4', '[3]', '[0,2]')}}`, 2), ['E1203 "a": F4[3] does not end on a byte']],
    [
      'everything wrong at once',
      file(`{${entry('a', 'F31', '[1]', '[0,4]')},${entry('b', 'U8', '[-1]', '[0,1]')},"c":{"dtype":"U8","shape":[]},"d":7}`, 4),
      [
        'E1201 "a": dtype "F31" is not known',
        'E1202 "b": shape must be a list of sizes',
        'E1101 "c": has no data_offsets',
        'E1006 "d": expected an object',
      ],
    ],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}'), ['E1006 __metadata__ "a" must be text']],
  ])('%s', async (_, bytes, errors) => {
    expect(await errorsOf(bytes, 'w.safetensors')).toEqual(errors);
  });

  test('names of the language are names like others', async () => {
    const bytes = file(`{${entry('__proto__', 'U8', '[1]', '[0,1]')},${entry('constructor', 'U8', '[1]', '[1,2]')}}`, 2);
    expect([...(await readBytes(bytes))!.tensors.keys()].sort()).toEqual(['__proto__', 'constructor']);
  });

  test('a checkpoint in several files is read through its index, and only from beside it', async () => {
    const shard = await bytesIn('safetensors', weightsWith({ a: new Tensor('float32', [1]), b: new Tensor('float32', [2]) }));
    const index = (map: object) => new MemorySource(Buffer.from(JSON.stringify({ weight_map: map })), 'model.safetensors.index.json');
    const open = async (name: string) => new MemorySource(shard, name);
    expect([...(await readWeights(index({ a: 's-1.safetensors', b: 's-1.safetensors' }), { open }))!.tensors.keys()]).toEqual(['a', 'b']);
    await expect(readWeights(index({ a: '../s.safetensors' }), { open })).rejects.toMatchObject({ code: 'E1011' });
    await expect(readWeights(index({ c: 's-1.safetensors' }), { open })).rejects.toMatchObject({ code: 'E1104' });
  });
});

describe('checkpoints of PyTorch', () => {
  const global = (name: string): Global => new Global(name, 0);
  const storage = (key: string, count: number, type = 'torch.FloatStorage'): Persistent =>
    new Persistent(new Tuple(['storage', global(type), key, 'cpu', count]));
  const tensor = (key: string, dims: number[], strides: number[], count = dims.reduce((n, d) => n * d, 1), offset = 0): Call =>
    new Call(global('torch._utils._rebuild_tensor_v2'), [
      storage(key, count),
      offset,
      new Tuple(dims),
      new Tuple(strides),
      false,
      new Call(global('collections.OrderedDict'), []),
    ]);
  const archive = (value: PickleValue, records: Record<string, Uint8Array> = {}): Promise<Uint8Array> =>
    joined(
      writeZip([
        { name: 'w/data.pkl', data: writePickle(value) },
        ...Object.entries(records).map(([key, data]) => ({ name: `w/data/${key}`, data })),
        { name: 'w/version', data: Buffer.from('3\n') },
      ]),
    );
  const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
  const numbers = async (t: Tensor | undefined): Promise<number[]> => [...((await resident(t!)).data as Float32Array)];
  /** The form before PyTorch 1.6. */
  const stream = (value: PickleValue, storages: Record<string, Uint8Array>, little = true): Uint8Array => {
    const sizes = Object.values(storages).map(bytes => {
      const head = Buffer.alloc(8);
      head.writeBigInt64LE(BigInt(bytes.length / 4));
      return Buffer.concat([head, bytes]);
    });
    const parts = [
      0x1950a86a20f9469cfc6cn,
      1001,
      new Map<PickleValue, PickleValue>([['little_endian', little]]),
      value,
      Object.keys(storages),
    ];
    return Buffer.concat([...parts.map(part => writePickle(part)), ...sizes]);
  };
  const module = (name: string, state: [string, PickleValue][]): Call => {
    const made = new Call(global(name), [], true);
    made.state = new Map<PickleValue, PickleValue>([['training', true], ...state]);
    return made;
  };
  const dict = (...entries: [string, PickleValue][]): Map<PickleValue, PickleValue> => new Map(entries);

  test.each([
    ['zip', (value: PickleValue) => archive(value, { 0: floats(1, 2, 3, 4, 5, 6) })],
    ['the form before 1.6', async (value: PickleValue) => stream(value, { 0: floats(1, 2, 3, 4, 5, 6) })],
  ])('%s: names are paths, views are laid out', async (_, bytesOf) => {
    const value = dict(['epoch', 3], ['model', dict(['w', tensor('0', [2, 3], [3, 1])])], ['list', [tensor('0', [3, 2], [1, 3], 6)]]);
    const { tensors } = (await readBytes(await bytesOf(value)))!;
    expect([...tensors.keys()]).toEqual(['model.w', 'list.0']);
    expect(await numbers(tensors.get('list.0'))).toEqual([1, 4, 2, 5, 3, 6]);
  });

  test.each([
    ['zip', (value: PickleValue) => archive(value, { 0: floats(1, 2) })],
    ['the form before 1.6', async (value: PickleValue) => stream(value, { 0: floats(1, 2) })],
  ])('%s: a whole module is its state dict, whatever its class', async (_, bytesOf) => {
    const inner = module('mine.Layer', [
      ['_parameters', dict(['weight', tensor('0', [2], [1])], ['bias', null])],
      ['_buffers', dict(['seen', tensor('0', [2], [1])], ['passing', tensor('0', [2], [1])])],
      ['_modules', dict()],
      ['activation', global('os.system')],
    ]);
    (inner.state as Map<PickleValue, PickleValue>).set('_non_persistent_buffers_set', null);
    const outer = module('mine.Net', [
      ['_parameters', dict()],
      ['_buffers', dict()],
      ['_modules', dict(['layer', inner])],
    ]);
    expect([...(await readBytes(await bytesOf(outer)))!.tensors.keys()]).toEqual(['layer.weight', 'layer.seen', 'layer.passing']);
  });

  test.each([
    [
      'a call',
      new Call(global('posix.system'), ['id']),
      'E1015 the pickle calls posix.system at offset 2; only tensors and containers are read',
    ],
    [
      'an instance',
      new Call(global('mine.Thing'), [], true),
      'E1015 the pickle calls mine.Thing at offset 2; only tensors and containers are read',
    ],
    [
      'a state that hides a call',
      module('mine.Net', [
        ['_parameters', dict(['w', new Call(global('builtins.eval'), ['1'])])],
        ['_buffers', dict()],
        ['_modules', dict()],
      ]),
      'E1015 the pickle calls builtins.eval at offset 59; only tensors and containers are read',
    ],
    ['a storage that is missing', dict(['w', tensor('7', [2], [1])]), 'E1013 the record data/7 is missing'],
    [
      'a storage of another length',
      dict(['w', tensor('0', [3], [1])]),
      'E1203 storage 0: 3 elements of float32 are 12 bytes, the record has 8',
    ],
    [
      'a view beyond its storage',
      dict(['w', tensor('0', [4], [1], 2)]),
      'E1203 "w": float32[4] with strides [1] needs 16 bytes of storage, the record has 8',
    ],
    ['a key that leads out', dict(['w', tensor('../x', [2], [1])]), 'E1006 the pickle has the storage key "../x"'],
    [
      'a storage of another class',
      dict([
        'w',
        new Call(global('torch._utils._rebuild_tensor_v2'), [
          storage('0', 2, 'torch.QInt8Storage'),
          0,
          new Tuple([2]),
          new Tuple([1]),
          false,
          null,
        ]),
      ]),
      'E2002 storages of torch.QInt8Storage have no conversion',
    ],
  ])('%s', async (_, value, message) => {
    expect(await errorsOf(await archive(value, { 0: floats(1, 2) }))).toEqual([message]);
  });

  test.each([
    ['big-endian numbers', stream(dict(), {}, false), 'E2002 the file is of a machine whose numbers are big-endian'],
    [
      'a storage that ends early',
      stream(dict(['w', tensor('0', [4], [1])]), { 0: floats(1, 2, 3, 4) }).subarray(0, -4),
      'E1005 storage 0: 4 elements of float32 are announced, 12 bytes follow',
    ],
  ])('the form before 1.6: %s', async (_, bytes, message) => {
    expect(await errorsOf(bytes)).toEqual([message]);
  });

  test('tensors that are one are stored once', async () => {
    const shared = new Tensor('float32', [1, 2, 3]);
    const bytes = await bytesIn('torch', weightsWith({ a: shared, b: shared }));
    const { tensors } = (await readBytes(bytes))!;
    expect(tensors.get('a')).toBe(tensors.get('b'));
  });
});

describe('weights of a model', () => {
  const read = async (): Promise<Model> =>
    (
      await readOnnx(
        sourceOf(
          modelOf({
            input: [info('x', [1, 2])],
            initializer: [
              { name: 'net.w', data_type: 1, dims: [2, 2], float_data: Float32Array.of(1, 2, 3, 4) },
              { name: 'net.b', data_type: 1, dims: [2], float_data: Float32Array.of(5, 6) },
            ],
            node: [node('Gemm', ['x', 'net.w', 'net.b'], ['y'])],
            output: [info('y', [1, 2])],
          }),
        ),
      )
    ).model;

  test('are replaced by name, floats of another width converted, what is left over told', async () => {
    const model = await read();
    const half = new Tensor('float16', Uint16Array.of(0x3c00, 0x4000), [2]);
    const given = weightsWith({ w: new Tensor('float32', [9, 8, 7, 6], [2, 2]), b: half, more: half });
    const { model: made, count, findings } = await replaceWeights(model, given, { rename: [{ from: '*', to: 'net.*' }] });
    expect(count).toBe(2);
    expect(findings.map(f => f.message)).toEqual(['the model has no weight "net.more"']);
    const after = weightsOf(made).tensors;
    expect([...(after.get('net.w')!.data as Float32Array)]).toEqual([9, 8, 7, 6]);
    expect([...(after.get('net.b')!.data as Float32Array)]).toEqual([1, 2]);
    expect([...(weightsOf(model).tensors.get('net.b')!.data as Float32Array)]).toEqual([5, 6]);
  });

  test('every one that does not fit is told', async () => {
    const given = weightsWith({ 'net.w': new Tensor('float32', [1], [1]), 'net.c': new Tensor('float32', [1, 2]) });
    await expect(replaceWeights(await read(), given)).rejects.toMatchObject({
      findings: [
        { code: 'E3003', message: '"net.w" has the shape [1], the model has [2,2]' },
        { code: 'E3001', message: 'the file of weights has no tensor "net.b"; nearest name: "net.w"' },
      ],
    });
    const ints = weightsWith({ 'net.w': new Tensor('int32', [1, 2, 3, 4], [2, 2]), 'net.b': new Tensor('float32', [1, 2]) });
    await expect(replaceWeights(await read(), ints)).rejects.toMatchObject({
      findings: [{ code: 'E3002', message: '"net.w" is int32, the model has float32' }],
    });
  });

  test.each([
    ['module.*', '*', 'module.a.b', 'a.b'],
    ['*.gamma', '*.weight', 'bn.gamma', 'bn.weight'],
    ['layers.*.mlp.*', 'h.*.*', 'layers.0.mlp.fc', 'h.0.fc'],
    ['exact', 'other', 'exact', 'other'],
    ['module.*', '*', 'unfit', 'unfit'],
  ])('%s to %s makes %s %s', async (from, to, name, wanted) => {
    const t = new Tensor('float32', [1]);
    const { findings } = await replaceWeights(
      await read(),
      weightsWith({ [name]: t, 'net.w': new Tensor('float32', [9, 8, 7, 6], [2, 2]), 'net.b': new Tensor('float32', [1, 2]) }),
      { rename: [{ from, to }] },
    );
    expect(findings.map(f => f.tensor)).toEqual([wanted]);
  });
});
