// Gradients on the graph: the driver, broadcasting, errors. Numbers are central differences in float64; operators one by one are
// compared by `npm run ops -- grad` and test/interop/gradients.py.
import { describe, expect, test } from 'vitest';
import type { ModelError } from '../../src/errors.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type Shape, tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { rows } from '../../src/ops/index.ts';
import type { OpName } from '../../src/ops/names.gen.ts';
import { modelGradients } from '../../src/train/gradient/index.ts';
import { gradientRows } from '../../src/train/gradient/rows/index.ts';
import { gradientSamples } from '../samples/gradients.ts';

const opsets = new Map([['', 28]]);
const input = (name: string, shape: Shape, type = 'float64' as const): Value => new Value(name, tensorType(type, shape));
const modelOf = (inputs: Value[], build: (b: Builder, ...x: Value[]) => Value): Model => {
  const b = newBuilder();
  const y = build(b, ...inputs);
  return new Model(new Graph('g', { inputs, outputs: [{ name: 'y', value: y }], nodes: b.nodes }), { irVersion: 14, opsets });
};
const noise = (dims: number[], seed: number): Tensor =>
  new Tensor(
    'float64',
    Float64Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin((i + 1) * 1.7 + seed * 2.3)),
    dims,
  );

async function numbers(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, number[]>> {
  const made = await (await Session.create(model, { backend: referenceBackend() })).run(feeds);
  return Object.fromEntries(Object.entries(made).map(([name, t]) => [name, [...(t.data as Float64Array)]]));
}

/** That the gradients by all inputs are what central differences of the sum of the outputs say. */
async function expectExact(model: Model, feeds: Record<string, Tensor>): Promise<void> {
  const names = Object.keys(feeds);
  const derived = await numbers(modelGradients(model, { wrt: names }), feeds);
  const sum = async (at: Record<string, Tensor>): Promise<number> => (await numbers(model, at))['y']!.reduce((a, b) => a + b, 0);
  for (const name of names) {
    const { data, dims, type } = feeds[name]!;
    for (let i = 0; i < data.length; i++) {
      const moved = async (by: number): Promise<number> => {
        const changed = Float64Array.from(data as Float64Array);
        changed[i] = changed[i]! + by;
        return sum({ ...feeds, [name]: new Tensor(type, changed, dims) });
      };
      const difference = ((await moved(1e-6)) - (await moved(-1e-6))) / 2e-6;
      expect(derived[`${name}.grad`]![i], `${name}[${i}]`).toBeCloseTo(difference, 6);
    }
  }
}

test('every operator with a gradient has a sample, but for those of the host', () => {
  const sampled = new Set<string>(gradientSamples.map(s => s.op));
  const missing = Object.entries(gradientRows).flatMap(([op, { kind }]) =>
    ['zero', 'none', 'gap'].includes(kind) || sampled.has(op) || 'host' in rows[op as OpName] ? [] : [op],
  );
  expect(missing).toEqual([]);
});

describe('a perceptron', () => {
  const perceptron = modelOf([input('x', [4, 3]), input('w', [3, 5]), input('c', [5]), input('v', [2, 5])], (b, x, w, c, v) => {
    const hidden = b.Relu(b.Add(b.MatMul(x, w), c));
    const out = b.Sigmoid(b.Gemm({ A: hidden, B: v }, { transB: 1 }));
    return b.ReduceMean({ data: b.Mul(out, out) }, { keepdims: 0 });
  });
  const feeds = { x: noise([4, 3], 1), w: noise([3, 5], 2), c: noise([5], 3), v: noise([2, 5], 4) };
  test('has the gradients of central differences', () => expectExact(perceptron, feeds));
  test('is of opset 21 and of the standard alone', () => {
    const made = modelGradients(perceptron, { wrt: ['w'] });
    expect([...made.opsets]).toEqual([['', 21]]);
    expect(made.graph.outputs.map(o => o.name)).toEqual(['y', 'w.grad']);
  });
});

describe('broadcasting is undone', () => {
  test.each([
    [[2, 3], [3]],
    [
      [2, 1],
      [1, 3],
    ],
    [[], [2, 2]],
    [
      [1, 3, 1],
      [2, 1, 2],
    ],
  ])('%j and %j', (p, q) =>
    expectExact(
      modelOf([input('p', p), input('q', q)], (b, x, y) => b.Mul(x, b.Exp(y))),
      { p: noise(p, 1), q: noise(q, 2) },
    ),
  );

  const open = modelOf([input('p', [symbol('n'), 2]), input('q', [symbol('m'), 2])], (b, x, y) => b.Mul(x, b.Exp(y)));
  test.each([
    [1, 3],
    [3, 1],
    [3, 3],
    [1, 1],
  ])('of open sizes that come to %j and %j', (n, m) => expectExact(open, { p: noise([n, 2], 1), q: noise([m, 2], 2) }));

  test('of products with batches and vectors', async () => {
    for (const [p, q] of [
      [
        [2, 3],
        [4, 3, 2],
      ],
      [[3], [4, 3, 2]],
      [
        [2, 1, 2, 3],
        [4, 3, 2],
      ],
      [[3], [3]],
      [
        [4, 2, 3],
        [3, 2],
      ],
      [[4, 2, 3], [3]],
    ] as const)
      await expectExact(
        modelOf([input('p', p), input('q', q)], (b, x, y) => b.Sin(b.MatMul(x, y))),
        { p: noise([...p], 1), q: noise([...q], 2) },
      );
  });
});

test('a value that is read twice gets the sum', () =>
  expectExact(
    modelOf([input('x', [3])], (b, x) => b.Mul(b.Sin(x), b.Add(x, b.Cos(x)))),
    { x: noise([3], 1) },
  ));

/** The body of a loop over inputs with these names. */
const bodyOf = (inputs: Value[], build: (b: Builder, ...x: Value[]) => readonly Value[]): Graph => {
  const b = newBuilder();
  const made = build(b, ...inputs);
  return new Graph('body', { inputs, outputs: made.map((value, i) => ({ name: `out_${i}`, value })), nodes: b.nodes });
};

describe('nested graphs', () => {
  const feeds = { x: noise([4, 3], 1), w: noise([3, 3], 2) };
  const inputs = (): [Value, Value] => [input('x', [4, 3]), input('w', [3, 3])];
  const row = { x: noise([3], 1), w: noise([3], 2) };
  const rows = (): [Value, Value] => [input('x', [3]), input('w', [3])];

  test.each([
    ['taken', 1],
    ['not taken', -1],
  ])('an If whose branches read other values, %s', (_, sign) => {
    const model = modelOf(rows(), (b, x, w) => {
      const condition = b.Less(
        b.constant(0, 'float64'),
        b.Mul(b.ReduceSum(b.Mul(x, x), { axes: [0], keepdims: 0 }), b.constant(sign, 'float64')),
      );
      const then_branch = bodyOf([], inner => [inner.Mul(x, w)]);
      const else_branch = bodyOf([], inner => [inner.Sin(x)]);
      return b.Exp(b.emit('If', [condition], { then_branch, else_branch })[0]!);
    });
    return expectExact(model, row);
  });

  test.each([
    ['forward', 0],
    ['backward', 1],
  ])('a Scan with a captured weight, slices in and out, %s', (_, reversed) => {
    const model = modelOf(inputs(), (b, x, w) => {
      const body = bodyOf([input('h', [1, 3]), input('slice', [3])], (inner, h, slice) => {
        const next = inner.Tanh(inner.Add(inner.MatMul(h, w), slice));
        return [next, inner.Mul(next, slice)];
      });
      const start = b.constant([0.1, 0.2, 0.3], 'float64', [1, 3]);
      const at = { body, num_scan_inputs: 1, scan_input_directions: [reversed], scan_output_directions: [reversed] };
      const [last, all] = b.emit('Scan', [start, x], at, { outputs: ['last', 'all'] }) as readonly [Value, Value];
      return b.Add(last, b.ReduceSum(b.Sin(all), { axes: [0], keepdims: 0 }));
    });
    return expectExact(model, feeds);
  });

  test('a Loop that ends when the run says so, with an If inside', () => {
    const model = modelOf(rows(), (b, x, w) => {
      const round = new Value('i', tensorType('int64', []));
      const going = new Value('going', tensorType('bool', []));
      const body = bodyOf([round, going, input('s', [3])], (inner, i, _going, s) => {
        const isFirst = inner.Equal(i, inner.constant(0, 'int64'));
        const then_branch = bodyOf([], own => [own.Mul(s, own.Cos(w))]);
        const else_branch = bodyOf([], own => [own.Add(s, own.Mul(x, w))]);
        const next = inner.emit('If', [isFirst], { then_branch, else_branch })[0]!;
        const size = inner.ReduceSum(inner.Mul(next, next), { axes: [0], keepdims: 0 });
        return [inner.Less(size, inner.constant(4, 'float64')), next, inner.Exp(next)];
      });
      const [last, all] = b.emit(
        'Loop',
        [b.constant(6, 'int64'), b.constant(true, 'bool'), x],
        { body },
        { outputs: ['last', 'all'] },
      ) as readonly [Value, Value];
      return b.Add(last, b.ReduceSum(all, { axes: [0], keepdims: 0 }));
    });
    return expectExact(model, row);
  });
});

test('a function of the model is gone through, with the attribute of its caller', async () => {
  const [x, p] = [input('x', [3]), new Value('p')];
  const b = newBuilder();
  const reference = { kind: 'reference', value: 'slope', of: 'float' } as const;
  const leaky = b.emit('LeakyRelu', [b.emit('Sin', [p])[0]], { alpha: reference })[0]!;
  const body = new Graph('leak', { inputs: [p], outputs: [{ name: 'q', value: leaky }], nodes: b.nodes });
  const leak = { domain: 'own', name: 'Leak', overload: '', body, attributes: ['slope'], defaults: new Map(), opsets, meta: {} };
  const main = newBuilder();
  const y = main.emit('Leak', [x], { slope: { kind: 'float', value: 0.25 } }, { domain: 'own' })[0]!;
  y.type = x.type;
  const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: main.Exp(y) }], nodes: main.nodes });
  const model = new Model(graph, { irVersion: 14, opsets: new Map([...opsets, ['own', 1]]), functions: [leak] });
  await expectExact(model, { x: noise([3], 1) });
});

