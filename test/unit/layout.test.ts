// Layout: the same numbers with transposes that move no more elements, and none inside of networks whose source has channels last.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LayoutOptions, layout } from '../../src/edit/layout.ts';
import { simplify } from '../../src/edit/simplify.ts';
import { ModelError } from '../../src/errors.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { type Dim, symbol } from '../../src/ir/dims.ts';
import { Graph, Model, type Node, subgraphs, Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { formatType, tensorType, type ValueType } from '../../src/ir/types.ts';
import { verifyModel } from '../../src/ir/verify.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { first, Network, second } from '../../src/passes/layout/cut.ts';
import { settleLayout, transposeCost } from '../../src/passes/layout/index.ts';
import { rebuild } from '../../src/passes/rebuild.ts';

const count = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);
const numbers = (dims: readonly number[], seed: number): Float32Array =>
  Float32Array.from({ length: count(dims) }, (_, i) => Math.sin(1 + i * 1.7 + seed * 3.1));
const weight = (dims: readonly number[], seed = 0, name = `w${seed}`): Value =>
  new Value(name, undefined, { tensor: new Tensor('float32', numbers(dims, seed), dims), parameter: true });
const image = (...dims: (number | string)[]): Value =>
  new Value(
    'x',
    tensorType(
      'float32',
      dims.map(d => (typeof d === 'string' ? symbol(d) : d)),
    ),
  );

const modelOf = (graph: Graph): Model => new Model(graph, { irVersion: 14, opsets: new Map([['', 28]]) });
function graphOf(inputs: readonly Value[], build: (b: Builder) => readonly Value[]): Graph {
  const b = newBuilder();
  const outputs = build(b);
  return new Graph('g', { inputs: [...inputs], outputs: outputs.map((value, i) => ({ name: `y${i}`, value })), nodes: b.nodes });
}
const ops = ({ nodes }: Graph): string[] => nodes.map(n => n.op);
const transposes = (graph: Graph): Node[] => graph.nodes.filter(n => n.op === 'Transpose');

/** What the graph computes, each output with its shape. */
async function run(model: Model, sizes: Readonly<Record<string, number>> = {}): Promise<{ dims: readonly number[]; data: number[] }[]> {
  const session = await Session.create(model, { backend: referenceBackend(), optimize: false });
  const feeds = Object.fromEntries(
    model.graph.inputs.map((v, i) => {
      const dims = v.shape!.map(d => (typeof d === 'number' ? d : (sizes[d.key] ?? 2)));
      return [v.name, new Tensor('float32', numbers(dims, i + 7), dims)];
    }),
  );
  return Object.values(await session.run(feeds)).map(t => ({
    dims: t.dims,
    data: Array.from(t.data as ArrayLike<number | bigint>, Number),
  }));
}

function expectSame(got: Awaited<ReturnType<typeof run>>, want: Awaited<ReturnType<typeof run>>): void {
  expect(got.map(t => t.dims)).toEqual(want.map(t => t.dims));
  for (const [i, { data }] of want.entries())
    for (const [k, n] of data.entries())
      if (!(Math.abs(got[i]!.data[k]! - n) <= 1e-4 * (1 + Math.abs(n)))) expect([i, k, got[i]!.data[k]]).toEqual([i, k, n]);
}

/** The graph after the pass, which computes the same at no higher cost. */
async function settled(graph: Graph, sizes: Readonly<Record<string, number>> = {}): Promise<Graph> {
  const before = transposeCost(graph);
  const want = await run(modelOf(graph), sizes);
  settleLayout(graph);
  expect(verifyModel(modelOf(graph))).toEqual([]);
  expect(transposeCost(graph)).toBeLessThanOrEqual(before);
  expectSame(await run(modelOf(graph), sizes), want);
  return graph;
}

