// Maps of conversions: where nodes and weights went, and that other weights put in by the map give the file that converting them gives.
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { WriteModelOptions } from '../../src/api.ts';
import { replaceWeights, weightsOf } from '../../src/edit/weights.ts';
import { ModelError } from '../../src/errors.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import type { ConversionMap } from '../../src/ir/provenance.ts';
import { tensorType } from '../../src/ir/types.ts';
import type { Weights } from '../../src/ir/weights.ts';
import {
  bytesOfFile,
  load,
  MemorySource,
  type OutputFile,
  parseMap,
  printMap,
  resident,
  simplify,
  swapWeights,
  Tensor,
  write,
} from '../../src/node/index.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';

interface File {
  readonly name: string;
  readonly bytes: Uint8Array;
}

async function filesOf(outputs: readonly OutputFile[]): Promise<File[]> {
  const files: File[] = [];
  for (const output of outputs) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytesOfFile(output)) chunks.push(Uint8Array.from(chunk));
    files.push({ name: output.name, bytes: Buffer.concat(chunks) });
  }
  return files;
}
const facts = ({ name, bytes }: File) => ({ name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });

type Options = Partial<WriteModelOptions>;
interface Converted {
  readonly files: readonly File[];
  readonly map: ConversionMap;
}

/** A conversion and its map, which goes through its file. */
async function converted(source: Model, format: string, options: Options = {}, model = source): Promise<Converted> {
  const written = await write(model, { format, name: `m.${format}`, ...options, source });
  const files = await filesOf(written.files);
  const map = { source: { format: 'test', files: [] }, target: { format, files: files.map(facts) }, ...written.whereabouts! };
  return { files, map: parseMap(new TextEncoder().encode(printMap(map)), 'map.json') };
}

async function swapped({ files, map }: Converted, weights: Weights, options: object = {}): Promise<File[]> {
  const { name, bytes } = files.at(-1)!;
  const open = async (wanted: string) => new MemorySource(files.find(f => f.name === wanted)!.bytes, wanted);
  return filesOf((await swapWeights(new MemorySource(bytes, name), map, weights, { name, open, ...options })).files);
}

/** Weights like those of the model, with other numbers in those that are float32. */
async function others(model: Model, seed: number): Promise<Weights> {
  let state = seed;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of weightsOf(model).tensors) {
    const { type, dims, data } = await resident(tensor);
    const numbers = type === 'float32' ? Float32Array.from(data as Float32Array, x => x * (1 + random() / 8) + random() / 64) : undefined;
    tensors.set(name, numbers ? new Tensor('float32', numbers, dims) : tensor);
  }
  return { tensors, metadata: new Map() };
}
const withWeights = async (model: Model, weights: Weights): Promise<Model> => (await replaceWeights(model, weights)).model;

const weight = (name: string, dims: number[], values: readonly number[]): Value =>
  new Value(name, undefined, { tensor: new Tensor('float32', Float32Array.from(values), dims), parameter: true });
const weightsWith = (tensors: Record<string, Tensor>): Weights => ({ tensors: new Map(Object.entries(tensors)), metadata: new Map() });
function modelOf(build: (b: Builder, x: Value) => Value, shape: number[]): Model {
  const b = newBuilder();
  const x = new Value('x', tensorType('float32', shape));
  const value = build(b, x);
  const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value }], nodes: b.nodes });
  return new Model(graph, { irVersion: 14, opsets: new Map([['', 28]]) });
}
/** y = BatchNormalization(Conv(x)) */
const normalised = (): Model =>
  modelOf(
    (b, x) => {
      const y = b.emit('Conv', [x, weight('conv.w', [1, 1, 1], [2]), weight('conv.b', [1], [1])], {}, { name: 'conv' })[0]!;
      const statistics = ['scale', 'bias', 'mean', 'var'].map((name, i) => weight(`bn.${name}`, [1], [i + 1]));
      return b.emit('BatchNormalization', [y, ...statistics], {}, { name: 'bn' })[0]!;
    },
    [1, 1, 3],
  );

const folder = fileURLToPath(new URL('../../models/', import.meta.url));
type Way = readonly [name: string, way: string, format: string, options: Options, isSimplified: boolean];
const ways: readonly Way[] = [
  ...['onnxtxt', 'onnxjson', 'textproto'].map((format): Way => ['simple-nn', format, format, {}, false]),
  ...['slim-resnet18', 'slim-mobilenet-v3', 'bert-block', 'gpt2-block', 'vit-block'].flatMap(name =>
    ['onnx', 'pt2', 'torchscript'].flatMap((format): Way[] => [
      [name, format, format, {}, false],
      [name, `${format}, simplified`, format, {}, true],
    ]),
  ),
  ['slim-resnet18', 'onnx, not fused', 'onnx', { fuse: false }, false],
  ['slim-resnet18', 'onnx, opset 13', 'onnx', { opset: 13 }, false],
  ['slim-resnet18', 'onnx, fp16', 'onnx', { dtype: 'float16' }, false],
  ['slim-resnet18', 'onnx, external data', 'onnx', { externalData: true }, false],
];

