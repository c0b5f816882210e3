// Every element type: its numbers and bits at the edges, as the standard and OCP Microscaling Formats 1.0 define them, what Cast
// makes of numbers, and that types below 8 bits go through a plan.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor, type TypedArray } from '../../src/ir/tensor.ts';
import { type DataType, elementTypes, tensorType } from '../../src/ir/types.ts';
import { elementsOf, fromElements } from '../../src/kernels/memory.ts';
import { computeType, decodeElement, encodeElement } from '../../src/kernels/storage.ts';
import { cpuBackend } from '../../src/node/addon.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { irVersionFor, newestOpset } from '../../src/ops/schema.ts';

const nan = Number.NaN;
const inf = Number.POSITIVE_INFINITY;

/** Bits and the number they stand for: zeros, the least subnormal and normal, one, the largest, and what is no number. */
const bitsOf: Partial<Record<DataType, readonly (readonly [number, number])[]>> = {
  float16: [
    [0x0001, 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x7bff, 65504],
    [0x7c00, inf],
    [0xfc00, -inf],
    [0x8000, -0],
    [0x7e00, nan],
  ],
  bfloat16: [
    [0x0001, 2 ** -133],
    [0x0080, 2 ** -126],
    [0x3f80, 1],
    [0x7f7f, 255 * 2 ** 120],
    [0x7f80, inf],
    [0xff80, -inf],
    [0x8000, -0],
    [0x7fc0, nan],
  ],
  float8e4m3fn: [
    [0x01, 2 ** -9],
    [0x07, 7 * 2 ** -9],
    [0x08, 2 ** -6],
    [0x38, 1],
    [0x7e, 448],
    [0xfe, -448],
    [0x80, -0],
    [0x7f, nan],
  ],
  float8e4m3fnuz: [
    [0x01, 2 ** -10],
    [0x07, 7 * 2 ** -10],
    [0x08, 2 ** -7],
    [0x40, 1],
    [0x7f, 240],
    [0xff, -240],
    [0x00, 0],
    [0x80, nan],
  ],
  float8e5m2: [
    [0x01, 2 ** -16],
    [0x03, 3 * 2 ** -16],
    [0x04, 2 ** -14],
    [0x3c, 1],
    [0x7b, 57344],
    [0x7c, inf],
    [0xfc, -inf],
    [0x80, -0],
    [0x7e, nan],
  ],
  float8e5m2fnuz: [
    [0x01, 2 ** -17],
    [0x03, 3 * 2 ** -17],
    [0x04, 2 ** -15],
    [0x40, 1],
    [0x7f, 57344],
    [0xff, -57344],
    [0x00, 0],
    [0x80, nan],
  ],
  float8e8m0: [
    [0x00, 2 ** -127],
    [0x7f, 1],
    [0x80, 2],
    [0xfe, 2 ** 127],
    [0xff, nan],
  ],
  float6e2m3: [
    [0x00, 0],
    [0x01, 0.125],
    [0x07, 0.875],
    [0x08, 1],
    [0x1f, 7.5],
    [0x3f, -7.5],
    [0x20, -0],
  ],
  float6e3m2: [
    [0x00, 0],
    [0x01, 0.0625],
    [0x03, 0.1875],
    [0x04, 0.25],
    [0x0c, 1],
    [0x1f, 28],
    [0x3f, -28],
    [0x20, -0],
  ],
  float4e2m1: [
    [0x0, 0],
    [0x1, 0.5],
    [0x2, 1],
    [0x3, 1.5],
    [0x4, 2],
    [0x5, 3],
    [0x6, 4],
    [0x7, 6],
    [0x8, -0],
    [0xf, -6],
  ],
  int4: [
    [0x0, 0],
    [0x7, 7],
    [0x8, -8],
    [0xf, -1],
  ],
  uint4: [
    [0x0, 0],
    [0xf, 15],
  ],
  int2: [
    [0, 0],
    [1, 1],
    [2, -2],
    [3, -1],
  ],
  uint2: [
    [0, 0],
    [3, 3],
  ],
};