/** Layers as a reader of a framework with channels last says them. */
const toFirst = (b: Builder, x: Value): Value => b.Transpose(x, [0, 3, 1, 2]);
const toLast = (b: Builder, x: Value): Value => b.Transpose(x, [0, 2, 3, 1]);
let seed = 0;
const conv = (b: Builder, x: Value, channels: number, kernel = 3): Value => {
  const w = weight([kernel, kernel, x.shape![3] as number, channels], ++seed);
  const pads = Array.from({ length: 4 }, () => (kernel - 1) / 2);
  return toLast(b, b.Conv(toFirst(b, x), b.Transpose(w, [3, 2, 0, 1]), undefined, { pads }));
};
const pool = (b: Builder, x: Value): Value => toLast(b, b.MaxPool(toFirst(b, x), { kernel_shape: [2, 2], strides: [2, 2] }));
const bias = (b: Builder, x: Value): Value => b.Add(x, weight([x.shape!.at(-1) as number], ++seed));
const dense = (b: Builder, x: Value, size: number): Value => bias(b, b.MatMul(x, weight([x.shape!.at(-1) as number, size], ++seed)));
const relu = (b: Builder, x: Value): Value => b.Relu(x);

describe('a network whose source has channels last keeps no transposes inside', () => {
  const last = (b: Builder, x: Value, axis = -1): Value => b.Softmax({ input: x }, { axis });
  test.each<[string, Value, (b: Builder, x: Value) => Value, number]>([
    [
      'residuals and a head',
      image('n', 8, 8, 3),
      (b, x) => {
        const stem = relu(b, bias(b, conv(b, x, 4)));
        const block = bias(b, conv(b, relu(b, bias(b, conv(b, stem, 4))), 4));
        return last(b, dense(b, b.ReduceMean({ data: relu(b, b.Add(stem, block)), axes: b.ints([1, 2]) }, { keepdims: 0 }), 5));
      },
      1,
    ],
    [
      'squeeze and excite',
      image('n', 4, 4, 3),
      (b, x) => {
        const y = relu(b, conv(b, x, 4));
        const pooled = b.Reshape(b.ReduceMean({ data: y, axes: b.ints([1, 2]) }, { keepdims: 0 }), [-1, 1, 1, 4]);
        const gate = b.Sigmoid(conv(b, relu(b, conv(b, pooled, 2, 1)), 4, 1));
        return b.ReduceMax(conv(b, b.Mul(y, gate), 2), { axes: [1, 2, 3], keepdims: 0 });
      },
      1,
    ],
    [
      'branches joined and split along channels, padded',
      image(1, 4, 4, 3),
      (b, x) => {
        const y = conv(b, x, 4);
        const wide = b.Concat([relu(b, y), bias(b, conv(b, y, 2, 1)), b.Mul(y, y)], -1);
        const [left, right] = b.Split(wide, [3, 7], 3);
        const padded = b.Pad({ data: left!, pads: b.ints([0, 1, 0, 0, 0, 0, 1, 0]) });
        const sum = b.Add(
          b.ReduceSum(conv(b, padded, 2), { axes: [1, 2], keepdims: 0 }),
          b.ReduceSum(conv(b, right!, 2), { axes: [1, 2], keepdims: 0 }),
        );
        return sum;
      },
      1,
    ],
    [
      'down, up again and joined, classes along the last axis',
      image('n', 8, 8, 3),
      (b, x) => {
        const fine = relu(b, conv(b, x, 4));
        const coarse = relu(b, conv(b, pool(b, fine), 4));
        const up = b.Resize({ X: coarse, scales: b.constant([1, 2, 2, 1], 'float32') }, { mode: 'nearest' });
        return last(b, bias(b, conv(b, b.Concat([up, fine], 3), 5, 1)));
      },
      2,
    ],
    [
      'flattened for a dense layer, in whose weights the order of the pixels goes',
      image('n', 4, 4, 3),
      (b, x) => {
        const y = pool(b, relu(b, conv(b, x, 4)));
        return last(b, dense(b, relu(b, dense(b, b.Reshape(y, [-1, 16]), 6)), 3));
      },
      1,
    ],
    [
      'flattened for a Gemm with a bias and a dropout before it',
      image('n', 4, 4, 3),
      (b, x) => {
        const flat = b.Reshape(relu(b, conv(b, x, 2)), [-1, 32]);
        const dropped = b.emit('Dropout', [flat, b.constant(0.5, 'float32')])[0]!;
        return b.Gemm({ A: dropped, B: weight([3, 32], 90), C: weight([3], 91) }, { transB: 1 });
      },
      1,
    ],
    [
      'sizes that are asked for',
      image('n', 'h', 'w', 3),
      (b, x) => {
        const y = relu(b, conv(b, x, 4));
        const sizes = b.Shape(y);
        const height = b.Gather(sizes, b.ints([1]), 0);
        const part = b.emit('Slice', [y, b.ints([0]), b.Sub(height, b.ints([1])), b.ints([1])])[0]!;
        return b.ReduceMax(conv(b, part, 2), { axes: [1, 2, 3], keepdims: 0 });
      },
      1,
    ],
    [
      'the channel of the largest number',
      image(1, 4, 4, 3),
      (b, x) => b.emit('ArgMax', [relu(b, conv(b, x, 4))], { axis: 3, keepdims: 0 })[0]!,
      1,
    ],
  ])('%s', async (_, x, build, expected) => {
    const graph = await settled(graphOf([x], b => [build(b, x)]));
    expect(transposes(graph)).toHaveLength(expected);
  });
});

