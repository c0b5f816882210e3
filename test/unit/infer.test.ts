// Types of whole models: dimension algebra, contents of shapes, nested graphs, functions, declarations, contradictions.
import { describe, expect, test } from 'vitest';
import { Session } from '../../src/api.ts';
import { inferShapes } from '../../src/edit/infer-shapes.ts';
import { readOnnx } from '../../src/formats/onnx/index.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto } from '../../src/formats/onnx/proto.gen.ts';
import { allNodes, type Model } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { formatType } from '../../src/ir/types.ts';
import { inferTypes } from '../../src/opset/infer.ts';
import { info, modelOf, node, sourceOf } from './onnx-messages.ts';

const read = async (proto: ModelProto): Promise<Model> => (await readOnnx(sourceOf(proto))).model;
const int = (name: string, i: number): AttributeProto => ({ name, type: 2, i });
const ints = (name: string, values: number[]): AttributeProto => ({ name, type: 7, ints: values });
const graph = (name: string, g: GraphProto): AttributeProto => ({ name, type: 5, g: { name, ...g } });
const int64s = (name: string, values: number[], dims = [values.length]): NodeProto =>
  node('Constant', [], [name], [{ name: 'value', type: 4, t: { data_type: 7, dims, int64_data: BigInt64Array.from(values, BigInt) } }]);
/** An output whose type is not declared further than the standard asks. */
const open = (name: string, rank: number, type = 1) =>
  info(
    name,
    Array.from({ length: rank }, (_, i) => `${name}${i}`),
    type,
  );

async function typesOf(proto: ModelProto): Promise<Record<string, string>> {
  const model = await read(proto);
  const { types, findings } = inferTypes(model);
  expect(findings).toEqual([]);
  const values = [...model.graph.inputs, ...[...allNodes(model.graph)].flatMap(n => n.outputs.filter(v => v !== undefined))];
  return Object.fromEntries(values.map(v => [v.name, formatType(types.get(v))]));
}

const findingsOf = async (proto: ModelProto): Promise<string[]> =>
  inferTypes(await read(proto)).findings.map(f => `${f.code} ${f.path}: ${f.message}`);

