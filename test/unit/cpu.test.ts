// The native CPU addon against the reference kernels, and its own check of what it is given.
import { describe, expect, test } from 'vitest';
import { type BoundPlan, bindPlan } from '../../src/exec/bind.ts';
import { bindNative, constantsOf, nativeBackend } from '../../src/exec/cpu.ts';
import { encodePlan } from '../../src/exec/cpu-wire.ts';
import { compilePlan, type Plan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { groupRows } from '../../src/exec/rows.ts';
import { input, type Program, program } from '../../src/expr/expr.ts';
import { phrases } from '../../src/expr/phrases.ts';
import { erf } from '../../src/expr/scalar-functions.ts';
import { type Dim, symbol } from '../../src/ir/dims.ts';
import { Graph, type Output, Value } from '../../src/ir/graph.ts';
import { arrayFor, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, elementTypes, tensorType } from '../../src/ir/types.ts';
import type { Kernel } from '../../src/kernels/kernel.ts';
import { fromElements } from '../../src/kernels/memory.ts';
import { float16 } from '../../src/kernels/storage.ts';
import { wholeView } from '../../src/kernels/views.ts';
import { cpuBackend, loadCpuAddon } from '../../src/node/addon.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { shapeOf } from '../../src/ops/shapes.ts';
import { lower } from '../../src/passes/lower.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';

const addon = loadCpuAddon();
if (typeof addon === 'string') console.log(`native CPU tests are skipped: ${addon}`);

function planOf(inputs: readonly Value[], build: (b: Builder, ...x: Value[]) => readonly Value[], fuse = true): Plan {
  const b = newBuilder();
  const results = build(b, ...inputs);
  const outputs = results.map((value, i): Output => ({ name: `y${i}`, value }));
  const graph = new Graph('g', { inputs: [...inputs], outputs, nodes: [...b.nodes] });
  rewriteAll(graph, [lower]);
  return compilePlan(graph, { fuse });
}

const argument = (name: string, type: DataType, shape: readonly Dim[]): Value => new Value(name, tensorType(type, shape));

/** Numbers that repeat and are exact in every type asked for. */
function ramp(type: DataType, dims: readonly number[], scale = 1): Tensor {
  const count = dims.reduce((n, d) => n * d, 1);
  const isBig = arrayFor(type) === BigInt64Array || arrayFor(type) === BigUint64Array;
  const numbers = Array.from({ length: count }, (_, i) => (((i * 7919) % 23) - 11) * scale);
  if (type === 'float16') return new Tensor(type, Uint16Array.from(numbers, float16.encode), dims);
  return new Tensor(type, isBig ? numbers.map(n => BigInt(n)) : numbers, dims);
}

/** How many units in the last place of float32 lie between a number and what is exact. */
function unitsBetween(value: number, exact: number): number {
  const nearest = Math.fround(exact);
  if (Object.is(value, nearest) || value === nearest || (Number.isNaN(value) && Number.isNaN(nearest))) return 0;
  const unit = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(nearest)))) - 23);
  return Math.abs(value - exact) / unit;
}

/** Numbers without a pattern that a wrong place could repeat. */
const noise = (dims: readonly number[], seed = 1, size = 1): Tensor => {
  let state = seed;
  const next = (): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return (state / 1073741824 - 1) * size;
  };
  return new Tensor('float32', Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, next), dims);
};

const constantOf = (b: Builder, t: Tensor): Value => b.constant(t.data as Float32Array, 'float32', t.dims, 'w');

/** Floats around every power of two that small types come near, their halves, and what is no number. */
function oddFloats(): number[] {
  const powers = Array.from({ length: 40 }, (_, i) => 2 ** (i - 20));
  const near = powers.flatMap(p => [1, 1.0625, 1.125, 1.1875, 1.25, 1.375, 1.4375, 1.5, 1.625, 1.75, 1.9375].flatMap(m => [p * m, -p * m]));
  return [...near, 0, -0, 2 ** 127, 2 ** -126, 1e-45, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
}

async function both(plan: Plan, inputs: readonly Tensor[], sizes: ReadonlyMap<string, number> = new Map()): Promise<void> {
  const results = [];
  for (const backend of [cpuBackend(), referenceBackend({ reuse: false })]) {
    const executable = await backend.compile(plan);
    results.push(await (await executable.bind(sizes)).run(inputs));
    await executable.dispose();
  }
  const [native, reference] = results as [readonly Tensor[], readonly Tensor[]];
  for (const [i, y] of reference.entries()) expectClose(native[i]!, y);
}

function expectClose(actual: Tensor, expected: Tensor): void {
  expect([actual.type, actual.dims]).toEqual([expected.type, expected.dims]);
  const isFloat = actual.type === 'float32' || actual.type === 'float64';
  const [a, e] = [actual.data as ArrayLike<number | bigint>, expected.data as ArrayLike<number | bigint>];
  if (!isFloat) expect(plainNaN(actual)).toEqual(plainNaN(expected));
  else
    for (let i = 0; i < e.length; i++) {
      const [x, y] = [a[i] as number, e[i] as number];
      if (Object.is(x, y)) continue;
      expect(Math.abs(x - y), `element ${i}: ${x}, expected ${y}`).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(y)));
    }
}

/** Elements, with one pattern for every NaN of a half type: JavaScript does not keep their sign. */
function plainNaN({ type, data }: Tensor): (number | bigint)[] {
  const infinity = type === 'float16' ? 0x7c00 : type === 'bfloat16' ? 0x7f80 : undefined;
  return Array.from(data as ArrayLike<number | bigint>, x => (infinity !== undefined && (Number(x) & 0x7fff) > infinity ? -1 : x));
}

test('a backend without an addon says so', async () => {
  const backend = nativeBackend(() => 'no native addon in this checkout: run npm run build:native');
  expect(await backend.available()).toMatch(/run npm run build:native/);
  await expect(backend.compile({ inputs: [], outputs: [], buffers: [], guards: [], steps: [] })).rejects.toMatchObject({ code: 'E3008' });
});

