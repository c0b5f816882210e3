// simplify: fewer nodes, the same numbers, and everything else of the file as it was.
import { describe, expect, test } from 'vitest';
import { type SimplifyOptions, simplify } from '../../src/edit/simplify.ts';
import { passNames } from '../../src/edit/simplify-passes.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { type Attribute, type FunctionDefinition, Graph, Model, Node, type Output, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { formatType, tensorType, type ValueType } from '../../src/ir/types.ts';
import { verifyModel } from '../../src/ir/verify.ts';

type Given = Readonly<Record<string, number | readonly number[] | string | Graph | Tensor>>;

function attribute(value: Given[string]): Attribute {
  if (value instanceof Graph) return { kind: 'graph', value };
  if (value instanceof Tensor) return { kind: 'tensor', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if (typeof value === 'number') return Number.isInteger(value) ? { kind: 'int', value } : { kind: 'float', value };
  return { kind: 'ints', value };
}
let made = 0;
/** A node of any version; its outputs are o1, o2, … unless they are named. */
function node(op: string, inputs: readonly (Value | undefined)[], given: Given = {}, outputs: readonly string[] = [`o${++made}`]): Node {
  const attributes = new Map(Object.entries(given).map(([name, value]) => [name, attribute(value)]));
  return new Node(
    { op, inputs, attributes, name: `n${++made}` },
    outputs.map(name => ({ name })),
  );
}
const floats = (name: string, dims: readonly number[], values?: readonly number[]): Value =>
  new Value(name, undefined, {
    tensor: new Tensor(
      'float32',
      values ?? dims.reduce<number[]>((all, d) => Array.from({ length: all.length * d }, (_, i) => Math.sin(i)), [1]),
      dims,
    ),
  });
const ints = (...values: number[]): Value => new Value('ints', undefined, { tensor: new Tensor('int64', values, [values.length]) });
const one = (...values: number[]): Value => floats('c', [], values);
const x = (...dims: (number | string)[]): Value =>
  new Value(
    'x',
    tensorType(
      'float32',
      dims.map(d => (typeof d === 'string' ? symbol(d) : d)),
    ),
  );
const out = (n: Node, name: string, type: ValueType | undefined = undefined, i = 0): Output => ({
  name,
  value: n.outputs[i]!,
  ...(type && { type }),
});

interface Parts {
  readonly inputs: Value[];
  readonly nodes: Node[];
  readonly outputs?: Output[];
  readonly opset?: number;
  readonly irVersion?: number;
  readonly functions?: FunctionDefinition[];
  readonly initializers?: Value[];
}
/** A model whose output y is what its last node makes. */
function model({ inputs, nodes, outputs, opset = 17, irVersion = 8, functions = [], initializers = [] }: Parts): Model {
  const graph = new Graph('g', { inputs, nodes, outputs: outputs ?? [out(nodes.at(-1)!, 'y')], initializers });
  return new Model(graph, {
    irVersion,
    opsets: new Map([['', opset], ...(functions.length > 0 ? [['f', 1] as const] : [])]),
    functions,
    meta: { at: 0 },
  });
}
const ops = ({ graph }: { graph: Graph }): string => graph.nodes.map(n => n.op).join(' ');

async function run(m: Model, feeds: Readonly<Record<string, Tensor>>): Promise<number[][]> {
  const session = await Session.create(m, { backend: referenceBackend(), optimize: false });
  return Object.values(await session.run(feeds)).map(t => Array.from(t.data as ArrayLike<number | bigint>, Number));
}
/** The simplified model, after it was found to be sound, to keep what it must, and to compute the same. */
async function same(m: Model, options: SimplifyOptions = {}, size = 2): Promise<Model> {
  const got = await simplify(m, options);
  expect(verifyModel(got)).toEqual([]);
  expect([got.irVersion, [...got.opsets]]).toEqual([m.irVersion, [...m.opsets]]);
  expect(got.graph.outputs.map(o => o.name)).toEqual(m.graph.outputs.map(o => o.name));
  const feeds = Object.fromEntries(
    m.graph.inputs
      .filter(v => !v.tensor)
      .map(v => {
        const dims = v.shape!.map(d => (typeof d === 'number' ? d : size));
        return [
          v.name,
          floats(
            '',
            dims,
            Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.cos(i + 1)),
          ).tensor!,
        ];
      }),
  );
  const [before, after] = [await run(m, feeds), await run(got, feeds)];
  for (const [i, numbers] of before.entries()) for (const [k, n] of numbers.entries()) expect(after[i]![k]).toBeCloseTo(n, 4);
  return got;
}

