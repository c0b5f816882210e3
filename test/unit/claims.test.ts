// Products that the native backend claims: weights of few bits, halves and integers of 8 bits, against the reference backend, which computes
// what the plan said before.
import { describe, expect, test } from 'vitest';
import { type BoundPlan, bindPlan } from '../../src/exec/bind.ts';
import { bindNative, constantsOf } from '../../src/exec/cpu.ts';
import { compilePlan, fusePlan, type Plan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { fromElements } from '../../src/kernels/memory.ts';
import { cpuBackend, loadCpuAddon } from '../../src/node/addon.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { lower } from '../../src/passes/lower.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';

const addon = loadCpuAddon();
const backend = cpuBackend();

/** Numbers in no order that anything could depend on. */
const scattered = (n: number, most: number, salt = 0): number[] =>
  Array.from({ length: n }, (_, i) => (((i + salt) * 7919 + (i >> 3) * 31) % 9973) % (most + 1));
const sizeOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);
const bytes = (type: DataType, dims: readonly number[], salt = 0): Tensor =>
  type === 'int8'
    ? new Tensor(
        type,
        scattered(sizeOf(dims), 254, salt).map(x => x - 127),
        dims,
      )
    : new Tensor(type, scattered(sizeOf(dims), 255, salt), dims);
const nibbles = (type: DataType, dims: readonly number[], salt = 0): Tensor =>
  fromElements(type, Uint8Array.from(scattered(sizeOf(dims), 15, salt)), dims);
const floats = (dims: readonly number[], scale = 1, salt = 0): Tensor =>
  new Tensor(
    'float32',
    scattered(sizeOf(dims), 2000, salt).map(x => (x / 1000 - 1) * scale),
    dims,
  );
const scales = (dims: readonly number[]): Tensor =>
  new Tensor(
    'float32',
    scattered(sizeOf(dims), 90).map(x => (x + 10) / 1000),
    dims,
  );
const constant = (t: Tensor): Value => new Value('', undefined, { tensor: t });
const scalar = (type: DataType, value: number): Value => constant(new Tensor(type, [value], []));

type Build = (b: Builder, x: Value) => Value;

/** The plan before maps are joined. */
function planOf(x: Tensor, build: Build): Plan {
  const b = newBuilder();
  const input = new Value('x', tensorType(x.type, x.dims));
  const value = build(b, input);
  const graph = new Graph('g', { inputs: [input], outputs: [{ name: 'y', value }], nodes: [...b.nodes] });
  rewriteAll(graph, [lower]);
  return compilePlan(graph, { fuse: false });
}

async function run(plan: Plan, x: Tensor, on: typeof backend): Promise<Tensor> {
  const executable = await on.compile(plan);
  const [y] = await (await executable.bind(new Map())).run([x]);
  await executable.dispose();
  return y!;
}

/** The claimed plan, whose results are those of the reference: integers to the last, floats to a rounding. */
async function claimed(x: Tensor, build: Build): Promise<Plan> {
  const plan = planOf(x, build);
  const made = await backend.claim!(plan);
  const [native, reference] = [await run(fusePlan(made), x, backend), await run(plan, x, referenceBackend())];
  expect([native.type, native.dims]).toEqual([reference.type, reference.dims]);
  const [a, e] = [native.data as ArrayLike<number>, reference.data as ArrayLike<number>];
  if (native.type !== 'float32') expect(Array.from(a)).toEqual(Array.from(e));
  else {
    const largest = Array.from(e).reduce((n, v) => Math.max(n, Number.isFinite(v) ? Math.abs(v) : 0), 1);
    for (let i = 0; i < e.length; i++)
      if (!Object.is(a[i], e[i]))
        expect(Math.abs(a[i]! - e[i]!), `element ${i}: ${a[i]}, expected ${e[i]}`).toBeLessThanOrEqual(1e-5 * largest);
  }
  return made;
}

const productOf = (plan: Plan) => plan.steps.find(s => s.kernel.kind === 'matmul' || s.kernel.kind === 'conv')!;
const typesOf = (plan: Plan) => productOf(plan).inputs.map(v => v?.type);

