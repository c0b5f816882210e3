// Operators of TensorFlow Lite that take other subgraphs, tables or more than one form of content, which no single operator shows.
import { describe, expect, test } from 'vitest';
import { Tensor } from '../../src/node/index.ts';
import type { FlatTable } from '../hostile/flat-wire.ts';
import { code, floats, type Graph, ints, loaded, modelOf, run, tensor } from './tflite-models.ts';

const x = (...values: number[]): { x: Tensor } => ({ x: new Tensor('float32', values, [values.length]) });
const options = (table: string, values: FlatTable, second = false): FlatTable =>
  second ? { builtin_options_2_type: table, builtin_options_2: values } : { builtin_options_type: table, builtin_options: values };

/** y = op(x, k) for a constant of two floats in buffer 1. */
const withConstant = (opcode_index: number): Graph => ({
  tensors: [tensor('a', [2]), tensor('k', [2], { buffer: 1 }), tensor('b', [2])],
  inputs: [0],
  outputs: [2],
  operators: [{ opcode_index, inputs: [0, 1], outputs: [2] }],
});
const main = (operator: FlatTable, more: readonly FlatTable[] = []): Graph => ({
  tensors: [tensor('x', [2]), tensor('y', [2]), ...more],
  inputs: [0],
  outputs: [1],
  operators: [{ opcode_index: 0, inputs: [0], outputs: [1], ...operator }],
});
const constant = [{ data: floats(10, 20) }];

test('a subgraph that is called', async () => {
  const bytes = modelOf({
    codes: [code('CALL'), code('ADD')],
    graphs: [main(options('CallOptions', { subgraph: 1 })), withConstant(1)],
    buffers: constant,
  });
  expect(await run(await loaded(bytes), x(1, 2))).toEqual({ y: [11, 22] });
});

test('a composite by its decomposition', async () => {
  const composite = options('StableHLOCompositeOptions', { name: 'my.op', decomposition_subgraph_index: 1 }, true);
  const bytes = modelOf({
    codes: [code('STABLEHLO_COMPOSITE'), code('MUL')],
    graphs: [main(composite), withConstant(1)],
    buffers: constant,
  });
  expect(await run(await loaded(bytes), x(1, 2))).toEqual({ y: [10, 40] });
});

describe('branches by a number', () => {
  const graph = main({ inputs: [2, 0], ...options('StablehloCaseOptions', { branch_subgraph_indices: [1, 2] }, true) }, [
    tensor('which', [], { type: 'INT32' }),
  ]);
  const bytes = modelOf({
    codes: [code('STABLEHLO_CASE'), code('ADD'), code('MUL')],
    graphs: [{ ...graph, inputs: [2, 0] }, withConstant(1), withConstant(2)],
    buffers: constant,
  });
  test.each([
    [0, [11, 22]],
    [1, [10, 40]],
  ])('%i', async (which, y) => {
    expect(await run(await loaded(bytes), { ...x(1, 2), which: new Tensor('int32', [which], []) })).toEqual({ y });
  });
});

test.each([
  ['WHILE', options('WhileOptions', { cond_subgraph_index: 1, body_subgraph_index: 2 })],
  ['STABLEHLO_WHILE', options('StablehloWhileOptions', { cond_subgraph_index: 1, body_subgraph_index: 2 }, true)],
] as const)('a loop: %s', async (name, operator) => {
  const condition: Graph = {
    tensors: [
      tensor('a', [2]),
      tensor('axes', [1], { type: 'INT32', buffer: 2 }),
      tensor('least', []),
      tensor('most', [], { buffer: 3 }),
      tensor('go', [], { type: 'BOOL' }),
    ],
    inputs: [0],
    outputs: [4],
    operators: [
      { opcode_index: 2, inputs: [0, 1], outputs: [2], ...options('ReducerOptions', {}) },
      { opcode_index: 3, inputs: [2, 3], outputs: [4] },
    ],
  };
  const bytes = modelOf({
    codes: [code(name), code('ADD'), code('REDUCE_MIN'), code('LESS')],
    graphs: [main(operator), condition, withConstant(1)],
    buffers: [...constant, { data: ints(0) }, { data: floats(25) }],
  });
  expect(await run(await loaded(bytes), x(1, 2))).toEqual({ y: [31, 62] });
  expect(await run(await loaded(bytes), x(30, 40))).toEqual({ y: [30, 40] });
});

test.each([
  ['STABLEHLO_ADD', 6 + 10],
  ['STABLEHLO_MAXIMUM', 10],
  ['STABLEHLO_MULTIPLY', 80],
] as const)('a reduction by a body: %s', async (body, y) => {
  const graph: Graph = {
    tensors: [tensor('x', [2]), tensor('start', [], { buffer: 1 }), tensor('y', [])],
    inputs: [0],
    outputs: [2],
    operators: [
      {
        opcode_index: 0,
        inputs: [0, 1],
        outputs: [2],
        ...options('StablehloReduceOptions', { dimensions: [0], body_subgraph_index: 1 }, true),
      },
    ],
  };
  const step: Graph = {
    tensors: [tensor('a', []), tensor('b', []), tensor('c', [])],
    inputs: [0, 1],
    outputs: [2],
    operators: [{ opcode_index: 1, inputs: [0, 1], outputs: [2] }],
  };
  const bytes = modelOf({ codes: [code('STABLEHLO_REDUCE'), code(body)], graphs: [graph, step], buffers: [{ data: floats(10) }] });
  expect(await run(await loaded(bytes), x(2, 4))).toEqual({ y: [y] });
});

