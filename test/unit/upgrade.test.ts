// Every change of an operator between opsets has a row, and each row keeps the meaning: graphs of old operators, and numbers worked out
// by hand or the nodes that say the same.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { type Attribute, Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { numbersOf, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { knownDomains, operatorNames, schemaOf, schemaVersions } from '../../src/ops/schema.ts';
import { onlyGrew, stepOf } from '../../src/opset/form.ts';
import { upgrade } from '../../src/opset/upgrade.ts';
import { upgradeSteps } from '../../src/opset/upgrade-steps.ts';

describe('the table of steps', () => {
  const changes = knownDomains.flatMap(domain =>
    operatorNames(domain).flatMap(op =>
      schemaVersions(domain, op)
        .slice(1)
        .map((version, i) => ({ domain, op, version, before: schemaVersions(domain, op)[i]! })),
    ),
  );
  test('there are changes', () => expect(changes.length).toBeGreaterThan(400));
  test('every version follows from the one before by its signature, or by a row', () => {
    const missing = changes.filter(({ domain, op, version, before }) => {
      const grew = onlyGrew(schemaOf(domain, op, before)!, schemaOf(domain, op, version)!);
      return !grew && !stepOf(upgradeSteps, { domain, op }, version);
    });
    expect(missing.map(({ domain, op, before, version }) => `${domain}.${op} ${before} to ${version}`)).toEqual([]);
  });
  test('every row is filed under a version of its operator', () => {
    for (const [name, rows] of Object.entries(upgradeSteps)) {
      const at = name.lastIndexOf('.');
      const versions = schemaVersions(name.slice(0, Math.max(at, 0)), name.slice(at + 1));
      for (const version of Object.keys(rows)) expect(versions, name).toContain(Number(version));
    }
  });
});

type Plain = number | string | readonly number[] | readonly string[] | Graph;
interface Old {
  readonly op: string;
  readonly opset: number;
  /** Shape, numbers and element type of each input; `null` for one that is left out. */
  readonly inputs: readonly (readonly [readonly number[], readonly number[], DataType?] | null)[];
  readonly attributes?: Readonly<Record<string, Plain>>;
  readonly outputs?: number;
  /** Inputs whose content is a constant of the model. */
  readonly constant?: readonly number[];
}