describe.skipIf(typeof addon === 'string')('weights of few bits', () => {
  test.each([
    ['int4', undefined, 16],
    ['int4', 'int4', 16],
    ['uint4', 'uint4', 32],
    ['int8', undefined, 16],
    ['int8', 'int8', 24],
  ] as const)('DequantizeLinear of %s with zero points of %s, a scale for %i steps', async (type, zeroType, block_size) => {
    const [depth, columns] = [72, 37];
    const of = (t: DataType, dims: readonly number[], salt: number): Tensor =>
      t.endsWith('4')
        ? nibbles(t, dims, salt)
        : new Tensor(
            t,
            scattered(sizeOf(dims), 100, salt).map(v => v - 50),
            dims,
          );
    const blocks = [Math.ceil(depth / block_size), columns];
    for (const rows of [1, 2, 3, 4, 5, 33]) {
      const plan = await claimed(floats([rows, depth]), (b, x) => {
        const zero = zeroType && constant(of(zeroType, blocks, 3));
        const w = b.DequantizeLinear(
          { x: constant(of(type, [depth, columns], 1)), x_scale: constant(scales(blocks)), ...(zero && { x_zero_point: zero }) },
          { axis: 0, block_size },
        );
        return b.Relu(b.Add(b.MatMul(x, w), constant(floats([columns]))));
      });
      expect(productOf(plan).kernel).toEqual({ kind: 'matmul', block: block_size });
    }
  });

  test.each([
    [4, false, 64],
    [4, true, 64],
    [8, true, 64],
    [2, false, 64],
    [4, true, 50],
  ] as const)('MatMulNBits of %i bits, with zero points: %s, of %i steps', async (bits, hasZeros, K) => {
    const [N, block_size] = [19, 16];
    const blocks = Math.ceil(K / block_size);
    const plan = await claimed(floats([2, 3, K]), (b, A) => {
      const B = constant(bytes('uint8', [N, blocks, (block_size * bits) / 8]));
      // Differences from the zero point have 8 bits with a sign.
      const zeros = new Tensor(
        'uint8',
        scattered(N * Math.ceil((blocks * bits) / 8), bits === 8 ? 1 : 255).map(z => (bits === 8 ? 127 + z : z)),
        [N, Math.ceil((blocks * bits) / 8)],
      );
      const limited =
        bits === 8
          ? constant(
              new Tensor(
                'uint8',
                scattered(N * blocks * block_size, 253).map(v => v + 1),
                [N, blocks, block_size],
              ),
            )
          : B;
      return b.emit(
        'MatMulNBits',
        [A, limited, constant(scales([N, blocks])), hasZeros ? constant(zeros) : undefined],
        { K, N, bits, block_size },
        { domain: 'com.microsoft' },
      )[0]!;
    });
    expect(productOf(plan).kernel).toEqual({ kind: 'matmul', block: block_size });
  });

  test('one scale for each column, and for all', async () => {
    for (const scale of [scales([21]), new Tensor('float32', [0.25], [])])
      for (const rows of [1, 9]) {
        const plan = await claimed(floats([rows, 13]), (b, x) =>
          b.MatMul(x, b.DequantizeLinear({ x: constant(bytes('int8', [13, 21])), x_scale: constant(scale) }, { axis: 1 })),
        );
        expect(productOf(plan).kernel).toEqual({ kind: 'matmul', block: 13 });
      }
  });
});

test.skipIf(typeof addon === 'string')('steps of which one output is read stay whole', async () => {
  const x = floats([1, 2, 8]);
  const plan = planOf(x, b => b.TopK({ X: constant(x), K: constant(new Tensor('int64', [3n], [1])) }).Indices);
  const kept = (await backend.claim!(plan)).steps.find(s => s.kernel.kind === 'topk')!;
  expect(kept.outputs).toHaveLength(2);
  expect((await run(await backend.claim!(plan), x, backend)).dims).toEqual([1, 2, 3]);
});

