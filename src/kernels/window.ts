// conv and pool: windows that move over the spatial axes. Sums are kept in double precision.
import type { Kernel, Operand } from './kernel.ts';
import { sumProducts } from './product.ts';
import { countOf, forEachRow } from './walk.ts';

/** One tap along one axis: which outputs read inside the input there. */
interface Span {
  readonly first: number;
  readonly end: number;
  /** Input index that output `first` reads. */
  readonly start: number;
}

/** A window along one axis. */
interface Axis {
  readonly taps: number;
  readonly input: number;
  readonly output: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

/** The taps of an axis that read inside the input for some output; a window may be far longer than what it slides over. */
function spansOf({ taps, input, output, stride, dilation, pad }: Axis): Span[] {
  const spans: Span[] = [];
  const from = Math.max(0, Math.ceil((pad - (output - 1) * stride) / dilation));
  const to = Math.min(taps - 1, Math.floor((input - 1 + pad) / dilation));
  for (let tap = from; tap <= to; tap++) {
    const shift = tap * dilation - pad;
    const first = Math.max(0, Math.ceil(-shift / stride));
    const end = Math.min(output, Math.floor((input - 1 - shift) / stride) + 1);
    if (end > first) spans.push({ first, end, start: first * stride + shift });
  }
  return spans;
}

/** Visit every combination of taps, the last axis fastest. */
function forEachTap(axes: readonly (readonly Span[])[], visit: (spans: readonly Span[]) => void): void {
  const total = axes.reduce((n, spans) => n * spans.length, 1);
  const chosen: Span[] = [];
  for (let t = 0; t < total; t++) {
    let rest = t;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const spans = axes[axis]!;
      chosen[axis] = spans[rest % spans.length]!;
      rest = Math.floor(rest / spans.length);
    }
    visit(chosen);
  }
}

type Conv = Extract<Kernel<number>, { kind: 'conv' }>;

/** Positions of the output whose windows are found at once. */
const mostPositions = 64;