describe('where transposes stay', () => {
  test('a layer normalisation between convolutions has one before and one after', async () => {
    const x = image(1, 4, 4, 4);
    const graph = await settled(
      graphOf([x], b => {
        const y = conv(b, x, 4);
        const normal = b.LayerNormalization({ X: y, Scale: weight([4], 50) }).Y;
        return [conv(b, relu(b, normal), 4)];
      }),
    );
    expect(transposes(graph)).toHaveLength(4);
  });
  test('they move to where fewer elements are', async () => {
    const x = image(2, 3, 4);
    const graph = await settled(graphOf([x], b => [b.ReduceSum(b.Transpose(b.Relu(x), [2, 0, 1]), { axes: [0], keepdims: 0 })]));
    expect(ops(graph)).toEqual(['Relu', 'ReduceSum']);
  });
  test('none stay around what joins two values whose own producers could turn too', async () => {
    const [x, z] = [image(5, 1, 2, 3), new Value('z', tensorType('float32', [5, 1, 2, 3]))];
    const graph = await settled(
      graphOf([x, z], b => {
        const [one, other] = [x, z].map(v => b.Transpose(b.Squeeze(v, [1]), [1, 0, 2])) as [Value, Value];
        const turned = b.Slice(other, { axes: [1], starts: [-1], ends: [Number.MIN_SAFE_INTEGER], steps: [-1] });
        const joined = b.Transpose(b.Concat([one, turned], 2), [1, 0, 2]);
        return [b.Squeeze(b.Slice(joined, { axes: [0], starts: [4], ends: [5] }), [0]), joined];
      }),
    );
    expect(transposes(graph)).toHaveLength(0);
  });
  test('a value wanted in both orders is transposed once', async () => {
    const x = image(2, 3);
    const graph = await settled(
      graphOf([x], b => {
        const y = b.Relu(x);
        const t = b.Transpose(y, [1, 0]);
        return [b.Exp(t), b.Neg(b.Transpose(y, [1, 0])), b.MatMul(t, y)];
      }),
    );
    expect(transposes(graph)).toHaveLength(1);
  });
  test('the transposed operand of a Gemm is one that its attribute transposes', async () => {
    const x = image(3, 2);
    const graph = await settled(graphOf([x], b => [b.Gemm({ A: b.Transpose(x, [1, 0]), B: weight([3, 4], 1) })]));
    expect(ops(graph)).toEqual(['Gemm']);
  });
  test('what a nested graph reads stays as it is, and the nested graph is turned for itself', async () => {
    const x = image(2, 3);
    const graph = await settled(
      graphOf([x], b => {
        const outer = b.Transpose(b.Relu(x), [1, 0]);
        const branch = (build: (inner: Builder) => Value): Graph => {
          const inner = newBuilder();
          const value = build(inner);
          return new Graph('branch', { nodes: inner.nodes, outputs: [{ name: 'made', value }] });
        };
        const taken = branch(inner => inner.Transpose(inner.Exp(inner.Transpose(outer, [1, 0])), [1, 0]));
        const other = branch(inner => inner.Neg(outer));
        const isPositive = b.Greater(b.ReduceSum(x, { axes: [0, 1], keepdims: 0 }), b.constant(0, 'float32'));
        return [b.Tanh(b.emit('If', [isPositive], { then_branch: taken, else_branch: other })[0]!)];
      }),
    );
    expect(ops(graph)).toEqual(['Relu', 'Transpose', 'ReduceSum', 'Greater', 'If', 'Tanh']);
    const [, inner] = [...subgraphs(graph.nodes[4]!)][0]!;
    expect(ops(inner)).toEqual(['Exp']);
  });
  test('nothing is turned in training, where numbers are drawn in the order of the elements', async () => {
    const x = image(2, 3);
    const graph = graphOf([x], b => [
      b.Transpose(
        b.emit('Dropout', [b.Transpose(x, [1, 0]), b.constant(0.5, 'float32'), b.constant(true, 'bool')], { seed: 1 })[0]!,
        [1, 0],
      ),
    ]);
    settleLayout(graph);
    expect(ops(graph)).toEqual(['Transpose', 'Dropout', 'Transpose']);
  });
  test('weights say from which they were made', async () => {
    const x = image(1, 4, 4, 3);
    const graph = await settled(
      graphOf([x], b => [b.ReduceMax(b.MatMul(b.Reshape(conv(b, x, 2), [1, 32]), weight([32, 3], 9, 'head')), { axes: [0, 1] })]),
    );
    const product = graph.nodes.find(n => n.op === 'MatMul')!.inputs[1]!;
    expect([product.name, product.parameter, JSON.stringify(product.tensor!.origin!.rest)]).toEqual([
      'head',
      true,
      expect.stringContaining('Transpose(Reshape(head'),
    ]);
    const [turned, given] = [(await resident(product.tensor!)).data as Float32Array, numbers([32, 3], 9)];
    // Pixel p of channel c was row 2p + c, and is row 16c + p.
    expect(turned[3 * (16 * 1 + 5)]).toBe(given[3 * (2 * 5 + 1)]);
  });
});