describe('sizes are followed', () => {
  test('through sums and products', async () => {
    const found = await typesOf(
      modelOf({
        input: [info('x', ['N', 4]), info('y', ['N', 4]), info('z', [3, 'M', 4])],
        node: [
          node('Concat', ['x', 'y'], ['both'], [int('axis', 0)]),
          int64s('shape', [-1]),
          node('Reshape', ['both', 'shape'], ['flat']),
          node('Flatten', ['z'], ['rows'], [int('axis', 2)]),
        ],
        output: [open('flat', 1), open('rows', 2)],
      }),
    );
    expect(found).toMatchObject({ both: 'float32[2*N,4]', flat: 'float32[8*N]', rows: 'float32[3*M,4]' });
  });

  test('through chains of Shape, Slice, Concat, arithmetic and Reshape', async () => {
    const found = await typesOf(
      modelOf({
        input: [info('x', ['N', 'T', 12])],
        node: [
          node('Shape', ['x'], ['shape']),
          int64s('zero', [0]),
          int64s('two', [2]),
          node('Slice', ['shape', 'zero', 'two'], ['lead']),
          int64s('heads', [3]),
          int64s('axis', [2]),
          node('Gather', ['shape', 'axis'], ['width']),
          node('Div', ['width', 'heads'], ['each']),
          node('Concat', ['lead', 'heads', 'each'], ['target'], [int('axis', 0)]),
          node('Reshape', ['x', 'target'], ['y']),
        ],
        output: [open('y', 4)],
      }),
    );
    expect(found).toMatchObject({ shape: 'int64[3]', target: 'int64[4]', y: 'float32[N,T,3,4]' });
  });

  test('where bounds are beyond every size, as exporters write them', async () => {
    const found = await typesOf(
      modelOf({
        input: [info('x', ['N', 8])],
        node: [
          node('Shape', ['x'], ['shape']),
          int64s('one', [1]),
          {
            ...int64s('end', [0]),
            attribute: [{ name: 'value', type: 4, t: { data_type: 7, dims: [1], int64_data: BigInt64Array.of(2n ** 63n - 1n) } }],
          },
          node('Slice', ['shape', 'one', 'end'], ['last']),
          node('ConstantOfShape', ['last'], ['y']),
        ],
        output: [open('y', 1)],
      }),
    );
    expect(found['y']).toBe('float32[8]');
  });

  test('in the opset of the file, whose operators have other forms', async () => {
    const found = await typesOf(
      modelOf(
        {
          input: [info('x', ['N', 1, 4])],
          node: [
            node('Squeeze', ['x'], ['s'], [ints('axes', [1])]),
            node('ReduceSum', ['s'], ['y'], [ints('axes', [0]), int('keepdims', 0)]),
          ],
          output: [open('y', 1)],
        },
        { opset_import: [{ domain: '', version: 9 }] },
      ),
    );
    expect(found).toMatchObject({ s: 'float32[N,4]', y: 'float32[4]' });
  });

  test('as far as they are known: of an unknown target the rank, of an unknown axis the element type', async () => {
    const found = await typesOf(
      modelOf({
        input: [info('x', ['N', 4]), info('target', [3], 7), info('axes', ['k'], 7)],
        node: [
          node('Reshape', ['x', 'target'], ['r']),
          node('ReduceSum', ['x', 'axes'], ['kept']),
          node('ReduceSum', ['x', 'axes'], ['gone'], [int('keepdims', 0)]),
          node('NonZero', ['x'], ['places']),
        ],
        output: [open('r', 3)],
      }),
    );
    expect(found).toMatchObject({ r: 'float32[r0,r1,r2]', kept: 'float32[?,?]', gone: 'float32[*]', places: 'int64[2,?]' });
  });

  test('where a part of a target is not known, by the rest of it', async () => {
    const found = await typesOf(
      modelOf({
        input: [info('x', ['N', 4]), info('rows', [1], 7)],
        node: [
          int64s('four', [4]),
          node('Concat', ['rows', 'four'], ['target'], [int('axis', 0)]),
          node('Reshape', ['x', 'target'], ['y']),
        ],
        output: [open('y', 2)],
      }),
    );
    expect(found['y']).toBe('float32[y0,4]');
  });

  test('from a tensor of unknown rank: a shape is a vector, whatever its length', async () => {
    const found = await typesOf(
      modelOf({
        input: [{ name: 'x', type: { tensor_type: { elem_type: 1 } } }],
        node: [
          node('Shape', ['x'], ['shape']),
          int64s('places', [0, 1]),
          node('Gather', ['shape', 'places'], ['target']),
          node('ConstantOfShape', ['target'], ['y']),
        ],
        output: [open('y', 2)],
      }),
    );
    expect(found).toMatchObject({ shape: 'int64[?]', target: 'int64[2]', y: 'float32[y0,y1]' });
  });

  test('one value may be a target and what is reshaped', async () => {
    const found = await typesOf(modelOf({ node: [int64s('one', [1]), node('Reshape', ['one', 'one'], ['y'])], output: [open('y', 1, 7)] }));
    expect(found['y']).toBe('int64[1]');
  });

  test.each([
    ['TopK', [info('x', [3]), info('k', [2], 7)], node('TopK', ['x', 'k'], ['y', 'i']), 'TopK: K has 2 elements, expected 1'],
    ['Tile', [info('x', [3]), info('k', [2], 7)], node('Tile', ['x', 'k'], ['y']), 'Tile: repeats has 2 elements, expected 1'],
    ['Split', [info('x', [5])], node('Split', ['x'], ['y', 'b', 'c', 'd'], [int('num_outputs', 4)]), 'Split: a size comes to -1'],
  ])('%s: sizes that cannot be', async (_, input, made, message) => {
    expect(await findingsOf(modelOf({ input, node: [made], output: [open('y', 1)] }))).toEqual([`E1305 graph.node[0]: ${message}`]);
  });

  test('a default that contradicts its declaration is one finding, and nothing is computed from it', async () => {
    const proto = modelOf({
      input: [info('x', [1, 1])],
      initializer: [{ name: 'x', data_type: 1, float_data: Float32Array.of(2) }],
      node: [int64s('zero', [0]), int64s('one', [1]), node('Slice', ['x', 'zero', 'one'], ['y'])],
      output: [open('y', 2)],
    });
    expect(await findingsOf(proto)).toEqual(['E1306 undefined: "x" is declared as float32[1,1], its content is float32[]']);
  });
});