describe('what a pass does', () => {
  const chain = (start: Value, ...steps: ((v: Value) => Node)[]): Parts => {
    const nodes: Node[] = [];
    steps.reduce((v, step) => {
      nodes.push(step(v));
      return nodes.at(-1)!.outputs[0]!;
    }, start);
    return { inputs: [start], nodes };
  };
  const then =
    (op: string, more: readonly (Value | undefined)[] = [], given: Given = {}) =>
    (v: Value) =>
      node(op, [v, ...more], given);
  test.each<[string, Parts, string]>([
    ['identities: Identity', chain(x(2), then('Identity'), then('Relu')), 'Relu'],
    ['identities: Dropout of inference', chain(x(2), then('Dropout', [one(0.5)]), then('Relu')), 'Relu'],
    ['identities: a whole Slice', chain(x('n', 4), then('Slice', [ints(0), ints(9), ints(1)]), then('Relu')), 'Relu'],
    [
      'identities: not a Slice that turns round',
      chain(x(4), then('Slice', [ints(3), ints(-9), ints(0), ints(-1)]), then('Relu')),
      'Slice Relu',
    ],
    ['identities: Pad by nothing', chain(x(2, 2), then('Pad', [ints(0, 0, 0, 0)]), then('Relu')), 'Relu'],
    ['identities: not a Pad that moves', chain(x(2), then('Pad', [ints(1, -1)]), then('Relu')), 'Pad Relu'],
    ['identities: Concat of one, Sum of one', chain(x(2), then('Concat', [], { axis: 0 }), then('Sum'), then('Relu')), 'Relu'],
    ['identities: times 1 and plus 0', chain(x(2), then('Mul', [one(1)]), then('Add', [one(0)]), then('Relu')), 'Relu'],
    ['identities: not times 1 that widens', chain(x(2), then('Mul', [floats('c', [3, 1], [1, 1, 1])]), then('Relu')), 'Mul Relu'],
    [
      'merges: transposes',
      chain(x(2, 3, 4), then('Transpose', [], { perm: [1, 2, 0] }), then('Transpose', [], { perm: [1, 2, 0] })),
      'Transpose',
    ],
    [
      'merges: transposes that undo each other',
      chain(x(2, 3, 4), then('Transpose', [], { perm: [1, 2, 0] }), then('Transpose', [], { perm: [2, 0, 1] }), then('Relu')),
      'Relu',
    ],
    [
      'merges: reshapes',
      chain(x('n', 4), then('Reshape', [ints(-1, 2, 2)]), then('Unsqueeze', [ints(0)]), then('Reshape', [ints(-1, 2)])),
      'Reshape',
    ],
    ['merges: new axes', chain(x('n', 'm'), then('Unsqueeze', [ints(0)]), then('Unsqueeze', [ints(-1)])), 'Unsqueeze'],
    [
      'merges: slices along two axes',
      chain(x(4, 4), then('Slice', [ints(1), ints(3), ints(0)]), then('Slice', [ints(0), ints(2), ints(-1)])),
      'Slice',
    ],
    [
      'merges: not slices along one axis',
      chain(x(4), then('Slice', [ints(1), ints(3), ints(0)]), then('Slice', [ints(1), ints(2), ints(0)])),
      'Slice Slice',
    ],
    ['merges: conversions by way of more', chain(x(2), then('Cast', [], { to: 11 }), then('Cast', [], { to: 7 })), 'Cast'],
    ['merges: not conversions by way of less', chain(x(2), then('Cast', [], { to: 7 }), then('Cast', [], { to: 1 })), 'Cast Cast'],
    ['pointwise: factors in a row', chain(x(2), then('Mul', [one(2)]), then('Mul', [floats('c', [2], [3, 4])])), 'Mul'],
    ['pointwise: not factors whose product is lost', chain(x(2), then('Mul', [one(1e-30)]), then('Mul', [one(1e-30)])), 'Mul Mul'],
    [
      'layers: zeros around an image',
      chain(x(1, 2, 4), then('Pad', [ints(0, 0, 2, 0, 0, 1)]), then('Conv', [floats('w', [3, 2, 3])], { pads: [1, 0] })),
      'Conv',
    ],
    [
      'layers: not zeros between channels',
      chain(x(1, 1, 4), then('Pad', [ints(0, 1, 0, 0, 0, 0)]), then('Conv', [floats('w', [3, 2, 3])])),
      'Pad Conv',
    ],
    [
      'layers: not ones around an image',
      chain(x(1, 2, 4), then('Pad', [ints(0, 0, 2, 0, 0, 1), one(1)]), then('Conv', [floats('w', [3, 2, 3])])),
      'Pad Conv',
    ],
    [
      'layers: states of zeros',
      chain(x(3, 'n', 2), v =>
        node('RNN', [v, floats('w', [1, 2, 2]), floats('r', [1, 2, 2]), undefined, undefined, floats('h', [1, 2, 2], [0, 0, 0, 0])], {
          hidden_size: 2,
        }),
      ),
      'RNN',
    ],
    ['layers: a product and a bias', chain(x('n', 4), then('MatMul', [floats('w', [4, 3])]), then('Add', [floats('b', [3])])), 'Gemm'],
    [
      'fold: what constants decide',
      chain(x(2, 3), v => node('Add', [v, node('Transpose', [floats('w', [3, 2])], { perm: [1, 0] }).outputs[0]])),
      'Add',
    ],
  ])('%s', async (title, parts, expected) => {
    // What a chain reads from nodes that are not in it comes before.
    const listed = new Set(parts.nodes);
    const nodes = parts.nodes.flatMap(n => [...n.inputs.flatMap(v => (v?.producer && !listed.has(v.producer) ? [v.producer] : [])), n]);
    const m = model({ ...parts, nodes });
    const got = await same(m);
    expect(ops(got)).toBe(expected);
    const skip = [title.split(':')[0] as (typeof passNames)[number]];
    expect((await simplify(m, { skip })).graph.nodes.length).toBeGreaterThanOrEqual(got.graph.nodes.length);
  });

  test('a state of zeros goes with what made it, whatever the batch', async () => {
    const v = x(3, 'n', 2);
    const size = node('Shape', [v]);
    const batch = node('Gather', [size.outputs[0], ints(1)], { axis: 0 });
    const shape = node('Concat', [ints(1), batch.outputs[0], ints(2)], { axis: 0 });
    const zeros = node('ConstantOfShape', [shape.outputs[0]]);
    const rnn = node('RNN', [v, floats('w', [1, 2, 2]), floats('r', [1, 2, 2]), undefined, undefined, zeros.outputs[0]], {
      hidden_size: 2,
    });
    const got = await same(model({ inputs: [v], nodes: [size, batch, shape, zeros, rnn] }));
    expect(ops(got)).toBe('RNN');
    expect(got.graph.nodes[0]!.inputs).toHaveLength(3);
  });

  test('sizes that are known take the place of what computes them', async () => {
    const v = x('n', 6);
    const size = node('Shape', [v]);
    const batch = node('Gather', [size.outputs[0], ints(0)], { axis: 0 });
    const target = node('Concat', [batch.outputs[0], ints(2), ints(3)], { axis: 0 });
    const y = node('Reshape', [v, target.outputs[0]]);
    const got = await same(model({ inputs: [v], nodes: [size, batch, target, y] }), {}, 5);
    expect(ops(got)).toBe('Reshape');
    expect(got.graph.nodes[0]!.inputs[1]!.tensor!.data).toEqual(BigInt64Array.of(0n, 2n, 3n));
  });

  test('what is repeated to the shape of the other operand is not, what is repeated beyond it is', async () => {
    const v = x('n', 2);
    const size = node('Shape', [v]);
    const wide = node('Expand', [one(3), size.outputs[0]]);
    const y = node('Min', [v, wide.outputs[0]]);
    expect(ops(await same(model({ inputs: [v], nodes: [size, wide, y] })))).toBe('Min');
    const row = node('Expand', [v, ints(4, 1, 1)]);
    const many = await same(model({ inputs: [v], nodes: [row, node('Min', [row.outputs[0], one(3)])] }));
    expect(ops(many)).toBe('Expand Min');
  });

  test('equal nodes and equal constants are kept once, those of sibling graphs apart', async () => {
    const v = x(2);
    const c = new Value('c', tensorType('float32', [2]));
    const branch = (): Graph => {
      const a = node('Exp', [v]);
      const b = node('Exp', [v]);
      const y = node('Add', [a.outputs[0], b.outputs[0]]);
      return new Graph('b', { nodes: [a, b, y], outputs: [out(y, y.outputs[0]!.name, tensorType('float32', [2]))] });
    };
    const [left, right] = [node('Mul', [v, one(3)]), node('Mul', [v, one(3)])];
    const sum = node('ReduceSum', [c], { keepdims: 0 });
    const condition = node('Cast', [sum.outputs[0]], { to: 9 });
    const choice = node('If', [condition.outputs[0]], { then_branch: branch(), else_branch: branch() });
    const nodes = [left, right, sum, condition, choice];
    const first = node('Add', [left.outputs[0], right.outputs[0]]);
    const y = node('Add', [first.outputs[0], choice.outputs[0]]);
    const got = await same(model({ inputs: [v, c], nodes: [...nodes, first, y] }));
    expect(ops(got)).toBe('Mul ReduceSum Cast If Add Add');
    for (const a of got.graph.nodes[3]!.attributes.values()) expect(a.kind === 'graph' && ops({ graph: a.value })).toBe('Exp Add');
  });

  test('draws of random numbers are no duplicates', async () => {
    const [a, b] = [node('RandomNormal', [], { shape: [2] }), node('RandomNormal', [], { shape: [2] })];
    const got = await simplify(model({ inputs: [], nodes: [a, b, node('Sub', [a.outputs[0], b.outputs[0]])] }));
    expect(ops(got)).toBe('RandomNormal RandomNormal Sub');
  });

  test('an If whose condition is known becomes its branch', async () => {
    const v = x(2);
    const branch = (op: string): Graph => {
      const n = node(op, [v]);
      return new Graph(op, { nodes: [n], outputs: [out(n, n.outputs[0]!.name, tensorType('float32', [2]))] });
    };
    const yes = new Value('yes', undefined, { tensor: new Tensor('bool', [true], []) });
    const choice = node('If', [yes], { then_branch: branch('Neg'), else_branch: branch('Exp') });
    expect(ops(await same(model({ inputs: [v], nodes: [choice, node('Relu', choice.outputs)] })))).toBe('Neg Relu');
  });

  test('a normalisation joins the convolution before it', async () => {
    const v = x(1, 2, 3);
    const conv = node('Conv', [v, floats('w', [3, 2, 1])]);
    const statistics = ['s', 'b', 'm'].map(name => floats(name, [3]));
    const norm = node('BatchNormalization', [conv.outputs[0], ...statistics, floats('v', [3], [1, 2, 3])]);
    expect(ops(await same(model({ inputs: [v], nodes: [conv, norm], opset: 9, irVersion: 4 })))).toBe('Conv');
  });
});

