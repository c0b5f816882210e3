// Products and convolutions with what optimisers fuse into them: transposes, factors, residuals, activations.
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { windowOf } from '../quantize.ts';
import { type At, otherComposite } from '../row.ts';
import { knownNumbers, range, rankOf } from '../shapes.ts';
import { activate, fastGelu } from './activations.ts';

interface Transposes {
  readonly alpha: number;
  readonly transA?: number;
  readonly transB?: number;
  readonly transBatchA?: number;
  readonly transBatchB?: number;
}

interface Activation {
  readonly activation?: string;
  readonly activation_alpha?: number;
  readonly activation_beta?: number;
  readonly activation_gamma?: number;
  readonly activation_axis?: number;
}

/** The last two axes swapped; `batch` first moves axis 0 before the last. Vectors stay as they are. */
function turned(x: Value, swap: number | undefined, batch: number | undefined, b: Builder): Value {
  const rank = rankOf(x);
  if (rank < 2 || (!swap && !batch)) return x;
  const order = batch ? [...range(rank - 2, 1), 0, rank - 1] : range(rank);
  return b.Transpose(x, swap ? [...order.slice(0, -2), order[rank - 1]!, order[rank - 2]!] : order);
}

function product(A: Value, B: Value, { alpha, transA, transB, transBatchA, transBatchB }: Transposes, b: Builder): Value {
  const y = b.MatMul(turned(A, transA, transBatchA, b), turned(B, transB, transBatchB, b));
  return alpha === 1 ? y : b.Mul(y, b.like(alpha, y));
}

interface Convolution {
  readonly X: Value;
  readonly W: Value;
  readonly B?: Value;
  readonly Z?: Value;
}
export interface ConvolutionAttributes extends Partial<At<'ConvInteger'>> {
  readonly activation?: string;
  readonly activation_params?: readonly number[];
}

export const channelsFirst = (x: Value, b: Builder): Value => b.Transpose(x, [0, rankOf(x) - 1, ...range(rankOf(x) - 2, 1)]);
export const channelsLast = (x: Value, b: Builder): Value => b.Transpose(x, [0, ...range(rankOf(x) - 2, 2), 1]);

function fusedConv({ X, W, B, Z }: Convolution, at: ConvolutionAttributes, b: Builder): Value {
  const y = b.emit('Conv', [X, W, B], windowOf(at))[0]!;
  return activate(Z ? b.Add(y, Z) : y, at.activation, at.activation_params ?? [], b);
}

interface Both {
  readonly A: Value;
  readonly B: Value;
}

export const linear = {
  FusedMatMul: otherComposite<Both, Transposes>({ lower: ({ A, B }, at, b) => product(A, B, at, b) }),
  TransposeMatMul: otherComposite<Both, Transposes>({ lower: ({ A, B }, at, b) => product(A, B, at, b) }),
  FusedMatMulActivation: otherComposite<Both, Transposes & Activation>({
    lower: ({ A, B }, at, b) => activate(product(A, B, at, b), at.activation, parametersOf(at), b),
  }),
  FusedGemm: otherComposite<Both & { C?: Value }, Activation & { alpha: number; beta: number; transA: number; transB: number }>({
    lower({ A, B, C }, at, b) {
      const { alpha, beta, transA, transB } = at;
      return activate(b.Gemm({ A, B, C }, { alpha, beta, transA, transB }), at.activation, parametersOf(at), b);
    },
  }),
  GemmFastGelu: otherComposite<{ X: Value; W: Value; bias?: Value }, object>({
    lower({ X, W, bias }, _at, b) {
      const y = b.MatMul(X, W);
      return fastGelu(bias ? b.Add(y, bias) : y, b);
    },
  }),
  FusedConv: otherComposite<Convolution, ConvolutionAttributes>({ lower: fusedConv }),
  NhwcFusedConv: otherComposite<Convolution, ConvolutionAttributes>({
    lower: ({ X, W, B, Z }, at, b) =>
      channelsLast(fusedConv({ X: channelsFirst(X, b), W, B, Z: Z && channelsFirst(Z, b) } as Convolution, at, b), b),
  }),
  NhwcMaxPool: otherComposite<{ x: Value }, ConvolutionAttributes & { ceil_mode?: number }>({
    lower: ({ x }, at, b) =>
      channelsLast(b.emit('MaxPool', [channelsFirst(x, b)], { ...windowOf(at), group: undefined, ceil_mode: at.ceil_mode })[0]!, b),
  }),
  ConvTransposeWithDynamicPads: otherComposite<
    { X: Value; W: Value; Pads?: Value; B?: Value },
    ConvolutionAttributes & { output_padding?: readonly number[] }
  >({
    known: ['Pads'],
    lower({ X, W, Pads, B }, at, b) {
      const pads = knownNumbers(Pads) ?? at.pads;
      return b.emit('ConvTranspose', [X, W, B], { ...windowOf(at), pads, output_padding: at.output_padding })[0]!;
    },
  }),
};

const parametersOf = ({
  activation_alpha,
  activation_beta,
  activation_gamma,
  activation_axis,
}: Activation): readonly (number | undefined)[] => [activation_alpha, activation_beta, activation_gamma, activation_axis];