describe('inputs and outputs in another order', () => {
  const network = (): Model => {
    const x = image('n', 3, 8, 6);
    const graph = graphOf([x, new Value('m', tensorType('float32', [2, 2, 2, 2]))], b => {
      const y = b.Relu(b.Conv(x, weight([4, 3, 1, 1], 1)));
      return [y, b.ReduceSum(y, { axes: [2, 3], keepdims: 0 }), b.Neg(new Value('unused'))].slice(0, 2);
    });
    return modelOf(graph);
  };
  const types = ({ graph }: Model): string[] => [
    ...graph.inputs.map(v => formatType(v.type)),
    ...graph.outputs.map(o => formatType(o.type ?? o.value.type)),
  ];
  test.each<[string, LayoutOptions, readonly string[]]>([
    ['all images', { to: 'nhwc' }, ['float32[n,8,6,3]', 'float32[2,2,2,2]', 'float32[n,8,6,4]', 'float32[n,4]']],
    ['none that has the order already', { to: 'nchw' }, ['float32[n,3,8,6]', 'float32[2,2,2,2]', 'float32[n,4,8,6]', 'float32[n,4]']],
    ['one input', { inputs: { x: 'nhwc' } }, ['float32[n,8,6,3]', 'float32[2,2,2,2]', 'float32[n,4,8,6]', 'float32[n,4]']],
    ['one output', { outputs: { y0: 'nhwc' } }, ['float32[n,3,8,6]', 'float32[2,2,2,2]', 'float32[n,8,6,4]', 'float32[n,4]']],
    ['all but one', { to: 'nhwc', outputs: { y0: 'nchw' } }, ['float32[n,8,6,3]', 'float32[2,2,2,2]', 'float32[n,4,8,6]', 'float32[n,4]']],
  ])('%s', async (_, options, expected) => {
    const model = network();
    const got = layout(model, options);
    expect(verifyModel(got)).toEqual([]);
    expect(types(got)).toEqual(expected);
    expect(types(layout(got, { to: 'nchw' }))).toEqual(types(model));
    const back = layout(got, { to: 'nchw' });
    expect(ops(back.graph)).not.toContain('Transpose');
    expectSame(await run(back), await run(model));
  });
  test('the transposed input gives the same numbers', async () => {
    const model = network();
    const got = layout(model, { to: 'nhwc' });
    const session = await Session.create(got, { backend: referenceBackend() });
    const dims = [1, 3, 8, 6];
    const given = numbers(dims, 3);
    const turned = Float32Array.from({ length: given.length }, (_, i) => {
      const [c, w, h] = [i % 3, Math.floor(i / 3) % 6, Math.floor(i / 18)];
      return given[c * 48 + h * 6 + w]!;
    });
    const m = new Tensor('float32', numbers([2, 2, 2, 2], 0), [2, 2, 2, 2]);
    const made = await session.run({ x: new Tensor('float32', turned, [1, 8, 6, 3]), m });
    const plain = await (await Session.create(model, { backend: referenceBackend() })).run({ x: new Tensor('float32', given, dims), m });
    expect(made['y1']!.data).toEqual(plain['y1']!.data);
    expect((made['y0']!.data as Float32Array)[1]).toBe((plain['y0']!.data as Float32Array)[48]);
  });
  test('names that are none, and tensors that are no images, are refused together', () => {
    const wrong = (): Model => layout(network(), { inputs: { z: 'nhwc' }, outputs: { y1: 'nhwc' } });
    expect(wrong).toThrow(ModelError);
    try {
      wrong();
    } catch (error) {
      expect((error as ModelError).findings.map(f => f.code).sort()).toEqual(['E3001', 'E3003']);
    }
  });
});