describe.skipIf(typeof addon === 'string')('phrases', () => {
  const constants = [
    [2, 3, 0, 255],
    [0.25, -128, -300, 90],
    [7, 0, 40, -5],
    [0.5, 1, Number.NaN, 8],
  ];
  test.each(phrases)('$name gives what its parts give', async ({ program: { instructions, outputs }, arguments: args }) => {
    const open = args.flatMap((a, k) => (a.isConstant ? [] : [k]));
    const fixed = args.flatMap((a, k) => (a.isConstant ? [k] : []));
    for (const values of constants) {
      const given = instructions.map((i): Program['instructions'][number] =>
        i.op !== 'input'
          ? i
          : args[i.index]!.isConstant
            ? { op: 'const', type: i.type, value: i.type === 'float32' ? values[fixed.indexOf(i.index)]! : 3 }
            : { ...i, index: open.indexOf(i.index) },
      );
      const inputs = open.map((k, n) => {
        const odd = oddFloats().map(v => (n === 0 ? v : 0.5 + (Math.abs(v) % 3)));
        return args[k]!.type === 'float32' ? new Tensor('float32', odd, [odd.length]) : ramp(args[k]!.type, [odd.length], n + 1);
      });
      const { length } = oddFloats();
      const y = instructions[outputs[0]!]!.type;
      const views = open.map((k, buffer) => wholeView(buffer, args[k]!.type, [length]));
      const made = wholeView(open.length, y, [length]);
      const plan: Plan = {
        inputs: views.map((view, i) => ({ name: `x${i}`, view })),
        outputs: [{ name: 'y', view: made }],
        buffers: [
          ...views.map(v => ({ type: v.type, size: length, role: 'input' as const })),
          { type: y, size: length, role: 'output' as const },
        ],
        steps: [{ kernel: { kind: 'map', program: { instructions: given, outputs } }, inputs: views, outputs: [made], label: 'phrase' }],
        guards: [],
      };
      await both(plan, inputs);
    }
  });
});

