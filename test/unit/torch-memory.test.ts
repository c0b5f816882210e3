// Writes into views, and numbers of programs, without a file: what they come to is worked out by hand, as PyTorch would.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { Float, type Scalar, Symbolic } from '../../src/formats/torch/aten/row.ts';
import { TensorRef, type ViewStep } from '../../src/formats/torch/memory.ts';
import { computeNumber, numberOperation, numberValue } from '../../src/formats/torch/numbers.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';

/** What `build` makes of x, an array [n, 3] of 0 to 5 with n = 2. */
async function run(build: (x: Value, b: Builder) => Value): Promise<(number | bigint)[]> {
  const x = new Value('x', tensorType('float32', [symbol('n'), 3]));
  const b = newBuilder();
  const y = build(x, b);
  const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
  const session = await Session.create(new Model(graph, { irVersion: 14, opsets: new Map([['', 28]]) }), { backend: referenceBackend() });
  const { y: made } = await session.run({ x: new Tensor('float32', Float32Array.of(0, 1, 2, 3, 4, 5), [2, 3]) });
  return [...(made!.data as Iterable<number | bigint>)];
}

describe('a write into a view reaches the whole', () => {
  const minusOne = (like: Value, b: Builder): Value => b.Sub(b.Sub(like, like), b.like(1, like));
  const views: [string, ViewStep, number[]][] = [
    ['a column', (v, b) => b.Slice(v, { axes: [1], starts: [1], ends: [2] }), [0, -1, 2, 3, -1, 5]],
    ['the last row', (v, b) => b.Gather(v, b.constant(-1n, 'int64'), 0), [0, 1, 2, -1, -1, -1]],
    ['a transposed part', (v, b) => b.Slice(b.Transpose(v, [1, 0]), { axes: [0], starts: [2], ends: [3] }), [0, 1, -1, 3, 4, -1]],
    ['another shape', (v, b) => b.Slice(b.Reshape(v, [3, -1]), { axes: [0], starts: [1], ends: [2] }), [0, 1, -1, -1, 4, 5]],
  ];
  test.each(views)('%s', async (_, step, expected) => {
    const made = await run((x, b) => {
      const whole = TensorRef.of(x);
      const part = whole.view(step, step(x, b));
      part.write(minusOne(part.read(b), b), b);
      expect(whole.isWritten).toBe(true);
      return whole.read(b);
    });
    expect(made).toEqual(expected);
  });
  test('and every other view of it', async () => {
    const made = await run((x, b) => {
      const whole = TensorRef.of(x);
      const row: ViewStep = (v, builder) => builder.Slice(v, { axes: [0], starts: [1], ends: [2] });
      const column: ViewStep = (v, builder) => builder.Slice(v, { axes: [1], starts: [0], ends: [1] });
      const [first, second] = [whole.view(row, row(x, b)), whole.view(column, column(x, b))];
      first.write(minusOne(first.read(b), b), b);
      return second.read(b);
    });
    expect(made).toEqual([0, -1]);
  });
  test('but where only strides decide, reading after a write is refused', () => {
    const b = newBuilder();
    const x = new Value('x', tensorType('float32', [2, 3]));
    const whole = TensorRef.of(x);
    const step: ViewStep = (v, builder) => builder.Reshape(v, [6]);
    const maybe = whole.view(step, step(x, b), { uncertain: true });
    expect(maybe.read(b).shape).toEqual([6]);
    whole.write(minusOne(x, b), b);
    expect(() => maybe.read(b)).toThrow(/may or may not share/);
    expect(() => maybe.write(maybe.read(b), b)).toThrow(/may or may not share/);
  });
});

describe('numbers', () => {
  test.each<[string, Scalar[], Scalar]>([
    ['floordiv', [-7, 2], -4],
    ['mod', [-7, 3], 2],
    ['mod', [7, -3], -2],
    ['pow', [2, 10], 1024],
    ['sym_max', [3, 9], 9],
    ['sym_sum', [1, 2, 3], 6],
    ['trunc', [-2.5], -2],
    ['floor', [-2.5], -3],
    ['ceil', [2.1], 3],
    ['le', [2, 2], true],
    ['ne', [2, 2], false],
    ['sym_ite', [true, 4, 5], 4],
  ])('%s(%j) is %j, as in Python', (name, args, expected) => expect(computeNumber(name, args, newBuilder())).toBe(expected));

  const asNumber = (b: Builder, scalar: Scalar): Value =>
    numberValue(scalar, b, scalar instanceof Symbolic ? scalar.value.element! : 'int64');
  test.each<[string, (n: Symbolic) => Scalar[], (number | bigint)[]]>([
    ['add', n => [n, 5], [7n]],
    ['floordiv', n => [n, -3], [-1n]],
    ['mod', n => [n, -3], [-1n]],
    ['truediv', n => [n, 4], [0.5]],
    ['mul', n => [n, new Float(1)], [2]],
    ['sym_min', n => [n, 1], [1n]],
    ['gt', n => [n, 1], [1]],
    ['sym_not', () => [false], [1]],
    ['sym_float', n => [n], [2]],
    ['sqrt', n => [n], [Math.fround(Math.SQRT2)]],
  ])('%s of a size that only the run knows', async (name, args, expected) => {
    const made = await run((x, b) => {
      const size = new Symbolic(b.Reshape(b.dim(x, 0) as Value, [1]));
      const result = computeNumber(name, args(size), b);
      return result instanceof Symbolic ? b.Identity(result.value) : asNumber(b, result);
    });
    expect(made).toEqual(expected);
  });

  test('are told by their targets', () => {
    expect(
      ['_operator.add', 'math.trunc', 'torch.sym_max', 'torch._sym_ops._sym_sqrt', 'torch.ops.aten.add.Tensor'].map(numberOperation),
    ).toEqual(['add', 'trunc', 'sym_max', 'sym_sqrt', undefined]);
  });
  test('without a conversion are unsupported', () => expect(() => computeNumber('gamma', [1], newBuilder())).toThrow(/no conversion/));
});
