// narrow: weights and arithmetic in a shorter float type, and what stays in float32.
import { describe, expect, test } from 'vitest';
import { type Half, type NarrowOptions, narrow } from '../../src/edit/narrow.ts';
import { narrowTensor } from '../../src/edit/narrow-tensor.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { type Attribute, Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, formatType, tensorType } from '../../src/ir/types.ts';
import { verifyModel } from '../../src/ir/verify.ts';
import { float16 } from '../../src/kernels/storage.ts';

type Given = Readonly<Record<string, Attribute>>;
let made = 0;
const node = (op: string, inputs: readonly (Value | undefined)[], given: Given = {}, name = `o${++made}`): Node =>
  new Node({ op, inputs, attributes: new Map(Object.entries(given)) }, [{ name }]);
const weight = (name: string, values: readonly number[], dims: readonly number[] = [values.length]): Value =>
  new Value(name, undefined, { tensor: new Tensor('float32', values, dims), parameter: true });
const int = (value: number): Attribute => ({ kind: 'int', value });
const input = (name: string, type: DataType, ...dims: number[]): Value => new Value(name, tensorType(type, dims));
const x = (...dims: number[]): Value => input('x', 'float32', ...dims);

function model(inputs: Value[], nodes: Node[], { opset = 17, initializers = [] as Value[] } = {}): Model {
  const graph = new Graph('g', { inputs, nodes, outputs: [{ name: 'y', value: nodes.at(-1)!.outputs[0]! }], initializers });
  return new Model(graph, { irVersion: 8, opsets: new Map([['', opset]]), meta: { at: 0 } });
}
const ops = (graph: Graph): string => graph.nodes.map(n => n.op).join(' ');
const targets = (graph: Graph): unknown[] => graph.nodes.filter(n => n.op === 'Cast').map(n => n.attributes.get('to')?.value);

