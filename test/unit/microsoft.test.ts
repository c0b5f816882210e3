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
  /** Which output is asked for; the first, if none. */
  readonly output?: number;
}

/** For rows that say no more than inputs. */
const one = (op: string, inputs: One['inputs'], at: One['at'] = {}, output = 0): One => ({ op, inputs, at, output });
const float = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor => new Tensor('float32', values, dims);

const bytes = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor => new Tensor('uint8', values, dims);
const zeros = (n: number): number[] => Array(n).fill(0);

const matrices = [float([1, 2, 3, 4], [2, 2]), float([1, -1, 0, 1], [2, 2])];
const places = [1, 2, 3, 4, 5, 6, 7, 9];
/** The same eight numbers, one channel after the other. */
const turned = [1, 5, 2, 6, 3, 7, 4, 9];
const skip = [1, 0, -1, 2];
/** A scale and a shift for four channels. */
const affine = [float([1, 2, 1, 0.5]), float([0, 1, 0, -1])];

function modelOf({ op, inputs, at = {}, in: of = domain, output = 0 }: One): Model {
  const values = inputs.map((t, i) => t && new Value(`x${i}`, tensorType(t.type, t.dims) as TensorType));
  const b = newBuilder();
  const outputs = Array.from({ length: output + 1 }, (_, i) => (i === output ? 'y' : undefined));
  const y = b.emit(op, values, at, { domain: of, outputs })[output];
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
    // (1, 2) + (10, 20) + (100, 200), the bias for every row.
    [one('BiasAdd', [float([1, 2, 3, 4], [1, 2, 2]), float([10, 20]), float([100, 200, 300, 400], [1, 2, 2])]), [111, 222, 313, 424]],
    // Nothing is dropped without training, whatever the ratio; the mask says so.
    [one('BiasDropout', [float([1, 2, 3, 4], [2, 2]), float([10, 20]), float([1, 1, 1, 2], [2, 2]), float([0.75], [])]), [12, 23, 14, 26]],
    [one('BiasDropout', [float([1, 2], [1, 2]), float([10, 20]), undefined, float([0.75], [])], {}, 1), [1, 1]],
    // While training each is dropped, or divided by the chance to stay; with nothing to drop all stays.
    [one('BiasDropout', [float([1, 2], [1, 2]), float([10, 20]), undefined, float([0], []), new Tensor('bool', [true], [])]), [11, 22]],
    // [[1, 2], [3, 4]] times [[1, -1], [0, 1]] is [[1, 1], [3, 1]], here halved; softmax along the last axis, then along the other.
    [one('FusedMatMulActivation', matrices, { alpha: 0.5, activation: 'Softmax' }), [0.5, 0.5, 0.731059, 0.268941]],
    [one('FusedMatMulActivation', matrices, { alpha: 0.5, activation: 'Softmax', activation_axis: 0 }), [0.268941, 0.5, 0.731059, 0.5]],
    // [[1, 3], [2, 4]] times [[1, 0], [-1, 1]] is [[-2, 3], [-2, 4]].
    [one('FusedMatMulActivation', matrices, { transA: 1, transB: 1, activation: 'LeakyRelu', activation_alpha: 0.25 }), [-0.5, 3, -0.5, 4]],
    // 3 * x above 0, 3 * 2 * (exp(x) - 1) below.
    [
      one('FusedMatMulActivation', matrices, {
        transA: 1,
        transB: 1,
        activation: 'Selu',
        activation_alpha: 2,
        activation_gamma: 3,
      }),
      [-5.187988, 9, -5.187988, 12],
    ],
    // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) of [[1, 1], [3, 1]], and of the same plus (0.5, -0.5).
    [one('GemmFastGelu', matrices), [0.841192, 0.841192, 2.996363, 0.841192]],
    [one('GemmFastGelu', [...matrices, float([0.5, -0.5])]), [1.399572, 0.345714, 3.499384, 0.345714]],
    // Three places (1, 2), (3, 4), (5, 6) of two channels; then windows of two places, and Z before Relu.
    [one('NhwcFusedConv', [float([1, 2, 3, 4, 5, 6], [1, 1, 3, 2]), float([1, -1, 2, 0], [2, 2, 1, 1])]), [-1, 2, -1, 6, -1, 10]],
    [
      one(
        'NhwcFusedConv',
        [
          float([1, 2, 3, 4, 5, 6], [1, 1, 3, 2]),
          float([1, 2, -1, 0, 1, 1, 0, 3], [2, 2, 1, 2]),
          float([1, -20]),
          float([-4, 0, 0, 1], [1, 1, 2, 2]),
        ],
        { activation: 'Relu', kernel_shape: [1, 2] },
      ),
      [2, 0, 10, 7],
    ],
    // With a pad on the right and every other place.
    [
      one('NhwcFusedConv', [float([1, 2, 3, 4], [1, 1, 4, 1]), float([1, 10], [1, 1, 1, 2])], { pads: [0, 0, 0, 1], strides: [1, 3] }),
      [21, 4],
    ],
    // Two groups of two channels at two places of the sum of all three, by numpy: gamma * (s - mean) / sqrt(variance + 1e-5) + beta,
    // and that times its sigmoid.
    [
      one('SkipGroupNorm', [float(places, [1, 1, 2, 4]), ...affine, float(skip, [1, 4]), float([0, 1, 0, -1])], {
        groups: 2,
        activation: 1,
      }),
      [-0.277979, -0.176678, -0.278354, -0.275939, 0.49061, 3.317412, 0.045592, -0.112209],
    ],
    [
      one(
        'SkipGroupNorm',
        [float(places, [1, 1, 2, 4]), ...affine, float(skip, [1, 1, 1, 4]), float([0, 1, 0, -1])],
        { groups: 2, activation: 0 },
        1,
      ),
      [2, 3, 2, 5, 6, 7, 6, 10],
    ],
    // Channels first, without a bias.
    [
      one('SkipGroupNorm', [float(turned, [1, 4, 1, 2]), ...affine, float(skip, [1, 4])], { groups: 2, activation: 0, channels_last: 0 }),
      [-0.999999, 0.999999, -0.999997, 2.999997, -1.331542, -0.078326, -1.039163, -0.255903],
    ],
    // Rows of the weight; padding_idx is for gradients only.
    [
      one('TorchEmbedding', [float([1, 2, 3, 4, 5, 6], [3, 2]), new Tensor('int64', [2n, 0n, 2n], [1, 3]), new Tensor('int64', [2n], [])]),
      [5, 6, 1, 2, 5, 6],
    ],
    [{ op: 'QuickGelu', inputs: [float([0, 2])], at: { alpha: 1 } }, [0, 1.761594]],
  ])('%o', async (one, wanted) => {
    const made = await run(one);
    expect(made.length).toBe(wanted.length);
    for (const [i, y] of made.entries()) expect(y).toBeCloseTo(wanted[i]!, 5);
  });
  it('an output without a meaning is named where it is read', async () => {
    const inputs = [float([1, 1], [1, 1, 2]), float([2, 3], [1, 1, 2]), float([1, 1])];
    await expect(run({ op: 'SkipSimplifiedLayerNormalization', inputs, output: 1 })).rejects.toMatchObject({
      code: 'E3004',
      message: expect.stringContaining('SkipSimplifiedLayerNormalization: the output mean has no meaning here'),
    });
  });
});
