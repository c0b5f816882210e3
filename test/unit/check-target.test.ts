import { expect, test } from 'vitest';
import { readOnnx } from '../../src/formats/onnx/index.ts';
import type { ModelProto, NodeProto } from '../../src/formats/onnx/proto.gen.ts';
import { checkTarget } from '../../src/validate/check-target.ts';
import { floats, modelOf, node, sourceOf } from './onnx-messages.ts';

const refused = async (target: string, nodes: readonly NodeProto[], model: ModelProto = {}): Promise<string[]> => {
  const read = await readOnnx(sourceOf(modelOf({ node: [...nodes], initializer: [floats('w', [3])] }, model)));
  return checkTarget(read.model, target).map(f => `${f.code} ${f.path}: ${f.message}`);
};
const opset = (version: number, irVersion = 8): ModelProto => ({ ir_version: irVersion, opset_import: [{ version }] });
const relu = node('Relu', ['x'], ['y']);

test('versions that the runtime does not read are named, and those it reads are not', async () => {
  expect(await refused('ort-1.20', [relu], opset(21, 10))).toEqual([]);
  expect(await refused('ort-1.20', [relu], opset(22, 11))).toEqual([
    'E2007 ir_version: ort-1.20 reads IR versions up to 10, the model has 11',
    'E2007 opset_import: ort-1.20 reads opsets up to 21, the model has 22',
  ]);
});

test('every node without a kernel in its version is named, nested ones too; older versions are not', async () => {
  const nodes = [
    node('RandomNormalLike', ['x'], ['r']),
    relu,
    node(
      'If',
      ['c'],
      ['z'],
      [
        { name: 'then_branch', type: 5, g: { name: 't', node: [node('RandomUniformLike', ['x'], ['a'])], output: [{ name: 'a' }] } },
        { name: 'else_branch', type: 5, g: { name: 'e', node: [node('Relu', ['x'], ['b'])], output: [{ name: 'b' }] } },
      ],
    ),
  ];
  const more = node('Cast', ['w'], ['c'], [{ name: 'to', type: 2, i: 9 }]);
  expect(await refused('ort-1.30', [more, ...nodes], opset(22))).toEqual([
    'E2007 graph.node[1]: node #1 RandomNormalLike has no kernel in ort-1.30 from opset 22 on, the model imports 22',
    'E2007 graph.node[3].attribute[0].g.node[0]: node #0 RandomUniformLike has no kernel in ort-1.30 from opset 22 on, the model imports 22',
  ]);
  expect(await refused('ort-1.30', [more, ...nodes], opset(21))).toEqual([]);
});

test("domains are those of the standard, the runtime's own, and those of the model's functions", async () => {
  const given: ModelProto = {
    ir_version: 8,
    opset_import: [{ version: 18 }, ...['local', 'other', 'com.microsoft'].map(domain => ({ domain, version: 1 }))],
    functions: [
      { name: 'f', domain: 'local', input: ['a'], output: ['b'], opset_import: [{ version: 24 }], node: [node('Relu', ['a'], ['b'])] },
    ],
  };
  const nodes = [
    ['f', 'local'],
    ['Gelu', 'com.microsoft'],
    ['Odd', 'other'],
  ].map(([op, domain], i) => ({ ...node(op!, ['x'], [`y${i}`]), domain: domain! }));
  expect(await refused('ort-1.23', nodes, given)).toEqual([
    'E2007 functions[0].opset_import: ort-1.23 reads opsets up to 23, the model has 24',
    'E2007 graph.node[2]: node #2 other.Odd is of domain "other", which ort-1.23 has no operators of',
  ]);
});

test('a runtime that does not exist is an error that lists those that do', async () => {
  await expect(refused('ort-2', [relu], opset(18))).rejects.toThrow('known are ort-1.12');
});

test('values of element types that the runtime does not have are named with their place, once each', async () => {
  const nodes = [
    node('Cast', ['x'], ['four'], [{ name: 'to', type: 2, i: 22 }]),
    node('Identity', ['four'], ['same']),
    node(
      'If',
      ['c'],
      ['z'],
      [
        { name: 'then_branch', type: 5, g: { name: 't', node: [node('Identity', ['four'], ['a'])], output: [{ name: 'a' }] } },
        { name: 'else_branch', type: 5, g: { name: 'e', node: [node('Identity', ['same'], ['b'])], output: [{ name: 'b' }] } },
      ],
    ),
    node('Cast', ['x'], ['c'], [{ name: 'to', type: 2, i: 9 }]),
    relu,
  ];
  const ordered = [nodes[3]!, ...nodes.filter((_, i) => i !== 3)];
  expect(await refused('ort-1.17', ordered, opset(20))).toEqual([
    'E2007 graph.node[1]: node #1 Cast: the output "four" is of int4, which ort-1.17 does not have',
    'E2007 graph.node[2]: node #2 Identity: the output "same" is of int4, which ort-1.17 does not have',
    'E2007 graph.node[3]: node #3 If: the output "z" is of int4, which ort-1.17 does not have',
    'E2007 graph.node[3].attribute[0].g.node[0]: node #0 Identity: the output "a" is of int4, which ort-1.17 does not have',
    'E2007 graph.node[3].attribute[1].g.node[0]: node #0 Identity: the output "b" is of int4, which ort-1.17 does not have',
  ]);
  expect(await refused('ort-1.30', ordered, opset(20))).toEqual([]);
});