describe.skipIf(typeof addon === 'string')('halves', () => {
  test.each(['float16', 'bfloat16'] as const)('%s weights, every kind of number among them', async type => {
    const [depth, columns] = [67, 21];
    // Infinities and NaN have columns of their own, which others do not see.
    const endless = type === 'float16' ? [0x7c00, 0xfc00, 0x7e00] : [0x7f80, 0xff80, 0x7fc0];
    const bits = scattered(depth * columns, 0x3fff).map((v, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      if (row === 5 && column < 3) return endless[column]!;
      return (type === 'float16' ? v : 0x3000 + (v >> 2)) | (i % 3 === 0 ? 0x8000 : 0);
    });
    for (const rows of [1, 2, 4, 6, 30]) {
      const plan = await claimed(floats([rows, depth]), (b, x) =>
        b.MatMul(x, b.Cast(constant(new Tensor(type, Uint16Array.from(bits), [depth, columns])), 'float32')),
      );
      expect(typesOf(plan)).toEqual(['float32', type]);
    }
  });

  test('a product in halves is one in float32 with weights of halves', async () => {
    const x = new Tensor('float16', Uint16Array.from(scattered(3 * 40, 0x3fff)), [3, 40]);
    const plan = await claimed(x, (b, v) =>
      b.MatMul(v, constant(new Tensor('float16', Uint16Array.from(scattered(40 * 24, 0x2fff)), [40, 24]))),
    );
    expect(typesOf(plan)).toEqual(['float32', 'float16']);
  });
});

test.skipIf(typeof addon === 'string')('a second batch reads what the first had packed', async () => {
  const [depth, columns] = [40, 24];
  const w = constant(new Tensor('float16', Uint16Array.from(scattered(depth * columns, 0x2fff)), [depth, columns]));
  const b = newBuilder();
  const input = new Value('x', tensorType('float32', [symbol('n'), 3, depth]));
  const graph = new Graph('g', { inputs: [input], outputs: [{ name: 'y', value: b.MatMul(input, b.Cast(w, 'float32')) }], nodes: b.nodes });
  rewriteAll(graph, [lower]);
  const plan = compilePlan(graph, { fuse: false });
  const made = await backend.claim!(plan);
  expect(typesOf(made)).toEqual(['float32', 'float16']);
  const executable = await backend.compile(made);
  for (const batch of [2, 5]) {
    const bound = await executable.bind(new Map([['n', batch]]));
    expect((await bound.run([floats([batch, 3, depth])]))[0]!.dims).toEqual([batch, 3, columns]);
  }
  await executable.dispose();
});

