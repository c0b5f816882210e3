// SavedModels and GraphDefs: what real ones become, and what broken ones get.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeBytes, encodeBytes } from '../../src/codec/protobuf.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { ModelError } from '../../src/errors.ts';
import type { ReadOptions } from '../../src/formats/format.ts';
import { opDef } from '../../src/formats/tensorflow/op-defs.ts';
import { type AttrValue, type GraphDef, type SavedModel, tensorflowSchema } from '../../src/formats/tensorflow/proto.gen.ts';
import { allNodes, type Model } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { formatType } from '../../src/ir/types.ts';
import { compare, load, loadArrays, loadWeights, Session } from '../../src/node/index.ts';

const models = fileURLToPath(new URL('../../models/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'omnix-tensorflow-'));
afterAll(() => rmSync(folder, { recursive: true }));

const operators = (model: Model): Set<string> => new Set([...allNodes(model.graph)].map(n => n.op));

describe('models of real TensorFlow compute what it computes', () => {
  test.each(['tf-cnn', 'tf-recurrent', 'tf-branches'])('%s', async name => {
    const arrays = (which: string) => loadArrays(join(models, name, `${which}.npz`));
    for (const form of ['saved_model', 'frozen.pb']) {
      const model = await load(join(models, name, form));
      const results = await compare(model, await arrays('inputs'), await arrays('outputs'));
      expect(results.map(r => [r.ok, form])).toEqual([[true, form]]);
    }
  });

  test('inputs and outputs are those of the signature, open sizes have names', async () => {
    const model = await load(join(models, 'tf-cnn', 'saved_model'));
    expect(model.graph.inputs.map(v => `${v.name} ${formatType(v.type)}`)).toEqual(['image float32[batch,12,12,3]']);
    expect(model.graph.outputs.map(o => `${o.name} ${formatType(o.value.type)}`)).toEqual(['output_0 float32[batch,5]']);
    expect(model.producer.name).toBe('tensorflow');
  });

  test('the layers of recurrent networks are recurrent operators, in functions and in old control flow', async () => {
    for (const form of ['saved_model', 'frozen.pb']) {
      const found = operators(await load(join(models, 'tf-recurrent', form)));
      expect(['LSTM', 'GRU', 'Loop'].map(op => found.has(op))).toEqual([true, true, false]);
    }
  });

  test('a loop whose rounds the run decides stays one, without the switches of old graphs', async () => {
    for (const form of ['saved_model', 'frozen.pb']) {
      const found = operators(await load(join(models, 'tf-branches', form)));
      expect(
        ['If', 'Loop'].every(op => found.has(op)),
        form,
      ).toBe(true);
    }
  });

  test('weights are named as the program names its variables, and listed of a checkpoint', async () => {
    const listed = await loadWeights(join(models, 'tf-branches', 'saved_model', 'variables', 'variables.index'));
    expect([...listed.tensors].map(([name, t]) => `${name} ${t.type}[${t.dims}]`)).toEqual(['w float32[3,3]']);
    expect([...(await loadWeights(join(models, 'tf-branches', 'saved_model'))).tensors.keys()]).toEqual(['w']);
  });

  test('a signature and tags are chosen by name, and listed where there is none', async () => {
    const path = join(models, 'tf-branches', 'saved_model');
    expect((await load(path, { signature: 'twice', tag: 'serve' })).graph.outputs.map(o => o.name)).toEqual(['y']);
    expect(await messageOf(load(path, { signature: 'other' }))).toBe(
      'E4001 no signature "other"; there are "serving_default", "twice", "__call__"',
    );
    expect((await load(path, { signature: '__call__' })).graph.inputs.map(i => i.name)).toEqual(['x', 'n']);
    expect(await messageOf(load(path, { tag: 'train,gpu' }))).toBe('E4001 no graph has the tags "train,gpu"; there are "serve"');
  });
});

const messageOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof ModelError)) return `no ModelError: ${error}`;
  return error.findings.map(f => `${f.code} ${f.message}`).join('\n');
};

