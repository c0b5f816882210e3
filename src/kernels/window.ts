// conv and pool: windows that move over the spatial axes. Sums are kept in double precision.
import type { Kernel, Operand } from './kernel.ts';
import { countOf, forEachRow } from './walk.ts';

/** Positions of a window: for one tap, which outputs along an axis read inside the input. */
interface Span {
  readonly first: number;
  readonly end: number;
  /** Input index that output `first` reads. */
  readonly start: number;
}

function spanOf(tap: number, input: number, output: number, stride: number, dilation: number, pad: number): Span {
  const shift = tap * dilation - pad;
  const first = Math.max(0, Math.ceil(-shift / stride));
  const end = Math.max(first, Math.min(output, Math.floor((input - 1 - shift) / stride) + 1));
  return { first, end, start: first * stride + shift };
}

/** Visit every tap of the window with the outputs that see input there, as rows of the last spatial axis. */
function forEachTap(
  taps: readonly number[],
  spans: (tap: readonly number[]) => readonly Span[],
  visit: (tap: readonly number[], spans: readonly Span[]) => void,
): void {
  const total = countOf(taps);
  const tap = taps.map(() => 0);
  for (let t = 0; t < total; t++) {
    let rest = t;
    for (let axis = taps.length - 1; axis >= 0; axis--) {
      tap[axis] = rest % taps[axis]!;
      rest = Math.floor(rest / taps[axis]!);
    }
    const found = spans(tap);
    if (found.every(s => s.end > s.first)) visit(tap, found);
  }
}

type Conv = Extract<Kernel<number>, { kind: 'conv' }>;

export function conv(kernel: Conv, x: Operand, w: Operand, bias: Operand | undefined, y: Operand): void {
  const spatial = x.shape.slice(2);
  const outer = y.shape.slice(2);
  const perGroup = w.shape[1]!;
  const outputsPerGroup = w.shape[0]! / kernel.group;
  const plane = new Float64Array(countOf(outer));
  const planeStrides = outer.map((_, axis) => countOf(outer.slice(axis + 1)));
  for (let n = 0; n < y.shape[0]!; n++)
    for (let m = 0; m < y.shape[1]!; m++) {
      plane.fill(bias ? (bias.data[bias.offset + m * bias.strides[0]!] as number) : 0);
      const group = Math.floor(m / outputsPerGroup);
      forEachTap(
        w.shape.slice(2),
        tap => tap.map((t, d) => spanOf(t, spatial[d]!, outer[d]!, kernel.strides[d]!, kernel.dilations[d]!, kernel.pads[d]!)),
        (tap, spans) => {
          for (let c = 0; c < perGroup; c++) {
            const weight = w.data[
              w.offset + m * w.strides[0]! + c * w.strides[1]! + tap.reduce((at, t, d) => at + t * w.strides[d + 2]!, 0)
            ] as number;
            const base = x.offset + n * x.strides[0]! + (group * perGroup + c) * x.strides[1]!;
            forEachRow(
              spans.map(s => s.end - s.first),
              [
                { offset: spans.reduce((at, s, d) => at + s.first * planeStrides[d]!, 0), strides: planeStrides },
                {
                  offset: spans.reduce((at, s, d) => at + s.start * x.strides[d + 2]!, base),
                  strides: spans.map((_, d) => kernel.strides[d]! * x.strides[d + 2]!),
                },
              ],
              ([to, from], length, [dy, dx]) => {
                const data = x.data as Float32Array;
                for (let i = 0; i < length; i++) plane[to! + i * dy!]! += weight * data[from! + i * dx!]!;
              },
            );
          }
        },
      );
      writePlane(plane, planeStrides, y, n, m);
    }
}

function writePlane(plane: Float64Array | BigInt64Array, strides: readonly number[], y: Operand, n: number, m: number): void {
  const target = { offset: y.offset + n * y.strides[0]! + m * y.strides[1]!, strides: y.strides.slice(2) };
  forEachRow(y.shape.slice(2), [{ offset: 0, strides }, target], ([from, to], length, [dx, dy]) => {
    for (let i = 0; i < length; i++) y.data[to! + i * dy!] = plane[from! + i * dx!] as never;
  });
}

type Pool = Extract<Kernel<number>, { kind: 'pool' }>;