describe.skipIf(typeof addon === 'string')('integers of 8 bits', () => {
  const windows = [
    {},
    { strides: [2, 1], pads: [1, 2, 0, 1] },
    { dilations: [2, 2], pads: [2, 2, 2, 2], group: 2 },
    { strides: [3, 3], pads: [3, 3, 3, 3] },
    { dilations: [60, 60], pads: [60, 30, 60, 30] },
  ];
  test.each(windows.flatMap(at => (['uint8', 'int8'] as const).map(type => [at, type] as const)))(
    'a convolution with %j of %s',
    async (at, type) => {
      const group = 'group' in at ? (at.group ?? 1) : 1;
      const w = bytes('int8', [14, 10 / group, 3, 2]);
      const zero = scalar(type, type === 'int8' ? -13 : 119);
      const x = bytes(type, [2, 10, 23, 19]);
      const parts: Build[] = [
        (b, v) => b.ConvInteger({ x: v, w: constant(w), x_zero_point: zero }, at),
        (b, v) => b.ConvInteger({ x: v, w: constant(w) }, at),
        (b, v) =>
          b.QLinearConv(
            {
              x: v,
              x_scale: scalar('float32', 0.02),
              x_zero_point: zero,
              w: constant(w),
              w_scale: constant(scales([14])),
              w_zero_point: constant(new Tensor('int8', new Int8Array(14), [14])),
              y_scale: scalar('float32', 3),
              y_zero_point: zero,
              B: constant(new Tensor('int32', scattered(14, 9000), [14])),
            },
            at,
          ),
      ];
      for (const build of parts) expect(typesOf(await claimed(x, build)).slice(0, 2)).toEqual([type, 'int8']);
    },
  );

  test.each([1, 4, 5, 40])('MatMulInteger and QLinearMatMul with %i rows', async rows => {
    for (const type of ['uint8', 'int8'] as const) {
      const [a_zero_point, B] = [scalar(type, type === 'int8' ? -100 : 200), constant(bytes('int8', [71, 37]))];
      const x = bytes(type, [2, rows, 71]);
      for (const build of [
        (b, A) => b.MatMulInteger({ A, B, a_zero_point }),
        (b, A) => b.MatMulInteger({ A, B }),
        (b, a) =>
          b.QLinearMatMul({
            a,
            a_scale: scalar('float32', 0.02),
            a_zero_point,
            b: B,
            b_scale: scalar('float32', 0.01),
            b_zero_point: scalar('int8', 0),
            y_scale: scalar('float32', 1),
            y_zero_point: a_zero_point,
          }),
      ] as Build[])
        expect(typesOf(await claimed(x, build)).slice(0, 2)).toEqual([type, 'int8']);
    }
  });

  test('uint8 weights around 128, and numbers quantised in the run', async () => {
    const plan = await claimed(floats([7, 40], 3), (b, v) => {
      const { y, y_scale, y_zero_point } = b.DynamicQuantizeLinear({ x: v });
      const w = new Tensor(
        'uint8',
        scattered(40 * 24, 254).map(n => n + 1),
        [40, 24],
      );
      const sums = b.MatMulInteger({ A: y, B: constant(w), a_zero_point: y_zero_point, b_zero_point: scalar('uint8', 128) });
      return b.Mul(b.Cast(sums, 'float32'), b.Mul(y_scale, scalar('float32', 0.01)));
    });
    expect(typesOf(plan)).toEqual(['uint8', 'int8', 'uint8']);
  });

  /** What stands between quantised tensors. */
  const island =
    (type: 'uint8' | 'int8', layer: (b: Builder, x: Value) => Value): Build =>
    (b, x) => {
      const [x_scale, x_zero_point] = [scalar('float32', 0.03), scalar(type, 7)];
      const y = layer(b, b.DequantizeLinear({ x, x_scale, x_zero_point }));
      return b.QuantizeLinear({ x: b.Relu(y), y_scale: scalar('float32', 0.9), y_zero_point: scalar(type, 3) });
    };
  test.each(['uint8', 'int8'] as const)('what lies between %s tensors', async type => {
    const weights = (b: Builder, dims: readonly number[], axis: number): Value =>
      b.DequantizeLinear(
        {
          x: constant(bytes('int8', dims)),
          x_scale: constant(scales([dims[axis]!])),
          x_zero_point: constant(new Tensor('int8', new Int8Array(dims[axis]!), [dims[axis]!])),
        },
        { axis },
      );
    const layers: readonly (readonly [Tensor, (b: Builder, x: Value) => Value])[] = [
      [bytes(type, [1, 8, 17, 21]), (b, x) => b.Conv(x, weights(b, [12, 8, 3, 3], 0), constant(floats([12])), { pads: [1, 1, 1, 1] })],
      [bytes(type, [2, 5, 33]), (b, x) => b.Add(b.MatMul(x, weights(b, [33, 18], 1)), constant(floats([18])))],
      [bytes(type, [6, 33]), (b, x) => b.Gemm({ A: x, B: weights(b, [18, 33], 0), C: constant(floats([18])) }, { transB: 1 })],
    ];
    for (const [x, layer] of layers) {
      const plan = await claimed(x, island(type, layer));
      expect(typesOf(plan).slice(0, 2)).toEqual([type, 'int8']);
      // The map that quantises runs on the sums while they are in a cache.
      expect(fusePlan(plan).steps.map(s => [s.kernel.kind, s.joins])).toEqual([
        [productOf(plan).kernel.kind, undefined],
        ['map', true],
      ]);
    }
  });
});