describe('the opset of the file stays', () => {
  test('nodes of old forms are looked at in the newest and left as they are', async () => {
    const v = x(1, 2, 2);
    const squeeze = node('Squeeze', [v], { axes: [0] });
    const drop = node('Dropout', [squeeze.outputs[0]], { ratio: 0.25 });
    const scaled = node('Upsample', [drop.outputs[0], floats('s', [2], [1, 2])], { mode: 'nearest' });
    const got = await same(model({ inputs: [v], nodes: [squeeze, drop, scaled], opset: 9, irVersion: 4 }));
    expect(ops(got)).toBe('Squeeze Upsample');
    expect(got.graph.nodes[0]!.attributes.get('axes')).toEqual({ kind: 'ints', value: [0] });
  });
  test('a merged node has the form of the opset, or there is none', async () => {
    const v = x(4, 4);
    const slice = (input: Value, axis: number): Node => node('Slice', [input], { starts: [1], ends: [3], axes: [axis] });
    const first = slice(v, 0);
    const got = await same(model({ inputs: [v], nodes: [first, slice(first.outputs[0]!, 1)], opset: 9, irVersion: 4 }));
    expect(got.graph.nodes.map(n => [n.op, n.inputs.length])).toEqual([['Slice', 1]]);
    expect(got.graph.nodes[0]!.attributes.get('axes')).toEqual({ kind: 'ints', value: [0, 1] });
  });
  test('in old opsets the outputs of a normalisation say that it is in training, so they stay', async () => {
    const v = x(2, 2);
    const norm = node('BatchNormalization', [v, ...['s', 'b', 'm', 'v'].map(name => floats(name, [2], [1, 2]))], {}, [
      'y',
      'm1',
      'v1',
      'm2',
      'v2',
    ]);
    const got = await simplify(model({ inputs: [v], nodes: [norm], opset: 9, irVersion: 4 }));
    expect(got.graph.nodes[0]!.outputs).toHaveLength(5);
  });
  test('optional outputs that nothing reads are left out', async () => {
    const pool = node('MaxPool', [x(1, 1, 4)], { kernel_shape: [2] }, ['pooled', 'places']);
    const got = await same(model({ inputs: [pool.inputs[0]!], nodes: [pool] }));
    expect(got.graph.nodes[0]!.outputs).toHaveLength(1);
  });
  test('a file of IR version 3 lists its constants as inputs, and no others', async () => {
    const v = x(2, 2);
    const [w, c] = [floats('w', [2, 2]), floats('c', [2])];
    const turned = node('Transpose', [w], { perm: [1, 0] }, ['turned']);
    const product = node('MatMul', [v, turned.outputs[0]]);
    const nodes = [turned, product, node('Add', [product.outputs[0], c])];
    const got = await same(model({ inputs: [v, w, c], initializers: [w, c], nodes, opset: 8, irVersion: 3 }));
    expect(got.graph.inputs.map(i => i.name)).toEqual(['x', 'c', 'turned']);
    expect(got.graph.initializers.map(i => i.name).sort()).toEqual(['c', 'turned']);
  });
});

