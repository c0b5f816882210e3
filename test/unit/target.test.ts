// The opset a model is written in, and what becomes of operators that it lacks.
import { describe, expect, test } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { symbol } from '../../src/ir/dims.ts';
import { allNodes, Graph, Model, Value } from '../../src/ir/graph.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { newestOpset, schemaOf } from '../../src/ops/schema.ts';
import { target } from '../../src/opset/target.ts';
import { upgrade } from '../../src/opset/upgrade.ts';

const input = (name: string, shape: readonly (number | string)[], type: DataType = 'float32'): Value =>
  new Value(
    name,
    tensorType(
      type,
      shape.map(d => (typeof d === 'string' ? symbol(d) : d)),
    ),
  );
type Build = (b: Builder, ...x: Value[]) => Value | undefined;

function modelOf(inputs: readonly Value[], build: Build, opset = newestOpset('')!): Model {
  const b = newBuilder();
  const value = build(b, ...inputs)!;
  const graph = new Graph('g', { inputs: [...inputs], outputs: [{ name: 'y', value }], nodes: b.nodes });
  return new Model(graph, { irVersion: 13, opsets: new Map([['', opset]]) });
}

/** The opset that is chosen, and the operators in order. */
function targeted(inputs: readonly Value[], build: Build, wanted?: number): string {
  const model = modelOf(inputs, build);
  target(model, wanted);
  const nodes = [...allNodes(model.graph)];
  for (const node of nodes) expect(schemaOf('', node.op, model.opsets.get('')!), node.op).toBeDefined();
  return `${model.opsets.get('')}: ${nodes.map(node => node.op).join(' ')}`;
}

const x = (): Value => input('x', ['n', 4]);
const qkv = (n: number | string = 2, s: number | string = 3): Value[] => ['q', 'k', 'v'].map(name => input(name, [n, 2, s, 16]));
const attention =
  (at: Parameters<Builder['Attention']>[1] = {}): Build =>
  (b, Q, K, V, attn_mask) =>
    b.Attention({ Q: Q!, K: K!, V: V!, attn_mask }, at).Y;

describe('without a wish', () => {
  test.each<[string, Value[], Build, string]>([
    ['plain operators stay at 18', [x()], (b, v) => b.Relu(v!), '18: Relu'],
    ['an operator of 20 raises it', [x()], (b, v) => b.Gelu({ X: v! }), '20: Gelu'],
    ['Swish becomes its body', [x()], (b, v) => b.Swish({ X: v! }), '18: Sigmoid Mul'],
    ['a body within a body', [x(), x()], (b, A, B) => b.SwiGLU({ A: A!, B: B! }, { alpha: 2 }), '18: Mul Sigmoid Mul Mul'],
    ['what has no body raises it', [x()], (b, v) => b.BitCast({ input: v! }, { to: 6 }), '26: BitCast'],
    [
      'RMSNormalization becomes its body',
      [x(), input('s', [4])],
      (b, X, scale) => b.RMSNormalization({ X: X!, scale: scale! }),
      '18: Mul ReduceSum Div Add Sqrt Reciprocal Mul Mul',
    ],
    ['attention', qkv(), attention(), '18: Transpose Mul Mul MatMul Softmax MatMul'],
    ['attention of open sizes', qkv('n', 's'), attention(), '18: Transpose Mul Mul MatMul Softmax MatMul'],
    ['causal attention', qkv(), attention({ is_causal: 1 }), '18: Transpose Mul Mul MatMul Where Softmax MatMul'],
    [
      'causal attention of an open length',
      qkv('n', 's'),
      attention({ is_causal: 1 }),
      '18: Transpose Mul Mul MatMul Shape Squeeze Range Unsqueeze LessOrEqual Where Softmax MatMul',
    ],
    ['a boolean mask', [...qkv(), input('mask', [3, 3], 'bool')], attention(), '18: Transpose Mul Mul MatMul Where Softmax Where MatMul'],
    [
      'a mask that is added',
      [...qkv(), input('mask', ['n', 1, 3, 3])],
      attention(),
      '18: Transpose Mul Mul MatMul ReduceMax Equal Where Add Softmax Where MatMul',
    ],
    [
      'grouped heads',
      [input('q', ['n', 4, 's', 16]), input('k', ['n', 2, 's', 16]), input('v', ['n', 2, 's', 16])],
      attention(),
      '18: Transpose Mul Reshape Mul MatMul Softmax MatMul Reshape',
    ],
    ['a scale of 1', qkv(), attention({ scale: 1 }), '18: Transpose MatMul Softmax MatMul'],
    [
      'GroupNormalization needs 21',
      [input('x', ['n', 4, 8]), input('s', [4])],
      (b, X, s) => b.GroupNormalization({ X: X!, scale: s!, bias: s! }, { num_groups: 2 }),
      '21: GroupNormalization',
    ],
    ['a mode that came later', [x()], (b, v) => b.Pad({ data: v!, pads: b.ints([0, 1, 0, 1]) }, { mode: 'wrap' }), '19: Pad'],
  ])('%s', (_, inputs, build, expected) => expect(targeted(inputs, build)).toBe(expected));

  test('nested graphs are lowered too', () => {
    const b = newBuilder();
    const branch = (build: (v: Value) => Value): Graph => {
      const outer = b.nodes.length;
      const value = build(x0);
      return new Graph('branch', { outputs: [{ name: 'z', value }], nodes: b.nodes.splice(outer) });
    };
    const x0 = x();
    const then_branch = branch(v => b.Swish({ X: v }));
    const else_branch = branch(v => b.Relu(v));
    const build: Build = (own, v) =>
      own.emit('If', [own.Squeeze(own.Cast(own.Slice(v!, { axes: [0, 1], starts: [0, 0], ends: [1, 1] }), 'bool'), [0, 1])], {
        then_branch,
        else_branch,
      })[0];
    expect(targeted([x0], build)).toBe('18: Slice Cast Squeeze If Sigmoid Mul Relu');
  });

  test('constants are shared', () => {
    const model = modelOf(qkv(), attention());
    target(model);
    const [first, second] = model.graph.nodes.filter(node => node.op === 'Mul');
    expect(first!.inputs[1]).toBe(second!.inputs[1]);
  });
});