describe('swapping weights gives what converting them gives', () => {
  test.each(ways)('%s to %s', { timeout: 60_000 }, async (name, _, format, options, isSimplified) => {
    const source = await load(`${folder}${name}/model.pt2`);
    const weights = await others(source, 2);
    const [a, b] = [await withWeights(source, await others(source, 1)), await withWeights(source, weights)];
    const first = await converted(a, format, options, isSimplified ? await simplify(a) : a);
    const wanted = await filesOf((await write(isSimplified ? await simplify(b) : b, { format, name: `m.${format}`, ...options })).files);
    const found = await swapped(first, weights);
    expect(found.map(facts)).toEqual(wanted.map(facts));
    expect(facts(found[0]!)).not.toEqual(facts(first.files[0]!));
  });
});

describe('a map', () => {
  test('of a normalisation that joined the layer before it', async () => {
    const { map } = await converted(normalised(), 'onnx');
    expect(map.nodes).toMatchObject([
      { name: 'conv', op: 'Conv', targets: ['conv'] },
      { name: 'bn', op: 'BatchNormalization', targets: [], removed: 'joined', into: ['conv'] },
    ]);
    expect(map.weights.map(w => [w.name, w.targets.map(t => t.name), w.fixed])).toEqual([
      ['conv.w', ['conv.w'], undefined],
      ['conv.b', ['conv.b'], undefined],
      ['bn.scale', ['conv.w', 'conv.b'], undefined],
      ['bn.bias', ['conv.b'], undefined],
      ['bn.mean', ['conv.b'], undefined],
      ['bn.var', ['conv.w', 'conv.b'], undefined],
    ]);
    expect(map.weights[0]!.targets[0]!.transform).toMatch(/^Mul\(conv\.w, Reshape\(Div\(bn\.scale, Sqrt\(Add\(bn\.var, /);
  });
  test('of a program: nodes with their lines, weights that nothing reads', async () => {
    const { map } = await converted(await load(`${folder}slim-resnet18/model.pt2`), 'pt2');
    const conv = map.nodes.find(n => n.op === 'aten.conv2d.default')!;
    expect(conv).toMatchObject({ targets: [expect.any(String)], module: expect.any(String) });
    expect(map.weights.filter(w => w.name.endsWith('num_batches_tracked')).map(w => w.removed)).toContain('unused');
    expect(map.nodes.filter(n => n.removed === 'joined').map(n => n.op)).toContain('aten.batch_norm.default');
  });
  test('of something that no output depends on', async () => {
    const source = modelOf(
      (b, x) => {
        b.emit('Add', [x, weight('unread', [3], [1, 2, 3])], {}, { name: 'spare' });
        return b.emit('Mul', [x, weight('w', [3], [4, 5, 6])], {}, { name: 'used' })[0]!;
      },
      [3],
    );
    const { map } = await converted(source, 'onnx', {}, await simplify(source));
    expect(map.nodes.map(n => [n.name, n.removed])).toEqual([
      ['spare', 'unused'],
      ['used', undefined],
    ]);
    expect(map.weights.map(w => [w.name, w.removed])).toContainEqual(['unread', 'unused']);
  });
});

const swapErrors = async (first: Converted, weights: Weights, options: object = {}): Promise<string[]> => {
  try {
    await swapped(first, weights, options);
  } catch (error) {
    if (error instanceof ModelError) return error.findings.map(f => `${f.code} ${f.message}`);
    throw error;
  }
  return [];
};

describe('refused', () => {
  const float = (dims: number[], ...values: number[]): Tensor => new Tensor('float32', Float32Array.from(values), dims);

  test('every weight that does not fit, at once', async () => {
    const weights = weightsWith({
      'conv.w': float([1, 1, 2], 1, 2),
      'conv.b': new Tensor('int64', [1n], [1]),
      'bn.scale': float([1], 1),
      'bn.bias': float([1], 1),
      'bn.mean': float([1], 1),
    });
    expect(await swapErrors(await converted(normalised(), 'onnx'), weights)).toEqual([
      'E3003 "conv.w" has the shape [1,1,2], the model has [1,1,1]',
      'E3002 "conv.b" is int64, the model has float32',
      expect.stringMatching(/^E3001 the file of weights has no tensor "bn\.var"/),
    ]);
  });
  test('the map of another file', async () => {
    const [one, other] = [await converted(normalised(), 'onnx'), await converted(await load(`${folder}simple-nn/model.pt2`), 'onnx')];
    const errors = await swapErrors({ files: one.files, map: other.map }, weightsOf(normalised()));
    expect(errors).toEqual([
      expect.stringMatching(/^E4003 the map belongs to a file "m\.onnx" whose SHA-256 is [0-9a-f]{64}, this one has /),
    ]);
  });
  test('a weight that had to stay: what adds nothing is gone', async () => {
    const source = modelOf(
      (b, x) => b.emit('Add', [b.emit('Mul', [x, weight('w', [3], [4, 5, 6])])[0]!, weight('zero', [3], [0, 0, 0])])[0]!,
      [3],
    );
    const first = await converted(source, 'onnx', {}, await simplify(source));
    expect(first.map.weights.find(w => w.name === 'zero')).toMatchObject({ targets: [], removed: 'consumed' });
    const w = float([3], 1, 1, 1);
    expect(await swapErrors(first, weightsWith({ w, zero: float([3], 0, 0, 0) }))).toEqual([]);
    expect(await swapErrors(first, weightsWith({ w }))).toEqual([]);
    expect(await swapErrors(first, weightsWith({ w, zero: float([3], 0, 1, 0) }))).toEqual([
      'E2008 "zero": what is in it decided the form of the model, so that it must stay as it is',
    ]);
  });
  test('weights that were equal and are one since', async () => {
    const source = modelOf(
      (b, x) => {
        const y = b.emit('Mul', [x, weight('a', [3], [4, 5, 6])])[0]!;
        return b.emit('Pow', [y, weight('b', [3], [4, 5, 6])])[0]!;
      },
      [3],
    );
    const first = await converted(source, 'onnx', {}, await simplify(source));
    expect((await swapErrors(first, weightsWith({ a: float([3], 1, 2, 3), b: float([3], 4, 5, 6) })))[0]).toMatch(/^E2008 "a"/);
  });
  test.each<[string, string, string]>([
    ['no JSON', 'x', 'E1006'],
    ['another JSON', '{"a": 1}', 'E1002 this is no map of a conversion'],
    ['a later version', '{"omnix_map": 2}', 'E2002 omnix_map: expected 1, found 2'],
    ['a missing part', '{"omnix_map": 1, "source": {"format": "x", "files": []}}', 'E1101 map has no field target'],
  ])('%s in the place of a map', (_, text, wanted) => {
    let found = '';
    try {
      parseMap(new TextEncoder().encode(text), 'm.json');
    } catch (error) {
      found = `${(error as ModelError).code} ${(error as ModelError).message}`;
      expect((error as ModelError).findings[0]!.file).toBe('m.json');
    }
    expect(found).toContain(wanted);
  });
  test.each<[string, object, RegExp]>([
    ['an operator that is none', { op: 'Nothing', inputs: [] }, /^E1006 there is no operator Nothing/],
    ['too few inputs', { op: 'Mul', inputs: [{ weight: 'conv.w' }] }, /^E1302/],
    [
      'another shape',
      { op: 'Transpose', inputs: [{ weight: 'conv.b' }] },
      /^E1006 "conv\.w": the expression gives float32\[1\], expected float32\[1,1,1\]/,
    ],
    [
      'too large a tensor',
      { op: 'Expand', inputs: [{ weight: 'conv.w' }, { constant: { type: 'int64', dims: [1], data: 'AAAAAAEAAAA=' } }] },
      /^E3007/,
    ],
    ['very many outputs', { op: 'Split', inputs: [{ weight: 'conv.w' }], output: 0, outputs: 1e12 }, /^E1006/],
  ])('an expression with %s', async (_, from, wanted) => {
    const first = await converted(normalised(), 'onnx');
    const text = JSON.parse(printMap(first.map)) as { tensors: { name: string; from: object }[] };
    text.tensors.find(t => t.name === 'conv.w')!.from = from;
    const map = parseMap(new TextEncoder().encode(JSON.stringify(text)), 'm.json');
    expect((await swapErrors({ files: first.files, map }, weightsOf(normalised())))[0]).toMatch(wanted);
  });
});

test('weights under other names, and in another float type', async () => {
  const first = await converted(normalised(), 'onnx');
  const wrapped = new Map(
    [...weightsOf(normalised()).tensors].map(([name, t]) => [
      `module.${name}`,
      new Tensor('float64', Float64Array.from(t.data as Float32Array), t.dims),
    ]),
  );
  const found = await swapped(first, { tensors: wrapped, metadata: new Map() }, { rename: [{ from: 'module.*', to: '*' }] });
  expect(found.map(facts)).toEqual(first.files.map(facts));
});