describe('what is not to be relied on', () => {
  test('a default of an input, which callers may replace', async () => {
    const v = x(2);
    const scale = floats('scale', [], [1]);
    const got = await same(model({ inputs: [v, scale], initializers: [scale], nodes: [node('Mul', [v, scale])] }));
    expect(ops(got)).toBe('Mul');
    expect(got.graph.inputs[1]!.tensor!.data).toEqual(Float32Array.of(1));
  });
  test('a type that the file declares of a value in between', async () => {
    const v = x('n', 4);
    const cut = node('Slice', [v, ints(0), ints(1), ints(0)]);
    cut.outputs[0]!.type = v.type;
    const got = await same(model({ inputs: [v], nodes: [cut, node('Relu', cut.outputs)] }));
    expect(ops(got)).toBe('Slice Relu');
    expect(formatType(got.graph.nodes[0]!.outputs[0]!.type)).toBe('float32[n,4]');
  });
  test('a type that the file declares of an output', async () => {
    const v = x(3, 1);
    const sizes = new Value('sizes', tensorType('int64', [2]));
    const type = tensorType('float32', [3, 4]);
    const y = node('Expand', [v, sizes]);
    const got = await simplify(model({ inputs: [v, sizes], nodes: [y], outputs: [out(y, 'y', type)] }));
    expect(got.graph.nodes[0]!.inputs[1]).toBe(got.graph.inputs[1]);
    expect(formatType(got.graph.outputs[0]!.type)).toBe('float32[3,4]');
  });
  test('the number of bounds of a Slice, where only the run knows it', async () => {
    const v = x(4, 4);
    const places = new Value('places', tensorType('int64', [2]));
    const count = new Value('count', tensorType('int64', [1]));
    const starts = node('Slice', [places, ints(0), count]);
    const cut = node('Slice', [v, starts.outputs[0], starts.outputs[0]]);
    const got = await simplify(model({ inputs: [v, places, count], nodes: [starts, cut, node('Relu', cut.outputs)] }));
    expect(ops(got)).toBe('Slice Slice Relu');
  });
});