test('in an old opset only what it can say is turned', async () => {
  // Softmax had no axis but the last ones before opset 13.
  const old = (opset: number): Model => {
    const x = image(1, 4, 4, 3);
    const graph = graphOf([x], b => [toFirst(b, b.Softmax({ input: toLast(b, b.Relu(toFirst(b, x))) }, { axis: -1 }))]);
    return new Model(graph, { irVersion: 7, opsets: new Map([['', opset]]), meta: { at: 0 } });
  };
  for (const [opset, left] of [
    [13, 1],
    [11, 1],
  ] as const) {
    const given = old(opset);
    const got = layout(given);
    expect(transposes(got.graph)).toHaveLength(left);
    expectSame(await run(got), await run(given));
  }
});

test('simplify does the same', async () => {
  const x = image('n', 4, 4, 3);
  const graph = graphOf([x], b => [
    b.ReduceMean({ data: relu(b, conv(b, relu(b, conv(b, x, 2)), 2)), axes: b.ints([1, 2]) }, { keepdims: 0 }),
  ]);
  const got = await simplify(modelOf(graph));
  expect(transposes(got.graph)).toHaveLength(1);
  expectSame(await run(got), await run(modelOf(graph)));
});

describe('a minimum cut', () => {
  test('divides where it is cheapest, with the fewest vertices on the first side', () => {
    const network = new Network();
    const [a, b, c] = [network.vertex(), network.vertex(), network.vertex()];
    network.arc(first, a, 5);
    network.arc(a, b, 3);
    network.arc(b, c, 3);
    network.arc(c, second, 9);
    const { cost, side } = network.cut();
    expect([cost, [...side].sort()]).toEqual([3, [first, a]]);
  });
  test('costs what the cheapest of all divisions costs', () => {
    const arcs = fc.array(fc.tuple(fc.nat(6), fc.nat(6), fc.nat(20)), { maxLength: 25 });
    fc.assert(
      fc.property(arcs, given => {
        const network = new Network();
        for (let i = 0; i < 5; i++) network.vertex();
        for (const [from, to, capacity] of given) network.arc(from, to, capacity);
        const price = (onFirst: (v: number) => boolean): number =>
          given.reduce((sum, [from, to, capacity]) => sum + (onFirst(from) && !onFirst(to) ? capacity : 0), 0);
        const divisions = Array.from({ length: 32 }, (_, bits) =>
          price(v => v === first || (v !== second && ((bits >> (v - 2)) & 1) === 1)),
        );
        const { cost, side } = network.cut();
        expect(cost).toBe(Math.min(...divisions));
        expect(price(v => side.has(v))).toBe(cost);
      }),
    );
  });
});

