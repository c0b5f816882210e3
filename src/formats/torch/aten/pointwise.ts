// Pointwise ATen overloads.

import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

const unary =
  (op: string): AtenRow =>
  (x, b) =>
    b.emit(op, [x.tensor('self')])[0]!;

/** The other operand as a tensor of the type of `self`; a number takes that type. */
function other(x: Args, self: Value, b: Builder): Value {
  const value = x.any('other');
  if (typeof value === 'number') {
    if (!Number.isInteger(value) && self.element && !isFloat(self.element))
      throw unsupported(`a float operand of an ${self.element} tensor`);
    return b.like(value, self);
  }
  const tensor = x.tensor('other');
  if (tensor.element !== self.element) throw unsupported(`operands of types ${self.element} and ${tensor.element}`);
  return tensor;
}

const binary =
  (op: string): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    return b.emit(op, [self, other(x, self, b)])[0]!;
  };

/** self + alpha * other, and the same with minus. */
const scaled =
  (op: 'Add' | 'Sub'): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const alpha = x.number('alpha');
    const right = other(x, self, b);
    return b[op](self, alpha === 1 ? right : b.Mul(right, b.like(alpha, self)));
  };

const quotient: AtenRow = (x, b) => {
  const self = x.tensor('self');
  if (!self.element || !isFloat(self.element)) throw unsupported(`true division of ${self.element}`);
  return b.Div(self, other(x, self, b));
};

const clamp =
  (low: string, high: string): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const bound = (name: string): Value | undefined => (x.any(name) === undefined ? undefined : b.like(x.number(name), self));
    return b.Clip({ input: self, min: bound(low), max: bound(high) });
  };

/** Rows of both overloads of a binary operator. */
const both = (name: string, row: AtenRow): Record<string, AtenRow> => ({ [`${name}.Tensor`]: row, [`${name}.Scalar`]: row });

const unaries: Readonly<Record<string, string>> = {
  abs: 'Abs',
  acos: 'Acos',
  acosh: 'Acosh',
  asin: 'Asin',
  asinh: 'Asinh',
  atan: 'Atan',
  atanh: 'Atanh',
  ceil: 'Ceil',
  cos: 'Cos',
  cosh: 'Cosh',
  erf: 'Erf',
  exp: 'Exp',
  floor: 'Floor',
  hardsigmoid: 'HardSigmoid',
  hardswish: 'HardSwish',
  isnan: 'IsNaN',
  log: 'Log',
  mish: 'Mish',
  neg: 'Neg',
  reciprocal: 'Reciprocal',
  relu: 'Relu',
  round: 'Round',
  sigmoid: 'Sigmoid',
  sign: 'Sign',
  sin: 'Sin',
  sinh: 'Sinh',
  sqrt: 'Sqrt',
  tan: 'Tan',
  tanh: 'Tanh',
};

export const pointwise: AtenRows = {
  ...Object.fromEntries(Object.entries(unaries).map(([name, op]) => [`${name}.default`, unary(op)])),
  ...both('add', scaled('Add')),
  ...both('sub', scaled('Sub')),
  ...both('mul', binary('Mul')),
  ...both('div', quotient),
  ...both('eq', binary('Equal')),
  ...both('lt', binary('Less')),
  ...both('le', binary('LessOrEqual')),
  ...both('gt', binary('Greater')),
  ...both('ge', binary('GreaterOrEqual')),
  'hardsigmoid.default': (x, b) => b.HardSigmoid({ X: x.tensor('self') }, { alpha: 1 / 6, beta: 0.5 }),
  'gelu.default': (x, b) => b.Gelu({ X: x.tensor('self') }, { approximate: x.string('approximate') }),
  'silu.default': (x, b) => {
    const self = x.tensor('self');
    return b.Mul(self, b.Sigmoid(self));
  },
  'relu6.default': (x, b) => b.Clip({ input: x.tensor('self'), min: b.like(0, x.tensor('self')), max: b.like(6, x.tensor('self')) }),
  'hardtanh.default': clamp('min_val', 'max_val'),
  'clamp.default': clamp('min', 'max'),
  'leaky_relu.default': (x, b) => b.LeakyRelu({ X: x.tensor('self') }, { alpha: x.number('negative_slope') }),
  'elu.default': (x, b) => {
    if (x.number('scale') !== 1 || x.number('input_scale') !== 1) throw unsupported('elu with a scale');
    return b.Elu({ X: x.tensor('self') }, { alpha: x.number('alpha') });
  },
  'rsqrt.default': (x, b) => b.Reciprocal(b.Sqrt(x.tensor('self'))),
  'where.self': (x, b) => b.Where(x.tensor('condition'), x.tensor('self'), x.tensor('other')),
  'dropout.default': (x, b) => {
    if (x.boolean('train') && x.number('p') !== 0) throw unsupported('dropout in training mode; export the model in eval mode');
    return b.Identity(x.tensor('input'));
  },
};
