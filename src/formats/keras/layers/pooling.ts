// Pools over windows, over everything, and over as many regions as are wanted.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { onChannelsFirst } from '../../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { paddingOf, type Window } from '../windows.ts';
import { type LayerCall, type LayerRow, type LayerRows, plain } from './row.ts';

/** Padding takes no part, neither in a maximum nor in a mean. */
const pooled = (op: 'MaxPool' | 'AveragePool'): LayerRow =>
  plain((x, b) => {
    const { config, input } = x;
    const rank = rankOf(input) - 2;
    const kernel = config.numbers('pool_size', rank, 2);
    const window: Window = {
      kernel,
      strides: config.numbers('strides', rank, kernel),
      dilations: kernel.map(() => 1),
      padding: config.text('padding', 'valid').toLowerCase(),
    };
    return onChannelsFirst(
      b,
      input,
      x.isChannelsFirst,
      v => b.emit(op, [v], { kernel_shape: kernel, strides: window.strides, ...paddingOf(v, window) })[0]!,
    );
  });

const spatialAxes = (x: LayerCall, v: Value): number[] => range(rankOf(v) - 2, x.isChannelsFirst ? 2 : 1);
const keepdims = (x: LayerCall): number => Number(x.config.boolean('keepdims', false));
const mean = (b: Builder, v: Value, axes: readonly number[], keep: number): Value =>
  b.ReduceMean({ data: v, axes: b.ints(axes) }, { keepdims: keep });

const globalMax = plain((x, b) => b.ReduceMax(x.input, { axes: spatialAxes(x, x.input), keepdims: keepdims(x) }));
const globalAverage = plain((x, b) => mean(b, x.input, spatialAxes(x, x.input), keepdims(x)));

/** The mean of the steps that the mask leaves. */
const globalAverage1d = plain((x, b) => {
  const { input, mask } = x;
  const axes = spatialAxes(x, input);
  if (!mask) return mean(b, input, axes, keepdims(x));
  const kept = b.Unsqueeze(mask, [x.isChannelsFirst ? 1 : 2]);
  const sum = b.ReduceSum(b.Where(kept, input, b.like(0, input)), { axes, keepdims: keepdims(x) });
  return b.Div(sum, b.ReduceSum(b.Cast(kept, x.type), { axes, keepdims: keepdims(x) }));
});

/** Regions of an axis: from the place rounded down to the end rounded up. */
const regions = (size: number, count: number): [number, number][] =>
  range(count).map(i => [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)]);

const adaptive = (reduce: (b: Builder, v: Value, axis: number) => Value): LayerRow =>
  plain((x, b) => {
    const { input } = x;
    const axes = spatialAxes(x, input);
    const counts = x.config.numbers('output_size', axes.length);
    return axes.reduce((v, axis, i) => {
      const parts = regions(x.size(v, axis), counts[i]!).map(([start, end]) =>
        reduce(b, b.Slice(v, { axes: [axis], starts: [start], ends: [end] }), axis),
      );
      return parts.length === 1 ? parts[0]! : b.Concat(parts, axis);
    }, input);
  });
const adaptiveMax = adaptive((b, v, axis) => b.ReduceMax(v, { axes: [axis], keepdims: 1 }));
const adaptiveAverage = adaptive((b, v, axis) => (shapeOf(v)[axis] === 1 ? v : mean(b, v, [axis], 1)));

export const pooling: LayerRows = {
  ...Object.fromEntries(
    ['1D', '2D', '3D'].flatMap(rank => [
      [`MaxPooling${rank}`, pooled('MaxPool')],
      [`MaxPool${rank}`, pooled('MaxPool')],
      [`AveragePooling${rank}`, pooled('AveragePool')],
      [`AvgPool${rank}`, pooled('AveragePool')],
      [`GlobalMaxPooling${rank}`, globalMax],
      [`GlobalMaxPool${rank}`, globalMax],
      [`GlobalAveragePooling${rank}`, rank === '1D' ? globalAverage1d : globalAverage],
      [`GlobalAvgPool${rank}`, rank === '1D' ? globalAverage1d : globalAverage],
      [`AdaptiveMaxPooling${rank}`, adaptiveMax],
      [`AdaptiveAveragePooling${rank}`, adaptiveAverage],
    ]),
  ),
};
