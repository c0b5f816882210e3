// Steps along the gradient, its sign, or the gradient over the root of what its squares were.
import { betas, flag, number } from '../options.ts';
import { common, decayed, type OptimizerRow, optimizer, regularised, slot, squares, towards } from './optimizer.ts';

export const descents = {
  sgd: optimizer({
    options: { ...common(1e-3), momentum: number(0, 0), dampening: number(0), nesterov: flag(false) },
    slots: ({ momentum }) => (momentum === 0 ? [] : [slot('momentum_buffer')]),
    step(b, x, at) {
      const gradient = regularised(b, x, at);
      const { scalars: s } = x;
      const rate = s.cast(s.rate);
      if (at.momentum === 0) return { parameter: b.Sub(x.parameter, b.Mul(rate, gradient)), state: {} };
      // The first buffer is the gradient itself, whatever the dampening.
      const damped = at.dampening === 0 ? gradient : b.Mul(s.cast(s.firstly(1, 1 - at.dampening)), gradient);
      const momentum_buffer = b.Add(b.Mul(x.state['momentum_buffer']!, s.cast(at.momentum)), damped);
      const direction = at.nesterov ? b.Add(gradient, b.Mul(s.cast(at.momentum), momentum_buffer)) : momentum_buffer;
      return { parameter: b.Sub(x.parameter, b.Mul(rate, direction)), state: { momentum_buffer } };
    },
  }),
  /** Chen and others, Symbolic discovery of optimization algorithms, 2023. */
  lion: optimizer({
    options: { ...common(1e-4), betas: betas(0.9, 0.99) },
    slots: () => [slot('exp_avg')],
    step(b, x, at) {
      const gradient = regularised(b, x, { ...at, weight_decay: 0 });
      const [now, later] = at.betas;
      const { scalars: s, state } = x;
      const direction = b.Sign(towards(b, state['exp_avg']!, gradient, x, 1 - now));
      const parameter = b.Sub(decayed(b, x, at.weight_decay), b.Mul(s.cast(s.rate), direction));
      return { parameter, state: { exp_avg: towards(b, state['exp_avg']!, gradient, x, 1 - later) } };
    },
  }),
  rmsprop: optimizer({
    options: {
      ...common(1e-2),
      alpha: number(0.99, 0),
      eps: number(1e-8, 0),
      momentum: number(0, 0),
      centered: flag(false),
    },
    slots: ({ momentum, centered }) => [
      slot('square_avg'),
      ...(momentum > 0 ? [slot('momentum_buffer')] : []),
      ...(centered ? [slot('grad_avg')] : []),
    ],
    step(b, x, at) {
      const gradient = regularised(b, x, at);
      const { scalars: s, state } = x;
      const square_avg = squares(b, state['square_avg']!, gradient, x, at.alpha);
      const grad_avg = at.centered ? towards(b, state['grad_avg']!, gradient, x, 1 - at.alpha) : undefined;
      const variance = grad_avg ? b.Sub(square_avg, b.Mul(grad_avg, grad_avg)) : square_avg;
      const scaled = b.Div(gradient, b.Add(b.Sqrt(variance), s.cast(at.eps)));
      const momentum_buffer = at.momentum > 0 ? b.Add(b.Mul(state['momentum_buffer']!, s.cast(at.momentum)), scaled) : undefined;
      return {
        parameter: b.Sub(x.parameter, b.Mul(s.cast(s.rate), momentum_buffer ?? scaled)),
        state: { square_avg, ...(momentum_buffer && { momentum_buffer }), ...(grad_avg && { grad_avg }) },
      };
    },
  }),
  adagrad: optimizer({
    options: {
      ...common(1e-2),
      lr_decay: number(0, 0),
      initial_accumulator_value: number(0, 0),
      eps: number(1e-10, 0),
    },
    slots: ({ initial_accumulator_value: initial }) => [slot('sum', { initial })],
    step(b, x, at) {
      const gradient = regularised(b, x, at);
      const { scalars: s } = x;
      const one = s.number(1);
      const slowed = b.Add(one, b.Mul(b.Sub(s.count, one), s.number(at.lr_decay)));
      const rate = at.lr_decay === 0 ? s.rate : b.Div(s.rate, slowed);
      const sum = b.Add(x.state['sum']!, b.Mul(gradient, gradient));
      const scaled = b.Div(gradient, b.Add(b.Sqrt(sum), s.cast(at.eps)));
      return { parameter: b.Sub(x.parameter, b.Mul(s.cast(rate), scaled)), state: { sum } };
    },
  }),
  adadelta: optimizer({
    options: { ...common(1), rho: number(0.9, 0, 1), eps: number(1e-6, 0) },
    slots: () => [slot('square_avg'), slot('acc_delta')],
    step(b, x, at) {
      const gradient = regularised(b, x, at);
      const { scalars: s, state } = x;
      const square_avg = squares(b, state['square_avg']!, gradient, x, at.rho);
      const eps = s.cast(at.eps);
      const delta = b.Mul(b.Div(b.Sqrt(b.Add(state['acc_delta']!, eps)), b.Sqrt(b.Add(square_avg, eps))), gradient);
      const acc_delta = squares(b, state['acc_delta']!, delta, x, at.rho);
      return { parameter: b.Sub(x.parameter, b.Mul(s.cast(s.rate), delta)), state: { square_avg, acc_delta } };
    },
  }),
} satisfies Record<string, OptimizerRow>;
