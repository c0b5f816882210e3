// Operators with a state that goes from step to step, which the standard has too, and the gates around them.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import { otherComposite } from '../row.ts';
import { rankOf, shapeOf } from '../shapes.ts';
import { silu } from './activations.ts';
import { rmsOver } from './norm.ts';

interface Convolution {
  readonly input: Value;
  readonly weight: Value;
  readonly bias?: Value;
  readonly past_state?: Value;
}

interface Recurrence {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
  readonly past_state?: Value;
  readonly decay?: Value;
  readonly beta?: Value;
}

export const states = {
  CausalConvWithState: otherComposite<
    Convolution,
    { activation: string; channels_last: number; dilation: number; ndim: number; state_window: number; state_update_capacity: number }
  >({
    lower(x, { activation, channels_last, dilation, ndim, state_window, state_update_capacity }, b) {
      if (channels_last || dilation !== 1 || ndim !== 1 || state_window || state_update_capacity)
        throw fail('E3004', 'CausalConvWithState: anything but one axis behind the channels has no meaning here');
      const { output, present_state } = b.CausalConvWithState(x, { activation });
      return { output, present_state };
    },
  }),
  LinearAttention: otherComposite<
    Recurrence,
    { chunk_size: number; kv_num_heads: number; q_num_heads: number; scale: number; state_window: number; update_rule: string }
  >({
    lower(x, { state_window, chunk_size, kv_num_heads, q_num_heads, scale, update_rule }, b) {
      if (state_window) throw fail('E3004', 'LinearAttention: a window of states has no meaning here');
      return { ...b.LinearAttention(x, { chunk_size, kv_num_heads, q_num_heads, scale, update_rule }) };
    },
  }),
  GatedRMSNorm: otherComposite<{ X: Value; scale: Value; gate: Value }, { activation: string; epsilon: number }>({
    lower({ X, scale, gate }, { activation, epsilon }, b) {
      const size = shapeOf(scale)[0]!;
      if (typeof size !== 'number') throw fail('E3009', 'GatedRMSNorm: the size of the scale must be known');
      if (!Object.hasOwn(gates, activation)) throw fail('E3004', `GatedRMSNorm: the gate ${activation} has no meaning here`);
      const groups = b.Reshape(X, [...Array.from({ length: rankOf(X) - 1 }, () => 0), -1, size]);
      const y = b.emit('Reshape', [rmsOver(groups, scale, epsilon, b), b.Shape(X)])[0]!;
      return b.Mul(y, gates[activation] === 'silu' ? silu(gate, b) : b.Sigmoid(gate));
    },
  }),
  GatedAdd: otherComposite<{ X: Value; Y: Value; gate: Value; gate_weight?: Value }, object>({
    lower: ({ X, Y, gate, gate_weight }, _at, b) => b.Add(X, b.Mul(Y, gate_weight ? b.Sigmoid(b.MatMul(gate, gate_weight)) : gate)),
  }),
};

const gates: Readonly<Record<string, 'silu' | 'sigmoid'>> = { silu: 'silu', swish: 'silu', sigmoid: 'sigmoid' };
