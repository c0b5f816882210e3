import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import type { AttributeProto, ModelProto, NodeProto } from '../../src/formats/onnx/proto.gen.ts';
import { checkModel } from '../../src/validate/check.ts';
import { floats, info, modelOf, node, sourceOf } from './onnx-messages.ts';

const briefly = async (proto: ModelProto): Promise<string[]> => {
  const { findings } = await checkModel(sourceOf(proto));
  return findings.map(f => `${f.severity === 'warning' ? 'warning ' : ''}${f.code} ${f.path}: ${f.message}${f.hint ? ` (${f.hint})` : ''}`);
};
const one = (n: NodeProto, model: ModelProto = {}): ModelProto => modelOf({ node: [n] }, model);
const int = (name: string, i = 1): AttributeProto => ({ name, type: 2, i });
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

test('a valid model has no findings', async () => {
  expect(await briefly(modelOf({ initializer: [floats('w', [3])], node: [node('Add', ['x', 'w'], ['y'])] }))).toEqual([]);
  expect(await briefly(one(node('Relu', ['x'], ['y'], [{ name: '__tool', type: 2, i: 1 }])))).toEqual([]);
});

describe('operators', () => {
  const calls = (n: NodeProto): ModelProto =>
    one(
      { ...n, domain: 'local' },
      {
        opset_import: [{ version: 21 }, { domain: 'local', version: 1 }],
        functions: [
          { name: 'f', domain: 'local', input: ['a'], output: ['b'], opset_import: [{ version: 13 }], node: [node('Relu', ['a'], ['b'])] },
        ],
      },
    );
  const runtime = (n: NodeProto): ModelProto =>
    one({ ...n, domain: 'com.microsoft' }, { opset_import: [{ version: 21 }, { domain: 'com.microsoft', version: 1 }] });
  const at = 'graph.node[0]';
  const rows: [string, ModelProto, string[]][] = [
    ['of ONNX Runtime', runtime(node('QuickGelu', ['x'], ['y'])), []],
    ["of ONNX Runtime in the standard's domain", one(node('SimplifiedLayerNormalization', ['x', 'x'], ['y'])), []],
    [
      'of another ONNX Runtime',
      runtime(node('QuickGely', ['x'], ['y'])),
      [`warning E1301 ${at}.op_type: node #0 com.microsoft.QuickGely is no operator of com.microsoft (nearest name: QuickGelu)`],
    ],
    [
      'of ONNX Runtime with an attribute of another version',
      runtime(node('QuickGelu', ['x'], ['y'], [int('beta')])),
      [`warning E1303 ${at}.attribute[0]: node #0 com.microsoft.QuickGelu has no attribute "beta"`],
    ],
    [
      'of ONNX Runtime with a wrong attribute',
      runtime(node('QuickGelu', ['x'], ['y'], [int('alpha')])),
      [`E1303 ${at}.attribute[0]: node #0 com.microsoft.QuickGelu attribute alpha is of type int, expected float`],
    ],
    ['unknown', one(node('Relo', ['x'], ['y'])), [`E1301 ${at}.op_type: node #0 Relo is no operator of ai.onnx (nearest name: Relu)`]],
    [
      'of a later opset',
      one(node('Gelu', ['x'], ['y']), { opset_import: [{ version: 13 }] }),
      [`E1301 ${at}: node #0 Gelu is known since opset 20, the model imports 13`],
    ],
    [
      'deprecated',
      one(node('Upsample', ['x', 'x'], ['y'])),
      [`E1308 ${at}: node #0 Upsample is deprecated since opset 10, the model imports 21`],
    ],
    [
      'of a domain nobody knows',
      modelOf(
        {
          node: [
            { ...node('Foo', ['x'], ['a']), domain: 'com.x' },
            { ...node('Foo', ['a'], ['y']), domain: 'com.x' },
          ],
        },
        { opset_import: [{ version: 21 }, { domain: 'com.x', version: 1 }] },
      ),
      [`warning E1301 ${at}: node #0 com.x.Foo is not of the standard; it is not checked`],
    ],
    [
      'of a domain that is not imported',
      one({ ...node('Scaler', ['x'], ['y']), domain: 'ai.onnx.ml' }),
      [`E1106 ${at}: node #0 ai.onnx.ml.Scaler is of domain "ai.onnx.ml", which the model does not import`],
    ],
    ['a function of the model', calls(node('f', ['x'], ['y'])), []],
    [
      'a function with too many inputs',
      calls(node('f', ['x', 'x'], ['y'])),
      [`E1302 ${at}.input: node #0 local.f has 2 inputs, expected 0 to 1`],
    ],
  ];
  test.each(rows)('%s', async (_, proto, expected) => {
    expect(await briefly(proto)).toEqual(expected);
  });
});

