// Operators that the host evaluates, and text through the operators that only move or compare elements.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import type { Datum } from '../../src/ir/datum.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, elementTypes, tensorType } from '../../src/ir/types.ts';
import type { AttributeInput } from '../../src/ops/attributes.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { irVersionFor, newestOpset } from '../../src/ops/schema.ts';

type Build = (b: Builder, ...x: Value[]) => readonly (Value | undefined)[];

function modelOf(inputs: readonly Tensor[], build: Build): Model {
  const values = inputs.map((t, i) => new Value(`x${i}`, tensorType(t.type, t.dims)));
  const b = newBuilder();
  const outputs = build(b, ...values).flatMap((value, i) => (value ? [{ name: `y${i}`, value }] : []));
  const opsets = new Map([['', newestOpset('')!]]);
  return new Model(new Graph('g', { inputs: values, outputs, nodes: b.nodes }), { irVersion: irVersionFor(opsets), opsets });
}

/** What a graph over these inputs gives. */
async function run(inputs: readonly Tensor[], build: Build): Promise<Datum[]> {
  const session = await Session.create(modelOf(inputs, build), { backend: referenceBackend() });
  return Object.values(await session.evaluate(Object.fromEntries(inputs.map((t, i) => [`x${i}`, t]))));
}

const plain = (datum: Datum | undefined): unknown =>
  datum instanceof Tensor ? { dims: datum.dims, data: Array.from(datum.data as ArrayLike<unknown>) } : datum;
const text = (words: readonly string[], ...dims: number[]): Tensor => new Tensor('string', words, dims.length > 0 ? dims : [words.length]);
const int64 = (...numbers: number[]): Tensor => new Tensor('int64', numbers, [numbers.length]);
const letters = text(['a', 'b', 'c', 'd', 'e', 'f'], 2, 3);

const moves: Readonly<Record<string, { inputs?: readonly Tensor[]; build: Build; dims: readonly number[]; data: string }>> = {
  Identity: { build: (b, x) => [b.Identity(x)], dims: [2, 3], data: 'abcdef' },
  Concat: { build: (b, x) => [b.Concat([x, x], 1)], dims: [2, 6], data: 'abcabcdefdef' },
  Gather: { build: (b, x) => [b.Gather(x, b.ints([2, 0]), 1)], dims: [2, 2], data: 'cafd' },
  GatherElements: {
    inputs: [letters, new Tensor('int64', [2, 0, 1, 1], [2, 2])],
    build: (b, data, indices) => [b.GatherElements({ data: data!, indices: indices! }, { axis: 1 })],
    dims: [2, 2],
    data: 'caee',
  },
  GatherND: {
    inputs: [letters, new Tensor('int64', [1, 2, 0, 0], [2, 2])],
    build: (b, data, indices) => [b.GatherND({ data: data!, indices: indices! })],
    dims: [2],
    data: 'fa',
  },
  Where: {
    build: (b, x) => [b.Where(b.Equal(x, b.constant(['b'], 'string')), b.constant(['!'], 'string'), x)],
    dims: [2, 3],
    data: 'a!cdef',
  },
  Reshape: { build: (b, x) => [b.Reshape(x, [3, -1])], dims: [3, 2], data: 'abcdef' },
  Transpose: { build: (b, x) => [b.Transpose(x, [1, 0])], dims: [3, 2], data: 'adbecf' },
  Slice: { build: (b, x) => [b.Slice(x, { axes: [1], starts: [-1], ends: [0], steps: [-1] })], dims: [2, 2], data: 'cbfe' },
  Split: { build: (b, x) => [b.Split(x, [1, 2], 1)[1]], dims: [2, 2], data: 'bcef' },
  Squeeze: { build: (b, x) => [b.Squeeze(b.Unsqueeze(x, [0]), [0])], dims: [2, 3], data: 'abcdef' },
  Unsqueeze: { build: (b, x) => [b.Unsqueeze(x, [1])], dims: [2, 1, 3], data: 'abcdef' },
  Expand: { build: (b, x) => [b.Expand(x, [2, 1, 1])], dims: [2, 2, 3], data: 'abcdefabcdef' },
  Tile: { build: (b, x) => b.emit('Tile', [x, b.ints([1, 2])]), dims: [2, 6], data: 'abcabcdefdef' },
  Flatten: { build: (b, x) => b.emit('Flatten', [x], { axis: 0 }), dims: [1, 6], data: 'abcdef' },
  Pad: { build: (b, x) => b.emit('Pad', [x, b.ints([0, 1, 0, 0]), b.constant(['-'], 'string', [])]), dims: [2, 4], data: '-abc-def' },
  ReverseSequence: {
    inputs: [letters, int64(1, 3)],
    build: (b, input, lengths) => [b.ReverseSequence({ input: input!, sequence_lens: lengths! }, { batch_axis: 0, time_axis: 1 })],
    dims: [2, 3],
    data: 'abcfed',
  },
  Compress: {
    inputs: [letters, new Tensor('bool', [false, true], [2])],
    build: (b, input, condition) => [b.Compress({ input: input!, condition: condition! }, { axis: 0 })],
    dims: [1, 3],
    data: 'def',
  },
};