describe('the signature', () => {
  test('outputs that become an input, a constant or one another are made by what is written for them', async () => {
    const v = x(2);
    const nodes = [node('Identity', [v]), node('Neg', [v]), node('Neg', [v]), node('Exp', [one(0)])];
    const got = await same(model({ inputs: [v], nodes, outputs: nodes.map((n, i) => out(n, `y${i}`)) }));
    expect(ops(got)).toBe('Neg Identity Identity Identity');
  });
});

describe('folding', () => {
  const wide = (): Parts => {
    const spread = node('Tile', [floats('c', [1, 1], [2]), ints(64, 64)]);
    return { inputs: [x(64, 64)], nodes: [spread, node('Add', [x(64, 64), spread.outputs[0]])] };
  };
  test('has a limit', async () => {
    const parts = wide();
    const m = model({ ...parts, inputs: [parts.nodes[1]!.inputs[0]!] });
    expect(ops(await same(m))).toBe('Add');
    expect(ops(await same(m, { foldLimit: 4096 }))).toBe('Tile Add');
    expect(ops(await same(m, { foldLimit: 16384 }))).toBe('Add');
  });
  test('leaves what is stored in fewer bits on purpose', async () => {
    const v = x(2, 2);
    const weights = new Value('q', undefined, { tensor: new Tensor('int8', [1, -2, 3, 4], [2, 2]) });
    const wide = node('DequantizeLinear', [weights, one(0.5)]);
    expect(ops(await same(model({ inputs: [v], nodes: [wide, node('MatMul', [v, wide.outputs[0]])] })))).toBe('DequantizeLinear MatMul');
  });
  test('reads a weight that is not in memory only when the result is written', async () => {
    let reads = 0;
    const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    const read = async (from = 0, count = 24 - from): Promise<Uint8Array> => {
      reads++;
      return bytes.slice(from, from + count);
    };
    const stored = { length: 24, read };
    const w = new Value('w', undefined, { tensor: new Tensor('float32', stored, [3, 2]) });
    const turned = node('Transpose', [w], { perm: [1, 0] });
    const v = x(2, 3);
    const got = await simplify(model({ inputs: [v], nodes: [turned, node('Mul', [v, turned.outputs[0]])] }));
    expect([ops(got), reads]).toEqual(['Mul', 0]);
    expect((await resident(got.graph.nodes[0]!.inputs[1]!.tensor!)).data).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6));
  });
  test('finds equal weights that are not in memory', async () => {
    const stored = (...values: number[]): Value => {
      const bytes = new Uint8Array(Float32Array.from(values).buffer);
      const content = { length: bytes.length, read: async (from = 0, count = bytes.length - from) => bytes.slice(from, from + count) };
      return new Value(`w${values}`, undefined, { tensor: new Tensor('float32', content, [values.length]) });
    };
    const v = x(2);
    const nodes = [stored(1, 2), stored(1, 2), stored(1, 3)].map(w => node('Mul', [v, w]));
    const sum = node(
      'Sum',
      nodes.map(n => n.outputs[0]),
    );
    expect(ops(await same(model({ inputs: [v], nodes: [...nodes, sum] })))).toBe('Mul Mul Sum');
  });
});

