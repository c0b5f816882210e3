// From the newest opset to older ones: the forms that the older versions have, and why some have none.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { allNodes, Graph, Model, Value } from '../../src/ir/graph.ts';
import { numbersOf, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { newestOpset, operatorNames, schemaOf, schemaVersions } from '../../src/ops/schema.ts';
import { downgradeSteps } from '../../src/opset/downgrade-steps.ts';
import { signatureGrew } from '../../src/opset/form.ts';
import { newestFor, runtimeNamed, runtimeNames } from '../../src/opset/runtimes.ts';
import { target } from '../../src/opset/target.ts';
import { upgrade } from '../../src/opset/upgrade.ts';

type Build = (b: Builder, ...x: Value[]) => Value | readonly (Value | undefined)[] | undefined;
type Input = readonly [shape: readonly number[], type?: DataType];

function modelOf(inputs: readonly Input[], build: Build): Model {
  const b = newBuilder();
  const values = inputs.map(([shape, type = 'float32'], i) => new Value(`x${i}`, tensorType(type, shape)));
  const made = build(b, ...values);
  const outputs = (made instanceof Value ? [made] : (made ?? [])).filter((v): v is Value => v !== undefined);
  const graph = new Graph('g', { inputs: values, outputs: outputs.map((value, i) => ({ name: `y${i}`, value })), nodes: b.nodes });
  return new Model(graph, { irVersion: 13, opsets: new Map([['', newestOpset('')!]]) });
}

/** The nodes in an opset: operator, number of inputs, attributes. */
function said(inputs: readonly Input[], build: Build, opset: number): string {
  const model = modelOf(inputs, build);
  target(model, opset);
  const nodes = [...allNodes(model.graph)];
  for (const node of nodes) expect(schemaOf('', node.op, opset)?.deprecated, node.op).toBe(false);
  return nodes
    .map(node => `${node.op}${node.inputs.length}{${[...node.attributes].map(([name, a]) => `${name}=${String(a.value)}`)}}`)
    .join(' ');
}
const reasons = (inputs: readonly Input[], build: Build, opset: number): string => {
  try {
    return said(inputs, build, opset);
  } catch (error) {
    return (error as { findings: { message: string }[] }).findings.map(f => f.message.replace(/^.*?: /, '')).join('; ');
  }
};

const x: Input = [[2, 3, 4]];
const image: Input = [[1, 2, 4, 4]];
const sum =
  (axes: readonly number[]): Build =>
  (b, v) =>
    b.ReduceSum(v!, { axes });
const floats = (b: Builder, ...list: number[]): Value => b.constant(Float32Array.from(list), 'float32');

test('every version leads to the one before by its signature, or by a row', () => {
  const changes = operatorNames('').flatMap(op =>
    schemaVersions('', op)
      .slice(1)
      .map((version, i) => [op, schemaVersions('', op)[i]!, version] as const),
  );
  const missing = changes.filter(([op, before, version]) => {
    const [older, newer] = [schemaOf('', op, before)!, schemaOf('', op, version)!];
    return version > 7 && !newer.deprecated && !signatureGrew(older, newer) && !downgradeSteps[op]?.[version];
  });
  expect(missing).toEqual([]);
});

describe('forms of older opsets', () => {
  test.each<[number, readonly Input[], Build, string]>([
    [17, [x], (b, v) => b.ReduceMax(v!, { axes: [-1] }), 'ReduceMax1{axes=-1}'],
    [10, [x], (b, v) => b.ReduceMax(v!, { axes: [-1] }), 'ReduceMax1{axes=2}'],
    [13, [x], sum([1]), 'ReduceSum2{noop_with_empty_axes=1}'],
    [12, [x], sum([1]), 'ReduceSum1{axes=1}'],
    [12, [x], sum([]), 'Identity1{}'],
    [12, [x], (b, v) => b.Softmax({ input: v! }, { axis: 2 }), 'Softmax1{axis=2}'],
    [12, [x], (b, v) => b.Softmax({ input: v! }, { axis: 1 }), 'Transpose1{perm=0,2,1} Softmax1{axis=2} Transpose1{perm=0,2,1}'],
    [12, [[[2, 1]]], (b, v) => b.Squeeze(v!, [1]), 'Squeeze1{axes=1}'],
    [11, [x, x], (b, v, w) => b.LessOrEqual({ A: v!, B: w! }), 'Less2{} Equal2{} Or2{}'],
    [10, [x, x], (b, v, w) => b.Equal(v!, w!), 'IsNaN1{} IsNaN1{} Or2{} Not1{} Less2{} Greater2{} Or2{} Not1{} And2{}'],
    [12, [x], (b, v) => b.Unsqueeze(v!, [0]), 'Unsqueeze1{axes=0}'],
    [10, [x], (b, v) => b.Unsqueeze(v!, [-1]), 'Unsqueeze1{axes=3}'],
    [12, [x], (b, v) => b.Split(v!, [1, 3], 2), 'Split1{axis=2,split=1,3}'],
    [17, [x], (b, v) => b.emit('Split', [v], { axis: 2, num_outputs: 2 }, { outputs: ['a', 'b'] }), 'Split1{axis=2}'],
    [17, [x], (b, v) => b.emit('Split', [v], { axis: 1, num_outputs: 2 }, { outputs: ['a', 'b'] }), 'Split2{axis=1}'],
    [10, [x], (b, v) => b.Clip({ input: v!, min: b.like(0, v!), max: b.like(6, v!) }), 'Clip1{max=6,min=0}'],
    [10, [x], (b, v) => b.Clip({ input: v!, min: b.like(0, v!) }), 'Max2{}'],
    [9, [x], (b, v) => b.Slice(v!, { axes: [-1], starts: [1], ends: [3] }), 'Slice1{starts=1,ends=3,axes=2}'],
    [17, [x], (b, v) => b.emit('Pad', [v, b.ints([1, 2]), undefined, b.ints([-1])]), 'Pad2{}'],
    [10, [x], (b, v) => b.emit('Pad', [v, b.ints([1, 2]), b.like(3, v!), b.ints([1])]), 'Pad1{pads=0,1,0,0,2,0,value=3}'],
    [9, [x], (b, v) => b.emit('TopK', [v, b.ints([2])], {}, { outputs: ['v', 'i'] }), 'TopK1{k=2}'],
    [10, [x], (b, v) => b.emit('TopK', [v, b.ints([2])], { largest: 0 }, { outputs: ['v', 'i'] }), 'Neg1{} TopK2{} Neg1{}'],
    [11, [x], (b, v) => b.emit('Dropout', [v, b.constant(0.25, 'float32')]), 'Dropout1{ratio=0.25}'],
    [12, [x], (b, v) => b.emit('Shape', [v], { start: 1 }), ''],
    [
      17,
      [image],
      (b, v) => b.emit('Resize', [v, undefined, floats(b, 2, 2)], { axes: [2, 3] }),
      'Slice4{} Slice4{} Concat4{axis=0} Resize3{}',
    ],
    [11, [image], (b, v) => b.emit('Resize', [v, undefined, floats(b, 1, 1, 2, 2)]), 'Resize3{}'],
    [
      10,
      [image],
      (b, v) =>
        b.emit('Resize', [v, undefined, floats(b, 1, 1, 2, 2)], { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }),
      'Resize2{mode=nearest}',
    ],
    [
      9,
      [image],
      (b, v) => b.emit('Resize', [v, undefined, floats(b, 1, 1, 2, 2)], { coordinate_transformation_mode: 'asymmetric', mode: 'linear' }),
      'Upsample2{mode=linear}',
    ],
    [
      8,
      [image],
      (b, v) => b.emit('Resize', [v, undefined, floats(b, 1, 1, 2, 2)], { coordinate_transformation_mode: 'asymmetric', mode: 'linear' }),
      'Upsample1{mode=linear,scales=1,1,2,2}',
    ],
    [10, [[[3]], [[1], 'int64'], [[1]]], (b, v, i, u) => b.emit('ScatterElements', [v, i, u]), 'Scatter3{axis=0}'],
    [18, [[[4, 1]]], (b, v) => b.emit('DFT', [v, undefined, b.constant(0, 'int64')]), 'DFT1{axis=0}'],
    [18, [image, [[1, 2, 2, 2]]], (b, v, g) => b.emit('GridSample', [v, g], { mode: 'cubic' }), 'GridSample2{mode=bicubic}'],
    [18, [x], (b, v) => b.emit('ReduceMax', [b.Cast(v!, 'bool'), b.ints([1])]), 'Cast1{to=9} Cast1{to=2} ReduceMax2{} Cast1{to=9}'],
    [12, [[[2], 'bfloat16']], (b, v) => b.Relu(v!), 'Relu takes no bfloat16 there'],
    [
      13,
      [
        [[2], 'bfloat16'],
        [[2], 'bool'],
      ],
      (b, v, c) => b.Where(c!, v!, v!),
      'Cast1{to=1} Cast1{to=1} Where3{} Cast1{to=16}',
    ],
    [10, [[[2, 2]], [[2, 2]]], (b, v, w) => b.Gemm({ A: v!, B: w! }), 'Gemm3{}'],
    [10, [[[4, 2]], [[2], 'int64']], (b, v, i) => b.Gather(v!, i!, 0), 'Less2{} Add2{} Where3{} Gather2{}'],
    [
      13,
      [[[2, 1, 3]], [[1, 4, 3]], [[1, 4, 1]]],
      (b, X, W, R) => b.emit('RNN', [X, W, R], { hidden_size: 4, layout: 1 }, { outputs: ['y'] }),
      'Transpose1{perm=1,0,2} RNN3{hidden_size=4} Transpose1{perm=2,0,1,3}',
    ],
    [18, [[[2]]], (b, v) => b.emit('QuantizeLinear', [v, b.constant(1, 'float32')], { output_dtype: 3 }), 'QuantizeLinear3{}'],
  ])('opset %i %#', (opset, inputs, build, expected) => expect(reasons(inputs, build, opset)).toBe(expected));
});

test('outputs of nested graphs are made there', () => {
  const b = newBuilder();
  const [condition, x0] = [new Value('c', tensorType('bool', [])), new Value('x', tensorType('float32', [2]))];
  const branch = (value: Value): Graph => new Graph('branch', { outputs: [{ name: 'z', value }] });
  const branches = { then_branch: branch(x0), else_branch: branch(b.constant(Float32Array.of(1, 2), 'float32')) };
  const value = b.emit('If', [condition], branches)[0]!;
  const graph = new Graph('g', { inputs: [condition, x0], outputs: [{ name: 'y', value }], nodes: b.nodes });
  const model = new Model(graph, { irVersion: 13, opsets: new Map([['', newestOpset('')!]]) });
  target(model, 21);
  expect([...allNodes(model.graph)].map(node => node.op)).toEqual(['If', 'Identity', 'Identity']);
});

describe('what an older opset cannot say', () => {
  test.each<[number, readonly Input[], Build, string]>([
    [
      12,
      [x, [[1], 'int64']],
      (b, v, axes) => b.emit('Squeeze', [v, axes]),
      'input axes must be constant before that version, and it is known at run time only',
    ],
    [
      17,
      [image],
      (b, v) => b.emit('Resize', [v, undefined, floats(b, 1, 1, 2, 2)], { antialias: 1 }),
      'Resize knows no antialias before opset 18',
    ],
    [13, [x], (b, v) => b.emit('Reshape', [v, b.ints([0, -1])], { allowzero: 0 }), 'Reshape2{}'],
    [12, [[[2], 'string']], (b, v) => b.emit('StringNormalizer', [v]), 'StringNormalizer1{}'],
    [9, [x], (b, v) => b.Slice(v!, { axes: [0], starts: [0], ends: [2], steps: [2] }), 'Slice takes no steps there'],
  ])('opset %i %#', (opset, inputs, build, expected) => expect(reasons(inputs, build, opset)).toBe(expected));

  test('all reasons at once', () => {
    const build: Build = (b, v, s) => [b.emit('BitCast', [v], { to: 6 })[0], b.emit('StringConcat', [s, s])[0]];
    expect(reasons([x, [[2], 'string']], build, 18)).toBe('BitCast is new in opset 26; StringConcat is new in opset 20');
  });
});

test('what was written in an old opset computes the same when it is read again', async () => {
  const build: Build = (b, v) => b.Softmax({ input: b.ReduceMax(b.Unsqueeze(v!, [0]), { axes: [-1] }) }, { axis: 1 });
  const feeds = {
    x0: new Tensor(
      'float32',
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
      [2, 3, 4],
    ),
  };
  const runs = async (model: Model): Promise<number[]> => {
    const session = await Session.create(model, { backend: referenceBackend(), optimize: false });
    const [y] = Object.values(await session.run(feeds));
    await session.dispose();
    return numbersOf(y!);
  };
  const expected = await runs(modelOf([x], build));
  for (const opset of [21, 17, 12, 10, 9]) {
    const model = modelOf([x], build);
    target(model, opset);
    expect(await runs(upgrade(model)), `opset ${opset}`).toEqual(expected);
  }
});

describe('targets', () => {
  test('are named by their releases', () => {
    expect(runtimeNamed('ort-1.20')).toMatchObject({ opset: 21, irVersion: 10 });
    expect(runtimeNamed('ort-1.14.1').opset).toBe(18);
    expect(runtimeNames).toContain('ort-1.32');
  });
  test('read a model in the newest opset in which they have all its operators', () => {
    const newest = (target: string, build: Build): number => newestFor(runtimeNamed(target), modelOf([[[1, 2, 3]]], build));
    expect(newest('ort-1.32', (b, x) => b.Relu(x))).toBe(28);
    expect(newest('ort-1.32', (b, x) => b.QuantizeLinear({ x, y_scale: b.constant(1, 'float32') }))).toBe(27);
    expect(newest('ort-1.21', (b, x) => b.GlobalLpPool({ X: x }))).toBe(21);
    expect(newest('ort-1.20', (b, x) => b.GlobalLpPool({ X: x }))).toBe(21);
    expect(newest('ort-1.19', (b, x) => b.Relu(x))).toBe(21);
  });
  test('others are told what is known', () =>
    expect(() => runtimeNamed('ort-1.2')).toThrow('there is no target ort-1.2; known are ort-1.12,'));
});