describe('graphs of all operators that layouts flow through', () => {
  type Step = (b: Builder, x: Value, pick: (n: number) => number, other: (like: Value) => Value | undefined) => Value | undefined;
  const rank = (x: Value): number => x.shape!.length;
  const size = (x: Value, axis: number): number => x.shape![axis] as number;
  const permutation = (n: number, pick: (n: number) => number): number[] => {
    const left = Array.from({ length: n }, (_, i) => i);
    return Array.from({ length: n }, () => left.splice(pick(left.length), 1)[0]!);
  };
  const turn: Step = (b, x, pick) => (rank(x) < 2 ? undefined : b.Transpose(x, permutation(rank(x), pick)));
  const constant = (dims: readonly number[], at: number): Value => weight(dims, at, `c${at}`);
  const steps: Readonly<Record<string, Step>> = {
    turn,
    turnAgain: turn,
    turnOnce: turn,
    unary: (b, x, pick) => [b.Relu, b.Tanh, b.Neg, b.Identity][pick(4)]!.call(b, x),
    clip: (b, x) => b.Clip({ input: x, min: b.like(-0.5, x), max: b.like(0.9, x) }),
    bias: (b, x, pick) => {
      const from = pick(rank(x) + 1);
      return b.Add(
        x,
        constant(
          x.shape!.slice(from).map(d => (pick(3) === 0 ? 1 : (d as number))),
          pick(50),
        ),
      );
    },
    both: (b, x, _, other) => {
      const y = other(x);
      return y && b.Mul(x, y);
    },
    twice: (b, x) => b.Mul(x, x),
    where: (b, x, _, other) => {
      const y = other(x);
      return y && b.Where(b.Less(x, y), x, y);
    },
    row: (b, x, pick) => (rank(x) < 2 ? undefined : b.Mul(x, b.ReduceMax(x, { axes: [0], keepdims: pick(2) }))),
    concat: (b, x, pick, other) => {
      const y = other(x);
      return y && count(x.shape as number[]) < 3000 && rank(x) > 0 ? b.Concat([x, y, x], pick(rank(x)) - rank(x) * pick(2)) : undefined;
    },
    split: (b, x, pick) => {
      const axis = pick(rank(x));
      const n = rank(x) === 0 ? 0 : size(x, axis);
      return n < 2 ? undefined : b.Split(x, [1, n - 1], axis)[pick(2)];
    },
    pad: (b, x, pick) => {
      if (rank(x) === 0 || count(x.shape as number[]) > 3000) return undefined;
      if (pick(2)) return b.Pad({ data: x, pads: b.ints([1, 0]), axes: b.ints([pick(rank(x))]) });
      return b.Pad({ data: x, pads: b.ints(Array.from({ length: 2 * rank(x) }, (_, i) => Number(i === pick(2 * rank(x))))) });
    },
    reduce: (b, x, pick) => {
      const op = ['ReduceMean', 'ReduceMax', 'ReduceSum', 'ReduceL2'][pick(4)]!;
      const axes = permutation(rank(x), pick).slice(0, 1 + pick(2));
      return rank(x) < 2 ? undefined : b.emit(op, [x, b.ints(axes)], { keepdims: pick(2) })[0];
    },
    argmax: (b, x, pick) =>
      rank(x) < 2
        ? undefined
        : b.Cast(b.emit('ArgMax', [x], { axis: pick(rank(x)) - rank(x) * pick(2), keepdims: pick(2) })[0]!, 'float32'),
    softmax: (b, x, pick) => (rank(x) === 0 ? undefined : b.emit(['Softmax', 'LogSoftmax'][pick(2)]!, [x], { axis: pick(rank(x)) })[0]),
    cumsum: (b, x, pick) => (rank(x) === 0 ? undefined : b.emit('CumSum', [x, b.constant(pick(rank(x)), 'int64')])[0]),
    topk: (b, x, pick) =>
      rank(x) === 0 ? undefined : b.emit('TopK', [x, b.ints([1])], { axis: pick(rank(x)) }, { outputs: ['v', 'i'] })[0],
    slice: (b, x, pick) => {
      if (rank(x) === 0) return undefined;
      const axis = pick(rank(x));
      const given = [b.ints([pick(2) && size(x, axis) > 1 ? 1 : 0]), b.ints([size(x, axis)])];
      return axis === 0 && pick(2)
        ? b.emit('Slice', [x, ...given])[0]
        : b.emit('Slice', [x, ...given, b.ints([axis - rank(x) * pick(2)]), b.ints([1 + pick(2)])])[0];
    },
    squeeze: (b, x, pick) => {
      const ones = x.shape!.flatMap((d, i) => (d === 1 ? [i] : []));
      return ones.length === 0 ? undefined : pick(2) ? b.Squeeze(x, [ones[pick(ones.length)]!]) : b.emit('Squeeze', [x])[0];
    },
    unsqueeze: (b, x, pick) => (rank(x) > 4 ? undefined : b.Unsqueeze(x, [pick(rank(x) + 1)])),
    expand: (b, x, pick) => {
      const ones = x.shape!.map(d => (d === 1 && pick(2) ? 2 : (d as number)));
      return b.Expand(x, rank(x) < 4 && pick(2) ? [2, ...ones] : ones);
    },
    tile: (b, x, pick) =>
      rank(x) === 0 || count(x.shape as number[]) > 2000
        ? undefined
        : b.emit('Tile', [x, b.ints(x.shape!.map((_, i) => 1 + Number(i === pick(rank(x)))))])[0],
    gather: (b, x, pick) => {
      if (rank(x) === 0 || rank(x) > 4) return undefined;
      const axis = pick(rank(x));
      const dims = [[], [2], [2, 1]][pick(3)]!;
      return b.Gather(
        x,
        b.constant(
          Array.from({ length: count(dims) }, () => pick(size(x, axis))),
          'int64',
          dims,
        ),
        axis,
      );
    },
    resize: (b, x, pick) => {
      if (rank(x) === 0 || count(x.shape as number[]) > 1500) return undefined;
      const [axis, linear] = [pick(rank(x)), pick(2) === 1];
      return pick(2)
        ? b.emit('Resize', [x, undefined, undefined, b.ints([3])], { axes: [axis], mode: linear ? 'linear' : 'nearest' })[0]
        : b.emit(
            'Resize',
            [
              x,
              undefined,
              b.constant(
                x.shape!.map((_, i) => (i === axis ? 2 : 1)),
                'float32',
              ),
            ],
            { mode: linear ? 'linear' : 'nearest' },
          )[0];
    },
    flatten: (b, x, pick) => b.emit('Flatten', [x], { axis: pick(rank(x) + 1) })[0],
    join: (b, x, pick) => {
      if (rank(x) < 2) return undefined;
      const at = pick(rank(x) - 1);
      return b.Reshape(x, [...x.shape!.slice(0, at), size(x, at) * size(x, at + 1), ...x.shape!.slice(at + 2)] as number[]);
    },
    part: (b, x, pick) => {
      const at = pick(rank(x));
      const even = rank(x) > 0 && rank(x) < 5 && size(x, at) % 2 === 0;
      return even ? b.Reshape(x, [...x.shape!.slice(0, at), 2, size(x, at) / 2, ...x.shape!.slice(at + 1)] as number[]) : undefined;
    },
    matmul: (b, x, pick) => (rank(x) < 2 ? undefined : b.MatMul(x, constant([size(x, rank(x) - 1), 2 + pick(2)], pick(50)))),
    square: (b, x, _, other) => {
      const y = rank(x) < 2 ? undefined : other(x);
      return (
        y &&
        b.MatMul(
          x,
          b.Transpose(
            y,
            Array.from({ length: rank(x) }, (_unused, i) => (i < rank(x) - 2 ? i : 2 * rank(x) - 3 - i)),
          ),
        )
      );
    },
    gemm: (b, x, pick) =>
      rank(x) === 2 ? b.Gemm({ A: x, B: constant([3, size(x, 1)], pick(50)), C: constant([3], pick(50)) }, { transB: 1 }) : undefined,
    normal: (b, x, pick) =>
      rank(x) === 0 || pick(2) ? undefined : b.LayerNormalization({ X: x, Scale: constant([size(x, rank(x) - 1)], pick(50)) }).Y,
    shape: (b, x) => (rank(x) === 0 ? undefined : b.Add(x, b.Cast(b.ReduceMax(b.Shape(x), { axes: [0], keepdims: 0 }), 'float32'))),
    fixed: (b, x, pick) => (rank(x) === 4 ? b.MaxPool(x, { kernel_shape: [1, 1], strides: [1, 1 + pick(2)] }) : undefined),
  };
  const names = Object.keys(steps);

  /** A graph made by a list of numbers: which operator, over which value. */
  function randomGraph(program: readonly (readonly [number, number, number])[]): Graph {
    const dims: Dim[] = [2, 3, 4, 2];
    const x = new Value('x', tensorType('float32', dims));
    const b = newBuilder();
    const values: Value[] = [x];
    for (const [op, from, choice] of program) {
      let state = choice;
      const pick = (n: number): number => {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        return n <= 0 ? 0 : (state >> 8) % n;
      };
      const v = values[values.length - 1 - (from % Math.min(values.length, 4))]!;
      const other = (like: Value): Value | undefined =>
        values.findLast(w => w !== like && rank(w) === rank(like) && w.shape!.every((d, i) => d === like.shape![i]));
      const made = steps[names[op % names.length]!]!(b, v, pick, other);
      if (made?.shape && made.element === 'float32' && count(made.shape as number[]) <= 6000) values.push(made);
    }
    const used = new Set(b.nodes.flatMap(n => n.inputs));
    const ends = values.filter(v => v.producer && !used.has(v));
    return new Graph('g', {
      inputs: [x],
      outputs: (ends.length > 0 ? ends : [b.Relu(x)]).map((value, i) => ({ name: `y${i}`, value })),
      nodes: b.nodes,
    });
  }
  const program = fc.array(fc.tuple(fc.nat(1000), fc.nat(10), fc.nat(2 ** 30)), { minLength: 3, maxLength: 24 });

  test('compute the same at no higher cost', { timeout: 120_000 }, async () => {
    let [before, after] = [0, 0];
    await fc.assert(
      fc.asyncProperty(program, async given => {
        const graph = randomGraph(given);
        before += transposeCost(graph);
        after += transposeCost(await settled(graph));
      }),
      { numRuns: 300 },
    );
    expect(after).toBeLessThan(0.95 * before);
  });

  test('compute the same with open sizes', { timeout: 120_000 }, async () => {
    let turned = 0;
    const sizes = { n: 2, h: 4 };
    await fc.assert(
      fc.asyncProperty(program, async given => {
        const graph = randomGraph(given);
        const open = opened(graph, tensorType('float32', [symbol('n'), 3, symbol('h'), 2]));
        if (!open) return;
        const before = transposeCost(open);
        turned += Number(transposeCost(await settled(open, sizes)) < before);
      }),
      { numRuns: 200 },
    );
    expect(turned).toBeGreaterThan(5);
  });

  /** The graph with another type of its input; undefined where its constants say other sizes. */
  function opened(graph: Graph, type: ValueType): Graph | undefined {
    try {
      return rebuild(graph, new Map([[graph.inputs[0]!, type]]));
    } catch (error) {
      if (error instanceof ModelError) return undefined;
      throw error;
    }
  }
});
