// Activations as operations.
import { activations } from '../activations.ts';
import { Config } from '../config.ts';
import { type LayerRow, plain } from '../layers/row.ts';

/** Names of classes, the activation, and the names of arguments behind the tensor. */
const classes: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Relu: ['relu'],
  ReLU: ['relu', 'negative_slope', 'max_value', 'threshold'],
  Relu6: ['relu6'],
  Sigmoid: ['sigmoid'],
  SparseSigmoid: ['sparse_sigmoid'],
  Softplus: ['softplus'],
  Softsign: ['softsign'],
  SoftShrink: ['soft_shrink', 'threshold'],
  SparsePlus: ['sparse_plus'],
  Silu: ['silu'],
  Squareplus: ['squareplus', 'b'],
  LogSigmoid: ['log_sigmoid'],
  LeakyRelu: ['leaky_relu', 'negative_slope'],
  HardSigmoid: ['hard_sigmoid'],
  HardSilu: ['hard_silu'],
  HardTanh: ['hard_tanh'],
  HardShrink: ['hard_shrink', 'threshold'],
  TanhShrink: ['tanh_shrink'],
  Elu: ['elu', 'alpha'],
  Selu: ['selu'],
  Gelu: ['gelu', 'approximate'],
  Celu: ['celu', 'alpha'],
  Glu: ['glu', 'axis'],
  Softmax: ['softmax', 'axis'],
  LogSoftmax: ['log_softmax', 'axis'],
  Sparsemax: ['sparsemax', 'axis'],
  Threshold: ['threshold', 'threshold', 'default'],
  Mish: ['mish'],
};

export const activationOperations: Readonly<Record<string, LayerRow>> = Object.fromEntries(
  Object.entries(classes).map(([className, [name, ...parameters]]) => [
    className,
    plain((x, b) => {
      const given = parameters.map((parameter, i) => [parameter, x.argument(parameter, i + 1) ?? x.config.find(parameter)] as const);
      const own = Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Readonly<Record<string, never>>;
      // As an operation, GELU is the approximation where nothing is said.
      const at = className === 'Gelu' ? { approximate: true, ...own } : own;
      return activations[name]!(b, x.first.value, new Config(at, x.config.of), x.reader.reading.version);
    }),
  ]),
);