/** Numbers that are no element, and the bits of what a store makes of them: halves to even, and what is beyond the largest. */
const roundings: Partial<Record<DataType, readonly (readonly [number, number])[]>> = {
  float16: [
    [2049, 0x6800],
    [2051, 0x6802],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [2 ** -25, 0],
  ],
  bfloat16: [
    [257, 0x4380],
    [259, 0x4382],
  ],
  float8e4m3fn: [
    [17, 0x58],
    [19, 0x5a],
    [464, 0x7e],
    [464.1, 0x7f],
    [inf, 0x7f],
    [-1e9, 0xff],
    [2 ** -10, 0],
    [1.5 * 2 ** -9, 2],
    [-(2 ** -10), 0x80],
  ],
  float8e4m3fnuz: [
    [247.9, 0x7f],
    [248, 0x80],
    [-inf, 0x80],
    [-0, 0],
    [-(2 ** -11), 0],
    [1.5 * 2 ** -10, 2],
  ],
  float8e5m2: [
    [9, 0x48],
    [11, 0x4a],
    [61439, 0x7b],
    [61440, 0x7c],
    [-1e9, 0xfc],
    [2 ** -17, 0],
  ],
  float8e5m2fnuz: [
    [61439, 0x7f],
    [61440, 0x80],
    [-0, 0],
  ],
  float8e8m0: [
    [0, 0],
    [2 ** -140, 0],
    [1.49, 0x7f],
    [1.5, 0x80],
    [3, 0x81],
    [1.5 * 2 ** 127, 0xff],
    [inf, 0xff],
    [-1, 0xff],
  ],
  float6e2m3: [
    [0.0625, 0],
    [0.1875, 2],
    [7.75, 0x1f],
    [-inf, 0x3f],
    [nan, 0x20],
  ],
  float6e3m2: [
    [0.03125, 0],
    [0.09375, 2],
    [1e9, 0x1f],
    [nan, 0x20],
  ],
  float4e2m1: [
    [0.25, 0],
    [0.75, 2],
    [2.5, 4],
    [3.5, 6],
    [5, 6],
    [5.01, 7],
    [-1e9, 0xf],
    [nan, 8],
  ],
  int4: [
    [8, 8],
    [-9, 7],
    [20, 4],
  ],
  uint4: [[16, 0]],
  int2: [[2, 2]],
  uint2: [[7, 3]],
};

const rowsOf = (
  table: Partial<Record<DataType, readonly (readonly [number, number])[]>>,
): [DataType, readonly (readonly [number, number])[]][] => Object.entries(table) as [DataType, readonly (readonly [number, number])[]][];
const small = (Object.keys(elementTypes) as DataType[]).filter(
  type => elementTypes[type].bits > 0 && elementTypes[type].bits <= 8 && computeType(type) !== type,
);

describe('elements in memory', () => {
  test.each(rowsOf(bitsOf))('%s: bits of edge values', (type, rows) => {
    for (const [bits, number] of rows) {
      expect([bits, decodeElement(type, bits)]).toEqual([bits, number]);
      expect([number, encodeElement(type, number)]).toEqual([number, bits]);
    }
  });
  test.each(rowsOf(roundings))('%s: roundings', (type, rows) => {
    for (const [number, bits] of rows) expect([number, encodeElement(type, number)]).toEqual([number, bits]);
  });
  test.each(small)('%s: every element decodes and encodes to itself', type => {
    for (let bits = 0; bits < 2 ** elementTypes[type].bits; bits++) {
      const number = Number(decodeElement(type, bits));
      const again = Number(encodeElement(type, number));
      if (Number.isNaN(number)) expect(decodeElement(type, again)).toBeNaN();
      else expect([bits, again]).toEqual([bits, bits]);
    }
  });
  test.each(small.filter(type => type !== 'float8e8m0'))('%s: numbers grow with their bits', type => {
    const numbers = Array.from({ length: 2 ** elementTypes[type].bits }, (_, bits) => Number(decodeElement(type, bits)));
    const finite = numbers.slice(0, numbers.length / 2).filter(Number.isFinite);
    expect(finite.every((n, i) => i === 0 || n > finite[i - 1]!)).toBe(true);
  });
});

function sessionOf(inputs: readonly Value[], build: (b: Builder, ...x: Value[]) => Value, optimize = true, backend = referenceBackend()) {
  const b = newBuilder();
  const value = build(b, ...inputs);
  const opsets = new Map([['', newestOpset('')!]]);
  const graph = new Graph('g', { inputs: [...inputs], outputs: [{ name: 'y', value }], nodes: b.nodes });
  return Session.create(new Model(graph, { irVersion: irVersionFor(opsets), opsets }), { backend, optimize });
}