describe('arity', () => {
  test.each<[string, NodeProto, string[]]>([
    ['too many inputs', node('Relu', ['x', 'x'], ['y']), ['E1302 graph.node[0].input: node #0 Relu has 2 inputs, expected 1']],
    ['too few inputs', node('Add', ['x'], ['y']), ['E1302 graph.node[0].input: node #0 Add has 1 input, expected 2']],
    ['too few of a variadic input', node('Max', [], ['y']), ['E1302 graph.node[0].input: node #0 Max has 0 inputs, expected 1 or more']],
    ['too many outputs', node('Relu', ['x'], ['y', 'z']), ['E1302 graph.node[0].output: node #0 Relu has 2 outputs, expected 1']],
    [
      'an empty name in a variadic input',
      node('Max', ['x', ''], ['y']),
      ['E1302 graph.node[0].input[1]: node #0 Max has an empty name for the variadic input data_0'],
    ],
    [
      'an empty name in a required input',
      node('Add', ['x', ''], ['y']),
      ['E1302 graph.node[0].input[1]: node #0 Add has an empty name for the required input B'],
    ],
    ['an empty name in an optional input', node('Clip', ['x', ''], ['y']), []],
  ])('%s', async (_, n, expected) => {
    expect(await briefly(one(n))).toEqual(expected);
  });
});

describe('attributes', () => {
  test.each<[string, NodeProto, string[]]>([
    [
      'unknown',
      node('Softmax', ['x'], ['y'], [int('axes')]),
      ['E1303 graph.node[0].attribute[0]: node #0 Softmax has no attribute "axes" (nearest name: axis)'],
    ],
    [
      'of another type',
      node('Softmax', ['x'], ['y'], [{ name: 'axis', type: 1, f: 1 }]),
      ['E1303 graph.node[0].attribute[0]: node #0 Softmax attribute axis is of type float, expected int'],
    ],
    ['required', node('Cast', ['x'], ['y']), ['E1303 graph.node[0].attribute: node #0 Cast lacks the required attribute to']],
  ])('%s', async (_, n, expected) => {
    expect(await briefly(one(n))).toEqual(expected);
  });
});

describe('element types', () => {
  const typed = (x: number, y: number, n: NodeProto): ModelProto =>
    modelOf({ input: [info('x', [2, 3], x), info('z', [2, 3], 7)], output: [info('y', [2, 3], y)], node: [n] });
  test.each<[string, ModelProto, string[]]>([
    [
      'that the operator does not take',
      typed(9, 9, node('Neg', ['x'], ['y'])),
      [
        expect.stringMatching(
          /^E1304 graph\.node\[0\]\.input\[0\]: node #0 Neg input X "x" is tensor\(bool\), expected one of tensor\(float\)/,
        ) as string,
        expect.stringContaining('E1306') as string,
      ],
    ],
    [
      'that differ where one variable stands for both',
      typed(1, 1, node('Add', ['x', 'z'], ['y'])),
      ['E1304 graph.node[0].input[1]: node #0 Add input B "z" is tensor(int64), but input A is tensor(float), and both are T'],
    ],
    [
      'that an output cannot have',
      typed(1, 7, node('Relu', ['x'], ['y'])),
      ['E1306 graph.node[0].output[0]: node #0 Relu output Y "y" is tensor(int64), but input X is tensor(float), and both are T'],
    ],
    [
      'of a fixed type',
      typed(1, 1, node('Gather', ['x', 'x'], ['y'])),
      [expect.stringMatching(/input indices "x" is tensor\(float\), expected one of tensor\(int32\), tensor\(int64\)/) as string],
    ],
    [
      'of a variadic input of mixed types',
      typed(
        1,
        1,
        node(
          'Loop',
          ['z', '', 'x'],
          ['y'],
          [{ name: 'body', type: 5, g: { name: 'b', input: [info('i'), info('c'), info('v')], output: [info('c'), info('v')] } }],
        ),
      ),
      [],
    ],
  ])('%s', async (_, proto, expected) => {
    expect(await briefly(proto)).toEqual(expected);
  });
});