/** Numbers with a point, or in a list of such, are floats. */
const floatNames = new Set([
  'alpha',
  'beta',
  'min',
  'max',
  'value',
  'ratio',
  'epsilon',
  'scale',
  'p',
  'scales',
  'height_scale',
  'width_scale',
  'bias',
  'values',
]);
function attributeOf(name: string, value: Plain): Attribute {
  if (value instanceof Graph) return { kind: 'graph', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if (typeof value === 'number') return { kind: floatNames.has(name) ? 'float' : 'int', value };
  if (value.some(v => typeof v === 'string')) return { kind: 'strings', value: value as readonly string[] };
  return { kind: floatNames.has(name) ? 'floats' : 'ints', value: value as readonly number[] };
}

function modelOf({ op, opset, inputs, attributes = {}, outputs = 1, constant = [] }: Old): { model: Model; feeds: Record<string, Tensor> } {
  const feeds: Record<string, Tensor> = {};
  const values = inputs.map((given, i) => {
    if (!given) return undefined;
    const [dims, data, type = 'float32'] = given;
    const tensor = new Tensor(type, data, dims);
    if (constant.includes(i)) return new Value(`c${i}`, undefined, { tensor });
    feeds[`x${i}`] = tensor;
    return new Value(`x${i}`, tensorType(type, dims));
  });
  const at = new Map(Object.entries(attributes).map(([name, value]) => [name, attributeOf(name, value)]));
  const node = new Node(
    { op, inputs: values, attributes: at },
    Array.from({ length: outputs }, (_, i) => ({ name: `y${i}`, type: undefined })),
  );
  const graph = new Graph('g', {
    inputs: values.filter((v): v is Value => v !== undefined && !v.tensor),
    outputs: node.outputs.map(value => ({ name: value!.name, value: value! })),
    nodes: [node],
  });
  return { model: new Model(graph, { irVersion: 3, opsets: new Map([['', opset]]) }), feeds };
}

async function run(old: Old): Promise<number[][]> {
  const { model, feeds } = modelOf(old);
  const session = await Session.create(upgrade(model), { backend: referenceBackend(), optimize: false });
  const made = Object.values(await session.run(feeds));
  await session.dispose();
  return made.map(tensor => Array.from(numbersOf(tensor), x => Math.round(x * 1e5) / 1e5));
}
const said = (old: Old): string =>
  upgrade(modelOf(old).model)
    .graph.nodes.map(node => `${node.op}${node.inputs.length}{${[...node.attributes].map(([name, a]) => `${name}=${String(a.value)}`)}}`)
    .join(' ');

describe('numbers after an upgrade', () => {
  const x23 = [
    [2, 3],
    [1, 2, 3, 4, 5, 6],
  ] as const;
  test.each<[string, Old, number[][]]>([
    [
      'axis of a second operand',
      { op: 'Add', opset: 6, inputs: [x23, [[2], [10, 20]]], attributes: { broadcast: 1, axis: 0 } },
      [[11, 12, 13, 24, 25, 26]],
    ],
    [
      'a suffix',
      { op: 'Sub', opset: 1, inputs: [x23, [[3], [1, 2, 3]]], attributes: { broadcast: 1, consumed_inputs: [0, 0] } },
      [[0, 0, 0, 3, 3, 3]],
    ],
    ['a power', { op: 'Pow', opset: 1, inputs: [x23, [[2], [1, 2]]], attributes: { broadcast: 1, axis: 0 } }, [[1, 2, 3, 16, 25, 36]]],
    ['a comparison', { op: 'Less', opset: 6, inputs: [x23, [[2], [2, 5]]], attributes: { broadcast: 1, axis: 0 } }, [[1, 0, 0, 1, 0, 0]]],
    ['consumed_inputs', { op: 'Abs', opset: 1, inputs: [[[2], [-1, 2]]], attributes: { consumed_inputs: [0] } }, [[1, 2]]],
    [
      'Gemm',
      {
        op: 'Gemm',
        opset: 6,
        inputs: [
          [
            [1, 2],
            [1, 2],
          ],
          [
            [2, 2],
            [1, 0, 0, 1],
          ],
          [[2], [10, 20]],
        ],
        attributes: { broadcast: 1 },
      },
      [[11, 22]],
    ],
    [
      'Concat without an axis',
      {
        op: 'Concat',
        opset: 1,
        inputs: [
          [[1, 1], [1]],
          [[1, 1], [2]],
        ],
      },
      [[1, 2]],
    ],
    ['Cast by name', { op: 'Cast', opset: 1, inputs: [[[2], [1.5, -2.5]]], attributes: { to: 'INT32' } }, [[1, -2]]],
    ['Clip', { op: 'Clip', opset: 6, inputs: [x23], attributes: { min: 2, max: 5 } }, [[2, 2, 3, 4, 5, 5]]],
    [
      'Clip without a maximum',
      { op: 'Clip', opset: 1, inputs: [[[2], [-1, Infinity]]], attributes: { min: 0 } },
      [[0, 3.4028234663852886e38]],
    ],
    [
      'a slope a channel',
      {
        op: 'PRelu',
        opset: 6,
        inputs: [
          [
            [1, 2, 2],
            [-1, -2, -3, -4],
          ],
          [[2], [1, 10]],
        ],
      },
      [[-1, -2, -30, -40]],
    ],
    ['Selu of old constants', { op: 'Selu', opset: 1, inputs: [[[1], [1]]] }, [[1.0507]]],
    ['Pad of paddings', { op: 'Pad', opset: 1, inputs: [[[2], [1, 2]]], attributes: { paddings: [1, 2], value: 7 } }, [[7, 1, 2, 7, 7]]],
    ['Pad', { op: 'Pad', opset: 2, inputs: [[[2], [1, 2]]], attributes: { pads: [0, 1] } }, [[1, 2, 0]]],
    ['Slice', { op: 'Slice', opset: 1, inputs: [x23], attributes: { starts: [0, 1], ends: [1, 1000] } }, [[2, 3]]],
    ['Split', { op: 'Split', opset: 2, inputs: [[[3], [1, 2, 3]]], attributes: { split: [1, 2] }, outputs: 2 }, [[1], [2, 3]]],
    [
      'Split by an input',
      {
        op: 'Split',
        opset: 1,
        inputs: [
          [[3], [1, 2, 3]],
          [[2], [2, 1]],
        ],
        attributes: { axis: 0 },
        outputs: 2,
        constant: [1],
      },
      [[1, 2], [3]],
    ],
    [
      'Split in halves',
      { op: 'Split', opset: 13, inputs: [[[4], [1, 2, 3, 4]]], outputs: 2 },
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [
      'Squeeze',
      {
        op: 'Squeeze',
        opset: 11,
        inputs: [
          [
            [1, 2],
            [1, 2],
          ],
        ],
        attributes: { axes: [0] },
      },
      [[1, 2]],
    ],
    ['Unsqueeze', { op: 'Unsqueeze', opset: 1, inputs: [[[2], [1, 2]]], attributes: { axes: [0] } }, [[1, 2]]],
    ['ReduceSum', { op: 'ReduceSum', opset: 11, inputs: [x23], attributes: { axes: [0], keepdims: 0 } }, [[5, 7, 9]]],
    ['ReduceMax of all', { op: 'ReduceMax', opset: 13, inputs: [x23] }, [[6]]],
    ['Reshape', { op: 'Reshape', opset: 1, inputs: [x23], attributes: { shape: [3, 2] } }, [[1, 2, 3, 4, 5, 6]]],
    [
      'Tile',
      {
        op: 'Tile',
        opset: 1,
        inputs: [
          [
            [1, 2],
            [1, 2],
          ],
          [[], [2]],
          [[], [1]],
        ],
        constant: [1, 2],
      },
      [[1, 2, 1, 2]],
    ],
    [
      'Softmax of a matrix',
      {
        op: 'Softmax',
        opset: 11,
        inputs: [
          [
            [1, 2, 2],
            [0, 0, 0, 0],
          ],
        ],
        attributes: { axis: 1 },
      },
      [[0.25, 0.25, 0.25, 0.25]],
    ],
    [
      'Softmax of the last axis',
      {
        op: 'Softmax',
        opset: 11,
        inputs: [
          [
            [1, 2, 2],
            [0, 0, 0, 0],
          ],
        ],
        attributes: { axis: 2 },
      },
      [[0.5, 0.5, 0.5, 0.5]],
    ],
    [
      'Hardmax',
      {
        op: 'Hardmax',
        opset: 1,
        inputs: [
          [
            [1, 2, 2],
            [1, 2, 4, 3],
          ],
        ],
      },
      [[0, 0, 1, 0]],
    ],
    ['Erf of integers', { op: 'Erf', opset: 9, inputs: [[[2], [0, 9], 'int32']] }, [[0, 1]]],
    [
      'a batch norm for each place',
      {
        op: 'BatchNormalization',
        opset: 7,
        attributes: { spatial: 0, epsilon: 0 },
        inputs: [
          [
            [1, 2],
            [3, 5],
          ],
          [[2], [2, 1]],
          [[2], [0, 1]],
          [[2], [1, 1]],
          [[2], [4, 1]],
        ],
      },
      [[2, 5]],
    ],
    [
      'a batch norm in a test',
      {
        op: 'BatchNormalization',
        opset: 6,
        attributes: { is_test: 1, epsilon: 0 },
        inputs: [
          [
            [1, 2],
            [3, 5],
          ],
          [[2], [2, 1]],
          [[2], [0, 1]],
          [[2], [1, 1]],
          [[2], [4, 1]],
        ],
      },
      [[2, 5]],
    ],
    ['Dropout in a test', { op: 'Dropout', opset: 6, inputs: [x23], attributes: { is_test: 1 } }, [[1, 2, 3, 4, 5, 6]]],
    ['Dropout of 7', { op: 'Dropout', opset: 7, inputs: [x23], attributes: { ratio: 0.9 } }, [[1, 2, 3, 4, 5, 6]]],
    ['Affine', { op: 'Affine', opset: 1, inputs: [[[2], [1, 2]]], attributes: { alpha: 2, beta: 1 } }, [[3, 5]]],
    ['ScaledTanh', { op: 'ScaledTanh', opset: 1, inputs: [[[1], [0.5]]], attributes: { alpha: 2, beta: 2 } }, [[1.52319]]],
    ['ParametricSoftplus', { op: 'ParametricSoftplus', opset: 1, inputs: [[[1], [0]]], attributes: { alpha: 2, beta: 3 } }, [[1.38629]]],
    [
      'ImageScaler',
      {
        op: 'ImageScaler',
        opset: 1,
        inputs: [
          [
            [1, 2, 1, 1],
            [1, 2],
          ],
        ],
        attributes: { bias: [10, 20], scale: 2 },
      },
      [[12, 24]],
    ],
    [
      'Crop of borders',
      {
        op: 'Crop',
        opset: 1,
        inputs: [
          [
            [1, 1, 2, 3],
            [1, 2, 3, 4, 5, 6],
          ],
        ],
        attributes: { border: [1, 0, 1, 1] },
      },
      [[2]],
    ],
    ['ConstantFill', { op: 'ConstantFill', opset: 1, inputs: [], attributes: { shape: [2], value: 3 } }, [[3, 3]]],
    ['Scale', { op: 'Scale', opset: 1, inputs: [[[2], [1, 2]]], attributes: { scale: 3 } }, [[3, 6]]],
    [
      'LpPool of a half',
      {
        op: 'LpPool',
        opset: 1,
        inputs: [
          [
            [1, 1, 2],
            [1, 4],
          ],
        ],
        attributes: { kernel_shape: [2], p: 0.5 },
      },
      [[9]],
    ],
    [
      'GlobalLpPool of a half',
      {
        op: 'GlobalLpPool',
        opset: 1,
        inputs: [
          [
            [1, 1, 2],
            [1, 4],
          ],
        ],
        attributes: { p: 0.5 },
      },
      [[9]],
    ],
  ])('%s', async (_, old, expected) => expect(await run(old)).toEqual(expected));
});

/** A body that adds each element to a sum, and gives the sum as it goes. */
function runningSum(): Graph {
  const [sum, x] = ['sum', 'x'].map(name => new Value(name, tensorType('float32', [])));
  const add = new Node({ op: 'Add', inputs: [sum, x] }, [{ name: 'next', type: tensorType('float32', []) }]);
  const value = add.outputs[0]!;
  const outputs = ['next', 'seen'].map(name => ({ name, value }));
  return new Graph('body', { inputs: [sum!, x!], outputs, nodes: [add] });
}

describe('a Scan of 8, with a batch in front', () => {
  const sequences = [
    [2, 3],
    [1, 2, 3, 10, 20, 30],
  ] as const;
  const scan = (lengths: Old['inputs'][number], directions?: readonly number[]): Old => ({
    op: 'Scan',
    opset: 8,
    inputs: [lengths, [[2], [0, 100]], sequences],
    attributes: { body: runningSum(), num_scan_inputs: 1, ...(directions && { directions }) },
    outputs: 2,
  });
  test.each<[string, Old, number[][]]>([
    [
      'whole sequences',
      scan(null),
      [
        [6, 160],
        [1, 3, 6, 110, 130, 160],
      ],
    ],
    [
      'from the end',
      scan(null, [1]),
      [
        [6, 160],
        [3, 5, 6, 130, 150, 160],
      ],
    ],
    [
      'lengths',
      scan([[2], [2, 3], 'int64']),
      [
        [3, 160],
        [1, 3, 0, 110, 130, 160],
      ],
    ],
  ])('%s', async (_, old, expected) => expect(await run(old)).toEqual(expected));
});

describe('operators after an upgrade', () => {
  const image = [
    [1, 1, 2, 4],
    [1, 2, 3, 4, 5, 6, 7, 8],
  ] as const;
  const row = 'coordinate_transformation_mode=asymmetric';
  test.each<[string, Old, string]>([
    [
      'Upsample of 1',
      { op: 'Upsample', opset: 1, inputs: [image], attributes: { height_scale: 2, width_scale: 2, mode: 'bilinear' } },
      `Resize3{${row},mode=linear}`,
    ],
    [
      'Upsample of 7',
      { op: 'Upsample', opset: 7, inputs: [image], attributes: { scales: [1, 1, 2, 2] } },
      `Resize3{${row},nearest_mode=floor}`,
    ],
    [
      'Upsample of 9',
      { op: 'Upsample', opset: 9, inputs: [image, [[4], [1, 1, 2, 2]]], constant: [1] },
      `Resize3{${row},nearest_mode=floor}`,
    ],
    [
      'Upsample where it is deprecated',
      { op: 'Upsample', opset: 10, inputs: [image, [[4], [1, 1, 2, 2]]], constant: [1] },
      `Resize3{${row},nearest_mode=floor}`,
    ],
    [
      'a Resize of 10 that shrinks',
      { op: 'Resize', opset: 10, inputs: [image, [[4], [1, 1, 0.6, 0.6]]], constant: [1] },
      `Resize3{${row},nearest_mode=ceil}`,
    ],
    [
      'a Resize of 10 that does both',
      { op: 'Resize', opset: 10, inputs: [image, [[4], [1, 1, 2, 0.6]]], constant: [1] },
      `Max2{} Resize3{${row},nearest_mode=floor} Min2{} Resize3{${row},nearest_mode=ceil}`,
    ],
    [
      "TensorFlow's half pixels",
      {
        op: 'Resize',
        opset: 11,
        inputs: [image, [[0], []], [[4], [1, 1, 2, 2]]],
        constant: [1, 2],
        attributes: { coordinate_transformation_mode: 'tf_half_pixel_for_nn', nearest_mode: 'floor' },
      },
      'Resize3{coordinate_transformation_mode=half_pixel,nearest_mode=round_prefer_ceil}',
    ],
    ['TopK', { op: 'TopK', opset: 1, inputs: [image], attributes: { k: 2 }, outputs: 2 }, 'TopK2{}'],
    [
      'Scatter',
      {
        op: 'Scatter',
        opset: 9,
        inputs: [
          [[2], [1, 2]],
          [[1], [0], 'int64'],
          [[1], [5]],
        ],
      },
      'ScatterElements3{}',
    ],
    [
      'DFT',
      {
        op: 'DFT',
        opset: 17,
        inputs: [
          [
            [1, 4, 1],
            [1, 2, 3, 4],
          ],
        ],
      },
      'DFT3{}',
    ],
    [
      'RoiAlign',
      {
        op: 'RoiAlign',
        opset: 10,
        inputs: [
          image,
          [
            [1, 4],
            [0, 0, 1, 1],
          ],
          [[1], [0], 'int64'],
        ],
      },
      'RoiAlign3{coordinate_transformation_mode=output_half_pixel}',
    ],
    ['Dropout in training', { op: 'Dropout', opset: 6, inputs: [image] }, 'Dropout3{}'],
    ['a mask of numbers', { op: 'Dropout', opset: 7, inputs: [image], outputs: 2 }, 'Dropout1{} Cast1{to=1}'],
    [
      'statistics of training',
      { op: 'BatchNormalization', opset: 9, inputs: [image, ...Array.from({ length: 4 }, () => [[1], [1]] as const)], outputs: 3 },
      'BatchNormalization5{training_mode=1}',
    ],
    [
      'the classes of LSTM',
      {
        op: 'LSTM',
        opset: 1,
        inputs: [
          [
            [2, 1, 1],
            [1, 2],
          ],
          [
            [1, 4, 1],
            [1, 1, 1, 1],
          ],
          [
            [1, 4, 1],
            [1, 1, 1, 1],
          ],
        ],
        attributes: { hidden_size: 1, output_sequence: 1 },
        outputs: 3,
      },
      'LSTM3{hidden_size=1}',
    ],
    [
      'a misspelt default',
      {
        op: 'GRU',
        opset: 1,
        inputs: [
          [
            [2, 1, 1],
            [1, 2],
          ],
          [
            [1, 3, 1],
            [1, 1, 1],
          ],
          [
            [1, 3, 1],
            [1, 1, 1],
          ],
        ],
        attributes: { hidden_size: 1, direction: 'foward' },
        outputs: 2,
      },
      'GRU3{hidden_size=1,direction=forward}',
    ],
  ])('%s', (_, old, expected) => expect(said(old)).toBe(expected));

  test('where a rank is needed and not known, the node is named', () => {
    const { model } = modelOf({ op: 'Softmax', opset: 11, inputs: [[[2], [1, 2]]] });
    model.graph.inputs[0]!.type = tensorType('float32');
    expect(() => upgrade(model)).toThrow(expect.objectContaining({ code: 'E3009' }));
  });
  test('the default of an input stays its default', () => {
    const { model } = modelOf({ op: 'Add', opset: 7, inputs: [[[2], [1, 2]]] });
    const weight = new Value('w', undefined, { tensor: new Tensor('float32', [1, 2], [2]) });
    model.graph.nodes[0]!.inputs = [model.graph.inputs[0], weight];
    model.graph.inputs.push(weight);
    model.graph.initializers.push(weight);
    const { graph } = upgrade(model);
    expect(graph.initializers).toEqual([graph.inputs[1]]);
  });
  test('an output keeps the type that the file declares, where less is inferred', () => {
    const { model } = modelOf({
      op: 'Reshape',
      opset: 5,
      inputs: [
        [[2], [1, 2]],
        [[2], [1, 2], 'int64'],
      ],
    });
    model.graph.outputs[0]!.value.type = tensorType('float32', [1, 2]);
    model.graph.inputs[1]!.type = tensorType('int64');
    const { value, type } = upgrade(model).graph.outputs[0]!;
    expect(type ?? value.type).toEqual(tensorType('float32', [1, 2]));
  });
  test('experiments without a definition are told', () => {
    expect(() => said({ op: 'GRUUnit', opset: 1, inputs: [[[1], [1]]] })).toThrow('GRUUnit was an experiment');
  });
});