describe.skipIf(typeof addon === 'string')('a product that stays says why', () => {
  const table = (dims: readonly number[]): Value => constant(floats(dims));
  const rows: Readonly<Record<string, readonly [string, Tensor, Build]>> = {
    'scales along the depth': [
      'a scale for 1 steps, and blocks are multiples of 8',
      floats([2, 16]),
      (b, x) => b.MatMul(x, b.DequantizeLinear({ x: constant(bytes('int8', [16, 8])), x_scale: constant(scales([16])) }, { axis: 0 })),
    ],
    'numbers that are not whole': [
      'no whole numbers',
      floats([2, 16]),
      (b, x) => b.MatMul(x, b.Mul(table([16, 8]), constant(scales([8])))),
    ],
    'weights of the sum of two': [
      'no product of numbers and scales',
      floats([2, 16]),
      (b, x) => b.MatMul(x, b.Add(table([16, 8]), table([16, 8]))),
    ],
    'weights that are zero elsewhere': [
      'no whole numbers of 8 bits',
      bytes('uint8', [2, 16]),
      (b, A) => b.MatMulInteger({ A, B: constant(bytes('uint8', [16, 8])), b_zero_point: scalar('uint8', 3) }),
    ],
    'channels for themselves': [
      'each channel is for itself',
      bytes('uint8', [1, 4, 9, 9]),
      (b, x) => b.ConvInteger({ x, w: constant(bytes('int8', [4, 1, 3, 3])) }, { group: 4 }),
    ],
  };
  test.each(Object.keys(rows))('%s', async name => {
    const [reason, x, build] = rows[name]!;
    expect(productOf(await claimed(x, build)).unclaimed).toContain(reason);
  });
});

describe.skipIf(typeof addon === 'string')('the native check of claimed products', () => {
  async function bound(change: (plan: BoundPlan) => BoundPlan) {
    const x = floats([2, 32]);
    const plan = planOf(x, (b, v) =>
      b.MatMul(
        v,
        b.DequantizeLinear({ x: constant(bytes('int8', [32, 8])), x_scale: constant(scales([2, 8])) }, { axis: 0, block_size: 16 }),
      ),
    );
    const changed = change(bindPlan(fusePlan(await backend.claim!(plan)), new Map()));
    if (typeof addon === 'string') throw new Error(addon);
    return bindNative(addon, changed, await constantsOf(addon, changed));
  }
  const step =
    (change: (s: BoundPlan['steps'][number]) => BoundPlan['steps'][number]) =>
    (p: BoundPlan): BoundPlan => ({ ...p, steps: p.steps.map(change) });
  const input = (at: number, view: object) =>
    step(s => ({ ...s, inputs: s.inputs.map((v, i) => (i === at && v ? { ...v, ...view } : v)) }));
  test('takes what is right', async () => {
    await bound(p => p);
  });
  test.each([
    ['another block', step(s => ({ ...s, kernel: { kind: 'matmul', block: 8 } }))],
    ['a block that words cross', step(s => ({ ...s, kernel: { kind: 'matmul', block: 20 } }))],
    ['no block', step(s => ({ ...s, kernel: { kind: 'matmul' } }))],
    ['no scales', step(s => ({ ...s, inputs: s.inputs.slice(0, 2) }))],
    ['fewer scales', input(2, { shape: [1, 8] })],
    ['scales in another order', input(2, { strides: [1, 2] })],
    ['another depth', input(1, { shape: [24, 8] })],
    [
      'weights of the run',
      (p: BoundPlan): BoundPlan => ({
        ...p,
        buffers: p.buffers.map(b => (b.type === 'int8' ? { ...b, role: 'temporary', offset: 0 } : b)),
        arena: 4096,
      }),
    ],
  ] as const)('refuses %s', async (_, change) => {
    await expect(bound(change)).rejects.toMatchObject({ code: 'E3008' });
  });
});
