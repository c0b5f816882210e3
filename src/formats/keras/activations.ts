// Activations of keras.activations, by name: as arguments of layers, as the layer Activation and as operations.
import { isJsonObject, type Json } from '../../codec/json.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { axisOf, elementOf, rankOf, shapeOf } from '../../ops/shapes.ts';
import { Config } from './config.ts';
import { unsupported } from './layers/row.ts';

/** Parameters by their names in Keras, each with its default in the row. */
type Activation = (b: Builder, x: Value, at: Config, version: number) => Value;

const clipped = (b: Builder, x: Value, min: number | undefined, max: number | undefined): Value =>
  b.Clip({ input: x, min: min === undefined ? undefined : b.like(min, x), max: max === undefined ? undefined : b.like(max, x) });
const greater = (b: Builder, x: Value, than: number): Value => b.Greater(x, b.like(than, x));
const less = (b: Builder, x: Value, than: number): Value => b.Less(x, b.like(than, x));
const zero = (b: Builder, x: Value): Value => b.like(0, x);

/** min(max(x + 3, 0), 6) / 6; before version 3 min(max(0.2 x + 0.5, 0), 1). */
const hardSigmoid: Activation = (b, x, _, version) =>
  b.HardSigmoid({ X: x }, version < 3 ? { alpha: 0.2, beta: 0.5 } : { alpha: 1 / 6, beta: 0.5 });

/** ReLU with a slope below a threshold and a largest value. */
export function rectified(b: Builder, x: Value, slope: number, max: number | undefined, threshold: number): Value {
  if (threshold === 0 && max === undefined) return slope === 0 ? b.Relu(x) : b.LeakyRelu({ X: x }, { alpha: slope });
  const above = threshold === 0 ? b.Relu(x) : b.Where(greater(b, x, threshold), x, zero(b, x));
  const bounded = max === undefined ? above : clipped(b, above, 0, max);
  if (slope === 0) return bounded;
  const below = b.Relu(b.Sub(b.like(threshold, x), x));
  return b.Sub(bounded, b.Mul(b.like(slope, x), below));
}

/**
 * Elements in descending order, as far as they lie above the mean of what is before, decide what is taken off all of them. Keras adds up
 * the running sums of these, where the definition takes the last one; this is what it computes.
 */
const sparsemax: Activation = (b, x, at) => {
  const axis = axisOf(at.number('axis', -1), rankOf(x));
  const size = shapeOf(x)[axis]!;
  if (typeof size !== 'number') throw unsupported('sparsemax over an axis whose size only the run knows');
  const sorted = b.TopK({ X: x, K: b.ints([size]) }, { axis }).Values;
  const sums = b.CumSum({ x: sorted, axis: b.constant(axis, 'int64') });
  const places = b.constant(
    Array.from({ length: size }, (_, i) => i + 1),
    'float32',
    Array.from({ length: rankOf(x) }, (_, i) => (i === axis ? size : 1)),
  );
  const counts = b.Cast(places, elementOf(x));
  const isIn = b.Greater(b.Add(b.like(1, x), b.Mul(counts, sorted)), sums);
  const flags = b.Cast(isIn, elementOf(x));
  const count = b.ReduceSum(flags, { axes: [axis] });
  const total = b.ReduceSum(b.Mul(flags, sums), { axes: [axis] });
  return b.Relu(b.Sub(x, b.Div(b.Sub(total, b.like(1, x)), count)));
};

const glu: Activation = (b, x, at) => {
  const axis = axisOf(at.number('axis', -1), rankOf(x));
  const size = shapeOf(x)[axis]!;
  if (typeof size !== 'number') throw unsupported('glu over an axis whose size only the run knows');
  const [value, gate] = b.Split(x, [size / 2, size / 2], axis);
  return b.Mul(value!, b.Sigmoid(gate!));
};

const hardSilu: Activation = (b, x, at, version) => b.Mul(x, hardSigmoid(b, x, at, Math.max(version, 3)));