export function conv(kernel: Conv, x: Operand, w: Operand, bias: Operand | undefined, y: Operand): void {
  const terms = termsOf(kernel, x, w);
  const positions = indexesOf(y.shape.slice(2));
  const rows = w.shape[0]! / kernel.group;
  const [from, weights, to] = [x.data, w.data, y.data] as [Float32Array, Float32Array, Float32Array];
  for (let first = 0; first < positions.length; first += mostPositions) {
    const block = positions.slice(first, first + mostPositions);
    const { starts, inside } = windowsAt(kernel, x, w.shape.slice(2), block);
    const targets = block.map(p => dot(p, y.strides.slice(2)));
    for (let n = 0; n < y.shape[0]!; n++)
      for (let group = 0; group < kernel.group; group++) {
        const ownRows = w.offset + group * rows * w.strides[0]!;
        const ownChannels = x.offset + n * x.strides[0]! + group * w.shape[1]! * x.strides[1]!;
        sumProducts(
          rows,
          block.length,
          terms.weight.length,
          (a, row, count, at, length) => {
            for (let i = 0; i < count; i++) {
              const start = ownRows + (row + i) * w.strides[0]!;
              for (let q = 0; q < length; q++) a[i * length + q] = weights[start + terms.weight[at + q]!]!;
            }
          },
          (b, column, count, at, length) => {
            for (let q = 0; q < length; q++) {
              const offset = ownChannels + terms.input[at + q]!;
              const seen = terms.tap[at + q]! * block.length + column;
              for (let i = 0; i < count; i++) b[i * length + q] = inside[seen + i] ? from[starts[column + i]! + offset]! : 0;
            }
          },
          (sums, row, count, column, columns, stride) => {
            for (let i = 0; i < count; i++) {
              const m = group * rows + row + i;
              const start = y.offset + n * y.strides[0]! + m * y.strides[1]!;
              const add = bias ? (bias.data[bias.offset + m * bias.strides[0]!] as number) : 0;
              for (let j = 0; j < columns; j++) to[start + targets[column + j]!] = sums[i * stride + j]! + add;
            }
          },
        );
      }
  }
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** Every index of a shape, in row-major order. */
function indexesOf(shape: readonly number[]): number[][] {
  const strides = shape.map((_, axis) => countOf(shape.slice(axis + 1)));
  return Array.from({ length: countOf(shape) }, (_, i) => shape.map((size, axis) => Math.floor(i / strides[axis]!) % size));
}

/** The products that make up one element, channel after channel: which tap, and how far weight and input lie from those of the first. */
function termsOf(kernel: Conv, x: Operand, w: Operand): { tap: number[]; weight: number[]; input: number[] } {
  const taps = indexesOf(w.shape.slice(2));
  const terms: { tap: number[]; weight: number[]; input: number[] } = { tap: [], weight: [], input: [] };
  for (let channel = 0; channel < w.shape[1]!; channel++)
    for (const [tap, index] of taps.entries()) {
      terms.tap.push(tap);
      terms.weight.push(channel * w.strides[1]! + dot(index, w.strides.slice(2)));
      terms.input.push(
        channel * x.strides[1]! +
          dot(
            index.map((t, d) => t * kernel.dilations[d]!),
            x.strides.slice(2),
          ),
      );
    }
  return terms;
}

/** For positions of the output, where their windows start in the input, and tap by tap which of them see input there. */
function windowsAt(
  kernel: Conv,
  x: Operand,
  taps: readonly number[],
  positions: readonly (readonly number[])[],
): { starts: number[]; inside: Uint8Array } {
  const corners = positions.map(p => p.map((o, d) => o * kernel.strides[d]! - kernel.pads[d]!));
  const inside = new Uint8Array(countOf(taps) * positions.length);
  for (const [tap, index] of indexesOf(taps).entries())
    for (const [i, corner] of corners.entries()) {
      const sees = corner.every((start, d) => {
        const at = start + index[d]! * kernel.dilations[d]!;
        return at >= 0 && at < x.shape[d + 2]!;
      });
      inside[tap * positions.length + i] = Number(sees);
    }
  return { starts: corners.map(corner => dot(corner, x.strides.slice(2))), inside };
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
  const taps = kernel.kernel.map((taps, d) =>
    spansOf({
      taps,
      input: spatial[d]!,
      output: outer[d]!,
      stride: kernel.strides[d]!,
      dilation: kernel.dilations[d]!,
      pad: kernel.pads[d]!,
    }),
  );
  const divisors = kernel.by === 'average' ? divisorsOf(kernel, spatial, outer) : undefined;
  for (let n = 0; n < y.shape[0]!; n++)
    for (let c = 0; c < y.shape[1]!; c++) {
      plane.fill(kernel.by === 'max' ? -Infinity : 0);
      places.fill(-1n);
      poolPlane(kernel, taps, x, n, c, plane, strides, indexes ? places : undefined);
      if (divisors) for (let i = 0; i < count; i++) plane[i]! /= divisors[i]!;
      if (kernel.by === 'lp') for (let i = 0; i < count; i++) plane[i] = plane[i]! ** (1 / kernel.p);
      writePlane(plane, strides, y, n, c);
      if (indexes) writePlane(places, strides, indexes, n, c);
    }
}

function poolPlane(
  kernel: Pool,
  taps: readonly (readonly Span[])[],
  x: Operand,
  n: number,
  c: number,
  plane: Float64Array,
  strides: readonly number[],
  places: BigInt64Array | undefined,
): void {
  const spatial = x.shape.slice(2);
  const base = x.offset + n * x.strides[0]! + c * x.strides[1]!;
  const flat = flatStrides(spatial, kernel.by === 'max' && kernel.p === 1);
  const start = (n * x.shape[1]! + c) * countOf(spatial);
  forEachTap(taps, spans => {
    const along = (own: readonly number[], offset: number): { offset: number; strides: number[] } => ({
      offset: spans.reduce((at, s, d) => at + s.start * own[d]!, offset),
      strides: spans.map((_, d) => kernel.strides[d]! * own[d]!),
    });
    forEachRow(
      spans.map(s => s.end - s.first),
      [{ offset: spans.reduce((at, s, d) => at + s.first * strides[d]!, 0), strides }, along(x.strides.slice(2), base), along(flat, start)],
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
  });
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
      const dilation = kernel.dilations[d]!;
      const first = Math.max(0, Math.ceil((low - start) / dilation));
      const last = Math.min(kernel.kernel[d]! - 1, Math.ceil((high - start) / dilation) - 1);
      return Math.max(0, last - first + 1);
    }),
  );
  const all = new Float64Array(countOf(outer));
  const strides = outer.map((_, axis) => countOf(outer.slice(axis + 1)));
  for (let i = 0; i < all.length; i++) all[i] = perAxis.reduce((n, axis, d) => n * axis[Math.floor(i / strides[d]!) % outer[d]!]!, 1);
  return all;
}