test('bodies of functions are simplified, and those that nothing calls are dropped', async () => {
  const define = (name: string, nodes: Node[], input: Value): FunctionDefinition => ({
    domain: 'f',
    name,
    overload: '',
    body: new Graph(name, { inputs: [input], nodes, outputs: [out(nodes.at(-1)!, 'b')] }),
    attributes: [],
    defaults: new Map(),
    opsets: new Map([['', 17]]),
    meta: {},
  });
  const a = new Value('a');
  const [left, right] = [node('Exp', [a]), node('Exp', [a])];
  const used = define('Used', [left, right, node('Add', [left.outputs[0], right.outputs[0]])], a);
  const other = define('Other', [node('Neg', [a])], a);
  const v = x(2);
  const call = new Node({ op: 'Used', domain: 'f', inputs: [v] }, [{ name: 'called' }]);
  const got = await same(model({ inputs: [v], nodes: [call], functions: [used, other] }));
  expect(got.functions.map(f => [f.name, ops({ graph: f.body })])).toEqual([['Used', 'Exp Add']]);
});

describe('passes', () => {
  const m = (): Model => {
    const v = x(2);
    const pass = node('Identity', [v]);
    return model({ inputs: [v], nodes: [pass, node('Add', [pass.outputs[0], node('Exp', [one(0)]).outputs[0]])] });
  };
  test('are chosen by name', async () => {
    const given = m();
    given.graph.nodes.unshift(given.graph.nodes[1]!.inputs[1]!.producer!);
    expect(ops(await simplify(given, { passes: ['fold'] }))).toBe('Identity Add');
    expect(ops(await simplify(given, { passes: ['identities'] }))).toBe('Exp Add');
    expect(ops(await simplify(given, { skip: [...passNames] }))).toBe('Exp Identity Add');
  });
  test('that do not exist are refused', async () => {
    await expect(simplify(m(), { passes: ['folds' as never] })).rejects.toThrow('there is no pass folds; did you mean fold?');
  });
  test('are refused for a model with training graphs, which name its values', async () => {
    const given = m();
    given.meta = { at: 0, rest: { training_info: [{}] } };
    await expect(simplify(given)).rejects.toMatchObject({ code: 'E2002' });
  });
});

test('outputs that are read stay where one between them goes', async () => {
  const v = x(3, 3);
  const unique = node('Unique', [v], { axis: 0 }, ['y', 'indices', 'inverse', 'counts']);
  const outputs = [out(unique, 'y'), out(unique, 'inverse', undefined, 2), out(unique, 'counts', undefined, 3)];
  const got = await same(model({ inputs: [v], nodes: [unique], outputs }));
  expect(got.graph.nodes[0]!.outputs.map(o => o?.name)).toEqual(['y', undefined, 'inverse', 'counts']);
});