describe('text is moved by', () => {
  test.each(Object.entries(moves))('%s', async (_, { inputs = [letters], build, dims, data }) => {
    const [y] = await run(inputs, build);
    expect(plain(y)).toEqual({ dims, data: [...data] });
  });
});

describe('Cast', () => {
  const cast = async (x: Tensor, to: DataType): Promise<unknown[]> => {
    const [y] = await run([x], (b, v) => b.emit('Cast', [v!], { to: elementTypes[to].code }));
    return Array.from((y as Tensor).data as ArrayLike<unknown>);
  };
  test('writes numbers plainly, in the fewest digits that give them back', async () => {
    const floats = Float32Array.of(0.1, 1e-7, 3e20, 1000, -0, Number.NaN, Infinity, -Infinity, 16777217, 1 / 3);
    expect(await cast(new Tensor('float32', floats), 'string')).toEqual([
      ...['0.1', '0.0000001', '300000000000000000000', '1000', '-0', 'NaN', 'INF', '-INF', '16777216', '0.33333334'],
    ]);
    expect(await cast(new Tensor('float64', [0.1, 5e-324]), 'string')).toEqual(['0.1', `0.${'0'.repeat(323)}5`]);
    expect(await cast(new Tensor('float16', Uint16Array.of(0x2e66, 0x7bff)), 'string')).toEqual(['0.1', '65500']);
    expect(await cast(new Tensor('int64', [2n ** 63n - 1n, -1n]), 'string')).toEqual(['9223372036854775807', '-1']);
  });
  test('writes truth values as ONNX Runtime does, not as ONNX reference evaluation does, which says True and False', async () => {
    expect(await cast(new Tensor('bool', [true, false]), 'string')).toEqual(['1', '0']);
  });
  test('reads plain and scientific notation and the names of special values', async () => {
    const words = text(['3.5', ' -1e-3 ', '1E8', '.5', '+INF', 'inf', '-Inf', 'nan']);
    expect(await cast(words, 'float64')).toEqual([3.5, -0.001, 1e8, 0.5, Infinity, Infinity, -Infinity, Number.NaN]);
    expect(await cast(text(['9223372036854775807', '100.5', '-7']), 'int64')).toEqual([2n ** 63n - 1n, 100n, -7n]);
  });
  test.each([
    [text(['Hello World!']), 'float32'],
    [text(['300']), 'uint8'],
    [text(['inf']), 'int32'],
    [text(['9'.repeat(100_000)]), 'int64'],
  ] as const)('refuses %#', async (x, to) => {
    await expect(cast(x, to)).rejects.toMatchObject({ code: 'E3012' });
  });
});

describe('TfIdfVectorizer', () => {
  const gramsOf = (
    pool: readonly number[],
    counts: readonly number[],
    indexes: readonly number[],
    skips = 0,
  ): Record<string, AttributeInput> => ({
    pool_int64s: pool,
    ngram_counts: counts,
    ngram_indexes: indexes,
    min_gram_length: 1,
    max_gram_length: 2,
    max_skip_count: skips,
    mode: 'TF',
  });
  const counted = (x: Tensor, at: Record<string, AttributeInput>) => run([x], (b, X) => [b.emit('TfIdfVectorizer', [X], at)[0]]);
  const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

  test('counts n-grams of a large pool', async () => {
    // 200,000 words, then 100,000 pairs of neighbours.
    const at = gramsOf(
      [...range(200_000), ...range(200_000)],
      [0, 200_000],
      [...range(200_000).map(i => i % 3), ...range(100_000).map(() => 3)],
    );
    const [y] = await counted(int64(7, 199_998, 199_999, 0, 199_998, 500_000), at);
    expect(plain(y)).toEqual({ dims: [4], data: [3, 2, 0, 1] });
  });
  test('integers beyond doubles are no words', async () => {
    const [y] = await counted(new Tensor('int64', [2n ** 53n, 1n]), gramsOf([1, 2 ** 53 - 1], [0], [0, 1]));
    expect(plain(y)).toEqual({ dims: [2], data: [1, 0] });
  });
  test('a table too large is refused, even for no rows', async () => {
    const x = new Tensor('int64', [], [0, 3]);
    await expect(counted(x, gramsOf([1], [0], [2 ** 40]))).rejects.toMatchObject({ code: 'E3007' });
  });
  test('skips without end can be stopped', async () => {
    const x = int64(...range(60_000));
    const model = modelOf([x], (b, X) => [b.emit('TfIdfVectorizer', [X], gramsOf(range(2), [0, 2], [0, 1], 2 ** 31 - 1))[0]]);
    const session = await Session.create(model, { backend: referenceBackend() });
    await expect(session.evaluate({ x0: x }, { timeout: 50 })).rejects.toMatchObject({ code: 'E3010' });
  });
});

