// TorchScript programs and modules of Python that are written: their texts, what our own reader finds in them, and names that would be code.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { openZip } from '../../src/codec/zip.ts';
import { bytesOfFile, type OutputFile } from '../../src/formats/format.ts';
import { readOnnx } from '../../src/formats/onnx/index.ts';
import type { AttributeProto, GraphProto } from '../../src/formats/onnx/proto.gen.ts';
import { pt2, torchModule, torchscript } from '../../src/formats/torch/index.ts';
import { ProgramBuilder } from '../../src/formats/torch/write/program.ts';
import { allNodes, type Model } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { loadWeights, ModelError, Session, save } from '../../src/node/index.ts';
import { casesOfArchive, judge } from '../conformance/cases.ts';
import { info, modelOf, node, sourceOf } from './onnx-messages.ts';

// What the reader makes of a program has been judged by PyTorch; here it is the judge of the writer.
const selection = fileURLToPath(new URL('../conformance/selection.zip', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'omnix-torch-'));
afterAll(() => rmSync(folder, { recursive: true }));

const read = async (proto: Parameters<typeof modelOf>[0]): Promise<Model> => (await readOnnx(sourceOf(modelOf(proto)))).model;
const bytesOf = async (file: OutputFile): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOfFile(file)) chunks.push(chunk);
  return Buffer.concat(chunks);
};
const scriptOf = async (model: Model): Promise<Uint8Array> => bytesOf((await torchscript.write!(model, { name: 'net.pt' }))[0]!);
const codeOf = async (model: Model): Promise<string> => {
  const zip = await openZip(new MemorySource(await scriptOf(model), 'net.pt'));
  return new TextDecoder().decode(await zip.entries.get('net/code/__torch__.py')!.bytes());
};
/** The classes of model.py. */
const classesOf = async (model: Model): Promise<string> => {
  const text = new TextDecoder().decode(await bytesOf((await torchModule.write!(model, { name: 'net' })).at(-1)!));
  return text.slice(text.indexOf('class '), text.indexOf('def references'));
};

const weight = (name: string, dims: readonly number[]) => ({
  name,
  data_type: 1,
  dims: [...dims],
  float_data: Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => i / 4 - 1),
});
const from = (module: string, made: ReturnType<typeof node>) => ({ ...made, metadata_props: [{ key: 'module', value: module }] });
const transB = { name: 'transB', type: 2, i: 1 };

/** Two equal blocks in a list, and a head. */
const blocks = () =>
  read({
    input: [info('x', ['batch', 2])],
    initializer: [0, 1].flatMap(i => [weight(`blocks.${i}.fc.weight`, [2, 2]), weight(`blocks.${i}.fc.bias`, [2])]),
    node: [
      ...[0, 1].flatMap(i => [
        from(`blocks.${i}.fc`, node('Gemm', [i ? 'r0' : 'x', `blocks.${i}.fc.weight`, `blocks.${i}.fc.bias`], [`h${i}`], [transB])),
        from(`blocks.${i}`, node('Relu', [`h${i}`], [`r${i}`])),
      ]),
      node('Softmax', ['r1'], ['y']),
    ],
    output: [info('y', ['batch', 2])],
  });

const lines = (...text: readonly string[]): string => text.join('\n');

test('an exported program says from which module a node comes', async () => {
  const bytes = await bytesOf((await pt2.write!(await blocks(), { name: 'net.pt2' }))[0]!);
  const again = (await pt2.read!(new MemorySource(bytes, 'net.pt2'), {})).model;
  const modules = again.graph.nodes.map(n => n.meta.metadata?.get('module'));
  expect([...new Set(modules)]).toEqual(['blocks.0.fc', 'blocks.0', 'blocks.1.fc', 'blocks.1', undefined]);
});

test('nodes of graphs that are read twice have names of their own', async () => {
  const c = (await casesOfArchive(selection)).find(one => one.name === 'test_loop11')!;
  const model = (await readOnnx(new MemorySource(await c.file('model.onnx'), 'm.onnx'))).model;
  const bytes = await bytesOf((await pt2.write!(model, { name: 'net.pt2' }))[0]!);
  const again = (await pt2.read!(new MemorySource(bytes, 'net.pt2'), {})).model;
  const names = [...allNodes(again.graph)].map(n => n.name).filter(name => name !== '');
  expect(names.length).toBeGreaterThan(0);
  expect(new Set(names).size).toBe(names.length);
});

