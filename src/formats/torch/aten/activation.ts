// ATen overloads of activation functions, and of dropout, which evaluation leaves out.
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { expm1 } from '../../../ops/formulas.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { type Formula, isUnsigned, ofSelf, rows, times } from './elementwise.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

const row = (name: string, f: Formula): AtenRows => rows(name, 'default', ofSelf(f));

interface EluScales {
  readonly alpha: number;
  readonly scale: number;
  readonly inputScale: number;
}

/** scale * x above 0, and scale * alpha * (exp(inputScale * x) - 1) below. */
function elu(b: Builder, self: Value, { alpha, scale, inputScale }: EluScales): Value {
  if (inputScale === 1 && scale === 1) return b.Elu({ X: self }, { alpha });
  if (inputScale === 1) return b.Selu({ X: self }, { alpha, gamma: scale });
  if (scale === 1 && inputScale === 1 / alpha && elementOf(self) === 'float32') return b.Celu({ X: self }, { alpha });
  const below = b.Mul(expm1(b, times(b, self, inputScale)), b.like(alpha * scale, self));
  return b.Where(b.Greater(self, b.like(0, self)), times(b, self, scale), below);
}

const eluRow: AtenRow = (x, b) =>
  elu(b, x.tensor('self'), { alpha: x.number('alpha'), scale: x.number('scale'), inputScale: x.number('input_scale') });

/** log(1 + exp(beta * x)) / beta, and x itself beyond the threshold where the element type can tell the two apart. */
function softplus(b: Builder, self: Value, x: Args): Value {
  const [beta, threshold] = [x.number('beta'), x.number('threshold')];
  const scaled = times(b, self, beta);
  const soft = b.Softplus({ X: scaled });
  const result = beta === 1 ? soft : b.Div(soft, b.like(beta, soft));
  const isLost = threshold > 0 && Math.exp(-threshold) / threshold < precision(elementOf(self));
  return isLost ? result : b.Where(b.Greater(scaled, b.like(threshold, self)), self, result);
}

/** Half the distance from 1 to the next number. */
function precision(type: DataType): number {
  const digits: Partial<Record<DataType, number>> = { float64: 53, float32: 24, float16: 11, bfloat16: 8 };
  return 2 ** -(digits[type] ?? 53);
}

const logSigmoid = (b: Builder, self: Value): Value => b.Neg(b.Softplus({ X: b.Neg(self) }));

/** PyTorch's slopes lie along axis 1, ONNX's broadcast from the right. */
function prelu(b: Builder, self: Value, x: Args): Value {
  const weight = x.tensor('weight');
  const [rank, count] = [rankOf(self), shapeOf(weight)[0]];
  if (rank === 0 && rankOf(weight) === 1) return b.PRelu({ X: self, slope: b.Squeeze(weight, [0]) });
  const isAligned = rankOf(weight) === 0 || count === 1 || rank === 2;
  return b.PRelu({ X: self, slope: isAligned ? weight : b.Unsqueeze(weight, range(rank - 2, 1)) });
}

/** Slopes are random in training; evaluation takes the middle. */
function rrelu(b: Builder, self: Value, x: Args): Value {
  if (x.boolean('training')) throw unsupported('rrelu in training mode; export the model in eval mode');
  return b.LeakyRelu({ X: self }, { alpha: (x.number('lower') + x.number('upper')) / 2 });
}

function glu(b: Builder, self: Value, x: Args): Value {
  const axis = axisOf(x.number('dim'), rankOf(self));
  const size = shapeOf(self)[axis];
  const [value, gate] =
    typeof size === 'number'
      ? b.Split(self, [size / 2, size / 2], axis)
      : (b.emit('Split', [self], { axis, num_outputs: 2 }, { outputs: ['split_0', 'split_1'] }) as readonly Value[]);
  return b.Mul(value!, b.Sigmoid(gate!));
}

const trained = () => unsupported('dropout in training mode; export the model in eval mode');

/** The in-place overload calls its tensor `self`. */
const dropout: AtenRow = x => {
  if (x.boolean('train') && x.number('p') !== 0) throw trained();
  return x.optional('input') ?? x.tensor('self');
};

/** None stands for training. */
const nativeDropout: AtenRow = (x, b) => {
  if ((!x.has('train') || x.boolean('train')) && x.number('p') !== 0) throw trained();
  const input = x.tensor('input');
  return [
    input,
    b.Expand(
      b.constant(true, 'bool'),
      range(rankOf(input)).map(axis => b.dim(input, axis)),
    ),
  ];
};

export const activation: AtenRows = {
  ...row('relu', (b, v) => (isUnsigned(v) ? v : b.Relu(v))),
  ...row('relu6', (b, v) => b.Clip({ input: v, min: b.like(0, v), max: b.like(6, v) })),
  ...row('leaky_relu', (b, v, x) => b.LeakyRelu({ X: v }, { alpha: x.number('negative_slope') })),
  ...row('prelu', prelu),
  ...row('_prelu_kernel', (b, v, x) => b.PRelu({ X: v, slope: x.tensor('weight') })),
  ...row('rrelu', rrelu),
  'rrelu_with_noise.default': (x, b) => {
    x.written.set('noise', x.tensor('noise'));
    return rrelu(b, x.tensor('self'), x);
  },
  'rrelu_with_noise_functional.default': (x, b) => [rrelu(b, x.tensor('self'), x), x.tensor('noise')],
  'elu.default': eluRow,
  ...row('selu', (b, v) => b.Selu({ X: v })),
  ...row('celu', (b, v, x) => elu(b, v, { alpha: x.number('alpha'), scale: 1, inputScale: 1 / x.number('alpha') })),
  ...row('silu', (b, v) => b.Mul(v, b.Sigmoid(v))),
  ...row('mish', (b, v) => b.Mish({ X: v })),
  ...row('gelu', (b, v, x) => b.Gelu({ X: v }, { approximate: x.string('approximate') })),
  ...row('hardsigmoid', (b, v) => b.HardSigmoid({ X: v }, { alpha: 1 / 6, beta: 0.5 })),
  ...row('hardswish', (b, v) => b.HardSwish({ X: v })),
  ...row('hardshrink', (b, v, x) => b.Shrink({ input: v }, { lambd: x.number('lambd'), bias: 0 })),
  ...row('softshrink', (b, v, x) => b.Shrink({ input: v }, { lambd: x.number('lambd'), bias: x.number('lambd') })),
  ...row('softplus', softplus),
  ...row('log_sigmoid', logSigmoid),
  'log_sigmoid_forward.default': (x, b) => [logSigmoid(b, x.tensor('self')), b.Exp(b.Neg(b.Abs(x.tensor('self'))))],
  ...row('glu', glu),
  ...rows('dropout feature_dropout alpha_dropout feature_alpha_dropout', 'default', dropout),
  'native_dropout.default': nativeDropout,
};
