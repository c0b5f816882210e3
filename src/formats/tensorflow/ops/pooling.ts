// Pools, and local response normalisation.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { channelsFirst, channelsLast } from '../../../ops/channels.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { mulSizes, reshapeTo, sizeScalar, sizesOf } from '../../../ops/sizing.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';
import { isChannelsFirst, onChannelsFirst, padded, paddingAttributes, padsFor, spatial, type Window } from './windows.ts';

function windowOf(x: Call, rank: number): Window {
  const kernel = spatial(x, 'ksize', rank);
  return { kernel, strides: spatial(x, 'strides', rank), dilations: kernel.map(() => 1) };
}

/** Integers go through a float type that holds them. */
const asFloats = (b: Builder, v: Value, compute: (v: Value) => Value): Value => {
  const own = elementOf(v);
  if (isFloat(own) || own === 'int8' || own === 'uint8') return compute(v);
  if (own === 'int64') throw unsupported('of int64');
  return b.Cast(compute(b.Cast(v, 'float64')), own);
};

const attributes = (b: Builder, v: Value, x: Call, window: Window) => {
  const at = paddingAttributes(padsFor(b, v, x, window), window);
  return { kernel_shape: window.kernel, strides: window.strides, ...at };
};

const maxPool: TfRow = (x, b) => {
  const v = x.tensor('input');
  const window = windowOf(x, rankOf(v));
  return onChannelsFirst(b, v, x, first => asFloats(b, first, w => b.emit('MaxPool', [w], attributes(b, w, x, window))[0]!));
};

/** The same with windows and strides as inputs. */
const maxPoolV2: TfRow = (x, b) => {
  const v = x.tensor('input');
  const inner = (name: string): number[] => {
    const all = x.ints(name);
    return isChannelsFirst(x) ? all.slice(2) : all.slice(1, -1);
  };
  const window = { kernel: inner('ksize'), strides: inner('strides'), dilations: [1, 1] };
  return onChannelsFirst(b, v, x, first => asFloats(b, first, w => b.emit('MaxPool', [w], attributes(b, w, x, window))[0]!));
};

/** Pads are not counted. */
const averagePool: TfRow = (x, b) => {
  const v = x.first;
  const window = windowOf(x, rankOf(v));
  return onChannelsFirst(b, v, x, first => b.emit('AveragePool', [first], attributes(b, first, x, window))[0]!);
};

/** Maxima and their places, counted with the channels last: of one example, or of all. */
const maxPoolPlaces: TfRow = (x, b) => {
  const v = x.tensor('input');
  const window = windowOf(x, rankOf(v));
  const first = channelsFirst(b, v);
  const [y, places] = b.emit('MaxPool', [first], attributes(b, first, x, window), { outputs: ['maxpool', 'indices'] }) as [Value, Value];
  const [height, width, channels] = [2, 3, 1].map(axis => b.dim(first, axis)) as [number, number, number];
  const plane = sizeScalar(b, mulSizes(b, height, width));
  const within = b.Mod({ A: places, B: plane });
  const rest = b.Div(b.Sub(places, within), plane);
  const channel = b.Mod({ A: rest, B: sizeScalar(b, channels) });
  const spot = b.Add(b.Mul(within, sizeScalar(b, channels)), channel);
  const example = b.Div(b.Sub(rest, channel), sizeScalar(b, channels));
  const size = b.Mul(plane, sizeScalar(b, channels));
  const found = x.boolean('include_batch_in_index') ? b.Add(spot, b.Mul(example, size)) : spot;
  return [channelsLast(b, y), b.Cast(channelsLast(b, found), x.type('Targmax'))];
};

/** TensorFlow adds up the window, ONNX takes its mean. */
const localResponse: TfRow = (x, b) => {
  const size = 2 * x.number('depth_radius') + 1;
  const at = { size, alpha: x.number('alpha') * size, beta: x.number('beta'), bias: x.number('bias') };
  return channelsLast(b, b.LRN({ X: channelsFirst(b, x.tensor('input')) }, at));
};

/** Windows as vectors: every element of every window is a channel of its own, through filters with one 1. */
const patches =
  (axes: 2 | 3): TfRow =>
  (x, b) => {
    const v = x.first;
    const inner = (name: string): number[] => x.numbers(name).slice(1, -1);
    const kernel = inner('ksizes');
    const window: Window = { kernel, strides: inner('strides'), dilations: x.has('rates') ? inner('rates') : kernel.map(() => 1) };
    const own = elementOf(v);
    const type = isFloat(own) ? own : 'float64';
    const first = channelsFirst(b, b.Cast(v, type));
    const channels = first.shape?.[1];
    if (typeof channels !== 'number') throw unsupported('the number of channels must be known before the run');
    const taps = kernel.reduce((n, k) => n * k, 1);
    const eye = Float32Array.from({ length: channels * taps * taps }, (_, i) => (Math.floor(i / taps) % taps === i % taps ? 1 : 0));
    const filters = b.Cast(b.constant(eye, 'float32', [channels * taps, 1, ...kernel]), type);
    const pads = padsFor(b, first, x, window);
    const at = paddingAttributes(pads, window);
    const input = 'open' in pads && !at ? padded(b, first, pads.open) : first;
    const made = b.emit('Conv', [input, filters], { group: channels, strides: window.strides, dilations: window.dilations, ...at })[0]!;
    const last = channelsLast(b, made);
    const lead = sizesOf(b, last).slice(0, -1);
    const rank = axes + 3;
    const turned = b.Transpose(reshapeTo(b, last, [...lead, channels, taps]), [...range(axes + 1), rank - 1, rank - 2]);
    return b.Cast(reshapeTo(b, turned, [...lead, channels * taps]), own);
  };

export const pooling: TfRows = {
  MaxPool: maxPool,
  MaxPool3D: maxPool,
  MaxPoolV2: maxPoolV2,
  AvgPool: averagePool,
  AvgPool3D: averagePool,
  MaxPoolWithArgmax: maxPoolPlaces,
  LRN: localResponse,
  ExtractImagePatches: patches(2),
  ExtractVolumePatches: patches(3),
};
