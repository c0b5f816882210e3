// ATen overloads of the softmax family.
import { elementOf } from '../../../ops/shapes.ts';
import { axisIn, withAxis } from './axes.ts';
import type { AtenRow, AtenRows } from './row.ts';

type Op = 'Softmax' | 'LogSoftmax';

const softmax =
  (op: Op): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const wanted = x.element('dtype') ?? elementOf(self);
    return withAxis(b, b.Cast(self, wanted), input => b[op]({ input }, { axis: axisIn(x, self) }));
  };

/** `half_to_float` computes a half in float32, and gives that. */
const core =
  (op: Op): AtenRow =>
  (x, b) =>
    softmax(op)(x.with({ dtype: x.boolean('half_to_float') ? { element: 'float32' } : undefined }), b);

export const softmaxes: AtenRows = {
  'softmax.int': softmax('Softmax'),
  '_softmax.default': core('Softmax'),
  'special_softmax.default': softmax('Softmax'),
  'log_softmax.int': softmax('LogSoftmax'),
  '_log_softmax.default': core('LogSoftmax'),
  'special_log_softmax.default': softmax('LogSoftmax'),
};
