// TensorFlow Lite files: what small ones become, and what is read of large ones.
import { describe, expect, test } from 'vitest';
import { decodeFlatbuffer, type FlatSchema } from '../../src/codec/flatbuffers.ts';
import { readFlexbuffer } from '../../src/codec/flexbuffers.ts';
import { encodeBytes } from '../../src/codec/protobuf.ts';
import { tensorflowSchema } from '../../src/formats/tensorflow/proto.gen.ts';
import { builtinCoverage } from '../../src/formats/tflite/ops/index.ts';
import { load, MemorySource, ModelError, resident, type Source, Tensor } from '../../src/node/index.ts';
import type { FlatTable } from '../hostile/flat-wire.ts';
import { adding, code, floats, type Graph, ints, loaded, modelOf, operators, run, signature, tensor } from './tflite-models.ts';

describe('signature', () => {
  const open = { shape_signature: [-1, 2] };
  const twice = adding(tensor('in', [1, 2], open), tensor('k', [2], { buffer: 1 }), tensor('out', [1, 2], open));
  const named = (key: string, subgraph_index: number, x: string): FlatTable => ({
    signature_key: key,
    subgraph_index,
    inputs: [{ name: x, tensor_index: 0 }],
    outputs: [{ name: `${x}_out`, tensor_index: 2 }],
  });
  const bytes = modelOf({
    codes: [code('ADD')],
    graphs: [twice, twice],
    buffers: [{ data: floats(1, 2) }],
    more: { signature_defs: [named('serving_default', 0, 'a'), named('other', 1, 'b')] },
  });

  test('names of the first subgraph, open sizes as symbols', async () => {
    expect(signature(await loaded(bytes))).toEqual(['a: float32[batch,2]', 'a_out: float32[batch,2]']);
  });
  test('another by its name', async () => {
    expect(signature(await loaded(bytes, { signature: 'other' }))).toEqual(['b: float32[batch,2]', 'b_out: float32[batch,2]']);
  });
  test('one that does not exist', async () => {
    await expect(loaded(bytes, { signature: 'train' })).rejects.toThrow(
      'the model has no signature "train"; it has serving_default, other',
    );
  });
});

