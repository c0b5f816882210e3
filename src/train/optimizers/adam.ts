// Adam and its kin: means of gradients and of their squares.
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { betas, flag, number } from '../options.ts';
import { common, decayed, type OptimizerRow, optimizer, regularised, type StepInputs, slot, squares, towards } from './optimizer.ts';

interface Decay {
  readonly weight_decay: number;
  readonly maximize: boolean;
  readonly decoupled_weight_decay: boolean;
}

/** Parameter and gradient after weight decay, which is a part of the gradient or goes its own way. */
function prepared(b: Builder, x: StepInputs, at: Decay): readonly [Value, Value] {
  if (!at.decoupled_weight_decay) return [x.parameter, regularised(b, x, at)];
  return [decayed(b, x, at.weight_decay), regularised(b, x, { ...at, weight_decay: 0 })];
}

interface MomentsAt extends Decay {
  readonly betas: readonly [number, number];
  readonly eps: number;
}

/** What all of them begin with. */
function moments(b: Builder, x: StepInputs, at: MomentsAt) {
  const [parameter, gradient] = prepared(b, x, at);
  const [first, second] = at.betas;
  return {
    parameter,
    gradient,
    exp_avg: towards(b, x.state['exp_avg']!, gradient, x, 1 - first),
    exp_avg_sq: squares(b, x.state['exp_avg_sq']!, gradient, x, second),
  };
}

const bothMeans = [slot('exp_avg'), slot('exp_avg_sq')];

interface AdamOptions {
  readonly lr: number;
  readonly weightDecay: number;
  readonly decoupled: boolean;
}

const adam = ({ lr, weightDecay, decoupled }: AdamOptions): OptimizerRow =>
  optimizer({
    options: {
      ...common(lr, weightDecay),
      betas: betas(0.9, 0.999),
      eps: number(1e-8, 0),
      amsgrad: flag(false),
      decoupled_weight_decay: flag(decoupled),
    },
    slots: ({ amsgrad }) => [...bothMeans, ...(amsgrad ? [slot('max_exp_avg_sq')] : [])],
    step(b, x, at) {
      const { parameter, exp_avg, exp_avg_sq } = moments(b, x, at);
      const { scalars: s } = x;
      const [first, second] = at.betas;
      const max_exp_avg_sq = at.amsgrad ? b.Max(x.state['max_exp_avg_sq']!, exp_avg_sq) : exp_avg_sq;
      const root = b.Div(b.Sqrt(max_exp_avg_sq), s.cast(b.Sqrt(s.correction(second))));
      const size = s.cast(b.Div(s.rate, s.correction(first)));
      const moved = b.Sub(parameter, b.Mul(size, b.Div(exp_avg, b.Add(root, s.cast(at.eps)))));
      return { parameter: moved, state: { exp_avg, exp_avg_sq, ...(at.amsgrad && { max_exp_avg_sq }) } };
    },
  });

/** By how much the momentum of NAdam grows with the steps. */
const growth = 0.96;

export const adams = {
  adam: adam({ lr: 1e-3, weightDecay: 0, decoupled: false }),
  adamw: adam({ lr: 1e-3, weightDecay: 1e-2, decoupled: true }),
  nadam: optimizer({
    options: {
      ...common(2e-3),
      betas: betas(0.9, 0.999),
      eps: number(1e-8, 0),
      momentum_decay: number(4e-3, 0),
      decoupled_weight_decay: flag(false),
    },
    slots: () => [...bothMeans, slot('mu_product', { of: 'scalar', initial: 1 })],
    step(b, x, at) {
      const { parameter, gradient, exp_avg, exp_avg_sq } = moments(b, x, at);
      const { scalars: s } = x;
      const one = s.number(1);
      const factor = (count: Value): Value => {
        const power = b.Pow(s.number(growth), b.Mul(count, s.number(at.momentum_decay)));
        return b.Mul(s.number(at.betas[0]), b.Sub(one, b.Mul(s.number(0.5), power)));
      };
      const [now, next] = [factor(s.count), factor(b.Add(s.count, one))];
      const mu_product = b.Mul(x.state['mu_product']!, s.cast(now));
      const product = b.Cast(mu_product, 'float64');
      const root = b.Add(b.Sqrt(b.Div(exp_avg_sq, s.cast(s.correction(at.betas[1])))), s.cast(at.eps));
      const byGradient = s.cast(b.Div(b.Mul(s.rate, b.Sub(one, now)), b.Sub(one, product)));
      const byMean = s.cast(b.Div(b.Mul(s.rate, next), b.Sub(one, b.Mul(product, next))));
      const halfway = b.Sub(parameter, b.Mul(byGradient, b.Div(gradient, root)));
      return { parameter: b.Sub(halfway, b.Mul(byMean, b.Div(exp_avg, root))), state: { exp_avg, exp_avg_sq, mu_product } };
    },
  }),
  radam: optimizer({
    options: { ...common(1e-3), betas: betas(0.9, 0.999), eps: number(1e-8, 0), decoupled_weight_decay: flag(false) },
    slots: () => bothMeans,
    step(b, x, at) {
      const { parameter, exp_avg, exp_avg_sq } = moments(b, x, at);
      const { scalars: s } = x;
      const [first, second] = at.betas;
      const [mean, square] = [s.correction(first), s.correction(second)];
      const longest = 2 / (1 - second) - 1;
      // How many steps the mean of squares is worth, which is what its variance depends on.
      const lost = b.Div(b.Mul(s.number(2), b.Mul(s.count, b.Pow(s.number(second), s.count))), square);
      const length = b.Sub(s.number(longest), lost);
      const minus = (n: number): Value => b.Sub(length, s.number(n));
      const ratio = b.Div(b.Mul(b.Mul(minus(4), minus(2)), s.number(longest)), b.Mul(s.number((longest - 4) * (longest - 2)), length));
      const isLong = b.Greater(length, s.number(5));
      const rectified = b.Mul(b.Sqrt(b.Where(isLong, ratio, s.number(1))), b.Sqrt(square));
      const size = b.Div(s.rate, mean);
      const adaptive = b.Mul(s.cast(b.Mul(size, rectified)), b.Div(exp_avg, b.Add(b.Sqrt(exp_avg_sq), s.cast(at.eps))));
      const step = b.Where(isLong, adaptive, b.Mul(s.cast(size), exp_avg));
      return { parameter: b.Sub(parameter, step), state: { exp_avg, exp_avg_sq } };
    },
  }),
  adamax: optimizer({
    options: { ...common(2e-3), betas: betas(0.9, 0.999), eps: number(1e-8, 0) },
    slots: () => [slot('exp_avg'), slot('exp_inf')],
    step(b, x, at) {
      const gradient = regularised(b, x, at);
      const { scalars: s } = x;
      const [first, second] = at.betas;
      const exp_avg = towards(b, x.state['exp_avg']!, gradient, x, 1 - first);
      const exp_inf = b.Max(b.Mul(x.state['exp_inf']!, s.cast(second)), b.Add(b.Abs(gradient), s.cast(at.eps)));
      const size = s.cast(b.Div(s.rate, s.correction(first)));
      return { parameter: b.Sub(x.parameter, b.Mul(size, b.Div(exp_avg, exp_inf))), state: { exp_avg, exp_inf } };
    },
  }),
} satisfies Record<string, OptimizerRow>;
