// ATen overloads that slide windows: pooling and resampling.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { rankOf, shapeOf } from '../../../ops/shapes.ts';
import { perAxis } from './layers.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';

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

export const window: AtenRows = {
  'max_pool1d.default': maxPool(1),
  'max_pool2d.default': maxPool(2),
  'max_pool3d.default': maxPool(3),
  'avg_pool1d.default': averagePool(1),
  'avg_pool2d.default': averagePool(2),
  'avg_pool3d.default': averagePool(3),
  'adaptive_avg_pool1d.default': adaptive(1, 'average'),
  'adaptive_avg_pool2d.default': adaptive(2, 'average'),
  'adaptive_avg_pool3d.default': adaptive(3, 'average'),
};
