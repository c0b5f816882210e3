// ATen overloads of layers: products, convolutions, pooling, normalisation.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { type Args, type AtenRow, unsupported } from './row.ts';

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
const perAxis = (list: readonly number[], rank: number): readonly number[] => (list.length === 1 ? range(rank).map(() => list[0]!) : list);

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

/** Adds the batch axis that pooling of a single example lacks, and takes it away again. */
function batched(self: Value, rank: number, b: Builder, run: (x: Value) => Value): Value {
  if (rankOf(self) === rank + 2) return run(self);
  return b.Squeeze(run(b.Unsqueeze(self, [0])), [0]);
}

const windowOf = (x: Args, rank: number) => {
  const kernel = perAxis(x.numbers('kernel_size'), rank);
  const stride = x.numbers('stride');
  const pads = perAxis(x.numbers('padding'), rank);
  return {
    kernel_shape: kernel,
    strides: stride.length === 0 ? kernel : perAxis(stride, rank),
    pads: [...pads, ...pads],
    ceil_mode: x.boolean('ceil_mode') ? 1 : 0,
  };
};

const maxPool =
  (rank: number): AtenRow =>
  (x, b) =>
    batched(x.tensor('self'), rank, b, v => b.MaxPool(v, { ...windowOf(x, rank), dilations: perAxis(x.numbers('dilation'), rank) }));

const averagePool =
  (rank: number): AtenRow =>
  (x, b) => {
    if (rank > 1 && x.any('divisor_override') !== undefined) throw unsupported('a pooling divisor');
    return batched(x.tensor('self'), rank, b, v =>
      b.AveragePool(v, { ...windowOf(x, rank), count_include_pad: x.boolean('count_include_pad') ? 1 : 0 }),
    );
  };

/** Pooling to a given size: global for 1, plain windows where the size divides the input. */
const adaptive =
  (rank: number, by: 'average' | 'max'): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const target = perAxis(x.numbers('output_size'), rank);
    return batched(self, rank, b, v => {
      if (target.every(n => n === 1)) return by === 'average' ? b.GlobalAveragePool({ X: v }) : b.GlobalMaxPool({ X: v });
      const sizes = shapeOf(v).slice(2);
      if (sizes.every((d, i) => d === target[i])) return b.Identity(v);
      const kernel = sizes.map((d, i) => (typeof d === 'number' ? d / target[i]! : Number.NaN));
      if (kernel.some(k => !Number.isInteger(k))) throw unsupported(`adaptive pooling from [${sizes}] to [${target}]`);
      const at = { kernel_shape: kernel, strides: kernel };
      return by === 'average' ? b.AveragePool(v, at) : b.MaxPool(v, at);
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

export const layers: Readonly<Record<string, AtenRow>> = {
  'linear.default': linear,
  'addmm.default': addmm,
  'mm.default': product('self', 'mat2'),
  'bmm.default': product('self', 'mat2'),
  'matmul.default': product('self', 'other'),
  'conv1d.default': conv(1),
  'conv2d.default': conv(2),
  'conv3d.default': conv(3),
  'max_pool1d.default': maxPool(1),
  'max_pool2d.default': maxPool(2),
  'max_pool3d.default': maxPool(3),
  'avg_pool1d.default': averagePool(1),
  'avg_pool2d.default': averagePool(2),
  'avg_pool3d.default': averagePool(3),
  'adaptive_avg_pool1d.default': adaptive(1, 'average'),
  'adaptive_avg_pool2d.default': adaptive(2, 'average'),
  'adaptive_avg_pool3d.default': adaptive(3, 'average'),
  'batch_norm.default': batchNorm,
  'layer_norm.default': layerNorm,
  'softmax.int': softmax('Softmax'),
  'log_softmax.int': softmax('LogSoftmax'),
};