describe('quantised', () => {
  const q = (scale: number[], zero_point: number[], quantized_dimension = 0): FlatTable => ({
    quantization: { scale, zero_point, quantized_dimension },
  });
  const bytes = modelOf({
    codes: [code('FULLY_CONNECTED')],
    graphs: [
      {
        tensors: [
          tensor('x', [1, 2], { type: 'INT8', ...q([0.5], [1]) }),
          tensor('w', [2, 2], { type: 'INT8', buffer: 1, ...q([0.25, 2], [0, 0]) }),
          tensor('b', [2], { type: 'INT32', buffer: 2, ...q([0.125, 1], [0, 0]) }),
          tensor('y', [1, 2], { type: 'INT8', ...q([0.5], [-3]) }),
        ],
        inputs: [0],
        outputs: [3],
        operators: [
          { opcode_index: 0, inputs: [0, 1, 2], outputs: [3], builtin_options_type: 'FullyConnectedOptions', builtin_options: {} },
        ],
      },
    ],
    buffers: [{ data: new Uint8Array(Int8Array.of(4, -8, 1, 2).buffer) }, { data: ints(8, -1) }],
  });

  test('scales of each channel stay beside the integers, inputs and outputs are numbers', async () => {
    const model = await loaded(bytes);
    expect(signature(model)).toEqual(['x: float32[1,2]', 'y: float32[1,2]']);
    expect(operators(model)).toEqual([
      ...['QuantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'Gemm', 'QuantizeLinear', 'DequantizeLinear'],
    ]);
    // [2, -1] · [[1, -2], [2, 4]]ᵀ + [1, -1]
    expect(await run(model, { x: new Tensor('float32', [2, -1], [1, 2]) })).toEqual({ y: [5, -1] });
    expect(model.meta.metadata?.get('quantization.x')).toBe('int8 scale 0.5 zero_point 1');
  });
  test('integers where they are asked for', async () => {
    const model = await loaded(bytes, { quantizedIo: true });
    expect(signature(model)).toEqual(['x: int8[1,2]', 'y: int8[1,2]']);
    expect(await run(model, { x: new Tensor('int8', [5, -1], [1, 2]) })).toEqual({ y: [7, -5] });
  });
});

describe('contents', () => {
  test('behind the flatbuffer', async () => {
    const bytes = modelOf(
      {
        codes: [code('ADD')],
        graphs: [adding(tensor('x', [2]), tensor('k', [2], { buffer: 1 }), tensor('y', [2]))],
        buffers: [{ offset: 1024n, size: 8n }],
      },
      new Uint8Array(2048),
    );
    new Uint8Array(bytes.buffer).set(floats(3, 4), 1024);
    expect(await run(await loaded(bytes), { x: new Tensor('float32', [1, 1]) })).toEqual({ y: [4, 5] });
  });

  test('a file of 5 GB is opened by reading a few kilobytes', async () => {
    const weight = tensor('k', [1 << 20, 1024], { buffer: 1 });
    const head = modelOf({
      codes: [code('ADD')],
      graphs: [adding(tensor('x', [1 << 20, 1024]), weight, tensor('y', [1 << 20, 1024]))],
      buffers: [{ offset: 1n << 30n, size: 1n << 32n }],
    });
    let read = 0;
    const source: Source = {
      name: 'large.tflite',
      size: 2 ** 30 + 2 ** 32,
      async read(offset, length) {
        read += length;
        const bytes = new Uint8Array(length);
        if (offset < head.length) bytes.set(head.subarray(offset, offset + length));
        return bytes;
      },
    };
    const model = await load(source);
    expect(model.graph.nodes[0]!.inputs[1]!.tensor!.byteLength).toBe(2 ** 32);
    expect(read).toBeLessThan(1 << 17);
  });

  test('sparse ones are dense: blocks of two in a compressed order', async () => {
    const dims = [
      { format: 'DENSE', dense_size: 2 },
      {
        format: 'SPARSE_CSR',
        array_segments_type: 'Uint8Vector',
        array_segments: { values: Uint8Array.of(0, 1, 2) },
        array_indices_type: 'Uint16Vector',
        array_indices: { values: [1, 0] },
      },
      { format: 'DENSE', dense_size: 2 },
    ];
    const sparsity = { traversal_order: [0, 1, 2], block_map: [1], dim_metadata: dims };
    const bytes = modelOf({
      codes: [code('ADD')],
      graphs: [adding(tensor('x', [2, 4]), tensor('k', [2, 4], { buffer: 1, sparsity }), tensor('y', [2, 4]))],
      buffers: [{ data: floats(1, 2, 3, 4) }],
    });
    const model = await loaded(bytes);
    const dense = await resident(model.graph.nodes[0]!.inputs[1]!.tensor!);
    expect([...(dense.data as Float32Array)]).toEqual([0, 0, 1, 2, 3, 4, 0, 0]);
  });

  test('in an external buffer are reported with their group', async () => {
    const bytes = modelOf({
      codes: [code('ADD')],
      graphs: [adding(tensor('x', [2]), tensor('k', [2], { external_buffer: 7 }), tensor('y', [2]))],
      more: { external_buffer_groups: [{ name: 'weights.bin' }], external_buffers: [{ id: 7, group: 0, offset: 0n, length: 8n }] },
    });
    await expect(loaded(bytes)).rejects.toThrow('the content is outside of the file, in the group "weights.bin" of external buffers');
  });
});

test('variables are inputs with a default and outputs', async () => {
  const handle = tensor('handle', [], { type: 'RESOURCE' });
  const name = { builtin_options_type: 'VarHandleOptions', builtin_options: { shared_name: 'count' } };
  const bytes = modelOf({
    codes: [code('CALL_ONCE'), code('VAR_HANDLE'), code('READ_VARIABLE'), code('ADD'), code('ASSIGN_VARIABLE')],
    graphs: [
      {
        tensors: [tensor('x', [2]), handle, tensor('before', [2]), tensor('after', [2])],
        inputs: [0],
        outputs: [3],
        operators: [
          { opcode_index: 0, builtin_options_type: 'CallOnceOptions', builtin_options: { init_subgraph_index: 1 } },
          { opcode_index: 1, outputs: [1], ...name },
          { opcode_index: 2, inputs: [1], outputs: [2] },
          { opcode_index: 3, inputs: [2, 0], outputs: [3] },
          { opcode_index: 4, inputs: [1, 3] },
        ],
      },
      {
        tensors: [handle, tensor('start', [2], { buffer: 1 })],
        inputs: [],
        outputs: [],
        operators: [
          { opcode_index: 1, outputs: [0], ...name },
          { opcode_index: 4, inputs: [0, 1] },
        ],
      },
    ],
    buffers: [{ data: floats(10, 20) }],
  });
  const model = await loaded(bytes);
  expect(signature(model)).toEqual(['x: float32[2]', 'count: float32[2]', 'after: float32[2]', 'count.updated: float32[2]']);
  const x = new Tensor('float32', [1, 2]);
  expect(await run(model, { x })).toEqual({ after: [11, 22], 'count.updated': [11, 22] });
  expect(await run(model, { x, count: new Tensor('float32', [0, 0]) })).toMatchObject({ after: [1, 2] });
});

test('custom operators are listed with their counts, or kept with their options', async () => {
  const graph: Graph = {
    tensors: [tensor('x', [2]), tensor('y', [2]), tensor('z', [2])],
    inputs: [0],
    outputs: [2],
    operators: [
      { opcode_index: 0, inputs: [0], outputs: [1], custom_options: Uint8Array.of(1, 2) },
      { opcode_index: 0, inputs: [1], outputs: [2] },
    ],
  };
  const bytes = modelOf({ codes: [code('CUSTOM', { custom_code: 'Mystery' })], graphs: [graph] });
  const error = await loaded(bytes).catch(e => e as ModelError);
  expect(error).toBeInstanceOf(ModelError);
  expect((error as ModelError).findings.map(f => f.message)).toEqual([
    'Mystery: a custom operator (1 node, first at operator 0 of subgraph 0)',
  ]);
  const model = await loaded(bytes, { allowCustom: true });
  expect(model.graph.nodes.map(n => n.qualifiedName)).toEqual(['tflite.custom.Mystery', 'tflite.custom.Mystery']);
  expect(model.graph.nodes[0]!.attributes.get('custom_options')?.kind).toBe('tensor');
});

test('metadata is kept, texts as they are', async () => {
  const bytes = modelOf({
    codes: [code('ADD')],
    graphs: [adding(tensor('x', [2]), tensor('k', [2], { buffer: 1 }), tensor('y', [2]))],
    buffers: [{ data: floats(1, 2) }, { data: new TextEncoder().encode('1.14.0\0\0') }, { data: Uint8Array.of(0xff, 0) }],
    more: {
      description: 'a sum',
      metadata: [
        { name: 'min_runtime_version', buffer: 2 },
        { name: 'blob', buffer: 3 },
      ],
    },
  });
  expect([...(await loaded(bytes)).meta.metadata!]).toEqual([
    ['source_format', 'tflite'],
    ['tflite.description', 'a sum'],
    ['tflite.min_runtime_version', '1.14.0'],
    ['tflite.blob', 'base64:/wA='],
  ]);
});

/** What the options of an operator of TensorFlow hold: a vector of its name and its node. */
function nodeOptions(op: string, node: Uint8Array): Uint8Array {
  const text = (bytes: Uint8Array): number[] => [bytes.length, ...bytes, 0];
  const [name, content] = [text(new TextEncoder().encode(op)), text(node)];
  return Uint8Array.of(...name, ...content, 2, name.length + content.length, content.length + 1, 0x14, 0x14, 4, 0x28, 1);
}

describe('operators of TensorFlow', () => {
  /** Operators one after the other, and the tensors between them. */
  const chain = (ops: readonly string[], between: readonly FlatTable[]): Uint8Array =>
    modelOf({
      codes: ops.map(op => code('CUSTOM', { custom_code: `Flex${op}` })),
      graphs: [
        {
          tensors: [tensor('x', [2]), ...between, tensor('y', [2])],
          inputs: [0],
          outputs: [ops.length],
          operators: ops.map((op, i) => {
            const attr = [{ key: 'element_dtype', value: { type: 1 } }];
            const options = nodeOptions(op, encodeBytes(tensorflowSchema, 'NodeDef', { op, attr }));
            return { opcode_index: i, inputs: op === 'Complex' ? [i, i] : [i], outputs: [i + 1], custom_options: options };
          }),
        },
      ],
    });
  test('hand lists of tensors and complex numbers to each other', async () => {
    const stack = await loaded(chain(['TensorListFromTensor', 'TensorListStack'], [tensor('list', [], { type: 'VARIANT' })]));
    expect(await run(stack, { x: new Tensor('float32', [3, 4], [2]) })).toEqual({ y: [3, 4] });
    const abs = await loaded(chain(['Complex', 'ComplexAbs'], [tensor('z', [2], { type: 'COMPLEX64' })]));
    expect(await run(abs, { x: new Tensor('float32', [0, 4], [2]) })).toEqual({ y: [0, Math.fround(Math.sqrt(32))] });
    await expect(loaded(chain(['TensorListFromTensor', 'Abs'], [tensor('list', [], { type: 'VARIANT' })]))).rejects.toThrow(
      'FlexAbs: an input is a resource or a list',
    );
  });

  const flex = (op: string, options: Uint8Array): Uint8Array =>
    modelOf({
      codes: [code('CUSTOM', { custom_code: `Flex${op}` })],
      graphs: [
        {
          tensors: [tensor('x', [2]), tensor('y', [2])],
          inputs: [0],
          outputs: [1],
          operators: [{ opcode_index: 0, inputs: [0], outputs: [1], custom_options: options }],
        },
      ],
    });
  const nodeOf = (op: string, alpha: number): Uint8Array =>
    encodeBytes(tensorflowSchema, 'NodeDef', { op, attr: [{ key: 'alpha', value: { f: alpha } }] });

  test('are what their table says, with the attributes of their nodes', async () => {
    // 0.2 as a float has bytes that are no UTF-8.
    const model = await loaded(flex('LeakyRelu', nodeOptions('LeakyRelu', nodeOf('LeakyRelu', 0.2))));
    expect(operators(model)).toEqual(['LeakyRelu']);
    expect(model.graph.nodes[0]!.attributes.get('alpha')).toEqual({ kind: 'float', value: Math.fround(0.2) });
    expect(operators(await loaded(flex('Identity', nodeOptions('Identity', nodeOf('Identity', 1)))))).toEqual([]);
  });
  test('without a conversion are listed, or kept', async () => {
    const bytes = flex('Cholesky', nodeOptions('Cholesky', nodeOf('Cholesky', 1)));
    await expect(loaded(bytes)).rejects.toThrow(
      'FlexCholesky: Cholesky of TensorFlow, the standard has no operator for this decomposition',
    );
    expect((await loaded(bytes, { allowCustom: true })).graph.nodes.map(n => n.qualifiedName)).toEqual(['tflite.custom.FlexCholesky']);
  });
  test('whose nodes are broken say so', async () => {
    await expect(loaded(flex('Abs', nodeOptions('Abs', Uint8Array.of(10, 9))))).rejects.toThrow(
      'the node in the options: ends inside field name',
    );
    await expect(loaded(flex('Abs', new Uint8Array(0)))).rejects.toThrow('an operator of TensorFlow whose options hold no node');
  });
});

test('every builtin operator has a row, or a reason why not', () => {
  const all = builtinCoverage();
  expect(all).toHaveLength(210);
  expect(all.filter(({ gap }) => gap === 'no conversion yet')).toEqual([]);
});

describe('flatbuffers', () => {
  const nested: FlatSchema = { root: 'Node', identifier: 'NEST', enums: {}, unions: {}, tables: { Node: [[0, 'next', 'Node']] } };

  test('nesting has a limit', async () => {
    // Each table is its vtable's neighbour: [vtable 6 bytes, pad 2][soffset, uoffset to the next].
    const levels = 70;
    const view = new DataView(new ArrayBuffer(8 + 16 * levels));
    [...'NEST'].forEach((c, i) => view.setUint8(4 + i, c.charCodeAt(0)));
    view.setUint32(0, 16, true);
    for (let i = 0; i < levels; i++) {
      const at = 8 + 16 * i;
      view.setUint16(at, 6, true);
      view.setUint16(at + 2, 8, true);
      view.setUint16(at + 4, i < levels - 1 ? 4 : 0, true);
      view.setInt32(at + 8, 8, true);
      view.setUint32(at + 12, 12, true);
    }
    const source = new MemorySource(new Uint8Array(view.buffer));
    await expect(decodeFlatbuffer(source, nested, { depth: 64, tables: 1000 })).rejects.toThrow('tables nest deeper than 64');
    await expect(decodeFlatbuffer(source, nested, { depth: 100, tables: 1000 })).resolves.toBeDefined();
  });
});

describe('flexbuffers', () => {
  test('a map of a number, a truth value and a text', () => {
    // {"a": 7, "b": true, "c": "hi"}: keys, their vector, the text, then the values with their types.
    const bytes = Uint8Array.of(
      ...[0x61, 0, 0x62, 0, 0x63, 0, 2, 0x68, 0x69, 0, 3, 11, 10, 9, 3, 1, 3, 7, 1, 12, 0x04, 0x68, 0x14, 6, 0x24, 1],
    );
    expect(readFlexbuffer(bytes)).toEqual(
      new Map<string, unknown>([
        ['a', 7],
        ['b', true],
        ['c', 'hi'],
      ]),
    );
  });
  test.each([
    ['too short', [1], 'a flexbuffer has at least 3 bytes'],
    ['a width that does not exist', [0, 4, 3], 'a width of 3 bytes'],
    ['an offset before the bytes', [200, 0x14, 1], '200 is beyond the 3 bytes there are'],
  ])('%s', (_what, bytes, message) => {
    expect(() => readFlexbuffer(Uint8Array.from(bytes))).toThrow(message);
  });
});