const input = (type: DataType, dims: readonly number[]): Value =>
  new Value(
    'x',
    tensorType(
      type,
      dims.map((_, i) => symbol(`d${i}`)),
    ),
  );

/** What Cast makes of numbers, as the numbers of the result. */
async function castTo(
  type: DataType,
  numbers: readonly number[] | readonly string[],
  at: object,
  from: 'float32' | 'float64' | 'int32' | 'string' = 'float32',
): Promise<number[]> {
  const cast = (b: Builder, x: Value): Value => b.emit('Cast', [x], { to: elementTypes[type].code, ...at })[0]!;
  const session = await sessionOf([input(from, [1])], cast);
  const { y } = await session.run({ x: new Tensor(from, numbers) });
  await session.dispose();
  return Array.from(elementsOf(y!) as Uint8Array, bits => Number(decodeElement(type, bits)));
}

describe('Cast', () => {
  const odd = [nan, inf, -inf, 1e9, -1e9];
  test.each([
    ['float8e4m3fn', 448],
    ['float8e4m3fnuz', 240],
    ['float8e5m2', 57344],
    ['float8e5m2fnuz', 57344],
  ] as const)('to %s saturates at %d', async (type, largest) => {
    expect(await castTo(type, odd, {})).toEqual([nan, largest, -largest, largest, -largest]);
  });
  test.each([
    ['float8e4m3fn', [nan, nan, nan, nan, nan]],
    ['float8e4m3fnuz', [nan, nan, nan, nan, nan]],
    ['float8e5m2', [nan, inf, -inf, inf, -inf]],
    ['float8e5m2fnuz', [nan, nan, nan, nan, nan]],
  ] as const)('to %s without saturating', async (type, results) => {
    expect(await castTo(type, odd, { saturate: 0 })).toEqual(results);
  });

  // The same numbers as ONNX Runtime gives.
  const words = ['nan', 'inf', '-INF', '1e9', '-1e9', '0.3'];
  test.each([
    ['float8e4m3fn', 1, [nan, 448, -448, 448, -448, 0.3125]],
    ['float8e4m3fn', 0, [nan, nan, nan, nan, nan, 0.3125]],
    ['float8e4m3fnuz', 1, [nan, 240, -240, 240, -240, 0.3125]],
    ['float8e4m3fnuz', 0, [nan, nan, nan, nan, nan, 0.3125]],
    ['float8e5m2', 1, [nan, 57344, -57344, 57344, -57344, 0.3125]],
    ['float8e5m2', 0, [nan, inf, -inf, inf, -inf, 0.3125]],
    ['float8e5m2fnuz', 1, [nan, 57344, -57344, 57344, -57344, 0.3125]],
    ['float8e5m2fnuz', 0, [nan, nan, nan, nan, nan, 0.3125]],
  ] as const)('of text to %s, saturate %d', async (type, saturate, results) => {
    expect(await castTo(type, words, { saturate }, 'string')).toEqual(results);
  });
  test('of text to powers of two rounds as asked', async () => {
    const rounded = (round_mode: string) => castTo('float8e8m0', ['1.1', '3e40'], { round_mode }, 'string');
    expect(await rounded('up')).toEqual([2, 2 ** 127]);
    expect(await rounded('down')).toEqual([1, 2 ** 127]);
  });

  // What numpy makes of them, each beside or at the middle between two of float16.
  const halves: readonly (readonly [number, number])[] = [
    [1 + 2 ** -11, 1],
    [1 + 2 ** -11 + 2 ** -40, 1 + 2 ** -10],
    [1 + 2 ** -11 - 2 ** -40, 1],
    [-1 - 2 ** -11 - 2 ** -52, -1 - 2 ** -10],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [1 + 3 * 2 ** -11 - 2 ** -40, 1 + 2 ** -10],
    [65520, inf],
    [65520 - 2 ** -30, 65504],
    [2 ** -25, 0],
    [2 ** -25 + 2 ** -60, 2 ** -24],
    [1.5 * 2 ** -24 - 2 ** -70, 2 ** -24],
    [5e-324, 0],
    [-1e-60, -0],
    [1e300, inf],
    [-inf, -inf],
    [nan, nan],
  ];
  const wide = halves.map(([x]) => x);
  const narrow = halves.map(([, y]) => y);
  test('of float64 to float16 rounds once', async () => {
    expect(await castTo('float16', wide, {}, 'float64')).toEqual(narrow);
    expect(await castTo('float16', wide.slice(0, -2).map(String), {}, 'string')).toEqual(narrow.slice(0, -2));
  });
  test('of float64 to float16 rounds once in the native addon', async () => {
    const cpu = cpuBackend();
    if ((await cpu.available()) !== true) return;
    const session = await sessionOf([input('float64', [1])], (b, x) => b.Cast(x, 'float16'), true, cpu);
    const { y } = await session.run({ x: new Tensor('float64', wide) });
    expect(Array.from(elementsOf(y!) as Uint16Array, bits => Number(decodeElement('float16', bits)))).toEqual(narrow);
  });

  const powers = [0, nan, inf, 2 ** -140, 1, 1.1, 1.5, 1.9, 3 * 2 ** 126];
  test.each([
    ['up', 1, [2 ** -127, nan, 2 ** 127, 2 ** -127, 1, 2, 2, 2, 2 ** 127]],
    ['down', 1, [2 ** -127, nan, 2 ** 127, 2 ** -127, 1, 1, 1, 1, 2 ** 127]],
    ['nearest', 1, [2 ** -127, nan, 2 ** 127, 2 ** -127, 1, 1, 2, 2, 2 ** 127]],
    ['up', 0, [nan, nan, nan, nan, 1, 2, 2, 2, nan]],
    ['down', 0, [nan, nan, nan, nan, 1, 1, 1, 1, nan]],
    ['nearest', 0, [nan, nan, nan, nan, 1, 1, 2, 2, nan]],
  ] as const)('to float8e8m0, %s, saturate %d', async (round_mode, saturate, results) => {
    expect(await castTo('float8e8m0', powers, { round_mode, saturate })).toEqual(results);
  });
  test('a round_mode that is not known is refused', async () => {
    await expect(castTo('float8e8m0', [1], { round_mode: 'sideways' })).rejects.toMatchObject({ code: 'E1303' });
  });

  test.each([
    ['int4', [-8, 7, -1, 7, -7]],
    ['uint4', [8, 7, 15, 7, 9]],
    ['int2', [0, -1, -1, -1, 1]],
    ['uint2', [0, 3, 3, 3, 1]],
  ] as const)('to %s keeps the low bits', async (type, results) => {
    expect(await castTo(type, [8, -9, -1, 7, 9], {}, 'int32')).toEqual(results);
    expect(await castTo(type, [8.9, -9.9, -1.9, 7.9, 9.9], {})).toEqual(results);
  });
});