export function pool(kernel: Pool, x: Operand, y: Operand, indexes?: Operand): void {
  const spatial = x.shape.slice(2);
  const outer = y.shape.slice(2);
  const strides = outer.map((_, axis) => countOf(outer.slice(axis + 1)));
  const count = countOf(outer);
  const plane = new Float64Array(count);
  const places = new BigInt64Array(count);
  const divisors = kernel.by === 'average' ? divisorsOf(kernel, spatial, outer) : undefined;
  for (let n = 0; n < y.shape[0]!; n++)
    for (let c = 0; c < y.shape[1]!; c++) {
      plane.fill(kernel.by === 'max' ? -Infinity : 0);
      places.fill(-1n);
      poolPlane(kernel, x, n, c, plane, strides, indexes ? places : undefined, outer);
      if (divisors) for (let i = 0; i < count; i++) plane[i]! /= divisors[i]!;
      if (kernel.by === 'lp') for (let i = 0; i < count; i++) plane[i] = plane[i]! ** (1 / kernel.p);
      writePlane(plane, strides, y, n, c);
      if (indexes) writePlane(places, strides, indexes, n, c);
    }
}

function poolPlane(
  kernel: Pool,
  x: Operand,
  n: number,
  c: number,
  plane: Float64Array,
  strides: readonly number[],
  places: BigInt64Array | undefined,
  outer: readonly number[],
): void {
  const spatial = x.shape.slice(2);
  const base = x.offset + n * x.strides[0]! + c * x.strides[1]!;
  const flat = flatStrides(spatial, kernel.by === 'max' && kernel.p === 1);
  const start = (n * x.shape[1]! + c) * countOf(spatial);
  forEachTap(
    kernel.kernel,
    tap => tap.map((t, d) => spanOf(t, spatial[d]!, outer[d]!, kernel.strides[d]!, kernel.dilations[d]!, kernel.pads[d]!)),
    (_tap, spans) => {
      const along = (own: readonly number[], offset: number): { offset: number; strides: number[] } => ({
        offset: spans.reduce((at, s, d) => at + s.start * own[d]!, offset),
        strides: spans.map((_, d) => kernel.strides[d]! * own[d]!),
      });
      forEachRow(
        spans.map(s => s.end - s.first),
        [
          { offset: spans.reduce((at, s, d) => at + s.first * strides[d]!, 0), strides },
          along(x.strides.slice(2), base),
          along(flat, start),
        ],
        ([to, from, flatFrom], length, [dy, dx, df]) => {
          for (let i = 0; i < length; i++) {
            const at = to! + i * dy!;
            const value = Number(x.data[from! + i * dx!]);
            if (kernel.by === 'average') plane[at]! += value;
            else if (kernel.by === 'lp') plane[at]! += Math.abs(value) ** kernel.p;
            else if (value > plane[at]! || value !== value || (places && places[at] === -1n)) {
              plane[at] = value;
              if (places) places[at] = BigInt(flatFrom! + i * df!);
            }
          }
        },
      );
    },
  );
}

/** Steps of the flat index; column-major order exchanges the last two axes, as ONNX's storage_order 1 does. */
function flatStrides(spatial: readonly number[], columnMajor: boolean): number[] {
  if (!columnMajor) return spatial.map((_, axis) => countOf(spatial.slice(axis + 1)));
  return spatial.map((_, axis) => countOf(spatial.slice(0, axis)));
}

/** How many elements each window of an average has: those inside the input, or inside the padded input. */
function divisorsOf(kernel: Pool, spatial: readonly number[], outer: readonly number[]): Float64Array {
  const rank = spatial.length;
  const perAxis = spatial.map((size, d) =>
    Array.from({ length: outer[d]! }, (_, o) => {
      const start = o * kernel.strides[d]! - kernel.pads[d]!;
      const low = kernel.countPads ? -kernel.pads[d]! : 0;
      const high = kernel.countPads ? size + kernel.pads[rank + d]! : size;
      let n = 0;
      for (let t = 0; t < kernel.kernel[d]!; t++) {
        const at = start + t * kernel.dilations[d]!;
        if (at >= low && at < high) n++;
      }
      return n;
    }),
  );
  const all = new Float64Array(countOf(outer));
  const strides = outer.map((_, axis) => countOf(outer.slice(axis + 1)));
  for (let i = 0; i < all.length; i++) all[i] = perAxis.reduce((n, axis, d) => n * axis[Math.floor(i / strides[d]!) % outer[d]!]!, 1);
  return all;
}