async function halved(m: Model, options: Partial<NarrowOptions> = {}) {
  const result = await narrow(m, { type: 'float16', ...options });
  expect(verifyModel(result.model)).toEqual([]);
  return { ...result, graph: result.model.graph };
}
async function run(m: Model, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor> {
  const session = await Session.create(m, { backend: referenceBackend() });
  return (await session.run(feeds))['y']!;
}

describe('weights and arithmetic', () => {
  test('are of the type, and so are inputs and outputs', async () => {
    const v = x(1, 2);
    const { graph, clamped, kept, model: half } = await halved(model([v], [node('MatMul', [v, weight('w', [1, 2.5, -3, 4], [2, 2])])]));
    expect([ops(graph), clamped, kept.size]).toEqual(['MatMul', [], 0]);
    expect([graph.inputs[0]!.type, graph.outputs[0]!.value.type].map(formatType)).toEqual(['float16[1,2]', 'float16[1,2]']);
    const y = await run(half, { x: new Tensor('float16', Uint16Array.of(float16.encode(1), float16.encode(2)), [1, 2]) });
    expect(Array.from(y.data as Uint16Array, float16.decode)).toEqual([-5, 10.5]);
  });
  test('leave inputs and outputs float32 behind Casts, where that is asked for', async () => {
    const v = x(1, 2);
    const m = model([v], [node('MatMul', [v, weight('w', [1, 2.5, -3, 4], [2, 2])])]);
    const { graph, model: half } = await halved(m, { keepIoTypes: true });
    expect([ops(graph), targets(graph)]).toEqual(['Cast MatMul Cast', [10, 1]]);
    expect((await run(half, { x: new Tensor('float32', [1, 2], [1, 2]) })).data).toEqual(Float32Array.of(-5, 10.5));
  });
  test('keep integers, and the default of an input', async () => {
    const [v, scale] = [x(2), weight('scale', [0.5])];
    const places = input('i', 'int64', 2);
    const { graph } = await halved(
      model([v, places, scale], [node('Gather', [v, places]), node('Mul', [v, scale])], { initializers: [scale] }),
    );
    expect(graph.inputs.map(i => formatType(i.type))).toEqual(['float16[2]', 'int64[2]', 'float16[1]']);
    expect(graph.inputs[2]!.tensor!.type).toBe('float16');
  });
});

describe('float32 stays', () => {
  test('where the schema of the opset does not take the type', async () => {
    const [start, limit, delta] = ['a', 'b', 'c'].map(name => input(name, 'float32')) as [Value, Value, Value];
    const steps = node('Range', [start, limit, delta]);
    const { graph, kept } = await halved(model([start, limit, delta], [steps, node('Exp', steps.outputs)]));
    expect(ops(graph)).toBe('Cast Cast Cast Range Cast Exp');
    expect([...kept]).toEqual([['Range', 1]]);
  });
  test('where bits are looked at', async () => {
    const v = x(2);
    const { graph } = await halved(model([v], [node('BitCast', [v], { to: int(6) })], { opset: 26 }));
    expect(ops(graph)).toBe('Cast BitCast');
  });
  test('for a constant that an input of float32 reads, and the type for others that read it', async () => {
    const v = x(1, 1, 2, 4);
    const scales = weight('scales', [1, 1, 2, 2]);
    const large = node('Resize', [v, undefined, scales], { mode: { kind: 'string', value: 'nearest' } });
    const m = model([v], [large, node('Mul', [large.outputs[0], weight('w', [2], [1])]), node('Add', [v, scales])], {
      initializers: [scales],
    });
    const { graph } = await halved(m);
    expect(ops(graph)).toBe('Resize Mul Add');
    expect([graph.nodes[0]!.inputs[2]!.element, graph.nodes[2]!.inputs[1]!.element]).toEqual(['float32', 'float16']);
    expect(graph.initializers.map(i => i.element)).toEqual(['float32', 'float16']);
  });
  test('in attributes that say in what is computed, but not in those that say what is made', async () => {
    const v = input('i', 'int64', 2);
    const wide = node('Cast', [v], { to: int(1) });
    const filled = node('ConstantOfShape', [v], { value: { kind: 'tensor', value: new Tensor('float32', [2], [1]) } });
    const norm = node('LayerNormalization', [wide.outputs[0], weight('s', [1, 1])], { stash_type: int(1) });
    const two = node('Constant', [], { value_float: { kind: 'float', value: 2 } });
    const sum = node('Add', [norm.outputs[0], two.outputs[0]]);
    const { graph } = await halved(model([v], [wide, filled, norm, two, sum]));
    expect(graph.nodes.map(n => n.outputs[0]!.element)).toEqual(['float16', 'float16', 'float16', 'float16', 'float16']);
    expect(graph.nodes[2]!.attributes.get('stash_type')).toEqual(int(1));
  });
});

test('tensors in attributes keep their names', async () => {
  const v = x(1, 1);
  const tensor = (values: readonly number[], type: 'float32' | 'uint8' = 'float32'): Attribute => ({
    kind: 'tensor',
    value: new Tensor(type, values),
  });
  const list = (...value: number[]): Attribute => ({ kind: 'ints', value });
  const ensemble = new Node(
    {
      op: 'TreeEnsemble',
      domain: 'ai.onnx.ml',
      inputs: [v],
      attributes: new Map<string, Attribute>([
        ['nodes_splits', tensor([0.5])],
        ['nodes_featureids', list(0)],
        ['nodes_modes', tensor([0], 'uint8')],
        ['nodes_truenodeids', list(0)],
        ['nodes_falsenodeids', list(1)],
        ['nodes_trueleafs', list(1)],
        ['nodes_falseleafs', list(1)],
        ['tree_roots', list(0)],
        ['leaf_targetids', list(0, 0)],
        ['leaf_weights', tensor([2, 3])],
        ['n_targets', int(1)],
      ]),
    },
    [{ name: 'y' }],
  );
  const m = model([v], [ensemble]);
  m.opsets.set('ai.onnx.ml', 5);
  const { model: half } = await halved(m);
  const y = await run(half, { x: new Tensor('float16', Uint16Array.of(float16.encode(1)), [1, 1]) });
  expect(Array.from(y.data as Uint16Array, float16.decode)).toEqual([3]);
});

test('branches make the type, and captures have it', async () => {
  const [v, c] = [x(2), input('c', 'bool')];
  const branch = (n: Node): Attribute => ({
    kind: 'graph',
    value: new Graph('b', { nodes: [n], outputs: [{ name: n.outputs[0]!.name, value: n.outputs[0]!, type: tensorType('float32', [2]) }] }),
  });
  const choice = node('If', [c], { then_branch: branch(node('Mul', [v, weight('w', [3])])), else_branch: branch(node('Neg', [v])) });
  const { graph, model: half } = await halved(model([v, c], [choice]), { keepIoTypes: true });
  expect(ops(graph)).toBe('Cast If Cast');
  const yes = new Tensor('bool', [true], []);
  expect((await run(half, { x: new Tensor('float32', [1, -2]), c: yes })).data).toEqual(Float32Array.of(3, -6));
});

describe('what is beyond the range', () => {
  const bits = (t: Tensor): string[] => Array.from(t.data as Uint16Array, b => b.toString(16).padStart(4, '0'));
  test.each<[Half, readonly number[], readonly string[]]>([
    ['float16', [65504, 65519, 65520, -3e38, Infinity], ['7bff', '7bff', '7bff', 'fbff', '7c00']],
    ['float16', [2 ** -24, 2 ** -25, -1e-30, 0, Number.NaN], ['0001', '0001', '8001', '0000', '7e00']],
    ['bfloat16', [1, -2.5, 3.4e38, Infinity, 1e-45], ['3f80', 'c020', '7f7f', '7f80', '0001']],
  ])('is the nearest number that is finite and not zero: %s %j', (type, values, expected) => {
    expect(bits(narrowTensor(new Tensor('float32', values), type))).toEqual(expected);
  });
  test('is counted and named', async () => {
    const v = x(3);
    const m = model([v], [node('Add', [v, weight('fill', [-3.4e38, 1e-12, 1])])]);
    expect((await halved(m)).clamped).toEqual([{ name: 'fill', over: 1, under: 1 }]);
    expect((await halved(m, { type: 'bfloat16' })).clamped).toEqual([{ name: 'fill', over: 1, under: 0 }]);
  });
  test('of a weight that is not in memory is converted piece by piece', async () => {
    const bytes = new Uint8Array(Float32Array.of(1, 2, 1e6, -4, 5).buffer);
    const read = async (from = 0, count = 20 - from): Promise<Uint8Array> => bytes.slice(from, from + count);
    const half = narrowTensor(new Tensor('float32', { length: 20, read }, [5]), 'float16');
    const whole = (await resident(half)).bytes();
    expect(bits(new Tensor('float16', whole, [5]))).toEqual(['3c00', '4000', '7bff', 'c400', '4500']);
    const part = await (half.content as { read(from: number, count: number): Promise<Uint8Array> }).read(3, 4);
    expect([...part]).toEqual([...whole.subarray(3, 7)]);
  });
});

test.each<[Half, number]>([
  ['bfloat16', 12],
  ['float16', 5],
])('%s is refused in opset %i, which has no Cast to it', async (type, opset) => {
  const v = x(1);
  await expect(narrow(model([v], [node('Neg', [v])], { opset }), { type })).rejects.toMatchObject({ code: 'E2004' });
});