test('elements below 8 bits are numbers as text', async () => {
  for (const [type, text] of [
    ['int4', ['-8', '7', '-1']],
    ['uint2', ['0', '3', '2']],
    ['float4e2m1', ['-6', '0.5', '3']],
  ] as const) {
    const there = (b: Builder, x: Value): Value => b.Cast(b.Cast(x, type), 'string');
    const session = await sessionOf([input('string', [1])], there);
    expect((await session.run({ x: new Tensor('string', text) }))['y']!.data).toEqual(text);
  }
});

describe('floats at their ends, computed in float32 and rounded once', () => {
  const tiny = 2 ** -24;
  type Pair = readonly [
    string,
    (b: Builder, x: Value, y: Value) => Value,
    DataType,
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  /** Operator, type, two inputs of two elements, and the result. */
  const rows: readonly Pair[] = [
    ['Add beyond the largest', (b, x, y) => b.Add(x, y), 'float16', [65504, 65504], [15.5, 16], [65504, inf]],
    ['Mul beyond the largest', (b, x, y) => b.Mul(x, y), 'float16', [256, -256], [255, 256], [65280, -inf]],
    ['a sum beyond the largest', (b, x) => b.ReduceSum(x, { axes: [0], keepdims: 0 }), 'float16', [40000, 40000], [0, 0], [inf]],
    ['a mean of sums beyond the largest', (b, x) => b.ReduceMean({ data: x }, { keepdims: 0 }), 'float16', [40000, 40000], [0, 0], [40000]],
    ['products beyond the largest that cancel', (b, x, y) => b.MatMul(x, y), 'float16', [300, 300], [300, -300], [0]],
    ['products beyond the largest', (b, x, y) => b.MatMul(x, y), 'float16', [300, 300], [300, 1], [inf]],
    ['Mul to subnormal numbers', (b, x, y) => b.Mul(x, y), 'float16', [2 ** -12, 2 ** -12], [2 ** -12, 2 ** -13], [tiny, 0]],
    ['Mul halfway between subnormal numbers', (b, x, y) => b.Mul(x, y), 'float16', [3 * tiny, 5 * tiny], [0.5, 0.5], [2 * tiny, 2 * tiny]],
    ['Add of subnormal numbers', (b, x, y) => b.Add(x, y), 'float16', [tiny, 1023 * tiny], [tiny, tiny], [2 * tiny, 2 ** -14]],
    ['Sub to a subnormal number', (b, x, y) => b.Sub(x, y), 'float16', [2 ** -14, -(2 ** -14)], [tiny, -tiny], [1023 * tiny, -1023 * tiny]],
    ['a sum of subnormal numbers', (b, x) => b.ReduceSum(x, { axes: [0], keepdims: 0 }), 'float16', [tiny, 3 * tiny], [0, 0], [4 * tiny]],
    ['Exp beyond both ends', (b, x) => b.Exp(x), 'float16', [12, -18], [0, 0], [inf, 0]],
    [
      'Add of subnormal numbers',
      (b, x, y) => b.Add(x, y),
      'float32',
      [2 ** -149, 2 ** -127],
      [2 ** -149, 2 ** -127],
      [2 ** -148, 2 ** -126],
    ],
    ['Mul to subnormal numbers', (b, x, y) => b.Mul(x, y), 'float32', [2 ** -100, 2 ** -100], [2 ** -40, 2 ** -50], [2 ** -140, 0]],
    ['products of subnormal numbers', (b, x, y) => b.MatMul(x, y), 'float32', [2 ** -140, 2 ** -140], [4, 2], [6 * 2 ** -140]],
    ['Mul beyond the largest', (b, x, y) => b.Mul(x, y), 'bfloat16', [2 ** 127, 2 ** -100], [2, 2 ** -30], [inf, 2 ** -130]],
  ];
  const stored = (type: DataType, numbers: readonly number[]): Tensor =>
    type === 'float32'
      ? new Tensor(type, numbers)
      : fromElements(
          type,
          Uint16Array.from(numbers, n => Number(encodeElement(type, n))),
          [numbers.length],
        );
  describe.each([
    ['reference', referenceBackend],
    ['cpu', cpuBackend],
  ] as const)('%s', (_, backend) => {
    test.each(rows)('%s, %#', async (_name, build, type, x, y, wanted) => {
      if ((await backend().available()) !== true) return;
      const inputs = ['x', 'y'].map(name => new Value(name, tensorType(type, [2])));
      const session = await sessionOf(inputs, (b, v, w) => build(b, v!, w!), true, backend());
      const made = (await session.run({ x: stored(type, x), y: stored(type, y) }))['y']!;
      expect(Array.from(elementsOf(made) as Uint16Array, bits => Number(decodeElement(type, bits)))).toEqual(wanted);
    });
  });
});

/** All elements of a type, as often as needed. */
const elements = (type: DataType, dims: readonly number[]): Tensor => {
  const count = dims.reduce((n, d) => n * d, 1);
  return fromElements(
    type,
    Uint8Array.from({ length: count }, (_, i) => (5 * i + 1) % 2 ** elementTypes[type].bits),
    dims,
  );
};

/** Moves of elements of shape [3, 5], and where each element of the result comes from; -1 is the filled element. */
const moves: readonly (readonly [string, (b: Builder, x: Value, type: DataType) => Value, readonly number[]])[] = [
  ['Identity', (b, x) => b.Identity(x), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]],
  ['Transpose', (b, x) => b.Transpose(x, [1, 0]), [0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14]],
  ['Slice', (b, x) => b.Slice(x, { axes: [1], starts: [3], ends: [0], steps: [-1] }), [3, 2, 1, 8, 7, 6, 13, 12, 11]],
  [
    'Concat',
    (b, x) => b.Slice(b.Concat([x, b.Identity(x)], 0), { axes: [0], starts: [2], ends: [4] }),
    [10, 11, 12, 13, 14, 0, 1, 2, 3, 4],
  ],
  ['Reshape', (b, x) => b.Reshape(b.Transpose(x, [1, 0]), [3, 5]), [0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14]],
];
const packed = ['int4', 'uint4', 'float4e2m1', 'int2', 'uint2', 'float8e4m3fn', 'float8e5m2fnuz', 'float8e8m0'] as const;