type Attrs = Readonly<Record<string, AttrValue>>;
const node = (name: string, op: string, input: string[] = [], attrs: Attrs = {}) => ({
  name,
  op,
  input,
  attr: Object.entries(attrs).map(([key, value]) => ({ key, value })),
});
const float = { type: 1 };
const shape = (...sizes: number[]): AttrValue => ({ shape: { dim: sizes.map(size => ({ size })) } });
const placeholder = (name: string, ...sizes: number[]) => node(name, 'Placeholder', [], { dtype: float, shape: shape(...sizes) });
const graph = (...nodes: ReturnType<typeof node>[]): GraphDef => ({ node: nodes });
const bytesOf = (def: GraphDef): Uint8Array => encodeBytes(tensorflowSchema, 'GraphDef', def);
const read = (def: GraphDef, options: ReadOptions = {}): Promise<Model> => load(new MemorySource(bytesOf(def), 'model.pb'), options);
const constant = (name: string, values: readonly number[], dims: readonly number[]) =>
  node(name, 'Const', [], {
    dtype: float,
    value: { tensor: { dtype: 1, tensor_shape: { dim: dims.map(size => ({ size })) }, float_val: Float32Array.from(values) } },
  });

describe('GraphDef', () => {
  test('placeholders become inputs, what nothing reads outputs', async () => {
    const model = await read(graph(placeholder('x', -1, 3), node('y', 'Relu', ['x'], { T: float }), node('z', 'Neg', ['x'], { T: float })));
    expect(model.graph.inputs.map(v => `${v.name} ${formatType(v.type)}`)).toEqual(['x float32[batch,3]']);
    expect(model.graph.outputs.map(o => o.name)).toEqual(['y', 'z']);
  });

  test('inputs and outputs can be given, in the middle too', async () => {
    const def = graph(placeholder('x', 2, 3), node('y', 'Relu', ['x'], { T: float }), node('z', 'Neg', ['y'], { T: float }));
    const model = await read(def, { inputs: ['y'], outputs: ['z'], inputShapes: { y: ['n', 3] } });
    expect(model.graph.inputs.map(v => `${v.name} ${formatType(v.type)}`)).toEqual(['y float32[n,3]']);
    expect(model.graph.nodes.map(n => n.op)).toEqual(['Neg']);
    expect(await messageOf(read(def, { outputs: ['nope'] }))).toBe('E3001 the graph has no node "nope"');
  });

  test('text is read as bytes are', async () => {
    const text =
      'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { dim { size: 2 } } } } }\nnode { name: "y" op: "Abs" input: "x" attr { key: "T" value { type: DT_FLOAT } } }';
    const model = await load(new MemorySource(new TextEncoder().encode(text), 'model.pbtxt'));
    expect(model.graph.nodes.map(n => n.op)).toEqual(['Abs']);
  });

  test('defaults of attributes that an exporter left out come from the table', async () => {
    const slope = opDef('LeakyRelu')!.attributes.get('alpha')!.default;
    const model = await read(graph(placeholder('x', 2), node('y', 'LeakyRelu', ['x'], { T: float })));
    expect(model.graph.nodes[0]!.attributes.get('alpha')).toMatchObject({ value: slope });
  });

  test('the last element of a constant repeats', async () => {
    const session = await Session.create(
      await read(graph(placeholder('x', 3), constant('c', [1, 2], [3]), node('y', 'AddV2', ['x', 'c'], { T: float }))),
    );
    const { y } = await session.run({ x: new Tensor('float32', [0, 0, 0]) });
    expect([...(y!.data as Float32Array)]).toEqual([1, 2, 2]);
  });

  test('everything without a conversion is listed at once, with counts', async () => {
    const def = graph(
      placeholder('x', 2),
      node('a', 'Cholesky', ['x'], { T: float }),
      node('b', 'Cholesky', ['x'], { T: float }),
      node('c', 'Bogus', ['x']),
    );
    const message = await messageOf(read(def));
    expect(message).toBe(
      'E2001 Cholesky: the standard has no operator for this decomposition or solution (2 nodes, first a)\nE2001 Bogus: no conversion is written (1 node, first c)',
    );
    const kept = await read(graph(placeholder('x', 2), node('a', 'Cholesky', ['x'], { T: float })), { allowCustom: true });
    expect(kept.graph.nodes.map(n => n.qualifiedName)).toEqual(['tensorflow.Cholesky']);
  });

  test('functions are put in their places', async () => {
    const fn = {
      signature: { name: 'f', input_arg: [{ name: 'a', type: 1 }], output_arg: [{ name: 'r', type: 1 }] },
      node_def: [
        node('n', 'Neg', ['a'], { T: float }),
        node('m', 'TopKV2', ['n:y:0', 'k:output:0'], { T: float }),
        node('k', 'Const', [], { dtype: { type: 3 }, value: { tensor: { dtype: 3, int_val: Int32Array.of(1) } } }),
      ],
      ret: [{ key: 'r', value: 'm:values:0' }],
    };
    const call = node('y', 'PartitionedCall', ['x'], { Tout: { list: { type: Int32Array.of(1) } }, f: { func: { name: 'f' } } });
    const model = await read({ ...graph(placeholder('x', 4), call), library: { function: [fn] } });
    expect(model.graph.nodes.map(n => n.op)).toEqual(['Neg', 'TopK']);
    const endless = {
      ...fn,
      node_def: [node('m', 'PartitionedCall', ['a'], { f: { func: { name: 'f' } } })],
      ret: [{ key: 'r', value: 'm:output:0' }],
    };
    expect(await messageOf(read({ ...graph(placeholder('x', 4), call), library: { function: [endless] } }))).toBe(
      'E1108 the function "f" calls itself',
    );
  });

  const x = placeholder('x', 2);
  test.each<[string, GraphDef, string]>([
    ['a name twice', graph(x, x), 'E1102 node[1]: there is another "x"'],
    ['no name', graph(x, node('', 'Abs')), 'E1101 node[1]: a node has no name'],
    ['an input that is not there', graph(x, node('y', 'Abs', ['z'], { T: float })), 'E1104 node[1]: nothing is named "z"'],
    [
      'an output that is not there',
      graph(x, node('y', 'Abs', ['x:2147483647'], { T: float })),
      'E1104 "x:2147483647" is not a name of a node with the number of an output',
    ],
    ['an output beyond those of its node', graph(x, node('y', 'Abs', ['x:7'], { T: float })), 'E1104 "x" has no output 7, only 1'],
    ['a name of nothing', graph(x, node('y', 'Abs', ['^'], { T: float })), 'E1104 node[1]: nothing is named ""'],
    [
      'a circle',
      graph(x, node('a', 'AddV2', ['x', 'b'], { T: float }), node('b', 'Abs', ['a'], { T: float }), node('y', 'Abs', ['b'], { T: float })),
      'E1105 "b" needs itself',
    ],
    ['too many inputs', graph(x, node('y', 'Abs', ['x', 'x'], { T: float })), 'E1302 Abs has 2 inputs, expected 1'],
    [
      'a constant with too many elements',
      graph(constant('c', [1, 2, 3], [2]), node('y', 'Abs', ['c'], { T: float })),
      'E1203 2 elements of float32, the data has 3',
    ],
    [
      'a constant of sizes that overflow',
      graph(constant('c', [1], [2 ** 40, 2 ** 40]), node('y', 'Abs', ['c'], { T: float })),
      'E1202 the size of float32[1099511627776,1099511627776] overflows',
    ],
    [
      'a constant that one element fills the memory with',
      graph(constant('c', [1], [2 ** 40]), node('y', 'Abs', ['c'], { T: float })),
      'E1009 1099511627776 elements repeat one',
    ],
    ['an attribute that is missing', graph(x, node('y', 'Cast', ['x'], { SrcT: float })), 'E1303 Cast has no attribute DstT'],
  ])('%s is an error with its node', async (_what, def, message) => {
    expect(await messageOf(read(def))).toBe(message);
  });

  test('images apart, convolved and put together are one convolution with a dilation', async () => {
    const ints = (name: string, ...values: number[]) =>
      node(name, 'Const', [], {
        value: {
          tensor: {
            dtype: 3,
            tensor_shape: { dim: name === 'd' ? [{ size: 2 }] : [{ size: 2 }, { size: 2 }] },
            int_val: Int32Array.from(values),
          },
        },
      });
    const lists = { strides: { list: { i: BigInt64Array.of(1n, 1n, 1n, 1n) } }, padding: { s: new TextEncoder().encode('VALID') } };
    const steps = (crops: number[]) =>
      graph(
        placeholder('x', 1, 5, 5, 1),
        ints('d', 2, 2),
        ints('p', 2, 3, 2, 3),
        ints('c', ...crops),
        constant('w', [1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3, 1, 1]),
        node('apart', 'SpaceToBatchND', ['x', 'd', 'p'], { T: float }),
        node('conv', 'Conv2D', ['apart', 'w'], { T: float, ...lists }),
        node('y', 'BatchToSpaceND', ['conv', 'd', 'c'], { T: float }),
      );
    const [one, three] = [await read(steps([0, 1, 0, 1])), await read(steps([1, 0, 1, 0]))];
    expect([one, three].map(m => operators(m).has('Reshape'))).toEqual([false, true]);
    const x = new Tensor(
      'float32',
      Float32Array.from({ length: 25 }, (_, i) => i % 7),
      [1, 5, 5, 1],
    );
    const [whole, moved] = await Promise.all(
      [one, three].map(async m => [...((await (await Session.create(m)).run({ x }))['y']!.data as Float32Array)]),
    );
    // Cropped at the other end, rows and columns begin one later.
    const inner = [0, 1, 2, 3].flatMap(r => [0, 1, 2, 3].map(c => [r, c] as const));
    expect(inner.map(([r, c]) => whole![5 * (r + 1) + c + 1])).toEqual(inner.map(([r, c]) => moved![5 * r + c]));
  });

  test('files and code outside of the model are never touched', async () => {
    const def = graph(
      node('n', 'Const', [], {
        dtype: { type: 7 },
        value: { tensor: { dtype: 7, string_val: [new TextEncoder().encode('/etc/passwd')] } },
      }),
      node('y', 'ReadFile', ['n']),
    );
    expect(await messageOf(read(def))).toBe('E2001 ReadFile: files and code outside of the model are never touched (1 node, first y)');
  });
});