describe('TorchScript', () => {
  test('has a class a module and a line a call', async () => {
    expect(await codeOf(await blocks())).toBe(
      lines(
        ...[0, 1].flatMap(i => [
          `class Model_blocks_${i}_fc(Module):`,
          '  __parameters__ = ["weight", "bias", ]',
          '  __buffers__ = []',
          '  weight : Tensor',
          '  bias : Tensor',
          '  training : bool',
          `class Model_blocks_${i}(Module):`,
          '  __parameters__ = []',
          '  __buffers__ = []',
          '  training : bool',
          `  fc : __torch__.Model_blocks_${i}_fc`,
        ]),
        'class Model_blocks(Module):',
        '  __parameters__ = []',
        '  __buffers__ = []',
        '  training : bool',
        '  __annotations__["0"] = __torch__.Model_blocks_0',
        '  __annotations__["1"] = __torch__.Model_blocks_1',
        'class Model(Module):',
        '  __parameters__ = []',
        '  __buffers__ = []',
        '  training : bool',
        '  blocks : __torch__.Model_blocks',
        '  def forward(self: __torch__.Model, x: Tensor) -> Tensor:',
        '    linear = torch.linear(x, getattr(self.blocks, "0").fc.weight, getattr(self.blocks, "0").fc.bias)',
        '    relu = torch.relu(linear)',
        '    linear_1 = torch.linear(relu, getattr(self.blocks, "1").fc.weight, getattr(self.blocks, "1").fc.bias)',
        '    relu_1 = torch.relu(linear_1)',
        '    softmax = torch.softmax(relu_1, -1)',
        '    return softmax',
        '',
      ),
    );
  });

  test('keeps the names of weights whatever they are', async () => {
    const names = ['f"(x)\\', 'größe.α', '__init__', 'a b.0', 'training', 'forward.x', 'lambda'];
    const model = await read({
      input: [info('x', [2])],
      initializer: names.map(name => weight(name, [2])),
      node: names.map((name, i) => node('Add', [i ? `s${i - 1}` : 'x', name], [`s${i}`])),
      output: [info(`s${names.length - 1}`, [2])],
    });
    const again = (await torchscript.read!(new MemorySource(await scriptOf(model), 'net.pt'), {})).model;
    const kept = again.graph.nodes.flatMap(n => n.inputs.flatMap(v => (v?.parameter ? [v.name] : [])));
    expect(kept).toEqual(['f"(x)\\', 'größe.α', '__init__', 'a b.0', 'training_', 'forward_.x', 'lambda_']);
  });

  test('keeps bits of types that its archives have not, and converts them', async () => {
    const model = await read({
      input: [info('x', [2], 12)],
      initializer: [{ name: 'w', data_type: 12, dims: [2], uint64_data: BigUint64Array.of(1n, 2n ** 32n - 1n) }],
      node: [node('Concat', ['x', 'w'], ['y'], [{ name: 'axis', type: 2, i: 0 }])],
      output: [info('y', [4], 12)],
    });
    expect(await codeOf(model)).toContain('torch.cat([x, torch.to(self.w, 28)], 0)');
  });

  test('rounds that append to a list give what is joined after them', async () => {
    const body: GraphProto = {
      name: 'body',
      input: [info('i', [], 7), info('c', [], 9), { name: 's' }],
      node: [
        node('Cast', ['i'], ['f'], [{ name: 'to', type: 2, i: 1 }]),
        node('Add', ['x', 'f'], ['item']),
        node('SequenceInsert', ['s', 'item'], ['t']),
      ],
      output: [info('c', [], 9), { name: 't' }],
    };
    const joined = (attributes: AttributeProto[]) =>
      read({
        input: [info('x', [2, 3]), info('n', [], 7)],
        node: [
          node('SequenceEmpty', [], ['e']),
          node('Loop', ['n', '', 'e'], ['l'], [{ name: 'body', type: 5, g: body }]),
          node('ConcatFromSequence', ['l'], ['y'], attributes),
        ],
        output: [info('y', ['a', 'b', 'c'])],
      });
    const axis = (i: number): AttributeProto => ({ name: 'axis', type: 2, i });
    const isNew: AttributeProto = { name: 'new_axis', type: 2, i: 1 };
    for (const attributes of [[axis(0)], [axis(1)], [axis(0), isNew], [axis(2), isNew]]) {
      const model = await joined(attributes);
      const again = (await torchscript.read!(new MemorySource(await scriptOf(model), 'net.pt'), {})).model;
      const feeds = { x: new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]), n: new Tensor('int64', [3n], []) };
      const [want, got] = await Promise.all(
        [model, again].map(async m => Object.values(await (await Session.create(m)).run(feeds))[0] as Tensor),
      );
      expect([got!.dims, [...(got!.data as Float32Array)]]).toEqual([want!.dims, [...(want!.data as Float32Array)]]);
    }
  });

  test('what a branch cannot say is reported once, with its place', async () => {
    const branch = (op: string): GraphProto => ({ name: op, node: [node(op, ['x'], [`o_${op}`])], output: [info(`o_${op}`)] });
    const model = await read({
      input: [info('x'), info('c', [], 9)],
      node: [
        node(
          'If',
          ['c'],
          ['z'],
          [
            { name: 'then_branch', type: 5, g: branch('Relu') },
            { name: 'else_branch', type: 5, g: branch('Unheard') },
          ],
        ),
        node('Relu', ['z'], ['y']),
      ],
    });
    const error = (await scriptOf(model).catch(e => e)) as ModelError;
    expect(error.findings.map(f => [f.code, f.node?.op])).toEqual([['E2001', 'Unheard']]);
  });
});