test('nodes in graphs and functions are checked too, in their own opsets', async () => {
  const inner = { name: 'b', node: [node('Relu', [], ['t'])], output: [info('t')] };
  const proto = modelOf(
    {
      input: [info('x'), info('c', [], 9)],
      node: [
        node(
          'If',
          ['c'],
          ['y'],
          [
            { name: 'then_branch', type: 5, g: inner },
            { name: 'else_branch', type: 5, g: { ...inner, node: [node('Relu', ['x'], ['t'])] } },
          ],
        ),
      ],
    },
    {
      functions: [
        { name: 'f', domain: 'local', output: ['b'], input: ['a'], node: [node('Gelu', ['a'], ['b'])], opset_import: [{ version: 19 }] },
      ],
    },
  );
  expect(await briefly(proto)).toEqual([
    'E1302 graph.node[0].attribute[0].g.node[0].input: node #0 Relu has 0 inputs, expected 1',
    'E1301 functions[0].node[0]: node #0 Gelu is known since opset 20, the model imports 19',
  ]);
});

test('findings of reading come first, with their offsets, and a file that is no model is a finding', async () => {
  const { findings } = await checkModel(sourceOf(modelOf({ node: [node('Relo', ['no'], ['y'])] })));
  expect(findings).toMatchObject([
    { code: 'E1104', file: 'm.onnx', offset: expect.any(Number) },
    { code: 'E1301', file: 'm.onnx', offset: expect.any(Number), node: { index: 0, op: 'Relo' } },
  ]);
  const result = await checkModel(new MemorySource(text('no model'), 'f.onnx'));
  expect(result).toMatchObject({ findings: [{ severity: 'error', file: 'f.onnx' }] });
  expect(result.model).toBeUndefined();
});

test('contents that surprise are warnings', async () => {
  const raw = (name: string, type: number, dims: number[], ...bytes: number[]) => ({
    name,
    data_type: type,
    dims,
    raw_data: Uint8Array.from(bytes),
  });
  const initializer = [
    floats('w', [4], [1, Number.NaN, Number.POSITIVE_INFINITY, 2]),
    raw('half', 10, [2], 0, 0x3c, 0, 0xfc),
    raw('b', 9, [3], 0, 2, 1),
    raw('i4', 22, [3], 0x21, 0x13),
    { name: 's', data_type: 8, dims: [2], string_data: [text('a'), Uint8Array.of(0xff)] },
    floats('fine', [2], [1, 2]),
    floats('mask', [], [Number.NEGATIVE_INFINITY]),
  ];
  expect(await briefly(modelOf({ initializer }))).toEqual([
    'warning E1205 graph.initializer[0]: "w" has 2 NaN or infinite elements, the first at 1',
    'warning E1205 graph.initializer[1]: "half" has 1 NaN or infinite elements, the first at 1',
    'warning E1205 graph.initializer[2]: "b" has 1 booleans other than 0 and 1, which count as true, the first at 1',
    'warning E1205 graph.initializer[3]: "i4" has padding bits that are set',
    'warning E1110 graph.initializer[4]: "s" holds bytes that are not UTF-8 in element 1',
  ]);
});

test('functions that double thirty times are checked in linear time', async () => {
  const functions = Array.from({ length: 30 }, (_, i) => ({
    name: `f${i}`,
    domain: 'local',
    input: ['a'],
    output: ['c'],
    opset_import: [{ version: 21 }, { domain: 'local', version: 1 }],
    node:
      i === 0
        ? [node('Relu', ['a'], ['c'])]
        : [
            { ...node(`f${i - 1}`, ['a'], ['b']), domain: 'local' },
            { ...node(`f${i - 1}`, ['b'], ['c']), domain: 'local' },
          ],
  }));
  const start = performance.now();
  expect(await briefly(modelOf({}, { functions }))).toEqual([]);
  expect(performance.now() - start).toBeLessThan(1000);
});
