// How PyTorch interpolates along one axis of known sizes: elements taken, and weights; and whether ONNX's Resize does the same.
// Source: PyTorch, aten/src/ATen/native/UpSample.h.
import type { DataType } from '../../../ir/types.ts';
import { range } from '../../../ops/shapes.ts';
import type { Weights } from './taps.ts';

export interface Kernel {
  readonly mode: 'nearest' | 'nearest-exact' | 'linear' | 'cubic' | 'lanczos';
  readonly antialias: boolean;
  /** Whether the centres of the corner elements stay in place. */
  readonly alignCorners: boolean;
}

export interface Axis {
  readonly size: number;
  readonly out: number;
  /** What the caller scales by; else the sizes decide. */
  readonly factor: number | undefined;
}

/** Input elements an output element. */
const step = ({ size, out, factor }: Axis): number => (factor === undefined ? size / out : 1 / factor);

/** The element that each output element takes, in the precision in which PyTorch finds it. */
export function nearestTaps(axis: Axis, mode: Kernel['mode'], type: DataType): number[] {
  const round = type === 'float64' ? (n: number): number => n : Math.fround;
  const by = round(axis.factor === undefined ? round(axis.size) / round(axis.out) : step(axis));
  return range(axis.out).map(o => {
    const place = mode === 'nearest' ? Math.floor(round(by * o)) : Math.floor(round(centre(by, o, round) + 0.5));
    return Math.min(place, axis.size - 1);
  });
}

const centre = (by: number, o: number, round: (n: number) => number): number => Math.max(0, round(round(by * round(o + 0.5)) - 0.5));

/** Whether Resize, in float32, takes these elements. */
export function resizesNearestAlike(axes: readonly Axis[], taps: readonly (readonly number[])[], mode: Kernel['mode']): boolean {
  const round = Math.fround;
  const how = resizesBy(axes, false);
  return axes.every(({ size, out, factor }, i) => {
    const by = round(how === 'scales' ? factor! : out / size);
    const place = (o: number): number =>
      mode === 'nearest' ? Math.floor(round(o / by)) : Math.floor(round(round(round(o + 0.5) / by) - 0.5) + 0.5);
    return how !== undefined && taps[i]!.every((tap, o) => tap === Math.min(Math.max(place(o), 0), size - 1));
  });
}

/** An axis whose sizes may be open; only numbers are looked at. */
interface OpenAxis {
  readonly size: unknown;
  readonly out: unknown;
  readonly factor: number | undefined;
}

/** With which of its inputs Resize scales by what PyTorch scales by, if with any. */
export function resizesBy(axes: readonly OpenAxis[], alignCorners: boolean): 'scales' | 'sizes' | undefined {
  const givesSize = ({ size, out, factor }: OpenAxis): boolean =>
    factor !== undefined &&
    (typeof size !== 'number' || typeof out !== 'number' || Math.floor(Math.fround(Math.fround(factor) * size)) === out);
  if (axes.every(givesSize)) return 'scales';
  const isRatio = ({ size, out, factor }: OpenAxis): boolean =>
    factor === undefined ||
    alignCorners ||
    (typeof size === 'number' && typeof out === 'number' && Math.fround(factor) === Math.fround(out / size));
  return axes.every(axis => axis.out !== undefined && isRatio(axis)) ? 'sizes' : undefined;
}

/** The weights of the input elements in each output element. */
export function resampleWeights(axis: Axis, kernel: Kernel): Weights {
  const { size, out } = axis;
  const by = kernel.alignCorners ? (out > 1 ? (size - 1) / (out - 1) : 0) : step(axis);
  return range(out).map(o => {
    const row = new Array<number>(size).fill(0);
    for (const [place, weight] of kernel.antialias ? wide(by, o, size, kernel.mode) : narrow(by, o, size, kernel, axis))
      row[place]! += weight;
    return row;
  });
}

type Tap = readonly [place: number, weight: number];

/** The neighbours of one place; beyond the border lie copies of it. */
function narrow(by: number, o: number, size: number, { mode, alignCorners }: Kernel, axis: Axis): Tap[] {
  const centre = alignCorners ? by * o : by * (o + 0.5) - 0.5;
  const source = mode === 'cubic' ? centre : size === axis.out ? o : Math.max(0, centre);
  const from = Math.floor(source);
  const reach = mode === 'cubic' ? [-1, 0, 1, 2] : [0, 1];
  const filter = mode === 'cubic' ? cubic(-0.75) : triangle;
  return reach.map(k => [Math.min(Math.max(from + k, 0), size - 1), filter(source - from - k)]);
}

/** All elements under a filter as wide as the step; it ends at the border, and its weights sum up to 1. */
function wide(by: number, o: number, size: number, mode: Kernel['mode']): Tap[] {
  const { reach, filter } = filters[mode === 'linear' || mode === 'cubic' ? mode : 'lanczos'];
  const stretch = Math.max(by, 1);
  const centre = by * (o + 0.5);
  const first = Math.max(Math.trunc(centre - reach * stretch + 0.5), 0);
  const end = Math.min(Math.trunc(centre + reach * stretch + 0.5), size);
  const weights = range(end - first, first).map(j => filter((j - centre + 0.5) / stretch));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w, k) => [first + k, w / total]);
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

/** Keys' cubic convolution with parameter `a`. */
const cubic =
  (a: number) =>
  (x: number): number => {
    const d = Math.abs(x);
    if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
  };

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x: number): number => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);

const filters = {
  linear: { reach: 1, filter: triangle },
  cubic: { reach: 2, filter: cubic(-0.5) },
  lanczos: { reach: 3, filter: lanczos },
} as const;