describe('sequences of known items', () => {
  test.each([
    ['parts of one size', (b: Builder, x: Value) => b.emit('SplitToSequence', [x, b.constant(2, 'int64')], { axis: 1 })[0]!],
    ['parts of given sizes', (b: Builder, x: Value) => b.emit('SplitToSequence', [x, b.ints([1, 4])], { axis: 1 })[0]!],
    ['single places', (b: Builder, x: Value) => b.emit('SplitToSequence', [x], { axis: 1, keepdims: 0 })[0]!],
    [
      'an item inserted and one taken away',
      (b: Builder, x: Value) => {
        const pair = b.emit('SequenceConstruct', [b.Sin(x), b.Cos(x)], {})[0]!;
        const three = b.emit('SequenceInsert', [pair, b.Exp(x), b.constant(0, 'int64')], {})[0]!;
        return b.emit('SequenceErase', [three, b.constant(1, 'int64')], {})[0]!;
      },
    ],
  ])('%s', (_, make) =>
    expectExact(
      modelOf([input('x', [2, 5])], (b, x) => {
        const items = make(b, x);
        const second = b.emit('SequenceAt', [items, b.constant(1, 'int64')], {})[0]!;
        return b.Mul(b.Sin(second), b.emit('SequenceAt', [items, b.constant(-2, 'int64')], {})[0]!);
      }),
      { x: noise([2, 5], 1) },
    ),
  );
  test('an optional that has its element', () =>
    expectExact(
      modelOf([input('x', [3])], (b, x) => {
        const optional = b.emit('Optional', [b.Sin(x)], {})[0]!;
        return b.Exp(b.emit('OptionalGetElement', [optional], {})[0]!);
      }),
      { x: noise([3], 1) },
    ));
  test('joined again', () =>
    expectExact(
      modelOf([input('x', [2, 4])], (b, x) => {
        const items = b.emit('SplitToSequence', [b.Sin(x), b.constant(2, 'int64')], { axis: 1 })[0]!;
        return b.Exp(b.emit('ConcatFromSequence', [items], { axis: 0, new_axis: 1 })[0]!);
      }),
      { x: noise([2, 4], 1) },
    ));
});

