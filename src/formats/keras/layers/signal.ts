// Spectrograms of signals.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { atan2 } from '../../../ops/formulas.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { mulSizes, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { stft, windowNamed } from '../ops/transform.ts';
import { convolved, kernelFirst, type Window } from '../windows.ts';
import { type LayerCall, type LayerRows, plain, unsupported } from './row.ts';

/** Keras's smallest number. */
const tiny = 1e-7;

/** Each channel by itself through kernels that are the windowed waves: [batch, channels, frequencies, frames]. */
function waves(b: Builder, v: Value, kernel: Value, window: Window, frequencies: number): Value {
  const [batch, channels, time] = sizesOf(b, v);
  const rows = mulSizes(b, batch!, channels!);
  const single = reshapeTo(b, v, [typeof rows === 'number' ? rows : -1, 1, time!]);
  const made = convolved(b, single, kernelFirst(b, kernel), undefined, window);
  return reshapeTo(b, made, [typeof batch === 'number' ? batch : -1, channels!, frequencies, b.dim(made, 2)]);
}

function spectrogram(x: LayerCall, b: Builder): Value {
  const { config, real } = x;
  const [length, mode] = [config.number('frame_length', 256), config.text('mode', 'log')];
  const size = config.has('fft_length') ? config.number('fft_length') : 2 ** Math.ceil(Math.log2(length));
  const step = config.has('frame_step') ? config.number('frame_step') : Math.floor(length / 2);
  const count = Math.floor(size / 2) + 1;
  const found = x.variables({ real_kernel: mode !== 'imag' && [length, 1, count], imag_kernel: mode !== 'real' && [length, 1, count] });
  const v = x.isChannelsFirst ? real : b.Transpose(real, [0, 2, 1]);
  const window: Window = { kernel: [length], strides: [step], dilations: [1], padding: config.text('padding', 'valid') };
  const [re, im] = [found.real_kernel, found.imag_kernel].map(kernel => kernel && waves(b, v, kernel, window, count));
  return shapedFor(x, b, modeOf(b, mode, re, im));
}

function modeOf(b: Builder, mode: string, re: Value | undefined, im: Value | undefined): Value {
  if (mode === 'real') return re!;
  if (mode === 'imag') return im!;
  if (mode === 'angle') return atan2(b, im!, re!);
  if (mode === 'stft') return b.Concat([re!, im!], 2);
  const power = b.Add(b.Mul(re!, re!), b.Mul(im!, im!));
  if (mode === 'psd') {
    // All frequencies but the first and the last stand for two.
    const inner = b.Slice(power, { axes: [2], starts: [1], ends: [-1] });
    return b.Add(power, b.Pad({ data: inner, pads: b.ints([0, 0, 1, 0, 0, 0, 1, 0]) }));
  }
  const magnitude = b.Sqrt(b.Max(power, b.like(tiny, power)));
  if (mode === 'magnitude') return magnitude;
  if (mode === 'log') return b.Log(b.Max(magnitude, b.like(tiny, magnitude)));
  throw unsupported(`the mode ${mode}`);
}

/** Channels and frequencies in one axis, or each in its own. */
function shapedFor(x: LayerCall, b: Builder, v: Value): Value {
  const isFirst = x.isChannelsFirst;
  if (x.config.boolean('expand_dims', false)) return b.Transpose(v, isFirst ? [0, 1, 3, 2] : [0, 3, 2, 1]);
  const [batch, channels, frequencies, frames] = sizesOf(b, v);
  const rows = reshapeTo(b, v, [typeof batch === 'number' ? batch : -1, mulSizes(b, channels!, frequencies!), frames!]);
  return isFirst ? rows : b.Transpose(rows, [0, 2, 1]);
}

const mel = (hertz: number): number => 1127 * Math.log(1 + hertz / 700);

/** Triangles over frequencies, as far from each other as the ear hears them: [frequencies, bins]. */
function melMatrix(bins: number, frequencies: number, rate: number, low: number, high: number): number[] {
  const edges = range(bins + 2).map(i => mel(low) + ((mel(high) - mel(low)) * i) / (bins + 1));
  return range(frequencies).flatMap(f => {
    const place = mel((f * rate) / 2 / (frequencies - 1));
    return range(bins).map(i => {
      const [left, middle, right] = [edges[i]!, edges[i + 1]!, edges[i + 2]!];
      return f === 0 ? 0 : Math.max(0, Math.min((place - left) / (middle - left), (right - place) / (right - middle)));
    });
  });
}

function melSpectrogram(x: LayerCall, b: Builder): Value {
  const { config, real } = x;
  const size = config.number('fft_length', 2048);
  const length = config.number('sequence_length', size);
  const window = config.has('window') ? windowNamed(config.text('window'), length) : undefined;
  const frames = { length, step: config.number('sequence_stride', 512), size, window, isCentered: true };
  const pairs = stft(b, real, frames, x.size(real, -1));
  const axis = rankOf(pairs) - 1;
  const magnitude = b.Sqrt(b.ReduceSum(b.Mul(pairs, pairs), { axes: [axis], keepdims: 0 }));
  const power = b.Pow(magnitude, b.like(config.number('mag_exp', 2), magnitude));
  const [bins, rate, count] = [config.number('num_mel_bins', 128), config.number('sampling_rate', 16000), Math.floor(size / 2) + 1];
  const matrix = melMatrix(bins, count, rate, config.number('min_freq', 20), config.number('max_freq', rate / 2));
  const heard = b.MatMul(power, b.Cast(b.constant(matrix, 'float32', [count, bins]), x.type));
  const scaled = config.boolean('power_to_db', true) ? decibels(x, b, heard) : heard;
  return b.Transpose(
    scaled,
    range(axis)
      .with(axis - 2, axis - 1)
      .with(axis - 1, axis - 2),
  );
}

/** Relative to a power, and cut off below the loudest. */
function decibels({ config }: LayerCall, b: Builder, v: Value): Value {
  const least = config.number('min_power', 1e-10);
  const reference = Math.max(Math.abs(config.number('ref_power', 1)), least);
  const logs = b.Mul(b.Log(b.Max(v, b.like(least, v))), b.like(10 / Math.LN10, v));
  const relative = b.Sub(logs, b.like(10 * Math.log10(reference), v));
  const loudest = b.ReduceMax(relative, { axes: range(rankOf(relative)), keepdims: 0 });
  return b.Max(relative, b.Sub(loudest, b.like(config.number('top_db', 80), v)));
}

export const signals: LayerRows = {
  STFTSpectrogram: plain(spectrogram),
  MelSpectrogram: plain(melSpectrogram),
};