test('a table that is filled once', async () => {
  const table = options('HashtableOptions', { table_id: 7 });
  const handle = tensor('table', [], { type: 'RESOURCE' });
  const int64 = (...values: bigint[]): Uint8Array => new Uint8Array(BigInt64Array.from(values).buffer);
  const strings = Uint8Array.of(...[2, 0, 0, 0, 16, 0, 0, 0, 17, 0, 0, 0, 19, 0, 0, 0], ...new TextEncoder().encode('abc'));
  const none = Uint8Array.of(...[1, 0, 0, 0, 12, 0, 0, 0, 13, 0, 0, 0], 0x3f);
  const bytes = modelOf({
    codes: [code('CALL_ONCE'), code('HASHTABLE'), code('HASHTABLE_FIND'), code('HASHTABLE_SIZE'), code('HASHTABLE_IMPORT')],
    graphs: [
      {
        tensors: [
          tensor('x', [3], { type: 'INT64' }),
          handle,
          tensor('missing', [], { type: 'STRING', buffer: 3 }),
          tensor('y', [3], { type: 'STRING' }),
          tensor('size', [1], { type: 'INT64' }),
        ],
        inputs: [0],
        outputs: [3, 4],
        operators: [
          { opcode_index: 0, ...options('CallOnceOptions', { init_subgraph_index: 1 }) },
          { opcode_index: 1, outputs: [1], ...table },
          { opcode_index: 2, inputs: [1, 0, 2], outputs: [3] },
          { opcode_index: 3, inputs: [1], outputs: [4] },
        ],
      },
      {
        tensors: [handle, tensor('keys', [2], { type: 'INT64', buffer: 1 }), tensor('values', [2], { type: 'STRING', buffer: 2 })],
        inputs: [],
        outputs: [],
        operators: [
          { opcode_index: 1, outputs: [0], ...table },
          { opcode_index: 4, inputs: [0, 1, 2] },
        ],
      },
    ],
    buffers: [{ data: int64(5n, 8n) }, { data: strings }, { data: none }],
  });
  const model = await loaded(bytes);
  const { Session } = await import('../../src/node/index.ts');
  const made = await (await Session.create(model)).run({ x: new Tensor('int64', [8, 5, 6], [3]) });
  expect([...((made['y'] as Tensor).data as readonly string[])]).toEqual(['bc', 'a', '?']);
  expect([...((made['size'] as Tensor).data as BigInt64Array)]).toEqual([2n]);
});

test('weights of four bits with a scale for each block', async () => {
  const graph: Graph = {
    tensors: [
      tensor('x', [1, 4]),
      tensor('w', [2, 4], {
        type: 'INT4',
        buffer: 1,
        quantization: { details_type: 'BlockwiseQuantization', details: { scales: 2, zero_points: -1, block_size: 2 } },
      }),
      tensor('scales', [2, 2], { type: 'FLOAT16', buffer: 2 }),
      tensor('y', [1, 2]),
    ],
    inputs: [0],
    outputs: [3],
    operators: [{ opcode_index: 0, inputs: [0, 1, -1], outputs: [3], ...options('FullyConnectedOptions', {}) }],
  };
  // [[1, 2, 3, -1], [-8, 7, 0, 4]], the first of two in the low bits, and scales [[1, 2], [0.5, 0.25]].
  const weights = Uint8Array.of(0x21, 0xf3, 0x78, 0x40);
  const scales = new Uint8Array(Uint16Array.of(0x3c00, 0x4000, 0x3800, 0x3400).buffer);
  const bytes = modelOf({ codes: [code('FULLY_CONNECTED')], graphs: [graph], buffers: [{ data: weights }, { data: scales }] });
  const model = await loaded(bytes);
  expect(model.graph.nodes.map(n => n.op)).toContain('DequantizeLinear');
  expect(await run(model, { x: new Tensor('float32', [1, 1, 1, 1], [1, 4]) })).toEqual({ y: [1 + 2 + 6 - 2, -4 + 3.5 + 1] });
});

test.each([
  ['RANDOM_UNIFORM', 0.5],
  ['RANDOM_STANDARD_NORMAL', 0],
] as const)('%s', async (name, mean) => {
  const graph: Graph = {
    tensors: [tensor('shape', [1], { type: 'INT32', buffer: 1 }), tensor('y', [4000])],
    inputs: [],
    outputs: [1],
    operators: [{ opcode_index: 0, inputs: [0], outputs: [1], ...options('RandomOptions', { seed: 1n, seed2: 2n }) }],
  };
  const model = await loaded(modelOf({ codes: [code(name)], graphs: [graph], buffers: [{ data: ints(4000) }] }));
  const { y } = (await run(model, {})) as { y: number[] };
  expect(y).toHaveLength(4000);
  expect(y.reduce((sum, v) => sum + v, 0) / 4000).toBeCloseTo(mean, 1);
});

test('MULTINOMIAL draws what has all of the weight', async () => {
  const graph: Graph = {
    tensors: [tensor('x', [1, 3]), tensor('count', [], { type: 'INT32', buffer: 1 }), tensor('y', [1, 5], { type: 'INT64' })],
    inputs: [0],
    outputs: [2],
    operators: [{ opcode_index: 0, inputs: [0, 1], outputs: [2], ...options('RandomOptions', {}) }],
  };
  const model = await loaded(modelOf({ codes: [code('MULTINOMIAL')], graphs: [graph], buffers: [{ data: ints(5) }] }));
  expect(await run(model, { x: new Tensor('float32', [-100, 0, -100], [1, 3]) })).toEqual({ y: [1, 1, 1, 1, 1] });
});
