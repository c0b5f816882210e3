import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import onnxProto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import {
  at,
  type Bytes,
  type DecodeOptions,
  decode,
  decodeBytes,
  encode,
  encodeBytes,
  hasEscapedBytes,
  type Message,
  type Schema,
  unknownFields,
} from '../../src/codec/protobuf.ts';
import { ByteRange, MemorySource, type Source } from '../../src/codec/source.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/codec/utf8.ts';
import { ModelError } from '../../src/errors.ts';
import { type GraphProto, type ModelProto, type NodeProto, onnxSchema, type TensorProto } from '../../src/formats/onnx/proto.gen.ts';
import { anyMessage, type Plain } from './any-message.ts';

/** A source that is not in memory, and what was read from it. */
class FarSource implements Source {
  readonly name = 'far.onnx';
  readonly size: number;
  reads = 0;
  bytesRead = 0;
  readonly #chunks: readonly Bytes[];
  constructor(chunks: readonly Bytes[]) {
    this.#chunks = chunks;
    this.size = chunks.reduce((sum, c) => sum + c.length, 0);
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    expect(offset + length).toBeLessThanOrEqual(this.size);
    this.reads++;
    this.bytesRead += length;
    const out = new Uint8Array(length);
    let start = 0;
    for (const chunk of this.#chunks) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + chunk.length);
      if (from < to && chunk instanceof Uint8Array) out.set(chunk.subarray(from - start, to - start), from - offset);
      start += chunk.length;
    }
    return out;
  }
}

/** The message without offsets, its ranges read. */
async function settled(value: unknown, withOffsets = false): Promise<unknown> {
  if (value instanceof ByteRange) return value.read();
  if (Array.isArray(value)) return Promise.all(value.map(v => settled(v, withOffsets)));
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const copy: Plain = {};
  for (const key of Reflect.ownKeys(value)) if (withOffsets || key !== at) copy[key] = await settled((value as Plain)[key], withOffsets);
  return copy;
}

const bytesOf = (...parts: (number | Uint8Array)[]) =>
  Uint8Array.from(parts.flatMap(part => (typeof part === 'number' ? [part] : [...part])));
const text = (s: string) => new TextEncoder().encode(s);
const lengthPrefixed = (tag: number, content: Uint8Array) => bytesOf(tag, content.length, content);

const model = (bytes: Uint8Array, options?: DecodeOptions) => decodeBytes<ModelProto>(onnxSchema, 'ModelProto', bytes, options);
const tensor = (bytes: Uint8Array) => decodeBytes<TensorProto>(onnxSchema, 'TensorProto', bytes);

