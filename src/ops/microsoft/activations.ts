// Activations with what optimisers fuse into them: biases, residuals, gates. And activations named by an attribute.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../builder.ts';
import { otherComposite } from '../row.ts';
import { axisOf, range, rankOf } from '../shapes.ts';

interface WithBias {
  readonly X: Value;
  readonly bias?: Value;
}

const plus = (x: Value, bias: Value | undefined, b: Builder): Value => (bias ? b.Add(x, bias) : x);
const gelu = (X: Value, b: Builder): Value => b.Gelu({ X });
export const fastGelu = (X: Value, b: Builder): Value => b.Gelu({ X }, { approximate: 'tanh' });
export const silu = (x: Value, b: Builder): Value => b.Mul(x, b.Sigmoid(x));

/** The activations that the fused operators name, with their parameters: alpha, beta, gamma and axis, or in the order of a list. */
const named: Readonly<Record<string, (x: Value, parameters: readonly (number | undefined)[], b: Builder) => Value>> = {
  Relu: (x, _p, b) => b.Relu(x),
  Tanh: (x, _p, b) => b.Tanh(x),
  Sigmoid: (x, _p, b) => b.Sigmoid(x),
  LeakyRelu: (X, [alpha], b) => b.LeakyRelu({ X }, { alpha }),
  HardSigmoid: (X, [alpha, beta], b) => b.HardSigmoid({ X }, { alpha, beta }),
  Clip: (input, [low, high], b) =>
    b.Clip({ input, min: low === undefined ? low : b.like(low, input), max: high === undefined ? high : b.like(high, input) }),
  Elu: (X, [alpha], b) => b.Elu({ X }, { alpha }),
  Selu: (X, [alpha, , gamma], b) => b.Selu({ X }, { alpha, gamma }),
  Softplus: (X, _p, b) => b.Softplus({ X }),
  Softsign: (input, _p, b) => b.Softsign({ input }),
  ThresholdedRelu: (X, [alpha], b) => b.ThresholdedRelu({ X }, { alpha }),
  HardSwish: (X, _p, b) => b.HardSwish({ X }),
  Gelu: (X, _p, b) => gelu(X, b),
  FastGelu: (X, _p, b) => fastGelu(X, b),
  Softmax: (input, [, , , axis], b) => b.Softmax({ input }, { axis }),
};

/** `x` after the activation that an attribute names; none for the empty name. */
export function activate(x: Value, name: string | undefined, parameters: readonly (number | undefined)[], b: Builder): Value {
  if (!name) return x;
  if (!Object.hasOwn(named, name)) throw fail('E3004', `the fused activation ${name} has no meaning here`);
  return named[name]!(x, parameters, b);
}

export const activations = {
  Gelu: otherComposite<{ X: Value }, object>({ lower: ({ X }, _at, b) => gelu(X, b) }),
  BiasGelu: otherComposite<{ A: Value; B: Value }, object>({ lower: ({ A, B }, _at, b) => gelu(b.Add(A, B), b) }),
  FastGelu: otherComposite<WithBias, object>({ lower: ({ X, bias }, _at, b) => fastGelu(plus(X, bias, b), b) }),
  QuickGelu: otherComposite<{ X: Value }, { alpha: number }>({
    lower: ({ X }, { alpha }, b) => b.Mul(X, b.Sigmoid(b.Mul(X, b.like(alpha, X)))),
  }),
  /** The first half of the channels times the Gelu of the second. */
  BiasSplitGelu: otherComposite<Required<WithBias>, object>({
    lower({ X, bias }, _at, b) {
      const sum = b.Add(X, bias);
      const [value, gate] = b.emit('Split', [sum], { axis: -1, num_outputs: 2 }, { outputs: ['value', 'gate'] }) as readonly Value[];
      return b.Mul(value!, gelu(gate!, b));
    },
  }),
  SwiGLU: otherComposite<
    { gate: Value; up?: Value },
    { activation_alpha: number; activation_beta: number; limit: number; round_activation: number }
  >({
    lower({ gate, up }, { activation_alpha, activation_beta, limit }, b) {
      const halves = (): readonly Value[] =>
        b.emit('Split', [gate], { axis: -1, num_outputs: 2 }, { outputs: ['gate', 'up'] }) as readonly Value[];
      const [g, l] = up ? [gate, up] : halves();
      const max = limit > 0 ? b.like(limit, gate) : undefined;
      const opened = max ? b.Min(g!, max) : g!;
      const linear = max ? b.Clip({ input: l!, min: b.Neg(max), max }) : l!;
      const shifted = activation_beta === 0 ? linear : b.Add(linear, b.like(activation_beta, gate));
      return b.Mul(b.Mul(opened, b.Sigmoid(b.Mul(opened, b.like(activation_alpha, gate)))), shifted);
    },
  }),
  BiasAdd: otherComposite<{ X: Value; bias: Value; skip: Value }, object>({
    lower: ({ X, bias, skip }, _at, b) => b.Add(b.Add(X, bias), skip),
  }),
  BiasDropout: otherComposite<{ data: Value; bias: Value; residual?: Value; ratio?: Value; training_mode?: Value }, { seed?: number }>({
    known: ['training_mode'],
    lower({ data, bias, residual, ratio, training_mode }, { seed }, b) {
      const [kept, mask] = b.emit('Dropout', [b.Add(data, bias), ratio, training_mode], { seed }, { outputs: ['output', 'mask'] });
      return { output: plus(kept!, residual, b), mask };
    },
  }),
  BiasSoftmax: otherComposite<{ data: Value; bias: Value }, { axis: number }>({
    lower({ data, bias }, { axis }, b) {
      const x = b.Add(data, bias);
      const from = axisOf(axis, rankOf(x));
      const axes = range(rankOf(x) - from, from);
      const e = b.Exp(b.Sub(x, b.ReduceMax(x, { axes })));
      return b.Div(e, b.ReduceSum(e, { axes }));
    },
  }),
};