describe('SavedModel folders', () => {
  const copy = (name: string): string => {
    const to = join(folder, name);
    cpSync(join(models, 'tf-branches', 'saved_model'), to, { recursive: true });
    return to;
  };
  const main = (path: string): string => join(path, 'saved_model.pb');

  test('a folder without a model says so', async () => {
    expect(await messageOf(load(models))).toContain('E5004');
  });

  test('a checkpoint that is cut off, changed, or missing', async () => {
    const shard = (path: string): string => join(path, 'variables', 'variables.data-00000-of-00001');
    const short = copy('short');
    writeFileSync(shard(short), readFileSync(shard(short)).subarray(0, 20));
    expect(await messageOf(load(short))).toMatch(/^E1403 .* of a shard of 20 bytes$/);
    const changed = copy('changed');
    writeFileSync(
      shard(changed),
      readFileSync(shard(changed)).map(b => b ^ 1),
    );
    expect(await messageOf(load(changed))).toMatch(/^E1012/);
    const without = copy('without');
    rmSync(join(without, 'variables'), { recursive: true });
    expect(await messageOf(load(without))).toMatch(/^E1402/);
  });

  test('a checkpoint that a link leads out of the folder is refused', async () => {
    const linked = copy('linked');
    rmSync(join(linked, 'variables'), { recursive: true });
    symlinkSync(join(models, 'tf-branches', 'saved_model', 'variables'), join(linked, 'variables'));
    expect(await messageOf(load(linked))).toMatch(/^E1401/);
  });

  test('graphs are told by their tags, and listed where several could be meant', async () => {
    const several = copy('several');
    const saved = decodeBytes<SavedModel>(tensorflowSchema, 'SavedModel', readFileSync(main(several)));
    const [first] = saved.meta_graphs!;
    const other = { ...first, meta_info_def: { ...first!.meta_info_def, tags: ['train'] } };
    const tagged = { ...first, meta_info_def: { ...first!.meta_info_def, tags: ['serve', 'tpu'] } };
    writeFileSync(main(several), encodeBytes(tensorflowSchema, 'SavedModel', { ...saved, meta_graphs: [tagged, other] }));
    expect(await messageOf(load(several))).toBe('E4001 several graphs; choose one by --tag: "serve,tpu", "train"');
    expect((await load(several, { tag: 'tpu,serve' })).graph.outputs).toHaveLength(1);
    writeFileSync(main(several), encodeBytes(tensorflowSchema, 'SavedModel', { saved_model_schema_version: 1 }));
    expect(await messageOf(load(several))).toBe('E1101 the SavedModel has no graphs');
  });

  test('a file that is cut off', async () => {
    const cut = copy('cut');
    writeFileSync(main(cut), readFileSync(main(cut)).subarray(0, 3000));
    expect(await messageOf(load(cut))).toMatch(/^E1005/);
  });
});