describe('nested graphs and functions', () => {
  const loop = (step: NodeProto): ModelProto =>
    modelOf({
      input: [info('x', [2, 'N']), info('n', [], 7)],
      node: [
        node(
          'Loop',
          ['n', '', 'x'],
          ['last', 'all'],
          [
            graph('body', {
              input: [{ name: 'i' }, { name: 'c' }, { name: 's' }].map(v => ({
                ...v,
                type: { tensor_type: { elem_type: v.name === 's' ? 1 : v.name === 'i' ? 7 : 9 } },
              })),
              node: [step, node('Identity', ['c'], ['going']), node('Relu', ['s'], ['seen'])],
              output: [
                { name: 'going', type: { tensor_type: { elem_type: 9 } } },
                { name: 'next', type: { tensor_type: { elem_type: 1 } } },
                { name: 'seen', type: { tensor_type: { elem_type: 1 } } },
              ],
            }),
          ],
        ),
      ],
      output: [open('last', 2), open('all', 3)],
    });

  test('a state that keeps its shape is known in the body and after the loop', async () => {
    expect(await typesOf(loop(node('Exp', ['s'], ['next'])))).toMatchObject({
      seen: 'float32[2,N]',
      last: 'float32[2,N]',
      all: 'float32[all0,2,N]',
    });
  });
  test('a state that grows keeps the sizes that do not change', async () => {
    expect(await typesOf(loop(node('Concat', ['s', 's'], ['next'], [int('axis', 0)])))).toMatchObject({
      seen: 'float32[?,N]',
      last: 'float32[last0,N]',
    });
  });

  test('a loop gives its number and condition the shape that the body declares', async () => {
    const body: GraphProto = {
      input: [info('i', [1], 7), info('c', [1], 9), info('s', ['N'])],
      node: [
        node('Identity', ['c'], ['going']),
        node('Cast', ['i'], ['number'], [int('to', 1)]),
        node('Concat', ['s', 'number'], ['next'], [int('axis', 0)]),
      ],
      output: [info('going', [1], 9), info('next', ['M'])],
    };
    const proto = modelOf({
      input: [info('x', [2]), info('n', [], 7)],
      node: [node('Loop', ['n', '', 'x'], ['y'], [graph('body', body)])],
      output: [open('y', 1)],
    });
    expect(await findingsOf(proto)).toEqual([]);
    const session = await Session.create(await read(proto));
    const { y } = await session.run({ x: new Tensor('float32', [7, 8]), n: new Tensor('int64', [3n], []) });
    expect([...(y!.data as Float32Array)]).toEqual([7, 8, 0, 1, 2]);
  });

  test('the branch that is never taken may contradict itself', async () => {
    const branch = (name: string, dims: number[]): GraphProto => ({
      node: [int64s('to', dims), node('Reshape', ['x', 'to'], [name])],
      output: [open(name, 1)],
    });
    const proto = (value: number): ModelProto =>
      modelOf({
        input: [info('x', [6])],
        node: [
          node('Constant', [], ['c'], [{ name: 'value', type: 4, t: { data_type: 9, dims: [], int32_data: Int32Array.of(value) } }]),
          node('If', ['c'], ['y'], [graph('then_branch', branch('a', [6])), graph('else_branch', branch('b', [7]))]),
        ],
        output: [open('y', 1)],
      });
    expect(await findingsOf(proto(1))).toEqual([]);
    expect(await findingsOf(proto(0))).toEqual(['E1305 graph.node[1].attribute[1].g.node[1]: Reshape: [6] has 6 elements, [7] has 7']);
  });

  /** `count` functions of which each calls the one before twice. */
  const nested = (count: number): ModelProto =>
    modelOf(
      { input: [info('x', ['N', 3])], node: [{ ...node(`f${count}`, ['x'], ['y']), domain: 'm' }], output: [open('y', 2)] },
      {
        opset_import: [
          { domain: '', version: 21 },
          { domain: 'm', version: 1 },
        ],
        functions: Array.from({ length: count + 1 }, (_, i) => ({
          name: `f${i}`,
          domain: 'm',
          input: ['a'],
          output: ['c'],
          opset_import: [
            { domain: '', version: 21 },
            { domain: 'm', version: 1 },
          ],
          node:
            i === 0
              ? [node('Transpose', ['a'], ['c'])]
              : [
                  { ...node(`f${i - 1}`, ['a'], ['b']), domain: 'm' },
                  { ...node(`f${i - 1}`, ['b'], ['c']), domain: 'm' },
                ],
        })),
      },
    );
  test('calls are followed, each function once for the same types', async () => {
    expect((await typesOf(nested(1)))['y']).toBe('float32[N,3]');
    // 2^50 calls of the innermost.
    expect((await typesOf(nested(50)))['y']).toBe('float32[N,3]');
  });
});