function errorOf(run: () => unknown): ModelError {
  try {
    run();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

async function farErrorOf(bytes: Uint8Array, options: DecodeOptions): Promise<ModelError> {
  try {
    await decode(onnxSchema, 'ModelProto', new FarSource([bytes]), options);
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const small: ModelProto = {
  ir_version: 8,
  opset_import: [{ domain: '', version: 17 }],
  producer_name: 'test',
  graph: {
    name: 'g',
    node: [
      { op_type: 'Relu', input: ['x'], output: ['y'] },
      { op_type: 'Conv', attribute: [{ name: 'pads', ints: [1, -1, 300], type: 7 }], input: ['y', 'w'], output: ['z'] },
    ],
    initializer: [{ name: 'w', dims: [2, 3], data_type: 1, float_data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    input: [{ name: 'x', type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_param: 'n' }, { dim_value: 3 }] } } } }],
  },
};

test('the generated schema is what proto/ says', () => {
  expect(execFileSync(process.execPath, ['scripts/gen-proto.mjs', '--check'], { encoding: 'utf8' })).toBe('');
});

describe('against classes that protobufjs generated', () => {
  const { onnx } = onnxProto;

  test('their bytes decode to the same message', async () => {
    const bytes = onnx.ModelProto.encode({
      irVersion: 7,
      graph: {
        name: 'g',
        node: [{ opType: 'Relu', input: ['a'], output: ['b'], attribute: [{ name: 'alpha', f: 0.5, type: 1, ints: [1, -2] }] }],
        initializer: [{ name: 'w', dims: [2], dataType: 7, int64Data: [5, -6], rawData: Uint8Array.of(1, 2, 3) }],
      },
    } as never).finish();
    expect(await settled(model(bytes))).toEqual({
      ir_version: 7,
      graph: {
        name: 'g',
        node: [{ op_type: 'Relu', input: ['a'], output: ['b'], attribute: [{ name: 'alpha', f: 0.5, type: 1, ints: [1, -2] }] }],
        initializer: [{ name: 'w', dims: [2], data_type: 7, int64_data: BigInt64Array.of(5n, -6n), raw_data: Uint8Array.of(1, 2, 3) }],
      },
    });
  });

  test('they decode our bytes to the same message', () => {
    const theirs = onnx.ModelProto.decode(encodeBytes(onnxSchema, 'ModelProto', small));
    const graph = theirs.graph!;
    expect(Number(theirs.irVersion)).toBe(8);
    expect(graph.node!.map(n => n.opType)).toEqual(['Relu', 'Conv']);
    expect(graph.node![1]!.attribute![0]!.ints!.map(Number)).toEqual([1, -1, 300]);
    expect([...graph.initializer![0]!.floatData!]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(graph.input![0]!.type!.tensorType!.shape!.dim![0]!.dimParam).toBe('n');
  });

  test('their encoding of what they decoded decodes to the same message here', async () => {
    const ours = encodeBytes(onnxSchema, 'ModelProto', small);
    const theirs = onnx.ModelProto.encode(onnx.ModelProto.decode(ours)).finish();
    expect(await settled(model(theirs))).toEqual(await settled(model(ours)));
  });
});

describe('any message', () => {
  const anyModel = anyMessage('ModelProto', 3);

  test('comes back the same', async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, async sent => {
        const bytes = encodeBytes(onnxSchema, 'ModelProto', sent);
        const back = model(bytes);
        expect(await settled(back)).toEqual(sent);
        expect(encodeBytes(onnxSchema, 'ModelProto', back)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  test('is the same through a window of any size as in memory', async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, fc.constantFrom(1, 7, 64, 4096), fc.constantFrom(0, 5, 65536), async (sent, window, rangeAbove) => {
        const bytes = encodeBytes(onnxSchema, 'ModelProto', sent);
        const far = await decode<ModelProto>(onnxSchema, 'ModelProto', new FarSource([bytes]), { window, rangeAbove });
        expect(await settled(far, true)).toEqual(await settled(model(bytes), true));
      }),
      { numRuns: 60 },
    );
  });

  test('random bytes give a message or one of three errors, the same from a window', async () => {
    const mutated = fc.tuple(anyModel, fc.nat(), fc.nat(255)).map(([sent, place, byte]) => {
      const bytes = encodeBytes(onnxSchema, 'ModelProto', sent);
      if (bytes.length > 0) bytes[place % bytes.length] = byte;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), async bytes => {
        let error: ModelError | undefined;
        try {
          model(bytes, { file: 'far.onnx' });
        } catch {
          error = errorOf(() => model(bytes, { file: 'far.onnx' }));
          expect(['E1005', 'E1006', 'E1008']).toContain(error.code);
        }
        if (error === undefined) await decode(onnxSchema, 'ModelProto', new FarSource([bytes]), { window: 16 });
        else expect((await farErrorOf(bytes, { window: 16 })).findings).toEqual(error.findings);
      }),
      { numRuns: 200 },
    );
  });
});

describe('bad bytes', () => {
  test('a model cut at any byte ends inside a field', async () => {
    const bytes = encodeBytes(onnxSchema, 'ModelProto', small);
    for (let end = 1; end < bytes.length; end++) {
      const cut = bytes.subarray(0, end);
      try {
        model(cut);
      } catch {
        const error = errorOf(() => model(cut));
        expect(error.code).toBe('E1005');
        expect(error.findings[0]?.offset).toBe(end);
        expect((await farErrorOf(cut, { window: 8, file: undefined })).message).toBe(error.message);
      }
    }
  });

  test('a cut names the innermost field and what it lacks', () => {
    const bytes = encodeBytes(onnxSchema, 'ModelProto', { graph: { node: [{}, { attribute: [{ name: 'alpha' }] }] } });
    expect(errorOf(() => model(bytes.subarray(0, bytes.length - 2), { pathPrefix: 'model' })).message).toBe(
      `ends inside field model.graph.node[1].attribute[0].name at offset ${bytes.length - 2}, needs 2 more bytes`,
    );
  });

  const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
  const rows: [string, Uint8Array, string, string][] = [
    ['field number 0', bytesOf(0x08, 1, 0x00), 'E1006', 'a field has the number 0 at offset 2'],
    ['a field number beyond 29 bits', bytesOf(0xff, 0xff, 0xff, 0xff, 0x7f), 'E1006', 'a field number has more than 29 bits at offset 0'],
    ['wire type 6', bytesOf(0xf6, 0x7f), 'E1006', 'wire type 6 does not exist in 2046 at offset 0'],
    ['wire type 7', bytesOf(0xf7, 0x7f), 'E1006', 'wire type 7 does not exist in 2046 at offset 0'],
    [
      'a varint of 11 bytes',
      bytesOf(0x08, ...new Array<number>(10).fill(0x80), 0),
      'E1006',
      'a varint is longer than 10 bytes in ir_version at offset 1',
    ],
    [
      'the wrong wire type',
      bytesOf(0x3a, 4, 0x0a, 2, 0x08, 1),
      'E1006',
      'wire type 0 where the schema has 2 in graph.node[0].input[0] at offset 4',
    ],
    [
      'a varint where a float belongs',
      lengthPrefixed(0x3a, lengthPrefixed(0x0a, lengthPrefixed(0x2a, bytesOf(0x10, 1)))),
      'E1006',
      'wire type 0 where the schema has 5 in graph.node[0].attribute[0].f at offset 6',
    ],
    ['an end of no group', bytesOf(0xf4, 0x7f), 'E1006', 'the end of group 2046, which is not open in 2046 at offset 0'],
    ['the end of another group', bytesOf(0xf3, 0x7f, 0xec, 0x7f), 'E1006', 'the end of group 2045, which is not open in 2046 at offset 2'],
    ['a length of 2^63 - 1', bytesOf(0x3a, ...most), 'E1006', 'a length of 9223372036854775807 bytes is impossible in graph at offset 1'],
    [
      'a length beyond the file',
      bytesOf(0x12, 0xff, 0xff, 0xff, 0xff, 0x7f),
      'E1005',
      'ends inside field producer_name at offset 6, needs 34359738367 more bytes',
    ],
    [
      'a packed length beyond the file',
      lengthPrefixed(0x3a, lengthPrefixed(0x2a, bytesOf(0x22, 0x80, 0x80, 0x80, 0x80, 4))),
      'E1005',
      'ends inside field graph.initializer[0].float_data at offset 10, needs 1073741824 more bytes',
    ],
    [
      'a field longer than its message',
      bytesOf(0x3a, 2, 0x12, 5, 0x08, 1, 1, 1, 1, 1),
      'E1006',
      'field graph.name needs 5 more bytes than the message that holds it, which ends at offset 4',
    ],
    [
      'a message longer than its message',
      bytesOf(0x3a, 2, 0x0a, 1, 0x08, 1),
      'E1006',
      'field graph.node[0] needs 1 more bytes than the message that holds it, which ends at offset 4',
    ],
    [
      '5 bytes of floats',
      lengthPrefixed(0x3a, lengthPrefixed(0x2a, lengthPrefixed(0x22, new Uint8Array(5)))),
      'E1006',
      '5 bytes hold no whole number of 4-byte elements in graph.initializer[0].float_data at offset 6',
    ],
  ];
  test.each(rows)('%s', async (_, bytes, code, message) => {
    const error = errorOf(() => model(bytes));
    expect([error.code, error.message]).toEqual([code, message]);
    const far = await farErrorOf(bytes, { window: 4 });
    expect([far.code, far.message]).toEqual([code, message]);
  });

  test('200,000 nested groups are too deep', async () => {
    const bytes = new Uint8Array(400_000).map((_, i) => (i % 2 === 0 ? 0xf3 : 0x7f));
    for (const error of [errorOf(() => model(bytes)), await farErrorOf(bytes, {})]) {
      expect([error.code, error.findings[0]?.limit]).toEqual(['E1008', { name: 'depth', value: 100 }]);
      expect(error.message).toMatch(/^nesting deeper than 100 at offset /);
    }
  });

  /** Sequence types inside each other, every level three bytes or more. */
  function nestedTypes(levels: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let size = 0;
    const wrap = (tag: number) => {
      const length: number[] = [];
      let rest = size;
      for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
      parts.push(Uint8Array.of(tag, ...length, rest));
      size += length.length + 2;
    };
    for (let i = 0; i < levels; i++) wrap(i % 2 === 0 ? 0x0a : 0x22);
    return bytesOf(...parts.reverse());
  }

  test('100 nested messages are read, 101 and 10,000 are too deep', async () => {
    const type = (levels: number, options?: DecodeOptions) => decodeBytes(onnxSchema, 'TypeProto', nestedTypes(levels), options);
    type(100);
    type(1000, { limits: { depth: 1000 } });
    expect(errorOf(() => type(101 + 1)).code).toBe('E1008');
    expect(errorOf(() => type(10_000)).code).toBe('E1008');
    expect(errorOf(() => type(2, { limits: { depth: 1_000_000 } })).code).toBe('E4001');
    const far = new FarSource([nestedTypes(10_000)]);
    await expect(decode(onnxSchema, 'TypeProto', far, { window: 64 })).rejects.toThrow('nesting deeper than 100');
  });

  test('a source that gives fewer bytes than its size says so', async () => {
    const source: Source = { name: 'shrunk', size: 100, read: async () => new Uint8Array(3) };
    await expect(decode(onnxSchema, 'ModelProto', source)).rejects.toThrow('100 bytes were asked for at offset 0, 3 came');
  });

  test('a name the schema lacks is a defect', () => {
    expect(errorOf(() => decodeBytes(onnxSchema, 'constructor', new Uint8Array())).code).toBe('E9001');
    expect(errorOf(() => decodeBytes({ A: [[1, 'a', 'B', 'optional']] }, 'A', new Uint8Array())).code).toBe('E9001');
  });
});

describe('the two forms of repeated scalars', () => {
  test('an unpacked field may come packed', () => {
    expect(tensor(bytesOf(0x0a, 3, 2, 0xac, 0x02)).dims).toEqual([2, 300]);
  });

  test('a packed field may come unpacked, in pieces, and mixed', () => {
    const bytes = bytesOf(0x28, 1, 0x28, 2, 0x2a, 2, 3, 4, 0x10, 6, 0x28, 5);
    expect(tensor(bytes).int32_data).toEqual(Int32Array.of(1, 2, 3, 4, 5));
    expect(tensor(bytesOf(0x3a, 1, 1, 0x38, 2)).int64_data).toEqual(BigInt64Array.of(1n, 2n));
    expect(tensor(bytesOf(0x2a, 0)).int32_data).toEqual(new Int32Array());
  });

  test('a NaN in a packed field keeps its payload', () => {
    const nan = Uint8Array.of(1, 2, 0xa0, 0x7f);
    const bytes = lengthPrefixed(0x22, nan);
    expect(new Uint8Array(tensor(bytes).float_data!.buffer)).toEqual(nan);
    expect(encodeBytes(onnxSchema, 'TensorProto', tensor(bytes))).toEqual(bytes);
  });

  test('100,000 pieces in a message that comes in 50,000 parts take linear time', () => {
    const part = lengthPrefixed(0x2a, bytesOf(0x28, 1, 0x28, 2));
    const bytes = new Uint8Array(part.length * 50_000);
    for (let i = 0; i < bytes.length; i += part.length) bytes.set(part, i);
    const started = performance.now();
    expect(decodeBytes<{ t?: TensorProto } & Message>(onnxSchema, 'AttributeProto', bytes).t!.int32_data).toHaveLength(100_000);
    expect(performance.now() - started).toBeLessThan(1500);
  });
});

describe('presence and merging', () => {
  test('a singular message that occurs twice is merged', async () => {
    const once = encodeBytes(onnxSchema, 'ModelProto', { graph: { name: 'a', doc_string: 'kept', input: [{ name: 'x' }] } });
    const twice = encodeBytes(onnxSchema, 'ModelProto', { graph: { name: 'b', input: [{ name: 'y' }] } });
    expect(await settled(model(bytesOf(once, twice)))).toEqual({
      graph: { name: 'b', doc_string: 'kept', input: [{ name: 'x' }, { name: 'y' }] },
    });
  });

  test('a default value that is written is present, an absent one is absent', () => {
    const node = decodeBytes<NodeProto>(onnxSchema, 'NodeProto', bytesOf(0x1a, 0));
    expect(node.name).toBe('');
    expect(Object.keys(node)).toEqual(['name']);
  });

  test('a message knows the offset of its first byte', () => {
    const graph = model(bytesOf(0x08, 7, 0x3a, 4, 0x0a, 2, 0x1a, 0)).graph!;
    expect([graph[at], graph.node![0]![at]]).toEqual([4, 6]);
  });

  test('bytes share the memory of a file in memory, even of a Buffer, and never of a window', async () => {
    const bytes = Buffer.from(encodeBytes(onnxSchema, 'TensorProto', { raw_data: Uint8Array.of(1, 2, 3) }));
    const near = (await decode<TensorProto>(onnxSchema, 'TensorProto', new MemorySource(bytes))).raw_data as Uint8Array;
    expect([near.constructor, near.buffer]).toEqual([Uint8Array, bytes.buffer]);
    const far = (await decode<TensorProto>(onnxSchema, 'TensorProto', new FarSource([bytes]))).raw_data as Uint8Array;
    expect([far, far.buffer.byteLength]).toEqual([near, 3]);
  });

  test('a large unknown field stays in the file', async () => {
    const raw = bytesOf(0xfa, 0x7f, 0xc8, 0x01, new Uint8Array(200).fill(5));
    const far = await decode<ModelProto>(onnxSchema, 'ModelProto', new FarSource([raw]), { rangeAbove: 100 });
    expect(far[unknownFields]![0]).toBeInstanceOf(ByteRange);
    expect(encode(onnxSchema, 'ModelProto', far).length).toBe(raw.length);
  });
});

test('names of the prototype are ordinary names', () => {
  const names = ['__proto__', 'constructor', 'hasOwnProperty', 'then'];
  const sent: GraphProto = { node: [{ name: '__proto__', input: names }], initializer: [{ name: 'constructor' }] };
  const graph = decodeBytes<GraphProto>(onnxSchema, 'GraphProto', encodeBytes(onnxSchema, 'GraphProto', sent));
  expect(graph.node![0]!.input).toEqual(names);
  expect(Object.getPrototypeOf(graph)).toBe(Object.prototype);
});

describe('text', () => {
  test('invalid bytes are kept as lone surrogates', () => {
    expect(decodeUtf8(Uint8Array.of(0x61, 0xff, 0xed, 0xa0, 0x80, 0xc3, 0xa9, 0xe2, 0x82))).toBe('a\udcff\udced\udca0\udc80é\udce2\udc82');
    expect([hasEscapedBytes('a\udcff'), hasEscapedBytes('a😀é')]).toEqual([true, false]);
    expect(decodeUtf8(text('\ufeffa'))).toBe('\ufeffa');
  });

  test('any bytes come back', () => {
    const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 6 }), fc.string({ unit: 'binary' }).map(text)), { maxLength: 8 });
    fc.assert(
      fc.property(pieces, parts => {
        const bytes = bytesOf(...parts);
        expect(encodeUtf8(decodeUtf8(bytes))).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test('another lone surrogate is refused', () => {
    expect(errorOf(() => encodeBytes(onnxSchema, 'NodeProto', { name: 'a\ud800' })).code).toBe('E1110');
  });
});

describe('every scalar type', () => {
  const types = [
    'double',
    'float',
    'int32',
    'uint32',
    'sint32',
    'fixed32',
    'sfixed32',
    'int64',
    'uint64',
    'sint64',
    'fixed64',
    'sfixed64',
    'bool',
  ];
  const schema: Schema = {
    One: types.map((type, i) => [i + 1, type, type, 'optional'] as const),
    Many: types.map((type, i) => [i + 1, type, type, 'packed'] as const),
    Loose: types.map((type, i) => [i + 1, type, type, 'repeated'] as const),
  };
  const edges: Record<string, (number | bigint | boolean)[]> = {
    double: [-0, 1e300, Number.NaN, Number.NEGATIVE_INFINITY],
    float: [-0, 0.5, Number.NaN, Number.NEGATIVE_INFINITY],
    int32: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
    uint32: [0, 128, 2 ** 32 - 1],
    sint32: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
    fixed32: [0, 2 ** 32 - 1],
    sfixed32: [0, -1, -(2 ** 31)],
    int64: [0, -1, 2 ** 40, -(2 ** 53) + 1, 2n ** 63n - 1n, -(2n ** 63n)],
    uint64: [0, 2 ** 35, 2n ** 64n - 1n],
    sint64: [0, -1, 2 ** 40, -(2 ** 40), 2n ** 63n - 1n, -(2n ** 63n)],
    fixed64: [0, 2 ** 40, 2n ** 64n - 1n],
    sfixed64: [0, -1, -(2 ** 40), -(2n ** 63n)],
    bool: [true, false],
  };

  test.each(types)('%s', async type => {
    const wide = /64/.test(type);
    for (const value of edges[type]!)
      expect(await settled(decodeBytes(schema, 'One', encodeBytes(schema, 'One', { [type]: value })))).toEqual({
        [type]: value,
      });
    const many = decodeBytes(schema, 'Many', encodeBytes(schema, 'Many', { [type]: edges[type] })) as Plain;
    expect([...(many[type] as Iterable<unknown>)]).toEqual(wide ? edges[type]!.map(v => BigInt(v)) : edges[type]);
    expect(encodeBytes(schema, 'Many', many)).toEqual(encodeBytes(schema, 'Many', { [type]: edges[type] }));
    const loose = encodeBytes(schema, 'Loose', { [type]: edges[type] });
    expect([...((decodeBytes(schema, 'Many', loose) as Plain)[type] as Iterable<unknown>)]).toEqual([...(many[type] as Iterable<unknown>)]);
  });

  const refused: [string, unknown][] = [
    ['int32', 2 ** 31],
    ['int32', 0.5],
    ['uint32', -1],
    ['sfixed32', 2 ** 31],
    ['int64', 2n ** 63n],
    ['int64', 0.5],
    ['uint64', -1],
    ['uint64', 2n ** 64n],
    ['fixed64', -1n],
  ];
  test.each(refused)('%s refuses %s', (type, value) => {
    expect(errorOf(() => encodeBytes(schema, 'One', { [type]: value })).code).toBe('E4001');
  });
});

describe('large files', () => {
  const virtual = (length: number): Bytes => ({ length, read: async () => new Uint8Array() });

  test('500 MB in 300 tensors are opened with few and small reads', async () => {
    const initializer = Array.from({ length: 300 }, (_, i) => ({ name: `w${i}`, dims: [1, 1_700_000], raw_data: virtual(1_700_000) }));
    const encoded = encode(onnxSchema, 'ModelProto', { graph: { initializer, node: [{ op_type: 'Relu' }] } });
    const source = new FarSource(encoded.chunks);
    expect(source.size).toBe(encoded.length);
    const back = await decode<ModelProto>(onnxSchema, 'ModelProto', source);
    expect(back.graph!.initializer).toHaveLength(300);
    expect(back.graph!.initializer![299]!.raw_data).toMatchObject({ length: 1_700_000 });
    expect(source.reads).toBeLessThan(310);
    expect(source.bytesRead).toBeLessThan(2_000_000);
  });

  test('60,000 nodes are opened with few reads', async () => {
    const node = Array.from({ length: 60_000 }, (_, i) => ({ op_type: 'Relu', input: [`v${i}`], output: [`v${i + 1}`], name: `n${i}` }));
    const source = new FarSource(encode(onnxSchema, 'ModelProto', { graph: { node } }).chunks);
    const back = await decode<ModelProto>(onnxSchema, 'ModelProto', source);
    expect(back.graph!.node![59_999]!.output).toEqual(['v60000']);
    expect(source.reads).toBeLessThan(12);
    expect(source.bytesRead).toBeLessThan(source.size * 1.1);
  });

  test('what is not in memory stays a chunk', () => {
    const range = virtual(10);
    const large = new Uint8Array(5000).fill(1);
    const { length, chunks } = encode(onnxSchema, 'GraphProto', { initializer: [{ raw_data: range }, { raw_data: large }] });
    expect(chunks.includes(range) && chunks.includes(large)).toBe(true);
    expect(chunks.reduce((sum, c) => sum + c.length, 0)).toBe(length);
    expect(errorOf(() => encodeBytes(onnxSchema, 'TensorProto', { raw_data: range })).code).toBe('E4001');
  });

  test('more than 2 GiB are refused before anything is written', () => {
    const sent: GraphProto = { initializer: [{ raw_data: virtual(2 ** 30) }, { raw_data: virtual(2 ** 30) }] };
    expect(errorOf(() => encode(onnxSchema, 'GraphProto', sent)).code).toBe('E2005');
  });

  test('a message inside itself is refused', () => {
    const graph: GraphProto = {};
    graph.node = [{ attribute: [{ g: graph }] }];
    expect(errorOf(() => encode(onnxSchema, 'GraphProto', graph)).code).toBe('E1008');
  });
});