describe('the gradient of a gradient', () => {
  const twice = async (model: Model, feeds: Record<string, Tensor>): Promise<void> => {
    const once = modelGradients(model, { wrt: ['x'] });
    // Of the first gradient alone, which stands for the output.
    const first = new Model(new Graph('first', { ...once.graph, outputs: [{ ...once.graph.outputs.at(-1)!, name: 'y' }] }), once);
    await expectExact(first, feeds);
  };
  test('of a perceptron with softmax', () =>
    twice(
      modelOf([input('x', [2, 3]), input('w', [3, 4])], (b, x, w) =>
        b.Mul(b.Softmax({ input: b.Tanh(b.MatMul(x, w)) }), b.constant([1, 2, -1, 3], 'float64')),
      ),
      { x: noise([2, 3], 1), w: noise([3, 4], 2) },
    ));
  test('of a convolution, a pool and a normalisation', () =>
    twice(
      modelOf([input('x', [1, 1, 3, 3]), input('w', [2, 1, 2, 2]), input('s', [2])], (b, x, w, s) => {
        const pooled = b.AveragePool(b.Sin(b.Conv(x, w, undefined, { pads: [0, 1, 1, 0] })), { kernel_shape: [2, 2] });
        return b.emit('InstanceNormalization', [pooled, s, s])[0]!;
      }),
      { x: noise([1, 1, 3, 3], 1), w: noise([2, 1, 2, 2], 2), s: noise([2], 3) },
    ));
  test('of a Scan', () =>
    twice(
      modelOf([input('x', [3, 2]), input('w', [2])], (b, x, w) => {
        const body = bodyOf([input('h', [2]), input('slice', [2])], (inner, h, slice) => {
          const next = inner.Sin(inner.Mul(inner.Add(h, slice), w));
          return [next];
        });
        return b.emit('Scan', [b.constant([0.5, 1], 'float64', [2]), x], { body, num_scan_inputs: 1 })[0]!;
      }),
      { x: noise([3, 2], 1), w: noise([2], 2) },
    ));
});