describe.each(packed)('%s in a plan', type => {
  test.each(moves)('%s', async (_, build, places) => {
    const x = elements(type, [3, 5]);
    const from = elementsOf(x) as Uint8Array;
    for (const optimize of [false, true]) {
      const session = await sessionOf([input(type, [3, 5])], (b, v) => build(b, v, type), optimize);
      const { y } = await session.run({ x });
      expect(y!.type).toBe(type);
      expect([...(elementsOf(y!) as Uint8Array)]).toEqual(places.map(i => from[i]));
      await session.dispose();
    }
  });
  test('ConstantOfShape fills', async () => {
    const one = fromElements(type, Uint8Array.of(Number(encodeElement(type, 1))), [1]);
    const session = await sessionOf([input('int64', [1])], (b, v) => b.ConstantOfShape({ input: b.Shape(v) }, { value: one }));
    const { y } = await session.run({ x: new Tensor('int64', [0n, 0n, 0n]) });
    expect([...(elementsOf(y!) as Uint8Array)].map(bits => Number(decodeElement(type, bits)))).toEqual([1, 1, 1]);
  });
  test('a constant is read', async () => {
    const weight = new Value('w', undefined, { tensor: elements(type, [5]), parameter: true });
    const session = await sessionOf([input('float32', [1])], (b, v) => b.Mul(v, b.Cast(weight, 'float32')), false);
    const { y } = await session.run({ x: new Tensor('float32', [1, 1, 1, 1, 1]) });
    const numbers = Array.from(elementsOf(weight.tensor!) as Uint8Array, bits => Number(decodeElement(type, bits)));
    expect([...(y!.data as Float32Array)]).toEqual(numbers);
  });
  test('the native addon computes with it as the reference does', async () => {
    const cpu = cpuBackend();
    if ((await cpu.available()) !== true) return;
    const x = elements(type, [4]);
    const results = [];
    for (const backend of [cpu, referenceBackend()]) {
      const session = await sessionOf([input(type, [1])], (b, v) => b.Cast(v, 'float32'), true, backend);
      results.push((await session.run({ x }))['y']!.data);
    }
    expect(results[0]).toEqual(results[1]);
  });
});