describe('hostile input', () => {
  test('a pattern that makes backtracking explode takes linear time', async () => {
    const words = text(['a'.repeat(100_000), `${'a'.repeat(100_000)}b`]);
    const [y] = await run([words], (b, X) => [b.RegexFullMatch({ X: X! }, { pattern: '(a+)+$' })]);
    expect(plain(y)).toEqual({ dims: [2], data: [1, 0] });
  }, 10_000);
  test('a pattern that is none is refused', async () => {
    const bad = run([text(['a'])], (b, X) => [b.RegexFullMatch({ X: X! }, { pattern: '(' })]);
    await expect(bad).rejects.toMatchObject({ code: 'E1303' });
  });
  test.each([
    [
      'BMP of a huge size',
      [
        0x42,
        0x4d,
        ...new Array<number>(12).fill(0),
        40,
        0,
        0,
        0,
        255,
        255,
        255,
        127,
        255,
        255,
        255,
        127,
        1,
        0,
        24,
        ...new Array<number>(40).fill(0),
      ],
      'E3012',
    ],
    ['PNM of white space', [0x50, 0x36, ...new Array<number>(1000).fill(32)], 'E3012'],
    ['JPEG 2000', [0xff, 0x4f, 0xff, 0x51], 'E3004'],
  ] as const)('an image that is a %s', async (_, bytes, code) => {
    const stream = new Tensor('uint8', Uint8Array.from(bytes));
    await expect(run([stream], (b, x) => [b.ImageDecoder({ encoded_stream: x! })])).rejects.toMatchObject({ code });
  });
  test('a position outside a sequence', async () => {
    const at = run([int64(1), int64(5)], (b, x, i) => [
      b.SequenceAt({ input_sequence: b.SequenceConstruct({ inputs: [x!] }), position: b.Squeeze(i!, [0]) }),
    ]);
    await expect(at).rejects.toMatchObject({ code: 'E3006' });
  });
});

test('TopK takes the count that the run finds, keeps 64-bit integers exact and puts NaN first', async () => {
  const K = int64(2);
  const big = new Tensor('int64', [2n ** 62n, 2n ** 62n + 1n, 5n]);
  const [values, indices] = await run([big, K], (b, X, k) => Object.values(b.TopK({ X: X!, K: k! })) as Value[]);
  expect([plain(values), plain(indices)]).toEqual([
    { dims: [2], data: [2n ** 62n + 1n, 2n ** 62n] },
    { dims: [2], data: [1n, 0n] },
  ]);
  const [floats] = await run([new Tensor('float32', [1, Number.NaN, 3]), K], (b, X, k) => [b.TopK({ X: X!, K: k! }).Values]);
  expect(plain(floats)).toEqual({ dims: [2], data: [Number.NaN, 3] });
});

test('Unique orders text by code point and counts', async () => {
  const words = text(['b', '\u{1f600}', 'a', '\uffff', 'b']);
  const made = await run([words], (b, x) => b.emit('Unique', [x!], {}, { outputs: ['y', 'first', 'inverse', 'counts'] }));
  expect(made.map(plain)).toEqual([
    { dims: [4], data: ['a', 'b', '\uffff', '\u{1f600}'] },
    { dims: [4], data: [2n, 0n, 3n, 1n] },
    { dims: [5], data: [1n, 3n, 0n, 2n, 1n] },
    { dims: [4], data: [1n, 2n, 1n, 1n] },
  ]);
});

test('an element of a sequence whose rank nothing says is typed by the run', async () => {
  const [y] = await run([letters, text(['x'])], (b, x, other) => {
    const item = b.SequenceAt({ input_sequence: b.SequenceConstruct({ inputs: [other!, x!] }), position: b.constant(1, 'int64') });
    return [b.GatherElements({ data: b.Transpose(item, [1, 0]), indices: b.constant([1, 0], 'int64', [1, 2]) })];
  });
  expect(plain(y)).toEqual({ dims: [1, 2], data: ['b', 'd'] });
});