describe.skipIf(typeof addon === 'string')('channels in blocks', () => {
  const stepsInBlocks = async (plan: Plan): Promise<string[]> =>
    (await cpuBackend().placement!(plan)).plan.steps.filter(s => s.outputs[0]!.shape.length === 5).map(s => s.kernel.kind);

  const made = (b: Builder, op: string, inputs: readonly Value[], at: Readonly<Record<string, number | readonly number[]>>): Value =>
    b.emit(op, inputs, at)[0]!;

  interface Layer {
    readonly m: number;
    readonly k?: readonly [number, number];
    readonly strides?: readonly number[];
    readonly dilations?: readonly number[];
    readonly pads?: readonly number[];
    readonly single?: boolean;
  }
  const conv = (
    b: Builder,
    x: Value,
    { m, k = [3, 3], strides = [1, 1], dilations = [1, 1], pads = [1, 1, 1, 1], single = false }: Layer,
  ): Value => {
    const channels = shapeOf(x)[1] as number;
    const dims = [m, single ? 1 : channels, ...k];
    const W = constantOf(b, noise(dims, m + channels, 1 / Math.sqrt(dims[1]! * dims[2]! * dims[3]!)));
    return made(b, 'Conv', [x, W, constantOf(b, noise([m], m))], { strides, dilations, pads, group: single ? channels : 1 });
  };

  test.each<[string, readonly number[], readonly Layer[]]>([
    ['one block', [1, 16, 9, 9], [{ m: 16 }, { m: 16 }]],
    ['few channels in, blocks that are not full', [2, 3, 11, 13], [{ m: 24 }, { m: 40 }, { m: 9 }]],
    ['many channels in', [1, 37, 6, 5], [{ m: 20 }, { m: 33, k: [1, 1], pads: [0, 0, 0, 0] }]],
    [
      'windows of one element',
      [1, 20, 15, 17],
      [
        { m: 64, k: [1, 1], pads: [0, 0, 0, 0] },
        { m: 8, k: [1, 1], pads: [0, 0, 0, 0] },
      ],
    ],
    [
      'strides',
      [1, 4, 23, 24],
      [
        { m: 16, strides: [2, 2] },
        { m: 24, strides: [2, 3] },
        { m: 16, k: [1, 1], strides: [2, 2], pads: [0, 0, 0, 0] },
      ],
    ],
    ['a stride of four over few channels', [1, 3, 40, 41], [{ m: 16, k: [11, 11], strides: [4, 4], pads: [2, 2, 2, 2] }, { m: 16 }]],
    [
      'dilations, uneven pads',
      [1, 18, 20, 19],
      [
        { m: 16, dilations: [2, 3], pads: [2, 0, 1, 5] },
        { m: 32, k: [5, 1], pads: [4, 0, 0, 0] },
      ],
    ],
    [
      'pads that are wider than the image',
      [1, 16, 3, 2],
      [
        { m: 16, k: [1, 1], pads: [40, 60, 40, 60] },
        { m: 16, k: [1, 3], pads: [0, 1, 0, 1] },
      ],
    ],
    [
      'a window that is nearly as long as may be',
      [1, 16, 5, 70],
      [
        { m: 16, k: [1, 63], pads: [0, 31, 0, 31] },
        { m: 16, single: true, k: [3, 63], pads: [1, 31, 1, 31] },
      ],
    ],
    ['negative pads', [1, 16, 12, 12], [{ m: 16, pads: [-1, 1, 1, -2] }, { m: 16 }]],
    [
      'channels for themselves',
      [2, 7, 14, 15],
      [{ m: 40 }, { m: 40, single: true }, { m: 40, single: true, strides: [2, 2], k: [5, 5], pads: [2, 2, 2, 2] }, { m: 24 }],
    ],
    ['more weights than a cache', [1, 96, 8, 30], [{ m: 272 }, { m: 48 }]],
  ])('%s', async (_, dims, layers) => {
    const plan = planOf([argument('x', 'float32', dims)], (b, x) => [layers.reduce((v, layer) => conv(b, v, layer), x!)]);
    expect(await stepsInBlocks(plan)).toContain('conv');
    await both(plan, [noise(dims)]);
  });

  test('what follows, lies between and reads it otherwise', async () => {
    for (const channels of [32, 40]) {
      const plan = planOf(
        [argument('x', 'float32', [symbol('n'), 3, 18, 20]), argument('s', 'float32', [1, channels, 1, 1])],
        (b, x, s) => {
          const first = b.Relu(conv(b, x!, { m: channels }));
          const pooled = made(b, 'MaxPool', [first], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
          const second = b.Clip({
            input: conv(b, pooled, { m: channels }),
            min: b.constant(-0.5, 'float32'),
            max: b.constant(0.75, 'float32'),
          });
          const scaled = b.Mul(b.Add(second, pooled), s!);
          const mean = made(b, 'ReduceMean', [scaled, b.ints([2, 3])], {});
          const gate = b.Sigmoid(
            conv(b, conv(b, mean, { m: 8, k: [1, 1], pads: [0, 0, 0, 0] }), { m: channels, k: [1, 1], pads: [0, 0, 0, 0] }),
          );
          const third = b.Mul(conv(b, b.Mul(scaled, gate), { m: channels, single: true }), constantOf(b, noise([channels, 1, 1], 5)));
          const last = b.Add(conv(b, third, { m: channels }), constantOf(b, noise([1, 1, 9, 10], 6)));
          return [
            last,
            b.Concat([third, b.Slice(second, { axes: [1], starts: [3], ends: [7] })], 1),
            b.Transpose(pooled, [0, 2, 3, 1]),
            mean,
          ];
        },
      );
      expect(await stepsInBlocks(plan)).toEqual(expect.arrayContaining(['conv', 'map', 'reduce']));
      for (const n of [1, 3]) await both(plan, [noise([n, 3, 18, 20]), noise([1, channels, 1, 1], 3)], new Map([['n', n]]));
    }
  });

  test.each<[string, readonly number[], readonly Layer[]]>([
    ['whole squares', [1, 16, 16, 16], [{ m: 16 }, { m: 32 }]],
    ['squares that are cut, channels that fill no block, a batch', [2, 20, 15, 22], [{ m: 24 }, { m: 40, pads: [0, 2, 1, 0] }, { m: 17 }]],
    ['many squares from a plain image', [1, 40, 70, 66], [{ m: 16 }, { m: 16, k: [1, 1], pads: [0, 0, 0, 0] }]],
  ])('Winograd: %s', async (_, dims, layers) => {
    const plan = planOf([argument('x', 'float32', dims), argument('s', 'float32', [1, layers.at(-1)!.m, 1, 1])], (b, x, s) => {
      const last = layers.reduce((v, layer, i) => (i > 0 ? conv(b, b.Relu(v), layer) : conv(b, v, layer)), x!);
      return [b.Add(b.Mul(last, s!), last)];
    });
    const { steps } = (await cpuBackend({ winograd: true }).placement!(plan)).plan;
    expect(steps.some(({ kernel }) => kernel.kind === 'conv' && kernel.winograd)).toBe(true);
    const inputs = [noise(dims), noise([1, layers.at(-1)!.m, 1, 1], 4)];
    const results = [];
    for (const backend of [cpuBackend({ winograd: true }), referenceBackend()])
      results.push((await (await (await backend.compile(plan)).bind(new Map())).run(inputs))[0]!.data as Float32Array);
    const [made, expected] = results as [Float32Array, Float32Array];
    const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expect(made.reduce((worst, v, i) => Math.max(worst, Math.abs(v - expected[i]!)), 0) / largest).toBeLessThan(1e-5);
  });

  test('NaN goes through maxima, and what a block holds beyond its channels goes nowhere', async () => {
    const x = noise([1, 20, 8, 8]);
    (x.data as Float32Array)[70] = Number.NaN;
    const plan = planOf([argument('x', 'float32', [1, 20, 8, 8])], (b, v) => {
      const first = b.Reciprocal(b.Relu(conv(b, v!, { m: 20, k: [1, 1], pads: [0, 0, 0, 0] })));
      return [made(b, 'MaxPool', [conv(b, b.Min(first, b.constant(1, 'float32')), { m: 12 })], { kernel_shape: [2, 2] })];
    });
    await both(plan, [x]);
  });
});

describe.skipIf(typeof addon === 'string')('native CPU', () => {
  test('map, reduction and matmul with a symbolic batch, bound twice', async () => {
    const x = argument('x', 'float32', [symbol('batch'), 5, 33]);
    const weights = ramp('float32', [33, 20], 0.125);
    const plan = planOf([x], (b, v) => {
      const w = b.constant(weights.data as Float32Array, 'float32', [33, 20], 'w');
      const y = b.Relu(b.Add(b.MatMul(v!, w), b.constant(0.5, 'float32')));
      return [b.ReduceSum(y, { axes: [1] }), b.ReduceMax(b.Mul(v!, v!), { axes: [0, 2], keepdims: 0 }), b.Exp(b.Neg(b.Abs(v!)))];
    });
    for (const batch of [3, 8]) await both(plan, [ramp('float32', [batch, 5, 33], 0.25)], new Map([['batch', batch]]));
  });

  test.each(['float32', 'float64', 'int8', 'uint16', 'int32', 'int64', 'uint64'] as const)(
    '%s: broadcast, transposed views, slices, concatenation and reductions',
    async type => {
      const plan = planOf([argument('x', type, [4, 1, 6]), argument('y', type, [3, 6])], (b, x, y) => {
        const sum = b.Add(x!, y!);
        const turned = b.Transpose(b.Mul(sum, x!), [2, 0, 1]);
        const back = b.Slice(turned, { axes: [0, 1], starts: [5, 0], ends: [-7, 3], steps: [-2, 1] });
        const glued = b.Concat([back, back], 1);
        const all = { axes: [0, 2] };
        return [glued, b.ReduceSum(glued, all), b.ReduceProd(x!, all), b.ReduceMax(sum, all), b.ReduceMin(sum, all)];
      });
      await both(plan, [ramp(type, [4, 1, 6]), ramp(type, [3, 6])]);
    },
  );

  test.each([
    [1, 1, 1],
    [5, 300, 17],
    [64, 513, 270],
    [3, 0, 4],
  ])('matmul of %i x %i by %i, with a batch and a transposed operand', async (m, k, n) => {
    for (const type of ['float32', 'float64', 'int32', 'int64', 'uint16', 'int8'] as const) {
      const plan = planOf([argument('a', type, [2, m, k]), argument('b', type, [n, k])], (b, x, y) => [
        b.MatMul(x!, b.Transpose(y!, [1, 0])),
      ]);
      await both(plan, [ramp(type, [2, m, k]), ramp(type, [n, k])]);
    }
  });

  test.each([
    [{}, 1],
    [{ strides: [2, 1], pads: [1, 2, 0, 1] }, 1],
    [{ dilations: [2, 2], pads: [2, 2, 2, 2], group: 2 }, 2],
  ])('conv with %j', async (at, group) => {
    const plan = planOf(
      [argument('x', 'float32', [2, 4, 9, 7]), argument('w', 'float32', [6, 4 / group, 3, 2]), argument('b', 'float32', [6])],
      (b, x, w, bias) => [b.Conv(x!, w!, bias, at), b.Conv(x!, w!, undefined, at)],
    );
    await both(plan, [ramp('float32', [2, 4, 9, 7]), ramp('float32', [6, 4 / group, 3, 2], 0.25), ramp('float32', [6])]);
  });

  test.each([
    ['a product', 1, {}],
    ['windows that move by two', 1, { strides: [2, 2], pads: [1, 1, 1, 1] }],
    ['windows far apart', 1, { dilations: [3, 2], pads: [3, 2, 3, 2] }],
    ['channels of their own', 6, { pads: [1, 1, 1, 1] }],
    ['channels of their own, windows that move', 6, { strides: [2, 3], pads: [1, 0, 0, 1] }],
  ] as const)('conv with what follows it: %s', async (_, group, at) => {
    const [x, w] = [argument('x', 'float32', [2, 6, 13, 9]), argument('bias', 'float32', [12, 1, 1])];
    const weights = ramp('float32', [12, 6 / group, 3, 3], 0.125);
    const plan = planOf([x, w], (b, v, bias) => {
      const y = b.Conv(v!, constantOf(b, weights), undefined, { ...at, group });
      return [b.Min(b.Relu(b.Add(y, bias!)), b.constant(6, 'float32'))];
    });
    expect(plan.steps.map(s => [s.kernel.kind, s.joins])).toEqual([
      ['conv', undefined],
      ['map', true],
    ]);
    await both(plan, [ramp('float32', [2, 6, 13, 9]), ramp('float32', [12, 1, 1])]);
  });

  test.each([
    ['a batch with the same weights', [5, 3, 40], [40, 19]],
    ['rows of one', [70, 1, 40], [40, 19]],
    ['other weights for each', [5, 3, 40], [5, 40, 19]],
  ] as const)('matmul with what follows it: %s', async (_, left, right) => {
    const plan = planOf([argument('a', 'float32', left), argument('c', 'float32', [19])], (b, a, c) => [
      b.Tanh(b.Add(b.MatMul(a!, constantOf(b, ramp('float32', right, 0.125))), c!)),
    ]);
    expect(plan.steps.at(-1)!.joins).toBe(true);
    await both(plan, [ramp('float32', left, 0.0625), ramp('float32', [19], 0.0625)]);
  });

  test('softmax, a normalisation and attention run row by row, at every size', async () => {
    const [heads, words] = [symbol('heads'), symbol('words')];
    const inputs = ['q', 'k', 'v'].map(name => argument(name, 'float32', [1, heads, words, 8]));
    const plan = planOf(inputs, (b, q, k, v) => {
      const scores = b.Softmax({ input: b.Mul(b.MatMul(q!, b.Transpose(k!, [0, 1, 3, 2])), b.constant(0.125, 'float32')) });
      const mean = b.ReduceMean({ data: v!, axes: b.constant([-1], 'int64') });
      const apart = b.Sub(v!, mean);
      return [b.MatMul(scores, v!), b.Div(apart, b.Sqrt(b.ReduceMean({ data: b.Mul(apart, apart), axes: b.constant([-1], 'int64') })))];
    });
    const { plan: grouped, groups } = groupRows(plan);
    expect(
      groups.map(g => [
        grouped.steps
          .slice(g.first, g.first + g.count)
          .map(s => s.kernel.kind)
          .join(' '),
        g.axes,
      ]),
    ).toEqual([
      ['reduce map map', 3],
      ['matmul map reduce map reduce map matmul', 3],
      ['map reduce map map', 3],
    ]);
    for (const sizes of [
      [1, 1],
      [3, 50],
      [2, 131],
    ] as const) {
      const feeds = inputs.map(() => ramp('float32', [1, sizes[0], sizes[1], 8], 0.125));
      const known = new Map([
        ['heads', sizes[0]],
        ['words', sizes[1]],
      ]);
      await both(plan, feeds, known);
      expect(bindPlan(grouped, known, { rows: groups }).arena).toBeLessThan(bindPlan(plan, known).arena);
    }
  });

  test.each([
    ['Exp', 2, Math.exp],
    ['Log', 2, Math.log],
    ['Tanh', 3, Math.tanh],
    ['Erf', 3, erf],
  ] as const)('%s is right to %i units in the last place', async (op, most, exact) => {
    const bits = Uint32Array.from({ length: 2 ** 17 }, (_, i) => i * 32771);
    const x = new Tensor('float32', new Float32Array(bits.buffer), [bits.length]);
    const plan = planOf([argument('x', 'float32', [bits.length])], (b, v) => [b[op](v!)]);
    const executable = await cpuBackend().compile(plan);
    const [y] = await (await executable.bind(new Map())).run([x]);
    const worst = { units: 0, at: 0 };
    (y!.data as Float32Array).forEach((value, i) => {
      const at = (x.data as Float32Array)[i]!;
      const want = exact(at);
      const units = unitsBetween(value, want);
      if (units > worst.units) Object.assign(worst, { units, at });
    });
    expect(worst.units, `at ${worst.at}`).toBeLessThanOrEqual(most);
  });

  test.each([
    ['one row', [1, 300], [300, 70]],
    ['rows beyond a tile', [13, 257], [257, 33]],
    ['a batch with the same weights', [3, 7, 40], [40, 19]],
    ['many small products', [12, 5, 8], [12, 8, 6]],
    ['nothing to add up', [3, 0], [0, 4]],
  ] as const)('matmul with constant weights: %s', async (_, left, right) => {
    const plan = planOf([argument('a', 'float32', left)], (b, a) => [b.MatMul(a!, constantOf(b, ramp('float32', right, 0.125)))]);
    await both(plan, [ramp('float32', left)]);
  });

  test.each([
    ['one tap', [2, 5, 6, 7], [9, 5, 1, 1], {}],
    ['a stride', [1, 3, 17, 19], [20, 3, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }],
    ['more columns than a block', [1, 2, 20, 21], [3, 2, 3, 3], { pads: [1, 1, 1, 1] }],
    ['more depth than a block', [1, 40, 5, 5], [7, 40, 3, 3], { pads: [1, 1, 1, 1] }],
    ['groups', [3, 8, 6, 6], [12, 2, 3, 3], { group: 4, pads: [0, 1, 1, 0] }],
    ['a channel each', [2, 6, 9, 40], [6, 1, 3, 3], { group: 6, pads: [1, 1, 1, 1] }],
    [
      'two of each channel, a stride and a dilation',
      [1, 4, 9, 12],
      [8, 1, 3, 2],
      { group: 4, strides: [1, 2], dilations: [2, 3], pads: [2, 1, 0, 3] },
    ],
    ['a window beyond the image', [1, 2, 3, 2], [2, 1, 5, 7], { group: 2, pads: [2, 3, 2, 3] }],
    ['small images of a batch', [7, 5, 4, 5], [9, 5, 3, 3], { pads: [1, 1, 1, 1] }],
    ['outputs of one element, in groups', [70, 4, 3, 3], [6, 2, 3, 3], { group: 2 }],
    ['small images, a stride and a dilation', [6, 3, 7, 6], [4, 3, 2, 2], { strides: [2, 3], dilations: [2, 1], pads: [1, 0, 1, 1] }],
    ['few outputs of many channels', [1, 40, 7, 7], [64, 40, 3, 3], { pads: [1, 1, 1, 1] }],
    ['few outputs of many channels, a stride and a batch', [2, 64, 17, 17], [70, 64, 3, 3], { strides: [2, 2], pads: [1, 1, 0, 0] }],
    ['few outputs of many channels, one tap', [2, 300, 9, 9], [64, 300, 1, 1], {}],
    ['few outputs of many channels, in groups', [1, 128, 5, 13], [128, 64, 3, 3], { group: 2, pads: [1, 1, 1, 1] }],
    ['one axis', [2, 3, 50], [4, 3, 5], { strides: [3], pads: [2, 2] }],
    ['three axes', [1, 2, 4, 5, 6], [3, 2, 2, 3, 2], { pads: [1, 0, 1, 0, 1, 0], dilations: [1, 2, 1] }],
  ] as const)('conv with constant weights: %s', async (_, shape, weights, at) => {
    const plan = planOf([argument('x', 'float32', shape)], (b, x) => {
      const w = constantOf(b, ramp('float32', weights, 0.25));
      const bias = constantOf(b, ramp('float32', [weights[0]]));
      return [b.Conv(x!, w, bias, at), b.Relu(b.Conv(b.Neg(x!), w, undefined, at))];
    });
    await both(plan, [ramp('float32', shape, 0.5)]);
  });

  test.each([
    ['as a product', [2, 3, 30, 9], [5, 3, 3, 3], 1],
    ['with few outputs', [1, 64, 7, 7], [64, 64, 3, 3], 1],
    ['of a batch of small images', [5, 4, 5, 5], [6, 4, 3, 3], 1],
    ['of a channel each', [1, 6, 12, 12], [6, 1, 3, 3], 6],
  ] as const)('what follows a conv %s: its ends, which NaN passes, and a sum', async (_, shape, weights, group) => {
    const plan = planOf([argument('x', 'float32', shape)], (b, x) => {
      const conv = (): Value => b.Conv(x!, constantOf(b, ramp('float32', weights, 0.25)), undefined, { group, pads: [1, 1, 1, 1] });
      const ends = [b.constant(-1.5, 'float32'), b.constant(2.5, 'float32')] as const;
      return [
        b.Relu(conv()),
        b.Max(b.Min(conv(), ends[1]), ends[0]),
        b.Min(b.Max(ends[0], conv()), ends[1]),
        b.Relu(b.Add(conv(), conv())),
      ];
    });
    expect(plan.steps.filter(s => s.joins).length).toBeGreaterThan(2);
    const x = ramp('float32', shape, 0.5);
    (x.data as Float32Array)[3] = Number.NaN;
    await both(plan, [x]);
  });

  test.each([2, 3])('transposed convolution whose squares of %i lie side by side', async k => {
    const [n, c, m, h, w] = [2, 3, 5, 4, 6];
    const [x, weights, bias] = [ramp('float32', [n, c, h, w], 0.25), ramp('float32', [c, m, k, k], 0.125), ramp('float32', [m])];
    const plan = planOf([argument('x', 'float32', [symbol('n'), c, symbol('h'), symbol('w')])], (b, v) => [
      b.emit('ConvTranspose', [v!, constantOf(b, weights), constantOf(b, bias)], { strides: [k, k] })[0]!,
    ]);
    const expected = new Float32Array(n * m * h * k * w * k);
    for (let at = 0; at < expected.length; at++) {
      const [column, row, to, image] = [
        at % (w * k),
        Math.floor(at / (w * k)) % (h * k),
        Math.floor(at / (w * k * h * k)) % m,
        Math.floor(at / (w * k * h * k * m)),
      ];
      let sum = bias.data[to] as number;
      for (let from = 0; from < c; from++)
        sum +=
          (x.data[((image * c + from) * h + Math.floor(row / k)) * w + Math.floor(column / k)] as number) *
          (weights.data[((from * m + to) * k + (row % k)) * k + (column % k)] as number);
      expected[at] = sum;
    }
    for (const backend of [cpuBackend(), referenceBackend()]) {
      const sizes = new Map(Object.entries({ n, h, w }));
      const [y] = await (await (await backend.compile(plan)).bind(sizes)).run([x]);
      expectClose(y!, new Tensor('float32', expected, [n, m, h * k, w * k]));
    }
  });

  test('conv with weights that are turned and come with the run, as gradients have them', async () => {
    const plan = planOf([argument('x', 'float32', [9, 8, 4, 3]), argument('w', 'float32', [8, 5, 3, 3])], (b, x, w) => [
      b.Relu(b.emit('ConvTranspose', [x!, w!], { pads: [1, 1, 1, 1] })[0]!),
    ]);
    await both(plan, [ramp('float32', [9, 8, 4, 3], 0.5), ramp('float32', [8, 5, 3, 3], 0.25)]);
  });

  test('a map that joins a product and reads what the product reads writes elsewhere', async () => {
    const plan = planOf([argument('x', 'float32', [40, 24])], (b, x) => {
      const w = constantOf(b, ramp('float32', [24, 24], 0.125));
      const read = b.Exp(x!);
      const made = b.Add(b.MatMul(read, w), read);
      return [b.ReduceSum(made, { axes: [0] }), b.MatMul(made, w)];
    });
    expect(plan.steps.some(s => s.joins)).toBe(true);
    await both(plan, [ramp('float32', [40, 24], 0.0625)]);
  });

  test('pool: maximum, average with and without padding', async () => {
    const window = { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 1, 1, 0] };
    const plan = planOf([argument('x', 'float32', [2, 3, 8, 9])], (b, x) => [
      b.MaxPool(x!, window),
      b.AveragePool(x!, window),
      b.AveragePool(x!, { ...window, count_include_pad: 1 }),
    ]);
    await both(plan, [ramp('float32', [2, 3, 8, 9])]);
  });

  test.each([
    ['a stride', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
    ['a dilation', { kernel_shape: [2, 3], dilations: [2, 2], pads: [1, 2, 0, 0] }],
    ['a count rounded up', { kernel_shape: [3, 2], strides: [2, 3], ceil_mode: 1 }],
    ['windows apart', { kernel_shape: [1, 2], strides: [3, 5] }],
  ] as const)('maxima with %s, of what is no number too', async (_, window) => {
    const plan = planOf([argument('x', 'float32', [2, 3, 19, 38])], (b, x) => [
      b.MaxPool(x!, window),
      b.MaxPool(b.Transpose(x!, [0, 1, 3, 2]), window),
    ]);
    const x = ramp('float32', [2, 3, 19, 38]);
    for (const [at, value] of [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY].entries())
      (x.data as Float32Array)[101 * at] = value;
    await both(plan, [x]);
  });

  test('gather takes negative indices and refuses those outside their axis', async () => {
    const plan = planOf([argument('x', 'float32', [3, 4, 2]), argument('i', 'int64', [2, 2])], (b, x, i) => [b.Gather(x!, i!, 1)]);
    const x = ramp('float32', [3, 4, 2]);
    await both(plan, [x, new Tensor('int64', [0n, -1n, 3n, -4n], [2, 2])]);
    const bound = await (await cpuBackend().compile(plan)).bind(new Map());
    const failed = bound.run([x, new Tensor('int64', [0n, 1n, 4n, 0n], [2, 2])]);
    await expect(failed).rejects.toMatchObject({ code: 'E3006', message: 'index 4 is outside axis 1 of size 4' });
    await expect(failed).rejects.toHaveProperty(['findings', 0, 'node', 'op'], expect.stringMatching(/^Gather/));
  });

  test.each([
    [0, [700], [64, 20]],
    [1, [40, 3], [30, 9, 40]],
    [2, [2], [90, 60, 4]],
    [0, [], [3, 20000]],
  ] as const)('gather along axis %i in parts', async (axis, indices, shape) => {
    const count = indices.reduce((n: number, d) => n * d, 1);
    const plan = planOf([argument('x', 'float32', shape), argument('i', 'int64', indices)], (b, x, i) => [b.Gather(x!, i!, axis)]);
    const places = Array.from({ length: count }, (_, i) => BigInt((i * 5) % shape[axis]!) - BigInt(i % 2 ? shape[axis]! : 0));
    await both(plan, [ramp('float32', shape), new Tensor('int64', places, indices)]);
  });

  test.each([0, 1])('topk along axis %i in parts', async axis => {
    const plan = planOf([argument('x', 'float32', [200, 300])], (b, x) => {
      const { Values, Indices } = b.TopK({ X: x!, K: b.constant([7n], 'int64', [1]) }, { axis });
      return [Values, Indices];
    });
    await both(plan, [ramp('float32', [200, 300])]);
  });

  test('float16 and bfloat16 are loaded and stored as the reference does', async () => {
    const every = new Tensor(
      'float16',
      Uint16Array.from({ length: 65536 }, (_, i) => i),
      [65536],
    );
    const brain = new Tensor(
      'bfloat16',
      Uint16Array.from({ length: 65536 }, (_, i) => i),
      [65536],
    );
    const plan = planOf([argument('h', 'float16', [65536]), argument('b', 'bfloat16', [65536])], (b, h, f) => [
      b.Cast(h!, 'float32'),
      b.Neg(h!),
      b.Cast(b.Cast(f!, 'float32'), 'float16'),
      b.Abs(f!),
    ]);
    await both(plan, [every, brain]);
  });

  test.each(
    Object.entries(elementTypes).flatMap(([name, { bits, class: kind }]) =>
      bits > 0 && bits <= 8 && kind !== 'bool' ? [name as DataType] : [],
    ),
  )('%s: every pattern of bits is loaded and stored as the reference does', async type => {
    const { bits, class: kind } = elementTypes[type];
    const stored = fromElements(type, new (arrayFor(type))(Array.from({ length: 2 ** bits }, (_, i) => i) as never) as Uint8Array, [
      2 ** bits,
    ]);
    const numbers = Float32Array.from(kind === 'float' ? oddFloats() : Array.from({ length: 256 }, (_, i) => i - 128));
    const plan = planOf([argument('x', type, [2 ** bits]), argument('f', 'float32', [numbers.length])], (b, x, f) => [
      b.Cast(x!, 'float32'),
      b.Identity(x!),
      b.Cast(f!, type),
    ]);
    await both(plan, [stored, new Tensor('float32', numbers, [numbers.length])]);
  });

  test.each(['float32', 'int64', 'int32', 'uint8', 'float16'] as const)('scatter of %s in every way', async type => {
    const data = argument('x', type, [3, 4, 2]);
    const ways = type === 'float16' ? (['none'] as const) : (['none', 'add', 'mul', 'max', 'min'] as const);
    for (const reduction of ways) {
      const elements = planOf([data, argument('i', 'int64', [2, 4, 1]), argument('u', type, [2, 4, 1])], (b, x, i, u) => [
        b.ScatterElements({ data: x!, indices: i!, updates: u! }, { axis: 1, reduction }),
      ]);
      const along = new Tensor('int64', [0n, 1n, -1n, 3n, 2n, 2n, 2n, -4n], [2, 4, 1]);
      await both(elements, [ramp(type, [3, 4, 2]), along, ramp(type, [2, 4, 1], 2)]);
      const slices = planOf([data, argument('i', 'int64', [3, 2]), argument('u', type, [3, 2])], (b, x, i, u) => [
        b.ScatterND({ data: x!, indices: i!, updates: u! }, { reduction }),
      ]);
      const places = new Tensor('int64', [0n, 1n, -1n, 3n, 0n, 1n], [3, 2]);
      await both(slices, [ramp(type, [3, 4, 2]), places, ramp(type, [3, 2], 2)]);
    }
  });

  test('scatter refuses places outside their axis', async () => {
    const plan = planOf([argument('x', 'float32', [3]), argument('i', 'int64', [1]), argument('u', 'float32', [1])], (b, x, i, u) => [
      b.ScatterElements({ data: x!, indices: i!, updates: u! }),
    ]);
    const bound = await (await cpuBackend().compile(plan)).bind(new Map());
    const failed = bound.run([ramp('float32', [3]), new Tensor('int64', [-4n], [1]), ramp('float32', [1])]);
    await expect(failed).rejects.toMatchObject({ code: 'E3006', message: 'index -4 is outside axis 0 of size 3' });
  });

  test('an empty batch gives empty results and identities', async () => {
    const plan = planOf([argument('x', 'float32', [symbol('n'), 3])], (b, x) => [
      b.Exp(x!),
      b.ReduceSum(x!, { axes: [0] }),
      b.ReduceMax(x!, { axes: [0] }),
    ]);
    await both(plan, [ramp('float32', [0, 3])], new Map([['n', 0]]));
  });

  test('what is lacking is refused before anything runs, all of it', async () => {
    const a = wholeView(0, 'complex64', [2]);
    const h = wholeView(1, 'float16', [2]);
    const step = (kernel: Kernel, view: typeof a, label: string) => ({ kernel, inputs: [view], outputs: [view], label });
    const plan: Plan = {
      guards: [],
      inputs: [],
      outputs: [],
      buffers: [
        { type: 'complex64', size: 2, role: 'temporary' },
        { type: 'float16', size: 2, role: 'temporary' },
      ],
      steps: [step({ kind: 'copy' }, a, 'Identity'), step({ kind: 'reduce', by: 'sum' }, h, 'ReduceSum')],
    };
    const message = 'backend cpu lacks copy on complex64 (Identity), reduce on float16 (ReduceSum)';
    await expect(cpuBackend().compile(plan)).rejects.toMatchObject({ code: 'E3008', message });
  });

  test('concurrent runs do not disturb each other, and inputs may change at once', async () => {
    const plan = planOf([argument('x', 'float32', [64, 64])], (b, x) => [b.ReduceSum(b.MatMul(x!, x!), { axes: [0, 1], keepdims: 0 })]);
    const bound = await (await cpuBackend().compile(plan)).bind(new Map());
    const runs = Array.from({ length: 24 }, (_, i) => {
      const data = new Float32Array(64 * 64).fill(i);
      const running = bound.run([new Tensor('float32', data, [64, 64])]);
      data.fill(Number.NaN);
      return running;
    });
    const results = await Promise.all(runs);
    expect(results.map(([y]) => (y!.data as Float32Array)[0])).toEqual(runs.map((_, i) => i * i * 64 ** 3));
  });
});

/** A plan with one step that is right as it is: y = copy of the transpose of x [2,3]. */
function soundPlan(): BoundPlan {
  const x = argument('x', 'float32', [2, 3]);
  return bindPlan(
    planOf([x], (b, v) => [b.Transpose(v!, [1, 0])]),
    new Map(),
  );
}

describe.skipIf(typeof addon === 'string')('the native check', () => {
  const change = (plan: BoundPlan, view: object): BoundPlan => ({
    ...plan,
    steps: plan.steps.map(s => ({ ...s, inputs: s.inputs.map(v => v && { ...v, ...view }) })),
  });
  const mapOf = (instructions: Parameters<typeof program>[0]) => ({ kind: 'map', program: program(instructions) }) as const;
  const spoilt: Readonly<Record<string, readonly [string, (plan: BoundPlan) => BoundPlan]>> = {
    'an offset beyond the end': ['E3005', p => change(p, { offset: 1 })],
    'a negative reach': ['E3005', p => change(p, { strides: [-1, 3] })],
    'a stride that overflows': ['E3005', p => change(p, { offset: 0, strides: [2 ** 53 - 1, 2 ** 53 - 1], shape: [2 ** 40, 2] })],
    'a negative size': ['E3005', p => change(p, { shape: [-3, 2] })],
    'another type': ['E3008', p => change(p, { type: 'int32' })],
    'another shape': ['E3008', p => change(p, { shape: [3, 1] })],
    'a buffer that does not exist': ['E3005', p => change(p, { buffer: 9 })],
    'a smaller buffer': ['E3005', p => ({ ...p, buffers: p.buffers.map(b => ({ ...b, size: b.size - 1 })) })],
    'an input that is written': ['E3008', p => ({ ...p, steps: p.steps.map(s => ({ ...s, outputs: s.inputs.map(v => v!) })) })],
    'a constant without bytes': ['E3005', p => ({ ...p, buffers: [...p.buffers, { type: 'float32', size: 4, role: 'constant' }] })],
    'a temporary outside the arena': [
      'E3005',
      p => ({ ...p, buffers: [...p.buffers, { type: 'float32', size: 4, role: 'temporary', offset: p.arena }] }),
    ],
    'a program that reads another type': [
      'E3008',
      p => ({ ...p, steps: p.steps.map(s => ({ ...s, kernel: mapOf([input(0, 'float64')]) })) }),
    ],
    'a program that reads an input that is not there': [
      'E3008',
      p => ({ ...p, steps: p.steps.map(s => ({ ...s, kernel: mapOf([input(3, 'float32')]) })) }),
    ],
    'an axis that is not there': ['E3008', p => ({ ...p, steps: p.steps.map(s => ({ ...s, kernel: { kind: 'gather', axis: 7 } })) })],
    'a fraction among the words': ['E9001', p => change(p, { offset: 0.5 })],
  };
  test('takes the plan that is right', async () => {
    const bound = await bound1(soundPlan());
    const [y] = await bound.run([new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3])]);
    expect([...(y!.data as Float32Array)]).toEqual([1, 4, 2, 5, 3, 6]);
  });
  test.each(Object.keys(spoilt))('refuses %s', async name => {
    const [code, spoil] = spoilt[name]!;
    await expect(bound1(spoil(soundPlan()))).rejects.toMatchObject({ code });
  });
  test.each([
    ['takes Winograd of a whole block of channels', true, 16, [3, 3], true],
    ['refuses Winograd of fewer channels', false, 3, [3, 3], true],
    ['refuses Winograd of other windows', false, 16, [1, 3], true],
    ['takes a window of 64', true, 16, [1, 64], false],
    ['refuses a longer window of blocks', false, 16, [1, 65], false],
    ['refuses a window of nothing', false, 16, [0, 3], false],
  ] as const)('%s', async (_, isSound, channels, taps, winograd) => {
    const [x, w, y] = [
      wholeView(0, 'float32', [1, channels, 4, 4]),
      wholeView(1, 'float32', [16, channels, ...taps]),
      wholeView(2, 'float32', [1, 1, 4, 4, 16]),
    ];
    const weights = new Tensor('float32', new Float32Array(16 * channels * taps[0] * taps[1]), [...w.shape] as number[]);
    const kernel = { kind: 'conv', strides: [1, 1], dilations: [1, 1], pads: [1, 1], group: 1, ...(winograd && { winograd }) } as const;
    const plan: Plan = {
      inputs: [{ name: 'x', view: x }],
      outputs: [{ name: 'y', view: y }],
      buffers: [
        { type: 'float32', size: channels * 16, role: 'input' },
        { type: 'float32', size: weights.size, role: 'constant', tensor: weights },
        { type: 'float32', size: 256, role: 'output' },
      ],
      steps: [{ kernel, inputs: [x, w], outputs: [y], label: 'conv' }],
      guards: [],
    };
    const binding = cpuBackend()
      .compile(plan)
      .then(executable => executable.bind(new Map()));
    if (isSound) expect((await (await binding).run([noise([1, channels, 4, 4])]))[0]!.dims).toEqual([1, 1, 4, 4, 16]);
    else await expect(binding).rejects.toMatchObject({ code: 'E3008' });
  });
  test('a run that is stopped says why', async () => {
    const bound = await bound1(soundPlan());
    const x = new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]);
    const stop = new AbortController();
    let asked = 0;
    const proceed = (): void => {
      if (asked++ > 0) throw new Error('enough');
    };
    const running = bound.run([x], { proceed, stop: stop.signal });
    stop.abort();
    // Either the run was over before, or it ends with the reason.
    const end = await running.then(
      () => 'it ran to its end',
      error => String(error),
    );
    expect(['Error: enough', 'it ran to its end']).toContain(end);
    await expect(bound.run([x], { proceed, stop: stop.signal })).rejects.toThrow('enough');
  });
  test('a long run is stopped in the middle', async () => {
    const size = 1500;
    const x = argument('x', 'float32', [size, size]);
    const plan = planOf([x], (b, v) => [Array.from({ length: 40 }).reduce<Value>(y => b.MatMul(y, v!), v!)]);
    const model = { backend: cpuBackend() };
    const executable = await model.backend.compile(plan);
    const bound = await executable.bind(new Map());
    const stop = AbortSignal.timeout(20);
    const proceed = (): void => {
      if (stop.aborted) throw new Error('over');
    };
    await expect(bound.run([new Tensor('float32', new Float32Array(size * size), [size, size])], { proceed, stop })).rejects.toThrow(
      'over',
    );
  });
  test('steps are timed', async () => {
    const bound = await bound1(soundPlan());
    const times: number[] = [];
    await bound.run([new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3])], { record: (_, ms) => times.push(ms) });
    expect(times).toHaveLength(bound.plan.steps.length);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
  });
  test('runs again after it was disposed of, also while it ran', async () => {
    const bound = await bound1(soundPlan());
    const x = new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]);
    const [first] = await bound.run([x]);
    const running = bound.run([x]);
    await bound.dispose();
    await bound.dispose();
    expect((await running)[0]!.data).toEqual(first!.data);
    expect((await bound.run([x]))[0]!.data).toEqual(first!.data);
  });
  test('a plan that was released is refused', async () => {
    if (typeof addon === 'string') throw new Error(addon);
    const plan = soundPlan();
    const { words, names } = encodePlan(plan);
    const handle = addon.bind(words, names, await constantsOf(addon, plan), 1, 2 ** 40);
    addon.release(handle);
    const refused = expect.objectContaining({ code: 'E9001', message: 'native: a handle that was released' });
    expect(() => addon.release(handle)).toThrow(refused);
    expect(() => addon.run(handle, [], new Uint8Array(), [])).toThrow(refused);
    expect(() => addon.release({})).toThrow(expect.objectContaining({ code: 'E9001' }));
  });
  test('bindings of one executable take their memory from each other', async () => {
    const plan = planOf([argument('x', 'float32', [symbol('n'), 3])], (b, x) => [b.MatMul(b.Exp(x!), b.Transpose(b.Neg(x!), [1, 0]))]);
    const executable = await cpuBackend().compile(plan);
    const sizes = [4, 900, 30, 1, 900];
    const bound = await Promise.all(sizes.map(n => executable.bind(new Map([['n', n]]))));
    const made = await Promise.all(sizes.map((n, i) => bound[i]!.run([new Tensor('float32', new Float32Array(3 * n).fill(1), [n, 3])])));
    for (const [i, [t]] of made.entries()) {
      expect(t!.dims).toEqual([sizes[i], sizes[i]]);
      expect([...(t!.data as Float32Array)].every(v => Math.abs(v + 3 * Math.E) < 1e-5)).toBe(true);
    }
  });
  test('refuses an input that is too short', async () => {
    const bound = await bound1(soundPlan());
    await expect(bound.run([new Tensor('float32', [1, 2], [2])])).rejects.toMatchObject({ code: 'E3003' });
  });

  async function bound1(plan: BoundPlan) {
    if (typeof addon === 'string') throw new Error(addon);
    return bindNative(addon, plan, await constantsOf(addon, plan));
  }
});