describe('functions of our own', () => {
  const layer = modelOf([input('x', [2, 4]), input('w', [4])], (b, x, w) => b.Softmax({ input: b.emit('LayerNormalization', [x, w])[0]! }));
  const feeds = { x: noise([2, 4], 1), w: noise([4], 2) };
  test('are calls with bodies of the standard, or those bodies', async () => {
    const calls = modelGradients(layer, { wrt: ['x', 'w'] });
    expect(calls.functions.map(f => `${f.domain}.${f.name}`)).toEqual(['ai.omnix.SoftmaxGrad', 'ai.omnix.LayerNormGrad']);
    expect(calls.functions.flatMap(f => f.body.nodes).every(node => node.domain === '')).toBe(true);
    const plain = modelGradients(layer, { wrt: ['x', 'w'], inline: true });
    expect(plain.functions).toEqual([]);
    expect(await numbers(calls, feeds)).toEqual(await numbers(plain, feeds));
  });
  test('are written once for each signature', () => {
    const b = newBuilder();
    const [x, w] = [input('x', [2, 4]), input('w', [4])];
    const first = b.emit('LayerNormalization', [x, w])[0]!;
    const second = b.emit('LayerNormalization', [b.Sin(first), w])[0]!;
    const third = b.emit('LayerNormalization', [b.Reshape(second, [8]), b.constant([1], 'float64', [1])])[0]!;
    const graph = new Graph('g', { inputs: [x, w], outputs: [{ name: 'y', value: third }], nodes: b.nodes });
    const made = modelGradients(new Model(graph, { irVersion: 14, opsets }), { wrt: ['x', 'w'] });
    expect(made.functions.map(f => `${f.name} ${f.overload}`)).toEqual(['LayerNormGrad 0', 'LayerNormGrad 1']);
  });
});

describe('errors', () => {
  const codeOf = (model: Model, wrt: string[]): string => {
    try {
      modelGradients(model, { wrt });
      return 'none';
    } catch (error) {
      return `${(error as ModelError).code} ${(error as ModelError).message}`;
    }
  };
  test('a loss that depends on nothing that is trained', () => {
    const model = modelOf([input('x', [3]), input('w', [3])], (b, x) => b.Sin(x));
    expect(codeOf(model, ['w'])).toMatch(/^E6001 .*depends on none/);
  });
  test('a path that is cut', () => {
    const model = modelOf([input('x', [3])], (b, x) => b.Sin(b.Cast(b.emit('ArgMax', [b.Exp(x)], { axis: 0 })[0]!, 'float64')));
    expect(codeOf(model, ['x'])).toMatch(
      /^E6002 no gradient reaches "?x"?: ArgMax has none \(its result is a place\); the path is Exp, ArgMax, Cast, Sin$/,
    );
  });
  test('steps have zeros', async () => {
    const model = modelOf([input('x', [2]), input('w', [2])], (b, x, w) => b.Add(b.Floor(x), w));
    expect((await numbers(modelGradients(model, { wrt: ['x', 'w'] }), { x: noise([2], 1), w: noise([2], 2) }))['x.grad']).toEqual([0, 0]);
  });
  test('an operator whose gradient is not said', () => {
    const model = modelOf(
      [input('x', [1, 1, 4, 4]), input('r', [1, 5])],
      (b, x, r) => b.emit('MaxRoiPool', [x, r], { pooled_shape: [2, 2] })[0]!,
    );
    expect(codeOf(model, ['x'])).toMatch(/^E6003 no gradient reaches "?x"?: MaxRoiPool has none/);
  });
  test('a state that grows', () => {
    const model = modelOf([input('x', [2])], (b, x) => {
      const [i, on] = [new Value('i', tensorType('int64', [])), new Value('on', tensorType('bool', []))];
      const body = bodyOf([i, on, input('s', [2])], (inner, _i, going, s) => [inner.Identity(going), inner.Concat([s, s], 0)]);
      return b.emit('Loop', [b.constant(2, 'int64'), b.constant(true, 'bool'), x], { body })[0]!;
    });
    expect(codeOf(model, ['x'])).toMatch(/^E6003 Loop: the state s is float64\[2\] before a round and float64\[4\] after it/);
  });
  test('what is no float', () => {
    const b = newBuilder();
    const x = new Value('x', tensorType('int64', [3]));
    const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: b.Cast(x, 'float64') }], nodes: b.nodes });
    expect(codeOf(new Model(graph, { irVersion: 14, opsets }), ['x'])).toMatch(/^E6004/);
  });
});