describe('with a wish', () => {
  test.each<[number, Value[], Build, string]>([
    [18, [x()], (b, v) => b.Gelu({ X: v! }), '18: Div Erf Add Mul Mul'],
    [24, [x()], (b, v) => b.Swish({ X: v! }), '24: Swish'],
    [24, qkv(), attention({ is_causal: 1 }), '24: Attention'],
    [
      18,
      [input('x', ['n', 4, 8]), input('s', [4])],
      (b, X, s) => b.GroupNormalization({ X: X!, scale: s!, bias: s! }, { num_groups: 2 }),
      '18: Reshape InstanceNormalization Reshape Reshape Mul Reshape Add',
    ],
  ])('opset %i', (wanted, inputs, build, expected) => expect(targeted(inputs, build, wanted)).toBe(expected));

  test('a cache counts in the causal order only since 25', () => {
    const past = ['k', 'v'].map(name => input(`past_${name}`, [2, 2, 5, 16]));
    const build: Build = (b, Q, K, V, past_key, past_value) =>
      b.Attention({ Q: Q!, K: K!, V: V!, past_key, past_value }, { is_causal: 1 }).Y;
    expect(targeted([...qkv(), ...past], build, 25)).toBe('25: Attention');
    expect(targeted([...qkv(), ...past], build, 24)).not.toContain('Attention');
  });

  test('what cannot be said is told', () => {
    expect(() => targeted([x()], (b, v) => b.BitCast({ input: v! }, { to: 6 }), 22)).toThrow(
      expect.toSatisfy(
        error => error instanceof ModelError && error.code === 'E2004' && error.message.includes('BitCast is new in opset 26'),
      ),
    );
  });
});

describe('upgrading', () => {
  test('a factor a group becomes one a channel', () => {
    const model = modelOf(
      [input('x', ['n', 6, 8]), input('s', [2])],
      (b, X, s) => b.GroupNormalization({ X: X!, scale: s!, bias: s! }, { num_groups: 2 }),
      18,
    );
    const { nodes } = upgrade(model).graph;
    expect(nodes.map(node => node.op).join(' ')).toBe('Unsqueeze Expand Reshape Unsqueeze Expand Reshape GroupNormalization');
    expect(nodes.at(-1)!.inputs[1]!.shape).toEqual([6]);
  });
  test('modes of interpolation have other names', () => {
    const model = modelOf(
      [input('x', ['n', 6, 8, 8]), input('grid', ['n', 3, 3, 2])],
      (b, X, grid) => b.emit('GridSample', [X, grid], { mode: 'bicubic' })[0],
      16,
    );
    expect(upgrade(model).graph.nodes[0]!.attributes.get('mode')).toEqual({ kind: 'string', value: 'cubic' });
  });
});
