// Operators of ONNX Runtime's own domain by numbers worked out by hand or by their formula.
import { describe, expect, it } from 'vitest';
import { Model, referenceBackend, Session, Tensor } from '../../src/index.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { type TensorType, tensorType } from '../../src/ir/types.ts';
import type { AttributeInput } from '../../src/ops/attributes.ts';
import { newBuilder } from '../../src/ops/builder.ts';

const domain = 'com.microsoft';

interface One {
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly at?: Readonly<Record<string, AttributeInput>>;
  readonly in?: string;
}

const float = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor => new Tensor('float32', values, dims);

const bytes = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor => new Tensor('uint8', values, dims);
const zeros = (n: number): number[] => Array(n).fill(0);

function modelOf({ op, inputs, at = {}, in: of = domain }: One): Model {
  const values = inputs.map((t, i) => t && new Value(`x${i}`, tensorType(t.type, t.dims) as TensorType));
  const b = newBuilder();
  const [y] = b.emit(op, values, at, { domain: of });
  const graph = new Graph('g', {
    inputs: values.filter(v => v !== undefined),
    nodes: b.nodes,
    outputs: [{ name: 'y', value: y! }],
  });
  return new Model(graph, {
    irVersion: 10,
    opsets: new Map([
      ['', 21],
      [domain, 1],
    ]),
  });
}

async function run(one: One): Promise<number[]> {
  const session = await Session.create(modelOf(one), { backend: referenceBackend() });
  const feeds = one.inputs.flatMap((t, i) => (t ? [[`x${i}`, t] as const] : []));
  const made = Object.values(await session.run(Object.fromEntries(feeds)))[0]!;
  return Array.from(made.data as ArrayLike<number>, Number);
}

describe('operators of com.microsoft', () => {
  it.each<[One, number[]]>([
    // A squared mean of 12.5 makes 3 and 4 into 3 / sqrt(12.5) and 4 / sqrt(12.5).
    [
      { op: 'SimplifiedLayerNormalization', in: '', inputs: [float([3, 4], [1, 2]), float([1, 2])], at: { epsilon: 0 } },
      [0.848528, 2.262742],
    ],
    [
      {
        op: 'SkipSimplifiedLayerNormalization',
        inputs: [float([1, 1], [1, 1, 2]), float([2, 3], [1, 1, 2]), float([1, 1])],
        at: { epsilon: 0 },
      },
      [0.848528, 1.131371],
    ],
    // [[1, 2], [3, 4]] transposed times [[1], [1]], halved.
    [{ op: 'FusedMatMul', inputs: [float([1, 2, 3, 4], [2, 2]), float([1, 1], [2, 1])], at: { transA: 1, alpha: 0.5 } }, [2, 3]],
    // Sixteen numbers of four bits, lowest first: 9 and 7 stand for 1 and -1 times 0.5, the others for 0; then one byte of zero points.
    [
      {
        op: 'MatMulNBits',
        inputs: [float([2, 1, ...zeros(14)], [1, 16]), bytes([0x79, ...Array(7).fill(0x88)], [1, 1, 8]), float([0.5], [1, 1])],
        at: { K: 16, N: 1, bits: 4, block_size: 16 },
      },
      [0.5],
    ],
    [
      {
        op: 'MatMulNBits',
        inputs: [float([2, 1, ...zeros(14)], [1, 16]), bytes([0x79, ...zeros(7)], [1, 1, 8]), float([0.5], [1, 1]), bytes([5], [1, 1])],
        at: { K: 16, N: 1, bits: 4, block_size: 16 },
      },
      [5],
    ],
    // (10 - 8) * 0.5 + (20 - 8) * 0.25 = 4, which is 8 steps of 0.5 over a zero point of 100.
    [
      {
        op: 'QLinearAdd',
        inputs: [
          bytes([10]),
          float([0.5], []),
          bytes([8], []),
          bytes([20]),
          float([0.25], []),
          bytes([8], []),
          float([0.5], []),
          bytes([100], []),
        ],
      },
      [108],
    ],
    // Two heads of one number: the query at place 1 sees both keys equally, the one at place 0 only its own.
    [
      {
        op: 'GroupQueryAttention',
        inputs: [
          float([0, 0, 0, 0], [1, 2, 2]),
          float([1, 1], [1, 2, 1]),
          float([2, 4], [1, 2, 1]),
          undefined,
          undefined,
          new Tensor('int32', [1], [1]),
          new Tensor('int32', [2], [1]),
        ],
        at: { num_heads: 2, kv_num_heads: 1 },
      },
      [2, 2, 3, 3],
    ],
    // Channels 0 and 1, 2 and 3 are groups: -1 and 1 each, then a scale of 2 and a shift of 1.
    [
      {
        op: 'GroupNorm',
        inputs: [float([1, 3, 10, 30], [1, 1, 1, 4]), float([2, 2, 2, 2]), float([1, 1, 1, 1])],
        at: { groups: 2, activation: 0, epsilon: 0 },
      },
      [-1, 3, -1, 3],
    ],
    // softmax([0, ln 3]) with the bias that makes it [1/4, 3/4].
    [{ op: 'BiasSoftmax', inputs: [float([1, 1], [1, 2]), float([0, Math.log(3)])], at: { axis: 1, is_inner_broadcast: 0 } }, [0.25, 0.75]],
    [{ op: 'BiasSplitGelu', inputs: [float([1, 1], [1, 1, 2]), float([2, -1])] }, [0]],
    // min(3, 2) * sigmoid(0) * (1 + 1): alpha is 0.
    [
      {
        op: 'SwiGLU',
        inputs: [float([3, 1], [1, 2])],
        at: { limit: 2, activation_alpha: 0, activation_beta: 1 },
      },
      [2],
    ],
    [
      {
        op: 'QLinearReduceMean',
        inputs: [bytes([10, 20], [1, 2]), float([1], []), bytes([0], []), float([0.5], []), bytes([1], [])],
        at: { axes: [1], keepdims: 0 },
      },
      [31],
    ],
    [{ op: 'QuickGelu', inputs: [float([0, 2])], at: { alpha: 1 } }, [0, 1.761594]],
  ])('%o', async (one, wanted) => {
    const made = await run(one);
    expect(made.length).toBe(wanted.length);
    for (const [i, y] of made.entries()) expect(y).toBeCloseTo(wanted[i]!, 5);
  });
});
