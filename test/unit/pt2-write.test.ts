// Models as `.pt2` programs: what calls they become, that the reader of such programs finds the same in them, and what is refused.
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { openZip } from '../../src/codec/zip.ts';
import { ModelError } from '../../src/errors.ts';
import { bytesOfFile } from '../../src/formats/format.ts';
import { readOnnx } from '../../src/formats/onnx/index.ts';
import { pt2 } from '../../src/formats/torch/index.ts';
import { programOf } from '../../src/formats/torch/write/emit.ts';
import type { Model } from '../../src/ir/graph.ts';
import { casesOfArchive, judge } from '../conformance/cases.ts';
import { info, modelOf, node, sourceOf } from './onnx-messages.ts';

const read = async (proto: Parameters<typeof modelOf>[0]): Promise<Model> => (await readOnnx(sourceOf(modelOf(proto)))).model;
const bytesOf = async (model: Model): Promise<Uint8Array> => {
  const [file] = await pt2.write!(model, { name: 'net.pt2' });
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOfFile(file!)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  expect(bytes.length).toBe(file!.length);
  return bytes;
};
const again = async (model: Model): Promise<Model> => (await pt2.read!(new MemorySource(await bytesOf(model), 'net.pt2'), {})).model;
const targets = (model: Model): string[] => programOf(model).calls.map(c => c.target);

