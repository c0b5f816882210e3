// ATen overloads of layers: products, convolutions, pooling, normalisation.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { type AtenRow, type AtenRows, unsupported } from './row.ts';

const linear: AtenRow = (x, b) => {
  const [input, weight, bias] = [x.tensor('input'), x.tensor('weight'), x.optional('bias')];
  if (rankOf(input) === 2 && rankOf(weight) === 2) return b.Gemm({ A: input, B: weight, C: bias }, { transB: 1 });
  const y = b.MatMul(input, b.Transpose(weight, range(rankOf(weight)).reverse()));
  return bias ? b.Add(y, bias) : y;
};

const addmm: AtenRow = (x, b) =>
  b.Gemm({ A: x.tensor('mat1'), B: x.tensor('mat2'), C: x.tensor('self') }, { alpha: x.number('alpha'), beta: x.number('beta') });

const product =
  (left: string, right: string): AtenRow =>
  (x, b) =>
    b.MatMul(x.tensor(left), x.tensor(right));

/** A list with one entry an axis, from one that may have a single entry for all. */
export const perAxis = (list: readonly number[], rank: number): readonly number[] =>
  list.length === 1 ? range(rank).map(() => list[0]!) : list;

const conv =
  (rank: number): AtenRow =>
  (x, b) => {
    const padding = x.any('padding');
    if (typeof padding === 'string') throw unsupported(`padding '${padding}'`);
    const pads = perAxis(x.numbers('padding'), rank);
    return b.Conv(x.tensor('input'), x.tensor('weight'), x.optional('bias'), {
      strides: perAxis(x.numbers('stride'), rank),
      dilations: perAxis(x.numbers('dilation'), rank),
      pads: [...pads, ...pads],
      group: x.number('groups'),
    });
  };

/** A vector of one number, for layers without weights. */
const filled = (n: number, value: number, like: Value, b: Builder): Value =>
  b.Cast(b.constant(new Float32Array(n).fill(value), 'float32', [n]), elementOf(like));

const batchNorm: AtenRow = (x, b) => {
  const input = x.tensor('input');
  const [mean, variance] = [x.optional('running_mean'), x.optional('running_var')];
  if (x.boolean('training') || !mean || !variance) throw unsupported('batch_norm in training mode; export the model in eval mode');
  const channels = shapeOf(input)[1];
  if (typeof channels !== 'number') throw unsupported('batch_norm over a dynamic number of channels');
  return b.BatchNormalization(
    {
      X: input,
      scale: x.optional('weight') ?? filled(channels, 1, input, b),
      B: x.optional('bias') ?? filled(channels, 0, input, b),
      input_mean: mean,
      input_var: variance,
    },
    { epsilon: x.number('eps') },
  ).Y;
};

const layerNorm: AtenRow = (x, b) => {
  const input = x.tensor('input');
  const shape = x.numbers('normalized_shape');
  const count = shape.reduce((n, d) => n * d, 1);
  const scale = x.optional('weight') ?? b.Reshape(filled(count, 1, input, b), shape);
  return b.LayerNormalization({ X: input, Scale: scale, B: x.optional('bias') }, { axis: -shape.length, epsilon: x.number('eps') }).Y;
};

const softmax =
  (op: 'Softmax' | 'LogSoftmax'): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const wanted = x.element('dtype');
    return b[op]({ input: wanted ? b.Cast(self, wanted) : self }, { axis: axisOf(x.number('dim'), Math.max(1, rankOf(self))) });
  };

export const layers: AtenRows = {
  'linear.default': linear,
  'addmm.default': addmm,
  'mm.default': product('self', 'mat2'),
  'bmm.default': product('self', 'mat2'),
  'matmul.default': product('self', 'other'),
  'conv1d.default': conv(1),
  'conv2d.default': conv(2),
  'conv3d.default': conv(3),
  'batch_norm.default': batchNorm,
  'layer_norm.default': layerNorm,
  'softmax.int': softmax('Softmax'),
  'log_softmax.int': softmax('LogSoftmax'),
};