export const activations: Readonly<Record<string, Activation>> = {
  linear: (_b, x) => x,
  relu: (b, x, at) =>
    rectified(
      b,
      x,
      at.number('negative_slope', at.number('alpha', 0)),
      at.has('max_value') ? at.number('max_value') : undefined,
      at.number('threshold', 0),
    ),
  leaky_relu: (b, x, at) => b.LeakyRelu({ X: x }, { alpha: at.number('negative_slope', 0.2) }),
  relu6: (b, x) => clipped(b, x, 0, 6),
  softmax: (b, x, at) => b.Softmax({ input: x }, { axis: at.number('axis', -1) }),
  log_softmax: (b, x, at) => b.LogSoftmax({ input: x }, { axis: at.number('axis', -1) }),
  celu: (b, x, at) => b.Celu({ X: x }, { alpha: at.number('alpha', 1) }),
  elu: (b, x, at) => b.Elu({ X: x }, { alpha: at.number('alpha', 1) }),
  selu: (b, x) => b.Selu({ X: x }),
  softplus: (b, x) => b.Softplus({ X: x }),
  softsign: (b, x) => b.Softsign({ input: x }),
  squareplus: (b, x, at) => b.Mul(b.like(0.5, x), b.Add(x, b.Sqrt(b.Add(b.Mul(x, x), b.like(at.number('b', 4), x))))),
  soft_shrink: (b, x, at) => b.Shrink({ input: x }, { lambd: at.number('threshold', 0.5), bias: at.number('threshold', 0.5) }),
  hard_shrink: (b, x, at) => b.Shrink({ input: x }, { lambd: at.number('threshold', 0.5), bias: 0 }),
  sparse_plus: (b, x) => {
    const square = b.Mul(b.like(0.25, x), b.Mul(b.Add(x, b.like(1, x)), b.Add(x, b.like(1, x))));
    return b.Where(b.Not(greater(b, x, -1)), zero(b, x), b.Where(less(b, x, 1), square, x));
  },
  silu: (b, x) => b.Mul(x, b.Sigmoid(x)),
  swish: (b, x) => b.Mul(x, b.Sigmoid(x)),
  gelu: (b, x, at) => b.Gelu({ X: x }, { approximate: at.boolean('approximate', false) ? 'tanh' : 'none' }),
  glu,
  tanh: (b, x) => b.Tanh(x),
  tanh_shrink: (b, x) => b.Sub(x, b.Tanh(x)),
  threshold: (b, x, at) =>
    b.Where(greater(b, x, at.number('threshold')), x, b.like(at.number('default_value', at.has('default') ? at.number('default') : 0), x)),
  sigmoid: (b, x) => b.Sigmoid(x),
  sparse_sigmoid: (b, x) => clipped(b, b.Mul(b.like(0.5, x), b.Add(x, b.like(1, x))), 0, 1),
  exponential: (b, x) => b.Exp(x),
  hard_sigmoid: hardSigmoid,
  hard_silu: hardSilu,
  hard_swish: hardSilu,
  hard_tanh: (b, x) => clipped(b, x, -1, 1),
  mish: (b, x) => b.Mish({ X: x }),
  log_sigmoid: (b, x) => b.Neg(b.Softplus({ X: b.Neg(x) })),
  sparsemax,
};

/** The name of an activation as a configuration has it, and its parameters. */
export function activationOf(value: Json | undefined): { readonly name: string; readonly at: Config } {
  if (value === undefined || value === null) return { name: 'linear', at: new Config({}, 'linear') };
  if (typeof value === 'string') return { name: value, at: new Config({}, value) };
  if (isJsonObject(value)) {
    const { class_name: className, config } = value;
    // Functions stand as their names, objects as a class with parameters.
    const name = typeof config === 'string' ? config : typeof className === 'string' ? className : '';
    const known = Object.hasOwn(activations, name) ? name : snake(name);
    return { name: known, at: new Config(isJsonObject(config) ? config : {}, name) };
  }
  throw unsupported('an activation that is neither a name nor an object');
}
const snake = (name: string): string =>
  name
    .replace(/(?<=[a-z])(?=[A-Z])/g, '_')
    .toLowerCase()
    .replace(/^re_lu/, 'relu')
    .replace(/re_lu$/, 'relu');

/** @throws ModelError E2001 for functions of users */
export function activate(b: Builder, x: Value, value: Json | undefined, version: number): Value {
  const { name, at } = activationOf(value);
  const activation = Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (!activation) throw unsupported(`the activation ${JSON.stringify(name.slice(0, 100))} is none of Keras`);
  return activation(b, x, at, version);
}