const linear = () =>
  read({
    input: [info('x', ['batch', 2])],
    initializer: [
      { name: 'fc.weight', data_type: 1, dims: [3, 2], float_data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      { name: 'fc.bias', data_type: 1, dims: [3], float_data: Float32Array.of(1, 1, 1) },
    ],
    node: [
      node('Gemm', ['x', 'fc.weight', 'fc.bias'], ['h'], [{ name: 'transB', type: 2, i: 1 }]),
      node('Relu', ['h'], ['r']),
      node('Shape', ['r'], ['s']),
      node('Constant', [], ['minus'], [{ name: 'value', type: 4, t: { data_type: 7, dims: [1], int64_data: BigInt64Array.of(-1n) } }]),
      node('Reshape', ['r', 'minus'], ['flat']),
    ],
    output: [info('flat', ['n']), info('s', [2], 7)],
  });

describe('a model becomes calls', () => {
  test('of the operators that ATen has, over its parameters under their names', async () => {
    const program = programOf(await linear());
    expect(program.calls.map(c => c.target)).toEqual([
      'aten.linear.default',
      'aten.relu.default',
      'aten.reshape.default',
      'aten.sym_size.int',
      'aten.scalar_tensor.default',
      'aten.scalar_tensor.default',
      'aten.stack.default',
    ]);
    expect(program.state.map(s => [s.name, s.kind])).toEqual([
      ['fc.weight', 'parameter'],
      ['fc.bias', 'parameter'],
    ]);
  });

  test('and an archive that says what the loader of PyTorch asks for', async () => {
    const zip = await openZip(new MemorySource(await bytesOf(await linear()), 'net.pt2'));
    expect([...zip.entries.keys()]).toEqual([
      'net/archive_format',
      'net/models/model.json',
      'net/data/weights/weight_0',
      'net/data/weights/weight_1',
      'net/data/weights/model_weights_config.json',
      'net/data/constants/model_constants_config.json',
      'net/data/sample_inputs/model.pt',
      'net/archive_version',
      'net/.data/version',
      'net/byteorder',
    ]);
    const json = JSON.parse(new TextDecoder().decode(await zip.entries.get('net/models/model.json')!.bytes()));
    expect(json.range_constraints).toEqual({ batch: { min_val: 0, max_val: null } });
    expect(json.graph_module.graph.nodes[0]).toMatchObject({
      target: 'torch.ops.aten.linear.default',
      inputs: [
        { name: 'input', arg: { as_tensor: { name: 'x' } }, kind: 1 },
        { name: 'weight', arg: { as_tensor: { name: 'p_fc_weight' } }, kind: 1 },
        { name: 'bias', arg: { as_tensor: { name: 'p_fc_bias' } }, kind: 1 },
      ],
    });
  });

  test('pointwise operators without one by their formulas', async () => {
    const swish = await read({ input: [info('x', [2])], node: [node('Swish', ['x'], ['y'])], output: [info('y', [2])] });
    expect(targets(swish)).toEqual(
      [
        ...['lt.Scalar', 'abs.default', 'neg.default', 'exp.default', 'scalar_tensor.default', 'where.self'],
        ...['add', 'div', 'mul'].map(op => `${op}.Tensor`),
      ].map(t => `aten.${t}`),
    );
  });

  test('and what comes between the calls of one operator has a type of its own', async () => {
    const constant = (name: string, ...values: readonly bigint[]) => ({
      name,
      data_type: 7,
      dims: [values.length],
      int64_data: BigInt64Array.of(...values),
    });
    const model = await read({
      input: [info('x', [4, 6]), info('a', [1]), info('b', [6])],
      initializer: [constant('starts', 1n, -1n), constant('ends', 3n, -7n), constant('axes', 0n, 1n), constant('steps', 1n, -2n)],
      node: [node('Slice', ['x', 'starts', 'ends', 'axes', 'steps'], ['s']), node('Max', ['a', 'b', 'x'], ['m'])],
      output: [info('s', [2, 3]), info('m', [4, 6])],
    });
    const shapes = programOf(model).calls.map(c => [c.target.split('.')[1], c.outputs[0]!.type!.shape]);
    expect(shapes).toEqual([
      ['slice', [2, 6]],
      ['flip', [2, 6]],
      ['slice', [2, 3]],
      ['maximum', [6]],
      ['maximum', [4, 6]],
    ]);
    await again(model);
  });

  test('what no calls say is refused, each node by its name', async () => {
    const model = await read({
      input: [info('x', [2, 2])],
      node: [
        { ...node('Det', ['x'], ['d']), name: 'first' },
        { ...node('Det', ['x'], ['e']), name: 'second' },
      ],
      output: [info('d', []), info('e', [])],
    });
    const error = await Promise.resolve()
      .then(() => programOf(model))
      .catch(e => e);
    if (error instanceof ModelError)
      expect(error.findings.map(f => [f.code, f.node?.name])).toEqual([
        ['E2001', 'first'],
        ['E2001', 'second'],
      ]);
    else expect(error.calls.length).toBeGreaterThan(0);
  });
});

// What the reader makes of a program has been judged by PyTorch; here it is the judge of the writer.
const selection = fileURLToPath(new URL('../conformance/selection.zip', import.meta.url));
const wanted =
  /^test_(add|and|argmax|average|batchnorm|bitshift|cast_FLOAT|clip|compress|concat|conv|cumsum|div|einsum|equal|erf|expand|flatten|gather|gelu|gemm|gru|if|instancenorm|layer_norm|leakyrelu|logsoftmax|loop|lstm|matmul|max|mean|min|mod|mul|nonzero|not|pow|prelu|range|reduce|reshape|resize|rnn|scatter|selu|shape|sign|slice|softmax|split|squeeze|sub|sum|tile|top_k|transpose|tril|triu|unsqueeze|where)/;
// What joining passes over, an empty vector, the reader joins; PyTorch is the judge of that one.
const cases = (await casesOfArchive(selection)).filter(c => wanted.test(c.name) && c.name !== 'test_loop11');

describe('the reader of programs finds the same model', () => {
  test.each(cases.map(c => [c.name, c] as const))('%s', async (_, c) => {
    const wrong = await judge(c, {
      change: async model => {
        try {
          return await again(model);
        } catch (error) {
          if (error instanceof ModelError && ['E2001', 'E2002'].includes(error.code)) return model;
          throw error;
        }
      },
    });
    expect(wrong).toBeUndefined();
  });
});