describe('a module of Python', () => {
  test('has a class for equal modules and a line a call', async () => {
    expect(await classesOf(await blocks())).toBe(
      lines(
        'class BlocksItem(nn.Module):',
        '    def __init__(self):',
        '        super().__init__()',
        '        self.fc = nn.Module()',
        '        self.fc.weight = nn.Parameter(torch.empty(2, 2))',
        '        self.fc.bias = nn.Parameter(torch.empty(2))',
        '',
        '    def forward(self, x):',
        '        linear = F.linear(x, self.fc.weight, self.fc.bias)',
        '        relu = F.relu(linear)',
        '        return relu',
        '',
        '',
        'class Model(nn.Module):',
        '    def __init__(self):',
        '        super().__init__()',
        '        self.blocks = nn.ModuleList(BlocksItem() for _ in range(2))',
        '',
        '    def forward(self, x):',
        '        relu = self.blocks[0](x)',
        '        relu_1 = self.blocks[1](relu)',
        '        softmax = F.softmax(relu_1, dim=-1)',
        '        return softmax',
        '',
        '    def load_weights(self, path=HERE / "model.safetensors"):',
        '        """Take the weights of a file, each of them, and give the module back in evaluation mode."""',
        '        self.load_state_dict(read_safetensors(path), assign=True)',
        '        return self.eval()',
        '',
        '',
        '',
      ),
    );
  });

  test('has numbers without a name where they are used', async () => {
    const model = await read({
      input: [info('x', [2]), info('c', [2], 9)],
      node: [
        node('Constant', [], ['low'], [{ name: 'value', type: 4, t: { data_type: 1, dims: [], float_data: Float32Array.of(-Infinity) } }]),
        node('Where', ['c', 'x', 'low'], ['y']),
      ],
      output: [info('y', [2])],
    });
    expect(await classesOf(model)).toContain('where = torch.where(c, x, torch.tensor(-float("inf")))');
  });

  test('takes names and texts of the model as literals and identifiers alone', async () => {
    const evil = '"""\nimport os  # \\';
    const model = await read({
      name: evil,
      input: [info('x); import os', [2]), info('torch', [2])],
      initializer: [weight(`${evil}.w`, [2]), weight('__class__', [2])],
      node: [
        from('a;b\n.c', node('Add', ['x); import os', `${evil}.w`], ['s'])),
        from('__class__.eval', node('Mul', ['s', 'torch'], [evil])),
        from('__class__.eval', node('Sub', [evil, '__class__'], ['y'])),
      ],
      output: [info('y', [2])],
    });
    const text = new TextDecoder().decode(await bytesOf((await torchModule.write!(model, { name: 'net' })).at(-1)!));
    expect(text.split('\n')[0]).toMatch(/^"\\"\\"\\"\\x0aimport os {2}# \\\\; python model\.py/);
    const classes = text.slice(text.indexOf('class '), text.indexOf('    def load_weights'));
    expect(classes).toBe(
      lines(
        'class Model(nn.Module):',
        '    def __init__(self):',
        '        super().__init__()',
        '        self.register_parameter("__class__", nn.Parameter(torch.empty(2)))',
        '        self.add_module("\\"\\"\\"\\x0aimport os  # \\\\", nn.Module())',
        '        getattr(self, "\\"\\"\\"\\x0aimport os  # \\\\").w = nn.Parameter(torch.empty(2))',
        '',
        '    def forward(self, x___import_os, torch_):',
        '        add = x___import_os + getattr(self, "\\"\\"\\"\\x0aimport os  # \\\\").w',
        '        mul = add * torch_',
        '        sub = mul - getattr(self, "__class__")',
        '        return sub',
        '',
        '',
      ),
    );
  });

  test('is a folder with weights and numbers to compare with', async () => {
    const model = await blocks();
    const path = join(folder, 'net');
    const { paths } = await save(model, path, { format: 'torch-module' });
    expect(paths).toEqual(['model.safetensors', 'reference.safetensors', 'model.py'].map(name => join(path, name)));
    expect([...(await loadWeights(join(path, 'model.safetensors'))).tensors.keys()].sort()).toEqual(
      ['0', '1'].flatMap(i => [`blocks.${i}.fc.bias`, `blocks.${i}.fc.weight`]),
    );
    const { tensors } = await loadWeights(join(path, 'reference.safetensors'));
    expect([...tensors].map(([name, t]) => [name, t.dims])).toEqual([
      ['input.0', [2, 2]],
      ['output.0', [2, 2]],
    ]);
    await expect(save(model, path, { format: 'torch-module' })).rejects.toMatchObject({ code: 'E4002' });
    await save(model, path, { format: 'torch-module', overwrite: true });
    expect(readdirSync(path).sort()).toEqual(['model.py', 'model.safetensors', 'reference.safetensors']);
    expect(readFileSync(join(path, 'model.py'), 'utf8')).toContain('class Model(nn.Module):');
  });

  test('comes without numbers where the model runs on none that can be made up, and that is said', async () => {
    const model = await read({
      input: [info('x', [2], 14)],
      node: [node('Reshape', ['x', 's'], ['y'])],
      initializer: [{ name: 's', data_type: 7, dims: [2], int64_data: BigInt64Array.of(2n, 1n) }],
      output: [info('y', [2, 1], 14)],
    });
    const { findings, files } = await save(model, join(folder, 'complex'), { format: 'torch-module' });
    expect(findings.map(f => f.code)).toEqual(['E2009']);
    expect(files.map(f => f.name)).toEqual(['model.safetensors', 'model.py']);
  });

  test('leaves no folder where it cannot be written', async () => {
    const model = await read({
      input: [info('x', [2, 2])],
      node: [node('StringNormalizer', ['x'], ['y'])],
      output: [info('y', [2, 2])],
    });
    const error = await save(model, join(folder, 'none'), { format: 'torch-module' }).catch(e => e);
    expect(error).toBeInstanceOf(ModelError);
    expect(readdirSync(folder)).not.toContain('none');
  });
});

const wanted =
  /^test_(add|and|argmax|average|batchnorm|bitshift|clip|compress|concat|conv|cumsum|div|einsum|equal|erf|expand|flatten|gather|gelu|gemm|gru|if|instancenorm|layer_norm|logsoftmax|loop|lstm|matmul|max|mean|min|mod|mul|nonzero|not|pow|prelu|range|reduce|reshape|resize|rnn|scatter|selu|shape|sign|slice|softmax|split|squeeze|sub|sum|tile|top_k|transpose|tril|triu|unsqueeze|where)/;
// To the reader all sizes of inputs are open, and those of a kernel that is an input are needed.
const needsSizes = /^test_(loop11|conv_with_autopad_same|convinteger_\w+|convtranspose_(1d|dilations))$/;
const cases = (await casesOfArchive(selection)).filter(c => wanted.test(c.name) && !needsSizes.test(c.name));

describe('the reader of TorchScript finds the same model', () => {
  test.each(cases.map(c => [c.name, c] as const))('%s', async (_, c) => {
    const wrong = await judge(c, {
      change: async model => {
        let bytes: Uint8Array;
        try {
          bytes = await scriptOf(model);
        } catch (error) {
          if (error instanceof ModelError && ['E2001', 'E2002'].includes(error.code)) return model;
          throw error;
        }
        return (await torchscript.read!(new MemorySource(bytes, 'net.pt'), {})).model;
      },
    });
    expect(wrong).toBeUndefined();
  });
});

// PyTorch calls an argument `slice` of a nested graph `slice_1` when it runs it.
test('arguments of nested graphs have no name that PyTorch gives to others', () => {
  const names = new ProgramBuilder();
  expect(['slice', 'slice_1', 'input_12', 'x'].map(name => names.argument(name))).toEqual(['slice', 'slice_1_', 'input_12_', 'x']);
});