describe('declarations', () => {
  test.each([
    [
      'a value',
      { value_info: [info('a', [2, 4])] },
      ['E1306 graph.node[0]: Relu declares "a" as float32[2,4], its inputs make it float32[2,3]'],
    ],
    [
      'an output',
      { output: [info('y', [3, 3])] },
      ['E1306 graph.node[1]: Neg declares "y" as float32[3,3], its inputs make it float32[2,3]'],
    ],
    [
      'an element type',
      { value_info: [info('a', [2, 3], 11)] },
      ['E1306 graph.node[0]: Relu declares "a" as float64[2,3], its inputs make it float32[2,3]'],
    ],
    [
      'an input with a default',
      { input: [info('x'), info('w', [3])], initializer: [{ name: 'w', dims: [2], data_type: 1, float_data: Float32Array.of(1, 2) }] },
      ['E1306 undefined: "w" is declared as float32[3], its content is float32[2]'],
    ],
  ])('of %s that contradict are found', async (_, change, expected) => {
    expect(await findingsOf(modelOf({ node: [node('Relu', ['x'], ['a']), node('Neg', ['a'], ['y'])], ...change }))).toEqual(expected);
  });

  test('add what does not follow', async () => {
    const found = await typesOf(
      modelOf({
        node: [node('NonZero', ['x'], ['p']), node('Cast', ['p'], ['y'], [int('to', 1)])],
        value_info: [info('p', [2, 'K'], 7)],
        output: [open('y', 2)],
      }),
    );
    expect(found).toMatchObject({ p: 'int64[2,K]', y: 'float32[2,K]' });
  });
});

test('all contradictions are found at once, each at its node', async () => {
  const proto = modelOf({
    input: [info('x', [2, 3]), info('y', [4, 5])],
    node: [node('Add', ['x', 'y'], ['a']), node('MatMul', ['x', 'y'], ['b']), node('Concat', ['x', 'y'], ['c'], [int('axis', 2)])],
    output: [open('a', 2), open('b', 2), open('c', 2)],
  });
  expect(await findingsOf(proto)).toEqual([
    'E1305 graph.node[0]: Add: [2,3] and [4,5] cannot be broadcast together',
    'E1305 graph.node[1]: MatMul: [2,3] and [4,5] have different inner sizes',
    'E1305 graph.node[2].attribute[0]: Concat: axis 2 out of range for rank 2',
  ]);
  const model = await read(proto);
  expect(() => inferShapes(model)).toThrow('(and 2 more)');
});

test('inferShapes declares every type and changes nothing else', async () => {
  const model = await read(
    modelOf({ input: [info('x', ['N', 3])], node: [node('Relu', ['x'], ['a']), node('Exp', ['a'], ['y'])], output: [open('y', 2)] }),
  );
  const typed = inferShapes(model);
  expect(model.graph.nodes[0]!.outputs[0]!.type).toBeUndefined();
  expect(formatType(typed.graph.nodes[0]!.outputs[0]!.type)).toBe('float32[N,3]');
  expect([typed.opsets, typed.irVersion, typed.graph.nodes.map(n => n.op)]).toEqual([model.opsets, model.irVersion, ['Relu', 'Exp']]);
});

test('an operator of which there is no schema says that it has no input', async () => {
  const proto = modelOf(
    { node: [node('MeanVarianceNormalization', [], ['y'])], output: [open('y', 1)] },
    { opset_import: [{ domain: '', version: 3 }] },
  );
  expect(await findingsOf(proto)).toEqual(['E1302 graph.node[0]: MeanVarianceNormalization: has 0 inputs, expected 1']);
});

test('an input that lacks an axis which its operator asks for is a finding', async () => {
  const inputs = ['q', 'k', 'v'];
  const proto = modelOf(
    { input: inputs.map(name => info(name, [3, 4, 5])), node: [{ ...node('FlexAttention', inputs, ['y']), domain: 'ai.onnx.preview' }] },
    {
      opset_import: [
        { domain: '', version: 26 },
        { domain: 'ai.onnx.preview', version: 1 },
      ],
    },
  );
  expect(await findingsOf(proto)).toEqual(['E1305 graph.node[0]: ai.onnx.preview.FlexAttention: an input has too few axes']);
});