describe('BitCast', () => {
  const bitCast = async (x: Tensor, to: DataType, backend = referenceBackend()): Promise<Tensor> => {
    const build = (b: Builder, v: Value): Value => b.BitCast({ input: v }, { to: elementTypes[to].code });
    const session = await sessionOf([input(x.type, x.dims)], build, true, backend);
    return (await session.run({ x }))['y']!;
  };
  test('the native addon keeps the bits', async () => {
    const cpu = cpuBackend();
    if ((await cpu.available()) !== true) return;
    expect((await bitCast(new Tensor('float32', [1, -2]), 'int32', cpu)).data).toEqual(Int32Array.of(0x3f800000, -0x40000000));
    expect((await bitCast(new Tensor('uint8', [1]), 'float8e8m0', cpu)).data).toEqual(Uint8Array.of(1));
  });
  test.each([
    [new Tensor('float32', [1, -2]), 'int32', [0x3f800000, -0x40000000]],
    [new Tensor('int8', [-1, 1]), 'uint8', [255, 1]],
    [new Tensor('float64', [1]), 'uint64', [0x3ff0000000000000n]],
    [new Tensor('uint16', [0x3c00]), 'float16', [0x3c00]],
    [new Tensor('uint8', [0x38, 0x7f]), 'float8e4m3fn', [0x38, 0x7f]],
    [new Tensor('int4', Uint8Array.of(0x8f), [2]), 'uint4', [0x8f]],
    [new Tensor('complex64', Float32Array.of(1, 0), [1]), 'int64', [0x3f800000n]],
    [new Tensor('int64', [0x3f800000n]), 'complex64', [1, 0]],
  ] as const)('%#: bits stay', async (x, to, data) => {
    const y = await bitCast(x as Tensor, to);
    expect([y.type, y.dims, [...(y.data as TypedArray)]]).toEqual([to, x.dims, data]);
  });
  test('contents of sizes are not taken for the bits of another type', async () => {
    const session = await sessionOf([input('float32', [1])], (b, v) => b.BitCast({ input: b.Shape(v) }, { to: elementTypes.float64.code }));
    const { y } = await session.run({ x: new Tensor('float32', [1, 2, 3]) });
    expect((y!.data as Float64Array)[0]).toBe(1.5e-323);
  });
  test('another width is refused', async () => {
    await expect(bitCast(new Tensor('float32', [1]), 'int64')).rejects.toMatchObject({ code: 'E1304' });
  });
});
