// What fused operators do after their product: a bias, then an activation, by the names in `fused_ops`.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { type Call, unsupported } from '../call.ts';

type Step = (b: Builder, v: Value, x: Call) => Value;

const activations: Readonly<Record<string, Step | undefined>> = {
  NoOp: (_b, v) => v,
  Relu: (b, v) => b.Relu(v),
  Relu6: (b, v) => b.Clip({ input: v, min: b.like(0, v), max: b.like(6, v) }),
  Elu: (b, v) => b.Elu({ X: v }),
  Tanh: (b, v) => b.Tanh(v),
  Sigmoid: (b, v) => b.Sigmoid(v),
  LeakyRelu: (b, v, x) => b.LeakyRelu({ X: v }, { alpha: x.has('leakyrelu_alpha') ? x.number('leakyrelu_alpha') : 0.2 }),
  GeluApproximate: (b, v) => b.Gelu({ X: v }, { approximate: 'tanh' }),
  GeluExact: (b, v) => b.Gelu({ X: v }),
};

/** `v` after the steps that a fused operator names; its further arguments are theirs. */
export function activated(b: Builder, v: Value, x: Call, isChannelsFirst: boolean): Value {
  const args = [...x.tensors('args')];
  const perChannel = (bias: Value): Value => (isChannelsFirst ? b.Unsqueeze(bias, range(rankOf(v) - 2, 1)) : bias);
  return x.strings('fused_ops').reduce((y, name) => {
    if (name === 'BiasAdd') return b.Add(y, perChannel(args.shift()!));
    if (name === 'FusedBatchNorm') {
      const [scale, offset, mean, variance] = args.splice(0, 4).map(perChannel) as [Value, Value, Value, Value];
      const factor = b.Div(scale, b.Sqrt(b.Add(variance, b.like(x.number('epsilon'), y))));
      return b.Add(b.Mul(b.Sub(y, mean), factor), offset);
    }
    if (name === 'Prelu') return b.PRelu({ X: y, slope: args.shift()! });
    const step = Object.hasOwn(activations, name) ? activations[name] : undefined;
    if (!step) throw unsupported(`fused with ${name}`);
    return step(b, y, x);
  }, v);
}
