// ATen overloads between images and their patches: windows as columns and back, and maxima put back in their places.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range } from '../../../ops/shapes.ts';
import { addSizes, divSizes, mulSizes, reshapeTo, sizeScalar, sizesOf } from '../../../ops/sizing.ts';
import { filled } from './fill.ts';
import { perAxis } from './layers.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';
import { batched } from './taps.ts';

const pairOf = (x: Args, name: string): readonly [number, number] => perAxis(x.numbers(name), 2) as readonly [number, number];

/** [N, C, H, W] to [N, C * kernel, windows]. */
const im2col: AtenRow = (x, b) => {
  const [kernel, dilation, padding, stride] = ['kernel_size', 'dilation', 'padding', 'stride'].map(name => pairOf(x, name));
  return batched(b, x.tensor('self'), 4, v => {
    const pads = [0, 0, ...padding!, 0, 0, ...padding!];
    const padded = pads.every(p => p === 0) ? v : b.Pad({ data: v, pads: b.ints(pads) });
    const [n, c, ...sizes] = sizesOf(b, padded);
    const isTiled = sizes.every((size, i) => typeof size === 'number' && size % kernel![i]! === 0 && kernel![i] === stride![i]);
    const windows = sizes.map((size, i) => windowCount(b, size, dilation![i]! * (kernel![i]! - 1), stride![i]!));
    const columns = [n!, mulSizes(b, c!, kernel![0] * kernel![1]), mulSizes(b, windows[0]!, windows[1]!)];
    if (isTiled && dilation!.every(d => d === 1)) return [reshapeTo(b, tiles(b, padded, [n!, c!], kernel!, windows), columns)];
    const places = sizes.map((size, i) => placesOf(b, size, windows[i]!, [kernel![i]!, dilation![i]!, stride![i]!]));
    const read = b.Gather(b.Gather(padded, places[0]!, 2), places[1]!, 4);
    return [reshapeTo(b, b.Transpose(read, [0, 1, 2, 4, 3, 5]), columns)];
  });
};

const windowCount = (b: Builder, size: Size, reach: number, stride: number): Size =>
  addSizes(b, divSizes(b, addSizes(b, size, -reach - 1), stride), 1);

/** Windows side by side: [N, C, kernel..., windows...] without reading by places. */
function tiles(b: Builder, x: Value, lead: readonly Size[], kernel: readonly number[], windows: readonly Size[]): Value {
  const split = reshapeTo(b, x, [...lead, windows[0]!, kernel[0]!, windows[1]!, kernel[1]!]);
  return b.Transpose(split, [0, 1, 3, 5, 2, 4]);
}

/** The places along an axis of a size that element k of each window reads, as [kernel, windows]. */
function placesOf(b: Builder, size: Size, count: Size, [kernel, dilation, stride]: readonly [number, number, number]): Value {
  const offsets = range(kernel).map(k => k * dilation);
  if (typeof size === 'number' && typeof count === 'number') {
    const places = offsets.flatMap(offset => range(count).map(w => w * stride + offset));
    return b.constant(places, 'int64', [kernel, count]);
  }
  const [start, delta] = [b.constant(0, 'int64'), b.constant(stride, 'int64')];
  const starts = b.Range({ start, limit: sizeScalar(b, addSizes(b, size, -dilation * (kernel - 1))), delta });
  return b.Add(starts, b.constant(offsets, 'int64', [kernel, 1]));
}

const col2im: AtenRow = (x, b) =>
  batched(b, x.tensor('self'), 3, v => [
    b.Col2Im(
      { input: v, image_shape: b.sizes(x.sizes('output_size')), block_shape: b.ints(pairOf(x, 'kernel_size')) },
      {
        dilations: pairOf(x, 'dilation'),
        pads: [...pairOf(x, 'padding'), ...pairOf(x, 'padding')],
        strides: pairOf(x, 'stride'),
      },
    ),
  ]);

/** Values at their places in planes of zeros. */
const maxUnpool =
  (rank: number): AtenRow =>
  (x, b) => {
    const self = x.tensor('self');
    const lead = sizesOf(b, self).slice(0, -rank);
    const output = x.sizes('output_size');
    const plane = output.reduce<Size>((n, size) => mulSizes(b, n, size), 1);
    const zeros = filled(b, b.sizes([...lead, plane]), 0, elementOf(self));
    const [updates, indices] = [self, x.tensor('indices')].map(v => reshapeTo(b, v, [...lead, -1]));
    const scattered = b.ScatterElements({ data: zeros, indices: indices!, updates: updates! }, { axis: -1 });
    return reshapeTo(b, scattered, [...lead, ...output]);
  };

export const patches: AtenRows = {
  'im2col.default': im2col,
  'col2im.default': col2im,
  'max_unpool2d.default': maxUnpool(2),
  'max_unpool3d.default': maxUnpool(3),
};
