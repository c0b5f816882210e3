import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { writeOnnx } from '../../src/formats/onnx/index.ts';
import type { ModelProto, NodeProto } from '../../src/formats/onnx/proto.gen.ts';
import { checkModel } from '../../src/validate/check.ts';
import { repair, repairFile } from '../../src/validate/repair.ts';
import { bytesOfModel, errorOf, floats, info, join, modelOf, node } from './onnx-messages.ts';

interface Mended {
  readonly before: readonly string[];
  readonly repairs: readonly string[];
  readonly after: readonly string[];
  readonly bytes: Uint8Array;
}

/** Findings before, what was done, and findings of what was written. */
async function mend(bytes: Uint8Array): Promise<Mended> {
  const found = async (b: Uint8Array) => (await checkModel(new MemorySource(b, 'm.onnx'))).findings.map(f => f.code);
  const { model, repairs } = await repairFile(new MemorySource(bytes, 'm.onnx'));
  const written = await join(await writeOnnx(model).model);
  return { before: await found(bytes), repairs: repairs.map(f => `${f.code} ${f.message}`), after: await found(written), bytes: written };
}

const named = (n: NodeProto, name: string): NodeProto => ({ ...n, name });
const branch = (name: string, nodes: NodeProto[], output: string) => ({
  name,
  type: 5,
  g: { name, node: nodes, output: [{ name: output }] },
});
const condition = node('Constant', [], ['c'], [{ name: 'value', type: 4, t: { data_type: 9, dims: [], raw_data: Uint8Array.of(1) } }]);
const two = [node('Relu', ['x'], ['h']), node('Neg', ['h'], ['y'])];

const rows: [string, ModelProto, string[], string[]][] = [
  [
    'nodes that are not in order',
    modelOf({ node: two.toReversed() }),
    ['E1103'],
    ['E1103 the nodes of the graph "g" are sorted, 2 have another place'],
  ],
  [
    'an initializer that is there twice',
    modelOf({ node: [node('Add', ['x', 'w'], ['y'])], initializer: [floats('w', [3]), floats('w', [3])] }),
    ['E1102'],
    ['E1102 the second initializer "w" is the same as the first and is left out'],
  ],
  ['no IR version', modelOf({}, { ir_version: undefined }), ['E1101'], ['E1101 the IR version is 10, that of its opsets']],
  [
    'no opsets, where the operator means the same in all that there may be',
    modelOf({}, { opset_import: [] }),
    ['E1106'],
    ['E1106 the domain "ai.onnx" is imported with version 22'],
  ],
  [
    'a domain that is not imported',
    modelOf({ node: [{ ...node('QuickGelu', ['x'], ['y']), domain: 'com.microsoft' }] }),
    ['E1106'],
    ['E1106 the domain "com.microsoft" is imported with version 1'],
  ],
  [
    'a declared type that contradicts the inputs',
    modelOf({ node: two, value_info: [info('h', [3, 2])] }),
    ['E1306'],
    ['E1306 "h", declared as float32[3,2], is declared as float32[2,3]'],
  ],
  [
    'an output declared with another rank',
    modelOf({ output: [info('y', [6])] }),
    ['E1306'],
    ['E1306 "y", declared as float32[6], is declared as float32[2,3]'],
  ],
  [
    'nodes with one name',
    modelOf({ node: [named(two[0]!, 'n'), named(two[1]!, 'n')] }),
    ['E1102'],
    ['E1102 the second node "n" is called "n_1"'],
  ],
  [
    'a value of a branch that hides another',
    modelOf({
      node: [
        node('Relu', ['x'], ['h']),
        condition,
        node(
          'If',
          ['c'],
          ['y'],
          [
            branch('then_branch', [node('Neg', ['x'], ['h']), node('Abs', ['h'], ['a'])], 'a'),
            branch('else_branch', [node('Neg', ['x'], ['b'])], 'b'),
          ],
        ),
      ],
    }),
    ['E1111'],
    ['E1111 "h" of the graph "then_branch", which hid another value, is called "h_1"'],
  ],
];

describe('repairs end what was found', () => {
  test.each(rows)('%s', async (_, proto, before, repairs) => {
    const mended = await mend(bytesOfModel(proto));
    expect(mended.before).toEqual(before);
    expect(mended.repairs).toEqual(repairs);
    expect(mended.after).toEqual([]);
    // What is repaired needs no repair, and is written as it is.
    expect(await mend(mended.bytes)).toMatchObject({ repairs: [], bytes: mended.bytes });
  });

  test('bytes after the end', async () => {
    const whole = bytesOfModel(modelOf());
    const { before, repairs, after, bytes } = await mend(Uint8Array.from([...whole, 0xff, 0xff]));
    expect([before, repairs, after]).toEqual([['E1007'], ['E1007 2 bytes after the end of the model are left out'], []]);
    expect(bytes).toEqual(whole);
  });
});

describe('what is not sure stays', () => {
  test.each<[string, ModelProto, string]>([
    [
      'a second initializer with other content',
      modelOf({ node: [node('Add', ['x', 'w'], ['y'])], initializer: [floats('w', [3]), floats('w', [3], [1, 2, 3])] }),
      'E1102',
    ],
    [
      'no opsets, where the operator has changed its meaning',
      modelOf({ node: [node('Softmax', ['x'], ['y'])] }, { opset_import: [] }),
      'E1106',
    ],
    ['an operator that does not exist', modelOf({ node: [node('Relo', ['x'], ['y'])] }), 'E1301'],
  ])('%s', async (_, proto, code) => {
    const { before, repairs, after } = await mend(bytesOfModel(proto));
    expect([repairs, before, after]).toEqual([[], [code], [code]]);
  });

  test('a file that cannot be read whole is refused with all its errors', async () => {
    const proto = modelOf({ node: [node('Relu', ['nope'], ['h']), node('Neg', ['z'], ['y'])] });
    const error = await errorOf(() => repairFile(new MemorySource(bytesOfModel(proto), 'm.onnx')));
    expect(error.findings.map(f => f.code)).toEqual(['E1104', 'E1104']);
  });

  test('the model that was given is as it was', async () => {
    const { model } = await checkModel(new MemorySource(bytesOfModel(modelOf({ node: two.toReversed() })), 'm.onnx'));
    const repaired = await repair(model!);
    expect([model!, repaired.model].map(m => m.graph.nodes.map(n => n.op))).toEqual([
      ['Neg', 'Relu'],
      ['Relu', 'Neg'],
    ]);
  });
});
